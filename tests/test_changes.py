"""What a recrawl asks for and finds, answer by answer."""

import pickle
import time

import pytest

from crawler.changes import conditions, visit
from crawler.model import Change, Failure, Outcome, Request, Visit
from parsers.page import Page, Response

URL = "http://a.example/"


def seen(before: Visit | None, status: int = 200, body: str = "1", **headers: str) -> Outcome:
    """An answer to a request that knows of an earlier visit; `body` stands for its hash."""
    request = Request(1, URL, "a.example:80", 0, None, before=before)
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    page = Page(sha256=body, redirect_to=names.get("location"))
    return Outcome(request, time.time(), response=Response(URL, status, names, b"", 0.1), page=page)


def failed(before: Visit | None, code: str, status: int | None = None) -> Outcome:
    return Outcome(Request(1, URL, "a.example:80", 0, None, before=before), 0.0, failure=Failure(code, "text", status))


def kept(status: int = 200, body: str = "1", **headers: str) -> Visit:
    """What a first crawl keeps of an answer."""
    visited = visit(seen(None, status, body, **headers))
    assert visited is not None
    assert visited.change is None
    return visited


def found(outcome: Outcome) -> str | None:
    visited = visit(outcome)
    assert visited is not None
    return visited.change


@pytest.mark.parametrize(
    ("before", "now", "change"),
    [
        ((200, "1"), (200, "1"), "unchanged"),
        ((200, "1"), (200, "2"), "changed"),
        ((200, "1"), (203, "1"), "changed"),
        ((200, "1"), (404, "2"), "gone"),
        ((301, "1"), (410, "1"), "gone"),
        ((200, "1"), (503, "1"), "changed"),
        ((404, "1"), (404, "2"), "unchanged"),
        ((404, "1"), (410, "1"), "changed"),
        ((404, "1"), (200, "1"), "changed"),
        ((500, "1"), (404, "1"), "changed"),
        ((200, "1"), (304, "1"), "changed"),  # which nobody has asked for
        ((304, "1"), (304, "1"), "unchanged"),
    ],
)
def test_two_answers_are_compared(before: tuple[int, str], now: tuple[int, str], change: str) -> None:
    assert found(seen(kept(*before), *now)) == change
    assert found(seen(Visit(), *now)) == "new"


def test_of_a_redirect_the_target_counts() -> None:
    before = kept(302, "1", location="http://a.example/x")
    assert found(seen(before, 302, "2", location="http://a.example/x")) == "unchanged"
    assert found(seen(before, 302, "1", location="http://a.example/y")) == "changed"


@pytest.mark.parametrize(
    ("before", "outcome", "change"),
    [
        (kept(), failed(kept(), "timeout"), "gone"),
        (kept(), failed(kept(), "dns"), "gone"),
        (kept(), failed(kept(), "too_large", 200), "changed"),
        (kept(404), failed(kept(404), "timeout"), "changed"),
        (Visit(), failed(Visit(), "timeout"), None),
    ],
)
def test_after_a_failure_nothing_is_kept_of_the_page(before: Visit, outcome: Outcome, change: Change | None) -> None:
    assert visit(outcome) == Visit(change=change)


@pytest.mark.parametrize("code", ["internal", "crashed", "robots", "max_host_pages"])
def test_a_failure_of_ours_tells_nothing_of_the_page(code: str) -> None:
    assert visit(failed(kept(), code)) == kept()


def test_a_failure_in_a_first_crawl_keeps_nothing() -> None:
    assert visit(failed(None, "timeout")) is None


def test_validators_are_kept_and_sent_exactly_as_they_came() -> None:
    for etag in ('"v1"', 'W/"v1"', '""', '"a b"', '"\xfc\xff"', "bare-1", "W/bare"):
        assert conditions(kept(etag=etag)) == {"If-None-Match": etag}
    for date in ("Sun, 06 Nov 1994 08:49:37 GMT", "sunday", "0"):
        assert conditions(kept(last_modified=date)) == {"If-Modified-Since": date}
    assert conditions(kept(etag='"1"', last_modified="now")) == {"If-None-Match": '"1"', "If-Modified-Since": "now"}
    assert conditions(None) == conditions(Visit()) == {}


@pytest.mark.parametrize(
    "hostile",
    ['"1"\r\nHost: evil', '"1"\n', '"\0"', '"\x7f"', '"\u20ac"', '"' + "x" * 300 + '"', "x" * 300, "*", '"1", "2"', ""],
)
def test_what_is_no_validator_is_neither_kept_nor_sent(hostile: str) -> None:
    assert kept(etag=hostile).etag is None
    assert conditions(Visit(200, 1, etag=hostile)) == {}


@pytest.mark.parametrize("hostile", ["now\r\nHost: evil", "now\n", "\0", "\xe9", "x" * 65, ""])
def test_what_cannot_be_a_date_is_neither_kept_nor_sent(hostile: str) -> None:
    assert kept(last_modified=hostile).modified is None
    assert conditions(Visit(200, 1, modified=hostile)) == {}


@pytest.mark.parametrize("status", [302, 404, 500, 304])
def test_only_a_success_is_asked_for_on_conditions(status: int) -> None:
    assert conditions(kept(status, etag='"1"', last_modified="now")) == {}


def test_a_page_that_could_not_be_read_is_asked_for_as_a_whole() -> None:
    outcome = seen(None, etag='"1"')
    outcome.page = Page(problem="unread: not parsed within 30 s")
    visited = visit(outcome)
    assert visited is not None
    assert conditions(visited) == {}


def test_a_visit_may_go_to_another_process_and_back() -> None:
    outcome = pickle.loads(pickle.dumps(seen(kept(etag='"1"'), 304, "")))
    assert found(outcome) == "unchanged"


def test_not_modified_keeps_what_was_kept() -> None:
    before = kept(etag='"1"', last_modified="then")
    assert visit(seen(before, 304, "")) == Visit(200, before.digest, '"1"', "then", "unchanged")
    assert visit(seen(before, 304, "", etag='"2"')) == Visit(200, before.digest, '"2"', "then", "unchanged")
