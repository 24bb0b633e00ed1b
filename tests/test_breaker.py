"""The breaker, alone and in politeness, with the clock in the test's hand."""

from itertools import count

import pytest

from crawler.breaker import SILENCE, Breaker
from crawler.hosts import Host, Hosts
from crawler.model import Answer, Request
from crawler.pace import Pace
from crawler.reasons import REASONS

HOST = "a:80"
PATIENCE = 600.0


def silence(error: str = "connect", elapsed: float = 0.0) -> Answer:
    return Answer(HOST, None, error, elapsed)


def failing(times: int, now: float = 0.0) -> Breaker:
    breaker = Breaker()
    for _ in range(times):
        breaker.learn(silence(), now, PATIENCE)
    return breaker


@pytest.mark.parametrize("error", sorted(SILENCE))
def test_a_host_sleeps_after_five_failures_in_a_row(error: str) -> None:
    breaker = Breaker()
    for _ in range(5):
        assert not breaker.open
        breaker.learn(silence(error), 1.0, PATIENCE)
    assert breaker.open
    assert breaker.until == 6.0
    assert breaker.reason == f"asleep after 5 failures in a row, the last: {error}"


@pytest.mark.parametrize(
    "answer", [Answer(HOST, 200), Answer(HOST, 503), Answer(HOST, 404), Answer(HOST, 200, "timeout")]
)
def test_any_status_is_an_answer(answer: Answer) -> None:
    breaker = failing(4)
    breaker.learn(answer, 1.0, PATIENCE)
    breaker.learn(silence(), 2.0, PATIENCE)
    assert (breaker.failures, breaker.open) == (1, False)


@pytest.mark.parametrize("error", [*sorted(REASONS.keys() - SILENCE), None])
def test_what_says_nothing_of_the_host_changes_nothing(error: str | None) -> None:
    breaker = failing(4)
    breaker.learn(Answer(HOST, None, error), 1.0, PATIENCE)
    assert breaker.failures == 4


def test_each_probe_in_vain_lets_it_sleep_twice_as_long_up_to_five_minutes() -> None:
    breaker = failing(5)
    sleeps, now = [], 0.0
    for _ in range(9):
        sleeps.append(breaker.until - now)
        now = breaker.until
        breaker.learn(silence(), now, patience=10_000.0)
    assert sleeps == [5, 10, 20, 40, 80, 160, 300, 300, 300]


def test_a_sleep_is_longer_by_its_jitter() -> None:
    breaker = failing(4)
    breaker.learn(silence(), 0.0, PATIENCE, jitter=lambda: 0.1)
    assert breaker.until == 5.5


def test_what_had_begun_before_the_sleep_was_over_is_no_probe_but_may_be_an_answer() -> None:
    breaker = failing(5)
    breaker.learn(silence("timeout", elapsed=30.0), 20.0, PATIENCE)
    assert (breaker.failures, breaker.until) == (6, 5.0)
    breaker.learn(Answer(HOST, 200, elapsed=30.0), 21.0, PATIENCE)
    assert not breaker.open


def test_a_probe_that_is_answered_closes_it_and_the_next_sleep_is_short_again() -> None:
    breaker = failing(5)
    breaker.learn(silence(), 5.0, PATIENCE)
    breaker.learn(Answer(HOST, 200), 15.0, PATIENCE)
    assert not breaker.open
    for _ in range(5):
        breaker.learn(silence(), 100.0, PATIENCE)
    assert breaker.until == 105.0


@pytest.mark.parametrize("patience", [0.0, 2.0, 100.0, 600.0])
def test_it_is_given_up_by_a_probe_once_its_time_is_over(patience: float) -> None:
    breaker, now, probes = Breaker(), 0.0, 0
    for _ in range(5):
        breaker.learn(silence(), now, patience)
    while not breaker.given_up:
        now = breaker.until
        breaker.learn(silence(), now, patience)
        probes += 1
    assert patience <= now <= patience + 5
    assert 1 <= probes <= 8


def test_a_late_row_of_failures_is_still_probed_before_it_is_given_up() -> None:
    breaker = failing(1)
    for _ in range(4):
        breaker.learn(silence(), 5000.0, PATIENCE)
    assert (breaker.until, breaker.given_up) == (5005.0, False)
    breaker.learn(silence(), 5005.0, PATIENCE)
    assert breaker.given_up


# In politeness.


def requests(number: int) -> list[Request]:
    return [Request(number, f"http://{HOST}/{number}", HOST, depth=0, parent=None) for number in range(1, number + 1)]


def known(hosts: Hosts) -> Host:
    host = hosts.get(HOST)
    assert host is not None
    return host


