"""What the frontier on disk is made of: membership and queues, against a set and sorted lists."""

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crawler.frontier.membership import ASK, NEAREST, Membership, level
from crawler.frontier.order import USUAL
from crawler.frontier.queues import Queues


def urls(first: int, last: int) -> list[str]:
    return [f"http://example.com/{number}" for number in range(first, last)]


@pytest.mark.parametrize("expected", [0, 3_000_000])
def test_every_member_is_found_and_nothing_else(expected: int) -> None:
    """Enough of them that many buckets are split, one of them twice."""
    members = Membership(expected)
    size = 3_300_000 if not expected else 300_000
    for first in range(0, size, 100_000):
        members.add(urls(first, first + 100_000), first + 1, [3] * 100_000)
    assert len(members) == size
    for first in range(0, size, 99_991):
        assert members.sift(urls(first, first + 500), 3)[0] == (urls(size, first + 500) if first + 500 > size else [])
        assert members.find(urls(first, first + 1)[0]) == first + 1
    assert members.sift(urls(size, size + 5000), 3) == (urls(size, size + 5000), {})
    assert members.find("http://example.com/never") is None


def test_a_level_says_what_can_be_passed_over() -> None:
    members = Membership()
    members.add(urls(0, 4), 1, [0, 2, ASK, level(300, 0, USUAL)])
    numbers = dict(zip(urls(0, 4), range(1, 5), strict=True))
    for depth, above in (
        (None, []),
        (NEAREST, [0, 1, 2, 3]),
        (0, [1, 2, 3]),
        (1, [1, 2, 3]),
        (2, [2, 3]),
        (255, [2, 3]),
        (70_000, [2, 3]),
    ):
        unknown, found = members.sift(urls(0, 5), depth)
        assert unknown == urls(4, 5)
        assert found == {url: numbers[url] for place in above for url in urls(place, place + 1)}
    members.set_level(urls(2, 3)[0], 0)
    assert members.sift(urls(2, 3), 0) == ([], {})
    assert members.find(urls(2, 3)[0]) == 3


@pytest.mark.parametrize(
    ("depth", "hops", "priority", "expected"),
    [(0, 0, 5, 0), (254, 0, 10, 254), (255, 0, 5, ASK), (3, 1, 5, ASK), (3, 0, 4, ASK)],
)
def test_only_what_fits_is_a_level(depth: int, hops: int, priority: int, expected: int) -> None:
    """A priority below the usual one is raised by any usual finding."""
    assert level(depth, hops, priority) == expected


STEPS = st.lists(
    st.tuples(st.sampled_from(["append", "put", "remove", "take"]), st.integers(0, 2), st.integers(0, 60)), max_size=80
)


@given(steps=STEPS, youngest_first=st.booleans())
def test_a_queue_is_in_order_whatever_comes_and_goes(
    steps: Sequence[tuple[str, int, int]], youngest_first: bool
) -> None:
    queues = Queues(youngest_first=youngest_first)
    expected: set[tuple[int, int]] = set()

    def in_order() -> list[tuple[int, int]]:
        return sorted(expected, key=lambda one: (one[0], -one[1] if youngest_first else one[1]))

    youngest = 60
    for step, rank, number in steps:
        if step == "append":
            numbers = range(youngest, youngest + number)
            youngest += number
            queues.append("a", rank, numbers)
            expected |= {(rank, each) for each in numbers}
        elif step == "put":
            queues.put("a", rank, number)
            expected.add((rank, number))
        elif step == "remove":
            assert queues.remove("a", rank, number) == ((rank, number) in expected)
            expected.discard((rank, number))
        else:
            for each in in_order()[:number]:
                assert queues.remove("a", *each)
                expected.discard(each)
        assert queues.heads("a", 10_000) == [each for _, each in in_order()]
        assert queues.heads("a", 3) == [each for _, each in in_order()[:3]]
    queues.remove_all("a", frozenset(range(0, 10_000, 2)))
    assert queues.heads("a", 10_000) == [each for _, each in in_order() if each % 2]


def test_a_long_queue_gives_back_what_was_taken() -> None:
    queues = Queues()
    queues.append("a", 0, range(10_000))
    for number in range(9_000):
        assert queues.heads("a", 1) == [number]
        assert queues.remove("a", 0, number)
    queues.put("a", 0, 17)
    assert queues.heads("a", 2) == [17, 9_000]
    assert not queues.remove("b", 0, 1)
