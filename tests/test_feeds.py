"""Feeds and other XML are pages: their links are followed, whatever the format and however it is written."""

import itertools
import json
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

import parsers
from parsers import feed, xml
from parsers.asked import USUALLY, Asked
from parsers.discovery import Finds
from parsers.page import Page, Response

URL = "https://example.com/blog/feed"
MAY_2024 = "2024-05-01T00:00:00+00:00"


async def read(body: str | bytes, content_type: str = "application/xml") -> Page:
    """The page at URL; it can be written."""
    data = body if isinstance(body, bytes) else body.encode()
    asked = Asked(resources=True)
    page = await parsers.parse(Response(URL, 200, {"content-type": content_type}, data, 0.1), asked=asked)
    orjson.dumps(page, default=list)
    return page


def entry(url: str | None, **facts: str | None) -> dict[str, str | None]:
    return {"url": url, "title": None, "id": None, "author": None, "published": None, "updated": None} | facts


RSS_2 = """<?xml version="1.0"?>
<rss version="2.0" xmlns:atom="http://www.w3.org/2005/Atom" xmlns:dc="http://purl.org/dc/elements/1.1/"
  xmlns:itunes="http://www.itunes.com/dtds/podcast-1.0.dtd" xmlns:media="http://search.yahoo.com/mrss/"
  xmlns:content="http://purl.org/rss/1.0/modules/content/" xmlns:slash="http://purl.org/rss/1.0/modules/slash/">
<channel>
  <atom:link rel="self" href="https://example.com/self"/><atom:link rel="next" href="?page=2"/>
  <atom:link rel="hub" href="https://hub.example/"/>
  <title>The &lt;b&gt;Blog&lt;/b&gt; &amp;amp; more</title><link>https://example.com/</link>
  <description>All
    there is</description><language>en-gb</language>
  <image><url>/logo.png</url><title>no title</title><link>https://example.com/no</link></image>
  <textInput><title>no</title><link>https://example.com/no</link></textInput>
  <itunes:image href="/cover.jpg"/>
  <item>
    <title><![CDATA[One & <i>two</i>]]></title><link>https://example.com/1?a=1&amp;b=2#top</link>
    <guid isPermaLink="false">id-1</guid><pubDate>Wed, 01 May 2024 02:00:00 +0200</pubDate>
    <dc:creator>Ann</dc:creator><comments>https://example.com/1/comments</comments><slash:comments>3</slash:comments>
    <description>&lt;a href="https://example.com/no"&gt;x&lt;/a&gt;</description>
    <content:encoded><![CDATA[<a href="https://example.com/no">x</a>]]></content:encoded>
    <enclosure url="/1.mp3" length="9" type="audio/mpeg"/><media:thumbnail url="/1.jpg"/>
    <media:group><media:content url="/1.mp4"><media:title>no</media:title></media:content></media:group>
    <source url="https://other.example/rss"><title>no</title></source>
  </item>
  <item><guid>https://example.com/2</guid><title/></item>
  <item><guid isPermaLink="false">https://example.com/no</guid><title>Three</title></item>
  <item><link>https://example.com/1?a=1&amp;b=2</link></item>
</channel></rss>"""


async def test_rss_2() -> None:
    page = await read(RSS_2, "application/rss+xml")
    assert (page.title, page.description, page.lang) == ("The Blog & more", "All there is", "en-gb")
    assert (page.charset, page.content_type) == ("utf-8", "application/rss+xml")
    assert page.links == [
        "https://example.com/blog/feed?page=2",
        "https://example.com/",
        "https://example.com/1?a=1&b=2",
        "https://example.com/1/comments",
        "https://example.com/2",
    ]
    assert page.facts == {
        "feed": {
            "type": "rss",
            "version": "2.0",
            "problem": None,
            "count": 4,
            "entries": [
                entry("https://example.com/1?a=1&b=2", title="One & two", id="id-1", author="Ann", published=MAY_2024),
                entry("https://example.com/2", id="https://example.com/2"),
                entry(None, title="Three", id="https://example.com/no"),
                entry("https://example.com/1?a=1&b=2"),
            ],
        },
        "resources": {
            "media": [
                "https://example.com/logo.png",
                "https://example.com/cover.jpg",
                "https://example.com/1.mp3",
                "https://example.com/1.jpg",
                "https://example.com/1.mp4",
            ]
        },
    }


