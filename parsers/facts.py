"""What a page says of itself beyond a record's own fields, when it is asked for. Pure functions."""

from collections.abc import Callable, Mapping
from typing import Any

import orjson
from lxml.etree import _Element as Element  # the name by which lxml's type stubs know it

from parsers import urls

MOST = 1000
"""Headings, properties, pieces of JSON-LD and the like that are read of a page; a hostile one has more."""


def headings(root: Element, base: str) -> list[dict[str, Any]]:
    """h1 to h6 in document order: `level` and `text`."""
    found: list[dict[str, Any]] = []
    for element in root.iter("h1", "h2", "h3", "h4", "h5", "h6"):
        text = " ".join("".join(element.itertext()).split())
        if text and len(found) < MOST:
            found.append({"level": int(str(element.tag)[1]), "text": text})
    return found


def opengraph(root: Element, base: str) -> dict[str, Any]:
    """The properties of https://ogp.me, and Twitter's; one that is repeated is a list."""
    found: dict[str, Any] = {}
    for meta in root.iter("meta"):
        name = (meta.get("property") or meta.get("name") or "").strip().lower()
        value = meta.get("content")
        if value is None or ":" not in name or len(found) >= MOST:
            continue
        if name.partition(":")[0] not in _VOCABULARIES:
            continue
        before = found.get(name)
        found[name] = value if before is None else [*before, value] if isinstance(before, list) else [before, value]
    return found


_VOCABULARIES = frozenset({"og", "article", "book", "profile", "music", "video", "product", "twitter", "fb"})


def jsonld(root: Element, base: str) -> list[Any]:
    """JSON-LD in scripts, as far as it is JSON (https://www.w3.org/TR/json-ld11/#embedding-json-ld-in-html-documents)."""
    found: list[Any] = []
    for script in root.iter("script"):
        kind = script.get("type", "").partition(";")[0].strip().lower()
        if kind == "application/ld+json" and len(found) < MOST:
            try:
                found.append(orjson.loads(script.text or ""))
            except orjson.JSONDecodeError:
                continue
    return found


def hreflang(root: Element, base: str) -> dict[str, str]:
    """The same page in other languages, by the language as the page writes it."""
    found: dict[str, str] = {}
    for link in root.iter("link"):
        language, href = link.get("hreflang"), link.get("href")
        if language and href and "alternate" in link.get("rel", "").lower().split() and len(found) < MOST:
            for url in urls.join(base, [href]):
                found.setdefault(language.strip(), url)
    return found


def pagination(root: Element, base: str) -> dict[str, str]:
    """The neighbours of a page in a series: `first`, `prev`, `next`, `last`, by the rel of a link."""
    found: dict[str, str] = {}
    for element in root.iter("link", "a", "area"):
        rel, href = element.get("rel"), element.get("href")
        if rel and href:
            for name in rel.lower().split():
                if place := _SERIES.get(name):
                    for url in urls.join(base, [href]):
                        found.setdefault(place, url)
    return found


_SERIES = {"first": "first", "start": "first", "prev": "prev", "previous": "prev", "next": "next", "last": "last"}

FACTS: Mapping[str, Callable[[Element, str], Any]] = {
    "headings": headings,
    "hreflang": hreflang,
    "jsonld": jsonld,
    "opengraph": opengraph,
    "pagination": pagination,
}
"""By name, what reads a fact in a page, given its root and what its references are relative to."""


def read(names: frozenset[str], root: Element, base: str) -> dict[str, Any]:
    """The facts of these names, as far as the page has them."""
    return {name: fact for name, look in FACTS.items() if name in names and (fact := look(root, base))}
