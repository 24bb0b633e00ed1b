"""Places for records. A new one is a class with the method `of_job(folder)`, and a line in `STORES`."""

from importlib import import_module
from pathlib import Path

from storage.record import Store, StoreError

STORES = {
    "jsonl": "storage.jsonl:JsonlStore",
}
"""Where each store's class is found; a store is imported when it is asked for, so that what it needs stays optional."""


def make(name: str, folder: Path) -> Store:
    """The store that a setting names, for the job in this folder; nothing is opened yet. Raises StoreError."""
    if name not in STORES:
        raise StoreError(f"there is no store {name!r}; there are {', '.join(STORES)}")
    module, _, place = STORES[name].partition(":")
    store: Store = getattr(import_module(module), place).of_job(folder)
    return store
