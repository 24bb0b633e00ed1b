"""The status page in a real browser: live, safe against what crawled pages say, and of use on every screen."""

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
from playwright.async_api import Browser, Page, expect

from crawler.stats import HostView, Point, Verdict
from crawler.status.app import Listening, listen, make_app
from tests.test_status import SCRIPT, Crawl

Visit = Callable[..., Awaitable[Page]]


@pytest.fixture
def crawl() -> Crawl:
    return Crawl()


@pytest.fixture
async def status(crawl: Crawl) -> AsyncIterator[Listening]:
    listening = await listen(make_app(crawl, every=0.05), "127.0.0.1", 0, True)
    yield listening
    await listening.close()


@pytest.fixture
def complaints() -> list[str]:
    """Dialogs, errors of scripts and of the console (refusals by the content policy are among them)."""
    return []


@pytest.fixture
async def visit(browser: Browser, status: Listening, complaints: list[str]) -> Visit:
    async def open_page(width: int = 1366, height: int = 768, **context: Any) -> Page:
        page = await (await browser.new_context(viewport={"width": width, "height": height}, **context)).new_page()

        async def dismiss(dialog: Any) -> None:
            complaints.append(f"dialog: {dialog.message}")
            await dialog.dismiss()

        page.on("dialog", dismiss)
        page.on("pageerror", lambda error: complaints.append(f"script: {error}"))
        page.on("console", lambda message: complaints.append(f"{message.type}: {message.text}"))
        page.on("requestfailed", lambda request: complaints.append(f"failed: {request.url}"))
        await page.goto(status.url)
        return page

    return open_page


async def live(page: Page, crawl: Crawl) -> None:
    """Wait until the page shows what came over the WebSocket."""
    crawl.change(pages=crawl.now.pages + 1)
    await expect(page.locator("[data-figure=pages]")).to_have_text(f"{crawl.now.pages:,}")


async def test_figures_change_live(visit: Visit, crawl: Crawl, complaints: list[str]) -> None:
    page = await visit()
    await expect(page.locator("#state")).to_have_text("running")
    crawl.change(pages=98_765, state="paused", eta=None, statuses={"418": 5}, trouble="No space left on device")
    crawl.known = [HostView("new.localhost", 77, 1, 0, 2.5, 4, 2, None, "its robots.txt asks for 2.5 s")]
    crawl.points.append(Point(70.0, 480.0, 5e6))
    await expect(page.locator("[data-figure=pages]")).to_have_text("98,765")
    await expect(page.locator("#state")).to_have_text("paused")
    await expect(page.locator("[data-figure=eta]")).to_have_text("—")
    await expect(page.locator("#trouble")).to_have_text("No space left on device")
    await expect(page.locator("#statuses tbody tr")).to_have_text(["4185"])
    await expect(page.locator("#hosts tbody tr")).to_have_count(1)
    await expect(page.locator("#hosts tbody tr > *")).to_have_text(
        ["new.localhost", "77", "1", "0", "2.50 s", "2/4", "—", "its robots.txt asks for 2.5 s"]
    )
    await expect(page.locator("#chart-summary")).to_have_text("latest 480, highest 480 pages/s")
    await expect(page.locator("#chart-top")).to_have_text("500")
    assert "98,765 pages, paused" in await page.title()
    assert complaints == []


async def test_the_chart_can_be_read_at_any_point(visit: Visit, crawl: Crawl) -> None:
    crawl.points = [Point(100.0, 10, 1e6), Point(200.0, 40, 2e6), Point(300.0, 30, 3e6)]
    page = await visit()
    await live(page, crawl)
    box = await page.locator("#chart").bounding_box()
    assert box is not None
    await page.mouse.move(box["x"] + box["width"] * 0.6, box["y"] + 20)
    await expect(page.locator("#chart-summary")).to_have_text("at 3 min 20 s: 40.0 pages/s, 2.00 MB/s")
    await page.mouse.move(box["x"], box["y"] - 200)
    await expect(page.locator("#chart-summary")).to_have_text("latest 30.0, highest 40.0 pages/s")


async def test_it_finds_the_server_again(visit: Visit, crawl: Crawl, status: Listening, complaints: list[str]) -> None:
    page = await visit()
    await live(page, crawl)
    await status.close()
    await expect(page.locator("#note")).to_have_text("Connection lost, trying again …")
    await expect(page.locator("[data-figure=pages]")).to_have_text(f"{crawl.now.pages:,}")
    crawl.change(pages=5)
    crawl.points = [Point(1.0, 3.0, 1e3)]
    again = await listen(make_app(crawl, every=0.05), "127.0.0.1", status.port, True)
    await expect(page.locator("[data-figure=pages]")).to_have_text("5", timeout=15_000)
    await expect(page.locator("#note")).to_be_empty()
    await expect(page.locator("#chart-end")).to_have_text("1 s")  # the old crawl's history is gone
    assert all("ERR_CONNECTION_REFUSED" in complaint for complaint in complaints)
    await page.close()
    await again.close()


async def test_the_last_figures_stay_when_the_crawl_has_ended(visit: Visit, crawl: Crawl, status: Listening) -> None:
    page = await visit()
    await live(page, crawl)
    crawl.change(state="finished", pages=2000, queued=0)
    await status.close()
    await expect(page.locator("#note")).to_have_text("The crawl has ended; these are its last figures.")
    await expect(page.locator("#state")).to_have_text("finished")
    await expect(page.locator("[data-figure=pages]")).to_have_text("2,000")


