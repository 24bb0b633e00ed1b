"""The contract `Frontier`, over the table of backends; then what is particular to the one in SQLite.

Time is an argument everywhere, so no test waits for it.
"""

import asyncio
import dataclasses
import gc
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any, get_args

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from crawler.frontier import FRONTIERS, REVOCABLE, Budget, Counts, Frontier, FrontierError, Known, make
from crawler.frontier.sqlite import SqliteFrontier
from crawler.model import Change, Finished, Found, Order, Request, State, Visit
from crawler.reasons import GIVEN_UP, GivenUp
from parsers.urls import host

A, B = "a.example:80", "b.example:443"
NOW = 1_700_000_000.0


def a(*names: object) -> list[str]:
    return [f"http://a.example/{name}" for name in names]


def b(*names: object) -> list[str]:
    return [f"https://b.example/{name}" for name in names]


@pytest.fixture(params=FRONTIERS)
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
async def frontier(name: str, tmp_path: Path) -> AsyncIterator[Frontier]:
    frontier = make(name, tmp_path)
    await frontier.open()
    yield frontier
    await frontier.close()


@pytest.fixture
async def in_file(tmp_path: Path) -> AsyncIterator[SqliteFrontier]:
    frontier = SqliteFrontier.of_job(tmp_path)
    await frontier.open()
    yield frontier
    await frontier.close()


async def everything(frontier: Frontier) -> dict[str, Known]:
    """All known URLs, after a look that every count agrees with them."""
    known = {one.url: one async for one in frontier.scan()}
    by_host: dict[str, Counter[str]] = {}
    for one in known.values():
        counter = by_host.setdefault(host(one.url), Counter())
        counter[one.state] += 1
        counter["retrying"] += one.state == "waiting" and one.attempts > 0
    assert list(frontier.hosts()) == list(by_host)
    assert {name: frontier.host_counts(name) for name in by_host} == {
        name: Counts(**counter) for name, counter in by_host.items()
    }
    assert frontier.counts() == Counts(**sum(by_host.values(), Counter()))
    assert frontier.refusals() == Counter(one.reason for one in known.values() if one.state == "refused" and one.reason)
    return known


async def claim_all(frontier: Frontier, now: float = NOW) -> list[Request]:
    return await frontier.claim(dict(frontier.waiting(now)), now)


def urls(requests: Sequence[Request]) -> list[str]:
    return [request.url for request in requests]


def crawled(request: Request, *found: Found) -> Finished:
    return Finished(request.id, "crawled", request.attempt, status=200, found=found)


# One life of a URL.


async def test_the_chain_of_a_url_leads_from_its_seed_to_its_parent(frontier: Frontier) -> None:
    await frontier.add(Found(a("other", "seed"), 0))
    other, seed = await claim_all(frontier)
    await frontier.finish([crawled(other), crawled(seed, Found(a(1), 1, seed.id))], {})
    (one,) = await claim_all(frontier)
    await frontier.finish([crawled(one, Found(b(2), 2, one.id), Found(a("seed"), 2, one.id))], {})
    assert await frontier.chain(b(2)[0]) == a("seed", 1)
    assert await frontier.chain(a("seed")[0]) == []
    assert await frontier.chain(a("never seen")[0]) == []


async def test_what_is_new_is_told_with_the_page_that_led_to_it(frontier: Frontier) -> None:
    await frontier.add(Found(a("known", "seed"), 0))
    known, seed = await claim_all(frontier)
    ways = [Found([*a("x", "known"), *b("y")], 1, seed.id), Found(a("z"), 1, seed.id, refused="robots")]
    other = Found([*a("x", "w", "w")], 1, known.id)
    new = await frontier.finish([crawled(seed, *ways), crawled(known, other)], {})
    x, y, z, w = *a("x"), *b("y"), *a("z", "w")
    assert sorted(new) == sorted([(seed.id, x), (seed.id, y), (seed.id, z), (known.id, w)])
    again = [request for request in await claim_all(frontier) if request.url == x]
    assert await frontier.finish([crawled(again[0], Found([x, w], 2, again[0].id))], {}) == []


async def test_what_a_rule_refused_waits_again_once_the_rule_is_off(frontier: Frontier) -> None:
    await frontier.add(Found(a(1), 1, refused="calendar"))
    await frontier.add(Found(a(2), 1, refused="facets"))
    assert await frontier.readmit("calendar", 3) == 0, "it is no budget"
    assert await frontier.readmit("calendar", None) == 1
    assert [request.url for request in await claim_all(frontier)] == a(1)
    assert frontier.refusals() == {"facets": 1}


async def test_pages_are_those_with_a_record(frontier: Frontier) -> None:
    await frontier.add(Found([*a(1, 2), *b(1, 2)], 0))
    one, two, three, _ = await claim_all(frontier)
    settled = [crawled(one), Finished(two.id, "refused", 0, reason="robots")]
    await frontier.finish([*settled, Finished(three.id, "failed", 1, reason="dns")], {})
    assert (await frontier.pages(), await frontier.pages(A), await frontier.pages("never.example:80")) == (2, 1, 0)


async def test_a_new_frontier_knows_nothing(frontier: Frontier) -> None:
    assert frontier.counts() == Counts()
    assert frontier.hosts() == ()
    assert dict(frontier.waiting(NOW)) == {}
    assert frontier.next_due() is None
    assert await frontier.positions() == {}
    assert await frontier.notes("") == {}
    assert await frontier.why("http://a.example/") is None
    assert await frontier.claim({A: 5}, NOW) == []
    assert await everything(frontier) == {}


async def test_a_seed_is_claimed_and_finished_with_what_it_led_to(frontier: Frontier) -> None:
    assert await frontier.add(Found(a("seed"), depth=0)) == 1
    assert dict(frontier.waiting(NOW)) == {A: 1}
    (request,) = await frontier.claim({A: 1}, NOW)
    assert dataclasses.replace(request, id=0, rank=0) == Request(
        0, a("seed")[0], A, depth=0, parent=None, attempt=1, hops=0
    )
    assert frontier.counts() == Counts(in_hand=1)
    assert dict(frontier.waiting(NOW)) == {}

    await frontier.finish([crawled(request, Found(a("x", "y"), 1, request.id), Found(b("r"), 0, request.id, 1))], {})
    assert frontier.counts() == Counts(waiting=3, crawled=1)
    assert frontier.counts().pages == 1
    assert dict(frontier.waiting(NOW)) == {A: 2, B: 1}
    moved, *others = await claim_all(frontier)
    assert dataclasses.replace(moved, id=0, rank=0) == Request(0, b("r")[0], B, depth=0, parent=a("seed")[0], hops=1)
    assert urls(others) == a("x", "y")
    assert [one.parent for one in others] == a("seed", "seed")
    await everything(frontier)


