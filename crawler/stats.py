"""Counters and rates of a crawl, and the frozen views of them that watchers get."""

from collections import Counter, deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from storage.record import Record

RunState = Literal["running", "paused", "stopping", "stopped", "finished"]

_RECENT = 50  # pages kept for the list of recent ones
_EXAMPLES = 3  # URLs kept of each kind of error
_ERROR_GROUPS = 1000  # kinds of error by host; what comes beyond is counted by its code alone
_HISTORY = 600  # points of the rate's history; when full, neighbours are joined and each point covers twice the time
_RATE_WINDOW = 10  # seconds over which "now" is measured


@dataclass(slots=True, frozen=True)
class Verdict:
    """What limits the speed now."""

    limit: str
    """starting, workers, server, politeness, silence, address, dns, robots, processor, retries, empty, crew, store,
    paused or finished"""
    text: str  # a sentence for people


@dataclass(slots=True, frozen=True)
class FieldCount:
    """How often a field that rules cut out was looked for in this run, and found to be missing."""

    items: int = 0
    empty: int = 0


@dataclass(slots=True)
class SitemapCount:
    """What came of sitemaps in this run."""

    read: int = 0
    urls: int = 0  # in scope, and allowed to be named there; known ones too
    failed: int = 0  # could not be had, or were none; not those that nothing names


@dataclass(slots=True, frozen=True)
class Snapshot:
    """The crawl at one moment. The fields down to `verdict` are the contract of /api/status."""

    state: RunState
    pages: int  # records of the job, those of earlier runs included
    queued: int  # URLs that wait or are in hand
    failed: int  # pages that ended with an error
    refused: int  # URLs never asked for, with a reason
    rate: float  # pages a second, now
    bytes_rate: float  # decoded bytes a second, now
    elapsed: float  # seconds of this run
    eta: float | None  # seconds, where an estimate can be honest
    statuses: dict[str, int]  # answers of this run, by status
    errors: dict[str, int]  # failures of this run, by code
    verdict: Verdict
    job: str  # the folder
    skipped: dict[str, int]  # links of this run that were only counted, by reason
    refusals: dict[str, int]  # those of `refused`, by reason
    bytes: int  # decoded, of this run
    busy: int  # requests under way
    concurrency: int  # workers
    hosts: int  # known
    trouble: str | None  # why nothing can be saved at the moment
    fields: dict[str, FieldCount] = field(default_factory=dict)  # of the rules
    sitemaps: SitemapCount = field(default_factory=SitemapCount)


@dataclass(slots=True, frozen=True)
class HostView:
    """One host at one moment."""

    host: str
    queued: int
    done: int
    errors: int
    delay: float  # seconds between starts of requests
    slots: int  # requests under way at once, at most
    busy: int  # requests under way
    next_at: float | None  # seconds until its next turn; None when nothing waits
    reason: str  # why it waits, in words


@dataclass(slots=True, frozen=True)
class RecentPage:
    """A page that was recorded lately."""

    url: str
    status: int | None
    error: str | None
    title: str | None
    elapsed: float | None
    bytes: int | None
    fetched_at: str


@dataclass(slots=True)
class ErrorGroup:
    """One kind of error at one host. `code` is an error code of records, or `http_404` and the like."""

    code: str
    host: str  # "" where hosts are too many to be told apart
    count: int = 0
    examples: list[str] = field(default_factory=list)  # URLs


@dataclass(slots=True, frozen=True)
class Point:
    """The mean rates over a stretch of the crawl."""

    at: float  # seconds since the run began: the end of the stretch
    pages: float  # a second
    bytes: float  # a second


