"""The crew: processes that fetch, parse and save, for one that keeps the frontier, robots.txt and politeness.

Requests go out one by one, to the process that has the fewest under way; what comes back at once is that they started
and ended, so politeness has one owner; and by batches what became of them. A process appends its records to its own
part of each store before it sends a batch, so a kill of it costs what a kill of a whole crawl costs: what it had in
hand is handed out again, and its part is cut back to where the last batch left it.
"""

import asyncio
import math
import time
from collections.abc import Mapping, Sequence

from tornado.queues import Queue

from crawler.crew.post import Post, Rooms
from crawler.crew.suspects import Suspects
from crawler.crew.wire import Admit, Begin, Order, Pin
from crawler.ledger import Ledger
from crawler.model import Failure, Outcome, Request
from crawler.reasons import REASONS
from crawler.scope import Scope

__all__ = ["Crew", "Rooms"]

_SHARE = 1.5  # workers of a process, as a multiple of its share of --concurrency: hosts do not fall evenly


class Crew:
    """The processes, and what the flow may ask of them."""

    def __init__(self, count: int, rooms: Rooms, scope: Scope, queue: Queue[Request], ledger: Ledger) -> None:
        """`ledger`: of the first process, for the rare record that is made there."""
        self._rooms = rooms
        self._scope = scope
        self._queue = queue
        self._ledger = ledger
        self._posts = [Post(number, rooms, self) for number in range(1, count + 1)]
        self._may_deal = asyncio.Event()
        self._suspects = Suspects()
        self._series = ""  # of records; see `open`
        self._admitted: list[str] = []
        rooms.guard.told = lambda host, addresses: self.tell(Pin(host, tuple(addresses)))

    async def open(self, series: str, positions: Mapping[str, int]) -> None:
        """Make ready to save a series of records, from these positions on. Raises StoreError."""
        self._series = series
        await self._rooms.places.cut_back(series, positions)
        self._ledger.use(self._rooms.places.stores(series), positions)

    @property
    def dying(self) -> int:
        """How many processes are not there, because one after the other dies in their place."""
        return sum(post.dying for post in self._posts)

    def hurry(self) -> None:
        """See `Ledger.hurry`."""
        self._ledger.hurry()
        for post in self._posts:
            post.hurry()

    def admit(self, host: str) -> None:
        """See `Scope.admit`."""
        self._scope.admit(host)
        self._admitted.append(host)
        self.tell(Admit(host))

    def tell(self, order: Order) -> None:
        """See `Mates`."""
        for post in self._posts:
            post.send(order)

    def start(self) -> list[asyncio.Task[None]]:
        """One task a process, and one that hands out what the queue holds."""
        return [
            *(post.start() for post in self._posts),
            asyncio.create_task(self._deal(), name="deal"),
        ]

    async def stop(self) -> None:
        """Let every process save what has ended, and end; what it still had in hand is given back."""
        await asyncio.gather(*(post.stop() for post in self._posts))

    async def _deal(self) -> None:
        async for request in self._queue:
            while not (posts := [post for post in self._posts if self._may_go(request, post)]):
                self._may_deal.clear()
                await self._may_deal.wait()
            min(posts, key=lambda post: post.under_way).give(request)

    def _may_go(self, request: Request, post: Post) -> bool:
        return post.ready and self._suspects.may_go(request.id, post.in_hand)

    def changed(self) -> None:
        """See `Mates`."""
        self._may_deal.set()

    def settled(self, ids: Sequence[int]) -> None:
        """See `Mates`."""
        self._suspects.clear(ids)
        self.done_with(len(ids))
        self.changed()

    def done_with(self, count: int) -> None:
        """See `Mates`."""
        for _ in range(count):
            self._queue.task_done()

    async def begin(self, number: int) -> Begin:
        """See `Mates`."""
        rooms = self._rooms
        positions = await rooms.frontier.positions()
        return Begin(
            number=number,
            series=self._series,
            workers=math.ceil(_SHARE * rooms.settings.concurrency / len(self._posts)),
            settings=rooms.settings,
            seeds=rooms.seeds,
            admitted=self._admitted,
            pinned=rooms.guard.pinned,
            positions=positions,
        )

    async def died(self, requests: Mapping[int, Request], weight: int) -> set[int]:
        """See `Mates`."""
        guilty = self._suspects.died(requests, weight)
        for number in guilty:
            failure = Failure("crashed", REASONS["crashed"].sentence)
            await self._ledger.add(Outcome(requests[number], time.time(), failure=failure))
        self._suspects.clear(guilty)
        return guilty
