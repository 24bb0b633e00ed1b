"""Sitemaps in whole crawls: where they are found, what is taken from them, and how they keep to politeness."""

import asyncio
import contextlib
import gzip
import itertools
import signal
from pathlib import Path
from typing import Any

import pytest

from crawler.frontier import FrontierError, reader
from tests.crawling import QUICK, Crawl, Run, crawl
from tests.site import Arrival, Site
from tests.test_manners import LATE

ON = (*QUICK, "--sitemaps=true")
DELAY = 0.3  # seconds
XML = {"Content-Type": "application/xml"}

BOTH = pytest.mark.usefixtures("processes")
"""For what holds for one process and for a crew."""


def urlset(*urls: str | tuple[str, float]) -> bytes:
    """A sitemap of URLs, some with their priority."""
    pairs = [(url, "") if isinstance(url, str) else (url[0], f"<priority>{url[1]}</priority>") for url in urls]
    entries = "".join(f"<url><loc>{url}</loc>{more}</url>" for url, more in pairs)
    return f'<urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">{entries}</urlset>'.encode()


def index(*urls: str) -> bytes:
    """An index of sitemaps."""
    return f"<sitemapindex>{''.join(f'<sitemap><loc>{url}</loc></sitemap>' for url in urls)}</sitemapindex>".encode()


def named(site: Site, *paths: str, rules: str = "") -> None:
    """State a robots.txt that names sitemaps."""
    lines = [f"Sitemap: {site.url(path) if path.startswith('/') else path}\n" for path in paths]
    site.raw("/robots.txt", ("User-agent: *\n" + rules + "\n" + "".join(lines)).encode())


def paths(run: Run) -> set[str]:
    """The paths of all records."""
    assert run.code == 0, run.err
    return {"/" + url.split("/", 3)[3] for url in run.by_url}


def counts(run: Run) -> Any:
    return run.summary["sitemaps"]


async def saved(job: Path, pages: int) -> None:
    """Wait until so many pages are in the frontier."""
    async with asyncio.timeout(50):
        while True:
            with contextlib.suppress(FrontierError):  # it is being made
                if await reader("sqlite", job).pages() >= pages:
                    return
            await asyncio.sleep(0.05)


def log(run: Run) -> str:
    return (run.folder / "crawl.log").read_text()


# Where they are found.


@BOTH
async def test_those_that_robots_txt_names_are_read_and_make_no_records(site: Site, job: Path) -> None:
    named(site, "/a.xml", "/b.xml")
    site.page("/")
    site.raw("/a.xml", urlset(site.url("/1"), site.url("/2"), site.url("/")), headers=XML)
    site.raw("/b.xml", urlset(site.url("/2"), site.url("/3")), headers=XML)
    for path in ("/1", "/2", "/3"):
        site.page(path)
    run = await crawl(job, *ON, site.url("/"))
    assert paths(run) == {"/", "/1", "/2", "/3"}
    assert sorted(site.asked) == ["/", "/1", "/2", "/3", "/a.xml", "/b.xml"]
    assert counts(run) == {"read": 2, "urls": 5, "failed": 0}
    assert (run.by_url[site.url("/3")]["depth"], run.by_url[site.url("/3")]["parent"]) == (1, None)
    assert f"sitemap {site.url('/a.xml')}: 3 URLs, 2 of them new" in log(run)


@BOTH
async def test_sitemap_xml_is_looked_for_when_none_is_named(site: Site, job: Path) -> None:
    site.page("/")
    site.raw("/sitemap.xml", urlset(site.url("/1")), headers=XML)
    site.page("/1")
    run = await crawl(job, *ON, site.url("/"))
    assert paths(run) == {"/", "/1"}


async def test_that_there_is_none_is_no_trouble(site: Site, job: Path) -> None:
    site.page("/")
    run = await crawl(job, *ON, site.url("/"))
    assert sorted(site.asked) == ["/", "/sitemap.xml"]
    assert counts(run) == {"read": 0, "urls": 0, "failed": 0}
    assert "sitemap" not in log(run)
    assert run.err == ""


