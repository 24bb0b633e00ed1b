"""The pace of a host, against servers that bear only so much; the clock is simulated."""

import heapq
import random
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest

from crawler.model import Answer
from crawler.pace import OWN_PACE, Pace

Serve = Callable[[float], tuple[int | None, float]]
"""Answers a request that comes at a time: with a status (None: it times out), and when it has ended."""


@dataclass
class Run:
    """Every request of a crawl of one host: when it began, its status, and the delay of that moment."""

    starts: list[tuple[float, int | None, float]] = field(default_factory=list)

    def between(self, first: float, last: float) -> "Run":
        return Run([start for start in self.starts if first <= start[0] < last])

    @property
    def complaints(self) -> int:
        return sum(status != 200 for _, status, _ in self.starts)

    @property
    def delays(self) -> set[float]:
        return {delay for _, _, delay in self.starts}


def crawl(pace: Pace, serve: Serve, until: float) -> Run:
    """Ask a server as often as the pace allows."""
    draw = random.Random(1)
    run = Run()
    busy: list[tuple[float, float, int | None]] = []  # of requests under way: end, start, status
    now = turn = 0.0
    while now < until:
        if len(busy) < pace.slots and now >= turn:
            status, end = serve(now)
            heapq.heappush(busy, (end, now, status))
            run.starts.append((now, status, pace.delay))
            turn = now + pace.delay * (1.0 + draw.uniform(0.0, 0.1))
            continue
        now = min([*(end for end, _, _ in busy[:1]), *[turn] * (len(busy) < pace.slots)])
        while busy and busy[0][0] <= now:
            end, began, status = heapq.heappop(busy)
            pace.learn(Answer("a:80", status, None if status else "timeout", end - began), now)
    return run


def bucket(capacity: float, burst: float, latency: float = 0.1) -> Serve:
    """A server that bears so many requests a second, so many of them at once, and answers others with a 429."""
    tokens, last = burst, 0.0

    def serve(now: float) -> tuple[int | None, float]:
        nonlocal tokens, last
        tokens, last = min(burst, tokens + (now - last) * capacity), now
        if tokens < 1:
            return 429, now + latency / 4
        tokens -= 1
        return 200, now + latency

    return serve


@pytest.mark.parametrize("delay", [0.0, 0.25])
@pytest.mark.parametrize("burst", [1, 3, 10])
@pytest.mark.parametrize("capacity", [0.5, 1, 2, 3.5])
def test_it_settles_right_below_what_the_server_bears(capacity: float, burst: float, delay: float) -> None:
    run = crawl(Pace(delay, slots=4), bucket(capacity, burst), until=1800)
    assert run.between(0, 1200).complaints <= 12
    settled = run.between(1200, 1800)
    assert settled.complaints <= 1  # one that asks for a hair too much may hear of it only when the burst is used up
    assert 0.85 <= len(settled.starts) / 600 / capacity <= 1.01


def test_what_bears_the_settings_own_pace_is_asked_at_it() -> None:
    pace = Pace(0.25, slots=4)
    run = crawl(pace, bucket(capacity=10, burst=1), until=600)
    assert run.delays == {0.25}
    assert (pace.slots, pace.reason) == (4, OWN_PACE)


def test_after_a_while_without_complaints_the_settings_own_pace_is_tried_again() -> None:
    capacity = 1.0

    strict, lenient = bucket(capacity, 1), bucket(100, 100)

    def serve(now: float) -> tuple[int | None, float]:
        return lenient(now) if now > 300 else strict(now)

    pace = Pace(0.25, slots=4)
    run = crawl(pace, serve, until=4000)
    assert min(run.between(1000, 1700).delays) > 0.9
    assert run.between(3500, 4000).delays == {0.25}
    assert (pace.slots, pace.reason) == (4, OWN_PACE)


def test_timeouts_slow_down_and_are_not_held_against_the_host_for_long() -> None:
    pace = Pace(0.25, slots=4)
    pace.learn(Answer("a:80", None, "timeout", 30.0), 30.0)
    assert (pace.delay, pace.slots, pace.reason) == (0.5, 2, "slowed down by a timeout")
    for number in range(40):
        pace.learn(Answer("a:80", 200, elapsed=0.1), 31.0 + number)
    assert (pace.delay, pace.slots, pace.reason) == (0.25, 4, OWN_PACE)


def test_what_began_before_a_complaint_was_heard_counts_no_more() -> None:
    pace = Pace(0.25, slots=4)
    for _ in range(4):
        pace.learn(Answer("a:80", 429, elapsed=0.1), 10.0)
    assert (pace.delay, pace.slots) == (0.5, 2)


def test_answers_that_come_late_slow_down() -> None:
    """A server that does one request after the other, and grows slower the more it has to do."""
    pace = Pace(0.25, slots=4)
    for number in range(16):
        pace.learn(Answer("a:80", 200, elapsed=0.1), float(number))
    for number in range(8):
        pace.learn(Answer("a:80", 200, elapsed=2.0), 20.0 + number)
    assert pace.delay == pytest.approx(0.375)
    assert pace.reason == "slowed down by answers that come late"


def test_one_slow_page_among_quick_ones_does_not() -> None:
    pace = Pace(0.25, slots=4)
    for number in range(200):
        pace.learn(Answer("a:80", 200, elapsed=5.0 if number % 4 else 0.1), float(number * 10))
    assert (pace.delay, pace.reason) == (0.25, OWN_PACE)


def test_a_crawl_delay_is_the_least_from_then_on() -> None:
    pace = Pace(0.25, slots=4)
    pace.ask(2.0, "Crawl-delay of its robots.txt")
    assert (pace.delay, pace.reason) == (2.0, "Crawl-delay of its robots.txt")
    pace.learn(Answer("a:80", 503, elapsed=0.1), 10.0)
    assert pace.delay == 4.0
    for number in range(100):
        pace.learn(Answer("a:80", 200, elapsed=0.1), 11.0 + 4 * number)
    assert pace.delay == pytest.approx(2.16)
    pace.ask(0.25, OWN_PACE)
    assert pace.delay == pytest.approx(2.16)


def test_the_delay_has_an_end_and_is_never_made_shorter_by_a_complaint() -> None:
    pace = Pace(0.25, slots=4)
    for number in range(100):
        pace.learn(Answer("a:80", 503, elapsed=0.1), number * 100.0)
    assert (pace.delay, pace.slots) == (60.0, 1)
    slow = Pace(90.0, slots=1)
    slow.learn(Answer("a:80", 503, elapsed=0.1), 10.0)
    assert slow.delay == 90.0
