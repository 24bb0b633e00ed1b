"""The tables of the frontier's SQLite file, and the statements upon them, to be called inside a transaction.

Guarantees: what is known of a URL stands in two rows at most, and what a recrawl needs in a third (visits.py). Rows of
`urls` are appended, and change only when one is found nearer; a row of `fates` comes when a URL is settled; what has
none waits. That a URL is in hand is not in the file at all, so after a kill it waits. There is no index beside the
numbers: two made adding seven times slower at a million URLs, and ever slower from there.

How it works: which URLs are known, and which may be claimed, is answered from the `Index` in memory, which is made by
one pass over the file (see loading.py). The statements here change the file alone; the index is told once the
transaction is kept.

What comes in bulk goes through single statements over JSON arrays, not through `executemany` or rows of a result: after
every step of a statement the thread waits for the interpreter's lock, for milliseconds while the loop is busy, and a
batch has thousands of links.
"""

import sqlite3
import sys
from collections.abc import Container, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import orjson

from crawler.frontier import REVOCABLE, FrontierError, Known, visits
from crawler.frontier.index import Added, Index, Nearer, New
from crawler.frontier.membership import NEAREST
from crawler.frontier.order import USUAL, in_order, rank, tenths
from crawler.model import Finished, Found, Request, State
from parsers.urls import host as host_of

_CODES: dict[State, int] = {"waiting": 0, "in_hand": 1, "crawled": 2, "failed": 3, "refused": 4}
"""States as the file has them, and as the statements below write them: never to be changed. It never has 1."""
STATES = {code: state for state, code in _CODES.items()}

APPLICATION = 0x57535054  # "WSPT": tells the file from those of other programs
NUMBER = 4  # the schema's number; another number is another file
OLDEST_SQLITE = (3, 33)
_STRICT = "STRICT" if sqlite3.sqlite_version_info >= (3, 37) else ""

_SCHEMA = f"""
CREATE TABLE hosts (id INTEGER PRIMARY KEY, name TEXT NOT NULL) {_STRICT};
CREATE TABLE urls (
    id INTEGER PRIMARY KEY,  -- 1, 2, 3 ... in the order they were found, none left out
    url TEXT NOT NULL,
    host INTEGER NOT NULL REFERENCES hosts (id),
    parent INTEGER REFERENCES urls (id),
    depth INTEGER NOT NULL,
    hops INTEGER NOT NULL,
    priority INTEGER NOT NULL DEFAULT {USUAL}  -- tenths
) {_STRICT};
CREATE TABLE fates (
    id INTEGER PRIMARY KEY REFERENCES urls (id),
    state INTEGER NOT NULL,
    attempts INTEGER NOT NULL,
    status INTEGER,
    reason TEXT,
    due REAL NOT NULL  -- seconds since the epoch, of one that waits; 0: may be claimed
) {_STRICT};
{visits.SCHEMA} {_STRICT};
CREATE TABLE stores (name TEXT PRIMARY KEY, position INTEGER NOT NULL) {_STRICT};
CREATE TABLE notes (key TEXT PRIMARY KEY, value TEXT NOT NULL) {_STRICT};
"""

PRAGMAS = (
    "PRAGMA journal_mode = WAL",
    # A commit survives a kill because the system has it. NORMAL waits for the disk only when the log is folded into the
    # file: a power cut may cost the last batches, never the file.
    "PRAGMA synchronous = NORMAL",
    "PRAGMA cache_size = -16384",  # 16 MB: what is claimed and settled together was mostly found together
)

_INSERT = """
INSERT INTO urls (url, host, parent, depth, hops)
SELECT key, json_extract(value, '$[0]'), json_extract(value, '$[1]'), json_extract(value, '$[2]'),
       json_extract(value, '$[3]')
FROM json_each(?)
"""

_REFUSE = """
INSERT INTO fates (id, state, attempts, status, reason, due)
SELECT value, 4, 0, NULL, :reason, 0 FROM json_each(:ids) WHERE true
ON CONFLICT (id) DO UPDATE SET state = 4, reason = excluded.reason
"""

