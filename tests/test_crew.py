"""Several processes crawl as one: what happens when some of them die, and when a job goes on with fewer or more."""

import asyncio
import contextlib
import fcntl
import os
import random
import re
import signal
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from benchmarks import kills
from benchmarks.faults import CREW_POINTS, POINTS
from benchmarks.kills import Killer, left
from benchmarks.sites import Shape
from tests import crash_on_poison
from tests.crawling import DEFAULTS, QUICK, ROOT, Crawl, Run, crawl
from tests.site import Arrival, Site

CREW = "--processes=3"
SMALL = Shape(hosts=2, pages=400, links=20, most_weight=8_000, latency=0.01, slow_latency=0.02, years=2)
KILLED = re.compile(r"(error: crew process \d was killed by SIGKILL; \d+ URLs are handed out again\n)+")


@pytest.fixture
def wide(site: Site) -> Site:
    """A page that links to 300 others."""
    site.page("/", *(f"/{number}" for number in range(300)))
    for number in range(300):
        site.page(f"/{number}", delay=0.01)
    return site


def after(site: Site, number: int, what: Callable[[], None]) -> None:
    """Do something once so many pages have been asked for."""

    def watch(_: Arrival) -> None:
        if len(site.asked) == number:
            what()

    site.watch = watch


def processes(job: Path) -> list[int]:
    """The numbers of the crew's processes, in the order they began."""
    return [int(number) for number in re.findall(r"crew process \d is number (\d+)", (job / "crawl.log").read_text())]


def kill(*numbers: int) -> None:
    for number in numbers:
        os.kill(number, signal.SIGKILL)


def check_all(run: Run, site: Site) -> None:
    assert len(run.by_url) == 301
    assert {record["status"] for record in run.records} == {200}
    assert set(site.asked) == {"/", *(f"/{number}" for number in range(300))}


async def test_all_of_them_work(wide: Site, job: Path) -> None:
    run = await crawl(job, CREW, *QUICK, wide.url("/"))
    check_all(run, wide)
    assert len(wide.asked) == 301
    written = {path.name: path.stat().st_size for path in job.glob("pages*")}
    assert written.keys() == {"pages-1.jsonl", "pages-2.jsonl", "pages-3.jsonl"}
    assert all(written.values())


async def test_one_that_is_killed_is_named_and_replaced(wide: Site, job: Path) -> None:
    after(wide, 50, lambda: kill(processes(job)[0]))
    run = await crawl(job, CREW, *QUICK, wide.url("/"))
    assert run.code == 0
    assert KILLED.fullmatch(run.err)
    assert len(processes(job)) == 4
    check_all(run, wide)


async def test_all_of_them_are_killed_at_once(wide: Site, job: Path) -> None:
    after(wide, 50, lambda: kill(*processes(job)[:3]))
    run = await crawl(job, CREW, *QUICK, wide.url("/"))
    assert run.code == 0
    assert KILLED.fullmatch(run.err)
    assert len(processes(job)) == 6
    check_all(run, wide)


async def test_killed_again_and_again_they_finish_all_the_same(wide: Site, job: Path) -> None:
    """At every twentieth request one dies, also before it has saved anything."""
    chance = random.Random(1)

    def watch(_: Arrival) -> None:
        if len(wide.asked) % 20 == 0 and (begun := processes(job)):
            with contextlib.suppress(ProcessLookupError):
                kill(chance.choice(begun[-3:]))

    wide.watch = watch
    run = await crawl(job, CREW, "--concurrency=10", *QUICK, wide.url("/"))
    assert run.code == 0
    check_all(run, wide)


async def test_they_end_with_the_first_process_and_hold_its_lock_until_then(wide: Site, job: Path) -> None:
    reached = wide.reached(50)
    running = await Crawl.start(job, CREW, *QUICK, wide.url("/"))
    await reached.wait()
    running.process.kill()
    await running.end()
    lock = os.open(job, os.O_RDONLY)
    async with asyncio.timeout(10):  # it takes some milliseconds
        await asyncio.to_thread(fcntl.flock, lock, fcntl.LOCK_EX)
    os.close(lock)
    check_all(await crawl(job, CREW, *QUICK, wide.url("/")), wide)


