"""What is said to limit the speed."""

from dataclasses import replace

import pytest

from crawler.stats import Verdict
from crawler.verdict import Figures, Steady, judge

CALM = Figures(
    state="running",
    trouble=None,
    dying=0,
    queued=100,
    claimable=0,
    under_way=3,
    rate=4.0,
    concurrency=10,
    loop=0.2,
    processor=0.2,
    cores=2,
    free=0,
    resting=0,
    resting_urls=0,
    pace=0.0,
    longest=None,
    asked=False,
    full=0,
    full_urls=0,
    fullest=None,
    asleep=0,
    asleep_urls=0,
    silent=None,
    naming=0,
    named=None,
    crowded=0,
    crowded_urls=0,
    crowd=None,
    robots=0,
    unheard=None,
    later=None,
)


@pytest.mark.parametrize(
    ("change", "limit", "word"),
    [
        ({"state": "finished", "queued": 0}, "finished", "has finished"),
        ({"naming": 3, "named": "slow.example:80"}, "dns", "Names that do not resolve, or not yet: 3 hosts"),
        (
            {"crowded": 2, "crowded_urls": 50, "full": 1, "full_urls": 10, "crowd": "192.0.2.7 is busy"},
            "address",
            "2 hosts wait for an IP address: 192.0.2.7 is busy",
        ),
        ({"state": "finished"}, "finished", "100 URLs left"),
        ({"state": "stopping"}, "finished", "3 requests under way"),
        ({"state": "stopped"}, "finished", "the same command goes on"),
        ({"state": "paused"}, "paused", "paused"),
        ({"trouble": "disk full", "state": "paused"}, "store", "goes on by itself"),
        ({"dying": 1, "full": 1, "full_urls": 9, "fullest": "a"}, "crew", "in 1 place of it"),
        ({"dying": 3, "loop": 0.9}, "crew", "in 3 places of it"),
        ({"loop": 0.9, "processor": 1.2, "under_way": 10, "free": 1}, "processor", "1.2 of 2 cores"),
        ({"processor": 1.9}, "processor", "1.9 of 2 cores"),
        ({"processor": 1.2, "queued": 4}, "empty", "4 URLs"),  # threads that parse are not the loop
        ({"under_way": 10, "free": 2}, "workers", "all 10"),
        ({"under_way": 10, "resting": 8, "pace": 32.0}, "workers", "all 10"),
        ({"under_way": 10, "full": 2, "full_urls": 80}, "server", "2 hosts"),  # more workers would find no host
        ({"full": 1, "full_urls": 80, "fullest": "slow:80", "resting": 7, "resting_urls": 70}, "server", "slow:80"),
        (
            {"resting": 1, "resting_urls": 9, "longest": "a:80 (--delay, 0.25 s)", "pace": 4.0},
            "politeness",
            "4 pages/s",
        ),
        ({"resting": 8, "resting_urls": 9, "longest": "a:80 (--delay, 0.25 s)"}, "politeness", "a shorter --delay"),
        ({"resting": 1, "longest": "a:80 (Retry-After, 9 s more)", "asked": True}, "politeness", "owner's wish"),
        ({"robots": 2, "under_way": 2}, "robots", "2 hosts"),
        ({"asleep": 2, "asleep_urls": 90, "silent": "a:80 (asleep; probed in 9 s)", "resting": 1}, "silence", "in 9 s"),
        ({"robots": 1, "under_way": 0, "unheard": "a:80: no connection"}, "robots", "no connection"),
        ({"queued": 4}, "empty", "4 URLs"),
        ({"queued": 1, "under_way": 1}, "empty", "1 URL known"),
        ({"queued": 13_722, "claimable": 13_722}, "processor", "13,722 URLs wait"),
        ({"later": 4.2}, "retries", "4 s"),
        ({"later": 4.2, "queued": 4}, "empty", "4 URLs"),
        ({"under_way": 0, "queued": 0}, "starting", "starting"),
    ],
)
def test_the_limit_is_named(change: dict[str, object], limit: str, word: str) -> None:
    verdict = judge(replace(CALM, **change))  # type: ignore[arg-type]  # the table's values have the fields' types
    assert verdict.limit == limit
    assert word in verdict.text


def named(*limits: str) -> list[str]:
    """What is shown after each of these, as they are met second by second."""
    steady = Steady()
    return [steady.of(Verdict(limit, "")).limit for limit in limits]


def test_a_limit_that_is_met_now_and_then_stays_named() -> None:
    assert set(named(*["server", "politeness"] * 10)) == {"server"}


def test_a_limit_that_lasts_is_soon_named() -> None:
    assert named(*["server"] * 9, *["politeness"] * 5)[-1] == "politeness"


@pytest.mark.parametrize("limit", ["store", "paused", "finished"])
def test_what_stops_the_crawl_is_named_at_once(limit: str) -> None:
    assert named("server", "server", limit)[-1] == limit
