"""The encoding of a page is found in the standard's order, and guessed as Firefox does when nothing names it."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from parsers import charset, encodings, mime
from tests.languages import SAID

URL = "http://example.com/"


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
        (b"<meta charset=koi8-r", None, "utf-8"),
        (b"<meta charset='koi8-r>", None, "utf-8"),
        (b"<meta charset=\tkoi8-r\n/>", None, "koi8-r"),
        (b"<meta charset=x-user-defined>", None, "windows-1252"),
        (b"<meta charset=iso-2022-kr>", None, "replacement"),
        (b"<meta charset=big5 charset=koi8-r>", None, "big5"),
        (b"<meta http-equiv=Content-Type content='x charset charset = big5;'>", None, "big5"),
        (b"<meta http-equiv='Content-Type ' content='text/html; charset=big5'>", None, "utf-8"),
        (b"<meta http-equiv=Content-Style-Type content='text/html; charset=big5'>", None, "utf-8"),
        (b"<meta http-equiv=Content-Type content='text/html; charset=big5\"'>", None, "big5"),  # as Chromium has it
        (b'<meta http-equiv=Content-Type content="text/html; charset=\'big5">', None, "utf-8"),
        (b"<p title='x>\n<meta charset=big5>\n<p>'><meta charset=koi8-r>", None, "koi8-r"),
        (b"<metacharset=big5>", None, "utf-8"),
        (b"<", None, "utf-8"),
        (b" " * 1010 + b"<meta charset=koi8-r>", None, "koi8-r"),
        (
            b"<!-- " + b" " * 8200 + b" --><title>x</title><META http-equiv=content-type content='a;CHARSET=big5'>",
            None,
            "big5",
        ),
        (b"<!-- " + b" " * 1020 + b"<meta charset=big5> -->", None, "utf-8"),
        (b" " * 70_000 + b"<meta charset=big5>", None, "utf-8"),
        ("<?xml version='1.0'?><html>".encode("utf-16-le"), None, "utf-16le"),
        ("<?xml version='1.0'?><html>".encode("utf-16-be"), None, "utf-16be"),
        (b"<?xml version='1.0' encoding='koi8-r'?><html>", None, "koi8-r"),
        (b"", None, "utf-8"),
        ("<p>é".encode(), None, "utf-8"),
        ("<p>café</p>".encode("cp1252"), None, "windows-1252"),
    ],
)
def test_the_first_that_speaks_decides(body: bytes, header: str | None, name: str) -> None:
    assert charset.of_html(body, header, URL) == name


@pytest.mark.parametrize("length", [1, 5000], ids=["short", "long"])
@pytest.mark.parametrize("name", SAID)
def test_what_names_no_encoding_is_read_by_how_it_looks(name: str, length: int) -> None:
    pytest.importorskip("chardetng_py", reason="the detector is not to be had for this Python")
    tld, sentence = SAID[name]
    text = "<title>Library</title><ul>" + "<li><a href=/page.html>page</a>" * length + f"<p>{sentence}</p>" * length
    body = text.encode({"windows-874": "cp874"}.get(name, name))  # Python knows the others by their names
    guess = charset.of_html(body, None, f"http://library.example.{tld}:8080/page")
    assert encodings.decode(body, guess) == text, guess  # which may be a kindred one, such as KOI8-U of KOI8-R


@given(st.binary(), st.text())
def test_every_body_and_label_gives_an_encoding_that_decodes_it(body: bytes, label: str) -> None:
    encodings.decode(body, charset.of_html(body, label, URL)).encode()


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
