"""The encodings of the WHATWG's Encoding standard: their labels, and their decoders. Pure functions.

(https://encoding.spec.whatwg.org/) Python's codecs do the work. Where they differ from the standard's indexes they are
mended here, but for these: in big5 some 190 rare characters (HKSCS of 2008, pictures of control codes) become U+FFFD,
and the small slashes A241 and A242 are the full ones; in euc-jp 8FA2B7 is "~"; in gb18030 a few four-byte codes of
private characters are others. And a broken sequence may become one U+FFFD more, or fewer, than in a browser.
"""

import codecs
import threading
from functools import cache

_ENCODINGS = {  # name: (Python's codec, the labels beside the name)
    "utf-8": ("utf-8", "unicode-1-1-utf-8 unicode11utf8 unicode20utf8 utf8 x-unicode20utf8"),
    "ibm866": ("cp866", "866 cp866 csibm866"),
    "iso-8859-2": ("iso8859-2", "csisolatin2 iso-ir-101 iso8859-2 iso88592 iso_8859-2 iso_8859-2:1987 l2 latin2"),
    "iso-8859-3": ("iso8859-3", "csisolatin3 iso-ir-109 iso8859-3 iso88593 iso_8859-3 iso_8859-3:1988 l3 latin3"),
    "iso-8859-4": ("iso8859-4", "csisolatin4 iso-ir-110 iso8859-4 iso88594 iso_8859-4 iso_8859-4:1988 l4 latin4"),
    "iso-8859-5": (
        "iso8859-5",
        "csisolatincyrillic cyrillic iso-ir-144 iso8859-5 iso88595 iso_8859-5 iso_8859-5:1988",
    ),
    "iso-8859-6": (
        "iso8859-6",
        "arabic asmo-708 csiso88596e csiso88596i csisolatinarabic ecma-114 iso-8859-6-e iso-8859-6-i iso-ir-127 "
        "iso8859-6 iso88596 iso_8859-6 iso_8859-6:1987",
    ),
    "iso-8859-7": (
        "iso8859-7",
        "csisolatingreek ecma-118 elot_928 greek greek8 iso-ir-126 iso8859-7 iso88597 iso_8859-7 iso_8859-7:1987 "
        "sun_eu_greek",
    ),
    "iso-8859-8": (
        "iso8859-8",
        "csiso88598e csisolatinhebrew hebrew iso-8859-8-e iso-ir-138 iso8859-8 iso88598 iso_8859-8 iso_8859-8:1988 "
        "visual",
    ),
    "iso-8859-8-i": ("iso8859-8", "csiso88598i logical"),
    "iso-8859-10": ("iso8859-10", "csisolatin6 iso-ir-157 iso8859-10 iso885910 l6 latin6"),
    "iso-8859-13": ("iso8859-13", "iso8859-13 iso885913"),
    "iso-8859-14": ("iso8859-14", "iso8859-14 iso885914"),
    "iso-8859-15": ("iso8859-15", "csisolatin9 iso8859-15 iso885915 iso_8859-15 l9"),
    "iso-8859-16": ("iso8859-16", ""),
    "koi8-r": ("koi8-r", "cskoi8r koi koi8 koi8_r"),
    "koi8-u": ("koi8-u", "koi8-ru"),
    "macintosh": ("mac-roman", "csmacintosh mac x-mac-roman"),
    "windows-874": ("cp874", "dos-874 iso-8859-11 iso8859-11 iso885911 tis-620"),
    "windows-1250": ("cp1250", "cp1250 x-cp1250"),
    "windows-1251": ("cp1251", "cp1251 x-cp1251"),
    "windows-1252": (
        "cp1252",
        "ansi_x3.4-1968 ascii cp1252 cp819 csisolatin1 ibm819 iso-8859-1 iso-ir-100 iso8859-1 iso88591 iso_8859-1 "
        "iso_8859-1:1987 l1 latin1 us-ascii x-cp1252",
    ),
    "windows-1253": ("cp1253", "cp1253 x-cp1253"),
    "windows-1254": (
        "cp1254",
        "cp1254 csisolatin5 iso-8859-9 iso-ir-148 iso8859-9 iso88599 iso_8859-9 iso_8859-9:1989 l5 latin5 x-cp1254",
    ),
    "windows-1255": ("cp1255", "cp1255 x-cp1255"),
    "windows-1256": ("cp1256", "cp1256 x-cp1256"),
    "windows-1257": ("cp1257", "cp1257 x-cp1257"),
    "windows-1258": ("cp1258", "cp1258 x-cp1258"),
    "x-mac-cyrillic": ("mac-cyrillic", "x-mac-ukrainian"),
    "x-user-defined": ("ascii", ""),
    "gbk": ("gb18030", "chinese csgb2312 csiso58gb231280 gb2312 gb_2312 gb_2312-80 iso-ir-58 x-gbk"),
    "gb18030": ("gb18030", ""),
    "big5": ("big5hkscs", "big5-hkscs cn-big5 csbig5 x-x-big5"),
    "euc-jp": ("euc_jp", "cseucpkdfmtjapanese x-euc-jp"),
    "iso-2022-jp": ("iso2022_jp_ext", "csiso2022jp"),
    "shift_jis": ("cp932", "csshiftjis ms932 ms_kanji shift-jis sjis windows-31j x-sjis"),
    "euc-kr": (
        "cp949",
        "cseuckr csksc56011987 iso-ir-149 korean ks_c_5601-1987 ks_c_5601-1989 ksc5601 ksc_5601 windows-949",
    ),
    "replacement": ("", "csiso2022kr hz-gb-2312 iso-2022-cn iso-2022-cn-ext iso-2022-kr"),
    "utf-16be": ("utf-16-be", "unicodefffe"),
    "utf-16le": ("utf-16-le", "csunicode iso-10646-ucs-2 ucs-2 unicode unicodefeff utf-16"),
}
LABELS = {label: name for name, (_, labels) in _ENCODINGS.items() for label in (name, *labels.split())}

