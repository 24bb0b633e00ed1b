"""URLs are read and written as the WHATWG URL standard says, whatever a page holds in their place."""

import ada_url
import pytest
from hypothesis import given
from hypothesis import strategies as st

from parsers import urls

PAGE = "http://example.com/dir/page?q=1"

URLISH = st.one_of(
    st.text(),  # all of Unicode, lone surrogates too
    st.text(alphabet="htps:/\\?#@.%[]:0189ab \t\n\x00\x1f\u00a0\ud800é", max_size=30),
    st.text(alphabet="ab/.?#@: \t", max_size=12).map("http://h".__add__),
    st.text(alphabet="ab/.?#@: \t", max_size=12).map("https:".__add__),
)


@pytest.mark.parametrize(
    ("url", "normal"),
    [
        ("HTTP://Example.COM:80", "http://example.com/"),
        ("https://example.com:443/a/../b?x#y", "https://example.com/b?x"),
        ("  https://example.com/\n", "https://example.com/"),
        ("https://bücher.example/ü?ü", "https://xn--bcher-kva.example/%C3%BC?%C3%BC"),
        ("http://user:secret@example.com/a@b", "http://example.com/a@b"),
        ("http:\\\\example.com\\a", "http://example.com/a"),
        ("http://0x7f.1/", "http://127.0.0.1/"),
        ("http://[0:0::1]:8080/", "http://[::1]:8080/"),
        ("http://example.com/a #b", "http://example.com/a%20"),
    ],
)
def test_urls_are_written_in_one_way(url: str, normal: str) -> None:
    assert urls.normalise(url) == normal


@pytest.mark.parametrize(
    "url",
    [
        "",
        "example.com",
        "/path",
        "http://",
        "https://:80/",
        "http://a b/",
        "http://[::1",
        "http://h:99999/",
        "http://\ud800/",
    ],
)
def test_what_is_no_url_is_said_so(url: str) -> None:
    with pytest.raises(ValueError, match="not a URL"):
        urls.normalise(url)


@pytest.mark.parametrize(
    "url", ["ftp://example.com/", "mailto:a@b.c", "file:///etc/passwd", "data:,x", "example.com:80/"]
)
def test_other_schemes_are_refused_by_name(url: str) -> None:
    with pytest.raises(ValueError, match="only http and https"):
        urls.normalise(url)


def test_credentials_are_noticed() -> None:
    assert urls.has_credentials("http://user@example.com/")
    assert urls.has_credentials("http://:secret@example.com/")
    assert not urls.has_credentials("http://example.com/a@b")
    assert not urls.has_credentials("no URL")


@pytest.mark.parametrize(
    ("reference", "url"),
    [
        ("", PAGE),
        ("#top", PAGE),
        (" #top", PAGE),
        ("?z", "http://example.com/dir/page?z"),
        ("\t?z", "http://example.com/dir/page?z"),
        ("?", "http://example.com/dir/page?"),
        ("b", "http://example.com/dir/b"),
        (" b\n", "http://example.com/dir/b"),
        ("b\t\nc", "http://example.com/dir/bc"),
        ("b #c", "http://example.com/dir/b%20"),
        ("b c", "http://example.com/dir/b%20c"),
        ("../..", "http://example.com/"),
        (".", "http://example.com/dir/"),
        ("/b", "http://example.com/b"),
        ("\\b", "http://example.com/b"),
        ("//other.example", "http://other.example/"),
        ("\\\\other.example\\b", "http://other.example/b"),
        ("http:b", "http://example.com/dir/b"),
        ("http:", PAGE),
        ("http:?z", "http://example.com/dir/page?z"),
        ("https:b", "https://b/"),
        ("HTTPS://OTHER.example:443/b#c", "https://other.example/b"),
        ("http://user:secret@other.example/", "http://other.example/"),
        ("//user@other.example/a@b", "http://other.example/a@b"),
        ("b?c=/d/", "http://example.com/dir/b?c=/d/"),
        ("1:2", "http://example.com/dir/1:2"),  # no scheme begins with a digit
        ("./1:2", "http://example.com/dir/1:2"),
        ("\u00a0b", "http://example.com/dir/%C2%A0b"),
        ("b\x00", "http://example.com/dir/b"),
        ("b\x00c", "http://example.com/dir/b%00c"),
        ("%zz", "http://example.com/dir/%zz"),
        ("\ud800", None),
        ("javascript:void(0)", None),
        ("mailto:a@b.c", None),
        ("ftp://example.com/", None),
        ("http://[::1", None),
        ("//h:99999", None),
        ("//a b/", None),
    ],
)
def test_a_reference_means_what_the_standard_says(reference: str, url: str | None) -> None:
    assert urls.join(PAGE, [reference]) == ([url] if url else [])


