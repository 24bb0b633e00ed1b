"""--explain and /api/explain on real jobs: finished, stopped, killed and running."""

import asyncio
import json
import re
import signal
import tomllib
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from tornado.httpclient import AsyncHTTPClient

from crawler.explain import Explainer, Explanation, lines
from crawler.frontier import FRONTIERS, Frontier, make, reader
from crawler.model import Finished, Found, Request
from crawler.scope import Scope
from crawler.seeds import read
from crawler.sources import load
from tests.crawling import QUICK, ROOT, Crawl, crawl
from tests.site import Site


async def explain(job: Path, url: str, *arguments: str) -> list[str]:
    """The lines that explain a URL; the folder must be left as it was."""
    before = {path.name: path.stat().st_size for path in job.iterdir()}
    run = await crawl(job, f"--explain={url}", *arguments)
    assert (run.code, run.err) == (0, "")
    assert {path.name: path.stat().st_size for path in job.iterdir()} == before
    return run.out.splitlines()


async def judged(job: Path, url: str, *arguments: str) -> list[str]:
    """The same lines without a process of their own, for tests with many questions."""
    settings = load([f"--job={job}", *arguments], ROOT)
    seeds, look = read(settings), reader("sqlite", job)
    return lines(await Explainer(settings, Scope(settings, seeds), look, seeds).explain(url), url)


async def error(job: Path, *arguments: str) -> str:
    """The one line of bad usage."""
    run = await crawl(job, *arguments)
    assert (run.code, run.out) == (2, "")
    assert re.fullmatch(r"crawl\.py: [^\n]+\n", run.err)
    return run.err


async def test_every_url_of_a_finished_job_is_explained(site: Site, job: Path) -> None:
    site.raw("/robots.txt", b"User-agent: *\nDisallow: /secret")
    site.page("/", "/a", "/secret", "/big", "/old")
    site.page("/a", "/b")
    site.page("/b", "/c")
    site.redirect("/old", "/new")
    site.raw("/big", b"x" * 2000)
    await crawl(job, *QUICK, "--max-depth=2", "--max-body=1k", site.url("/"))
    asked = len(site.arrivals)

    def way(*paths: str) -> list[str]:
        return ["  The way to it, from the seed:", *(f"    {site.url(path)}" for path in paths)]

    assert await explain(job, site.url("/")) == [
        site.url("/"),
        "  It was crawled: the answer had status 200.",
        "  It was asked for 1 time.",
        "  It is a seed.",
    ]
    assert await judged(job, site.url("/b")) == [
        site.url("/b"),
        "  It was crawled: the answer had status 200.",
        "  It was asked for 1 time.",
        "  It lies 2 links from a seed.",
        *way("/", "/a"),
    ]
    assert await judged(job, site.url("/secret")) == [
        site.url("/secret"),
        "  It was not crawled: the host's robots.txt forbids it [robots].",
        "  It lies 1 link from a seed.",
        *way("/"),
    ]
    assert await judged(job, site.url("/c")) == [
        site.url("/c"),
        "  It was not crawled: it lies deeper than --max-depth [max_depth].",
        "  It lies 3 links from a seed.",
        *way("/", "/a", "/b"),
    ]
    assert (await judged(job, site.url("/big")))[1:4] == [
        "  It was asked for, but brought no page: the body is larger than --max-body [too_large].",
        "  The answer had begun, with status 200.",
        "  It was asked for 1 time.",
    ]
    assert (await judged(job, site.url("/old")))[1] == "  It was crawled: the answer had status 302, a redirect."
    assert (await judged(job, site.url("/new")))[-3:] == way("/", "/old")
    assert len(site.arrivals) == asked, "nothing is asked of the network"


async def test_another_spelling_is_recognised(site: Site, job: Path) -> None:
    site.page("/", "/a b")
    await crawl(job, *QUICK, site.url("/"))
    said = await explain(job, f"HTTP://user:word@127.0.0.1:0{site.port}/x/../a b?#part")
    assert said[:2] == [site.url("/a%20b?"), "  The crawl would write the URL that was asked for in this spelling."]
    said = await explain(job, f"HTTP://user:word@127.0.0.1:0{site.port}/x/../a b#part")
    assert said[0] == site.url("/a%20b")
    assert said[2] == "  It was crawled: the answer had status 404."
    assert "word" not in "".join(said)


