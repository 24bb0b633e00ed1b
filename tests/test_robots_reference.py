"""robots.txt in odd cases: what RFC 9309 and the tests of the reference parser (google/robotstxt) say of each.

Where we differ from that parser the case says so; docs/robots.md says why.
"""

import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from crawler.robots import MOST, Rules, reading
from parsers import urls
from parsers.page import Response

US = "FooBot"
OURS_TWICE = "User-agent: FooBot\nDisallow: /a\nUser-agent: BarBot\nDisallow: /b\nUser-agent: foobot\nDisallow: /c"
STAR_TWICE = "User-agent: *\nDisallow: /a\nUser-agent: BarBot\nDisallow: /b\nUser-agent: *\nDisallow: /c"

CASES: dict[str, list[tuple[str | bytes, str, bool]]] = {  # the file, a path (or URL), may FooBot ask for it?
    "agents": [
        ("User-agent: FooBot\nDisallow: /", "/x", False),
        ("USER-AGENT: fOObOT\nDISALLOW: /\nALLOW: /x", "/x", True),
        ("User-agent: Foo\nDisallow: /", "/x", True),  # a part of our name is another robot
        ("User-agent: FooBotNews\nDisallow: /", "/x", True),
        ("User-agent: FooBot-News\nDisallow: /", "/x", True),
        ("User-agent: Bot\nDisallow: /", "/x", True),
        ("User-agent: FooBot2\nDisallow: /", "/x", True),  # the reference stops at the digit: FooBot
        ("User-agent: FooBot/2.1\nDisallow: /", "/x", False),
        ("User-agent: FooBot Images\nDisallow: /", "/x", False),  # up to the first space
        ("User-agent: FooBot, BarBot\nDisallow: /", "/x", False),
        ("User-agent: FooBot*\nDisallow: /", "/x", False),
        ("User-agent: Mozilla/5.0 (compatible; FooBot/2.1)\nDisallow: /", "/x", True),  # no product token of ours
        ("User-agent: *\nDisallow: /\nUser-agent: FooBot\nAllow: /x\nDisallow: /", "/x", True),
        ("User-agent: FooBot\nDisallow: /y\n\nUser-agent: *\nDisallow: /", "/x", True),  # only our own group
        ("User-agent: FooBot\n\nUser-agent: BarBot\n\nDisallow: /", "/x", False),  # blank lines end no group
        ("User-agent: BarBot\nUser-agent: FooBot\nUser-agent: *\nDisallow: /", "/x", False),
        (OURS_TWICE, "/a", False),
        (OURS_TWICE, "/b", True),
        (OURS_TWICE, "/c", False),
        (STAR_TWICE, "/a", False),
        (STAR_TWICE, "/b", True),
        (STAR_TWICE, "/c", False),
        ("User-agent: * all robots\nDisallow: /", "/x", False),  # "*" and a space is "*"
        ("User-agent: *Bot\nDisallow: /", "/x", True),  # no patterns here
        ("User-agent:\nDisallow: /", "/x", True),  # nobody
        ("User-agent: *\nDisallow: /\nUser-agent: FooBot", "/x", True),  # a group without rules is one
        ("User-agent: *\nDisallow: /\nUser-agent: FooBot\nDisallow:", "/x", True),
        ("allow: /foo/bar/\nUser-agent: FooBot\nDisallow: /", "/foo/bar/", False),  # a rule of nobody's
        ("Disallow: /", "/x", True),
        ("Disallow: /\nUser-agent: *\nAllow: /y", "/x", True),
    ],
    "other lines end no group": [
        ("User-agent: FooBot\nSitemap: http://h/s\nUser-agent: *\nDisallow: /", "/x", False),
        ("User-agent: FooBot\nInvalid-Unknown-Line: x\nUser-agent: *\nDisallow: /", "/x", False),
        ("User-agent: FooBot\nCrawl-delay: 1\nUser-agent: *\nDisallow: /", "/x", False),
        ("User-agent: FooBot\nHost: h\nClean-param: a /b\nUser-agent: *\nDisallow: /", "/x", False),
        ("User-agent: FooBot\nDisallow: /a\nSitemap: http://h/s\nDisallow: /x", "/x", False),
        ("User-agent: FooBot\nDisallow: /a\nCrawl-delay: 3\nnonsense\nDisallow: /x", "/x", False),
        ("User-agent: FooBot\nDisallow:\nUser-agent: *\nDisallow: /", "/x", True),  # an empty rule does
        ("Sitemap: http://h/s\nUser-agent: FooBot\nDisallow: /", "/x", False),
        ("Noindex: /x\nUser-agent: FooBot\nNoindex: /x", "/x", True),
    ],
    "line ends and blanks": [
        ("User-agent: FooBot\rDisallow: /", "/x", False),
        ("User-agent: FooBot\r\nDisallow: /\r\n", "/x", False),
        ("User-agent: FooBot\n\rDisallow: /\r\r\nAllow: /x", "/x", True),
        ("\ufeffUser-agent: FooBot\nDisallow: /", "/x", False),
        (b"\xef\xbbUser-agent: FooBot\nDisallow: /", "/x", False),  # a part of a byte order mark
        (b"\xefUser-agent: FooBot\nDisallow: /", "/x", False),
        (b"\xef\x11\xbfUser-agent: FooBot\nDisallow: /", "/x", True),
        ("User-agent: FooBot\n\ufeffDisallow: /", "/x", True),  # a mark within the file is a wrong key
        ("User-agent: FooBot\nDisallow: /a\u2028Allow: /a", "/a", True),  # no end of a line for the RFC
        ("User-agent: FooBot\nDisallow: /a\x0cx\nDisallow: /b\x85", "/a", True),
        (" \t User-agent \t : \t FooBot \t \n\tDisallow\t:\t/x\t", "/x", False),
        ("User-agent:FooBot\nDisallow:/x", "/x", False),
        ("User-agent: FooBot # us\nDisallow: /x # secret", "/x", False),
        ("User-agent: FooBot\n# Disallow: /\nDisallow: /foo/quz#qux\nAllow: /", "/foo/quz", False),
        ("User-agent: FooBot\n# Disallow: /\nDisallow: /foo/quz#qux\nAllow: /", "/foo/bar", True),
        ("User-agent: FooBot\nDisallow: /#", "/x", False),
        ("User-agent: FooBot\nDisallow: #/", "/x", True),
        ("User-agent: FooBot\nDisallow: /x y", "/x%20y", False),
        ("User-agent: FooBot\nDisallow: /x y", "/x", True),
        (b"User-agent: FooBot\nDisallow: /x\x00y", "/x", True),  # the reference ends the line at a NUL
        ("User-agent: FooBot\nDisallow: /x" + "y" * 20_000 + "\nDisallow: /z", "/z", False),
        ("User-agent: FooBot\nDisallow: /x" + "y" * 20_000, "/x" + "y" * 17_000, True),  # the reference cuts at 16,664
        ("User-agent: FooBot\nDisallow: /x" + "y" * 20_000, "/x" + "y" * 20_000, False),
    ],
    "keys": [  # those of the reference parser, which also takes what only begins with them
        ("foo: FooBot\nbar: /", "/x", True),
        ("user-agent FooBot\ndisallow /", "/x", False),  # a colon that is missing
        ("user-agent FooBot\ndisallow / x", "/x", True),  # but only between two words
        ("user agent: FooBot\ndisalow: /", "/x", False),
        ("useragent: FooBot\ndissallow: /", "/x", False),
        ("User-agents: FooBot\ndissalow: /", "/x", False),
        ("user-agent: FooBot\ndiasllow: /", "/x", False),
        ("user-agent: FooBot\ndisallaw: /", "/x", False),
        ("user-agent: FooBot\nDisallowed: /", "/x", False),
        ("user-agent: FooBot\ndis allow: /", "/x", True),
        ("user-agent: FooBot\ndsallow: /", "/x", True),
        ("user-agent: FooBot\nalow: /x\ndisallow: /", "/x", False),  # nothing is forgiven to what allows
        ("user-agent: FooBot\nallowed: /x\ndisallow: /", "/x", True),
        (": FooBot\nuser-agent: FooBot\n: /\ndisallow: /x", "/x", False),
        ("user-agent: : FooBot\ndisallow: /x", "/x", True),
    ],
    "values": [
        ("User-agent: FooBot\nDisallow: x", "/x", True),  # a path begins with "/"
        ("User-agent: FooBot\nDisallow: *x", "/x", False),
        ("User-agent: FooBot\nDisallow: http://h/x", "/x", True),
        ("User-agent: FooBot\nDisallow: /\nAllow:", "/x", False),
        ("User-agent: FooBot\nDisallow:\nAllow:", "/x", True),
        ("User-agent: FooBot\nDisallow: /x/", "/X/y", True),  # with case
        ("User-agent: FooBot\nDisallow: /X/", "/X/y", False),
        ("User-agent: FooBot\nDisallow: //", "//a", False),
        ("User-agent: FooBot\nDisallow: //", "/a", True),
        ("User-agent: FooBot\nDisallow: /", "/robots.txt", True),  # RFC 9309, section 2.2.2
        ("User-agent: FooBot\nDisallow: /robots.txt", "/robots.txt?x", True),
        ("User-agent: FooBot\nDisallow: /", "/a/robots.txt", False),
        ("User-agent: FooBot\nDisallow: /", "/robots.txt/a", False),
    ],
    "the longest rule, and of two as long what allows": [
        ("User-agent: FooBot\nDisallow: /x/page.html\nAllow: /x/", "/x/page.html", False),
        ("User-agent: FooBot\nAllow: /x/page.html\nDisallow: /x/", "/x/page.html", True),
        ("User-agent: FooBot\nAllow: /x/page.html\nDisallow: /x/", "/x/", False),
        ("User-agent: FooBot\nDisallow: /\nAllow: /", "/x", True),
        ("User-agent: FooBot\nAllow: /\nDisallow: /", "/x", True),
        ("User-agent: FooBot\nDisallow: /x\nAllow: /x/", "/x", False),
        ("User-agent: FooBot\nDisallow: /x\nAllow: /x/", "/x/", True),
        ("User-agent: FooBot\nAllow: /page\nDisallow: /*.html", "/page.html", False),
        ("User-agent: FooBot\nAllow: /page\nDisallow: /*.html", "/page", True),
        ("User-agent: FooBot\nAllow: /x/page.\nDisallow: /*.html", "/x/page.html", True),
        ("User-agent: FooBot\nAllow: /x/page.\nDisallow: /*.html", "/x/y.html", False),
        ("User-agent: FooBot\nAllow: /page\nDisallow: /*.htm", "/page.htm", False),  # 5 and 6 octets
        ("User-agent: FooBot\nAllow: /page\nDisallow: /*.ph", "/page.ph", True),  # 5 and 5
        ("User-agent: FooBot\nAllow: /$\nDisallow: /", "/", True),
        ("User-agent: FooBot\nAllow: /$\nDisallow: /", "/page.html", False),
        ("User-agent: FooBot\nAllow: /$\nDisallow: /", "/?", False),
        ("User-agent: FooBot\nAllow: /fish*\nDisallow: /fish.", "/fish.html", True),  # "*" counts
        ("User-agent: FooBot\nAllow: /a\nAllow: /ab\nDisallow: /abc\nAllow: /*d", "/abcd", False),
    ],
    "* and $": [
        ("User-agent: FooBot\nDisallow: /\nAllow: /fish", "/fishheads/yummy.html", True),
        ("User-agent: FooBot\nDisallow: /\nAllow: /fish*", "/fish.html?id=anything", True),
        ("User-agent: FooBot\nDisallow: /\nAllow: /fish*", "/Fish.asp", False),
        ("User-agent: FooBot\nDisallow: /\nAllow: /fish/", "/fish", False),
        ("User-agent: FooBot\nDisallow: /\nAllow: /*.php", "/folder/filename.php?parameters", True),
        ("User-agent: FooBot\nDisallow: /\nAllow: /*.php", "/index?f=filename.php/", True),
        ("User-agent: FooBot\nDisallow: /\nAllow: /*.php", "/windows.PHP", False),
        ("User-agent: FooBot\nDisallow: /\nAllow: /*.php$", "/folder/filename.php", True),
        ("User-agent: FooBot\nDisallow: /\nAllow: /*.php$", "/filename.php?parameters", False),
        ("User-agent: FooBot\nDisallow: /\nAllow: /*.php$", "/filename.php5", False),
        ("User-agent: FooBot\nDisallow: /\nAllow: /*.php$", "/a.php.php", True),
        ("User-agent: FooBot\nDisallow: /\nAllow: /fish*.php", "/fishheads/catfish.php?parameters", True),
        ("User-agent: FooBot\nDisallow: /\nAllow: /fish*.php", "/Fish.PHP", False),
        ("User-agent: FooBot\nDisallow: /foo/bar$\nAllow: /foo/bar/qux", "/foo/bar", False),
        ("User-agent: FooBot\nDisallow: /foo/bar$", "/foo/bar/", True),
        ("User-agent: FooBot\nDisallow: /foo/bar$", "/foo/bar?", True),
        ("User-agent: FooBot\nDisallow: /a$", "/a$b", True),
        ("User-agent: FooBot\nDisallow: /a$", "/a$", True),
        ("User-agent: FooBot\nDisallow: /a$b", "/a$bc", False),  # "$" within is itself
        ("User-agent: FooBot\nDisallow: /a$b", "/a", True),
        ("User-agent: FooBot\nDisallow: /a$$", "/a$", False),
        ("User-agent: FooBot\nDisallow: /a$$", "/a", True),
        ("User-agent: FooBot\nDisallow: /a*$", "/abc", False),
        ("User-agent: FooBot\nDisallow: *$", "/", False),
        ("User-agent: FooBot\nDisallow: *", "/", False),
        ("User-agent: FooBot\nDisallow: $", "/", True),
        ("User-agent: FooBot\nDisallow: /a**b***c", "/a1b2c", False),
        ("User-agent: FooBot\nDisallow: /ab*ba", "/aba", True),  # the two do not overlap
        ("User-agent: FooBot\nDisallow: /*a*a$", "/a", True),
        ("User-agent: FooBot\nDisallow: /*a*a$", "/xaxa", False),
        ("User-agent: FooBot\nDisallow: /foo/*/qux", "/foo/qux", True),
        ("User-agent: FooBot\nDisallow: /foo/*/qux", "/foo//qux", False),
        ("User-agent: FooBot\nDisallow: /a.c", "/abc", True),  # no regular expressions
        ("User-agent: FooBot\nDisallow: /a+(b|c)[d]?", "/aab", True),
    ],
    "query and parameters": [
        ("User-agent: FooBot\nDisallow: /a?b", "/a?bc", False),
        ("User-agent: FooBot\nDisallow: /a?b", "/a", True),
        ("User-agent: FooBot\nDisallow: /*?", "/a?", False),
        ("User-agent: FooBot\nDisallow: /*?", "/a", True),
        ("User-agent: FooBot\nDisallow: /*?*s=", "/a?x=1&s=2", False),
        ("User-agent: FooBot\nDisallow: /a;b", "/a;b?c", False),
        ("User-agent: FooBot\nDisallow: /;", "/a;b", True),
        ("User-agent: FooBot\nDisallow: /b", "http://h/?u=http://h/b", True),  # the path alone, from its beginning
        ("User-agent: FooBot\nDisallow: /?a", "http://h?a", False),
        ("User-agent: FooBot\nDisallow: /\nAllow: /foo?qux=taz&baz=http://foo.bar?tar&par",
         "/foo?qux=taz&baz=http://foo.bar?tar&par", True),
        ("User-agent: FooBot\nDisallow: /a", "/b#/a", True),
    ],
    "percent-encoding": [
        ("User-agent: FooBot\nDisallow: /foo/bar/ツ", "/foo/bar/%E3%83%84", False),
        ("User-agent: FooBot\nDisallow: /foo/bar/ツ", "/foo/bar/ツ", False),  # the crawler encodes its URLs first
        ("User-agent: FooBot\nDisallow: /foo/bar/%e3%83%84", "/foo/bar/ツ", False),
        ("User-agent: FooBot\nDisallow: /%aA", "/%Aa", False),
        ("User-agent: FooBot\nDisallow: /foo/bar/%62%61%7A", "/foo/bar/baz", False),  # the RFC; not the reference
        ("User-agent: FooBot\nDisallow: /foo/bar/baz", "/foo/bar/%62%61%7A", False),  # as above
        ("User-agent: FooBot\nDisallow: /~joe", "/%7ejoe", False),
        ("User-agent: FooBot\nDisallow: /%7Ejoe/", "/~joe/index.html", False),
        ("User-agent: FooBot\nDisallow: /a%2fb", "/a/b", True),
        ("User-agent: FooBot\nDisallow: /a/b", "/a%2Fb", True),
        ("User-agent: FooBot\nDisallow: /a%2fb", "/a%2Fb", False),
        ("User-agent: FooBot\nDisallow: /a?b", "/a%3Fb", True),
        ("User-agent: FooBot\nDisallow: /a%3Fb", "/a?b", True),
        ("User-agent: FooBot\nDisallow: /a%3Db", "/a=b", True),
        ("User-agent: FooBot\nDisallow: /a%26b", "/a&b", True),
        ("User-agent: FooBot\nDisallow: /file-%2A.html", "/file-*.html", False),  # RFC 9309, section 2.2.3
        ("User-agent: FooBot\nDisallow: /file-%2A.html", "/file-x.html", True),
        ("User-agent: FooBot\nDisallow: /foo-%24", "/foo-$", False),
        ("User-agent: FooBot\nDisallow: /foo-%24", "/foo-", True),
        ("User-agent: FooBot\nDisallow: /a%", "/a%", False),
        ("User-agent: FooBot\nDisallow: /a%zz", "/a%zz", False),
        ("User-agent: FooBot\nDisallow: /a%25b", "/a%b", True),
        ("User-agent: FooBot\nDisallow: /a%2", "/a%2F", False),  # a beginning is one, even within an escape
        ("User-agent: FooBot\nDisallow: /{id}/\"<x>\"", '/{id}/"<x>"', False),  # a URL has them escaped
        ("User-agent: FooBot\nDisallow: /?q='x", "/?q='x", False),
        ("User-agent: FooBot\nDisallow: /a|b^c`", "/a|b^c`", False),
        (b"User-agent: FooBot\nDisallow: /caf\xe9", "/caf%E9", False),  # Latin-1, as the server sees it
        (b"User-agent: FooBot\nDisallow: /caf\xe9", "/caf%C3%A9", True),
        (b"User-agent: FooBot\nDisallow: /\xff\xfe\nDisallow: /x", "/x", False),
        ("User-agent: FooBot\nDisallow: /\U0001f600", "/%F0%9F%98%80", False),
    ],
    "who allows index.html allows its folder": [  # not in the RFC; the reference parser does
        ("User-agent: *\nAllow: /a/index.html\nDisallow: /", "/a/", True),
        ("User-agent: *\nAllow: /a/index.htm\nDisallow: /", "/a/", True),
        ("User-agent: *\nAllow: /a/index.html\nDisallow: /", "/a/index.htm", False),
        ("User-agent: *\nAllow: /a/index.html\nDisallow: /", "/a/index.html", True),
        ("User-agent: *\nAllow: /a/index.html\nDisallow: /", "/a/b", False),
        ("User-agent: *\nDisallow: /a/index.html", "/a/", True),
    ],
    "what is no robots.txt": [
        ("<!doctype html><title>Hello</title><body>User-agent: *<br>\nDisallow: /</body>", "/x", True),
        ("<pre>\nUser-agent: *\nDisallow: /x\n</pre>", "/x", False),  # whoever finds rules in it may take them
        ('{"User-agent": "*", "Disallow": "/"}', "/x", True),
        ("User-agent: *\nDisallow: /".encode("utf-16"), "/x", True),
        (b"\x00\xff\n" * 50, "/x", True),
        (b"\x1f\x8b\x08\x00", "/x", True),
    ],
}  # fmt: skip


