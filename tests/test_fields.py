"""Fields by rules: selectors, types, items, links to follow, and what is told of them."""

import asyncio
import os
import pty
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

import parsers
from parsers.asked import Asked
from parsers.fields import Extract, Field, Rules, date, number
from parsers.page import Page, Response
from parsers.selectors import Selector, SelectorError
from tests.crawling import QUICK, ROOT, Crawl, Run
from tests.site import Site

URL = "http://a.example/shop/tea"
SHOP = """<html><head><meta name=author content="A. Grower">
<script type="application/ld+json">{"sku": 7}</script></head>
<h1> Green
 tea</h1><p class=price>£1,234.50</p><time datetime=2024-05-06T10:00:00+02:00>in May</time>
<ul class=tags><li>green<li> loose <li></ul><a class=more href=../more#x>More</a><img src=/tea.png alt=Tea>
<div class=next><a href=?page=2>2</a><a href=?page=3>3</a></div>
<article><h2>One</h2><b>1</b></article><article><h2>Two</h2></article></html>"""


async def read(rule: Extract, body: str = SHOP, url: str = URL, status: int = 200) -> Page:
    asked = Asked(frozenset(), resources=False, rules=Rules([rule]))
    return await parsers.parse(Response(url, status, {"content-type": "text/html"}, body.encode(), 0.1), asked=asked)


def rule(each: str | None = None, follow: tuple[str, ...] | None = None, **fields: Field) -> Extract:
    return Extract(("http://a.example/**",), fields, each, follow)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        (Field("css: h1"), "Green tea"),
        (Field("CSS:h1"), "Green tea"),
        (Field("xpath: //h1"), "Green tea"),
        (Field("css: h1::text"), "Green tea"),
        (Field("css: img::attr(alt)"), "Tea"),
        (Field("css: img", attribute="alt"), "Tea"),
        (Field("css: img", attribute="title"), None),
        (Field("css: h4"), None),
        (Field("css: h1, h2", many=True), ["Green tea", "One", "Two"]),
        (Field("css: .tags li", many=True), ["green", "loose"]),
        (Field("css: h4", many=True), []),
        (Field("xpath: //ul[@class='tags']/li/text()", many=True), ["green", "loose"]),
        (Field("xpath: count(//li)", "number"), 3),
        (Field("xpath: //li[re:test(., '^g')]"), "green"),
        (Field("xpath: nothing(.)"), None),
        (Field("css: .price", "number"), 1234.5),
        (Field("css: h1", "number"), None),
        (Field("css: time", "date"), "2024-05-06T08:00:00+00:00"),
        (Field("css: time::text", "date"), None),
        (Field("css: a.more", "url"), "http://a.example/more"),
        (Field("css: img", "url"), "http://a.example/tea.png"),
        (Field("css: h2", "html"), "<h2>One</h2>"),
        (Field("css: script", "json"), {"sku": 7}),
        (Field("css: h1", "json"), None),
        (Field("css: meta[name=author]"), "A. Grower"),
    ],
)  # fmt: skip
async def test_a_field_has_its_type(field: Field, value: object) -> None:
    page = await read(rule(field=field))
    assert page.data["field"] == value
    assert page.follow is None


async def test_a_rule_may_give_many_items() -> None:
    page = await read(rule("css: article", name=Field("css: h2"), number=Field("css: b", "number")))
    assert page.data == [{"name": "One", "number": 1}, {"name": "Two", "number": None}]
    assert (await read(rule("css: section", name=Field("css: h2")))).data == []


@pytest.mark.parametrize(
    ("follow", "links"),
    [
        ("css: .next", ["/shop/tea?page=2", "/shop/tea?page=3"]),
        ("css: .next a:first-child", ["/shop/tea?page=2"]),
        ("xpath: //a/@href", ["/more", "/shop/tea?page=2", "/shop/tea?page=3"]),
        ("css: h1", []),
    ],
)
async def test_a_rule_chooses_what_is_followed(follow: str, links: list[str]) -> None:
    page = await read(rule(follow=(follow,), title=Field("css: h1")))
    assert page.follow == [f"http://a.example{link}" for link in links]
    assert len(page.links) == 3, "the record has all"


@pytest.mark.parametrize(
    ("pattern", "url", "matches"),
    [
        ("http://a.example/**", "http://a.example/", True),
        ("http://a.example/**", "http://a.example/b/c?d", True),
        ("http://a.example/*", "http://a.example/b/c", False),
        ("http://a.example/*/c", "http://a.example/b/c", True),
        ("http://*.example/c", "http://a.b.example/c", True),
        ("http://a.example/c?x=*", "http://a.example/c?x=1", True),
        ("http://a.example/c?x=*", "http://a.example/cx=1", False),
        ("**", "http://a.example/b", True),
        ("http://a.example/c", "http://a.example/cd", False),
    ],
)
def test_pages_are_matched_by_their_urls(pattern: str, url: str, matches: bool) -> None:
    assert (Rules([Extract((pattern,), {})]).of(url) is not None) == matches


