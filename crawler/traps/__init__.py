"""Traps: URLs without an end that hold nothing new. Each rule has a name, which is its code in reasons.py.

What a rule knows it has from the URLs that were handed out (`admit`) and from what came of them (`learn`), in this run
alone, in memory of a fixed size. It is synchronous, and belongs to the process that owns the frontier. docs/traps.md
says why each number is what it is.

Guarantees: a seed is never refused, nor what a redirect leads to, but for its own text; a template is not stopped while
its pages are new, nor a calendar or the facets of a path while they lead to something else.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from crawler.model import LAST_PRIORITY, Finished, Found, Request
from crawler.reasons import TRAPS
from crawler.traps import shape
from crawler.traps.memory import Recent, Table
from crawler.traps.shape import Date, Shape

__all__ = ["TRAPS", "Traps", "refusal"]

_SEGMENTS = 30
_PARAMETERS = 20

_SINKS = 18  # pages of one template in a row that were seen before: the others go last
_SEEN_IN_A_ROW = 50  # so many: it ends
_SAME_IN_A_ROW = 20  # paths of a host, or values at one path, with a parameter that made no difference
_NEW_AGAINST_SEEN = 10  # so many of these a new page takes back

_DATES_IN_A_ROW = 125  # pages of one calendar: more than ten years of months
_FUTURE_WEIGHS = 5  # as much as so many, a page whose date is to come
_BEYOND_WEIGHS = 10  # and one whose date is beyond reason
_SOUND_DATES = 12  # pages with sound dates, from which on a family is a calendar
_FIRST_MONTH = 1970 * 12
_YEARS_AHEAD = 2
_MONTH = 365.2425 * 86_400 / 12  # seconds

_FACETS = 10  # pages of one path that lead nowhere else: so many, and more for what may be worth it, as follows
_FACETS_A_VALUE = 1  # for each value of a parameter,
_FACETS_A_THING = 10  # more for each value of the parameter that has most: it may name things, such as topics,
_FACETS_A_FIND = 3  # and for each page that leads elsewhere
_MOST_VALUES = 1000  # of a path: with more of them it is no set of facets

_TABLE_BITS = 18
_MOST_PATTERNS = 4096  # templates, parameters of hosts, calendars
_MOST_PATHS = 512
_MOST_SINKING = 64  # templates of a host


def refusal(url: str, rules: Collection[str] = TRAPS) -> str | None:
    """The rule that refuses a URL for its text alone, whatever else is known; None when there is none."""
    return _refusal(shape.read(url), rules)


def _refusal(url: Shape, rules: Collection[str]) -> str | None:
    if "deep_path" in rules and url.path.count("/") > _SEGMENTS:
        return "deep_path"
    if "many_parameters" in rules and len(url.parameters) > _PARAMETERS:
        return "many_parameters"
    if "repeated_segments" in rules and shape.repeats(url.path):
        return "repeated_segments"
    return None


@dataclass(slots=True)
class _Pattern:
    """How many pages in a row were seen before."""

    seen: int = 0
    counted: set[int] = field(default_factory=set)  # what has told so, where each tells it once

    def learn(self, seen: bool, most: int) -> None:
        self.seen = min(most, self.seen + 1) if seen else max(0, self.seen - _NEW_AGAINST_SEEN)

    def learn_once(self, seen: bool, most: int, teller: int) -> None:
        if not seen:
            self.counted.clear()
            self.learn(seen, most)
        elif teller not in self.counted and self.seen < most:
            self.counted.add(teller)
            self.learn(seen, most)


@dataclass(slots=True)
class _Calendar:
    """How many of its pages in a row have led to nothing but dates."""

    barren: int = 0
    sound: int = 0  # pages whose dates are within reason


@dataclass(slots=True)
class _Path:
    """A path with queries: what came of its pages."""

    values: set[int] = field(default_factory=set)  # of its parameters
    each: Counter[int] = field(default_factory=Counter)  # how many of these each parameter has
    barren: int = 0  # pages that led to nothing beyond the path
    fertile: int = 0

    @property
    def spent(self) -> bool:
        """Has it had all the pages that the things it may name can be worth?"""
        if len(self.values) >= _MOST_VALUES:
            return False
        worth = _FACETS + _FACETS_A_VALUE * len(self.values) + _FACETS_A_FIND * self.fertile
        return self.barren >= worth + _FACETS_A_THING * max(self.each.values(), default=0)


class Refusal(NamedTuple):
    """Why a URL is not asked for."""

    reason: str  # the name of a rule
    instead: Sequence[str] = ()  # what is to be asked for, if it never was


class Traps:
    """The rules in force, and what they have seen in this run."""

    def __init__(self, rules: Collection[str] = TRAPS) -> None:
        """`rules`: the names of those in force."""
        self._rules = frozenset(rules)
        self._asked: dict[int, Shape] = {}  # URLs in hand
        self._orders = Table(_TABLE_BITS)  # pages: which URL was handed out for each
        self._pages = Table(_TABLE_BITS)  # pages, also without one of their parameters: what they were like
        self._seen = Table(_TABLE_BITS + 1)  # what pages of a host were like
        self._templates: Recent[int, _Pattern] = Recent(_MOST_PATTERNS, _Pattern)
        self._sinking: dict[str, set[int]] = {}  # by host, the templates of which that holds
        self._idle: Recent[tuple[str, ...], _Pattern] = Recent(_MOST_PATTERNS, _Pattern)  # parameters
        self._calendars: Recent[tuple[object, ...], _Calendar] = Recent(_MOST_PATTERNS, _Calendar)
        self._paths: Recent[tuple[str, str], _Path] = Recent(_MOST_PATHS, _Path)

    def admit(self, request: Request) -> Refusal | None:
        """What refuses a request that is about to be handed out, or None; in a recrawl always None."""
        if not self._rules or request.before is not None:
            return None
        url = shape.read(request.url)
        refused = None
        if request.attempt == 1 and request.depth:
            reason = _refusal(url, self._rules) or (None if request.hops else self._pattern(url))
            refused = Refusal(reason) if reason else None if request.hops else self._spelling(url)
        if refused is None:
            self._asked[request.id] = url
        return refused

    def _spelling(self, url: Shape) -> Refusal | None:
        """A parameter that makes no difference is left out, as those of --strip-params are."""
        if "same_pages" in self._rules and len(url.parameters) <= _PARAMETERS:
            for name in url.names:
                for key in ((url.host, name), (url.host, name, url.path)):
                    idle = self._idle.get(key)
                    if idle is not None and idle.seen >= _SAME_IN_A_ROW:
                        return Refusal("same_pages", [url.without(name)])
        return None

    def _pattern(self, url: Shape) -> str | None:
        if "parameter_order" in self._rules and len(url.parameters) > 1:
            itself = hash(url.url)
            if self._orders.known(url.page(), itself) not in (None, itself & (1 << 64) - 1):
                return "parameter_order"
        if "same_pages" in self._rules:
            template = self._templates.get(url.template())
            if template is not None and template.seen >= _SEEN_IN_A_ROW:
                return "same_pages"
        if "calendar" in self._rules and (date := url.date()):
            calendar = self._calendars.get(date.family)
            if calendar is not None and calendar.barren >= _DATES_IN_A_ROW:
                return "calendar"
        if "facets" in self._rules and len(url.parameters) > 1:
            path = self._paths.get((url.host, url.path))
            if path is not None and path.spent and path.values.issuperset(map(hash, url.parameters)):
                return "facets"
        return None

    def sink(self, finished: Sequence[Finished]) -> Sequence[Finished]:
        """The same, with what was found by a template that sinks at the end of the line."""
        if not self._sinking:
            return finished
        return [self._sunk(item, page) if (page := self._asked.get(item.id)) else item for item in finished]

    def _sunk(self, item: Finished, page: Shape) -> Finished:
        templates = self._sinking.get(page.host)
        if templates is None:
            return item
        parts: list[Found] = []
        for found in item.found:
            last = {url for url in found.urls if shape.read(url).template() in templates}
            parts.append(replace(found, urls=[url for url in found.urls if url not in last]) if last else found)
            parts.append(replace(found, urls=sorted(last), priority=LAST_PRIORITY))
        return replace(item, found=[found for found in parts if found.urls])

    def learn(self, finished: Sequence[Finished], new: Iterable[tuple[int, str]], now: float) -> None:
        """What came of URLs in hand; `new`: the URLs found for the first time, each with the number of its page.

        `now`: seconds since the epoch.
        """
        if not self._rules:
            return
        asked = [(item, url) for item in finished if (url := self._asked.pop(item.id, None)) is not None]
        pages = {item.id: url for item, url in asked if item.state == "crawled" and item.likeness is not None}
        dates = {id_: date for id_, url in pages.items() if (date := url.date())} if "calendar" in self._rules else {}
        fertile = self._fertile(pages, dates, new, now)
        for item, url in asked:
            if item.id in pages and item.likeness is not None:
                if "same_pages" in self._rules:
                    self._learn_sameness(url, item.likeness)
                if url.parameters and "facets" in self._rules:
                    self._learn_facets(url, item.id in fertile)
                if item.id in dates:
                    self._learn_date(dates[item.id], item.id in fertile, now)

    def _fertile(
        self, pages: dict[int, Shape], dates: dict[int, Date], new: Iterable[tuple[int, str]], now: float
    ) -> set[int]:
        """The pages that led to something beyond their own path or calendar, of those for which it matters."""
        fertile: set[int] = set()
        for id_, found in new:
            page = pages.get(id_)
            if page is None or id_ in fertile or not (page.parameters or id_ in dates):
                continue
            if id_ in dates and (date := shape.read(found).date()):
                # A year leads to its days, and these to what happened; but none to the same again, or to nothing.
                calendar = self._calendars.get(date.family)
                spent = calendar is not None and calendar.barren >= _DATES_IN_A_ROW
                if date.grain > dates[id_].grain and not spent and _within_reason(date, now):
                    fertile.add(id_)
            elif id_ in dates or found.partition("?")[0] != page.host + page.path:
                fertile.add(id_)
        return fertile

    def _learn_sameness(self, url: Shape, likeness: int) -> None:
        seen = self._seen.known(hash((url.host, likeness))) is not None
        template = url.template()
        pattern = self._templates.touch(template)
        pattern.learn(seen, _SEEN_IN_A_ROW)
        self._learn_sinking(url.host, template, _SINKS <= pattern.seen < _SEEN_IN_A_ROW)
        kept = hash(likeness) & (1 << 64) - 1
        if len(url.parameters) > _PARAMETERS:
            return
        for name in url.names:
            before = self._pages.known(url.page(but=name), kept)
            if before is None:
                continue
            # One value that changes nothing, such as ?page=1, tells nothing of the others; nor one path of the others.
            value = hash(tuple([pair[1] for pair in url.parameters if pair[0] == name]))
            self._idle.touch((url.host, name, url.path)).learn_once(before == kept, _SAME_IN_A_ROW, value)
            self._idle.touch((url.host, name)).learn_once(before == kept, _SAME_IN_A_ROW, hash(url.path))
        self._pages.known(url.page(), kept)

    def _learn_sinking(self, host: str, template: int, sinks: bool) -> None:
        if sinks and len(self._sinking) < _MOST_PATTERNS:
            templates = self._sinking.setdefault(host, set())
            if len(templates) < _MOST_SINKING:
                templates.add(template)
        elif not sinks and host in self._sinking:
            self._sinking[host].discard(template)
            if not self._sinking[host]:
                del self._sinking[host]

    def _learn_facets(self, url: Shape, fertile: bool) -> None:
        path = self._paths.touch((url.host, url.path))
        path.fertile += fertile
        path.barren += not fertile
        for pair in url.parameters:
            value = hash(pair)
            if value not in path.values and len(path.values) < _MOST_VALUES:
                path.values.add(value)
                path.each[hash(pair[0])] += 1  # the name itself may be long

    def _learn_date(self, date: Date, fertile: bool, now: float) -> None:
        calendar = self._calendars.touch(date.family)
        sound = _within_reason(date, now)
        calendar.sound += sound
        if fertile:
            calendar.barren = 0
        elif sound:
            calendar.barren += 1 if date.month <= _month(now) else _FUTURE_WEIGHS
        elif calendar.sound >= _SOUND_DATES:  # else its numbers are perhaps no dates at all
            calendar.barren += _BEYOND_WEIGHS


def _within_reason(date: Date, now: float) -> bool:
    return _FIRST_MONTH <= date.month <= _month(now) + 12 * _YEARS_AHEAD


def _month(now: float) -> int:
    return _FIRST_MONTH + int(now / _MONTH)
