"""Which URL it is that kills the processes of a crew, when it is one of those that they had in hand."""

from collections import Counter
from collections.abc import Container, Iterable

CRASH = 10
"""What the crash of a process (SIGSEGV and the like) counts against each URL that it had in hand."""
KILL = 1
"""What any other death counts: by the system, for want of memory, or by a person, whom no URL has told to."""
_SUSPECT = 3  # from here on it is given out to a process that has no other suspect
_GUILTY = 20


class Suspects:
    """Counts deaths against URLs, by their numbers, until these are settled."""

    def __init__(self) -> None:
        self._strikes: Counter[int] = Counter()

    def died(self, in_hand: Iterable[int], weight: int) -> set[int]:
        """A process has died with these in hand; gives those of them that are to be given up."""
        self._strikes.update(dict.fromkeys(in_hand, weight))
        return {number for number in in_hand if self._strikes[number] >= _GUILTY}

    def clear(self, numbers: Iterable[int]) -> None:
        """These are settled."""
        for number in numbers:
            self._strikes.pop(number, None)

    def may_go(self, number: int, beside: Container[int]) -> bool:
        """May a URL be given to a process that has those in hand? Of suspects it gets one, so that it is known which."""
        if not self._suspected(number):
            return True
        return not any(other in beside for other in self._strikes if self._suspected(other))

    def _suspected(self, number: int) -> bool:
        return self._strikes[number] >= _SUSPECT
