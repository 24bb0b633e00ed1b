"""Hosts that share an IP address, and hosts whose name is being resolved; the clock is in the test's hand."""

import random
from collections import Counter, deque

import pytest

from crawler.addresses import Addresses
from crawler.hosts import Hosts
from crawler.model import Answer, Request
from crawler.pace import Pace

SHARED = ("192.0.2.7", "2001:db8::7")


def request(number: int, host: str) -> Request:
    return Request(number, f"http://{host}/{number}", host, depth=0, parent=None)


Leads = dict[str, tuple[str, ...] | None]


def hosts_of(leads: Leads, *, most: int | None, each: int = 3, slots: int = 1) -> Hosts:
    """Hosts with so many requests each, and where their names lead."""
    hosts = Hosts(lambda _: Pace(0, slots), per_address=most)
    hosts.lead = leads.__getitem__
    hosts.offer((request(number, host) for host in leads for number in range(each)), now=0.0)
    return hosts


def taken(hosts: Hosts, now: float = 0.0) -> list[str]:
    """The hosts of all requests that may start now, which they do."""
    names = []
    while (request := hosts.take(now)) is not None:
        names.append(request.host)
        hosts.started(request.host, now)
    return names


def test_no_more_requests_than_the_limit_go_to_one_address() -> None:
    hosts = hosts_of({f"{name}:80": SHARED for name in "abcde"}, most=3)
    assert taken(hosts) == ["a:80", "b:80", "c:80"]
    hosts.done(Answer("b:80", 200), 0.0)
    assert taken(hosts) == ["d:80"]
    assert hosts.under_way == 3


def test_hosts_elsewhere_do_not_wait_for_a_busy_address() -> None:
    leads: Leads = {"a:80": SHARED, "b:80": SHARED, "c:80": ("192.0.2.8",)}
    assert Counter(taken(hosts_of(leads, most=1))) == {"a:80": 1, "c:80": 1}


@pytest.mark.parametrize("lead", [("127.0.0.1",), ("::1", "127.0.0.1")])
def test_loopback_is_not_limited(lead: tuple[str, ...]) -> None:
    assert len(taken(hosts_of({"a:80": lead, "b:80": lead}, most=1, slots=4))) == 6


def test_none_is_no_limit() -> None:
    assert len(taken(hosts_of({"a:80": SHARED, "b:80": SHARED}, most=None, slots=4))) == 6


def test_one_host_may_use_all_of_its_own_slots() -> None:
    """Who asks for many at one host by --per-host, or in its section, gets them."""
    assert taken(hosts_of({"a:80": SHARED, "b:80": SHARED}, most=1, slots=3)) == ["a:80", "b:80", "a:80"]


def test_ports_of_an_address_that_has_no_name_count_together() -> None:
    leads: Leads = {"192.0.2.7:80": (), "192.0.2.7:8080": (), "[2001:db8::7]:80": ()}
    assert Counter(taken(hosts_of(leads, most=1))) == {"192.0.2.7:80": 1, "[2001:db8::7]:80": 1}


def test_the_hosts_of_an_address_have_their_turns_alike() -> None:
    """However uneven the work: one that came first does not keep the address for itself."""
    hosts = hosts_of({f"{name}:80": SHARED for name in "abcde"}, most=2, each=20)
    under_way, served = deque(taken(hosts)), Counter[str]()
    for turn in range(50):
        name = under_way.popleft()
        served[name] += 1
        hosts.done(Answer(name, 200), float(turn))
        under_way.extend(taken(hosts, float(turn)))
    assert set(served.values()) == {10}


def test_a_host_that_waits_for_its_address_and_must_rest_lets_the_next_one_in() -> None:
    hosts = hosts_of({f"{name}:80": SHARED for name in "abc"}, most=1)
    assert taken(hosts) == ["a:80"]
    hosts.rest("b:80", 60.0, "Retry-After of a 429")
    hosts.done(Answer("a:80", 200), 0.0)
    assert taken(hosts) == ["c:80"]


def test_what_is_given_back_leaves_its_place_at_the_address() -> None:
    hosts = hosts_of({"a:80": SHARED, "b:80": SHARED}, most=1)
    request = hosts.take(0.0)
    assert request is not None
    assert hosts.take(0.0) is None
    hosts.give_back(request, 0.0)
    assert taken(hosts) == ["b:80"]


def test_a_host_that_moves_takes_its_requests_along() -> None:
    leads: Leads = {"a:80": SHARED, "b:80": SHARED}
    hosts = hosts_of(leads, most=2, slots=2)
    assert taken(hosts) == ["a:80", "b:80"]
    leads["a:80"] = ("192.0.2.8",)
    hosts.done(Answer("b:80", 200), 0.0)
    assert taken(hosts) == ["a:80", "b:80", "b:80"]
    for name in ("a:80", "a:80", "b:80", "b:80"):
        hosts.done(Answer(name, 200), 1.0)
    assert hosts.under_way == 0
    assert Counter(taken(hosts, 1.0)) == {"a:80": 1}


