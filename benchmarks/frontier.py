"""How fast the frontier on disk is, and what it costs in memory and on disk, as the number of known URLs grows.

Measures through the contract `Frontier`, each size in a process of its own, one call after the other: URLs added in
batches of 100 pages with 50 new links each; known URLs, drawn at random, found again in calls of 5,000; claims and
finishes in batches of 1,000 over all hosts; and the start of a second process on what the first has left. There are
1,000 URLs to a host, and the links of a page lead to 50 hosts. Memory is the peak of the process, at its end and, in
brackets, by URL beyond what it held before the first one. Times are of the clock and, in brackets, of the processor,
which a machine that does other things too troubles less. Disk is what the files take beyond the text of the URLs.
Beside it the raw parts: rows put into a bare SQLite table, and a Python set of the same strings. Leaves out: an event
loop that is busy with a crawl, a disk that is slower than the system's cache of it.

    python -m benchmarks.frontier [--sizes=100000,1000000] [--large] [--scrapy]

`--large` measures 10,000,000 URLs too: 3 GB of disk, some minutes. `--scrapy` puts what a Scrapy job does beside each
size: a minute for 1,000,000 URLs, ten or more for ten times as many; `peers/scrapy_frontier.py` says what is measured.
"""

import argparse
import asyncio
import json
import os
import platform
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

from benchmarks.growth import BATCH, CALL, FINISHED, PAGE, SAMPLE, Figures, Watch, batches, known, peak, text
from crawler import frontier
from crawler.model import Finished, Found, Visit

_PEERS = Path(".venv-peers/bin/python")


def _visit(number: int) -> Visit:
    """What is kept of an answer with the validators that servers of files send."""
    return Visit(200, hash((number, "digest")) >> 16, f'"{number:08x}-1a2b"', "Sun, 06 Nov 1994 08:49:37 GMT")