async def test_atom_1() -> None:
    page = await read(
        """<feed xmlns="http://www.w3.org/2005/Atom" xml:lang="de" xml:base="https://example.com/b/">
        <title type="xhtml"><div xmlns="http://www.w3.org/1999/xhtml">A <em>big</em> one</div></title>
        <subtitle>S</subtitle><id>urn:feed</id><author><name>Owner</name></author>
        <link rel="self" href="self"/><link href="/"/><link rel="prev-archive" href="2023"/>
        <entry xml:base="sub/"><title type="html">&lt;b&gt;T&lt;/b&gt; &amp;amp; U</title><id>urn:1</id>
          <link rel="edit" href="no"/><link rel="enclosure" href="a.mp3"/><link rel="alternate" href="1"/>
          <link rel="related" href="https://other.example/"/>
          <published>2024-05-01T00:00:00Z</published><updated>2024-05-01T01:00:00+01:00</updated>
          <author><name>Ann</name><uri>https://example.com/ann</uri></author>
          <source><title>no</title><link href="no"/></source>
          <content type="xhtml"><div xmlns="http://www.w3.org/1999/xhtml"><a href="no">x</a></div></content></entry>
        <entry><title>Out of line</title><content src="2.html" type="text/html"/></entry>
        </feed>""",
        "application/atom+xml",
    )
    assert (page.title, page.description, page.lang) == ("A big one", "S", "de")
    assert page.links == [
        "https://example.com/",
        "https://example.com/b/2023",
        "https://example.com/b/sub/1",
        "https://other.example/",
        "https://example.com/b/2.html",
    ]
    told = page.facts["feed"]
    assert told["entries"] == [
        entry(
            "https://example.com/b/sub/1",
            title="T & U",
            id="urn:1",
            author="Ann",
            published=MAY_2024,
            updated=MAY_2024,
        ),
        entry("https://example.com/b/2.html", title="Out of line"),
    ]
    assert (told["type"], told["version"]) == ("atom", "1.0")
    assert page.facts["resources"]["media"] == ["https://example.com/b/sub/a.mp3"]


async def test_atom_03() -> None:
    page = await read(
        """<feed version="0.3" xmlns="http://purl.org/atom/ns#"><title>T</title><tagline>L</tagline>
        <link rel="alternate" type="text/html" href="https://example.com/"/>
        <entry><title>E</title><link rel="alternate" type="text/html" href="https://example.com/1"/>
        <issued>2024-05-01</issued><modified>2024-05-01T00:00:00Z</modified></entry></feed>"""
    )
    assert (page.title, page.description) == ("T", "L")
    assert page.links == ["https://example.com/", "https://example.com/1"]
    assert page.facts["feed"]["version"] == "0.3"
    assert page.facts["feed"]["entries"] == [
        entry("https://example.com/1", title="E", published=MAY_2024, updated=MAY_2024)
    ]


@pytest.mark.parametrize(
    ("title", "atom", "rss"),
    [
        ("<title>a &lt;b> c</title>", "a <b> c", "a c"),
        ('<title type="html">a &lt;b> c &amp;amp; d</title>', "a c & d", "a c & d"),
        ('<title type="xhtml"><div>a <i>&lt;b></i> c</div></title>', "a <b> c", "a c"),
        ('<title type="html">a&lt;script>x&lt;/script>&lt;!-- y --> 1 &lt; 2</title>', "a 1 < 2", "a 1 < 2"),
        ("<title><![CDATA[a <b>b</b> &amp; c]]></title>", "a <b>b</b> & c", "a b & c"),
    ],
)
async def test_titles_are_text(title: str, atom: str, rss: str) -> None:
    page = await read(f"<feed>{title}<entry>{title}</entry></feed>")
    assert (page.title, page.facts["feed"]["entries"][0]["title"]) == (atom, atom)
    page = await read(f"<rss><channel>{title}<item>{title}</item></channel></rss>")
    assert (page.title, page.facts["feed"]["entries"][0]["title"]) == (rss, rss)


