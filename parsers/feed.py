"""Feeds: RSS 0.9 to 2.0 (RDF too), Atom 0.3 and 1.0, JSON Feed 1.0 and 1.1.

(https://www.rssboard.org/rss-specification, https://web.resource.org/rss/1.0/spec, RFC 4287, RFC 5005,
https://www.jsonfeed.org/version/1.1/)

Links are the pages that a feed names: its site's, its entries', and its own other parts. What an entry comes with
(enclosures, pictures) is no page: it stands among the feed's resources.
"""

import html
import re
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

import orjson

from parsers import charset, dates, mime, urls
from parsers.discovery import Finds
from parsers.page import MOST_LINKS, Page, Response
from parsers.xmlstream import PIECE, XML, Element, Records

MOST_ENTRIES = 1_000
"""Entries that are told in `facts`. Feeds have some tens; archives of podcasts a thousand."""
_LOOKED_AT = 4_096  # bytes in which JSON must say that it is a feed, unless its content type does
_MOST_TEXT = 1_000  # characters of a title or a name that are kept
_MOST_MARKUP = 4_000  # of the same with its markup
_MOST_RECORD = 1_000_000  # characters of an entry without its content

_ENTRIES = frozenset({"item", "entry"})
_OF_FEED = frozenset({"title", "link", "language", "description", "subtitle", "tagline", "id", "image", "textinput"})
_INNER = frozenset({*_ENTRIES, "image", "textinput", "author", "contributor", "source", "group"})
_IGNORED = frozenset({"content", "encoded", "body", "description", "summary"})
_CHANNELS = frozenset({"channel", "feed", "rdf", "rss"})
_FOLLOWED = frozenset(
    {
        *("alternate", "related", "via", "replies"),
        *("first", "last", "next", "previous", "prev", "current", "prev-archive", "next-archive"),  # RFC 5005
    }
)
_ATTRIBUTE = "{http://www.w3.org/XML/1998/namespace}"
_RDF = "{http://www.w3.org/1999/02/22-rdf-syntax-ns#}"
_MARKUP = re.compile(r"<(script|style)\b.*?</\1\s*>|</?[A-Za-z][^<>]*>|<![^<>]*>", re.IGNORECASE | re.DOTALL)
_JSON_FEED = re.compile(rb'"version"\s*:\s*"https?:\\?/\\?/(?:www\.)?jsonfeed\.org\\?/version')


def page(record: Element, base: str) -> str | None:
    """The URL of the page that an item of RSS or an entry of Atom is about, absolute; None if it names none."""
    base = _base(record, base)
    for child in record.children:
        if child.name == "link":
            if "alternate" not in (child.get("rel") or "alternate").lower().split():
                continue
            reference = child.get("href") or child.text or None
        elif child.name == "content":
            reference = child.get("src")
        else:
            continue
        if reference and (url := _join(base, reference)):
            return url
    guid = next((child for child in record.children if child.name == "guid"), None)
    if guid is not None and (guid.get("isPermaLink") or "true").lower() == "true" and guid.text.startswith("http"):
        return _join(base, guid.text)
    about = record.get(f"{_RDF}about")
    return _join(base, about) if about else None


def published(record: Element) -> float | None:
    """When an entry appeared, in seconds since the epoch."""
    return _date(record.find("published", "pubdate", "issued", "created", "date"))


def updated(record: Element) -> float | None:
    """When an entry changed last, in seconds since the epoch."""
    return _date(record.find("updated", "modified"))


def parse(response: Response, finds: Finds) -> Page:
    """What a feed says of itself, the pages it names, and its entries in `facts`; `finds` takes what they come with."""
    essence, label = mime.content_type(response.headers.get("content-type"))
    if essence is None or not essence.endswith("json"):
        return _xml(response, label, finds)
    if essence == "application/json" and not _JSON_FEED.search(response.body, 0, _LOOKED_AT):
        return Page(charset=charset.named(label))
    return _json(response, label, finds)


