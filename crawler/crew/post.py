"""The place of one process in the crew, seen from the first process."""

import asyncio
import contextlib
import logging
import os
import signal
import socket
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from crawler.crew.suspects import CRASH, KILL
from crawler.crew.wire import Begin, Hurry, Kept, Order, Pin, Report, Sent, Started, Stop, Trouble, Wire
from crawler.frontier import Frontier, FrontierError
from crawler.guard import Guard
from crawler.ledger import Batch, Commit, Troubles
from crawler.model import Answer, CrewError, Request
from crawler.settings import Settings
from crawler.worker import Politeness
from storage import Places, cut_back
from storage.record import Store, StoreError

log = logging.getLogger(__name__)

PROGRAM: tuple[str, ...] = ("-P", "-m", "crawler.crew")
"""What the interpreter is told to run; -P: whatever lies in the folder where the user is must not be imported."""
_HOME = Path(__file__).resolve().parent.parent.parent
_PATIENCE = 3.0  # seconds that a process may take to save what has ended, once it is told to stop
_TRY_AGAIN = 2.0  # seconds between attempts to cut a part back
_CRASHES = frozenset({signal.SIGSEGV, signal.SIGABRT, signal.SIGBUS, signal.SIGILL, signal.SIGFPE})
_HOPELESS = 5  # failures in a row


@dataclass(slots=True, frozen=True)
class Rooms:
    """What of the first process its crew has to do with."""

    settings: Settings
    seeds: Sequence[str]
    guard: Guard
    lock: int | None  # the descriptor of the job's lock, which every process of the crew holds too
    frontier: Frontier
    places: Places
    politeness: Politeness
    commit: Commit
    troubles: Troubles


class Mates(Protocol):
    """What a post has to do with the whole crew."""

    async def begin(self, number: int) -> Begin:
        """What a new process must know. Raises FrontierError."""

    def tell(self, order: Order) -> None:
        """Send something to every process."""

    def changed(self) -> None:
        """A process has begun, or has less in hand."""

    def settled(self, ids: Sequence[int]) -> None:
        """The outcomes of these requests are in the frontier."""

    def done_with(self, count: int) -> None:
        """So many requests that were taken from the queue are no longer in hand."""

    async def died(self, requests: Mapping[int, Request], weight: int) -> set[int]:
        """A process has died with these in hand, by number; gives those of them that are given up for it."""


