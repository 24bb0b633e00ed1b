"""XML that no type of its own names: by its root a feed, a sitemap or XHTML; else a document with links, as SVG is."""

import re
from collections.abc import Mapping

from parsers import charset, feed, html, mime, sitemap, urls
from parsers.discovery import Finds
from parsers.page import MOST_LINKS, Page, Response
from parsers.xmlstream import DEEPEST, PIECE, XML, TooDeepError, encoding, plain

_MOST_TITLE = 1_000  # characters that are kept
_MOST_PIECES = 100  # of the title's text, each of some hundred characters

_ROOT = re.compile(
    r"(?:\s|<\?.*?\?>|<!--.*?-->|<!DOCTYPE[^\[>]*(?:\[.*?\]\s*)?>)*+<(?:[\w.-]+:)?([A-Za-z][\w.-]*)",
    re.IGNORECASE | re.DOTALL,
)
_LOOKED_AT = 4_096  # bytes in which the root is looked for
_HREF = "{http://www.w3.org/1999/xlink}href"
_SHOW = "{http://www.w3.org/1999/xlink}show"
_SVG = "{http://www.w3.org/2000/svg}"
_ANCHORS = frozenset({f"{_SVG}a", "{http://www.w3.org/1999/xhtml}a"})
_LANG = "{http://www.w3.org/XML/1998/namespace}lang"
_PSEUDO_HREF = re.compile(r"""(?:^|\s)href\s*=\s*(?:"([^"]*)"|'([^']*)')""")


def root(body: bytes, label: str | None = None) -> str | None:
    """The name of the root element, in lower case and without prefix, by a cheap look at the start of the body."""
    text = charset.decode(body[:_LOOKED_AT], encoding(body[:_LOOKED_AT], label))
    match = _ROOT.match(text.lstrip("\ufeff \t\r\n\0"))
    return match[1].lower() if match else None


def parse(response: Response, finds: Finds) -> Page:
    """What an XML document names: by its root, see above; `finds` takes what it loads."""
    _, label = mime.content_type(response.headers.get("content-type"))
    match root(response.body, label):
        case "rss" | "rdf" | "feed":
            return feed.parse(response, finds)
        case "urlset" | "sitemapindex":
            return _sitemap(response, label)
        case "html":
            return html.parse(response, finds)
        case _:
            return _document(response, label, finds)


def _sitemap(response: Response, label: str | None) -> Page:
    """A sitemap that was met as a page: what it names is to be followed, like links of a page."""
    reader = sitemap.Reader(response.url, label)
    entries = [*reader.feed(response.body), *reader.close()]
    page = Page(links=list(dict.fromkeys(entry.url for entry in entries)))
    page.facts = {"sitemap": {"entries": len(entries), "skipped": reader.skipped, "problem": reader.problem}}
    page.charset = encoding(response.body[:_LOOKED_AT], label)
    return page


def _document(response: Response, label: str | None, finds: Finds) -> Page:
    target = _Links()
    xml = XML(target, label)
    for begin in range(0, len(response.body), PIECE):
        xml.feed(response.body[begin : begin + PIECE])
    xml.close()
    title = " ".join(plain("".join(target.title)).split())[:_MOST_TITLE]
    page = Page(charset=xml.encoding, title=title or None, lang=target.lang)
    page.links = urls.join(response.url, target.links)
    for reference in target.resources:
        finds.load("xml", reference)
    if xml.problem:
        page.facts = {"xml": {"problem": xml.problem}}
    if len(target.links) == MOST_LINKS:
        page.problem = f"cut: more than {MOST_LINKS:,} links"
    return page


class _Links:
    """Takes the references out of a document, see `Target`: those of XLink, SVG, the `a` of XHTML, style sheets."""

    def __init__(self) -> None:
        self.links: list[str] = []
        self.resources: list[str] = []
        self.title: list[str] = []  # of a title right below the root, as SVG has it
        self.lang: str | None = None
        self._depth = 0
        self._titles = 0
        self._in_title = False

    def start(self, tag: str, attributes: Mapping[str, str]) -> None:
        self._depth += 1
        if self._depth > DEEPEST:
            raise TooDeepError
        if self._depth == 1:
            self.lang = attributes.get(_LANG)
        elif self._depth == 2 and tag.rpartition("}")[2] == "title":
            self._titles += 1
            self._in_title = self._titles == 1
        if not attributes:
            return
        by_xlink = attributes.get(_HREF)
        reference = by_xlink or attributes.get("href")
        if not reference or reference.startswith("#"):
            return
        if tag in _ANCHORS:
            self._keep(self.links, reference)
        elif tag.startswith(_SVG):
            self._keep(self.resources, reference)
        elif by_xlink:
            self._keep(self.resources if attributes.get(_SHOW) == "embed" else self.links, reference)

    def data(self, text: str) -> None:
        if self._in_title and len(self.title) < _MOST_PIECES:
            self.title.append(text)

    def end(self, tag: str) -> None:
        if self._depth == 2:
            self._in_title = False
        self._depth -= 1

    def pi(self, target: str, data: str | None) -> None:
        """A processing instruction: one for a style sheet names it (https://www.w3.org/TR/xml-stylesheet/)."""
        if target == "xml-stylesheet" and data and (match := _PSEUDO_HREF.search(data)):
            self._keep(self.resources, match[1] or match[2] or "")

    def close(self) -> None:
        pass

    def _keep(self, to: list[str], reference: str) -> None:
        if len(to) < MOST_LINKS:
            to.append(plain(reference))