@pytest.mark.parametrize("namespace", ["http://purl.org/rss/1.0/", "http://my.netscape.com/rdf/simple/0.9/"])
async def test_rss_in_rdf(namespace: str) -> None:
    page = await read(
        f"""<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#" xmlns="{namespace}"
          xmlns:dc="http://purl.org/dc/elements/1.1/">
        <channel rdf:about="https://example.com/feed"><title>T</title><link>https://example.com/</link>
          <items><rdf:Seq><rdf:li rdf:resource="https://example.com/1"/></rdf:Seq></items>
          <image rdf:resource="https://example.com/logo"/></channel>
        <image><title>no</title><link>https://example.com/no</link><url>https://example.com/logo.png</url></image>
        <item rdf:about="https://example.com/1"><title>E</title><dc:date>2024-05-01</dc:date>
          <dc:creator>Ann</dc:creator></item></rdf:RDF>""",
        "application/rdf+xml",
    )
    assert page.title == "T"
    assert page.links == ["https://example.com/", "https://example.com/1"]
    told = page.facts["feed"]
    assert told["type"] == "rdf"
    assert told["entries"] == [
        entry("https://example.com/1", title="E", id="https://example.com/1", author="Ann", published=MAY_2024)
    ]
    assert page.facts["resources"]["media"] == ["https://example.com/logo", "https://example.com/logo.png"]


@pytest.mark.parametrize("version", ["0.91", "0.92", "0.93", "0.94"])
async def test_older_rss(version: str) -> None:
    page = await read(
        '<!DOCTYPE rss PUBLIC "-//Netscape Communications//DTD RSS 0.91//EN" "http://localhost:1/rss-0.91.dtd">'
        f'<rss version="{version}"><channel><title>T</title><link>https://example.com/</link>'
        "<item><title>caf&eacute; &nope;</title><link>https://example.com/1</link></item></channel></rss>"
    )
    assert page.links == ["https://example.com/", "https://example.com/1"]
    assert page.facts["feed"]["version"] == version
    assert page.facts["feed"]["entries"][0]["title"] == "café &nope;"


async def test_json_feed() -> None:
    document: dict[str, Any] = {
        "version": "https://jsonfeed.org/version/1.1",
        "title": "T",
        "language": "en",
        "home_page_url": "https://example.com/",
        "feed_url": URL,
        "next_url": "?page=2",
        "icon": "/icon.png",
        "items": [
            {
                "id": 1,
                "url": "/1",
                "external_url": "https://other.example/",
                "title": "One",
                "date_published": "2024-05-01T00:00:00Z",
                "authors": [{"name": "Ann"}],
                "attachments": [{"url": "/1.mp3"}, None],
                "content_html": "<a href='/no'>",
            },
            {"id": "2", "author": {"name": "Bob"}, "date_modified": "2024-05-01", "url": 5, "title": []},
            None,
            "x",
        ],
    }
    page = await read("\ufeff" + json.dumps(document), "application/feed+json")
    assert (page.title, page.lang, page.charset) == ("T", "en", "utf-8")
    assert page.links == [
        "https://example.com/",
        "https://example.com/1",
        "https://other.example/",
        "https://example.com/blog/feed?page=2",
    ]
    assert page.facts["feed"] == {
        "type": "json",
        "version": "1.1",
        "problem": None,
        "count": 2,
        "entries": [
            entry("https://example.com/1", title="One", id="1", author="Ann", published=MAY_2024),
            entry(None, id="2", author="Bob", updated=MAY_2024),
        ],
    }
    assert page.facts["resources"] == {"media": ["https://example.com/1.mp3", "https://example.com/icon.png"]}