async def test_it_is_looked_for_where_robots_txt_is_ignored_too(site: Site, job: Path) -> None:
    named(site, "/not-looked-at.xml")
    site.page("/")
    site.raw("/sitemap.xml", urlset(site.url("/1")), headers=XML)
    site.page("/1")
    run = await crawl(job, *ON, "--robots=ignore", site.url("/"))
    assert paths(run) == {"/", "/1"}
    assert sorted(site.asked) == ["/", "/1", "/sitemap.xml"]


@BOTH
async def test_those_that_pages_name_are_read_once_and_are_no_pages(site: Site, job: Path) -> None:
    link = b'<link rel="sitemap" type="application/xml" href="/s.xml">'
    site.raw("/", link + b"<a href=/1>1</a>", headers={"Content-Type": "text/html"})
    site.raw("/1", link, headers={"Content-Type": "text/html", "Link": "</t.txt>; rel=sitemap"})
    site.raw("/s.xml", urlset(site.url("/2")), headers=XML)
    site.raw("/t.txt", site.url("/3").encode(), headers={"Content-Type": "text/plain"})
    site.page("/2")
    site.page("/3")
    run = await crawl(job, *ON, site.url("/"))
    assert paths(run) == {"/", "/1", "/2", "/3"}
    assert sorted(site.asked) == ["/", "/1", "/2", "/3", "/s.xml", "/sitemap.xml", "/t.txt"]
    assert run.by_url[site.url("/")]["facts"]["more_links"] == {"rel=sitemap": [site.url("/s.xml")]}


@BOTH
async def test_a_list_for_people_that_a_page_calls_a_sitemap_is_a_page(site: Site, job: Path) -> None:
    site.raw("/", b"<link rel=sitemap href=/list.html>", headers={"Content-Type": "text/html"})
    site.page("/list.html", "/1")
    site.page("/1")
    run = await crawl(job, *ON, site.url("/"))
    assert paths(run) == {"/", "/list.html", "/1"}
    assert counts(run)["failed"] == 0


@pytest.mark.parametrize("off", ["--sitemaps=false", "--max-depth=0"])
async def test_none_is_asked_for_when_they_are_not_wanted(site: Site, job: Path, off: str) -> None:
    named(site, "/a.xml")
    site.raw("/", b"<link rel=sitemap href=/b.xml>", headers={"Content-Type": "text/html"})
    run = await crawl(job, *QUICK, "--sitemaps=true" if "depth" in off else off, off, site.url("/"))
    assert paths(run) == {"/"}
    assert site.asked == ["/"]


# What is taken from them.


@BOTH
async def test_an_index_leads_to_sitemaps_of_all_forms(site: Site, job: Path) -> None:
    forms = ("/a.xml.gz", "/b.txt", "/c.rss", "/d.xml", "/index.xml")
    named(site, "/index.xml")
    site.page("/")
    site.raw("/index.xml", index(*map(site.url, forms)), headers=XML)
    site.raw("/a.xml.gz", gzip.compress(urlset(site.url("/a"))), headers={"Content-Type": "application/gzip"})
    site.raw("/b.txt", site.url("/b").encode() + b"\nno URL\n", headers={"Content-Type": "text/plain"})
    rss = f"<rss><channel><link>/</link><item><link>{site.url('/c')}</link></item></channel></rss>"
    site.raw("/c.rss", rss.encode(), headers={"Content-Type": "application/rss+xml"})
    site.raw("/d.xml", urlset(site.url("/d"), site.url("/e"))[:-35], headers=XML)  # breaks off
    for path in "abcd":
        site.page(f"/{path}")
    run = await crawl(job, *ON, site.url("/"))
    assert paths(run) == {"/", "/a", "/b", "/c", "/d"}
    assert sorted(path for path in site.asked if path in forms) == sorted(forms)
    assert counts(run) == {"read": 5, "urls": 4, "failed": 0}


