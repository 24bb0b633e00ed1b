"""The job folder: one crawl's place on disk, owned by one crawler at a time."""

import fcntl
import logging
import os
import re
import signal
import sys
import time
import tomllib
from collections.abc import Mapping
from pathlib import Path
from types import FrameType
from typing import Any

import orjson
import tomli_w

from crawler.model import UserError
from crawler.settings import Settings
from crawler.sources import kept

_RECORDS = re.compile(r"(pages|recrawl-[0-9]+)(-([0-9]+))?\.jsonl")
_OURS = re.compile(rf"job\.toml|frontier\.sqlite(-wal|-shm|-journal)?|{_RECORDS.pattern}|crawl\.log|summary\.json")
"""What `--fresh` throws away; whatever else lies in the folder is the user's."""
_LISTED = 8  # parts of a series that are named one by one
_PATIENCE = 3.0  # seconds to wait for a crawler that is just ending


class JobError(UserError):
    """The folder cannot be used; the message is one line for the user."""


def look(folder: Path) -> Mapping[str, Any]:
    """The tables of a job's job.toml, for one who does not own its folder. Raises JobError when there is no job."""
    if not any((folder / name).is_file() for name in ("job.toml", "frontier.sqlite")):
        raise JobError(f"there is no job {folder}")
    return _tables(folder)


def demo_port(tables: Mapping[str, Any]) -> int:
    """The port that the built-in web had in a job; 0 when it had none yet."""
    return int(tables.get("demo", {}).get("port", 0))


class Job:
    """A job folder that this process owns until `close`."""

    def __init__(self, folder: Path) -> None:
        """Make the folder if need be, and lock it. Raises JobError when another crawler holds it."""
        self.folder = folder
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self.lock = _locked(folder)
            """The descriptor of the lock: it is held as long as any process has it open."""
        except OSError as error:
            raise JobError(f"the job folder {folder} cannot be used: {error.strerror}") from error
        self._tables: dict[str, Any] = {}

    def read(self) -> None:
        """Take in what job.toml remembers. Raises JobError when it cannot be read."""
        self._tables = _tables(self.folder)

    @property
    def begun(self) -> bool:
        """Has this job been crawled before?"""
        return bool(self._files(_OURS))

    @property
    def has_records(self) -> bool:
        """Is there a page of an earlier crawl?"""
        return any(path.stat().st_size for path in self._files(_RECORDS))

    @property
    def has_frontier(self) -> bool:
        """Is there a frontier of an earlier crawl? An empty file is none: SQLite would begin anew in it."""
        path = self.folder / "frontier.sqlite"
        return path.exists() and path.stat().st_size > 0

    def throw_away(self) -> None:
        """Forget the crawl in this folder, and nothing else that lies there. Raises JobError."""
        # frontier.sqlite goes before its log: without it, an older state could come back.
        for path in sorted(self._files(_OURS)):
            try:
                path.unlink()
            except OSError as error:
                raise JobError(f"{path} cannot be thrown away: {error.strerror}") from error
        self._tables = {}

    @property
    def demo_port(self) -> int:
        """The port that the built-in web had; 0 when it had none yet."""
        return demo_port(self._tables)

    @demo_port.setter
    def demo_port(self, port: int) -> None:
        self._tables["demo"] = {"port": port}

    @property
    def pinned(self) -> Mapping[str, list[str]]:
        """The addresses that hosts are held to, by host."""
        return dict(self._tables.get("pinned", {}))

    @pinned.setter
    def pinned(self, pinned: Mapping[str, list[str]]) -> None:
        self._tables["pinned"] = dict(pinned)

    def save(self, settings: Settings) -> None:
        """Write job.toml: the settings in force, without secrets, and what the job must remember."""
        self._write("job.toml", tomli_w.dumps({"settings": kept(settings), **self._rest()}).encode())

    def _rest(self) -> dict[str, Any]:
        return {name: table for name, table in self._tables.items() if name != "settings"}

    def summarise(self, figures: Mapping[str, Any]) -> None:
        """Write summary.json."""
        self._write("summary.json", orjson.dumps(figures, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE))

    def places(self) -> list[str]:
        """The files that hold what was found; of a series of many parts the first and the last."""
        places = [str(self.folder / name) for name in ("crawl.log", "summary.json") if (self.folder / name).exists()]
        series: dict[str, list[tuple[int, Path]]] = {}
        for path in self._files(_RECORDS):
            match = _RECORDS.fullmatch(path.name)
            assert match is not None
            series.setdefault(match[1], []).append((int(match[3] or 0), path))
        for parts in series.values():
            paths = [str(path) for _, path in sorted(parts)]
            places += paths if len(paths) <= _LISTED else [f"{paths[0]} ... {paths[-1]} ({len(paths)} files)"]
        return sorted(places)

    def _files(self, names: re.Pattern[str]) -> list[Path]:
        """The files of these names."""
        return [path for path in self.folder.iterdir() if names.fullmatch(path.name)]

    def _write(self, name: str, content: bytes) -> None:
        """Replace a file as a whole, so that a reader never sees half of it."""
        path = self.folder / name
        scratch = path.with_suffix(path.suffix + ".new")
        try:
            scratch.write_bytes(content)
            scratch.replace(path)
        except OSError as error:
            raise JobError(f"{path} cannot be written: {error.strerror}") from error

    def log_handler(self) -> logging.Handler:
        """Writes crawl.log, one line an event."""
        try:
            handler = _Log(self.folder / "crawl.log", encoding="utf-8", errors="backslashreplace")
        except OSError as error:
            raise JobError(f"{self.folder / 'crawl.log'} cannot be written: {error.strerror}") from error
        handler.setFormatter(_OneLine("%(asctime)s %(levelname)s %(name)s: %(message)s"))
        return handler

    def close(self) -> None:
        """Give the folder up."""
        os.close(self.lock)