async def test_why_tells_all_that_is_known(frontier: Frontier) -> None:
    await frontier.add(Found(a("seed"), 0))
    (seed,) = await claim_all(frontier)
    await frontier.finish([crawled(seed, Found(a("x"), 1, seed.id), Found(a("deep"), 1, seed.id, 0, "robots"))], {})
    (x,) = await claim_all(frontier)
    await frontier.finish([Finished(x.id, "waiting", 1, 503, "timeout", due=NOW + 60)], {})
    seed_url = a("seed")[0]
    assert await everything(frontier) == {
        seed_url: Known(seed_url, "crawled", 0, None, 1, 200, None, 0.0),
        a("x")[0]: Known(a("x")[0], "waiting", 1, seed_url, 1, 503, "timeout", NOW + 60),
        a("deep")[0]: Known(a("deep")[0], "refused", 1, seed_url, 0, None, "robots", 0.0),
    }
    for url, known in (await everything(frontier)).items():
        assert await frontier.why(url) == known
    assert await frontier.why("http://a.example/never") is None


@pytest.mark.parametrize("state", ["crawled", "failed", "refused"])
async def test_what_is_settled_stays_so(frontier: Frontier, state: State) -> None:
    await frontier.add(Found(a("x"), 3))
    (request,) = await claim_all(frontier)
    await frontier.finish([Finished(request.id, state, 1, reason="robots")], {})
    assert await frontier.add(Found(a("x"), 0)) == 0
    assert (await everything(frontier))[a("x")[0]].state == state
    assert await claim_all(frontier) == []


# What is found.


async def test_a_url_is_known_once(frontier: Frontier) -> None:
    assert await frontier.add(Found(a(1, 2, 1), 0)) == 2
    assert await frontier.add(Found(a(2, 3), 0)) == 1
    assert list(await everything(frontier)) == a(1, 2, 3)
    assert urls(await claim_all(frontier)) == a(1, 2, 3)
    assert await frontier.add(Found(a(1, 2, 3), 0)) == 0


async def test_a_url_found_by_two_pages_of_a_batch_is_known_once(frontier: Frontier) -> None:
    await frontier.add(Found(a(1, 2), 0))
    first, second = await claim_all(frontier)
    await frontier.finish(
        [crawled(first, Found(a("x", 1), 4, first.id)), crawled(second, Found(a("x"), 2, second.id))], {}
    )
    (x,) = await claim_all(frontier)
    assert (x.url, x.depth, x.parent) == (a("x")[0], 2, a(1)[0])  # the first that found it, the smaller depth


async def test_one_that_waits_takes_the_smaller_depth_and_hops(frontier: Frontier) -> None:
    await frontier.add(Found(a("far"), 5, hops=3))
    await frontier.add(Found(a("near"), 2, hops=3))
    await frontier.add(Found(a("far"), 1, hops=4))
    await frontier.add(Found(a("near"), 3, hops=0))
    await frontier.add(Found(a("near"), 0, refused="robots"))  # a refused finding changes nothing
    found = [(one.url, one.depth, one.hops) for one in await claim_all(frontier)]
    assert found == [(a("far")[0], 1, 3), (a("near")[0], 2, 0)]


@pytest.mark.parametrize("reason", sorted(REVOCABLE))
async def test_a_refusal_for_the_way_ends_when_another_way_is_found(frontier: Frontier, reason: str) -> None:
    await frontier.add(Found(a("x", "y"), 9, hops=9, refused=reason))
    assert frontier.counts() == Counts(refused=2)
    assert await frontier.add(Found(a("x"), 8, refused=reason)) == 0
    assert await frontier.add(Found(a("x"), 2)) == 0
    assert frontier.counts() == Counts(waiting=1, refused=1)
    assert (await frontier.why(a("x")[0])) == Known(a("x")[0], "waiting", 2, None, 0, None, None, 0.0)
    assert dict(frontier.waiting(NOW)) == {A: 1}
    assert [(one.url, one.depth, one.hops) for one in await claim_all(frontier)] == [(a("x")[0], 2, 0)]
    await everything(frontier)


async def test_a_refusal_for_the_url_itself_stays(frontier: Frontier) -> None:
    await frontier.add(Found(a("x"), 5, refused="robots"))
    await frontier.add(Found(a("x"), 1))
    assert (await everything(frontier))[a("x")[0]].reason == "robots"
    assert await claim_all(frontier) == []


async def test_ways_found_in_one_batch_count_together(frontier: Frontier) -> None:
    await frontier.add(Found(a("seed"), 0))
    (seed,) = await claim_all(frontier)
    ways = [
        Found(a("x"), 9, seed.id, refused="max_depth"),
        Found(a("y"), 9, seed.id, refused="robots"),
        Found(a("x", "y"), 2, seed.id),
        Found(a("x", "y"), 9, seed.id, refused="max_depth"),
    ]
    await frontier.finish([crawled(seed, *ways)], {})
    known = await everything(frontier)
    assert (known[a("x")[0]].state, known[a("x")[0]].depth) == ("waiting", 2)
    assert (known[a("y")[0]].state, known[a("y")[0]].reason) == ("refused", "robots")


async def test_a_refused_finding_hides_no_other_of_its_batch(frontier: Frontier) -> None:
    await frontier.add(Found(a("seed"), 0))
    await frontier.add(Found(a("x", "y"), 7, hops=1))
    (seed,) = await frontier.claim({A: 1}, NOW)
    ways = [
        Found(a("x"), 9, seed.id, refused="robots"),
        Found(a("x"), 3, seed.id, hops=2),
        Found(a("y"), 1, seed.id, refused="max_redirects"),
        Found(a("y"), 6, seed.id, hops=2),
    ]
    await frontier.finish([crawled(seed, *ways)], {})
    found = [(one.url, one.depth, one.hops, one.parent) for one in await claim_all(frontier)]
    assert found == [(a("x")[0], 3, 1, None), (a("y")[0], 6, 1, None)]


async def test_odd_urls_come_back_as_they_were(frontier: Frontier) -> None:
    odd = a("%C3%A9?q=%00&x='\";--", "é/ünï", "\U0001f600", "x" * 100_000, "x" * 99_999, "[1,2]{}", "A", "a")
    odd += a("?\\u0041\\n\\", '?"', "?$.a[0]")
    odd += ["http://[::1]:8080/", "http://xn--bcher-kva.example:81/"]
    assert await frontier.add(Found(odd, 0)) == len(odd)
    assert await frontier.add(Found(odd, 0)) == 0
    assert list(await everything(frontier)) == odd
    assert list(frontier.hosts()) == [A, "[::1]:8080", "xn--bcher-kva.example:81"]
    assert sorted(urls(await claim_all(frontier))) == sorted(odd)


