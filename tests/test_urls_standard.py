"""What the URL standard makes of the odd references that its own tests ask for; in our form: an http(s) URL or nothing.

(https://url.spec.whatwg.org/, and web-platform-tests, url/resources/, of which these are examples. All cases of its
urltestdata.json (920), toascii.json (87) and IdnaTestV2.json (2,671) were compared once: only lone surrogates differ,
which no page can hold.)
"""

import ada_url
import pytest
from hypothesis import given
from hypothesis import strategies as st

from parsers import urls

PAGE = "http://example.org/foo/bar"


@pytest.mark.parametrize(
    ("reference", "url"),
    [
        # White space, tabs, newlines
        ("http://example\t.\norg", "http://example.org/"),
        ("h\tt\nt\rp://h\to\ns\rt:9\t0\n0\r0/p\ta\nt\rh?q\tu\ne\rry#f\tr\na\rg", "http://host:9000/path?query"),
        ("java\tscript:alert(1)", None),
        (" \x00\x1f //x/y \x1f", "http://x/y"),
        ("\u3000x", "http://example.org/foo/%E3%80%80x"),
        # Schemes, slashes, backslashes
        ("http:foo.com", "http://example.org/foo/foo.com"),
        ("http:/foo", "http://example.org/foo"),
        ("http:////////user:@google.com:99?foo", "http://google.com:99/?foo"),
        ("https:/example.com/", "https://example.com/"),
        ("http:\\\\x:hello", None),
        ("\\\\x\\hello", "http://x/hello"),
        ("///test", "http://test/"),
        ("/\\/\\//example.org/../path", "http://example.org/path"),
        ("http:\\\\a\\b:c\\d@foo.com\\", "http://a/b:c/d@foo.com/"),
        ("http1://x/", None),
        ("c:/foo", None),
        ("file:///tmp", None),
        ("blob:https://example.com:443/", None),
        ("http2:x", None),
        ("+:x", "http://example.org/foo/+:x"),
        # User and password
        ("http://a:b@c:29/d", "http://c:29/d"),
        ("http::@c:29", "http://example.org/foo/:@c:29"),
        ("http://::@c@d:2", "http://d:2/"),
        ("http://foo.com:b@d/", "http://d/"),
        ("http://user@/www.example.com", None),
        ("//user:p%40ss@h@other.example/@", "http://other.example/@"),
        ("http://example.org\\@evil.example/", "http://example.org/@evil.example/"),
        ("https://a?@b", "https://a/?@b"),
        # Ports
        ("http://f:/c", "http://f/c"),
        ("http://f:0/c", "http://f:0/c"),
        ("http://f:00000000000080/c", "http://f/c"),
        ("https://f:80/", "https://f:80/"),
        ("http://f:65536/c", None),
        ("http://f:fifty-two/c", None),
        ("http://f: 21 / b", None),
        # Hosts
        ("http://GOO \u3000goo.com", None),
        ("http://GOO\u200b\u2060\ufeffgoo.com", "http://googoo.com/"),
        ("http://www.foo\u3002bar.com", "http://www.foo.bar.com/"),
        ("http://\uff27\uff4f.com", "http://go.com/"),
        ("http://faß.ExAmPlE/", "http://xn--fa-hia.example/"),
        ("http://☃.net/", "http://xn--n3h.net/"),
        ("http://ex%41mple.com", "http://example.com/"),
        ("http://%ef%bc%85%ef%bc%94%ef%bc%91.com", None),
        ("http://a.b.c.XN--pokxncvks/", "http://a.b.c.xn--pokxncvks/"),  # ASCII is taken as it is
        ("http://é.xn--pokxncvks/", None),
        ("http://a<b", None),
        ("http://a^b", None),
        ("http://ho%3Cst/", None),
        ("http://a_b", "http://a_b/"),
        ("http://./", "http://./"),
        ("http://foo.com.", "http://foo.com./"),
        ("http:///", None),
        # Addresses
        ("http://0Xc0.0250.01", "http://192.168.0.1/"),
        ("http://192.168.257", "http://192.168.1.1/"),
        ("http://4294967296", None),
        ("http://1.2.3.4.5", None),
        ("http://256.256.256.256", None),
        ("http://1.2.3.08", None),
        ("http://foo.0x", None),
        ("http://\uff10\uff38\uff43\uff10\uff0e\uff10\uff12\uff15\uff10\uff0e\uff10\uff11", "http://192.168.0.1/"),
        ("http://[1::2]:3:4", None),
        ("http://[::127.0.0.1]", "http://[::7f00:1]/"),
        ("http://[0:0:0:0:0:0:13.1.68.3]", "http://[::d01:4403]/"),
        ("http://[2001:DB8::1]:80/", "http://[2001:db8::1]/"),
        ("http://[::1%25eth0]/", None),
        ("http://[:::]", None),
        # Paths
        ("/a/b/../../../c/./d/.", "http://example.org/c/d/"),
        ("%2e%2E/%2e/x", "http://example.org/x"),
        ("/foo/%2e%2", "http://example.org/foo/%2e%2"),
        ("....", "http://example.org/foo/...."),
        ("/..//x", "http://example.org//x"),
        ("/foo\t%91", "http://example.org/foo%91"),
        ("/foo%00%51", "http://example.org/foo%00%51"),
        ("/(%28:%3A%29)", "http://example.org/(%28:%3A%29)"),
        ("/ \"<>`{}|^'", "http://example.org/%20%22%3C%3E%60%7B%7D|%5E'"),
        ("/你好", "http://example.org/%E4%BD%A0%E5%A5%BD"),
        ("/\u200b\U0001f4a9", "http://example.org/%E2%80%8B%F0%9F%92%A9"),
        ("i;j=1", "http://example.org/foo/i;j=1"),
        # Queries and fragments
        ("?a=b&c=d", "http://example.org/foo/bar?a=b&c=d"),
        ("??a=b", "http://example.org/foo/bar??a=b"),
        ('?q="asdf"<>`{}\'', "http://example.org/foo/bar?q=%22asdf%22%3C%3E`{}%27"),
        ("?é\u0300", "http://example.org/foo/bar?%C3%A9%CC%80"),
        ("?%zz %", "http://example.org/foo/bar?%zz%20%"),
        ("#β", PAGE),
        ("#?x", PAGE),
        ("x#a#b?c/..", "http://example.org/foo/x"),
        ("x?#", "http://example.org/foo/x?"),
    ],
)
def test_an_odd_reference_means_what_the_standard_says(reference: str, url: str | None) -> None:
    assert urls.join(PAGE, [reference]) == ([url] if url else [])
    assert urls.each(PAGE, ["x", reference, reference]) == ["http://example.org/foo/x", url, url]


