"""The encoding of a page is found in the standard's order, and its labels mean what the standard says."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from parsers import charset, mime


@pytest.mark.parametrize(
    ("label", "name"),
    [
        ("UTF8", "utf-8"),
        (" latin1\n", "windows-1252"),
        ("ISO-8859-1", "windows-1252"),
        ("us-ascii", "windows-1252"),
        ("iso-8859-9", "windows-1254"),
        ("iso8859-8", "iso-8859-8"),
        ("gb2312", "gbk"),
        ("gb18030", "gb18030"),
        ("sjis", "shift_jis"),
        ("ks_c_5601-1987", "euc-kr"),
        ("Big5-HKSCS", "big5"),
        ("utf-16", "utf-16le"),
        ("utf-7", None),  # an attack, not an encoding
        ("cp437", None),  # Python knows it; the web does not
        ("rot13", None),
        ("", None),
        (None, None),
    ],
)
def test_labels_mean_what_the_standard_says(label: str | None, name: str | None) -> None:
    assert charset.named(label) == name


@pytest.mark.parametrize(
    ("body", "header", "name"),
    [
        (b"\xef\xbb\xbf<meta charset=koi8-r>", "big5", "utf-8"),
        (b"\xff\xfe<\0", "utf-8", "utf-16le"),
        (b"\xfe\xff\0<", None, "utf-16be"),
        (b"<meta charset=koi8-r>", "Shift_JIS", "shift_jis"),
        (b"<meta charset=koi8-r>", "no-such-label", "koi8-r"),
        (b"<META CharSet = 'Latin1' >", None, "windows-1252"),
        (b"<meta/charset=big5>", None, "big5"),
        (b'<meta content="text/html; charset=gb2312" http-equiv="Content-Type">', None, "gbk"),
        (b"<meta http-equiv=content-type content=\"text/html; charset='euc-kr'\">", None, "euc-kr"),
        (b'<meta content="text/html; charset=gb2312">', None, "utf-8"),  # without http-equiv it is only text
        (b"<meta charset=utf-16>", None, "utf-8"),
        (b"<meta charset=nonsense><meta charset=koi8-r>", None, "koi8-r"),
        (b"<!-- <meta charset=koi8-r> --><meta charset=big5>", None, "big5"),
        (b"<!--><meta charset=koi8-r>", None, "koi8-r"),
        (b"<!-- <meta charset=koi8-r>", None, "utf-8"),
        (b"<a title='<meta charset=koi8-r>'><meta charset=big5>", None, "big5"),
        (b"<? <meta charset=koi8-r><meta charset=big5>", None, "big5"),
        (b"<metadata charset=koi8-r></meta charset=koi8-r>", None, "utf-8"),
        (b" " * 1010 + b"<meta charset=koi8-r>", None, "utf-8"),
        (b"<meta charset=koi8-r", None, "utf-8"),
        (b"<?xml version='1.0' encoding='koi8-r'?><html>", None, "koi8-r"),
        (b"", None, "utf-8"),
        ("<p>é".encode(), None, "utf-8"),
        ("<p>é".encode("cp1252"), None, "windows-1252"),
    ],
)
def test_the_first_that_speaks_decides(body: bytes, header: str | None, name: str) -> None:
    assert charset.of_html(body, header) == name


@pytest.mark.parametrize("name", ["windows-1252", "gbk", "shift_jis", "euc-kr", "big5", "euc-jp", "utf-8", "utf-16le"])
def test_what_cannot_be_decoded_is_replaced(name: str) -> None:
    assert "\ufffd" in charset.decode(b"a\x81\xff\x81\xff", name)


def test_the_byte_order_mark_is_no_text() -> None:
    assert charset.decode(b"\xff\xfea\0", "utf-16le") == "a"


@given(st.binary(), st.text())
def test_every_body_and_label_gives_an_encoding_that_decodes_it(body: bytes, label: str) -> None:
    charset.decode(body, charset.of_html(body, label)).encode()


@given(
    st.lists(st.sampled_from([b"<meta ", b"charset=", b"big5", b"'", b'"', b">", b"<!--", b"-->", b"<", b"/", b" "]))
)
def test_every_start_of_a_page_can_be_scanned(pieces: list[bytes]) -> None:
    assert charset.of_html(b"".join(pieces)) in ("utf-8", "big5")


@pytest.mark.parametrize(
    ("header", "essence", "label"),
    [
        ("text/html", "text/html", None),
        ("Text/HTML ; Charset=UTF-8", "text/html", "UTF-8"),
        ('text/html; a=";charset=no"; charset="y\\es"', "text/html", "yes"),
        ("text/html;charset=a;charset=b", "text/html", "a"),
        ('text/html;charset="utf-8', "text/html", "utf-8"),
        ("text/html;;charset", "text/html", None),
        ("text/html, text/html; charset=a", "text/html", "a"),
        ("text/html; charset=a, text/html", "text/html", "a"),
        ("text/html; charset=a, text/plain", "text/plain", None),
        ("text/html, charset=utf-8", "text/html", None),
        ("application/xhtml+xml", "application/xhtml+xml", None),
        ("html", None, None),
        ("text/html html", None, None),
        ("*/*", None, None),
        ("", None, None),
        (None, None, None),
    ],
)
def test_content_type_is_read_as_browsers_do(header: str | None, essence: str | None, label: str | None) -> None:
    assert mime.content_type(header) == (essence, label)


@pytest.mark.parametrize("piece", ['"', '"\\', 'a="\\', ";", "a/b,", '=";', ' "'])
def test_a_hostile_content_type_is_read_in_no_time(piece: str) -> None:
    """It took a minute once; the bound is wide, for slow machines."""
    start = time.process_time()
    mime.content_type("text/html;" + piece * 30_000)
    assert time.process_time() - start < 10


@given(st.text())
def test_no_content_type_is_too_strange(header: str) -> None:
    mime.content_type(header)
