"""The engine: the whole crawl as one thing that starts, pauses, goes on and stops."""

import asyncio
import logging
import random
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tornado.queues import Queue

from crawler.explain import Explainer
from crawler.fetcher import Fetcher
from crawler.frontier import Frontier, FrontierError
from crawler.gate import ROBOTS, Gate
from crawler.guard import Guard
from crawler.hosts import Hosts
from crawler.job import JobError
from crawler.ledger import Commit, Ledger, Troubles
from crawler.model import Change, CrewError, Found, PageReader, Request
from crawler.names import Names
from crawler.pace import OWN_PACE, SECTION_PACE, Pace
from crawler.reasons import GIVEN_UP
from crawler.resolver import Resolver
from crawler.robots import Robots
from crawler.scheduler import Hands, Scheduler
from crawler.scope import Scope
from crawler.settings import Settings
from crawler.sitemaps import Sitemaps
from crawler.stats import RunState, Stats
from crawler.traps import TRAPS, Traps
from crawler.view import View
from crawler.worker import Workers
from parsers import parse
from storage import Places

if TYPE_CHECKING:
    from crawler.crew import Crew
    from crawler.hook import Hook

log = logging.getLogger(__name__)

PAGES = "pages"
"""The series of records that a first crawl makes; that of its first recrawl is "recrawl-1"."""
PATIENCE = 5.0
"""Seconds that a stop waits for requests under way."""
_TICK = 1.0  # seconds
_JITTER = 0.1  # the part of a host's delay by which it may be longer


