"""The crawl on the terminal: a small live display, or a plain line now and then, and a summary at the end."""

import asyncio
import io
import logging
import os
import sys
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import TYPE_CHECKING, TextIO, get_args

from crawler.model import Change
from crawler.reasons import GIVEN_UP, REASONS
from crawler.stats import RecentPage, Snapshot
from crawler.status import Watched, words

if TYPE_CHECKING:
    from rich.console import Group

REFRESH = 0.5  # seconds between two states of the live display
LINE = 5.0  # seconds between two plain lines
STYLES = {"running": "bold green", "finished": "bold green"}  # of the run's state; all others ask for attention

log = logging.getLogger(__name__)


async def show(
    crawl: Watched,
    address: str | None,
    *,
    out: TextIO | None = None,
    pause: Callable[[float], Awaitable[None]] = asyncio.sleep,
) -> None:
    """Show the crawl until cancelled; `address` is that of the status page, `out` is stdout unless given.

    On a terminal that can move its cursor the display is live, goes away at the end, and stays below whatever else is
    written to stdout and stderr in the meantime. A terminal or pipe that has gone does not disturb the crawl.
    """
    out = out or sys.stdout
    if isinstance(out, io.TextIOWrapper):
        out.reconfigure(errors="replace")  # a terminal that is not UTF-8 shows "?" for what it lacks
    moves = out.isatty() and os.environ.get("TERM", "").lower() not in {"dumb", "unknown"}
    try:
        await (_live if moves else _lines)(crawl, address, out, pause)
    except OSError as error:
        log.info("nothing can be shown any more: %s", error)
        _abandon(out)


async def _lines(crawl: Watched, address: str | None, out: TextIO, pause: Callable[[float], Awaitable[None]]) -> None:
    if address:
        say(out, f"  the status page is {address}\n")
    while True:
        await pause(LINE)
        say(out, f"{line(crawl.snapshot())}\n")


async def _live(crawl: Watched, address: str | None, out: TextIO, pause: Callable[[float], Awaitable[None]]) -> None:
    # Imported here, because it takes as long as a third of all other imports, and only a terminal needs it.
    from rich.console import Console
    from rich.live import Live

    console = Console(file=out, force_terminal=True, highlight=False)
    shared = sys.stderr.isatty()  # and not 2>errors.txt, which stays as the user wants it
    with Live(console=console, auto_refresh=False, transient=True, redirect_stderr=shared) as display:
        while True:
            latest = next(iter(crawl.recent()), None)
            display.update(_state(crawl.snapshot(), latest, address), refresh=True)
            await pause(REFRESH)


def _state(now: Snapshot, latest: RecentPage | None, address: str | None) -> "Group":
    """One state of the live display: each row is cut to the width of the terminal, but for what limits the speed.

    The last line is empty: the terminal writes ^C there, which would push the display down after a full line.
    """
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    rows: list[tuple[str, Text]] = []

    def row(name: str, *parts: str | tuple[str, str]) -> None:
        rows.append((name, Text.assemble(*parts)))

    where = "Ctrl-C again ends it at once" if now.state == "stopping" else address
    row(now.state, (plain(now.job), "bold"), f"   {where}" if where else "")
    left = f"   {words.left(now.eta)} left" if now.eta is not None else ""
    speed = f"{words.rate(now.rate)} pages/s   {words.megabytes(now.bytes_rate)} MB/s"
    row("pages", (f"{now.pages:,}", "bold"), f"   {speed}   {words.duration(now.elapsed)}{left}")
    failed = (f"{now.failed:,} failed", "red" if now.failed else "")
    row("queue", f"{now.queued:,} wait   ", failed, f"   {now.refused:,} refused")
    row("workers", f"{now.busy:,} of {now.concurrency:,} busy   {count(now.hosts, 'host')}")
    row("answers", tally(now.statuses))
    row("errors", tally(now.errors))
    rows.append(("limit", Text(plain(now.verdict.text), "cyan", no_wrap=False, overflow="fold")))
    row("latest", f"{latest.status or '-'} {plain(latest.url)}" if latest else "-")
    if now.trouble:
        row("trouble", (plain(now.trouble), "bold red"))

    table = Table.grid(padding=(0, 2), expand=True)
    table.add_column(style="dim", width=8)
    table.add_column(no_wrap=True, overflow="ellipsis", ratio=1)
    for name, text in rows:
        table.add_row(Text(name, STYLES.get(name, "bold yellow")) if name == now.state else name, text)
    return Group(table, "")


def line(now: Snapshot) -> str:
    """The crawl in one plain line."""
    trouble = f" ({plain(now.trouble)})" if now.trouble else ""
    return (
        f"  {count(now.pages, 'page')}, {words.rate(now.rate)} pages/s, {now.queued:,} queued, {now.failed:,} failed"
        f" — {plain(now.verdict.text)}{trouble}"
    )


