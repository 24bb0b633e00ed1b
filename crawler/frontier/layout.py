"""The tables of the frontier's SQLite file, and every statement upon them, to be called inside a transaction.

What comes in bulk goes through single statements over JSON arrays, not through `executemany` or rows of a result: after
every step of a statement the thread waits for the interpreter's lock, for milliseconds while the loop is busy, and a
batch has thousands of links.
"""

import sqlite3
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import orjson

from crawler.frontier import REVOCABLE, FrontierError, Known
from crawler.frontier.tally import Tally
from crawler.model import Finished, Found, Request, State
from parsers.urls import host as host_of

_CODES: dict[State, int] = {"waiting": 0, "in_hand": 1, "crawled": 2, "failed": 3, "refused": 4}
"""States as the file has them, and as the statements below write them: never to be changed."""
_STATES = {code: state for state, code in _CODES.items()}

APPLICATION = 0x57535054  # "WSPT": tells the file from those of other programs
NUMBER = 1  # the schema's number; another number is another file
OLDEST_SQLITE = (3, 33)  # knows UPDATE ... FROM
_STRICT = "STRICT" if sqlite3.sqlite_version_info >= (3, 37) else ""

_SCHEMA = f"""
CREATE TABLE hosts (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE) {_STRICT};
CREATE TABLE urls (
    id INTEGER PRIMARY KEY,  -- 1, 2, 3 ... in the order they were found
    url TEXT NOT NULL UNIQUE,
    host INTEGER NOT NULL REFERENCES hosts (id),
    parent INTEGER REFERENCES urls (id),
    depth INTEGER NOT NULL,
    hops INTEGER NOT NULL,
    state INTEGER NOT NULL,
    attempts INTEGER NOT NULL DEFAULT 0,
    status INTEGER,
    reason TEXT,
    due REAL NOT NULL DEFAULT 0  -- seconds since the epoch; 0: may be claimed
) {_STRICT};
CREATE INDEX queues ON urls (host, due, depth) WHERE state = 0;
CREATE TABLE stores (name TEXT PRIMARY KEY, position INTEGER NOT NULL) {_STRICT};
CREATE TABLE notes (key TEXT PRIMARY KEY, value TEXT NOT NULL) {_STRICT};
"""

PRAGMAS = (
    "PRAGMA journal_mode = WAL",
    # A commit survives a kill because the system has it. NORMAL waits for the disk only when the log is folded into the
    # file: a power cut may cost the last batches, never the file.
    "PRAGMA synchronous = NORMAL",
    "PRAGMA cache_size = -16384",  # 16 MB: most links of a page are to pages met lately
)

# Of the URLs given, those that are new (their id is null), and those known that this finding changes.
_LOOK_UP = """
SELECT json_group_array(json_array(given.key, urls.id, urls.reason, hosts.name))
FROM json_each(:urls) AS given
LEFT JOIN urls ON urls.url = given.value
LEFT JOIN hosts ON hosts.id = urls.host
WHERE urls.id IS NULL
   OR :followed AND urls.state = 0 AND (urls.depth > :depth OR urls.hops > :hops)
   OR :followed AND urls.state = 4 AND urls.reason IN (SELECT value FROM json_each(:revocable))
"""

_FIND_AGAIN = """
UPDATE urls
SET state = 0,
    depth = CASE state WHEN 4 THEN :depth ELSE min(depth, :depth) END,
    hops = CASE state WHEN 4 THEN :hops ELSE min(hops, :hops) END,
    reason = CASE state WHEN 4 THEN NULL ELSE reason END
WHERE id IN (SELECT value FROM json_each(:ids))
"""

_INSERT = """
INSERT INTO urls (id, url, host, parent, depth, hops, state, reason)
SELECT :last + 1 + key, json_extract(value, '$[0]'), (SELECT id FROM hosts WHERE name = json_extract(value, '$[1]')),
       json_extract(value, '$[2]'), json_extract(value, '$[3]'), json_extract(value, '$[4]'),
       CASE WHEN json_extract(value, '$[5]') IS NULL THEN 0 ELSE 4 END, json_extract(value, '$[5]')
FROM json_each(:rows)
"""

