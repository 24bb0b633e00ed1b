"""How many pages a second the whole crawler makes, beside what parsing alone would cost.

Measures: `crawl.py` as a user starts it (frontier on disk, JSONL with links, status page up) on pages served from
loopback, so that neither politeness nor a network is what limits; with one process, and with a crew of one a core.
"whole" counts from the command to its end, "net" without what a crawl of one page takes. Memory is what all processes
hold together at most, shared pages counted once, looked at ten times a second in a run of its own (Linux). The floor is
lxml on the same pages in memory, a process a core: parse, links, title, digest. Leaves out: latency, TLS, names, pages
that fail.

    python -m benchmarks.throughput [--runs=5]
"""

import argparse
import contextlib
import hashlib
import multiprocessing
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from multiprocessing.synchronize import Barrier
from pathlib import Path

import lxml.etree
import pycurl
import tornado

from benchmarks.corpus import PYTHON_DOC, served

ROOT = Path(__file__).resolve().parent.parent
_ARGUMENTS = ["--concurrency=100", "--per-host=100", "--delay=0", "--robots=ignore", "--port=0"]


@dataclass(frozen=True)
class Measured:
    """One crawl."""

    pages: int
    wall: float  # seconds
    processor: float  # seconds
    memory: int  # bytes, the peak; 0 when it was not watched


def crawl(url: str, *arguments: str, watch: bool = False) -> Measured:
    """Crawl once in a process of its own; RuntimeError when it does not end as it should."""
    memory = 0
    with tempfile.TemporaryDirectory() as folder:
        began = time.perf_counter()
        process = subprocess.Popen(
            [sys.executable, str(ROOT / "crawl.py"), f"--job={folder}/job", *_ARGUMENTS, *arguments, url],
            stdout=subprocess.DEVNULL,
        )
        if watch:
            while process.poll() is None:
                memory = max(memory, sum(map(held, family(process.pid))))
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(0.1)
            return Measured(0, 0, 0, memory)
        _, status, usage = os.wait4(process.pid, 0)
        wall = time.perf_counter() - began
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            raise RuntimeError(f"the crawl ended with {process.returncode}")
        pages = sum(path.read_bytes().count(b"\n") for path in Path(folder, "job").glob("pages*.jsonl"))
        return Measured(pages, wall, usage.ru_utime + usage.ru_stime, memory)


def family(first: int) -> list[int]:
    """A process and its children (Linux)."""
    try:
        children = Path(f"/proc/{first}/task/{first}/children").read_text().split()
    except OSError:
        children = []
    return [first, *map(int, children)]


def held(process: int) -> int:
    """Bytes of memory that a process holds, its share of what is shared (Linux); 0 when it has ended."""
    try:
        lines = Path(f"/proc/{process}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("Pss:")), 0)


def parse_alone(bodies: list[bytes]) -> None:
    """What no crawler on lxml can do without."""
    parser = lxml.etree.HTMLParser(encoding="utf-8", huge_tree=True)
    links = lxml.etree.XPath("//a/@href", smart_strings=False)
    for body in bodies:
        root = lxml.etree.fromstring(body, parser)
        links(root)
        root.findtext(".//title")
        hashlib.sha256(body).hexdigest()


def floor(paths: list[Path], cores: int) -> float:
    """Pages a second of `parse_alone` with a process a core, each with its share of the pages in memory."""
    context = multiprocessing.get_context("fork")
    ready = context.Barrier(cores + 1)
    processes = [context.Process(target=_share, args=(paths[core::cores], ready)) for core in range(cores)]
    for process in processes:
        process.start()
    ready.wait()
    began = time.perf_counter()
    ready.wait()
    return len(paths) / (time.perf_counter() - began)


def _share(paths: list[Path], ready: Barrier) -> None:
    # Read here and not before: a child's peak memory would count what its parent held when it was made.
    bodies = [path.read_bytes() for path in paths]
    parse_alone(bodies[:20])
    ready.wait()
    parse_alone(bodies)
    ready.wait()


def main() -> None:
    """Measure, and print a table of Markdown."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--runs", type=int, default=5, help="crawls to take the median of (default 5)")
    runs = options.parse_args().runs
    if not PYTHON_DOC.exists():
        sys.exit(f"{PYTHON_DOC} is not there (Debian: apt install python3-doc)")
    paths = list(PYTHON_DOC.resolve().rglob("*.html"))
    cores = os.cpu_count() or 1
    numbers = sorted({1, cores})
    crawls: dict[int, list[Measured]] = {number: [] for number in numbers}
    single: dict[int, list[Measured]] = {number: [] for number in numbers}
    floors = []
    with served(PYTHON_DOC) as url:
        memory = {number: crawl(f"{url}index.html", f"--processes={number}", watch=True).memory for number in numbers}
        for _ in range(runs):  # interleaved, because machines drift
            for number in numbers:
                crawls[number].append(crawl(f"{url}index.html", f"--processes={number}"))
                single[number].append(crawl(f"{url}bugs.html", f"--processes={number}", "--max-pages=1"))
            floors.append(floor(paths, cores))
    best = statistics.median(floors)
    sizes = statistics.mean(path.stat().st_size for path in paths) / 1000
    versions = f"Python {platform.python_version()}, tornado {tornado.version}, {pycurl.version.split()[0]}"
    pages = crawls[1][0].pages
    print(f"{pages} pages of {sizes:.0f} KB, {cores} cores, {runs} runs; {versions}, lxml {lxml.etree.__version__}\n")
    print("| | whole, pages/s | net, pages/s | of the floor (net) | processor, µs a page | peak memory, MB |")
    print("|---|---|---|---|---|---|")
    for number in numbers:
        wall = statistics.median(each.wall for each in crawls[number])
        start = statistics.median(each.wall for each in single[number])
        processor = statistics.median(each.processor for each in crawls[number]) / pages * 1e6
        net = pages / (wall - start)
        print(
            f"| --processes={number} | {pages / wall:.0f} | {net:.0f} | {net / best:.2f} | {processor:.0f} "
            f"| {memory[number] / 1e6:.0f} |"
        )
    print(f"| lxml alone | {best:.0f} | {best:.0f} | 1 | {cores / best * 1e6:.0f} | |")


if __name__ == "__main__":
    main()
