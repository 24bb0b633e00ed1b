"""The whole crawler on small webs: what is asked for, what is recorded, how it ends."""

import asyncio
import os
import re
import shlex
import signal
import sys
from datetime import datetime
from itertools import pairwise
from pathlib import Path

import pytest

from tests import crawling
from tests.crawling import QUICK, ROOT, Crawl, Run, crawl
from tests.site import Page, Site, served

pytestmark = pytest.mark.usefixtures("processes")

FIELDS = [
    "url",
    "status",
    "error",
    "depth",
    "parent",
    "redirect_to",
    "fetched_at",
    "elapsed",
    "attempts",
    "ip",
    "http_version",
    "content_type",
    "charset",
    "bytes",
    "sha256",
    "title",
    "description",
    "canonical",
    "lang",
    "robots",
    "links",
    "data",
    "facts",
    "text",
    "change",
]


def command(*arguments: str) -> str:
    """The crawler's command for a shell."""
    return shlex.join([sys.executable, str(ROOT / "crawl.py"), *crawling.DEFAULTS, *arguments])


def written(job: Path) -> list[bytes]:
    """The lines of all records."""
    return [line for path in job.glob("pages*.jsonl") for line in path.read_bytes().splitlines()]


def least_distance(run: Run) -> float:
    """The least seconds between the starts of two pages, by the crawler's own clock: a test's server may be late."""
    starts = sorted(datetime.fromisoformat(record["fetched_at"]) for record in run.records)
    return min((later - earlier).total_seconds() for earlier, later in pairwise(starts)) + 0.001  # they are cut to that


async def test_every_page_is_recorded_once_with_every_field(site: Site, job: Path) -> None:
    site.page("/", "/a", "b#part", "/a", "mailto:x@example.com", title="Home")
    site.page("/a", "/", "/missing")
    site.page("/b", "/a")
    run = await crawl(job, *QUICK, site.url("/"))
    assert run.code == 0, run.err
    assert run.err == ""
    assert set(run.by_url) == {site.url(path) for path in ("/", "/a", "/b", "/missing")}
    assert sorted(site.asked) == ["/", "/a", "/b", "/missing"]
    home = run.by_url[site.url("/")]
    assert list(home) == FIELDS
    assert home["links"] == [site.url("/a"), site.url("/b")]
    assert (home["status"], home["error"], home["title"]) == (200, None, "Home")
    assert (home["depth"], home["parent"], home["attempts"]) == (0, None, 1)
    assert (home["ip"], home["http_version"], home["content_type"]) == ("127.0.0.1", "1.1", "text/html")
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}(Z|\+00:00)", home["fetched_at"])
    missing = run.by_url[site.url("/missing")]
    assert (missing["status"], missing["depth"], missing["parent"]) == (404, 2, site.url("/a"))


