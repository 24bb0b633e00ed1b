"""The frontier: every URL the crawl knows, and what became of it.

A URL is known once, by its exact text. It is `waiting` until `claim` hands it out (`in_hand`), and from then on the
claimer owes one `finish` for it, which says `crawled`, `failed`, `refused`, or `waiting` again with a due time. What
was in hand when the crawl died is waiting again after `open`. "Nothing to claim now" is not "finished": see `counts`.

A job may be crawled again: `begin_again` lets its URLs wait once more. What is kept of the last visit to each, by
`Finished.visit`, comes with its next request, as `Request.before`.

Hosts are named as `parsers.urls.host` names them. Times are seconds since the epoch, because they outlive the process.
All backends keep this contract and pass `tests/test_frontier.py`; a weaker promise is an attribute one can see.
A new backend is a class with the methods `of_job(folder, order)` and `reader_of_job(folder)`, and a line in
`FRONTIERS`.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, Literal, Protocol

from crawler.model import Change, Finished, Found, Order, Request, State, UserError

FRONTIERS = {
    "sqlite": "crawler.frontier.sqlite:SqliteFrontier",
    "memory": "crawler.frontier.memory:MemoryFrontier",
}
"""Where each backend's class is found; a backend is imported when it is asked for."""

REVOCABLE = frozenset({"max_depth", "max_redirects"})
"""Refusals that speak of the way to a URL, not of the URL itself: another way may lead to it after all."""

Budget = Literal["max_depth", "max_redirects", "max_host_pages"]
"""Refusals that end when a setting is raised, by whose name they go: see `Frontier.readmit`."""


class FrontierError(UserError):
    """The frontier cannot be opened or written; the message is one line for the user."""


@dataclass(slots=True, frozen=True)
class Counts:
    """How many URLs are in each state."""

    waiting: int = 0  # those not due yet included
    in_hand: int = 0
    crawled: int = 0
    failed: int = 0
    refused: int = 0
    retrying: int = 0  # of those that wait: asked for before, so a record is owed

    @property
    def pages(self) -> int:
        """URLs that have a record."""
        return self.crawled + self.failed


@dataclass(slots=True, frozen=True)
class Known:
    """All that is known of one URL."""

    url: str
    state: State
    depth: int
    parent: str | None
    attempts: int
    status: int | None
    reason: str | None
    due: float  # of a URL that waits: not to be asked for before; 0 when at once


class Reader(Protocol):
    """What may be asked of a frontier by those who only look, perhaps while another process owns it.

    All of it may raise FrontierError.
    """

    async def why(self, url: str) -> Known | None:
        """All that is known of a URL, or None when it was never seen."""

    async def chain(self, url: str) -> list[str]:
        """The URLs that led to a URL, each found on the one before it; the seed first, its parent last."""

    async def original(self, url: str) -> str | None:
        """The URL found first of those whose last visit brought the same content; None when it is this one itself.

        Also None when the last visit to this one brought no content (see `changes.has_content`), or there was none.
        Content is told by its digest of 48 bits, so among 10^7 pages an answer is wrong once in 3 * 10^7 times. Slow.
        """

    async def pages(self, host: str | None = None) -> int:
        """How many URLs have a record, in all or of a host; slow for one who does not own the frontier."""

    async def notes(self, prefix: str) -> dict[str, str]:
        """The notes whose keys begin so."""

    def scan(self) -> AsyncIterator[Known]:
        """Every URL known when this began, in the order they were found, streaming; each in its state when reached."""


