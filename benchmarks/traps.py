"""How much of a web with endless traps is found, and how much of the crawl goes into the traps.

Crawls generated webs with `crawl.py` as a user starts it, but for politeness: one web for each trap, and one with all
of them; each with the rules against traps and without, then cut off at five fetches for four real pages. A page is real
when it can be reached without going through a trap; all other fetches are fetches in traps.

With --cost: the processor time that the rules take a page, where the frontier is, the least of five runs; and memory.

    python -m benchmarks.traps [--pages=8000] [--processes=1]
    python -m benchmarks.traps --cost
"""

import argparse
import asyncio
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.generated import Shape, Web
from benchmarks.web import serving
from crawler.model import Finished, Request
from crawler.reasons import TRAPS
from crawler.traps import Traps

ROOT = Path(__file__).resolve().parent.parent
_HOSTS = 4
WEBS: dict[str, dict[str, Any]] = {
    "none": {},
    "calendar": {"years": None},
    "session ids": {"sessions": 1},
    "facets": {"facets": 4},
    "growing paths": {"growth": 1},
    "all": {"years": None, "sessions": 1, "facets": 4, "growth": 1},
}
_ARGUMENTS = ["--delay=0", "--per-host=4", "--retries=0", "--port=off", "--sitemaps=false", "--log-level=warning"]
_WITHOUT = ["--traps=none", "--strip-params=none"]


@dataclass(frozen=True)
class Measured:
    """One crawl."""

    real: int  # pages that there are
    found: int  # of these
    fetches: int
    refusals: dict[str, int]  # of rules against traps

    @property
    def trapped(self) -> int:
        """Fetches in traps."""
        return self.fetches - self.found


def shape(pages: int, **traps: Any) -> Shape:
    """A web of so many pages, light ones, with these traps."""
    calendar = {"years": 0} | traps
    return Shape(hosts=_HOSTS, pages=pages, latency=0.02, slow_latency=0.02, most_weight=5_000, **calendar)


async def crawl(web: Shape, *arguments: str) -> Measured:
    """Crawl a web once; RuntimeError when that does not end as it should."""
    with tempfile.TemporaryDirectory() as folder:
        async with serving(web) as served:
            command = [sys.executable, str(ROOT / "crawl.py"), f"--job={folder}/job", *_ARGUMENTS, *arguments]
            process = await asyncio.create_subprocess_exec(*command, *served.seeds, stdout=subprocess.DEVNULL)
            if code := await process.wait():
                raise RuntimeError(f"the crawl ended with {code}")
        job = Path(folder, "job")
        lines = [line for part in job.glob("pages*.jsonl") for line in part.read_text().splitlines()]
        refusals: dict[str, int] = json.loads((job / "summary.json").read_text())["refusals"]
    urls = {json.loads(line)["url"] for line in lines}
    real = Web(web).real(served.port)
    traps = {reason: count for reason, count in refusals.items() if reason in TRAPS}
    return Measured(len(real), len(real.keys() & urls), len(urls), traps)


_KINDS: dict[str, Callable[[int], str]] = {
    "plain URLs": lambda number: f"https://www.example.com/section/{number % 50}/some-article-{number}.html",
    "dates": lambda number: f"https://www.example.com/{number}/2020/{number % 12 + 1:02}/",
    "three parameters": lambda number: (
        f"https://www.example.com/view?f={number % 10}&t={number // 4}&start={number % 4}"
    ),
}
_COUNT = 20_000  # pages, each of which leads to three new ones


def cost() -> None:
    """Print what the rules cost a page."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for kind, url in _KINDS.items():
        print(f"{kind}: {min(_time_of(url) for _ in range(5)):.1f} µs a page")
    print(f"memory: {(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1000:.0f} MB")


def _time_of(url: Callable[[int], str]) -> float:
    traps, spent = Traps(), 0.0
    for first in range(1, _COUNT, 100):
        numbers = range(first, first + 100)
        requests = [Request(number, url(number), "www.example.com:443", 3, None) for number in numbers]
        finished = [Finished(number, "crawled", 1, 200, likeness=number) for number in numbers]
        new = [(number, url(number) + "x") for number in numbers for _ in range(3)]
        began = time.process_time()
        for request in requests:
            traps.admit(request)
        traps.learn(traps.sink(finished), new, 1_780_000_000.0)
        spent += time.process_time() - began
    return spent / _COUNT * 1e6


async def measure(pages: int, processes: str) -> None:
    """Crawl, and print a table of Markdown."""
    print("| traps | rules | real pages found | fetches | in traps | refused |")
    print("|---|---|---|---|---|---|")
    for name, traps in WEBS.items():
        for rules, arguments in (("on", []), ("off", [*_WITHOUT, f"--max-pages={pages * 5 // 4}"])):
            came = await crawl(shape(pages, **traps), f"--processes={processes}", *arguments)
            refused = ", ".join(f"{reason} {count:,}" for reason, count in sorted(came.refusals.items()))
            print(
                f"| {name} | {rules} | {came.found:,} of {came.real:,} ({came.found / came.real:.1%}) "
                f"| {came.fetches:,} | {came.trapped:,} ({came.trapped / came.fetches:.1%}) | {refused} |",
                flush=True,
            )


def main() -> None:
    """Measure, and print."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--pages", type=int, default=8_000, help="real pages, about (default 8000)")
    options.add_argument("--processes", default="1", help="see crawl.py (default 1)")
    options.add_argument("--cost", action="store_true", help="measure what the rules cost, instead")
    given = options.parse_args()
    if given.cost:
        cost()
    else:
        asyncio.run(measure(given.pages, given.processes))


if __name__ == "__main__":
    main()