def ask(hosts: Hosts, now: float) -> int:
    """Start all that may start now; how many."""
    count = 0
    while hosts.take(now) is not None:
        hosts.started(HOST, now)
        count += 1
    return count


def end(hosts: Hosts, count: int, answer: Answer, now: float) -> None:
    for _ in range(count):
        hosts.done(answer, now)


def asleep(*, patience: float = PATIENCE) -> Hosts:
    """Politeness of one host that has just fallen asleep, with five requests in its window."""
    hosts = Hosts(lambda _: Pace(0, 5), patience=patience)
    hosts.offer(requests(10), 0.0)
    end(hosts, ask(hosts, 0.0), silence(), 0.0)
    return hosts


def test_a_host_that_sleeps_is_asked_by_one_request_at_a_time() -> None:
    hosts = asleep()
    assert ask(hosts, 4.9) == 0
    assert hosts.next_turn() == 5.0
    assert ask(hosts, 5.0) == 1
    assert ask(hosts, 9.0) == 0, "the probe is under way"
    end(hosts, 1, silence(), 9.0)
    assert known(hosts).slots == 1
    assert ask(hosts, 18.9) == 0
    assert ask(hosts, 19.0) == 1
    end(hosts, 1, Answer(HOST, 200), 19.0)
    assert ask(hosts, 19.0) == 3, "all that is left"


def test_nothing_is_asked_of_a_host_that_is_given_up_and_others_go_on() -> None:
    hosts = asleep(patience=3.0)
    other = Request(99, "http://b:80/", "b:80", depth=0, parent=None)
    assert ask(hosts, 3.0) == 1
    end(hosts, 1, silence(), 3.0)
    assert known(hosts).given_up == "host_down"
    assert hosts.lost == {HOST}
    hosts.offer([other], 4.0)
    assert hosts.take(10_000.0) == other
    assert hosts.take(10_000.0) is None
    assert [request.id for request in hosts.take_back(HOST)] == [7, 8, 9, 10]
    assert hosts.windowed == 0


def test_what_is_offered_to_a_host_that_is_given_up_is_told() -> None:
    hosts = Hosts(lambda _: Pace(0, 5))
    hosts.give_up(HOST, "retry_after")
    hosts.give_up(HOST, "host_down")
    assert known(hosts).given_up == "retry_after", "the first reason holds"
    hosts.lost.clear()
    hosts.offer(requests(1), 0.0)
    assert hosts.lost == {HOST}


@pytest.mark.parametrize(("wait", "turn"), [(0, 0.0), (9.0, 9.0), (100.0, 100.0), (100.5, None)])
def test_a_retry_after_is_obeyed_up_to_the_longest_rest(wait: float, turn: float | None) -> None:
    hosts = Hosts(lambda _: Pace(0, 1), longest_rest=100.0)
    hosts.offer(requests(2), 0.0)
    ask(hosts, 0.0)
    end(hosts, 1, Answer(HOST, 429, retry_after=wait), 0.0)
    assert hosts.asked == {HOST: wait}, "to be kept over a restart, that of a host that is given up too"
    if turn is None:
        assert known(hosts).given_up == "retry_after"
        assert ask(hosts, 10_000.0) == 0
    else:
        host = known(hosts)
        host.pace.delay = 0.0  # the complaint has made it longer, which is not looked at here
        assert host.next_start == turn
        assert ask(hosts, max(0.0, turn - 0.1)) == (turn == 0.0)
        assert ask(hosts, turn) == (turn > 0.0)


def test_a_shorter_retry_after_does_not_shorten_an_earlier_one() -> None:
    hosts = Hosts(lambda _: Pace(0, 2))
    hosts.offer(requests(3), 0.0)
    ask(hosts, 0.0)
    for wait in (50.0, 10.0):
        hosts.done(Answer(HOST, 503, retry_after=wait), 0.0)
    assert hosts.asked == {HOST: 50.0}
    assert hosts.next_turn() == 50.0


def test_hosts_that_fall_silent_together_are_probed_apart() -> None:
    draws = count()
    hosts = Hosts(lambda _: Pace(0, 5), jitter=lambda: next(draws) / 1000)
    names = ["a:80", "b:80"]
    for name in names:
        for _ in range(5):
            hosts.offer([Request(1, f"http://{name}/", name, depth=0, parent=None)], 0.0)
            hosts.take(0.0)
            hosts.started(name, 0.0)
            hosts.done(Answer(name, None, "dns"), 0.0)
    first, second = (host.breaker.until for host in hosts)
    assert first != second
