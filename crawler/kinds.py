"""The kinds of value that a setting may have: what is allowed, and how it is written in a flag and in TOML."""

import ipaddress
import json
import re
import textwrap
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any, Generic, TypeVar

T = TypeVar("T")
Name = TypeVar("Name", bound=str)


def _same(value: Any) -> Any:
    return value


@dataclass(slots=True, frozen=True)
class Kind(Generic[T]):
    """What values a setting may have, and how they are written."""

    allowed: str  # completes "must be ..."
    metavar: str  # stands for the value in --help
    read: Callable[[object], T]  # from a TOML value; ValueError's text completes "must be ..."
    literal: Callable[[str], object] = _same  # from a flag's text to the TOML value it stands for
    toml: Callable[[T], object] = _same  # back to a TOML value
    switch: bool = False  # may the flag stand without a value?
    repeatable: bool = False  # do several flags add up to one list?


_INTEGER = re.compile(r"[+-]?[0-9]{1,30}")
_NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]{1,3})?")
_UNBOUNDED = 10**12  # more than any crawl can count to, and safe in TOML, SQLite and JSON


def _span(least: float, most: float) -> str:
    return f", {least:.12g} or more" if most == _UNBOUNDED else f" from {least:.12g} to {most:.12g}"


def integer(least: int, most: int = _UNBOUNDED) -> Kind[int]:
    """A whole number; a boolean is none, although Python thinks so."""
    allowed = f"a whole number{_span(least, most)}"

    def read(value: object) -> int:
        if isinstance(value, int) and not isinstance(value, bool) and least <= value <= most:
            return value
        raise ValueError(allowed)

    return Kind(allowed, "N", read, lambda text: int(text) if _INTEGER.fullmatch(text) else text)


def number(least: float, most: float = _UNBOUNDED, *, noun: str = "a number", metavar: str = "N") -> Kind[float]:
    """A finite number."""
    allowed = f"{noun}{_span(least, most)}"

    def read(value: object) -> float:
        # The comparison turns nan away too.
        if isinstance(value, int | float) and not isinstance(value, bool) and least <= value <= most:
            return float(value)
        raise ValueError(allowed)

    def toml(value: float) -> object:
        return int(value) if value == int(value) else value

    return Kind(allowed, metavar, read, lambda text: float(text) if _NUMBER.fullmatch(text) else text, toml)


def seconds(least: float, most: float = _UNBOUNDED) -> Kind[float]:
    """A span of time."""
    return number(least, most, noun="a number of seconds", metavar="S")


_SIZE = re.compile(r"([0-9]{1,20}(?:\.[0-9]{1,20})?) ?([kmgKMG]?)(i?)[bB]?")
_POWERS = {"": 0, "k": 1, "m": 2, "g": 3}


def _size_text(size: int) -> str:
    """The shortest exact spelling with a decimal unit."""
    for unit, factor in (("GB", 10**9), ("MB", 10**6), ("kB", 10**3)):
        if size and size % factor == 0:
            return f"{size // factor}{unit}"
    return str(size)


def size(least: int, most: int) -> Kind[int]:
    """A number of bytes: k, M and G are powers of 1000; Ki, Mi and Gi (IEC 80000-13) of 1024; a B may follow."""
    allowed = f"a size from {_size_text(least)} to {_size_text(most)}, such as 1000, 512k, 10MB or 4MiB"

    def read(value: object) -> int:
        if isinstance(value, str) and (match := _SIZE.fullmatch(value)):
            digits, unit, binary = match.groups()
            value = int(Decimal(digits) * (1024 if binary else 1000) ** _POWERS[unit.lower()])
        if isinstance(value, int) and not isinstance(value, bool) and least <= value <= most:
            return value
        raise ValueError(allowed)

    return Kind(allowed, "SIZE", read, toml=_size_text)


def choice(*names: Name, metavar: str | None = None) -> Kind[Name]:
    """One of a few words."""
    allowed = names[0] if len(names) == 1 else f"{', '.join(names[:-1])} or {names[-1]}"

    def read(value: object) -> Name:
        for name in names:
            if value == name:
                return name
        raise ValueError(allowed)

    return Kind(allowed, metavar or "|".join(names), read)


def boolean() -> Kind[bool]:
    """true or false, and nothing like them."""
    allowed = "true or false"

    def read(value: object) -> bool:
        if isinstance(value, bool):
            return value
        raise ValueError(allowed)

    return Kind(allowed, "true|false", read, lambda text: {"true": True, "false": False}.get(text, text), switch=True)


def text(pattern: str = r"(?s:.*)", allowed: str = "text", metavar: str = "TEXT") -> Kind[str]:
    """Text of which the whole matches a pattern."""
    compiled = re.compile(pattern)

    def read(value: object) -> str:
        if isinstance(value, str) and compiled.fullmatch(value):
            return value
        raise ValueError(allowed)

    return Kind(allowed, metavar, read)


def path(metavar: str = "FILE") -> Kind[Path]:
    """A file or folder; a leading ~ is the user's home, which shells leave alone behind a "="."""
    allowed = "a path"

    def read(value: object) -> Path:
        if not isinstance(value, str) or not value or "\0" in value:
            raise ValueError(allowed)
        try:
            return Path(value).expanduser()
        except RuntimeError as error:
            raise ValueError("a path whose home folder is known") from error

    return Kind(allowed, metavar, read, toml=str)


