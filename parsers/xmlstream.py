"""XML as the web has it, read as it comes: pieces of bytes in; calls of a target, or small elements as a whole, out.

No tree of the document is built, so memory does not grow with it. No entity is expanded and nothing is ever loaded:
libxml2 sees no "&" at all. Each goes to it as a character that stands for it, and the references in texts are resolved
afterwards, those of HTML too. So a bare "&" in a URL, which half of the web writes, is read as it was meant, where
libxml2 would drop it together with the name behind it.
"""

import codecs
import contextlib
import re
from collections.abc import Collection, Mapping
from html.entities import html5
from typing import Any, Protocol

from lxml import etree

from parsers import charset

PIECE = 65_536  # bytes at a time for libxml2: it holds about as much of a document
DEEPEST = 256
"""Elements in each other that are read, as many as libxml2 reads into a tree; a target raises TooDeepError beyond."""
_START = 1_024  # bytes that tell the encoding: as many as in the prescan of HTML
_MOST_NAMES = 1_000

# U+10FFFE and U+10FFFF: no characters, and yet allowed in XML.
_AMPERSAND, _LESS = "\U0010fffe", "\U0010ffff"
_AMPERSAND_BYTES, _LESS_BYTES = _AMPERSAND.encode(), _LESS.encode()
_BARE_LESS = re.compile(rb"<(?![A-Za-z_:/!?\x80-\xff])")
_REFERENCE = re.compile(f"{_AMPERSAND}(?:#([0-9]{{1,7}})|#[xX]([0-9a-fA-F]{{1,6}})|([A-Za-z][A-Za-z0-9]{{1,31}}));")

_CONTROLS = bytes(set(range(0x20)) - set(b"\t\n\r"))
"""What no XML may hold, NUL among them, and some writers leave in their texts; it is dropped."""

_WARNINGS = ("<br", "<b>")  # how those of PHP begin
_HTML_DOCTYPE = re.compile(r"\A<!doctype", re.IGNORECASE)  # HTML may write it small; then its root would not be seen
_DECLARATION = re.compile(rb"""\s*<\?xml[^>]*?\sencoding\s*=\s*["']([^"'>]*)["']""")


class TooDeepError(Exception):
    """Elements lie too deep in each other: a target raises it to end the document."""


class Target(Protocol):
    """To whom a document is told. Attributes and texts may hold references; `plain` resolves them."""

    def start(self, tag: str, attributes: Mapping[str, str]) -> None:
        """An element begins. `tag` is "{namespace}name", or "prefix:name" where the prefix was never declared.

        Raises TooDeepError.
        """

    def end(self, tag: str) -> None:
        """The innermost open element ends."""

    def data(self, text: str) -> None:
        """A piece of text of the innermost open element."""

    def close(self) -> None:
        """Nothing more comes. Elements may be open still, when the document was cut off."""


def encoding(start: bytes, label: str | None = None) -> str:
    """The encoding of an XML document by its first bytes and the charset label of its Content-Type, as named by WHATWG.

    The first that speaks: a byte order mark, the label, what "<?" looks like in UTF-16, the XML declaration; else
    UTF-8. (RFC 7303, section 3; XML 1.0, appendix F)
    """
    for mark, name in _MARKS:
        if start.startswith(mark):
            return name
    declared = _DECLARATION.match(start[:_START])
    name = charset.named(label) or (charset.named(declared[1].decode("latin-1")) if declared else None) or "utf-8"
    if name.startswith("utf-16") and b"\0" not in start:
        return "utf-8"  # it was read as ASCII, so it is no UTF-16
    return name


_MARKS = (
    (b"\xef\xbb\xbf", "utf-8"),
    (b"\xfe\xff", "utf-16be"),
    (b"\xff\xfe", "utf-16le"),
    (b"\0<\0", "utf-16be"),
    (b"<\0?\0", "utf-16le"),
    (b"<\0!\0", "utf-16le"),
)