_WIDE = frozenset({"gb18030", "big5hkscs", "euc_jp", "iso2022_jp_ext", "cp932", "cp949"})
_JIS_FROM = {"euc_jp": 0xA1, "iso2022_jp_ext": 0x21}  # the first byte of what holds the table of JIS X 0208

# What these codecs read as one character where the standard has another: (theirs, the standard's), one by one.
_JIS = ("\u301c\u2016\u2212\xa2\xa3\xac", "\uff5e\u2225\uff0d\uffe0\uffe1\uffe2")
_OTHERS = {
    "koi8-u": ("╝╬", "ўЎ"),
    "cp932": ("\uf8f0\uf8f1\uf8f2\uf8f3", "\ufffd\ufffd\ufffd\ufffd"),  # A0 and FD to FF
    "euc_jp": _JIS,
    "iso2022_jp_ext": _JIS,
    "big5hkscs": (
        "\u2022\uff64\u203e\u223c\u2641\u2609\xa5\xa2\xa3",
        "\u2027\ufe51\xaf\uff5e\u2295\u2299\uffe5\uffe0\uffe1",
    ),
    "gb18030": (
        "\ue5e5\ue78d\ue78e\ue78f\ue790\ue791\ue792\ue793\ue794\ue795\ue796\ue7c7"
        "\ue81e\ue826\ue82b\ue82c\ue832\ue843\ue854\ue864",
        "\u3000\ufe10\ufe12\ufe11\ufe13\ufe14\ufe15\ufe16\ufe17\ufe18\ufe19\u1e3f"
        "\u9fb4\u9fb5\u9fb6\u9fb7\u9fb8\u9fb9\u9fba\u9fbb",
    ),  # characters that Unicode got after GB 18030 of 2000
}
_LATE = {  # what the codecs have not at all
    ("cp1255", b"\xca"): "\u05ba",
    ("gb18030", b"\x80"): "€",
    ("big5hkscs", b"\xa3\xe1"): "€",
}


