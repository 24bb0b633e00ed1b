"""The encoding of a page by the WHATWG's HTML and Encoding standards. Pure functions.

(https://html.spec.whatwg.org/#determining-the-character-encoding, https://encoding.spec.whatwg.org/)
"""

import re

_PRESCANNED = 1024  # bytes in which the standard looks for a meta

_ENCODINGS = {  # name: (Python's codec, the labels beside the name); the common ones of the standard
    "utf-8": ("utf-8", "utf8 unicode-1-1-utf-8 unicode11utf8 unicode20utf8 x-unicode20utf8"),
    "ibm866": ("cp866", "cp866 866 csibm866"),
    "iso-8859-2": ("iso8859-2", "iso8859-2 csisolatin2 iso-ir-101 iso88592 iso_8859-2 iso_8859-2:1987 l2 latin2"),
    "iso-8859-3": ("iso8859-3", "iso8859-3 csisolatin3 iso-ir-109 iso88593 iso_8859-3 iso_8859-3:1988 l3 latin3"),
    "iso-8859-4": ("iso8859-4", "iso8859-4 csisolatin4 iso-ir-110 iso88594 iso_8859-4 iso_8859-4:1988 l4 latin4"),
    "iso-8859-5": ("iso8859-5", "iso8859-5 csisolatincyrillic cyrillic iso-ir-144 iso88595 iso_8859-5 iso_8859-5:1988"),
    "iso-8859-6": (
        "iso8859-6",
        "iso8859-6 arabic asmo-708 csisolatinarabic ecma-114 iso-8859-6-e iso-8859-6-i iso88596 iso_8859-6",
    ),
    "iso-8859-7": (
        "iso8859-7",
        "iso8859-7 csisolatingreek ecma-118 elot_928 greek greek8 iso-ir-126 iso88597 iso_8859-7",
    ),
    "iso-8859-8": ("iso8859-8", "iso8859-8 csisolatinhebrew hebrew iso-8859-8-e iso-ir-138 iso88598 iso_8859-8 visual"),
    "iso-8859-8-i": ("iso8859-8", "csiso88598i logical"),
    "iso-8859-10": ("iso8859-10", "iso8859-10 csisolatin6 iso-ir-157 iso885910 l6 latin6"),
    "iso-8859-13": ("iso8859-13", "iso8859-13 iso885913"),
    "iso-8859-14": ("iso8859-14", "iso8859-14 iso885914"),
    "iso-8859-15": ("iso8859-15", "iso8859-15 csisolatin9 iso885915 iso_8859-15 l9"),
    "iso-8859-16": ("iso8859-16", ""),
    "koi8-r": ("koi8-r", "cskoi8r koi koi8 koi8_r"),
    "koi8-u": ("koi8-u", "koi8-ru"),
    "macintosh": ("mac-roman", "csmacintosh mac x-mac-roman"),
    "windows-874": ("cp874", "dos-874 iso-8859-11 iso8859-11 iso885911 tis-620"),
    "windows-1250": ("cp1250", "cp1250 x-cp1250"),
    "windows-1251": ("cp1251", "cp1251 x-cp1251"),
    "windows-1252": (
        "cp1252",
        "cp1252 ansi_x3.4-1968 ascii cp819 csisolatin1 ibm819 iso-8859-1 iso-ir-100 iso8859-1 "
        "iso88591 iso_8859-1 iso_8859-1:1987 l1 latin1 us-ascii x-cp1252",
    ),
    "windows-1253": ("cp1253", "cp1253 x-cp1253"),
    "windows-1254": (
        "cp1254",
        "cp1254 csisolatin5 iso-8859-9 iso-ir-148 iso8859-9 iso88599 iso_8859-9 l5 latin5 x-cp1254",
    ),
    "windows-1255": ("cp1255", "cp1255 x-cp1255"),
    "windows-1256": ("cp1256", "cp1256 x-cp1256"),
    "windows-1257": ("cp1257", "cp1257 x-cp1257"),
    "windows-1258": ("cp1258", "cp1258 x-cp1258"),
    "gbk": ("gb18030", "chinese csgb2312 csiso58gb231280 gb2312 gb_2312 gb_2312-80 iso-ir-58 x-gbk"),
    "gb18030": ("gb18030", ""),
    "big5": ("big5hkscs", "big5-hkscs cn-big5 csbig5 x-x-big5"),
    "euc-jp": ("euc_jp", "cseucpkdfmtjapanese x-euc-jp"),
    "iso-2022-jp": ("iso2022_jp", "csiso2022jp"),
    "shift_jis": ("cp932", "csshiftjis ms932 ms_kanji shift-jis sjis windows-31j x-sjis"),
    "euc-kr": ("cp949", "cseuckr csksc56011987 iso-ir-149 korean ks_c_5601-1987 ksc5601 ksc_5601 windows-949"),
    "utf-16be": ("utf-16-be", "unicodefffe"),
    "utf-16le": ("utf-16-le", "csunicode iso-10646-ucs-2 ucs-2 unicode unicodefeff utf-16"),
}
_CODECS = {name: codec for name, (codec, _) in _ENCODINGS.items()}
_LABELS = {label: name for name, (_, labels) in _ENCODINGS.items() for label in (name, *labels.split())}