class _Found:
    """What is found in a feed, bounded in number."""

    def __init__(self) -> None:
        self.links: dict[str, None] = {}
        self.resources: dict[str, None] = {}
        self.entries: list[dict[str, str | None]] = []
        self.count = 0

    def entry(self, url: str | None, **facts: str | None) -> None:
        self.count += 1
        if len(self.entries) < MOST_ENTRIES:
            self.entries.append({"url": url, **{name: _short(value) for name, value in facts.items()}})

    def page(self, kind: str, version: str | None, problem: str | None, finds: Finds) -> Page:
        facts = {"type": kind, "version": version, "problem": problem, "count": self.count, "entries": self.entries}
        page = Page(links=list(self.links)[:MOST_LINKS])
        page.facts = {"feed": facts}
        for url in self.resources:
            finds.load("media", url)
        if len(self.links) > MOST_LINKS:
            page.problem = f"cut: more than {MOST_LINKS:,} links"
        return page


def _xml(response: Response, label: str | None, finds: Finds) -> Page:
    records = Records(_ENTRIES | _OF_FEED, _INNER, _IGNORED, _MOST_RECORD)
    xml = XML(records, label)
    found = _Found()
    own: dict[str, str] = {}
    for begin in range(0, len(response.body), PIECE):
        xml.feed(response.body[begin : begin + PIECE])
        _read(records, response.url, found, own)
    xml.close()
    _read(records, response.url, found, own)

    root = records.root
    version = root.get("version") if root is not None else None
    kind = {"feed": "atom", "rdf": "rdf"}.get(root.name, "rss") if root is not None else "rss"
    result = found.page(kind, version or {"atom": "1.0", "rdf": "1.0"}.get(kind), xml.problem, finds)
    result.charset = xml.encoding
    result.title = _short(own.get("title"))
    result.description = _short(own.get("description") or own.get("subtitle") or own.get("tagline"))
    language = own.get("language") or (root.get(f"{_ATTRIBUTE}lang") if root is not None else None)
    result.lang = _short(language)
    return result


def _read(records: Records, url: str, found: _Found, own: dict[str, str]) -> None:
    root = records.root
    base = _base(root, url) if root is not None else url
    is_atom = root is not None and root.name == "feed"
    for record in records.take():
        if record.name in _ENTRIES:
            _entry(record, base, found, is_atom)
        elif record.parent not in _CHANNELS:
            continue
        elif record.name == "link":
            _link(record, base, found)
        elif record.name == "image":
            _add(found.resources, base, record.find("url") or record.get("href") or record.get(f"{_RDF}resource"))
        elif record.text:
            own.setdefault(record.name, _title(record, is_atom))


def _entry(record: Element, base: str, found: _Found, is_atom: bool) -> None:
    url = page(record, base)
    base = _base(record, base)
    if url:
        found.links[url] = None
    title = author = None
    for child in record.children:
        match child.name:
            case "title":
                title = title or _title(child, is_atom)
            case "link":
                _link(child, base, found)
            case "comments" if child.text:  # slash:comments is a number
                _add(found.links, base, child.text if child.text.startswith(("http", "/")) else None)
            case "enclosure" | "thumbnail":
                _add(found.resources, base, child.get("url") or child.get(f"{_RDF}resource"))
            case "content":  # of Media RSS or Atom; what it holds is ignored
                _add(found.resources, base, child.get("url"))
            case "group":
                for inner in child.children:
                    _add(found.resources, base, inner.get("url"))
            case "author" | "creator":
                author = author or child.find("name") or child.text or None
    found.entry(
        url,
        title=title,
        id=record.find("id", "guid") or record.get(f"{_RDF}about"),
        author=author,
        published=_iso(published(record)),
        updated=_iso(updated(record)),
    )


def _link(link: Element, base: str, found: _Found) -> None:
    relations = frozenset((link.get("rel") or "alternate").lower().split())
    reference = link.get("href") or link.text
    if "enclosure" in relations:
        _add(found.resources, base, reference)
    elif not relations.isdisjoint(_FOLLOWED):
        _add(found.links, base, reference)


