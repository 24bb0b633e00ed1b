"""What pages have in common that differ only in long values of parameters, such as session ids. Pure."""

import hashlib
import re
from collections.abc import Sequence

from parsers.page import MOST_LINKS

_LONG_VALUE = re.compile(rb"(?<==)[^&;#\s]{8,}")
_LONG_PARAMETER = re.compile(rb"[?&](?:amp;)?[^=&;#?]*=[^&;#\s]{8,}")
_LONG_IN_URL = re.compile(r"[?&][^=&?\n]*=[^&\n]{8,}")
_MOST_OWN = 8  # parameters of a page's own URL that are looked for in it


def likeness(url: str, body: bytes) -> int | None:
    """What pages have in common that differ only in long values of parameters, such as session ids.

    The first 64 bits of the SHA-256 of the body without the parameters of links that have such values, and without the
    values of the page's own URL; None when it has none of them. A value of less than 8 characters stays: it is perhaps
    the number of a thing.
    """
    plain = body
    for value in _LONG_VALUE.findall(url.partition("?")[2].encode())[:_MOST_OWN]:
        plain = plain.replace(value, b"")
    parts = plain.split(b"href=", MOST_LINKS)
    for number, part in enumerate(parts):
        quote = part[:1]
        end = part.find(quote, 1) if quote in (b'"', b"'") else part.find(b">")
        query = part.find(b"?", 0, max(0, end))
        if number and query >= 0 and _LONG_PARAMETER.search(part, query, end):
            kept = _LONG_PARAMETER.sub(b"", part[query:end])
            if kept.startswith(b"&"):
                kept = b"?" + kept[1:].removeprefix(b"amp;")
            parts[number] = part[:query] + kept + part[end:]
    plain = b"href=".join(parts)
    return None if plain == body else int.from_bytes(hashlib.sha256(plain).digest()[:8], "big")


def matters(url: str, links: Sequence[str]) -> bool:
    """Whether a page, by its URL and its links, has such values at all: a quick look, since most have none."""
    return _LONG_IN_URL.search("\n".join([url, *[link for link in links if "?" in link]])) is not None