async def test_ten_thousand_links_at_once(frontier: Frontier) -> None:
    await frontier.add(Found(a("seed"), 0))
    (seed,) = await claim_all(frontier)
    await frontier.finish([crawled(seed, Found(a(*range(10_000)), 1, seed.id))], {})
    assert frontier.counts() == Counts(waiting=10_000, crawled=1)
    assert list(await everything(frontier)) == a("seed", *range(10_000))
    assert urls(await frontier.claim({A: 3000}, NOW)) == a(*range(3000))


# What is handed out.


async def test_nearest_first_then_oldest(frontier: Frontier) -> None:
    for depth, name in ((2, "c"), (1, "b1"), (2, "d"), (0, "a"), (1, "b2")):
        await frontier.add(Found(a(name), depth))
    assert urls(await frontier.claim({A: 2}, NOW)) == a("a", "b1")
    assert urls(await frontier.claim({A: 2}, NOW)) == a("b2", "c")
    assert urls(await frontier.claim({A: 2}, NOW)) == a("d")


async def test_each_host_gives_as_many_as_were_wanted(frontier: Frontier) -> None:
    await frontier.add(Found(a(1, 2, 3) + b(1, 2, 3) + ["http://c.example/"], 0))
    assert urls(await frontier.claim({A: 2, B: 1, "unknown.example:80": 3}, NOW)) == a(1, 2) + b(1)
    assert dict(frontier.waiting(NOW)) == {A: 1, B: 2, "c.example:80": 1}
    assert urls(await frontier.claim({A: 9}, NOW)) == a(3)
    assert await frontier.claim({A: 9}, NOW) == []
    assert await frontier.claim({}, NOW) == []
    assert frontier.host_counts(A) == Counts(in_hand=3)
    await everything(frontier)


async def test_released_urls_wait_as_before(frontier: Frontier) -> None:
    await frontier.add(Found(a(1, 2), 0))
    before = await everything(frontier)
    requests = await claim_all(frontier)
    await frontier.release([request.id for request in requests])
    assert await everything(frontier) == before
    assert await claim_all(frontier) == requests


async def test_what_is_not_in_hand_cannot_be_settled(frontier: Frontier) -> None:
    await frontier.add(Found(a(1, 2), 0))
    one, two = await claim_all(frontier)
    await frontier.finish([crawled(one)], {})
    for wrong in ([crawled(two), crawled(one)], [crawled(two), crawled(two)], [Finished(77, "failed", 1)]):
        with pytest.raises(ValueError, match=r"not in hand|twice"):
            await frontier.finish(wrong, {"jsonl": 9})
    with pytest.raises(ValueError, match="not in hand"):
        await frontier.release([one.id])
    assert frontier.counts() == Counts(in_hand=1, crawled=1)
    assert await frontier.positions() == {}
    await everything(frontier)


# What is visited again.

PAGE = Visit(200, -(2**63), 'W/"\xff \\u0041"', "Thu, 01 Jan 1970 00:00:00 GMT")


async def test_a_recrawl_visits_all_with_a_record_again_and_tells_what_was_kept(frontier: Frontier) -> None:
    await frontier.add(Found(a(1, 2, 3, 4), 0))
    await frontier.add(Found(a(5), 9, refused="max_depth"))
    one, two, three, four = await claim_all(frontier)
    assert (frontier.recrawl, one.before) == (0, None)
    settled = [
        dataclasses.replace(crawled(one), visit=PAGE),
        Finished(two.id, "failed", 4, reason="dns"),
        Finished(three.id, "refused", 0, reason="robots"),
        Finished(four.id, "waiting", 1, 503, due=NOW + 1000),
    ]
    await frontier.finish(settled, {"jsonl": 7})

    assert await frontier.begin_again() == frontier.recrawl == 1
    assert frontier.counts() == Counts(waiting=3, refused=2)
    assert frontier.next_due() is None
    assert await frontier.positions() == {"jsonl": 7}
    again = await claim_all(frontier)
    assert [(request.url, request.attempt, request.before) for request in again] == list(
        zip(a(1, 2, 4), (1, 1, 1), (PAGE, Visit(), Visit()), strict=True)
    )
    await everything(frontier)


async def test_changes_are_those_of_this_recrawl(frontier: Frontier) -> None:
    await frontier.add(Found(a(1, 2), 0))
    await frontier.finish([crawled(request) for request in await claim_all(frontier)], {})
    for number, change in enumerate(get_args(Change), 1):
        assert await frontier.begin_again() == number
        assert frontier.changes() == {}
        one, two = await claim_all(frontier)
        await frontier.finish([dataclasses.replace(crawled(one), visit=Visit(200, change=change))], {})
        assert frontier.changes() == {change: 1}
        await frontier.release([two.id])


async def test_what_a_recrawl_refuses_is_visited_by_the_next(frontier: Frontier) -> None:
    await frontier.add(Found(a(1), 0))
    (one,) = await claim_all(frontier)
    await frontier.finish([dataclasses.replace(crawled(one), visit=PAGE)], {})
    await frontier.begin_again()
    await frontier.drop(A, "robots_unreachable")
    assert await claim_all(frontier) == []
    await frontier.begin_again()
    assert [request.before for request in await claim_all(frontier)] == [PAGE]
    assert frontier.refusals() == {}


async def test_a_recrawl_cannot_begin_while_something_is_in_hand(frontier: Frontier) -> None:
    await frontier.add(Found(a(1), 0))
    (one,) = await claim_all(frontier)
    with pytest.raises(ValueError, match="in hand"):
        await frontier.begin_again()
    await frontier.finish([crawled(one)], {})
    assert await frontier.begin_again() == 1


# What waits for its time.


async def test_a_retry_waits_until_it_is_due(frontier: Frontier) -> None:
    await frontier.add(Found(a(1, 2), 0))
    one, two = await claim_all(frontier)
    later = [
        Finished(one.id, "waiting", 1, None, "timeout", NOW + 30),
        Finished(two.id, "waiting", 1, None, "dns", NOW + 10),
    ]
    await frontier.finish(later, {})
    assert frontier.counts() == Counts(waiting=2, retrying=2)
    assert dict(frontier.waiting(NOW)) == {}
    assert frontier.next_due() == NOW + 10
    assert await frontier.claim({A: 5}, NOW + 9.999) == []

    assert dict(frontier.waiting(NOW + 10)) == {A: 1}
    assert frontier.next_due() == NOW + 30
    (again,) = await frontier.claim({A: 5}, NOW + 10)
    assert (again.url, again.attempt) == (a(2)[0], 2)
    await frontier.finish([Finished(again.id, "failed", 2, None, "dns")], {})
    (again,) = await frontier.claim({A: 5}, NOW + 1000)
    assert (again.url, again.attempt) == (a(1)[0], 2)
    assert frontier.next_due() is None
    await everything(frontier)


