"""What a frontier knows at once, without a look into its store: counts, URLs in hand, and what may be claimed when."""

from collections import Counter
from collections.abc import Mapping, Sequence
from heapq import heappop, heappush
from typing import get_args

from crawler.frontier import Counts
from crawler.model import Change, Finished, Request, State


class Tally:
    """Counts by state and host, URLs in hand, and the URLs that wait for a due time. Synchronous.

    A backend tells it of a change only once the change is kept, so that after an error all is as before. Memory grows
    with the hosts, with what is in hand and with what waits for a due time, not with the URLs known.
    """

    def __init__(self) -> None:
        self._totals = _none()
        self._hosts: dict[str, dict[str, int]] = {}
        self._refusals: Counter[str] = Counter()
        self._changes: Counter[Change] = Counter()
        self._in_hand: dict[int, Request] = {}
        self._ready: dict[str, int] = {}  # URLs of a host that may be claimed now; hosts without any are left out
        self._later: list[tuple[float, int, str]] = []  # a heap of (due, id, host)
        self._ripe: dict[int, str] = {}  # URLs whose due time has come since the backend last took note: their hosts

    # What is asked.

    def counts(self) -> Counts:
        return Counts(**self._totals)

    def host_counts(self, host: str) -> Counts:
        return Counts(**self._hosts[host]) if host in self._hosts else Counts()

    def hosts(self) -> Sequence[str]:
        return tuple(self._hosts)

    def refusals(self) -> Mapping[str, int]:
        return +self._refusals

    def changes(self) -> Mapping[Change, int]:
        return +self._changes

    def next_due(self) -> float | None:
        return self._later[0][0] if self._later else None

    def ready(self, now: float) -> Mapping[str, int]:
        """How many URLs of each host may be claimed now."""
        while self._later and self._later[0][0] <= now:
            _, id_, host = heappop(self._later)
            self._ripe[id_] = host
            self._ready[host] = self._ready.get(host, 0) + 1
        return self._ready

    def ripe(self, now: float) -> list[int]:
        """URLs whose due time has come, until `ripened` says that the backend holds them as claimable."""
        self.ready(now)
        return list(self._ripe)

    def check_in_hand(self, ids: Sequence[int]) -> None:
        """Raises ValueError, when one of them is not in hand or is named twice: a bug of the caller."""
        missing = [id_ for id_ in ids if id_ not in self._in_hand]
        if missing:
            raise ValueError(f"not in hand: {missing[:3]}")
        if len(set(ids)) < len(ids):
            raise ValueError("a URL is settled twice at once")

    def check_nothing_in_hand(self) -> None:
        """Raises ValueError when something is: a bug of the caller."""
        if self._in_hand:
            raise ValueError(f"in hand: {list(self._in_hand)[:3]}")

    def with_room(self, most: int | None) -> list[str]:
        """The hosts that have, and are owed, fewer pages than these; None: as many as there are."""
        return [
            name
            for name, counts in self._hosts.items()
            if most is None or counts["crawled"] + counts["failed"] + counts["retrying"] < most
        ]

    # What has happened.

    def visited(self, changes: Mapping[Change, int]) -> None:
        """So many visits have found which change."""
        self._changes.update(changes)

    def found(self, host: str, state: State, count: int = 1, *, refused: str | None = None, retrying: int = 0) -> None:
        """New URLs, in whatever state they start; why, if they are refused; how many of them were asked for before."""
        counts = self._hosts.get(host)
        if counts is None:
            counts = self._hosts[host] = _none()
        for each in (counts, self._totals):
            each[state] += count
            each["retrying"] += retrying
        if state == "waiting":
            self._ready[host] = self._ready.get(host, 0) + count
        if refused:
            self._refusals[refused] += count

    def postponed(self, id_: int, host: str, due: float) -> None:
        """A URL that is counted as claimable must wait for its due time."""
        self._unready(host, 1)
        heappush(self._later, (due, id_, host))

    def readmitted(self, host: str, refused: str) -> None:
        """A URL that was refused for this reason waits after all."""
        self._refusals[refused] -= 1
        self._move(host, "refused", "waiting")

    def ripened(self, ids: Sequence[int]) -> None:
        for id_ in ids:
            self._ripe.pop(id_, None)

    def claimed(self, requests: Sequence[Request]) -> None:
        for request in requests:
            self._in_hand[request.id] = request
            self._move(request.host, "waiting", "in_hand", retrying=-1 if request.attempt > 1 else 0)

    def settled(self, finished: Sequence[Finished]) -> None:
        for item in finished:
            host = self._in_hand.pop(item.id).host
            again = item.state == "waiting"
            self._move(host, "in_hand", item.state, retrying=1 if again and item.attempts else 0)
            if again and item.due > 0:
                self.postponed(item.id, host, item.due)
            if item.state == "refused" and item.reason:
                self._refusals[item.reason] += 1
            if item.visit is not None and item.visit.change is not None:
                self._changes[item.visit.change] += 1

    def released(self, ids: Sequence[int]) -> None:
        for id_ in ids:
            request = self._in_hand.pop(id_)
            self._move(request.host, "in_hand", "waiting", retrying=1 if request.attempt > 1 else 0)

    def dropped(self, host: str, reason: str, count: int) -> None:
        """So many URLs of the host that were never asked for have been refused."""
        if count:
            self._move(host, "waiting", "refused", count)
            self._refusals[reason] += count

    def _move(self, host: str, before: State, after: State, count: int = 1, *, retrying: int = 0) -> None:
        for counts in (self._totals, self._hosts[host]):
            counts[before] -= count
            counts[after] += count
            counts["retrying"] += retrying
        if before == "waiting":
            self._unready(host, count)
        if after == "waiting":
            self._ready[host] = self._ready.get(host, 0) + count

    def _unready(self, host: str, count: int) -> None:
        self._ready[host] -= count
        if not self._ready[host]:
            del self._ready[host]


class Tallied:
    """The part of the contract `Frontier` that a tally answers."""

    def __init__(self) -> None:
        self._tally = Tally()

    def waiting(self, now: float) -> Mapping[str, int]:
        return self._tally.ready(now)

    def next_due(self) -> float | None:
        return self._tally.next_due()

    def counts(self) -> Counts:
        return self._tally.counts()

    def host_counts(self, host: str) -> Counts:
        return self._tally.host_counts(host)

    def refusals(self) -> Mapping[str, int]:
        return self._tally.refusals()

    def changes(self) -> Mapping[Change, int]:
        return self._tally.changes()

    def hosts(self) -> Sequence[str]:
        return self._tally.hosts()

    async def pages(self, host: str | None = None) -> int:
        return (self.counts() if host is None else self.host_counts(host)).pages


def _none() -> dict[str, int]:
    return dict.fromkeys((*get_args(State), "retrying"), 0)
