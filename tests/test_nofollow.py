"""Links that pages ask not to follow, and pages that ask not to be indexed, in whole crawls."""

from pathlib import Path

import pytest

from tests.crawling import QUICK, crawl
from tests.site import Site

pytestmark = pytest.mark.usefixtures("processes")

HTML = {"Content-Type": "text/html; charset=utf-8"}
ASKS = {  # a page that asks so: its head, its headers, and its directives in the record
    "/meta": ("<meta name=robots content='noindex, nofollow'>", {}, ["noindex", "nofollow"]),
    "/meta-none": ("<meta name=ROBOTS content=None>", {}, ["none", "noindex", "nofollow"]),
    "/meta-us": ("<meta name=waterspout content=nofollow>", {}, ["nofollow"]),
    "/header": ("", {"X-Robots-Tag": "nofollow"}, ["nofollow"]),
    "/header-us": ("", {"X-Robots-Tag": "otherbot: all, WATERSPOUT: noindex, nofollow"}, ["noindex", "nofollow"]),
    "/headers": ("", {"X-Robots-Tag": "otherbot: noarchive", "x-robots-tag": "nofollow"}, ["nofollow"]),
    "/both": ("<meta name=robots content=noindex>", {"X-Robots-Tag": "nofollow"}, ["noindex", "nofollow"]),
}
FREE = {  # one that asks it of others, or not at all
    "/meta-other": ("<meta name=googlebot content=none>", {}, None),
    "/header-other": ("", {"X-Robots-Tag": "otherbot: noindex, nofollow"}, None),
    "/noindex": ("<meta name=robots content=noindex>", {"X-Robots-Tag": "noindex"}, ["noindex"]),
}
RELS = ("nofollow", "ugc", "Sponsored external")


@pytest.fixture
def web(site: Site) -> Site:
    site.page("/", *ASKS, *FREE, "/rels")
    for path, (head, headers, _) in (ASKS | FREE).items():
        site.raw(path, f"{head}<a href='{path}/link'>x</a>".encode(), headers=HTML | headers)
        site.page(f"{path}/link")
    links = [f"<a rel='{rel}' href='/rels/{number}'>x</a>" for number, rel in enumerate(RELS)]
    site.raw("/rels", "".join([*links, "<a href=/rels/free rel=me>x</a>"]).encode(), headers=HTML)
    for name in (*range(len(RELS)), "free"):
        site.page(f"/rels/{name}")
    return site


async def test_links_are_not_followed_where_a_page_asks_it(web: Site, job: Path) -> None:
    run = await crawl(job, *QUICK, web.url("/"))
    followed = [*(f"{path}/link" for path in FREE), "/rels/free"]
    assert set(run.by_url) == {web.url(path) for path in ("/", *ASKS, *FREE, "/rels", *followed)}
    assert sorted(web.asked) == sorted(("/", *ASKS, *FREE, "/rels", *followed))
    for path, (_, _, directives) in (ASKS | FREE).items():
        record = run.by_url[web.url(path)]
        assert (path, record["robots"]) == (path, directives)
        assert record["links"] == [web.url(f"{path}/link")]  # what a page links to is known all the same
    assert run.summary["skipped"] == {"nofollow": len(ASKS) + len(RELS)}


async def test_who_ignores_robots_follows_them_all(web: Site, job: Path) -> None:
    run = await crawl(job, *QUICK, "--robots=ignore", web.url("/"))
    assert len(run.by_url) == 2 + 2 * len(ASKS | FREE) + len(RELS) + 1
    assert run.by_url[web.url("/meta")]["robots"] == ["noindex", "nofollow"]
    assert run.summary["skipped"] == {}


async def test_pages_speak_to_the_product_that_the_user_names(site: Site, job: Path) -> None:
    site.raw("/", b"<meta name=mybot content=nofollow><a href=/x>x</a>", headers=HTML)
    run = await crawl(job, *QUICK, "--user-agent=Mozilla/5.0 (compatible; MyBot/2.0)", site.url("/"))
    assert set(run.by_url) == {site.url("/")}
    assert run.by_url[site.url("/")]["robots"] == ["nofollow"]
