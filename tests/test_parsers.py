"""What is read in a response: as browsers and search engines read it, and never an exception."""

import asyncio
import hashlib
import http.server
import os
import queue
import threading
from collections.abc import Iterator

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from playwright.async_api import Browser

import parsers
from parsers.asked import Asked
from parsers.likeness import likeness as likeness_of
from parsers.page import Page, Response
from parsers.threads import Threads

URL = "http://example.com/dir/page?q=1"
LINKS_ALONE = Asked(
    frozenset(), resources=False, agent="waterspout"
)  # all else that pages name: tests/test_discovery.py


async def read(body: bytes | str, content_type: str | None = "text/html", **headers: str) -> Page:
    """The page of a 200 at URL; `_` in a header's name stands for "-"."""
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    if content_type is not None:
        names["content-type"] = content_type
    return await answer(200, body.encode() if isinstance(body, str) else body, names)


async def answer(status: int, body: bytes, headers: dict[str, str]) -> Page:
    page = await parsers.parse(Response(URL, status, headers, body, 0.1), asked=LINKS_ALONE)
    orjson.dumps(page, default=list)  # it can be written
    return page


@pytest.fixture(autouse=True)
def _no_threads_left() -> Iterator[None]:
    yield
    parsers.close()
    assert not [thread.name for thread in threading.enumerate() if thread.name.startswith("parser")]


@pytest.mark.parametrize(
    ("one", "other", "alike"),
    [
        ('<a href="/x?visit=0a1b2c3d4e">x</a>', '<a href="/x">x</a>', True),
        ('<a href="/x?p=2&amp;visit=0a1b2c3d4e#c">x</a>', '<a href="/x?visit=9z9z9z9z9z&amp;p=2#c">x</a>', True),
        ("<a href=/x?visit=0a1b2c3d4e>x</a>", "<a href=/x?visit=f6g7h8i9j0>x</a>", True),
        ('<a href="/x?id=1">x</a>', '<a href="/x?id=2">x</a>', False),
        ('<img src="/x?visit=0a1b2c3d4e">', '<img src="/x?visit=f6g7h8i9j0">', False),
        ('<a href="/x?visit=0a1b2c3d4e">x</a>', '<a href="/y?visit=0a1b2c3d4e">x</a>', False),
    ],
)
def test_pages_are_alike_but_for_long_values_in_their_links(one: str, other: str, alike: bool) -> None:
    def likeness(body: str) -> int:
        raw = f"<title>t</title>{body}".encode()
        return likeness_of("http://a.example/", raw) or int(hashlib.sha256(raw).hexdigest()[:16], 16)

    assert (likeness(one) == likeness(other)) == alike
    for name in ("aaaaaaaaaa", "bbbbbbbbbb"):
        own = likeness_of(f"http://a.example/?s={name}", f"<p>{name}</p>".encode())
        assert own == likeness_of("http://a.example/?s=cccccccccc", b"<p>cccccccccc</p>")


async def test_a_whole_page() -> None:
    body = b"""<!doctype html><html lang=" en-GB"><head><meta charset=utf-8>
        <svg><title>not this</title></svg>
        <title>
            Tea &amp; \xc3\xa9clairs </title><title>second</title>
        <base href="/shop/"><base href="/other/">
        <meta name=Description content=" All
            sorts "><meta name=description content=later>
        <meta name="robots" content="NOINDEX, Max-Snippet: 20"><meta name=robots content="noindex,noarchive">
        <link rel="alternate" href=a><link rel="Canonical nofollow" href="tea#top">
        </head><body><a href=cups>x</a><map><area href="/pots#1"></map><a name=n>y</a><link rel=canonical href=evil>"""
    page = await read(body)
    assert page == Page(
        content_type="text/html",
        charset="utf-8",
        bytes=len(body),
        sha256=hashlib.sha256(body).hexdigest(),
        title="Tea & éclairs",
        description="All sorts",
        canonical="http://example.com/shop/tea",
        lang="en-GB",
        robots=["noindex", "max-snippet: 20", "noarchive"],
        links=["http://example.com/shop/cups", "http://example.com/pots"],
    )