_READMIT = """
UPDATE fates SET state = 0, reason = NULL
WHERE state = 4 AND reason = :reason AND (
    SELECT CASE :reason WHEN 'max_depth' THEN :most IS NULL OR depth <= :most
                        WHEN 'max_redirects' THEN :most IS NULL OR hops <= :most
                        WHEN 'max_host_pages' THEN host IN (SELECT value FROM json_each(:hosts))
                        ELSE :most IS NULL END
    FROM urls WHERE urls.id = fates.id
)
"""

_NEVER_ASKED = """
SELECT json_group_array(value) FROM json_each(?) LEFT JOIN fates ON fates.id = value WHERE coalesce(attempts, 0) = 0
"""

_SETTLE = """
INSERT OR REPLACE INTO fates (id, state, attempts, status, reason, due)
SELECT json_extract(value, '$[0]'), json_extract(value, '$[1]'), json_extract(value, '$[2]'),
       json_extract(value, '$[3]'), json_extract(value, '$[4]'), json_extract(value, '$[5]')
FROM json_each(?)
"""

_READ = """
SELECT json_group_array(json_array(urls.id, urls.url, hosts.name, urls.depth, parents.url, coalesce(fates.attempts, 0),
                                   urls.hops, urls.priority, coalesce(fates.state, 0), fates.reason))
FROM json_each(:ids) AS given
CROSS JOIN urls ON urls.id = given.value
LEFT JOIN hosts ON hosts.id = urls.host
LEFT JOIN urls AS parents ON parents.id = urls.parent
LEFT JOIN fates ON fates.id = urls.id
"""

_KNOWN = """
SELECT json_group_array(json_array(urls.id, urls.url, coalesce(fates.state, 0), urls.depth, parents.url,
                                   coalesce(fates.attempts, 0), fates.status, fates.reason, coalesce(fates.due, 0)))
FROM urls
LEFT JOIN urls AS parents ON parents.id = urls.parent
LEFT JOIN fates ON fates.id = urls.id
WHERE urls.id BETWEEN ? AND ?
"""

# A parent is known before its children, so its number is smaller: what claims otherwise would never end.
_CHAIN = """
WITH RECURSIVE chain (id) AS (
    SELECT parent FROM urls WHERE id = ? AND parent IS NOT NULL
    UNION ALL
    SELECT urls.parent FROM chain JOIN urls ON urls.id = chain.id WHERE urls.parent < urls.id
)
SELECT url FROM chain JOIN urls ON urls.id = chain.id ORDER BY chain.id
"""

_PAGES = """
SELECT count(*) FROM fates CROSS JOIN urls USING (id)
WHERE state IN (2, 3) AND (?1 IS NULL OR host = (SELECT id FROM hosts WHERE name = ?1))
"""


class _Way(NamedTuple):
    """How one batch found a URL: how it did first, and how near by findings that were not refused, if any."""

    parent: int | None
    depth: int
    hops: int
    tenths: int
    refused: str | None
    nearest: tuple[int, int, int] | None  # the least depth, the least hops, the highest priority

    def start(self) -> tuple[int, int, int, str | None]:
        """Depth, hops, priority and refusal with which the URL begins, if it is new."""
        if self.nearest and (self.refused is None or self.refused in REVOCABLE):
            return (*self.nearest, None)
        return self.depth, self.hops, self.tenths, self.refused


def trouble(file: Path, error: sqlite3.Error) -> str:
    """What SQLite complains of, in one line, with what it does not say by itself."""
    name = getattr(error, "sqlite_errorname", "")  # misuse of the module has none
    if name.startswith(("SQLITE_CORRUPT", "SQLITE_NOTADB")):
        return f"{file}: {error}: --fresh starts over"
    if name.startswith("SQLITE_IOERR"):
        return f"{file}: {error} ({name}; perhaps the disk is full, or files may not grow so large)"
    return f"{file}: {error}"


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
        raise FrontierError(
            f"{file} has layout {number}, of another version; this one knows {NUMBER}: --fresh starts over"
        )
    return False


def create(db: sqlite3.Connection) -> None:
    """Make the tables in a new file."""
    for statement in _SCHEMA.split(";\n"):
        db.execute(statement)
    db.execute(f"PRAGMA application_id = {APPLICATION}")
    db.execute(f"PRAGMA user_version = {NUMBER}")