async def test_one_that_outlives_the_first_keeps_others_out(wide: Site, job: Path) -> None:
    reached = wide.reached(50)
    first = await asyncio.create_subprocess_exec(
        *(sys.executable, str(ROOT / "crawl.py"), CREW, *DEFAULTS, f"--job={job}", *QUICK, wide.url("/")),
        stdout=asyncio.subprocess.DEVNULL,  # not a pipe, which a frozen process would keep open
        stderr=asyncio.subprocess.DEVNULL,
    )
    await reached.wait()
    frozen = processes(job)[1]
    stat = Path(f"/proc/{frozen}/stat")
    if not stat.exists():
        pytest.skip("there is no /proc, in which one sees that a process stands still")
    os.kill(frozen, signal.SIGSTOP)
    while stat.read_text().rpartition(")")[2].split()[0] != "T":
        await asyncio.sleep(0)
    first.kill()
    await first.wait()
    try:
        refused = await crawl(job, CREW, *QUICK, wide.url("/"))
    finally:
        os.kill(frozen, signal.SIGCONT)
    assert (refused.code, refused.err.count("\n")) == (2, 1)
    assert "is being crawled by another process" in refused.err
    check_all(await crawl(job, CREW, *QUICK, wide.url("/")), wide)


@pytest.mark.parametrize("numbers", [(1, 3, 2), (3, 1, 3)])
async def test_a_job_goes_on_with_another_number_of_processes(
    wide: Site, job: Path, numbers: tuple[int, int, int]
) -> None:
    for number, until in zip(numbers[:2], (50, 150), strict=True):
        reached = wide.reached(until)
        running = await Crawl.start(job, f"--processes={number}", *QUICK, wide.url("/"))
        await reached.wait()
        running.process.kill()
        await running.end()
    run = await crawl(job, f"--processes={numbers[2]}", *QUICK, wide.url("/"))
    assert run.code == 0
    check_all(run, wide)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_a_stop_ends_all_and_saves_what_has_ended(wide: Site, job: Path, number: signal.Signals) -> None:
    reached = wide.reached(100)
    running = await Crawl.start(job, CREW, *QUICK, wide.url("/"))
    await reached.wait()
    running.process.send_signal(number)
    stopped = await running.end()
    assert (stopped.code, stopped.err) == (130, "")
    assert len(stopped.by_url) == len(wide.asked)
    for process in processes(job):
        with pytest.raises(ProcessLookupError):
            os.kill(process, 0)
    check_all(await crawl(job, CREW, *QUICK, wide.url("/")), wide)
    assert len(wide.asked) == 301


async def test_signals_to_one_of_them_change_nothing(wide: Site, job: Path) -> None:
    def signal_it() -> None:
        os.kill(processes(job)[0], signal.SIGINT)
        os.kill(processes(job)[0], signal.SIGTERM)

    after(wide, 50, signal_it)
    run = await crawl(job, CREW, *QUICK, wide.url("/"))
    assert (run.code, run.err) == (0, "")
    check_all(run, wide)
    assert len(processes(job)) == 3


@pytest.mark.parametrize("point", CREW_POINTS)
async def test_one_dies_at_each_point(tmp_path: Path, point: str) -> None:
    async with kills.serving(SMALL) as web:
        killer = Killer(web, tmp_path / "job", processes=3)
        at = "" if point == "crew/begin" else "@3"
        assert await killer.at(f"crew:{point}{at}"), f"{point} was not reached"
        assert not left(killer.folder).beyond
        await killer.to_the_end()