_QUEUE_HEADS = """
SELECT json_group_array(json_array(urls.id, urls.url, hosts.name, urls.depth, parents.url, urls.attempts, urls.hops))
FROM json_each(:hosts) AS wanted
CROSS JOIN hosts ON hosts.name = wanted.value
CROSS JOIN urls ON urls.id IN (
    SELECT id FROM urls WHERE host = hosts.id AND state = 0 AND due = 0 ORDER BY depth, id LIMIT :count
)
LEFT JOIN urls AS parents ON parents.id = urls.parent
"""

_SETTLE = """
UPDATE urls
SET state = new.state, attempts = new.attempts, status = new.status, reason = new.reason, due = new.due
FROM (
    SELECT json_extract(value, '$[0]') AS id, json_extract(value, '$[1]') AS state,
           json_extract(value, '$[2]') AS attempts, json_extract(value, '$[3]') AS status,
           json_extract(value, '$[4]') AS reason, json_extract(value, '$[5]') AS due
    FROM json_each(?)
) AS new
WHERE urls.id = new.id AND urls.state = 1
"""

_DROP = """
UPDATE urls SET state = 4, reason = ?
WHERE state = 0 AND attempts = 0 AND host = (SELECT id FROM hosts WHERE name = ?)
"""

_KNOWN = """
SELECT json_group_array(json_array(
    urls.url, urls.state, urls.depth, parents.url, urls.attempts, urls.status, urls.reason, urls.due
))
FROM urls LEFT JOIN urls AS parents ON parents.id = urls.parent
WHERE urls.id BETWEEN ? AND ?
"""

# A parent is known before its children, so its number is smaller: what claims otherwise would never end.
_CHAIN = """
WITH RECURSIVE chain (id) AS (
    SELECT parent FROM urls WHERE url = ? AND parent IS NOT NULL
    UNION ALL
    SELECT urls.parent FROM chain JOIN urls ON urls.id = chain.id WHERE urls.parent < urls.id
)
SELECT url FROM chain JOIN urls ON urls.id = chain.id ORDER BY chain.id
"""

_PAGES = """
SELECT count(*) FROM urls
WHERE state IN (2, 3) AND (?1 IS NULL OR host = (SELECT id FROM hosts WHERE name = ?1))
"""

_COUNTS = """
SELECT hosts.name, counted.state, counted.number, counted.refused, counted.retrying
FROM (
    SELECT host, state, count(*) AS number, CASE state WHEN 4 THEN reason END AS refused,
           sum(state = 0 AND attempts > 0) AS retrying
    FROM urls GROUP BY 1, 2, 4
) AS counted
JOIN hosts ON hosts.id = counted.host ORDER BY hosts.id
"""


class _Way(NamedTuple):
    """How one batch found a URL: how it did first, and how near by findings that were not refused, if any."""

    parent: int | None
    depth: int
    hops: int
    refused: str | None
    nearest: tuple[int, int] | None  # the least depth, the least hops

    def start(self) -> tuple[int, int, str | None]:
        """Depth, hops and refusal with which the URL begins, if it is new."""
        if self.nearest and (self.refused is None or self.refused in REVOCABLE):
            return (*self.nearest, None)
        return self.depth, self.hops, self.refused


class Added(NamedTuple):
    """What a batch of findings has changed, for those who count."""

    new: list[tuple[str, str | None]]  # of each new URL the host, and why it is refused
    readmitted: list[tuple[str, str]]  # of each URL that is no longer refused the host, and why it was