class Post:
    """One process after the other: the place is filled anew when its process dies."""

    def __init__(self, number: int, rooms: Rooms, mates: Mates) -> None:
        self.number = number
        self._name = f"crew process {number}"
        self.in_hand: dict[int, Request] = {}
        self.under_way = 0  # requests given and not ended
        self._rooms = rooms
        self._mates = mates
        self._wire: Wire[Order, Report] | None = None
        self._process: asyncio.subprocess.Process | None = None
        self._stores: Mapping[str, Store] = {}  # those of the process, to be cut back after its death
        self._taken: Counter[str] = Counter()  # requests that have yet to start, by host
        self._busy: Counter[str] = Counter()  # those that have yet to end
        self._commits: set[asyncio.Task[None]] = set()
        self._bug: Exception | None = None  # met in a commit
        self._hurried = False
        self._deaths = 0  # in a row, of processes that had settled nothing
        self._stopping = asyncio.Event()
        self._keeping: asyncio.Task[None]

    @property
    def ready(self) -> bool:
        """Is there a process to give requests to?"""
        return self._wire is not None

    @property
    def dying(self) -> bool:
        """Is there no process because one after the other has died before it had anything settled?"""
        return self._deaths > 1 and not self.ready

    def send(self, order: Order) -> None:
        """Send something to the process, if there is one."""
        if self._wire is not None:
            self._wire.send(order)

    def give(self, request: Request) -> None:
        """Have a request worked on."""
        self.in_hand[request.id] = request
        self.under_way += 1
        self._taken[request.host] += 1
        self.send(request)

    def hurry(self) -> None:
        """The next batch is wanted at once, if there is anything to be in it."""
        if not self._hurried and len(self.in_hand) > self.under_way:
            self._hurried = True
            self.send(Hurry())

    def start(self) -> asyncio.Task[None]:
        """Have a process at work, and another when it dies, until `stop`.

        The task raises CrewError when one after the other fails by itself.
        """
        self._keeping = asyncio.create_task(self._keep(), name=self._name)
        return self._keeping

    async def _keep(self) -> None:
        failures = 0  # in a row, as deaths, of those that nobody has killed
        while not self._stopping.is_set():
            try:
                code, settled = await self._one()
                hopeless = CrewError(
                    f"the crew's process {self.number} failed {_HOPELESS} times in a row; see crawl.log"
                )
            except CrewError as error:
                code, settled, hopeless = 1, False, error
            self._deaths = 0 if settled else self._deaths + 1
            failures = 0 if settled or code == -signal.SIGKILL else failures + 1
            if failures >= _HOPELESS:
                raise hopeless
            if self._deaths > 1:  # whatever kills it must not find one after the other as fast as they can be made
                await self._pause(min(0.05 * 2**self._deaths, _TRY_AGAIN))

    async def _one(self) -> tuple[int, bool]:
        """The life of one process: its exit code, and whether it had settled anything. Raises CrewError."""
        settled = False
        try:
            process, wire = await self._begin()
        except OSError as error:  # too many processes or open files, too little memory: perhaps for a moment
            text = f"the crew's process {self.number} cannot be started: {error.strerror}; fewer --processes may help"
            raise CrewError(text) from error
        try:
            async for message in wire:
                settled |= isinstance(message, Batch)
                self._hear(message)
        finally:
            self._wire = None
            _kill(process)  # it has ended, or no longer listens
            code = await process.wait()
            await wire.close()
            await self._clear(code)
        return code, settled

    async def _begin(self) -> tuple[asyncio.subprocess.Process, Wire[Order, Report]]:
        ours, theirs = socket.socketpair()
        with contextlib.ExitStack() as unused, theirs:
            unused.enter_context(ours)
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, *PROGRAM, str(self.number), str(theirs.fileno())),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.DEVNULL,
                pass_fds=[theirs.fileno(), *([self._rooms.lock] if self._rooms.lock is not None else [])],
                env={**os.environ, "PYTHONPATH": _search_path()},
                start_new_session=True,  # Ctrl-C is for the first process
            )
            unused.pop_all()
        log.info("crew process %d is number %d", self.number, process.pid)
        self._process = process
        wire: Wire[Order, Report] = await Wire.over(ours)
        begin = await self._mates.begin(self.number)
        self._stores = self._rooms.places.stores(begin.series, self.number)
        wire.send(begin)
        self._wire = wire  # at once, so that it hears all that is told from here on
        if self._stopping.is_set():
            wire.send(Stop())
        self._mates.changed()
        return process, wire

    def _hear(self, report: Report) -> None:
        match report:
            case Started(host):
                _less(self._taken, host)
                self._busy[host] += 1
                self._rooms.politeness.started(host)
            case Sent(host):
                self._rooms.politeness.sent(host)
            case Answer(host):
                self.under_way -= 1
                _less(self._busy, host)
                self._rooms.politeness.done(report)
            case Batch():
                self._hurried = False
                task = asyncio.create_task(self._commit(report))
                self._commits.add(task)
                task.add_done_callback(self._commits.discard)
            case Pin(host, addresses):
                if (pinned := self._rooms.guard.pins(host)) is None:
                    self._rooms.guard.pin(host, addresses)
                    self._mates.tell(report)
                else:  # two found it at the same time: the first one holds
                    self.send(Pin(host, tuple(pinned)))
            case Trouble(text):
                self._rooms.troubles.tell(self._name, text)
            case logging.LogRecord():
                logging.getLogger(report.name).handle(report)

    async def _commit(self, batch: Batch) -> None:
        """Bring a batch to the frontier, and say whether it was kept."""
        try:
            await self._rooms.commit.commit(batch)
        except FrontierError as error:
            self.send(Kept(str(error)))
            return
        except Exception as error:  # noqa: BLE001 - a bug: it is raised by the post's task, which must not wait for ever
            self._bug = error
            if self._process is not None:
                _kill(self._process)
            return
        self.send(Kept(None))
        for item in batch.finished:
            del self.in_hand[item.id]
        self._mates.settled([item.id for item in batch.finished])

    async def stop(self) -> None:
        """Let the process save what has ended, and end."""
        self._stopping.set()
        self.send(Stop())
        _, late = await asyncio.wait([self._keeping], timeout=_PATIENCE)
        if late:
            log.warning("crew process %d does not end by itself", self.number)
            if self._process is not None:
                _kill(self._process)
            await asyncio.wait(late)

    async def _clear(self, code: int) -> None:
        """After the end of a process: its last batch counts, and all else it had in hand is handed out again."""
        await asyncio.gather(*self._commits)
        if self._bug is not None:
            raise self._bug
        kept = set[int]()
        if not self._stopping.is_set():
            how = f"was killed by {signal.Signals(-code).name}" if code < 0 else f"ended with {code}"
            log.error("crew process %d %s; %d URLs are handed out again", self.number, how, len(self.in_hand))
            kept = await self._mates.died(self.in_hand, CRASH if -code in _CRASHES else KILL)
        while not await self._given_back(kept) and not self._stopping.is_set():
            await self._pause(_TRY_AGAIN)
        for host, count in self._taken.items():
            for _ in range(count):
                self._rooms.politeness.started(host)  # perhaps it had, and no time to say so
            self._busy[host] += count
        for host, count in self._busy.items():
            for _ in range(count):
                self._rooms.politeness.done(Answer(host, None))
        self._mates.done_with(len(self.in_hand))
        self.in_hand.clear()
        self.under_way = 0
        self._taken.clear()
        self._busy.clear()
        self._hurried = False
        self._rooms.commit.committed()

    async def _pause(self, seconds: float) -> None:
        """Let so much time pass, unless there is to be a stop."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._stopping.wait()

    async def _given_back(self, kept: set[int]) -> bool:
        """Try to cut the part back to where the last batch left it, and to give back what was in hand and not kept."""
        try:
            positions = await self._rooms.frontier.positions()
            await cut_back(self._stores, positions)
            await self._rooms.frontier.release([id_ for id_ in self.in_hand if id_ not in kept])
        except (StoreError, FrontierError) as error:
            self._rooms.troubles.tell(self._name, str(error))
            return False
        self._rooms.troubles.tell(self._name, None)
        return True


def _less(counter: Counter[str], host: str) -> None:
    """Count one less of a host, and forget one of which nothing is left: there may be millions."""
    counter[host] -= 1
    if not counter[host]:
        del counter[host]


def _search_path() -> str:
    """Where the process finds the program: an empty part would be the folder where the user is."""
    given = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    return os.pathsep.join([str(_HOME), *filter(None, given)])


def _kill(process: asyncio.subprocess.Process) -> None:
    with contextlib.suppress(ProcessLookupError):
        process.kill()