def rules(text: str | bytes) -> Rules:
    body = text.encode() if isinstance(text, str) else text
    return Rules(reading(Response("http://h/robots.txt", 200, {}, body, 0.1)), US, fetched_at=0.0)


@pytest.mark.parametrize("group", CASES)
def test_case(group: str) -> None:
    """Each case of the group; those that fail are listed together."""
    wrong = []
    for text, path, allowed in CASES[group]:
        url = urls.normalise(path if path.startswith("http:") else f"http://h{path}")
        if (rules(text).refusal(url) is None) != allowed:
            wrong.append(f"{text[:200]!r}: {path[:100]} should be {'allowed' if allowed else 'refused'}")
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize(
    ("line", "delay"),
    [
        ("Crawl-delay: 2", 2.0),
        ("crawl-delay:1.5", 1.5),
        ("Crawl delay: .5", 0.5),
        ("Crawl-delay 3", 3.0),
        ("Crawl-delay: 1,5", 1.5),
        ("Crawl-delay: 10s", 10.0),
        ("Crawl-delay: 10 seconds # please", 10.0),
        ("Crawl-delay: 4\nCrawl-delay: 2", 4.0),  # the longest
        ("Crawl-delay: 4\nDisallow: /\nUser-agent: BarBot\nCrawl-delay: 9", 4.0),
        ("Crawl-delay: 4\nUser-agent: BarBot\nCrawl-delay: 9", 9.0),  # one group: only a rule ends it
        ("Crawl-delay: 0", 0.0),
        ("Crawl-delay: -3", 0.0),
        ("Crawl-delay: nan", 0.0),
        ("Crawl-delay: inf", 0.0),
        ("Crawl-delay: 1e400", 0.0),
        ("Crawl-delay: 1e1", 0.0),
        ("Crawl-delay: 1_0", 0.0),
        ("Crawl-delay: \u0661", 0.0),  # a digit, but not of ours
        ("Crawl-delay: 10, 20", 0.0),
        ("Crawl-delay: " + "9" * 500, 0.0),
        ("Crawl-delay: soon", 0.0),
        ("Crawl-delay:", 0.0),
    ],
)
def test_crawl_delay(line: str, delay: float) -> None:
    """It is in no standard. It holds for the agents that stand above it in the group."""
    assert rules(f"User-agent: FooBot\n{line}").delay == delay
    assert rules(f"User-agent: *\n{line}").delay == delay
    assert rules(f"User-agent: *\n{line}\nUser-agent: FooBot\nAllow: /").delay == 0.0


