"""Whole crawls by name: a name server and a site on loopback, the crawler started as a user starts it."""

import asyncio
import json
import signal
import socket
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from crawler.engine import Engine
from crawler.fetcher import Fetcher, FetchError
from crawler.frontier.memory import MemoryFrontier
from crawler.guard import Guard
from crawler.pace import OWN_PACE
from crawler.settings import Settings
from storage import Places
from tests import nameserver
from tests.conftest import missing
from tests.crawling import QUICK, Crawl, Run, crawl
from tests.nameserver import Nameserver
from tests.site import Arrival, Site, served


@pytest.fixture
def names() -> Iterator[Nameserver]:
    with nameserver.serving() as server:
        yield server


@pytest.fixture
def make_fetcher() -> Iterator[Callable[[Guard], Fetcher]]:
    with ExitStack() as opened:

        def make(guard: Guard) -> Fetcher:
            fetcher = Fetcher(
                guard=guard, agent="Test/1", concurrency=10, max_body=10**6, timeout=60, connect_timeout=60
            )
            opened.callback(fetcher.close)
            return fetcher

        yield make


def engine_of(folder: Path, names: Nameserver, fetcher: Fetcher, seeds: Sequence[str], **options: Any) -> Engine:
    defaults: dict[str, Any] = {"delay": 0, "retries": 0, "robots": "ignore", "dns_server": (names.address,)}
    settings = Settings(job=folder, **(defaults | options))
    return Engine(settings, MemoryFrontier("breadth"), Places(["jsonl"], folder), fetcher, seeds)


def errors(run: Run) -> dict[str, str]:
    """What hindered each URL, by host."""
    return {url.split("/")[2].partition(":")[0]: record["error"] for url, record in run.by_url.items()}


async def test_hosts_are_found_by_their_names(site: Site, names: Nameserver, job: Path, processes: int) -> None:
    site.page("/", "/a", "/b")
    site.page("/a")
    site.page("/b", "http://192.0.2.1/")
    seeds = []
    for name in ("one.test", "two.test", "under_score.test", "dot.test."):
        names.say(name.rstrip("."), "127.0.0.1", ttl=300)
        seeds.append(site.url("/", host=name))
    run = await crawl(job, *QUICK, f"--dns-server={names.address}", *seeds)
    assert run.code == 0
    assert len(run.records) == 12
    assert {record["ip"] for record in run.records} == {"127.0.0.1"}
    assert {name: names.count(name) for name in names.names} == dict.fromkeys(names.names, 1)


async def test_a_name_that_leads_nowhere_is_a_record_with_its_reason(
    site: Site, names: Nameserver, job: Path, processes: int
) -> None:
    names.say("broken.test", rcode=nameserver.SERVFAIL)
    names.say("good.test", "127.0.0.1")
    site.page("/")
    seeds = [site.url("/", host=name) for name in ("nobody.test", "broken.test", "good.test")]
    run = await crawl(job, "--delay=0", "--retries=1", "--robots=ignore", f"--dns-server={names.address}", *seeds)
    assert errors(run) == {
        "nobody.test": "dns: nobody.test does not exist, or has no address",
        "broken.test": "dns: broken.test could not be resolved: DNS server returned general failure",
        "good.test": None,
    }
    assert [record["attempts"] for record in run.records if record["error"]] == [2, 2]
    assert run.summary["errors"] == {"dns": 2}


async def test_a_trial_asks_the_name_servers_that_the_crawl_would(site: Site, names: Nameserver, job: Path) -> None:
    names.say("a.test", "127.0.0.1")
    site.redirect("/", site.url("/b", host="nobody.test"))
    site.page("/b", title="found")
    arguments = ("--private=allow", f"--dns-server={names.address}")
    run = await crawl(job, *arguments, f"--try={site.url('/', host='a.test')}")
    assert run.code == 2
    assert "/b: dns: nobody.test does not exist, or has no address" in run.err
    run = await crawl(job, *arguments, f"--try={site.url('/b', host='a.test')}")
    assert json.loads(run.out)["title"] == "found"


async def test_a_host_whose_robots_txt_cannot_be_asked_for_is_given_up(
    site: Site, names: Nameserver, job: Path
) -> None:
    run = await crawl(job, *QUICK, f"--dns-server={names.address}", site.url("/", host="nobody.test"))
    assert run.code == 3
    assert run.summary["refusals"] == {"robots_unreachable": 1}


async def test_a_name_that_comes_to_be_is_found_by_a_later_attempt(
    site: Site, names: Nameserver, job: Path, processes: int
) -> None:
    site.page("/")

    def look(name: str) -> None:
        if names.count(name, nameserver.AAAA) and names.count(name):
            names.say(name, "127.0.0.1")

    names.watch = look
    run = await crawl(job, "--delay=0", f"--dns-server={names.address}", site.url("/", host="new.test"))
    assert errors(run) == {"new.test": None}


async def test_a_stop_while_names_are_resolved_keeps_their_urls(
    site: Site, names: Nameserver, job: Path, processes: int
) -> None:
    asked = asyncio.Event()
    loop = asyncio.get_running_loop()
    names.say("slow.test", silent=True)

    def look(_: str) -> None:
        loop.call_soon_threadsafe(asked.set)

    names.watch = look
    site.page("/")
    arguments = ("--connect-timeout=600", f"--dns-server={names.address}", site.url("/", host="slow.test"))
    running = await Crawl.start(job, *QUICK, *arguments)
    await asked.wait()
    running.process.send_signal(signal.SIGINT)
    run = await running.end()
    assert run.code == 130
    assert run.summary["queued"] == 1
    names.say("slow.test", "127.0.0.1")
    assert errors(await crawl(job, *QUICK, *arguments)) == {"slow.test": None}


