"""What came from a server (`Response`) and what a parser read in it (`Page`): data only."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

MOST_LINKS = 50_000
"""Links of a page that are read: as many as a sitemap may have (sitemaps.org). A hostile page has ten times more."""


@dataclass(slots=True, frozen=True)
class Response:
    """One answer of a server, its body decoded from its content codings and whole."""

    url: str  # as requested: WHATWG-serialised, without a fragment
    status: int  # 100 to 599
    headers: dict[str, str]  # names in lower case; the values of a repeated one joined by ", ", of x-robots-tag by "\n"
    body: bytes
    elapsed: float  # seconds from the start of the request to the last byte
    ip: str | None = None  # the address that answered
    http_version: str | None = None  # "1.0", "1.1", "2" or "3"


@dataclass(slots=True)
class Page:
    """What a parser read in a response. Absent things are None; a page without links has an empty list."""

    content_type: str | None = None  # the essence in lower case, such as "text/html"
    charset: str | None = None  # the encoding the text was read by, as the WHATWG names it, in lower case
    bytes: int | None = None  # of the body
    sha256: str | None = None  # of the body, hexadecimal
    likeness: int | None = None  # of HTML that has long parameters in its URL or links: see `html.likeness`
    problem: str | None = None  # "code: text", when the body could not be read; codes stand in crawler/reasons.py
    title: str | None = None  # white space collapsed
    description: str | None = None
    canonical: str | None = None  # absolute
    lang: str | None = None
    robots: list[str] | None = None  # directives of meta robots and X-Robots-Tag for all and for us, in lower case
    unwanted: frozenset[str] = frozenset()  # links that somebody else does not want to be followed
    follow: list[str] | None = None  # the links that alone are to be followed, by the rules; None: all
    redirect_to: str | None = None  # absolute target of a 3xx with a Location that is http(s)
    links: list[str] = field(default_factory=list)  # of a and area: absolute http(s), no fragment, document order, once
    more_links: list[str] = field(default_factory=list)  # other pages that it names, likewise
    sitemaps: list[str] = field(default_factory=list)  # that it names (rel=sitemap), likewise; not in `more_links`
    nofollow: frozenset[str] = frozenset()  # those of both that the page asks not to follow
    data: Any = None  # fields cut out by rules
    sought: Mapping[str, tuple[int, int]] = field(default_factory=dict)  # by field: how often sought, how often missing
    facts: Any = None  # what else the parser was asked for
    text: str | None = None  # the main text, when asked for