def is_new(db: sqlite3.Connection, file: Path) -> bool:
    """Is nothing in the file yet? Nothing is written, since it may be another program's. Raises FrontierError."""
    (application,) = db.execute("PRAGMA application_id").fetchone()
    (number,) = db.execute("PRAGMA user_version").fetchone()
    (tables,) = db.execute("SELECT count(*) FROM sqlite_master").fetchone()
    if not (application or number or tables):
        return True
    if application != APPLICATION:
        raise FrontierError(f"{file} is a database of another program")
    if number != NUMBER:
        raise FrontierError(f"{file} has layout {number}, of another version; this one knows {NUMBER}")
    return False


def create(db: sqlite3.Connection) -> None:
    """Make the tables in a new file."""
    for statement in _SCHEMA.split(";\n"):
        db.execute(statement)
    db.execute(f"PRAGMA application_id = {APPLICATION}")
    db.execute(f"PRAGMA user_version = {NUMBER}")


def take_back(db: sqlite3.Connection) -> None:
    """What was in hand waits again."""
    db.execute("UPDATE urls SET state = 0 WHERE state = 1")


def count(db: sqlite3.Connection) -> Tally:
    """Count all there is: about 0.3 s for a million URLs."""
    tally = Tally()
    for host, code, number, refused, retrying in db.execute(_COUNTS):
        tally.found(host, _STATES[code], number, refused=refused, retrying=retrying)
    postponed = "SELECT urls.id, name, due FROM urls JOIN hosts ON hosts.id = host WHERE state = 0 AND due > 0"
    for id_, host, due in db.execute(postponed):
        tally.postponed(id_, host, due)
    return tally


def add(db: sqlite3.Connection, findings: Sequence[Found]) -> Added:
    """Add what is new, and change what is known, as the contract says, as if one finding came after the other."""
    ways = _ways(findings)
    unknown: set[str] = set()
    readmitted: list[tuple[str, str]] = []
    for nearest, urls in _by_nearness(ways).items():
        depth, hops = nearest or (0, 0)
        given = {"urls": _json(urls), "followed": nearest is not None, "depth": depth, "hops": hops}
        met = _rows(db, _LOOK_UP, {**given, "revocable": _json(list(REVOCABLE))})
        unknown.update(urls[place] for place, id_, _, _ in met if id_ is None)
        changed = [id_ for _, id_, _, _ in met if id_ is not None]
        if changed:
            db.execute(_FIND_AGAIN, {"ids": _json(changed), "depth": depth, "hops": hops})
            readmitted += [(host, reason) for _, _, reason, host in met if reason in REVOCABLE]
    new = [(url, host_of(url), way.parent, *way.start()) for url, way in ways.items() if url in unknown]
    if new:
        _insert(db, new)
    return Added([(host, refused) for _, host, *_, refused in new], readmitted)


def _ways(findings: Sequence[Found]) -> dict[str, _Way]:
    """Each URL once, in the order of first occurrence."""
    ways: dict[str, _Way] = {}
    for found in findings:
        nearest = (found.depth, found.hops) if found.refused is None else None
        way = _Way(found.parent, found.depth, found.hops, found.refused, nearest)
        for url in found.urls:
            first = ways.setdefault(url, way)
            if nearest is None or first.nearest == nearest:
                continue
            depth, hops = first.nearest or nearest
            ways[url] = first._replace(nearest=(min(depth, found.depth), min(hops, found.hops)))
    return ways


def _by_nearness(ways: Mapping[str, _Way]) -> dict[tuple[int, int] | None, list[str]]:
    """The URLs in groups that can be looked up together: a batch of pages has a few."""
    groups: dict[tuple[int, int] | None, list[str]] = {}
    for url, way in ways.items():
        groups.setdefault(way.nearest, []).append(url)
    return groups


def _insert(db: sqlite3.Connection, new: Sequence[tuple[str, str, int | None, int, int, str | None]]) -> None:
    hosts = dict.fromkeys(host for _, host, *_ in new)
    db.execute("INSERT OR IGNORE INTO hosts (name) SELECT value FROM json_each(?)", [_json(list(hosts))])
    db.execute(_INSERT, {"last": last(db), "rows": _json(list(new))})


