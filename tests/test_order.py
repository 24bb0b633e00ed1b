"""The order in which a host's URLs are handed out, and what raised budgets let in again: over the table of frontiers,
and in whole crawls."""

import random
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import get_args

import pytest

from crawler.frontier import FRONTIERS, Budget, Counts, Frontier, FrontierError, make
from crawler.frontier.order import rank, tenths
from crawler.frontier.sqlite import SqliteFrontier
from crawler.model import Finished, Found, Order, Request, State
from tests.crawling import QUICK, crawl
from tests.site import Site

HOST = "a.example:80"
NOW = 1_700_000_000.0
ORDERS: tuple[Order, ...] = get_args(Order)

Made = Callable[[Order], Awaitable[Frontier]]


def a(*names: object) -> list[str]:
    return [f"http://a.example/{name}" for name in names]


@pytest.fixture(params=FRONTIERS)
async def made(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Made]:
    """Makes frontiers, each beginning with nothing."""
    frontiers: list[Frontier] = []

    async def made(order: Order) -> Frontier:
        folder = tmp_path / str(len(frontiers))
        folder.mkdir()
        frontiers.append(make(request.param, folder, order))
        await frontiers[-1].open()
        return frontiers[-1]

    yield made
    for frontier in frontiers:
        await frontier.close()


async def names(frontier: Frontier, count: int = 99, now: float = NOW) -> list[str]:
    """What is handed out now."""
    return [request.url.rpartition("/")[2] for request in await frontier.claim({HOST: count}, now)]


async def one(frontier: Frontier) -> Request:
    (request,) = await frontier.claim({HOST: 1}, NOW)
    return request


# The order.


def test_ranks_are_those_of_each_order_and_seeds_come_first() -> None:
    ways = [(depth, tenth) for depth in (0, 1, 2, 300, 70_000) for tenth in (0, 4, 5, 9, 10)]
    random.Random(1).shuffle(ways)
    by_rank = {order: sorted(ways, key=lambda way: rank(order, *way)) for order in ORDERS}
    last = [(1, 0), (2, 0), (300, 0), (70_000, 0)]  # what has no priority at all
    others = [way for way in ways if way not in last]
    assert by_rank["breadth"] == sorted(others, key=lambda way: (way[0], -way[1])) + last
    assert by_rank["priority"] == sorted(others, key=lambda way: (way[0] > 0, -way[1], way[0])) + last
    assert [depth for depth, _ in by_rank["depth"][:-4]] == [0] * 5 + [70_000] * 4 + [300] * 4 + [2] * 4 + [1] * 4
    assert by_rank["depth"][-4:] == last
    assert len({rank("depth", 7, tenth) for tenth in range(1, 11)}) == 1


@pytest.mark.parametrize(
    ("priority", "kept"), [(0.5, 5), (0.0, 0), (1.0, 10), (0.34, 3), (7.0, 10), (-1.0, 0), (float("nan"), 0)]
)
def test_a_priority_is_kept_in_tenths_of_its_scale(priority: float, kept: int) -> None:
    assert tenths(priority) == kept


HANDED_OUT: dict[Order, list[str]] = {
    "breadth": ["seed", "top", "x", "y", "low", "up", "2nd", "deep"],
    "depth": ["seed", "deep", "up", "2nd", "y", "x", "low", "top"],
    "priority": ["seed", "top", "up", "x", "y", "2nd", "deep", "low"],
}


@pytest.mark.parametrize("order", ORDERS)
async def test_urls_are_handed_out_in_the_order_asked_for(made: Made, order: Order) -> None:
    frontier = await made(order)
    await frontier.add(Found(a("deep"), 3))
    await frontier.add(Found(a("top"), 1, priority=0.9))
    await frontier.add(Found(a("low"), 1, priority=0.1))
    await frontier.add(Found(a("x", "y"), 1))
    await frontier.add(Found(a("2nd"), 2))
    await frontier.add(Found(a("up"), 2, priority=0.8))
    await frontier.add(Found(a("seed"), 0))
    assert await names(frontier, 3) == HANDED_OUT[order][:3]
    assert await names(frontier) == HANDED_OUT[order][3:]


@pytest.mark.parametrize("order", ORDERS)
async def test_what_comes_back_takes_its_place_again(made: Made, order: Order) -> None:
    frontier = await made(order)
    for depth in (1, 2, 3):
        await frontier.add(Found(a(*(f"{depth}{name}" for name in "abc")), depth))
    requests = await frontier.claim({HOST: 99}, NOW)
    expected = [request.url.rpartition("/")[2] for request in requests]
    later, now, *others = random.Random(2).sample(requests, 9)
    await frontier.finish([Finished(later.id, "waiting", 1, 503, due=NOW + 9), Finished(now.id, "waiting", 1, 503)], {})
    await frontier.release([request.id for request in others])
    assert await names(frontier, now=NOW + 10) == expected


