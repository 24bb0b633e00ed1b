"""The frontier in one SQLite file.

One thread owns the connection and the index, and each change is one task there and one transaction. What is asked all
the time is answered from a tally in memory. Both hear of a change once it is kept.
"""

import asyncio
import os
import sqlite3
import sys
from collections import Counter
from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Self, TypeVar

from crawler.frontier import FrontierError, layout, loading, visits
from crawler.frontier.index import Added, Index
from crawler.frontier.reading import Look, Reading, SqliteReader
from crawler.frontier.tally import Tallied, Tally
from crawler.model import Finished, Found, Order, Request

T = TypeVar("T")
Work = Callable[[sqlite3.Connection, Index], T]

_FILE = "frontier.sqlite"


class SqliteFrontier(Tallied, Reading):
    """Keeps the contract `Frontier` in one file (and, while it is open, two beside it)."""

    durable = True

    def __init__(self, path: Path, order: Order = "breadth", *, lock_wait: float = 5.0) -> None:
        """`lock_wait`: how long a change waits for another process that holds the file's lock, in seconds."""
        super().__init__()
        self.recrawl = 0
        self._path = path
        self._order: Order = order
        self._lock_wait = lock_wait
        self._thread: ThreadPoolExecutor | None = None
        self._apart = asyncio.Lock()
        self._outside = SqliteReader(path, lock_wait=lock_wait)
        self._db: sqlite3.Connection
        self._index: Index

    @classmethod
    def of_job(cls, folder: Path, order: Order = "breadth") -> Self:
        """The frontier of the job in this folder."""
        return cls(folder / _FILE, order)

    @classmethod
    def reader_of_job(cls, folder: Path) -> SqliteReader:
        """A look into the frontier of the job in this folder."""
        return SqliteReader(folder / _FILE)

    async def open(self) -> None:
        assert self._thread is None, "it is open already"
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="frontier")
        try:
            self._tally = await self._in_thread(self._connect)
        except BaseException:
            self._thread.shutdown(wait=False)
            self._thread = None
            raise

    async def close(self) -> None:
        # Whoever closes the file last folds its log in, which one who only looks cannot do.
        async with self._apart:
            if self._thread is None:
                return
            try:
                await self._read(lambda db, _: db.close())
            finally:
                self._thread.shutdown(wait=False)
                self._thread = None
                self._index = Index({})  # a million URLs are many megabytes

    async def add(self, found: Found) -> int:
        added = await self._change(lambda db, index: layout.add(db, index, [found]), Index.added, self._count_added)
        return len(added.new)

    async def claim(self, wants: Mapping[str, int], now: float) -> list[Request]:
        ripe = self._tally.ripe(now)

        def counted(requests: list[Request]) -> None:
            self._tally.ripened(ripe)
            self._tally.claimed(requests)

        def work(db: sqlite3.Connection, index: Index) -> list[Request]:
            requests = layout.claim(db, index, wants, ripe)
            return visits.with_before(db, requests) if self.recrawl else requests

        return await self._change(work, Index.claimed, counted)

    async def finish(self, finished: Sequence[Finished], positions: Mapping[str, int]) -> list[tuple[int, str]]:
        self._tally.check_in_hand([item.id for item in finished])

        def work(db: sqlite3.Connection, index: Index) -> Added:
            index.settling(finished)
            layout.settle(db, finished)
            visits.save(db, finished)
            layout.move(db, positions)
            return layout.add(db, index, [found for item in finished for found in item.found], finished)

        def kept(index: Index, added: Added) -> None:
            index.settled(finished)
            index.added(added)

        def counted(added: Added) -> None:
            self._tally.settled(finished)
            self._count_added(added)

        added = await self._change(work, kept, counted)
        return [(new.parent, new.url) for new in added.new if new.parent is not None]

    async def release(self, ids: Sequence[int]) -> None:
        self._tally.check_in_hand(ids)
        await self._change(
            lambda db, index: None, lambda index, _: index.released(ids), lambda _: self._tally.released(ids)
        )

    async def drop(self, host: str, reason: str) -> int:
        dropped = await self._change(
            lambda db, index: layout.drop(db, index, host, reason),
            lambda index, ids: index.dropped(host, ids),
            lambda ids: self._tally.dropped(host, reason, len(ids)),
        )
        return len(dropped)

    async def readmit(self, reason: str, most: int | None = None) -> int:
        self._tally.check_nothing_in_hand()
        hosts = self._tally.with_room(most)

        def work(db: sqlite3.Connection, index: Index) -> tuple[int, Index, Tally]:
            count = layout.readmit(db, reason, most, [index.hosts[host] for host in hosts])
            # Nothing is in hand, so all that is in memory can be made anew, as at start.
            return count, *(loading.load(db, self._order) if count else (index, self._tally))

        return await self._change_all(work)

    async def begin_again(self) -> int:
        self._tally.check_nothing_in_hand()
        number = self.recrawl + 1

        def work(db: sqlite3.Connection, index: Index) -> tuple[int, Index, Tally]:
            visits.begin_again(db, number)
            return number, *loading.load(db, self._order)

        self.recrawl = await self._change_all(work)
        return number

    async def _change_all(self, work: Work[tuple[int, Index, Tally]]) -> int:
        """Do this work, which makes all that is in memory anew, as one transaction."""

        def kept(_: Index, result: tuple[int, Index, Tally]) -> None:
            self._index = result[1]

        def counted(result: tuple[int, Index, Tally]) -> None:
            self._tally = result[2]

        return (await self._change(work, kept, counted))[0]

    async def positions(self) -> dict[str, int]:
        return await self._read(lambda db, _: layout.positions(db))

    async def note(self, key: str, value: str) -> None:
        await self._change(lambda db, _: layout.note(db, key, value), lambda *_: None, lambda _: None)

    async def _look(self, look: Look[T]) -> T:
        return await self._read(lambda db, _: look(db))

    async def _look_apart(self, look: Look[T]) -> T:
        async with self._apart:  # one at a time: each keeps a core busy
            if self._thread is None:
                raise FrontierError(f"{self._path} is not open")
            return await self._outside.look(look)

    def _number(self, db: sqlite3.Connection, url: str) -> int | None:
        return self._index.members.find(url)

    def _in_hand(self) -> Container[int]:
        return self._index.in_hand

    def _connect(self) -> Tally:
        if sqlite3.sqlite_version_info < layout.OLDEST_SQLITE:
            raise FrontierError(f"SQLite 3.33 or newer is needed; this Python has {sqlite3.sqlite_version}")
        if sys.hash_info.width < 64:
            raise FrontierError("a Python of 64 bits is needed, or --frontier=memory")
        if self._path.exists() and not os.access(self._path, os.R_OK | os.W_OK):
            # Told before SQLite makes files beside it that could not be written to either, even once this one can.
            raise FrontierError(f"{self._path} cannot be written: Permission denied")
        db = sqlite3.connect(self._path, timeout=self._lock_wait, isolation_level=None)
        try:
            is_new = layout.is_new(db, self._path)
            for pragma in layout.PRAGMAS:
                db.execute(pragma)
            with _transaction(db):
                if is_new:
                    layout.create(db)
                index, tally = loading.load(db, self._order)
                self.recrawl = visits.recrawl(db)
        except BaseException:
            db.close()
            raise
        self._db = db
        self._index = index
        return tally

    def _count_added(self, added: Added) -> None:
        for (host, refused), count in Counter((new.host, new.refused) for new in added.new).items():
            self._tally.found(host, "refused" if refused else "waiting", count, refused=refused)
        for one in added.nearer:
            if one.refused is not None:
                self._tally.readmitted(one.host, one.refused)

    async def _change(self, work: Work[T], kept: Callable[[Index, T], object], counted: Callable[[T], object]) -> T:
        """Do this work as one transaction, and note and count it if it is kept, even when the caller is cancelled."""

        def transact() -> T:
            with _transaction(self._db):
                result = work(self._db, self._index)
            kept(self._index, result)
            return result

        async def change() -> T:
            result = await self._in_thread(transact)
            counted(result)
            return result

        task = asyncio.create_task(change())
        # A caller that was cancelled hears of no error; asyncio would complain of that, in its own words.
        task.add_done_callback(lambda task: task.cancelled() or task.exception())
        return await asyncio.shield(task)

    async def _read(self, work: Work[T]) -> T:
        return await self._in_thread(lambda: work(self._db, self._index))

    async def _in_thread(self, work: Callable[[], T]) -> T:
        """The only way to the database, and where its errors become ours."""
        if self._thread is None:
            raise FrontierError(f"{self._path} is not open")
        try:
            return await asyncio.get_running_loop().run_in_executor(self._thread, work)
        except sqlite3.Error as error:
            raise FrontierError(layout.trouble(self._path, error)) from error


@contextmanager
def _transaction(db: sqlite3.Connection) -> Iterator[None]:
    db.execute("BEGIN IMMEDIATE")
    try:
        yield
        db.execute("COMMIT")
    except BaseException:
        if db.in_transaction:  # some errors, such as a full disk, have rolled it back already
            with suppress(sqlite3.Error):  # the first error says more
                db.execute("ROLLBACK")
        raise
