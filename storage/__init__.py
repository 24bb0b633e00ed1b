"""Places for records. A new one is a class with the methods `of_job` and `parts`, and a line in `STORES`.

What a crawl finds is a series of records, such as "pages". Each process that writes has a part of it to itself: "pages"
when there is one, "pages-1", "pages-2" ... when there are several.
"""

import re
from collections.abc import Container, Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

from storage.record import Store, StoreError

STORES = {
    "jsonl": "storage.jsonl:JsonlStore",
}
"""Where each store's class is found; a store is imported when it is asked for, so that what it needs stays optional."""


def make(kind: str, folder: Path, part: str = "pages") -> Store:
    """The store that a setting names, for a part in the job's folder; nothing is opened yet. Raises StoreError."""
    store: Store = _class(kind).of_job(folder, part)
    return store


class Places:
    """All stores of a job, by the names under which their positions are noted."""

    def __init__(self, kinds: Sequence[str], folder: Path) -> None:
        """`kinds`: of `STORES`."""
        self._kinds = kinds
        self._folder = folder

    def stores(self, series: str, number: int | None = None) -> dict[str, Store]:
        """The stores of a process; `number` is its own where there are several. Raises StoreError."""
        part = series if number is None else f"{series}-{number}"
        return {f"{kind}/{part}": make(kind, self._folder, part) for kind in self._kinds}

    async def cut_back(self, series: str, positions: Mapping[str, int], but: Container[str] = ()) -> None:
        """Cut the parts of a series back to their noted positions, as a kill of other processes may have left them.

        `but`: those that will be opened anyway. Raises StoreError.
        """
        there = {f"{kind}/{part}" for kind in self._kinds for part in _class(kind).parts(self._folder, series)}
        name = re.compile(rf"[^/]+/{re.escape(series)}(-[0-9]+)?")
        places = there | {place for place in positions if name.fullmatch(place)}
        apart = {place: place.partition("/") for place in sorted(places) if place not in but}
        stores = {place: make(kind, self._folder, part) for place, (kind, _, part) in apart.items()}
        await cut_back(stores, positions)


async def cut_back(stores: Mapping[str, Store], positions: Mapping[str, int]) -> None:
    """Cut stores that nobody has open back to their positions, both by the same names. Raises StoreError."""
    for name, store in stores.items():
        try:
            await store.open(positions.get(name, 0))
        finally:
            await store.close()


def _class(kind: str) -> Any:
    if kind not in STORES:
        raise StoreError(f"there is no store {kind!r}; there are {', '.join(STORES)}")
    module, _, name = STORES[kind].partition(":")
    return getattr(import_module(module), name)
