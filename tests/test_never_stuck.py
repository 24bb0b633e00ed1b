"""Crawls of hosts that never answer, drip, flap, refuse or ask for patience: each ends, or says what it waits for."""

import asyncio
import json
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from tornado.websocket import websocket_connect

from tests import nameserver
from tests.crawling import QUICK, Crawl, Run, crawl
from tests.odd_server import OddServer
from tests.site import Page, Site

pytestmark = pytest.mark.usefixtures("processes")

ANYWAY = (*QUICK, "--robots=ignore")
MANY = 60  # URLs of a host that does not answer
FEW = 20  # requests that it may cost at most, however many they are


@pytest.fixture
def good(site: Site) -> Site:
    """A site of thirty-one pages that answers."""
    site.page("/", *(f"/{number}" for number in range(30)))
    for number in range(30):
        site.page(f"/{number}")
    return site


def seeds(server: OddServer, path: str, count: int = MANY) -> list[str]:
    return [server.url(f"{path}?{number}") for number in range(count)]


def check_good(run: Run, good: Site) -> None:
    """All of the good site was crawled, each page at the first try."""
    assert sorted(good.asked) == sorted(["/", *(f"/{number}" for number in range(30))])
    records = [run.by_url[good.url(path)] for path in good.asked]
    assert {(record["status"], record["attempts"]) for record in records} == {(200, 1)}


def check_ended(run: Run, urls: int) -> None:
    """Every URL has a record or a reason, and nothing is left."""
    assert run.code == 0, run.err
    summary = run.summary
    assert (summary["state"], summary["queued"]) == ("finished", 0)
    assert len(run.by_url) + sum(summary["refusals"].values()) == urls


@asynccontextmanager
async def watching(running: Crawl) -> AsyncIterator[Callable[..., Awaitable[dict[str, Any]]]]:
    """Gives a function that waits for the first of the live figures in whose verdict some words stand."""
    assert running.process.stdout is not None
    address = (await running.process.stdout.readline()).decode().split()[-1]
    watcher = await websocket_connect(address.replace("http", "ws", 1) + "live")

    async def told(*words: str) -> dict[str, Any]:
        async with asyncio.timeout(60):
            while (message := await watcher.read_message()) is not None:
                figures: dict[str, Any] = json.loads(message)
                if all(word in figures["verdict"]["text"] for word in words):
                    return figures
        raise AssertionError("the crawl ended before it said so")

    yield told
    watcher.close()


@pytest.mark.parametrize(
    ("path", "error"), [("silence", "timeout"), ("reset", "reset"), ("drip-head", "timeout")], ids=str
)
async def test_a_host_that_gives_no_answer_is_given_up_in_one_step(
    good: Site, job: Path, path: str, error: str
) -> None:
    async with OddServer() as server:
        urls = seeds(server, path)
        run = await crawl(job, *ANYWAY, "--per-host=5", "--timeout=2", "--host-wait=1", *urls, good.url("/"))
    check_ended(run, MANY + 31)
    check_good(run, good)
    assert 6 <= len(server.requests) <= FEW
    assert run.summary["errors"] == {error: len(server.requests)}
    assert run.summary["refusals"] == {"host_down": MANY - len(server.requests)}
    assert f"127.0.0.1:{server.port} is given up: the host could not be reached" in run.err
    assert "of hosts that were given up: the same command tries again" in run.out
    (given_up, *_) = set(urls) - {record["url"] for record in run.records}
    explained = (await crawl(job, f"--explain={given_up}")).out
    assert "[host_down]" in explained
    assert "The next start of the job lets it wait again." in explained


async def test_a_slow_body_is_a_time_out_of_its_page_alone(good: Site, job: Path) -> None:
    """The host does answer, so it is not given up; but its slow pages do not hold the crawl."""
    async with OddServer() as server:
        slow = [*seeds(server, "drip", 4), *seeds(server, "half-then-silence", 4)]
        run = await crawl(job, *ANYWAY, "--timeout=2", "--per-host=8", "--host-wait=0", *slow, good.url("/"))
    check_ended(run, 8 + 31)
    check_good(run, good)
    assert [run.by_url[url]["status"] for url in slow] == [200] * 8
    assert {run.by_url[url]["error"].partition(":")[0] for url in slow} == {"timeout"}


