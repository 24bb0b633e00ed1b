"""Sitemaps are read as sitemaps.org says and as sites write them; what is hostile costs little and fetches nothing."""

import gzip
import itertools
import resource
import socket
import threading
import zlib
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from xml.sax.saxutils import escape, quoteattr

import pytest
from hypothesis import given
from hypothesis import strategies as st

import parsers
from parsers import dates, sitemap, urls
from parsers.page import Response
from parsers.sitemap import Entry, Image, News, Reader, Video, allowed

URL = "https://example.com/maps/sitemap.xml"
NAMESPACE = 'xmlns="http://www.sitemaps.org/schemas/sitemap/0.9"'
MAY_2024 = 1714521600.0  # 2024-05-01T00:00:00Z


def read(body: bytes | str, *, label: str | None = None, step: int = 65_536) -> tuple[list[Entry], Reader]:
    """The entries of a sitemap at URL, fed in pieces of `step` bytes, and its reader."""
    data = body if isinstance(body, bytes) else body.encode()
    return read_pieces((data[begin : begin + step] for begin in range(0, len(data), step)), label)


def read_pieces(pieces: Iterable[bytes], label: str | None = None) -> tuple[list[Entry], Reader]:
    reader = Reader(URL, label)
    entries: list[Entry] = []
    for piece in pieces:
        if reader.done:
            break
        entries += reader.feed(piece)
    return entries + reader.close(), reader


def entries(body: bytes | str, label: str | None = None) -> list[Entry]:
    """The same, whatever the pieces; nothing is to be wrong with the sitemap."""
    found, reader = read(body, label=label)
    assert reader.problem is None
    assert read(body, label=label, step=1)[0] == found
    assert read(body, label=label, step=7)[0] == found
    return found


def paths(found: Iterable[Entry]) -> list[str]:
    return [entry.url.removeprefix("https://example.com") for entry in found]


def test_a_whole_sitemap() -> None:
    assert entries(
        f"""<?xml version="1.0" encoding="UTF-8"?>
        <?xml-stylesheet type="text/xsl" href="sitemap.xsl"?>
        <urlset {NAMESPACE}>
          <!-- written by hand -->
          <url>
            <loc>
              HTTPS://Example.com:443/a/../b?x=1&amp;y=2#top
            </loc>
            <lastmod>2024-05-01T02:00:00+02:00</lastmod>
            <changefreq>Weekly</changefreq>
            <priority>0.8</priority>
          </url>
          <url><loc><![CDATA[https://example.com/ü?a&b]]></loc><lastmod/><priority>1</priority></url>
          <url><loc>https://example.com/c</loc><lastmod>soon</lastmod><changefreq>often</changefreq>
            <priority>high</priority></url>
        </urlset>"""
    ) == [
        Entry("https://example.com/b?x=1&y=2", MAY_2024, 0.8, "weekly"),
        Entry("https://example.com/%C3%BC?a&b", priority=1.0),
        Entry("https://example.com/c"),
    ]


def test_an_index() -> None:
    found = entries(
        f"<sitemapindex {NAMESPACE}><sitemap><loc>https://example.com/1.xml.gz</loc><lastmod>2024-05-01</lastmod>"
        "</sitemap><sitemap><loc>https://example.com/2.xml</loc></sitemap></sitemapindex>"
    )
    assert found == [
        Entry("https://example.com/1.xml.gz", MAY_2024, is_sitemap=True),
        Entry("https://example.com/2.xml", is_sitemap=True),
    ]


