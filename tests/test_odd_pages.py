"""Odd HTML has the titles and links that a browser sees: Chromium, without scripts. DIFFERENT lists where it has not.

Of white space in titles a browser keeps what is not ASCII's; a record does not (see `Page.title`).
"""

from pathlib import Path

import pytest
from playwright.async_api import Browser

import parsers
from parsers.page import Page, Response
from tests.crawling import crawl
from tests.languages import SAID
from tests.site import Site

HEADERS = {"content-type": "text/html; charset=utf-8"}
PAGES = {
    "nul": b"<title>a\0b</title><a href='x\0y'>1</a>\0<a\0 href=z>2</a><a hr\0ef=w>3</a><a href=v>4</a>",
    "unclosed comment": b"<title>t</title><a href=a>1</a><!-- <a href=b>2</a>",
    "comment ends": (
        b"<!--><a href=a>1</a><!---><a href=b>2</a><!-- x --!><a href=c>3</a><!-- -- ><a href=d>4</a>--><a href=e>5</a>"
    ),
    "nested comment": b"<!-- a <!-- b --> <a href=x>1</a> -->",
    "bogus comments": (
        b"<!x><a href=a>1</a></ x><a href=b>2</a><?php echo '<a href=c>' ?><a href=d>3</a><![CDATA[ <a href=e>4</a> ]]>"
    ),
    "unclosed script": b"<title>t</title><a href=a>1</a><script>var x = '<a href=b>'",
    "script with comment": (b"<script><!-- document.write('<script><a href=a></script>') --></script><a href=b>2</a>"),
    "script escaped": b"<script><!-- <script> </script> <a href=a>1</a> --></script><a href=b>2</a>",
    "unclosed title": b"<title>all <a href=a>1</a> that follows",
    "title markup": b"<title>a <b>b</b> <!-- c --></title>",
    "two titles": b"<title>one</title><title>two</title>",
    "title in body": b"<body><p>x<title>in body</title>",
    "empty title first": b"<title></title><title>two</title>",
    "svg title": b"<body><svg><title>no</title><a href=a>1</a></svg><title>yes</title>",
    "svg title only": b"<body><svg><title>no</title></svg>",
    "svg link": b"<svg><a xlink:href=a>1</a><a href=b>2</a></svg><a href=c>3</a>",
    "svg foreign": b"<svg><foreignObject><a href=a>1</a><title>t</title></foreignObject></svg>",
    "math": b"<math><mi href=a>x</mi><a href=b>1</a></math><a href=c>2</a>",
    "textarea": b"<textarea><a href=a>1</a></textarea><a href=b>2</a>",
    "unclosed textarea": b"<a href=a>1</a><textarea><a href=b>2</a>",
    "style": b"<style><a href=a></style><a href=b>1</a><style>",
    "xmp": b"<xmp><a href=a>1</a></xmp><a href=b>2</a>",
    "iframe text": b"<iframe><a href=a>1</a></iframe><a href=b>2</a>",
    "noembed": b"<noembed><a href=a>1</a></noembed><a href=b>2</a>",
    "noframes": b"<noframes><a href=a>1</a></noframes><a href=b>2</a>",
    "noscript": b"<noscript><a href=a>1</a></noscript><a href=b>2</a>",
    "noscript head": b"<head><noscript><a href=a>1</a></noscript><title>t</title></head><a href=b>2</a>",
    "plaintext": b"<title>t</title><a href=a>1</a><plaintext><a href=b>2</a></plaintext><a href=c>3</a>",
    "listing": b"<listing><a href=a>1</a></listing>",
    "nested forms": b"<form><a href=a>1</a><form><a href=b>2</a></form><a href=c>3</a></form><a href=d>4</a>",
    "nested anchors": b"<a href=a>1<a href=b>2<p><a href=c>3</a></p></a></a>",
    "anchor in table": b"<table><a href=a>1</a><tr><td><a href=b>2</a></td></tr><a href=c>3</table>",
    "nested tables": b"<table><tr><td><table><tr><td><a href=a>1</table><a href=b>2</table><a href=c>3",
    "select": b"<select><a href=a>1</a><option><a href=b>2</a></select><a href=c>3</a>",
    "conditional comments": (
        b"<!--[if IE]><a href=a>1</a><![endif]--><![if !IE]><a href=b>2</a>"
        b"<![endif]><!--[if !IE]><!--><a href=c>3</a><!--<![endif]-->"
    ),
    "entities": (
        b"<a href='?a=1&copy=2'>1</a><a href='?a=1&copy;=2'>2</a><a href='?a&amp=1'>3</a>"
        b"<a href='?a&ampb'>4</a><a href='?a&amp'>5</a><a href='?a&lt=3&ltx=4&lt;'>6</a>"
        b"<a href='?&notin=1&notin;'>7</a><a href='?&#38b=1&#x26;c=2'>8</a>"
        b"<a href='?&reg_id=1&sect=2&para=3'>9</a><a href='?&nosuch;&amp;amp;x'>10</a>"
    ),
    "numeric": b"<a href='&#97;&#x62;&#0;&#x80;&#xD800;&#x110000;&#99999999999;c'>1</a><a href='&#;&#x;'>2</a>",
    "duplicate attributes": b"<a href=a href=b HREF=c>1</a>",
    "upper case": (
        b"<HTML><HEAD><TITLE>T</TITLE><BASE HREF='/B/'></HEAD><BODY><A HREF='a'>1</A><MAP><AREA HREF=b></MAP>"
    ),
    "base after": b"<a href=a>1</a><base href='/b/'><a href=c>2</a>",
    "bases": b"<base target=x><base href='/one/'><base href='/two/'><a href=a>1</a>",
    "base bad then good": b"<base href='http://['><base href='/two/'><a href=a>1</a>",
    "base empty": b"<base href=''><base href='/two/'><a href=a>1</a>",
    "base data": b"<base href='data:x'><a href=a>1</a><a href='/b'>2</a>",
    "base js": b"<base href='javascript:x'><a href=a>1</a>",
    "base in svg": b"<svg><base href='/no/'></base></svg><a href=a>1</a>",
    "base in body": b"<body><p><base href='/yes/'><a href=a>1</a>",
    "base in template": b"<template><base href='/no/'></template><a href=a>1</a>",
    "base query": (b"<base href='/d/e?x=/y/#z'><a href=a>1</a><a href=''>2</a><a href='?q'>3</a><a href='#f'>4</a>"),
    "base userinfo": b"<base href='http://u:p@other.example/d/'><a href=a>1</a>",
    "base white": b"<base href=' /d\t/\n '><a href=a>1</a>",
    "frames": (
        b"<html><head><title>t</title></head><frameset><frame src=a><noframes><a href=b>1</a>"
        b"</noframes></frameset></html>"
    ),
    "frameset with links": b"<frameset><frame src=a></frameset><a href=b>1</a>",
    "quotes missing": b'<a href="a>1</a><a href="b">2</a><a href=c>3</a>',
    "attributes without space": (
        b'<a href="a"class=x>1</a><a class="x"href=b>2</a><a/href=c>3</a><a\nhref\n=\nd>4</a>'
        b"<a href==e>5</a><a href=f/>6</a>"
    ),
    "lt in tag": b"<a <b href=a>1</a><a href=b<c>2</a><<a href=d>3</a>",
    "eof in tag": b"<a href=a>1</a><a href=b",
    "eof in attribute": b"<a href=a>1</a><a href='b",
    "slash tags": b"<br/><a href=a/>1<a/><div/><a href=b>2",
    "weird names": b"<a1 href=a>1</a1><a:b href=b>2</a:b><a-b href=c>3</a-b><a href=d>4</a>",
    "html in html": b"<html lang=a><body><html lang=b><body><a href=a>1</a>",
    "head after body": b"<body><p>x</p></body><head><title>t</title></head><a href=a>1</a>",
    "after html": b"<html><body></body></html><a href=a>1</a><!-- -->",
    "formatting": b"<b><a href=a>1<p>2</b>3</a><a href=b>4</p>",
    "adoption": b"<a href=a><div><a href=b></div></a><a href=c><table><a href=d></table>",
    "button": b"<button><a href=a>1</a><button><a href=b>2",
    "li": b"<ul><li><a href=a>1<li><a href=b>2</ul>",
    "image": b"<image href=a><a href=b>1</a>",
    "crlf": b"<title>a\r\nb\rc</title><a href='a\r\nb'>1</a>",
    "leading newline pre": b"<pre>\n<a href=a>1</a></pre>",
    "bom later": b"<title>\xef\xbb\xbfx</title><a href='\xef\xbb\xbfy'>1</a>",
    "doctype odd": b'<!DOCTYPE html PUBLIC "><title>t</title><a href=a>1</a>',
    "template nested": (b"<template><a href=a>1<template><a href=b>2</template><a href=c>3</template><a href=d>4</a>"),
    "template unclosed": b"<a href=a>1</a><template><a href=b>2</a>",
    "template in table": b"<table><template><a href=a></template><tr><td><a href=b>1",
    "declarative shadow": b"<div><template shadowrootmode=open><a href=a>1</a></template></div><a href=b>2</a>",
    "many attributes": (b"<a " + b" ".join(b"a%d=%d" % (i, i) for i in range(3000)) + b" href=a>1</a><a href=b>2</a>"),
    "long attribute": b"<a title='" + b"x" * 300000 + b"' href=a>1</a><a href=b>2</a>",
    "deep inline": b"<b>" * 400 + b"<a href=a>1</a>",
    "deep div": b"<div>" * 400 + b"<a href=a>1</a>" + b"</div>" * 400 + b"<a href=b>2</a>",
    "area": b"<map><area href=a><area nohref href=b><area></map>",
    "link not a": b"<head><link rel=next href=a></head><a href=b>1</a>",
    "form feed": b"<a\x0chref=a>1</a><a href=\x0cb\x0c>2</a>",
    "ruby": b"<ruby><a href=a>1<rt><a href=b>2</ruby>",
    "object": (
        b"<object><a href=a>1</a></object><a href=b>2</a><applet><a href=c>3</a></applet><marquee><a href=d>4</marquee>"
    ),
    "video": b"<video><a href=a>1</a></video><canvas><a href=b>2</a></canvas>",
    "dialog details": (
        b"<details><summary><a href=a>1</a></summary><a href=b>2</a></details><dialog><a href=c>3</a></dialog>"
    ),
    "caption colgroup": (
        b"<table><caption><a href=a>1</caption><colgroup><a href=b>2</colgroup><thead><a href=c>3</table>"
    ),
    "isindex": b"<isindex><a href=a>1</a>",
    "cdata in svg": b"<svg><![CDATA[<a href=a>]]></svg><a href=b>1</a>",
    "p in a in p": b"<p><a href=a><p><a href=b></a></p></a></p>",
    "references in a title": b"<title>a &amp; b &lt;c&gt; &copy &notit; &eacute;&#x2014;</title>",
    "head left open": b"<head><title>t</title><p><a href=a>1</a><link rel=canonical href=b>",
    "quirks": b"<p><table><a href=a>1</a></table>",
}

