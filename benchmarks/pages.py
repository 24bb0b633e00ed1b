"""How the pages of a generated web are written in HTML."""

import math
from collections.abc import Iterable, Iterator, Sequence
from itertools import cycle, islice
from random import Random

from benchmarks.prose import Prose
from benchmarks.sites import Kind, Shape, Site

_HEAD = """\
<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="{charset}">
<title>{title} \u2013 {site}</title>
<meta name="description" content="{title}, as told by {site}.">
<meta name="viewport" content="width=device-width">
<link rel="canonical" href="{canonical}">
<link rel="stylesheet" href="/style.css">
<link rel="icon" href="/img/0.svg">
</head>
<body>
<header><a href="/"><img src="/img/1.svg" alt=""> {site}</a>
<nav><ul>{sections}</ul></nav>
</header>
<nav class="crumbs">{crumbs}</nav>
<main>
<h1>{title}</h1>
"""

_TAIL = """
<aside><h2>Read on</h2>
<ul>{related}</ul>
</aside>
</main>
<footer>
<ul>{neighbours}</ul>
<p><a href="#top">Top</a> <a href="mailto:desk@example.com">Write to us</a> <a href="javascript:print()">Print</a></p>
</footer>
</body>
</html>
"""

_NEIGHBOURS = (1, 2, 5)  # so that from any host all are found, and near ones first
_LABELS = {  # of what home pages and articles carry
    Kind.DUPLICATE: "Another view",
    Kind.REDIRECT: "Earlier address",
    Kind.MISSING: "Source",
    Kind.BROKEN: "Report",
    Kind.FORBIDDEN: "Search",
}


class Writer:
    """Writes the pages of a shape's sites."""

    def __init__(self, shape: Shape, sites: Sequence[Site]) -> None:
        self._shape = shape
        self._sites = sites
        self._prose: dict[str, Prose] = {}  # by the character's name, made when first needed

    def page(self, site: Site, kind: Kind, number: int, port: str) -> bytes:
        """A whole page of any kind; `port` is as URLs have it: "" or such as ":8080"."""
        subject = site.original(number) if kind is Kind.DUPLICATE else (kind, number)
        chance = site.chance(*subject)
        weight = self._weight(chance.random())
        link = _Links(site, site.path(kind, number), port)
        title = site.title(*subject)
        head = _HEAD.format(
            charset=site.character.charset,
            title=title,
            site=site.character.title,
            canonical=f"http://{site.name}{port}{site.path(*subject)}",
            sections=_items(link(*page) for page in _sections(site)),
            crumbs=" \u203a ".join(link(*page) for page in _above(site, *subject)),
        )
        if kind is Kind.DUPLICATE:
            head += f"<p>You read copy {number + 1} of this page.</p>\n"
        body = "".join(_CONTENT.get(subject[0], _nothing)(site, subject[1], link))
        neighbours = _items(
            f'<a href="http://{other.name}{port}/">{other.character.title}</a>'
            for other in (self._sites[(site.index + step) % len(self._sites)] for step in _NEIGHBOURS)
        )
        wanted = self._shape.links - sum(part.count("<a ") for part in (head, body, neighbours, _TAIL))
        related = _items(self._related(site, chance, link, wanted))
        # Authors write an address as they read it; what is escaped in a URL often is not in a link.
        tail = body + _TAIL.format(related=related.replace("%C3%A9", "\u00e9"), neighbours=neighbours)
        charset = site.character.charset
        start, end = head.encode(charset), tail.encode(charset)
        return start + self._text(site).cut(weight - len(start) - len(end), chance) + end

    def _weight(self, chance: float) -> int:
        """Bytes of a page: light as a rule, some heavy."""
        least, most = max(1, self._shape.least_weight), max(1, self._shape.most_weight)
        return round(least * math.pow(most / least, chance * chance))

    def _text(self, site: Site) -> Prose:
        character = site.character
        if character.name not in self._prose:
            self._prose[character.name] = Prose(character.blocks, self._shape.seed)
        return self._prose[character.name]

    def _related(self, site: Site, chance: Random, link: "_Links", count: int) -> Iterator[str]:
        """Links to articles, now and then of another host, and some more than once."""
        for turn in range(count):
            pick = chance.random()
            if turn % 10 == 9:
                other = self._sites[int(pick * len(self._sites))]
                yield link(*_some_article(other, turn), site=other)
            else:
                yield link(*_some_article(site, int(pick * site.counts[Kind.ARTICLE])))


