"""Kills a crawl again and again, at random moments, and looks at what each kill left and what the whole came to.

What is shown: after each kill the job is in a state that `docs/durability.md` allows; in the end each URL of the web
has exactly one record; and a kill costs no more than what was under way and what two tenths of a second brought. The
kills come while the crawler starts and recovers, crawls, commits, is stopped and closes: by the clock, at each point of
`benchmarks/faults.py`, and inside writes. A kill, not a power cut: what the system has, it keeps.

    python -m benchmarks.kills [--kills=300] [--seed=N] [--processes=1]
"""

import argparse
import asyncio
import os
import random
import re
import shutil
import signal
import statistics
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from benchmarks.aftermath import IN_HAND, WAITING, Broken, Left, left
from benchmarks.faults import CREW_POINTS, POINTS, SENTINEL, Point
from benchmarks.web import Shape
from benchmarks.witness import Served, serving

__all__ = ["SHAPE", "Broken", "Death", "Killer", "Left", "Served", "kill_often", "left", "send", "serving"]

ROOT = Path(__file__).resolve().parent.parent
SHAPE = Shape(hosts=2, pages=900, links=20, most_weight=12_000, latency=0.01, slow_latency=0.02, years=2)
CONCURRENCY = 10
BATCHES = 0.2
"""Seconds of outcomes that a kill may cost: two batches."""
SLACK = 1.0
"""Seconds that a busy machine may take longer."""
KINDS = ("start", "crawl", "stop", "write", "point")
"""Of the whole crawl, or of its first process, with which the crew ends."""
OF_CREW = ("crew", "crew write", "crew point")
"""Of one process of the crew; the crawl goes on."""
_KILLED = {-signal.SIGKILL, -signal.SIGXFSZ}
_ENDED = {0, 130, -signal.SIGINT}  # the last: Ctrl-C came while the interpreter, all done, took itself down
_PATIENCE = 60.0  # seconds
_NO_PAGES = frozenset({"/robots.txt", "/sitemap.xml"})  # what makes no records
_CREW_BEGINS = re.compile(r"crew process (\d+) is number (\d+)$")
_CREW_DIED = re.compile(r"error: crew process \d+ was killed by SIG(?:KILL|XFSZ); \d+ URLs are handed out again\n")


def send(process: asyncio.subprocess.Process, number: signal.Signals) -> None:
    """Signal a process that may be ending; its own method could take the exit code away from the loop that waits."""
    with suppress(ProcessLookupError):
        os.kill(process.pid, number)


@dataclass(frozen=True, slots=True)
class Death:
    """One kill, and what it costs."""

    kind: str
    again: int  # URLs that were asked for in that run and will be asked for again
    allowed: int  # at most so many
    age: float  # seconds from the first request for one of them to the last request of that run
    beyond: int  # bytes that the next start cuts off
    end: float | None = None  # seconds from the kill until the last process had ended, where the kill came from outside


