"""What a page names beside its links: pages to follow, and what it loads. Pure functions.

Of the HTML standard's attributes that hold URLs (https://html.spec.whatwg.org/#attributes-3) none is left out but
`ping`, which asks to be told of a click, and `itemid` and `itemtype`, which are names. Kinds are a contract: they stand
in the record's `facts`, and `--discover` switches those of pages.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from typing import Any

from lxml.etree import XPath
from lxml.etree import _Element as Element  # the name by which lxml's type stubs know it

from parsers import sheets, urls
from parsers.asked import Asked

MOST = 10_000
"""References that are read in a page; a hostile one has more."""

_PAGES = frozenset(
    {"alternate", "amphtml", "appendix", "archives", "author", "bookmark", "canonical", "chapter", "contents"}
    | {"copyright", "external", "first", "glossary", "help", "home", "index", "last", "license", "me", "next"}
    | {"original", "prev", "previous", "privacy-policy", "publisher", "related", "search", "section", "shortlink"}
    | {"sitemap", "start", "subsection", "tag", "terms-of-service", "toc", "top", "up", "via"}
)
"""What of a link's rel names a page (https://html.spec.whatwg.org/#linkTypes and
https://microformats.org/wiki/existing-rel-values)."""
_LOADED = {
    "stylesheet": "style",
    "icon": "icon",
    "apple-touch-icon": "icon",
    "apple-touch-icon-precomposed": "icon",
    "apple-touch-startup-image": "icon",
    "mask-icon": "icon",
    "image_src": "image",
    "manifest": "manifest",
    "preload": "preload",
    "modulepreload": "preload",
    "prefetch": "preload",
    "prerender": "preload",
}
"""What of a link's rel loads something, and of which kind it is."""
_SITEMAP = "rel=sitemap"
_READABLE = re.compile(
    r"\s*(?:$|text/html|application/xhtml\+xml|application/(?:rss|atom|feed|rdf)\+|text/plain|application/pdf)"
)
_LONGEST = 100  # characters of a rel or a type that are looked at
_REFRESH = re.compile(
    r"\s*[\d.]*\s*(?:[;,]\s*|\s)(?:url\s*=\s*)?(?:\"([^\"]*)|'([^']*)|(.*))", re.IGNORECASE | re.DOTALL
)
_CANDIDATE = re.compile(r"[\s,]*(\S*[^\s,])(?:,|[^,(]*(?:\([^)]*\)[^,(]*)*,?)")


class Finds:
    """What is found in one answer. References are collected as they stand; `settle` makes them absolute."""

    def __init__(self, asked: Asked) -> None:
        self.asked = asked
        self._references: list[str] = []
        self._places: list[tuple[dict[str, dict[str, None]], str]] = []  # of each: where it belongs, and its kind
        self._pages: dict[str, dict[str, None]] = {}
        self._loaded: dict[str, dict[str, None]] = {}

    @property
    def more_links(self) -> list[str]:
        """All other pages that it names, each once; sitemaps are none."""
        return list(dict.fromkeys(url for kind, urls in self._pages.items() if kind != _SITEMAP for url in urls))

    @property
    def sitemaps(self) -> list[str]:
        """The sitemaps that it names, each once."""
        return list(self._pages.get(_SITEMAP, ()))

    def facts(self) -> dict[str, dict[str, list[str]]]:
        """`more_links` and `resources` by kind: absolute http(s) URLs without a fragment, document order, each once."""
        facts = {"more_links": self._pages, "resources": self._loaded}
        return {name: {kind: list(urls) for kind, urls in kinds.items()} for name, kinds in facts.items() if kinds}

    def settle(self, base: str) -> None:
        """What was collected since the last call is relative to this URL."""
        for (kinds, kind), url in zip(self._places, urls.each(base, self._references), strict=True):
            if url is not None:
                kinds.setdefault(kind, {})[url] = None
        self._references.clear()
        self._places.clear()

    def page(self, switch: str, kind: str, reference: str | None) -> None:
        """The page names another; `switch` is one of MORE_LINKS."""
        if reference and switch in self.asked.more_links:
            self._keep(self._pages, kind, reference)

    def load(self, kind: str, reference: str | None) -> None:
        """The page loads something."""
        if reference and self.asked.resources:
            self._keep(self._loaded, kind, reference)

    def _keep(self, kinds: dict[str, dict[str, None]], kind: str, reference: str) -> None:
        if len(self._references) < MOST:
            self._references.append(reference)
            self._places.append((kinds, kind))

    def images(self, candidates: str | None) -> None:
        """The page chooses among images: a srcset (https://html.spec.whatwg.org/#parse-a-srcset-attribute)."""
        for match in _CANDIDATE.finditer(candidates or ""):
            self.load("image", match[1].rstrip(","))

    def style(self, text: str | None) -> None:
        """The page holds CSS."""
        if text and self.asked.resources:
            imported, others = sheets.references(text)
            for reference in imported:
                self.load("style", reference)
            for reference in others:
                self.load("css", reference)

    def refresh(self, value: str | None) -> None:
        """The page asks to go on to another after a time."""
        if match := _REFRESH.match(value or ""):
            self.page("refresh", "refresh", "".join(match.groups(default="")).strip())

    def linked(self, switch: str, rels: str, media: str | None, reference: str | None) -> None:
        """A link element, or a Link header, of these rels to a resource of such a type."""
        loaded, page = _of_rels(rels[:_LONGEST])
        if loaded is not None:
            self.load(loaded, reference)
        elif page is not None and (media is None or page == _SITEMAP or _READABLE.match(media)):
            self.page(switch, page, reference)


