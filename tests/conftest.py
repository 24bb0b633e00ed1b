"""What all suites share."""

import os
import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import pytest

from tests import crawling
from tests.site import Site, served

if TYPE_CHECKING:
    from playwright.async_api import Browser

_BROWSER_FLAGS = (  # quiet: Chromium would look for updates and more at every start
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
)


def missing(message: str) -> NoReturn:
    """Something that a test needs is not on this machine: a visible skip; in CI, where it must be there, a failure."""
    if os.environ.get("CI") == "true":
        pytest.fail(message)
    pytest.skip(message)


def need(program: str, *, package: str) -> str:
    """The path of a program that a test needs; see `missing`."""
    path = shutil.which(program) or shutil.which(program, path="/usr/sbin")
    if path is None:
        missing(f"{program} is not installed (Debian: apt install {package})")
    return path


@pytest.fixture
async def browser() -> AsyncIterator["Browser"]:
    """A real browser, headless."""
    from playwright.async_api import async_playwright  # only for tests that ask for it: it takes half a second

    path = need("chromium", package="chromium")
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=path, args=_BROWSER_FLAGS)
        yield browser
        await browser.close()


@pytest.fixture
async def site() -> AsyncIterator[Site]:
    """A web that the test states page by page."""
    async with served() as site:
        yield site


@pytest.fixture(params=[1, 3])
def processes(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> int:
    """Of a suite that holds for one process and for a crew: how many a crawl has."""
    number: int = request.param
    monkeypatch.setattr(crawling, "DEFAULTS", [*crawling.DEFAULTS, f"--processes={number}"])
    return number


@pytest.fixture
def job(tmp_path: Path) -> Path:
    """A folder for a crawl, not there yet."""
    return tmp_path / "job"
