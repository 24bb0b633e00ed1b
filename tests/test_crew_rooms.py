"""A crew whose first process has rooms that fail, or that change while a process begins."""

import asyncio
import sys
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from pathlib import Path

import pytest

from crawler.engine import Engine
from crawler.fetcher import Fetcher
from crawler.frontier.memory import MemoryFrontier
from crawler.guard import Guard
from crawler.model import CrewError, Finished
from crawler.settings import Settings
from storage import Places
from tests.crawling import Run
from tests.site import Site

ELSEWHERE = "10.9.9.9"


class Watched(MemoryFrontier):
    """Something happens while both processes of the crew are made ready."""

    def __init__(self, meanwhile: Callable[[], None]) -> None:
        super().__init__()
        self._meanwhile = meanwhile
        self._looks = 0
        self._done = asyncio.Event()

    async def positions(self) -> dict[str, int]:
        self._looks += 1
        if self._looks == 3:  # the first look is that of the engine, before it has any
            self._meanwhile()
            self._done.set()
        elif self._looks == 2:
            await self._done.wait()
        return await super().positions()


@pytest.fixture
def settings(job: Path) -> Settings:
    job.mkdir()
    return Settings(job=job, delay=0, concurrency=10, retries=0, robots="ignore")


@pytest.fixture
async def guard(site: Site) -> Guard:
    return Guard("seeds", [f"127.0.0.1:{site.port}"], {})


@pytest.fixture
async def fetcher(guard: Guard) -> AsyncIterator[Fetcher]:
    fetcher = Fetcher(guard=guard, agent="Test/1", concurrency=10, max_body=10**6, timeout=20, connect_timeout=20)
    yield fetcher
    fetcher.close()


async def run(settings: Settings, fetcher: Fetcher, site: Site, frontier: MemoryFrontier) -> Run:
    engine = Engine(settings, frontier, Places(["jsonl"], settings.job), fetcher, [site.url("/")], processes=2)
    assert await engine.open()
    async with asyncio.timeout(30):
        await engine.run()
    return Run(0, "", "", settings.job)


async def test_an_address_that_is_pinned_while_a_process_begins_holds_for_it(
    site: Site, settings: Settings, guard: Guard, fetcher: Fetcher
) -> None:
    site.page("/")

    def pin() -> None:
        guard.pin(f"127.0.0.1:{site.port}", [ELSEWHERE])
        guard.told(f"127.0.0.1:{site.port}", [ELSEWHERE])

    ended = await run(settings, fetcher, site, Watched(pin))
    assert [record["error"] for record in ended.records] == ["private_address: 127.0.0.1 is not public"]
    assert not site.asked


async def test_of_two_addresses_found_at_the_same_time_the_first_one_holds(
    site: Site, settings: Settings, guard: Guard, fetcher: Fetcher
) -> None:
    """The first process has pinned it, and that has not yet reached the one that has found another."""
    site.page("/", "/a")
    site.watch = lambda _: guard.pin(f"127.0.0.1:{site.port}", [ELSEWHERE])
    ended = await run(settings, fetcher, site, MemoryFrontier())
    assert ended.by_url[site.url("/")]["status"] == 200
    assert ended.by_url[site.url("/a")]["error"].startswith("private_address")
    assert guard.pinned == {f"127.0.0.1:{site.port}": [ELSEWHERE]}


class Broken(MemoryFrontier):
    """Has a bug in what a batch needs."""

    async def finish(self, finished: Sequence[Finished], positions: Mapping[str, int]) -> list[tuple[int, str]]:
        raise ZeroDivisionError


async def test_a_bug_in_a_commit_ends_the_crawl(site: Site, settings: Settings, fetcher: Fetcher) -> None:
    site.page("/")
    with pytest.raises(RuntimeError, match=r"the task 'crew process \d' died"):
        await run(settings, fetcher, site, Broken())


async def test_processes_that_cannot_be_started_end_the_crawl_in_one_line(
    site: Site, settings: Settings, fetcher: Fetcher, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As when the system has no more of them to give."""
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    with pytest.raises(CrewError, match="cannot be started"):
        await run(settings, fetcher, site, MemoryFrontier())
