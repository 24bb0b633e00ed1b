"""What pages name beside their links: other pages, and what they load."""

from collections.abc import Mapping
from pathlib import Path

import pytest

import parsers
from parsers import sheets
from parsers.asked import MORE_LINKS, Asked
from parsers.page import Page, Response
from tests.crawling import QUICK, crawl
from tests.site import Site

URL = "http://a.example/dir/page"
ALL = Asked(frozenset(MORE_LINKS), resources=True)


async def read(
    body: str, asked: Asked = ALL, kind: str = "text/html", headers: Mapping[str, str] | None = None
) -> Page:
    named = {"content-type": f"{kind}; charset=utf-8", **(headers or {})}
    return await parsers.parse(Response(URL, 200, named, body.encode(), 0.1), asked=asked)


async def found(body: str, kind: str = "text/html", headers: Mapping[str, str] | None = None) -> dict[str, list[str]]:
    """What is named, by kind, relative to the folder of the page."""
    page = await read(body, ALL, kind, headers)
    facts = page.facts or {}
    return {
        kind: [url.removeprefix("http://a.example/dir/") for url in urls]
        for kinds in facts.values()
        for kind, urls in kinds.items()
    }


@pytest.mark.parametrize(
    ("body", "kinds"),
    [
        ("<link rel=next href=x>", {"rel=next": ["x"]}),
        ("<link rel='nofollow PREV' href=x><link href=y>", {"rel=prev": ["x"]}),
        ("<link rel=canonical href=/x>", {"rel=canonical": ["http://a.example/x"]}),
        ("<link rel=alternate hreflang=de href=de><link rel=alternate type=application/rss+xml href=feed>",
         {"rel=alternate": ["de", "feed"]}),
        ("<link rel=alternate type=application/json+oembed href=x>", {}),
        ("<link rel=search type=application/opensearchdescription+xml href=y>", {}),
        ("<link rel=preconnect href=//b.example><link rel=dns-prefetch href=//b.example><link rel=EditURI href=x>", {}),
        ("<iframe src=x></iframe><iframe src='about:blank'></iframe><iframe></iframe>", {"frame": ["x"]}),
        ("<frameset><frame src=x><frame src=y></frameset>", {"frame": ["x", "y"]}),
        ("<meta http-equiv=Refresh content='5; URL=x'>", {"refresh": ["x"]}),
        ("<meta http-equiv=refresh content=\"0;url='x y'z\">", {"refresh": ["x%20y"]}),
        ("<meta http-equiv=refresh content='1.5,x'><meta http-equiv=refresh content='3 x2'>", {"refresh": ["x", "x2"]}),
        ("<meta http-equiv=refresh content=5><meta name=refresh content='5;url=x'>", {}),
        ("<noscript><meta http-equiv=refresh content='0;url=x'></noscript>", {"refresh": ["x"]}),
        ("<blockquote cite=a></blockquote><q cite=b></q><ins cite=c></ins><del cite=d></del>",
         {"cite": ["a", "b", "c", "d"]}),
        ("<img src=i longdesc=x>", {"longdesc": ["x"], "image": ["i"]}),
        ("<svg><a xlink:href=x><text>t</text></a></svg>", {"svg": ["x"]}),
        ("<form action=x></form><form method=post action=y></form><form method=dialog action=z>", {"form": ["x"]}),
        ("<form><button formaction=x></button><input type=submit formaction=y><button formmethod=post formaction=z>",
         {"form": ["x", "y"]}),
        ("<img src=a><img srcset='b 1x, c,d 2x,'><picture><source srcset='e 100w, f 200w'></picture>",
         {"image": ["a", "b", "c,d", "e", "f"]}),
        ("<img srcset='data:image/png;base64,AA== 1x, b 2x'><img srcset='x (calc(1, 2)), y'>",
         {"image": ["b", "x", "y"]}),
        ("<link rel=preload as=image imagesrcset='a 1x, b 2x' href=c>", {"preload": ["c"], "image": ["a", "b"]}),
        ("<video src=a poster=b><source src=c><track src=d></video><audio src=e></audio>",
         {"media": ["a", "c", "e"], "image": ["b"], "track": ["d"]}),
        ("<object data=a></object><embed src=b>", {"object": ["a", "b"]}),
        ("<script src=a></script><script>'url(no)'</script>", {"script": ["a"]}),
        ("<svg><image href=a /><image xlink:href=b /><use href='c#d'/></svg>", {"image": ["a", "b", "c"]}),
        ("<input type=image src=a>", {"image": ["a"]}),
        ("<body background=a><table background=b>", {"image": ["a", "b"]}),
        ("<html manifest=a><link rel=manifest href=b>", {"manifest": ["a", "b"]}),
        ("<link rel='shortcut icon' href=a><link rel=apple-touch-icon href=b><link rel='alternate stylesheet' href=c>",
         {"icon": ["a", "b"], "style": ["c"]}),
        ("<style>@import 'a'; b { background: url(b) }</style><p style='background:url(\"c\")'>",
         {"style": ["a"], "css": ["b", "c"]}),
        ("<base href=http://a.example/dir/sub/><link rel=next href=x>", {"rel=next": ["sub/x"]}),
        ("<link rel=next href='javascript:x'><img src='data:,x'><img src><iframe src='mailto:a@b'>", {}),
        ("<template><img src=x></template><!-- <img src=y> -->", {}),
        ("<a href=x>", {}),
    ],
)  # fmt: skip
async def test_what_elements_name_is_found(body: str, kinds: dict[str, list[str]]) -> None:
    assert await found(body) == kinds


