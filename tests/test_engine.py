"""The engine with rooms that fail: what is saved, what is said, and that nothing hangs."""

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path

import pytest

from crawler.engine import Engine
from crawler.fetcher import Fetcher
from crawler.frontier import FrontierError
from crawler.frontier.memory import MemoryFrontier
from crawler.guard import Guard
from crawler.model import Request
from crawler.robots import Robots, Rules, to_note
from crawler.settings import Settings
from storage import Places
from storage.record import Record, Store, StoreError
from tests.site import Site


class ListStore:
    """Keeps records in a list, as durable as a test needs; fails when told to."""

    def __init__(self) -> None:
        self.records: list[Record] = []
        self.failures: list[Exception] = []
        self.opened = asyncio.Event()

    async def open(self, position: int) -> None:
        del self.records[position:]
        self.opened.set()

    async def append(self, records: Sequence[Record]) -> int:
        self.records += records
        if self.failures:
            raise self.failures.pop(0)
        return len(self.records)

    async def close(self) -> None:
        pass


class OnePlace(Places):
    """The list alone."""

    def __init__(self, store: ListStore) -> None:
        super().__init__([], Path())
        self._store = store

    def stores(self, series: str, number: int | None = None) -> dict[str, Store]:
        return {"list": self._store}


class FailingFrontier(MemoryFrontier):
    """Refuses notes, and the first claims."""

    def __init__(self) -> None:
        super().__init__()
        self.claims_to_fail = 0

    async def note(self, key: str, value: str) -> None:
        raise FrontierError("no room for a note")

    async def notes(self, prefix: str) -> dict[str, str]:
        if prefix.startswith("robots:"):
            raise FrontierError("the notes cannot be read")
        return await super().notes(prefix)

    async def claim(self, wants: Mapping[str, int], now: float) -> list[Request]:
        if self.claims_to_fail:
            self.claims_to_fail -= 1
            raise FrontierError("the disk is full")
        return await super().claim(wants, now)


@pytest.fixture
def settings() -> Settings:
    return Settings(sitemaps=False, delay=0, concurrency=10, retries=0)


@pytest.fixture
async def fetcher(site: Site) -> AsyncIterator[Fetcher]:
    guard = Guard("allow", [], {})
    fetcher = Fetcher(guard=guard, agent="Test/1", concurrency=10, max_body=10**6, timeout=20, connect_timeout=20)
    yield fetcher
    fetcher.close()


def engine_of(settings: Settings, fetcher: Fetcher, site: Site, store: ListStore, frontier: MemoryFrontier) -> Engine:
    return Engine(settings, frontier, OnePlace(store), fetcher, [site.url("/")])


async def run(engine: Engine) -> str:
    assert await engine.open()
    async with asyncio.timeout(30):
        return await engine.run()


async def test_what_robots_txt_said_need_not_be_kept(site: Site, settings: Settings, fetcher: Fetcher) -> None:
    site.raw("/robots.txt", b"User-agent: *\nDisallow: /secret")
    site.page("/", "/a", "/secret")
    store = ListStore()
    engine = engine_of(settings, fetcher, site, store, FailingFrontier())
    assert await run(engine) == "finished"
    assert {record.url for record in store.records} == {site.url("/"), site.url("/a")}