async def test_a_page_cannot_lead_to_the_inner_network_by_a_name(
    site: Site, names: Nameserver, job: Path, processes: int
) -> None:
    site.page("/", site.url("/secret", host="evil.test"))
    names.say("evil.test", "127.0.0.1")
    run = await crawl(job, *QUICK, "--scope=any", f"--dns-server={names.address}", site.url("/"))
    assert errors(run)["evil.test"] == "private_address: 127.0.0.1 is not public"
    assert site.asked == ["/"]


async def test_a_seed_that_turns_to_another_inner_address_is_refused(
    site: Site, names: Nameserver, job: Path, processes: int
) -> None:
    site.page("/", "/a")
    site.page("/a")
    names.say("inner.test", "127.0.0.1")
    arguments = (f"--dns-server={names.address}", site.url("/", host="inner.test"))
    await crawl(job, *QUICK, "--max-pages=1", *arguments)
    names.say("inner.test", "127.0.0.2")
    run = await crawl(job, *QUICK, "--max-pages=none", *arguments)
    assert [record["error"] for record in run.records] == [None, "private_address: 127.0.0.2 is not public"]
    assert site.asked == ["/"]


async def test_a_seed_that_was_public_cannot_turn_to_loopback(
    site: Site, names: Nameserver, make_fetcher: Callable[[Guard], Fetcher], tmp_path: Path
) -> None:
    """DNS rebinding. A seed that has answered from a public address is pinned to no private one."""
    site.page("/")
    names.say("was-public.test", "127.0.0.1")
    seed = site.url("/", host="was-public.test")
    fetcher = make_fetcher(Guard("seeds", [f"was-public.test:{site.port}"], {f"was-public.test:{site.port}": []}))
    engine = engine_of(tmp_path, names, fetcher, [seed])
    assert await engine.open()
    await engine.run()
    assert errors(Run(0, "", "", tmp_path)) == {"was-public.test": "private_address: 127.0.0.1 is not public"}
    assert not site.arrivals


async def test_newer_addresses_take_the_place_of_older_ones(make_fetcher: Callable[[Guard], Fetcher]) -> None:
    """libcurl keeps addresses in a cache of its own. A guard that refuses them all says which one was tried last."""
    fetcher = make_fetcher(Guard("deny", [], {}))
    for tried in (["127.0.0.1"], ["10.0.0.1"], ["fd00::7"], ["127.0.0.1"], ["fd00::1", "fd00::2"]):
        with pytest.raises(FetchError) as raised:
            await fetcher.fetch("http://a.test/", addresses=tried)
        assert str(raised.value) == f"private_address: {tried[-1]} is not public"


async def test_the_first_address_that_answers_is_taken(site: Site, make_fetcher: Callable[[Guard], Fetcher]) -> None:
    site.page("/")
    fetcher = make_fetcher(Guard("allow", [], {}))
    response = await fetcher.fetch(site.url("/", host="a.test"), addresses=["::1", "127.0.0.1"])
    assert response.ip == "127.0.0.1"


def own_address() -> str:
    """An address of this machine that is not loopback; what is sent to it stays on the machine."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))  # sends nothing, but finds the interface that it would go out by
        except OSError:
            missing("this machine has no address but loopback")
        address: str = probe.getsockname()[0]
    return address


async def test_many_hosts_of_one_address_are_asked_by_turns(names: Nameserver, job: Path, processes: int) -> None:
    """From the server's side: never more at once than --per-address, though 12 hosts could have 4 each."""
    address = own_address()
    async with served(address) as site:
        most = 0
        enough = asyncio.Event()

        def look(_: Arrival) -> None:
            nonlocal most
            most = max(most, 1 + sum(site.busy.values()))
            if most == 5:
                enough.set()

        site.watch = look
        paths = [f"/{number}" for number in range(6)]
        site.page("/", *paths, gate=enough)
        for path in paths:
            site.page(path, delay=0.01)
        hosts = [f"h{number}.test" for number in range(12)]
        for host in hosts:
            names.say(host, address, ttl=300)
        seeds: Sequence[str] = [site.url("/", host=host) for host in hosts]
        limits = ("--delay=0", "--per-address=5", "--private=allow", f"--dns-server={names.address}")
        run = await crawl(job, *limits, *seeds)
        assert len(run.by_url) == 12 * 7
        assert all(record["status"] == 200 for record in run.records)
        assert most == 5


async def test_watchers_are_told_what_a_host_waits_for(
    names: Nameserver, make_fetcher: Callable[[Guard], Fetcher], tmp_path: Path
) -> None:
    address = own_address()
    async with served(address) as site:
        everything = asyncio.Event()
        site.page("/", gate=everything)
        names.say("silent.test", silent=True)
        for host in ("one.test", "two.test"):
            names.say(host, address, ttl=300)
        seeds = [site.url("/", host=host) for host in ("one.test", "two.test", "silent.test")]
        fetcher = make_fetcher(Guard("allow", [], {}))
        engine = engine_of(tmp_path, names, fetcher, seeds, per_address=1, per_host=1, connect_timeout=600)
        assert await engine.open()
        asked = site.reached(1)
        running = asyncio.create_task(engine.run())
        await asked.wait()
        expected = {
            OWN_PACE,
            f"its address {address} is busy: 1 request at once, with other hosts",
            "its name is being resolved",
        }
        async with asyncio.timeout(60):
            while {view.reason for view in engine.view.hosts("host", "", 9, 0)[0]} != expected:
                await asyncio.sleep(0.01)
        everything.set()
        engine.stop()
        await running
