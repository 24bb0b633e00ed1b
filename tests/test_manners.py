"""Politeness as the servers see it: real ones write down what arrives when, while crawls are killed and go on.

An arrival is timed by the system that received it. What is left between that and the crawler's own clock is that a
process may lose the processor right before it writes a request: the next one, on time, then comes so much sooner after
it. `LATE` allows for that.
"""

import asyncio
import signal
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack
from email.utils import formatdate
from itertools import pairwise
from pathlib import Path

import pytest

from crawler.frontier import FrontierError, reader
from tests.crawling import Crawl, crawl
from tests.site import Arrival, Page, Site, served

pytestmark = pytest.mark.usefixtures("processes")

LATE = 0.12  # seconds
DELAY, SLOTS, CRAWL_DELAY = 0.25, 2, 0.6


@pytest.fixture
async def sites() -> AsyncIterator[list[Site]]:
    """Three hosts: one quick, one slow and with troubles, one strict."""
    async with AsyncExitStack() as stack:
        quick, troubled, strict = sites = [await stack.enter_async_context(served()) for _ in range(3)]
        for site in sites:
            site.raw("/robots.txt", b"User-agent: *\nDisallow: /secret\n")
        quick.page("/", "/secret/1", *(f"/{number}" for number in range(20)))
        for number in range(20):
            quick.page(f"/{number}", "/secret/2", "/")
        troubled.page(
            "/", "/missing", "/moved", "/broken", "/secret/1", *(f"/{number}" for number in range(8)), delay=1
        )
        troubled.redirect("/moved", "/secret/3")
        troubled.raw("/broken", b"", status=500)
        for number in range(8):
            troubled.page(f"/{number}", delay=0.8)
        strict.raw("/robots.txt", b"User-agent: *\nDisallow: /secret\nCrawl-delay: %.1f\n" % CRAWL_DELAY)
        strict.page("/", "/secret/1", "/moved", *(f"/{number}" for number in range(12)))
        strict.redirect("/moved", "/5")
        yield sites


def check_distance(site: Site, least: float) -> None:
    """No two requests started closer together, robots.txt and redirects included."""
    gaps = {(before.path, after.path): after.at - before.at for before, after in pairwise(site.arrivals)}
    assert min(gaps.values()) > least - LATE, gaps


def check_quiet(site: Site, after: Arrival, seconds: float) -> None:
    """Nothing was asked for in this time after an arrival."""
    later = [arrival.at - after.at for arrival in site.arrivals if arrival.at > after.at]
    assert later
    assert min(later) > seconds - LATE


def count(site: Site, path: str) -> int:
    return [arrival.path for arrival in site.arrivals].count(path)


async def test_every_rule_holds_over_kills_and_restarts(sites: Sequence[Site], job: Path) -> None:
    command = [f"--delay={DELAY}", f"--per-host={SLOTS}", "--retries=1", *(site.url("/") for site in sites)]
    for number, end in ((4, signal.SIGKILL), (7, signal.SIGKILL), (10, signal.SIGINT)):
        enough = [site.reached(number) for site in sites]
        running = await Crawl.start(job, *command)
        for event in enough:
            await event.wait()
        running.process.send_signal(end)
        await running.end()
        for site in sites:  # what the process that died had asked for is no longer under way
            await site.down()
            await site.up()
    run = await crawl(job, *command)
    assert run.code == 0
    assert run.summary["refusals"] == {"robots": 5}
    for site in sites:
        assert count(site, "/robots.txt") == 1
        assert not [path for path in site.asked if path.startswith("/secret")]
        assert max(site.most_busy.values()) <= SLOTS
        check_distance(site, CRAWL_DELAY if site is sites[2] else DELAY)
    assert max(sites[1].most_busy.values()) == SLOTS, "slow enough for its slots to matter"
    assert len(run.by_url) == 21 + 12 + 14


def as_seconds(wait: int) -> str:
    return str(wait)


def as_date(wait: int) -> str:
    return formatdate(time.time() + wait, usegmt=True)


@pytest.mark.parametrize(("status", "form"), [(429, as_seconds), (503, as_date)])
async def test_a_retry_after_holds_for_the_whole_host_and_over_a_restart(
    site: Site, job: Path, status: int, form: Callable[[int], str]
) -> None:
    """It is killed once it has noted the rest, and goes on at once, but asks nothing before the rest is over."""
    headers: dict[str, str] = {}
    site.page("/", "/busy", *(f"/{number}" for number in range(5)))
    site.page("/busy", before=[Page(b"", status=status, headers=headers)])
    for number in range(5):
        site.page(f"/{number}")
    site.watch = lambda arrival: headers.update({"Retry-After": form(6)})
    command = ["--delay=0", "--per-host=1", "--robots=ignore", site.url("/")]
    running = await Crawl.start(job, *command)
    async with asyncio.timeout(30):
        while not await rests(job):
            await asyncio.sleep(0.02)
    running.process.kill()
    await running.end()
    last = site.arrivals[-1]
    assert last.path == "/busy"
    run = await crawl(job, *command)
    assert (run.code, len(run.by_url)) == (0, 7)
    assert {record["status"] for record in run.records} == {200}
    check_quiet(site, last, 6 if form is as_seconds else 5)  # a date is cut to whole seconds


async def rests(job: Path) -> bool:
    """Has the job noted that a host asked for a rest?"""
    try:
        return bool(await reader("sqlite", job).notes("rest:"))
    except FrontierError:  # it is just being made
        return False


async def test_a_retry_after_of_a_robots_txt_holds(site: Site, job: Path) -> None:
    busy = Page(b"", status=503, headers={"Retry-After": "3"})
    site.raw("/robots.txt", b"User-agent: *\nDisallow: /secret", before=[busy])
    site.page("/", "/secret")
    run = await crawl(job, "--delay=0", site.url("/"))
    assert (run.code, run.summary["refusals"]) == (0, {"robots": 1})
    assert [arrival.path for arrival in site.arrivals] == ["/robots.txt", "/robots.txt", "/"]
    check_quiet(site, site.arrivals[0], 3)
    assert "robots.txt cannot be had (status 503), asked again in 3 s" in (job / "crawl.log").read_text()


async def test_a_robots_txt_whose_retry_after_is_too_long_gives_the_host_up(site: Site, job: Path) -> None:
    site.raw("/robots.txt", b"", status=429, headers={"Retry-After": "100"})
    urls = [site.url(f"/{number}") for number in range(20)]
    run = await crawl(job, "--delay=0", "--max-retry-after=50", *urls)
    assert (run.code, run.records) == (3, [])
    assert run.summary["refusals"] == {"retry_after": 20}
    assert len(site.arrivals) == 1
    assert "asked again" not in (job / "crawl.log").read_text()


async def test_a_crawl_delay_is_kept_over_a_kill(site: Site, job: Path) -> None:
    site.raw("/robots.txt", b"User-agent: *\nCrawl-delay: 2\n")
    site.page("/", "/a")
    site.page("/a")
    asked = site.reached(2)
    running = await Crawl.start(job, "--delay=0", "--retries=0", site.url("/"))
    await asked.wait()
    running.process.kill()
    await running.end()
    run = await crawl(job, "--delay=0", "--retries=0", site.url("/"))
    assert len(run.by_url) == 2
    assert count(site, "/robots.txt") == 1
    check_distance(site, 2)
