"""The ledger: where outcomes become records and finished URLs, a batch at a time.

For each batch the stores append and flush; then one transaction of the frontier (`Commit`) settles the URLs, adds their
new links and notes how far each store had got. A kill between the two leaves records that no note covers: `Store.open`
cuts them off, and their URLs, not settled, are handed out again. So nothing is lost and nothing stands twice.
"""

import asyncio
import contextlib
import logging
import random
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Protocol

from crawler import changes
from crawler.frontier import Frontier, FrontierError
from crawler.model import Change, Failure, Finished, Found, Outcome, Request
from crawler.reasons import REASONS, RETRY_STATUSES
from crawler.stats import Stats, Tidings
from crawler.traps import Traps
from parsers import urls
from storage.record import Record, Store, StoreError

log = logging.getLogger(__name__)

_BATCH_TIME = 0.1  # seconds of outcomes in a batch, at most: two batches are what a kill may cost
_FULL = 100_000  # links that may wait for their commit before workers must wait, an outcome counting as 50
_TRY_AGAIN = 2.0  # seconds between attempts to save when a store or the frontier fails
_FIRST_BACKOFF = 1.0  # seconds; doubled for each further attempt
_LONGEST_BACKOFF = 60.0


@dataclass(slots=True)
class Batch:
    """What the frontier must know of some outcomes, whose records are in the stores already."""

    finished: list[Finished] = field(default_factory=list)
    positions: dict[str, int] = field(default_factory=dict)  # of the stores that moved
    tidings: Tidings = field(default_factory=Tidings)


class Troubles:
    """Why nothing can be saved at the moment, by who has found it; the log tells when that begins, and when it ends."""

    def __init__(self) -> None:
        self._texts: dict[str, str] = {}
        self.over: Callable[[], None] = lambda: None
        """Called when the last trouble has gone."""

    @property
    def first(self) -> str | None:
        """One of them, in one line; None when all is well. While there is any, the crawl should pause."""
        return next(iter(self._texts.values()), None)

    def tell(self, who: str, text: str | None) -> None:
        """Somebody has a trouble, or (None) has none any more."""
        well = not self._texts
        if text is not None:
            self._texts[who] = text
            if well:
                log.error("cannot save, so the crawl pauses: %s", text)
        elif self._texts.pop(who, None) and not self._texts:
            log.info("saving works again")
            self.over()


class Commits(Protocol):
    """Whoever brings batches to the frontier, in this process or from another."""

    async def commit(self, batch: Batch) -> None:
        """Keep all of a batch, or nothing. Raises FrontierError; the call may then be repeated."""


class Commit:
    """The frontier's half of a batch."""

    def __init__(self, frontier: Frontier, stats: Stats, traps: Traps) -> None:
        self._frontier = frontier
        self._stats = stats
        self._traps = traps
        self.admit: Callable[[str], None] = lambda host: None
        """Called with a host that the redirect of a seed has brought into scope."""
        self.linked: Callable[[Sequence[str]], Awaitable[None]]
        """Called with sitemaps that a page names, before that page is settled; to be set before the first batch."""
        self.committed: Callable[[], None] = lambda: None
        """Called after each batch."""

    async def commit(self, batch: Batch) -> None:
        """See `Commits`."""
        for found in (found for item in batch.finished for found in item.found if found.depth == 0):
            # A seed was redirected. Noted before the commit, so that its links are in scope after a kill too.
            host = urls.host(found.urls[0])
            await self._frontier.note(f"scope:{host}", "")
            self.admit(host)
        for item in batch.finished:
            if item.sitemaps:
                await self.linked(item.sitemaps)
        new = await self._frontier.finish(self._traps.sink(batch.finished), batch.positions)
        self._traps.learn(batch.finished, new, time.time())
        self._stats.learn(batch.tidings)
        self.committed()


