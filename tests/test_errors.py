"""docs/errors.md says of every code, and of the statuses, what the code does with it."""

from pathlib import Path

import pytest

from crawler.breaker import SILENCE
from crawler.model import Answer
from crawler.pace import Pace
from crawler.reasons import REASONS, RETRY_STATUSES

DOCS = (Path(__file__).parent.parent / "docs" / "errors.md").read_text(encoding="utf-8")


def table(title: str) -> dict[str, list[str]]:
    """The rows of the table under a heading, by their first cell."""
    section = DOCS.partition(f"\n## {title}\n")[2].partition("\n## ")[0]
    lines = [line for line in section.splitlines() if line.startswith("|")]
    rows = [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines[2:]]
    return {row[0].strip("`"): row[1:] for row in rows}


def slows(status: int | None, error: str | None) -> bool:
    """Does one such end make the pace of a host slower?"""
    pace = Pace(1.0, 4)
    pace.learn(Answer("a:80", status, error), 0.0)
    return pace.delay > 1.0


def yes(fact: bool) -> str:
    return "yes" if fact else "no"


def test_every_error_stands_there_as_it_is() -> None:
    expected = {
        code: [reason.sentence, yes(reason.retry), yes(code in SILENCE), yes(slows(None, code))]
        for code, reason in REASONS.items()
        if reason.counted == "failed"
    }
    assert table("What fetching can meet") == expected


@pytest.mark.parametrize(
    ("title", "counted"),
    [("What is refused", "refused"), ("What is only counted", "skipped")],
    ids=["refused", "counted"],
)
def test_every_refusal_stands_there(title: str, counted: str) -> None:
    expected = {code: reason.sentence for code, reason in REASONS.items() if reason.counted == counted}
    assert {code: cells[0] for code, cells in table(title).items()} == expected


def test_the_statuses_stand_there_as_they_are() -> None:
    for name, (_, again, slower) in table("Answers").items():
        first, _, last = name.partition("-")
        statuses = range(int(first), int(last or first) + 1)
        assert {yes(status in RETRY_STATUSES) for status in statuses} == {again}, name
        assert {yes(slows(status, None)) for status in statuses} == {slower}, name