def plain(text: str) -> str:
    """A text or an attribute's value that a target was told, its references resolved.

    Only those that end in ";": without it, "&copy=1" in a URL would be a sign. In CDATA they are resolved as well:
    who writes "&amp;" there mostly has escaped twice.
    """
    if _AMPERSAND in text:
        text = _REFERENCE.sub(_resolved, text).replace(_AMPERSAND, "&")
    return text.replace(_LESS, "<")


def _resolved(reference: re.Match[str]) -> str:
    decimal, hexadecimal, name = reference.groups()
    if name is not None:
        return html5.get(name + ";") or f"&{name};"
    number = int(decimal) if decimal is not None else int(hexadecimal, 16)
    return chr(number) if 0 < number < 0xD800 or 0xDFFF < number < 0x110000 else "\ufffd"


class XML:
    """One document, told to a target. Bytes that do not fit its encoding become U+FFFD.

    A document in another encoding than UTF-8 is kept until `close`: those are rare, and small. Whoever feeds it limits
    how long it gets.
    """

    def __init__(self, target: Target, label: str | None = None) -> None:
        """`label` is the charset of the Content-Type."""
        self.encoding: str | None = None  # as the WHATWG names it; None while the first 1,024 bytes are not there
        self.problem: str | None = None  # why it is not read whole, for people; at the latest after `close`
        self._label = label
        stranger: Any = target  # the type that lxml's stubs name has methods that lxml itself does without
        self._parser = etree.XMLParser(
            target=stranger, encoding="utf-8", recover=True, resolve_entities=False, no_network=True, load_dtd=False
        )
        self._kept: list[bytes] = []
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._tail = b""
        self._began = False

    def feed(self, data: bytes) -> None:
        """Read a piece. Behind what libxml2 cannot read, nothing is read any more."""
        if self.encoding == "utf-8":
            self._parse(self._decoder.decode(data))
            return
        self._kept.append(data)
        if self.encoding is None and (len(data) >= _START or sum(map(len, self._kept)) >= _START):
            self._begin()

    def close(self) -> None:
        """The document has ended."""
        if self.encoding is None:
            self._begin()
        assert self.encoding is not None
        if self.encoding == "utf-8":
            self._parse(self._decoder.decode(b"", final=True))
        else:
            self._parse(charset.decode(b"".join(self._kept), self.encoding))
            self._kept.clear()
        if self.problem is not None:
            return
        with contextlib.suppress(etree.LxmlError):  # it is raised for an empty document
            self._parser.close()
        fatal = next((entry for entry in self._parser.feed_error_log if entry.level == etree.ErrorLevels.FATAL), None)
        if fatal is not None:
            self.problem = f"broken XML in line {fatal.line}: {' '.join(fatal.message.split())[:200]}"

    def _begin(self) -> None:
        start = b"".join(self._kept)
        self.encoding = encoding(start, self._label)
        if self.encoding == "utf-8":
            self._kept.clear()
            self._parse(self._decoder.decode(start))

    def _parse(self, text: str) -> None:
        if self.problem is not None:
            return
        if not self._began:  # blank lines and warnings of some program stand before the declaration at times
            text = text.lstrip("\ufeff \t\r\n\0")
            if text.startswith(_WARNINGS) or not text.startswith("<"):
                text = text[max(text.find("<?xml", 0, _START), 0) :]
            text = _HTML_DOCTYPE.sub("<!DOCTYPE", text, count=1)
            self._began = bool(text)
        data = self._tail + text.encode().translate(None, _CONTROLS).replace(b"&", _AMPERSAND_BYTES)
        self._tail = data[-1:] if data.endswith(b"<") else b""
        data = _BARE_LESS.sub(_LESS_BYTES, data.removesuffix(b"<"))
        try:
            for begin in range(0, len(data), PIECE):
                self._parser.feed(data[begin : begin + PIECE])
        except TooDeepError:
            self.problem = f"more than {DEEPEST} elements lie in each other"
        except etree.LxmlError:
            pass  # what is wrong stands in its log


_NO_CHILDREN: "list[Element]" = []  # of all elements that have none: most


