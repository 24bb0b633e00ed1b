"""Pages with the same content: the contract over all frontiers, then real jobs."""

import asyncio
import contextlib
import hashlib
import json
import signal
import threading
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from tornado.httpclient import AsyncHTTPClient

from crawler.changes import visit
from crawler.frontier import FRONTIERS, Frontier, FrontierError, make, reader, reading, visits
from crawler.frontier.sqlite import SqliteFrontier
from crawler.model import Finished, Found, Outcome, Request, Visit
from parsers.page import Page, Response
from tests.crawling import QUICK, Crawl, crawl
from tests.site import Site

HOST = "a.example:80"


def a(name: object) -> str:
    return f"http://a.example/{name}"


def brought(body: str | None, status: int = 200) -> Visit:
    """What is kept of a visit to a page with this body; None: it was not read."""
    page = Page(sha256=None if body is None else hashlib.sha256(body.encode()).hexdigest())
    response = Response("http://a.example/", status, {}, b"", 0.0)
    kept = visit(Outcome(Request(1, "http://a.example/", HOST, 0, None), 0.0, response=response, page=page))
    assert kept is not None
    return kept


@pytest.fixture(params=FRONTIERS)
async def frontier(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Frontier]:
    frontier = make(request.param, tmp_path)
    await frontier.open()
    yield frontier
    await frontier.close()


async def crawled(frontier: Frontier, *brought: Visit | None) -> None:
    """Let so many URLs bring this, the last one first."""
    await frontier.add(Found([a(number) for number in range(1, len(brought) + 1)], 0))
    requests = await frontier.claim({HOST: len(brought)}, 1.0)
    for request, kept in reversed(list(zip(requests, brought, strict=True))):
        await frontier.finish([Finished(request.id, "crawled", 1, visit=kept)], {})


async def originals(frontier: Frontier, count: int) -> list[str | None]:
    return [await frontier.original(a(number)) for number in range(1, count + 1)]


async def test_the_url_found_first_is_the_original(frontier: Frontier) -> None:
    same = brought("same")
    await crawled(frontier, brought("other"), same, brought("third"), same, same)
    assert await originals(frontier, 6) == [None, None, None, a(2), a(2), None]


async def test_only_pages_with_content_have_duplicates(frontier: Frontier) -> None:
    kinds = [brought(""), brought(None), brought("error", 404), brought("moved", 301), Visit(), None]
    kinds.append(brought("no content", 204))
    await crawled(frontier, *kinds, *kinds[:-1], brought("", 204), brought("no content"))
    assert set(await originals(frontier, 2 * len(kinds) + 1)) == {None}


async def test_only_the_last_visit_counts(frontier: Frontier) -> None:
    """In a recrawl: one page has become another's twin, one has changed, one is gone."""
    same = brought("same")
    await crawled(frontier, same, brought("new"), same, same)
    await frontier.begin_again()
    assert await originals(frontier, 4) == [None, None, a(1), a(1)]
    await crawled(frontier, brought("gone", 410), same, brought("changed"), same)
    assert await originals(frontier, 4) == [None, None, None, a(2)]


async def test_duplicates_are_found_over_many_stretches(frontier: Frontier, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "_COMPARED", 3)
    bodies = "abcdefghijabcdefghij"
    await crawled(frontier, *map(brought, bodies))
    assert await originals(frontier, 20) == 10 * [None] + [a(number) for number in range(1, 11)]


async def test_many_questions_at_the_end_of_a_crawl_leave_one_file(tmp_path: Path) -> None:
    frontier = SqliteFrontier.of_job(tmp_path)
    await frontier.open()
    same = brought("same")
    await crawled(frontier, same, *map(brought, "abcdefgh"), same)
    questions = [asyncio.create_task(frontier.original(a(10))) for _ in range(20)]
    await asyncio.wait(questions, return_when=asyncio.FIRST_COMPLETED)
    await frontier.close()
    for question in questions:
        with contextlib.suppress(FrontierError):  # it came too late
            assert await question == a(1)
    assert [path.name for path in tmp_path.iterdir()] == ["frontier.sqlite"]
    assert await reader("sqlite", tmp_path).original(a(10)) == a(1)


