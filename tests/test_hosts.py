"""Politeness, with the clock in the test's hand."""

import heapq
import random
import time
from collections.abc import Callable
from dataclasses import replace

import pytest

from crawler.answers import retry_after
from crawler.hosts import Hosts
from crawler.model import Answer, Request
from crawler.pace import OWN_PACE, Pace


def polite(delay: float, slots: int, jitter: Callable[[], float] = lambda: 0.0) -> Hosts:
    """Hosts that all have the same pace of their own."""
    return Hosts(lambda _: Pace(delay, slots), jitter)


def request(number: int, host: str = "a:80") -> Request:
    return Request(number, f"http://{host}/{number}", host, depth=0, parent=None)


def ids(hosts: Hosts, now: float) -> list[int]:
    """All that may start now."""
    taken = []
    while (taken_now := hosts.take(now)) is not None:
        taken.append(taken_now.id)
    return taken


def test_the_delay_runs_from_the_start_and_not_from_the_hand_out() -> None:
    hosts = polite(delay=0.25, slots=4)
    hosts.offer([request(1), request(2), request(3)], now=0.0)
    assert ids(hosts, 0.0) == [1]
    assert ids(hosts, 9.0) == [], "one that has not started yet blocks the next, however long it waits for a worker"
    hosts.started("a:80", 9.0)
    hosts.sent("a:80", 9.0)
    assert ids(hosts, 9.24) == []
    assert hosts.next_turn() == 9.25
    assert ids(hosts, 9.25) == [2]


def test_the_delay_runs_from_when_the_request_goes_out_if_that_is_later() -> None:
    hosts = polite(delay=0.25, slots=4)
    hosts.offer([request(1), request(2), request(3)], now=0.0)
    assert ids(hosts, 0.0) == [1]
    hosts.started("a:80", 0.0)
    hosts.sent("a:80", 0.2)
    assert ids(hosts, 0.44) == []
    assert ids(hosts, 0.45) == [2]
    hosts.started("a:80", 0.45)
    hosts.sent("a:80", 0.45)
    assert ids(hosts, 0.7) == [3]


def test_slots_are_never_exceeded_without_a_delay() -> None:
    hosts = polite(delay=0, slots=2)
    hosts.offer(map(request, range(1, 6)), now=0.0)
    assert ids(hosts, 0.0) == [1, 2]
    hosts.started("a:80", 0.0)
    hosts.sent("a:80", 0.0)
    assert ids(hosts, 0.0) == []
    hosts.done(Answer("a:80", 200), 0.1)
    assert ids(hosts, 0.1) == [3]
    assert hosts.under_way == 2
    assert hosts.windowed == 2


def test_while_a_delay_holds_the_next_one_waits_until_the_last_has_gone_out() -> None:
    hosts = polite(delay=0.25, slots=4)
    hosts.offer([request(1), request(2), request(3)], now=0.0)
    assert ids(hosts, 0.0) == [1]
    hosts.started("a:80", 0.0)
    assert ids(hosts, 60.0) == [], "its process is busy, or its connection slow"
    hosts.sent("a:80", 60.0)
    assert ids(hosts, 60.2) == []
    assert ids(hosts, 60.25) == [2]
    hosts.started("a:80", 60.25)
    hosts.done(Answer("a:80", 200), 61.0)
    assert ids(hosts, 61.0) == [], "it is the first that has ended"
    hosts.done(Answer("a:80", None), 62.0)
    assert ids(hosts, 62.0) == [3], "a process died before it sent the second"


def test_a_host_that_complains_is_asked_less_often_and_others_as_before() -> None:
    hosts = polite(delay=0.25, slots=4)
    hosts.offer([request(1), request(2), request(11, "b:80"), request(12, "b:80")], now=0.0)
    assert ids(hosts, 0.0) == [1, 11]
    for name, status in (("a:80", 503), ("b:80", 200)):
        hosts.started(name, 0.0)
        hosts.sent(name, 0.0)
        hosts.done(Answer(name, status, elapsed=0.1), 0.1)
    hosts.offer([request(3)], now=0.1)
    assert ids(hosts, 0.25) == [2, 12]  # the delay that had begun is kept as it was
    hosts.started("a:80", 0.25)
    hosts.sent("a:80", 0.25)
    host = hosts.get("a:80")
    assert host is not None
    assert (host.delay, host.slots, host.reason) == (0.5, 2, "slowed down by a 503")
    assert ids(hosts, 0.74) == []
    assert ids(hosts, 0.75) == [3]


