"""One page's journey, and the worker that makes it again and again."""

import logging
import time
from typing import Protocol

from tornado.queues import Queue

from crawler.fetcher import Fetcher, FetchError
from crawler.hosts import answer
from crawler.ledger import Ledger
from crawler.model import Answer, Failure, Outcome, Request
from crawler.scope import Scope
from parsers import parse

log = logging.getLogger(__name__)


class Politeness(Protocol):
    """Whoever owns the hosts' pace, in this process or another."""

    def started(self, host: str) -> None:
        """A request of the host is on its way: the delay to its next one runs from here."""

    def done(self, answer: Answer) -> None:
        """That request has ended, however it ended: its slot is free."""


class Worker:
    """Takes requests from the queue, one at a time, and brings their outcomes to the ledger."""

    def __init__(
        self, queue: Queue[Request], politeness: Politeness, fetcher: Fetcher, scope: Scope, ledger: Ledger
    ) -> None:
        self._queue = queue
        self._politeness = politeness
        self._fetcher = fetcher
        self._scope = scope
        self._ledger = ledger

    async def run(self) -> None:
        """Work until cancelled."""
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
            outcome.response = await self._fetcher.fetch(request.url)  # one request, no redirect followed
        except FetchError as error:
            outcome.failure = error.failure
        finally:
            outcome.elapsed = time.monotonic() - began
            self._politeness.done(answer(request.host, outcome.response or outcome.failure, outcome.elapsed))
        if outcome.response is not None:
            outcome.page = await parse(outcome.response)  # a redirect is a page with one link
            outcome.found, outcome.skipped = self._scope.sort(outcome.page, request)  # each "no" with its reason