BASES = [
    PAGE,
    "http://example.org/",
    "https://example.org:8443/a/b/?c/d?e#f/g",
    "http://[::1]/a//b/",
    "https://x/a/;b=c/d",
    "https://xn--fa-hia.example/%2F/%23",
    f"http://example.org/{'long/' * 60}page",
    "data:text/html,x",
    "about:blank",
]
ODD = st.one_of(
    st.text(alphabet=":/\\?#@.%[]|^ \t\n\r\0;ab09H\u3000\xadé", max_size=20),
    st.lists(st.sampled_from(
        ["http:", "https:", "HTTP:", "//", "/", "\\", "..", ".", "%2e", "?", "#", "@", ":", "80", "443", "h", "[::1]",
         " ", "\t", "\n", "javascript:", "é", "%", "user", "a b", "x" * 300]
    ), max_size=8).map("".join),
)  # fmt: skip


@given(st.lists(ODD, max_size=8), st.sampled_from(BASES))
def test_what_is_remembered_and_shared_changes_nothing(references: list[str], base: str) -> None:
    """All at once, by way of folders and caches, as each by itself with nothing but the standard."""
    expected = [plainly(base, reference) for reference in references]
    assert urls.each(base, references) == expected
    assert urls.join(base, references) == [url for url in dict.fromkeys(expected) if url is not None]


def plainly(base: str, reference: str) -> str | None:
    """The straightforward way: parse against the base, then take away what the crawler does not keep."""
    try:
        url = ada_url.URL(reference, base)
    except ValueError:
        return None
    if url.protocol not in ("http:", "https:"):
        return None
    url.username = url.password = url.hash = ""
    return url.href
