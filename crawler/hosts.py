"""Politeness: when a host may be asked next. Synchronous; the clock is an argument, in seconds that only go forward.

Every host has a delay (between the starts of two requests), a number of slots (requests under way at once) and a short
window of requests that wait for their turn. A request goes through these steps: `take` gives it out, `started` says
that it has begun, `sent` that it goes out to the server (or never will), `done` that it has ended. Between `take` and
`started` it waits for a worker, between `started` and `sent` for a connection, or for a busy process; while a delay
holds, at most one request of a host is there, so two can never go out together however long they waited.

A host with something in its window is in one place: among the ready ones (served in turn), in the heap of those that
rest until a time, in the line before an address that is busy with other hosts, or in none of them: because its slots
are taken, then `started` or `done` puts it back; or because its name is being resolved, then `named` or `nowhere` does.
"""

import heapq
import itertools
import logging
import math
from bisect import bisect_right
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from operator import attrgetter

from crawler.addresses import Address, Addresses
from crawler.breaker import Breaker
from crawler.model import Answer, Request
from crawler.pace import Pace
from crawler.reasons import REASONS, GivenUp

log = logging.getLogger(__name__)

_WINDOW = 4  # requests a slot that a window holds, so that a claim is worth its transaction


@dataclass(slots=True, eq=False)
class Host:
    """What politeness knows of one host. Times are of the clock that the caller brings."""

    name: str
    pace: Pace
    breaker: Breaker = field(default_factory=Breaker)
    window: deque[Request] = field(default_factory=deque)
    taken: int = 0  # given out, not yet started
    busy: int = 0  # started, not yet done
    unsent: bool = False  # was the one that started last not sent yet?
    next_start: float = 0.0  # no request starts before
    last_start: float = -math.inf  # of the request that went out last, or of this run, if that may be later
    took: float = 0.0  # seconds from start to end of a request, a mean in which the latest count most
    rest: str | None = None  # why `next_start` is later than the delay asks for
    held: int = 0  # origins of it that wait for their robots.txt: meanwhile no more of its URLs are claimed
    placed: bool = False  # among the ready ones, the resting ones, or those in line
    in_line: bool = False  # for its address
    naming: bool = False  # its name is being resolved: nothing of it is taken meanwhile
    addresses: Sequence[str] | None = None  # to which its name leads; empty when it is one itself; None before that
    address: "Address[Host] | None" = None  # the one its requests are counted at; None without a limit
    asked: float = 0.0  # until when it has asked to be left alone
    given_up: GivenUp | None = None  # why nothing more is asked of it in this run

    @property
    def delay(self) -> float:
        """Seconds between the starts of two requests."""
        return self.pace.delay

    @property
    def slots(self) -> int:
        """Requests under way at once."""
        return 1 if self.breaker.open else self.pace.slots

    @property
    def reason(self) -> str:
        """Why the pace is what it is, for people."""
        return self.breaker.reason if self.breaker.open else self.pace.reason

    @property
    def under_way(self) -> int:
        """Requests that were given out and are not done."""
        return self.taken + self.busy

    @property
    def may_take(self) -> bool:
        """Is there a slot, and nothing given out that has yet to set the time of the next start?"""
        if self.naming or self.given_up is not None:
            return False
        return self.under_way < self.slots and not (self.delay and (self.taken or self.unsent))


