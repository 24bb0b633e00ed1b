"""A process of the crew: workers that fetch, parse, and save records in a part of their own.

It has the same rooms as a crawl in one process, but for the frontier, robots.txt and politeness: those are told of what
happens, over the wire.
"""

import asyncio
import copy
import logging
import os
import select
import signal
import socket
import sys
import threading
import time
from collections.abc import AsyncIterator
from functools import partial
from typing import NoReturn

from tornado.queues import Queue

import parsers
import storage
from crawler import fetcher, loops
from crawler.crew.wire import Admit, Begin, Hurry, Kept, Order, Pin, Report, Sent, Started, Stop, Trouble, Wire
from crawler.frontier import FrontierError
from crawler.guard import Guard
from crawler.ledger import Batch, Ledger
from crawler.model import Answer, PageReader, Request
from crawler.scope import Scope
from crawler.worker import Workers
from parsers import urls

log = logging.getLogger(__name__)

_BUG = 1  # the exit code of one that met a bug
_ORPHAN = 4  # the exit code of one whose first process has gone
_AT_ONCE = 64_000
"""Bytes: a smaller body is parsed on the loop, whose core has nothing better to do; one that takes libxml2 longest of
all, one element with thousands of attributes, takes half a second, and one twice as large four times as long."""


def main(descriptor: int) -> NoReturn:
    """Work for the process at the other end of this socket, until it says that it is enough, or has gone."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)  # the first process is asked to stop, and tells its crew
    code = 0
    try:
        end = socket.socket(fileno=descriptor)
        threading.Thread(target=_end_with, args=(end.fileno(),), daemon=True, name="lifeline").start()
        with asyncio.Runner(loop_factory=loops.factory()) as runner:
            runner.run(_work(end))
    except SystemExit:
        code = _BUG
    except Exception as error:  # noqa: BLE001 - it is not even at work: whatever it was, the process must end below
        sys.stderr.write(f"error: a crew process cannot begin: {error}\n")
        code = _BUG
    os._exit(code)  # at once, since a thread may still work on a hostile page


def _end_with(descriptor: int) -> None:
    """End this process at once when the first one has gone, even while its loop is busy with a page."""
    poll = select.poll()
    poll.register(descriptor, 0)  # a hang-up is always told
    poll.poll()
    os._exit(_ORPHAN)


class Told:
    """What the rooms of this process say to those of the first one."""

    def __init__(self, wire: Wire[Report, Order]) -> None:
        self._wire = wire
        self._kept: asyncio.Future[Kept]
        self._measured = 0.0

    def started(self, host: str) -> None:
        """See `Politeness`."""
        self._wire.send(Started(host))

    def sent(self, host: str) -> None:
        """See `Politeness`."""
        self._wire.send(Sent(host))

    def done(self, answer: Answer) -> None:
        """See `Politeness`."""
        self._wire.send(answer)

    async def commit(self, batch: Batch) -> None:
        """See `Commits`: one batch at a time."""
        used = time.process_time()
        batch.tidings.processor = used - self._measured
        self._kept = asyncio.get_running_loop().create_future()
        self._wire.send(batch)
        kept = await self._kept
        if kept.trouble is not None:
            raise FrontierError(kept.trouble)
        self._measured = used

    def kept(self, kept: Kept) -> None:
        """The answer to a batch has come."""
        self._kept.set_result(kept)


class _Log(logging.Handler):
    """The first process writes the log."""

    def __init__(self, wire: Wire[Report, Order]) -> None:
        super().__init__()
        self._wire = wire
        self._loop = asyncio.get_running_loop()

    def emit(self, record: logging.LogRecord) -> None:
        plain = copy.copy(record)
        plain.msg, plain.args = record.getMessage(), None
        if record.exc_info:
            plain.exc_text = logging.Formatter().formatException(record.exc_info)
            plain.exc_info = None
        self._loop.call_soon_threadsafe(self._wire.send, plain)


class _Member:
    """The rooms of this process."""

    def __init__(self, begin: Begin, wire: Wire[Report, Order]) -> None:
        settings = begin.settings
        self._told = Told(wire)
        self._queue: Queue[Request] = Queue()
        self._guard = Guard(settings.private, map(urls.host, begin.seeds), begin.pinned)
        self._guard.told = lambda host, addresses: wire.send(Pin(host, tuple(addresses)))
        self._fetcher = fetcher.make(settings, self._guard, begin.seeds, begin.workers)
        self._scope = Scope(settings, [*begin.seeds, *begin.admitted])
        self._ledger = Ledger(self._told, settings.retries)
        self._ledger.troubled = lambda trouble: wire.send(Trouble(trouble))
        stores = storage.Places(settings.store, settings.job).stores(begin.series, begin.number)
        self._ledger.use(stores, begin.positions)
        reading: PageReader = partial(parsers.parse, asked=settings.asked, at_once=_AT_ONCE)
        if settings.hook:
            from crawler.hook import Hook

            reading = Hook(settings.hook).after(reading)
        self._workers = Workers(
            begin.workers, self._queue, self._told, self._fetcher, self._scope, self._ledger, reading
        )
        self._stop = asyncio.Event()

    async def work(self, messages: AsyncIterator[Order]) -> None:
        """Work until told to stop, and save all that has ended; a bug in a task that must not end is raised."""
        hearing = asyncio.create_task(self._hear(messages), name="hear")
        ledger = asyncio.create_task(self._ledger.run(), name="ledger")
        stop = asyncio.create_task(self._stop.wait(), name="stop")
        others = [hearing, *self._workers.start()]
        ended, _ = await asyncio.wait([stop, ledger, *others], return_when=asyncio.FIRST_COMPLETED)
        for worker in others[1:]:
            worker.cancel()
        await asyncio.gather(*others[1:], return_exceptions=True)
        self._ledger.close()
        await asyncio.gather(ledger, return_exceptions=True)
        await self._ledger.close_stores()
        self._fetcher.close()
        hearing.cancel()
        for task in ended:
            if (error := task.exception()) is not None:
                raise RuntimeError(f"the task {task.get_name()!r} died") from error

    async def _hear(self, messages: AsyncIterator[Order]) -> None:
        async for message in messages:
            match message:
                case Request():
                    self._queue.put_nowait(message)
                case Kept():
                    self._told.kept(message)
                case Hurry():
                    self._ledger.hurry()
                case Admit(host):
                    self._scope.admit(host)
                case Pin(host, addresses):
                    self._guard.pin(host, addresses)
                case Stop():
                    self._stop.set()


async def _work(end: socket.socket) -> None:
    wire: Wire[Report, Order] = await Wire.over(end)
    messages = aiter(wire)
    begin = await anext(messages, None)
    if not isinstance(begin, Begin):
        return  # the first process has gone before it said anything
    logging.basicConfig(level=begin.settings.log_level.upper(), handlers=[_Log(wire)])
    try:
        await _Member(begin, wire).work(messages)
    except Exception as error:  # a bug: its traceback is for the log, and the process must end
        log.exception("a bug ends crew process %d: %s", begin.number, error)
        raise SystemExit(_BUG) from error
    finally:
        await asyncio.sleep(0)  # what was logged last is sent before the end, too
        await wire.close()
