"""The built-in web crawled to its end, and the status page watched meanwhile in a real browser."""

import asyncio
import re
import signal
import tomllib
from pathlib import Path

import pytest
from playwright.async_api import Browser, expect

from benchmarks.generated import Web
from benchmarks.web import Shape
from tests.crawling import ROOT, Crawl, crawl


@pytest.mark.usefixtures("processes")
async def test_the_built_in_web_is_crawled_completely_and_each_page_once(tmp_path: Path) -> None:
    job = tmp_path / "job"
    run = await crawl(job, "demo:", "--delay=0", "--per-host=60", "--retries=0", "--sitemaps=true")
    assert run.code == 0, run.err
    sitemaps = run.summary["sitemaps"]
    assert (sitemaps["read"], sitemaps["failed"]) == (Shape().hosts, 0)
    port = tomllib.loads((job / "job.toml").read_text())["demo"]["port"]
    web = Web(Shape())
    assert {url: record["status"] for url, record in run.by_url.items()} == web.expected(port)
    assert run.summary["refusals"] == {"robots": len(web.forbidden(port))}
    assert all(record["error"] is None for record in run.records)


async def test_the_built_in_web_keeps_its_port_when_the_crawl_goes_on(tmp_path: Path) -> None:
    job = tmp_path / "job"
    quick = ("--delay=0", "--per-host=60", "--retries=0")
    await crawl(job, "demo:", *quick, "--max-pages=100")
    run = await crawl(job, "demo:", *quick, "--max-pages=300")
    assert len(run.by_url) == 300
    assert len({url.split("/")[2].partition(":")[2] for url in run.by_url}) == 1


async def test_the_shipped_seeds_begin_with_the_built_in_web(tmp_path: Path) -> None:
    run = await crawl(tmp_path / "job", "--max-pages=20", "--delay=0", f"--seeds={ROOT / 'seeds.txt'}")
    assert (run.code, len(run.by_url)) == (0, 20)
    assert all(".localhost:" in url for url in run.by_url)


async def test_the_page_shows_a_crawl_live_to_its_end(browser: Browser, tmp_path: Path) -> None:
    running = await Crawl.start(tmp_path / "job", "demo:", "--port=0", "--delay=0.05")
    assert running.process.stdout is not None
    line = (await running.process.stdout.readline()).decode()
    page = await browser.new_page()
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    await page.goto(line.split()[-1])
    await expect(page.locator("[data-figure=pages]")).to_have_text(re.compile(r"[1-9]\d\d"), timeout=30_000)
    await expect(page.locator("text=news.localhost").first).to_be_visible()
    await expect(page.locator("#state")).to_have_text("running")
    running.process.send_signal(signal.SIGINT)
    await expect(page.locator("#state")).to_have_text("stopped", timeout=30_000)
    assert errors == []
    run = await running.end()
    assert run.code == 130
    assert len(run.by_url) >= 100


async def test_a_taken_default_port_moves_on_and_a_taken_given_one_is_an_error(tmp_path: Path) -> None:
    server = await asyncio.start_server(lambda reader, writer: writer.close(), "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    run = await crawl(tmp_path / "job", "demo:", "--max-pages=1", f"--port={port}")
    server.close()
    assert run.code == 2
    assert run.err.count("\n") == 1
    assert str(port) in run.err