def claim(db: sqlite3.Connection, wants: Mapping[str, int], ripe: list[int]) -> list[Request]:
    """Hand out the heads of the hosts' queues, after those whose due time has come have joined them."""
    if ripe:
        db.execute("UPDATE urls SET due = 0 WHERE id IN (SELECT value FROM json_each(?))", [_json(ripe)])
    by_count: dict[int, list[str]] = {}
    for host, count in wants.items():
        by_count.setdefault(count, []).append(host)
    rows = [
        row
        for count, hosts in by_count.items()
        for row in _rows(db, _QUEUE_HEADS, {"hosts": _json(hosts), "count": count})
    ]
    db.execute("UPDATE urls SET state = 1 WHERE id IN (SELECT value FROM json_each(?))", [_json([r[0] for r in rows])])
    requests = [
        Request(id_, url, host, depth, parent, attempts + 1, hops)
        for id_, url, host, depth, parent, attempts, hops in rows
    ]
    return sorted(requests, key=lambda request: (request.depth, request.id))


def settle(db: sqlite3.Connection, finished: Sequence[Finished]) -> int:
    """Write what became of URLs in hand; how many of them were in hand."""
    rows = [
        (one.id, _CODES[one.state], one.attempts, one.status, one.reason, one.due if one.state == "waiting" else 0)
        for one in finished
    ]
    return db.execute(_SETTLE, [_json(rows)]).rowcount


def release(db: sqlite3.Connection, ids: Sequence[int]) -> None:
    db.execute("UPDATE urls SET state = 0 WHERE id IN (SELECT value FROM json_each(?))", [_json(list(ids))])


def drop(db: sqlite3.Connection, host: str, reason: str) -> int:
    """Refuse what waits of a host and was never asked for; how many URLs that were."""
    return db.execute(_DROP, [reason, host]).rowcount


def move(db: sqlite3.Connection, positions: Mapping[str, int]) -> None:
    """Note how far stores have got."""
    db.executemany("INSERT OR REPLACE INTO stores (name, position) VALUES (?, ?)", positions.items())


def positions(db: sqlite3.Connection) -> dict[str, int]:
    return dict(db.execute("SELECT name, position FROM stores").fetchall())


def note(db: sqlite3.Connection, key: str, value: str) -> None:
    db.execute("INSERT OR REPLACE INTO notes (key, value) VALUES (?, ?)", [key, value])


def notes(db: sqlite3.Connection, prefix: str) -> dict[str, str]:
    statement = "SELECT key, value FROM notes WHERE key >= ?1 AND key < ?1 || char(0x10FFFF)"
    return dict(db.execute(statement, [prefix]).fetchall())


def find(db: sqlite3.Connection, url: str) -> Known | None:
    row = db.execute("SELECT id FROM urls WHERE url = ?", [url]).fetchone()
    return known(db, row[0], row[0])[0] if row else None


def chain(db: sqlite3.Connection, url: str) -> list[str]:
    return [parent for (parent,) in db.execute(_CHAIN, [url])]


def pages(db: sqlite3.Connection, host: str | None) -> int:
    """How many URLs are crawled or failed: reads all rows."""
    number: int = db.execute(_PAGES, [host]).fetchone()[0]
    return number


def known(db: sqlite3.Connection, first: int, last: int) -> list[Known]:
    """The URLs with these numbers and those between."""
    return [Known(url, _STATES[code], *rest) for url, code, *rest in _rows(db, _KNOWN, (first, last))]


def last(db: sqlite3.Connection) -> int:
    """The number of the URL found last; 0 when there is none."""
    number: int = db.execute("SELECT coalesce(max(id), 0) FROM urls").fetchone()[0]
    return number


def _rows(db: sqlite3.Connection, statement: str, values: Sequence[Any] | Mapping[str, Any]) -> list[list[Any]]:
    """The rows of a statement that gathers them into one JSON array."""
    rows: list[list[Any]] = orjson.loads(db.execute(statement, values).fetchone()[0])
    return rows


def _json(value: list[Any]) -> str:
    return orjson.dumps(value).decode()
