"""Sitemaps by https://www.sitemaps.org/protocol.html and what else serves as one: text, RSS, Atom, all also gzipped.

It is read as it comes, and gives what a crawler needs to know of each URL. What is wrong in it costs what is wrong: a
priority that is no number is None, an entry without a usable URL is left out and counted, a file that breaks off ends
there.
"""

import re
from collections.abc import Iterator
from typing import NamedTuple

from parsers import charset, dates, feed, urls
from parsers.gunzip import Gunzip
from parsers.xmlstream import XML, Element, Records, encoding

MOST_BYTES = 52_428_800
"""Of a decoded sitemap: 50 MB, as the protocol limits it."""
MOST_URLS = 50_000
"""Of a sitemap, as the protocol limits it; and as many sitemaps of an index."""
_LONGEST = 8_192  # characters of a URL; the protocol has less than 2,048
_MOST_RECORD = 2_000_000  # characters; room for the 1,000 images a URL may have
_MOST_EACH = 1_000
"""Images, videos and alternates of a URL that are read: as many images as Google reads of one
(https://developers.google.com/search/docs/crawling-indexing/sitemaps/image-sitemaps)."""
_START = 1_024  # bytes that tell XML from text

_RECORDS = frozenset({"url", "sitemap", "item", "entry"})
_FEEDS = frozenset({"item", "entry"})
_INNER = frozenset({*_RECORDS, "image", "video", "news", "publication"})
_IGNORED = frozenset({"content", "encoded", "description", "summary"})
_ROOTS = frozenset({"urlset", "sitemapindex", "rss", "rdf", "feed", *_RECORDS})
_FREQUENCIES = frozenset({"always", "hourly", "daily", "weekly", "monthly", "yearly", "never"})
_WEB = re.compile(r"https?:", re.IGNORECASE)


class Image(NamedTuple):
    """An image of a page. URLs are absolute and normalised."""

    url: str
    title: str | None = None
    caption: str | None = None


class Video(NamedTuple):
    """A video of a page; at least one of its URLs is there."""

    content: str | None = None  # the file
    player: str | None = None
    thumbnail: str | None = None
    title: str | None = None


class News(NamedTuple):
    """What a page is, if it is a piece of news."""

    title: str | None = None
    published: float | None = None  # seconds since the epoch
    publication: str | None = None
    language: str | None = None


class Entry(NamedTuple):
    """What a sitemap says of one URL."""

    url: str  # absolute http(s), normalised
    lastmod: float | None = None  # seconds since the epoch
    priority: float | None = None  # 0.0 to 1.0
    changefreq: str | None = None  # one of the protocol's seven words
    is_sitemap: bool = False  # a sitemap of an index, to be read in turn
    alternates: tuple[
        tuple[str, str], ...
    ] = ()  # (hreflang, URL), as the sitemap has them: one language may come twice
    images: tuple[Image, ...] = ()
    videos: tuple[Video, ...] = ()
    news: News | None = None


def allowed(entry_url: str, sitemap_url: str, via_robots: bool) -> bool:
    """Whether a sitemap may speak for a URL, or name another sitemap; both URLs are normalised.

    It may for its own host, name and port, over http and https alike; for another host only when that host's own
    robots.txt names the sitemap (`via_robots`): https://www.sitemaps.org/protocol.html#sitemaps_cross_submits. That a
    sitemap speaks only for its own folder and below, as the protocol also says, is left out: search engines do not mind
    it for what they find through robots.txt, and sites do not keep to it.
    """
    return via_robots or _host(entry_url) == _host(sitemap_url)


def _host(url: str) -> str:
    """Without the default port of either scheme: http and https of a host are one here, for sites move to https."""
    name, _, port = urls.host(url).rpartition(":")
    return name if port in ("80", "443") else f"{name}:{port}"


