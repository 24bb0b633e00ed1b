"""A generated web: what it answers to each request, and what a crawler must find in it.

Every URL and every byte is a pure function of a `Shape`; only the port of absolute links comes from the request.
"""

import re
import time
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import islice

from benchmarks import mazes
from benchmarks.pages import Writer
from benchmarks.prose import PICTURES
from benchmarks.sites import ROBOTS, Kind, Shape, Site

__all__ = ["Answer", "Shape", "Web"]

_PORT = re.compile("[0-9]{0,5}")
_SITEMAP_URLS = 10_000  # the protocol allows five times as many


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer; Content-Length is left to the server."""

    status: int
    headers: dict[str, str]
    body: bytes
    delay: float  # seconds to wait before it


class Web:
    """The virtual hosts of a shape, with all their pages."""

    def __init__(self, shape: Shape) -> None:
        self.shape = shape
        self._sites = [Site(shape, index) for index in range(shape.hosts)]
        self._by_name = {site.name: site for site in self._sites}
        self._writer = Writer(shape, self._sites)

    @property
    def hosts(self) -> list[str]:
        """The names of all hosts."""
        return list(self._by_name)

    def seeds(self, port: int) -> list[str]:
        """The home page of each host, as a URL."""
        return [f"http://{site.name}{_suffix(port)}/" for site in self._sites]

    def expected(self, port: int) -> dict[str, int]:
        """Every URL that a crawl of the seeds must ask for, with the status of its answer.

        The crawl keeps to the seeds' hosts, obeys robots.txt, follows a[href] and redirects, and asks for a URL once.
        ValueError when the web has no end.
        """
        if self.shape.years is None or any(site.entrances for site in self._sites):
            raise ValueError("a web with an endless calendar or a maze has no end to list")
        return self.real(port)

    def real(self, port: int) -> dict[str, int]:
        """The same, of a web with traps: without the months of an endless calendar and all that lies in mazes."""
        endless = {Kind.FORBIDDEN} | ({Kind.MONTH} if self.shape.years is None else set())
        kinds = [kind for kind in Kind if kind not in endless]
        return {url: site.status(*page) for url, site, page in self._urls(port, kinds)}

    def forbidden(self, port: int) -> set[str]:
        """Every URL that is linked but forbidden by robots.txt."""
        return {url for url, _, _ in self._urls(port, [Kind.FORBIDDEN])}

    def _urls(self, port: int, kinds: Sequence[Kind]) -> Iterator[tuple[str, Site, tuple[Kind, int]]]:
        for site in self._sites:
            origin = f"http://{site.name}{_suffix(port)}"
            for page in site.all(*kinds):
                yield origin + site.path(*page), site, page

    def answer(self, host: str, path: str) -> Answer:
        """The answer to a GET of a path, with its query, by the value of the Host header."""
        name, _, digits = host.lower().partition(":")
        site = self._by_name.get(name)
        if site is None or not _PORT.fullmatch(digits):
            return Answer(404, {"Content-Type": "text/plain"}, b"There is no such host here.\n", self.shape.latency)
        port = _suffix(int(digits or 80))
        page = site.find(path)
        if page is not None:
            return self._answer(site, *page, port)
        if path in _FILES:
            content_type, write = _FILES[path]
            body = write(site, f"http://{site.name}{port}").encode()
            return Answer(200, _headers(content_type, body, site.modified(Kind.HOME, 0)), body, site.delay)
        if site.entrances and (maze := self._maze(site, path, port)) is not None:
            return Answer(200, {"Content-Type": "text/html; charset=utf-8"}, maze, site.delay)
        return Answer(404, {"Content-Type": "text/plain"}, b"There is nothing here.\n", site.delay)

    def _maze(self, site: Site, path: str, port: str) -> bytes | None:
        """A page of a maze; None when there is none."""
        if self.shape.growth and path.startswith(mazes.GROWTH):
            return mazes.growth()
        if self.shape.facets and path.partition("?")[0] == mazes.CATALOGUE:
            items = [site.path(Kind.ARTICLE, number) for number in range(min(20, site.counts[Kind.ARTICLE]))]
            return mazes.catalogue(path, self.shape.facets, items)
        if self.shape.sessions and (plain := mazes.without_session(path)) is not None:
            page = site.find(plain)
            if page is not None and site.status(*page) == 200:
                return mazes.with_session(self._writer.page(site, *page, port), path, f"{site.name}{port}")
        return None

    def _answer(self, site: Site, kind: Kind, number: int, port: str) -> Answer:
        status = site.status(kind, number)
        if kind is Kind.REDIRECT:
            location = _location(site, number, port)
            return Answer(status, {"Content-Type": "text/plain", "Location": location}, b"It has moved.\n", site.delay)
        if kind is Kind.BROKEN:
            return Answer(status, {"Content-Type": "text/plain"}, b"The report could not be made.\n", site.delay)
        body = self._writer.page(site, kind, number, port)
        # Where the charset is another one, the page alone says so, as old sites do.
        content_type = "text/html; charset=utf-8" if site.character.charset == "utf-8" else "text/html"
        return Answer(status, _headers(content_type, body, site.modified(kind, number)), body, site.delay)


def _suffix(port: int) -> str:
    """As a URL has it: the port of http is left out."""
    return "" if port == 80 else f":{port}"


def _location(site: Site, redirect: int, port: str) -> str:
    path = site.path(*site.target(redirect))
    fragment = "#comments" if redirect == 3 else ""
    return (f"http://{site.name}{port}", "", "..")[redirect % 3] + path + fragment


def _headers(content_type: str, body: bytes, modified: int) -> dict[str, str]:
    return {
        "Content-Type": content_type,
        "ETag": f'"{zlib.crc32(body):08x}-{len(body):x}"',
        "Last-Modified": time.strftime("%a, %d %b %Y %H:%M:%S GMT", time.gmtime(modified)),
    }


def _robots(site: Site, origin: str) -> str:
    return ROBOTS.format(sitemap=f"{origin}/sitemap.xml")


def _sitemap(site: Site, origin: str) -> str:
    """The pages of a site, as the sitemap protocol writes them; of a large site the first."""
    pages = islice(site.all(Kind.HOME, Kind.LIST, Kind.ARTICLE), _SITEMAP_URLS)
    urls = "".join(
        f"<url><loc>{origin}{site.path(*page)}</loc><lastmod>{_day(site.modified(*page))}</lastmod></url>\n"
        for page in pages
    )
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        f'<urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">\n{urls}</urlset>\n'
    )


def _day(seconds: int) -> str:
    return time.strftime("%Y-%m-%d", time.gmtime(seconds))


def _picture(radius: int, site: Site, origin: str) -> str:
    return (
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32">'
        f'<circle cx="16" cy="16" r="{radius}" fill="teal"/></svg>\n'
    )


def _style(site: Site, origin: str) -> str:
    return "body { max-width: 60em; margin: auto; font-family: serif }\n"


_FILES: dict[str, tuple[str, Callable[[Site, str], str]]] = {
    "/robots.txt": ("text/plain; charset=utf-8", _robots),
    "/sitemap.xml": ("application/xml", _sitemap),
    "/style.css": ("text/css", _style),
    **{f"/img/{number}.svg": ("image/svg+xml", partial(_picture, number)) for number in range(PICTURES)},
}
"""What every host has beside its pages; no page links to any of it by a[href]."""
