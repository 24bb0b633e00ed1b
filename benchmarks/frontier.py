"""How fast the frontier on disk is, and what it costs in memory and on disk, as the number of known URLs grows.

Measures through the contract `Frontier`, each size in a process of its own, one call after the other: URLs added in
batches of 100 pages with 50 new links each; known URLs, drawn at random, found again in calls of 5,000; claims and
finishes in batches of 1,000 over all hosts; and the start of a second process on what the first has left. There are
1,000 URLs to a host, and the links of a page lead to 50 hosts. Memory is the peak of the process, at its end and, in
brackets, by URL beyond what it held before the first one. Times are of the clock and, in brackets, of the processor,
which a machine that does other things too troubles less. Disk is what the files take beyond the text of the URLs.
Beside it the raw parts: rows put into a bare SQLite table, and a Python set of the same strings. Leaves out: an event
loop that is busy with a crawl, a disk that is slower than the system's cache of it.

    python -m benchmarks.frontier [--sizes=100000,1000000] [--large]

`--large` measures 10,000,000 URLs too: 3 GB of disk, some minutes.
"""

import argparse
import asyncio
import json
import os
import platform
import random
import resource
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

from crawler import frontier
from crawler.model import Finished, Found

_HOST = 1_000  # URLs of a host
_PAGE = 50  # new links of a page
_PAGES = 100  # pages of a batch
_FINISHED = 1_000  # URLs that are claimed and finished together
_CALL = 5_000  # known URLs that are found again in one call
_SAMPLE = 200_000  # how many URLs are found again, and how many are claimed and finished, at most

Figures = dict[str, float]


