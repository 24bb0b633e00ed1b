"""Pages in memory, and what reading them costs: for parsers of any Python, so it needs nothing but Python itself."""

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from benchmarks.corpus import PYTHON_DOC

_SIZES = range(60_000, 140_000)
_MOST = 60  # pages


@dataclass(frozen=True)
class Document:
    """A page, and the URL at which it lies."""

    url: str
    body: bytes


def documents() -> list[Document]:
    """The pages that are read. RuntimeError when there are none."""
    paths = sorted(path for path in PYTHON_DOC.rglob("*.html") if path.stat().st_size in _SIZES)[:_MOST]
    if not paths:
        raise RuntimeError(f"{PYTHON_DOC} is missing (Debian: apt install python3-doc)")
    return [Document(f"http://docs.example/{path.relative_to(PYTHON_DOC)}", path.read_bytes()) for path in paths]


Reader = Callable[[Document], Any]


def measure(readers: dict[str, Reader], pages: Sequence[Document], rounds: int) -> dict[str, float]:
    """Microseconds of processor a page, by reader."""
    best: dict[str, float] = {}
    for _ in range(rounds):
        for name, read in readers.items():
            times = []
            for page in pages:
                began = time.process_time_ns()
                read(page)
                times.append((time.process_time_ns() - began) / 1000)
            best[name] = min(best.get(name, float("inf")), statistics.median(times))
    return best