@pytest.mark.parametrize("prefixes", ["declared", "undeclared", "none", "wrong"])
def test_extensions_whatever_their_namespaces(prefixes: str) -> None:
    image, video, news, xhtml = "image:", "video:", "news:", "xhtml:"
    declarations = NAMESPACE
    if prefixes == "declared":
        declarations += (
            ' xmlns:image="http://www.google.com/schemas/sitemap-image/1.1"'
            ' xmlns:video="http://www.google.com/schemas/sitemap-video/1.1"'
            ' xmlns:news="http://www.google.com/schemas/sitemap-news/0.9" xmlns:xhtml="http://www.w3.org/1999/xhtml"'
        )
    elif prefixes == "none":
        image = video = news = xhtml = ""
    elif prefixes == "wrong":
        image, video, news, xhtml = "i:", "v:", "n:", "x:"
        declarations = 'xmlns="urn:a" xmlns:i="urn:b" xmlns:v="urn:b" xmlns:n="urn:c" xmlns:x="urn:d"'
    found = entries(
        f"""<urlset {declarations}><url>
        <{image}image><{image}loc>https://example.com/1.png</{image}loc><{image}title>One &amp; only</{image}title>
          <{image}caption>C</{image}caption></{image}image>
        <{image}image><{image}loc>/2.png</{image}loc></{image}image><{image}image/>
        <{video}video><{video}thumbnail_loc>/t.jpg</{video}thumbnail_loc><{video}title>V</{video}title>
          <{video}content_loc>https://cdn.example/v.mp4</{video}content_loc></{video}video>
        <{news}news><{news}publication><{news}name>The Times</{news}name><{news}language>en</{news}language>
          </{news}publication><{news}publication_date>2024-05-01</{news}publication_date><{news}title>N</{news}title>
          </{news}news>
        <{xhtml}link rel="alternate" hreflang="de" href="https://example.com/de?a=1&amp;b=2"/>
        <{xhtml}link rel="Alternate" hreflang="x-default" href="https://example.com/"></{xhtml}link>
        <{xhtml}link rel="alternate" hreflang="fr"/><{xhtml}link rel="icon" hreflang="it" href="/i"/>
        <loc>https://example.com/page</loc>
        </url></urlset>"""
    )
    assert found == [
        Entry(
            "https://example.com/page",
            alternates=(("de", "https://example.com/de?a=1&b=2"), ("x-default", "https://example.com/")),
            images=(Image("https://example.com/1.png", "One & only", "C"), Image("https://example.com/2.png")),
            videos=(Video("https://cdn.example/v.mp4", None, "https://example.com/t.jpg", "V"),),
            news=News("N", MAY_2024, "The Times", "en"),
        )
    ]


@pytest.mark.parametrize(
    ("start", "inner"),
    [
        ('<urlset xmlns="http://www.google.com/schemas/sitemap/0.84">', ""),
        ("<urlset>", ""),
        ('<urlset xmlns="http://www.google.com/schemas/sitemap/0.84">', ' xmlns=""'),
        ('<s:urlset xmlns:s="http://www.sitemaps.org/schemas/sitemap/0.9">', ""),
        ('\n  <?xml version="1.0"?>\n<urlset>', ""),
        ('\ufeff<?xml version="1.0"?><urlset>', ""),
        ('<b>Warning</b>: no such file<br />\n<?xml version="1.0"?><urlset>', ""),
        ('<?xml version="1.0" encoding="UTF-16"?><urlset>', ""),
        ('<?xml version="1.0" encoding="no-such-thing"?><urlset>', ""),
        ('<!DOCTYPE urlset SYSTEM "http://localhost:1/x.dtd"><URLSET>', ""),
    ],
)
def test_odd_beginnings(start: str, inner: str) -> None:
    end = start.rpartition("<")[2].split()[0].rstrip(">")
    found = entries(f"{start}<url{inner}><loc>https://example.com/é</loc></url></{end}>")
    assert paths(found) == ["/%C3%A9"]