@pytest.mark.parametrize(
    "body",
    [
        "",
        " ",
        "\0\0",
        "<!-- -->",
        "<?php ?>",
        "<!doctype html>",
        "<",
        "</a>",
        "<title></title>",
        "<title> </title>",
        "\ufeff",
        "x",
    ],
)
async def test_a_page_with_nothing_in_it(body: str) -> None:
    page = await read(body)
    assert page == Page("text/html", "utf-8", len(body.encode()), hashlib.sha256(body.encode()).hexdigest())


@pytest.mark.parametrize(
    ("head", "link"),
    [
        ("<base target=_top>", "http://example.com/dir/a"),
        ("<base href=>", "http://example.com/dir/a"),
        ("<base href='http://['><base href=/x/>", "http://example.com/dir/a"),
        ("<base href='javascript:x'>", "http://example.com/dir/a"),
        ("<base href=//other.example/x/y?z>", "http://other.example/x/a"),
        ("<template><base href=/x/></template>", "http://example.com/dir/a"),
        ("<p><base href=/x/>", "http://example.com/x/a"),
    ],
)
async def test_the_first_base_with_an_href_holds(head: str, link: str) -> None:
    assert (await read(head + "<a href=a>")).links == [link]


async def test_links_of_noscript_count_and_those_of_templates_do_not() -> None:
    page = await read(
        "<TEMPLATE><a href='{{x}}'>x</a><meta name=robots content=none></TEMPLATE><noscript><a href=n>y</a>"
    )
    assert page.links == ["http://example.com/dir/n"]
    assert page.nofollow == frozenset()


async def test_what_only_looks_like_a_link_is_none() -> None:
    page = await read(
        "<!-- <a href=1> --><script>'<a href=2>'</script><style><a href=3></style><textarea><a href=4></textarea>"
        "<p title='<a href=5>'><link href=6><title><a href=7></title><iframe><a href=8></iframe><xmp><a href=9></xmp>"
    )
    assert page.links == []


async def test_nofollow_of_links() -> None:
    page = await read(
        "<a href=1 rel='NoFollow noopener'><a href=2 rel=ugc><a href=3 rel=sponsored><a href=4 rel=next><a href=5>"
        "<a href=6 rel=nofollow><a href=6#followed-here>"
    )
    assert [link[-1] for link in page.links] == list("123456")
    assert {link[-1] for link in page.nofollow} == set("123")


@pytest.mark.parametrize(
    ("meta", "header", "robots", "all_nofollow"),
    [
        ("none", "", ["none", "noindex", "nofollow"], True),
        ("NoFollow", "", ["nofollow"], True),
        ("", "noindex , nofollow", ["noindex", "nofollow"], True),
        ("noindex", "noindex, noarchive", ["noindex", "noarchive"], False),
        ("", "googlebot: noindex, nofollow", None, False),
        ("", "noindex, otherbot: nofollow", ["noindex"], False),
        ("", "unavailable_after: 25 Jun 2030 15:00:00 PST", ["unavailable_after: 25 jun 2030 15:00:00 pst"], False),
        (", ,", " ", None, False),
        ("none", "none, noindex", ["none", "noindex", "nofollow"], True),
        ("", "waterspout: nofollow", ["nofollow"], True),
        ("", "WaterSpout : NoIndex, NoFollow", ["noindex", "nofollow"], True),
        ("", "waterspouts: nofollow, water: nofollow, waterspout-news: nofollow", None, False),
        ("", "waterspout:, nofollow", ["nofollow"], True),
        ("", "otherbot: noindex, waterspout: nofollow, noarchive, otherbot: none", ["nofollow", "noarchive"], True),
        ("", "*: noindex, otherbot: none, robots: nofollow", ["noindex", "nofollow"], True),
        ("", "otherbot: noindex\nnofollow", ["nofollow"], True),  # two headers: a name holds for its own alone
        ("", "otherbot: noindex, nofollow\nnoindex\notherbot: none", ["noindex"], False),
        ("", "nofollow\nwaterspout: all", ["nofollow", "all"], True),  # the most restrictive counts
        ("", "otherbot: max-snippet: 20, nofollow", None, False),
        ("", "waterspout: max-snippet: 20, noindex", ["max-snippet: 20", "noindex"], False),
        (
            "noindex, Unavailable_After: Wed, 25 Jun 2025 15:00 GMT, nofollow",
            "waterspout: unavailable_after: 2025-06-25, noarchive",
            [
                *("noindex", "unavailable_after: wed, 25 jun 2025 15:00 gmt", "nofollow"),
                *("unavailable_after: 2025-06-25", "noarchive"),
            ],
            True,
        ),
        ("unavailable_after: never, nofollow", "", ["unavailable_after: never", "nofollow"], True),
    ],
)
async def test_robots_directives(meta: str, header: str, robots: list[str] | None, all_nofollow: bool) -> None:
    page = await read(f"<meta name=robots content='{meta}'><a href=1><a href=2>", x_robots_tag=header)
    assert page.robots == robots
    assert page.nofollow == (frozenset(page.links) if all_nofollow else frozenset())