def summary(now: Snapshot, *, pages: int, refused: Mapping[str, int], places: Sequence[str]) -> str:
    """What the run did, as plain lines for the terminal: what was crawled and how fast, what was not and why.

    `pages` are the records of this run alone; `refused` counts URLs by reason; `places` are the files of the job.
    """
    before = f" ({now.pages:,} with earlier runs)" if now.pages > pages else ""
    time = words.seconds(now.elapsed) if now.elapsed < 60 else words.duration(now.elapsed)
    mean = words.rate(pages / now.elapsed if now.elapsed > 0 else 0.0)
    lines = [
        f"{now.state.capitalize()}: {count(pages, 'page')}{before}, {words.size(now.bytes)} in {time}, {mean} pages/s"
    ]
    if now.statuses:
        lines.append(f"Answers: {tally(now.statuses)}")
    lines += _reasons("Failed", now.errors) + _reasons("Refused", refused) + _reasons("Links not followed", now.skipped)
    if now.sitemaps.read or now.sitemaps.failed:
        failed = f", {now.sitemaps.failed:,} failed" if now.sitemaps.failed else ""
        lines.append(f"Sitemaps: {now.sitemaps.read:,} read{failed}, {count(now.sitemaps.urls, 'URL')}")
    for name, field in now.fields.items():
        lines.append(f"Field {plain(name)}: {field.empty:,} of {field.items:,} empty")
    if now.state == "finished" and now.pages == now.failed:
        lines.append("Nothing that was asked for has answered.")
    lines += ["Kept in:", *(f"  {plain(place)}" for place in places)]
    if now.trouble:
        lines.append(f"Not all could be saved: {plain(now.trouble)}")
    if now.state == "finished" and (lost := sum(refused.get(why, 0) for why in GIVEN_UP)):
        lines.append(f"{count(lost, 'URL')} of hosts that were given up: the same command tries again.")
    if now.state == "finished" and now.queued:
        lines.append(f"A budget is spent, with {count(now.queued, 'URL')} left.")
    elif now.state != "finished" and not now.queued:
        lines.append("Stopped when nothing was left to crawl.")
    elif now.state != "finished":
        lines.append(f"Stopped before the end, {count(now.queued, 'URL')} left: the same command goes on.")
    return "\n".join(lines) + "\n"


def recrawling(now: Snapshot, number: int) -> str:
    """The line before a recrawl, which may have been stopped or killed before."""
    after = f" after {count(now.pages, 'page')}" if now.pages else ""
    return f"Recrawl {number} {'goes on' if now.pages else 'begins'}{after}, with {count(now.queued, 'URL')} to visit\n"


def changes(number: int, found: Mapping[Change, int]) -> str:
    """What a recrawl has found, over all its runs, as a line for the terminal."""
    return f"Recrawl {number}: {', '.join(f'{found.get(change, 0):,} {change}' for change in get_args(Change))}\n"


def _reasons(title: str, counts: Mapping[str, int]) -> list[str]:
    """A paragraph of the summary: how many by reason, most frequent first, each with its sentence."""
    if not counts:
        return []
    width = max(len(code) for code in counts)
    return [
        f"{title}:",
        *(
            f"{number:>9,}  {code:<{width}}  {REASONS[code].sentence if code in REASONS else ''}".rstrip()
            for code, number in _ranked(counts)
        ),
    ]


class Warnings(logging.Handler):
    """Shows what is logged, one line each, on stderr or above the live display. Tracebacks are for the log file."""

    def emit(self, record: logging.LogRecord) -> None:
        try:
            # Looked up at each line, because the live display puts a stderr of its own in its place.
            say(sys.stderr, f"{record.levelname.lower()}: {plain(record.getMessage())}\n")
        except Exception:  # noqa: BLE001 - as every handler of the library: a line of the log must not stop the crawl
            self.handleError(record)


def plain(text: str) -> str:
    """A text from outside on one line, harmless on a terminal: nothing moves the cursor, colours or hides anything."""
    return "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in " ".join(text.split()))


def say(out: TextIO, text: str) -> None:
    """Write whole lines and have them seen; once the terminal or pipe has gone, they and all that follow go nowhere."""
    try:
        out.write(text)
        out.flush()
    except OSError:
        _abandon(out)


def _abandon(out: TextIO) -> None:
    """Let go of a stream that fails, so that what is still in its buffer does not fail once more at the exit."""
    with open(os.devnull, "wb") as nowhere:  # noqa: PTH123 - a device, opened for its descriptor
        os.dup2(nowhere.fileno(), out.fileno())


def _ranked(counts: Mapping[str, int]) -> list[tuple[str, int]]:
    return sorted(counts.items(), key=lambda item: (-item[1], item[0]))


def tally(counts: Mapping[str, int]) -> str:
    """Counts by kind, most frequent first: "1,180 x 200, 12 x 404"."""
    return ", ".join(f"{number:,} x {plain(kind)}" for kind, number in _ranked(counts)) or "none"


def count(number: int, noun: str) -> str:
    """A number with its noun: "1 page", "1,830 pages"."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"