@pytest.mark.parametrize(
    ("python", "declared", "label"),
    [
        ("latin-1", "ISO-8859-1", None),
        ("cp1251", "windows-1251", None),
        ("shift_jis", "Shift_JIS", None),
        ("utf-16", "UTF-16", None),
        ("utf-16-le", "UTF-16", None),
        ("utf-8", "ISO-8859-1", "utf-8"),
    ],
)
def test_encodings(python: str, declared: str, label: str | None) -> None:
    letter = {"latin-1": "é", "cp1251": "ж", "shift_jis": "表"}.get(python, "é")
    body = f'<?xml version="1.0" encoding="{declared}"?>\n<urlset><url><loc>https://example.com/{letter}</loc></url></urlset>'
    assert entries(body.encode(python), label) == [Entry(urls.normalise(f"https://example.com/{letter}"))]


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("https://example.com/?a=1&b=2", "/?a=1&b=2"),
        ("https://example.com/?a=1&copy=2&amp;c=&lt;", "/?a=1&copy=2&c=%3C"),
        ("https://example.com/&#101;&#x65;&eacute;&nope;&#0;", "/ee%C3%A9&nope;%EF%BF%BD"),
        ("https://example.com/a < b", "/a%20%3C%20b"),
        ("https://example.com/a\0\x01b", "/ab"),
        ("https://example.com/a\n   b", "/a%20%20%20b"),
        ("https://user:secret@example.com/", "/"),
        ("<b>https://example.com/b</b>", "/b"),
        ("/root", "/root"),
        ("//example.com/x", "/x"),
    ],
)
def test_locations_as_the_web_writes_them(text: str, url: str) -> None:
    assert paths(entries(f"<urlset><url><loc>{text}</loc></url></urlset>")) == [url]


@pytest.mark.parametrize(
    "text", ["", "page.html", "example.com/page", "?x", "mailto:a@b.c", "ftp://x/", "http://", "https://[", "/" * 9000]
)
def test_what_is_no_location_is_left_out_and_counted(text: str) -> None:
    found, reader = read(
        f"<urlset><url><loc>{text}</loc></url><url/><url><loc>https://example.com/b</loc></url></urlset>"
    )
    assert paths(found) == ["/b"]
    assert (reader.skipped, reader.problem) == (2, None)


@pytest.mark.parametrize(
    ("broken", "found"),
    [
        ("<url><loc>https://example.com/b</loc></url><url><loc>https://example.com/c", ["/a", "/b"]),
        ("<url><loc>https://example.com/b</loc>", ["/a"]),
        (
            "<url><loc>https://example.com/b</lco></url><url><loc>https://example.com/c</loc></url></urlset>",
            ["/a", "/b", "/c"],
        ),
        ("<url><loc>https://example.com/b</loc></url></urlset><p>", ["/a", "/b"]),
        ("<url><loc a=>https://example.com/b</loc></url></urlset>", ["/a"]),
    ],
)
def test_broken_xml_is_read_as_far_as_it_goes(broken: str, found: list[str]) -> None:
    for step in (1, 7, 65_536):
        some, reader = read(f"<urlset><url><loc>https://example.com/a</loc></url>{broken}", step=step)
        assert paths(some)[: len(found)] == found
        assert reader.problem is not None
        assert "broken XML in line 1" in reader.problem


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        ("<!DOCTYPE html><html><head><title>x</title></head><?xml version='1.0'?><urlset/>", "HTML"),
        ("<!doctype html><html><body><url><loc>https://example.com/a</loc></url></body></html>", "HTML"),
        ("<!-- x --><HTML lang=en><p>Not found", "HTML"),
        ("<Error><Code>AccessDenied</Code><url><loc>https://example.com/a</loc></url></Error>", "other XML"),
        ('{"error": "no"}', "neither"),
        ("", "neither"),
        (" \n", "neither"),
        ("<?xml version='1.0'?>", "no sitemap"),
        ("\x89PNG\r\n\x1a\n\0\0", "neither"),
    ],
)
def test_what_is_no_sitemap_has_no_entries_and_says_so(body: str, problem: str) -> None:
    for data in (body.encode(), gzip.compress(body.encode())):
        for step in (1, 65_536):
            found, reader = read(data, step=step)
            assert found == []
            assert problem in (reader.problem or "")


