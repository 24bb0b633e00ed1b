"""Selectors as rules write them, "css: h1" or "xpath: //h1/text()": compiled once, used in any thread."""

import threading
from collections.abc import Sequence
from typing import TYPE_CHECKING, cast

from lxml import etree
from lxml.etree import _Element as Element  # the name by which lxml's type stubs know it

if TYPE_CHECKING:
    from cssselect import Selector as Parsed

_NAMESPACES = {"re": "http://exslt.org/regular-expressions", "xlink": "http://www.w3.org/1999/xlink"}


class SelectorError(ValueError):
    """It cannot be read; the message completes "must be ...". `selector` is its text."""

    def __init__(self, selector: str, why: object) -> None:
        super().__init__(f"a selector that can be read; {selector!r} cannot: {why}")
        self.selector = selector


class Selector:
    """What it selects below (or at) an element: elements, or texts such as attributes."""

    def __init__(self, text: str) -> None:
        """`text` begins with "css:" or "xpath:"; ValueError (SelectorError) for what is no selector.

        CSS is what cssselect knows, with `::text` and `::attr(NAME)` at the end, as Scrapy has them.
        """
        self.text = text
        language, _, rest = text.partition(":")
        match language.strip().lower():
            case "css":
                self._path = _from_css(rest.strip())
            case "xpath":
                self._path = rest.strip()
            case _:
                raise ValueError('a selector that begins with "css:" or "xpath:"')
        self._own = threading.local()  # lxml lets one thread at a time use a compiled path
        self._compiled()

    def _compiled(self) -> etree.XPath:
        compiled = getattr(self._own, "path", None)
        if compiled is None:
            try:
                compiled = self._own.path = etree.XPath(self._path, namespaces=_NAMESPACES)
            except (etree.XPathSyntaxError, ValueError) as error:  # ValueError: control characters
                raise SelectorError(self._path, error) from None
        return cast("etree.XPath", compiled)

    def select(self, element: Element) -> Sequence[Element | str]:
        """In document order. A number or a truth value that a path computes is one text. Never fails on a page."""
        try:
            found = self._compiled()(element)
        except etree.XPathEvalError:  # such as a function that exists nowhere, known only now
            return []
        if isinstance(found, list):
            return [each for each in found if isinstance(each, Element | str)]
        return [str(found)]


def _from_css(text: str) -> str:
    import cssselect  # only crawls with rules need it

    try:
        return " | ".join(map(_path, cssselect.parse(text)))
    except cssselect.SelectorError as error:
        raise SelectorError(text, error) from None


def _path(selector: "Parsed") -> str:
    from cssselect import HTMLTranslator, SelectorSyntaxError
    from cssselect.parser import FunctionalPseudoElement

    path = HTMLTranslator().selector_to_xpath(selector)
    match selector.pseudo_element:
        case None:
            return path
        case "text":
            return f"{path}/text()"
        case FunctionalPseudoElement(name="attr", arguments=[token]) if token.type in ("IDENT", "STRING"):
            return f"{path}/@{token.value}"
    raise SelectorSyntaxError("only ::text and ::attr(NAME) are known")