async def test_what_is_no_sitemap_or_cannot_be_had_is_told_in_one_line_and_given_up(site: Site, job: Path) -> None:
    named(site, "/html.xml", "/gone.xml", "/busy.xml", "/moved.xml", "/good.xml")
    site.page("/")
    site.raw("/html.xml", b"<!doctype html><html><a href=/not-followed>x</a></html>")
    site.raw("/busy.xml", b"", status=503)
    site.redirect("/moved.xml", "/gone-too.xml")
    site.raw("/good.xml", urlset(site.url("/1")), headers=XML)
    site.page("/1")
    run = await crawl(job, *ON, site.url("/"))
    assert paths(run) == {"/", "/1"}
    assert counts(run) == {"read": 1, "urls": 1, "failed": 4}
    told = [line.split(": ", 1)[1] for line in log(run).splitlines() if "crawler.sitemaps" in line]
    assert told == [
        f"sitemap {site.url('/html.xml')}: no sitemap: it is HTML",
        f"sitemap {site.url('/gone.xml')} cannot be had: status 404",
        f"sitemap {site.url('/busy.xml')} cannot be had: status 503",
        f"sitemap {site.url('/moved.xml')} cannot be had: status 404",
        f"sitemap {site.url('/good.xml')}: 1 URLs, 1 of them new",
    ]


async def test_one_that_fails_for_a_moment_is_asked_for_again(site: Site, job: Path) -> None:
    named(site, "/a.xml")
    site.page("/")
    busy = site.raw("/other", b"", status=500)
    site.raw("/a.xml", urlset(site.url("/1")), headers=XML, before=[busy])
    site.page("/1")
    run = await crawl(job, "--delay=0", "--retries=1", "--sitemaps=true", site.url("/"))
    assert paths(run) == {"/", "/1"}
    assert site.asked.count("/a.xml") == 2


async def test_a_redirect_is_followed_but_a_sitemap_is_read_once(site: Site, job: Path) -> None:
    named(site, "/a.xml", "/b.xml", "/loop.xml")
    site.page("/")
    site.redirect("/a.xml", "/b.xml")
    site.redirect("/loop.xml", "/loop.xml")
    site.raw("/b.xml", urlset(site.url("/1")), headers=XML)
    site.page("/1")
    run = await crawl(job, *ON, site.url("/"))
    assert paths(run) == {"/", "/1"}
    assert (site.asked.count("/b.xml"), site.asked.count("/loop.xml")) == (1, 1)


async def test_robots_txt_and_scope_hold_for_sitemaps_and_for_what_they_name(site: Site, job: Path) -> None:
    named(site, "/private/a.xml", "/b.xml", rules="Disallow: /private")
    site.page("/")
    site.raw("/private/a.xml", urlset(site.url("/1")), headers=XML)
    pages = (site.url("/2"), site.url("/private/3"), "http://elsewhere.example/", site.url("/no/4"))
    site.raw("/b.xml", urlset(*pages), headers=XML)
    site.page("/2")
    run = await crawl(job, *ON, "--exclude=/no/", site.url("/"))
    assert paths(run) == {"/", "/2"}
    assert "/private/a.xml" not in site.asked
    assert run.summary["skipped"] == {"scope": 1, "excluded": 1}
    assert run.summary["refusals"] == {"robots": 1}


@BOTH
async def test_a_sitemap_speaks_for_another_host_only_when_that_names_it(site: Site, job: Path) -> None:
    """Both hosts have the same robots.txt here, so it names the sitemap of one for both; /c.xml names nobody."""
    here, there = site.url("/", "a.localhost"), site.url("/", "b.localhost")
    named(site, site.url("/both.xml", "a.localhost"))
    for path in ("/", "/1", "/2", "/3", "/4"):
        site.page(path)
    link = b'<link rel=sitemap href="' + site.url("/c.xml", "a.localhost").encode() + b'">'
    site.raw("/", link, headers={"Content-Type": "text/html"})
    site.raw("/both.xml", urlset(f"{here}1", f"{there}2"), headers=XML)
    site.raw("/c.xml", urlset(f"{here}3", f"{there}4"), headers=XML)
    run = await crawl(job, *ON, here, there)
    assert run.code == 0, run.err
    assert set(run.by_url) == {here, there, f"{here}1", f"{there}2", f"{here}3"}
    assert site.asked.count("/both.xml") == 2, "once for each host that names it"
    assert site.asked.count("/c.xml") == 1
    assert run.summary["skipped"] == {"other_host": 2}


