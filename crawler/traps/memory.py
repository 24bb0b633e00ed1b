"""What the rules against traps remember, in memory that does not grow: what is new takes the place of what is old."""

from array import array
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")

_MASK = (1 << 64) - 1
_FIRST_BITS = 10


class Table:
    """A map of hashes to hashes, both of 64 bits, with at most a fixed number of slots of 16 bytes.

    A key that falls on another's slot takes it, so what is forgotten grows slowly once half the slots are taken; what
    it says of a key is wrong once in 2^64 divided by the slots. It begins small and doubles while it has to: memory
    that is touched all over costs more than the work on it.
    """

    def __init__(self, bits: int) -> None:
        """`bits`: 2 to the power of it are the slots at most."""
        self._most = 1 << bits
        self._make(min(1 << _FIRST_BITS, self._most))

    def _make(self, slots: int) -> None:
        self._last = slots - 1
        self._used = 0
        self._keys = array("Q", bytes(8 * slots))
        self._values = array("Q", bytes(8 * slots))

    def get(self, key: int) -> int | None:
        """What stands under a key; None when nothing does, or it was forgotten."""
        key = key & _MASK or 1
        slot = key & self._last
        return self._values[slot] if self._keys[slot] == key else None

    def put(self, key: int, value: int) -> None:
        """Remember a value, which `get` will give as an integer of 64 bits without sign."""
        key = key & _MASK or 1
        slot = key & self._last
        if not self._keys[slot]:
            self._used += 1
        self._keys[slot] = key
        self._values[slot] = value & _MASK
        if 2 * self._used > self._last and self._last + 1 < self._most:
            self._grow()

    def _grow(self) -> None:
        before = zip(self._keys, self._values, strict=True)
        self._make(2 * (self._last + 1))
        for key, value in before:
            if key:
                slot = key & self._last
                self._keys[slot], self._values[slot] = key, value
                self._used += 1

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