SEED, KNOWN = "http://example.com/", "http://example.com/b"


@pytest.fixture(params=FRONTIERS)
async def asked(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[tuple[Frontier, Explainer, Request]]:
    """A frontier of which the seed is crawled and a URL is in hand, and who explains it."""
    settings = load([SEED, f"--job={tmp_path}"], ROOT)
    urls = make(request.param, tmp_path)
    await urls.open()
    await urls.add(Found([SEED], 0))
    (seed,) = await urls.claim({"example.com:80": 1}, 1.0)
    await urls.finish([Finished(seed.id, "crawled", 1, 200, found=[Found([KNOWN], 1, seed.id)])], {})
    (known,) = await urls.claim({"example.com:80": 1}, 1.0)
    yield urls, Explainer(settings, Scope(settings, [SEED]), urls, [SEED]), known
    await urls.close()


async def test_a_known_url_is_told_in_its_own_spelling(asked: tuple[Frontier, Explainer, Request]) -> None:
    _, explainer, _ = asked
    spelling = "HTTP://EXAMPLE.com:80/a/../b#x"
    said = await explainer.explain(spelling)
    assert (said.url, said.state, said.chain) == (KNOWN, "in_hand", [SEED])
    assert lines(said, spelling)[:2] == [KNOWN, "  The crawl knows the URL that was asked for in this spelling."]
    assert lines(said, KNOWN)[1].startswith("  It is in hand")
    said = await explainer.explain("http://Example.COM:80")
    assert (said.url, said.state, said.sentences[-1]) == (SEED, "crawled", "It is a seed.")
    said = await explainer.explain("HTTP://EXAMPLE.com:80/c")
    assert (
        lines(said, "HTTP://EXAMPLE.com:80/c")[1]
        == "  The crawl would write the URL that was asked for in this spelling."
    )


async def test_tries_errors_and_due_time_are_told(asked: tuple[Frontier, Explainer, Request]) -> None:
    urls, explainer, known = asked
    due = datetime(2999, 1, 1, tzinfo=UTC).timestamp()
    await urls.finish([Finished(known.id, "waiting", 2, None, "timeout", due)], {})
    said = await explainer.explain(KNOWN)
    assert (said.state, said.reason, said.attempts, said.due_at) == ("waiting", "timeout", 2, "2999-01-01T00:00:00Z")
    assert said.chain == [SEED]
    assert said.sentences[0] == "It waits for another try."
    assert re.fullmatch(r"The last try brought no page: .+ \[timeout\]\.", said.sentences[1])
    assert re.fullmatch(r"It is due at 2999-01-01T00:00:00Z, in [\d,]+ s\.", said.sentences[2])
    assert "It was asked for 2 times, of 4 at most." in said.sentences


async def test_a_seed_is_known_in_any_spelling(site: Site, job: Path) -> None:
    site.page("/b", "/c/../b", "/./b#x")
    await crawl(job, *QUICK, f"HTTP://127.0.0.1:0{site.port}/a/../b#top")
    assert site.asked == ["/b"]
    for spelling in (f"http://127.1:{site.port}/b", f"HTTP://127.0.0.1:{site.port}/a/%2e%2E/b#x"):
        assert await judged(job, spelling) == [
            site.url("/b"),
            "  The crawl knows the URL that was asked for in this spelling.",
            "  It was crawled: the answer had status 200.",
            "  It was asked for 1 time.",
            "  It is a seed.",
        ]


async def test_of_an_unknown_url_it_says_what_would_be_decided(site: Site, job: Path) -> None:
    site.raw("/robots.txt", b"User-agent: *\nDisallow: /secret")
    site.page("/")
    seeds = (site.url("/"), "http://127.0.0.1:1/")
    await crawl(job, *QUICK, "--exclude=/login", "--max-url-length=100", *seeds)

    async def outlook(url: str, *arguments: str) -> list[str]:
        said = await judged(job, url, *arguments)
        assert said[:2] == [url, "  This crawl does not know it yet."]
        return [line.strip() for line in said[2:]]

    follow = "A link to it would be followed"
    nofollow = "unless the page that holds it asks not to (nofollow)"
    (line,) = await outlook("https://example.com/")
    assert line == f"{follow.replace('be', 'not be')}: it lies outside the scope of the crawl (see --scope) [scope]."
    assert "[excluded]" in (await outlook(site.url("/login")))[0]
    assert "[too_long]" in (await outlook(site.url("/" + 100 * "x")))[0]
    assert "[not_included]" in (await outlook(site.url("/x"), "--include=/docs/"))[0]
    plain, robots = await outlook(site.url("/x"))
    assert plain == f"{follow}, {nofollow}."
    origin = site.url("/")[:-1]
    assert re.fullmatch(rf"The robots\.txt of {origin} allows it \(robots\.txt was read at [-\dT:]+Z\)\.", robots)
    forbidden = (await outlook(site.url("/secret")))[1]
    assert forbidden.startswith("It would not be asked for: the host's robots.txt forbids it [robots] (")
    unknown = (await outlook("http://127.0.0.1:1/x"))[1]
    assert unknown == "The robots.txt of http://127.0.0.1:1 is not known; it would be asked for first."
    ignoring = await outlook(site.url("/secret"), "--robots=ignore", "--max-depth=3")
    assert ignoring == [f"{follow}, if it lies no deeper than 3 (--max-depth)."]
    spent = await outlook(site.url("/x"), "--max-pages=1", "--max-host-pages=1")
    assert spent[2:] == [
        "It would not be asked for: the host has had its --max-host-pages [max_host_pages].",
        "The job has had its --max-pages=1: nothing more is asked for without a larger one.",
    ]
    assert (await outlook(site.url("/new"), site.url("/new"), site.url("/")))[0] == (
        "It is a seed, which the next start adds."
    )


async def test_a_url_behind_a_budget_waits_for_a_larger_one(site: Site, job: Path) -> None:
    site.page("/", "/a")
    await crawl(job, *QUICK, "--max-pages=1", site.url("/"))
    said = await explain(job, site.url("/a"))
    assert said[1] == "  It waits for its turn."
    assert said[3] == "  The job has had its --max-pages=1: nothing more is asked for without a larger one."
    assert not any("--max-pages" in line for line in await judged(job, site.url("/a"), "--max-pages=9"))


async def test_a_url_that_waits_for_another_try_says_for_which(site: Site, job: Path) -> None:
    site.page("/", "/busy", "/never")
    site.page("/busy", status=503)
    site.page("/never", gate=asyncio.Event())
    met = asyncio.Event()
    site.watch = lambda _: met.set() if {"/busy", "/never"} <= set(site.asked) else None
    running = await Crawl.start(job, "--delay=0", "--retries=1", site.url("/"))
    await met.wait()
    running.process.send_signal(signal.SIGINT)
    await running.end()
    said = await explain(job, site.url("/busy"))
    assert said[1:3] == ["  It waits for another try.", "  The last try was answered with status 503."]
    assert re.fullmatch(r"  It is due (now|at \d{4}-[-\dT:]+Z, in \d+ s)\.", said[3])
    assert "  It was asked for 1 time, of 2 at most." in said


async def test_a_url_whose_host_has_asked_for_a_rest_says_until_when(site: Site, job: Path) -> None:
    site.page("/", "/busy", "/next")
    site.page("/busy", status=429, headers={"Retry-After": "3000"})
    running = await Crawl.start(job, "--delay=0", "--per-host=1", "--port=0", site.url("/"))
    assert running.process.stdout is not None
    address = (await running.process.stdout.readline()).decode().split()[-1]
    told = ""
    while "Of its host: Retry-After of a 429" not in told:
        told = json.loads((await AsyncHTTPClient().fetch(f"{address}api/explain?url={site.url('/busy')}")).body)["text"]
    assert re.search(r"Of its host: Retry-After of a 429, \d{4} s more\.$", told)
    running.process.send_signal(signal.SIGINT)
    await running.end()
    rest = r"  Its host has asked for a rest \(Retry-After\), until \d{4}-[-\dT:]+Z, \d,\d{3} s from now\."
    for path in ("/busy", "/next", "/new"):
        assert any(re.fullmatch(rest, line) for line in await explain(job, site.url(path)))
    strict = await explain(job, site.url("/next"), "--max-retry-after=9")
    assert any(line.endswith("than --max-retry-after [retry_after].") for line in strict)


@pytest.mark.parametrize("end", ["runs", "was killed"])
async def test_a_job_is_explained_while_it_runs_and_after_a_kill(site: Site, job: Path, end: str) -> None:
    site.page("/", "/never")
    gate = asyncio.Event()
    site.page("/never", gate=gate)
    asked = asyncio.Event()
    site.watch = lambda arrival: asked.set() if arrival.path == "/never" else None
    running = await Crawl.start(job, *QUICK, site.url("/"))
    await asked.wait()
    if end == "was killed":
        running.process.kill()
        await running.end()
    said = [(await crawl(job, f"--explain={site.url(path)}")).out.splitlines()[1] for path in ("/never", "/")]
    assert said[0] == "  It waits for its turn.", "that it is in hand only its crawl knows"
    assert said[1] == "  It was crawled: the answer had status 200."
    if end == "was killed":
        await explain(job, site.url("/never"))  # nothing is left behind in the folder
    gate.set()
    if end == "runs":
        assert (await running.end()).code == 0
        assert (await explain(job, site.url("/never")))[1] == said[1]


async def test_the_status_page_explains_any_url(site: Site, job: Path) -> None:
    site.page("/", "/a")
    site.page("/a", "/never")
    site.page("/never", gate=asyncio.Event())
    asked = asyncio.Event()
    site.watch = lambda arrival: asked.set() if arrival.path == "/never" else None
    running = await Crawl.start(job, *QUICK, "--port=0", site.url("/"))
    assert running.process.stdout is not None
    address = (await running.process.stdout.readline()).decode().split()[-1]
    await asked.wait()
    fetch = AsyncHTTPClient().fetch

    async def answer(url: str) -> dict[str, object]:
        response = await fetch(f"{address}api/explain?url={url}", raise_error=False)
        told: dict[str, object] = json.loads(response.body)
        return {"code": response.code, **told}

    never = await answer(site.url("/never"))
    assert (never["code"], never["url"], never["state"]) == (200, site.url("/never"), "in_hand")
    assert (never["reason"], never["attempts"], never["due_at"]) == (None, 0, None)
    assert never["chain"] == [site.url("/"), site.url("/a")]
    unknown = await answer("https://example.com/")
    assert (unknown["code"], unknown["state"], unknown["reason"], unknown["chain"]) == (200, "unknown", "scope", [])
    no_url = await answer("mailto:x@example.com")
    assert (no_url["code"], no_url["error"]) == (400, "url: only http and https URLs can be crawled")
    running.process.send_signal(signal.SIGINT)
    running.process.send_signal(signal.SIGINT)
    await running.end()


async def test_the_built_in_web_is_explained_without_being_started(tmp_path: Path) -> None:
    job = tmp_path / "job"
    await crawl(job, "demo:", "--max-pages=10", "--delay=0")
    port = tomllib.loads((job / "job.toml").read_text())["demo"]["port"]
    said = await explain(job, f"http://news.localhost:{port}/not/there", "demo:")
    assert said[2].startswith("  A link to it would be followed")


async def test_what_cannot_be_explained_is_one_line(site: Site, job: Path) -> None:
    site.page("/")
    assert "there is no job" in await error(job, f"--explain={site.url('/')}")
    assert not job.exists()
    await crawl(job, *QUICK, "--frontier=memory", site.url("/"))
    assert "--frontier=memory" in await error(job, f"--explain={site.url('/')}")
    other = job.with_name("other")
    await crawl(other, *QUICK, site.url("/"))
    assert '"nonsense" is no URL' in await error(other, "--explain=nonsense")
    assert "only http and https" in await error(other, "--explain=ftp://example.com/")
    assert "--explain=: must be a URL" in await error(other, "--explain=")
    assert "only one of them" in await error(other, f"--explain={site.url('/')}", "--fresh", "--yes")
    (other / "frontier.sqlite").unlink()
    assert "frontier.sqlite cannot be read" in await error(other, f"--explain={site.url('/')}")


def test_a_very_long_chain_is_shown_by_its_ends() -> None:
    chain = [f"http://a/{number}" for number in range(1000)]
    shown = lines(Explanation("http://a/x", "crawled", None, ["It was crawled."], chain, 1, None), "http://a/x")
    assert len(shown) == 24
    assert [line.strip() for line in (shown[3], shown[13], shown[-1])] == [
        chain[0],
        "... 980 more ...",
        chain[-1],
    ]