async def test_a_second_retry_waits_for_its_own_time(frontier: Frontier) -> None:
    await frontier.add(Found(a(1), 5))
    await frontier.add(Found(a(1), 2))
    (one,) = await claim_all(frontier)
    for attempt, due in ((1, NOW + 10), (2, NOW + 30)):
        await frontier.finish([Finished(one.id, "waiting", attempt, None, "timeout", due)], {})
        assert await frontier.claim({A: 1}, due - 1) == []
        (one,) = await frontier.claim({A: 1}, due)
    assert (one.attempt, one.depth) == (3, 2)


async def test_a_retry_that_is_found_nearer_waits_on(frontier: Frontier) -> None:
    await frontier.add(Found(a(1), 5))
    (one,) = await claim_all(frontier)
    await frontier.finish([Finished(one.id, "waiting", 1, due=NOW + 10)], {})
    await frontier.add(Found(a(1), 2))
    assert await frontier.claim({A: 1}, NOW + 9) == []
    assert [again.depth for again in await frontier.claim({A: 1}, NOW + 10)] == [2]


async def test_a_retry_without_a_due_time_waits_for_nothing(frontier: Frontier) -> None:
    await frontier.add(Found(a(1), 0))
    (one,) = await claim_all(frontier)
    await frontier.finish([Finished(one.id, "waiting", 1, 500)], {})
    assert [again.attempt for again in await claim_all(frontier)] == [2]


async def test_claims_that_overlap_hand_nothing_out_twice(frontier: Frontier) -> None:
    await frontier.add(Found(a(1, 2), 0))
    one, _ = await claim_all(frontier)
    await frontier.finish([Finished(one.id, "waiting", 1, due=NOW + 10)], {})
    claims = await asyncio.gather(*(frontier.claim({A: 5}, NOW + 10) for _ in range(3)))
    assert [urls(requests) for requests in claims] == [a(1), [], []]
    await everything(frontier)


async def test_however_deep_the_nearer_way_counts(frontier: Frontier) -> None:
    """Depths and hops beyond any that a compact form may hold."""
    for depth, hops in ((70_000, 0), (256, 1), (255, 2), (255, 0), (254, 3), (300, 3)):
        await frontier.add(Found(a(1), depth, hops=hops))
    ((one),) = await claim_all(frontier)
    assert (one.depth, one.hops) == (254, 0)
    await everything(frontier)


async def test_what_was_seen_due_stays_so_when_the_clock_is_set_back(frontier: Frontier) -> None:
    await frontier.add(Found(a(1), 0))
    (one,) = await claim_all(frontier)
    await frontier.finish([Finished(one.id, "waiting", 1, due=NOW + 10)], {})
    assert dict(frontier.waiting(NOW + 11)) == {A: 1}
    assert urls(await frontier.claim({A: 1}, NOW - 3600)) == a(1)
    await everything(frontier)


async def test_what_was_let_in_again_is_handed_out_once_and_its_retry_when_due(frontier: Frontier) -> None:
    await frontier.add(Found(a(1, 2), depth=0))
    await frontier.drop(A, "host_down")
    await frontier.readmit("host_down")
    (one,) = await frontier.claim({A: 1}, NOW)
    await frontier.finish([Finished(one.id, "waiting", 1, 503, due=NOW + 60)], {})
    assert [request.url for request in await frontier.claim({A: 9}, NOW)] == a(2)
    assert dict(frontier.waiting(NOW)) == {}
    assert [request.url for request in await frontier.claim({A: 9}, NOW + 60)] == a(1)


async def test_of_a_dropped_host_only_what_was_asked_for_still_waits(frontier: Frontier) -> None:
    await frontier.add(Found(a(1, 2, 3, 4) + b(1), 0))
    one, two, *_ = await frontier.claim({A: 3}, NOW)
    await frontier.finish([crawled(one), Finished(two.id, "waiting", 1, due=NOW + 10)], {})
    assert await frontier.drop(A, "robots_unreachable") == 1
    assert frontier.host_counts(A) == Counts(waiting=1, in_hand=1, crawled=1, refused=1, retrying=1)
    assert frontier.next_due() == NOW + 10
    known = await everything(frontier)
    assert known[a(4)[0]].reason == "robots_unreachable"
    assert urls(await frontier.claim({A: 9}, NOW + 100)) == a(2)
    assert await frontier.drop(A, "robots_unreachable") == 0
    assert await frontier.drop("unknown.example:80", "robots_unreachable") == 0


@pytest.mark.parametrize("reason", GIVEN_UP)
async def test_what_was_dropped_with_its_host_waits_again_in_the_next_run(frontier: Frontier, reason: GivenUp) -> None:
    await frontier.add(Found(a(1, 2, 3) + b(1), 0))
    await frontier.add(Found(a("forbidden"), 1, refused="robots"))
    one, two = await frontier.claim({A: 2}, NOW)
    await frontier.finish([crawled(one), Finished(two.id, "refused", 0, reason=reason)], {})
    await frontier.drop(A, reason)
    assert frontier.refusals() == {reason: 2, "robots": 1}
    assert await frontier.readmit(reason) == 2
    assert frontier.host_counts(A) == Counts(waiting=2, crawled=1, refused=1)
    await everything(frontier)
    assert sorted(urls(await claim_all(frontier))) == [*a(2, 3), *b(1)]


async def test_letting_in_one_reason_leaves_the_others(frontier: Frontier) -> None:
    await frontier.add(Found(a(1, 2) + b(1), 0))
    await frontier.drop(A, "host_down")
    await frontier.drop(B, "retry_after")
    assert await frontier.readmit("robots_unreachable") == 0
    assert await frontier.readmit("retry_after") == 1
    assert frontier.refusals() == {"host_down": 2}


async def test_what_was_asked_for_and_waits_is_counted(frontier: Frontier) -> None:
    await frontier.add(Found(a(1, 2), 0))
    one, _ = await frontier.claim({A: 2}, NOW)
    await frontier.finish([Finished(one.id, "waiting", 1, due=NOW + 10)], {})
    assert frontier.counts() == Counts(waiting=1, in_hand=1, retrying=1)
    (again,) = await frontier.claim({A: 2}, NOW + 10)
    assert frontier.counts() == Counts(in_hand=2)
    await frontier.release([again.id])
    assert frontier.counts() == Counts(waiting=1, in_hand=1, retrying=1)