class _Links:
    """Writes the links of one page, in turn in all the ways in which authors write an address."""

    def __init__(self, site: Site, path: str, port: str) -> None:
        self._site = site
        self._port = port
        folders = path.partition("?")[0].count("/") - 1
        up = "/".join([".."] * folders) or "."
        self._forms = cycle(
            (
                ("", ""),
                (up, ""),
                (f"http://{site.name}{port}", ""),
                ("", "#comments"),
                ("/assets/..", ""),
                (f"//{site.name}{port}", ""),
                (up, "#top"),
                (f" HTTP://{site.name.upper()}{port}", " "),
            )
        )

    def __call__(self, kind: Kind, number: int, text: str = "", site: Site | None = None) -> str:
        if site is None:
            site, (before, after) = self._site, next(self._forms)
        else:
            before, after = f"http://{site.name}{self._port}", ""
        if kind is Kind.ARTICLE:
            path, title = site.article(number)
        else:
            path, title = site.path(kind, number).replace("&", "&amp;"), site.title(kind, number)
        return f'<a href="{before}{path}{after}">{text or title}</a>'


def _items(links: Iterable[str]) -> str:
    return "".join([f"<li>{link}</li>\n" for link in links])


def _some_article(site: Site, number: int) -> tuple[Kind, int]:
    articles = site.counts[Kind.ARTICLE]
    return (Kind.ARTICLE, number % articles) if articles else (Kind.HOME, 0)


def _sections(site: Site) -> Iterator[tuple[Kind, int]]:
    """What every page of a site links to."""
    yield from ((Kind.LIST, section) for section in range(len(site.sections)))
    if site.counts[Kind.MONTH]:
        yield Kind.MONTH, 0


def _above(site: Site, kind: Kind, number: int) -> Iterator[tuple[Kind, int]]:
    """The way down to a page."""
    if kind is not Kind.HOME:
        yield Kind.HOME, 0
    if kind is Kind.ARTICLE:
        yield Kind.LIST, site.list_of(number)


# What a kind of page has beside its text.


def _home(site: Site, number: int, link: _Links) -> Iterator[str]:
    newest = islice(site.all(Kind.ARTICLE), 5)
    yield f"<section><h2>Newest</h2><ul>{_items(link(*page) for page in newest)}</ul></section>\n"
    yield _carried(site, 0, link)
    yield "".join([f'<p><a href="{path}">Even more</a></p>\n' for path in site.entrances])


def _list(site: Site, number: int, link: _Links) -> Iterator[str]:
    articles = ((Kind.ARTICLE, article) for article in site.listed(number))
    yield f'<ol class="items">\n{_items(link(*page) for page in articles)}</ol>\n'
    yield _steps(site, Kind.LIST, number, len(site.sections), link)


def _article(site: Site, number: int, link: _Links) -> Iterator[str]:
    yield _carried(site, number + 1, link)
    yield _steps(site, Kind.ARTICLE, number, 1, link)


def _month(site: Site, number: int, link: _Links) -> Iterator[str]:
    days = "".join(
        f"<tr><td>{day}</td><td>{link(*_some_article(site, number * 5 + day))}</td></tr>\n" for day in range(3, 28, 6)
    )
    yield f"<table>\n<tr><th>Day</th><th>Event</th></tr>\n{days}</table>\n"
    yield _steps(site, Kind.MONTH, number, 1, link)


def _nothing(site: Site, number: int, link: _Links) -> Iterator[str]:
    yield "<p>There is nothing to read here.</p>\n"


_CONTENT = {Kind.HOME: _home, Kind.LIST: _list, Kind.ARTICLE: _article, Kind.MONTH: _month}


def _carried(site: Site, carrier: int, link: _Links) -> str:
    links = [link(kind, number, label) for kind, label in _LABELS.items() for number in site.carried(kind, carrier)]
    return f'<ul class="see">{_items(links)}</ul>\n' if links else ""


def _steps(site: Site, kind: Kind, number: int, step: int, link: _Links) -> str:
    """Links to the page before and the page after."""
    around = {"Previous": number - step, "Next": number + step}
    links = [link(kind, other, label) for label, other in around.items() if 0 <= other < site.counts[kind]]
    return f'<nav class="steps">{" ".join(links)}</nav>\n'
