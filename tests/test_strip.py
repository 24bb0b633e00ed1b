"""Parameters without which links are followed."""

from pathlib import Path

import pytest

from crawler.strip import STRIPPED, Strip
from tests.crawling import QUICK, ROOT, crawl
from tests.site import Site

HEX = "0123456789abcdef0123456789abcdef"


@pytest.mark.parametrize(
    ("url", "followed"),
    [
        ("/x?utm_source=a&utm_medium=b&x=3", "/x?x=3"),
        ("/x?x=3&UTM_Source=a&y", "/x?x=3&y"),
        ("/x?b=%20+&gclid=4&&c=;d", "/x?b=%20+&&c=;d"),
        ("/x?fbclid=1", "/x"),
        ("/x?fbclid", "/x"),
        ("/x?", "/x?"),
        ("/x?_gallery=1&my_utm_x=2&xgclid=3", "/x?_gallery=1&my_utm_x=2&xgclid=3"),
        ("/x;jsessionid=A1!b2/y;v=1?q", "/x/y;v=1?q"),
        (f"/x?sid={HEX}&t=1", "/x?t=1"),
        ("/story?sid=1234", "/story?sid=1234"),
        ("/?s=internationalisation", "/?s=internationalisation"),
        ("/talk?session_id=42", "/talk?session_id=42"),
    ],
)
def test_the_rest_of_a_url_stays_as_it_was(url: str, followed: str) -> None:
    strip = Strip(STRIPPED)
    assert strip.one("http://a.example" + url) == "http://a.example" + followed
    assert Strip([]).one(url) == url


def test_the_list_is_stated() -> None:
    told = (ROOT / "docs" / "traps.md").read_text()
    assert [name for name in STRIPPED if f"`{name}`" not in told] == []


def test_links_that_become_the_same_are_followed_once() -> None:
    strip = Strip(["id"])
    assert strip.all(["http://a/x?id=1", "http://a/y", "http://a/x?ID=2"]) == (["http://a/x", "http://a/y"], 2)
    assert strip.all(["http://a/x?i=1", "http://a/y"]) == (["http://a/x?i=1", "http://a/y"], 0)


async def test_a_crawl_follows_links_without_them(site: Site, tmp_path: Path) -> None:
    site.page("/?utm_source=seed", "/a?gclid=1", "/a?x=1&utm_campaign=2", "/moved")
    site.redirect("/moved", "/new?utm_source=redirect")
    site.page("/a")
    site.page("/a?x=1")
    site.page("/new?utm_source=redirect")
    ended = await crawl(tmp_path / "job", *QUICK, site.url("/?utm_source=seed"))
    assert sorted(site.asked) == sorted(["/?utm_source=seed", "/a", "/a?x=1", "/moved", "/new?utm_source=redirect"])
    links = ended.by_url[site.url("/?utm_source=seed")]["links"]
    assert links == [site.url(path) for path in ("/a?gclid=1", "/a?x=1&utm_campaign=2", "/moved")]
    assert ended.summary["skipped"] == {"stripped": 2}
    said = (await crawl(tmp_path / "job", f"--explain={site.url('/a?x=1&utm_campaign=9')}")).out.splitlines()
    assert said[0] == site.url("/a?x=1")
    assert said[2] == "  Links are followed in this spelling, without parameters of --strip-params."
    assert said[3] == "  It was crawled: the answer had status 200."


async def test_it_can_be_turned_off(site: Site, tmp_path: Path) -> None:
    site.page("/", "/a?gclid=1")
    await crawl(tmp_path / "job", *QUICK, "--strip-params=none", site.url("/"))
    assert site.asked == ["/", "/a?gclid=1"]
