"""What the terminal shows of a crawl."""

import asyncio
import io
import logging
import os
import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import NoReturn, TextIO

import pytest
from rich.cells import cell_len

from crawler import progress
from crawler.stats import ErrorGroup, HostView, Point, RecentPage, Snapshot, Verdict

ADDRESS = "http://127.0.0.1:8888/"

NOW = Snapshot(
    state="running",
    pages=120,
    queued=1830,
    failed=2,
    refused=15,
    rate=14.2,
    bytes_rate=612_000.0,
    elapsed=63.0,
    eta=130.0,
    statuses={"200": 100, "404": 18},
    errors={"timeout": 2},
    verdict=Verdict("politeness", "the pace of 8 hosts limits the speed"),
    job="jobs/demo",
    skipped={"scope": 410},
    refusals={},
    bytes=84_200_000,
    busy=12,
    concurrency=200,
    hosts=8,
    trouble=None,
)


class Crawl:
    """A crawl that stands still at one moment."""

    def __init__(self, now: Snapshot = NOW, url: str = "http://a.example/latest") -> None:
        self.now = now
        self.url = url

    def snapshot(self) -> Snapshot:
        return self.now

    def recent(self) -> list[RecentPage]:
        return [RecentPage(self.url, 200, None, None, 0.1, 1000, "2025-01-01T00:00:00Z")]

    def hosts(self, sort: str, filter: str, limit: int, offset: int) -> tuple[list[HostView], int]:  # noqa: A002
        return [], 0

    def host(self, name: str) -> HostView | None:
        return None

    def errors(self) -> list[ErrorGroup]:
        return []

    def history(self) -> Sequence[Point]:
        return []

    async def explain(self, url: str) -> NoReturn:
        raise ValueError("nobody asks on a terminal")


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


class Time:
    """Lets so many pauses pass at once and then stands still. `each` is called in every pause that passes."""

    def __init__(self, pauses: int, each: Callable[[], None] = lambda: None) -> None:
        self.pauses = pauses
        self.each = each
        self.taken: list[float] = []
        self.stands = asyncio.Event()

    async def pause(self, seconds: float) -> None:
        if len(self.taken) == self.pauses:
            self.stands.set()
            await asyncio.Event().wait()
        self.taken.append(seconds)
        self.each()


async def shown(crawl: Crawl, out: TextIO | None, time: Time) -> None:
    """Show the crawl for as long as time passes, then cancel."""
    async with asyncio.timeout(30), asyncio.TaskGroup() as tasks:
        task = tasks.create_task(progress.show(crawl, ADDRESS, out=out, pause=time.pause))
        await time.stands.wait()
        task.cancel()


@pytest.fixture(autouse=True)
def terminal_of_80_columns(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"TERM": "xterm-256color", "COLUMNS": "80", "LINES": "24"}.items():
        monkeypatch.setenv(name, value)


