"""URLs by the WHATWG URL standard (https://url.spec.whatwg.org/), as browsers read and write them. Pure functions.

The crawler's URLs are http(s) URLs as that standard serialises them, without fragment and without credentials.
"""

from collections.abc import Iterable, Sequence
from functools import lru_cache

import ada_url

_WEB = ("http://", "https://")  # how every serialised URL of the web begins; its host is never empty

_BLANK = "".join(map(chr, range(0x21)))
"""C0 controls and space, which the standard cuts off at both ends of a reference."""

_CACHED_LENGTH = 256
"""Longer references and bases are not cached, so that hostile pages cannot make the cache large (8192 x 1 KB)."""


def normalise(url: str) -> str:
    """The URL as the crawler writes it; doing it twice changes nothing.

    Credentials are cut off (`has_credentials` tells whether there were any), since a record must not show them.
    Raises ValueError, with a short message for people, for what is no absolute http or https URL.
    """
    try:
        href = ada_url.URL(url).href
    except ValueError:  # UnicodeEncodeError too: a lone surrogate
        raise ValueError("not a URL; it should look like https://example.com/") from None
    if not href.startswith(_WEB):
        raise ValueError("only http and https URLs can be crawled")
    return _bare(href)


def has_credentials(url: str) -> bool:
    """Whether a URL names a user or a password; False for what is no URL."""
    try:
        parsed = ada_url.URL(url)
    except ValueError:
        return False
    return bool(parsed.username or parsed.password)


def join(base: str, references: Sequence[str]) -> list[str]:
    """The http(s) URLs that the references of one page mean, each once, in the order of first occurrence.

    `base` is a serialised absolute URL. References are as the page has them: white space, backslashes, fragments and
    all. A reference that is no URL, or one of another scheme, is left out; credentials are cut off.
    """
    # Cutting fragments first is what makes this quick: hundreds of links of a page are often a few dozen URLs.
    heads = dict.fromkeys([reference.partition("#")[0] for reference in references])
    if any(head[-1] in _BLANK for head in heads if head):
        heads = dict.fromkeys([_head(reference) for reference in references])

    return [url for url in dict.fromkeys(_meanings(base, heads)) if url is not None]


def each(base: str, references: Iterable[str]) -> list[str | None]:
    """What `join` makes of each of them, in their order; None for one that is left out."""
    return _meanings(base, [_head(reference) for reference in references])


def _meanings(base: str, heads: Iterable[str]) -> list[str | None]:
    """The URLs that references without fragments mean."""
    # What a reference means depends on less than the whole page's URL, mostly. So pages share cached answers.
    page, root, folder = base, base, base
    if base.startswith(_WEB):
        root = origin(base) + "/"
        folder = base.partition("#")[0].partition("?")[0].rpartition("/")[0] + "/"

    resolve = _cached if len(base) <= _CACHED_LENGTH else _resolve
    urls: list[str | None] = []
    for head in heads:
        first = head[:1]
        if len(head) > _CACHED_LENGTH:
            url = _resolve(page, head)
        elif first == "/" or head.startswith(_WEB):
            url = resolve(root, head)
        elif first > " " and first != "?" and ":" not in head:
            url = resolve(folder, head)
        else:  # "", "?query", "http:", and whatever begins with white space
            url = _resolve(page, head)
        urls.append(url)
    return urls


def host(url: str) -> str:
    """Name and port of a normalised URL, the port always written: "example.com:443", "[::1]:80"."""
    scheme, _, authority, _ = url.split("/", 3)
    if ":" in authority and authority[-1] != "]":
        return authority
    return authority + (":443" if scheme == "https:" else ":80")


def origin(url: str) -> str:
    """The origin of a normalised URL, the scheme's default port left out: "https://example.com:8443"."""
    return url[: url.index("/", len("https://"))]


def _head(reference: str) -> str:
    """A reference without its fragment; "#" stays behind white space, which would not be the reference's end."""
    head, mark, _ = reference.strip(_BLANK).partition("#")
    return head + mark if head and head[-1] in _BLANK else head


def _resolve(base: str, reference: str) -> str | None:
    """The http(s) URL that a reference means; None if it means none."""
    try:
        href = ada_url.join_url(base, reference)
    except ValueError:
        return None
    return _bare(href) if href.startswith(_WEB) else None


_cached = lru_cache(maxsize=8192)(_resolve)


def _bare(href: str) -> str:
    """A serialised http(s) URL without fragment and credentials."""
    href = href.partition("#")[0]
    if "@" in href:
        scheme, _, rest = href.partition("//")
        authority, slash, path = rest.partition("/")
        href = f"{scheme}//{authority.rpartition('@')[2]}{slash}{path}"
    return href