class Frontier(Reader, Protocol):
    """What the flow may ask of a frontier. Calls may overlap; they take effect in the order they were made.

    A change whose caller is cancelled meanwhile may be kept or not, but is counted as it was kept.
    """

    durable: bool
    """Does what was finished outlive the process?"""
    recrawl: int
    """The number of the recrawl that was begun last, 1 for the first; 0 in a first crawl. Known after `open`."""

    async def open(self) -> None:
        """Make ready; what was in hand is waiting again. Raises FrontierError."""

    async def close(self) -> None:
        """Let go of all resources; may be called twice."""

    async def add(self, found: Found) -> int:
        """Add URLs, for good when this returns, and say how many of them were new.

        A known URL keeps its state and its parent, with one exception: one that was refused for the way it was found
        (`REVOCABLE`) becomes waiting when it is found by a way that is not refused, and takes that way's depth and
        hops. One that waits takes the smaller of its depths and of its hops. Both take the higher of their priorities.
        A refused finding changes nothing about a known URL.
        """

    async def readmit(self, reason: str, most: int | None = None) -> int:
        """In one transaction: let URLs wait that were refused for this reason, and say how many it lets in now.

        `most` is a budget's present size, None for no limit: URLs of at most such a depth or so many hops, or all of
        a host that has, and is owed, fewer pages. Of other reasons, of hosts that were given up or of traps, it is None
        and all wait again. ValueError while a URL is in hand: it belongs to the start of a run. Raises FrontierError.
        """

    async def claim(self, wants: Mapping[str, int], now: float) -> list[Request]:
        """Hand out up to so many URLs of each host, of those that are due: the first in the frontier's order.

        A `now` smaller than an earlier one is taken as that one: what is due stays due. Raises FrontierError.
        """

    async def finish(self, finished: Sequence[Finished], positions: Mapping[str, int]) -> list[tuple[int, str]]:
        """In one transaction: settle URLs in hand, add what they led to, and note how far each store had got.

        Gives the URLs that were new, each with the number of the page that led to it (see `Found.parent`), the first if
        several did.

        `positions` holds only stores that moved; a `visit` takes the place of what was kept of the URL. Either all of
        this is kept or, after an error or a kill, none of it.
        Raises FrontierError; the call may then be repeated. ValueError for an id that is not in hand: a bug.
        """

    async def release(self, ids: Sequence[int]) -> None:
        """Give back URLs in hand that were not asked for: they wait as before, their attempts unchanged.

        Raises FrontierError; ValueError for an id that is not in hand.
        """

    async def drop(self, host: str, reason: str) -> int:
        """Refuse, with this reason, all URLs of the host that wait and were never asked for; say how many there were.

        Those that were asked for wait on: a record is owed for each. Raises FrontierError.
        """

    async def begin_again(self) -> int:
        """Begin the next recrawl, in one transaction, and say its number; to be called when nothing is in hand.

        All URLs wait, due at once and never asked for, but those that are refused and were never visited. Raises
        FrontierError; ValueError when something is in hand: a bug.
        """

    def waiting(self, now: float) -> Mapping[str, int]:
        """The hosts with URLs that could be claimed now, with how many. A view to read at once, not to keep."""

    def next_due(self) -> float | None:
        """When the next URL that waits for its due time may be claimed; None when there is none."""

    def counts(self) -> Counts:
        """How many URLs are in each state, now."""

    def host_counts(self, host: str) -> Counts:
        """The same for one host; all zero when it is not known."""

    def refusals(self) -> Mapping[str, int]:
        """How many URLs are refused, by reason, now."""

    def changes(self) -> Mapping[Change, int]:
        """How many of the URLs with a record of this recrawl have which change, now."""

    def hosts(self) -> Sequence[str]:
        """Every host that the frontier knows, in the order they were found."""

    async def positions(self) -> dict[str, int]:
        """How far each store had got at the last `finish`, by the store's name."""

    async def note(self, key: str, value: str) -> None:
        """Keep a small text under a key, such as a host's robots.txt, replacing what was there."""


def make(name: str, folder: Path, order: Order = "breadth") -> Frontier:
    """The frontier that a setting names, for the job in this folder; nothing is opened yet. Raises FrontierError.

    The order in which it hands out the URLs of a host (see order.py) may be another in each run of a job.
    """
    frontier: Frontier = _backend(name).of_job(folder, order)
    return frontier


def reader(name: str, folder: Path) -> Reader:
    """A look into the same frontier, which another process may own; nothing is written or locked.

    Raises FrontierError when there is nothing to look into.
    """
    reader: Reader = _backend(name).reader_of_job(folder)
    return reader


def _backend(name: str) -> Any:
    if name not in FRONTIERS:
        raise FrontierError(f"there is no frontier {name!r}; there are {', '.join(FRONTIERS)}")
    module, _, backend = FRONTIERS[name].partition(":")
    return getattr(import_module(module), backend)
