"""What a page asks of robots: the directives of meta robots and of X-Robots-Tag. Pure functions.

There is no standard; this follows https://developers.google.com/search/docs/crawling-indexing/robots-meta-tag.
"""

import re
from collections.abc import Collection

_WITH_VALUE = frozenset(
    {"max-snippet", "max-image-preview", "max-video-preview", "unavailable_after"}
)  # "max-snippet: 20" is a directive, where "otherbot: noindex" speaks to one robot
_PREFIX = re.compile(r"([\w-]+)\s*:")


def in_meta(content: str) -> list[str]:
    """The directives of `<meta name="robots" content="...">`, in lower case."""
    return [directive for piece in content.lower().split(",") if (directive := " ".join(piece.split()))]


def in_header(value: str) -> list[str]:
    """The directives of an X-Robots-Tag that are meant for every robot, in lower case.

    A robot's name holds to the end of the value: of headers joined into one, nobody can tell where the first ended.
    """
    general: list[str] = []
    for directive in in_meta(value):
        prefix = _PREFIX.match(directive)
        if prefix and prefix[1] not in _WITH_VALUE:
            break
        general.append(directive)
    return general


def forbid_following(directives: Collection[str]) -> bool:
    """Whether the page asks that none of its links be followed."""
    return "nofollow" in directives or "none" in directives