class Engine:
    """One crawl. `run` sees it through; everything else may be called while it runs."""

    def __init__(
        self,
        settings: Settings,
        frontier: Frontier,
        places: Places,
        fetcher: Fetcher,
        seeds: Sequence[str],
        *,
        processes: int = 1,
        lock: int | None = None,
    ) -> None:
        """`processes`: more than 1 are a crew, which holds the `lock`, a descriptor, too."""
        self._settings = settings
        self._frontier = frontier
        self._places = places
        self._seeds = seeds
        self._stats = Stats()
        self._queue: Queue[Request] = Queue()
        self._hosts = Hosts(
            self._pace,
            lambda: random.uniform(0.0, _JITTER),
            per_address=settings.per_address,
            patience=settings.host_wait,
            longest_rest=settings.max_retry_after,
        )
        self._scope = Scope(settings, seeds)
        traps = Traps(settings.traps)
        self._commit = Commit(frontier, self._stats, traps)
        self._troubles = Troubles()
        self._ledger = Ledger(self._commit, settings.retries)  # with a crew: of what is refused, or has no address
        self._gate = Gate(
            settings, self._hosts, Robots(settings.product), fetcher, frontier, self._ledger, self._scope, traps
        )
        self._scheduler = Scheduler(settings, frontier, self._hosts, self._gate, self._queue, self._troubles)
        self._gate.opened = self._scheduler.wake
        self._sitemaps = Sitemaps(settings, self._hosts, self._gate, frontier, self._scope, self._stats, self._troubles)
        self._gate.turns = self._sitemaps
        self._commit.linked = self._sitemaps.linked
        self._sitemaps.added, self._sitemaps.wake = self._scheduler.added, self._scheduler.wake
        resolver = Resolver(settings.dns_server, deadline=settings.connect_timeout)
        self._names = Names(resolver, self._hosts, self._gate, self._ledger)
        self._hosts.lead = self._names.lead
        self._names.resolved = self._scheduler.wake
        self._ledger.troubled = partial(self._troubles.tell, "ledger")
        self._troubles.over = self._scheduler.wake
        self._commit.committed = self._scheduler.added
        reading: PageReader = partial(parse, asked=settings.asked)
        self._hook = _hook(settings.hook) if settings.hook else None
        if self._hook:
            reading = self._hook.after(reading)
        self._workers = Workers(
            settings.concurrency, self._queue, self._scheduler, fetcher, self._scope, self._ledger, reading
        )
        self._crew = self._hire(processes, fetcher.guard, lock) if processes > 1 else None
        self._hands: Hands = self._crew or self._workers
        self._scheduler.hands = self._hands
        self._commit.admit = self._hands.admit
        self.state: RunState = "running"
        self._stop = asyncio.Event()
        self._at_once = asyncio.Event()
        self.budget_spent = False
        """Did --max-time end it?"""
        explainer = Explainer(settings, self._scope, frontier, seeds)
        self.view = View(
            settings, frontier, explainer, self._hosts, self._stats, lambda: self.state, self._trouble, self._dying
        )
        """What watchers may ask."""
        self.ticked: list[Callable[[], None]] = []
        """Called once a second, and at the end."""

    def _hire(self, processes: int, guard: Guard, lock: int | None) -> "Crew":
        from crawler.crew import Crew, Rooms  # loaded only where there is one

        rooms = Rooms(
            self._settings,
            self._seeds,
            guard,
            lock,
            self._frontier,
            self._places,
            self._scheduler,
            self._commit,
            self._troubles,
        )
        return Crew(processes, rooms, self._scope, self._queue, self._ledger)

    def _pace(self, host: str) -> Pace:
        own = self._settings.of(host)
        return Pace(own.delay, own.per_host, SECTION_PACE if own.section else OWN_PACE)

    async def open(self) -> bool:
        """Open the job's rooms and add the seeds; False when nothing is left to crawl.

        Raises FrontierError, StoreError, and JobError when a recrawl is asked for and cannot be.
        """
        await self._frontier.open()
        if self._settings.recrawl:
            await self._begin_recrawl(await self._frontier.positions())
        await self._readmit()
        if self._frontier.hosts():
            self._hosts.go_on(time.monotonic())
        await self._scheduler.rest_as_noted()
        positions = await self._frontier.positions()
        if self._crew is not None:
            await self._crew.open(self.series, positions)
        else:
            stores = self._places.stores(self.series)
            await self._places.cut_back(self.series, positions, but=stores)
            self._ledger.use(stores, positions)
            await self._ledger.open_stores()
        for note in await self._frontier.notes("scope:"):
            self._hands.admit(note.removeprefix("scope:"))
        await self._frontier.add(Found(self._seeds, depth=0))
        await self._sitemaps.open()
        return not self._ended()

    def _ended(self) -> bool:
        """Is nothing left to crawl, or the budget spent?"""
        counts, most = self._frontier.counts(), self._settings.max_pages
        return (counts.waiting == 0 and not self._sitemaps.busy) or (most is not None and counts.pages >= most)

    async def _begin_recrawl(self, positions: Mapping[str, int]) -> None:
        """Begin the next recrawl, unless one is to be gone on with."""
        ended = self._ended()
        if not self.recrawl and not (ended and self._frontier.hosts()):
            raise JobError(
                f"--recrawl: the first crawl of the job {self._settings.job} is not finished; "
                "the same command without --recrawl goes on with it"
            )
        if not self.recrawl and not self._frontier.counts().pages:
            raise JobError(f"--recrawl: the job {self._settings.job} has nothing to visit again")
        if ended:
            await self._places.cut_back(self.series, positions)  # nobody will open its stores again
            await self._frontier.begin_again()
            log.info("recrawl %d begins", self.recrawl)

    @property
    def recrawl(self) -> int:
        """The number of the recrawl; 0 in a first crawl."""
        return self._frontier.recrawl

    @property
    def series(self) -> str:
        """The series of records that is being made."""
        return f"recrawl-{self.recrawl}" if self.recrawl else PAGES

    async def _readmit(self) -> None:
        """Let wait what an earlier run refused: with hosts given up, for budgets now larger, rules of traps now off."""
        now: dict[str, int | None] = {
            **dict.fromkeys(GIVEN_UP),
            "max_depth": self._settings.max_depth,
            "max_redirects": self._settings.max_redirects,
            "max_host_pages": self._settings.max_host_pages,
            **dict.fromkeys(set(TRAPS) - set(self._settings.traps)),
        }
        for reason, most in now.items():
            if reason in self._frontier.refusals() and (count := await self._frontier.readmit(reason, most)):
                log.info("%d URLs that were refused for %s wait again", count, reason)

    async def run(self) -> RunState:
        """Crawl to the end, to a budget, or to a stop; then everything is saved and closed.

        A bug in a task that must not end is raised here, after all that can be saved has been.
        """
        self.view.begin()
        log.info("the crawl begins: %d URLs wait", self._frontier.counts().waiting)
        self._sitemaps.start()
        timer = self._settings.max_time and asyncio.get_running_loop().call_later(self._settings.max_time, self._spend)
        to_the_end = asyncio.create_task(self._scheduler.hand_out(), name="hand out")
        stopped = asyncio.create_task(self._stop.wait(), name="stop")
        ledger = asyncio.create_task(self._ledger.run(), name="ledger")
        others = [
            asyncio.create_task(self._scheduler.fill(), name="fill"),
            asyncio.create_task(self._tick(), name="tick"),
            *self._hands.start(),
        ]
        ended, _ = await asyncio.wait([to_the_end, stopped, ledger, *others], return_when=asyncio.FIRST_COMPLETED)
        if timer:
            timer.cancel()
        await self._wind_down([to_the_end, stopped, *others], ledger)
        died = next((task for task in (*ended, ledger) if not task.cancelled() and task.exception()), None)
        finished = (to_the_end in ended or self.budget_spent) and died is None
        self.state = "finished" if finished else "stopped"
        self._tell()
        log.info("the crawl has %s: %s", self.state, self._frontier.counts())
        if died is not None:
            error = died.exception()
            if isinstance(error, CrewError):
                raise error
            raise RuntimeError(f"the task {died.get_name()!r} died") from error
        return self.state

    async def _wind_down(self, tasks: Sequence[asyncio.Task[Any]], ledger: asyncio.Task[None]) -> None:
        """Let what is under way end, for a while; save it; give back what was not begun; close everything."""
        self._scheduler.paused = True
        not_begun = self._empty_queue()
        await self._under_way_ends()
        await self._hands.stop()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._scheduler.note_rests()
        await self._sitemaps.close()
        await self._names.close()
        held = await self._gate.close()
        self._ledger.close()
        await asyncio.gather(ledger, return_exceptions=True)
        not_begun += self._hosts.empty()
        try:
            await self._frontier.release([*held, *(request.id for request in not_begun if request.id > ROBOTS)])
        except FrontierError as error:
            log.warning("URLs that wait cannot be given back before the next start: %s", error)
        await self.close()

    async def _under_way_ends(self) -> None:
        """Wait for the requests under way and their saving: for so long, or until a stop is asked for again."""
        saved = asyncio.ensure_future(self._queue.join())
        at_once = asyncio.ensure_future(self._at_once.wait())
        await asyncio.wait([saved, at_once], timeout=PATIENCE, return_when=asyncio.FIRST_COMPLETED)
        if not saved.done():
            log.info("requests under way are left; their URLs will be asked for again")
        saved.cancel()
        at_once.cancel()

    def _empty_queue(self) -> list[Request]:
        requests = []
        while not self._queue.empty():
            requests.append(self._queue.get_nowait())
            self._hosts.give_back(requests[-1], time.monotonic())
            self._queue.task_done()
        return requests

    async def close(self) -> None:
        """Let go of what `open` opened; may be called twice."""
        await self._ledger.close_stores()
        await self._frontier.close()
        if self._hook:
            self._hook.close()

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
        """Finish what is under way, save, and let `run` return; asked for again, without waiting for anybody."""
        if self.state in ("running", "paused"):
            self.state = "stopping"
            self._stop.set()
            log.info("stopping")
            self._tell()
        elif self.state == "stopping":
            self._at_once.set()

    def _spend(self) -> None:
        log.info("--max-time is over")
        self.budget_spent = True
        self.stop()

    async def _tick(self) -> None:
        while True:
            await asyncio.sleep(_TICK)
            self._tell()

    def _tell(self) -> None:
        self.view.tick()
        for tell in self.ticked:
            tell()

    def _trouble(self) -> str | None:
        return self._troubles.first or self._scheduler.trouble

    def _dying(self) -> int:
        return self._crew.dying if self._crew else 0

    @property
    def pages(self) -> int:
        """Records of this run."""
        return self._stats.pages

    @property
    def answered(self) -> bool:
        """Did anything answer, in this run or an earlier one? If no seed did, nothing did."""
        return self._frontier.counts().crawled > 0

    def changes(self) -> Mapping[Change, int]:
        """What the recrawl has found so far: how many URLs have which change."""
        return self._frontier.changes()

    def refused(self) -> Mapping[str, int]:
        """URLs of the job that were refused, by reason."""
        return self._frontier.refusals()


def _hook(file: Path) -> "Hook":
    from crawler.hook import Hook  # loaded only where there is one

    return Hook(file)