def _tables(folder: Path) -> dict[str, Any]:
    path = folder / "job.toml"
    try:
        tables = tomllib.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise JobError(f"{path} cannot be read: {error}") from error
    demo, pinned = tables.get("demo", {}), tables.get("pinned", {})
    if not (isinstance(demo, dict) and isinstance(demo.get("port", 0), int)):
        raise JobError(f"{path}: demo: must hold a port")
    if not (isinstance(pinned, dict) and all(isinstance(addresses, list) for addresses in pinned.values())):
        raise JobError(f"{path}: pinned: must hold a list of addresses for each host")
    return tables


class _Log(logging.FileHandler):
    """On a full disk the log has a gap; the crawl pauses by itself then, and says why elsewhere."""

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - the name is logging's
        if not isinstance(sys.exception(), OSError):
            super().handleError(record)


class _OneLine(logging.Formatter):
    """Keeps an event on one line whatever hostile text is in it; a traceback alone may have more."""

    default_time_format = "%Y-%m-%dT%H:%M:%S"
    default_msec_format = "%s.%03dZ"

    @staticmethod
    def converter(seconds: float | None) -> time.struct_time:
        return time.gmtime(seconds)

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - the name is logging's
        line = super().formatMessage(record)
        return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in line)


def _locked(folder: Path) -> int:
    """A lock that goes with the process: a descriptor. Raises JobError when it is not to be had soon.

    It is the folder that is locked, since a file in it could be removed, and made again by another crawler. The file
    `lock` only tells whose it is.
    """
    lock = os.open(folder, os.O_RDONLY)
    whose = folder / "lock"
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        try:
            _wait_for(lock)
        except TimeoutError:
            os.close(lock)
            holder = whose.read_text("ascii", "replace")[:20] if whose.exists() else "unknown"
            raise JobError(f"the job {folder} is being crawled by another process, number {holder}") from None
    whose.write_text(str(os.getpid()), "ascii")
    return lock


def _wait_for(lock: int) -> None:
    """Wait for a lock; TimeoutError when it takes too long. No event loop runs yet, so an alarm must end the wait."""

    def give_up(signum: int, frame: FrameType | None) -> None:
        raise TimeoutError

    before = signal.signal(signal.SIGALRM, give_up)
    signal.setitimer(signal.ITIMER_REAL, _PATIENCE)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