@pytest.mark.parametrize(
    ("headers", "kinds"),
    [
        ({"link": '<x>; rel=next, <y>; rel="prev"; title="a, b"'}, {"rel=next": ["x"], "rel=prev": ["y"]}),
        ({"link": "<a.css>; rel=preload; as=style,</s>;rel=stylesheet"}, {"preload": ["a.css"], "style": ["http://a.example/s"]}),
        ({"link": "<x>; title=y"}, {}),
        ({"link": "<<<>>>; ;;;=,,,<x"}, {}),
        ({"link": "<x,y>; rel=canonical"}, {"rel=canonical": ["x,y"]}),
        ({"refresh": "0;url=x"}, {"refresh": ["x"]}),
        ({"content-location": "x"}, {"content-location": ["x"]}),
    ],
)  # fmt: skip
async def test_what_headers_name_is_found(headers: dict[str, str], kinds: dict[str, list[str]]) -> None:
    assert await found("<base href=//other.example/>", headers=headers) == kinds
    assert await found("whatever", "image/png", headers) == kinds


@pytest.mark.parametrize("switch", MORE_LINKS)
async def test_each_kind_has_a_switch(switch: str) -> None:
    bodies = {
        "rel": "<link rel=next href=x>",
        "frame": "<iframe src=x></iframe>",
        "refresh": "<meta http-equiv=refresh content='0;url=x'>",
        "header": "",
        "cite": "<q cite=x>",
        "svg": "<svg><a xlink:href=x></svg>",
        "form": "<form action=x>",
    }
    everything = "<img src=i>" + "".join(bodies.values())
    page = await read(everything, Asked(frozenset({switch}), resources=False), headers={"link": "<x>; rel=next"})
    assert page.more_links == ["http://a.example/dir/x"]
    assert [list(page.facts), len(page.facts["more_links"])] == [["more_links"], 1]
    assert (
        await read(everything, Asked(frozenset(), resources=False), headers={"link": "<x>; rel=next"})
    ).facts is None


async def test_a_style_sheet_names_what_it_loads() -> None:
    assert await found("@import url(a.css);b{src:url(f.woff)}", "text/css") == {
        "style": ["a.css"],
        "css": ["f.woff"],
    }


@pytest.mark.parametrize(
    ("css", "imported", "others"),
    [
        ("@import 'a' screen; @import \"b\"; @IMPORT URL( c ) layer('x');", ["a", "b", "c"], []),
        ("a { content: 'url(x)' } /* url(y) */ b { background: url(z) }", [], ["z"]),
        ("a { background: url(a\\)b.png), url('c d'), URL(\"e\") }", [], ["a)b.png", "c d", "e"]),
        ("a { background: url(\\31 .png) }", [], ["1.png"]),
        ("a { background: url(x", [], ["x"]),
        ("@import; 'a'", [], []),
        ("/* never ended url(x)", [], []),
        ("a { background: image-set('a' 1x, url(b) 2x) }", [], ["b"]),
    ],
)  # fmt: skip
def test_css_is_read_by_its_tokens(css: str, imported: list[str], others: list[str]) -> None:
    assert sheets.references(css) == (imported, others)


@pytest.mark.parametrize(
    "text", ["url(" * 100_000, "url('" * 100_000, "@import " * 100_000, "\\" * 200_000, "/*" * 100_000]
)
def test_hostile_css_takes_no_longer_than_it_is_long(text: str) -> None:
    sheets.references(text)


async def test_more_pages_than_anyone_needs_are_cut() -> None:
    page = await read("<img src=x>" + "".join(f"<q cite={number}></q>" for number in range(30_000)))
    assert len(page.more_links) < 30_000


async def test_pages_that_are_named_otherwise_are_followed_too(site: Site, job: Path, processes: int) -> None:
    site.raw(
        "/",
        b"<link rel=next href=/next><iframe src=/frame></iframe><a href=/a></a><a href=/next></a>"
        b"<form action=/form></form><img src=/image><meta http-equiv=refresh content='9;url=/later'>"
        b"<q cite=//elsewhere.example/></q>",
        headers={"Content-Type": "text/html", "Link": "</header>; rel=next"},
    )
    for path in ("/next", "/frame", "/a", "/header", "/later"):
        site.page(path)
    kinds = "--discover=rel,frame,refresh,header,cite,svg,resources"
    run = await crawl(job, *QUICK, kinds, f"--processes={processes}", site.url("/"))
    first = run.by_url[site.url("/")]
    assert set(run.by_url) == {site.url(path) for path in ("/", "/next", "/frame", "/a", "/header", "/later")}
    assert first["links"] == [site.url("/a"), site.url("/next")]
    assert first["facts"]["more_links"]["frame"] == [site.url("/frame")]
    assert first["facts"]["resources"] == {"image": [site.url("/image")]}
    assert run.summary["skipped"] == {"scope": 1}


async def test_what_is_discovered_can_be_chosen(site: Site, job: Path) -> None:
    site.raw("/", b"<link rel=next href=/next><iframe src=/frame></iframe><form action=/form></form>",
             headers={"Content-Type": "text/html"})  # fmt: skip
    run = await crawl(job, *QUICK, "--discover=form,frame", site.url("/"))
    assert set(run.by_url) == {site.url(path) for path in ("/", "/form", "/frame")}
    other = await crawl(job.with_name("other"), *QUICK, "--discover=", site.url("/"))
    assert set(other.by_url) == {site.url("/")}
    assert other.by_url[site.url("/")]["facts"] is None


async def test_nofollow_holds_for_all_that_a_page_names(site: Site, job: Path) -> None:
    site.raw(
        "/", b"<meta name=robots content=nofollow><iframe src=/frame></iframe>", headers={"Content-Type": "text/html"}
    )
    run = await crawl(job, *QUICK, site.url("/"))
    assert set(run.by_url) == {site.url("/")}
    assert run.summary["skipped"] == {"nofollow": 1}
