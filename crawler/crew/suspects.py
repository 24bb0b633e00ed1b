"""Which URL it is that kills the processes of a crew, when it is one of those that they had in hand."""

from collections import Counter
from collections.abc import Collection, Iterable

CRASH = 10
"""What the crash of a process (SIGSEGV and the like) counts against each URL that it had in hand."""
KILL = 1
"""What any other death counts: by the system, for want of memory, or by a person, whom no URL has told to."""
_SUSPECT = 5  # from here on a URL is alone in its process, so that nothing else can have been the cause
_GUILTY = 20


class Suspects:
    """Counts deaths against URLs, by their numbers, until these are settled."""

    def __init__(self) -> None:
        self._counts: Counter[int] = Counter()
        self._suspects: set[int] = set()

    def died(self, in_hand: Collection[int], weight: int) -> set[int]:
        """A process has died with these in hand; gives the one that is to be given up for it, if it is clear."""
        self._counts.update(dict.fromkeys(in_hand, weight))
        alone = self._suspects.intersection(in_hand) if len(in_hand) == 1 else frozenset[int]()
        self._suspects.update(number for number in in_hand if self._counts[number] >= _SUSPECT)
        return {number for number in alone if self._counts[number] >= _GUILTY}

    def clear(self, numbers: Iterable[int]) -> None:
        """These are settled."""
        if self._counts:
            for number in numbers:
                self._counts.pop(number, None)
                self._suspects.discard(number)

    def may_go(self, number: int, beside: Collection[int]) -> bool:
        """May a URL be given to a process that has those in hand?"""
        if number in self._suspects:
            return not beside
        return self._suspects.isdisjoint(beside) if self._suspects else True