async def test_a_crawl_goes_on_while_pages_are_compared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    compare, gone_on = visits.same, threading.Event()

    def slow(*given: Any, **named: Any) -> str | None:
        assert gone_on.wait(20)
        return compare(*given, **named)

    monkeypatch.setattr(visits, "same", slow)
    frontier = SqliteFrontier.of_job(tmp_path)
    await frontier.open()
    same = brought("same")
    await crawled(frontier, same, same)
    question = asyncio.create_task(frontier.original(a(2)))
    await frontier.why(a(1))  # it has begun
    await frontier.add(Found([a(3)], 0))
    gone_on.set()
    assert await question == a(1)
    await frontier.close()


@pytest.mark.parametrize("processes", [1, 3])
async def test_a_crawl_knows_which_pages_are_the_same(site: Site, job: Path, processes: int) -> None:
    """Found first, asked for last: `/a` answers when all else is over."""
    site.page("/", "/a", "/b", "/c", "/none", "/nothing", "/old", "/lost", "/missing")
    body = b"<!doctype html><title>one</title>the same"
    html = {"Content-Type": "text/html"}
    gate = asyncio.Event()
    site.raw("/a", body, headers=html, gate=gate)
    site.raw("/b", body, headers=html)
    site.raw("/c", body + b".", headers=html)
    for path in ("/none", "/nothing"):
        site.raw(path, b"")
    site.redirect("/old", "/b")
    everything = {"/", "/a", "/b", "/c", "/none", "/nothing", "/old", "/lost", "/missing"}
    site.watch = lambda _: gate.set() if set(site.asked) == everything else None
    run = await crawl(job, *QUICK, f"--processes={processes}", site.url("/"))
    assert run.code == 0
    assert len(run.by_url) == len(everything)

    look = reader("sqlite", job)
    found = {path: await look.original(site.url(path)) for path in everything}
    assert found == {**dict.fromkeys(everything), "/b": site.url("/a")}
    said = (await crawl(job, f"--explain={site.url('/b')}")).out.splitlines()
    assert said[1:3] == [
        "  It was crawled: the answer had status 200.",
        f"  Its content is the same as that of {site.url('/a')}, found before.",
    ]
    assert "content" not in (await crawl(job, f"--explain={site.url('/a')}")).out


async def test_the_status_page_names_the_original(site: Site, job: Path) -> None:
    site.page("/", "/a/page", "/b/page")
    site.page("/a/page", "never", title="same")
    site.page("/b/page", "never", title="same")
    site.page("/b/never", gate=asyncio.Event())  # known, and so asked for, once /b/page is saved
    asked = asyncio.Event()
    site.watch = lambda arrival: asked.set() if arrival.path == "/b/never" else None
    running = await Crawl.start(job, *QUICK, "--per-host=1", "--port=0", site.url("/"))
    assert running.process.stdout is not None
    address = (await running.process.stdout.readline()).decode().split()[-1]
    await asked.wait()

    async def answer(path: str) -> dict[str, object]:
        response = await AsyncHTTPClient().fetch(f"{address}api/explain?url={site.url(path)}")
        told: dict[str, object] = json.loads(response.body)
        return told

    told = await answer("/b/page")
    assert (told["state"], told["duplicate_of"]) == ("crawled", site.url("/a/page"))
    assert f"the same as that of {site.url('/a/page')}, found before." in str(told["text"])
    for path in ("/", "/a/page", "/b/never", "/unknown"):
        assert (await answer(path))["duplicate_of"] is None
    running.process.send_signal(signal.SIGINT)
    running.process.send_signal(signal.SIGINT)
    await running.end()
