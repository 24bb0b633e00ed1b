"""HTML: title, links and what else stands in a page's head, read with lxml. A pure function.

Links are what a browser that runs no scripts would list: those in `<noscript>` are links, those in `<template>` are
none (its content is no part of the document until a script copies it).
"""

import threading
from collections.abc import Iterable

from lxml import etree
from lxml.etree import _Element as Element  # the name by which lxml's type stubs know it

from parsers import charset, directives, discovery, facts, fields, likeness, mime, urls
from parsers.discovery import Finds
from parsers.page import MOST_LINKS, Page, Response
from parsers.text import main_text

DEEPEST = 2048
"""Elements in each other that libxml2 reads with huge_tree; without it, 255."""
_ANSWERS = range(200, 300)  # statuses of pages that are what they were asked for
_NOFOLLOW = frozenset({"nofollow", "ugc", "sponsored"})
"""What in a link's rel asks not to follow it (https://developers.google.com/search/docs/crawling-indexing/qualify-outbound-links)."""


class _Own(threading.local):
    """A parser for each thread: a shared one would hold a lock while it parses."""

    def __init__(self) -> None:
        self.parser = etree.HTMLParser(
            encoding="utf-8", huge_tree=True, remove_comments=True, remove_pis=True, collect_ids=False
        )


_own = _Own()


def parse(response: Response, finds: Finds) -> Page:
    """What an HTML page says of itself, and its links: `charset` to `robots`, without the directives of the header.

    `finds` takes what else it names.

    Never fails on what the web sends: rubbish is an empty page.
    """
    _, label = mime.content_type(response.headers.get("content-type"))
    encoding = charset.of_html(response.body, label, response.url)
    page = Page(charset=encoding)
    root, cut = _tree(response.body, encoding)
    if cut:
        page.problem = f"cut: elements lie more than {DEEPEST:,} deep in each other; what follows was not read"
    if root is not None:
        etree.strip_elements(root, "template", with_tail=False)
        base = _base(root, response.url)
        page.lang = _text(root.get("lang") or root.get("xml:lang"))
        page.title = _title(root)
        others = list(root.iter("meta", *discovery.elements(finds.asked)))
        metas = (element for element in others if element.tag == "meta")
        page.description, robots = _meta(metas, finds.asked.agent)
        page.robots = robots or None
        page.canonical = _canonical(root, base)
        page.links, page.nofollow = _links(root, base, finds)
        if likeness.matters(response.url, page.links):
            page.likeness = likeness.likeness(response.url, response.body)
        discovery.look(others, finds)
        discovery.attributes(root, response.body, finds)
        finds.settle(base)
        asked = finds.asked
        if asked.facts:
            page.facts = facts.read(asked.facts, root, base)
        if asked.text is not None:
            page.text = main_text(root, base, asked.text)
        rules = asked.rules
        if rules is not None and response.status in _ANSWERS and (rule := rules.of(response.url)):
            page.data, page.follow = rule.data(root, base), rule.follow(root, base)
            page.sought = fields.sought(page.data)
        if len(page.links) == MOST_LINKS:
            page.problem = f"cut: more than {MOST_LINKS:,} links"
    return page


def root(response: Response) -> Element | None:
    """The root element of an HTML page, all in it; None when the body holds nothing that could be one."""
    _, label = mime.content_type(response.headers.get("content-type"))
    tree, _ = _tree(response.body, charset.of_html(response.body, label, response.url))
    return tree


def _tree(body: bytes, encoding: str) -> tuple[Element | None, bool]:
    """The root element, None when the body holds nothing that could be one; and whether libxml2 has cut the tree."""
    if encoding != "utf-8":
        body = charset.decode(body, encoding).encode()
    try:
        root = etree.fromstring(body, _own.parser)
    except etree.LxmlError:  # older libxml2 raises for an empty document where newer gives no root
        return None, False
    if root is not None:
        for late in list(root.itersiblings()):  # what stands behind </html>
            root.append(late)
    return root, any(entry.type == etree.ErrorTypes.ERR_RESOURCE_LIMIT for entry in _own.parser.error_log)


def _base(root: Element, url: str) -> str:
    """What links are relative to: the first base element with an href holds, or none if that is unusable."""
    for base in root.iter("base"):
        href = base.get("href")
        if href is not None and next(base.iterancestors("svg"), None) is None:
            return next(iter(urls.join(url, [href])), url)
    return url


def _title(root: Element) -> str | None:
    for title in root.iter("title"):
        if next(title.iterancestors("svg"), None) is None:
            return _text(title.text)
    return None


def _meta(metas: Iterable[Element], agent: str) -> tuple[str | None, list[str]]:
    """The description and the robots directives, of head and body alike, as search engines take them."""
    description = None
    robots: list[str] = []
    to_us = {"robots", agent or "robots"}
    for meta in metas:
        name = meta.get("name", "").strip().lower()
        if name in to_us:
            robots += directives.in_meta(meta.get("content", ""))
        elif name == "description" and description is None:
            description = _text(meta.get("content"))
    return description, robots


def _canonical(root: Element, base: str) -> str | None:
    """Only of the head: in the body it might come from whoever may write a comment there."""
    head = root.find("head")
    for link in head.iter("link") if head is not None else ():
        href = link.get("href")
        if href is not None and "canonical" in link.get("rel", "").lower().split():
            return next(iter(urls.join(base, [href])), None)
    return None


def _links(root: Element, base: str, finds: Finds) -> tuple[list[str], frozenset[str]]:
    """All links in document order, and those of them whose every occurrence asks not to be followed."""
    references: list[str] = []
    followed: list[str] = []
    for element in root.iter("a", "area"):
        href = element.get("href")
        if href is None:
            finds.page("svg", "svg", element.get("xlink:href"))
            continue
        references.append(href)
        rel = element.get("rel")
        if rel is None or _NOFOLLOW.isdisjoint(rel.lower().split()):
            followed.append(href)
    links = urls.join(base, references)[:MOST_LINKS]
    if len(followed) == len(references):
        return links, frozenset()
    return links, frozenset(links).difference(urls.join(base, followed))


def _text(value: str | None) -> str | None:
    """White space collapsed; None for what is empty."""
    return " ".join(value.split()) or None if value else None