def test_text_sitemaps() -> None:
    text = "\ufeffhttps://example.com/a\r\n\r\n https://example.com/ü \n# comment\nHTTPS://EXAMPLE.com/b#x\nhttps://example.com/c"
    found, reader = read(text)
    assert paths(found) == ["/a", "/%C3%BC", "/b", "/c"]
    assert (reader.problem, reader.skipped) == (None, 1)
    assert read(text, step=1)[0] == found
    assert entries("https://example.com/é\n".encode("utf-16")) == [Entry("https://example.com/%C3%A9")]


def test_feeds_as_sitemaps() -> None:
    assert entries(
        """<rss version="2.0"><channel><link>https://example.com/</link>
        <item><title>A</title><link>https://example.com/a</link><pubDate>Wed, 01 May 2024 00:00:00 GMT</pubDate></item>
        <item><guid>https://example.com/b</guid><description>&lt;a href="x"&gt;</description></item></channel></rss>"""
    ) == [Entry("https://example.com/a", MAY_2024), Entry("https://example.com/b")]
    assert entries(
        """<feed xmlns="http://www.w3.org/2005/Atom"><link href="https://example.com/"/><entry>
        <link rel="edit" href="https://example.com/edit"/><link href="a"/><published>2023-01-01T00:00:00Z</published>
        <updated>2024-05-01T00:00:00Z</updated><content type="xhtml"><div><link href="/no"/></div></content>
        </entry></feed>"""
    ) == [Entry("https://example.com/maps/a", MAY_2024)]


def test_gzip_by_its_first_bytes() -> None:
    body = (
        b"<urlset>" + b"".join(b"<url><loc>https://example.com/%d</loc></url>" % n for n in range(2000)) + b"</urlset>"
    )
    expected = [f"/{n}" for n in range(2000)]
    for step in (1, 1000, 65_536):
        found, reader = read(gzip.compress(body), step=step)
        assert (paths(found), reader.problem) == (expected, None)
    in_two = gzip.compress(body[:999]) + gzip.compress(body[999:]) + b"\0" * 512
    found, reader = read(in_two)
    assert (paths(found), reader.problem) == (expected, None)


