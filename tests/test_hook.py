"""Functions of a user's own: --hook, in whole crawls."""

import json
import re
from pathlib import Path

import pytest

from tests.crawling import QUICK, ROOT, Crawl, Run, crawl
from tests.site import Site


async def crawl_with(hook: str, job: Path, *arguments: str) -> Run:
    (job.parent / "my_site.py").write_text(hook)
    return await (await Crawl.start(job, *QUICK, "--hook=my_site.py", *arguments)).end()


def documented(number: int) -> str:
    """An example of the documentation."""
    examples: list[str] = re.findall(r"```python\n(.*?)```", (ROOT / "docs" / "hook.md").read_text(), re.DOTALL)
    return examples[number]


async def test_the_documented_examples_work(site: Site, job: Path) -> None:
    site.raw(
        "/",
        b"<table class=prices><tr><td>tea<td>1.5<tr><td>cup<td>7</table><a href=/2019/x>x</a><a href=/2021/y>y</a>",
        headers={"Content-Type": "text/html"},
    )
    site.page("/2021/y", title="a1")
    run = await crawl_with(documented(1) + documented(2), job, site.url("/"))
    data = run.by_url[site.url("/")]["data"]
    assert data == [{"name": "tea", "price": 1.5}, {"name": "cup", "price": 7}]
    assert set(run.by_url) == {site.url("/"), site.url("/2021/y")}
    assert run.summary["skipped"] == {"unwanted": 1}
    (job.parent / "stock.json").write_text(json.dumps({"a1": 3}))
    (job.parent / "my.toml").write_text('[[extract]]\nmatch = "**"\n[extract.fields]\nsku = "css: title"\n')
    other = await crawl_with(documented(3), job.with_name("other"), "--config=my.toml", site.url("/2021/y"))
    assert other.by_url[site.url("/2021/y")]["data"] == {"sku": "a1", "stock": 3}


@pytest.mark.parametrize(
    ("parse", "data"),
    [
        ("def parse(page):\n  yield page.title\n  yield page.status", ["/", 200]),
        ("def parse(page):\n  return {'links': page.links[0][-2:]}", {"links": "/a"}),
        ("async def parse(page):\n  yield page.css('a::attr(href)')", [["/a"]]),
        ("async def parse(page):\n  return page.xpath('count(//a)')", ["1.0"]),
        ("def parse(page):\n  return page.headers['content-type'], len(page.body)", ["text/html", 41]),
        ("def parse(page):\n  yield page.tree.find('.//a').text", ["a"]),
        ("def parse(page):\n  pass", None),
        ("def parse(page):\n  return iter(())\n  yield", None),
    ],
)
async def test_parse_may_be_written_in_many_ways(site: Site, job: Path, parse: str, data: object) -> None:
    site.raw("/", b"<title>/</title><a href=/a>a</a>         ", headers={"Content-Type": "text/html"})
    run = await crawl_with(parse, job, "--max-depth=0", site.url("/"))
    assert (run.by_url[site.url("/")]["error"], run.by_url[site.url("/")]["data"]) == (None, data)


@pytest.mark.parametrize("kind", ["def", "async def"])
async def test_an_error_is_told_with_the_page_and_is_never_fatal(
    site: Site, job: Path, kind: str, processes: int
) -> None:
    site.page("/", "/good", "/bad", "/odd")
    site.page("/good", title="good")
    site.page("/bad", "/below")
    site.page("/odd", title="odd")
    site.page("/below", title="below")
    hook = (
        f"{kind} parse(page):\n"
        "    if page.url.endswith('/odd'):\n"
        "        return {1, 2}\n"
        "    return {'upper': {'good': 'GOOD', 'below': 'BELOW', '/': '/'}[page.title]}\n"
    )
    run = await crawl_with(hook, job, f"--processes={processes}", site.url("/"))
    assert run.code == 0
    told = {url.removeprefix(site.url("")): (record["error"], record["data"]) for url, record in run.by_url.items()}
    odd = told.pop("/odd")[0]
    assert told == {
        "/": (None, {"upper": "/"}),
        "/good": (None, {"upper": "GOOD"}),
        "/bad": ("hook: KeyError: '/bad' (line 4)", None),
        "/below": (None, {"upper": "BELOW"}),
    }
    assert odd.startswith("hook: TypeError: ")
    assert run.summary["errors"] == {"hook": 2}
    assert f"the hook failed at {site.url('/bad')}: KeyError: '/bad' (line 4)" in (job / "crawl.log").read_text()


@pytest.mark.parametrize(
    ("hook", "message"),
    [
        ("x = 1", "has neither a function parse(page) nor follow(link, page)"),
        ("parse = 1", "parse is no function"),
        ("def parse(page):\n  return (", "fails at line 2: SyntaxError: "),
        ("import nothing_such", "fails at line 1: ModuleNotFoundError: "),
        ("\n\nraise RuntimeError('x\\ny')", "fails at line 3: RuntimeError: "),
    ],
)
async def test_a_file_that_cannot_be_used_is_one_line(job: Path, hook: str, message: str) -> None:
    run = await crawl_with(hook, job, "http://127.0.0.1:1/")
    assert (run.code, len(run.err.splitlines())) == (2, 1)
    assert message in run.err


async def test_a_file_that_is_not_there_is_one_line(job: Path) -> None:
    run = await crawl(job, "--hook=none.py", "http://127.0.0.1:1/")
    assert (run.code, len(run.err.splitlines())) == (2, 1)
    assert "none.py is no Python file that can be read" in run.err


async def test_redirects_are_not_shown_and_what_lies_beside_can_be_imported(site: Site, job: Path) -> None:
    site.redirect("/", "/a")
    site.page("/a")
    (job.parent / "beside.py").write_text("NAME = 'beside'")
    hook = "from beside import NAME\ndef parse(page):\n  yield [NAME, page.url]"
    run = await crawl_with(hook, job, site.url("/"))
    assert run.err == ""
    assert [record["data"] for record in run.records] == [None, [["beside", site.url("/a")]]]


async def test_a_hook_is_tried_on_one_page(site: Site, job: Path) -> None:
    site.page("/", "/a", "/b")
    hook = "def parse(page):\n  return page.title\ndef follow(link, page):\n  return link.endswith('a')"
    run = await crawl_with(hook, job, f"--try={site.url('/')}")
    shown = json.loads(run.out)
    assert (shown["data"], shown["unwanted"]) == ("/", [site.url("/b")])
    run = await crawl_with("def parse(page):\n  return 1/0", job, f"--try={site.url('/')}")
    assert json.loads(run.out)["error"] == "hook: ZeroDivisionError: division by zero (line 2)"
