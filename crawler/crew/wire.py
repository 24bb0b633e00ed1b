"""What passes between the first process and those of its crew: small messages, never bodies or records.

A frame is its length in 4 bytes and a pickled list of messages. Both ends are of one program, over a pair of sockets
that nobody else has.
"""

import asyncio
import contextlib
import logging
import pickle
import socket
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Generic, Self, TypeVar

from crawler.ledger import Batch
from crawler.model import Answer, Request
from crawler.settings import Settings

_LENGTH = 4  # bytes


@dataclass(slots=True, frozen=True)
class Begin:
    """The first message to a process of the crew: what it needs to know."""

    number: int  # its own, from 1; its part of each store
    series: str  # of records
    workers: int
    settings: Settings
    seeds: Sequence[str]
    admitted: Sequence[str]  # hosts that came into scope since the crawl began
    pinned: dict[str, list[str]]  # see `Guard`
    positions: dict[str, int]  # how far each store had got


@dataclass(slots=True, frozen=True)
class Kept:
    """A batch is in the frontier, or why not."""

    trouble: str | None


@dataclass(slots=True, frozen=True)
class Hurry:
    """The next batch is wanted at once."""


@dataclass(slots=True, frozen=True)
class Admit:
    """A host has come into scope."""

    host: str


@dataclass(slots=True, frozen=True)
class Pin:
    """A host has been pinned to these addresses; in either direction."""

    host: str
    addresses: tuple[str, ...]


@dataclass(slots=True, frozen=True)
class Stop:
    """Begin nothing more, save what has ended, and go."""


@dataclass(slots=True, frozen=True)
class Started:
    """A request of the host has begun."""

    host: str


@dataclass(slots=True, frozen=True)
class Sent:
    """One that had started goes out to the server."""

    host: str


@dataclass(slots=True, frozen=True)
class Trouble:
    """Why the process can save nothing at the moment; None when it can again."""

    text: str | None


Order = Begin | Request | Kept | Hurry | Admit | Pin | Stop
"""To a process of the crew."""
Report = Started | Sent | Answer | Batch | Trouble | Pin | logging.LogRecord
"""From one: an `Answer` says that a request has ended."""


Out = TypeVar("Out", Order, Report)
In = TypeVar("In", Order, Report)


class Wire(Generic[Out, In]):
    """One end. Messages arrive in the order in which they were sent."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._outbox: list[Out] = []

    @classmethod
    async def over(cls, end: socket.socket) -> Self:
        """A wire over one socket of a pair, which it closes at its end."""
        return cls(*await asyncio.open_unix_connection(sock=end))

    def send(self, message: Out) -> None:
        """Send what was sent within one turn of the loop as one frame, right after that turn."""
        if not self._outbox:
            asyncio.get_running_loop().call_soon(self._flush)
        self._outbox.append(message)

    def _flush(self) -> None:
        messages, self._outbox = self._outbox, []
        if messages and not self._writer.is_closing():
            frame = pickle.dumps(messages, pickle.HIGHEST_PROTOCOL)
            self._writer.write(len(frame).to_bytes(_LENGTH, "little") + frame)

    async def __aiter__(self) -> AsyncIterator[In]:
        """All that comes, until the other end is closed; of a frame that was torn by a kill nothing."""
        while True:
            try:
                length = int.from_bytes(await self._reader.readexactly(_LENGTH), "little")
                frame = await self._reader.readexactly(length)
            except (asyncio.IncompleteReadError, ConnectionError):
                return
            for message in pickle.loads(frame):  # noqa: S301 - from our own program
                yield message

    async def close(self) -> None:
        """Send what waits, and close."""
        self._flush()
        self._writer.close()
        with contextlib.suppress(ConnectionError):
            await self._writer.wait_closed()