async def test_the_first_process_dies_at_each_point_of_its_own(tmp_path: Path) -> None:
    async with kills.serving(SMALL) as web:
        killer = Killer(web, tmp_path / "job", processes=3)
        for name, point in sorted(POINTS.items(), key=lambda item: not item[0].startswith("open/")):
            if "JsonlStore" in point.owner or name.startswith("recrawl/"):
                continue  # the one happens in the crew, the other in a later crawl
            assert await killer.at(name, stop_after=20 if point.stopping else None), f"{name} was not reached"
        await killer.to_the_end()


async def test_killed_at_random_moments(tmp_path: Path) -> None:
    assert len(await kills.kill_often(10, 3, SMALL, processes=3)) == 10


@pytest.mark.parametrize("count", [1, 5])
async def test_pages_that_crash_them_are_found_out_and_the_others_are_crawled(
    wide: Site, job: Path, count: int
) -> None:
    poison = [f"/poison{number}" for number in range(count)]
    links = [f"/{number}" for number in range(300)]
    for number, path in enumerate(poison):  # apart, so that one is handed out while others are being found out
        links.insert(40 * number + 50, path)
        wide.page(path, title=crash_on_poison.TITLE, delay=0.01)
    wide.page("/", *links)
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.crash_on_poison", CREW, *DEFAULTS, f"--job={job}", *QUICK, "--per-host=50"),
        wide.url("/"),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    run = await Crawl(process, job).end()
    assert run.code == 0
    assert len(run.by_url) == 301 + count
    failed = [record for record in run.records if record["status"] != 200]
    assert {record["url"] for record in failed} == {wide.url(path) for path in poison}
    assert all(record["error"].startswith("crashed: ") for record in failed)
    assert max(wide.asked.count(path) for path in poison) == 2


async def test_a_crew_that_cannot_be_started_ends_the_crawl_in_one_line(wide: Site, job: Path, tmp_path: Path) -> None:
    """As when the system allows no more processes; what it had begun is gone at the end."""
    (tmp_path / "sitecustomize.py").write_text(
        "import sys\nif sys.orig_argv[1].endswith('crawl.py'): sys.executable = '/nowhere/python'\n"
    )
    running = await Crawl.start(job, CREW, *QUICK, wide.url("/"), environment={"PYTHONPATH": str(tmp_path)})
    run = await running.end()
    assert run.code == 1
    assert re.fullmatch(
        r"crawl.py: the crew's process \d cannot be started: No such file or directory; [^\n]+\n", run.err
    )


async def test_a_bug_in_one_of_them_is_told_in_one_line_and_in_the_log(wide: Site, job: Path, tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text(
        "import sys\nif 'crawler.crew' in sys.orig_argv:\n"
        "    from crawler import fetcher\n    fetcher.make = lambda *_: 1 / 0\n"
    )
    path = f"{ROOT}:{tmp_path}"
    running = await Crawl.start(job, CREW, *QUICK, wide.url("/"), environment={"PYTHONPATH": path})
    run = await running.end()
    assert run.code == 1
    assert "error: a bug ends crew process 1: division by zero\n" in run.err
    assert "Traceback" not in run.err
    assert "ZeroDivisionError" in (job / "crawl.log").read_text()


async def test_a_crew_that_cannot_work_ends_the_crawl_in_one_line(wide: Site, job: Path, tmp_path: Path) -> None:
    """Each process fails at its start, as with a broken installation."""
    (tmp_path / "sitecustomize.py").write_text("import os, sys\nif 'crawler.crew' in sys.orig_argv: os._exit(7)\n")
    running = await Crawl.start(job, CREW, *QUICK, wide.url("/"), environment={"PYTHONPATH": str(tmp_path)})
    run = await running.end()
    assert run.code == 1
    assert re.fullmatch(
        r"(error: crew process \d ended with 7; \d+ URLs are handed out again\n)+crawl.py: .*\n", run.err
    )


async def test_nothing_is_imported_from_the_folder_where_the_user_is(
    wide: Site, job: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PYTHONPATH", raising=False)
    (job.parent / "random.py").write_text("raise SystemExit('not meant for the crawler')\n")
    run = await crawl(job, CREW, *QUICK, wide.url("/"))
    assert (run.code, run.err) == (0, "")
