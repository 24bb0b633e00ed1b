"""The crew: processes that fetch, parse and save, for one that keeps the frontier, robots.txt and politeness.

Requests go out one by one, to the process that has the fewest under way; what comes back at once is that they started
and ended, so politeness has one owner; and by batches what became of them. A process appends its records to its own
part of each store before it sends a batch, so a kill of it costs what a kill of a whole crawl costs: what it had in
hand is handed out again, and its part is cut back to where the last batch left it.
"""

import asyncio
import contextlib
import logging
import math
import os
import signal
import socket
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from tornado.queues import Queue

from crawler.crew.wire import Admit, Begin, Hurry, Kept, Order, Pin, Report, Started, Stop, Trouble, Wire
from crawler.frontier import Frontier, FrontierError
from crawler.guard import Guard
from crawler.ledger import Batch, Commit, Ledger
from crawler.model import Answer, Request
from crawler.scope import Scope
from crawler.settings import Settings
from crawler.worker import Politeness
from storage import Places
from storage.record import StoreError

log = logging.getLogger(__name__)

PROGRAM: tuple[str, ...] = ("-P", "-m", "crawler.crew")
"""What the interpreter is told to run; -P: whatever lies in the folder where the user is must not be imported."""
_HOME = Path(__file__).resolve().parent.parent.parent
_SHARE = 1.5  # workers of a process, as a multiple of its share of --concurrency: hosts do not fall evenly
_PATIENCE = 3.0  # seconds that a process may take to save what has ended, once it is told to stop
_TRY_AGAIN = 2.0  # seconds between attempts to cut a part back
_HOPELESS = 5  # deaths of a process in a row, none of which had brought anything to its end


class CrewError(Exception):
    """A process of the crew dies again and again."""


class Crew:
    """The processes, and what the flow may ask of them."""

    def __init__(
        self,
        count: int,
        settings: Settings,
        seeds: Sequence[str],
        guard: Guard,
        lock: int | None,
        frontier: Frontier,
        places: Places,
        scope: Scope,
        queue: Queue[Request],
        politeness: Politeness,
        commit: Commit,
        ledger: Ledger,
    ) -> None:
        """`lock`: the descriptor of the job's lock, which every process of the crew holds too."""
        self.count = count
        self.settings = settings
        self.seeds = seeds
        self.guard = guard
        self.lock = lock
        self.frontier = frontier
        self.places = places
        self.politeness = politeness
        self.commit = commit
        self._scope = scope
        self._queue = queue
        self._ledger = ledger
        self._posts = [_Post(self, number) for number in range(1, count + 1)]
        self._ready = asyncio.Event()
        self.series = ""  # of records; see `open`
        self.admitted: list[str] = []
        guard.told = lambda host, addresses: self.tell(Pin(host, tuple(addresses)))

    async def open(self, series: str, positions: Mapping[str, int]) -> None:
        """Make ready to save a series of records, from these positions on. Raises StoreError."""
        self.series = series
        await self.places.cut_back(series, positions)
        # For the rare record that is made here, of a URL that is given up between two attempts.
        self._ledger.use(self.places.stores(series), positions)

    @property
    def trouble(self) -> str | None:
        """See `Ledger`."""
        return self._ledger.trouble or next((post.trouble for post in self._posts if post.trouble), None)

    def hurry(self) -> None:
        """See `Ledger.hurry`."""
        self._ledger.hurry()
        for post in self._posts:
            post.hurry()

    def admit(self, host: str) -> None:
        """See `Scope.admit`."""
        self._scope.admit(host)
        self.admitted.append(host)
        self.tell(Admit(host))

    def tell(self, order: Order) -> None:
        """Send something to every process."""
        for post in self._posts:
            post.send(order)

    def start(self) -> list[asyncio.Task[None]]:
        """One task a process, and one that hands out what the queue holds."""
        return [
            *(asyncio.create_task(post.keep(), name=f"crew process {post.number}") for post in self._posts),
            asyncio.create_task(self._deal(), name="deal"),
        ]

    async def stop(self) -> None:
        """Let every process save what has ended, and end; what it still had in hand is given back."""
        await asyncio.gather(*(post.stop() for post in self._posts))

    async def _deal(self) -> None:
        async for request in self._queue:
            while not (posts := [post for post in self._posts if post.ready]):
                self._ready.clear()
                await self._ready.wait()
            min(posts, key=lambda post: post.under_way).give(request)

    def ready(self) -> None:
        """A process may be given requests."""
        self._ready.set()

    def settled(self, count: int) -> None:
        """So many requests that the queue held are done with."""
        for _ in range(count):
            self._queue.task_done()


