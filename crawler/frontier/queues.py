"""The queues of the hosts, in memory: the numbers of the URLs that may be claimed, 4 bytes each.

Guarantees: a number is in the queue of a host once; `heads` gives those of the smallest rank first (see order.py), and
of one rank the oldest, or the youngest.

How it works: of each host and rank there is one line, an array in ascending order, since the younger a URL, the larger
its number. New URLs go to its end. Heads come from there, or from its beginning, where a mark moves on instead of the
numbers. What comes back (a retry, a URL found nearer) is put in between: the numbers behind it move, which costs 0.1 ms
when they are a million.

Limitations: a line costs some 250 bytes, so a crawl of hosts with one URL each pays more for hosts than for URLs.
"""

from array import array
from bisect import bisect_left
from collections.abc import Iterable
from operator import attrgetter

_WASTE = 1024  # numbers before the mark that may stay
_rank = attrgetter("rank")


class _Line:
    """Numbers in ascending order."""

    __slots__ = ("first", "numbers", "rank")

    def __init__(self, rank: int) -> None:
        self.rank = rank
        self.numbers = array("I")
        self.first = 0  # where the line begins: what is before has been taken

    def place(self, number: int) -> tuple[int, bool]:
        """Where a number is or would be, and whether it is there."""
        at = bisect_left(self.numbers, number, self.first)
        return at, at < len(self.numbers) and self.numbers[at] == number

    def remove(self, at: int) -> None:
        if at == self.first:
            self.first += 1
            if self.first > _WASTE and self.first > len(self.numbers) // 2:
                self.keep(self.numbers[self.first :])
        else:
            del self.numbers[at]

    def heads(self, count: int, *, youngest_first: bool) -> Iterable[int]:
        if youngest_first:
            return self.numbers[max(self.first, len(self.numbers) - count) :][::-1]
        return self.numbers[self.first : self.first + count]

    def keep(self, numbers: Iterable[int]) -> None:
        self.numbers = array("I", numbers)
        self.first = 0

    def __len__(self) -> int:
        return len(self.numbers) - self.first


class Queues:
    """Which URLs of each host may be claimed, by number."""

    def __init__(self, *, youngest_first: bool = False) -> None:
        self._youngest_first = youngest_first
        self._hosts: dict[str, list[_Line]] = {}  # of each host by rank; neither hosts nor lines are empty

    def append(self, host: str, rank: int, numbers: Iterable[int]) -> None:
        """Add URLs that are younger than all others: in ascending order."""
        self._line(host, rank).numbers.extend(numbers)

    def put(self, host: str, rank: int, number: int) -> None:
        """Add a URL of any age; one that is there stays."""
        line = self._line(host, rank)
        at, there = line.place(number)
        if not there:
            line.numbers.insert(at, number)

    def remove(self, host: str, rank: int, number: int) -> bool:
        """Take a URL out; False when it is not there."""
        lines = self._hosts.get(host, [])
        here = bisect_left(lines, rank, key=_rank)
        if here == len(lines) or lines[here].rank != rank:
            return False
        at, there = lines[here].place(number)
        if there:
            lines[here].remove(at)
            self._tidy(host, lines[here])
        return there

    def heads(self, host: str, count: int) -> list[int]:
        """The numbers of the URLs that come first, so many at most. They stay."""
        heads: list[int] = []
        for line in self._hosts.get(host, ()):
            if len(heads) >= count:
                break
            heads += line.heads(count - len(heads), youngest_first=self._youngest_first)
        return heads

    def remove_all(self, host: str, numbers: frozenset[int]) -> None:
        """Take these URLs out, as far as they are there."""
        for line in tuple(self._hosts.get(host, ())):
            line.keep([number for number in line.numbers[line.first :] if number not in numbers])
            self._tidy(host, line)

    def _line(self, host: str, rank: int) -> _Line:
        lines = self._hosts.setdefault(host, [])
        here = bisect_left(lines, rank, key=_rank)
        if here == len(lines) or lines[here].rank != rank:
            lines.insert(here, _Line(rank))
        return lines[here]

    def _tidy(self, host: str, line: _Line) -> None:
        if not len(line):
            self._hosts[host].remove(line)
            if not self._hosts[host]:
                del self._hosts[host]
