"""Labels mean, and bytes read as, what the WHATWG's Encoding standard says; a browser is the judge."""

import time
from encodings.aliases import aliases

import pytest
from hypothesis import given
from hypothesis import strategies as st
from playwright.async_api import Browser

from parsers import encodings

NAMES = sorted(set(encodings.LABELS.values()))
WIDE = ["big5", "euc-jp", "euc-kr", "gb18030", "gbk", "iso-2022-jp", "shift_jis"]
SINGLE = [name for name in NAMES if name not in WIDE and not name.startswith("utf-") and name != "replacement"]


@pytest.mark.parametrize(
    ("label", "name"),
    [
        ("UTF8", "utf-8"),
        (" latin1\n", "windows-1252"),
        ("ISO-8859-1", "windows-1252"),
        ("us-ascii", "windows-1252"),
        ("iso-8859-9", "windows-1254"),
        ("tis-620", "windows-874"),
        ("iso8859-8", "iso-8859-8"),
        ("logical", "iso-8859-8-i"),
        ("iso_8859-7:1987", "iso-8859-7"),
        ("x-mac-ukrainian", "x-mac-cyrillic"),
        ("koi8-ru", "koi8-u"),
        ("gb2312", "gbk"),
        ("gb18030", "gb18030"),
        ("sjis", "shift_jis"),
        ("ks_c_5601-1987", "euc-kr"),
        ("Big5-HKSCS", "big5"),
        ("utf-16", "utf-16le"),
        ("x-user-defined", "x-user-defined"),
        ("hz-gb-2312", "replacement"),
        ("iso-2022-kr", "replacement"),
        ("utf-7", None),  # an attack, not an encoding
        ("utf-32", None),
        ("cp437", None),  # Python knows it; the web does not
        ("rot13", None),
        ("\u00a0utf-8", None),
        ("", None),
        (None, None),
    ],
)
def test_labels_mean_what_the_standard_says(label: str | None, name: str | None) -> None:
    assert encodings.named(label) == name


def test_all_labels_of_the_standard_are_known() -> None:
    assert (len(encodings.LABELS), len(NAMES)) == (228, 40)


async def test_labels_mean_what_they_mean_to_a_browser(browser: Browser) -> None:
    """All of ours, and all those that only Python knows."""
    labels = sorted({*encodings.LABELS, *aliases, *(alias.replace("_", "-") for alias in aliases), *aliases.values()})
    page = await browser.new_page()
    meant = await page.evaluate(
        """labels => labels.map(label => {
            try { return new TextDecoder(label).encoding } catch (error) { return null }
        })""",
        labels,
    )
    ours = [encodings.named(label) for label in labels]
    assert [None if name == "replacement" else name for name in ours] == meant  # of which it makes no decoder


async def test_every_byte_reads_as_in_a_browser(browser: Browser) -> None:
    page = await browser.new_page()
    for name in SINGLE:
        read = await page.evaluate(
            "name => Array.from({length: 256}, (_, byte) => new TextDecoder(name).decode(new Uint8Array([byte])))", name
        )
        assert [encodings.decode(bytes([byte]), name) for byte in range(256)] == read, name


async def test_every_pair_of_bytes_reads_as_in_a_browser(browser: Browser) -> None:
    """Each with a letter behind it. Of what cannot be read, the number of U+FFFD may differ, but no letter is lost."""
    page = await browser.new_page()
    for name in WIDE:
        before, after = (b"\x1b$B", b"\x1b(Ba") if name == "iso-2022-jp" else (b"", b"a")
        first, last = (0x21, 0x7E) if name == "iso-2022-jp" else (0x80, 0xFF)
        read = await page.evaluate(
            """([name, before, after, first, last]) => {
                const texts = [];
                for (let lead = first; lead <= last; lead++)
                    for (let trail = 0x21; trail <= last; trail++)
                        texts.push(new TextDecoder(name).decode(new Uint8Array([...before, lead, trail, ...after])));
                return texts;
            }""",
            [name, list(before), list(after), first, last],
        )
        pairs = [bytes([lead, trail]) for lead in range(first, last + 1) for trail in range(0x21, last + 1)]
        other = {}
        for pair, theirs in zip(pairs, read, strict=True):
            ours = encodings.decode(before + pair + after, name)
            if _squeezed(ours) != _squeezed(theirs):
                other[pair.hex()] = (ours, theirs)
        if name == "big5":  # named in parsers/encodings.py
            rare = [pair for pair, texts in other.items() if "\ufffd" in texts[0]]
            assert len(rare) < 200
            two = {"8862", "8864", "88a3", "88a5"}  # pairs that are two characters, of which Chromium makes rubbish
            assert set(other).difference(rare, two) == {"a241", "a242"}
        else:
            assert not other, name