def named(label: str | None) -> str | None:
    """The encoding that a label such as "Latin1" means, as the standard names it; None for a label that is unknown."""
    return LABELS.get(label.strip("\t\n\f\r ").lower()) if label else None


def decode(body: bytes, encoding: str) -> str:
    """The body's text, without byte order mark; what cannot be decoded becomes U+FFFD. `encoding` as `named` says."""
    codec, _ = _ENCODINGS[encoding]
    if encoding.startswith("utf-"):
        return body.decode(codec, "replace").removeprefix("\ufeff")
    if not codec:  # an encoding in which attacks could be hidden: nothing of the page is read
        return "\ufffd" if body else ""
    if codec not in _WIDE:
        return codecs.charmap_decode(body, "replace", _table(encoding))[0]
    _patience.left = _MOST_MENDED
    try:
        text = body.decode(codec, _MENDED)
    except _TooBroken:
        text = body.decode(codec, "replace")
    for theirs, ours in zip(*_OTHERS.get(codec, ("", "")), strict=True):
        text = text.replace(theirs, ours)
    return text


@cache
def _table(encoding: str) -> str:
    """The characters of the 256 bytes; bytes 80 to 9F that Python leaves undefined are controls."""
    if encoding == "x-user-defined":
        return "".join(chr(byte if byte < 0x80 else 0xF700 + byte) for byte in range(256))
    codec, _ = _ENCODINGS[encoding]
    characters = []
    for byte in range(256):
        one = bytes([byte])
        read = _LATE.get((codec, one)) or one.decode(codec, "replace")
        characters.append(chr(byte) if read == "\ufffd" and 0x80 <= byte < 0xA0 else read)
    return "".join(characters).translate(str.maketrans(*_OTHERS.get(codec, ("", ""))))


_MENDED = "waterspout.mended"
_MOST_MENDED = 10_000
"""Errors of a body that are mended one by one, 5 µs each. One that has more is no text, and Python's way is quicker."""


class _TooBroken(Exception):  # noqa: N818 -- it is no error of anybody's
    pass


class _Patience(threading.local):
    left = 0


_patience = _Patience()


def _mend(error: UnicodeError) -> tuple[str, int]:
    """An error handler for encodings of two bytes a character: what the codec lacks, or U+FFFD; and where to go on.

    As the standard has it, a broken pair is taken whole, but never swallows ASCII, which might be the end of a tag.
    """
    assert isinstance(error, UnicodeDecodeError)
    _patience.left -= 1
    if _patience.left < 0:
        raise _TooBroken
    at, codec = error.start, error.encoding
    one, pair = error.object[at : at + 1], error.object[at : at + 2]
    if late := _LATE.get((codec, one)):
        return late, at + 1
    late = _LATE.get((codec, pair))
    if codec in _JIS_FROM and len(pair) == 2:
        late = _of_microsoft(pair, _JIS_FROM[codec])
    if late:
        return late, at + 2
    if codec == "iso2022_jp_ext":
        return "\ufffd", error.end
    whole = len(pair) == 2 and 0x81 <= pair[0] < 0xFF and pair[1] >= 0x80
    return "\ufffd", at + 2 if whole else at + 1


def _of_microsoft(pair: bytes, first: int) -> str | None:
    """A character of JIS X 0208 with the additions of NEC and IBM, such as "①", which only the codec cp932 knows."""
    row, cell = (byte - first for byte in pair)
    if not (0 <= row < 94 and 0 <= cell < 94):
        return None
    lead, trail = divmod(row * 94 + cell, 188)
    shifted = bytes([lead + (0x81 if lead < 0x1F else 0xC1), trail + (0x40 if trail < 0x3F else 0x41)])
    try:
        return shifted.decode("cp932")
    except UnicodeDecodeError:
        return None


codecs.register_error(_MENDED, _mend)
