"""Whole crawls of a web with endless traps, and of one with traps that are told by their URLs alone."""

from pathlib import Path

from benchmarks.traps import WEBS, shape
from benchmarks.traps import crawl as crawl_web
from tests.crawling import QUICK, crawl
from tests.site import Site


async def test_a_web_of_endless_traps_is_found_and_left(processes: int) -> None:
    """How many requests are under way when a rule closes a trap depends on the machine, so the bound is a wide one."""
    came = await crawl_web(shape(400, **WEBS["all"]), f"--processes={processes}")
    assert came.found >= 0.99 * came.real
    assert came.trapped < 1500, "each trap alone has millions"
    assert {"calendar", "facets", "parameter_order", "same_pages"} <= came.refusals.keys()


async def test_a_trap_is_refused_with_its_reason_and_let_in_when_the_rule_is_off(
    site: Site, tmp_path: Path, processes: int
) -> None:
    job, loop = tmp_path / "job", "/x/y/x/y/x/y"
    site.page("/", loop, "/a?b=1&c=2", "/z")
    site.page("/z", "/a?c=2&b=1")
    ended = await crawl(job, *QUICK, site.url("/"))
    assert sorted(site.asked) == ["/", "/a?b=1&c=2", "/z"]
    assert ended.summary["refusals"] == {"repeated_segments": 1, "parameter_order": 1}
    assert "repeated_segments" in ended.out
    assert "parameter_order" in ended.out
    said = (await crawl(job, f"--explain={site.url(loop)}")).out
    assert "It was not crawled: its path repeats itself, as in a loop of relative links [repeated_segments]." in said
    said = (await crawl(job, f"--explain={site.url(loop * 2)}")).out
    assert "It would not be asked for: its path repeats itself" in said
    await crawl(job, *QUICK, "--traps=parameter_order,facets", site.url("/"))
    assert sorted(site.asked) == sorted(["/", "/a?b=1&c=2", "/z", loop])
    await crawl(job, *QUICK, "--traps=none", site.url("/"))
    assert sorted(site.asked) == sorted(["/", "/a?b=1&c=2", "/z", loop, "/a?c=2&b=1"])


async def test_a_session_that_the_server_wants_is_followed_to_where_the_page_is(site: Site, tmp_path: Path) -> None:
    """Without the parameter that changes nothing, a page is only a redirect to itself with a new one."""
    names = [str(number) for number in range(60)]
    letters = "abcdefghijkl"  # so many that the rule has seen enough before the last ones are handed out
    site.page("/", *(f"/{name}?visit={letter * 9}{name}" for letter in letters for name in names))
    for name in names:
        site.redirect(f"/{name}", f"/{name}?visit=zzzzzzzzz{name}")
        for letter in letters + "z":
            site.page(f"/{name}?visit={letter * 9}{name}", title=name)
    ended = await crawl(tmp_path / "job", *QUICK, "--robots=ignore", "--per-host=1", site.url("/"))
    assert ended.summary["refusals"]["same_pages"] > 0
    read = {url.partition("?")[0] for url, record in ended.by_url.items() if record["status"] == 200}
    assert read == {site.url("/"), *(site.url(f"/{name}") for name in names)}