_MARKUP = re.compile(
    rb"<!(?=--)(?:.*?-->|.*)"  # a comment; "<!-->" is one, and an unfinished one hides all that follows
    rb"|</?(?P<tag>[a-zA-Z][^\s/>]*)"
    rb"|<[!/?][^>]*",
    re.DOTALL,
)
_ATTRIBUTE = re.compile(rb"""[\s/]*([^\s/>][^\s/>=]*)(?:\s*=\s*(?:"([^"]*)"|'([^']*)'|([^\s>"'][^\s>]*)))?""")
_END_OF_TAG = re.compile(rb"[\s/]*>")
_CHARSET = re.compile(rb"""charset\s*=\s*(?:"([^"]*)"|'([^']*)'|([^\s;"']+))""", re.IGNORECASE)
_XML_ENCODING = re.compile(rb"""<\?xml[^>]*?\sencoding\s*=\s*(?:"([^"]*)"|'([^']*)')""")


def named(label: str | None) -> str | None:
    """The encoding that a label such as "Latin1" means, as the standard names it; None for a label that is unknown."""
    return _LABELS.get(label.strip("\t\n\f\r ").lower()) if label else None


def of_html(body: bytes, header: str | None = None) -> str:
    """The encoding of an HTML body; `header` is the charset label of its Content-Type.

    The first that speaks: a byte order mark, the header, a meta in the first 1,024 bytes, an XML declaration. When
    none does: UTF-8, if the body can be read so, else windows-1252.
    """
    if body.startswith(b"\xef\xbb\xbf"):
        return "utf-8"
    if body.startswith(b"\xfe\xff"):
        return "utf-16be"
    if body.startswith(b"\xff\xfe"):
        return "utf-16le"
    return named(header) or _declared(body[:_PRESCANNED]) or ("utf-8" if _is_utf8(body) else "windows-1252")


def decode(body: bytes, encoding: str) -> str:
    """The body's text, without byte order mark; what cannot be decoded becomes U+FFFD. `encoding` as `of_html` says."""
    return body.decode(_CODECS[encoding], errors="replace").removeprefix("\ufeff")


def _is_utf8(body: bytes) -> bool:
    try:
        body.decode()
    except UnicodeDecodeError:
        return False
    return True


def _declared(start: bytes) -> str | None:
    """The encoding that a meta, or else an XML declaration, gives (the standard's "prescan")."""
    position = 0
    while markup := _MARKUP.search(start, position):
        position = markup.end()
        if markup["tag"] is None:
            continue
        attributes: dict[bytes, bytes] = {}
        while attribute := _ATTRIBUTE.match(start, position):
            position = attribute.end()
            name, *values = attribute.groups(default=b"")
            attributes.setdefault(name.lower(), b"".join(values))
        if not _END_OF_TAG.match(start, position):
            break  # the tag is cut by the end of the prescan: so might be the charset in it
        if markup[0].lower() == b"<meta" and (encoding := _of_meta(attributes)):
            return encoding
    xml = _XML_ENCODING.match(start)
    return _as_seen(b"".join(xml.groups(default=b""))) if xml else None


def _of_meta(attributes: dict[bytes, bytes]) -> str | None:
    if b"charset" in attributes:
        return _as_seen(attributes[b"charset"])
    if attributes.get(b"http-equiv", b"").lower() == b"content-type":
        charset = _CHARSET.search(attributes.get(b"content", b""))
        if charset:
            return _as_seen(b"".join(charset.groups(default=b"")))
    return None


def _as_seen(label: bytes) -> str | None:
    """The encoding of a label found in the page: it could be read as ASCII, so it cannot be UTF-16."""
    encoding = named(label.decode("latin-1"))
    return "utf-8" if encoding in ("utf-16be", "utf-16le") else encoding