class Reader:
    """One sitemap: feed it the body as it comes, then close it; each call gives the entries that it completes.

    Behind a limit nothing is read any more: at most MOST_BYTES, gzip undone, and MOST_URLS entries. Memory is what the
    entries of one call take, and for text or XML in another encoding than UTF-8 some times the bytes.
    """

    def __init__(self, url: str, label: str | None = None) -> None:
        """`url` is where the sitemap was found, normalised; `label` is the charset of its Content-Type."""
        self.problem: str | None = None  # what is wrong with it as a whole, one line for people; known after `close`
        self.skipped = 0  # entries without a usable URL
        self.done = False  # more of the body would not be read
        self._url = url
        self._label = label
        self._gunzip = Gunzip()
        self._start = b""
        self._form: _Elements | _Lines | None = None  # None until there is enough to tell
        self._bytes = 0
        self._entries = 0

    def feed(self, data: bytes) -> list[Entry]:
        """Read a piece of the body, of any size."""
        return self._read(self._gunzip.feed(data))

    def close(self) -> list[Entry]:
        """The body has ended. An entry that is cut off by it is none."""
        entries = self._read(self._gunzip.close())
        if self._form is None:
            entries += self._begin()
        assert self._form is not None
        entries += self._within(self._form.close())
        self.done = True
        self.skipped = self._form.skipped
        self.problem = self.problem or self._gunzip.problem or self._form.problem
        return entries

    def _read(self, pieces: Iterator[bytes]) -> list[Entry]:
        entries: list[Entry] = []
        for piece in pieces:
            if self.done:
                break
            room = MOST_BYTES - self._bytes
            self._bytes += len(piece)
            if self._form is None:
                self._start += piece
                if len(self._start) >= _START:
                    entries += self._begin()
            else:
                entries += self._within(self._form.feed(piece[:room]))
            if len(piece) > room:
                self._stop(f"cut: larger than {MOST_BYTES >> 20} MB")
        if self._gunzip.problem or (self._form is not None and self._form.problem):
            self.done = True
        return entries

    def _begin(self) -> list[Entry]:
        """Tell XML from text by the start of the body, and read it."""
        start, self._start = self._start, b""
        text = charset.decode(start[:_START], encoding(start, self._label)).lstrip("\ufeff \t\r\n\0")
        is_xml = text.startswith("<") or "<?xml" in text
        self._form = _Elements(self._url, self._label) if is_xml else _Lines(self._url, self._label)
        return self._within(self._form.feed(start))

    def _within(self, entries: list[Entry]) -> list[Entry]:
        """The entries that are within the limit."""
        room = MOST_URLS - self._entries
        self._entries += len(entries)
        if len(entries) > room:
            self._stop(f"cut: more than {MOST_URLS:,} URLs")
        return entries[: max(room, 0)]

    def _stop(self, problem: str) -> None:
        self.problem = self.problem or problem
        self.done = True


class _Elements:
    """A sitemap, an index or a feed in XML."""

    def __init__(self, url: str, label: str | None) -> None:
        self.problem: str | None = None
        self.skipped = 0
        self._url = url
        self._records = Records(_RECORDS, _INNER, _IGNORED, _MOST_RECORD)
        self._xml = XML(self._records, label)

    def feed(self, data: bytes) -> list[Entry]:
        self._xml.feed(data)
        return self._entries()

    def close(self) -> list[Entry]:
        self._xml.close()
        entries = self._entries()
        self.skipped += self._records.oversize
        if self._records.root is None:
            self.problem = f"no sitemap: {self._xml.problem or 'there is nothing in it'}"
        self.problem = self.problem or self._xml.problem
        return entries

    def _entries(self) -> list[Entry]:
        records = self._records.take()
        root = self._records.root
        if root is not None and root.name not in _ROOTS:
            self.problem = "no sitemap: it is HTML" if root.name == "html" else "no sitemap: it is some other XML"
        if self.problem is not None:
            return []
        entries = [
            _of_feed(record, self._url) if record.name in _FEEDS else _of_url(record, self._url) for record in records
        ]
        found = [entry for entry in entries if entry is not None]
        self.skipped += len(entries) - len(found)
        return found


