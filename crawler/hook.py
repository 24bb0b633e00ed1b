"""--hook=FILE: a user's own functions, for what rules cannot say. An error in them is never fatal.

    def parse(page): yield {...}         what to keep of a page, in its record's data
    def follow(link, page) -> bool       whether to follow a link of it

Either may be missing, and either may be `async def`. Async functions run on the crawl's loop; plain ones in a thread of
their own, one page after the other, so they may take their time and need no locks.
"""

import asyncio
import importlib.util
import inspect
import logging
import sys
import traceback
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from types import ModuleType
from typing import Any

import orjson
from lxml.etree import _Element as Element  # the name by which lxml's type stubs know it

from crawler.kinds import plain
from crawler.model import PageReader, UserError
from parsers import html
from parsers.page import Page, Response
from parsers.selectors import Selector

log = logging.getLogger(__name__)


class HookError(UserError):
    """The file cannot be used; the message is one line for the user."""


@dataclass
class HookPage:
    """A page as a hook sees it."""

    url: str
    status: int
    headers: Mapping[str, str]  # names in lower case
    body: bytes
    title: str | None
    links: Sequence[str]  # absolute
    data: Any  # what rules have cut out
    _selectors: dict[str, Selector] = field(default_factory=dict, repr=False)

    @cached_property
    def tree(self) -> Element | None:
        """The root element of HTML (lxml.etree); None when there is none."""
        return html.root(Response(self.url, self.status, dict(self.headers), self.body, 0.0))

    def css(self, selector: str) -> list[Any]:
        """The elements, or with ::text and ::attr(NAME) the texts, that a CSS selector selects."""
        return self._select(f"css: {selector}")

    def xpath(self, path: str) -> list[Any]:
        """The elements or texts that an XPath selects."""
        return self._select(f"xpath: {path}")

    def _select(self, text: str) -> list[Any]:
        selector = self._selectors.get(text) or self._selectors.setdefault(text, Selector(text))
        return [] if self.tree is None else list(selector.select(self.tree))


Parse = Callable[[HookPage], Any]
Follow = Callable[[str, HookPage], Any]


class Hook:
    """The functions of one file."""

    def __init__(self, file: Path) -> None:
        """Raises HookError."""
        self._file = file
        module = _load(file)
        self._parse: Parse | None = _function(module, "parse", file)
        self._follow: Follow | None = _function(module, "follow", file)
        if self._parse is None and self._follow is None:
            raise HookError(f"{file}: has neither a function parse(page) nor follow(link, page)")
        self._selectors: dict[str, Selector] = {}
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="hook")

    def after(self, parse: PageReader) -> PageReader:
        """The same reading of pages, with the hook behind it."""

        async def read(response: Response) -> Page:
            page = await parse(response)
            if page.redirect_to is None:
                await self._look_at(page, response)
            return page

        return read

    async def _look_at(self, page: Page, response: Response) -> None:
        seen = HookPage(
            response.url,
            response.status,
            response.headers,
            response.body,
            page.title,
            page.links,
            page.data,
            self._selectors,
        )
        try:
            if self._parse is not None:
                page.data = await self._items(self._parse, seen)
            if self._follow is not None:
                page.unwanted = await self._unwanted(self._follow, [*page.links, *page.more_links], seen)
        except Exception as error:  # noqa: BLE001 - it is the user's own code, and whatever it raises is for the user to see
            page.problem = f"hook: {self._told(error)}"
            log.warning("the hook failed at %s: %s", response.url, page.problem.removeprefix("hook: "))

    async def _items(self, parse: Parse, page: HookPage) -> Any:
        if inspect.isasyncgenfunction(parse):
            items: Any = [item async for item in parse(page)]
        elif inspect.iscoroutinefunction(parse):
            items = _listed(await parse(page))
        else:
            items = await asyncio.get_running_loop().run_in_executor(self._thread, lambda: _listed(parse(page)))
        orjson.dumps(items)  # whether it can be kept shows here, where it can still be told whose it is
        return items or page.data

    async def _unwanted(self, follow: Follow, links: Iterable[str], page: HookPage) -> frozenset[str]:
        if inspect.iscoroutinefunction(follow):
            return frozenset([link for link in links if not await follow(link, page)])
        work = asyncio.get_running_loop().run_in_executor(
            self._thread, lambda: frozenset([link for link in links if not follow(link, page)])
        )
        return await work

    def _told(self, error: Exception) -> str:
        """The error, with the line of the file at which it came."""
        frames = traceback.extract_tb(error.__traceback__)
        own = self._file.resolve()
        line = next((frame.lineno for frame in reversed(frames) if Path(frame.filename).resolve() == own), None)
        return plain(f"{type(error).__name__}: {error}") + (f" (line {line})" if line else "")

    def close(self) -> None:
        """Let go of the thread."""
        self._thread.shutdown(wait=False, cancel_futures=True)


def _listed(result: Any) -> Any:
    """What a function returned, or all that a generator yields."""
    return list(result) if inspect.isgenerator(result) else result


def _load(file: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(file.stem, file)
    if spec is None or spec.loader is None or not file.is_file():
        raise HookError(f"--hook: {file} is no Python file that can be read")
    module = importlib.util.module_from_spec(spec)
    sys.path.insert(0, str(file.parent))  # for what lies beside it
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        line = getattr(error, "lineno", None) or traceback.extract_tb(error.__traceback__)[-1].lineno
        raise HookError(f"--hook: {file} fails at line {line}: {type(error).__name__}: {plain(str(error))}") from error
    finally:
        sys.path.remove(str(file.parent))
    return module


def _function(module: ModuleType, name: str, file: Path) -> Callable[..., Any] | None:
    function = getattr(module, name, None)
    if function is not None and not callable(function):
        raise HookError(f"--hook: {file}: {name} is no function")
    return function