async def test_the_summary_says_what_happened(site: Site, job: Path) -> None:
    site.page("/", "/a", "/missing", "http://elsewhere.invalid/")
    site.page("/a")
    run = await crawl(job, *QUICK, site.url("/"))
    summary = run.summary
    assert (summary["state"], summary["pages"], summary["queued"], summary["failed"]) == ("finished", 3, 0, 0)
    assert summary["statuses"] == {"200": 2, "404": 1}
    assert summary["skipped"] == {"scope": 1}
    assert "Finished: 3 pages" in run.out
    assert all(str(path) in run.out for path in (*job.glob("pages*.jsonl"), job / "summary.json"))
    log = (job / "crawl.log").read_text().splitlines()
    assert all(re.match(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z [A-Z]+ ", line) for line in log)


async def test_a_redirect_is_a_record_of_its_own_at_the_same_depth(site: Site, job: Path) -> None:
    site.page("/", "/old")
    site.redirect("/old", "new#part", status=301)
    site.page("/new")
    run = await crawl(job, *QUICK, site.url("/"))
    old, new = run.by_url[site.url("/old")], run.by_url[site.url("/new")]
    assert (old["status"], old["redirect_to"], old["depth"]) == (301, site.url("/new"), 1)
    assert (new["status"], new["depth"], new["parent"]) == (200, 1, site.url("/old"))


async def test_a_chain_of_redirects_ends(site: Site, job: Path) -> None:
    for step in range(20):
        site.redirect(f"/{step}", f"/{step + 1}")
    run = await crawl(job, *QUICK, "--max-redirects=3", site.url("/0"))
    assert site.asked == ["/0", "/1", "/2", "/3"]
    assert run.summary["refusals"] == {"max_redirects": 1}


async def test_a_seed_that_redirects_elsewhere_brings_that_host_in(site: Site, job: Path) -> None:
    site.redirect("/start", f"http://localhost:{site.port}/home")
    site.page("/home", "/inner", f"http://127.0.0.1:{site.port}/also")
    site.page("/inner")
    site.page("/also")
    run = await crawl(job, *QUICK, "--private=allow", site.url("/start"))
    urls = {site.url("/start"), site.url("/also"), *(site.url(path, "localhost") for path in ("/home", "/inner"))}
    assert set(run.by_url) == urls


async def test_other_hosts_and_ports_are_out_of_scope(site: Site, job: Path) -> None:
    site.page("/", "http://127.0.0.1:1/", f"http://localhost:{site.port}/", "//[::1]/", "https://127.0.0.1/")
    run = await crawl(job, *QUICK, site.url("/"))
    assert set(run.by_url) == {site.url("/")}
    assert run.summary["skipped"] == {"scope": 4}


async def test_include_and_exclude(site: Site, job: Path) -> None:
    site.page("/", "/docs/a", "/docs/secret", "/blog/x")
    site.page("/docs/a")
    run = await crawl(job, *QUICK, "--include=/docs/", "--exclude=secret{1,2}", "--exclude=t{7}", site.url("/"))
    assert set(run.by_url) == {site.url("/"), site.url("/docs/a")}
    assert run.summary["skipped"] == {"excluded": 1, "not_included": 1}


async def test_max_depth_refuses_what_lies_deeper(site: Site, job: Path) -> None:
    site.page("/", "/1")
    site.page("/1", "/2")
    site.page("/2", "/3")
    run = await crawl(job, *QUICK, "--max-depth=1", site.url("/"))
    assert set(run.by_url) == {site.url("/"), site.url("/1")}
    assert run.summary["refusals"] == {"max_depth": 1}
    again = await crawl(job, *QUICK, site.url("/"))
    assert "with 2 pages; --max-depth refused 1 URL, and with a larger one it goes on; " in again.out
    only_seed = await crawl(job.with_name("other"), *QUICK, "--max-depth=0", site.url("/"))
    assert set(only_seed.by_url) == {site.url("/")}


async def test_max_pages_is_never_exceeded_and_the_crawl_goes_on_with_more(site: Site, job: Path) -> None:
    site.page("/", *(f"/{number}" for number in range(50)))
    for number in range(50):
        site.page(f"/{number}")
    run = await crawl(job, *QUICK, "--per-host=50", "--max-pages=7", site.url("/"))
    assert run.code == 0
    assert len(run.by_url) == 7
    assert len(site.asked) == 7
    assert "A budget is spent" in run.out
    again = await crawl(job, *QUICK, "--per-host=50", "--max-pages=7", site.url("/"))
    assert (again.code, len(again.by_url), len(site.asked)) == (0, 7, 7)
    assert "--max-pages=7" in again.out
    more = await crawl(job, *QUICK, "--per-host=50", "--max-pages=20", site.url("/"))
    assert (more.code, len(more.by_url), len(site.asked)) == (0, 20, 20)


async def test_max_host_pages(site: Site, job: Path) -> None:
    site.page("/", *(f"/{number}" for number in range(20)))
    run = await crawl(job, *QUICK, "--max-host-pages=5", site.url("/"), site.url("/", "localhost"))
    per_host = [sum(url.startswith(f"http://{host}:") for url in run.by_url) for host in ("127.0.0.1", "localhost")]
    assert per_host == [5, 5]
    assert run.summary["refusals"] == {"max_host_pages": 32}


async def test_max_time_ends_the_run_with_0(site: Site, job: Path) -> None:
    site.page("/", *(f"/{number}" for number in range(1000)))
    run = await crawl(job, "--delay=0.2", "--max-time=1", site.url("/"))
    assert run.code == 0
    assert 1 <= len(run.by_url) < 20
    assert run.summary["state"] == "finished"


async def test_robots_txt_is_asked_once_and_obeyed(site: Site, job: Path) -> None:
    site.raw("/robots.txt", b"User-agent: waterspout\nDisallow: /secret\n\nUser-agent: *\nDisallow: /\n")
    site.page("/", "/open", "/secret/x")
    site.page("/open", "/secret/y")
    run = await crawl(job, *QUICK, site.url("/"))
    assert set(run.by_url) == {site.url("/"), site.url("/open")}
    assert run.summary["refusals"] == {"robots": 2}
    assert [arrival.path for arrival in site.arrivals].count("/robots.txt") == 1
    assert site.arrivals[0].path == "/robots.txt"
    assert site.arrivals[1].headers["user-agent"].startswith("waterspout/")  # the site writes down in lower case
    ignoring = await crawl(job.with_name("other"), *QUICK, "--robots=ignore", site.url("/"))
    assert len(ignoring.by_url) == 4
    assert [arrival.path for arrival in site.arrivals].count("/robots.txt") == 1


async def test_robots_txt_is_kept_over_a_restart(site: Site, job: Path) -> None:
    site.raw("/robots.txt", b"User-agent: *\nDisallow: /secret\n")
    site.page("/", "/a", "/b", "/secret")
    await crawl(job, *QUICK, "--max-pages=1", site.url("/"))
    run = await crawl(job, *QUICK, "--max-pages=9", site.url("/"))
    assert len(run.by_url) == 3
    assert [arrival.path for arrival in site.arrivals].count("/robots.txt") == 1


async def test_a_robots_txt_that_redirects_is_followed(site: Site, job: Path) -> None:
    site.redirect("/robots.txt", "/rules.txt")
    site.raw("/rules.txt", b"User-agent: *\nDisallow: /secret\n")
    site.page("/", "/secret")
    run = await crawl(job, *QUICK, site.url("/"))
    assert set(run.by_url) == {site.url("/")}


async def test_a_robots_txt_that_fails_is_tried_again(site: Site, job: Path) -> None:
    site.raw("/robots.txt", b"User-agent: *\nDisallow: /secret\n", before=[Page(b"", status=503)])
    site.page("/", "/secret")
    run = await crawl(job, "--delay=0", "--retries=1", site.url("/"))
    assert set(run.by_url) == {site.url("/")}


async def test_a_host_without_robots_txt_for_trouble_is_given_up(site: Site, job: Path) -> None:
    """RFC 9309: unreachable means that all is disallowed. The other host is not held up."""
    site.raw("/robots.txt", b"", status=500)
    site.page("/", "/a")
    run = await crawl(job, *QUICK, site.url("/"))
    assert (run.code, run.records) == (3, [])
    assert site.asked == []
    assert run.summary["refusals"] == {"robots_unreachable": 1}


async def test_redirects_of_a_robots_txt_keep_the_distance_too(site: Site, job: Path) -> None:
    site.redirect("/robots.txt", "/1.txt")
    site.redirect("/1.txt", "/2.txt")
    site.raw("/2.txt", b"User-agent: *\nDisallow: /secret\n")
    site.page("/", "/secret")
    run = await crawl(job, "--delay=0.3", "--retries=0", site.url("/"))
    assert [arrival.path for arrival in site.arrivals] == ["/robots.txt", "/1.txt", "/2.txt", "/"]
    assert site.arrivals[-1].at - site.arrivals[0].at > 0.5, "three delays, less what a busy machine notes too late"
    assert run.summary["refusals"] == {"robots": 1}


@pytest.mark.parametrize(("redirects", "pages"), [(5, 1), (6, 2)])
async def test_five_redirects_lead_to_a_robots_txt(site: Site, job: Path, redirects: int, pages: int) -> None:
    """RFC 9309, section 2.3.1.2; behind more of them there is none."""
    for number in range(redirects):
        site.redirect("/robots.txt" if number == 0 else f"/{number}.txt", f"/{number + 1}.txt")
    site.raw(f"/{redirects}.txt", b"User-agent: *\nDisallow: /secret\n")
    site.page("/", "/secret")
    site.page("/secret")
    run = await crawl(job, *QUICK, site.url("/"))
    assert len(run.by_url) == pages
    assert len(site.arrivals) == 6 + pages


async def test_a_robots_txt_behind_a_loop_of_redirects_forbids_nothing(site: Site, job: Path) -> None:
    site.redirect("/robots.txt", "/robots.txt")
    site.page("/")
    run = await crawl(job, *QUICK, site.url("/"))
    assert len(run.by_url) == 1
    assert len(site.arrivals) == 6 + 1


async def test_a_robots_txt_that_leads_to_a_private_address_is_not_to_be_had(site: Site, job: Path) -> None:
    """That of a host which is private itself holds nothing up: each of its pages will say what hinders it."""
    site.redirect("/robots.txt", site.url("/robots.txt", "inner.localhost"))
    site.page("/", "/a")
    run = await crawl(job, *QUICK, site.url("/"))
    assert (run.records, run.summary["refusals"]) == ([], {"robots_unreachable": 1})
    assert [arrival.path for arrival in site.arrivals] == ["/robots.txt"]
    assert "inner.localhost" in (job / "crawl.log").read_text(), "it says why"


async def test_a_large_robots_txt_is_read_as_far_as_its_first_500_kib(site: Site, job: Path) -> None:
    site.raw("/robots.txt", b"User-agent: *\nDisallow: /secret\n" + b"# filler\n" * 200_000)
    site.page("/", "/secret", "/open")
    run = await crawl(job, *QUICK, site.url("/"))
    assert set(run.by_url) == {site.url("/"), site.url("/open")}


async def test_a_hostile_retry_after_stops_nothing(site: Site, job: Path) -> None:
    site.page("/", "/a", "/b")
    site.raw("/a", b"", status=200, headers={"Retry-After": "9" * 400})
    site.page("/b")
    run = await crawl(job, "--delay=0", site.url("/"))
    assert (run.code, len(run.by_url)) == (0, 3)


async def test_a_budget_of_pages_a_host_still_records_what_was_asked_for(site: Site, job: Path) -> None:
    """A page that is tried again keeps its place in the budget: it was asked for, so a record is owed."""
    site.page("/", "/flaky", *(f"/{number}" for number in range(9)))
    site.raw("/flaky", b"", status=503)
    for number in range(9):
        site.page(f"/{number}")
    run = await crawl(job, "--delay=0", "--retries=1", "--max-host-pages=4", site.url("/"))
    assert len(run.by_url) == 4
    assert set(run.by_url) == {site.url(path) for path in site.asked}
    assert run.by_url[site.url("/flaky")]["attempts"] == 2


async def test_a_host_that_has_had_enough_is_asked_less_often(site: Site, job: Path) -> None:
    site.page("/", *(f"/{number}" for number in range(8)))
    for number in range(8):
        site.page(f"/{number}", before=[Page(b"", status=429)] if number == 0 else [])
    run = await crawl(job, "--delay=0.15", "--robots=ignore", site.url("/"))
    assert {record["status"] for record in run.records} == {200}
    complaint = next(index for index, arrival in enumerate(site.arrivals) if arrival.path == "/0")
    gaps = [after.at - before.at for before, after in pairwise(site.arrivals[complaint + 1 : complaint + 5])]
    assert min(gaps) > 0.22, "twice the delay, less what good answers and a busy machine take off"


async def test_a_crawl_delay_is_obeyed(site: Site, job: Path) -> None:
    site.raw("/robots.txt", b"User-agent: *\nCrawl-delay: 0.4\n")
    site.page("/", "/a", "/b")
    run = await crawl(job, *QUICK, site.url("/"))
    assert len(run.by_url) == 3
    assert least_distance(run) >= 0.4


async def test_a_crawl_delay_that_is_too_long_gives_the_host_up(site: Site, job: Path) -> None:
    site.raw("/robots.txt", b"User-agent: *\nCrawl-delay: 61\n")
    run = await crawl(job, *QUICK, site.url("/"))
    assert run.code == 3
    assert run.summary["refusals"] == {"crawl_delay": 1}


async def test_a_robots_txt_waits_no_such_crawl_delay_at_another_host(site: Site, job: Path) -> None:
    """It is a redirect to a host that is given up for its Crawl-delay, and would be asked there in a day."""
    async with served() as slow:
        slow.raw("/robots.txt", b"User-agent: *\nCrawl-delay: 86400\n")
        known = slow.reached(1)
        for number in range(1, 4):
            slow.redirect(f"/{number}.txt", f"/{number + 1}.txt")
        slow.raw("/4.txt", b"User-agent: *\nDisallow: /secret\n")
        site.raw("/robots.txt", b"", status=302, headers={"Location": slow.url("/1.txt")}, gate=known)
        site.page("/", "/secret")
        run = await crawl(job, *QUICK, "--max-crawl-delay=0.2", slow.url("/"), site.url("/"))
    assert run.summary["refusals"] == {"crawl_delay": 1, "robots": 1}
    assert site.asked == ["/"]


async def test_a_robots_txt_that_leads_into_the_inner_network_forbids_all(site: Site, job: Path) -> None:
    site.redirect("/robots.txt", site.url("/rules.txt", host="inner.localhost"))
    site.page("/")
    run = await crawl(job, *QUICK, site.url("/"))
    assert run.summary["refusals"] == {"robots_unreachable": 1}
    assert not site.asked


async def test_what_robots_txt_forbids_stands_in_the_way_of_no_other_order_of_parameters(site: Site, job: Path) -> None:
    site.raw("/robots.txt", b"User-agent: *\nDisallow: /x?a\n")
    site.page("/", "/x?a=1&b=2", "/x?b=2&a=1", "/x?b=3&a=1", "/x?a=1&b=3")
    run = await crawl(job, *QUICK, site.url("/"))
    assert sorted(site.asked) == ["/", "/x?b=2&a=1", "/x?b=3&a=1"]
    assert run.summary["refusals"] == {"robots": 2}


async def test_nofollow_is_obeyed(site: Site, job: Path) -> None:
    site.raw("/", b"<a rel=nofollow href=/no>x</a><a href=/yes>y</a>", headers={"Content-Type": "text/html"})
    site.raw("/yes", b"<meta name=robots content=nofollow><a href=/never>", headers={"Content-Type": "text/html"})
    run = await crawl(job, *QUICK, site.url("/"))
    assert set(run.by_url) == {site.url("/"), site.url("/yes")}
    assert run.by_url[site.url("/")]["links"] == [site.url("/no"), site.url("/yes")]
    assert run.by_url[site.url("/yes")]["robots"] == ["nofollow"]


async def test_starts_to_one_host_keep_their_distance(site: Site, job: Path) -> None:
    site.page("/", *(f"/{number}" for number in range(6)))
    run = await crawl(job, "--delay=0.3", "--retries=0", "--concurrency=50", "--per-host=50", site.url("/"))
    assert len(run.by_url) == 7
    assert least_distance(run) >= 0.3


async def test_no_more_requests_at_once_than_the_slots(site: Site, job: Path) -> None:
    site.page("/", *(f"/{number}" for number in range(30)))
    for number in range(30):
        site.page(f"/{number}", delay=0.02)
    hosts = ("127.0.0.1", "localhost")
    await crawl(job, *QUICK, "--per-host=3", *(site.url("/", host) for host in hosts))
    assert [site.most_busy[f"{host}:{site.port}"] for host in hosts] == [3, 3]


async def test_no_more_requests_at_once_than_the_concurrency(site: Site, job: Path) -> None:
    site.page("/", *(f"/{number}" for number in range(20)), delay=0.05)
    for number in range(20):
        site.page(f"/{number}", delay=0.05)
    most = 0

    def watch(_: object) -> None:
        nonlocal most
        most = max(most, sum(site.busy.values()) + 1)

    site.watch = watch
    hosts = [f"h{number}.localhost" for number in range(4)]
    await crawl(job, *QUICK, "--concurrency=5", *(site.url("/", host) for host in hosts))
    assert most == 5


async def test_one_slow_host_does_not_hold_up_the_rest(site: Site, job: Path) -> None:
    """The slow host answers only when all of the quick one has been asked for."""
    gate = asyncio.Event()
    site.page("/slow", *(f"/slow/{number}" for number in range(8)), gate=gate)
    site.page("/", *(f"/{number}" for number in range(20)))
    asked = 0

    def watch(arrival: object) -> None:
        nonlocal asked
        asked += 1
        if len(site.asked) >= 22:
            gate.set()

    site.watch = watch
    run = await crawl(job, *QUICK, "--concurrency=2", site.url("/slow", "localhost"), site.url("/"))
    assert run.code == 0
    assert len(run.by_url) == 30


async def test_what_can_pass_is_tried_again_and_recorded_once(site: Site, job: Path) -> None:
    site.page("/", "/flaky", "/broken")
    site.page("/flaky", before=[Page(b"", status=503, headers={"Retry-After": "1"})])
    site.raw("/broken", b"", status=500)
    run = await crawl(job, "--delay=0", "--retries=1", site.url("/"))
    flaky, broken = run.by_url[site.url("/flaky")], run.by_url[site.url("/broken")]
    assert (flaky["status"], flaky["attempts"]) == (200, 2)
    assert (broken["status"], broken["attempts"], broken["error"]) == (500, 2, None)


async def test_what_failed_is_recorded_with_its_reason(site: Site, job: Path) -> None:
    site.page("/", "/slow", "/large")
    site.page("/slow", delay=20)
    site.raw("/large", b"x" * 3000)
    run = await crawl(job, *QUICK, "--timeout=1", "--max-body=2k", site.url("/"))
    assert run.code == 0
    slow, large = run.by_url[site.url("/slow")], run.by_url[site.url("/large")]
    assert slow["error"].startswith("timeout: ")
    assert slow["status"] is None
    assert large["error"].startswith("too_large: ")
    assert (run.summary["failed"], run.summary["errors"]) == (2, {"timeout": 1, "too_large": 1})
    assert "no whole answer came in time" in run.out


async def test_a_page_that_is_not_html_is_recorded_without_links(site: Site, job: Path) -> None:
    site.page("/", "/text")
    site.raw("/text", b"<a href=/never>", headers={"Content-Type": "text/plain; charset=utf-8"})
    run = await crawl(job, *QUICK, site.url("/"))
    text = run.by_url[site.url("/text")]
    assert (text["content_type"], text["charset"], text["links"], text["bytes"]) == ("text/plain", "utf-8", [], 15)


async def test_a_private_address_is_only_for_seeds(site: Site, job: Path) -> None:
    site.page("/", f"http://localhost:{site.port}/inner")
    run = await crawl(job, *QUICK, "--scope=any", "--robots=ignore", site.url("/"))
    inner = run.by_url[site.url("/inner", "localhost")]
    assert inner["error"].startswith("private_address: ")
    denied = await crawl(job.with_name("other"), *QUICK, "--robots=ignore", "--private=deny", site.url("/"))
    assert denied.code == 3
    assert denied.records[0]["error"].startswith("private_address: ")
    assert len(site.arrivals) == 1


async def test_a_redirect_to_a_private_address_says_so_in_its_record(site: Site, job: Path) -> None:
    site.redirect("/", f"http://localhost:{site.port}/inner")
    run = await crawl(job, *QUICK, site.url("/"))
    assert run.by_url[site.url("/inner", "localhost")]["error"].startswith("private_address: ")
    assert {arrival.host for arrival in site.arrivals} == {f"127.0.0.1:{site.port}"}


async def test_credentials_go_to_the_seeds_alone(site: Site, job: Path) -> None:
    site.page("/", f"http://localhost:{site.port}/other")
    seen: dict[str, set[bool]] = {}
    site.watch = lambda arrival: seen.setdefault(arrival.host.partition(":")[0], set()).add(
        "authorization" in arrival.headers
    )
    headers = ("--header=Authorization: Bearer hush", "--header=Accept-Language: de")
    await crawl(job, *QUICK, "--scope=any", "--private=allow", *headers, site.url("/"))
    assert seen == {"127.0.0.1": {True}, "localhost": {False}}
    assert {arrival.headers["accept-language"] for arrival in site.arrivals} == {"de"}


async def test_a_page_of_very_many_links_is_cut(site: Site, job: Path) -> None:
    anchors = b"".join(b"<a href=/%d>" % number for number in range(60_000))
    site.raw("/", anchors, headers={"Content-Type": "text/html"})
    run = await crawl(job, *QUICK, "--max-pages=1", site.url("/"))
    (record,) = run.records
    assert (len(record["links"]), record["error"]) == (50_000, "cut: more than 50,000 links")


async def test_too_few_open_files_are_named(site: Site, job: Path) -> None:
    script = f"ulimit -n 250; exec {command('--port=off', f'--job={job}', site.url('/'))}"
    for concurrency, code in ((200, 2), (50, 0)):
        site.page("/")
        process = await asyncio.create_subprocess_shell(
            f"{script} --concurrency={concurrency}", stderr=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.DEVNULL
        )
        _, err = await process.communicate()
        assert process.returncode == code, err
        if code:
            line = (
                rb"crawl\.py: --concurrency=200 (with --processes=3 )?needs 5\d\d open files, and the system allows 250"
            )
            assert re.match(line, err), err
            assert err.count(b"\n") == 1


async def test_too_few_open_files_for_so_many_processes_are_named(site: Site, job: Path) -> None:
    arguments = ("--port=off", f"--job={job}", "--concurrency=10", "--processes=256", site.url("/"))
    process = await asyncio.create_subprocess_shell(
        f"ulimit -n 250; exec {command(*arguments)}", stderr=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.DEVNULL
    )
    _, err = await process.communicate()
    assert (process.returncode, err.count(b"\n")) == (2, 1)
    assert err.startswith(b"crawl.py: --concurrency=10 with --processes=256 needs ")
    assert b"fewer --processes" in err


async def test_more_hosts_than_open_files_are_all_crawled(site: Site, job: Path) -> None:
    site.page("/")
    seeds = [site.url("/", f"h{number}.localhost") for number in range(300)]
    crawl_all = command("--delay=0", "--concurrency=40", f"--job={job}", *seeds)
    process = await asyncio.create_subprocess_shell(
        f"ulimit -n 200; exec {crawl_all}", stdout=asyncio.subprocess.DEVNULL
    )
    assert await process.wait() == 0
    assert sum(b'"status":200' in line for line in written(job)) == 300


async def test_max_time_that_comes_before_any_answer_is_no_failure(site: Site, job: Path) -> None:
    site.page("/", gate=asyncio.Event())
    run = await crawl(job, *QUICK, "--robots=ignore", "--max-time=0.5", site.url("/"))
    assert run.code == 0


@pytest.mark.parametrize("streams", [">&-", "<&- >&- 2>&-"])
async def test_closed_standard_streams_do_no_harm(site: Site, job: Path, streams: str) -> None:
    site.page("/", "/a")
    crawl_it = command("--delay=0", f"--job={job}", site.url("/"))
    process = await asyncio.create_subprocess_shell(f"exec {crawl_it} {streams}")
    assert await process.wait() == 0
    assert len(written(job)) == 2


async def test_no_seed_that_answers_is_exit_3(job: Path) -> None:
    run = await crawl(job, *QUICK, "--robots=ignore", "http://127.0.0.1:1/", "http://nowhere.invalid/")
    assert run.code == 3
    assert {record["error"].partition(":")[0] for record in run.records} == {"connect", "dns"}
    assert run.summary["failed"] == 2


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
async def test_a_stop_saves_all_and_the_same_command_goes_on(site: Site, job: Path, signum: int) -> None:
    enough = asyncio.Event()
    site.page("/", *(f"/{number}" for number in range(200)))
    for number in range(200):
        site.page(f"/{number}", "/")
    site.watch = lambda _: enough.set() if len(site.arrivals) == 60 else None
    running = await Crawl.start(job, "--delay=0.002", site.url("/"))
    await enough.wait()
    running.process.send_signal(signum)
    run = await running.end()
    assert run.code == 130, run.err
    assert "the same command goes on" in run.out
    assert run.summary["state"] == "stopped"
    done = len(run.by_url)
    assert 50 <= done < 201
    assert done == len(site.asked), "what was under way has been finished and saved"
    again = await crawl(job, "--delay=0", site.url("/"))
    assert again.code == 0
    assert len(again.by_url) == 401 - 200
    assert sorted(site.asked) == sorted(["/", *(f"/{number}" for number in range(200))] + ["/missing"] * 0), "once each"


async def test_nohup_lets_it_go_on_when_the_terminal_has_gone(site: Site, job: Path) -> None:
    enough = asyncio.Event()
    site.page("/", *(f"/{number}" for number in range(100)))
    site.watch = lambda _: enough.set() if len(site.arrivals) == 20 else None
    process = await asyncio.create_subprocess_shell(
        f"trap '' HUP; exec {command('--port=off', f'--job={job}', '--delay=0.002', site.url('/'))}",
        stdout=asyncio.subprocess.DEVNULL,
    )
    await enough.wait()
    process.send_signal(signal.SIGHUP)
    assert await process.wait() == 0
    assert len(site.asked) == 101


async def test_a_stop_does_not_wait_long_for_a_slow_server(site: Site, job: Path) -> None:
    site.page("/", "/never")
    never = site.page("/never", gate=asyncio.Event())
    asked = asyncio.Event()
    site.watch = lambda arrival: asked.set() if arrival.path == "/never" else None
    running = await Crawl.start(job, *QUICK, site.url("/"))
    await asked.wait()
    running.process.send_signal(signal.SIGINT)
    run = await running.end()
    assert (run.code, len(run.by_url)) == (130, 1)
    assert never.gate is not None
    never.gate.set()
    again = await crawl(job, *QUICK, site.url("/"))
    assert (again.code, len(again.by_url)) == (0, 2)


async def test_kill_9_loses_and_doubles_nothing(site: Site, job: Path) -> None:
    site.page("/", *(f"/{number}" for number in range(300)))
    for kill_at in (30, 120, 200):
        enough = site.reached(kill_at)
        running = await Crawl.start(job, "--delay=0.001", site.url("/"))
        await enough.wait()
        running.process.kill()
        await running.end()
    run = await crawl(job, *QUICK, site.url("/"))
    assert run.code == 0
    assert len(run.by_url) == 301


async def test_a_finished_job_says_so_and_fresh_starts_over(site: Site, job: Path) -> None:
    site.page("/", "/a")
    first = await crawl(job, *QUICK, site.url("/"))
    again = await crawl(job, *QUICK, site.url("/"))
    assert (again.code, len(site.asked)) == (0, 2)
    assert again.out.count("\n") == 1
    assert "--fresh" in again.out
    assert "--recrawl" in again.out
    refused = await crawl(job, *QUICK, "--fresh", site.url("/"))
    assert refused.code == 2
    assert "--yes" in refused.err
    assert refused.records == first.records
    fresh = await crawl(job, *QUICK, "--fresh", "--yes", site.url("/"))
    assert (fresh.code, len(fresh.by_url), len(site.asked)) == (0, 2, 4)


@pytest.mark.parametrize("left", ["empty", "gone"])
async def test_records_without_a_frontier_are_not_overwritten(site: Site, job: Path, left: str) -> None:
    site.page("/")
    await crawl(job, *QUICK, site.url("/"))
    for path in job.glob("frontier.sqlite*"):
        path.unlink()
    if left == "empty":
        (job / "frontier.sqlite").touch()
    run = await crawl(job, *QUICK, site.url("/"))
    assert run.code == 2
    assert "--fresh" in run.err
    assert len(run.records) == 1


async def test_a_new_seed_goes_on_with_a_finished_job(site: Site, job: Path) -> None:
    site.page("/")
    await crawl(job, *QUICK, site.url("/"))
    run = await crawl(job, *QUICK, site.url("/"), site.url("/more"))
    assert set(run.by_url) == {site.url("/"), site.url("/more")}


async def test_two_jobs_run_at_once_and_one_folder_has_one_owner(site: Site, job: Path) -> None:
    gate = asyncio.Event()
    site.page("/", gate=gate)
    asked = asyncio.Event()
    site.watch = lambda arrival: asked.set() if arrival.path == "/" else None
    one = await Crawl.start(job, *QUICK, site.url("/"))
    await asked.wait()
    second = await crawl(job, *QUICK, site.url("/"))
    assert second.code == 2
    assert re.fullmatch(r"crawl\.py: the job .* is being crawled by another process, number \d+\n", second.err)
    other = await Crawl.start(job.with_name("other"), *QUICK, site.url("/"))
    gate.set()
    assert [(await one.end()).code, (await other.end()).code] == [0, 0]


async def test_the_frontier_in_memory_crawls_as_well_but_cannot_go_on(site: Site, job: Path) -> None:
    site.page("/", "/a")
    run = await crawl(job, *QUICK, "--frontier=memory", site.url("/"))
    assert (run.code, len(run.by_url)) == (0, 2)
    again = await crawl(job, *QUICK, "--frontier=memory", site.url("/"))
    assert again.code == 2
    assert "--fresh" in again.err
    assert len(again.by_url) == 2


async def test_the_job_remembers_its_settings_without_secrets(site: Site, job: Path) -> None:
    site.page("/", "/a", "/b")
    await crawl(job, *QUICK, "--max-pages=1", "--header=X-Key: hush", site.url("/"))
    assert "hush" not in (job / "job.toml").read_text()
    run = await crawl(job, "--max-pages=2")
    assert (run.code, len(run.by_url)) == (0, 2)


async def test_a_closed_standard_output_does_not_stop_the_crawl(site: Site, job: Path) -> None:
    site.page("/", *(f"/{number}" for number in range(20)))
    reading, writing = os.pipe()
    os.close(reading)
    crawl_it = shlex.split(command(f"--job={job}", *QUICK, site.url("/")))
    process = await asyncio.create_subprocess_exec(*crawl_it, stdout=writing)
    os.close(writing)
    assert await process.wait() == 0
    assert len(written(job)) == 21
