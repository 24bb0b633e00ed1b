"""What politeness learns from how a request has ended."""

import time

from crawler.model import Answer, Failure
from parsers import dates
from parsers.page import Response

LONGEST_REST = 86_400.0
"""Seconds that a Retry-After may ask for at most: a header must not keep a job from a host for ever."""
_ASKS_FOR_REST = frozenset(
    {429, 503, *range(300, 400)}
)  # the statuses that RFC 9110 gives a Retry-After a meaning with


def answer(host: str, came: Response | Failure | None, elapsed: float) -> Answer:
    """What politeness learns from what came of a request; None when it was broken off."""
    match came:
        case Response(status=status, headers=headers):
            wait = retry_after(headers.get("retry-after"), time.time()) if status in _ASKS_FOR_REST else None
            return Answer(host, status, None, elapsed, wait)
        case Failure(code=code, status=status):
            return Answer(host, status, code, elapsed)
    return Answer(host, None, None, elapsed)


def retry_after(value: str | None, now: float) -> float | None:
    """The seconds that a Retry-After header asks to wait, from `now` (seconds since the epoch); None without one.

    RFC 9110, section 10.2.3: a number of seconds, or a date. What is neither is ignored, what is too long is cut.
    """
    if value is None:
        return None
    if value.strip().isascii() and value.strip().isdigit():
        return min(float(value), LONGEST_REST)
    date = dates.seconds(value)
    return None if date is None else min(max(0.0, date - now), LONGEST_REST)