async def test_a_large_robots_txt_that_was_kept_does_not_hold_up_the_loop(
    site: Site, settings: Settings, fetcher: Fetcher, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is read in a thread, as when it came."""
    readers = list[threading.Thread]()

    class Watched(Robots):
        def learn(self, origin: str, text: str | None, fetched_at: float) -> Rules:
            readers.append(threading.current_thread())
            return super().learn(origin, text, fetched_at)

    monkeypatch.setattr("crawler.engine.Robots", Watched)
    site.page("/", "/a", "/secret")
    frontier, store = MemoryFrontier(), ListStore()
    text = "User-agent: *\nDisallow: /secret\n" + "Disallow: /x\n" * 10_000
    await frontier.note(f"robots:{site.url('')}", to_note(text, time.time()))
    assert await run(engine_of(settings, fetcher, site, store, frontier)) == "finished"
    assert site.asked == ["/", "/a"]
    assert len(readers) == 1
    assert threading.current_thread() not in readers


async def test_claims_that_fail_are_said_and_tried_again(site: Site, settings: Settings, fetcher: Fetcher) -> None:
    site.page("/", "/a")
    frontier, store = FailingFrontier(), ListStore()
    frontier.claims_to_fail = 1
    engine = engine_of(settings, fetcher, site, store, frontier)
    troubles = set()
    engine.ticked.append(lambda: troubles.add(engine.view.snapshot().trouble))
    assert await run(engine) == "finished"
    assert "the disk is full" in troubles
    assert len(store.records) == 2


async def test_a_store_that_fails_pauses_the_crawl_until_it_works(
    site: Site, settings: Settings, fetcher: Fetcher
) -> None:
    site.page("/", "/a", "/b")
    store = ListStore()
    store.failures = [StoreError("no space left")]
    engine = engine_of(settings, fetcher, site, store, MemoryFrontier())
    verdicts = set()
    engine.ticked.append(lambda: verdicts.add(engine.view.snapshot().verdict.limit))
    assert await run(engine) == "finished"
    assert "store" in verdicts
    assert sorted(record.url for record in store.records) == [site.url("/"), site.url("/a"), site.url("/b")]


async def test_a_stop_while_nothing_can_be_saved_does_not_hang(
    site: Site, settings: Settings, fetcher: Fetcher
) -> None:
    site.page("/", "/a")
    store = ListStore()
    store.failures = [StoreError("no space left")] * 1000
    engine = engine_of(settings, fetcher, site, store, MemoryFrontier())
    engine.ticked.append(lambda: engine.stop() if engine.view.snapshot().trouble else None)
    assert await run(engine) == "stopped"
    counts = engine.view.snapshot()
    assert (counts.pages, counts.trouble) == (0, "no space left")


async def test_a_bug_in_a_task_is_named_and_is_no_finished_crawl(
    site: Site, settings: Settings, fetcher: Fetcher
) -> None:
    site.page("/", "/a")
    store = ListStore()
    store.failures = [ZeroDivisionError("a bug")]
    engine = engine_of(settings, fetcher, site, store, MemoryFrontier())
    with pytest.raises(RuntimeError, match="the task 'ledger' died"):
        await run(engine)
    assert engine.state == "stopped"


async def test_a_pause_starts_nothing_and_going_on_does(site: Site, settings: Settings, fetcher: Fetcher) -> None:
    site.page("/", *(f"/{number}" for number in range(30)))
    store = ListStore()
    engine = engine_of(settings, fetcher, site, store, MemoryFrontier())
    site.watch = lambda _: engine.pause() if len(site.asked) == 5 else None
    asked_while_paused: list[int] = []

    def watch() -> None:
        if engine.state == "paused":
            asked_while_paused.append(len(site.asked))
            if len(asked_while_paused) == 2:
                engine.resume()

    engine.ticked.append(watch)
    assert await run(engine) == "finished"
    assert asked_while_paused[0] == asked_while_paused[1] < 31
    assert len(store.records) == 31


async def test_a_second_stop_does_not_wait_for_slow_servers(site: Site, settings: Settings, fetcher: Fetcher) -> None:
    site.page("/", gate=asyncio.Event())
    engine = engine_of(settings, fetcher, site, ListStore(), MemoryFrontier())

    def stop(_: object) -> None:
        if site.asked:
            engine.stop()
            engine.stop()

    site.watch = stop
    began = asyncio.get_running_loop().time()
    assert await run(engine) == "stopped"
    assert asyncio.get_running_loop().time() - began < 4  # a single stop waits 5 s
    assert engine.view.snapshot().queued == 1


async def test_slow_hosts_do_not_take_all_windows(site: Site, fetcher: Fetcher) -> None:
    """Hosts that rest for minutes have far more URLs than windows can hold; the quick host is crawled all the same."""
    for number in range(400):
        site.raw(f"/{number}", b"", status=503, headers={"Retry-After": "600"})
    site.page("/quick", *(f"/quick/{number}" for number in range(50)))
    slow = [site.url(f"/{number}", f"h{host}.localhost") for host in range(30) for number in range(400)]
    settings = Settings(sitemaps=False, delay=0, per_host=100, concurrency=10, retries=0, robots="ignore")
    store, frontier = ListStore(), MemoryFrontier()
    engine = Engine(settings, frontier, OnePlace(store), fetcher, [*slow, site.url("/quick")])
    engine.ticked.append(lambda: engine.stop() if frontier.host_counts(f"127.0.0.1:{site.port}").pages == 51 else None)
    assert await run(engine) == "stopped"
    assert sum("/quick" in record.url for record in store.records) == 51
