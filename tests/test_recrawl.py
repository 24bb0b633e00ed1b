"""--recrawl on real jobs: every kind of change, budgets, stops, kills, and what cannot be visited again."""

import asyncio
import signal
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from benchmarks.kills import left
from tests import crawling
from tests.crawling import QUICK, Crawl, Run, crawl
from tests.site import Site

DATE = "Sun, 06 Nov 1994 08:49:37 GMT"


@pytest.fixture(autouse=True)
def processes(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """One process, or as many as CREWS asks for."""
    monkeypatch.setattr(crawling, "DEFAULTS", [*crawling.DEFAULTS, f"--processes={getattr(request, 'param', 1)}"])


CREWS = pytest.mark.parametrize("processes", [1, 3], indirect=True)
"""For what holds for one process and for a crew."""


def recrawled(run: Run, number: int = 1) -> dict[str, dict[str, Any]]:
    """The records of a recrawl by path, each of which must stand once."""
    records = run.series(f"recrawl-{number}")
    by_path = {"/" + record["url"].split("/", 3)[3]: record for record in records}
    assert len(by_path) == len(records), "a URL has two records"
    return by_path


def changes(run: Run, number: int = 1) -> dict[str, str | None]:
    return {path: record["change"] for path, record in recrawled(run, number).items()}


async def again(site: Site, job: Path, *arguments: str) -> Run:
    """Visit the job again, and see that the sums are those of the records."""
    run = await crawl(job, *QUICK, "--recrawl", *arguments, site.url("/"))
    assert run.code == 0, run.err
    counted = Counter(changes(run, run.summary["recrawl"]).values())
    counted.pop(None, None)
    assert run.summary["changes"] == {"new": 0, "changed": 0, "unchanged": 0, "gone": 0} | counted
    return run


@CREWS
async def test_every_kind_of_change_is_found(site: Site, job: Path) -> None:
    paths = ("/same", "/etag", "/dated", "/edited", "/removed", "/moved", "/missing", "/lost", "/back", "/error")
    site.page("/", *paths)
    site.page("/same")
    site.page("/etag", headers={"ETag": 'W/"v 1"'})
    site.page("/dated", headers={"Last-Modified": DATE})
    site.page("/edited", headers={"ETag": '"1"'})
    site.page("/removed")
    site.page("/moved")
    site.raw("/missing", b"not here, at 10:00", status=404)
    site.page("/lost")
    site.page("/error")
    first = await crawl(job, *QUICK, site.url("/"))
    assert {record["change"] for record in first.records} == {None}

    site.page("/edited", "/found", headers={"ETag": '"2"'})
    site.page("/found")
    del site.pages["/removed"]
    site.redirect("/moved", "/same")
    site.raw("/missing", b"not here, at 11:00", status=404)
    site.raw("/lost", b"", status=410)
    site.page("/back")
    site.page("/error", status=503)
    site.arrivals.clear()
    run = await again(site, job)
    assert changes(run) == {
        "/": "unchanged",
        "/same": "unchanged",
        "/etag": "unchanged",
        "/dated": "unchanged",
        "/edited": "changed",
        "/found": "new",
        "/removed": "gone",
        "/moved": "changed",
        "/missing": "unchanged",
        "/lost": "gone",
        "/back": "changed",
        "/error": "changed",
    }
    assert "Recrawl 1: 1 new, 4 changed, 5 unchanged, 2 gone\n" in run.out
    assert sorted(site.asked) == sorted(recrawled(run))
    sent = {arrival.path: arrival.headers for arrival in site.arrivals}
    assert sent["/etag"]["if-none-match"] == 'w/"v 1"'
    assert sent["/dated"]["if-modified-since"] == DATE.lower()
    assert not {"if-none-match", "if-modified-since"} & sent["/same"].keys()
    told = recrawled(run)["/etag"]
    assert (told["status"], told["error"], told["links"], told["sha256"], told["bytes"]) == (304, None, [], None, None)
    assert (told["parent"], told["depth"], told["attempts"]) == (site.url("/"), 1, 1)
    assert run.by_url == first.by_url


async def test_a_second_recrawl_compares_with_the_first(site: Site, job: Path) -> None:
    site.page("/", "/a", "/b", headers={"ETag": '"1"'})
    site.page("/a", headers={"ETag": '"a1"'})
    site.page("/b")
    await crawl(job, *QUICK, site.url("/"))
    site.page("/a", "/c", headers={"ETag": '"a2"'})
    del site.pages["/b"]
    assert changes(await again(site, job)) == {"/": "unchanged", "/a": "changed", "/b": "gone", "/c": "new"}
    run = await again(site, job)
    assert changes(run, 2) == dict.fromkeys(("/", "/a", "/b", "/c"), "unchanged")
    assert recrawled(run, 2)["/a"]["status"] == 304
    assert "Recrawl 2: 0 new, 0 changed, 4 unchanged, 0 gone\n" in run.out
    site.page("/b")
    assert changes(await again(site, job), 3)["/b"] == "changed"


async def test_what_no_longer_answers_is_gone_and_then_new(site: Site, job: Path) -> None:
    dead = asyncio.Event()
    host = f"http://other.localhost:{site.port}"
    site.page("/", f"{host}/a", f"{host}/never")
    site.page("/a", headers={"ETag": '"1"'})
    site.page("/never", gate=dead)
    options = ("--scope=any", "--private=allow", "--timeout=0.5", "--robots=ignore")
    await crawl(job, *QUICK, *options, site.url("/"))
    site.page("/a", gate=dead)
    run = await again(site, job)
    assert changes(run) == {"/": "unchanged", "/a": "gone", "/never": None}
    assert recrawled(run)["/a"]["error"].startswith("timeout: ")
    site.page("/a", headers={"ETag": '"1"'})
    site.arrivals.clear()
    assert changes(await again(site, job), 2) == {"/": "unchanged", "/a": "new", "/never": None}
    assert not any("if-none-match" in arrival.headers for arrival in site.arrivals)


async def test_a_304_that_was_not_asked_for_is_an_answer_like_any_other(site: Site, job: Path) -> None:
    site.page("/", "/odd")
    site.raw("/odd", b"", status=304, headers={"ETag": '"1"'})
    first = await crawl(job, *QUICK, site.url("/"))
    assert first.by_url[site.url("/odd")]["status"] == 304
    assert changes(await again(site, job))["/odd"] == "unchanged"
    site.page("/odd")
    assert changes(await again(site, job), 2)["/odd"] == "changed"
    site.raw("/odd", b"", status=304)
    assert changes(await again(site, job), 3)["/odd"] == "changed"
    assert not any("if-none-match" in arrival.headers for arrival in site.arrivals)


async def test_a_304_is_believed_with_its_new_validators(site: Site, job: Path) -> None:
    """An ETag that a 304 brings is the one to ask with the next time (RFC 9111, 4.3.4)."""
    site.page("/", headers={"ETag": '"1"', "Last-Modified": DATE})
    await crawl(job, *QUICK, site.url("/"))
    site.raw("/", b"", status=304, headers={"ETag": '"2"'})
    assert changes(await again(site, job)) == {"/": "unchanged"}
    await again(site, job)
    assert site.arrivals[-1].headers["if-none-match"] == '"2"'
    assert site.arrivals[-1].headers["if-modified-since"] == DATE.lower()


async def test_what_failed_before_is_new_when_it_answers(site: Site, job: Path) -> None:
    never = asyncio.Event()
    site.page("/", "/slow")
    site.page("/slow", gate=never)
    await crawl(job, *QUICK, "--timeout=0.5", site.url("/"))
    site.page("/slow")
    assert changes(await again(site, job)) == {"/": "unchanged", "/slow": "new"}


@CREWS
@pytest.mark.parametrize("flags", [["--recrawl"], []], ids=["recrawl", "plain"])
async def test_the_same_command_goes_on_with_a_stopped_recrawl(site: Site, job: Path, flags: list[str]) -> None:
    site.page("/", *(f"/{number}" for number in range(60)))
    await crawl(job, *QUICK, site.url("/"))
    enough = asyncio.Event()
    site.arrivals.clear()
    site.watch = lambda _: enough.set() if len(site.asked) >= 20 else None
    running = await Crawl.start(job, "--delay=0.01", "--retries=0", "--recrawl", site.url("/"))
    await enough.wait()
    running.process.send_signal(signal.SIGINT)
    run = await running.end()
    assert run.code == 130
    assert "Recrawl 1 begins, with 61 URLs to visit\n" in run.out
    done = len(recrawled(run))
    assert 0 < done < 61

    end = await crawl(job, *QUICK, *flags, site.url("/"))
    assert (end.code, end.err) == (0, "")
    assert f"Recrawl 1 goes on after {done} pages, with {61 - done} URLs to visit\n" in end.out
    assert all(f"{path}\n" in end.out for path in job.glob("recrawl-1*.jsonl"))
    assert (len(recrawled(end)), len(end.by_url), len(site.asked)) == (61, 61, 61)
    assert end.summary["changes"]["unchanged"] == 61

    finished = await crawl(job, *QUICK, site.url("/"))
    assert (finished.code, finished.out.count("\n"), len(site.asked)) == (0, 1, 61)
    assert "Recrawl 1 of the job" in finished.out
    assert "--recrawl" in finished.out
    assert "--fresh" in finished.out


@CREWS
async def test_kill_9_in_a_recrawl_loses_and_doubles_nothing(site: Site, job: Path) -> None:
    paths = [f"/{number}" for number in range(200)]
    site.page("/", *paths)
    for number, path in enumerate(paths):
        site.page(path, headers={"ETag": f'"{number}"'} if number % 2 else {})
    first = await crawl(job, *QUICK, site.url("/"))
    for path in paths[::10]:
        site.page(path, f"{path}/more", title="edited")
    site.arrivals.clear()
    for kill in range(1, 4):
        enough = site.reached(kill * 40)
        running = await Crawl.start(job, "--delay=0.001", "--retries=0", "--recrawl", site.url("/"))
        await enough.wait()
        running.process.kill()
        await running.end()
    run = await again(site, job)
    assert Counter(changes(run).values()) == {"changed": 20, "new": 20, "unchanged": 181}
    assert set(recrawled(run)) == {"/", *paths, *(f"{path}/more" for path in paths[::10])}
    assert run.by_url == first.by_url
    assert not list(job.glob("recrawl-2*"))


async def test_budgets_count_anew(site: Site, job: Path) -> None:
    site.page("/", *(f"/{number}" for number in range(10)))
    await crawl(job, *QUICK, "--max-pages=4", site.url("/"))
    run = await again(site, job)
    assert len(recrawled(run)) == 4
    assert recrawled(run)["/"]["change"] == "unchanged"
    spent = await crawl(job, *QUICK, site.url("/"))
    assert "Recrawl 1 of the job" in spent.out
    assert "has spent its --max-pages=4" in spent.out
    more = await crawl(job, *QUICK, "--max-pages=none", site.url("/"))
    assert len(recrawled(more)) == 11
    assert more.summary["recrawl"] == 1


async def test_what_robots_txt_forbids_meanwhile_is_visited_when_it_allows_it_again(site: Site, job: Path) -> None:
    site.page("/", "/a")
    site.page("/a")
    await crawl(job, *QUICK, "--robots=ignore", site.url("/"))
    site.raw("/robots.txt", b"User-agent: *\nDisallow: /a")
    assert changes(await again(site, job, "--robots=obey")) == {"/": "unchanged"}
    assert changes(await again(site, job, "--robots=ignore"), 2) == {"/": "unchanged", "/a": "unchanged"}


async def test_a_new_seed_goes_into_the_recrawl(site: Site, job: Path) -> None:
    site.page("/")
    site.page("/more")
    await crawl(job, *QUICK, site.url("/"))
    run = await again(site, job, site.url("/more"))
    assert changes(run) == {"/": "unchanged", "/more": "new"}


@CREWS
async def test_fresh_throws_recrawls_away_too(site: Site, job: Path) -> None:
    site.page("/")
    await crawl(job, *QUICK, site.url("/"))
    await again(site, job)
    run = await crawl(job, *QUICK, "--fresh", "--yes", site.url("/"))
    assert not list(job.glob("recrawl-*"))
    assert "recrawl" not in run.summary
    assert [record["change"] for record in run.records] == [None]


async def error(job: Path, *arguments: str) -> str:
    """The one line that a command is refused with."""
    run = await crawl(job, *QUICK, *arguments)
    assert run.code == 2
    assert (run.out, run.err.count("\n")) == ("", 1)
    return run.err


async def test_what_cannot_be_visited_again_is_one_line(site: Site, job: Path) -> None:
    assert "there is no job" in await error(job, "--recrawl", site.url("/"))
    assert not job.exists()
    for other in ("--fresh", "--export=-", f"--explain={site.url('/')}"):
        assert "only one of them" in await error(job, "--recrawl", other, site.url("/"))
    site.page("/", "/a")
    await crawl(job, *QUICK, "--frontier=memory", site.url("/"))
    assert "--frontier=memory" in await error(job, "--recrawl")


async def test_a_first_crawl_must_be_finished_before_it_is_visited_again(site: Site, job: Path) -> None:
    never = asyncio.Event()
    site.page("/", "/never")
    site.page("/never", gate=never)
    asked = asyncio.Event()
    site.watch = lambda arrival: asked.set() if arrival.path == "/never" else None
    running = await Crawl.start(job, *QUICK, site.url("/"))
    await asked.wait()
    running.process.kill()
    await running.end()
    noted = left(job).noted
    said = await error(job, "--recrawl", site.url("/"))
    assert "the first crawl of the job" in said
    assert "without --recrawl" in said
    assert left(job).noted == noted
    never.set()
    assert len((await crawl(job, *QUICK, site.url("/"))).by_url) == 2
    await again(site, job)


async def test_a_crawl_that_has_hardly_begun_is_not_visited_again(site: Site, job: Path) -> None:
    """It was killed before it had a frontier."""
    job.mkdir()
    (job / "job.toml").touch()
    site.page("/")
    assert "without --recrawl" in await error(job, "--recrawl", site.url("/"))
    assert len((await crawl(job, *QUICK, site.url("/"))).by_url) == 1


async def test_a_job_without_any_page_has_nothing_to_visit_again(site: Site, job: Path) -> None:
    site.raw("/robots.txt", b"User-agent: *\nDisallow: /")
    await crawl(job, *QUICK, site.url("/"))
    assert "nothing to visit again" in await error(job, "--recrawl", site.url("/"))