def regex() -> Kind[re.Pattern[str]]:
    """A regular expression of Python's `re`."""
    allowed = "a regular expression"

    def read(value: object) -> re.Pattern[str]:
        if not isinstance(value, str) or not value:
            raise ValueError(allowed)
        try:
            with warnings.catch_warnings():
                # `re` warns of what may mean another thing in a later Python; that is no concern of a crawl.
                warnings.simplefilter("ignore")
                return re.compile(value)
        except (re.error, OverflowError, RecursionError) as error:
            raise ValueError(f"{allowed}; {quoted(value)} is none: {error}") from error

    return Kind(allowed, "REGEX", read, toml=lambda pattern: pattern.pattern)


_HEADER = re.compile(r"([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*([ -~]*?)[ \t]*")  # a token and a value of RFC 9110
_OWNED = {"connection", "content-length", "host", "te", "transfer-encoding", "upgrade", "user-agent"} | {
    "if-modified-since",
    "if-none-match",
}


def header() -> Kind[tuple[str, str]]:
    """A request header, as its name and its value."""
    allowed = '"Name: value" in printable ASCII'

    def read(value: object) -> tuple[str, str]:
        if not isinstance(value, str) or not (match := _HEADER.fullmatch(value)):
            raise ValueError(allowed)
        name = match[1]
        if name.lower() in _OWNED:
            remedy = " (see --user-agent)" if name.lower() == "user-agent" else ""
            raise ValueError(f"a header that the crawler does not set by itself, unlike {name}{remedy}")
        return name, match[2]

    return Kind(allowed, "NAME:VALUE", read, toml=lambda pair: f"{pair[0]}: {pair[1]}")


def loopback() -> Kind[str]:
    """An address of this machine that no other machine can reach."""
    allowed = "a loopback address such as 127.0.0.1 or ::1: any other needs a password, which is not built yet"

    def read(value: object) -> str:
        if value == "localhost":
            return "localhost"
        try:
            if isinstance(value, str) and ipaddress.ip_address(value).is_loopback:
                return value
        except ValueError:
            pass  # no address at all: the same answer
        raise ValueError(allowed)

    return Kind(allowed, "ADDRESS", read)


def place(port: int) -> Kind[str]:
    """An IP address with a port, or without one where `port` is meant; the value has both, IPv6 in brackets."""
    allowed = f"an IP address such as 192.0.2.1, 192.0.2.1:{port}, 2001:db8::1 or [2001:db8::1]:{port}"

    def read(value: object) -> str:
        try:
            return _place(str(value), port)
        except ValueError as error:
            raise ValueError(allowed) from error

    return Kind(allowed, "ADDRESS", read)


def _place(text: str, port: int) -> str:
    match = re.fullmatch(r"(?:\[([^\]]+)\]|([^:]+))(?::([0-9]{1,5}))?", text)  # else IPv6 without brackets
    address = ipaddress.ip_address(match[1] or match[2] if match else text)
    number = int(match[3] or port) if match else port
    if not 0 < number <= 65_535 or "%" in str(address):
        raise ValueError(text)
    return f"[{address}]:{number}" if address.version == 6 else f"{address}:{number}"


def optional(kind: Kind[T], word: str = "none") -> Kind[T | None]:
    """Another kind, or the word that stands for None."""
    return Kind(
        f"{kind.allowed}, or {word}",
        kind.metavar,
        lambda value: None if value == word else _or(kind.read, value, word),
        lambda text: text if text == word else kind.literal(text),
        lambda value: word if value is None else kind.toml(value),
    )


def _or(read: Callable[[object], T], value: object, word: str) -> T:
    try:
        return read(value)
    except ValueError as error:
        raise ValueError(f"{error}, or {word}") from error


def many(kind: Kind[T], *, least: int = 0, commas: bool = False, empty: str = "") -> Kind[tuple[T, ...]]:
    """A list of another kind: a flag that may be repeated, an array in TOML.

    An empty flag is the empty list, which takes back what a file said. `commas`: one flag may hold several values, and
    each counts once. `empty`: a word that stands for the empty list too.
    """

    def read(value: object) -> tuple[T, ...]:
        if empty and value == empty:
            return ()
        if not isinstance(value, list):
            raise ValueError(f"a list, each {kind.allowed}")
        if len(value) < least:
            raise ValueError(f"at least {least} of: {kind.allowed}")
        values = [kind.read(item) for item in value]
        return tuple(dict.fromkeys(values) if commas else values)

    def literal(text: str) -> object:
        parts = [part.strip() for part in text.split(",")] if commas else [text]
        return [kind.literal(part) for part in parts] if text not in ("", empty) else []

    return Kind(
        f"a list, each {kind.allowed}" + (f"; or {empty}" if empty else ""),
        kind.metavar,
        read,
        literal,
        lambda values: [kind.toml(value) for value in values],
        repeatable=True,
    )


def one_or_many(kind: Kind[T]) -> Kind[tuple[T, ...]]:
    """Another kind, or a list of it that is not empty; for files alone."""

    def read(value: object) -> tuple[T, ...]:
        values = value if isinstance(value, list) else [value]
        if not values:
            raise ValueError(kind.allowed)
        return tuple(map(kind.read, values))

    return Kind(kind.allowed, kind.metavar, read, toml=lambda values: [kind.toml(value) for value in values])


def plain(text: str) -> str:
    """Text as it may stand in a message of one line: printable, and not too long."""
    text = text if text.isprintable() else ascii(text)[1:-1]
    return textwrap.shorten(text, 100, placeholder="...") if " " in text else text[:97] + "..." * (len(text) > 97)


def quoted(value: object) -> str:
    """A value as TOML would write it, as it may stand in a message of one line."""
    return plain(json.dumps(value, ensure_ascii=False, default=str))