@lru_cache(maxsize=1024)
def _of_rels(rels: str) -> tuple[str | None, str | None]:
    """What a link of these rels loads, or else which kind of page it names."""
    names = rels.lower().split()
    loaded = next((_LOADED[name] for name in names if name in _LOADED), None)
    page = next((f"rel={name}" for name in names if name in _PAGES), None)
    return loaded, page


def _image(element: Element, finds: Finds) -> None:
    finds.load("image", element.get("src"))
    finds.images(element.get("srcset"))
    finds.page("cite", "longdesc", element.get("longdesc"))


def _link(element: Element, finds: Finds) -> None:
    if rels := element.get("rel"):
        finds.linked("rel", rels, element.get("type"), element.get("href"))
    if finds.asked.resources:
        finds.images(element.get("imagesrcset"))


def _meta(element: Element, finds: Finds) -> None:
    if (name := element.get("http-equiv")) and name.strip().lower() == "refresh":
        finds.refresh(element.get("content"))


def _form(element: Element, finds: Finds) -> None:
    if element.get("method", "get").strip().lower() not in ("post", "dialog"):
        finds.page("form", "form", element.get("action"))


def _button(element: Element, finds: Finds) -> None:
    if element.get("formmethod", "get").strip().lower() not in ("post", "dialog"):
        finds.page("form", "form", element.get("formaction"))
    if element.get("type", "").strip().lower() == "image":
        finds.load("image", element.get("src"))


def _svg_image(element: Element, finds: Finds) -> None:
    finds.load("image", element.get("href") or element.get("xlink:href"))


def _media(element: Element, finds: Finds) -> None:
    finds.load("media", element.get("src"))
    finds.load("image", element.get("poster"))
    finds.images(element.get("srcset"))


_PAGE_ELEMENTS: dict[str, Callable[[Element, Finds], None]] = {
    "link": _link,
    "meta": _meta,
    "iframe": lambda element, finds: finds.page("frame", "frame", element.get("src")),
    "frame": lambda element, finds: finds.page("frame", "frame", element.get("src")),
    "blockquote": lambda element, finds: finds.page("cite", "cite", element.get("cite")),
    "q": lambda element, finds: finds.page("cite", "cite", element.get("cite")),
    "ins": lambda element, finds: finds.page("cite", "cite", element.get("cite")),
    "del": lambda element, finds: finds.page("cite", "cite", element.get("cite")),
    "form": _form,
    "button": _button,
    "input": _button,
}
_LOADING_ELEMENTS: dict[str, Callable[[Element, Finds], None]] = {
    "img": _image,
    "image": _svg_image,
    "use": _svg_image,
    "feimage": _svg_image,
    "script": lambda element, finds: finds.load("script", element.get("src") or element.get("xlink:href")),
    "style": lambda element, finds: finds.style(element.text),
    "source": _media,
    "video": _media,
    "audio": _media,
    "track": lambda element, finds: finds.load("track", element.get("src")),
    "embed": lambda element, finds: finds.load("object", element.get("src")),
    "object": lambda element, finds: finds.load("object", element.get("data")),
    "html": lambda element, finds: finds.load("manifest", element.get("manifest")),
}
_LOOKS: dict[Any, Callable[[Element, Finds], None]] = {**_PAGE_ELEMENTS, **_LOADING_ELEMENTS}


def elements(asked: Asked) -> tuple[str, ...]:
    """The names of the elements that hold what is asked for."""
    if asked.resources:
        return tuple(_LOOKS)
    return tuple(_PAGE_ELEMENTS) if asked.more_links else ()


def look(elements: Iterable[Element], finds: Finds) -> None:
    """What elements name; those that are of no interest are passed over."""
    for element in elements:
        if take := _LOOKS.get(element.tag):
            take(element, finds)


def attributes(root: Element, body: bytes, finds: Finds) -> None:
    """What attributes hold that any element may have: looked for only when the body has a word of the kind."""
    if not finds.asked.resources:
        return
    if b"url(" in body:
        for style in _STYLES(root):
            finds.style(str(style))
    if b"background" in body:
        for background in _BACKGROUNDS(root):
            finds.load("image", str(background))


_STYLES = XPath("//@style[contains(., 'url(')]")
_BACKGROUNDS = XPath("//@background")


def headers(values: Mapping[str, str], finds: Finds) -> None:
    """What the headers of an answer name."""
    for match in _LINK_HEADER.finditer(values.get("link", "")):
        parameters = {name.lower(): quoted or plain for name, quoted, plain in _PARAMETER.findall(match[2])}
        finds.linked("header", parameters.get("rel", ""), parameters.get("type"), match[1])
    if "refresh" in values:
        finds.refresh(values["refresh"])
    finds.page("header", "content-location", values.get("content-location"))


_LINK_HEADER = re.compile(r'<([^>]*)>((?:[^",<]|"(?:[^"\\]|\\.)*+(?:"|\Z))*+)', re.DOTALL)  # RFC 8288, section 3
_PARAMETER = re.compile(r';\s*([^\s=;,]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s;,]*))', re.DOTALL)