def _json(response: Response, label: str | None, finds: Finds) -> Page:
    encoding = charset.of_html(response.body, label or "utf-8")
    problem = None
    try:
        feed = orjson.loads(charset.decode(response.body, encoding))
    except orjson.JSONDecodeError as error:
        feed, problem = None, f"broken JSON: {error}"
    if not isinstance(feed, dict):
        feed, problem = {}, problem or "no feed: it is some other JSON"

    found = _Found()
    base = response.url
    _add(found.links, base, _string(feed, "home_page_url"))
    for item in _dicts(feed, "items"):
        url = _join(base, _string(item, "url") or "")
        _add(found.links, base, _string(item, "url"))
        _add(found.links, base, _string(item, "external_url"))
        for picture in ("image", "banner_image"):
            _add(found.resources, base, _string(item, picture))
        for attachment in _dicts(item, "attachments"):
            _add(found.resources, base, _string(attachment, "url"))
        authors = [*_dicts(item, "authors"), *_dicts({"author": [item.get("author")]}, "author")]
        found.entry(
            url,
            title=_string(item, "title"),
            id=_id(item),
            author=next((name for author in authors if (name := _string(author, "name"))), None),
            published=_iso(_date(_string(item, "date_published"))),
            updated=_iso(_date(_string(item, "date_modified"))),
        )
    _add(found.links, base, _string(feed, "next_url"))
    for picture in ("icon", "favicon"):
        _add(found.resources, base, _string(feed, picture))

    version = (_string(feed, "version") or "").rpartition("/")[2] or None
    result = found.page("json", _short(version), problem, finds)
    result.charset = encoding
    result.title = _short(_string(feed, "title"))
    result.description = _short(_string(feed, "description"))
    result.lang = _short(_string(feed, "language"))
    return result


def _string(thing: dict[str, Any], name: str) -> str | None:
    value = thing.get(name)
    return value.strip() or None if isinstance(value, str) else None


def _id(item: dict[str, Any]) -> str | None:
    """A number, which some write, is to be read as a string (JSON Feed 1.1, "id")."""
    value = item.get("id")
    return str(value) if type(value) in (int, float) else _string(item, "id")


def _dicts(thing: dict[str, Any], name: str) -> Iterable[dict[str, Any]]:
    value = thing.get(name)
    return (item for item in value if isinstance(item, dict)) if isinstance(value, list) else ()


def _base(element: Element, base: str) -> str:
    """What references in an element are relative to (xml:base)."""
    own = element.get(f"{_ATTRIBUTE}base")
    return (_join(base, own) or base) if own else base


def _join(base: str, reference: str) -> str | None:
    return next(iter(urls.join(base, [reference])), None) if reference else None


def _add(to: dict[str, None], base: str, reference: str | None) -> None:
    if reference and len(to) <= MOST_LINKS and (url := _join(base, reference)):
        to[url] = None


def _title(element: Element, is_atom: bool) -> str:
    """A text for people without the HTML that may be escaped in it: Atom names its type, in RSS it may be anywhere."""
    text = element.text[:_MOST_MARKUP]
    type_ = (element.get("type") or "text").lower()
    if is_atom and ("xhtml" in type_ or "html" not in type_):
        return text
    return html.unescape(_MARKUP.sub("", text)) if "<" in text or "&" in text else text


def _short(text: str | None) -> str | None:
    """White space collapsed, and cut where it is long; None for what is empty."""
    return " ".join(text[:_MOST_MARKUP].split())[:_MOST_TEXT] or None if text else None


def _date(text: str | None) -> float | None:
    return dates.seconds(text) if text else None


def _iso(moment: float | None) -> str | None:
    """ISO 8601 in UTC, to the second."""
    return None if moment is None else datetime.fromtimestamp(moment, UTC).isoformat(timespec="seconds")
