"""Real pages that nobody here wrote: the Python documentation as Debian ships it, served by nginx."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.async_api import Browser

from benchmarks.corpus import PYTHON_DOC, served
from tests.conftest import missing, need
from tests.crawling import crawl

FLAGS = ("--concurrency=100", "--per-host=100", "--delay=0", "--robots=ignore")


@pytest.fixture
def doc() -> Iterator[str]:
    need("nginx", package="nginx-light")
    if not PYTHON_DOC.exists():
        missing(f"{PYTHON_DOC} is not there (Debian: apt install python3-doc)")
    with served(PYTHON_DOC) as url:
        yield url


@pytest.mark.usefixtures("processes")
async def test_all_is_crawled_once_with_the_links_of_a_browser(doc: str, browser: Browser, tmp_path: Path) -> None:
    run = await crawl(tmp_path / "job", *FLAGS, f"{doc}index.html")
    assert run.code == 0, run.err
    records = run.by_url
    reached = {f"{doc}index.html"}
    for record in run.records:
        reached.update(link for link in record["links"] if link.startswith(doc))
    assert set(records) == reached
    html = [url for url, record in records.items() if record["content_type"] == "text/html" and record["status"] == 200]
    dead = [url for url, record in records.items() if record["status"] == 404]
    others = [url for url in records if url not in html and url not in dead]
    if len(records) == 528:  # Debian 12; other releases have other pages
        assert (len(html), len(dead), len(others)) == (526, 1, 1)
    assert all(records[url]["title"] for url in html)

    page = await (await browser.new_context(java_script_enabled=False)).new_page()
    for url in html[:: len(html) // 25]:
        await page.goto(url)
        links = await page.evaluate("[...document.links].map(a => a.href)")
        web = [link.partition("#")[0] for link in links if link.startswith(("http://", "https://"))]
        assert records[url]["links"] == list(dict.fromkeys(web)), url
        assert records[url]["title"] == await page.title()