@dataclass(slots=True)
class Tidings:
    """What watchers are told of a batch, once it is kept."""

    pages: int = 0
    bytes: int = 0  # decoded
    statuses: Counter[str] = field(default_factory=Counter)
    errors: Counter[str] = field(default_factory=Counter)
    skipped: Counter[str] = field(default_factory=Counter)  # links that are only counted, by reason
    troubles: list[tuple[str, str, str]] = field(default_factory=list)  # code (see `ErrorGroup`), host, URL
    recent: deque[RecentPage] = field(default_factory=lambda: deque(maxlen=_RECENT))  # the latest last
    processor: float = 0.0  # seconds that it cost in a process of the crew
    items: Counter[str] = field(default_factory=Counter)  # by name of a field: how often it was looked for,
    empty: Counter[str] = field(default_factory=Counter)  # and how often it was missing

    def add(self, record: Record, host: str, skipped: Mapping[str, int], sought: Mapping[str, tuple[int, int]]) -> None:
        """Take note of a record, of the links on its page that are only counted, and of the fields (see `Page`)."""
        self.pages += 1
        self.bytes += record.bytes or 0
        self.skipped.update(skipped)
        if record.status is not None:
            self.statuses[str(record.status)] += 1
        code = record.error.partition(":")[0] if record.error else None
        if code:
            self.errors[code] += 1
        elif record.status is not None and record.status >= 400:
            code = f"http_{record.status}"
        if code:
            self.troubles.append((code, host, record.url))
        for name, (items, empty) in sought.items():
            self.items[name] += items
            self.empty[name] += empty
        self.recent.append(
            RecentPage(
                record.url, record.status, record.error, record.title, record.elapsed, record.bytes, record.fetched_at
            )
        )


class Stats:
    """What happened in this run. Synchronous; the clock is an argument, in seconds since the run began.

    Memory is bounded: recent pages, kinds of error and points of history each have a limit.
    """

    def __init__(self) -> None:
        self.pages = 0
        self.bytes = 0
        self.statuses: Counter[str] = Counter()
        self.errors: Counter[str] = Counter()
        self.skipped: Counter[str] = Counter()
        self.processor = 0.0  # seconds, of crew processes
        self.sitemaps = SitemapCount()
        self.items: Counter[str] = Counter()
        self.empty: Counter[str] = Counter()
        self._recent: deque[RecentPage] = deque(maxlen=_RECENT)
        self._groups: dict[tuple[str, str], ErrorGroup] = {}
        self._window: deque[tuple[float, int, int]] = deque([(0.0, 0, 0)])
        self._history: list[Point] = []
        self._stretch = 1.0  # seconds that a point of history covers
        self._marked = (0.0, 0, 0)  # where the last point of history ended

    def learn(self, tidings: Tidings) -> None:
        """Count a batch that has been kept."""
        self.pages += tidings.pages
        self.bytes += tidings.bytes
        self.statuses.update(tidings.statuses)
        self.errors.update(tidings.errors)
        self.skipped.update(tidings.skipped)
        self.processor += tidings.processor
        self.items.update(tidings.items)
        self.empty.update(tidings.empty)
        for code, host, url in tidings.troubles:
            self._group(code, host, url)
        self._recent.extendleft(tidings.recent)

    def _group(self, code: str, host: str, url: str) -> None:
        key = (code, host) if len(self._groups) < _ERROR_GROUPS or (code, host) in self._groups else (code, "")
        group = self._groups.setdefault(key, ErrorGroup(*key))
        group.count += 1
        if len(group.examples) < _EXAMPLES:
            group.examples.append(url)

    def tick(self, now: float) -> None:
        """Take note of the rates; called about once a second."""
        here = (now, self.pages, self.bytes)
        self._window.append(here)
        while len(self._window) > 2 and self._window[0][0] < now - _RATE_WINDOW:
            self._window.popleft()
        then, pages, size = self._marked
        if now - then >= self._stretch:
            span = now - then
            self._history.append(Point(now, (self.pages - pages) / span, (self.bytes - size) / span))
            self._marked = here
        if len(self._history) >= _HISTORY:
            pairs = zip(self._history[::2], self._history[1::2], strict=True)
            self._history = [Point(b.at, (a.pages + b.pages) / 2, (a.bytes + b.bytes) / 2) for a, b in pairs]
            self._stretch *= 2

    def rates(self, now: float) -> tuple[float, float]:
        """Pages and bytes a second over the last ten seconds, or since the start when that is less."""
        then, pages, size = self._window[0]
        span = max(now - then, 1e-3)
        return (self.pages - pages) / span, (self.bytes - size) / span

    def history(self) -> Sequence[Point]:
        """The rates since the run began, oldest first; at most 600 points."""
        return self._history

    def recent(self) -> list[RecentPage]:
        """The last pages recorded, newest first; at most 50."""
        return list(self._recent)

    def error_groups(self) -> list[ErrorGroup]:
        """Errors by kind and host, most frequent first."""
        return sorted(self._groups.values(), key=lambda group: -group.count)
