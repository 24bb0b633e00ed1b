"""What is said to limit the speed."""

from dataclasses import replace

import pytest

from crawler.verdict import Figures, judge

CALM = Figures(
    state="running",
    trouble=None,
    queued=100,
    under_way=3,
    concurrency=10,
    processor=0.2,
    cores=2,
    resting=0,
    full=0,
    longest=None,
    robots=0,
    later=None,
)


@pytest.mark.parametrize(
    ("change", "limit", "word"),
    [
        ({"state": "finished"}, "finished", "finished"),
        ({"state": "paused"}, "paused", "paused"),
        ({"trouble": "disk full", "state": "paused"}, "store", "disk full"),
        ({"processor": 1.2, "under_way": 10}, "processor", "1.2 of 2 cores"),
        ({"under_way": 10}, "workers", "All 10 workers"),
        ({"full": 3, "resting": 1}, "server", "3 hosts"),
        ({"resting": 1, "longest": "a:80 (--delay, 0.25 s)"}, "politeness", "1 host must rest"),
        ({"resting": 8, "longest": "a:80 (--delay, 0.25 s)"}, "politeness", "a:80"),
        ({"robots": 2, "under_way": 2}, "robots", "2 hosts"),
        ({}, "empty", "100 URLs"),
        ({"under_way": 0, "later": 4.2}, "retries", "4 s"),
        ({"under_way": 0}, "starting", "starting"),
    ],
)
def test_the_limit_is_named(change: dict[str, object], limit: str, word: str) -> None:
    verdict = judge(replace(CALM, **change))  # type: ignore[arg-type]  # the table's values have the fields' types
    assert verdict.limit == limit
    assert word in verdict.text