@example([("Allow", "/*", ""), ("Allow", "/aa", ""), ("Disallow", "/", "$")], "/")
@given(
    st.lists(
        st.tuples(
            st.sampled_from(["Allow", "Disallow"]),
            st.text("/ab*", max_size=8).map("/".__add__),
            st.sampled_from(["", "$"]),
        )
    ),
    st.text("/ab", max_size=10).map("/".__add__),
)
def test_any_rules_as_by_the_definition(lines: list[tuple[str, str, str]], path: str) -> None:
    """Each pattern as a regular expression, the longest that matches, allowing first."""
    verdicts = [(0, True)]
    for key, pattern, end in lines:
        if re.match(pattern.replace("*", ".*") + end, path):
            verdicts.append((len(pattern + end), key == "Allow"))
    text = "".join(f"{key}: {pattern}{end}\n" for key, pattern, end in lines)
    assert (rules(f"User-agent: *\n{text}").refusal(f"http://h{path}") is None) == max(verdicts)[1]


def test_a_line_that_is_cut_off_is_no_rule() -> None:
    """500 KiB are read: the rest of "Disallow: /" and of a character may lie behind."""
    head = b"User-agent: *\nDisallow: /secret\n"
    for last in (b"Disallow: /", b"Disallow: /caf\xc3", b"Disallow: /x\rAllow: /secr"):
        body = head + b"#" * (MOST - len(head) - len(last) - 1) + b"\n" + last
        cut = rules(body)
        assert len(body) == MOST
        assert cut.refusal("http://h/open") is None
        assert cut.refusal("http://h/secret") == "robots"
        assert cut.refusal("http://h/x") == ("robots" if b"\r" in last else None)
        assert rules(body.replace(b"#", b"", 1)).refusal("http://h/caf%C3%A9") == (
            None if b"\r" in last else "robots"
        )  # a whole file
    assert rules(b"#" * MOST).refusal("http://h/x") is None


