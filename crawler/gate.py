"""The gate: a request comes into its host's window only when the origin's robots.txt allows it, and it is no trap.

The robots.txt of an origin that is met first is fetched as a turn of the host's own, and so is each redirect from
there, so politeness holds for them too. What was claimed of that host waits at the gate, holding no worker.
"""

import asyncio
import logging
import random
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import partial
from typing import Protocol

from crawler.answers import answer
from crawler.fetcher import Fetcher, FetchError
from crawler.frontier import Frontier, FrontierError
from crawler.hosts import Hosts
from crawler.ledger import Ledger
from crawler.model import Failure, Found, Request
from crawler.reasons import REASONS
from crawler.robots import HOPS, MOST, Robots, Rules, from_note, reading, to_note
from crawler.scope import Scope
from crawler.settings import Settings
from crawler.traps import Traps
from parsers import parse, urls
from parsers.page import Response

log = logging.getLogger(__name__)

ROBOTS = 0
"""The id of a request for a robots.txt, which is no URL of the frontier. Its parent is the origin that it is for.
Those of sitemaps are smaller, those of the frontier's URLs larger."""
_LARGE = 10_000  # characters: a larger robots.txt is parsed in a thread
_LONGEST_BACKOFF = 30.0  # seconds between attempts to have a robots.txt


@dataclass(slots=True)
class _Held:
    """An origin whose robots.txt is being asked for."""

    host: str
    since: float  # of the monotonic clock
    tries: int = 0
    requests: list[Request] = field(default_factory=list)


class Turns(Protocol):
    """Who makes requests that are neither for robots.txt nor for URLs of the frontier: see `Sitemaps`."""

    @property
    def busy(self) -> bool:
        """Are there such requests still to be made?"""

    def met(self, origin: str, rules: Rules | None) -> None:
        """A page of this origin may be asked for now: its robots.txt is known, or (None) ignored."""

    def begin(self, turn: Request, failure: Failure | None = None) -> None:
        """It is the turn of such a request, which has started, or it has come to nothing."""

    def refuse(self, turn: Request, reason: str) -> None:
        """Such a request will not be asked for."""