def _squeezed(text: str) -> str:
    while "\ufffd\ufffd" in text:
        text = text.replace("\ufffd\ufffd", "\ufffd")
    return text


@pytest.mark.parametrize(
    ("name", "body", "text"),
    [
        ("windows-1252", b"\x80\x81\xe9", "€\x81é"),
        ("windows-1253", b"\xaa\xe1", "\ufffd\u03b1"),
        ("windows-1255", b"\xca\xe0", "\u05baא"),
        ("koi8-u", b"\xae\xbe\xa4", "ўЎє"),
        ("x-user-defined", b"a\x80\xff", "a\uf780\uf7ff"),
        ("shift_jis", b"\x87\x40\x81\x60\xa0\xb1", "①～\ufffdｱ"),  # noqa: RUF001
        ("euc-jp", b"\xad\xa1\xa1\xdd\xfc\xf1", "①－ⅰ"),  # noqa: RUF001
        ("euc-jp", b"\x8f\xb0\xa1\x8e\xb1", "丂ｱ"),
        ("iso-2022-jp", b'\x1b$B-!$"\x1b(I1\x1b(B<', "①あｱ<"),
        ("euc-kr", b"\x81\x41\xb0\xa1", "갂가"),
        ("big5", b"\xa1\x45\xa3\xe1\xa4\x40\x87\x40", "‧€一䏰"),
        ("big5", b"\x88\x62\x88\xa5", "\xca\u0304\xea\u030c"),
        ("gbk", b"\x80\xa2\xe3\xa3\xa0\xb0\xa1", "€€\u3000啊"),
        ("gb18030", b"\x81\x30\x81\x30\x94\x39\xda\x33\xa6\xd9", "\x80💩\ufe10"),
        ("utf-16le", b"\xff\xfea\0\0\xd8b\0", "a\ufffdb"),
        ("utf-16be", b"\xfe\xff\0a", "a"),
        ("utf-8", b"\xef\xbb\xbfa\xf0\x9f\x98", "a\ufffd"),
        ("replacement", b"<a href=x>", "\ufffd"),
        ("replacement", b"", ""),
    ],
)
def test_where_python_differs_the_standard_holds(name: str, body: bytes, text: str) -> None:
    assert encodings.decode(body, name) == text


@pytest.mark.parametrize("name", [name for name in WIDE if name != "iso-2022-jp"])
def test_a_broken_pair_swallows_no_tag(name: str) -> None:
    for lead in range(0x80, 0x100):
        for rest in (b"<a>", b"\xff<a>", b'"<a>', b"\xa1<a>"):
            assert encodings.decode(bytes([lead]) + rest, name).endswith("<a>")


@pytest.mark.parametrize("name", ["windows-1253", "utf-8", "utf-16le", *WIDE])
def test_what_cannot_be_decoded_is_replaced(name: str) -> None:
    assert "\ufffd" in encodings.decode(b"\xff\xff\xff\xd8", name)


@pytest.mark.parametrize("name", WIDE)
@pytest.mark.parametrize("piece", [b"\xff", b"\x81<", b"\xfd\xfd", b"\xfe\xb0"])
def test_rubbish_is_read_in_no_time(name: str, piece: bytes) -> None:
    """A megabyte took seconds once; the bound is wide, for slow machines. What follows can still be read."""
    start = time.process_time()
    text = encodings.decode(b"\xff" + piece * (1_000_000 // len(piece)) + b"<a href=x>", name)
    assert time.process_time() - start < 10
    assert text.endswith("a href=x>")


@given(st.binary(), st.sampled_from(NAMES))
def test_every_body_can_be_decoded_by_every_encoding(body: bytes, name: str) -> None:
    encodings.decode(body, name).encode()