# What is noted.


async def test_positions_are_those_of_the_last_finish_that_moved_them(frontier: Frontier) -> None:
    await frontier.finish([], {"jsonl": 10, "warc": 2**40})
    await frontier.finish([], {"jsonl": 25})
    await frontier.finish([], {})
    assert await frontier.positions() == {"jsonl": 25, "warc": 2**40}


async def test_notes_are_found_by_the_beginning_of_their_keys(frontier: Frontier) -> None:
    robots = "User-agent: *\r\nDisallow: /é\0%_" * 1000
    for key, value in (("robots:a", "old"), ("robots:b", robots), ("pace:a", "1"), ("robots%", "2"), ("robots:a", "")):
        await frontier.note(key, value)
    assert await frontier.notes("robots:") == {"robots:a": "", "robots:b": robots}
    assert await frontier.notes("rob") == {"robots:a": "", "robots:b": robots, "robots%": "2"}
    assert len(await frontier.notes("")) == 4
    assert await frontier.notes("robots:c") == {}


async def test_a_scan_ends_although_more_is_found_meanwhile(frontier: Frontier) -> None:
    await frontier.add(Found(a(*range(2500)), 0))
    seen = []
    async for known in frontier.scan():
        seen.append(known.url)
        if len(seen) % 500 == 0:
            await frontier.add(Found(b(len(seen)), 0))
    assert seen == a(*range(2500))


# The table.


def test_an_unknown_frontier_is_named_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(FrontierError, match=r"^there is no frontier 'banana'; there are sqlite, memory$"):
        make("banana", tmp_path)


def test_making_a_frontier_touches_nothing(name: str, tmp_path: Path) -> None:
    make(name, tmp_path)
    assert list(tmp_path.iterdir()) == []


async def test_close_may_be_called_twice_and_before_open(name: str, tmp_path: Path) -> None:
    frontier = make(name, tmp_path)
    await frontier.close()
    await frontier.open()
    await frontier.close()
    await frontier.close()


# The whole contract against a model, any order of calls, with restarts and kills where a frontier outlives them.


class Model:
    """The contract in its plainest form: one list, walked through for every question."""

    def __init__(self, order: Order) -> None:
        self.order = order
        self.known: list[dict[str, Any]] = []
        self.positions: dict[str, int] = {}
        self.recrawl = 0

    def of(self, url: str) -> dict[str, Any] | None:
        return next((one for one in self.known if one["url"] == url), None)

    def original(self, url: str) -> str | None:
        """As the contract has it; all digests here are of content."""
        visit = (self.of(url) or {"visit": None})["visit"]
        if visit is None or visit.status != 200:
            return None
        same = [
            o["url"] for o in self.known if o["visit"] and (o["visit"].status, o["visit"].digest) == (200, visit.digest)
        ]
        return None if same[0] == url else str(same[0])

    def add(self, found: Found, parent: str | None) -> int:
        before = len(self.known)
        for url in found.urls:
            one = self.of(url)
            if one is None:
                self.known.append(
                    {"url": url, "state": "refused" if found.refused else "waiting", "depth": found.depth,
                     "hops": found.hops, "parent": parent, "attempts": 0, "status": None, "reason": found.refused,
                     "due": 0.0, "priority": found.priority, "visit": None}
                )  # fmt: skip
            elif found.refused is None and one["state"] == "waiting":
                one.update(depth=min(one["depth"], found.depth), hops=min(one["hops"], found.hops))
                one.update(priority=max(one["priority"], found.priority))
            elif found.refused is None and one["state"] == "refused" and one["reason"] in REVOCABLE:
                one.update(state="waiting", reason=None, depth=found.depth, hops=found.hops)
                one.update(priority=max(one["priority"], found.priority))
        return len(self.known) - before

    def place(self, one: dict[str, Any]) -> tuple[float, ...]:
        """The smallest comes first."""
        seed, age = one["depth"] == 0, self.known.index(one)
        places = {
            "breadth": (one["depth"], -one["priority"], age),
            "depth": (not seed, -one["depth"], -age),
            "priority": (not seed, -one["priority"], one["depth"], age),
        }
        return places[self.order]

    def readmit(self, reason: str, most: int | None) -> int:
        back = [one for one in self.known if one["state"] == "refused" and one["reason"] == reason]
        if most is not None and reason not in GIVEN_UP:
            measure = {"max_depth": "depth", "max_redirects": "hops"}
            if reason in measure:
                back = [one for one in back if one[measure[reason]] <= most]
            else:
                back = [one for one in back if self.pages(host(one["url"])) < most]
        for one in back:
            one.update(state="waiting", reason=None)
        return len(back)

    def pages(self, host_: str) -> int:
        """Those that have a record, and those that are owed one."""
        mine = [one for one in self.known if host(one["url"]) == host_]
        return sum(o["state"] in ("crawled", "failed") or (o["state"] == "waiting" and o["attempts"] > 0) for o in mine)

    def claimable(self, host_: str, now: float) -> list[dict[str, Any]]:
        mine = [o for o in self.known if host(o["url"]) == host_ and o["state"] == "waiting" and o["due"] <= now]
        return sorted(mine, key=self.place)

    def claim(self, wants: dict[str, int], now: float) -> list[dict[str, Any]]:
        taken = [one for host_, count in wants.items() for one in self.claimable(host_, now)[:count]]
        for one in taken:
            one.update(state="in_hand", due=0.0)
        return sorted(taken, key=self.place)

    def changes(self) -> Counter[str]:
        recorded = [one["visit"] for one in self.known if one["state"] in ("crawled", "failed")]
        return Counter(visit.change for visit in recorded if visit and visit.change) if self.recrawl else Counter()

    def begin_again(self) -> None:
        self.recrawl += 1
        for one in self.known:
            if one["state"] != "refused" or one["visit"]:
                one.update(state="waiting", attempts=0, status=None, reason=None, due=0.0)

    def restarted(self) -> None:
        for one in self.known:
            if one["state"] == "in_hand":
                one["state"] = "waiting"