def test_all_places_that_a_host_leaves_behind_are_taken() -> None:
    leads: Leads = {f"{name}:80": SHARED for name in "abcd"}
    hosts = hosts_of(leads, most=3, slots=3)
    hosts.take_back("b:80")
    hosts.take_back("c:80")
    hosts.take_back("d:80")
    hosts.offer([request(9, "a:80")], 0.0)
    assert taken(hosts) == ["a:80"] * 3
    hosts.offer([request(1, f"{name}:80") for name in "bcd"], 0.0)
    assert taken(hosts) == []
    leads["a:80"] = ("192.0.2.8",)
    hosts.done(Answer("a:80", 200), 0.0)
    assert Counter(taken(hosts)) == Counter(f"{name}:80" for name in "abcd")


def test_requests_know_where_they_go() -> None:
    hosts = hosts_of({"a:80": SHARED, "192.0.2.1:80": ()}, most=None, each=1)
    requests = [hosts.take(0.0), hosts.take(0.0)]
    assert [request and request.addresses for request in requests] == [SHARED, ()]


def test_a_host_whose_name_is_not_known_takes_up_nothing_until_it_is() -> None:
    leads: Leads = {"a:80": None, "b:80": SHARED}
    hosts = hosts_of(leads, most=None, each=1)
    assert taken(hosts) == ["b:80"]
    assert (hosts.under_way, hosts.windowed) == (1, 1)
    assert taken(hosts) == []
    leads["a:80"] = SHARED
    hosts.named("a:80", 0.0)
    assert taken(hosts) == ["a:80"]


def test_a_name_is_asked_for_once_at_a_time() -> None:
    hosts, asked = Hosts(lambda _: Pace(0, 4)), list[str]()
    hosts.lead = asked.append  # which returns None, as for a name that is not known
    hosts.offer([request(1, "a:80"), request(2, "a:80")], now=0.0)
    assert taken(hosts) == []
    hosts.offer([request(3, "a:80")], now=0.0)
    assert taken(hosts) == []
    assert asked == ["a:80"]


def test_a_name_that_leads_nowhere_ends_one_request() -> None:
    hosts = hosts_of({"a:80": None}, most=None, each=2)
    assert taken(hosts) == []
    request = hosts.nowhere("a:80", 0.0)
    assert request is not None
    assert request.id == 0
    hosts.started("a:80", 0.0)
    hosts.done(Answer("a:80", None, "dns"), 0.0)
    assert (hosts.under_way, hosts.windowed) == (0, 1)


def test_a_stop_while_a_name_is_resolved_leaves_nothing_to_end() -> None:
    hosts = hosts_of({"a:80": None}, most=None, each=2)
    assert taken(hosts) == []
    assert len(hosts.empty()) == 2
    assert hosts.nowhere("a:80", 0.0) is None
    hosts.named("a:80", 0.0)
    assert taken(hosts) == []


def test_what_is_no_address_is_not_limited() -> None:
    assert Addresses[str](1).of("localhost") is None


@pytest.mark.parametrize("seed", range(20))
def test_whatever_happens_no_request_is_left_behind(seed: int) -> None:
    """Names that come and go, addresses that change, rests, pages that end in any order: all are served in the end."""
    draw = random.Random(seed)
    ips = ["192.0.2.1", "192.0.2.2", "127.0.0.1"]
    slots = draw.randint(1, 3)
    hosts = Hosts(lambda _: Pace(draw.choice([0.0, 0.0, 0.5]), slots), per_address=3)
    names = [f"h{number}:80" for number in range(12)]
    unknown, under_way, served, now = set[str](), list[str](), 0, 0.0
    at = {name: draw.choice(ips) for name in names}

    def lead(name: str) -> tuple[str, ...] | None:
        if draw.random() < 0.1:
            unknown.add(name)
            return None
        if draw.random() < 0.05:
            at[name] = draw.choice(ips)
        return (at[name],)

    hosts.lead = lead
    hosts.offer((request(number, name) for name in names for number in range(20)), now)
    for _ in range(20_000):
        while (taken_now := hosts.take(now)) is not None:
            if draw.random() < 0.05:
                hosts.give_back(taken_now, now)
                hosts.offer([taken_now], now, first=True)
                continue
            hosts.started(taken_now.host, now)
            under_way.append(taken_now.host)
        for host in hosts:
            assert host.address is None or host.address.busy == sum(
                other.under_way for other in hosts if other.address is host.address
            )
        now += 0.25
        if unknown and draw.random() < 0.5:
            name = draw.choice(sorted(unknown))
            unknown.remove(name)
            if draw.random() < 0.8:
                hosts.named(name, now)
            elif hosts.nowhere(name, now) is not None:
                hosts.started(name, now)
                hosts.done(Answer(name, None, "dns"), now)
                served += 1
        if under_way and draw.random() < 0.7:
            name = under_way.pop(draw.randrange(len(under_way)))
            if draw.random() < 0.1:
                hosts.rest(name, now + 3.0, "a Retry-After")
            hosts.done(Answer(name, 200), now)
            served += 1
        if served == 240:
            break
    assert (served, hosts.under_way, hosts.windowed) == (240, 0, 0)
