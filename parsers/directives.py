"""What a page asks of robots: the directives of meta robots and of X-Robots-Tag. Pure functions.

There is no standard; this follows https://developers.google.com/search/docs/crawling-indexing/robots-meta-tag. What is
said to every robot and what is said to ours hold both: the most restrictive counts.
"""

import re
from collections.abc import Collection, Iterator

_WITH_VALUE = frozenset(
    {"max-snippet", "max-image-preview", "max-video-preview", "unavailable_after"}
)  # "max-snippet: 20" is a directive, where "otherbot: noindex" speaks to one robot
_EVERYONE = frozenset({"*", "robots"})
_NAME = re.compile(r"([!#$%&'*+.^_`|~0-9a-z-]+)\s*:\s*")  # a token of RFC 9110, as products are
_PIECE = re.compile(r"(?:[^,]*:)?\s*unavailable_after\s*:\s*(?:mon|tue|wed|thu|fri|sat|sun)[a-z]*\s*,[^,]*|[^,]+")
"""What stands between commas; the date of "unavailable_after: Wed, 25 Jun 2025 15:00:00 GMT" has one of its own."""


def in_meta(content: str) -> list[str]:
    """The directives of `<meta name="robots" content="...">`, in lower case; "none" with what it stands for."""
    return [meaning for directive in _listed(content) for meaning in _meanings(directive)]


def in_header(value: str, agent: str = "") -> list[str]:
    """The directives of an X-Robots-Tag that are meant for every robot or for this one, as `in_meta` gives them.

    `agent` is our product in lower case. A robot's name holds up to the next one, or to the end of the line; each line
    of `value` was a header of its own.
    """
    ours: list[str] = []
    for line in value.split("\n"):
        meant = True
        for directive in _listed(line):
            name = _NAME.match(directive)
            if name and name[1] not in _WITH_VALUE:
                meant = name[1] in _EVERYONE or name[1] == agent
                directive = directive[name.end() :]
            if meant and directive:
                ours += _meanings(directive)
    return ours


def forbid_following(directives: Collection[str]) -> bool:
    """Whether the page asks that none of its links be followed."""
    return "nofollow" in directives


def _listed(content: str) -> Iterator[str]:
    for piece in _PIECE.findall(content.lower()):
        if directive := " ".join(piece.split()):
            yield directive


def _meanings(directive: str) -> list[str]:
    return ["none", "noindex", "nofollow"] if directive == "none" else [directive]
