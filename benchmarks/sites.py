"""Which URLs a generated web has, and where each leads: pure functions of its `Shape`, with no byte of HTML."""

import random
import re
from collections.abc import Iterator
from dataclasses import dataclass, field, fields
from enum import IntEnum
from typing import TypeVar

from benchmarks import mazes
from benchmarks.prose import CHARACTERS, PLACES, SUBJECTS

T = TypeVar("T", int, float)


def _quantity(default: T, least: T, most: T, meaning: str) -> T:
    """A field of `Shape`, of which its range and its flag are made too."""
    return field(default=default, metadata={"least": least, "most": most, "meaning": meaning})


@dataclass(frozen=True, slots=True)
class Shape:
    """What a generated web is like. ValueError, naming the field, when a value is out of its range.

    Shares are of the URLs of each host, from 0 to 1; those of `pages` add up to 0.9 at most.
    """

    seed: int = _quantity(1, 0, 2**32, "another seed is another web of the same shape")
    hosts: int = _quantity(8, 1, 100_000, "virtual hosts")
    pages: int = _quantity(2_000, 1, 10**9, "URLs that a polite crawler asks for, spread evenly over the hosts")
    links: int = _quantity(40, 0, 10_000, "links a page, at least some 15 of navigation included")
    least_weight: int = _quantity(5_000, 0, 10_000_000, "bytes of the lightest page, unless its links need more")
    most_weight: int = _quantity(100_000, 0, 10_000_000, "bytes of the heaviest page; most are much lighter")
    latency: float = _quantity(0.02, 0.0, 60.0, "seconds before an answer")
    slow_latency: float = _quantity(0.8, 0.0, 60.0, "seconds before an answer of the slow host: the last of several")
    redirects: float = _quantity(0.04, 0.0, 0.9, "share that redirects, of `pages`")
    missing: float = _quantity(0.03, 0.0, 0.9, "share that is not found (404), of `pages`")
    errors: float = _quantity(0.008, 0.0, 0.9, "share that always fails (500), of `pages`")
    duplicates: float = _quantity(0.04, 0.0, 0.9, "share that nearly repeats another page, of `pages`")
    forbidden: float = _quantity(0.04, 0.0, 10.0, "share that robots.txt forbids, beside `pages`")
    facets: int = _quantity(0, 0, 8, "filters of the first host's endless catalogue, of 5 values each, in any order")
    sessions: int = _quantity(0, 0, 1, "1: the first host has a copy of itself with a session id in every link")
    growth: int = _quantity(0, 0, 1, "1: the first host has relative links that make paths grow without an end")
    years: int | None = _quantity(
        10, 0, 1_000, "of the first host's calendar, in place of up to half its pages; None: without an end"
    )

    def __post_init__(self) -> None:
        for spec in fields(self):
            value, least, most = getattr(self, spec.name), spec.metadata["least"], spec.metadata["most"]
            if value is not None and not least <= value <= most:
                raise ValueError(f"{spec.name} must be from {least} to {most}, not {value}")
        if self.pages < self.hosts:
            raise ValueError(f"pages must be at least one a host, not {self.pages} for {self.hosts} hosts")
        if self.least_weight > self.most_weight:
            raise ValueError(f"least_weight must not be above most_weight, {self.most_weight}")
        if round(self.redirects + self.missing + self.errors + self.duplicates, 6) > 0.9:
            raise ValueError("redirects, missing, errors and duplicates must not add up to more than 0.9")


class Kind(IntEnum):
    """What a URL is. The URLs of a kind are numbered from 0, on each host."""

    HOME = 0
    LIST = 1  # of articles; a section has one or more
    ARTICLE = 2
    MONTH = 3  # of the calendar
    DUPLICATE = 4  # of an article or the home page, with a small difference
    REDIRECT = 5
    MISSING = 6  # 404
    BROKEN = 7  # 500
    FORBIDDEN = 8  # by robots.txt; who asks all the same gets a page


CARRIED = (Kind.DUPLICATE, Kind.REDIRECT, Kind.MISSING, Kind.BROKEN, Kind.FORBIDDEN)
"""The kinds that the home page and the articles carry links to, spread evenly over them."""