DIFFERENT: dict[str, tuple[str | None, list[str]]] = {  # the title and the links that are read here
    # libxml2 knows no namespaces: a link within SVG or MathML is a link. To follow one costs nothing.
    "svg title": ("yes", ["a"]),
    "svg link": (None, ["b", "c"]),
    "math": (None, ["b", "c"]),
    "svg foreign": (None, ["a"]),  # it has HTML's title "t" within
    # What must not stand in a table, browsers move before it: only the order of links differs.
    "anchor in table": (None, ["a", "b", "c"]),
    "caption colgroup": (None, ["a", "b", "c"]),
    "frameset with links": (None, ["b"]),  # a browser that shows frames reads nothing else
    "base bad then good": (None, ["a"]),  # as the standard has it; Chromium then resolves no link at all
}


async def test_odd_pages_read_as_in_a_browser(browser: Browser, site: Site) -> None:
    tab = await browser.new_page(java_script_enabled=False)
    for name, body in PAGES.items():
        site.raw("/dir/page?q", body, headers=HEADERS)
        await tab.goto(site.url("/dir/page?q"), wait_until="domcontentloaded")
        seen = await tab.evaluate(
            """[...document.links].filter(link => /^https?:$/.test(link.protocol)).map(link => {
                const url = new URL(link.href); url.username = url.password = ""; return url.href.split("#")[0];
            })"""
        )
        theirs = (await tab.title() or None, list(dict.fromkeys(seen)))
        page = await read(site.url("/dir/page?q"), body)
        if name in DIFFERENT:
            title, links = DIFFERENT[name]
            assert (page.title, page.links) == (title, [site.url(f"/dir/{link}") for link in links]), name
            assert (page.title, page.links) != theirs, f"{name}: no longer different"
        else:
            assert (page.title, page.links) == theirs, name


