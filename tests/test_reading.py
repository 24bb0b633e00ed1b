"""The frontier of a job, looked into from outside: while it is crawled, after a kill, after its end."""

import shutil
import sqlite3
from collections.abc import Container
from pathlib import Path

import pytest

from crawler.frontier import FRONTIERS, FrontierError, Known, layout, make, reader
from crawler.frontier.reading import SqliteReader
from crawler.frontier.sqlite import SqliteFrontier
from crawler.model import Finished, Found

SEED, NEXT = "http://a.example/", "http://a.example/next"
CRAWLED = Known(SEED, "crawled", 0, None, 1, 200, None, 0.0)


async def begun(folder: Path) -> SqliteFrontier:
    """The frontier of a job that is being crawled: one URL is crawled, one is in hand."""
    frontier = SqliteFrontier.of_job(folder)
    await frontier.open()
    await frontier.add(Found([SEED], 0))
    (seed,) = await frontier.claim({"a.example:80": 1}, 1.0)
    await frontier.finish([Finished(seed.id, "crawled", 1, 200, found=[Found([NEXT], 1, seed.id)])], {"jsonl": 1})
    await frontier.note("robots:x", "rules")
    await frontier.claim({"a.example:80": 1}, 1.0)
    return frontier


def contents(folder: Path) -> dict[str, bytes]:
    """The files of a folder; the index of SQLite's log apart, which holds no data and is shared by all who look."""
    return {path.name: b"" if path.name.endswith("-shm") else path.read_bytes() for path in folder.iterdir()}


async def check(folder: Path, state: str = "waiting") -> None:
    """Look at everything, and leave nothing behind. What is in hand only its owner knows: from outside it waits."""
    before = contents(folder)
    look = reader("sqlite", folder)
    assert await look.why(SEED) == CRAWLED
    assert await look.why("http://a.example/never") is None
    assert [(one.url, one.state) async for one in look.scan()] == [(SEED, "crawled"), (NEXT, state)]
    assert await look.chain(NEXT) == [SEED]
    assert await look.notes("robots:") == {"robots:x": "rules"}
    assert (await look.pages(), await look.pages("a.example:80"), await look.pages("b.example:80")) == (1, 1, 0)
    assert contents(folder) == before


async def test_a_crawl_that_runs_is_seen_as_it_is(tmp_path: Path) -> None:
    frontier = await begun(tmp_path)
    await check(tmp_path)
    await frontier.add(Found(["http://a.example/new"], 1))  # it is not held up
    assert await reader("sqlite", tmp_path).why("http://a.example/new")
    await frontier.close()


@pytest.mark.parametrize("index", ["with its index", "without"])
async def test_a_killed_crawl_is_seen_with_its_log(tmp_path: Path, index: str) -> None:
    """A kill leaves the files as they are in the middle of a crawl; most of it may stand in the log alone."""
    (tmp_path / "job").mkdir()
    frontier = await begun(tmp_path / "job")
    killed = Path(shutil.copytree(tmp_path / "job", tmp_path / "killed"))
    await frontier.close()
    if index == "without":
        (killed / "frontier.sqlite-shm").unlink()
        assert await reader("sqlite", killed).why(SEED) == CRAWLED
    await check(killed)
    again = SqliteFrontier.of_job(killed)
    await again.open()
    assert again.counts().waiting == 1
    await again.close()


async def test_an_ended_crawl_is_one_file_and_stays_so(tmp_path: Path) -> None:
    await (await begun(tmp_path)).close()
    assert [path.name for path in tmp_path.iterdir()] == ["frontier.sqlite"]
    await check(tmp_path)


async def test_a_folder_that_cannot_be_written_can_be_looked_into(tmp_path: Path) -> None:
    await (await begun(tmp_path)).close()
    tmp_path.chmod(0o500)
    try:
        await check(tmp_path)
    finally:
        tmp_path.chmod(0o700)


async def test_a_crawl_that_begins_during_a_scan_does_not_disturb_it(tmp_path: Path) -> None:
    urls = [f"http://a.example/{number}" for number in range(2500)]
    frontier = SqliteFrontier.of_job(tmp_path)
    await frontier.open()
    await frontier.add(Found(urls, 0))
    await frontier.close()
    scan = reader("sqlite", tmp_path).scan()
    seen = [await anext(scan)]
    await frontier.open()
    claimed = await frontier.claim({"a.example:80": 2500}, 1.0)
    await frontier.finish([Finished(request.id, "crawled", 1, 200) for request in claimed], {})
    seen += [await anext(scan) for _ in range(1500)]
    await frontier.close()
    seen += [known async for known in scan]
    assert [known.url for known in seen] == urls
    assert [known.state for known in seen] == ["waiting"] * 1000 + ["crawled"] * 1500


async def test_what_was_read_while_a_crawl_began_and_ended_is_read_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await (await begun(tmp_path)).close()
    look_up = layout.known
    calls: list[list[Known]] = []

    def disturbed(db: sqlite3.Connection, first: int, last: int, in_hand: Container[int]) -> list[Known]:
        found = look_up(db, first, last, in_hand)
        if not calls:
            with sqlite3.connect(tmp_path / "frontier.sqlite") as other:
                other.execute("UPDATE fates SET status = 404 WHERE id = 1")
            other.close()
        calls.append(found)
        return found

    monkeypatch.setattr(layout, "known", disturbed)
    known = await reader("sqlite", tmp_path).why(SEED)
    assert known is not None
    assert [known.status, len(calls)] == [404, 2]


def nothing(path: Path) -> None:
    pass


def empty(path: Path) -> None:
    path.touch()


def noise(path: Path) -> None:
    path.write_bytes(b"no database" * 1000)


def foreign(path: Path) -> None:
    with sqlite3.connect(path) as db:
        db.execute("CREATE TABLE theirs (x)")
    db.close()


@pytest.mark.parametrize("make_file", [nothing, empty, noise, foreign])
async def test_what_is_no_frontier_is_named_in_one_line(tmp_path: Path, make_file: object) -> None:
    assert callable(make_file)
    make_file(tmp_path / "frontier.sqlite")
    before = contents(tmp_path)
    with pytest.raises(FrontierError, match=r"\A[^\n]*frontier\.sqlite[^\n]*\Z"):
        await SqliteReader(tmp_path / "frontier.sqlite").why(SEED)
    assert contents(tmp_path) == before


@pytest.mark.parametrize("name", FRONTIERS)
async def test_a_frontier_that_is_not_kept_says_so(name: str, tmp_path: Path) -> None:
    if make(name, tmp_path).durable:
        reader(name, tmp_path)
    else:
        with pytest.raises(FrontierError, match=r"\A[^\n]+\Z"):
            reader(name, tmp_path)