@dataclass
class Killer:
    """Runs one job on a web to its end, or visits the URLs of a finished one again, through any number of deaths."""

    web: Served
    folder: Path
    processes: int = 1
    recrawl: bool = False
    deaths: list[Death] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._first = len(self.web.asked)
        self._killed: float | None = None
        self._end: float | None = None

    async def at_random(self, chance: random.Random) -> bool:
        """Start it, and kill it sometime; False when it came to its end before. Raises Broken."""
        kind = chance.choice(KINDS if self.processes == 1 else KINDS + OF_CREW)
        process = await self.start(self._fault(kind, chance))
        self._killed = None
        try:
            async with asyncio.timeout(_PATIENCE):
                dying = asyncio.ensure_future(self._kill(process, kind, chance))
                await process.wait()  # for its crew too, which holds the other end of its standard error
                self._end = time.monotonic() - self._killed if self._killed else None
                dying.cancel()
        finally:
            if process.returncode is None:
                send(process, signal.SIGKILL)
        return await self.after(process, kind)

    def _fault(self, kind: str, chance: random.Random) -> str | None:
        if kind == "crew point":
            return f"crew:{self._choice(CREW_POINTS, chance)}@{chance.randint(1, 4)}"
        if kind == "crew write":
            return f"crew:write@{chance.randint(0, 300_000)}"
        if kind == "point":
            return f"{self._choice(POINTS, chance)}@{chance.randint(1, 4)}"
        if kind == "write":
            largest = max((path.stat().st_size for path in self.folder.glob("*")), default=0)
            return f"write@{chance.randint(0, largest + 100_000)}"
        return None

    def _choice(self, points: Mapping[str, Point], chance: random.Random) -> str:
        # In a recrawl it is another file that grows than the one to be torn.
        return chance.choice([name for name, point in points.items() if not (self.recrawl and "pages" in point.torn)])

    async def _kill(self, process: asyncio.subprocess.Process, kind: str, chance: random.Random) -> None:
        if kind == "start":
            await asyncio.sleep(chance.uniform(0, 0.6))
            return self._send_kill(process)
        await self.web.more(chance.randint(1, 60))
        await asyncio.sleep(chance.uniform(0, 0.15))
        if kind == "crawl":
            return self._send_kill(process)
        if kind in OF_CREW:
            if kind == "crew":
                self.kill_one_of_crew(chance)
            await self.web.more(chance.randint(20, 100))
        send(process, signal.SIGINT)  # some points, and some writes, come only at the end
        if kind == "stop":
            await asyncio.sleep(chance.uniform(0, 0.2))
            self._send_kill(process)
        return None

    def _send_kill(self, process: asyncio.subprocess.Process) -> None:
        self._killed = time.monotonic()
        send(process, signal.SIGKILL)

    def kill_one_of_crew(self, chance: random.Random) -> None:
        """Kill a process of the crew, if there is one yet."""
        if crew := self.crew():
            with suppress(ProcessLookupError):
                os.kill(chance.choice(crew), signal.SIGKILL)

    def crew(self) -> list[int]:
        """The numbers of the crew's processes in this run, as the log tells them."""
        latest: dict[str, int] = {}
        for line in (self.folder / "crawl.log").read_text()[self._logged :].splitlines():
            if found := _CREW_BEGINS.search(line):
                latest[found[1]] = int(found[2])
        return list(latest.values())

    async def at(self, point: str, *, stop_after: int | None = None) -> bool:
        """Start it, to die at a point of `benchmarks/faults.py`; False when it never came there. Raises Broken."""
        process = await self.start(point)
        try:
            async with asyncio.timeout(_PATIENCE):
                if stop_after is not None:
                    await self.web.more(stop_after)
                    send(process, signal.SIGINT)
                await process.wait()
        finally:
            if process.returncode is None:
                send(process, signal.SIGKILL)
        return await self.after(process, point)

    async def start(self, fault: str | None = None) -> asyncio.subprocess.Process:
        """Start the crawler, as a user does or to die at a point."""
        self._began = len(self.web.asked)
        log = self.folder / "crawl.log"
        self._logged = log.stat().st_size if log.exists() else 0
        (self.folder / SENTINEL).unlink(missing_ok=True)
        program = ["crawl.py"] if fault is None else ["-m", "benchmarks.faults", fault]
        if self.recrawl and left(self.folder).series == "pages":  # not begun yet; then the same command goes on
            program.append("--recrawl")
        return await asyncio.create_subprocess_exec(
            *(sys.executable, *program, f"--job={self.folder}", "--port=off", "--delay=0", "--retries=0"),
            f"--processes={self.processes}",
            *(f"--concurrency={CONCURRENCY}", f"--per-host={CONCURRENCY}", *self.web.web.seeds(self.web.port)),
            cwd=ROOT,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE,
        )

    async def after(self, process: asyncio.subprocess.Process, kind: str) -> bool:
        """Look at what an ended process left; was it killed? Raises Broken."""
        assert process.stderr is not None
        said = (await process.stderr.read()).decode()
        async with asyncio.timeout(_PATIENCE):
            await self.web.deserted()
        crew_died = len(_CREW_DIED.findall(said))
        if process.returncode not in _KILLED | _ENDED or _CREW_DIED.sub("", said) or crew_died > 1:
            raise Broken(f"{kind}: exit {process.returncode}, saying {said.strip()!r}")
        what = left(self.folder)
        if crew_died and process.returncode in _ENDED:
            self._note(self._death_in_crew(kind, what))
            return True
        if process.returncode not in _KILLED:
            return False
        asked = self.web.asked[self._began :]
        lost = [(at, url) for at, url in asked if url not in what.noted and urlsplit(url).path not in _NO_PAGES]
        last = asked[-1][0] if asked else 0.0  # not the time of the kill, of which a busy machine may tell us late
        lately = sum(at > last - BATCHES - SLACK for at, _ in asked)
        again = len({url for _, url in lost})
        age = last - lost[0][0] if lost else 0.0
        self._note(Death(kind, again, CONCURRENCY + lately, age, what.beyond, self._end))
        return True

    def _death_in_crew(self, kind: str, what: Left) -> Death:
        """What it cost that one of the crew died: the rest has asked again for what that one had, or will."""
        asked = [(at, url) for at, url in self.web.asked[self._began :] if urlsplit(url).path not in _NO_PAGES]
        first: dict[str, float] = {}
        again = [(at, first[url]) for at, url in asked if first.setdefault(url, at) < at]
        later = first.keys() - what.noted.keys()
        died = min((at for at, _ in again), default=asked[-1][0] if asked else 0.0)  # or a moment before
        oldest = min([before for _, before in again] + [first[url] for url in later], default=died)
        lately = sum(died - BATCHES - SLACK < at <= died for at, _ in asked)
        return Death(kind, len(again) + len(later), CONCURRENCY + lately, died - oldest, what.beyond)

    def _note(self, death: Death) -> None:
        if death.again > death.allowed:
            raise Broken(f"{death.kind}: {death.again} URLs are asked for again, more than {death.allowed}")
        self.deaths.append(death)

    async def to_the_end(self) -> None:
        """Let it come to its end, and look at the whole. Raises Broken."""
        process = await self.start()
        async with asyncio.timeout(_PATIENCE):
            await process.wait()
        if await self.after(process, "the end") or process.returncode:
            raise Broken(f"the last run ended with {process.returncode}")
        what = left(self.folder)
        expected = self.web.web.expected(self.web.port)
        if what.noted != expected:
            wrong = [url for url in {*what.noted, *expected} if what.noted.get(url) != expected.get(url)]
            raise Broken(f"{len(wrong)} URLs have a wrong record or none, such as {wrong[0]}")
        if what.beyond or what.states.get(WAITING) or what.states.get(IN_HAND):
            raise Broken(f"the finished job has leftovers: {what.beyond} bytes, states {what.states}")
        self._count_requests(expected)

    def _count_requests(self, expected: dict[str, int]) -> None:
        """Nothing was asked for that must not be, and nothing more often than the kills explain."""
        asked = Counter(url for _, url in self.web.asked[self._first :])
        others = {url for url in asked if urlsplit(url).path in _NO_PAGES}
        if strays := asked.keys() - expected.keys() - others:
            raise Broken(f"{min(strays)} was asked for")
        again = sum(asked[url] - 1 for url in expected)
        if again != sum(death.again for death in self.deaths):
            raise Broken(f"{again} requests were made again, not the {sum(death.again for death in self.deaths)} lost")
        if any(asked[url] > 1 + len(self.deaths) for url in others):
            raise Broken("a robots.txt or a sitemap was asked for more often than the crawler started")