async def test_robots_directives_of_metas_by_name() -> None:
    """Those for every robot and those for us hold together; those for others do not."""
    page = await read(
        "<meta name=googlebot content=none><meta name=' WaterSpout ' content=nofollow>"
        "<meta name=robots content=noindex><meta content=noarchive><meta name='' content=noarchive>"
        "<meta name=description content=d><a href=1>"
    )
    assert (page.robots, page.nofollow) == (["nofollow", "noindex"], frozenset(page.links))
    unnamed = await parsers.parse(
        Response(URL, 200, {"content-type": "text/html"}, b"<meta content=none><a href=1>", 0.1)
    )
    assert (unnamed.robots, unnamed.nofollow) == (None, frozenset())


@pytest.mark.parametrize(
    ("text", "python", "declared"),
    [
        ("Žluťoučký", "cp1250", "windows-1250"),
        ("日本語", "shift_jis", "shift_jis"),
        ("中文", "gb2312", "gbk"),
        ("한국어", "euc-kr", "euc-kr"),
        ("Привет", "koi8-r", "koi8-r"),
        ("“café”", "cp1252", "windows-1252"),
    ],
)
async def test_other_encodings(text: str, python: str, declared: str) -> None:
    body = f"<meta charset={declared}><title>{text}</title><a href='/{text}'>x</a>"
    page = await read(body.encode(python))
    assert (page.title, page.charset) == (text, declared)
    assert page.links == (await read(body, "text/html; charset=utf-8")).links


@pytest.mark.parametrize("lie", ["utf-16", "iso-8859-1", "shift_jis"])
async def test_the_header_wins_over_a_meta(lie: str) -> None:
    body = f"<meta charset={lie}><meta http-equiv=content-type content='text/html; charset={lie}'><title>é</title>"
    assert (await read(body, "text/html; charset=UTF-8")).title == "é"


@pytest.mark.parametrize("header", ["text/html", "text/html; charset=utf-8"])
async def test_invalid_bytes_cut_nothing_off(header: str) -> None:
    page = await read(
        b"<meta charset=utf-8><title>a\xffb</title>\xed\xa0\x80\xc3<a href=\xe9>x</a>\0<a href=c>y</a>", header
    )
    assert page.title == "a\ufffdb"
    assert page.links == ["http://example.com/dir/%EF%BF%BD", "http://example.com/dir/c"]


async def test_references_to_what_is_no_character() -> None:
    page = await read("<title>&#xD800;&#0;&#x110000;&#128;</title><a href='&#xDFFF;'>x</a>")
    assert page.title == "\ufffd\ufffd\ufffd€"
    assert page.links == ["http://example.com/dir/%EF%BF%BD"]


