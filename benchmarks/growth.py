"""What is the same for all frontiers that are measured: the URLs, the amounts, the watch. Needs nothing but Python."""

import random
import resource
import sys
import time
from collections.abc import Iterator

PAGE = 50  # new links of a page
BATCH = 100 * PAGE  # new links of the pages of a batch
CALL = 5_000  # known URLs that are found again in one call
FINISHED = 1_000  # URLs that are claimed and finished together
SAMPLE = 200_000  # how many URLs are found again, and how many are claimed and finished, at most
_HOST = 1_000  # URLs of a host

Figures = dict[str, float]


def url(number: int, size: int) -> str:
    """The URLs, some 60 characters each: neighbours lie on different hosts, as the links of a page may."""
    host = number % max(1, size // _HOST)
    return f"https://host-{host}.example/articles/section-{number % 97}/page-{number}.html"


def batches(size: int, length: int) -> Iterator[list[str]]:
    """All URLs, so many at a time."""
    for first in range(0, size, length):
        yield [url(number, size) for number in range(first, min(first + length, size))]


def known(size: int) -> Iterator[list[str]]:
    """URLs to find again, drawn at random, a call at a time."""
    draw = random.Random(1)
    for _ in range(SAMPLE // CALL):
        yield [url(draw.randrange(size), size) for _ in range(CALL)]


def text(size: int) -> int:
    """The bytes of all URLs."""
    return sum(len(url(number, size)) for number in range(size))


def peak() -> int:
    """The most memory that this process has held, in bytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


class Watch:
    """Adds up what the clock and the processor show."""

    def __init__(self) -> None:
        self.clock = self.processor = 0.0

    def __enter__(self) -> None:
        self.clock -= time.perf_counter()
        self.processor -= time.process_time()

    def __exit__(self, *_: object) -> None:
        self.clock += time.perf_counter()
        self.processor += time.process_time()

    def rates(self, name: str, count: int) -> Figures:
        """So many a second."""
        return {name: count / self.clock, f"{name}_processor": count / self.processor}
