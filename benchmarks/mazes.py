"""Traps of a generated web beside its calendar: pages without an end that hold nothing new. Pure functions.

- the catalogue: filters, each of some values, in any combination and any order of the parameters
- sessions: any page of the host once more, with an unknown parameter in all its links that has a new value on each page
- growth: a server that gives one page for whatever lies below a folder, with links relative to where it is
"""

import hashlib
import re
from collections.abc import Sequence

CATALOGUE = "/catalogue"
GROWTH = "/archive/all/"
_SESSION = "visit"
_FILTERS = ("colour", "size", "brand", "price", "stock", "sort", "shape", "age")
_VALUES = 5
_LINK = re.compile(rb'<a href="([^"#]*?)( ?(?:#[^"]*)?)"')


def entrances(facets: int, sessions: int, growth: int) -> list[str]:
    """Where the home page leads into the mazes that there are."""
    starts = ((facets, CATALOGUE), (sessions, f"/?{_SESSION}={_token('the first')}"), (growth, GROWTH))
    return [start for there, start in starts if there]


def catalogue(path: str, facets: int, items: Sequence[str]) -> bytes:
    """What the catalogue shows for a choice of filters: some of the items, and links that change the choice."""
    chosen = dict(part.partition("=")[::2] for part in path.partition("?")[2].split("&") if part)
    shown = [item for item in items if sum(map(len, chosen.values())) == 0 or _token(f"{path} {item}") < "8"]
    links = [f'<li><a href="{item}">{item}</a></li>' for item in shown]
    for name in _FILTERS[:facets]:
        others = {key: value for key, value in chosen.items() if key != name}
        choices = [others | {name: f"{name}-{value}"} for value in range(_VALUES)] + [others]
        links += [f'<li><a href="{_address(choice)}">{name}</a></li>' for choice in choices]
    title = ", ".join(chosen.values()) or "everything"
    return _page(f"Catalogue: {title}", "\n".join(links))


def growth() -> bytes:
    """The page of whatever lies below the folder."""
    return _page("All that there is", '<li><a href="older/">Older</a></li>\n<li><a href="by-name/">By name</a></li>')


def without_session(path: str) -> str | None:
    """A path with its query, without the session; None when it has none."""
    base, _, query = path.partition("?")
    parts = query.split("&")
    kept = [part for part in parts if not part.startswith(f"{_SESSION}=")]
    if kept == parts:
        return None
    return base + ("?" + "&".join(kept) if kept else "")


def with_session(page: bytes, path: str, host: str) -> bytes:
    """A page of the host with a session of its own in each link that stays there."""
    token = f"{_SESSION}={_token(path)}".encode()

    def link(match: re.Match[bytes]) -> bytes:
        address, end = match.groups()
        start, _, rest = address.partition(b"//")
        if start.lower() in (b"mailto:desk@example.com", b"javascript:print()"):
            return match[0]
        if rest and rest.partition(b"/")[0].lower() != host.encode():
            return match[0]
        return b'<a href="%s%s%s%s"' % (address, b"&amp;" if b"?" in address else b"?", token, end)

    return _LINK.sub(link, page)


def _address(choice: dict[str, str]) -> str:
    query = "&amp;".join(f"{name}={value}" for name, value in choice.items())
    return f"{CATALOGUE}?{query}" if query else CATALOGUE


def _token(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:24]


def _page(title: str, links: str) -> bytes:
    head = f'<!DOCTYPE html>\n<html lang="en">\n<head><meta charset="utf-8"><title>{title}</title></head>\n'
    return f"{head}<body>\n<h1>{title}</h1>\n<ul>\n{links}\n</ul>\n</body>\n</html>\n".encode()