def url(number: int, size: int) -> str:
    """The URLs, some 60 characters each: neighbours lie on different hosts, as the links of a page may."""
    host = number % max(1, size // _HOST)
    return f"https://host-{host}.example/articles/section-{number % 97}/page-{number}.html"


def batches(size: int, length: int) -> Iterator[list[str]]:
    """All URLs, so many at a time."""
    for first in range(0, size, length):
        yield [url(number, size) for number in range(first, min(first + length, size))]


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


async def crawl(folder: Path, size: int) -> Figures:
    """Fill a frontier, and use it."""
    urls = frontier.make("sqlite", folder)
    await urls.open()
    await urls.add(Found(["https://seed.example/"], depth=0))
    (seed,) = await urls.claim({"seed.example:443": 1}, 0.0)
    before = peak()
    figures: Figures = {}

    watch = Watch()
    for links in batches(size, _PAGES * _PAGE):
        pages = [Found(links[first : first + _PAGE], 1, seed.id) for first in range(0, len(links), _PAGE)]
        with watch:
            await urls.finish([Finished(seed.id, "waiting", 0, found=pages)], {"jsonl": 0})
            (seed,) = await urls.claim({"seed.example:443": 1}, 0.0)
    assert urls.counts().waiting == size
    figures |= watch.rates("added", size)
    figures["memory"] = peak()
    figures["memory_url"] = (peak() - before) / size

    draw = random.Random(1)
    watch = Watch()
    for _ in range(_SAMPLE // _CALL):
        again = [url(draw.randrange(size), size) for _ in range(_CALL)]
        with watch:
            new = await urls.add(Found(again, 2))
        assert new == 0
    figures |= watch.rates("known", _SAMPLE)

    sample = min(size // 2, _SAMPLE)
    watch = Watch()
    for _ in range(sample // _FINISHED):
        wants: dict[str, int] = {}
        hosts = list(urls.waiting(0.0))
        for number in range(_FINISHED):
            host = hosts[number * 7919 % len(hosts)]
            wants[host] = wants.get(host, 0) + 1
        with watch:
            requests = await urls.claim(wants, 0.0)
            await urls.finish([Finished(r.id, "crawled", r.attempt, 200) for r in requests], {"jsonl": 1})
    figures |= watch.rates("finished", urls.counts().crawled)
    await urls.close()
    text = sum(len(url(number, size)) for number in range(size))
    figures["disk_url"] = (sum(path.stat().st_size for path in folder.iterdir()) - text) / size
    return figures


async def start(folder: Path, size: int) -> Figures:
    """Open what `crawl` has left."""
    urls = frontier.make("sqlite", folder)
    watch = Watch()
    with watch:
        await urls.open()
    figures = {"start": watch.clock, "start_processor": watch.processor, "start_memory": float(peak())}
    assert sum((urls.counts().waiting, urls.counts().crawled)) == size + 1
    await urls.close()
    return figures


def raw(folder: Path, size: int) -> Figures:
    """The parts alone."""
    figures: Figures = {}
    with closing(sqlite3.connect(folder / "raw.sqlite", isolation_level=None)) as db:
        db.executescript("PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; CREATE TABLE rows (url TEXT, n INT)")
        watch = Watch()
        for urls in batches(size, _PAGES * _PAGE):
            rows = [(each, 1) for each in urls]
            with watch:
                db.execute("BEGIN")
                db.executemany("INSERT INTO rows VALUES (?, ?)", rows)
                db.execute("COMMIT")
        figures |= watch.rates("raw_rows", size)
    before = peak()
    known = {each for urls in batches(size, _CALL) for each in urls}
    figures["raw_memory_url"] = (peak() - before) / size
    draw = random.Random(1)
    again = [url(draw.randrange(size), size) for _ in range(_SAMPLE)]
    watch = Watch()
    with watch:
        assert all(each in known for each in again)
    figures |= watch.rates("raw_known", _SAMPLE)
    return figures


PARTS: dict[str, Callable[[Path, int], Figures]] = {
    "crawl": lambda folder, size: asyncio.run(crawl(folder, size)),
    "start": lambda folder, size: asyncio.run(start(folder, size)),
    "raw": raw,
}


def measure(size: int) -> Figures:
    """All figures of one size, each part in a process of its own."""
    figures: Figures = {}
    with tempfile.TemporaryDirectory() as folder, tempfile.TemporaryDirectory() as other:
        for part, place in (("crawl", folder), ("start", folder), ("raw", other)):
            command = [sys.executable, "-m", "benchmarks.frontier", f"--part={part}", f"--folder={place}"]
            done = subprocess.run([*command, f"--sizes={size}"], stdout=subprocess.PIPE, check=True)
            figures |= json.loads(done.stdout)
    return figures


def rate(figures: Figures, name: str) -> str:
    return f"{figures[name]:,.0f} ({figures[name + '_processor']:,.0f})"


ROWS: dict[str, Callable[[Figures], str]] = {
    "new links added a second": lambda f: rate(f, "added"),
    "known links turned away a second": lambda f: rate(f, "known"),
    "claims and finishes a second": lambda f: rate(f, "finished"),
    "memory (a URL)": lambda f: f"{f['memory'] / 1e6:,.0f} MB ({f['memory_url']:.1f} bytes)",
    "disk beyond the text, a URL": lambda f: f"{f['disk_url']:.1f} bytes",
    "start of a second process": lambda f: f"{f['start']:.2f} s ({f['start_processor']:.2f})",
    "its memory": lambda f: f"{f['start_memory'] / 1e6:,.0f} MB",
    "raw: SQLite rows a second": lambda f: rate(f, "raw_rows"),
    "raw: look-ups in a Python set a second": lambda f: rate(f, "raw_known"),
    "raw: memory of a Python set, a URL": lambda f: f"{f['raw_memory_url']:.1f} bytes",
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--sizes", default="100000,1000000")
    parser.add_argument("--large", action="store_true")
    parser.add_argument("--part", choices=PARTS, help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    sizes = [int(size) for size in arguments.sizes.split(",")]
    if arguments.part:
        print(json.dumps(PARTS[arguments.part](arguments.folder, sizes[0])))
        return
    sizes += [10_000_000] * arguments.large
    columns = [measure(size) for size in sizes]
    print(f"Python {platform.python_version()}, SQLite {sqlite3.sqlite_version}, {os.cpu_count()} cores\n")
    print("| URLs known | " + " | ".join(f"{size:,}" for size in sizes) + " |")
    print("|---|" + "---|" * len(sizes))
    for name, shown in ROWS.items():
        print(f"| {name} | " + " | ".join(shown(figures) for figures in columns) + " |")


if __name__ == "__main__":
    main()
