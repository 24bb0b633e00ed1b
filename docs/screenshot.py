"""Makes docs/status-page.png: the status page during a crawl of the built-in web, in Debian's Chromium.

make test TESTS=tests/test_house.py    # once, for what it needs
.venv/bin/python docs/screenshot.py
"""

import asyncio
import sys
import tempfile
from pathlib import Path

from playwright.async_api import async_playwright

DOCS = Path(__file__).resolve().parent
_AFTER = 25_000  # milliseconds: by then the chart has something to show


async def main() -> None:
    """Crawl, look, stop."""
    with tempfile.TemporaryDirectory() as folder:
        crawl = await asyncio.create_subprocess_exec(
            sys.executable,
            str(DOCS.parent / "crawl.py"),
            "demo:",
            "--concurrency=200",
            "--job=jobs/demo",
            "--port=0",
            cwd=folder,
            stdout=asyncio.subprocess.PIPE,
        )
        assert crawl.stdout is not None
        address = (await crawl.stdout.readline()).decode().split()[-1]
        async with async_playwright() as playwright:
            browser = await playwright.chromium.launch(
                executable_path="/usr/bin/chromium", args=["--no-sandbox", "--disable-background-networking"]
            )
            page = await browser.new_page(viewport={"width": 1366, "height": 768})
            await page.goto(address)
            await page.wait_for_timeout(_AFTER)
            await page.screenshot(path=DOCS / "status-page.png")
            await browser.close()
        crawl.terminate()
        await crawl.communicate()


if __name__ == "__main__":
    asyncio.run(main())