def test_a_hundred_thousand_rules() -> None:
    """They are read at once and found at once; the bound of the suite on a test would tell of anything else."""
    lines = "".join(f"Disallow: /{number}/\n" for number in range(100_000))
    many = Rules(f"User-agent: *\n{lines}", US, fetched_at=0.0)
    for _ in range(1000):
        assert many.refusal("http://h/99999/x") == "robots"
        assert many.refusal("http://h/100000/x") is None


@pytest.mark.parametrize(
    "pattern",
    [
        "/" + "*a" * 10 + "*b",
        "/" + "*a" * 8000 + "b$",
        "/" + "*" * 16_000 + "b",
        "/" + "*aa" * 900 + "*b",
        "/*" + "ab" * 500,
    ],
)
def test_no_pattern_takes_long(pattern: str) -> None:
    """A way back for each "*" would make 10^20 steps of the first of them."""
    hostile = rules(f"User-agent: *\nDisallow: {pattern}")
    url = "http://h/" + "a" * 2000
    for _ in range(20):
        assert hostile.refusal(url) is None


def test_a_long_path_is_not_held_against_tens_of_thousands_of_patterns() -> None:
    """It would take a tenth of a second each; a path of a usual length is held against all of them."""
    lines = "".join(f"Disallow: /*ab{number}c\n" for number in range(20_000))
    many = rules(f"User-agent: *\n{lines}")
    assert many.refusal("http://h/" + "x" * 200) is None
    assert many.refusal("http://h/xab19999c") == "robots"
    assert many.refusal("http://h/" + "ab" * 1000) == "robots"
    few = rules(f"User-agent: *\n{lines[:40_000]}")
    assert few.refusal("http://h/" + "ab" * 1000) is None


def test_sitemaps() -> None:
    """Each once, whomever the group speaks to; those that are no absolute http(s) URL are left out (sitemaps.org)."""
    text = """
Sitemap: https://h/one.xml
User-agent: BarBot
SITEMAP : HTTPS://H/two.xml#x  # with a comment
Site-map: https://h/a b.xml
Disallow: /
Sitemap: https://h/one.xml
Sitemap: /relative.xml
Sitemap: ftp://h/three.xml
Sitemap:
Sitemap: https://user:password@other.example/é.xml
"""
    found = rules(text).sitemaps
    assert found == (
        "https://h/one.xml",
        "https://h/two.xml",
        "https://h/a%20b.xml",
        "https://other.example/%C3%A9.xml",
    )
    assert rules("").sitemaps == ()
    assert Rules(None, US, fetched_at=0.0).sitemaps == ()


def test_the_number_of_sitemaps_is_bounded() -> None:
    assert len(rules("".join(f"Sitemap: http://h/{number}\n" for number in range(5000))).sitemaps) == 1000
