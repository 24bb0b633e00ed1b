"""Looking into the frontier's SQLite file, for its owner and for others, who must not disturb it."""

import asyncio
import sqlite3
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Callable, Container
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import NamedTuple, TypeVar

from crawler.frontier import FrontierError, Known, layout, visits
from crawler.model import Visit

T = TypeVar("T")
Look = Callable[[sqlite3.Connection], T]

_SCANNED = 1000  # URLs that `scan` reads at once
_COMPARED = 1_000_000  # visits that `original` reads at once, in a twentieth of a second
_TRIES = 10  # looks at a file that a crawl is just opening or closing


class Reading(ABC):
    """The part of the contract `Reader` that is only looked up in the file."""

    @abstractmethod
    async def _look(self, look: Look[T]) -> T:
        """What a look at the file brings. Raises FrontierError."""

    @abstractmethod
    async def _look_apart(self, look: Look[T]) -> T:
        """The same, for a look that takes long: nobody else who asks has to wait for it."""

    def _number(self, db: sqlite3.Connection, url: str) -> int | None:
        """The number of a URL, or of another that is taken for it."""
        return layout.number(db, url)

    def _in_hand(self) -> Container[int]:
        """The numbers of URLs that are in hand, which the file does not tell: from outside they wait."""
        return ()

    async def notes(self, prefix: str) -> dict[str, str]:
        return await self._look(lambda db: layout.notes(db, prefix))

    async def why(self, url: str) -> Known | None:
        return await self._look(lambda db: self._find(db, url)[1])

    async def chain(self, url: str) -> list[str]:
        def look(db: sqlite3.Connection) -> list[str]:
            number, known = self._find(db, url)
            return layout.chain(db, number) if known else []

        return await self._look(look)

    async def original(self, url: str) -> str | None:
        def look(db: sqlite3.Connection) -> tuple[int, Visit | None]:
            number, known = self._find(db, url)
            return number, visits.content(db, number) if known else None

        number, content = await self._look(look)
        if content is None:
            return None
        for first in range(1, number, _COMPARED):
            last = min(first + _COMPARED, number) - 1
            if same := await self._look_apart(partial(visits.same, content=content, first=first, last=last)):
                return same
        return None

    def _find(self, db: sqlite3.Connection, url: str) -> tuple[int, Known | None]:
        number = self._number(db, url) or 0
        found = layout.known(db, number, number, self._in_hand())
        return number, next((known for known in found if known.url == url), None)

    async def scan(self) -> AsyncIterator[Known]:
        last = await self._look(layout.last)
        for first in range(1, last + 1, _SCANNED):
            stretch = partial(layout.known, first=first, last=min(first + _SCANNED - 1, last), in_hand=self._in_hand())
            for known in await self._look(stretch):
                yield known


class _Moment(NamedTuple):
    """What tells whether the file has been written to."""

    logged: bool  # is there a write-ahead log with something in it?
    inode: int
    size: int
    changed: int  # nanoseconds


class SqliteReader(Reading):
    """Keeps the contract `Reader` beside a crawl that runs, after one that was killed, or after its end.

    Each look is a connection of its own, so nothing is held between two of them. A file with a write-ahead log is read
    by SQLite's own protocol, which stops no writer. When a file has none, because its crawl has ended, that protocol
    would leave two files behind in the folder: it is read as one that does not change, and read again if it did.
    """

    def __init__(self, path: Path, *, lock_wait: float = 5.0) -> None:
        """`lock_wait`: how long a look waits for another process that repairs the log after a kill, in seconds."""
        self._path = path
        self._lock_wait = lock_wait

    async def pages(self, host: str | None = None) -> int:
        return await self._look(lambda db: layout.pages(db, host))

    async def look(self, look: Look[T]) -> T:
        """What any look at the file brings, in a thread of its own. Raises FrontierError."""
        return await asyncio.to_thread(self._looked, look)

    async def _look(self, look: Look[T]) -> T:
        return await self.look(look)

    async def _look_apart(self, look: Look[T]) -> T:
        return await self.look(look)

    def _looked(self, look: Look[T]) -> T:
        for _ in range(_TRIES):
            before = self._moment()
            try:
                result = self._connected(look, "mode=ro" if before.logged else "mode=ro&immutable=1")
            except sqlite3.Error as error:
                if self._moment() == before:
                    raise FrontierError(layout.trouble(self._path, error)) from error
            else:
                if before.logged or self._moment() == before:
                    return result
        raise FrontierError(f"{self._path} is being changed all the time; try again")

    def _connected(self, look: Look[T], how: str) -> T:
        name = f"{self._path.absolute().as_uri()}?{how}"
        with closing(sqlite3.connect(name, uri=True, timeout=self._lock_wait, isolation_level=None)) as db:
            if layout.is_new(db, self._path):
                raise FrontierError(f"{self._path} is empty: its crawl has not begun")
            return look(db)

    def _moment(self) -> _Moment:
        try:
            file = self._path.stat()
        except OSError as error:
            raise FrontierError(f"{self._path} cannot be read: {error.strerror}") from error
        try:
            logged = self._path.with_name(f"{self._path.name}-wal").stat().st_size > 0
        except FileNotFoundError:
            logged = False
        return _Moment(logged, file.st_ino, file.st_size, file.st_mtime_ns)