class Element:
    """An element of a record, or a record itself."""

    __slots__ = ("attributes", "children", "name", "parent", "text")

    def __init__(self, name: str, attributes: Mapping[str, str], parent: str) -> None:
        self.name = name  # without namespace and prefix, in lower case
        self.attributes = attributes  # as told: `get` reads them
        self.parent = parent  # name of the element around it; "" for the root
        self.text = ""  # white space cut off
        self.children: list[Element] = _NO_CHILDREN

    def get(self, attribute: str) -> str | None:
        """The value of an attribute, white space cut off; None for one that is absent or empty."""
        value = self.attributes.get(attribute)
        return plain(value).strip() or None if value else None

    def find(self, *names: str) -> str | None:
        """The text of the first child of the first of these names that has any."""
        for name in names:
            for child in self.children:
                if child.name == name and child.text:
                    return child.text
        return None


class Records:
    """A target that takes elements of some names out of a document, whole, and forgets all others.

    Names are without their namespaces and in lower case: the web has them wrong too often to look at.
    """

    def __init__(self, names: Collection[str], inner: Collection[str], ignored: Collection[str], most: int) -> None:
        """Take elements of `names`.

        In a record, only elements in `inner` have children; whatever lies in another is its text, and the text of those
        in `ignored` is dropped. A record that needs more than `most` characters, an element counted as 100 beside its
        text, is left out.
        """
        self.root: Element | None = None
        self.oversize = 0  # records that were left out
        self.ended = False  # the root's end was seen
        self._names, self._inner, self._ignored, self._most = names, inner, ignored, most
        self._done: list[Element] = []
        self._open: list[Element] = []  # a record and what is open in it
        self._outer: list[str] = []  # names of what is open around it
        self._flat = 0  # depth below an element without children
        self._size = 0
        self._parts: list[str] | None = None  # of the text of the innermost of `_open`
        self._known: dict[str, str] = {}

    def take(self) -> list[Element]:
        """The records that ended since the last call, in the order of their ends."""
        done, self._done = self._done, []
        return done

    def start(self, tag: str, attributes: Mapping[str, str]) -> None:
        """See `Target`."""
        if self._flat:
            self._flat += 1
            if self._flat > DEEPEST:
                raise TooDeepError
            return
        name = self._known.get(tag) or self._name(tag)
        if self._open:
            around = self._open[-1]
            if around.name not in self._inner:
                self._flat = 1
                return
            self._size += 100 + 100 * len(attributes)
            element = Element(name, attributes, around.name)
            if self._size < self._most:
                if around.children:
                    around.children.append(element)
                else:
                    around.children = [element]
            self._open.append(element)
            self._parts = None if name in self._ignored else []
            if len(self._open) > DEEPEST:
                raise TooDeepError
            return
        element = Element(name, attributes, self._outer[-1] if self._outer else "")
        if self.root is None:
            self.root = element
        if name in self._names:
            self._size = 100 * len(attributes)
            self._open.append(element)
            self._parts = None if name in self._inner else []
        else:
            self._outer.append(name)
            if len(self._outer) > DEEPEST:
                raise TooDeepError

    def data(self, text: str) -> None:
        """See `Target`."""
        if self._parts is not None:
            self._size += len(text)
            if self._size < self._most:
                self._parts.append(text)

    def end(self, tag: str) -> None:
        """See `Target`."""
        if self._flat:
            self._flat -= 1
        elif self._open:
            element = self._open.pop()
            if self._parts:
                text = "".join(self._parts)
                element.text = (text if text.isascii() else plain(text)).strip()
            self._parts = None  # what stands between the children is no one's text
            if not self._open:
                if self._size < self._most:
                    self._done.append(element)
                else:
                    self.oversize += 1
                self.ended = not self._outer
        elif self._outer:
            self._outer.pop()
            self.ended = not self._outer

    def close(self) -> None:
        """See `Target`."""

    def _name(self, tag: str) -> str:
        name = tag.rpartition("}")[2].rpartition(":")[2].lower()
        if len(self._known) < _MOST_NAMES:
            self._known[tag] = name
        return name