@pytest.mark.parametrize(("private", "found"), [("allow", {"/", "/1"}), ("seeds", {"/"})])
async def test_one_may_lie_on_a_host_out_of_scope_if_its_address_may_be_asked(
    site: Site, job: Path, private: str, found: set[str]
) -> None:
    """Nothing else is asked of that host but its robots.txt."""
    named(site, site.url("/s.xml", "elsewhere.localhost"))
    site.page("/")
    site.raw("/s.xml", urlset(site.url("/1"), site.url("/2", "elsewhere.localhost")), headers=XML)
    site.page("/1")
    run = await crawl(job, *ON, f"--private={private}", site.url("/"))
    assert paths(run) == found
    asked = [arrival.path for arrival in site.arrivals if arrival.host.startswith("elsewhere")]
    assert asked == (["/robots.txt", "/s.xml"] if private == "allow" else [])


@BOTH
async def test_pages_are_asked_for_by_their_priority(site: Site, job: Path) -> None:
    """While the seed takes one of two slots until the last of them has been asked for."""
    named(site, "/s.xml")
    gate = asyncio.Event()
    site.page("/", gate=gate)
    entries = [(site.url(f"/{tenth}"), tenth / 10) for tenth in (0, 3, 10, 8, 6)]
    site.raw("/s.xml", urlset(*entries, site.url("/usual")), headers=XML)
    for path in ("/0", "/3", "/6", "/8", "/10", "/usual"):
        site.page(path)

    def look(arrival: Arrival) -> None:
        if arrival.path == "/0":
            gate.set()

    site.watch = look
    run = await crawl(job, *ON, "--order=priority", "--per-host=2", site.url("/"))
    assert paths(run) == {"/", "/0", "/3", "/6", "/8", "/10", "/usual"}
    assert [path for path in site.asked if path not in ("/", "/s.xml")] == ["/10", "/8", "/6", "/usual", "/3", "/0"]


async def test_a_large_one_is_read_whole(site: Site, job: Path) -> None:
    named(site, "/s.xml.gz", rules="Disallow: /never/")
    site.page("/")
    urls = [site.url(f"/never/{number}") for number in range(20_000)]
    site.raw("/s.xml.gz", gzip.compress(urlset(*urls)), headers={"Content-Type": "application/gzip"})
    run = await crawl(job, *ON, site.url("/"))
    assert paths(run) == {"/"}
    assert counts(run) == {"read": 1, "urls": 20_000, "failed": 0}
    assert run.summary["refusals"] == {"robots": 20_000}


# How they keep to politeness, and to the crawl's end.


@BOTH
async def test_the_delay_holds_between_sitemaps_and_pages(site: Site, job: Path) -> None:
    named(site, "/index.xml")
    site.page("/", "/1", "/2")
    site.raw("/index.xml", index(site.url("/a.xml"), site.url("/moved.xml")), headers=XML)
    site.raw("/a.xml", urlset(site.url("/3")), headers=XML)
    site.redirect("/moved.xml", "/b.xml")
    site.raw("/b.xml", urlset(site.url("/4")), headers=XML)
    for path in ("/1", "/2", "/3", "/4"):
        site.page(path)
    run = await crawl(job, f"--delay={DELAY}", "--sitemaps=true", site.url("/"))
    assert paths(run) == {"/", "/1", "/2", "/3", "/4"}
    assert len(site.arrivals) == 10
    assert all(b.at - a.at > DELAY - LATE for a, b in itertools.pairwise(site.arrivals))


@BOTH
async def test_the_crawl_waits_for_a_sitemap_under_way(site: Site, job: Path) -> None:
    named(site, "/s.xml")
    gate = asyncio.Event()
    site.page("/")
    site.raw("/s.xml", urlset(site.url("/1")), headers=XML, gate=gate)
    site.page("/1", "/2")
    site.page("/2")
    running = await Crawl.start(job, *ON, site.url("/"))
    await saved(job, 1)
    gate.set()
    assert paths(await running.end()) == {"/", "/1", "/2"}