class _Post:
    """The place of one process in the crew, filled anew when the process dies."""

    def __init__(self, crew: Crew, number: int) -> None:
        self.number = number
        self.trouble: str | None = None
        self._crew = crew
        self._wire: Wire[Order, Report] | None = None
        self._process: asyncio.subprocess.Process | None = None
        self._in_hand: dict[int, Request] = {}
        self._taken: Counter[str] = Counter()  # requests that have yet to start, by host
        self._busy: Counter[str] = Counter()  # those that have yet to end
        self._commits: set[asyncio.Task[None]] = set()
        self._hurried = False
        self._stopping = asyncio.Event()
        self._ended = asyncio.Event()
        self._ended.set()

    @property
    def ready(self) -> bool:
        """Is there a process to give requests to?"""
        return self._wire is not None

    @property
    def under_way(self) -> int:
        """Requests given and not ended."""
        return self._taken.total() + self._busy.total()

    def send(self, order: Order) -> None:
        """Send something to the process, if there is one."""
        if self._wire is not None:
            self._wire.send(order)

    def give(self, request: Request) -> None:
        """Have a request worked on."""
        self._in_hand[request.id] = request
        self._taken[request.host] += 1
        self.send(request)

    def hurry(self) -> None:
        """The next batch is wanted at once, if there is anything to be in it."""
        if not self._hurried and len(self._in_hand) > self.under_way:
            self._hurried = True
            self.send(Hurry())

    async def keep(self) -> None:
        """Have a process at work, and another when it dies, until `stop`. Raises CrewError when that is hopeless."""
        deaths = 0
        while not self._stopping.is_set():
            self._ended.clear()
            settled = await self._one()
            deaths = 0 if settled else deaths + 1
            if deaths >= _HOPELESS:
                raise CrewError(f"crew process {self.number} died {deaths} times in a row without settling anything")

    async def _one(self) -> bool:
        """The life of one process; had it settled anything?"""
        settled = False
        process, wire = await self._begin()
        try:
            async for message in wire:
                settled |= isinstance(message, Batch)
                self._hear(message)
        finally:
            self._wire = None
            with contextlib.suppress(ProcessLookupError):
                process.kill()  # it has ended, or no longer listens
            code = await process.wait()
            await wire.close()
            await self._clear(code)
            self._ended.set()
        return settled

    async def _begin(self) -> tuple[asyncio.subprocess.Process, Wire[Order, Report]]:
        crew = self._crew
        ours, theirs = socket.socketpair()
        with theirs:
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, *PROGRAM, str(self.number), str(theirs.fileno())),
                stdin=asyncio.subprocess.DEVNULL,
                pass_fds=[theirs.fileno(), *([crew.lock] if crew.lock is not None else [])],
                env={**os.environ, "PYTHONPATH": os.pathsep.join([str(_HOME), os.environ.get("PYTHONPATH", "")])},
                start_new_session=True,  # Ctrl-C is for the first process
            )
        wire: Wire[Order, Report] = await Wire.over(ours)
        wire.send(
            Begin(
                number=self.number,
                series=crew.series,
                workers=math.ceil(_SHARE * crew.settings.concurrency / crew.count),
                settings=crew.settings,
                seeds=crew.seeds,
                admitted=crew.admitted,
                pinned=crew.guard.pinned,
                positions=await crew.frontier.positions(),
            )
        )
        log.info("crew process %d is number %d", self.number, process.pid)
        self._process, self._wire = process, wire
        if self._stopping.is_set():
            wire.send(Stop())
        crew.ready()
        return process, wire

    def _hear(self, report: Report) -> None:
        match report:
            case Started(host):
                self._taken[host] -= 1
                self._busy[host] += 1
                self._crew.politeness.started(host)
            case Answer(host):
                self._busy[host] -= 1
                self._crew.politeness.done(report)
            case Batch():
                self._hurried = False
                task = asyncio.create_task(self._commit(report))
                self._commits.add(task)
                task.add_done_callback(self._commits.discard)
            case Pin(host, addresses):
                self._crew.guard.pin(host, addresses)
                self._crew.tell(report)
            case Trouble(text):
                self.trouble = text
            case logging.LogRecord():
                logging.getLogger(report.name).handle(report)

    async def _commit(self, batch: Batch) -> None:
        """Bring a batch to the frontier, and say whether it was kept."""
        try:
            await self._crew.commit.commit(batch)
        except FrontierError as error:
            self.send(Kept(str(error)))
            return
        self.send(Kept(None))
        for item in batch.finished:
            del self._in_hand[item.id]
        self._crew.settled(len(batch.finished))

    async def stop(self) -> None:
        """Let the process save what has ended, and end."""
        self._stopping.set()
        self.send(Stop())
        try:
            async with asyncio.timeout(_PATIENCE):
                await self._ended.wait()
        except TimeoutError:
            log.warning("crew process %d does not end by itself", self.number)
            if self._process is not None:
                self._process.kill()
            await self._ended.wait()

    async def _clear(self, code: int) -> None:
        """After the end of a process: its last batch counts, and all else it had in hand is handed out again."""
        crew = self._crew
        await asyncio.gather(*self._commits)
        if not self._stopping.is_set():
            how = f"was killed by {signal.Signals(-code).name}" if code < 0 else f"ended with {code}"
            log.error("crew process %d %s; %d URLs are handed out again", self.number, how, len(self._in_hand))
        while not await self._given_back() and not self._stopping.is_set():
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_TRY_AGAIN):
                    await self._stopping.wait()
        for host, count in self._taken.items():
            for _ in range(count):
                crew.politeness.started(host)  # perhaps it had, and no time to say so
            self._busy[host] += count
        for host, count in self._busy.items():
            for _ in range(count):
                crew.politeness.done(Answer(host, None))
        crew.settled(len(self._in_hand))
        self._in_hand.clear()
        self._taken.clear()
        self._busy.clear()
        self._hurried = False
        crew.commit.committed()

    async def _given_back(self) -> bool:
        """Try to cut the part back to where the last batch left it, and to give back what was in hand."""
        crew = self._crew
        try:
            positions = await crew.frontier.positions()
            for name, store in crew.places.stores(crew.series, self.number).items():
                try:
                    await store.open(positions.get(name, 0))
                finally:
                    await store.close()
            await crew.frontier.release(list(self._in_hand))
        except (StoreError, FrontierError) as error:
            if self.trouble is None:
                log.error("what a crew process left cannot be cut back, so the crawl pauses: %s", error)
            self.trouble = str(error)
            return False
        self.trouble = None
        return True
