"""Killed at any moment, the same command goes on: nothing lost, nothing twice, and little asked for again.

`docs/durability.md` says what each kill may leave; `python -m benchmarks.kills` is the long form, with hundreds.
"""

import asyncio
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from benchmarks import kills
from benchmarks.faults import POINTS
from benchmarks.kills import Killer, left
from benchmarks.sites import Shape

SMALL = Shape(hosts=2, pages=400, links=20, most_weight=8_000, latency=0.01, slow_latency=0.02, years=2)
OPENING = [name for name in POINTS if name.startswith(("job.toml/", "open/", "cut-back/", "seeds/"))]
STOPPING = [name for name, point in POINTS.items() if point.stopping]
AGAIN = [name for name in POINTS if name.startswith("recrawl/")]
CRAWLING = [name for name in POINTS if name not in OPENING + STOPPING + AGAIN]
ONCE = ("summary.json/rename", "note/end")  # they come first, and not again soon


@pytest.fixture
async def killer(tmp_path: Path) -> AsyncIterator[Killer]:
    async with kills.serving(SMALL) as web:
        yield Killer(web, tmp_path / "job")


async def test_killed_at_each_point_of_the_first_start(killer: Killer) -> None:
    for point in OPENING:
        assert await killer.at(point), f"{point} was not reached"
        assert not left(killer.folder).noted
    await killer.to_the_end()


async def test_killed_at_each_point_of_a_recovery(killer: Killer) -> None:
    """There is a torn line to cut off, and URLs are in hand, until a start gets as far as that."""
    assert await killer.at("append/torn@3")
    noted, beyond = left(killer.folder).noted, left(killer.folder).beyond
    assert noted
    assert beyond > 0
    for point in OPENING:
        if point in ("open/create", "open/created"):
            continue
        assert await killer.at(point), f"{point} was not reached"
        cut = OPENING.index(point) >= OPENING.index("cut-back/end")
        assert left(killer.folder).beyond == (0 if cut else beyond)
        assert left(killer.folder).noted == noted
    await killer.to_the_end()


async def test_killed_at_each_point_of_the_crawl(killer: Killer) -> None:
    for point in (*ONCE, *(f"{point}@2" for point in CRAWLING if point not in ONCE)):
        assert await killer.at(point), f"{point} was not reached"
    await killer.to_the_end()


async def test_killed_at_each_point_of_a_stop(killer: Killer) -> None:
    for point in STOPPING:
        assert await killer.at(point, stop_after=20), f"{point} was not reached"
    await killer.to_the_end()


async def test_killed_at_each_point_of_a_recrawl(killer: Killer) -> None:
    await killer.to_the_end()
    again = Killer(killer.web, killer.folder, recrawl=True)
    pages = left(killer.folder)
    for point in AGAIN:
        assert await again.at(point), f"{point} was not reached"
        assert left(killer.folder).series == ("pages" if point == "recrawl/in" else "recrawl-1")
        assert left(killer.folder).noted == (pages.noted if point == "recrawl/in" else {})
    for point in (f"{point}@2" for point in CRAWLING if point not in (*ONCE, "append/torn")):
        assert await again.at(point), f"{point} was not reached"
    assert await again.at("write@40000")
    await again.to_the_end()
    assert len((killer.folder / "pages.jsonl").read_bytes().splitlines()) == len(pages.noted)


@pytest.mark.parametrize("most", [0, 5_000, 50_000])
async def test_killed_inside_a_write(killer: Killer, most: int) -> None:
    """The write that would make some file longer than so many bytes is cut there, and kills."""
    for longer in range(2):
        assert await killer.at(f"write@{most + longer * 4_500}")
    await killer.to_the_end()


@pytest.mark.parametrize("seed", [1, 2])
async def test_killed_at_random_moments(seed: int) -> None:
    assert len(await kills.kill_often(10, seed, SMALL)) == 10


async def test_a_kill_costs_what_was_under_way_and_two_batches(tmp_path: Path) -> None:
    """At 100 pages a second, a kill after 250: far fewer than those are asked for again (see `Killer.after`)."""
    shape = Shape(hosts=1, pages=600, links=40, most_weight=8_000, latency=0.1, years=0)
    async with kills.serving(shape) as web:
        killer = Killer(web, tmp_path / "job")
        process = await killer.start()
        async with asyncio.timeout(60):
            await web.more(250)
            kills.send(process, signal.SIGKILL)
            await process.wait()
        assert await killer.after(process, "crawl")
        assert killer.deaths[0].again <= killer.deaths[0].allowed < 200