@pytest.mark.parametrize("depth", [0, 1, 300])
async def test_one_that_waits_takes_the_higher_of_its_priorities(made: Made, depth: int) -> None:
    """However near it is: a finding that is no nearer is not passed over if its priority is higher."""
    frontier = await made("priority")
    await frontier.add(Found(a(1, 2, 3, 4, 5), depth))
    await frontier.add(Found(a(6, 7), depth, priority=0.1))
    await frontier.add(Found(a(3), depth, priority=0.8))
    await frontier.add(Found(a(5), 500, priority=1.0))
    await frontier.add(Found(a(5), 500, priority=0.2))
    await frontier.add(Found(a(7), 500))
    await frontier.add(Found(a(6), depth, priority=1.0, refused="robots"))  # a refused finding changes nothing
    assert await names(frontier) == ["5", "3", "1", "2", "4", "7", "6"]


async def test_a_retry_that_is_found_with_a_higher_priority_waits_on(made: Made) -> None:
    frontier = await made("priority")
    await frontier.add(Found(a(1, 2), 1))
    request = await one(frontier)
    await frontier.finish([Finished(request.id, "waiting", 1, due=NOW + 10)], {})
    await frontier.add(Found(a(3), 1))
    await frontier.add(Found(a(1), 1, priority=0.9))
    assert await names(frontier, 1, NOW + 9) == ["2"]
    assert await names(frontier, 9, NOW + 10) == ["1", "3"]


async def test_priorities_found_in_one_batch_count_together(made: Made) -> None:
    frontier = await made("priority")
    await frontier.add(Found(a("seed"), 0))
    seed = await one(frontier)
    ways = [
        Found(a("x", "y"), 1, seed.id),
        Found(a("z"), 9, seed.id, refused="max_depth", priority=0.7),
        Found(a("y"), 1, seed.id, priority=0.8),
        Found(a("x"), 1, seed.id, refused="max_depth", priority=1.0),
        Found(a("z"), 1, seed.id),
    ]
    await frontier.finish([Finished(seed.id, "crawled", 1, 200, found=ways)], {})
    assert await names(frontier) == ["y", "z", "x"]


async def test_the_order_may_change_from_run_to_run_and_priorities_stay(tmp_path: Path) -> None:
    for order, expected in (*HANDED_OUT.items(), *HANDED_OUT.items()):
        frontier = make("sqlite", tmp_path, order)
        await frontier.open()
        for name, depth, priority in (("seed", 0, 0.5), ("top", 1, 0.9), ("low", 1, 0.1), ("x", 1, 0.5)):
            await frontier.add(Found(a(name), depth, priority=priority))
        await frontier.add(Found(a("up"), 2, priority=0.8))
        assert await names(frontier) == [name for name in expected if name in ("seed", "top", "low", "x", "up")]
        await frontier.close()


async def test_a_low_priority_is_raised_after_a_restart_too(tmp_path: Path) -> None:
    for found in (Found(a(1, 2, 3), 1, priority=0.1), Found(a(2), 1), Found(a(3), 1, priority=0.6)):
        frontier = make("sqlite", tmp_path, "priority")
        await frontier.open()
        await frontier.add(found)
        await frontier.close()
    await frontier.open()
    assert await names(frontier) == ["3", "2", "1"]
    await frontier.close()


@pytest.mark.parametrize("order", ORDERS)
async def test_a_chain_of_a_thousand_links_is_handed_out_in_order(made: Made, order: Order) -> None:
    """At each step one is taken and two are found a link deeper, so that URLs of hundreds of depths wait at once."""
    frontier = await made(order)
    await frontier.add(Found(a("0-0"), 0))
    for depth in range(1000):
        request = await one(frontier)
        links = Found(a(f"{depth + 1}-0", f"{depth + 1}-1"), depth + 1, request.id)
        await frontier.finish([Finished(request.id, "crawled", 1, 200, found=[links])], {})
    depths = [request.depth for request in await frontier.claim({HOST: 9999}, NOW)]
    assert len(depths) == 1001
    assert depths == (sorted(depths, reverse=True) if order == "depth" else sorted(depths))


# Raised budgets.


