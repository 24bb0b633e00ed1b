"""The resolver: which IP addresses a name leads to, asked for without holding up anybody. Alone knows c-ares.

c-ares knows the system's name servers, search domains and hosts file, asks again when nothing comes, and over TCP when
an answer is cut, and keeps answers for as long as their zones allow, that there is no such name too (RFC 2308). It
cannot give up one query, so what is counted here is what it really has under way.

Queries are in two lanes. A name that does not answer at once moves to the slow lane, and its place is free for a fresh
one; only when the slow lane is full of names that never answer do fresh ones have to wait for it.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from ipaddress import ip_address
from socket import SOCK_STREAM
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import aiodns
    from pycares import AddrInfoResult

log = logging.getLogger(__name__)

FRESH, SLOW = 256, 768
"""Names that are asked for at once: such as have just been asked for, and such as are late. Each takes two queries, for
IPv4 and for IPv6 addresses."""
_QUICK = 0.5  # seconds after which a name is late
_LEAST_TTL, _MOST_TTL = 30.0, 86_400.0  # seconds that addresses are kept, whatever their zone says
_FAILED = 0.5  # seconds that a failure is kept: a burst of askers is spared, and no attempt after a backoff
_NAMES = 100_000  # that are kept
_ADDRESSES = 16  # of one name
_TRIES = 4  # a name server that never answers costs 1 + 2 + 4 + 8 s, one that was quick before 4 s in all
_FIRST_WAIT = 1.0  # seconds
_ENVIRONMENT = 1 << 8  # ARES_AI_ENVHOSTS: the variable CARES_HOSTS may name another hosts file
_LOOPBACK = ("127.0.0.1", "::1")


class ResolveError(Exception):
    """A name leads nowhere; the message is one line for people."""


class NoSuchNameError(ResolveError):
    """There is no such name, or it has no address."""


class NoAnswerError(ResolveError):
    """Whether there is such a name could not be found out: no name server answered, or not well."""


@dataclass(slots=True)
class _Known:
    until: float
    addresses: tuple[str, ...] = ()
    error: ResolveError | None = None


class Resolver:
    """Names and their addresses. To be used on one event loop; nothing is loaded before the first query."""

    def __init__(
        self,
        servers: Sequence[str] = (),
        *,
        deadline: float = 10.0,
        fresh: int = FRESH,
        slow: int = SLOW,
        most: int = _NAMES,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`servers`: name servers as "address:port", IPv6 in brackets, instead of the system's.

        `deadline`: seconds from a query to its failure. `fresh`, `slow`: places in the lanes. `most`: names to keep.
        """
        self._servers = servers
        self._deadline = deadline
        self._fresh = asyncio.Semaphore(fresh)
        self._slow = asyncio.Semaphore(slow)
        self._most = most
        self._clock = clock
        self._known: dict[str, _Known] = {}
        self._asking: dict[str, asyncio.Task[None]] = {}
        self._told: dict[str, asyncio.Future[tuple[str, ...]]] = {}
        self._cares: aiodns.DNSResolver | None = None

    def known(self, name: str) -> tuple[str, ...] | None:
        """The addresses of a name as far as they are known and fresh, at most 16, the best first (RFC 6724)."""
        known = self._known.get(name)
        if known is not None and known.until > self._clock() and known.error is None:
            return known.addresses
        if (addresses := _given(name)) is not None:
            self._keep(name, _Known(float("inf"), addresses))
        return addresses

    async def resolve(self, name: str) -> tuple[str, ...]:
        """The addresses of a name, or of an IP address itself. Raises NoSuchNameError, NoAnswerError."""
        if (addresses := self.known(name)) is not None:
            return addresses
        known = self._known.get(name)
        if known is not None and known.error is not None and known.until > self._clock():
            raise type(known.error)(str(known.error))
        told = self._told.get(name)
        if told is None:
            told = self._told[name] = asyncio.get_running_loop().create_future()
            if name in self._asking:  # it is late, and was given up before
                self._limit(name, told)
            else:
                self._asking[name] = asyncio.create_task(self._ask(name, told), name=f"resolve {name}")
        return await asyncio.shield(told)

    async def close(self) -> None:
        """Give up all that is asked for."""
        tasks = list(self._asking.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for told in self._told.values():
            told.cancel()
        self._told.clear()
        if self._cares is not None:
            await self._cares.close()
            self._cares = None

    async def _ask(self, name: str, told: "asyncio.Future[tuple[str, ...]]") -> None:
        """See a name through the lanes."""
        lane = self._fresh
        await lane.acquire()
        try:
            self._limit(name, told)
            answer = self._query(name)
            try:
                await asyncio.wait([answer], timeout=_QUICK)
                if not answer.done() and await self._gets_place(answer):
                    lane.release()
                    lane = self._slow
                self._learn(name, await self._read(name, answer))
            finally:
                answer.cancel()
        except Exception as error:  # a bug, or no memory for c-ares: whoever asked must not wait for ever
            log.exception("the name %s", name)
            self._learn(
                name, _Known(self._clock() + _FAILED, error=NoAnswerError(f"{name} could not be resolved: {error}"))
            )
        finally:
            lane.release()
            del self._asking[name]

    async def _gets_place(self, answer: "asyncio.Future[AddrInfoResult]") -> bool:
        """Wait for a place in the slow lane, unless the answer comes before."""
        place = asyncio.ensure_future(self._slow.acquire())
        try:
            waited: list[asyncio.Future[Any]] = [answer, place]
            await asyncio.wait(waited, return_when=asyncio.FIRST_COMPLETED)
            return place.done()
        finally:
            place.cancel()

    def _query(self, name: str) -> "asyncio.Future[AddrInfoResult]":
        if self._cares is None:
            import aiodns  # takes 20 ms, and a crawl of addresses has no need of it

            self._cares = aiodns.DNSResolver(timeout=_FIRST_WAIT, tries=_TRIES)
            if self._servers:
                self._cares.nameservers = self._servers
        # The kind of socket is named so that each address comes once.
        return self._cares.getaddrinfo(name, type=SOCK_STREAM, flags=_ENVIRONMENT)

    async def _read(self, name: str, answer: "asyncio.Future[AddrInfoResult]") -> _Known:
        """What an answer says."""
        from aiodns.error import DNSError
        from pycares import errno

        now = self._clock
        try:
            result = await answer
        except DNSError as error:
            number, words = error.args
            if number in (errno.ARES_ENOTFOUND, errno.ARES_ENODATA, errno.ARES_ENONAME, errno.ARES_EBADNAME):
                return _Known(now() + _FAILED, error=NoSuchNameError(f"{name} does not exist, or has no address"))
            return _Known(now() + _FAILED, error=NoAnswerError(f"{name} could not be resolved: {words}"))
        addresses = tuple(dict.fromkeys(node.addr[0].decode() for node in result.nodes))[:_ADDRESSES]
        if not addresses:
            return _Known(now() + _FAILED, error=NoSuchNameError(f"{name} does not exist, or has no address"))
        ttl = min([node.ttl for node in result.nodes] + [alias.ttl for alias in result.cnames])
        return _Known(now() + min(max(ttl, _LEAST_TTL), _MOST_TTL), addresses)

    def _limit(self, name: str, told: "asyncio.Future[tuple[str, ...]]") -> None:
        """From now on runs the deadline of those who wait for a name."""
        timer = asyncio.get_running_loop().call_later(self._deadline, self._give_up, name)
        told.add_done_callback(lambda _: timer.cancel())

    def _give_up(self, name: str) -> None:
        """The deadline has passed. What comes yet is kept, for whoever asks again."""
        error = NoAnswerError(f"{name} could not be resolved: no answer within {self._deadline:g} s")
        self._learn(name, _Known(self._clock() + _FAILED, error=error))

    def _learn(self, name: str, known: _Known) -> None:
        self._keep(name, known)
        told = self._told.pop(name, None)
        if told is None or told.done():
            return
        if known.error is None:
            told.set_result(known.addresses)
        else:
            told.set_exception(known.error)
            told.exception()  # whoever asked may have gone

    def _keep(self, name: str, known: _Known) -> None:
        """Remember, and forget the name that was learnt longest ago when there are too many."""
        self._known.pop(name, None)
        self._known[name] = known
        if len(self._known) > self._most:
            del self._known[next(iter(self._known))]


def _given(name: str) -> tuple[str, ...] | None:
    """The addresses that no server has to be asked for: of an address, and of what is always this machine."""
    if name.rstrip(".").rpartition(".")[2] == "localhost":  # RFC 6761, 6.3
        return _LOOPBACK
    literal = name.strip("[]")
    try:
        ip_address(literal)
    except ValueError:
        return None
    return (literal,)
