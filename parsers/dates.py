"""Dates as sites write them into sitemaps and feeds. A pure function."""

import re
from datetime import UTC, datetime, timedelta, timezone
from email.utils import parsedate_to_datetime

_LONGEST = 64  # characters

_W3C = re.compile(
    r"(\d{4})(?:[-/.](\d{1,2})(?:[-/.](\d{1,2})"
    r"(?:(?:[Tt]|\s+)(\d{1,2}):(\d{2})(?::(\d{2})(?:[.,](\d{1,9}))?)?"
    r"\s*(?:[Zz]|UTC|GMT|([+-])(\d{2}):?(\d{2})?)?)?)?)?",
    re.ASCII,
)


def seconds(text: str) -> float | None:
    """A date as seconds since the epoch; None for what is none, or could be more than one.

    W3C dates (https://www.w3.org/TR/NOTE-datetime) from "2024" to fractions of a second, also with a blank for the "T",
    one-digit months, slashes, and "+0100"; and the dates of mail (RFC 5322), which RSS has. Without a time zone it is
    UTC, and what is not named is the first: of January, midnight.
    """
    text = text.strip()
    if len(text) > _LONGEST:
        return None
    match = _W3C.fullmatch(text)
    try:
        if match is None:
            moment = parsedate_to_datetime(text)
            return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
        year, month, day, hour, minute, second, fraction, sign, hours, minutes = match.groups()
        zone = UTC
        if sign:
            offset = timedelta(hours=int(hours), minutes=int(minutes or 0))
            zone = timezone(-offset if sign == "-" else offset)
        moment = datetime(
            int(year), int(month or 1), int(day or 1), int(hour or 0), int(minute or 0), int(second or 0), tzinfo=zone
        )
        return moment.timestamp() + (float(f"0.{fraction}") if fraction else 0.0)
    except (ValueError, TypeError, IndexError, OverflowError):  # IndexError: some texts are too odd for the library
        return None