async def read(url: str, body: bytes) -> Page:
    return await parsers.parse(Response(url, 200, HEADERS, body, 0.1))


@pytest.mark.usefixtures("processes")
async def test_the_record_says_that_a_page_was_cut(site: Site, job: Path) -> None:
    """And all that was read of it is there, and followed."""
    deep = b"<title>Deep</title><a href=/next>1</a>" + b"<div>" * 3000 + b"<a href=/lost>2</a>"
    site.raw("/deep", deep, headers=HEADERS)
    site.page("/next")
    run = await crawl(job, site.url("/deep"))
    record = run.by_url[site.url("/deep")]
    assert record["error"] == "cut: elements lie more than 2,048 deep in each other; what follows was not read"
    assert (record["title"], record["links"]) == ("Deep", [site.url("/next")])
    assert site.url("/next") in run.by_url


@pytest.mark.usefixtures("processes")
async def test_pages_of_many_encodings_are_recorded_in_their_letters(site: Site, job: Path) -> None:
    for name, (_, sentence) in SAID.items():
        body = f"<meta charset={name}><title>{sentence}</title>".encode({"windows-874": "cp874"}.get(name, name))
        site.raw(f"/{name}", body, headers={"content-type": "text/html"})
    site.page("/", *SAID)
    run = await crawl(job, site.url("/"))
    for name, (_, sentence) in SAID.items():
        record = run.by_url[site.url(f"/{name}")]
        assert (record["charset"], record["title"]) == (name, sentence)
