"""Making anew, at start, what is kept in memory beside the frontier's file: one pass over it."""

import sqlite3
from collections import Counter, defaultdict

import orjson

from crawler.frontier import REVOCABLE, layout, visits
from crawler.frontier.index import Index
from crawler.frontier.membership import ASK
from crawler.frontier.order import USUAL, rank
from crawler.frontier.tally import Tally
from crawler.model import Order, State

_LOADED = 50_000  # URLs that `load` reads at once: 30 MB

# A stretch of URLs with their levels (see membership.py), and of those to be claimed host, depth and priority in one.
_LOAD = """
SELECT json_group_array(url),
       json_group_array(
           CASE WHEN state = 4 AND reason IN (SELECT value FROM json_each(:revocable)) THEN :ask
                WHEN state > 0 THEN 0
                WHEN hops > 0 OR depth >= :ask OR priority < :usual THEN :ask
                ELSE depth END
       ),
       json_group_array(
           CASE WHEN coalesce(state, 0) = 0 AND coalesce(due, 0) = 0 THEN (host << 36) | (depth << 4) | priority END
       )
FROM urls LEFT JOIN fates USING (id)
WHERE id BETWEEN :first AND :last
"""

# By stretches too: sorted as a whole, millions of rows would go through files.
_FATES = """
SELECT host, state, CASE state WHEN 4 THEN reason END AS refused, due > 0 AS later, attempts > 0 AS asked, count(*)
FROM fates CROSS JOIN urls USING (id)
WHERE fates.id BETWEEN :first AND :last
GROUP BY 1, 2, 3, 4, 5
"""


def load(db: sqlite3.Connection, order: Order) -> tuple[Index, Tally]:
    """Read all there is: about a second for a million URLs."""
    names: dict[int, str] = dict(db.execute("SELECT id, name FROM hosts ORDER BY id"))
    end = layout.last(db)
    index = Index({name: id_ for id_, name in names.items()}, end, order)
    waiting = Counter[int]()
    fates = Counter[tuple[int, int, str | None, bool, bool]]()  # host, state, reason, due later?, asked for?
    rules = {"ask": ASK, "usual": USUAL, "revocable": orjson.dumps(list(REVOCABLE)).decode()}
    for first in range(1, end + 1, _LOADED):
        given = {"first": first, "last": min(first + _LOADED - 1, end)}
        for *fate, number in db.execute(_FATES, given):
            fates[tuple(fate)] += number
        stretch = db.execute(_LOAD, given | rules).fetchone()
        urls, levels, places = map(orjson.loads, stretch)
        index.members.add(urls, first, levels)
        lines: defaultdict[int | None, list[int]] = defaultdict(list)
        for id_, line in enumerate(places, first):
            lines[line].append(id_)
        lines.pop(None, None)
        for line, ids in lines.items():
            assert line is not None
            host, depth, priority = line >> 36, line >> 4 & 0xFFFFFFFF, line & 0xF
            index.queues.append(names[host], rank(order, depth, priority), ids)
            waiting[host] += len(ids)
    return index, _count(db, names, waiting, fates)


def _count(
    db: sqlite3.Connection,
    names: dict[int, str],
    waiting: Counter[int],
    fates: Counter[tuple[int, int, str | None, bool, bool]],
) -> Tally:
    """Count by state and host; `waiting`: how many URLs of each host may be claimed."""
    found: dict[int, list[tuple[State, int, str | None, int]]] = {host: [] for host in names}
    for (host, code, refused, later, asked), number in fates.items():
        found[host].append((layout.STATES[code], number, refused, number if code == 0 and asked else 0))
        if code == 0 and not later:
            waiting[host] -= number
    tally = Tally()
    for host, name in names.items():
        if waiting[host]:
            tally.found(name, "waiting", waiting[host])
        for state, number, refused, retrying in found[host]:
            tally.found(name, state, number, refused=refused, retrying=retrying)
    postponed = """
    SELECT fates.id, name, due FROM fates CROSS JOIN urls USING (id) JOIN hosts ON hosts.id = host
    WHERE state = 0 AND due > 0
    """
    for id_, name, due in db.execute(postponed):
        tally.postponed(id_, name, due)
    tally.visited(visits.changes(db))
    return tally
