"""Which URLs are known, in memory: 15 bytes a URL, a million look-ups a second and more.

Guarantees: a URL that was added is found. One that was not is taken for known once in 10^11 times, whatever the web
does: the hash is keyed anew in each process, so nobody can make URLs that collide. Whoever needs to be sure compares
the text on disk, under the number that `find` gives.

How it works: records of 11 bytes (6 of the URL's hash, the level, 4 of its number) lie one after the other in buckets,
each an object of bytes some 250 long, in which `bytes.find` looks for the hash. The low bits of the hash say which
bucket; at least 16 of them, so that they need not be kept. Buckets are added one at a time, each by splitting the next
in turn (linear hashing, W. Litwin 1980): no pause while a great table is made anew, and never half of it empty.

The level says which findings of a known URL can be passed over without a look at the disk: a finding as deep as the
level, or deeper, changes nothing, unless its priority is higher than usual. It may be too high, never too low.

Limitations: nothing is ever taken out. The hash is Python's own, of 64 bits, and worth nothing to another process: the
texts are read at start. Who sets PYTHONHASHSEED gives the key away.
"""

from array import array
from collections.abc import Iterable, Iterator, Sequence
from struct import iter_unpack

from crawler.frontier.order import USUAL

ASK = 255
"""The level of a URL that any finding may change."""
NEAREST = -1
"""The depth to be given for a finding that may change any URL: every level is above it."""

_RECORD = 11
_HASH = 6
_NUMBER = slice(_HASH + 1, _RECORD)
_BITS = 16  # of the hash, that are not in the record
_FULL = 24  # records of a bucket, in the mean


def level(depth: int, hops: int, tenths: int) -> int:
    """The level of a URL that waits and was found so; the last is its priority."""
    return depth if depth < ASK and not hops and tenths >= USUAL else ASK


class Membership:
    """A map of URLs to their levels and numbers; numbers are from 0 to 2^32 - 1."""

    def __init__(self, expected: int = 0) -> None:
        """`expected`: how many URLs are about to be added."""
        self._count = 0
        self._bits = max(_BITS, (expected // _FULL).bit_length())
        self._split = 0  # buckets before this one are split already: one more bit of the hash tells their halves apart
        self._buckets = [b""] * (1 << self._bits)

    def __len__(self) -> int:
        return self._count

    def sift(self, urls: Sequence[str], depth: int | None) -> tuple[list[str], dict[str, int]]:
        """The URLs that are not known, and those that are but whose level is above `depth`, with their numbers.

        `depth` is that of the finding, or `NEAREST`; None for one that is refused, which changes no known URL.
        """
        unknown: list[str] = []
        above: dict[str, int] = {}
        passed_over = ASK if depth is None else min(depth, ASK - 1)
        buckets = self._buckets
        for url, (place, needle) in zip(urls, self._places(urls), strict=True):
            bucket = buckets[place]
            at = bucket.find(needle)
            if at < 0:
                unknown.append(url)
            elif bucket[at + _HASH] > passed_over:
                above[url] = int.from_bytes(bucket[at:][_NUMBER], "little")
        return unknown, above

    def find(self, url: str) -> int | None:
        """The number of a URL; None when it is not known."""
        ((place, needle),) = self._places([url])
        bucket = self._buckets[place]
        at = bucket.find(needle)
        return None if at < 0 else int.from_bytes(bucket[at:][_NUMBER], "little")

    def add(self, urls: Sequence[str], first: int, levels: Iterable[int]) -> None:
        """Add URLs that are not known, each once; their numbers are `first` and those that follow."""
        buckets = self._buckets
        number = first
        for (place, needle), its_level in zip(self._places(urls), levels, strict=True):
            buckets[place] += needle + (its_level | number << 8).to_bytes(5, "little")
            number += 1
        self._count += len(urls)
        while self._count > _FULL * len(buckets):
            self._split_next()

    def set_level(self, url: str, level: int) -> None:
        """Change the level of a known URL."""
        ((place, needle),) = self._places([url])
        bucket = self._buckets[place]
        at = bucket.index(needle) + _HASH
        self._buckets[place] = bucket[:at] + bytes((level,)) + bucket[at + 1 :]

    def _places(self, urls: Sequence[str]) -> Iterator[tuple[int, bytes]]:
        """Of each URL its bucket and what is to be found there. No bucket may be split meanwhile."""
        hashes = array("q", map(hash, urls))
        mask, split = (1 << self._bits) - 1, self._split
        wide = mask << 1 | 1
        for number, (needle,) in zip(hashes, iter_unpack("<2x6s", hashes.tobytes()), strict=True):
            place = number & mask
            yield (place if place >= split else number & wide), needle

    def _split_next(self) -> None:
        bit = 1 << self._bits - _BITS
        stay: list[bytes] = []
        go: list[bytes] = []
        bucket = self._buckets[self._split]
        for at in range(0, len(bucket), _RECORD):
            record = bucket[at : at + _RECORD]
            (go if int.from_bytes(record[:_HASH], "little") & bit else stay).append(record)
        self._buckets[self._split] = b"".join(stay)
        self._buckets.append(b"".join(go))
        self._split += 1
        if self._split == 1 << self._bits:
            self._bits += 1
            self._split = 0