POOL = a(1, 2, 3, 4, 5) + b(1, 2, 3, 4) + ["http://c.example:8080/"]
FINDINGS = st.builds(
    Found,
    urls=st.lists(st.sampled_from(POOL), max_size=5),
    depth=st.integers(0, 4),
    hops=st.integers(0, 2),
    refused=st.sampled_from([None, None, None, "max_depth", "max_redirects", "robots"]),
    priority=st.sampled_from([0.5, 0.5, 0.5, 0.9, 0.1, 1.0]),
)
ORDERS = st.sampled_from(get_args(Order))
ENDS = st.tuples(
    st.sampled_from(get_args(State)).filter(lambda state: state != "in_hand"),
    st.sampled_from([None, 200, 503]),
    st.sampled_from([None, "timeout", "robots", "max_depth"]),
    st.integers(0, 8),
    st.lists(FINDINGS, max_size=3),
    st.builds(
        Visit,
        status=st.sampled_from([None, 200, 404]),
        digest=st.sampled_from([-(2**63), 1, 2**63 - 1]),
        etag=st.sampled_from([None, '"1"']),
        change=st.sampled_from([None, *get_args(Change)]),
    ),
)


class FrontierMachine(RuleBasedStateMachine):
    """Does to a frontier and to the model the same, and compares them after every step."""

    name: str  # of the backend

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.folders = [Path(tempfile.mkdtemp())]
        self.in_hand: dict[str, Request] = {}
        self.now = NOW

    @initialize(order=ORDERS)
    def begin(self, order: Order) -> None:
        self.model = Model(order)
        self.frontier = make(self.name, self.folders[0], order)
        self.do(self.frontier.open())

    def do(self, step: Any) -> Any:
        async def whole() -> Any:
            return await step

        return self.runner.run(whole())

    def teardown(self) -> None:
        self.do(self.frontier.close())
        self.runner.close()
        for folder in self.folders:
            shutil.rmtree(folder)

    @rule(found=FINDINGS)
    def add(self, found: Found) -> None:
        assert self.do(self.frontier.add(found)) == self.model.add(found, None)

    @rule(wants=st.dictionaries(st.sampled_from([host(url) for url in POOL]), st.integers(0, 3)))
    def claim(self, wants: dict[str, int]) -> None:
        requests = self.do(self.frontier.claim(wants, self.now))
        expected = self.model.claim(wants, self.now)
        assert [(r.url, r.host, r.depth, r.parent, r.attempt, r.hops) for r in requests] == [
            (o["url"], host(o["url"]), o["depth"], o["parent"], o["attempts"] + 1, o["hops"]) for o in expected
        ]
        before = [(one["visit"] or Visit()) if self.model.recrawl else None for one in expected]
        assert [request.before for request in requests] == before
        self.in_hand.update((request.url, request) for request in requests)

    @precondition(lambda self: self.in_hand)
    @rule(ends=st.lists(ENDS, min_size=1, max_size=4), position=st.integers(0, 2**50), backwards=st.booleans())
    def finish(self, ends: list[Any], position: int, backwards: bool) -> None:
        chosen = sorted(self.in_hand, reverse=backwards)[: len(ends)]
        finished = []
        links: list[tuple[Found, str]] = []
        for url, (state, status, reason, wait, findings, visit) in zip(chosen, ends, strict=False):
            request = self.in_hand.pop(url)
            if state == "refused" and request.attempt > 1:
                state = "failed"  # only what was never asked for is refused
            attempts = 0 if state == "refused" else request.attempt
            due = self.now + wait if state == "waiting" and wait else 0.0
            mine = [dataclasses.replace(found, parent=request.id) for found in findings]
            if state not in ("crawled", "failed"):
                visit = None
            elif not self.model.recrawl:
                visit = dataclasses.replace(visit, change=None) if state == "crawled" else None
            finished.append(Finished(request.id, state, attempts, status, reason, due, mine, visit))
            links += [(found, url) for found in mine]
            one = self.model.of(url)
            assert one is not None
            one.update(state=state, attempts=attempts, status=status, reason=reason, due=due)
            one["visit"] = visit or one["visit"]
        for found, parent in links:
            self.model.add(found, parent)
        self.model.positions["jsonl"] = position
        self.do(self.frontier.finish(finished, {"jsonl": position}))

    @precondition(lambda self: self.in_hand)
    @rule(count=st.integers(1, 3))
    def release(self, count: int) -> None:
        given_back = [self.in_hand.pop(url) for url in sorted(self.in_hand)[:count]]
        for request in given_back:
            one = self.model.of(request.url)
            assert one is not None
            one["state"] = "waiting"
        self.do(self.frontier.release([request.id for request in given_back]))

    @precondition(lambda self: not self.in_hand)
    @rule(reason=st.sampled_from((*get_args(Budget), *GIVEN_UP)), most=st.none() | st.integers(0, 4))
    def readmit(self, reason: Budget | GivenUp, most: int | None) -> None:
        assert self.do(self.frontier.readmit(reason, most)) == self.model.readmit(reason, most)

    @rule(url=st.sampled_from(POOL))
    def original(self, url: str) -> None:
        assert self.do(self.frontier.original(url)) == self.model.original(url)

    @rule(url=st.sampled_from(POOL), reason=st.sampled_from(["robots_unreachable", "host_down", "max_host_pages"]))
    def drop(self, url: str, reason: str) -> None:
        mine = [one for one in self.model.known if host(one["url"]) == host(url)]
        fresh = [one for one in mine if one["state"] == "waiting" and not one["attempts"]]
        for one in fresh:
            one.update(state="refused", reason=reason)
        assert self.do(self.frontier.drop(host(url), reason)) == len(fresh)

    @precondition(lambda self: not self.in_hand)
    @rule()
    def begin_again(self) -> None:
        self.model.begin_again()
        assert self.do(self.frontier.begin_again()) == self.model.recrawl

    @rule(seconds=st.integers(1, 5))
    def time_passes(self, seconds: int) -> None:
        self.now += seconds

    @precondition(lambda self: self.frontier.durable)
    @rule(order=ORDERS)
    def close_and_open_again(self, order: Order) -> None:
        self.do(self.frontier.close())
        self.frontier = make(self.name, self.folders[-1], order)
        self.do(self.frontier.open())
        self.model.order = order
        self.model.restarted()
        self.in_hand.clear()

    @precondition(lambda self: self.frontier.durable)
    @rule()
    def kill(self) -> None:
        """Go on with a copy of the files as they are now, which is what a killed process leaves."""
        self.folders.append(Path(tempfile.mkdtemp()))
        shutil.copytree(self.folders[-2], self.folders[-1], dirs_exist_ok=True)
        self.do(self.frontier.close())
        self.frontier = make(self.name, self.folders[-1], self.model.order)
        self.do(self.frontier.open())
        self.model.restarted()
        self.in_hand.clear()

    @invariant()
    def agrees(self) -> None:
        known = self.do(everything(self.frontier))
        assert [self.plain(dataclasses.asdict(one)) for one in known.values()] == [
            self.plain(one) for one in self.model.known
        ]
        claimable = {name: len(self.model.claimable(name, self.now)) for name in self.frontier.hosts()}
        assert dict(self.frontier.waiting(self.now)) == {name: count for name, count in claimable.items() if count}
        later = [one["due"] for one in self.model.known if one["state"] == "waiting" and one["due"] > self.now]
        assert self.frontier.next_due() == min(later, default=None)
        assert self.do(self.frontier.positions()) == self.model.positions
        assert self.frontier.recrawl == self.model.recrawl
        assert self.frontier.changes() == self.model.changes()

    def plain(self, one: dict[str, Any]) -> dict[str, Any]:
        """Without what `scan` does not show, and a due time that has come as none."""
        return {key: value for key, value in one.items() if key not in ("hops", "due", "priority", "visit")} | {
            "due": one["due"] if one["due"] > self.now else 0.0
        }