ROBOTS = """\
User-agent: Harvester
Disallow: /

User-agent: *
Disallow: /search
Disallow: /*?sort=
Disallow: /print/
Allow: /print/*.html$

Sitemap: {sitemap}
"""
"""Of every host. Kind.FORBIDDEN is what these rules forbid, and only that (RFC 9309: the longest rule wins)."""

_FORBIDDEN_PATHS = ("/search?q=garden&page={}", "/?sort=price&from={}", "/print/{}.pdf")
_REDIRECT_STATUSES = (301, 302, 307, 308)
_STATUSES = {Kind.MISSING: 404, Kind.BROKEN: 500}
_ARTICLES_A_LIST = 20
_FIRST_YEAR = 2016
_ENDLESS = 10**9  # months
_MARCH_2026 = 1_772_323_200  # seconds since the epoch: no page is younger


class Site:
    """One host: its URLs. A page is named by its kind and its number, below `counts[kind]`."""

    def __init__(self, shape: Shape, index: int) -> None:
        self.index = index
        self.character = CHARACTERS[index % len(CHARACTERS)]
        self.name = f"{self.character.name if index < len(CHARACTERS) else f'h{index + 1}'}.localhost"
        self.delay = shape.slow_latency if 0 < index == shape.hosts - 1 else shape.latency
        self.counts = self._count(shape)
        self.entrances = mazes.entrances(shape.facets, shape.sessions, shape.growth) if not index else []
        self._lists = self.counts[Kind.LIST]
        self._article_path = self.character.article_path.format
        self.sections = self.character.sections[: self.counts[Kind.LIST]]
        self._seed = shape.seed * 100_003 + index

    def _count(self, shape: Shape) -> dict[Kind, int]:
        size = shape.pages // shape.hosts + (self.index < shape.pages % shape.hosts)
        forbidden = int(shape.forbidden * size)
        months = 0 if self.index else _ENDLESS if shape.years is None else 12 * shape.years
        if months != _ENDLESS:
            size = max(size - months, (size + 1) // 2)
        shares = {
            Kind.DUPLICATE: shape.duplicates,
            Kind.REDIRECT: shape.redirects,
            Kind.MISSING: shape.missing,
            Kind.BROKEN: shape.errors,
        }
        counts = {kind: int(share * size) for kind, share in shares.items()}
        rest = size - 1 - sum(counts.values())
        lists = -(-rest // (_ARTICLES_A_LIST + 1))
        return counts | {
            Kind.HOME: 1,
            Kind.LIST: lists,
            Kind.ARTICLE: rest - lists,
            Kind.MONTH: months,
            Kind.FORBIDDEN: forbidden,
        }

    # Addresses

    def path(self, kind: Kind, number: int) -> str:
        """The path and query of a page, as the URL standard serialises them."""
        match kind:
            case Kind.ARTICLE:
                return self.article(number)[0]
            case Kind.HOME:
                return "/"
            case Kind.LIST:
                page, section = divmod(number, len(self.sections))
                path = self.character.list_path if page else "/{section}/"
                return path.format(section=self.sections[section], page=page + 1)
            case Kind.MONTH:
                return f"/calendar/{_FIRST_YEAR + number // 12}/{number % 12 + 1:02}/"
            case Kind.DUPLICATE if number % 2:  # which robots.txt allows
                return f"/print/{number}.html"
            case Kind.DUPLICATE:
                return f"{self.path(*self.original(number))}?ref=mail-{number}"
            case Kind.REDIRECT:
                return f"/go/{number}"
            case Kind.MISSING:
                return f"/gone/{number}.html"
            case Kind.BROKEN:
                return f"/cgi-bin/report?id={number}"
            case Kind.FORBIDDEN:
                return _FORBIDDEN_PATHS[number % 3].format(number)

    def article(self, number: int) -> tuple[str, str]:
        """The path and the title of an article: made together, because most of what a page costs is its links."""
        mixed = (number + self._seed) * 2_654_435_761 >> 8
        subject, slug = SUBJECTS[mixed & 1023]
        section = self.sections[number % self._lists % len(self.sections)]
        return self._article_path(section, slug, number), f"{subject} of {PLACES[mixed >> 10 & 31]}"

    def find(self, path: str) -> tuple[Kind, int] | None:
        """The page that has exactly this path and query."""
        for kind, number in self._candidates(path):
            if 0 <= number < self.counts[kind] and self.path(kind, number) == path:
                return kind, number
        return None

    def _candidates(self, path: str) -> Iterator[tuple[Kind, int]]:
        """What the numbers in a path can mean, articles first, because they are most of all pages."""
        numbers = [int(digits) for digits in re.findall("[0-9]{1,12}", path.replace("%C3%A9", ""))] or [1]
        first, last = numbers[0], numbers[-1]
        yield Kind.ARTICLE, last
        yield Kind.HOME, 0
        yield from ((Kind.LIST, (last - 1) * len(self.sections) + section) for section in range(len(self.sections)))
        yield Kind.MONTH, (first - _FIRST_YEAR) * 12 + last - 1
        yield from ((kind, last) for kind in CARRIED)

    def all(self, *kinds: Kind) -> Iterator[tuple[Kind, int]]:
        """Every page of these kinds."""
        return ((kind, number) for kind in kinds for number in range(self.counts[kind]))

    # Where pages lead. Each list is reached from its section's list before it, each first list from every page, each
    # article from its list, each month from the month before it: so every page is reached from the home page.

    def list_of(self, article: int) -> int:
        """The list that an article is on."""
        return article % self._lists

    def listed(self, number: int) -> range:
        """The articles on a list."""
        return range(number, self.counts[Kind.ARTICLE], self.counts[Kind.LIST])

    def carried(self, kind: Kind, carrier: int) -> range:
        """What a page carries of a kind. Carrier 0 is the home page, carrier n + 1 article n."""
        count, carriers = self.counts[kind], 1 + self.counts[Kind.ARTICLE]
        return range(-(-carrier * count // carriers), -(-(carrier + 1) * count // carriers))

    def original(self, duplicate: int) -> tuple[Kind, int]:
        """The page that a near-duplicate repeats: the one that carries it."""
        carrier = duplicate * (1 + self.counts[Kind.ARTICLE]) // self.counts[Kind.DUPLICATE]
        return (Kind.ARTICLE, carrier - 1) if carrier else (Kind.HOME, 0)

    def target(self, redirect: int) -> tuple[Kind, int]:
        """Where a redirect leads: 0 to 2 are a chain, 4 and 5 a loop, all others go straight to a page."""
        count = self.counts[Kind.REDIRECT]
        if redirect < 2 < count:
            return Kind.REDIRECT, redirect + 1
        if redirect in (4, 5) and count > 5:
            return Kind.REDIRECT, 9 - redirect
        articles = self.counts[Kind.ARTICLE]
        return (Kind.ARTICLE, redirect * 17 % articles) if articles else (Kind.HOME, 0)

    # What is known of a page

    def status(self, kind: Kind, number: int) -> int:
        return _REDIRECT_STATUSES[number % 4] if kind is Kind.REDIRECT else _STATUSES.get(kind, 200)

    def title(self, kind: Kind, number: int) -> str:
        """As HTML text, every special character escaped."""
        match kind:
            case Kind.ARTICLE:
                return self.article(number)[1]
            case Kind.LIST:
                page, section = divmod(number, len(self.sections))
                name = self.sections[section].capitalize()
                return f"{name}, page {page + 1}" if page else name
            case Kind.MONTH:
                return f"Calendar {_FIRST_YEAR + number // 12}-{number % 12 + 1:02}"
            case Kind.DUPLICATE:
                return self.title(*self.original(number))
            case Kind.HOME:
                return "Front page"
            case _:
                return f"{kind.name.capitalize()} {number + 1}"

    def modified(self, kind: Kind, number: int) -> int:
        """When the page was last changed, in seconds since the epoch."""
        return _MARCH_2026 - (number * 131 + self.index + kind) % 1_500 * 86_400 - number % 86_400

    def chance(self, kind: Kind, number: int) -> random.Random:
        """The page's own source of random choices."""
        return random.Random((self._seed * 16 + kind) << 40 | number)
