"""The words of the crawl: what passes between the rooms."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from parsers.page import Page, Response


class UserError(Exception):
    """Something is wrong that is no bug: a setting, a file, a port. The message is one line for the user."""


class CrewError(Exception):
    """A process of the crew dies again and again; the message is one line for the user."""


PageReader = Callable[[Response], Awaitable[Page]]
"""What makes a page of a response."""

State = Literal["waiting", "in_hand", "crawled", "failed", "refused"]
"""Of a URL in the frontier. waiting: to be asked for, perhaps not before it is due; in_hand: handed out by `claim`;
crawled: answered, with any status; failed: given up without an answer; refused: never asked for, with a reason."""

Order = Literal["breadth", "depth", "priority"]
"""Which URLs of a host come first, once its seeds have: those nearest to a seed, the deepest, or the most important."""

LAST_PRIORITY = 0.0
"""Of a URL that is to be asked for only when no other of its host waits."""

USUAL_PRIORITY = 0.5
"""Of a URL for which nobody names another. Priorities go from 0.0 to 1.0, with this default, as sitemaps.org has them:
https://www.sitemaps.org/protocol.html, <priority>."""


Change = Literal["new", "changed", "unchanged", "gone"]
"""What a recrawl has found of a URL; `changes.py` has the rule."""


@dataclass(slots=True, frozen=True)
class Visit:
    """What is kept of the last visit to a URL, so that the next can tell what has changed; empty: there was none."""

    status: int | None = None  # None when nothing answered
    digest: int | None = None  # of the answer; signed, 48 bits
    etag: str | None = None  # exactly as it came; bytes beyond ASCII as Latin-1
    modified: str | None = None  # Last-Modified, exactly as it came
    change: Change | None = None  # what that visit found; None in a first crawl


@dataclass(slots=True, frozen=True)
class Request:
    """A URL that the frontier has handed out."""

    id: int  # the frontier's number of the URL
    url: str  # WHATWG-serialised, http or https, without a fragment
    host: str  # name and port, "example.com:443": what pace, slots and budgets of a host are counted by
    depth: int  # links from a seed, which has 0; a redirect's target has the depth of what led to it
    parent: str | None  # the URL on which this one was first found
    attempt: int = 1  # 1 for the first
    hops: int = 0  # redirects in a row that led here
    rank: int = 0  # in the frontier's order: of a host's URLs those of the smallest come first
    before: Visit | None = None  # the last visit, in a recrawl; None in a first crawl
    addresses: Sequence[str] = ()  # IPv4 and IPv6, to which the host's name leads; empty when it is one itself


@dataclass(slots=True, frozen=True)
class Found:
    """URLs found together: by one page, or (parent None) named as seeds (depth 0), or by a sitemap (depth 1)."""

    urls: Sequence[str]  # WHATWG-serialised, http or https, without a fragment
    depth: int
    parent: int | None = None  # the frontier's number of the page
    hops: int = 0
    refused: str | None = None  # a code of reasons.py: keep them as refused instead of waiting
    priority: float = USUAL_PRIORITY  # kept in tenths


@dataclass(slots=True, frozen=True)
class Failure:
    """Why a request brought no page."""

    code: str  # of reasons.py
    text: str  # one line, for people
    status: int | None = None  # when the server did begin to answer

    def __str__(self) -> str:
        return f"{self.code}: {self.text}"


@dataclass(slots=True, frozen=True)
class Answer:
    """What politeness learns from a request that has ended."""

    host: str
    status: int | None  # None when nothing answered
    error: str | None = None  # a code of reasons.py
    elapsed: float = 0.0  # seconds
    retry_after: float | None = None  # seconds from now, as the server asked, within reason


@dataclass(slots=True)
class Outcome:
    """What became of one request: a response with its page, or a failure."""

    request: Request
    fetched_at: float  # seconds since the epoch: when the attempt began
    elapsed: float = 0.0  # seconds, of the attempt
    response: Response | None = None
    page: Page | None = None
    failure: Failure | None = None
    found: list[Found] = field(default_factory=list)  # the links to follow, and those refused
    skipped: Mapping[str, int] = field(default_factory=dict)  # links that are only counted: how many by reason


@dataclass(slots=True, frozen=True)
class Finished:
    """What the frontier must know of a URL that was handed out, once its outcome is decided."""

    id: int
    state: State  # "waiting": once more, not before `due`
    attempts: int  # how often it was asked for, in all
    status: int | None = None
    reason: str | None = None  # a code of reasons.py
    due: float = 0.0  # seconds since the epoch
    found: Sequence[Found] = ()
    visit: Visit | None = None  # what to keep of one that is crawled or failed; in a recrawl never None for those
    likeness: int | None = None  # what its content has in common with other pages that are the same; see changes.py
    sitemaps: Sequence[str] = ()  # that its page names
