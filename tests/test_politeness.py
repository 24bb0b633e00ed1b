"""All of politeness at once, against a world of chance whose clock the test owns: what holds whatever happens."""

import heapq
import random
from collections import Counter
from collections.abc import Callable, Sequence
from functools import partial

import pytest

from crawler.hosts import Hosts
from crawler.model import Answer, Request
from crawler.pace import Pace

PATIENCE, LONGEST_REST = 60.0, 100.0
EACH = 25  # URLs of a host
IPS = ("192.0.2.1", "192.0.2.2", "2001:db8::1", "127.0.0.1")


class World:
    """Hosts with whims, names that come and go, workers that are late; and what each request came to."""

    def __init__(self, seed: int) -> None:
        self.draw = draw = random.Random(seed)
        self.now = 0.0
        self.names = [f"h{number}:80" for number in range(10)]
        self.delays = {name: draw.choice([0.0, 0.0, 0.25, 2.0]) for name in self.names}
        self.slots = {name: draw.randint(1, 4) for name in self.names}
        self.dead = {name for name in self.names if draw.random() < 0.15}  # never answer
        self.nameless = {name for name in self.names if draw.random() < 0.1}  # lead nowhere
        self.greedy = {name for name in self.names if draw.random() < 0.1}  # ask for too long a rest in the end
        self.most = draw.choice([None, 1, 3])
        self.hosts = Hosts(
            lambda name: Pace(self.delays[name], self.slots[name]),
            lambda: draw.uniform(0.0, 0.1),
            per_address=self.most,
            patience=PATIENCE,
            longest_rest=LONGEST_REST,
        )
        self.hosts.lead = self.lead
        self.known: dict[str, tuple[float, Sequence[str]]] = {}  # addresses, and until when
        self.asking: set[str] = set()
        self.ends: Counter[int] = Counter()
        self.started: dict[str, float] = {}  # when a request to the host has last begun
        self.went_out: dict[str, float] = {}  # and when one has last gone out, perhaps late
        self.busy: Counter[str] = Counter()
        self.rests: dict[str, float] = {}  # the end of the rest that each host has asked for
        self.events: list[tuple[float, int, Callable[[], None]]] = []
        self.count = 0

    def later(self, seconds: float, event: Callable[[], None]) -> None:
        self.count += 1
        heapq.heappush(self.events, (self.now + seconds, self.count, event))

    def lead(self, name: str) -> Sequence[str] | None:
        until, addresses = self.known.get(name, (0.0, ()))
        if until > self.now:
            return addresses
        assert name not in self.asking, "a name is asked for twice at once"
        self.asking.add(name)
        self.later(self.draw.choice([0.0, 0.01, 3.0]), lambda: self.resolved(name))
        return None

    def resolved(self, name: str) -> None:
        self.asking.remove(name)
        if name not in self.nameless and self.draw.random() < 0.9:
            self.known[name] = self.now + self.draw.choice([1.0, 30.0]), (self.draw.choice(IPS), "192.0.2.9")
            self.hosts.named(name, self.now)
        elif (request := self.hosts.nowhere(name, self.now)) is not None:
            self.hosts.started(name, self.now)
            self.hosts.sent(name, self.now)
            self.hosts.done(Answer(name, None, "dns"), self.now)
            self.ends[request.id] += 1

    def offer(self, requests: list[Request]) -> None:
        """As the gate does: some now, some later."""
        some = self.draw.randint(1, 8)
        self.hosts.offer(requests[:some], self.now, first=self.draw.random() < 0.1)
        if requests[some:]:
            self.later(self.draw.choice([0.0, 1.0, 20.0]), lambda: self.offer(requests[some:]))

    def hand_out(self) -> None:
        while (request := self.hosts.take(self.now)) is not None:
            name = request.host
            host = self.hosts.meet(name)
            assert host.given_up is None
            assert host.under_way <= host.slots <= self.slots[name]
            assert self.now >= self.rests.get(name, 0.0)
            assert self.now - self.went_out.get(name, -9e9) >= self.delays[name] - 1e-9
            if self.most is not None and request.addresses[0] != "127.0.0.1":
                assert host.address is not None
                assert host.address.ip == request.addresses[0]
                assert host.address.busy <= max(self.most, host.slots)
            if self.draw.random() < 0.03:
                self.hosts.give_back(request, self.now)
                self.ends[request.id] += 1
            else:
                self.later(self.draw.choice([0.0, 0.0, 0.6]), partial(self.start, request))
        self.check()

    def start(self, request: Request) -> None:
        name = request.host
        assert self.now - self.started.get(name, -9e9) >= self.delays[name] - 1e-9
        self.hosts.started(name, self.now)
        self.started[name] = self.now
        self.busy[name] += 1
        assert self.busy[name] <= self.slots[name]
        takes = self.draw.choice([0.01, 0.2, 5.0])
        dies = self.draw.random() < 0.05  # the process that has it
        if not dies:
            self.later(self.draw.random() * takes, lambda: self.sent(name))
        self.later(takes, lambda: self.done(request, takes, dies))

    def sent(self, name: str) -> None:
        assert self.now - self.went_out.get(name, -9e9) >= self.delays[name] - 1e-9, "however late the one before was"
        self.hosts.sent(name, self.now)
        self.went_out[name] = self.now

    def done(self, request: Request, took: float, dies: bool) -> None:
        name, chance = request.host, self.draw.random()
        self.busy[name] -= 1
        answer = Answer(name, 200, None, took)
        if dies:
            answer = Answer(name, None)
        elif name in self.dead or chance < 0.05:
            answer = Answer(name, None, self.draw.choice(["connect", "timeout"]), took)
        elif chance < 0.15:
            answer = Answer(name, 429, None, took, 2 * LONGEST_REST if name in self.greedy else 7.0)
            self.rests[name] = max(self.rests.get(name, 0.0), self.now + (answer.retry_after or 0.0))
        self.hosts.done(answer, self.now)
        self.ends[request.id] += 1

    def settle_lost(self) -> None:
        while self.hosts.lost:
            for request in self.hosts.take_back(self.hosts.lost.pop()):
                self.ends[request.id] += 1

    def check(self) -> None:
        """What holds whenever nothing more may start."""
        hosts = list(self.hosts)
        assert self.hosts.under_way == sum(host.under_way for host in hosts)
        assert self.hosts.windowed == sum(len(host.window) for host in hosts)
        for address in {host.address for host in hosts if host.address is not None}:
            assert address.busy == sum(host.under_way for host in hosts if host.address is address)
            assert not address.line or address.busy >= address.most, "a free place, and somebody waits for it"

    def run(self) -> None:
        for number, name in enumerate(self.names):
            first = EACH * number
            self.offer([Request(first + n, f"http://{name}/{n}", name, 0, None) for n in range(EACH)])
        paused = False
        while True:
            if not paused:
                self.hand_out()
            self.settle_lost()
            turn = None if paused else self.hosts.next_turn()
            if not self.events and turn is None:
                break
            if not self.events or (turn is not None and turn < self.events[0][0]):
                assert turn is not None
                self.now = max(self.now, turn)
            else:
                when, _, event = heapq.heappop(self.events)
                self.now = max(self.now, when)
                event()
            paused = bool(self.events) and self.draw.random() < (0.9 if paused else 0.02)


@pytest.mark.parametrize("seed", range(60))
def test_whatever_happens_every_request_ends_once_and_no_limit_is_passed(seed: int) -> None:
    world = World(seed)
    world.run()
    assert (world.hosts.under_way, world.hosts.windowed) == (0, 0)
    assert world.ends == Counter(dict.fromkeys(range(EACH * len(world.names)), 1))