def test_a_delay_is_never_shorter_for_its_jitter() -> None:
    draw = random.Random(1)
    hosts = polite(delay=0.25, slots=4, jitter=lambda: draw.uniform(0.0, 0.1))
    hosts.offer([request(number) for number in range(50)], now=0.0)
    now, gaps = 0.0, set()
    for _ in range(49):
        (_taken,) = ids(hosts, now)
        hosts.started("a:80", now)
        hosts.sent("a:80", now)
        hosts.done(Answer("a:80", 200, elapsed=0.01), now + 0.01)
        turn = hosts.next_turn()
        assert turn is not None
        gaps.add(turn - now)
        now = turn
    assert 0.25 <= min(gaps) < max(gaps) <= 0.275 + 1e-9


def test_hosts_take_turns() -> None:
    hosts = polite(delay=0, slots=10)
    hosts.offer([request(1, "a:80"), request(2, "a:80"), request(3, "a:80")], now=0.0)
    hosts.offer([request(11, "b:80"), request(12, "b:80")], now=0.0)
    assert ids(hosts, 0.0) == [1, 11, 2, 12, 3]


def test_a_window_keeps_the_order_of_the_frontier() -> None:
    hosts = polite(delay=0, slots=10)
    for number, rank in ((1, 20), (2, 30), (3, 10), (4, 20), (5, 30)):
        hosts.offer([replace(request(number), rank=rank)], now=0.0)
    hosts.offer([replace(request(6), rank=50)], now=0.0, first=True)
    assert ids(hosts, 0.0) == [6, 3, 1, 4, 2, 5]


def test_a_slow_host_does_not_hold_up_the_others() -> None:
    hosts = polite(delay=0, slots=1)
    hosts.offer([request(1, "slow:80"), request(2, "slow:80"), request(3, "b:80"), request(4, "b:80")], now=0.0)
    assert ids(hosts, 0.0) == [1, 3]
    hosts.started("slow:80", 0.0)
    hosts.sent("slow:80", 0.0)
    hosts.started("b:80", 0.0)
    hosts.sent("b:80", 0.0)
    hosts.done(Answer("b:80", 200), 0.1)
    assert ids(hosts, 0.1) == [4]


def test_a_host_rests_as_long_as_retry_after_asks() -> None:
    hosts = polite(delay=0, slots=4)
    hosts.offer([request(1), request(2)], now=0.0)
    assert ids(hosts, 0.0) == [1, 2]
    hosts.started("a:80", 0.0)
    hosts.sent("a:80", 0.0)
    hosts.started("a:80", 0.0)
    hosts.sent("a:80", 0.0)
    hosts.done(Answer("a:80", 429, retry_after=30.0), 1.0)
    hosts.offer([request(3)], now=2.0)
    assert ids(hosts, 30.9) == []
    host = hosts.get("a:80")
    assert host is not None
    assert host.rest == "Retry-After of a 429"
    assert ids(hosts, 31.0) == [3]


def test_a_rest_that_comes_while_a_host_stands_in_line_holds() -> None:
    hosts = polite(delay=0, slots=4)
    hosts.offer([request(1)], now=0.0)
    hosts.rest("a:80", 5.0, "asked to")
    assert ids(hosts, 4.9) == []
    assert ids(hosts, 5.0) == [1]


def test_a_pace_from_outside_is_never_quicker_than_the_setting() -> None:
    hosts = polite(delay=1.0, slots=1)
    hosts.set_pace("a:80", 0.1, "Crawl-delay")
    host = hosts.meet("a:80")
    assert (host.delay, host.reason) == (1.0, OWN_PACE)
    hosts.set_pace("a:80", 7.0, "Crawl-delay")
    assert (host.delay, host.reason) == (7.0, "Crawl-delay")


def test_a_delay_that_is_learnt_runs_from_the_last_start() -> None:
    """That of the robots.txt itself, say, which has brought it."""
    hosts = polite(delay=0.5, slots=4)
    hosts.offer([request(1), request(2)], now=0.0)
    assert ids(hosts, 0.0) == [1]
    hosts.started("a:80", 1.0)
    hosts.sent("a:80", 1.0)
    hosts.set_pace("a:80", 7.0, "Crawl-delay")
    assert ids(hosts, 7.9) == []
    assert ids(hosts, 8.0) == [2]


def test_when_a_job_goes_on_every_delay_runs_from_there() -> None:
    hosts = polite(delay=0.5, slots=4)
    hosts.go_on(10.0)
    hosts.offer([request(1), request(2, "b:80")], now=10.0)
    hosts.set_pace("b:80", 3.0, "Crawl-delay")
    assert ids(hosts, 10.4) == []
    assert ids(hosts, 10.5) == [1]
    assert ids(hosts, 12.9) == []
    assert ids(hosts, 13.0) == [2]