async def kill_often(kills: int, seed: int, shape: Shape = SHAPE, processes: int = 1) -> list[Death]:
    """So many kills, of as many jobs as it takes. Raises Broken, naming the job's number."""
    chance = random.Random(seed)
    deaths: list[Death] = []
    async with serving(shape) as web:
        with tempfile.TemporaryDirectory() as scratch:
            while len(deaths) < kills:
                for recrawl in (False, True):
                    killer = Killer(web, Path(scratch, "job"), processes, recrawl)
                    while len(deaths) + len(killer.deaths) < kills and await _goes_on(killer, chance):
                        pass
                    await killer.to_the_end()
                    deaths += killer.deaths
                shutil.rmtree(killer.folder)
    return deaths


async def _goes_on(killer: Killer, chance: random.Random) -> bool:
    await killer.at_random(chance)
    what = left(killer.folder)
    if killer.recrawl and what.series == "pages":  # it has not begun
        return True
    return not what.states or bool(what.states.get(WAITING) or what.states.get(IN_HAND))


def table(deaths: Sequence[Death]) -> str:
    """What kills cost, by their kind."""
    lines = [
        "| kill | kills | asked for again: median | most | oldest of it, s: median | most | with bytes cut off |",
        "|---|---|---|---|---|---|---|",
    ]
    for kind in (*KINDS, *OF_CREW, "all"):
        some = [death for death in deaths if kind in (death.kind, "all")]
        if some:
            again, ages = [death.again for death in some], [death.age for death in some]
            lines.append(
                f"| {kind} | {len(some)} | {statistics.median(again):.0f} | {max(again)} "
                f"| {statistics.median(ages):.2f} | {max(ages):.2f} | {sum(death.beyond > 0 for death in some)} |"
            )
    if ends := [death.end for death in deaths if death.end is not None]:
        lines += [
            "",
            f"End of the last process after a kill, s: median {statistics.median(ends):.3f}, most {max(ends):.3f}",
        ]
    return "\n".join(lines)


def main() -> int:
    parser = argparse.ArgumentParser("python -m benchmarks.kills", allow_abbrev=False)
    parser.add_argument("--kills", type=int, default=300, help="(default: %(default)s)")
    parser.add_argument("--seed", type=int, default=random.randrange(10**6), help="of the moments; a new one each time")
    parser.add_argument("--processes", type=int, default=1, help="(default: %(default)s)")
    options = parser.parse_args()
    print(f"{options.kills} kills, seed {options.seed}, processes {options.processes}", flush=True)
    try:
        deaths = asyncio.run(kill_often(options.kills, options.seed, processes=options.processes))
    except Broken as error:
        print(f"broken: {error}")
        return 1
    print(table(deaths))
    return 0


if __name__ == "__main__":
    sys.exit(main())
