"""The order in which URLs of one host are handed out.

Seeds, and what they redirect to, have depth 0 and come first in every order. Then come

- breadth: those nearest to a seed; among these, those of the highest priority; then the oldest
- depth: the deepest; among these, the youngest
- priority: those of the highest priority; among these, those nearest to a seed; then the oldest

URLs of the priority 0 come after all others in every order; among these, those nearest to a seed; then by age.

A backend keeps the URLs of one rank together, and within them goes by age.
"""

from collections.abc import Iterable
from operator import attrgetter

from crawler.model import USUAL_PRIORITY, Order, Request

_HIGHEST = 10  # tenths
_DEEPEST = 1 << 32  # no chain of URLs is so long: they are numbered with 32 bits
_LAST = (_HIGHEST + 2) * _DEEPEST


def tenths(priority: float) -> int:
    """A priority as it is kept: a whole number from 0 to 10. What lies beyond is taken for the end of the scale."""
    return round(_HIGHEST * min(1.0, max(0.0, priority)))


USUAL = tenths(USUAL_PRIORITY)


def rank(order: Order, depth: int, tenths: int) -> int:
    """The rank of URLs of such a depth and priority: the smallest comes first."""
    if depth and not tenths:
        return _LAST + depth
    below = _HIGHEST - tenths
    if order == "breadth":
        return depth * (_HIGHEST + 1) + below
    if order == "depth":
        return _DEEPEST - depth if depth else 0
    return (1 + below) * _DEEPEST + depth if depth else below


def youngest_first(order: Order) -> bool:
    """Does the youngest of one rank come first, or the oldest?"""
    return order == "depth"


def in_order(order: Order, requests: Iterable[Request]) -> list[Request]:
    """Requests sorted by their ranks, and within a rank by age."""
    by_age = sorted(requests, key=attrgetter("id"), reverse=youngest_first(order))
    return sorted(by_age, key=attrgetter("rank"))