async def test_the_first_rule_that_matches_holds_and_only_for_answers() -> None:
    rules = [Extract(("http://a.example/x",), {"a": Field("css: h1")}), Extract(("**",), {"b": Field("css: h1")})]
    for url, name in (("http://a.example/x", "a"), ("http://a.example/y", "b")):
        response = Response(url, 200, {"content-type": "text/html"}, SHOP.encode(), 0.1)
        page = await parsers.parse(response, asked=Asked(rules=Rules(rules)))
        assert page.data == {name: "Green tea"}
    assert (await read(rule(title=Field("css: h1")), status=404)).data is None
    assert (await read(rule(title=Field("css: h1")), body="")).data in (None, {"title": None})


@pytest.mark.parametrize(
    "text", ["h1", "css: div[", "xpath: //[", "css: a::before", "css: a::attr(1)", "css:", "regex: a", "xpath:"]
)
def test_what_is_no_selector_is_named(text: str) -> None:
    with pytest.raises(ValueError, match="a selector that"):
        Selector(text)


@given(st.text())
def test_any_text_is_a_selector_or_an_error(text: str) -> None:
    tree = etree.fromstring("<p>x</p>")
    for language in ("css", "xpath"):
        try:
            Selector(f"{language}: {text}").select(tree)
        except SelectorError:
            continue


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("£1,234.50", 1234.5), ("1.234,50 €", 1234.5), ("1 234", 1234), ("1\u202f234,5", 1234.5), ("12,5 %", 12.5),
        ("-3", -3), ("\u22123", -3), ("1,234", 1234), ("1,234,567", 1234567), ("1.234.567", 1234567), ("1.23", 1.23),
        ("0,125", 0.125), ("1234,567", 1234.567), ("Price: $51.77 each, 2 left", 51.77), ("1'000.50", 1000.5),
        ("1" + 40 * "0", 1e40), ("12.", 12), ("3.5e3", 3500.0),
        ("1e400", None), ("none", None), ("1.2.3", None), ("", None),
    ],
)  # fmt: skip
def test_numbers_are_read_as_people_write_them(text: str, value: object) -> None:
    assert (number(text), type(number(text))) == (value, type(value))


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("2024-05-06", "2024-05-06"), ("2024-05-06T10:00:00Z", "2024-05-06T10:00:00+00:00"),
        ("2024-05-06 10:30", "2024-05-06T10:30:00"), ("Mon, 06 May 2024 10:00:00 GMT", "2024-05-06T10:00:00+00:00"),
        ("6 May 2024", "2024-05-06"), ("May 6th,  2024", "2024-05-06"), ("Monday, 6 May 2024", "2024-05-06"),
        ("06.05.2024", "2024-05-06"), ("20240506", "2024-05-06"), ("03/04/2024", None), ("soon", None), ("", None),
        ("9999-12-31T23:59:59-14:00", None), ("1" * 1000, None),
    ],
)  # fmt: skip
def test_dates_are_iso_8601_or_nothing(text: str, value: str | None) -> None:
    assert date(text) == value


@given(st.text(alphabet=st.sampled_from("0123456789.,-+e' \u202f")))
def test_numbers_and_dates_never_fail(text: str) -> None:
    number(text)
    date(text)


CONFIG = """
delay = 0
[[extract]]
match = "**/item/*"
[extract.fields]
title = "css: h1"
price = { css = ".price", type = "number" }

[[extract]]
match = ["**/list*", "**/"]
follow = "css: .follow"
each = "css: li"
fields = { name = "css: b" }
"""


def shop(site: Site) -> None:
    """Two lists of items; each page has links that are not to be followed."""
    html = {"Content-Type": "text/html"}
    site.raw("/", b"<a href=/other>x</a><div class=follow><a href=/list>l</a></div>", headers=html)
    site.raw(
        "/list",
        b"<ul><li><b>one</b><li></ul><p class=follow><a href=/item/1>1</a><a href=/item/2>2</a></p>"
        b"<a href=/other>x</a>",
        headers=html,
    )
    site.raw("/item/1", b"<h1>One</h1><p class=price>1.50</p><iframe src=/frame></iframe>", headers=html)
    site.raw("/item/2", b"<h1>Two</h1>", headers=html)
    for path in ("/other", "/frame"):
        site.page(path)


async def crawl_with(config: str, job: Path, *arguments: str) -> Run:
    (job.parent / "my.toml").write_text(config)
    return await (await Crawl.start(job, "--config=my.toml", *arguments)).end()


async def test_a_crawl_cuts_fields_out_and_says_which_are_missing(site: Site, job: Path, processes: int) -> None:
    shop(site)
    run = await crawl_with(CONFIG, job, f"--processes={processes}", site.url("/"))
    assert run.code == 0
    data = {url.removeprefix(site.url("")): record["data"] for url, record in run.by_url.items()}
    assert data == {
        "/": [],
        "/list": [{"name": "one"}, {"name": None}],
        "/item/1": {"title": "One", "price": 1.5},
        "/item/2": {"title": "Two", "price": None},
        "/frame": None,
    }
    counts = {"title": (2, 0), "price": (2, 1), "name": (2, 1)}
    assert run.summary["fields"] == {name: {"items": of, "empty": empty} for name, (of, empty) in counts.items()}
    assert "Field price: 1 of 2 empty" in run.out