@pytest.mark.parametrize(("reason", "way"), [("max_depth", "depth"), ("max_redirects", "hops")])
async def test_what_a_larger_budget_lets_in_waits_again(made: Made, reason: Budget, way: str) -> None:
    frontier = await made("breadth")
    for size in (4, 3, 5):
        depth, hops = (size, 0) if way == "depth" else (1, size)
        await frontier.add(Found(a(f"{size}x", f"{size}y"), depth, hops=hops, refused=reason))
    await frontier.add(Found(a("forbidden"), 1, refused="robots"))
    assert await frontier.readmit(reason, 2) == 0
    assert frontier.counts() == Counts(refused=7)
    assert await frontier.readmit(reason, 4) == 4
    assert frontier.counts() == Counts(waiting=4, refused=3)
    assert frontier.refusals() == {reason: 2, "robots": 1}
    assert dict(frontier.waiting(NOW)) == {HOST: 4}
    known = await frontier.why(a("3x")[0])
    assert known is not None
    assert (known.state, known.reason) == ("waiting", None)
    assert await names(frontier, 4) == (["3x", "3y", "4x", "4y"] if way == "depth" else ["4x", "4y", "3x", "3y"])


async def test_no_budget_at_all_lets_everything_in(made: Made) -> None:
    for reason in get_args(Budget):
        frontier = await made("breadth")
        await frontier.add(Found(a(1, 2), 9, hops=9, refused=reason))
        assert await frontier.readmit(reason, None) == 2
        assert await names(frontier) == ["1", "2"]


async def test_hosts_with_room_for_more_pages_are_let_in(made: Made) -> None:
    """A retry that waits has its place in the host's budget already."""
    frontier = await made("breadth")
    full, open_ = "full.example:80", "open.example:80"
    await frontier.add(Found([f"http://{host}.example/{n}" for host in ("full", "open") for n in range(5)], 0))
    requests = await frontier.claim({full: 3, open_: 3}, NOW)
    states: dict[str, list[State]] = {
        full: ["crawled", "failed", "waiting"],
        open_: ["crawled", "refused", "crawled"],
    }
    ends = {host: iter(those) for host, those in states.items()}
    await frontier.finish([Finished(r.id, next(ends[r.host]), 1) for r in requests], {})
    for host in (full, open_):
        await frontier.drop(host, "max_host_pages")
    assert await frontier.readmit("max_host_pages", 2) == 0
    assert await frontier.readmit("max_host_pages", 3) == 2
    assert (frontier.host_counts(full).refused, frontier.host_counts(open_).refused) == (2, 1)  # 1: not for a budget
    assert await frontier.readmit("max_host_pages", 4) == 2


async def test_what_was_let_in_again_is_known_as_what_waits(made: Made) -> None:
    frontier = await made("priority")
    await frontier.add(Found(a(1, 2, 3), 5, refused="max_depth", priority=0.4))
    await frontier.readmit("max_depth", None)
    assert await frontier.add(Found(a(2), 3, priority=0.9)) == 0
    assert await frontier.add(Found(a(3), 9, refused="max_depth")) == 0
    assert [(r.url, r.depth) for r in await frontier.claim({HOST: 9}, NOW)] == list(
        zip(a(2, 1, 3), (3, 5, 5), strict=True)
    )


async def test_nothing_is_let_in_while_urls_are_in_hand(made: Made) -> None:
    frontier = await made("breadth")
    await frontier.add(Found(a(1), 0))
    await frontier.add(Found(a(2), 5, refused="max_depth"))
    request = await one(frontier)
    with pytest.raises(ValueError, match="in hand"):
        await frontier.readmit("max_depth", None)
    await frontier.release([request.id])
    assert await frontier.readmit("max_depth", None) == 1