def test_what_is_given_back_frees_its_place() -> None:
    hosts = polite(delay=0.5, slots=1)
    hosts.offer([request(1), request(2)], now=0.0)
    (first,) = [hosts.take(0.0)]
    assert first is not None
    hosts.give_back(first, 0.0)
    assert hosts.under_way == 0
    assert ids(hosts, 0.0) == [2]


def test_the_room_of_a_host_says_how_many_urls_are_worth_a_claim() -> None:
    hosts = polite(delay=0, slots=2)
    assert hosts.room("a:80", 100) == 1, "a host that is met first: one URL tells where its robots.txt lies"
    hosts.offer(map(request, range(8)), now=0.0)
    assert hosts.room("a:80", 100) == 0
    hosts.meet("b:80").held = 1
    assert hosts.room("b:80", 100) == 0, "more of its URLs would only wait for the robots.txt"
    assert ids(hosts, 0.0) == [0, 1]
    assert hosts.room("a:80", 100) == 0
    for _ in range(2):
        hosts.started("a:80", 0.0)
        hosts.sent("a:80", 0.0)
        hosts.done(Answer("a:80", 200), 0.0)
    assert ids(hosts, 0.0) == [2, 3]
    assert hosts.hungry == {"a:80"}
    assert hosts.room("a:80", 100) == 4
    assert hosts.room("a:80", 6) == 0, "a share that is nearly used up"


@pytest.mark.parametrize("seed", range(20))
def test_whatever_happens_delay_and_slots_hold_and_nothing_is_lost(seed: int) -> None:
    """A random crawl over some hosts: workers pick up late, answers take as long as they like."""
    rng = random.Random(seed)
    delay, slots = rng.choice([(0.0, 3), (0.25, 4), (1.0, 1)])
    hosts = polite(delay, slots)
    names = [f"h{n}:80" for n in range(5)]
    hosts.offer([request(n, rng.choice(names)) for n in range(200)], now=0.0)
    now, order = 0.0, 0
    events: list[tuple[float, int, str, str]] = []
    starts: dict[str, list[float]] = {name: [] for name in names}
    busy = dict.fromkeys(names, 0)
    handed_out = 0
    while handed_out < 200 or events:
        while (taken := hosts.take(now)) is not None:
            handed_out += 1
            order += 1
            heapq.heappush(events, (now + rng.choice([0, 0, 0.5]), order, "start", taken.host))
        turn = hosts.next_turn()
        assert events or turn is not None, "stuck: something waits, and nothing will ever wake it"
        if not events or (turn is not None and turn < events[0][0]):
            assert turn is not None
            now = max(now, turn)
            continue
        when, _, what, host = heapq.heappop(events)
        now = max(now, when)
        if what == "start":
            hosts.started(host, now)
            hosts.sent(host, now)
            busy[host] += 1
            assert busy[host] <= slots
            assert not starts[host] or now - starts[host][-1] > delay - 1e-9
            starts[host].append(now)
            order += 1
            heapq.heappush(events, (now + rng.random() * 3, order, "done", host))
        else:
            busy[host] -= 1
            hosts.done(Answer(host, 200), now)
    assert sum(map(len, starts.values())) == 200
    assert (hosts.under_way, hosts.windowed) == (0, 0)


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        (None, None),
        ("120", 120.0),
        (" 7 ", 7.0),
        ("Wed, 21 Oct 2015 07:28:10 GMT", 10.0),
        ("Wed, 21 Oct 2015 07:00:00 GMT", 0.0),
        ("soon", None),
        ("-5", None),
        ("1.5", None),
        ("\N{SUPERSCRIPT TWO}", None),
        ("Wed, 99 Oct 2015 07:28:10 GMT", None),
        ("9" * 400, 86_400.0),
        ("7200", 7200.0),
        ("Fri, 31 Dec 9999 23:59:59 GMT", 86_400.0),
    ],
)
def test_retry_after_is_seconds_or_a_date(value: str | None, seconds: float | None) -> None:
    assert retry_after(value, now=1445412480.0) == seconds


@pytest.mark.parametrize("value", ["Wed Oct 21 07:28:10 2015", "Wednesday, 21-Oct-15 07:28:10 GMT"], ids=str)
@pytest.mark.parametrize("zone", ["UTC", "XXX-9", "XXX+9"])
def test_the_older_forms_of_a_date_are_gmt_too(value: str, zone: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """RFC 9110, section 5.6.7: a recipient must accept them; the zone of the crawler's own machine is of no account."""
    monkeypatch.setenv("TZ", zone)
    time.tzset()
    try:
        assert retry_after(value, now=1445412480.0) == 10.0
    finally:
        monkeypatch.undo()
        time.tzset()
