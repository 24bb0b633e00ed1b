"""--try=URL: one page is fetched, and what would be kept of it is shown, so that rules can be tried out."""

import json
import sys
from functools import partial
from typing import TextIO

import orjson

from crawler import fetcher as fetching
from crawler.fetcher import FetchError
from crawler.guard import Guard
from crawler.hook import Hook
from crawler.kinds import plain
from crawler.model import PageReader, UserError
from crawler.options import SettingsError
from crawler.resolver import ResolveError, Resolver
from crawler.settings import Settings
from parsers import parse, urls
from parsers.page import Page, Response


class TrialError(UserError):
    """The page cannot be had; the message is one line for the user."""


async def try_out(settings: Settings, out: TextIO = sys.stdout) -> None:
    """Fetch the page, behind its redirects, and write what is read in it as JSON, in colour on a terminal.

    Nothing is kept. Raises SettingsError for what is no URL, HookError, TrialError when there is no page.
    """
    try:
        url = urls.normalise(settings.try_)
    except ValueError as error:
        raise SettingsError(f'--try: "{plain(settings.try_)}" is no URL: {error}') from error
    response, page = await _page(settings, url)
    _write(_shown(settings, response, page), out)


async def _page(settings: Settings, url: str) -> tuple[Response, Page]:
    guard = Guard(settings.private, [urls.host(url)], {})
    fetcher = fetching.make(settings, guard, [url], concurrency=1)
    resolver = Resolver(settings.dns_server, deadline=settings.connect_timeout)
    hook = Hook(settings.hook) if settings.hook else None
    reading: PageReader = partial(parse, asked=settings.asked)
    if hook:
        reading = hook.after(reading)
    try:
        for _ in range(settings.max_redirects + 1):
            response = await fetcher.fetch(url, addresses=await resolver.resolve(urls.host(url).rpartition(":")[0]))
            page = await reading(response)
            if page.redirect_to is None:
                return response, page
            url = page.redirect_to
    except FetchError as error:
        raise TrialError(f"{plain(url)}: {plain(str(error))}") from error
    except ResolveError as error:
        raise TrialError(f"{plain(url)}: dns: {plain(str(error))}") from error
    finally:
        fetcher.close()
        await resolver.close()
        if hook:
            hook.close()
    raise TrialError(f"{plain(url)}: more than {settings.max_redirects} redirects in a row")


def _shown(settings: Settings, response: Response, page: Page) -> dict[str, object]:
    shown: dict[str, object] = {"url": response.url, "status": response.status, "content_type": page.content_type}
    shown |= {"title": page.title, "links": len(page.links), "rule": _rule(settings, response)}
    if page.follow is not None:
        shown["followed"] = page.follow
    if page.unwanted:
        shown["unwanted"] = sorted(page.unwanted)
    if page.problem is not None:
        shown["error"] = page.problem
    return shown | {"data": page.data}


def _rule(settings: Settings, response: Response) -> str:
    """Which rule holds for the page, in words."""
    if not settings.extract:
        return "there are no [[extract]] sections in config.toml"
    rules = settings.asked.rules
    number = rules.number(response.url) if rules else None
    if number is None:
        return f"none of {len(settings.extract)} matches this URL"
    return f"[[extract]] number {number}: {', '.join(settings.extract[number - 1].match)}"


def _write(shown: dict[str, object], out: TextIO) -> None:
    if not out.isatty():
        out.write(orjson.dumps(shown, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE).decode())
        return
    from rich.console import Console
    from rich.highlighter import JSONHighlighter

    text = orjson.dumps(shown, option=orjson.OPT_INDENT_2).decode()
    # JSON may hold controls that a terminal obeys, beyond those of ASCII, and what turns the writing round.
    harmless = "".join(char if char.isprintable() or char == "\n" else json.dumps(char)[1:-1] for char in text)
    Console(file=out).print(JSONHighlighter()(harmless), soft_wrap=True)
