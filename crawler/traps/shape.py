"""What the rules against traps read in a URL: its segments, parameters, template and date. Pure functions.

URLs come from outside, so nothing here takes longer than in proportion to their length.
"""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

_DIGITS = re.compile("[0-9]+")
_TOKEN = re.compile("(?=[^0-9]*[0-9])[0-9A-Za-z_~-]{16,}")  # a session, a hash, a UUID: long, with digits
_DATE_AT_END = re.compile(r"(?:^|[/_.-])([0-9]{4,6})(?:[/_.-]([0-9]{2})(?:[/_.-]([0-9]{2}))?|[/_-]?[Ww]([0-9]{2}))/?$")
_DATE = re.compile("([0-9]{4,6})-([0-9]{2})(?:-([0-9]{2}))?")
_COMPACT = re.compile("([0-9]{4})([0-9]{2})([0-9]{2})?")

MONTH, WEEK, DAY = 1, 2, 3
"""What a page of a calendar shows: the larger, the finer."""


class Date(NamedTuple):
    """The date that tells a URL from its neighbours."""

    month: int  # since the year 0; of a week about
    grain: int  # MONTH, WEEK or DAY
    family: tuple[object, ...]  # what the URLs of one calendar have in common


@dataclass(slots=True, frozen=True)
class Shape:
    """A URL in its parts, as they stand in it: nothing is decoded."""

    url: str
    host: str  # with its scheme, and its port unless that is the scheme's own
    path: str
    parameters: Sequence[tuple[str, str]]  # of the query: names and values

    @property
    def names(self) -> frozenset[str]:
        """The names of the parameters."""
        return frozenset([name for name, _ in self.parameters])

    def page(self, but: str | None = None) -> int:
        """A key of the page that is asked for, whatever the order of the parameters, and without one of them.

        Parameters of one name keep their order: in a list of values it may have a meaning.
        """
        if not self.parameters:
            return hash((self.host, self.path))
        return hash((self.host, self.path, *sorted([pair for pair in self.parameters if pair[0] != but], key=_name)))

    def without(self, name: str) -> str:
        """The URL without the parameters of a name, all else as it was."""
        base, _, query = self.url.partition("?")
        kept = "&".join([part for part in query.split("&") if part.partition("=")[0] != name])
        return f"{base}?{kept}" if kept else base

    def template(self) -> int:
        """A key of the pattern: folders whatever their order and number, digits, tokens; the kind of the last segment.

        So /a/b/1/x, /b/a/2/y and /a/b/a/b/3/z have one, and /a/1.html and /a/2.html another.
        """
        folders, _, last = self.path.rpartition("/")
        plain = {"0" if _TOKEN.fullmatch(part) else _DIGITS.sub("0", part) for part in folders.split("/")}
        stem, _, ending = last.rpartition(".") if "." in last else (last, "", "")
        kind = stem.isdigit(), _TOKEN.fullmatch(stem) is not None, _DIGITS.search(stem) is not None
        return hash((self.host, frozenset(plain), *kind, ending, self.names))

    def date(self) -> Date | None:
        """The date at the end of the path, or in the query; None where there is none.

        In a path a month needs two digits, since /topic/2010/3 is more often a third page than March.
        """
        if match := _DATE_AT_END.search(self.path):
            year, month, day, week = match.groups()
            family = self.host, self.path[: match.start()], self.names
            return _date(year, month or _month_of(week), day, WEEK if week else MONTH, family)
        return self._date_in_query() if self.parameters else None

    def _date_in_query(self) -> Date | None:
        family = self.host, self.path, self.names
        values = {name.lower(): value for name, value in reversed(self.parameters)}
        year = values.get("year") or values.get("yr") or values.get("y")
        month = values.get("month") or values.get("mon") or values.get("m")
        week = values.get("week") or values.get("w")
        if year and _is_number(year, 4, 6) and month and _is_number(month, 1, 2):
            day = values.get("day") or values.get("d") or ""
            return _date(year, month, day if _is_number(day, 1, 2) else None, MONTH, family)
        if year and _is_number(year, 4, 6) and week and _is_number(week, 1, 2):
            return _date(year, _month_of(week), None, WEEK, family)
        for name, value in values.items():
            match = _DATE.fullmatch(value) or ("date" in name and _COMPACT.fullmatch(value))
            if match and (date := _date(match[1], match[2], match[3], MONTH, family)):
                return date
        return None


def read(url: str) -> Shape:
    """Take a normalised URL apart."""
    base, _, query = url.partition("?")
    cut = base.index("/", len("https://"))
    parameters = [part.partition("=")[::2] for part in query.split("&") if part] if query else ()
    return Shape(url, base[:cut], base[cut:], parameters)


def repeats(path: str) -> bool:
    """Does a segment, or a run of up to eight, come again and again?

    That is: three times in a row or more (four for a single segment), or one segment more than five times in all.
    Segments of digits alone count only in longer runs, as in the addresses of tiles of a map.
    """
    segments = path.split("/")[1:]
    words = [segment for segment in segments if not segment.isdigit()]
    if len(words) > 5 and max(Counter(words).values()) > 5:
        return True
    for length in range(1, min(8, len(segments) // 3) + 1):
        same = 0  # places in a row at which a segment equals the one so far behind it
        for before, here in zip(segments, segments[length:], strict=False):
            same = same + 1 if before == here and (length > 1 or not here.isdigit()) else 0
            if same >= (3 if length == 1 else 2 * length):
                return True
    return False


def _name(pair: tuple[str, str]) -> str:
    return pair[0]


def _is_number(text: str, least: int, most: int) -> bool:
    return least <= len(text) <= most and text.isascii() and text.isdigit()


def _month_of(week: str | None) -> str:
    return str(min(12, 1 + int(week or 1) * 12 // 53))


def _date(year: str, month: str | None, day: str | None, grain: int, family: tuple[object, ...]) -> Date | None:
    if not 1 <= int(month or 0) <= 12 or (day and not 1 <= int(day) <= 31):
        return None
    return Date(int(year) * 12 + int(month or 0) - 1, DAY if day else grain, family)
