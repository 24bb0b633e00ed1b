"""Disks that fill up, folders and files that cannot be used: one clear line, a pause or exit 2, and nothing lost."""

import asyncio
import os
import re
import resource
import shutil
import signal
import sqlite3
import subprocess
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest

from benchmarks.kills import left
from benchmarks.throughput import family
from tests.crawling import QUICK, Crawl, Run, crawl
from tests.site import Site, served

pytestmark = pytest.mark.usefixtures("processes")

PAGES = 300
PAUSES = re.compile(r"error: (cannot save, so the crawl pauses|no URLs can be claimed, so the crawl waits): [^\n]+\n")


@pytest.fixture
async def site() -> AsyncIterator[Site]:
    async with served() as site:
        site.page("/", *(f"/{number}" for number in range(PAGES)))
        for number in range(PAGES):
            site.page(f"/{number}", "/", title=f"{number} " + "long " * 200)
        yield site


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of its own, of a few megabytes."""
    folder = tmp_path / "disk"
    folder.mkdir()
    if os.geteuid() or shutil.which("mount") is None:
        pytest.skip("only root may mount a small file system")
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8m", "waterspout", folder], capture_output=True)
    if mounted.returncode:
        pytest.skip(f"no small file system can be mounted: {mounted.stderr.decode().strip()}")
    yield folder
    subprocess.run(["umount", "--lazy", folder], check=True)


async def started(site: Site, job: Path) -> Crawl:
    """A crawl that has made some pages."""
    some = asyncio.Event()
    site.watch = lambda _: some.set() if len(site.asked) >= 40 else None
    running = await Crawl.start(job, "--delay=0.005", "--retries=0", site.url("/"))
    await some.wait()
    return running


async def pauses(running: Crawl) -> None:
    """Wait for the line that says so, which is the first that it says."""
    assert running.process.stderr is not None
    async with asyncio.timeout(30):
        line = (await running.process.stderr.readline()).decode()
        while "job.toml cannot be written" in line:  # it notes an address at the same moment
            line = (await running.process.stderr.readline()).decode()
    assert PAUSES.fullmatch(line), line


def says_little(run: Run) -> None:
    """After its first line one of the other room that cannot save, at most; if stopped, two more of what is lost."""
    lines = run.err.splitlines()
    processes = 1 + len(list(run.folder.glob("pages-*.jsonl")))
    assert len(lines) <= (2 + processes if run.code == 130 else 1), run.err
    if run.code == 130:
        assert any("could not be saved; their URLs will be asked for again" in line for line in lines), run.err
    assert all(line.startswith(("error: ", "warning: ")) for line in lines), run.err


def limited(running: Crawl, most: int) -> None:
    """Let no file of a crawl that runs grow beyond so many bytes."""
    for process in family(running.process.pid):
        _, hard = resource.prlimit(process, resource.RLIMIT_FSIZE)
        resource.prlimit(process, resource.RLIMIT_FSIZE, (most, hard))


def fill(disk: Path) -> None:
    """Leave no room on a disk."""
    try:
        with (disk / "ballast").open("ab", buffering=0) as ballast:
            while True:
                ballast.write(bytes(1024))
    except OSError:
        pass


def all_is_there(run: Run, site: Site) -> None:
    """Every page has its record."""
    assert run.code == 0, run.err
    assert "Not all could be saved" not in run.out
    assert set(run.by_url) == {site.url("/"), *(site.url(f"/{number}") for number in range(PAGES))}


async def test_on_a_full_disk_the_crawl_waits_for_room(site: Site, disk: Path) -> None:
    running = await started(site, disk / "job")
    fill(disk)
    await pauses(running)
    asked = len(site.asked)
    (disk / "ballast").unlink()
    run = await running.end()
    all_is_there(run, site)
    assert len(site.asked) == PAGES + 1, "nothing was asked for again"
    assert asked < PAGES
    says_little(run)


async def test_on_a_full_disk_a_stop_ends_soon_and_loses_nothing(site: Site, disk: Path) -> None:
    running = await started(site, disk / "job")
    fill(disk)
    await pauses(running)
    running.process.send_signal(signal.SIGINT)
    async with asyncio.timeout(10):
        run = await running.end()
    assert run.code == 130
    says_little(run)
    assert left(disk / "job").noted
    full = await crawl(disk / "job", *QUICK, site.url("/"))
    assert (full.code, full.out) == (2, "")
    assert full.err.count("\n") == 1
    (disk / "ballast").unlink()
    all_is_there(await crawl(disk / "job", *QUICK, site.url("/")), site)


@pytest.mark.skipif(not hasattr(resource, "prlimit"), reason="a limit from outside is of Linux")
@pytest.mark.parametrize("most", [0, 100_000])
async def test_when_files_cannot_grow_the_crawl_waits_until_they_can(site: Site, job: Path, most: int) -> None:
    """At 100,000 bytes the records have no room; at 0 nothing at all has, the log included."""
    running = await started(site, job)
    limited(running, most)
    await pauses(running)
    limited(running, resource.prlimit(running.process.pid, resource.RLIMIT_FSIZE)[1])
    run = await running.end()
    all_is_there(run, site)
    assert len(site.asked) == PAGES + 1, "nothing was asked for again"
    says_little(run)


@pytest.mark.skipif(not hasattr(resource, "prlimit"), reason="a limit from outside is of Linux")
async def test_when_files_cannot_grow_a_stop_ends_soon_and_loses_nothing(site: Site, job: Path) -> None:
    running = await started(site, job)
    limited(running, 0)
    await pauses(running)
    running.process.send_signal(signal.SIGINT)
    async with asyncio.timeout(10):
        run = await running.end()
    assert run.code == 130
    says_little(run)
    assert left(job).noted
    all_is_there(await crawl(job, *QUICK, site.url("/")), site)


async def stopped(site: Site, job: Path) -> None:
    """Leave a job that was stopped midway."""
    running = await started(site, job)
    running.process.send_signal(signal.SIGINT)
    assert (await running.end()).code == 130


def contents(job: Path) -> dict[str, bytes]:
    """What the job has found."""
    return {path.name: path.read_bytes() for path in job.iterdir() if path.suffix in (".jsonl", ".sqlite")}


def shortened(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


def altered(path: Path) -> None:
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join([b"{}\n", *lines]))


def overwritten(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:4096] + b"\xff" * (path.stat().st_size - 4096))


def foreign(path: Path) -> None:
    path.unlink()
    db = sqlite3.connect(path)
    db.execute("CREATE TABLE bookmarks (url TEXT)")
    db.commit()
    db.close()


def newer(path: Path) -> None:
    db = sqlite3.connect(path)
    db.execute("PRAGMA user_version = 99")
    db.close()


DAMAGES: dict[str, tuple[str, Callable[[Path], object], str]] = {
    "records gone": ("pages.jsonl", Path.unlink, ".jsonl is gone, of which "),
    "records shortened": ("pages.jsonl", shortened, "noted"),
    "records altered": ("pages.jsonl", altered, "changed by another program"),
    "frontier gone": ("frontier.sqlite", Path.unlink, "no frontier.sqlite"),
    "frontier emptied": ("frontier.sqlite", lambda path: os.truncate(path, 0), "no frontier.sqlite"),
    "frontier shortened": ("frontier.sqlite", shortened, "malformed: --fresh starts over"),
    "frontier overwritten": ("frontier.sqlite", overwritten, "malformed: --fresh starts over"),
    "frontier is text": (
        "frontier.sqlite",
        lambda path: path.write_text("This is no database. " * 999),
        "--fresh starts",
    ),
    "frontier foreign": ("frontier.sqlite", foreign, "another program"),
    "frontier newer": ("frontier.sqlite", newer, "layout 99"),
    "settings torn": ("job.toml", lambda path: path.write_text("[settings"), "job.toml: not TOML"),
}


@pytest.mark.parametrize("damage", DAMAGES)
async def test_a_damaged_job_is_refused_in_one_line_and_left_alone(
    site: Site, job: Path, damage: str, processes: int
) -> None:
    await stopped(site, job)
    name, harm, complaint = DAMAGES[damage]
    if name == "pages.jsonl" and processes > 1:
        name = max(job.glob("pages-*.jsonl"), key=lambda path: path.stat().st_size).name
    harm(job / name)
    before, asked = contents(job), len(site.asked)
    run = await crawl(job, *QUICK, site.url("/"))
    assert (run.code, run.out) == (2, "")
    assert run.err.startswith("crawl.py: ")
    assert run.err.count("\n") == 1
    assert complaint in run.err
    after = contents(job)
    if name.startswith("pages"):  # the frontier is whole, and may have taken back what was in hand
        del before["frontier.sqlite"], after["frontier.sqlite"]
    assert after == before
    assert len(site.asked) == asked


async def test_what_lies_beyond_the_noted_position_is_cut_off(site: Site, job: Path) -> None:
    await stopped(site, job)
    noted = left(job).noted
    with max(job.glob("pages*.jsonl")).open("ab") as file:
        file.write(b'{"url": "http://x.example/"}\n\0\xff garbage' * 1000)
    run = await crawl(job, *QUICK, site.url("/"))
    all_is_there(run, site)
    assert len(site.asked) == PAGES + 1
    assert noted.keys() <= run.by_url.keys()


@pytest.mark.parametrize("begun", [False, True])
async def test_a_read_only_disk_is_named_in_one_line(site: Site, disk: Path, begun: bool) -> None:
    job = disk / "job"
    if begun:
        await stopped(site, job)
    before = contents(job) if begun else {}  # nothing at all can be written here
    subprocess.run(["mount", "-o", "remount,ro", disk], check=True)
    run = await Crawl.start(job, *QUICK, site.url("/"))
    ended = await run.end()
    assert (ended.code, ended.out) == (2, "")
    assert ended.err == f"crawl.py: the job folder {job} cannot be used: Read-only file system\n"
    subprocess.run(["mount", "-o", "remount,rw", disk], check=True)
    assert (contents(job) if begun else {}) == before
    all_is_there(await crawl(job, *QUICK, site.url("/")), site)


@pytest.mark.skipif(os.geteuid() == 0, reason="nothing is read-only to root")
async def test_a_read_only_folder_is_named_in_one_line(site: Site, job: Path) -> None:
    job.mkdir(mode=0o500)
    run = await crawl(job, *QUICK, site.url("/"))
    assert (run.code, run.out) == (2, "")
    assert run.err == f"crawl.py: the job folder {job} cannot be used: Permission denied\n"
