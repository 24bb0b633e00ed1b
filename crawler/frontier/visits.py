"""What the frontier's SQLite file keeps of the last visit to each URL, so that a recrawl can tell what has changed.

A row of `visits` comes with the first answer of a URL and is replaced by each later visit; it outlives the row of
`fates`, which a recrawl throws away. So claiming and settling in a first crawl never read this table.
"""

import sqlite3
from calendar import timegm
from collections.abc import Mapping, Sequence
from dataclasses import replace
from time import gmtime
from typing import get_args

import orjson

from crawler.changes import has_content
from crawler.model import Change, Finished, Request, Visit

SCHEMA = """
CREATE TABLE visits (
    id INTEGER PRIMARY KEY REFERENCES urls (id),
    status INTEGER,  -- none: nothing answered
    digest INTEGER,
    etag TEXT,
    modified ANY,  -- seconds since the epoch, where the text is made of them again to the letter; else the text
    change INTEGER  -- found by that visit, by its place in CHANGES
)"""

CHANGES: tuple[Change, ...] = get_args(Change)  # as the file has them: never to change places
_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_NOTE = "recrawl"  # the key under which its number is noted

_SAVE = """
INSERT OR REPLACE INTO visits (id, status, digest, etag, modified, change)
SELECT json_extract(value, '$[0]'), json_extract(value, '$[1]'), json_extract(value, '$[2]'),
       json_extract(value, '$[3]'), json_extract(value, '$[4]'), json_extract(value, '$[5]')
FROM json_each(?)
"""

_BEFORE = """
SELECT json_group_array(json_array(visits.id, status, digest, etag, modified, change))
FROM json_each(?) AS given CROSS JOIN visits ON visits.id = given.value
"""

_SAME = """
SELECT url FROM urls WHERE id = (
    SELECT id FROM visits WHERE id BETWEEN ? AND ? AND digest = ? AND status = ? ORDER BY id LIMIT 1
)
"""

# What was visited once and refused by a later recrawl is owed another visit too.
_BEGIN = "DELETE FROM fates WHERE state <> 4 OR id IN (SELECT id FROM visits)"

_CHANGES = """
SELECT change, count(*) FROM fates CROSS JOIN visits USING (id)
WHERE state IN (2, 3) AND change IS NOT NULL GROUP BY change
"""


def save(db: sqlite3.Connection, finished: Sequence[Finished]) -> None:
    """Keep what visits have brought."""
    rows = [
        (
            one.id,
            was.status,
            was.digest,
            was.etag,
            _short(was.modified),
            None if was.change is None else CHANGES.index(was.change),
        )
        for one in finished
        if (was := one.visit) is not None
    ]
    if rows:
        db.execute(_SAVE, [orjson.dumps(rows).decode()])


def _short(modified: str | None) -> str | int | None:
    """A Last-Modified as it is kept: 5 bytes instead of 29 for a date in the usual form (RFC 9110, 5.6.7)."""
    if modified is None:
        return None
    try:
        day, month, year = int(modified[5:7]), _MONTHS.index(modified[8:11]) + 1, int(modified[12:16])
        seconds = timegm((year, month, day, int(modified[17:19]), int(modified[20:22]), int(modified[23:25])))
    except ValueError:
        return modified
    return seconds if _long(seconds) == modified else modified


def _long(modified: str | int | None) -> str | None:
    if not isinstance(modified, int):
        return modified
    at = gmtime(modified)
    time = f"{at.tm_hour:02}:{at.tm_min:02}:{at.tm_sec:02}"
    return f"{_DAYS[at.tm_wday]}, {at.tm_mday:02} {_MONTHS[at.tm_mon - 1]} {at.tm_year:04} {time} GMT"


def with_before(db: sqlite3.Connection, requests: Sequence[Request]) -> list[Request]:
    """The requests of a recrawl, each with what is kept of the last visit."""
    ids = orjson.dumps([request.id for request in requests]).decode()
    before = {
        id_: Visit(status, digest, etag, _long(modified), None if change is None else CHANGES[change])
        for id_, status, digest, etag, modified, change in orjson.loads(db.execute(_BEFORE, [ids]).fetchone()[0])
    }
    return [replace(request, before=before.get(request.id, Visit())) for request in requests]


def content(db: sqlite3.Connection, number: int) -> Visit | None:
    """The status and digest of the last visit to a URL, if it brought content."""
    row = db.execute("SELECT status, digest FROM visits WHERE id = ?", [number]).fetchone()
    return visit if row and has_content(visit := Visit(*row)) else None


def same(db: sqlite3.Connection, content: Visit, first: int, last: int) -> str | None:
    """The first of the URLs with these numbers and those between whose last visit brought this content.

    Reads all their rows, 20 million a second: an index over digests, which come in no order, would make each settling
    slower, and the more the larger it is, for a question that is seldom asked.
    """
    row = db.execute(_SAME, [first, last, content.digest, content.status]).fetchone()
    return row[0] if row else None


def begin_again(db: sqlite3.Connection, number: int) -> None:
    """Let all wait again that is not refused, for the recrawl of this number."""
    db.execute(_BEGIN)
    db.execute("INSERT OR REPLACE INTO notes (key, value) VALUES (?, ?)", [_NOTE, str(number)])


def recrawl(db: sqlite3.Connection) -> int:
    """The number of the last recrawl that was begun; 0 when none was."""
    row = db.execute("SELECT value FROM notes WHERE key = ?", [_NOTE]).fetchone()
    return int(row[0]) if row else 0


def changes(db: sqlite3.Connection) -> Mapping[Change, int]:
    """How many visits of the recrawl have found which change: reads all rows, but none in a first crawl."""
    if not recrawl(db):
        return {}
    return {CHANGES[change]: number for change, number in db.execute(_CHANGES)}
