"""The frontier in memory: for benchmarks, and for crawls that need not go on after their end."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass
from heapq import heappop, heappush
from pathlib import Path
from typing import NoReturn, Self

from crawler.changes import has_content
from crawler.frontier import REVOCABLE, FrontierError, Known
from crawler.frontier.order import in_order, rank, tenths, youngest_first
from crawler.frontier.tally import Tallied, Tally
from crawler.model import Finished, Found, Order, Request, State, Visit
from parsers.urls import host

_BREATH = 1000  # URLs that are gone through before the loop may do something else


@dataclass(slots=True)
class _Url:
    id: int
    url: str
    host: str
    parent: int | None
    depth: int
    hops: int
    tenths: int  # its priority
    state: State
    reason: str | None
    attempts: int = 0
    status: int | None = None
    due: float = 0.0
    visit: Visit | None = None


class MemoryFrontier(Tallied):
    """Keeps the contract `Frontier`, all of it in dictionaries and heaps."""

    durable = False

    def __init__(self, order: Order = "breadth") -> None:
        super().__init__()
        self._order: Order = order
        self.recrawl = 0
        self._urls: list[_Url] = []  # the number of a URL is its place here, from 1
        self._by_url: dict[str, _Url] = {}
        self._queues: dict[str, list[tuple[int, int]]] = {}
        """Of each host a heap of places: rank and number, this below zero when the youngest comes first. An entry that
        the URL has left behind, by another state, a due time or another place, stays until it is met at the top."""
        self._positions: dict[str, int] = {}
        self._notes: dict[str, str] = {}

    @classmethod
    def of_job(cls, folder: Path, order: Order = "breadth") -> Self:
        """A frontier that leaves nothing in the job's folder."""
        return cls(order)

    @classmethod
    def reader_of_job(cls, folder: Path) -> NoReturn:
        """Raises FrontierError: no other process can look into this one's memory."""
        raise FrontierError(f"the job {folder} kept its URLs in memory (--frontier=memory): nothing of them is left")

    async def open(self) -> None:
        """Nothing is to be made ready."""

    async def close(self) -> None:
        """Nothing is held."""

    async def add(self, found: Found) -> int:
        return self._add(found)

    def _add(self, found: Found) -> int:
        known_before = len(self._urls)
        for url in found.urls:
            known = self._by_url.get(url)
            if known is None:
                self._keep(url, found)
            elif found.refused is None:
                self._find_again(known, found)
        return len(self._urls) - known_before

    def _keep(self, url: str, found: Found) -> None:
        state: State = "refused" if found.refused else "waiting"
        number, priority = len(self._urls) + 1, tenths(found.priority)
        new = _Url(number, url, host(url), found.parent, found.depth, found.hops, priority, state, found.refused)
        self._urls.append(new)
        self._by_url[url] = new
        self._tally.found(new.host, state, refused=found.refused)
        if state == "waiting":
            self._queue(new)

    def _find_again(self, known: _Url, found: Found) -> None:
        priority = max(known.tenths, tenths(found.priority))
        if known.state == "waiting":
            before = self._place(known)
            known.depth, known.hops = min(known.depth, found.depth), min(known.hops, found.hops)
            known.tenths = priority
            if self._place(known) != before and not known.due:
                self._queue(known)
        elif known.state == "refused" and known.reason in REVOCABLE:
            known.depth, known.hops, known.tenths = found.depth, found.hops, priority
            self._readmit(known, known.reason)

    def _readmit(self, url: _Url, reason: str) -> None:
        self._tally.readmitted(url.host, reason)
        url.state, url.reason = "waiting", None
        self._queue(url)

    def _queue(self, url: _Url) -> None:
        url.due = 0.0
        heappush(self._queues.setdefault(url.host, []), self._place(url))

    def _place(self, url: _Url) -> tuple[int, int]:
        return rank(self._order, url.depth, url.tenths), -url.id if youngest_first(self._order) else url.id

    async def claim(self, wants: Mapping[str, int], now: float) -> list[Request]:
        ripe = self._tally.ripe(now)
        for id_ in ripe:
            self._queue(self._urls[id_ - 1])
        self._tally.ripened(ripe)

        urls = [url for name, count in wants.items() for url in self._take(name, count)]
        requests = in_order(self._order, map(self._request, urls))
        self._tally.claimed(requests)
        return requests

    def _request(self, url: _Url) -> Request:
        parent, place = self._url_of(url.parent), self._place(url)
        before = (url.visit or Visit()) if self.recrawl else None
        return Request(url.id, url.url, url.host, url.depth, parent, url.attempts + 1, url.hops, place[0], before)

    def _take(self, name: str, count: int) -> list[_Url]:
        queue = self._queues.get(name, [])
        taken: list[_Url] = []
        while queue and len(taken) < count:
            entry = heappop(queue)
            url = self._urls[abs(entry[1]) - 1]
            if url.state == "waiting" and not url.due and self._place(url) == entry:
                url.state = "in_hand"
                taken.append(url)
        return taken

    async def finish(self, finished: Sequence[Finished], positions: Mapping[str, int]) -> list[tuple[int, str]]:
        self._tally.check_in_hand([item.id for item in finished])
        self._tally.settled(finished)
        for item in finished:
            url = self._urls[item.id - 1]
            url.state, url.attempts, url.status, url.reason = item.state, item.attempts, item.status, item.reason
            url.visit = item.visit or url.visit
            if item.state == "waiting":
                if item.due > 0:
                    url.due = item.due
                else:
                    self._queue(url)
        known_before = len(self._urls)
        for item in finished:
            for found in item.found:
                self._add(found)
        self._positions.update(positions)
        return [(url.parent, url.url) for url in self._urls[known_before:] if url.parent is not None]

    async def release(self, ids: Sequence[int]) -> None:
        self._tally.check_in_hand(ids)
        self._tally.released(ids)
        for id_ in ids:
            url = self._urls[id_ - 1]
            url.state = "waiting"
            self._queue(url)

    async def drop(self, host: str, reason: str) -> int:
        queued = (self._urls[number - 1] for number in {abs(number) for _, number in self._queues.get(host, ())})
        fresh = [url for url in queued if url.state == "waiting" and not url.attempts]
        for url in fresh:
            url.state, url.reason = "refused", reason
        self._tally.dropped(host, reason, len(fresh))
        return len(fresh)

    async def readmit(self, reason: str, most: int | None = None) -> int:
        self._tally.check_nothing_in_hand()
        with_room = set(self._tally.with_room(most))
        within: dict[str, Callable[[_Url], bool]] = {
            "max_depth": lambda url: most is None or url.depth <= most,
            "max_redirects": lambda url: most is None or url.hops <= most,
            "max_host_pages": lambda url: url.host in with_room,
        }
        refused = [url for url in self._urls if url.state == "refused" and url.reason == reason]
        if reason in within:
            refused = list(filter(within[reason], refused))
        elif most is not None:
            refused = []
        for url in refused:
            self._readmit(url, reason)
        return len(refused)

    async def begin_again(self) -> int:
        self._tally.check_nothing_in_hand()
        self._tally = Tally()
        self._queues = {}
        for url in self._urls:
            if url.state != "refused" or url.visit is not None:
                url.state, url.attempts, url.status, url.reason = "waiting", 0, None, None
                self._queue(url)
            self._tally.found(url.host, url.state, refused=url.reason)
        self.recrawl += 1
        return self.recrawl

    async def positions(self) -> dict[str, int]:
        return dict(self._positions)

    async def note(self, key: str, value: str) -> None:
        self._notes[key] = value

    async def notes(self, prefix: str) -> dict[str, str]:
        return {key: value for key, value in self._notes.items() if key.startswith(prefix)}

    async def why(self, url: str) -> Known | None:
        known = self._by_url.get(url)
        return self._known(known) if known else None

    async def chain(self, url: str) -> list[str]:
        known = self._by_url.get(url)
        chain: list[str] = []
        while known and known.parent is not None:
            known = self._urls[known.parent - 1]
            chain.append(known.url)
        return chain[::-1]

    async def original(self, url: str) -> str | None:
        known = self._by_url.get(url)
        if known is None or known.visit is None or not has_content(known.visit):
            return None
        content = known.visit.status, known.visit.digest
        for number, other in enumerate(self._urls[: known.id - 1], start=1):
            if other.visit is not None and (other.visit.status, other.visit.digest) == content:
                return other.url
            if number % _BREATH == 0:
                await asyncio.sleep(0)
        return None

    async def scan(self) -> AsyncIterator[Known]:
        for number, url in enumerate(self._urls[:], start=1):
            yield self._known(url)
            if number % _BREATH == 0:
                await asyncio.sleep(0)

    def _known(self, url: _Url) -> Known:
        parent = self._url_of(url.parent)
        return Known(url.url, url.state, url.depth, parent, url.attempts, url.status, url.reason, url.due)

    def _url_of(self, id_: int | None) -> str | None:
        return None if id_ is None else self._urls[id_ - 1].url