def add(db: sqlite3.Connection, index: Index, findings: Sequence[Found], settled: Sequence[Finished] = ()) -> Added:
    """Add what is new, and change what is known, as the contract says, as if one finding came after the other.

    `settled`: what this transaction has settled before.
    """
    ways, known = _ways(index, findings)
    added = Added([], {}, [], [])
    if known:
        busy = index.in_hand.keys() - {item.id for item in settled}
        _find_again(db, {id_: (url, ways.pop(url)) for url, id_ in known.items()}, busy, added)
    added.new.extend(New(url, host_of(url), way.parent, *way.start()) for url, way in ways.items())
    _insert(db, index, added)
    return added


def _ways(index: Index, findings: Sequence[Found]) -> tuple[dict[str, _Way], dict[str, int]]:
    """Each URL that is new or may change, once, in the order of first occurrence; and the numbers of the known."""
    ways: dict[str, _Way] = {}
    known: dict[str, int] = {}
    for found in findings:
        priority = tenths(found.priority)
        looked_for = None if found.refused else NEAREST if priority > USUAL else found.depth
        unknown, above = index.members.sift(found.urls, looked_for)
        known |= above
        nearest = (found.depth, found.hops, priority) if found.refused is None else None
        way = _Way(found.parent, found.depth, found.hops, priority, found.refused, nearest)
        for url in (*unknown, *above):
            first = ways.setdefault(url, way)
            if nearest is None or first.nearest == nearest:
                continue
            depth, hops, highest = first.nearest or (found.depth, found.hops, first.tenths)
            nearer = min(depth, found.depth), min(hops, found.hops), max(highest, priority)
            ways[url] = first._replace(nearest=nearer)
    return ways, known


def _find_again(db: sqlite3.Connection, ways: dict[int, tuple[str, _Way]], in_hand: set[int], added: Added) -> None:
    """Change those of the known URLs, by number, that these ways change."""
    places: dict[tuple[int, int, int], list[int]] = {}
    for id_, url, host, old_depth, _, _, old_hops, old_priority, code, reason in _rows(
        db, _READ, {"ids": _json(list(ways))}
    ):
        given, way = ways[id_]
        before = old_depth, old_hops, old_priority
        depth, hops, priority = way.nearest or before
        if id_ in in_hand or url != given:  # the latter: two URLs with one hash
            continue
        priority = max(priority, old_priority)
        if code == 0:
            depth, hops = min(depth, old_depth), min(hops, old_hops)
            if (depth, hops, priority) == before:
                continue
        elif code != 4 or reason not in REVOCABLE:
            added.closed.append(url)
            continue
        refused = reason if code == 4 else None
        added.nearer.append(Nearer(id_, url, host, depth, hops, priority, (old_depth, old_priority), refused))
        places.setdefault((depth, hops, priority), []).append(id_)
    for way_now, ids in places.items():
        change = "UPDATE urls SET depth = ?, hops = ?, priority = ? WHERE id IN (SELECT value FROM json_each(?))"
        db.execute(change, [*way_now, _json(ids)])
    readmitted = [one.id for one in added.nearer if one.refused is not None]
    if readmitted:
        change = "UPDATE fates SET state = 0, reason = NULL WHERE id IN (SELECT value FROM json_each(?))"
        db.execute(change, [_json(readmitted)])


def _insert(db: sqlite3.Connection, index: Index, added: Added) -> None:
    hosts = index.hosts
    for name in dict.fromkeys(new.host for new in added.new):
        if name not in hosts:
            added.hosts[name] = len(hosts) + len(added.hosts) + 1
    if added.hosts:
        db.execute("INSERT INTO hosts (name, id) SELECT key, value FROM json_each(?)", [_json(added.hosts)])
    rows: dict[str, tuple[int, int | None, int, int]] = {}
    unusual: dict[int, list[int]] = {}
    refused: dict[str, list[int]] = {}
    for id_, new in enumerate(added.new, len(index.members) + 1):
        rows[new.url] = hosts.get(new.host) or added.hosts[new.host], new.parent, new.depth, new.hops
        if new.tenths != USUAL:
            unusual.setdefault(new.tenths, []).append(id_)
        if new.refused is not None:
            refused.setdefault(new.refused, []).append(id_)
    if rows and db.execute(_INSERT, [_json(rows)]).lastrowid != len(index.members) + len(rows):
        raise sqlite3.IntegrityError("it was changed by another program")
    for priority, ids in unusual.items():
        db.execute("UPDATE urls SET priority = ? WHERE id IN (SELECT value FROM json_each(?))", [priority, _json(ids)])
    for reason, ids in refused.items():
        db.execute(_REFUSE, {"ids": _json(ids), "reason": reason})


