"""Fields by rules: what is cut out of pages without code. Pure functions, but for what `Rules` compile."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, Literal, get_args

import orjson
from lxml import etree
from lxml.etree import _Element as Element  # the name by which lxml's type stubs know it

from parsers import urls
from parsers.selectors import Selector

Type = Literal["text", "number", "date", "url", "html", "json"]
TYPES: tuple[Type, ...] = get_args(Type)


@dataclass(slots=True, frozen=True)
class Field:
    """One field, as its rule says."""

    selector: str  # "css: ..." or "xpath: ..."
    type: Type = "text"
    many: bool = False  # all that is selected, as a list; otherwise the first that has a value
    attribute: str | None = None  # of what is selected, instead of its text


@dataclass(slots=True, frozen=True)
class Extract:
    """What one rule cuts out of the pages that it matches."""

    match: tuple[str, ...]  # URLs, in which "*" is any text without "/" and "**" any text
    fields: Mapping[str, Field]
    each: str | None = None  # a selector: one item for each element; without it one for the page
    follow: tuple[str, ...] | None = None  # selectors: only these links are followed; None: as always


class Rules:
    """All rules of a crawl, compiled."""

    def __init__(self, rules: Sequence[Extract]) -> None:
        """ValueError, in words, for a selector that cannot be read."""
        self._rules = [_Rule(rule) for rule in rules]

    def of(self, url: str) -> "_Rule | None":
        """The first that matches a URL."""
        return next((rule for rule in self._rules if rule.matches(url)), None)

    def number(self, url: str) -> int | None:
        """Which one that is, 1 for the first of all."""
        return next((number for number, rule in enumerate(self._rules, 1) if rule.matches(url)), None)


class _Rule:
    def __init__(self, rule: Extract) -> None:
        self._match = re.compile("|".join(map(_glob, rule.match)))
        self._fields = [(name, field, Selector(field.selector)) for name, field in rule.fields.items()]
        self._each = Selector(rule.each) if rule.each else None
        self._follow = None if rule.follow is None else [Selector(text) for text in rule.follow]

    def matches(self, url: str) -> bool:
        return self._match.fullmatch(url) is not None

    def data(self, root: Element, base: str) -> dict[str, Any] | list[dict[str, Any]]:
        """The fields of a page, None or an empty list where one is missing; with `each`, of each item."""
        if self._each is None:
            return self._item(root, base)
        return [self._item(item, base) for item in self._each.select(root) if not isinstance(item, str)]

    def _item(self, element: Element, base: str) -> dict[str, Any]:
        item: dict[str, Any] = {}
        for name, field, selector in self._fields:
            found = (value(each, field, base) for each in selector.select(element))
            there = (each for each in found if each is not None)
            item[name] = list(there) if field.many else next(there, None)
        return item

    def follow(self, root: Element, base: str) -> list[str] | None:
        """The links that alone are followed from a page: absolute, each once; None: all of them."""
        if self._follow is None:
            return None
        references: list[str] = []
        for selector in self._follow:
            for each in selector.select(root):
                if isinstance(each, str):
                    references.append(each)
                elif href := each.get("href"):
                    references.append(href)
                else:
                    references += [href for link in each.iter("a", "area") if (href := link.get("href"))]
        return urls.join(base, references)


def sought(data: dict[str, Any] | list[dict[str, Any]]) -> dict[str, tuple[int, int]]:
    """How often each field was sought in a page, and how often it was missing."""
    items = data if isinstance(data, list) else [data]
    values = {name: [item[name] for item in items] for name in items[0]} if items else {}
    return {name: (len(of), sum(value is None or value == [] for value in of)) for name, of in values.items()}


def _glob(pattern: str) -> str:
    return re.escape(pattern).replace(r"\*\*", ".*").replace(r"\*", "[^/]*")


def value(found: Element | str, field: Field, base: str) -> Any:
    """What a rule makes of one thing that it selected; None where that is nothing of its type."""
    if field.type == "html" and not isinstance(found, str) and field.attribute is None:
        return etree.tostring(found, encoding="unicode", method="html", with_tail=False).strip() or None
    text = _text(found, field)
    match field.type:
        case _ if not text:
            return None
        case "text" | "html":
            return " ".join(text.split()) or None
        case "number":
            return number(text)
        case "date":
            return date(text)
        case "url":
            return next(iter(urls.join(base, [text])), None)
        case "json":
            try:
                return orjson.loads(text)
            except orjson.JSONDecodeError:
                return None


def _text(found: Element | str, field: Field) -> str | None:
    if isinstance(found, str):
        return found
    if field.attribute is not None:
        return found.get(field.attribute)
    if field.type == "url" and (address := found.get("href") or found.get("src")):
        return address
    if found.tag == "meta":
        return found.get("content")
    if field.type == "date" and (moment := found.get("datetime")):
        return moment
    return "".join(found.itertext())


_NUMBER = re.compile(r"[-+\u2212]?\d[\d\s.,'\u2019\u00a0\u202f]*(?:[eE][-+]?\d+)?")


def number(text: str) -> int | float | None:
    """The first number in a text, as people write it: "£1,234.50", "1.234,50 €", "1 234", "12,5 %", "-3".

    Of two kinds of marks the last one is the decimal mark. One kind alone is that, unless it stands before three digits
    at a time, as a thousands mark does: "1,234" is 1234, "1.23" is 1.23, "0,125" is 0.125.
    """
    match = _NUMBER.search(text[:10_000])
    if match is None:
        return None
    digits = re.sub(r"[\s'\u2019\u00a0\u202f]", "", match[0].replace("\u2212", "-")).rstrip(".,")
    marks = [mark for mark in digits if mark in ".,"]
    last = marks[-1] if marks else ""
    if len(set(marks)) == 2:
        digits = digits.replace("," if last == "." else ".", "").replace(last, ".")
    elif marks:
        whole, *groups = digits.lstrip("+-").split(last)
        thousands = (
            all(len(group) == 3 and group.isdigit() for group in groups) and whole not in ("", "0") and len(whole) <= 3
        )
        digits = digits.replace(last, "" if thousands else ".")
    try:
        result = float(digits)
    except ValueError:  # such as 1.2.3
        return None
    if result in (float("inf"), float("-inf")):
        return None
    exact = result.is_integer() and abs(result) < 2**53  # beyond that a float is not exact, and JSON no safe place
    return int(result) if exact and "." not in digits and "e" not in digits.lower() else result


_FORMATS = (
    "%Y-%m-%d %H:%M:%S", "%Y-%m-%d %H:%M", "%Y/%m/%d", "%d.%m.%Y", "%d.%m.%Y %H:%M", "%d %B %Y", "%d %b %Y",
    "%B %d, %Y", "%b %d, %Y", "%d %B %Y %H:%M", "%B %d %Y", "%A, %d %B %Y", "%A, %B %d, %Y", "%Y%m%d",
)  # fmt: skip


def date(text: str) -> str | None:
    """A moment as ISO 8601: from ISO 8601, RFC 5322, and common ways to write a day in English; else None.

    With a time zone it is told in UTC. Days whose month and day could be mistaken (03/04/2024) are not guessed.
    """
    text = " ".join(text.split())[:100]
    if text.isdecimal() and len(text) != len("20240506"):
        return None  # a number of something else
    moment = _written(text)
    if moment is None:
        return None
    if moment.tzinfo is not None:
        try:
            return moment.astimezone(UTC).isoformat()
        except OverflowError:
            return None
    if len(text) <= len("2024-05-06") or not (moment.hour or moment.minute or moment.second or ":" in text):
        return moment.date().isoformat()
    return moment.isoformat()


def _written(text: str) -> datetime | None:
    for read in (datetime.fromisoformat, parsedate_to_datetime):
        try:
            return read(text)
        except (ValueError, TypeError, IndexError, OverflowError):
            continue
    plain = re.sub(r"(\d)(?:st|nd|rd|th)\b", r"\1", text)
    for form in _FORMATS:
        try:
            return datetime.strptime(plain, form)
        except ValueError:
            continue
    return None
