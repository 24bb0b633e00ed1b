"""Which links are followed."""

import re

import pytest

from crawler.model import Found, Request
from crawler.scope import Scope
from crawler.settings import Settings
from parsers.page import Page


def request(url: str, depth: int = 1, hops: int = 0) -> Request:
    return Request(7, url, "news.example.co.uk:443", depth, parent=None, hops=hops)


HERE = "https://news.example.co.uk/a"
LINKS = [
    "https://news.example.co.uk/b",
    "http://news.example.co.uk/b",
    "https://www.example.co.uk/",
    "https://example.co.uk:8443/",
    "https://other.co.uk/",
    "http://10.0.0.1/",
]


@pytest.mark.parametrize(("scope", "followed"), [("host", 1), ("domain", 4), ("any", 6)])
def test_how_far_links_are_followed(scope: str, followed: int) -> None:
    rules = Scope(Settings(scope=scope), [HERE])  # type: ignore[arg-type]  # one of the three
    found, skipped = rules.sort(Page(links=LINKS), request(HERE))
    assert found == [Found(LINKS[:followed], depth=2, parent=7)]
    assert skipped == ({"scope": len(LINKS) - followed} if followed < len(LINKS) else {})


def test_a_host_that_is_admitted_is_in_scope() -> None:
    rules = Scope(Settings(), [HERE])
    assert rules.refusal("https://other.co.uk/") == "scope"
    rules.admit("other.co.uk:443")
    assert rules.refusal("https://other.co.uk/") is None
    assert rules.refusal("http://other.co.uk/") == "scope", "another port is another host"


def test_patterns_and_length() -> None:
    settings = Settings(include=(re.compile("/docs"),), exclude=(re.compile(r"\.zip$"),), max_url_length=60)
    rules = Scope(settings, [HERE])
    base = "https://news.example.co.uk"
    assert rules.refusal(f"{base}/docs/a") is None
    assert rules.refusal(f"{base}/blog") == "not_included"
    assert rules.refusal(f"{base}/docs/a.zip") == "excluded"
    assert rules.refusal(f"{base}/docs/{'x' * 60}") == "too_long"


def test_nofollow_is_obeyed_unless_robots_are_ignored() -> None:
    page = Page(links=[f"{HERE}/1", f"{HERE}/2"], nofollow=frozenset({f"{HERE}/2"}))
    found, skipped = Scope(Settings(), [HERE]).sort(page, request(HERE))
    assert (list(found[0].urls), skipped) == ([f"{HERE}/1"], {"nofollow": 1})
    found, skipped = Scope(Settings(robots="ignore"), [HERE]).sort(page, request(HERE))
    assert (len(found[0].urls), skipped) == (2, {})


def test_what_lies_too_deep_is_kept_with_its_reason() -> None:
    rules = Scope(Settings(max_depth=1), [HERE])
    assert rules.sort(Page(links=LINKS[:1]), request(HERE, depth=0))[0][0].refused is None
    assert rules.sort(Page(links=LINKS[:1]), request(HERE, depth=1))[0][0].refused == "max_depth"


def test_a_redirect_leads_to_the_same_depth_and_a_seeds_brings_its_host_in() -> None:
    rules = Scope(Settings(max_redirects=2), [HERE])
    away = Page(redirect_to="https://other.co.uk/")
    assert rules.sort(away, request(HERE, depth=1)) == ([], {"scope": 1})
    assert rules.sort(away, request(HERE, depth=0)) == ([Found(["https://other.co.uk/"], 0, 7, hops=1)], {})
    assert rules.refusal("https://other.co.uk/x") is None
    assert rules.sort(away, request(HERE, depth=1, hops=2))[0][0].refused == "max_redirects"


def test_a_page_without_links_leads_nowhere() -> None:
    assert Scope(Settings(), [HERE]).sort(Page(), request(HERE)) == ([], {})
