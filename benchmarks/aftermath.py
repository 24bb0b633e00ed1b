"""What lies in a job folder after a kill, and whether `docs/durability.md` allows it."""

import json
import re
import shutil
import sqlite3
import tempfile
from collections import Counter
from collections.abc import Iterable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path


class Broken(Exception):  # noqa: N818 - not an error of this program
    """The crawler did not keep a promise; the message is one line."""


@dataclass(frozen=True, slots=True)
class Left:
    """What lies in a job folder after a kill, all of it allowed."""

    noted: dict[str, int | None]  # URL and status of the records that the frontier knows of
    beyond: int  # bytes behind them, which the next start cuts off
    states: dict[int, int]  # URLs by their state, as the file has it
    series: str = "pages"  # of the records: those of a first crawl, or of the recrawl that was begun last


_KNOWN = """
SELECT urls.url, coalesce(fates.state, 0), CASE WHEN parent IS NOT NULL THEN coalesce(parents.state, 0) END
FROM urls LEFT JOIN fates USING (id) LEFT JOIN fates AS parents ON parents.id = urls.parent
"""
WAITING, IN_HAND, CRAWLED, FAILED = range(4)  # states as the file has them


def left(folder: Path) -> Left:
    """Look at a job that nobody runs, without touching it. Raises Broken for a state that must never be."""
    known, positions, series = _frontier(folder)
    noted: dict[str, int | None] = {}
    beyond: list[bytes] = []
    for part in {*positions, *_parts(series, (path.stem for path in folder.glob("*.jsonl")))}:
        pages, position = folder / f"{part}.jsonl", positions.get(part, 0)
        content = pages.read_bytes() if pages.exists() else b""
        if len(content) < position:
            raise Broken(f"{pages.name} has {len(content)} bytes, fewer than the {position} that were noted")
        for line in content[:position].splitlines(keepends=True):
            if not line.endswith(b"\n"):
                raise Broken("the noted position is not the end of a line")
            record = json.loads(line)
            if record["url"] in noted:
                raise Broken(f"{record['url']} has two records")
            noted[record["url"]] = record["status"]
        beyond += content[position:].splitlines(keepends=True)
    settled = {url for url, (state, _) in known.items() if state in (CRAWLED, FAILED)}
    if settled != noted.keys():
        raise Broken(f"records and frontier disagree on {sorted(settled ^ noted.keys())[:3]}")
    for line in beyond:
        if line.endswith(b"\n") and known[url := json.loads(line)["url"]][0] not in (WAITING, IN_HAND):
            raise Broken(f"{url} is settled, with a record that was not noted")
    # In a recrawl a page may be visited before those that led to it.
    seen = (None, CRAWLED) if series == "pages" else (None, CRAWLED, FAILED, WAITING)
    if orphans := [url for url, (_, parent) in known.items() if parent not in seen]:
        raise Broken(f"{orphans[0]} is known from a page that is not crawled")
    states = Counter(state for state, _ in known.values())
    return Left(noted, sum(map(len, beyond)), states, series)


def _frontier(folder: Path) -> tuple[dict[str, tuple[int, int | None]], dict[str, int], str]:
    """Of each URL its state and its parent's; the noted positions, and of which series of records they are.

    From a copy, since to open it is to mend it.
    """
    with tempfile.TemporaryDirectory() as scratch:
        for path in folder.glob("frontier.sqlite*"):
            if path.suffix != ".sqlite-shm":  # what it says of the log is worthless without the process
                shutil.copy(path, scratch)
        with closing(sqlite3.connect(Path(scratch, "frontier.sqlite"))) as db:
            if (said := db.execute("PRAGMA integrity_check").fetchone()[0]) != "ok":
                raise Broken(f"frontier.sqlite is corrupt: {said.splitlines()[0]}")
            if not db.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
                return {}, {}, "pages"
            recrawl = db.execute("SELECT value FROM notes WHERE key = 'recrawl'").fetchone()
            series = f"recrawl-{recrawl[0]}" if recrawl else "pages"
            stores = db.execute("SELECT name, position FROM stores").fetchall()
            known = {url: (state, parent) for url, state, parent in db.execute(_KNOWN)}
            positions = {name.removeprefix("jsonl/"): position for name, position in stores}
            return known, {part: positions[part] for part in _parts(series, positions)}, series


def _parts(series: str, names: Iterable[str]) -> list[str]:
    """Those of the names that are parts of a series."""
    return [name for name in names if re.fullmatch(rf"{series}(-[0-9]+)?", name)]