async def test_xhtml() -> None:
    page = await read(
        '<?xml version="1.0" encoding="ISO-8859-1"?><html xmlns="http://www.w3.org/1999/xhtml" xml:lang="fr"><head>'
        '<script src="x"/><title>é</title></head><body><p/><a href="a"/></body></html>'.encode("latin-1"),
        "application/xhtml+xml",
    )
    assert (page.title, page.lang, page.charset) == ("é", "fr", "windows-1252")
    assert page.links == ["http://example.com/dir/a"]


@pytest.mark.parametrize("depth", [300, 1000, 2000])
async def test_deep_pages_are_read_to_their_end(depth: int) -> None:
    assert len((await read("<div>" * depth + "<a href=x>")).links) == 1


async def test_deeper_pages_are_cut_and_it_is_said() -> None:
    page = await read("<title>t</title><a href=first></a>" + "<div>" * 100_000 + "<a href=last>")
    assert (page.title, page.links) == ("t", ["http://example.com/dir/first"])
    assert page.problem == "cut: elements lie more than 2,048 deep in each other; what follows was not read"
    assert (await read("<a href=next>")).problem is None


async def test_large_pages_are_read_beside_the_loop() -> None:
    """Several at once, each by a parser of its own; the loop goes on."""
    body = "<title>t</title>" + "".join(f"<p>{'x' * 100}<a href={i}>{i}</a>" for i in range(5_000_000 // 115))
    pages = asyncio.gather(*(read(body) for _ in range(3)))
    turns = 0
    while not pages.done():
        await asyncio.sleep(0)
        turns += 1
    assert turns > 3
    for page in await pages:
        assert page.title == "t"
        assert len(page.links) == 5_000_000 // 115


@pytest.mark.parametrize(
    ("body", "html"),
    [
        (b"\xef\xbb\xbf \n<!DOCTYPE HTML>", True),
        (b"<HTML>", True),
        (b"<!-- x -->", True),
        (b"<p class=x>", True),
        (b"<pre>", False),
        (b"{}", False),
        (b" text ", False),
    ],
)
@pytest.mark.parametrize("header", [None, "html", "*/*"])
async def test_without_a_content_type_the_start_decides(header: str | None, body: bytes, html: bool) -> None:
    page = await read(body + b"<a href=x>", header)
    assert page.content_type == ("text/html" if html else None)
    assert len(page.links) == html


async def test_other_kinds_have_no_links() -> None:
    body = b"<html><a href=x>"
    page = await read(body, 'Text/Plain; Charset="Latin1"', x_robots_tag="noindex")
    sha256 = hashlib.sha256(body).hexdigest()
    assert page == Page("text/plain", "windows-1252", len(body), sha256, robots=["noindex"])


@pytest.mark.parametrize(
    ("location", "target"),
    [
        ("/new#part", "http://example.com/new"),
        ("https://Other.example", "https://other.example/"),
        ("//other.example:80/", "http://other.example/"),
        (" next ", "http://example.com/dir/next"),
        ("/é".encode().decode("latin-1"), "http://example.com/%C3%A9"),  # UTF-8, read as headers are
        ("/é", "http://example.com/%E9"),  # Latin-1
        ("/日", "http://example.com/%E6%97%A5"),
        ("http://bücher.example/".encode().decode("latin-1"), "http://xn--bcher-kva.example/"),
        ("mailto:a@b.c", None),
        ("http://[", None),
        ("\udcff", None),
    ],
)
@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_redirect_has_a_target_and_no_links(status: int, location: str, target: str | None) -> None:
    page = await answer(status, b"<a href=x>", {"content-type": "text/html", "location": location})
    assert page.redirect_to == target
    assert page.links == []
    assert page.content_type == "text/html"
    assert page.sha256


@pytest.mark.parametrize(("status", "location"), [(200, "/new"), (201, "/new"), (304, "/new"), (302, None), (302, "")])
async def test_what_is_no_redirect(status: int, location: str | None) -> None:
    headers = {"content-type": "text/html"} | ({} if location is None else {"location": location})
    page = await answer(status, b"<a href=x>", headers)
    assert page.redirect_to is None
    assert len(page.links) == 1


async def test_a_bug_of_a_parser_is_raised(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(parsers.PARSERS, "text/html", "no_such_module")
    for size in (1, 100_000):
        with pytest.raises(ModuleNotFoundError):
            await read("x" * size)


@given(
    st.one_of(st.binary(), st.text().map(lambda text: text.encode(errors="replace")), st.lists(st.sampled_from(
        [b"<a href=", b"<base href=", b"<title>", b"<svg>", b"<template>", b"</template>", b"<meta charset=", b"utf-16",
         b"x", b"//", b"'", b'"', b">", b"<!--", b"-->", b"\0", b"\xff", b"&#xd800;", b"<table>", b"</a>", b"<?"]
    )).map(b"".join)),
    st.one_of(st.none(), st.sampled_from(["text/html", "text/html; charset=shift_jis"]), st.text()),
    st.text(),
    st.sampled_from([200, 301, 404]),
)  # fmt: skip
def test_no_answer_is_too_strange(body: bytes, content_type: str | None, header: str, status: int) -> None:
    headers = {"location": header, "x-robots-tag": header}
    if content_type is not None:
        headers["content-type"] = content_type
    asyncio.run(answer(status, body, headers))


# Without "|" in a path and a space in a host, which Chromium escapes against the standard.
NASTY = """<!doctype html><html><head><title> A  title
of two lines </title>{base}</head><body>
<a href="">1</a> <a href>2</a> <a href="#x">3</a> <a href="?">4</a> <a href="?q#f">5</a> <a href=" a b ">6</a>
<a href="a\tb\nc">7</a> <a href="a #x">8</a> <a href="\\\\other.example\\x">9</a> <a href="/\\other.example/y">10</a>
<a href="http:c">11</a> <a href="http:">12</a> <a href="https:d">13</a> <a href="HTTP://EXAMPLE.com:80/%7Ee/./../f">14</a>
<a href="//bücher.example/ü?ü#ü">15</a> <a href="http://user:secret@example.com/g">16</a>
<a href="javascript:h()">17</a>
<a href="mailto:i@example.com">18</a> <a href="http://[::1]:80/j">19</a> <a href="http://[::1/k">20</a>
<a href="http://0x7f.1/l">21</a> <a href="http://example.com:99999/">22</a> <a href="&#x3000;m&nbsp;">23</a>
<a href="n&amp;o&copy=p&lt=q&notit;">24</a> <a href="%zz%">25</a> <a href="{{r}}^`">26</a> <a href="ftp://example.com/">27</a>
<a href="s'\\t">28</a> <a href='u"v<w>'>29</a> <a href=x/y>30</a> <a href=z href=zz>31</a> <A HREF="AA">32</A>
<map name=m><area href="bb"><area></map> <a name=cc>33</a> <a href="dd"><a href="ee">34</a></a>
<a href="../../../../ff">35</a> <a href=".//gg">36</a> <a href="/..//hh">37</a> <a href="&#xD800;ii">38</a>
<template><a href="jj">39</a></template> <noscript><a href="kk">40</a></noscript> <textarea><a href="ll"></textarea>
<svg><title>no title</title></svg> <select><option><a href="mm">41</a></select> <form><a href="nn">42</a></form>
<script>document.write</script> <!-- <a href="oo"> --!> <a href="pp">43</a> <a href="view-source:http://h/">44</a>
<a href="1:2">46</a> <a href="http:///qq">47</a> <a href="http://h?rr">48</a>
<p><a href="ss">49<p>50</a> <table><tr><td><a href="tt">51</a></table> <b><a href="uu">52</b></a> <a href="http://%/">53</a>
</body></html>"""


@pytest.mark.parametrize(
    "base", ["", "<base href='/other/folder/?x'>", "<base href='//other.example'>", "<base href='data:,x'>"]
)
async def test_links_are_those_of_a_browser(browser: Browser, base: str) -> None:
    """Of a real one without scripts: document.links, http(s), without fragments and credentials, each once."""
    body = NASTY.replace("{base}", base).encode()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/html; charset=utf-8")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 -- the base class names it so
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever).start()
        try:
            url = f"http://127.0.0.1:{server.server_port}/dir/page?q=1"
            tab = await browser.new_page(java_script_enabled=False)
            await tab.goto(url)
            title = await tab.title()
            seen: list[str] = await tab.evaluate(
                """[...document.links].filter(link => /^https?:$/.test(link.protocol)).map(link => {
                    const url = new URL(link.href); url.username = url.password = ""; return url.href.split("#")[0];
                })"""
            )
        finally:
            server.shutdown()
    page = await parsers.parse(Response(url, 200, {"content-type": "text/html; charset=utf-8"}, body, 0.1))
    assert page.links == list(dict.fromkeys(seen))
    assert len(page.links) > 35
    assert page.title == title


async def test_a_page_made_to_take_for_ever_is_given_up() -> None:
    attributes = b" ".join(b"a%d" % number for number in range(20_000))
    hostile = Response("http://example.com/", 200, {"content-type": "text/html"}, b"<a " + attributes + b">", 0.1)
    page = await parsers.parse(hostile, patience=0.02)
    assert page == Page("text/html", bytes=len(hostile.body), problem="unread: not parsed within 0.02 s")
    assert (await read("<title>next</title>" + " " * 20_000)).title == "next"
    wait_for_the_lost()


async def test_a_thread_that_never_comes_back_is_left_behind() -> None:
    threads, never = Threads(), threading.Event()
    with pytest.raises(TimeoutError):
        await threads.run(threading.Event.wait, never, patience=0.01)
    assert await threads.run(len, "abc", patience=60) == 3
    assert not threads.close()
    never.set()
    wait_for_the_lost()


def wait_for_the_lost() -> None:
    """Threads that were left behind, but are about to come back after all."""
    parsers.close()
    for thread in threading.enumerate():
        if thread.name.startswith("parser"):
            thread.join(60)


async def test_what_waits_behind_threads_that_never_come_back_is_done_by_others() -> None:
    threads, never = Threads(), threading.Event()
    stuck = [asyncio.ensure_future(threads.run(threading.Event.wait, never, 0.2)) for _ in range(os.cpu_count() or 1)]
    innocent = [asyncio.ensure_future(threads.run(len, "abc", 0.2)) for _ in range(20)]
    assert await asyncio.gather(*innocent) == [3] * 20
    assert all(isinstance(error, TimeoutError) for error in await asyncio.gather(*stuck, return_exceptions=True))
    threads.close()
    never.set()
    wait_for_the_lost()


async def test_threads_that_came_back_are_ended() -> None:
    threads = Threads()
    with pytest.raises(ZeroDivisionError):
        await threads.run(lambda number: 1 / number, 0, patience=60)
    assert await threads.run(len, "abc", patience=60) == 3
    assert threads.close()
    assert threads.close()


async def test_what_is_cancelled_does_not_hold_up_the_end() -> None:
    """Neither what has begun, nor what waits behind it."""
    threads, never = Threads(), threading.Event()
    cores = os.cpu_count() or 1
    begun: queue.SimpleQueue[None] = queue.SimpleQueue()

    def work(event: threading.Event) -> None:
        begun.put(None)
        event.wait()

    all_of_them = [asyncio.ensure_future(threads.run(work, never, 60)) for _ in range(cores * 3)]
    for _ in range(cores):
        await asyncio.to_thread(begun.get)
    for one in all_of_them:
        one.cancel()
    await asyncio.gather(*all_of_them, return_exceptions=True)
    try:
        async with asyncio.timeout(10):
            assert not await asyncio.to_thread(threads.close)
    finally:
        never.set()
    assert begun.empty()
    wait_for_the_lost()