class _Lines:
    """A sitemap of one URL a line."""

    def __init__(self, url: str, label: str | None) -> None:
        self.problem: str | None = None
        self.skipped = 0
        self._url = url
        self._label = label
        self._encoding: str | None = None
        self._held: list[bytes] = []  # of a line whose end is not there
        self._any = False

    def feed(self, data: bytes) -> list[Entry]:
        if self._encoding is None:
            self._encoding = encoding(data, self._label)
        end = data.rfind(b"\n") + 1
        if not end or self._encoding.startswith("utf-16"):  # there, that byte may be half of another character
            self._held.append(data)
            return []
        lines = b"".join([*self._held, data[:end]])
        self._held = [data[end:]]
        return self._entries(lines)

    def close(self) -> list[Entry]:
        entries = self._entries(b"".join(self._held))
        if not self._any:
            self.problem = "no sitemap: neither XML nor a list of URLs"
        return entries

    def _entries(self, lines: bytes) -> list[Entry]:
        entries = []
        for line in charset.decode(lines, self._encoding or "utf-8").splitlines():
            url = _absolute(line.strip(), self._url) if _WEB.match(line.strip()) else None
            if url is not None:
                entries.append(Entry(url))
            elif line.strip():
                self.skipped += 1
        self._any = self._any or bool(entries)
        return entries


def _of_url(record: Element, sitemap: str) -> Entry | None:
    """What a `<url>` or a `<sitemap>` says."""
    location = lastmod = priority = changefreq = None
    more = False
    for child in record.children:
        match child.name:
            case "loc":
                location = location or child.text
            case "lastmod":
                lastmod = dates.seconds(child.text)
            case "priority":
                priority = _priority(child.text)
            case "changefreq":
                changefreq = word if (word := child.text.lower()) in _FREQUENCIES else None
            case _:
                more = True
    url = _absolute(location, sitemap)
    if url is None:
        return None
    entry = Entry(url, lastmod, priority, changefreq, record.name == "sitemap")
    return _extended(entry, record, sitemap) if more else entry


def _extended(entry: Entry, record: Element, sitemap: str) -> Entry:
    """The same with what the extensions add (image, video, news, xhtml:link)."""
    alternates: list[tuple[str, str]] = []
    images: list[Image] = []
    videos: list[Video] = []
    news = None
    for child in record.children:
        if child.name == "link":
            url, language = _absolute(child.get("href"), sitemap), child.get("hreflang")
            if url and language and "alternate" in (child.get("rel") or "alternate").lower().split():
                alternates.append((language, url))
        elif child.name == "image":
            url = _absolute(child.find("loc"), sitemap)
            if url:
                images.append(Image(url, child.find("title"), child.find("caption")))
        elif child.name == "video":
            content, player, thumbnail = (
                _absolute(child.find(name), sitemap) for name in ("content_loc", "player_loc", "thumbnail_loc")
            )
            if content or player or thumbnail:
                videos.append(Video(content, player, thumbnail, child.find("title")))
        elif child.name == "news":
            publication = next((inner for inner in child.children if inner.name == "publication"), child)
            published = child.find("publication_date")
            news = News(
                child.find("title"),
                dates.seconds(published) if published else None,
                publication.find("name"),
                publication.find("language"),
            )
    return entry._replace(
        alternates=tuple(alternates[:_MOST_EACH]),
        images=tuple(images[:_MOST_EACH]),
        videos=tuple(videos[:_MOST_EACH]),
        news=news,
    )


def _of_feed(record: Element, sitemap: str) -> Entry | None:
    """What an item of RSS or an entry of Atom says, as a sitemap: its page, and when that changed last."""
    page = feed.page(record, sitemap)
    changed = feed.updated(record)
    return Entry(page, changed if changed is not None else feed.published(record)) if page else None


def _absolute(reference: str | None, sitemap: str) -> str | None:
    """The URL that a sitemap names; None for what cannot be told.

    The protocol wants URLs with their scheme. One that begins with "/" can only mean the sitemap's own host or scheme,
    and is read so. "page.html" or "example.com/page" is left out, as search engines do: it could mean either.
    """
    if not reference or len(reference) > _LONGEST:
        return None
    if _WEB.match(reference):
        try:
            return urls.normalise(reference)
        except ValueError:
            return None
    return next(iter(urls.join(sitemap, [reference])), None) if reference[0] == "/" else None


def _priority(text: str) -> float | None:
    try:
        value = float(text.replace(",", "."))
    except ValueError:
        return None
    return value if 0 <= value <= 1 else None