async def crawl(folder: Path, size: int) -> Figures:
    """Fill a frontier, and use it."""
    urls = frontier.make("sqlite", folder)
    await urls.open()
    await urls.add(Found(["https://seed.example/"], depth=0))
    (seed,) = await urls.claim({"seed.example:443": 1}, 0.0)
    before = peak()
    figures: Figures = {}

    watch = Watch()
    for links in batches(size, BATCH):
        pages = [Found(links[first : first + PAGE], 1, seed.id) for first in range(0, len(links), PAGE)]
        with watch:
            await urls.finish([Finished(seed.id, "waiting", 0, found=pages)], {"jsonl": 0})
            (seed,) = await urls.claim({"seed.example:443": 1}, 0.0)
    assert urls.counts().waiting == size
    figures |= watch.rates("added", size)
    figures["memory"] = peak()
    figures["memory_url"] = (peak() - before) / size

    watch = Watch()
    for again in known(size):
        with watch:
            new = await urls.add(Found(again, 2))
        assert new == 0
    figures |= watch.rates("known", SAMPLE)

    sample = min(size // 2, SAMPLE)
    watch, claims = Watch(), Watch()
    for _ in range(sample // FINISHED):
        wants: dict[str, int] = {}
        hosts = list(urls.waiting(0.0))
        for number in range(FINISHED):
            host = hosts[number * 7919 % len(hosts)]
            wants[host] = wants.get(host, 0) + 1
        with watch, claims:
            requests = await urls.claim(wants, 0.0)
        settled = [Finished(r.id, "crawled", r.attempt, 200, visit=_visit(r.id)) for r in requests]
        with watch:
            await urls.finish(settled, {"jsonl": 1})
    figures |= watch.rates("finished", urls.counts().crawled) | claims.rates("claimed", urls.counts().crawled)
    await urls.close()
    figures["disk_url"] = (sum(path.stat().st_size for path in folder.iterdir()) - text(size)) / size
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
        for urls in batches(size, BATCH):
            rows = [(each, 1) for each in urls]
            with watch:
                db.execute("BEGIN")
                db.executemany("INSERT INTO rows VALUES (?, ?)", rows)
                db.execute("COMMIT")
        figures |= watch.rates("raw_rows", size)
    before = peak()
    everything = {each for urls in batches(size, CALL) for each in urls}
    figures["raw_memory_url"] = (peak() - before) / size
    again = [each for urls in known(size) for each in urls]
    watch = Watch()
    with watch:
        assert all(each in everything for each in again)
    figures |= watch.rates("raw_known", SAMPLE)
    return figures


PARTS: dict[str, Callable[[Path, int], Figures]] = {
    "crawl": lambda folder, size: asyncio.run(crawl(folder, size)),
    "start": lambda folder, size: asyncio.run(start(folder, size)),
    "raw": raw,
}


def run(part: str, size: int, folder: str, *command: str) -> Figures:
    """The figures of one part, from a process of its own."""
    options = [f"--part={part}", f"--folder={folder}", f"--sizes={size}"]
    done = subprocess.run([*command, *options], stdout=subprocess.PIPE, check=True)
    return dict(json.loads(done.stdout))


def measure(size: int) -> Figures:
    """All figures of one size."""
    command = (sys.executable, "-m", "benchmarks.frontier")
    with tempfile.TemporaryDirectory() as folder, tempfile.TemporaryDirectory() as other:
        return (
            run("crawl", size, folder, *command)
            | run("start", size, folder, *command)
            | run("raw", size, other, *command)
        )


def measure_scrapy(size: int, variant: str) -> Figures:
    """Those of one size that a Scrapy job has too."""
    command = (str(_PEERS), "-m", "benchmarks.peers.scrapy_frontier", f"--variant={variant}")
    with tempfile.TemporaryDirectory() as folder:
        return run("crawl", size, folder, *command) | run("start", size, folder, *command)


def columns(sizes: list[int], scrapy: bool) -> Iterator[tuple[str, Figures]]:
    """Heading and figures of each column."""
    for size in sizes:
        yield f"{size:,}", measure(size)
        if scrapy:
            yield f"{size:,}: Scrapy", measure_scrapy(size, "default")
            yield f"{size:,}: Scrapy, one queue", measure_scrapy(size, "fifo")


def versions(scrapy: bool) -> str:
    """What is measured, and where."""
    names = [f"Python {platform.python_version()}", f"SQLite {sqlite3.sqlite_version}"]
    if scrapy:
        asked = [str(_PEERS), "-c", "from importlib.metadata import version; print(version('scrapy'))"]
        names.append("Scrapy " + subprocess.run(asked, stdout=subprocess.PIPE, text=True, check=True).stdout.strip())
    return ", ".join([*names, f"{os.cpu_count()} cores"])


def rate(figures: Figures, name: str) -> str:
    return f"{figures[name]:,.0f} ({figures[name + '_processor']:,.0f})"


def cell(shown: Callable[[Figures], str], figures: Figures) -> str:
    """What a row shows of a column. Scrapy has no raw parts, and no finish: what it has claimed it has forgotten."""
    try:
        return shown(figures)
    except KeyError:
        return "n/a"


ROWS: dict[str, Callable[[Figures], str]] = {
    "new links added a second": lambda f: rate(f, "added"),
    "known links turned away a second": lambda f: rate(f, "known"),
    "claims and finishes a second": lambda f: rate(f, "finished"),
    "claims alone a second": lambda f: rate(f, "claimed"),
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
    parser.add_argument("--scrapy", action="store_true")
    parser.add_argument("--part", choices=PARTS, help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    sizes = [int(size) for size in arguments.sizes.split(",")]
    if arguments.part:
        print(json.dumps(PARTS[arguments.part](arguments.folder, sizes[0])))
        return
    sizes += [10_000_000] * arguments.large
    if arguments.scrapy and not _PEERS.exists():
        print(f"{_PEERS.parts[0]} is missing, which has Scrapy in it: run `make peers`", file=sys.stderr)
        raise SystemExit(2)
    print(versions(arguments.scrapy) + "\n")
    headings, figures = zip(*columns(sizes, arguments.scrapy), strict=True)
    print("| URLs known | " + " | ".join(headings) + " |")
    print("|---|" + "---|" * len(headings))
    for name, shown in ROWS.items():
        print(f"| {name} | " + " | ".join(cell(shown, column) for column in figures) + " |")


if __name__ == "__main__":
    main()