class Ledger:
    """Takes outcomes from the workers and saves them, in order, in batches."""

    def __init__(self, commits: Commits, retries: int) -> None:
        self._commits = commits
        self._stores: Mapping[str, Store] = {}
        self._retries = retries
        self._positions: dict[str, int] = {}
        self._stores_open = False
        self._outcomes: list[Outcome] = []
        self._refusals: list[Finished] = []
        self._links = 0  # of the outcomes that wait
        self._something = asyncio.Event()
        self._room = asyncio.Event()
        self._room.set()
        self._wanted = asyncio.Event()
        self._closing = False
        self._given_up = 0  # outcomes
        self.troubled: Callable[[str | None], None] = lambda trouble: None
        """Called with why nothing can be saved at the moment, in one line; with None when it can again."""
        self._in_trouble = False

    def use(self, stores: Mapping[str, Store], positions: Mapping[str, int]) -> None:
        """Write to these stores from here on; both are by the names under which positions are noted."""
        self._stores = stores
        self._positions = dict(positions)

    async def open_stores(self) -> None:
        """Open every store where the last commit left it. Raises StoreError."""
        for name, store in self._stores.items():
            await store.open(self._positions.get(name, 0))
        self._stores_open = True

    async def add(self, outcome: Outcome) -> None:
        """Take an outcome; waits while too much is unsaved."""
        if outcome.response is not None:
            outcome.response = replace(outcome.response, body=b"")  # it has been read; a batch of them is megabytes
        self._outcomes.append(outcome)
        self._something.set()
        self._links += 50 + sum(len(found.urls) for found in outcome.found)
        if self._links >= _FULL:
            self._room.clear()
            self._wanted.set()
        await self._room.wait()

    def refuse(self, request: Request, reason: str, instead: Sequence[Found] = ()) -> None:
        """Settle a URL in hand that will not be asked for; with a record, when it has been asked for before.

        `instead`: what is to be asked for in its place, if it was never asked for.
        """
        asked = request.attempt - 1
        if asked:
            failure = Failure(reason, REASONS[reason].sentence)
            self._outcomes.append(Outcome(replace(request, attempt=asked), time.time(), failure=failure))
        else:
            self._refusals.append(Finished(request.id, "refused", attempts=0, reason=reason, found=instead))
        self._something.set()

    async def run(self) -> None:
        """Commit batches until `close`."""
        while not self._closing or self._something.is_set():
            await self._something.wait()
            await self._gather(_BATCH_TIME)
            self._something.clear()
            self._wanted.clear()
            outcomes, self._outcomes = self._outcomes, []
            refusals, self._refusals = self._refusals, []
            self._links = 0
            if outcomes or refusals:
                await self._save(outcomes, refusals)
                self._room.set()
        if self._given_up:
            log.warning("%d outcomes could not be saved; their URLs will be asked for again", self._given_up)

    async def _gather(self, seconds: float) -> None:
        """Let so much time pass, unless the batch is wanted now."""
        if not self._closing:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    await self._wanted.wait()

    def hurry(self) -> None:
        """The next batch is wanted at once: workers are idle, and only the links in it can give them work."""
        self._wanted.set()

    def close(self) -> None:
        """Let `run` commit what is left and return; with a trouble that lasts, give up what cannot be saved."""
        self._closing = True
        self._wanted.set()
        self._something.set()

    async def close_stores(self) -> None:
        """Let go of all stores."""
        self._stores_open = False
        for store in self._stores.values():
            await store.close()

    async def _save(self, outcomes: list[Outcome], refusals: list[Finished]) -> None:
        batch = Batch(refusals)
        records: list[Record] = []
        for outcome in outcomes:
            settled = self._settle(outcome)
            batch.finished.append(settled)
            if settled.state != "waiting":
                records.append(record_of(outcome, settled.visit.change if settled.visit else None))
                sought = outcome.page.sought if outcome.page else {}
                batch.tidings.add(records[-1], outcome.request.host, outcome.skipped, sought)
        while not await self._saved(records, batch):
            if self._closing:
                self._given_up += len(outcomes)
                return
            self._wanted.clear()
            await self._gather(_TRY_AGAIN)

    async def _saved(self, records: list[Record], batch: Batch) -> bool:
        """Try to commit a batch. After an error there is one way back, the same as after a kill: see `Store`."""
        try:
            if records and not self._stores_open:
                await self.open_stores()
            for name, store in self._stores.items() if records else ():
                batch.positions[name] = await store.append(records)
            await self._commits.commit(batch)
        except (StoreError, FrontierError) as error:
            self._in_trouble = True
            self.troubled(str(error))
            await self.close_stores()
            return False
        self._positions.update(batch.positions)
        if self._in_trouble:
            self._in_trouble = False
            self.troubled(None)
        return True

    def _settle(self, outcome: Outcome) -> Finished:
        """Decide what a request's outcome means for its URL: an answer, another attempt later, or the end."""
        request, response, failure = outcome.request, outcome.response, outcome.failure
        status = response.status if response else failure.status if failure else None
        may_pass = REASONS[failure.code].retry if failure else status in RETRY_STATUSES
        if may_pass and request.attempt <= self._retries:
            due = time.time() + _backoff(request.attempt)  # a Retry-After lets the whole host rest: see hosts.py
            return Finished(request.id, "waiting", request.attempt, status, failure.code if failure else None, due)
        visit = changes.visit(outcome)
        if failure:
            return Finished(request.id, "failed", request.attempt, status, failure.code, visit=visit)
        likeness = changes.likeness(outcome, visit)
        sitemaps = outcome.page.sitemaps if outcome.page else ()
        return Finished(
            request.id,
            "crawled",
            request.attempt,
            status,
            found=outcome.found,
            visit=visit,
            likeness=likeness,
            sitemaps=sitemaps,
        )


def _backoff(attempt: int) -> float:
    """Seconds to the next attempt: doubled each time, with jitter, so that what failed together does not return so."""
    return min(_LONGEST_BACKOFF, _FIRST_BACKOFF * 2.0 ** (attempt - 1)) * random.uniform(0.75, 1.25)


def record_of(outcome: Outcome, change: Change | None) -> Record:
    """The record of an outcome that is final."""
    request, response, failure = outcome.request, outcome.response, outcome.failure
    page = None if changes.not_modified(outcome) else outcome.page  # a 304 has no page, not an empty one
    return Record(
        url=request.url,
        status=response.status if response else failure.status if failure else None,
        error=str(failure) if failure else page.problem if page else None,
        depth=request.depth,
        parent=request.parent,
        redirect_to=page.redirect_to if page else None,
        fetched_at=datetime.fromtimestamp(outcome.fetched_at, UTC).isoformat(timespec="milliseconds"),
        elapsed=round(outcome.elapsed, 6),
        attempts=request.attempt,
        ip=response.ip if response else None,
        http_version=response.http_version if response else None,
        content_type=page.content_type if page else None,
        charset=page.charset if page else None,
        bytes=page.bytes if page else None,
        sha256=page.sha256 if page else None,
        title=page.title if page else None,
        description=page.description if page else None,
        canonical=page.canonical if page else None,
        lang=page.lang if page else None,
        robots=page.robots if page else None,
        links=page.links if page else [],
        data=page.data if page else None,
        facts=page.facts if page else None,
        text=page.text if page else None,
        change=change,
    )
