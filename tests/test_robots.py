"""What a robots.txt says, and what an answer to the request for one means."""

import pytest

from crawler.model import Failure
from crawler.robots import KEPT, Robots, Rules, from_note, reading, to_note
from parsers.page import Response

TEXT = """
User-agent: *
Disallow: /private/
Allow: /private/open
Crawl-delay: 2

User-agent: Waterspout
Disallow: /only-us
"""


def rules(text: str | None, product: str = "Other") -> Rules:
    return Rules(text, product, fetched_at=0.0)


def answer(status: int, body: bytes = b"User-agent: *\nDisallow: /") -> Response:
    return Response("http://a/robots.txt", status, {}, body, 0.1)


def test_the_group_of_our_product_counts_and_the_longest_rule_wins() -> None:
    assert rules(TEXT).refusal("http://a/private/x") == "robots"
    assert rules(TEXT).refusal("http://a/private/open/x") is None
    assert rules(TEXT, "Waterspout").refusal("http://a/private/x") is None
    assert rules(TEXT, "Waterspout").refusal("http://a/only-us") == "robots"


def test_crawl_delay() -> None:
    assert rules(TEXT).delay == 2.0
    assert rules(TEXT, "Waterspout").delay == 0.0
    assert rules("User-agent: *\nCrawl-delay: soon").delay == 0.0
    assert rules("User-agent: *\nCrawl-delay: -3").delay == 0.0
    assert rules("User-agent: *\nCrawl-delay: nan").delay == 0.0


def test_one_that_cannot_be_had_forbids_all_and_an_empty_one_nothing() -> None:
    assert rules(None).refusal("http://a/") == "robots_unreachable"
    assert rules("").refusal("http://a/") is None


@pytest.mark.parametrize(
    ("given", "text"),
    [
        (answer(200, b"\xef\xbb\xbfUser-agent: *"), "User-agent: *"),
        (answer(200, b"Disallow: /\xff"), "Disallow: /%FF"),
        (answer(404), ""),
        (answer(403), ""),
        (answer(302), ""),
        (answer(429), None),
        (answer(500), None),
        (answer(503), None),
        (Failure("timeout", "no answer"), None),
    ],
)
def test_what_an_answer_amounts_to(given: Response | Failure, text: str | None) -> None:
    """RFC 9309, section 2.3.1."""
    assert reading(given) == text


def test_rules_are_kept_for_a_day_and_over_a_restart() -> None:
    robots = Robots("Other")
    assert robots.get("http://a", 0.0) is None
    learnt = robots.learn("http://a", TEXT, 100.0)
    assert robots.get("http://a", 100.0 + KEPT - 1) is learnt
    assert robots.get("http://a", 100.0 + KEPT) is None
    again = Robots("Other")
    again.learn("http://a", *from_note(to_note(TEXT, learnt.fetched_at)))
    kept = again.get("http://a", 101.0)
    assert kept is not None
    assert kept.refusal("http://a/private/x") == "robots"


@pytest.mark.parametrize(
    "text", ["\x00" * 1000, "Disallow", ":\n:::", "User-agent: *\nDisallow: " + "*" * 5000, "\ud800"]
)
def test_rubbish_harms_nobody(text: str) -> None:
    assert rules(text).refusal("http://a/x") in (None, "robots")


def test_product_tokens_are_compared_as_wholes_and_without_case() -> None:
    """RFC 9309, section 2.2.1."""
    text = "User-agent: spout\nDisallow: /a\n\nUser-agent: WATERSPOUT/9.9 (x)\nuser-agent: other\nDisallow: /b\n"
    ours = rules(text, "Waterspout")
    assert (ours.refusal("http://a/a"), ours.refusal("http://a/b")) == (None, "robots")
    other = rules(text, "Water")
    assert (other.refusal("http://a/a"), other.refusal("http://a/b")) == (None, None)


def test_groups_of_one_agent_are_one_group_and_only_without_them_the_star_counts() -> None:
    text = "User-agent: us\nDisallow: /a\n\nUser-agent: *\nDisallow: /c\n\nUser-agent: us\nDisallow: /b\n"
    ours = rules(text, "us")
    assert [ours.refusal(f"http://a/{path}") for path in "abc"] == ["robots", "robots", None]
    assert [rules(text).refusal(f"http://a/{path}") for path in "abc"] == [None, None, "robots"]


def test_a_file_of_many_agents_and_rules_costs_no_more_than_its_lines() -> None:
    """10,000 agents of one group, with 10,000 rules: kept once an agent these would be 100 million."""
    agents = "".join(f"User-agent: bot{number}\n" for number in range(10_000))
    text = agents + "User-agent: *\n" + "".join(f"Disallow: /{number}$\n" for number in range(10_000))
    assert rules(text).refusal("http://a/9999") == "robots"
    assert rules(text).refusal("http://a/x") is None


def test_memory_of_rules_is_bounded() -> None:
    robots = Robots("Other")
    for number in range(2100):
        robots.learn(f"http://h{number}", "", 0.0)
    assert robots.get("http://h0", 0.0) is None
    assert robots.get("http://h2099", 0.0) is not None
    many = "User-agent: *\n" + "".join(f"Disallow: /{number}\n" for number in range(30_000))
    for number in range(8):
        robots.learn(f"http://large{number}", many, 0.0)
    kept = [number for number in range(8) if robots.get(f"http://large{number}", 0.0) is not None]
    assert kept == [2, 3, 4, 5, 6, 7]
    assert robots.get("http://h2099", 0.0) is None