async def test_letting_in_that_fails_leaves_all_as_before(tmp_path: Path) -> None:
    frontier = SqliteFrontier(tmp_path / "frontier.sqlite", lock_wait=0.01)
    await frontier.open()
    await frontier.add(Found(a(1), 0))
    await frontier.add(Found(a(2), 5, refused="max_depth"))
    other = sqlite3.connect(tmp_path / "frontier.sqlite", isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    with pytest.raises(FrontierError, match="locked"):
        await frontier.readmit("max_depth", None)
    assert frontier.counts() == Counts(waiting=1, refused=1)
    other.execute("ROLLBACK")
    other.close()
    assert await frontier.readmit("max_depth", None) == 1
    assert await names(frontier) == ["1", "2"]
    await frontier.close()


# Whole crawls.


def tree(site: Site, width: int = 8) -> None:
    """A home page with links to /1, /2 ..., each the beginning of a chain: /1/x, /1/x/y. Slow enough that what a page
    leads to is known a few pages later."""
    site.page("/", *(f"/{number}" for number in range(1, width + 1)))
    for number in range(1, width + 1):
        for path, *links in ((f"/{number}", f"/{number}/x"), (f"/{number}/x", f"/{number}/x/y"), (f"/{number}/x/y",)):
            site.page(path, *links, delay=0.1)


async def test_breadth_asks_for_all_of_one_depth_before_the_next(site: Site, job: Path) -> None:
    tree(site)
    run = await crawl(job, "--concurrency=1", *QUICK, site.url("/"))
    assert run.code == 0, run.err
    first = [f"/{number}" for number in range(1, 9)]
    assert site.asked == ["/", *first, *(f"{path}/x" for path in first), *(f"{path}/x/y" for path in first)]


async def test_depth_asks_for_what_was_found_last_and_lies_deepest(site: Site, job: Path) -> None:
    tree(site)
    run = await crawl(job, "--concurrency=1", *QUICK, "--order=depth", site.url("/"))
    assert run.code == 0, run.err
    assert len(site.asked) == len(run.by_url) == 25
    assert site.asked[:2] == ["/", "/8"]
    # What a page leads to is known when its batch is saved, a tenth of a second and more after its answer; meanwhile
    # the next one is asked for.
    first = [path for path in site.asked if path.count("/") == 1]
    assert first == ["/", *(f"/{number}" for number in range(8, 0, -1))]
    assert site.asked.index("/8/x/y") < site.asked.index("/1")


async def test_the_order_is_the_jobs_own_until_another_is_asked_for(site: Site, job: Path) -> None:
    tree(site)
    await crawl(job, "--concurrency=1", *QUICK, "--order=depth", "--max-pages=2", site.url("/"))
    await crawl(job, "--concurrency=1", *QUICK, "--max-pages=3", site.url("/"))
    await crawl(job, "--concurrency=1", *QUICK, "--max-pages=5", "--order=breadth", site.url("/"))
    assert site.asked == ["/", "/8", "/8/x", "/1", "/2"]


async def test_a_larger_max_depth_goes_on_to_the_pages_of_a_fresh_crawl(site: Site, job: Path) -> None:
    tree(site, width=3)
    run = await crawl(job, *QUICK, "--max-depth=1", site.url("/"))
    assert (run.code, len(run.by_url), run.summary["refusals"]) == (0, 4, {"max_depth": 3})
    same = await crawl(job, *QUICK, "--max-depth=1", site.url("/"))
    assert "is finished" in same.out
    again = await crawl(job, *QUICK, "--max-depth=2", site.url("/"))
    fresh = await crawl(job.with_name("fresh"), *QUICK, "--max-depth=2", site.url("/"))
    assert again.code == 0, again.err
    assert set(again.by_url) == set(fresh.by_url)
    assert again.summary["refusals"] == fresh.summary["refusals"] == {"max_depth": 3}
    everything = await crawl(job, *QUICK, "--max-depth=none", site.url("/"))
    assert (len(everything.by_url), everything.summary["refusals"]) == (10, {})


async def test_a_larger_max_host_pages_goes_on_to_the_pages_of_a_fresh_crawl(site: Site, job: Path) -> None:
    tree(site)
    one_by_one = ("--concurrency=1", *QUICK)
    run = await crawl(job, *one_by_one, "--max-host-pages=3", site.url("/"))
    assert (run.code, len(run.by_url), run.summary["refusals"]) == (0, 3, {"max_host_pages": 8})
    same = await crawl(job, *one_by_one, "--max-host-pages=3", site.url("/"))
    assert "is finished" in same.out
    again = await crawl(job, *one_by_one, "--max-host-pages=10", site.url("/"))
    fresh = await crawl(job.with_name("fresh"), *one_by_one, "--max-host-pages=10", site.url("/"))
    assert again.code == 0, again.err
    assert len(again.by_url) == 10
    assert set(again.by_url) == set(fresh.by_url)


async def test_larger_max_redirects_go_on_with_the_chain(site: Site, job: Path) -> None:
    for step in range(6):
        site.redirect(f"/{step}", f"/{step + 1}")
    run = await crawl(job, *QUICK, "--max-redirects=2", site.url("/0"))
    assert (len(run.by_url), run.summary["refusals"]) == (3, {"max_redirects": 1})
    again = await crawl(job, *QUICK, "--max-redirects=4", site.url("/0"))
    assert (again.code, site.asked) == (0, ["/0", "/1", "/2", "/3", "/4"])
    assert again.summary["refusals"] == {"max_redirects": 1}