def test_links_come_once_in_order_of_their_first_occurrence() -> None:
    references = ["b#1", "/a", "b#2", "javascript:", "./b", "a", "http://example.com/a", "#"]
    assert urls.join(PAGE, references) == [
        "http://example.com/dir/b",
        "http://example.com/a",
        "http://example.com/dir/a",
        PAGE,
    ]


def test_the_same_reference_means_other_urls_on_other_pages() -> None:
    """What is remembered of one page must not reach another."""
    references = ["a", "/a", "?a", "", "//x", "http:a"]
    assert urls.join("http://h/1/p?q=/2/", references) == [
        "http://h/1/a", "http://h/a", "http://h/1/p?a", "http://h/1/p?q=/2/", "http://x/",
    ]  # fmt: skip
    assert urls.join("https://h/1/o", references) == [
        "https://h/1/a", "https://h/a", "https://h/1/o?a", "https://h/1/o", "https://x/", "http://a/",
    ]  # fmt: skip


def test_very_long_references_and_bases_are_joined_too() -> None:
    long = "x" * 5000
    assert urls.join(PAGE, [long]) == [f"http://example.com/dir/{long}"]
    assert urls.join(f"http://h/{long}/", ["a"]) == [f"http://h/{long}/a"]


@pytest.mark.parametrize(
    ("url", "host", "origin"),
    [
        ("https://example.com/", "example.com:443", "https://example.com"),
        ("http://example.com/a:1/b", "example.com:80", "http://example.com"),
        ("https://example.com:8443/?a", "example.com:8443", "https://example.com:8443"),
        ("http://[::1]/", "[::1]:80", "http://[::1]"),
        ("http://[::1]:81/", "[::1]:81", "http://[::1]:81"),
        ("http://x/", "x:80", "http://x"),
    ],
)
def test_host_and_origin(url: str, host: str, origin: str) -> None:
    assert urls.host(url) == host
    assert urls.origin(url) == origin


@given(URLISH)
def test_normalising_twice_changes_nothing(text: str) -> None:
    try:
        url = urls.normalise(text)
    except ValueError as error:
        assert type(error) is ValueError  # noqa: PT017 -- a UnicodeError would be one too
        return
    assert urls.normalise(url) == url
    assert not urls.has_credentials(url)
    assert urls.host(url)
    assert url.startswith(urls.origin(url) + "/")


@given(st.lists(URLISH, max_size=8), URLISH)
def test_no_reference_is_too_strange_to_join(references: list[str], page: str) -> None:
    """And each means the same among others as alone, with its fragment and nothing remembered."""
    try:
        base = urls.normalise(page)
    except ValueError:
        base = PAGE
    joined = urls.join(base, references)
    assert joined == list(dict.fromkeys(urls.normalise(url) for url in joined))
    assert joined == list(dict.fromkeys(url for reference in references for url in plainly(base, reference)))


def plainly(base: str, reference: str) -> list[str]:
    """One reference with all its fragment but the lone surrogates, on which nothing depends."""
    head, mark, fragment = reference.partition("#")
    try:
        return [urls.normalise(ada_url.URL(head + mark + fragment.encode(errors="replace").decode(), base).href)]
    except ValueError:
        return []