@pytest.mark.timeout(400)  # some ten seconds on a machine with nothing else to do
def test_any_order_of_calls_agrees_with_the_model(name: str) -> None:
    class Machine(FrontierMachine):
        pass

    Machine.name = name
    small = settings(
        max_examples=40,
        stateful_step_count=25,
        deadline=None,
        database=None,
        derandomize=os.environ.get("CI") == "true",  # a merge fails for what it changes, not for a new dice throw
        suppress_health_check=list(HealthCheck),
    )
    run_state_machine_as_test(Machine, settings=small)


# What outlives the process.


@pytest.fixture(params=["closed", "killed"])
def ended(request: pytest.FixtureRequest) -> str:
    return str(request.param)


async def test_all_that_was_finished_is_there_again(in_file: SqliteFrontier, tmp_path: Path, ended: str) -> None:
    await in_file.add(Found(a(1, 2, 3, 4) + b(1), 0))
    one, two, *_ = await in_file.claim({A: 3}, NOW)
    await in_file.finish(
        [crawled(one, Found(b(2), 1, one.id)), Finished(two.id, "waiting", 1, 503, due=NOW + 0.123456)], {"jsonl": 7}
    )
    await in_file.note("robots:a", "text")
    if ended == "closed":
        await in_file.close()
    else:
        shutil.copytree(tmp_path, tmp_path / "copy", ignore=shutil.ignore_patterns("copy"))
        tmp_path /= "copy"
    again = SqliteFrontier.of_job(tmp_path)
    await again.open()
    known = await everything(again)
    assert [one.state for one in known.values()] == ["crawled", "waiting", "waiting", "waiting", "waiting", "waiting"]
    assert dict(again.waiting(NOW)) == {A: 2, B: 2}
    assert again.next_due() == NOW + 0.123456
    assert urls(await again.claim({A: 5}, NOW + 1)) == a(2, 3, 4)
    assert await again.positions() == {"jsonl": 7}
    assert await again.notes("") == {"robots:a": "text"}
    await again.close()


CRAWL = """
import asyncio, sys
from pathlib import Path
from crawler.frontier.sqlite import SqliteFrontier
from crawler.model import Finished, Found

async def main(folder: Path) -> None:
    frontier = SqliteFrontier.of_job(folder)
    await frontier.open()
    await frontier.add(Found([f"http://a.example/{number}" for number in range(100)], 0))
    for batch in range(1, 100_000):
        requests = await frontier.claim({"a.example:80": 5}, 0.0)
        links = [Found([f"{r.url}/{way}" for way in range(3)], r.depth + 1, r.id) for r in requests]
        settled = [Finished(r.id, "crawled", 1, 200, found=[found]) for r, found in zip(requests, links)]
        await frontier.finish(settled, {"jsonl": batch})
        print(batch, *[request.url for request in requests], flush=True)

asyncio.run(main(Path(sys.argv[1])))
"""


@pytest.mark.skipif(sys.platform == "win32", reason="kill -9 is of Unix")
async def test_kill_9_costs_nothing_that_finish_returned_for(tmp_path: Path) -> None:
    child = subprocess.Popen(
        [sys.executable, "-c", CRAWL, tmp_path], cwd=Path(__file__).parents[1], stdout=subprocess.PIPE, text=True
    )
    assert child.stdout is not None
    said = [child.stdout.readline() for _ in range(50)]
    os.kill(child.pid, signal.SIGKILL)
    said += child.stdout.readlines()
    child.stdout.close()
    assert child.wait() == -signal.SIGKILL
    lines = [line.split() for line in said if line.endswith("\n")]  # the last may be torn

    frontier = SqliteFrontier.of_job(tmp_path)
    await frontier.open()
    known = await everything(frontier)
    told = {url for _, *batch in lines for url in batch}
    assert all(known[url].state == "crawled" for url in told)
    batches = (await frontier.positions())["jsonl"]
    assert batches >= int(lines[-1][0])
    # Whole batches and nothing else: five pages with three links each, and nothing in hand.
    assert frontier.counts() == Counts(waiting=100 + 10 * batches, crawled=5 * batches)
    for url in told:
        assert all(known[f"{url}/{way}"].parent == url for way in range(3))
    await frontier.close()


# What goes wrong.

Deed = Callable[[Frontier, Request], Awaitable[object]]
CHANGES: dict[str, Deed] = {
    "add": lambda frontier, _: frontier.add(Found(a("new"), 0)),
    "claim": lambda frontier, _: frontier.claim({A: 1}, NOW + 60),
    "finish": lambda frontier, r: frontier.finish([crawled(r, Found(b("n"), 1, r.id), Found(a(2), 0))], {"jsonl": 9}),
    "release": lambda frontier, request: frontier.release([request.id]),
    "drop": lambda frontier, _: frontier.drop(A, "robots"),
    "note": lambda frontier, _: frontier.note("key", "value"),
}