def test_gzip_that_breaks_off_or_is_broken_is_read_as_far_as_it_goes() -> None:
    lines = "".join(f"https://example.com/{zlib.crc32(b'%d' % n)}\n" for n in range(5000)).encode()
    packed = gzip.compress(lines)
    found, reader = read(packed[: len(packed) // 2])
    assert 0 < len(found) < 5000
    assert reader.problem == "the gzip file breaks off"
    found, reader = read(packed[: len(packed) // 2] + b"\xff" * 1000)
    assert 0 < len(found) < 5000
    assert "broken" in (reader.problem or "")


@pytest.mark.parametrize("form", ["xml", "text", "index"])
def test_more_urls_than_the_protocol_allows_are_cut_and_it_is_said(form: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sitemap, "MOST_URLS", 5_000)  # for speed
    start, line = {
        "xml": (b"<urlset>", b"<url><loc>https://example.com/%d</loc></url>"),
        "text": (b"", b"https://example.com/%d\n"),
        "index": (b"<sitemapindex>", b"<sitemap><loc>https://example.com/%d</loc></sitemap>"),
    }[form]
    found, reader = read(start + b"".join(line % n for n in range(5_000)))
    assert len(found) == 5_000
    assert "cut" not in (reader.problem or "")
    found, reader = read_pieces(itertools.chain([start], (line % n for n in itertools.count())))
    assert paths(found) == [f"/{n}" for n in range(5_000)]
    assert reader.problem == "cut: more than 5,000 URLs"


@pytest.mark.parametrize(
    ("date", "expected"),
    [
        ("2024", "2024-01-01T00:00:00"),
        ("2024-05", "2024-05-01T00:00:00"),
        ("2024-05-02", "2024-05-02T00:00:00"),
        ("2024-05-02T03:04Z", "2024-05-02T03:04:00"),
        ("2024-05-02T03:04-01:00", "2024-05-02T04:04:00"),
        ("2024-05-02T03:04:05+05:30", "2024-05-01T21:34:05"),
        ("2024-05-02T03:04:05.25Z", "2024-05-02T03:04:05.250000"),
        ("2024-05-02T03:04:05.1234567Z", "2024-05-02T03:04:05.123457"),
        ("2024-05-02T03:04:05", "2024-05-02T03:04:05"),
        ("2024-05-02 03:04:05", "2024-05-02T03:04:05"),
        ("2024-05-02 03:04:05 UTC", "2024-05-02T03:04:05"),
        ("2024-05-02T03:04:05+0100", "2024-05-02T02:04:05"),
        ("2024-5-2", "2024-05-02T00:00:00"),
        ("2024/05/02", "2024-05-02T00:00:00"),
        ("Thu, 02 May 2024 03:04:05 GMT", "2024-05-02T03:04:05"),
        ("Thu, 02 May 2024 03:04:05 EST", "2024-05-02T08:04:05"),
        ("2 May 2024 03:04 +0100", "2024-05-02T02:04:00"),
        (" 2024-05-02\n", "2024-05-02T00:00:00"),
        ("1969-12-31", "1969-12-31T00:00:00"),
    ],
)
def test_dates_in_all_their_precisions(date: str, expected: str) -> None:
    seconds = dates.seconds(date)
    assert seconds is not None
    assert seconds == pytest.approx(datetime.fromisoformat(expected).replace(tzinfo=UTC).timestamp(), abs=1e-6)


@pytest.mark.parametrize(
    "date",
    [
        *("", "soon", ",", "x" * 10_000, "١٢٣٤", "Thu, 99 May 2024", "05/02/2024"),
        *("0000-00-00", "-0001-11-30T00:00:00+00:00", "2024-13-01", "2024-02-30", "2024-05-02T25:00:00Z"),
        *("2015-10-08T07:18:53.8Z 2015-06-15T15:33:55Z", "2024-05-02T03:04:05+99:00"),
    ],
)
def test_what_is_no_date_is_none(date: str) -> None:
    assert dates.seconds(date) is None


@given(st.text(max_size=40))
def test_no_text_is_too_odd_for_a_date(text: str) -> None:
    dates.seconds(text)


@pytest.mark.parametrize(
    ("text", "priority"),
    [("0.0", 0.0), ("1.0", 1.0), (" 0.5 ", 0.5), ("0,8", 0.8), ("1.1", None), ("-1", None), ("nan", None), ("", None)],
)
def test_priorities(text: str, priority: float | None) -> None:
    body = f"<urlset><url><loc>/a</loc><priority>{text}</priority></url></urlset>"
    assert [entry.priority for entry in entries(body)] == [priority]


@pytest.mark.parametrize(
    ("entry", "of", "via_robots", "may"),
    [
        ("https://example.com/a", "https://example.com/s/sitemap.xml", False, True),
        ("http://example.com/a", "https://example.com/sitemap.xml", False, True),
        ("https://example.com:8443/a", "https://example.com/sitemap.xml", False, False),
        ("http://localhost:8001/a", "http://localhost:8001/sitemap.xml", False, True),
        ("https://www.example.com/a", "https://example.com/sitemap.xml", False, False),
        ("https://other.example/a", "https://example.com/sitemap.xml", False, False),
        ("https://other.example/a", "https://example.com/sitemap.xml", True, True),
        ("http://[::1]/a", "http://[::1]/sitemap.xml", False, True),
    ],
)
def test_a_sitemap_speaks_for_its_own_host_or_for_one_whose_robots_txt_names_it(
    entry: str, of: str, via_robots: bool, may: bool
) -> None:
    assert allowed(entry, of, via_robots) is may


WORDS = st.text(st.characters(exclude_categories=["Cs", "Cc", "Cn", "Co", "Zs", "Zl", "Zp"]), min_size=1, max_size=8)
URLS = st.lists(WORDS, max_size=3).map(lambda words: urls.normalise("https://example.com/" + "/".join(words)))
SECONDS = st.integers(0, 4_000_000_000).map(float)
ENTRIES = st.lists(
    st.builds(
        Entry,
        URLS,
        lastmod=st.none() | SECONDS,
        priority=st.none() | st.integers(0, 10).map(lambda tenths: tenths / 10),
        changefreq=st.none() | st.sampled_from(["always", "weekly", "never"]),
        alternates=st.lists(st.tuples(st.sampled_from(["de", "en-GB", "x-default"]), URLS), max_size=2).map(tuple),
        images=st.lists(st.builds(Image, URLS, title=st.none() | WORDS, caption=st.none()), max_size=2).map(tuple),
        is_sitemap=st.just(False),
        videos=st.just(()),
        news=st.none() | st.builds(News, WORDS, SECONDS, WORDS, st.just("en")),
    ),
    max_size=5,
)


def written(found: list[Entry]) -> str:
    """A sitemap that says just this."""

    def element(name: str, text: object) -> str:
        return f"<{name}>{escape(str(text))}</{name}>" if text is not None else ""

    def day(seconds: float | None) -> str | None:
        return None if seconds is None else datetime.fromtimestamp(seconds, UTC).isoformat()

    body = ""
    for entry in found:
        body += f"\n<url>{element('loc', entry.url)}{element('lastmod', day(entry.lastmod))}"
        body += element("changefreq", entry.changefreq) + element("priority", entry.priority)
        for language, url in entry.alternates:
            body += f'<xhtml:link rel="alternate" hreflang="{language}" href={quoteattr(url)}/>'
        for image in entry.images:
            body += f"<image:image>{element('image:loc', image.url)}{element('image:title', image.title)}</image:image>"
        if (news := entry.news) is not None:
            body += f"<news:news><news:publication>{element('news:name', news.publication)}"
            body += f"{element('news:language', news.language)}</news:publication>{element('news:title', news.title)}"
            body += f"{element('news:publication_date', day(news.published))}</news:news>"
        body += "</url>"
    return f'<?xml version="1.0"?><urlset {NAMESPACE}>{body}</urlset>'


@given(ENTRIES, st.integers(1, 300), st.booleans())
def test_what_is_written_is_read(found: list[Entry], step: int, packed: bool) -> None:
    body = written(found).encode()
    again, reader = read(gzip.compress(body) if packed else body, step=step)
    assert again == found
    assert (reader.problem, reader.skipped) == (None, 0)


@given(st.binary(max_size=300), ENTRIES, st.integers(0, 2000), st.integers(1, 300))
def test_no_bytes_make_it_fail(junk: bytes, found: list[Entry], at: int, step: int) -> None:
    body = written(found).encode()
    some, _ = read(body[:at] + junk + body[at:], step=step)
    assert all(entry.url.startswith(("http://", "https://")) for entry in some)
    read(junk, step=step)


@pytest.fixture
def counting() -> Iterator[tuple[int, list[bytes]]]:
    """The port of a server on loopback, and what it was asked."""
    asked: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            while True:
                try:
                    connection, _ = server.accept()
                except OSError:
                    return
                with connection:
                    asked.append(connection.recv(100))

        threading.Thread(target=serve, daemon=True).start()
        port = server.getsockname()[1]
        yield port, asked
        with socket.create_connection(("127.0.0.1", port)) as probe:  # it would have noticed
            probe.sendall(b"probe")
            assert probe.recv(1) == b""
        assert asked == [b"probe"]
        server.shutdown(socket.SHUT_RDWR)


@pytest.mark.parametrize("content_type", ["sitemap", "application/xml", "application/rss+xml"])
async def test_entities_are_neither_fetched_nor_expanded(content_type: str, counting: tuple[int, list[bytes]]) -> None:
    url = f"http://127.0.0.1:{counting[0]}"
    laughs = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 10))
    root = "rss" if content_type == "application/rss+xml" else "urlset"
    body = (
        f'<?xml version="1.0"?><?xml-stylesheet href="{url}/style"?>'
        f'<!DOCTYPE {root} PUBLIC "x" "{url}/dtd" [<!ENTITY l0 "lol">{laughs}<!ENTITY file SYSTEM "file:///etc/passwd">'
        f'<!ENTITY web SYSTEM "{url}/entity"><!ENTITY % more SYSTEM "{url}/parameters"> %more;]>'
        f'<{root} xmlns:xi="http://www.w3.org/2001/XInclude"><xi:include href="{url}/include"/>'
        "<url><loc>https://example.com/&l9;&file;&web;</loc></url>"
        f"<item><link>https://example.com/&l9;&file;&web;</link></item></{root}>"
    ).encode()
    if content_type == "sitemap":
        found = [entry.url for entry in read(body)[0]]
    else:
        found = (await parsers.parse(Response(URL, 200, {"content-type": content_type}, body, 0.1))).links
    assert set(found) <= {"https://example.com/&l9;&file;&web;"}


def _hostile() -> dict[str, Iterator[bytes]]:
    start = b"<urlset><url><loc>https://example.com/a</loc></url>"
    packer = zlib.compressobj(9, wbits=31)
    forever = itertools.repeat
    return {
        "one text": itertools.chain([start + b"<url><loc>http://"], forever(b"x" * 65_536)),
        "one text around": itertools.chain([start], forever(b"x" * 65_536)),
        "one CDATA section": itertools.chain([start + b"<url><loc><![CDATA["], forever(b"x" * 65_536)),
        "one comment": itertools.chain([start + b"<!--"], forever(b"x" * 65_536)),
        "one name": itertools.chain([start + b"<"], forever(b"x" * 65_536)),
        "one declaration": itertools.chain([b"<!DOCTYPE a ["], forever(b'<!ENTITY a "b">' * 4000)),
        "one line": forever(b"x" * 65_536),
        "deep": itertools.chain([start], forever(b"<a>" * 20_000)),
        "deep records": itertools.chain([start], forever(b"<url>" * 20_000)),
        "deep in a location": itertools.chain([start + b"<url><loc>"], forever(b"<a>" * 20_000)),
        "one record": itertools.chain([start + b"<url>"], forever(b"<image><loc>/i</loc></image>" * 2_000)),
        "a million attributes": iter([start + b"<url", b"".join(b' a%d=""' % n for n in range(10**6)), b"/></urlset>"]),
        "NULs": forever(b"\0" * 65_536),
        "ampersands": itertools.chain([start + b"<url><loc>http://a/"], forever(b"&" * 65_536)),
        "a bomb": itertools.chain([packer.compress(start)], (packer.compress(b"y" * 2**20) for _ in range(200))),
        "empty gzip members": forever(gzip.compress(b"") * 3_000),
    }


@pytest.mark.parametrize("name", _hostile())
def test_what_is_endless_ends_in_bounded_memory(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sitemap, "MOST_BYTES", 12 * 2**20)  # for speed
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    found, reader = read_pieces(_hostile()[name])
    assert reader.problem is not None
    assert len(found) == (0 if name in {"one line", "one declaration", "NULs", "empty gzip members"} else 1)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 400 * 1024  # KB


async def test_a_sitemap_met_as_a_page_is_followed() -> None:
    body = f"<urlset {NAMESPACE}><url><loc>https://example.com/a</loc></url><url><loc>/a</loc></url><url/></urlset>".encode()
    page = await parsers.parse(Response(URL, 200, {"content-type": "text/xml"}, body, 0.1))
    assert page.links == ["https://example.com/a"]
    assert page.facts == {"sitemap": {"entries": 2, "skipped": 1, "problem": None}}


def test_limits_are_those_of_the_protocol() -> None:
    assert (sitemap.MOST_URLS, sitemap.MOST_BYTES) == (50_000, 50 * 1024 * 1024)