class Gate:
    """Lets claimed requests through to politeness, or back to the ledger with a reason."""

    def __init__(
        self,
        settings: Settings,
        hosts: Hosts,
        robots: Robots,
        fetcher: Fetcher,
        frontier: Frontier,
        ledger: Ledger,
        scope: Scope,
        traps: Traps,
    ) -> None:
        self._settings = settings
        self._hosts = hosts
        self._robots = robots
        self._fetcher = fetcher
        self._frontier = frontier
        self._ledger = ledger
        self._scope = scope
        self._traps = traps
        self._held: dict[str, _Held] = {}  # by origin
        self._asking: set[asyncio.Task[None]] = set()
        self.turns: Turns
        """To be set before anything is admitted."""
        self.opened: Callable[[], None] = lambda: None
        """Called when a request for a robots.txt has gone out, and when it has ended."""

    async def admit(self, requests: Iterable[Request]) -> None:
        """Bring claimed requests to their hosts' windows as far as their robots.txt is known; hold or refuse others."""
        for request in requests:
            if self._settings.of(request.host).robots == "ignore":
                self._pass(request, None)
                continue
            origin = urls.origin(request.url)
            rules = await self._known(origin, request.host)
            if rules is not None:
                self._pass(request, rules)
            else:
                self._hold(request, origin)

    def _is_no_trap(self, request: Request) -> bool:
        refused = self._traps.admit(request)
        if refused is not None:
            found = [url for url in refused.instead if self._scope.refusal(url) is None]
            self._ledger.refuse(request, refused.reason, [Found(found, request.depth, request.id)] if found else [])
        return refused is None

    async def _known(self, origin: str, host: str) -> Rules | None:
        """The rules of an origin; None when they must be asked for, or what waits for them goes first."""
        if origin in self._held:
            return None
        return self._robots.get(origin, time.time()) or await self._remembered(origin, host)

    async def _remembered(self, origin: str, host: str) -> Rules | None:
        """The rules that were kept, if they are not too old."""
        key = f"robots:{origin}"
        try:
            note = (await self._frontier.notes(key)).get(key)
        except FrontierError as error:
            log.warning("what robots.txt of %s said cannot be read: %s", origin, error)
            return None
        if note is None:
            return None
        await self._learn(origin, *from_note(note))
        rules = self._robots.get(origin, time.time())
        if rules is not None:
            self._ask_for_pace(host, rules)
        return rules

    async def _learn(self, origin: str, text: str | None, fetched_at: float) -> Rules:
        if text is not None and len(text) > _LARGE:
            return await asyncio.to_thread(self._robots.learn, origin, text, fetched_at)
        return self._robots.learn(origin, text, fetched_at)

    def _ask_for_pace(self, host: str, rules: Rules) -> None:
        # A host that asks for more gets no page, but another's robots.txt may lead there, and must not wait so long.
        delay = min(rules.delay, self._settings.max_crawl_delay)
        self._hosts.set_pace(host, delay, "Crawl-delay of its robots.txt")

    def _pass(self, request: Request, rules: Rules | None) -> None:
        if request.id > ROBOTS:
            self.turns.met(urls.origin(request.url), rules)
        if rules is not None and rules.delay > self._settings.max_crawl_delay:
            self._refuse(request, "crawl_delay")
        elif rules is not None and (reason := rules.refusal(request.url)) is not None:
            self._refuse(request, reason)
        elif request.id < ROBOTS or self._is_no_trap(request):
            # It was looked at last: what is not asked for must not stand in the way of another spelling.
            self._hosts.offer([request], time.monotonic())

    def _refuse(self, request: Request, reason: str) -> None:
        if request.id < ROBOTS:
            self.turns.refuse(request, reason)
        else:
            self._ledger.refuse(request, reason)

    def _hold(self, request: Request, origin: str) -> None:
        held = self._held.get(origin)
        if held is None:
            held = self._held[origin] = _Held(request.host, since=time.monotonic())
            self._hosts.meet(request.host).held += 1
            self._offer(Request(ROBOTS, f"{origin}/robots.txt", request.host, depth=0, parent=origin))
        held.requests.append(request)

    def _offer(self, turn: Request) -> None:
        self._hosts.offer([turn], time.monotonic(), first=True)

    def ask(self, turn: Request) -> None:
        """It is the host's turn to be asked for what is no URL of the frontier."""
        self._hosts.started(turn.host, time.monotonic())
        self._begin(turn)

    def failed(self, turn: Request, failure: Failure) -> None:
        """A turn has come to nothing before it could be asked."""
        self._begin(turn, failure)

    def _begin(self, turn: Request, failure: Failure | None = None) -> None:
        if turn.id < ROBOTS:
            self.turns.begin(turn, failure)
            return
        task = asyncio.create_task(self._ask(turn, failure), name=turn.url)
        self._asking.add(task)
        task.add_done_callback(self._asking.discard)

    async def _ask(self, turn: Request, failure: Failure | None) -> None:
        origin = turn.parent or ""
        try:
            came = failure or await self.fetch(turn, MOST)
            if (next_turn := await self._redirected(came, turn)) is not None:
                self._offer(next_turn)
            elif isinstance(came, Failure) and came.code == "private_address" and turn.host == self._held[origin].host:
                # No page of this host can be had either, and each will say so in a record of its own.
                await self._open(origin, "", keep=False)
            elif (text := reading(came)) is None and self._worth_another(came, turn):
                self._ask_later(turn, self._held[origin], came)
            else:
                if text is None:
                    log.info("%s cannot be had (%s)", turn.url, _problem(came))
                await self._open(origin, text)
        except Exception:  # a bug met on one host must not hold its URLs for ever
            log.exception("robots.txt of %s", origin)
            if origin in self._held:
                await self._open(origin, None)
        self.opened()

    async def fetch(self, turn: Request, most: int) -> Response | Failure:
        """Make a request whose turn it is; a body of more than so many bytes is cut there."""
        began = time.monotonic()
        came: Response | Failure | None = None
        try:
            sent = partial(self._sent, turn.host)
            came = await self._fetcher.fetch(turn.url, addresses=turn.addresses, sent=sent, max_body=most, cut=True)
        except FetchError as error:
            came = error.failure
        finally:
            self._hosts.done(answer(turn.host, came, time.monotonic() - began), time.monotonic())
        return came

    def _sent(self, host: str) -> None:
        if self._hosts.sent(host, time.monotonic()):
            self.opened()

    async def _redirected(self, came: Response | Failure, turn: Request) -> Request | None:
        """The next turn, when the answer is a redirect; a chain that is too long leads nowhere, as a 404 does."""
        if isinstance(came, Failure) or turn.hops >= HOPS:
            return None
        target = (await parse(came)).redirect_to
        if target is None:
            return None
        return Request(ROBOTS, target, urls.host(target), depth=0, parent=turn.parent, hops=turn.hops + 1)

    async def _open(self, origin: str, text: str | None, *, keep: bool = True) -> None:
        """Let go of what waited for a robots.txt, now that it is known, or known not to be had (None)."""
        now = time.time()
        try:  # before any page is asked for, so that no restart asks for it again
            if text is not None and keep:
                await self._frontier.note(f"robots:{origin}", to_note(text, now))
        except FrontierError as error:  # it only spares work
            log.warning("what robots.txt of %s said is not kept: %s", origin, error)
        rules = await self._learn(origin, text, now)
        held = self._held.pop(origin)
        if text is None:
            self._hosts.give_up(held.host, "robots_unreachable")
        self._ask_for_pace(held.host, rules)
        self._hosts.meet(held.host).held -= 1
        self._hosts.hungry.add(held.host)
        lost = self._hosts.meet(held.host).given_up
        for request in held.requests:
            if lost is None:
                self._pass(request, rules)
            else:
                self._refuse(request, lost)

    async def give_up(self, name: str) -> None:
        """Refuse, in one step, all that waits of a host that was given up."""
        why = self._hosts.meet(name).given_up
        assert why is not None
        for request in self._hosts.take_back(name):
            if request.id == ROBOTS:
                await self._open(request.parent or "", None)
            else:
                self._refuse(request, why)
        try:
            await self._frontier.drop(name, why)
        except FrontierError as error:  # it only spares work: each URL of the host is refused by itself
            log.warning("what waits of %s cannot be refused at once: %s", name, error)

    def _worth_another(self, came: Response | Failure, turn: Request) -> bool:
        """Is a robots.txt that could not be had asked for again? While other work remains, at most --robots-wait."""
        if isinstance(came, Failure) and not REASONS[came.code].retry:
            return False
        if self._hosts.meet(turn.host).given_up is not None:
            return False
        held = self._held[turn.parent or ""]
        waited = time.monotonic() - held.since
        return held.tries < self._settings.retries or (waited < self._settings.robots_wait and self._other_work())

    def _other_work(self) -> bool:
        """Can anything be crawled that does not wait at the gate?"""
        # Every other origin that is held has one turn of its own in a window or under way.
        if self._hosts.windowed + self._hosts.under_way > len(self._held) - 1:
            return True
        counts, most = self._frontier.counts(), self._settings.max_pages
        if most is not None and counts.pages + counts.in_hand >= most:
            return False
        if self._frontier.next_due() is not None:
            return True
        hosts = map(self._hosts.get, self._frontier.waiting(time.time()))
        return any(host is None or not host.held for host in hosts)

    def _ask_later(self, turn: Request, held: _Held, came: Response | Failure) -> None:
        now = time.monotonic()
        problem = _problem(came)
        wait = min(_LONGEST_BACKOFF, 2.0**held.tries) * random.uniform(0.75, 1.25)
        if held.tries >= self._settings.retries:
            wait = min(wait, held.since + self._settings.robots_wait - now)
        held.tries += 1
        self._hosts.rest(turn.host, now + wait, f"its robots.txt cannot be had: {problem}")
        wait = self._hosts.meet(turn.host).next_start - now  # longer when the host has asked for a rest
        log.info("%s cannot be had (%s), asked again in %.0f s", turn.url, problem, wait)
        self._offer(turn)

    async def close(self) -> list[int]:
        """End what is being asked; returns the ids of the URLs in hand that waited here."""
        for task in self._asking:
            task.cancel()
        await asyncio.gather(*self._asking, return_exceptions=True)
        return [request.id for held in self._held.values() for request in held.requests if request.id > ROBOTS]


def _problem(came: Response | Failure) -> str:
    return str(came) if isinstance(came, Failure) else f"status {came.status}"
