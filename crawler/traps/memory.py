"""What the rules against traps remember, in memory that does not grow: what is new takes the place of what is old."""

import mmap
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")

_MASK = (1 << 64) - 1


class Table:
    """A map of hashes to hashes, both of 64 bits, with a fixed number of slots of 16 bytes.

    A key that falls on another's slot takes it, so what is forgotten grows slowly once half the slots are taken; what
    it says of a key is wrong once in 2^64 divided by the slots. The system gives the memory as slots are written.
    """

    def __init__(self, bits: int) -> None:
        self._last = (1 << bits) - 1
        self._keys = memoryview(mmap.mmap(-1, 8 << bits)).cast("Q")
        self._values = memoryview(mmap.mmap(-1, 8 << bits)).cast("Q")

    def get(self, key: int) -> int | None:
        """What stands under a key; None when nothing does, or it was forgotten."""
        key = key & _MASK or 1
        slot = key & self._last
        return self._values[slot] if self._keys[slot] == key else None

    def put(self, key: int, value: int) -> None:
        """Remember a value, which `get` will give as an integer of 64 bits without sign."""
        key = key & _MASK or 1
        slot = key & self._last
        self._keys[slot] = key
        self._values[slot] = value & _MASK

    def known(self, key: int, value: int = 0) -> int | None:
        """What stands under a key, and if nothing does, let this stand there from now on."""
        before = self.get(key)
        if before is None:
            self.put(key, value)
        return before


class Recent(Generic[K, V]):
    """A map of bounded size: the key that was not asked for longest goes when another needs its place."""

    def __init__(self, most: int, make: Callable[[], V]) -> None:
        self._most = most
        self._make = make
        self._values: OrderedDict[K, V] = OrderedDict()

    def get(self, key: K) -> V | None:
        """The value of a key, or None."""
        return self._values.get(key)

    def touch(self, key: K) -> V:
        """The value of a key, made if there was none."""
        if key in self._values:
            self._values.move_to_end(key)
            return self._values[key]
        if len(self._values) >= self._most:
            self._values.popitem(last=False)
        value = self._values[key] = self._make()
        return value