def claim(db: sqlite3.Connection, index: Index, wants: Mapping[str, int], ripe: Sequence[int]) -> list[Request]:
    """Hand out the heads of the hosts' queues, after those whose due time has come have joined them."""
    order = index.order
    for id_, _, host, depth, _, _, _, priority, *_ in _rows(db, _READ, {"ids": _json(list(ripe))}) if ripe else ():
        if id_ not in index.in_hand:  # by a claim that overlaps this one
            index.queues.put(host, rank(order, depth, priority), id_)
    ids = [id_ for host, count in wants.items() for id_ in index.queues.heads(host, count)]
    requests = [
        Request(id_, url, host, depth, parent, attempts + 1, hops, rank(order, depth, priority))
        for id_, url, host, depth, parent, attempts, hops, priority, *_ in _rows(db, _READ, {"ids": _json(ids)})
    ]
    return in_order(order, requests)


def settle(db: sqlite3.Connection, finished: Sequence[Finished]) -> None:
    """Write what became of URLs in hand."""
    rows = [
        (one.id, _CODES[one.state], one.attempts, one.status, one.reason, one.due if one.state == "waiting" else 0.0)
        for one in finished
    ]
    if rows:
        db.execute(_SETTLE, [_json(rows)])


def drop(db: sqlite3.Connection, index: Index, host: str, reason: str) -> list[int]:
    """Refuse what waits of a host and was never asked for; which URLs that were."""
    dropped = _rows(db, _NEVER_ASKED, [_json(index.queues.heads(host, sys.maxsize))])
    db.execute(_REFUSE, {"ids": _json(dropped), "reason": reason})
    return dropped


def readmit(db: sqlite3.Connection, reason: str, most: int | None, hosts: list[int]) -> int:
    """Let URLs wait that were refused for it, as the contract says; how many. `hosts`: those with room for more.

    The index is not told: whoever calls this makes it anew.
    """
    return db.execute(_READMIT, {"reason": reason, "most": most, "hosts": _json(hosts)}).rowcount


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


def number(db: sqlite3.Connection, url: str) -> int | None:
    """The number of a URL, found without the index: reads rows until it comes, or all."""
    row = db.execute("SELECT id FROM urls WHERE url = ?", [url]).fetchone()
    return row[0] if row else None


def chain(db: sqlite3.Connection, number: int) -> list[str]:
    return [parent for (parent,) in db.execute(_CHAIN, [number])]


def pages(db: sqlite3.Connection, host: str | None) -> int:
    """How many URLs are crawled or failed: reads all rows."""
    number: int = db.execute(_PAGES, [host]).fetchone()[0]
    return number


def known(db: sqlite3.Connection, first: int, last: int, in_hand: Container[int]) -> list[Known]:
    """The URLs with these numbers and those between."""
    return [
        Known(url, "in_hand", depth, parent, attempts, status, reason, 0.0)
        if id_ in in_hand
        else Known(url, STATES[code], depth, parent, attempts, status, reason, due)
        for id_, url, code, depth, parent, attempts, status, reason, due in _rows(db, _KNOWN, (first, last))
    ]


def last(db: sqlite3.Connection) -> int:
    """The number of the URL found last; 0 when there is none."""
    number: int = db.execute("SELECT coalesce(max(id), 0) FROM urls").fetchone()[0]
    return number


def _rows(db: sqlite3.Connection, statement: str, values: Sequence[Any] | Mapping[str, Any]) -> list[Any]:
    """The rows of a statement that gathers them into one JSON array."""
    rows: list[Any] = orjson.loads(db.execute(statement, values).fetchone()[0])
    return rows


def _json(value: list[Any] | dict[str, Any]) -> str:
    return orjson.dumps(value).decode()