async def test_a_budget_that_is_spent_does_not_wait_for_one(site: Site, job: Path) -> None:
    named(site, "/s.xml")
    site.page("/")
    site.raw("/s.xml", urlset(site.url("/1")), headers=XML, gate=asyncio.Event())
    run = await crawl(job, *ON, "--max-pages=1", site.url("/"))
    assert paths(run) == {"/"}


@BOTH
@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
async def test_what_was_not_read_to_its_end_is_read_after_a_kill_or_a_stop(
    site: Site, job: Path, how: signal.Signals
) -> None:
    """All pages are finished before, so that nothing but the sitemaps is left: of the origin, and of the page."""
    named(site, "/index.xml")
    gate = asyncio.Event()
    site.raw("/", b"<link rel=sitemap href=/linked.xml>", headers={"Content-Type": "text/html"})
    site.raw("/index.xml", index(site.url("/a.xml"), site.url("/b.xml")), headers=XML)
    site.raw("/a.xml", urlset(site.url("/1")), headers=XML)
    site.raw("/b.xml", urlset(site.url("/1"), site.url("/2")), headers=XML, gate=gate)
    site.raw("/linked.xml", urlset(site.url("/3")), headers=XML, gate=gate)
    for path in ("/1", "/2", "/3"):
        site.page(path)
    running = await Crawl.start(job, *ON, site.url("/"))
    await saved(job, 2)
    running.process.send_signal(how)
    await running.end()
    gate.set()
    run = await crawl(job, *ON, site.url("/"))
    assert paths(run) == {"/", "/1", "/2", "/3"}
    assert site.asked.count("/1") == 1

    asked = len(site.arrivals)
    run = await crawl(job, *ON, site.url("/"))
    assert "is finished" in run.out
    assert len(site.arrivals) == asked


@BOTH
async def test_a_recrawl_reads_them_again(site: Site, job: Path) -> None:
    """Also one that a page names which has not changed, and so does not say it again."""
    named(site, "/s.xml")
    link = b"<link rel=sitemap href=/linked.xml>"
    site.raw("/", link, headers={"Content-Type": "text/html", "ETag": '"1"'})
    site.raw("/s.xml", urlset(site.url("/1")), headers=XML)
    site.raw("/linked.xml", urlset(), headers=XML)
    for path in ("/1", "/2", "/3"):
        site.page(path)
    await crawl(job, *ON, site.url("/"))
    site.raw("/s.xml", urlset(site.url("/1"), site.url("/2")), headers=XML)
    site.raw("/linked.xml", urlset(site.url("/3")), headers=XML)
    run = await crawl(job, *ON, "--recrawl", site.url("/"))
    assert run.code == 0, run.err
    assert {record["url"]: record["change"] for record in run.series("recrawl-1")} == {
        site.url("/"): "unchanged",
        site.url("/1"): "unchanged",
        site.url("/2"): "new",
        site.url("/3"): "new",
    }
    assert (site.asked.count("/s.xml"), site.asked.count("/linked.xml")) == (2, 2)


async def test_a_job_that_goes_on_does_not_read_them_again(site: Site, job: Path) -> None:
    named(site, "/s.xml")
    site.page("/", "/1", "/2")
    site.raw("/s.xml", urlset(site.url("/3")), headers=XML)
    for path in ("/1", "/2", "/3"):
        site.page(path)
    gate = asyncio.Event()
    site.page("/3", gate=gate)
    running = await Crawl.start(job, *ON, site.url("/"))
    await saved(job, 3)
    running.process.send_signal(signal.SIGKILL)
    await running.end()
    gate.set()
    assert paths(await crawl(job, *ON, site.url("/"))) == {"/", "/1", "/2", "/3"}
    assert site.asked.count("/s.xml") == 1


async def test_it_is_told_what_only_a_sitemap_names(site: Site, job: Path) -> None:
    named(site, "/s.xml")
    site.page("/")
    site.raw("/s.xml", urlset(site.url("/1")), headers=XML)
    site.page("/1")
    await crawl(job, *ON, site.url("/"))
    told = await crawl(job, f"--explain={site.url('/1')}", site.url("/"))
    assert "A sitemap names it." in told.out
    told = await crawl(job, f"--explain={site.url('/')}", site.url("/"))
    assert "It is a seed." in told.out
