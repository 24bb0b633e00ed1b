"""The scheduler: from the frontier, through robots.txt and politeness, to the queue of the workers.

Two loops. `fill` claims URLs and brings them through the gate into the windows of their hosts; `hand_out` gives the
queue what may start now, hosts in turn. What waits, waits here, so a waiting URL holds no worker.
"""

import asyncio
import contextlib
import logging
import time
from collections.abc import Mapping
from typing import Protocol

from tornado.queues import Queue

from crawler.answers import LONGEST_REST
from crawler.frontier import Frontier, FrontierError
from crawler.gate import ROBOTS, Gate
from crawler.hosts import Hosts
from crawler.ledger import Troubles
from crawler.model import Answer, Request
from crawler.settings import Settings

log = logging.getLogger(__name__)

_TRY_AGAIN = 2.0  # seconds
_SOON = 3.0  # seconds: a shorter rest is over before a restart could break it
_WINDOWS = 10_000  # requests of all hosts that may wait in windows: it bounds the memory they take


class Hands(Protocol):
    """Those who work on what the queue holds: workers in this process, or a crew of processes."""

    def hurry(self) -> None:
        """Save at once what there is: nothing is left to hand out, and only the links in it can give work."""

    def admit(self, host: str) -> None:
        """A host has come into scope."""

    def start(self) -> list[asyncio.Task[None]]:
        """Begin, in tasks of which none ends by itself before `stop`."""

    async def stop(self) -> None:
        """Begin nothing more, and save what has ended."""


