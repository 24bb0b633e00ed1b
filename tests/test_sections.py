"""Sections [[host]] of a configuration file, in whole crawls: what holds for some hosts alone."""

from itertools import pairwise
from pathlib import Path

import orjson
from tornado.httpclient import AsyncHTTPClient

from crawler.pace import SECTION_PACE
from tests.crawling import Crawl, Run
from tests.site import Site

OTHER = "other.localhost"


async def crawl_with(sections: str, job: Path, *arguments: str) -> Run:
    """Crawl to the end with this configuration."""
    (job.parent / "my.toml").write_text(sections)
    return await (await Crawl.start(job, "--config=my.toml", *arguments)).end()


async def test_a_hosts_section_sets_its_pace(site: Site, job: Path, processes: int) -> None:
    site.page("/", *(f"/{number}" for number in range(6)))
    for number in range(6):
        site.page(f"/{number}")
    quick, slow = site.url("/"), site.url("/", OTHER)
    section = f'delay = 0\n[[host]]\nmatch = "{OTHER}"\ndelay = 0.3\nper_host = 1\n'
    run = await crawl_with(section, job, "--retries=0", f"--processes={processes}", quick, slow)
    assert run.code == 0
    starts = [arrival.at for arrival in site.arrivals if arrival.host.startswith(OTHER)]
    assert len(starts) == 8
    assert min(after - before for before, after in pairwise(starts)) > 0.15, "a busy machine notes some too late"
    assert site.most_busy[f"{OTHER}:{site.port}"] == 1


async def test_a_hosts_section_ignores_its_robots(site: Site, job: Path) -> None:
    site.raw("/robots.txt", b"User-agent: *\nDisallow: /secret")
    site.page("/", "/secret")
    site.raw("/secret", b"<a href=/more rel=nofollow>", headers={"Content-Type": "text/html"})
    site.page("/more")
    section = f'delay = 0\n[[host]]\nmatch = "{OTHER}:{site.port}"\nrobots = "ignore"\n'
    run = await crawl_with(section, job, site.url("/"), site.url("/", OTHER))
    assert set(run.by_url) == {site.url("/"), *(site.url(path, OTHER) for path in ("/", "/secret", "/more"))}
    asked = {arrival.host for arrival in site.arrivals if arrival.path == "/robots.txt"}
    assert asked == {f"127.0.0.1:{site.port}"}


async def test_a_hosts_section_adds_headers_for_it_alone(site: Site, job: Path, processes: int) -> None:
    site.page("/", site.url("/page"), site.url("/page", OTHER), site.url("/page", "third.localhost"))
    site.page("/page")
    section = (
        'delay = 0\nscope = "any"\nheader = ["X-All: all", "X-Own: all"]\nprivate = "allow"\n'
        f'[[host]]\nmatch = "{OTHER}"\nheader = ["Cookie: mine", "x-own: mine"]\n'
    )
    await crawl_with(section, job, f"--processes={processes}", site.url("/"))
    got = {
        arrival.host.partition(":")[0]: [arrival.headers.get(name) for name in ("cookie", "x-own", "x-all")]
        for arrival in site.arrivals
        if arrival.path == "/page"
    }
    everyone = [None, "all", "all"]
    assert got == {"127.0.0.1": everyone, OTHER: ["mine", "mine", "all"], "third.localhost": everyone}


async def test_a_sections_pace_has_its_reason(site: Site, job: Path) -> None:
    site.page("/", *(f"/{number}" for number in range(9)))
    asked = site.reached(1)
    (job.parent / "my.toml").write_text('[[host]]\nmatch = "127.*"\ndelay = 600\n')
    running = await Crawl.start(job, "--config=my.toml", "--port=0", site.url("/"))
    assert running.process.stdout is not None
    address = (await running.process.stdout.readline()).decode().split()[-1]
    await asked.wait()
    reason = "waits for its robots.txt"
    while reason == "waits for its robots.txt":
        hosts = orjson.loads((await AsyncHTTPClient().fetch(f"{address}api/hosts")).body)["hosts"]
        reason = hosts[0]["reason"]
    assert [(host["delay"], host["slots"], host["reason"]) for host in hosts] == [(600, 4, SECTION_PACE)]
    running.process.terminate()
    assert (await running.end()).code == 130