async def test_a_silent_host_holds_up_no_other(good: Site, job: Path) -> None:
    """All of the good site is asked for while the first requests to the silent host have not yet timed out."""
    async with OddServer() as server:
        all_asked = good.reached(31)
        running = await Crawl.start(
            job, *ANYWAY, "--timeout=600", "--concurrency=8", *seeds(server, "silence"), good.url("/")
        )
        await all_asked.wait()
        running.process.send_signal(signal.SIGINT)
        running.process.send_signal(signal.SIGINT)
        await running.end()
        assert len(server.requests) <= 4, "its slots"


async def test_a_host_that_falls_silent_with_many_urls_waiting_costs_few_attempts(site: Site, job: Path) -> None:
    """It refuses connections after its first pages; once it is back, the same command crawls all that was given up."""
    paths = ["/", *(f"/{number}" for number in range(200))]
    site.page(*paths)
    for path in paths[1:]:
        site.page(path)
    some = site.reached(20)
    running = await Crawl.start(job, "--delay=0.02", "--retries=1", "--host-wait=1", site.url("/"))
    await some.wait()
    await site.down()
    run = await running.end()
    check_ended(run, 201)
    answered = sum(record["status"] == 200 for record in run.records)
    failed = [record for record in run.records if record["status"] is None]
    assert answered + len(failed) + run.summary["refusals"]["host_down"] == 201
    assert sum(record["attempts"] for record in failed) <= FEW
    assert {record["error"].partition(":")[0] for record in failed} <= {"connect", "reset", "host_down"}
    await site.up()
    again = await crawl(job, *QUICK, site.url("/"))
    assert again.code == 0
    assert set(again.by_url) == {site.url(path) for path in paths}
    assert again.summary["refusals"] == {}
    assert sum(record["status"] == 200 for record in again.records) == 201 - len(failed)
    finished = await crawl(job, *QUICK, site.url("/"))
    assert (finished.code, finished.out.count("\n")) == (0, 1)
    assert "--fresh" in finished.out
    assert "--recrawl" in finished.out


async def test_a_host_that_comes_back_is_crawled_and_meanwhile_the_crawl_says_what_it_waits_for(
    site: Site, job: Path
) -> None:
    site.page("/", *(f"/{number}" for number in range(30)))
    some = site.reached(10)
    running = await Crawl.start(job, "--port=0", "--delay=0.02", "--retries=9", site.url("/"))
    async with watching(running) as told:
        await some.wait()
        await site.down()
        figures = await told(f"127.0.0.1:{site.port}", "asleep after", "probed in", "given up in", "--host-wait")
    assert figures["verdict"]["limit"] == "silence"
    (host,) = figures["view"]["hosts"]
    assert "asleep after" in host["reason"]
    await site.up()
    run = await running.end()
    check_ended(run, 31)
    assert {record["error"] for record in run.records} == {None}
    assert len(run.by_url) == 31


async def test_without_robots_txt_a_silent_host_does_not_hold_the_crawl(good: Site, job: Path) -> None:
    """While other work remains it is asked for again; what waits for it is let in by the next run."""
    async with greeting(b"") as port:
        run = await crawl(job, *QUICK, "--timeout=2", "--robots-wait=1", f"http://127.0.0.1:{port}/a", good.url("/"))
        check_ended(run, 1 + 31)
        check_good(run, good)
        assert run.summary["refusals"] == {"robots_unreachable": 1}
        again = await crawl(job, *QUICK, "--timeout=1", "--robots=ignore")
    check_ended(again, 1 + 31)
    assert again.summary["errors"] == {"timeout": 1}


@asynccontextmanager
async def greeting(words: bytes) -> AsyncIterator[int]:
    """A server that says this to whoever connects, and nothing more, at the port that this gives."""
    gone = asyncio.Event()

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(words)
        await gone.wait()
        writer.close()

    server = await asyncio.start_server(accept, "127.0.0.1", 0)
    yield server.sockets[0].getsockname()[1]
    gone.set()
    server.close()
    await server.wait_closed()


