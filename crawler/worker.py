"""One page's journey, and the workers that make it again and again."""

import asyncio
import logging
import time
from functools import partial
from typing import Protocol

from tornado.queues import Queue

from crawler.answers import answer
from crawler.fetcher import Fetcher, FetchError
from crawler.ledger import Ledger
from crawler.model import Answer, Failure, Outcome, PageReader, Request
from crawler.scope import Scope

log = logging.getLogger(__name__)


class Politeness(Protocol):
    """Whoever owns the hosts' pace, in this process or another."""

    def started(self, host: str) -> None:
        """A request of the host has begun: it takes a slot, and the delay to the next one runs from here."""

    def sent(self, host: str) -> None:
        """It goes out only now, or never will, and the delay runs from here; until then no other may start."""

    def done(self, answer: Answer) -> None:
        """That request has ended, however it ended: its slot is free."""


class Workers:
    """The workers of one process: each takes requests from the queue, and brings their outcomes to the ledger."""

    def __init__(
        self,
        count: int,
        queue: Queue[Request],
        politeness: Politeness,
        fetcher: Fetcher,
        scope: Scope,
        ledger: Ledger,
        parse: PageReader,
    ) -> None:
        self._count = count
        self._queue = queue
        self._politeness = politeness
        self._fetcher = fetcher
        self._scope = scope
        self._ledger = ledger
        self._parse = parse

    def hurry(self) -> None:
        """See `Ledger`."""
        self._ledger.hurry()

    def admit(self, host: str) -> None:
        """See `Scope`."""
        self._scope.admit(host)

    async def stop(self) -> None:
        """Nothing is to be done before they are cancelled."""

    def start(self) -> list[asyncio.Task[None]]:
        """One task a worker, which ends when it is cancelled."""
        return [asyncio.create_task(self._work(), name=f"worker {number}") for number in range(self._count)]

    async def _work(self) -> None:
        async for request in self._queue:  # robots allow it and its host is ready: the scheduler saw to that
            outcome = Outcome(request, fetched_at=time.time())
            try:
                await self.journey(request, outcome)
            except Exception as error:  # a bug met on one page must not stop the crawl
                log.exception("journey of %s", request.url)
                outcome.failure = Failure("internal", repr(error))
            await self._ledger.add(outcome)  # waits while the ledger is full or cannot save; decides on a retry
            self._queue.task_done()

    async def journey(self, request: Request, outcome: Outcome) -> None:
        """See one URL from the queue to its outcome; what the web does never raises."""
        self._politeness.started(request.host)
        began = time.monotonic()
        try:
            outcome.response = await self._fetcher.fetch(  # one request, no redirect followed
                request.url,
                addresses=request.addresses,
                sent=partial(self._politeness.sent, request.host),
                before=request.before,
            )
        except FetchError as error:
            outcome.failure = error.failure
        finally:
            outcome.elapsed = time.monotonic() - began
            self._politeness.done(answer(request.host, outcome.response or outcome.failure, outcome.elapsed))
        if outcome.response is not None:
            outcome.page = await self._parse(outcome.response)  # a redirect is a page with one link
            outcome.found, outcome.skipped = self._scope.sort(outcome.page, request)  # each "no" with its reason
