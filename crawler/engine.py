"""The engine: the whole crawl as one thing that starts, pauses, goes on, stops, and can be watched."""

import asyncio
import logging
import os
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from typing import Any

from tornado.queues import Queue

from crawler.fetcher import Fetcher
from crawler.frontier import Counts, Frontier
from crawler.gate import Gate
from crawler.hosts import Host, Hosts
from crawler.ledger import Ledger
from crawler.model import Found, Request
from crawler.robots import Robots
from crawler.scheduler import Scheduler
from crawler.scope import Scope
from crawler.settings import Settings
from crawler.stats import ErrorGroup, HostView, Point, RecentPage, RunState, Snapshot, Stats, Verdict
from crawler.verdict import Figures, judge
from crawler.worker import Worker
from storage.record import Store

log = logging.getLogger(__name__)

PATIENCE = 5.0
"""Seconds that a stop waits for requests under way."""
_TICK = 1.0  # seconds


class Engine:
    """One crawl. `run` sees it through; everything else may be called while it runs."""

    def __init__(
        self,
        settings: Settings,
        frontier: Frontier,
        stores: Mapping[str, Store],
        fetcher: Fetcher,
        seeds: Sequence[str],
    ) -> None:
        self._settings = settings
        self._frontier = frontier
        self._seeds = seeds
        self._stats = Stats()
        self._queue: Queue[Request] = Queue()
        self._hosts = Hosts(settings.delay, settings.per_host)
        self._scope = Scope(settings, seeds)
        self._ledger = Ledger(frontier, stores, self._stats, settings.retries)
        self._gate = Gate(settings, self._hosts, Robots(settings.product), fetcher, frontier, self._ledger)
        self._scheduler = Scheduler(settings, frontier, self._hosts, self._gate, self._ledger, self._queue)
        self._workers = [
            Worker(self._queue, self._scheduler, fetcher, self._scope, self._ledger)
            for _ in range(settings.concurrency)
        ]
        self.state: RunState = "running"
        self._stop = asyncio.Event()
        self._budget_spent = False
        self._began = time.monotonic()
        self._measured = (self._began, time.process_time())  # when the processor's time was read, and what it was
        self._most_queued = 0
        self._verdict = Verdict("starting", "The crawl is starting.")
        self.ticked: list[Callable[[], None]] = []
        """Called once a second, and at the end."""

    async def open(self) -> bool:
        """Open the job's rooms and add the seeds; False when nothing is left to crawl.

        Raises FrontierError, StoreError.
        """
        await self._frontier.open()
        await self._ledger.open()
        for note in await self._frontier.notes("scope:"):
            self._scope.admit(note.removeprefix("scope:"))
        await self._frontier.add(Found(self._seeds, depth=0))
        counts, most = self._frontier.counts(), self._settings.max_pages
        return counts.waiting > 0 and not (most is not None and counts.pages >= most)

    async def run(self) -> RunState:
        """Crawl to the end, to a budget, or to a stop; then everything is saved and closed.

        A bug in a task that must not end is raised here, after all that can be saved has been.
        """
        self._began = time.monotonic()
        log.info("the crawl begins: %d workers, %d URLs wait", len(self._workers), self._frontier.counts().waiting)
        timer = self._settings.max_time and asyncio.get_running_loop().call_later(self._settings.max_time, self._spend)
        to_the_end = asyncio.create_task(self._scheduler.hand_out(), name="hand out")
        stopped = asyncio.create_task(self._stop.wait(), name="stop")
        ledger = asyncio.create_task(self._ledger.run(), name="ledger")
        others = [
            asyncio.create_task(self._scheduler.fill(), name="fill"),
            asyncio.create_task(self._tick(), name="tick"),
            *(asyncio.create_task(worker.run(), name=f"worker {n}") for n, worker in enumerate(self._workers)),
        ]
        ended, _ = await asyncio.wait([to_the_end, stopped, ledger, *others], return_when=asyncio.FIRST_COMPLETED)
        if timer:
            timer.cancel()
        finished = to_the_end in ended or self._budget_spent
        await self._wind_down([to_the_end, stopped, *others], ledger)
        self.state = "finished" if finished else "stopped"
        self._tell()
        log.info("the crawl has %s: %s", self.state, self._frontier.counts())
        for task in ended:
            if error := task.exception():
                raise RuntimeError(f"the task {task.get_name()!r} died") from error
        return self.state

    async def _wind_down(self, tasks: Sequence[asyncio.Task[Any]], ledger: asyncio.Task[None]) -> None:
        """Let what is under way end, for a while; save it; close everything."""
        self._scheduler.paused = True
        self._give_back_queue()
        try:
            await self._queue.join(timedelta(seconds=PATIENCE))
        except TimeoutError:
            log.info("requests under way after %.0f s are left; their URLs will be asked for again", PATIENCE)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._gate.close()
        self._ledger.close()
        await asyncio.gather(ledger, return_exceptions=True)
        await self.close()

    async def close(self) -> None:
        """Let go of what `open` opened; may be called twice."""
        await self._ledger.close_stores()
        await self._frontier.close()

    def _give_back_queue(self) -> None:
        while not self._queue.empty():
            self._hosts.give_back(self._queue.get_nowait(), time.monotonic())
            self._queue.task_done()

    def pause(self) -> None:
        """Start no more requests until `resume`; those under way end."""
        if self.state == "running":
            self.state = "paused"
            self._scheduler.paused = True
            log.info("paused")

    def resume(self) -> None:
        """Go on after a pause."""
        if self.state == "paused":
            self.state = "running"
            self._scheduler.paused = False
            self._scheduler.wake()
            log.info("resumed")

    def stop(self) -> None:
        """Finish what is under way, save, and let `run` return."""
        if self.state in ("running", "paused"):
            self.state = "stopping"
            self._stop.set()
            log.info("stopping")

    def _spend(self) -> None:
        log.info("--max-time is over")
        self._budget_spent = True
        self.stop()

    async def _tick(self) -> None:
        while True:
            await asyncio.sleep(_TICK)
            self._stats.tick(self._elapsed())
            self._tell()

    def _tell(self) -> None:
        self._verdict = self._judge()
        for tell in self.ticked:
            tell()

    def _judge(self) -> Verdict:
        then, used = self._measured
        self._measured = now, used_now = time.monotonic(), time.process_time()
        waiting = self._frontier.waiting(time.time())
        with_urls = [host for host in self._hosts if host.window]
        resting = [host for host in with_urls if host.may_take and host.next_start > now]
        longest = max(resting, key=lambda host: waiting.get(host.name, 0), default=None)
        due = self._frontier.next_due()
        counts = self._frontier.counts()
        return judge(
            Figures(
                state=self.state,
                trouble=self._ledger.trouble,
                queued=counts.waiting + counts.in_hand,
                under_way=self._hosts.under_way,
                concurrency=self._settings.concurrency,
                processor=(used_now - used) / max(now - then, 1e-3),
                cores=os.cpu_count() or 1,
                resting=len(resting),
                full=sum(not host.may_take for host in with_urls),
                longest=f"{longest.name} ({longest.reason}, {longest.delay:g} s)" if longest else None,
                robots=sum(host.held for host in self._hosts),
                later=None if due is None else due - time.time(),
            )
        )

    def _elapsed(self) -> float:
        return time.monotonic() - self._began

    @property
    def pages(self) -> int:
        """Records of this run."""
        return self._stats.pages

    @property
    def answered(self) -> bool:
        """Did anything answer, in this run or an earlier one? If no seed did, nothing did."""
        return self._frontier.counts().crawled > 0

    def refused(self) -> Mapping[str, int]:
        """URLs of the job that were refused, by reason."""
        return self._frontier.refusals()

    # What watchers may ask: crawler.status.Watched.

    def snapshot(self) -> Snapshot:
        """The crawl now."""
        counts = self._frontier.counts()
        stats = self._stats
        elapsed = self._elapsed()
        rate, bytes_rate = stats.rates(elapsed)
        queued = counts.waiting + counts.in_hand
        return Snapshot(
            state=self.state,
            pages=counts.pages,
            queued=queued,
            failed=counts.failed,
            refused=counts.refused,
            rate=rate,
            bytes_rate=bytes_rate,
            elapsed=elapsed,
            eta=self._eta(counts, rate),
            statuses=dict(stats.statuses),
            errors=dict(stats.errors),
            verdict=self._verdict,
            job=str(self._settings.job),
            skipped=dict(stats.skipped),
            bytes=stats.bytes,
            busy=self._hosts.under_way,
            concurrency=self._settings.concurrency,
            hosts=len(self._frontier.hosts()),
            trouble=self._ledger.trouble,
        )

    def _eta(self, counts: Counts, rate: float) -> float | None:
        """Seconds to the end at the pace of now. Only an estimate when the frontier has begun to shrink."""
        queued = counts.waiting + counts.in_hand
        self._most_queued = max(self._most_queued, queued)
        most = self._settings.max_pages
        if not rate or (most is None and queued > 0.9 * self._most_queued):
            return None
        if most is not None:
            queued = min(queued, most - counts.pages)
        waiting = self._frontier.waiting(time.time())
        longest = max(waiting, key=waiting.__getitem__, default=None)
        host = self._hosts.get(longest) if longest else None
        return max(queued / rate, waiting[host.name] * host.delay if host else 0.0)

    def hosts(self, sort: str, filter: str, limit: int, offset: int) -> tuple[list[HostView], int]:  # noqa: A002
        """See `Watched`."""
        field = sort.removeprefix("-")
        if field not in HostView.__dataclass_fields__:
            raise ValueError(f"no field of a host: {sort}")
        views = [self._view(name) for name in self._frontier.hosts() if filter in name]
        views.sort(key=lambda view: (getattr(view, field) is None, getattr(view, field)), reverse=sort.startswith("-"))
        return views[offset : offset + limit], len(views)

    def host(self, name: str) -> HostView | None:
        """See `Watched`."""
        return self._view(name) if self._frontier.host_counts(name) != Counts() else None

    def _view(self, name: str) -> HostView:
        counts = self._frontier.host_counts(name)
        host = self._hosts.get(name) or Host(name, self._settings.delay, self._settings.per_host, "not met yet")
        wait = max(0.0, host.next_start - time.monotonic())
        return HostView(
            host=name,
            queued=counts.waiting + counts.in_hand,
            done=counts.pages,
            errors=counts.failed,
            delay=host.delay,
            slots=host.slots,
            busy=host.busy,
            next_at=wait if host.window else None,
            reason="waits for its robots.txt" if host.held and not host.rest else host.rest or host.reason,
        )

    def recent(self) -> list[RecentPage]:
        """See `Watched`."""
        return self._stats.recent()

    def errors(self) -> list[ErrorGroup]:
        """See `Watched`."""
        return self._stats.error_groups()

    def history(self) -> Sequence[Point]:
        """See `Watched`."""
        return self._stats.history()
