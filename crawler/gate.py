"""The gate: a request comes into its host's window only when the origin's robots.txt allows it.

The robots.txt of an origin that is met first is fetched as a turn of the host's own, so politeness holds for it too;
what was claimed of that host waits at the gate, holding no worker.
"""

import asyncio
import logging
import random
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from crawler.fetcher import Fetcher, FetchError
from crawler.frontier import Frontier
from crawler.hosts import Hosts
from crawler.ledger import Ledger
from crawler.model import Answer, Failure, Request
from crawler.robots import HOPS, Robots, Rules, from_note, reading, to_note
from crawler.settings import Settings
from parsers import parse, urls
from parsers.page import Response

log = logging.getLogger(__name__)

ROBOTS = 0
"""The id of a request for a robots.txt, which is no URL of the frontier."""
_BODY = 4 * 1024 * 1024  # bytes: a robots.txt larger than this is as good as none; the first 500 KiB are read
_LONGEST_BACKOFF = 30.0  # seconds between attempts to have a robots.txt


@dataclass(slots=True)
class _Held:
    """An origin whose robots.txt is being asked for."""

    since: float  # of the monotonic clock
    tries: int = 0
    requests: list[Request] = field(default_factory=list)


class Gate:
    """Lets claimed requests through to politeness, or back to the ledger with a reason."""

    def __init__(
        self, settings: Settings, hosts: Hosts, robots: Robots, fetcher: Fetcher, frontier: Frontier, ledger: Ledger
    ) -> None:
        self._settings = settings
        self._hosts = hosts
        self._robots = robots
        self._fetcher = fetcher
        self._frontier = frontier
        self._ledger = ledger
        self._held: dict[str, _Held] = {}
        self._asking: set[asyncio.Task[None]] = set()
        self.opened: Callable[[], None] = lambda: None
        """Called when a robots.txt has been answered."""

    async def admit(self, requests: Iterable[Request]) -> None:
        """Bring claimed requests to their hosts' windows as far as their robots.txt is known; hold or refuse others."""
        if self._settings.robots == "ignore":
            self._hosts.offer(requests, time.monotonic())
            return
        for request in requests:
            origin = urls.origin(request.url)
            rules = self._robots.get(origin, time.time()) or await self._remembered(origin, request.host)
            if rules is not None:
                self._pass(request, rules)
            else:
                self._hold(request, origin)

    async def _remembered(self, origin: str, host: str) -> Rules | None:
        """The rules that an earlier run was told, if they are not too old."""
        if origin in self._held:
            return None
        key = f"robots:{origin}"
        note = (await self._frontier.notes(key)).get(key)
        if note is None:
            return None
        self._robots.learn(origin, *from_note(note))
        rules = self._robots.get(origin, time.time())
        if rules is not None:
            self._set_pace(host, rules)
        return rules

    def _pass(self, request: Request, rules: Rules) -> None:
        reason = "crawl_delay" if rules.delay > self._settings.max_crawl_delay else rules.refusal(request.url)
        if reason is None:
            self._hosts.offer([request], time.monotonic())
        else:
            self._ledger.refuse(request, reason)

    def _hold(self, request: Request, origin: str) -> None:
        held = self._held.get(origin)
        if held is None:
            held = self._held[origin] = _Held(since=time.monotonic())
            self._hosts.meet(request.host).held = True
            turn = Request(ROBOTS, f"{origin}/robots.txt", request.host, depth=0, parent=None)
            self._hosts.offer([turn], time.monotonic(), first=True)
        held.requests.append(request)

    def ask(self, turn: Request) -> None:
        """It is the host's turn to be asked for its robots.txt."""
        self._hosts.started(turn.host, time.monotonic())
        task = asyncio.create_task(self._ask(turn), name=f"robots.txt of {turn.host}")
        self._asking.add(task)
        task.add_done_callback(self._asked)

    def _asked(self, task: asyncio.Task[None]) -> None:
        self._asking.discard(task)
        if not task.cancelled() and (error := task.exception()):
            log.error("%s: a bug", task.get_name(), exc_info=error)
        self.opened()

    async def _ask(self, turn: Request) -> None:
        began = time.monotonic()
        answer: Response | Failure = Failure("internal", "the robots.txt could not be asked for")
        try:
            answer = await self._fetch(turn.url)
        finally:
            status = answer.status if isinstance(answer, Response) else None
            self._hosts.done(Answer(turn.host, status, elapsed=time.monotonic() - began), time.monotonic())
        origin = urls.origin(turn.url)
        held = self._held[origin]
        text = reading(answer)
        if text is None:
            problem = str(answer) if isinstance(answer, Failure) else f"status {answer.status}"
            if self._worth_another(held):
                self._ask_later(turn, held, problem)
                return
            log.warning("%s cannot be had (%s): its host is given up", turn.url, problem)
        rules = self._robots.learn(origin, text, time.time())
        if rules.text is None:
            await self._frontier.drop(turn.host, "robots_unreachable")
        else:
            await self._frontier.note(f"robots:{origin}", to_note(rules))
        self._set_pace(turn.host, rules)
        self._hosts.meet(turn.host).held = False
        for request in self._held.pop(origin).requests:
            self._pass(request, rules)

    async def _fetch(self, url: str) -> Response | Failure:
        """The answer to a request for a robots.txt, redirects followed; a chain that is too long is a 404."""
        for _ in range(HOPS + 1):
            try:
                response = await self._fetcher.fetch(url, max_body=_BODY)
            except FetchError as error:
                return error.failure
            target = (await parse(response)).redirect_to
            if target is None:
                return response
            url = target
        return Response(url, 404, {}, b"", 0.0)

    def _worth_another(self, held: _Held) -> bool:
        """Is a robots.txt that could not be had asked for again? While other work remains, at most --robots-wait."""
        if held.tries < self._settings.retries:
            return True
        blocked = {request.host for held in self._held.values() for request in held.requests}
        counts = [self._frontier.counts(), *map(self._frontier.host_counts, blocked)]
        total, *behind_gates = (count.waiting + count.in_hand for count in counts)
        return total > sum(behind_gates) and time.monotonic() - held.since < self._settings.robots_wait

    def _ask_later(self, turn: Request, held: _Held, problem: str) -> None:
        now = time.monotonic()
        wait = min(_LONGEST_BACKOFF, 2.0**held.tries) * random.uniform(0.75, 1.25)
        held.tries += 1
        log.info("%s cannot be had (%s), asked again in %.0f s", turn.url, problem, wait)
        self._hosts.rest(turn.host, now + wait, f"its robots.txt cannot be had: {problem}")
        self._hosts.offer([turn], now, first=True)

    def _set_pace(self, host: str, rules: Rules) -> None:
        self._hosts.set_pace(host, rules.delay, "Crawl-delay of its robots.txt")

    @property
    def busy(self) -> bool:
        """Is any robots.txt being asked for, or to be asked for again?"""
        return bool(self._asking or self._held)

    async def close(self) -> None:
        """End what is being asked."""
        for task in self._asking:
            task.cancel()
        await asyncio.gather(*self._asking, return_exceptions=True)