class Scheduler:
    """Decides what is fetched next, and when the crawl has come to its end."""

    def __init__(
        self,
        settings: Settings,
        frontier: Frontier,
        hosts: Hosts,
        gate: Gate,
        queue: Queue[Request],
        troubles: Troubles,
    ) -> None:
        self._settings = settings
        self._frontier = frontier
        self._hosts = hosts
        self._gate = gate
        self._queue = queue
        self._troubles = troubles
        self.hands: Hands
        """Those who work on what the queue holds; to be set before the loops run."""
        self._look_everywhere = True  # not only at hungry hosts: URLs were added or have become due
        self._wake_fill = asyncio.Event()
        self._wake_fill.set()
        self._wake_hand_out = asyncio.Event()
        self.paused = False
        self.trouble: str | None = None
        """Why no URLs can be claimed at the moment, in one line."""

    def added(self) -> None:
        """URLs were added or settled."""
        self._look_everywhere = True
        self.wake()

    def wake(self) -> None:
        """Something outside has changed: a robots.txt was answered, a pause has ended."""
        self._wake_fill.set()
        self._wake_hand_out.set()

    def started(self, host: str) -> None:
        """See `Politeness`."""
        self._hosts.started(host, time.monotonic())
        self._wake_hand_out.set()

    def sent(self, host: str) -> None:
        """See `Politeness`."""
        if self._hosts.sent(host, time.monotonic()):
            self._wake_hand_out.set()

    def done(self, answer: Answer) -> None:
        """See `Politeness`."""
        self._hosts.done(answer, time.monotonic())
        self._wake_hand_out.set()

    async def fill(self) -> None:
        """Keep the windows of the hosts filled, until cancelled."""
        while True:
            due = self._frontier.next_due()
            await _woken(self._wake_fill, None if due is None else due - time.time())
            self._look_everywhere |= due is not None and due <= time.time()
            while self._hosts.lost:
                await self._gate.give_up(self._hosts.lost.pop())
            await self.note_rests()
            try:
                if await self._claim(self._wants(self._frontier.waiting(time.time()))):
                    self.trouble = None
            except FrontierError as error:
                if self.trouble is None and self._troubles.first is None:  # that one has been told already
                    log.error("no URLs can be claimed, so the crawl waits: %s", error)
                self.trouble = str(error)
                asyncio.get_running_loop().call_later(_TRY_AGAIN, self.added)
            self._wake_hand_out.set()

    async def note_rests(self) -> None:
        """Note for the next run which rests hosts have asked for since the last time."""
        asked, self._hosts.asked = self._hosts.asked, {}
        for host, until in asked.items():
            left = until - time.monotonic()
            try:
                if left > _SOON:
                    await self._frontier.note(f"rest:{host}", f"{time.time() + left:.3f}")
            except FrontierError as error:
                log.warning("a restart would not know that %s asked for a rest of %.0f s: %s", host, left, error)

    async def rest_as_noted(self) -> None:
        """Let the hosts rest that have asked for it in an earlier run. Raises FrontierError."""
        now = time.monotonic()
        for key, until in (await self._frontier.notes("rest:")).items():
            left = min(float(until) - time.time(), LONGEST_REST)  # the system's clock may have been set back
            if left > 0:
                self._hosts.rest_as_asked(
                    key.removeprefix("rest:"), now + left, "Retry-After that came in an earlier run", now
                )

    async def _claim(self, wants: dict[str, int]) -> bool:
        """Was there anything to ask of the frontier?"""
        asked = bool(wants)
        for host in [host for host, room in wants.items() if room <= 0]:
            del wants[host]
            counts = self._frontier.host_counts(host)
            if not counts.in_hand and counts.waiting > counts.retrying:
                await self._frontier.drop(host, "max_host_pages")
            if not counts.in_hand and counts.retrying:
                wants[host] = counts.retrying  # nothing else of it waits now, and its budget has a place for each
        if wants:
            await self._gate.admit(await self._frontier.claim(wants, time.time()))
        return asked

    def _wants(self, waiting: Mapping[str, int]) -> dict[str, int]:
        """How many URLs of which hosts to claim now; 0 or less for a host whose budget is spent.

        Whatever is claimed may become a page, so budgets are kept by never claiming more than they have left.
        """
        look_at = list(waiting) if self._look_everywhere else [host for host in self._hosts.hungry if host in waiting]
        self._look_everywhere = False
        self._hosts.hungry.clear()
        share = max(1, _WINDOWS // max(1, len(waiting)))  # slow hosts must not take all room from quick ones
        left = _WINDOWS - self._hosts.windowed
        if self._settings.max_pages is not None:
            counts = self._frontier.counts()
            left = min(left, self._settings.max_pages - counts.pages - counts.in_hand)
        wants: dict[str, int] = {}
        for host in look_at:
            if left <= 0:
                break
            room = min(self._hosts.room(host, share), left)
            if room and self._settings.max_host_pages is not None:
                counts = self._frontier.host_counts(host)
                asked = counts.pages + counts.in_hand + counts.retrying
                wants[host] = room = min(room, self._settings.max_host_pages - asked)
            elif room:
                wants[host] = room
            left -= max(room, 0)
        return wants

    async def hand_out(self) -> None:
        """Give the queue all that may start now, again and again; returns when the crawl has come to its end."""
        while not self._ended():
            now = time.monotonic()
            while self._may_start() and (request := self._hosts.take(now)) is not None:
                if request.id <= ROBOTS:
                    self._gate.ask(request)
                else:
                    self._queue.put_nowait(request)
            if self._hosts.hungry or self._hosts.lost or self._hosts.asked:
                self._wake_fill.set()
            if not self._hosts.windowed and self._may_start():
                self.hands.hurry()
            turn = self._hosts.next_turn() if self._may_start() else None
            await _woken(self._wake_hand_out, None if turn is None else turn - now)

    def _may_start(self) -> bool:
        if self.paused or self._troubles.first is not None:
            return False
        return self._hosts.under_way < self._settings.concurrency

    def _ended(self) -> bool:
        counts = self._frontier.counts()
        if counts.in_hand:
            return False
        most = self._settings.max_pages
        if most is not None and counts.pages >= most:
            return True
        return counts.waiting == 0 and not self._gate.turns.busy


async def _woken(event: asyncio.Event, seconds: float | None) -> None:
    """Wait until the event is set, or so long at most, and clear it."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await event.wait()
    event.clear()