async def test_a_json_feed_under_the_name_of_json() -> None:
    body = '{"version": "https:\\/\\/jsonfeed.org\\/version\\/1", "items": [{"url": "/1"}]}'
    assert (await read(body, "application/json")).links == ["https://example.com/1"]
    page = await read('{"version": "1", "items": [{"url": "/1"}]}', "application/json; charset=utf-8")
    assert (page.links, page.facts, page.charset) == ([], None, "utf-8")


@pytest.mark.parametrize("body", ["", "[]", "{}", "nonsense", '{"items": {}}', "[" * 100_000, '{"title": "\\ud800"}'])
async def test_other_json_is_an_empty_page(body: str) -> None:
    page = await read(body, "application/feed+json")
    assert (page.links, page.title, page.problem) == ([], None, None)


async def test_a_feed_that_breaks_off_is_read_as_far_as_it_goes() -> None:
    page = await read(RSS_2[: RSS_2.index("<title/>")], "application/rss+xml")
    assert page.links[-1] == "https://example.com/1/comments"
    assert page.facts["feed"]["count"] == 1
    assert "broken XML" in page.facts["feed"]["problem"]
    assert page.problem is None


@pytest.mark.parametrize(
    ("body", "content_type", "charset", "title"),
    [
        (
            '<?xml version="1.0" encoding="ISO-8859-1"?><rss><title>é</title></rss>'.encode("latin-1"),
            "",
            "windows-1252",
            "é",
        ),
        ('<?xml version="1.0" encoding="ISO-8859-1"?><rss><title>é</title></rss>'.encode(), "utf-8", "utf-8", "é"),
        ("<rss><title>ж</title></rss>".encode("koi8-r"), "KOI8-R", "koi8-r", "ж"),
        ('<?xml version="1.0"?><rss><title>é</title></rss>'.encode("utf-16"), "", "utf-16le", "é"),
        ('<?xml version="1.0"?><rss><title>é</title></rss>'.encode("utf-16-be"), "", "utf-16be", "é"),
        (b"\xef\xbb\xbf<rss><title>\xc3\xa9</title></rss>", "ISO-8859-1", "utf-8", "é"),
        (b"<rss><title>a\xffb</title></rss>", "", "utf-8", "a\ufffdb"),
    ],
)
async def test_character_sets(body: bytes, content_type: str, charset: str, title: str) -> None:
    for essence in ("application/rss+xml", "text/xml"):
        page = await read(body, f"{essence}; charset={content_type}" if content_type else essence)
        assert (page.charset, page.title) == (charset, title)


async def test_numbers_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feed, "MOST_LINKS", 2_000)
    items = "".join(f"<item><link>/{n}</link><title>{'x' * 2000}</title></item>" for n in range(2_500))
    page = await read(f"<rss>{items}</rss>")
    told = page.facts["feed"]
    assert (len(page.links), len(told["entries"]), told["count"]) == (2_000, feed.MOST_ENTRIES, 2_500)
    assert page.problem == "cut: more than 2,000 links"
    assert {len(one["title"]) for one in told["entries"]} == {1_000}


@pytest.mark.parametrize(
    ("start", "root"),
    [
        ("<rss>", "rss"),
        ('\ufeff \n<?xml version="1.0"?>\n<!-- <feed> --><?pi <x>?><rdf:RDF xmlns:rdf="x">', "rdf"),
        ('<!DOCTYPE svg PUBLIC "a" "b" [<!ENTITY x "<feed>">]><svg>', "svg"),
        ("<!doctype html><HTML>", "html"),
        ("", None),
        ("text <rss>", None),
        ("<!--" * 2_000, None),
        ("<!DOCTYPE" * 500, None),
        ("<?" * 2_000, None),
        (" " * 4_096, None),
    ],
)
def test_the_root_is_seen_at_a_glance(start: str, root: str | None) -> None:
    assert xml.root(start.encode()) == root