class Hosts:
    """All hosts that are known to the flow at the moment."""

    def __init__(
        self,
        own: Callable[[str], Pace],
        jitter: Callable[[], float] = lambda: 0.0,
        *,
        per_address: int | None = None,
        patience: float = 600.0,
        longest_rest: float = 3600.0,
    ) -> None:
        """`own`: the pace that the settings ask for at a host, given its name.

        `jitter`: by which part of itself each delay is longer, so that what began together does not go on so.
        `per_address`: requests under way at once to one IP address, of all hosts together, though as many as one of
        them may have; None is no limit.
        `patience`: seconds that a host's URLs wait for one that does not answer; `longest_rest`: seconds that they wait
        for one that asks for it. Whatever takes longer is given up.
        """
        self._own = own
        self._jitter = jitter
        self._patience = patience
        self._longest_rest = longest_rest
        self._hosts: dict[str, Host] = {}
        self._ready: deque[Host] = deque()
        self._resting: list[tuple[float, int, Host]] = []
        self._order = itertools.count()  # makes entries of the heap comparable
        self._since = -math.inf
        self._addresses: Addresses[Host] = Addresses(per_address)
        self.under_way = 0  # requests given out and not done, of all hosts
        self.windowed = 0  # requests that wait for their host's turn
        self.hungry: set[str] = set()  # hosts whose window has become half empty; whoever fills them clears this
        self.lost: set[str] = set()
        """Hosts given up of which something may wait; whoever settles that (see `take_back`) takes them from here."""
        self.asked: dict[str, float] = {}
        """Hosts that have just asked for a rest, with its end; whoever notes that, for the next run, clears this."""
        self.lead: Callable[[str], Sequence[str] | None] = lambda name: ()
        """Called with a host whose turn it is: the IP addresses its name leads to; none when it is an address itself.

        None: they must be asked for, and `named` or `nowhere` is called later.
        """

    def __iter__(self) -> Iterator[Host]:
        return iter(self._hosts.values())

    def get(self, name: str) -> Host | None:
        """A host, when the flow has met it."""
        return self._hosts.get(name)

    def room(self, name: str, share: int) -> int:
        """How many more requests the host could use in its window, of which `share` is the most it may take up.

        0 while the window is more than half full, or held.
        """
        host = self._hosts.get(name)
        if host is None:
            return 1  # one URL is enough to learn what the host's robots.txt says
        size = min(_WINDOW * host.slots, share)
        return size - len(host.window) if 2 * len(host.window) <= size and not host.held else 0

    def meet(self, name: str) -> Host:
        """The host of this name, made known if it was not."""
        host = self._hosts.get(name)
        if host is None:
            host = self._hosts[name] = Host(name, self._own(name), last_start=self._since)
            self._keep_distance(host)
        return host

    def go_on(self, now: float) -> None:
        """An earlier run may have asked any host until just now, when this one begins."""
        self._since = now

    def offer(self, requests: Iterable[Request], now: float, *, first: bool = False) -> None:
        """Put requests into their hosts' windows, by the frontier's order or (`first`) at the front."""
        for request in requests:
            host = self.meet(request.host)
            if first:
                host.window.appendleft(request)
            elif host.window and request.rank < host.window[-1].rank:  # found after the others were claimed
                host.window.insert(bisect_right(host.window, request.rank, key=attrgetter("rank")), request)
            else:
                host.window.append(request)
            self.windowed += 1
            if host.given_up is not None:
                self.lost.add(host.name)
            self._place(host, now)

    def take(self, now: float) -> Request | None:
        """The next request that may start now, hosts in turn; None when every host must wait."""
        while self._resting and self._resting[0][0] <= now:
            host = heapq.heappop(self._resting)[2]
            host.placed = False
            self._place(host, now)
        while self._ready:
            host = self._ready.popleft()
            host.placed = False
            if not host.may_take or not host.window or host.next_start > now:
                self._place(host, now)  # something changed while it stood in line
                self._let_in(host.address, now)
                continue
            addresses = self.lead(host.name)
            if addresses is None:
                host.naming = True
                self._let_in(host.address, now)
                continue
            self._lead(host, addresses, now)
            if host.address is not None and not host.address.free(host.slots):
                host.address.line.append(host)
                host.placed = host.in_line = True
                continue
            return self._give_out(host, now)
        return None

    def named(self, name: str, now: float) -> None:
        """A host's name has been resolved: its turn, which it had, is the next."""
        host = self._hosts[name]
        host.naming = False
        self._place(host, now, first=True)

    def nowhere(self, name: str, now: float) -> Request | None:
        """A host's name could not be resolved: the request that comes to nothing by it, as `take` would give it.

        None when there is none any more.
        """
        host = self._hosts[name]
        host.naming = False
        return self._give_out(host, now) if host.window else None

    def _give_out(self, host: Host, now: float) -> Request:
        request = host.window.popleft()
        self.windowed -= 1
        host.taken += 1
        self.under_way += 1
        if host.address is not None:
            host.address.busy += 1
            self._let_in(host.address, now)  # several places may have become free at once
        if 2 * len(host.window) <= _WINDOW * host.slots:
            self.hungry.add(host.name)
        self._place(host, now)
        return replace(request, addresses=host.addresses) if host.addresses else request

    def started(self, name: str, now: float) -> None:
        """A request of the host is on its way: the delay to the next one runs from here."""
        host = self._hosts[name]
        host.taken -= 1
        host.busy += 1
        host.unsent = True
        self._delay_next(host, now)
        host.rest = None
        self._place(host, now)

    def sent(self, name: str, now: float) -> bool:
        """A request that had started goes out only now, or it is certain that it never will.

        Says whether others of the host have waited for that.
        """
        host = self._hosts[name]
        host.unsent = False
        self._delay_next(host, now)
        self._place(host, now)
        return host.delay > 0

    def done(self, answer: Answer, now: float) -> None:
        """A request that had started has ended, however it ended."""
        host = self._hosts[answer.host]
        host.busy -= 1
        host.unsent = host.unsent and host.busy > 0
        self._leave(host, now)
        host.took += (answer.elapsed - host.took) / 8
        host.pace.learn(answer, now)
        host.breaker.learn(answer, now, self._patience, self._jitter)
        if host.breaker.given_up:
            self.give_up(host.name, "host_down")
        elif host.breaker.open:
            log.info("%s is %s; probed in %.0f s", host.name, host.breaker.reason, host.breaker.until - now)
            self.rest(host.name, host.breaker.until, host.breaker.reason)
        if answer.retry_after is not None:
            self.rest_as_asked(host.name, now + answer.retry_after, f"Retry-After of a {answer.status}", now)
            self.asked[host.name] = host.asked
        self._place(host, now)

    def give_back(self, request: Request, now: float) -> None:
        """A request that was taken will not be started."""
        host = self._hosts[request.host]
        host.taken -= 1
        self._leave(host, now)
        self._place(host, now)

    def rest(self, name: str, until: float, reason: str) -> None:
        """Let no request of the host start before that time."""
        host = self.meet(name)
        if until > host.next_start:
            host.next_start, host.rest = until, reason

    def rest_as_asked(self, name: str, until: float, reason: str, now: float) -> None:
        """Let the host rest as it has asked for, or give it up when that is for too long."""
        host = self.meet(name)
        host.asked = max(host.asked, until)
        if until - now > self._longest_rest:
            self.give_up(name, "retry_after")
        else:
            self.rest(name, until, reason)

    def give_up(self, name: str, why: GivenUp) -> None:
        """Ask nothing more of the host in this run."""
        host = self.meet(name)
        if host.given_up is None:
            host.given_up = why
            self.lost.add(name)
            log.warning("%s is given up: %s", name, REASONS[why].sentence)

    def take_back(self, name: str) -> list[Request]:
        """Take back what waits in the window of a host."""
        host = self._hosts[name]
        requests = list(host.window)
        host.window.clear()
        self.windowed -= len(requests)
        return requests

    def set_pace(self, name: str, delay: float, reason: str) -> None:
        """Ask the host's delay to be so long at least; it is never less than the setting asks for."""
        host = self.meet(name)
        host.pace.ask(delay, reason)
        self._keep_distance(host)

    def empty(self) -> list[Request]:
        """Take back all that waits in windows."""
        return [request for name in self._hosts for request in self.take_back(name)]

    def next_turn(self) -> float | None:
        """When a resting host will be ready; None when none rests."""
        return self._resting[0][0] if self._resting else None

    def _keep_distance(self, host: Host) -> None:
        host.next_start = max(host.next_start, host.last_start + host.delay)

    def _delay_next(self, host: Host, now: float) -> None:
        host.last_start = now
        host.next_start = max(host.next_start, now + host.delay * (1.0 + self._jitter()))

    def _lead(self, host: Host, addresses: Sequence[str], now: float) -> None:
        """Take note of where a host's requests go from now on; those under way are counted there too."""
        if addresses == host.addresses:
            return
        host.addresses = addresses
        before, host.address = host.address, self._addresses.of(addresses[0] if addresses else _literal(host.name))
        if host.address is not before:
            if host.address is not None:
                host.address.busy += host.under_way
            if before is not None:
                before.busy -= host.under_way
                self._let_in(before, now)

    def _leave(self, host: Host, now: float) -> None:
        """A request of the host is no longer under way."""
        self.under_way -= 1
        if host.address is not None:
            host.address.busy -= 1
            self._let_in(host.address, now)

    def _let_in(self, address: Address[Host] | None, now: float) -> None:
        """While an address has a place, the host that has waited longest for it is the next of all, as it was before.

        To be called when a place is free that the host which might have taken it does not take.
        """
        while address is not None and address.line and address.free(address.line[0].slots):
            host = address.line.popleft()
            host.placed = host.in_line = False
            self._place(host, now, first=True)
            if host.placed and host.next_start <= now:
                return

    def _place(self, host: Host, now: float, *, first: bool = False) -> None:
        if host.placed or not host.window or not host.may_take:
            return
        host.placed = True
        if host.next_start > now:
            heapq.heappush(self._resting, (host.next_start, next(self._order), host))
        elif first:
            self._ready.appendleft(host)
        else:
            self._ready.append(host)


def _literal(host: str) -> str:
    """The IP address that stands in a host's name instead of one."""
    return host.rpartition(":")[0].strip("[]")
