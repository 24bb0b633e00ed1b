"""Names: a host is asked only once it is known where its name leads, and a name that leads nowhere ends a request.

What waits for its name waits in its host's window, so it holds neither a worker nor a place under way.
"""

import asyncio
import logging
import time
from collections import deque
from collections.abc import Callable, Sequence

from crawler.gate import ROBOTS, Gate
from crawler.hosts import Hosts
from crawler.ledger import Ledger
from crawler.model import Answer, Failure, Outcome
from crawler.resolver import FRESH, SLOW, ResolveError, Resolver

log = logging.getLogger(__name__)

_AT_ONCE = 2 * (FRESH + SLOW)  # names that are waited for: 10,000 tasks begun at once would hold the loop up for long


class Names:
    """Stands between politeness, which asks where a host's name leads, and the resolver."""

    def __init__(self, resolver: Resolver, hosts: Hosts, gate: Gate, ledger: Ledger) -> None:
        self._resolver = resolver
        self._hosts = hosts
        self._gate = gate
        self._ledger = ledger
        self._tasks: set[asyncio.Task[None]] = set()
        self._later: deque[str] = deque()  # hosts whose names are asked for once there are fewer tasks
        self.resolved: Callable[[], None] = lambda: None
        """Called when a host waits no more for its name."""

    def lead(self, host: str) -> Sequence[str] | None:
        """See `Hosts.lead`."""
        name = host.rpartition(":")[0]
        addresses = self._resolver.known(name)
        if addresses is None:
            self._later.append(host)
            self._go_on()
            return None
        return () if addresses[0] == name.strip("[]") else addresses

    def _go_on(self) -> None:
        while self._later and len(self._tasks) < _AT_ONCE:
            host = self._later.popleft()
            task = asyncio.create_task(self._resolve(host), name=f"name of {host}")
            self._tasks.add(task)
            task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        self._go_on()

    async def _resolve(self, host: str) -> None:
        began = time.monotonic()
        try:
            await self._resolver.resolve(host.rpartition(":")[0])
        except ResolveError as error:
            await self._fail(host, Failure("dns", str(error)), time.monotonic() - began)
        except Exception as error:  # a bug met on one name must not hold its host for ever
            log.exception("the name of %s", host)
            await self._fail(host, Failure("internal", repr(error)), time.monotonic() - began)
        else:
            self._hosts.named(host, time.monotonic())
        self.resolved()

    async def _fail(self, host: str, failure: Failure, elapsed: float) -> None:
        """End a request of the host, as if it had been sent and had come to nothing."""
        now = time.monotonic()
        request = self._hosts.nowhere(host, now)
        if request is None:
            return
        self._hosts.started(host, now)
        self._hosts.sent(host, now)
        if request.id > ROBOTS:
            await self._ledger.add(Outcome(request, time.time() - elapsed, elapsed, failure=failure))
        self._hosts.done(Answer(host, None, failure.code, elapsed), time.monotonic())
        if request.id <= ROBOTS:
            self._gate.failed(request, failure)

    async def close(self) -> None:
        """Ask no more; what waits for its name stays in its host's window."""
        self._later.clear()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._resolver.close()