async def test_xhtml_under_the_name_of_xml() -> None:
    page = await read('<html xmlns="http://www.w3.org/1999/xhtml"><title>T</title><a href="/a"/></html>', "text/xml")
    assert (page.title, page.links) == ("T", ["https://example.com/a"])


async def test_svg() -> None:
    page = await read(
        """<?xml-stylesheet href="style.css?a=1&amp;b=2" type="text/css"?>
        <svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" xml:lang="en">
        <title>A &amp; B</title><use href="#x"/><image xlink:href="pic.png"/><image href="pic2.png"/>
        <a xlink:href="/old?a=1&amp;b=2"><title>no</title><text>x</text></a><a href="/new"/><a href="javascript:x"/>
        <a href="/new#again"/><rect href=""/></svg>""",
        "image/svg+xml",
    )
    assert (page.title, page.lang) == ("A & B", "en")
    assert page.links == ["https://example.com/old?a=1&b=2", "https://example.com/new"]
    assert page.facts["resources"]["xml"] == [
        "https://example.com/blog/style.css?a=1&b=2",
        "https://example.com/blog/pic.png",
        "https://example.com/blog/pic2.png",
    ]


async def test_other_xml() -> None:
    page = await read(
        """<doc xmlns:x="http://www.w3.org/1999/xlink" xmlns:h="http://www.w3.org/1999/xhtml" href="/no">
        <p x:href="/a"/><p x:href="/b" x:show="embed"/><h:a href="/c"/><a href="/no"/></doc>""",
        "text/xml; charset=utf-8",
    )
    assert page.links == ["https://example.com/a", "https://example.com/c"]
    assert page.facts == {"resources": {"xml": ["https://example.com/b"]}}
    assert (await read("<doc/>")).facts is None


@pytest.mark.parametrize("content_type", ["application/xml", "application/rss+xml", "image/svg+xml"])
async def test_hostile_xml(content_type: str) -> None:
    for body in (b"", b"\0" * 10_000, b"<", b"<a>" * 300_000, b"<item>" * 300_000, b"<rss>" + b"<title>" * 300_000):
        page = await read(body, content_type)
        assert page.links == []
    attributes = "".join(f' a{n}="{n}"' for n in range(100_000))
    page = await read(f"<rss><item{attributes}><link>/a</link></item><item><link>/b</link></item></rss>")
    assert page.links == ["https://example.com/b"]


PIECES = st.lists(
    st.sampled_from(
        [
            *(
                "<rss>",
                "</rss>",
                "<item>",
                "</item>",
                "<link>",
                "</link>",
                "<link href='x' rel='y'/>",
                "<feed>",
                "<entry>",
            ),
            *(
                "</entry>",
                "<![CDATA[",
                "]]>",
                "<!--",
                "-->",
                "&",
                "&amp;",
                "http://[",
                "/a",
                "<guid/>",
                "<x:y>",
                "<?",
                "\0",
            ),
            *(
                "<author>",
                "<name>",
                "<title>",
                "</title>",
                "<image>",
                "<urlset>",
                "<svg xmlns='http://www.w3.org/2000/svg'>",
            ),
        ]
    )
)


@given(PIECES.map("".join) | st.text(), st.sampled_from(["rss+xml", "xml", "feed+json", "rdf+xml"]))
async def test_nothing_makes_it_fail(body: str, subtype: str) -> None:
    await read(body.encode(errors="replace"), f"application/{subtype}")


def test_names_of_tags_do_not_fill_the_memory() -> None:
    """A million different ones are read; what is remembered of them is bounded."""
    body = b"".join(
        itertools.chain([b"<rss>"], (b"<n%d/>" % n for n in range(100_000)), [b"<item><link>/a</link></item>"])
    )
    page = feed.parse(Response(URL, 200, {}, body, 0.1), Finds(USUALLY))
    assert page.links == ["https://example.com/a"]
