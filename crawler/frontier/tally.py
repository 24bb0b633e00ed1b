"""What a frontier knows at once, without a look into its store: counts, URLs in hand, and what may be claimed when."""

from collections import Counter
from collections.abc import Mapping, Sequence
from heapq import heapify, heappop, heappush
from typing import get_args

from crawler.frontier import Counts
from crawler.model import Finished, Request, State


class Tally:
    """Counts by state and host, URLs in hand, and the URLs that wait for a due time. Synchronous.

    A backend tells it of a change only once the change is kept, so that after an error all is as before. Memory grows
    with the hosts, with what is in hand and with what waits for a due time, not with the URLs known.
    """

    def __init__(self) -> None:
        self._totals: dict[State, int] = dict.fromkeys(get_args(State), 0)
        self._hosts: dict[str, dict[State, int]] = {}
        self._refusals: Counter[str] = Counter()
        self._in_hand: dict[int, str] = {}  # the host of each
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

    # What has happened.

    def found(self, host: str, state: State, count: int = 1, refused: str | None = None) -> None:
        """New URLs, in whatever state they start, and why they are refused if they are."""
        if refused:
            self._refusals[refused] += count
        counts = self._hosts.get(host)
        if counts is None:
            counts = self._hosts[host] = dict.fromkeys(get_args(State), 0)
        counts[state] += count
        self._totals[state] += count
        if state == "waiting":
            self._ready[host] = self._ready.get(host, 0) + count

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
            self._in_hand[request.id] = request.host
            self._move(request.host, "waiting", "in_hand")

    def settled(self, finished: Sequence[Finished]) -> None:
        for item in finished:
            host = self._in_hand.pop(item.id)
            self._move(host, "in_hand", item.state)
            if item.state == "refused" and item.reason:
                self._refusals[item.reason] += 1
            if item.state == "waiting" and item.due > 0:
                self.postponed(item.id, host, item.due)

    def released(self, ids: Sequence[int]) -> None:
        for id_ in ids:
            self._move(self._in_hand.pop(id_), "in_hand", "waiting")

    def dropped(self, host: str, reason: str) -> int:
        """All that waits of a host was refused; how many URLs that were."""
        if host not in self._hosts:
            return 0
        self._later = [entry for entry in self._later if entry[2] != host]
        heapify(self._later)
        self._ripe = {id_: of for id_, of in self._ripe.items() if of != host}
        count = self._hosts[host]["waiting"]
        self._ready[host] = count  # those not yet due are refused with the others
        self._move(host, "waiting", "refused", count)
        self._refusals[reason] += count
        return count

    def _move(self, host: str, before: State, after: State, count: int = 1) -> None:
        for counts in (self._totals, self._hosts[host]):
            counts[before] -= count
            counts[after] += count
        if before == "waiting":
            self._unready(host, count)
        if after == "waiting":
            self._ready[host] = self._ready.get(host, 0) + count

    def _unready(self, host: str, count: int) -> None:
        self._ready[host] -= count
        if not self._ready[host]:
            del self._ready[host]
