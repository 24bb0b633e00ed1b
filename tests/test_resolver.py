"""Names and addresses, asked of a real name server on loopback, with the resolver's clock in the test's hand."""

import asyncio
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from crawler.resolver import NoAnswerError, NoSuchNameError, ResolveError, Resolver
from tests import nameserver
from tests.crawling import ROOT
from tests.nameserver import AAAA, REFUSED, SERVFAIL, Nameserver


class Clock:
    """Time that passes only when the test says so."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


MakeResolver = Callable[..., Resolver]


@pytest.fixture
def names() -> Iterator[Nameserver]:
    with nameserver.serving() as server:
        yield server


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def make(names: Nameserver, clock: Clock) -> AsyncIterator[MakeResolver]:
    made: list[Resolver] = []

    def make(**options: Any) -> Resolver:
        defaults: dict[str, Any] = {"deadline": 60.0, "clock": clock}
        made.append(Resolver([names.address], **(defaults | options)))
        return made[-1]

    yield make
    for resolver in made:
        await resolver.close()


@pytest.fixture
def resolver(make: MakeResolver) -> Resolver:
    return make()


async def test_a_name_leads_to_its_addresses_of_both_kinds(names: Nameserver, resolver: Resolver) -> None:
    names.say("both.test", "127.0.0.1", "::1")
    names.say("four.test", "192.0.2.1", "192.0.2.2")
    names.say("six.test", "2001:db8::1")
    assert resolver.known("both.test") is None
    assert set(await resolver.resolve("both.test")) == {"127.0.0.1", "::1"}
    assert set(await resolver.resolve("four.test")) == {"192.0.2.1", "192.0.2.2"}
    assert await resolver.resolve("six.test") == resolver.known("six.test") == ("2001:db8::1",)


@pytest.mark.parametrize(
    ("name", "addresses"),
    [
        ("192.0.2.7", ("192.0.2.7",)),
        ("[2001:db8::7]", ("2001:db8::7",)),
        ("localhost", ("127.0.0.1", "::1")),
        ("localhost.", ("127.0.0.1", "::1")),
        ("shop.example.localhost", ("127.0.0.1", "::1")),
    ],
)
async def test_what_needs_no_query(
    names: Nameserver, resolver: Resolver, name: str, addresses: tuple[str, ...]
) -> None:
    assert resolver.known(name) == await resolver.resolve(name) == addresses
    assert not names.asked


def test_what_needs_no_query_does_not_load_c_ares() -> None:
    """It would be 20 ms of each start."""
    program = (
        "import asyncio, sys\nfrom crawler.resolver import Resolver\n"
        "async def main():\n r = Resolver()\n await r.resolve('a.localhost')\n await r.resolve('127.0.0.1')\n"
        "asyncio.run(main())\nsys.exit('pycares' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", program], cwd=ROOT, check=False).returncode == 0


async def test_aliases_are_followed_and_the_shortest_time_holds(
    names: Nameserver, resolver: Resolver, clock: Clock
) -> None:
    names.say("www.test", "192.0.2.1", ttl=100, aliases=("cdn.test", "edge.test"))
    assert await resolver.resolve("www.test") == ("192.0.2.1",)
    clock.now += 99
    assert resolver.known("www.test") == ("192.0.2.1",)
    clock.now += 1
    assert resolver.known("www.test") is None


@pytest.mark.parametrize(("ttl", "kept"), [(0, 30), (45, 45), (10**6, 86_400)])
async def test_addresses_are_kept_as_long_as_their_zone_says_within_bounds(
    names: Nameserver, resolver: Resolver, clock: Clock, ttl: int, kept: int
) -> None:
    names.say("a.test", "192.0.2.1", ttl=ttl)
    await resolver.resolve("a.test")
    clock.now += kept - 1
    assert resolver.known("a.test") == ("192.0.2.1",)
    clock.now += 1
    assert resolver.known("a.test") is None


async def test_after_its_time_a_name_is_asked_for_anew(names: Nameserver, resolver: Resolver, clock: Clock) -> None:
    names.say("a.test", "192.0.2.1")
    await resolver.resolve("a.test")
    await resolver.resolve("a.test")
    assert names.count("a.test") == 1
    names.say("a.test", "192.0.2.2")
    clock.now += 30
    assert await resolver.resolve("a.test") == ("192.0.2.2",)
    assert names.count("a.test") == 2


@pytest.mark.parametrize(
    ("said", "error", "words"),
    [
        ({"rcode": nameserver.NXDOMAIN}, NoSuchNameError, "a.test does not exist, or has no address"),
        ({}, NoSuchNameError, "a.test does not exist, or has no address"),
        ({"rcode": SERVFAIL}, NoAnswerError, "a.test could not be resolved: DNS server returned general failure"),
        ({"rcode": REFUSED}, NoAnswerError, "a.test could not be resolved: DNS server refused query"),
    ],
)
async def test_no_such_name_is_another_thing_than_no_answer(
    names: Nameserver, resolver: Resolver, said: dict[str, Any], error: type[ResolveError], words: str
) -> None:
    names.say("a.test", **said)
    with pytest.raises(error) as raised:
        await resolver.resolve("a.test")
    assert str(raised.value) == words
    assert resolver.known("a.test") is None


@pytest.mark.parametrize("name", ["x" * 64 + ".test", "a..test", ".".join(["long"] * 60)])
async def test_what_can_be_no_name_is_none(names: Nameserver, resolver: Resolver, name: str) -> None:
    with pytest.raises(NoSuchNameError):
        await resolver.resolve(name)
    assert not names.asked


async def test_a_name_that_never_answers_is_given_up_at_the_deadline(names: Nameserver, make: MakeResolver) -> None:
    names.say("dead.test", silent=True)
    with pytest.raises(NoAnswerError) as raised:
        await make(deadline=0.05).resolve("dead.test")
    assert str(raised.value) == "dead.test could not be resolved: no answer within 0.05 s"


async def test_an_answer_after_the_deadline_is_kept_for_the_next_attempt(
    names: Nameserver, make: MakeResolver, clock: Clock
) -> None:
    names.say("slow.test", silent=True)
    resolver = make(deadline=0.05)
    with pytest.raises(NoAnswerError):
        await resolver.resolve("slow.test")
    names.say("slow.test", "192.0.2.1")  # c-ares asks again by itself
    while resolver.known("slow.test") is None:
        clock.now += 1
        await asyncio.gather(resolver.resolve("slow.test"), return_exceptions=True)
    assert resolver.known("slow.test") == ("192.0.2.1",)


async def test_a_failure_is_kept_for_a_moment_so_that_an_attempt_after_a_backoff_succeeds(
    names: Nameserver, resolver: Resolver, clock: Clock
) -> None:
    for _ in range(3):
        with pytest.raises(NoSuchNameError):
            await resolver.resolve("new.test")
    assert names.count("new.test") == 1
    names.say("new.test", "192.0.2.1")
    clock.now += 0.75  # the shortest backoff
    assert await resolver.resolve("new.test") == ("192.0.2.1",)


async def test_a_zone_says_how_long_it_has_no_such_name(names: Nameserver, resolver: Resolver, clock: Clock) -> None:
    """RFC 2308, 5."""
    names.say("none.test", rcode=nameserver.NXDOMAIN, negative_ttl=600)
    for _ in range(3):
        with pytest.raises(NoSuchNameError):
            await resolver.resolve("none.test")
        clock.now += 1
    assert names.count("none.test") == 1


async def test_those_who_ask_at_the_same_time_share_a_query(names: Nameserver, resolver: Resolver) -> None:
    names.say("a.test", "192.0.2.1")
    answers = await asyncio.gather(*(resolver.resolve("a.test") for _ in range(50)))
    assert set(answers) == {("192.0.2.1",)}
    assert (names.count("a.test"), names.count("a.test", AAAA)) == (1, 1)


async def test_who_stops_asking_does_not_take_the_answer_from_others(names: Nameserver, resolver: Resolver) -> None:
    names.say("a.test", "192.0.2.1")
    first, second = (asyncio.create_task(resolver.resolve("a.test")) for _ in range(2))
    await asyncio.sleep(0)
    first.cancel()
    assert await second == ("192.0.2.1",)


async def test_a_long_answer_comes_over_tcp_and_only_so_many_addresses_count(
    names: Nameserver, resolver: Resolver
) -> None:
    names.say("many.test", *(f"192.0.2.{last}" for last in range(200)), cut=True)
    assert len(await resolver.resolve("many.test")) == 16
    assert names.tcp_queries > 0


async def test_the_oldest_names_are_forgotten(names: Nameserver, make: MakeResolver) -> None:
    resolver = make(most=3)
    for number in range(5):
        names.say(f"{number}.test", "192.0.2.1")
        await resolver.resolve(f"{number}.test")
    assert [resolver.known(f"{number}.test") is not None for number in range(5)] == [False, False, True, True, True]


async def test_a_thousand_names_that_never_answer_do_not_hold_up_the_others(
    names: Nameserver, make: MakeResolver
) -> None:
    resolver = make()
    for number in range(1000):
        names.say(f"dead{number}.test", silent=True)
    for number in range(50):
        names.say(f"good{number}.test", "192.0.2.1")
    dead = [asyncio.create_task(resolver.resolve(f"dead{number}.test")) for number in range(1000)]
    await asyncio.sleep(0)
    async with asyncio.timeout(100):
        await asyncio.gather(*(resolver.resolve(f"good{number}.test") for number in range(50)))
    ended = sum(task.done() for task in dead)
    assert ended < 500, "by then more than half of the dead ones had been given up"
    await resolver.close()
    await asyncio.gather(*dead, return_exceptions=True)


async def test_names_under_way_are_bounded_even_when_those_who_asked_have_given_up(
    names: Nameserver, make: MakeResolver
) -> None:
    """c-ares goes on asking for what nobody waits for any more, so these keep their places."""
    resolver = make(fresh=4, slow=12, deadline=0.1)
    for number in range(40):
        names.say(f"dead{number}.test", silent=True)
    seen, full = set[str](), threading.Event()

    def look(name: str) -> None:
        seen.add(name)
        if len(seen) >= 16:
            full.set()

    names.watch = look
    tasks = [asyncio.create_task(resolver.resolve(f"dead{number}.test")) for number in range(40)]
    await asyncio.to_thread(full.wait, 60)
    while sum(task.done() for task in tasks) < 16:
        await asyncio.wait([task for task in tasks if not task.done()], return_when=asyncio.FIRST_COMPLETED)
    assert len(seen) == 16
    await resolver.close()
    await asyncio.gather(*tasks, return_exceptions=True)


async def test_the_hosts_file_comes_first(
    names: Nameserver, resolver: Resolver, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hosts = tmp_path / "hosts"
    hosts.write_text("192.0.2.9 printer.test alias.test\n")
    monkeypatch.setenv("CARES_HOSTS", str(hosts))
    assert await resolver.resolve("printer.test") == await resolver.resolve("alias.test") == ("192.0.2.9",)
    assert not names.asked


def _wrong_id(answer: bytes) -> bytes:
    return bytes([answer[0] ^ 1]) + answer[1:]


def _other_question(answer: bytes) -> bytes:
    return answer.replace(b"\x04evil", b"\x04good", 1)


def _loop(answer: bytes) -> bytes:
    return answer[:12] + b"\xc0\x0c" + answer[14:]  # a name that is a pointer to itself


@pytest.mark.parametrize(
    "forge", [_wrong_id, _other_question, _loop, lambda answer: answer[:20], lambda answer: b"\xff" * 500]
)
async def test_hostile_answers_lead_nowhere(
    names: Nameserver, make: MakeResolver, forge: Callable[[bytes], bytes]
) -> None:
    resolver = make(deadline=1.0)
    names.say("evil.test", "192.0.2.66", forge=forge)
    with pytest.raises(ResolveError):
        await resolver.resolve("evil.test")
    assert resolver.known("evil.test") is None
    names.say("good.test", "192.0.2.1")
    resolver = make()
    assert await resolver.resolve("good.test") == ("192.0.2.1",)


async def test_nothing_is_left_when_it_closes_amid_queries(names: Nameserver, make: MakeResolver) -> None:
    names.say("dead.test", silent=True)
    resolver = make()
    task = asyncio.create_task(resolver.resolve("dead.test"))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    await resolver.close()
    with pytest.raises(asyncio.CancelledError):
        await task