async def shown(frontier: Frontier) -> tuple[object, ...]:
    waiting = dict(frontier.waiting(NOW + 60))
    return await everything(frontier), waiting, await frontier.positions(), await frontier.notes("")


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
async def test_a_change_that_fails_leaves_all_as_before_and_can_be_repeated(tmp_path: Path, change: Deed) -> None:
    frontier = SqliteFrontier(tmp_path / "frontier.sqlite", lock_wait=0.01)
    await frontier.open()
    await frontier.add(Found(a(1, 2, 3), 3))
    one, two = await frontier.claim({A: 2}, NOW)
    await frontier.finish([Finished(two.id, "waiting", 1, due=NOW + 30)], {})
    before = await shown(frontier)
    other = sqlite3.connect(tmp_path / "frontier.sqlite", isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    for _ in range(2):
        with pytest.raises(FrontierError, match=r"^[^\n]*frontier\.sqlite: database is locked$"):
            await change(frontier, one)
        assert await shown(frontier) == before
    other.execute("ROLLBACK")
    other.close()
    await change(frontier, one)
    assert await shown(frontier) != before
    await frontier.close()


async def test_a_recrawl_that_cannot_begin_leaves_all_as_before(tmp_path: Path) -> None:
    frontier = SqliteFrontier(tmp_path / "frontier.sqlite", lock_wait=0.01)
    await frontier.open()
    await frontier.add(Found(a(1, 2), 3))
    await frontier.finish([crawled(request) for request in await claim_all(frontier)], {})
    before = await shown(frontier)
    other = sqlite3.connect(tmp_path / "frontier.sqlite", isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    with pytest.raises(FrontierError, match=r"^[^\n]*frontier\.sqlite: database is locked$"):
        await frontier.begin_again()
    assert (await shown(frontier), frontier.recrawl) == (before, 0)
    other.close()
    assert await frontier.begin_again() == 1
    assert urls(await claim_all(frontier)) == a(1, 2)
    await frontier.close()


FULL_DISK = """
import asyncio, resource, sys
from pathlib import Path
from crawler.frontier import FrontierError
from crawler.frontier.sqlite import SqliteFrontier
from crawler.model import Finished, Found
from tests.test_frontier import NOW, everything

async def main(folder: Path) -> None:
    frontier = SqliteFrontier.of_job(folder)
    await frontier.open()
    await frontier.add(Found(["http://a.example/"], 0))
    (seed,) = await frontier.claim({"a.example:80": 1}, NOW)
    before = await everything(frontier)
    _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, hard))
    links = Found([f"http://a.example/{number}" for number in range(10_000)], 1, seed.id)
    batch = [Finished(seed.id, "crawled", 1, 200, found=[links])]
    for _ in range(2):
        try:
            await frontier.finish(batch, {"jsonl": 1})
        except FrontierError as error:
            assert "\\n" not in str(error) and "frontier.sqlite" in str(error), str(error)
        else:
            raise AssertionError("the disk was to be full")
        assert await everything(frontier) == before
        assert await frontier.positions() == {}
    resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
    await frontier.finish(batch, {"jsonl": 1})
    assert len(await everything(frontier)) == 10_001
    await frontier.close()

asyncio.run(main(Path(sys.argv[1])))
"""


def test_a_full_disk_is_an_error_that_passes(tmp_path: Path) -> None:
    """The files may not grow, which is how a full disk looks."""
    pytest.importorskip("resource", reason="file size limits exist only on Unix")
    child = subprocess.run(
        [sys.executable, "-c", FULL_DISK, tmp_path],
        cwd=Path(__file__).parents[1], capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert child.returncode == 0, child.stderr


async def test_a_change_whose_caller_is_cancelled_is_still_counted(in_file: SqliteFrontier) -> None:
    for number in range(20):
        task = asyncio.create_task(in_file.add(Found(a(number), 0)))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await in_file.note("key", "value")  # behind it in the same line
        assert list(await everything(in_file)) == a(*range(number + 1))


async def test_a_change_that_fails_when_its_caller_is_gone_is_no_complaint(tmp_path: Path) -> None:
    complaints: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, complaint: complaints.append(complaint))
    frontier = SqliteFrontier(tmp_path / "frontier.sqlite", lock_wait=0.01)
    await frontier.open()
    other = sqlite3.connect(tmp_path / "frontier.sqlite", isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    task = asyncio.create_task(frontier.add(Found(a(1), 0)))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    with pytest.raises(FrontierError):
        await frontier.note("key", "value")  # behind it in the same line
    gc.collect()
    assert complaints == []
    other.close()
    await frontier.close()


def refused_file(path: Path, kind: str) -> None:
    if kind == "text":
        path.write_text("This is no database. " * 1000)
    elif kind == "folder":
        path.mkdir()
    else:
        db = sqlite3.connect(path)
        db.execute("CREATE TABLE bookmarks (url TEXT)")
        db.execute("PRAGMA user_version = 1")
        db.commit()
        db.close()


@pytest.mark.parametrize("kind", ["text", "folder", "other program"])
async def test_what_is_no_frontier_is_refused_in_one_line_and_left_alone(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "frontier.sqlite"
    refused_file(path, kind)
    before = path.read_bytes() if path.is_file() else None
    frontier = SqliteFrontier.of_job(tmp_path)
    with pytest.raises(FrontierError, match=r"^[^\n]*frontier\.sqlite[^\n]*$"):
        await frontier.open()
    await frontier.close()
    assert list(tmp_path.iterdir()) == [path]
    assert (path.read_bytes() if path.is_file() else None) == before


async def test_a_file_of_another_version_is_refused_in_one_line(in_file: SqliteFrontier, tmp_path: Path) -> None:
    await in_file.close()
    db = sqlite3.connect(tmp_path / "frontier.sqlite")
    db.execute("PRAGMA user_version = 99")
    db.close()
    with pytest.raises(FrontierError, match=r"^[^\n]*frontier\.sqlite has layout 99[^\n]*$"):
        await in_file.open()


async def test_a_corrupt_file_is_refused_in_one_line(in_file: SqliteFrontier, tmp_path: Path) -> None:
    await in_file.add(Found(a(*range(5000)), 0))
    await in_file.close()
    path = tmp_path / "frontier.sqlite"
    whole = path.read_bytes()
    path.write_bytes(whole[:8192] + b"\xff" * (len(whole) - 8192))
    with pytest.raises(FrontierError, match=r"^[^\n]*frontier\.sqlite: [^\n]*malformed[^\n]*$"):
        await in_file.open()


async def test_a_missing_folder_is_named_in_one_line(tmp_path: Path) -> None:
    frontier = SqliteFrontier.of_job(tmp_path / "gone")
    with pytest.raises(FrontierError, match=r"^[^\n]*gone/frontier\.sqlite: unable to open database file$"):
        await frontier.open()
    await frontier.close()


@pytest.mark.skipif(os.geteuid() == 0, reason="nothing is read-only to root")
async def test_a_file_that_cannot_be_written_is_named_before_others_are_made_beside_it(
    in_file: SqliteFrontier, tmp_path: Path
) -> None:
    await in_file.close()
    (tmp_path / "frontier.sqlite").chmod(0o400)
    with pytest.raises(FrontierError, match=r"^[^\n]*frontier\.sqlite cannot be written: Permission denied$"):
        await in_file.open()
    assert [path.name for path in tmp_path.iterdir()] == ["frontier.sqlite"]
