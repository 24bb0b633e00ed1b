"""Figures as people read them. `static/app.js` writes them the same way; a test compares the two."""

from collections.abc import Mapping

from crawler.stats import FieldCount

NONE = "—"


def number(value: float) -> str:
    """1,234; a fraction is kept as far as it says something."""
    return f"{value:,.0f}" if value == int(value) else f"{value:,g}"


def rate(value: float) -> str:
    """A rate a second: 0.4, 24.8, 1,310."""
    return f"{value:,.1f}" if value < 100 else f"{value:,.0f}"


def megabytes(value: float) -> str:
    """Bytes as millions of them."""
    return f"{value / 1e6:,.2f}"


def size(value: float | None) -> str:
    """Bytes by decimal units: 512 B, 41.3 kB, 2.1 GB."""
    if value is None:
        return NONE
    unit = "B"
    for larger in ("kB", "MB", "GB", "TB"):
        if value < 1000:
            break
        value, unit = value / 1000, larger
    return f"{value:.0f} {unit}" if unit == "B" else f"{value:,.1f} {unit}"


def seconds(value: float | None) -> str:
    """A short time: 38 ms, 1.2 s."""
    if value is None:
        return NONE
    return f"{value * 1000:.0f} ms" if value < 1 else f"{value:,.1f} s"


def delay(value: float) -> str:
    """The time between the starts of two requests: 0.25 s."""
    return f"{value:,.2f} s"


def duration(value: float) -> str:
    """A long time in its two largest units: 42 s, 4 min 12 s, 3 h 5 min, 2 d 7 h."""
    whole = int(value)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    if whole < 86400:
        return f"{whole // 3600} h {whole % 3600 // 60} min"
    return f"{whole // 86400:,} d {whole % 86400 // 3600} h"


def left(value: float | None) -> str:
    """The time that a crawl still needs, where it can be known."""
    return NONE if value is None else f"about {duration(value)}"


def turn(value: float | None) -> str:
    """When a host is next asked."""
    if value is None:
        return NONE
    return f"in {value:,.1f} s" if value >= 0.05 else "now"


def clock(time: str) -> str:
    """The time of day of an ISO 8601 time."""
    return time[11:19]


def answer(status: int | None, error: str | None) -> str:
    """What became of a request: the code of its error, or else its status."""
    return error.partition(":")[0] if error else str(status or NONE)


def empty(fields: Mapping[str, FieldCount]) -> dict[str, int]:
    """How often each field of the rules was missing, if it was; with the name, how often it was looked for."""
    return {f"{name}, of {number(field.items)}": field.empty for name, field in fields.items() if field.empty}