@pytest.mark.parametrize(
    ("robots", "refusals"),
    [("ignore", {"host_down": MANY - 6}), ("obey", {"robots_unreachable": MANY})],
)
async def test_a_host_whose_tls_fails(good: Site, job: Path, robots: str, refusals: dict[str, int]) -> None:
    async with greeting(b"220 ready\r\n") as port:  # a server of mail, say, that knows no TLS
        secure = [f"https://127.0.0.1:{port}/{number}" for number in range(MANY)]
        run = await crawl(job, *QUICK, "--per-host=1", f"--robots={robots}", "--host-wait=1", *secure, good.url("/"))
    check_ended(run, MANY + 31)
    check_good(run, good)
    assert run.summary["refusals"] == refusals
    assert run.summary["errors"] == ({"tls": 6} if robots == "ignore" else {})


async def test_while_a_host_rests_as_it_has_asked_the_crawl_says_so(site: Site, job: Path) -> None:
    gate = asyncio.Event()
    site.raw("/busy", b"", status=429, headers={"Retry-After": "8"}, gate=gate)
    site.page("/also")
    running = await Crawl.start(job, *QUICK, "--per-host=1", "--port=0", site.url("/busy"), site.url("/also"))
    async with watching(running) as told:
        gate.set()
        figures = await told(f"127.0.0.1:{site.port} (Retry-After of a 429, ", " s more): that is its owner's wish")
    assert figures["verdict"]["limit"] == "politeness"
    run = await running.end()
    check_ended(run, 2)


async def test_a_host_that_only_ever_asks_for_patience(good: Site, job: Path) -> None:
    """Each Retry-After is waited for, as often as a page may be tried; then its last answer is its record."""
    good.raw("/busy", b"", status=429, headers={"Retry-After": "1"})
    run = await crawl(job, "--delay=0", "--retries=2", good.url("/busy", "localhost"), good.url("/"))
    check_ended(run, 1 + 31)
    busy = run.by_url[good.url("/busy", "localhost")]
    assert (busy["status"], busy["attempts"], busy["error"]) == (429, 3, None)


async def test_a_host_that_asks_for_too_much_patience_is_given_up_in_one_step(site: Site, job: Path) -> None:
    others = [f"/{number}" for number in range(50)]
    site.page("/", "/busy", *others)
    site.page("/busy", before=[Page(b"", status=503, headers={"Retry-After": "1000"})])
    for path in others:
        site.page(path)
    run = await crawl(job, "--delay=0.05", "--per-host=1", "--max-retry-after=500", site.url("/"))
    check_ended(run, 52)
    assert site.asked == ["/", "/busy"]
    assert run.by_url[site.url("/busy")]["error"].startswith("retry_after: ")
    assert run.summary["refusals"] == {"retry_after": 50}
    assert f"127.0.0.1:{site.port} is given up: the host asked for a longer rest" in run.err
    for arguments in ([site.url("/")], ["--fresh", "--yes", "--max-retry-after=1000", site.url("/")]):
        again = await crawl(job, "--delay=0", "--retries=0", *arguments)
        if "--fresh" in arguments:
            assert len(again.by_url) == 52, "the job was begun anew, and the host has forgotten"
        else:
            check_ended(again, 52)
            assert len(site.asked) == 2, "the rest is not over yet"
            assert again.summary["refusals"] == {"retry_after": 50}


async def test_a_name_and_a_robots_txt_that_are_waited_for_are_told_with_the_longest_time(
    site: Site, job: Path
) -> None:
    site.raw("/robots.txt", b"", gate=asyncio.Event())
    for host, words in (
        ("name.test", ("name.test", "given up after 600 s, --connect-timeout")),
        ("name.localhost", ("name.localhost", "has 599 s for an answer (--timeout)")),
    ):
        with nameserver.serving() as names:
            names.say("name.test", silent=True)
            waits = ("--connect-timeout=600", "--timeout=599", f"--dns-server={names.address}")
            running = await Crawl.start(job.with_name(host), "--port=0", *waits, site.url("/", host=host))
            async with watching(running) as told:
                await told(*words)
            running.process.send_signal(signal.SIGINT)
            running.process.send_signal(signal.SIGINT)
            assert (await running.end()).code == 130