def rows(screen: str) -> list[str]:
    """The last state of the live display, without colours; what wipes a state lies between any two."""
    states = [re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", state).strip() for state in screen.split("\x1b[2K")]
    return [state for state in states if state][-1].split("\n")


async def test_without_a_terminal_there_is_a_line_every_five_seconds() -> None:
    out, time = io.StringIO(), Time(2)
    await shown(Crawl(), out, time)
    line = "  120 pages, 14.2 pages/s, 1,830 queued, 2 failed — the pace of 8 hosts limits the speed"
    assert out.getvalue().splitlines() == [f"  the status page is {ADDRESS}", line, line]
    assert time.taken == [5.0, 5.0]


async def test_a_terminal_that_cannot_move_its_cursor_gets_plain_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "dumb")
    out = Terminal()
    await shown(Crawl(), out, Time(1))
    assert "120 pages, 14.2 pages/s" in out.getvalue()
    assert "\x1b" not in out.getvalue()


async def test_a_trouble_with_saving_is_told() -> None:
    out = io.StringIO()
    await shown(Crawl(replace(NOW, trouble="no space left")), out, Time(1))
    assert "no space left" in out.getvalue()


async def test_a_stream_that_lacks_a_character_gets_another() -> None:
    out = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    await shown(Crawl(), out, Time(1))
    out.seek(0)
    assert "2 failed ? the pace of 8 hosts" in out.read()


async def test_a_reader_that_has_gone_does_not_stop_the_crawl() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    with open(writer, "w") as out:  # noqa: PTH123 - a descriptor has no path
        await shown(Crawl(), out, Time(3))
        progress.say(out, "the summary\n")


async def test_the_live_display_says_how_the_crawl_goes() -> None:
    out, time = Terminal(), Time(0)
    await shown(Crawl(), out, time)
    text = out.getvalue()
    for figure in ("jobs/demo", ADDRESS, "14.2 pages/s", "0.61 MB/s", "1 min 3 s", "2 min 10 s left", "1,830 wait"):
        assert figure in text
    for figure in ("2 failed", "15 refused", "12 of 200 busy", "8 hosts", "100 x 200, 18 x 404", "2 x timeout"):
        assert figure in text
    assert "the pace of 8 hosts limits the speed" in text
    assert "200 http://a.example/latest" in text


async def test_the_live_display_is_calm_and_small() -> None:
    out, time = Terminal(), Time(3)
    await shown(Crawl(replace(NOW, trouble="no space " * 30), url="http://a.example/" + "長い/" * 60), out, time)
    assert min(time.taken) >= 0.25
    for width in [cell_len(row) for row in rows(out.getvalue())]:
        assert width <= 80
    assert out.getvalue().count("trouble") == 5  # four states, and once more at the end; each in one row
    assert 6 <= len(rows(out.getvalue())) <= 10


async def test_what_limits_the_speed_is_told_in_full() -> None:
    out = Terminal()
    await shown(Crawl(replace(NOW, verdict=Verdict("politeness", "politeness " * 12 + "everywhere"))), out, Time(0))
    assert "everywhere" in out.getvalue()


async def test_a_key_pressed_does_not_push_the_display_down() -> None:
    """What the terminal writes of Ctrl-C must find a line that is not full."""
    out = Terminal()
    await shown(Crawl(), out, Time(0))
    assert re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", out.getvalue()).split("\r")[0].endswith("\n")


async def test_a_crawl_that_is_stopping_says_how_to_end_it_at_once() -> None:
    out = Terminal()
    await shown(Crawl(replace(NOW, state="stopping")), out, Time(0))
    assert "Ctrl-C again" in out.getvalue()


async def test_nothing_from_outside_acts_on_the_terminal() -> None:
    """Escapes, controls, a change of direction and rich's own markup are shown, not obeyed."""
    hostile = "http://a.example/\x1b]0;owned\x07\x9b2J\r\n\u202e[bold red]x[/bold red]\ud800"
    out = Terminal()
    await shown(Crawl(replace(NOW, verdict=Verdict("server", hostile)), url=hostile), out, Time(1))
    for act in ("\x1b]0", "\x07", "\x9b", "\u202e", "\ud800"):
        assert act not in out.getvalue()
    assert out.getvalue().count("[bold red]x[/bold red]") >= 2


@pytest.mark.parametrize("ends", ["cancelled", "by a bug"])
async def test_the_terminal_is_given_back(ends: str) -> None:
    def each() -> None:
        if ends == "by a bug":
            raise ZeroDivisionError

    out = Terminal()
    if ends == "by a bug":
        with pytest.raises(ZeroDivisionError):
            await progress.show(Crawl(), ADDRESS, out=out, pause=Time(1, each).pause)
    else:
        await shown(Crawl(), out, Time(1, each))
    assert out.getvalue().rindex("\x1b[?25h") > out.getvalue().rindex("\x1b[?25l")  # the cursor is seen again


async def test_what_is_logged_stands_above_the_live_display(monkeypatch: pytest.MonkeyPatch) -> None:
    out = Terminal()
    monkeypatch.setattr("sys.stdout", out)
    monkeypatch.setattr("sys.stderr", out)
    record = logging.makeLogRecord({"msg": "the disk is full", "levelname": "WARNING"})
    await shown(Crawl(), None, Time(1, lambda: progress.Warnings().emit(record)))
    said = out.getvalue().index("warning: the disk is full\n")
    assert "\x1b[2K" in out.getvalue()[:said]  # the display was wiped first,
    assert "12 of 200 busy" in out.getvalue()[said:]  # and drawn again below


def test_a_warning_is_one_harmless_line(capsys: pytest.CaptureFixture[str]) -> None:
    record = logging.makeLogRecord({"msg": "no answer from %s", "args": ("a\x1b[2J\nb",), "levelname": "WARNING"})
    progress.Warnings().emit(record)
    assert capsys.readouterr().err == "warning: no answer from a\N{REPLACEMENT CHARACTER}[2J b\n"


def test_the_summary_of_a_crawl_that_finished() -> None:
    done = replace(NOW, state="finished", queued=0, elapsed=60.0)
    places = ["jobs/demo/pages.jsonl", "jobs/demo/summary.json"]
    text = progress.summary(done, pages=120, refused={"max_depth": 3, "robots": 12}, places=places)
    assert text.splitlines() == [
        "Finished: 120 pages, 84.2 MB in 1 min 0 s, 2.0 pages/s",
        "Answers: 100 x 200, 18 x 404",
        "Failed:",
        "        2  timeout  no whole answer came in time",
        "Refused:",
        "       12  robots     the host's robots.txt forbids it",
        "        3  max_depth  it lies deeper than --max-depth",
        "Links not followed:",
        "      410  scope  it lies outside the scope of the crawl (see --scope)",
        "Kept in:",
        "  jobs/demo/pages.jsonl",
        "  jobs/demo/summary.json",
    ]


def test_the_summary_of_a_crawl_that_was_stopped_says_how_to_go_on() -> None:
    text = progress.summary(replace(NOW, state="stopped"), pages=20, refused={}, places=["jobs/demo/pages.jsonl"])
    assert text.startswith("Stopped: 20 pages (120 with earlier runs), ")
    assert text.endswith("Stopped before the end, 1,830 URLs left: the same command goes on.\n")


def test_the_summary_of_a_crawl_that_never_began() -> None:
    nothing = replace(
        NOW, state="stopped", pages=0, queued=1, elapsed=0.0, bytes=0, statuses={}, errors={"not in the table": 1}
    )
    text = progress.summary(nothing, pages=0, refused={}, places=[])
    assert text.startswith("Stopped: 0 pages, 0 B in ")
    assert "not in the table" in text


def test_a_crawl_without_any_answer_says_so() -> None:
    dead = replace(NOW, state="finished", pages=2, failed=2, queued=0, statuses={})
    assert "Nothing that was asked for has answered." in progress.summary(dead, pages=2, refused={}, places=[])


def test_a_budget_that_was_reached_is_told() -> None:
    text = progress.summary(replace(NOW, state="finished"), pages=120, refused={}, places=[])
    assert "A budget is spent, with 1,830 URLs left." in text
