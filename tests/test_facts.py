"""What pages say of themselves, when it is asked for: facts, and the main text."""

from pathlib import Path
from typing import Any

import pytest

import parsers
from parsers.asked import Asked
from parsers.facts import FACTS
from parsers.page import Page, Response
from parsers.text import Form
from tests.crawling import QUICK, Crawl, crawl
from tests.site import Site

URL = "http://a.example/dir/page"
ARTICLE = "<p>" + "Tea is grown on hills, where mist keeps the leaves tender. " * 8 + "</p>"


async def read(body: str, *facts: str, text: Form | None = None) -> Page:
    asked = Asked(frozenset(), resources=False, facts=frozenset(facts), text=text)
    return await parsers.parse(Response(URL, 200, {"content-type": "text/html"}, body.encode(), 0.1), asked=asked)


@pytest.mark.parametrize(
    ("fact", "body", "value"),
    [
        (
            "headings",
            "<h2>B <b>c</b></h2><h1> A\n</h1><h3></h3>",
            [{"level": 2, "text": "B c"}, {"level": 1, "text": "A"}],
        ),
        (
            "opengraph",
            '<meta property="og:title" content=T><meta name=twitter:card content=summary><meta name=a:b content=c>',
            {"og:title": "T", "twitter:card": "summary"},
        ),
        (
            "opengraph",
            "<meta property=og:image content=a><meta property=OG:image content=b><meta property=og:image content=c>",
            {"og:image": ["a", "b", "c"]},
        ),
        (
            "jsonld",
            '<script type="application/ld+json">{"@type": "Tea"}</script><script type=application/ld+json>{</script>'
            "<script>{}</script>",
            [{"@type": "Tea"}],
        ),
        (
            "hreflang",
            "<link rel=alternate hreflang=de href=de><link rel=alternate hreflang=x-default href=/>"
            "<link hreflang=fr href=x>",
            {"de": "http://a.example/dir/de", "x-default": "http://a.example/"},
        ),
        (
            "pagination",
            "<link rel=next href=3><a rel='prev nofollow' href=1>1</a><a rel=next href=4>4</a><link rel=start href=0>",
            {"next": "http://a.example/dir/3", "prev": "http://a.example/dir/1", "first": "http://a.example/dir/0"},
        ),
    ],
)
async def test_a_fact_is_read_when_it_is_asked_for(fact: str, body: str, value: Any) -> None:
    assert (await read(body, fact)).facts == {fact: value}
    assert (await read(body, *FACTS)).facts is not None
    assert (await read(body)).facts is None
    assert (await read("<p>", *FACTS)).facts is None


async def test_the_main_text_is_plain_or_markdown() -> None:
    body = f"<html><nav><a href=/x>Menu</a></nav><main><h1>On tea</h1>{ARTICLE}</main><footer>Imprint</footer></html>"
    plain, marked = await read(body, text="plain"), await read(body, text="markdown")
    assert plain.text is not None
    assert marked.text is not None
    assert plain.text.startswith("On tea\nTea is grown")
    assert marked.text.startswith("# On tea\n\nTea is grown")
    assert "Menu" not in plain.text + marked.text
    assert (await read("<p></p>", text="plain")).text is None
    assert (await read(body)).text is None


async def test_a_crawl_keeps_facts_and_text(site: Site, job: Path, processes: int) -> None:
    site.raw("/", f"<h1>On tea</h1>{ARTICLE}<img src=/i>".encode(), headers={"Content-Type": "text/html"})
    run = await crawl(
        job,
        *QUICK,
        "--facts=headings,jsonld",
        "--discover=resources",
        "--text=plain",
        f"--processes={processes}",
        site.url("/"),
    )
    record = run.by_url[site.url("/")]
    assert record["facts"] == {
        "resources": {"image": [site.url("/i")]},
        "headings": [{"level": 1, "text": "On tea"}],
    }
    assert record["text"].startswith("Tea is grown on hills")


async def test_without_trafilatura_a_text_cannot_be_asked_for(job: Path) -> None:
    nowhere = job.parent / "trafilatura.py"
    nowhere.write_text("raise ImportError('not here')")
    run = await (
        await Crawl.start(job, "--text=plain", "http://127.0.0.1:1/", environment={"PYTHONPATH": str(nowhere.parent)})
    ).end()
    assert (run.code, len(run.err.splitlines())) == (2, 1)
    assert "--text=plain: trafilatura is not installed (not here): pip install trafilatura" in run.err