async def test_what_crawled_pages_say_is_text(visit: Visit, crawl: Crawl, complaints: list[str]) -> None:
    """As rendered by the server, and as set by the script into rows old and new."""
    pages, crawl.pages = crawl.pages, crawl.pages[:3]
    crawl.change(verdict=Verdict("server", SCRIPT), errors={SCRIPT: 3}, trouble=SCRIPT, job=SCRIPT)
    crawl.known = [HostView(SCRIPT, 1, 1, 1, 1.0, 1, 1, 1.0, SCRIPT)]
    page = await visit()
    await expect(page.locator("#recent .title").first).to_have_text(SCRIPT)
    crawl.pages = list(reversed(pages))
    crawl.known *= 3
    await expect(page.locator("#recent tbody tr")).to_have_count(len(pages))
    titles = await page.locator("#recent .title").all_text_contents()
    assert titles[2:] == ["W" * 200 + "…", *(entry.title for entry in reversed(pages[:5]))]
    await expect(page.locator("#hosts th.name >> nth=3")).to_have_text(SCRIPT)
    links = [await link.get_attribute("href") for link in await page.locator("#recent a").all()]
    assert links[:2] == [None, None]  # cut, and javascript:
    assert all(link and link.startswith("http://books.localhost:8080/") for link in links[2:])
    for link in await page.locator("#recent a[href]").all():
        assert await link.get_attribute("rel") == "noopener noreferrer nofollow"
    assert await page.locator("img").count() == 1  # our own
    assert await page.locator("main script").count() == 0
    assert complaints == []


async def test_it_fits_a_laptop_without_scrolling(visit: Visit, crawl: Crawl) -> None:
    crawl.known *= 20
    crawl.pages *= 6
    crawl.change(statuses={str(code): code for code in range(200, 260)})
    page = await visit(1366, 768)
    await live(page, crawl)
    assert await page.evaluate("document.documentElement.scrollHeight") <= 768
    assert await page.evaluate("document.documentElement.scrollWidth") <= 1366
    for panel in ("#hosts", "#recent", "#statuses"):
        scrolls = "element => element.parentElement.scrollHeight > element.parentElement.clientHeight"
        assert await page.locator(panel).evaluate(scrolls), panel
        box = await page.locator(f".panel:has({panel})").bounding_box()
        assert box is not None
        assert box["y"] + box["height"] <= 768
        assert box["height"] > 120


@pytest.mark.parametrize("scripts", [True, False])
async def test_it_never_scrolls_sideways(visit: Visit, crawl: Crawl, scripts: bool) -> None:
    crawl.change(job="jobs/" + "j" * 300, pages=123_456_789, queued=99_999_999)
    crawl.known[0] = HostView("h" * 250, 10**7, 10**7, 10**5, 86400.0, 16, 16, 86400.0, "r" * 300)
    for width in (360, 700, 1000, 2560):
        page = await visit(width, 740, java_script_enabled=scripts)
        if scripts:
            await live(page, crawl)
            assert await page.evaluate("document.documentElement.scrollWidth") <= width
        for section in await page.locator("main > *").all():
            box = await section.bounding_box()
            assert box is not None
            assert box["x"] + box["width"] <= width
        await page.close()


async def test_it_says_the_same_without_javascript(visit: Visit, crawl: Crawl) -> None:
    """What the server renders and what the script writes are the same, figure by figure."""
    crawl.change(eta=200_000.0, bytes=999, elapsed=4000.0, rate=1234.5678, concurrency=1000)
    for i, (delay, turn) in enumerate([(0.0, 0.0), (0.031, 0.5), (1.0, None), (12.34, 100.7)]):
        crawl.known[i] = HostView(f"{i}", 1000 * 10**i, 10**i, i, delay, 16, i, turn, "")
    without = await visit(java_script_enabled=False)
    assert await without.locator("noscript").inner_text() != ""
    before = [await without.locator(part).all_inner_texts() for part in ("main", "header .news")]
    drawn = [await without.locator(f"#chart {part}").get_attribute("points") for part in (".line", ".area")]
    page = await visit()
    await live(page, crawl)
    crawl.change(pages=1234)
    await expect(page.locator("[data-figure=pages]")).to_have_text("1,234")
    assert [await page.locator(part).all_inner_texts() for part in ("main", "header .news")] == before
    assert [await page.locator(f"#chart {part}").get_attribute("points") for part in (".line", ".area")] == drawn


async def test_an_empty_crawl_is_shown_too(visit: Visit, crawl: Crawl, complaints: list[str]) -> None:
    crawl.known, crawl.pages, crawl.points = [], [], []
    crawl.change(statuses={}, errors={}, refusals={}, skipped={}, hosts=0, elapsed=0.0, rate=0.0)
    page = await visit()
    await live(page, crawl)
    await expect(page.locator(".none:visible")).to_have_text(
        ["No answer yet", *["None so far"] * 3, "No host yet", "No page yet"]
    )
    await expect(page.locator("#chart-summary")).to_have_text("no figures yet")
    assert complaints == []


async def test_the_keyboard_reaches_the_panels_and_shows_where_it_is(visit: Visit, crawl: Crawl) -> None:
    page = await visit()
    await live(page, crawl)
    seen = []
    for _ in range(6):
        await page.keyboard.press("Tab")
        seen.append(await page.evaluate("document.activeElement.firstElementChild?.id"))
        assert await page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
    assert seen == ["statuses", "errors", "refusals", "skipped", "hosts", "recent"]


async def test_several_browsers_can_watch(visit: Visit, crawl: Crawl) -> None:
    pages = [await visit() for _ in range(3)]
    await live(pages[0], crawl)
    for page in pages:
        await expect(page.locator("[data-figure=pages]")).to_have_text(f"{crawl.now.pages:,}")