async def test_a_job_goes_on_with_its_rules(site: Site, job: Path) -> None:
    shop(site)
    await crawl_with(CONFIG, job, "--max-pages=2", site.url("/"))
    run = await (await Crawl.start(job, "--max-pages=none")).end()
    assert run.code == 0
    assert run.by_url[site.url("/item/1")]["data"] == {"title": "One", "price": 1.5}


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (
            'a = "css: div["',
            "line 4: fields: must be a table in which a is a selector that can be read; 'div[' cannot: ",
        ),
        (
            'a = { css = "b", typ = "number" }',
            "a table in which a is a table of attribute, css, many, type, xpath, not of typ",
        ),
        (
            'a = { css = "b", type = "int" }',
            "a table in which a is a table whose type is text, number, date, url, html or json",
        ),
        ('a = { css = "b", xpath = "c" }', "a table in which a is a table with either css or xpath"),
        ('a = { css = "b", many = 1 }', "a table in which a is a table whose many is true or false"),
        ("a = 5", 'a table in which a is a selector such as "css: h1"'),
        ("", "a table of fields, such as title = "),
    ],
)
async def test_a_mistake_in_a_rule_is_one_line(job: Path, line: str, message: str) -> None:
    run = await crawl_with(f'[[extract]]\nmatch = "http://a/**"\n[extract.fields]\n{line}\n', job, "http://a/")
    assert (run.code, len(run.err.splitlines())) == (2, 1)
    assert "my.toml: [[extract]] number 1" in run.err
    assert message in run.err


async def tried(job: Path, config: str, *arguments: str) -> tuple[Run, Mapping[str, Any]]:
    run = await crawl_with(config, job, *arguments)
    return run, orjson.loads(run.out) if run.code == 0 else {}


async def test_a_rule_is_tried_on_one_page_and_nothing_is_kept(site: Site, job: Path) -> None:
    shop(site)
    site.redirect("/old", "/item/1")
    _, shown = await tried(job, CONFIG, f"--try={site.url('/old')}")
    assert (shown["url"], shown["status"], shown["rule"]) == (
        site.url("/item/1"),
        200,
        "[[extract]] number 1: **/item/*",
    )
    assert shown["data"] == {"title": "One", "price": 1.5}
    assert [arrival.path for arrival in site.arrivals] == ["/old", "/item/1"]
    assert not job.exists()
    _, shown = await tried(job, CONFIG, f"--try={site.url('/')}")
    assert (shown["data"], shown["followed"]) == ([], [site.url("/list")])
    _, shown = await tried(job, CONFIG, f"--try={site.url('/other')}")
    assert (shown["data"], shown["rule"]) == (None, "none of 2 matches this URL")
    _, shown = await tried(job, "", f"--try={site.url('/other')}")
    assert shown["rule"] == "there are no [[extract]] sections in config.toml"


async def test_a_page_that_cannot_be_tried_is_one_line(site: Site, job: Path) -> None:
    site.redirect("/loop", "/loop")
    gone = site.url("/").replace(str(site.port), "1")
    for url, message in (
        ("nonsense", '"nonsense" is no URL'),
        (gone, "connect: no connection"),
        (site.url("/loop"), "more than 10 redirects"),
    ):
        run, _ = await tried(job, CONFIG, f"--try={url}")
        assert (run.code, len(run.err.splitlines()), run.out) == (2, 1, "")
        assert message in run.err


async def test_on_a_terminal_the_trial_is_in_colour(site: Site, tmp_path: Path) -> None:
    hostile = "<h1>One\u009b31m\u202e \u00e9</h1><p class=price>1.50</p>"
    site.raw("/item/1", hostile.encode(), headers={"Content-Type": "text/html; charset=utf-8"})
    ours, theirs = pty.openpty()
    (tmp_path / "my.toml").write_text(CONFIG)
    process = await asyncio.create_subprocess_exec(
        sys.executable, ROOT / "crawl.py", "--config=my.toml", f"--try={site.url('/item/1')}",
        cwd=tmp_path, stdout=theirs, env={**os.environ, "TERM": "xterm-256color"},
    )  # fmt: skip
    os.close(theirs)
    assert await process.wait() == 0
    shown = os.read(ours, 65_536).decode()
    os.close(ours)
    assert "\x1b[" in shown
    assert "1.5" in shown
    assert "\\u009b31m\\u202e \u00e9" in shown
    assert not {"\u009b", "\u202e"} & set(shown)


async def test_quick_settings_still_hold_beside_rules(site: Site, job: Path) -> None:
    shop(site)
    run = await crawl_with(CONFIG, job, *QUICK, "--discover=", site.url("/item/1"))
    assert set(run.by_url) == {site.url("/item/1")}
