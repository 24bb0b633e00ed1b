"""The encoding of a page by the WHATWG's HTML standard. Pure functions.

(https://html.spec.whatwg.org/#determining-the-character-encoding)
"""

import re
from functools import cache
from typing import Any

from parsers import urls
from parsers.encodings import decode, named

__all__ = ["decode", "named", "of_html"]

_PRESCANNED = 1024  # bytes in which the standard looks for a meta
_LATE = 16_384  # bytes in which one is looked for that comes too late, since browsers then begin anew
_GUESSED = 16_384
"""Bytes, from the first on that are no UTF-8, by which is guessed what names no encoding: 5 ms at most."""

_MARKUP = re.compile(
    rb"<!(?=--)(?:.*?-->|.*)"  # a comment; "<!-->" is one, and an unfinished one hides all that follows
    rb"|</?(?P<tag>[a-zA-Z][^\s/>]*)"
    rb"|<[!/?][^>]*",
    re.DOTALL,
)
_ATTRIBUTE = re.compile(rb"""[\s/]*([^\s/>][^\s/>=]*)(?:\s*=\s*(?:"([^"]*)"|'([^']*)'|([^\s>"'][^\s>]*)))?""")
_END_OF_TAG = re.compile(rb"[\s/]*>")
_CHARSET = re.compile(rb"""charset\s*=\s*(?:"([^"]*)"|'([^']*)'|([^\s;"']+))""", re.IGNORECASE)
_META = re.compile(rb"<[mM][eE][tT][aA][\s/][^>]{0,200}[cC][hH][aA][rR][sS][eE][tT]")
_XML_ENCODING = re.compile(rb"""<\?xml[^>]*?\sencoding\s*=\s*(?:"([^"]*)"|'([^']*)')""")


def of_html(body: bytes, header: str | None = None, url: str | None = None) -> str:
    """The standard's name of the encoding of an HTML body; `header` is the charset label of its Content-Type.

    The first that speaks: a byte order mark, the header, a meta in the first 1,024 bytes, an XML declaration, a meta
    further down. When none does: UTF-8, if the body can be read so; else what it looks like most, with a look at the
    top-level domain of the page's URL, as browsers do.
    """
    if body.startswith(b"\xef\xbb\xbf"):
        return "utf-8"
    if body.startswith(b"\xfe\xff"):
        return "utf-16be"
    if body.startswith(b"\xff\xfe"):
        return "utf-16le"
    return named(header) or _declared(body[:_PRESCANNED]) or _declared_late(body) or _guessed(body, url)


def _declared_late(body: bytes) -> str | None:
    meta = _META.search(body, _PRESCANNED // 2, _LATE)
    return _declared(body[: meta.end() + _PRESCANNED]) if meta else None


def _guessed(body: bytes, url: str | None) -> str:
    """UTF-8, or what chardetng, Firefox's detector, takes the body for; it is not to be had for every Python.

    (https://github.com/hsivonen/chardetng)
    """
    try:
        body.decode()
    except UnicodeDecodeError as error:
        start = error.start
    else:
        start = body.find(b"\x1b$") if body.isascii() else -1  # ISO-2022-JP is ASCII with escapes
        if start < 0:
            return "utf-8"
    start = body.rfind(b">", 0, start) + 1  # where no character is cut in two
    detector = _detector()
    if detector is None:
        return "windows-1252"
    guess = detector()
    part = body[start : start + _GUESSED]
    guess.feed(part, last=start + len(part) == len(body))
    domain = urls.host(url).rpartition(":")[0].rpartition(".")[2].encode() if url else None
    name = guess.guess(tld=domain, allow_utf8=False).lower()
    return named(_OF_PYTHON.get(name, name)) or "windows-1252"


_OF_PYTHON = {"cp874": "windows-874", "gb18030": "gbk"}  # where chardetng_py has other names than the standard


@cache
def _detector() -> Any:
    """The class, or None; loaded when first needed, for most crawls never need it."""
    try:
        from chardetng_py import EncodingDetector
    except ImportError:
        return None
    return EncodingDetector


def _declared(start: bytes) -> str | None:
    """The encoding that a meta, or else an XML declaration, gives (the standard's "prescan")."""
    if start.startswith(b"<\0?\0x\0"):
        return "utf-16le"
    if start.startswith(b"\0<\0?\0x"):
        return "utf-16be"
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
    return _SEEN.get(encoding, encoding) if encoding else None


_SEEN = {"utf-16be": "utf-8", "utf-16le": "utf-8", "x-user-defined": "windows-1252"}
