"""From a response to a page: the table of parsers, and the one door to them.

A parser is a module with a pure `parse(response) -> Page`. What it must not do is fail on what the web sends; when it
does, that is a bug, which is raised.
"""

import hashlib
from functools import partial
from importlib import import_module

from parsers import charset, directives, discovery, mime, urls
from parsers.asked import USUALLY, Asked
from parsers.discovery import Finds
from parsers.page import Page, Response
from parsers.threads import Threads

PARSERS = {  # the essence of a Content-Type, and the module that reads it
    "text/html": "html",
    "application/xhtml+xml": "html",
    "text/css": "css",
    "application/rss+xml": "feed",
    "application/atom+xml": "feed",
    "application/feed+json": "feed",
    "application/json": "feed",
    "application/rdf+xml": "xml",
    "application/xml": "xml",
    "text/xml": "xml",
    "image/svg+xml": "xml",
}

_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_threads = Threads()
"""Shared by all who parse, as the cores of the machine are."""


async def parse(response: Response, *, asked: Asked = USUALLY, at_once: int = 10_000, patience: float = 30.0) -> Page:
    """What stands in the response; bodies of more than `at_once` bytes are read in a thread, so that the loop goes on.

    By default it is what is read sooner than a thread would begin with it. `asked`: what else is to be read.

    One that takes longer than `patience`, in seconds, is given up, and its page has a `problem`: the time that libxml2
    needs grows with the square of some things, such as the attributes of one element, so a hostile page can take hours.
    """
    if len(response.body) <= at_once:
        return read(response, asked)
    try:
        return await _threads.run(partial(read, asked=asked), response, patience)
    except TimeoutError:
        essence, _ = mime.content_type(response.headers.get("content-type"))
        problem = f"unread: not parsed within {patience:g} s"
        return Page(content_type=essence, bytes=len(response.body), problem=problem)


def close() -> bool:
    """End the threads that `parse` started; False when one was left with a page, which keeps Python from ending."""
    return _threads.close()


def read(response: Response, asked: Asked = USUALLY) -> Page:
    """The same as `parse`, in this thread and however long it takes."""
    headers = response.headers
    finds = Finds(asked)
    essence, label = mime.content_type(headers.get("content-type"))
    if essence is None and mime.looks_like_html(response.body):
        essence = "text/html"

    if response.status in _REDIRECTS and headers.get("location"):
        page = Page(charset=charset.named(label), redirect_to=_target(response.url, headers["location"]))
    elif essence in PARSERS:
        page = import_module(f"parsers.{PARSERS[essence]}").parse(response, finds)
    else:
        page = Page(charset=charset.named(label))

    page.content_type = essence
    page.bytes = len(response.body)
    page.sha256 = hashlib.sha256(response.body).hexdigest()
    robots = page.robots or []
    if "x-robots-tag" in headers:
        robots = robots + directives.in_header(headers["x-robots-tag"], asked.agent)
    page.robots = list(dict.fromkeys(robots)) or None
    discovery.headers(headers, finds)
    finds.settle(response.url)
    page.sitemaps = finds.sitemaps
    page.more_links, page.facts = finds.more_links, {**finds.facts(), **(page.facts or {})} or None
    if directives.forbid_following(robots):
        page.nofollow = frozenset([*page.links, *page.more_links])
    return page


def _target(url: str, location: str) -> str | None:
    """Where a redirect leads by http or https; None if nowhere.

    Servers write bytes beyond ASCII into it, though RFC 9110 forbids them, and headers are read as Latin-1. Most of
    them are UTF-8; others are escaped one by one, so that the server gets its bytes back. So do browsers.
    """
    try:
        raw = location.encode("latin-1")
        location = raw.decode()
    except UnicodeEncodeError:
        pass  # it was read as UTF-8
    except UnicodeDecodeError:
        location = "".join(chr(byte) if byte < 0x80 else f"%{byte:02X}" for byte in raw)
    return next(iter(urls.join(url, [location])), None)
