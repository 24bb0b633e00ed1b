"""What the generated pages say: vocabulary, the characters of hosts, and pools of text to cut pages from."""

import random
from bisect import bisect_right
from collections.abc import Callable
from dataclasses import dataclass
from itertools import accumulate

_WORDS = """
the a of and to in that it is was for on with as at by from this which or an be are but not had his her they
we you one all would there their what so up out if about who get make can like time no just him know take
people into year your good some could them see other than then now look only come its over think also back
after use two how our work first well way even new want because any these give day most water light stone
paper garden letter market window bridge station harbour river summer winter evening morning village teacher
doctor engine copper silver wooden narrow gentle sudden common ancient
"""
_ADJECTIVES = """
quiet bright early hidden golden broken northern gentle rapid ancient modern frozen distant clever humble narrow
open secret silver simple steady sudden tender upper velvet wild wooden young amber bold calm deep
"""
_NOUNS = """
harbour garden engine letter bridge market window river station village lantern compass orchard theatre railway library
kitchen meadow tower island signal archive pattern voyage festival museum glacier canyon workshop mountain
"""
_PLACES = """
Avalon Birch Cedar Dover Elm Fairview Grove Hazel Iona Juniper Kent Linden Maple Norwood Oakley Perth
Quarry Rowan Selby Thorn Ulster Vale Willow Yarrow Zennor Ashby Brook Clifton Dale Easton Ford Glen
"""
WORDS = _WORDS.split()
ADJECTIVES = _ADJECTIVES.split()
NOUNS = [  # as HTML writes them, and as a URL path does; one is not ASCII, one needs an escape
    *((noun, noun) for noun in _NOUNS.split()),
    ("caf\u00e9", "caf%C3%A9"),
    ("salt &amp; pepper", "salt-and-pepper"),
]
PLACES = _PLACES.split()
SUBJECTS = [(f"{a.capitalize()} {text}", f"{a}-{slug}") for a in ADJECTIVES for text, slug in NOUNS]  # 1024

PICTURES = 16  # /img/0.svg and so on, on every host


@dataclass(frozen=True, slots=True)
class Character:
    """What kind of site a host is: all that makes hosts differ beside their numbers."""

    name: str  # the host is NAME.localhost
    title: str
    sections: tuple[str, ...]
    list_path: str  # of a section's second and later pages; the first is /SECTION/
    article_path: str  # of section, words and number
    blocks: tuple[str, ...]  # of its text, as often as they stand here
    charset: str = "utf-8"


CHARACTERS = (
    Character(
        "news",
        "The Daily Lantern",
        ("world", "science", "sport", "culture", "opinion"),
        "/{section}/?page={page}",
        "/{0}/{1}-{2}.html",
        ("prose", "prose", "prose", "quote", "picture"),
    ),
    Character(
        "shop",
        "Corner &amp; Co.",
        ("kitchen", "garden", "tools", "books", "toys", "music"),
        "/{section}/page/{page}/",
        "/{0}/{2}-{1}/",
        ("prose", "table", "picture", "list"),
    ),
    Character(
        "docs",
        "The Handbook",
        ("guide", "reference", "howto"),
        "/{section}/index-{page}.html",
        "/{0}/{1}/{2}.html",
        ("prose", "code", "prose", "table", "list"),
    ),
    Character(
        "forum",
        "The Round Table",
        ("general", "hardware", "software", "travel"),
        "/{section}/?start={page}",
        "/{0}/thread/{2}/{1}",
        ("quote", "prose", "quote"),
        "windows-1252",
    ),
    Character(
        "blog",
        "Notes by the Window",
        ("notes", "photos", "links"),
        "/{section}/page/{page}/",
        "/{0}/{2}/{1}.html",
        ("prose", "prose", "picture", "list"),
    ),
    Character(
        "wiki",
        "Openbook",
        ("people", "places", "things", "events"),
        "/{section}/?from={page}",
        "/{0}/{1}_{2}",
        ("prose", "list", "table", "prose"),
    ),
    Character(
        "recipes",
        "A Pinch of Salt",
        ("soups", "mains", "desserts", "drinks"),
        "/{section}/{page}/",
        "/{0}/{1}-{2}/",
        ("list", "prose", "picture", "table"),
    ),
    Character(
        "archive",
        "The Long Shelf",
        ("maps", "prints", "letters"),
        "/{section}/?page={page}",
        "/{0}/item/{2}-{1}.html",
        ("picture", "prose", "table"),
    ),
)


class Prose:
    """A pool of text blocks in HTML, ASCII only, from which pages of any length are cut quickly."""

    SIZE = 100_000  # bytes: long enough that two pages seldom share much
    STRETCH = 4_000  # bytes at most that a page takes from one place of the pool

    def __init__(self, kinds: tuple[str, ...], seed: int) -> None:
        rng = random.Random(seed)
        blocks: list[str] = []
        size = 0
        while size < self.SIZE:
            blocks.append(_BLOCKS[rng.choice(kinds)](rng))
            size += len(blocks[-1])
        self._text = "".join(blocks).encode("ascii")
        self._bounds = [0, *accumulate(map(len, blocks))]
        self._blocks = len(blocks)
        self._plain = " ".join(rng.choices(WORDS, k=600)).encode("ascii")

    def cut(self, length: int, rng: random.Random) -> bytes:
        """Exactly `length` bytes of well-formed HTML; none when it is negative."""
        parts = []
        while length > 0:
            start = self._bounds[int(rng.random() * self._blocks)]
            end = self._bounds[bisect_right(self._bounds, start + min(length, self.STRETCH)) - 1]
            part = self._text[start:end] or self._remainder(length)
            parts.append(part)
            length -= len(part)
        return b"".join(parts)

    def _remainder(self, length: int) -> bytes:
        """A paragraph of this length, or as much of it as is left of the text."""
        if length < len(b"<p></p>"):
            return b"\n" * length
        return b"<p>" + self._plain[: length - len(b"<p></p>")] + b"</p>"


def _sentences(rng: random.Random, least: int, most: int) -> str:
    return " ".join(
        " ".join(rng.choices(WORDS, k=rng.randint(6, 16))).capitalize() + "." for _ in range(rng.randint(least, most))
    )


def _heading(rng: random.Random) -> str:
    return f"<h2>{' '.join(rng.choices(WORDS, k=4)).capitalize()}</h2>\n"


def _prose(rng: random.Random) -> str:
    return _heading(rng) + "".join(f"<p>{_sentences(rng, 2, 5)}</p>\n" for _ in range(rng.randint(1, 3)))


def _quote(rng: random.Random) -> str:
    return f"<blockquote><p>{_sentences(rng, 1, 3)}</p></blockquote>\n<p>{_sentences(rng, 1, 2)}</p>\n"


def _list(rng: random.Random) -> str:
    items = "".join(f"<li>{_sentences(rng, 1, 1)}</li>\n" for _ in range(rng.randint(3, 7)))
    return f"{_heading(rng)}<ul>\n{items}</ul>\n"


def _table(rng: random.Random) -> str:
    rows = "".join(
        f"<tr><th>{rng.choice(WORDS)}</th><td>{rng.randint(1, 999)}</td><td>{rng.choice(WORDS)}</td></tr>\n"
        for _ in range(rng.randint(3, 8))
    )
    return f"<table>\n<caption>{_sentences(rng, 1, 1)}</caption>\n{rows}</table>\n"


def _code(rng: random.Random) -> str:
    lines = "".join(f"{rng.choice(WORDS)} = {rng.choice(WORDS)}({rng.randint(1, 99)})\n" for _ in range(6))
    return f"<pre><code>{lines}</code></pre>\n<p>{_sentences(rng, 1, 2)}</p>\n"


def _picture(rng: random.Random) -> str:
    source = rng.choice(
        ("data:image/gif;base64,R0lGODlhAQABAAAAACwAAAAAAQABAAA=", f"/img/{rng.randrange(PICTURES)}.svg")
    )
    caption = _sentences(rng, 1, 1)
    return f'<figure><img src="{source}" alt="{caption}"><figcaption>{caption}</figcaption></figure>\n'


_BLOCKS: dict[str, Callable[[random.Random], str]] = {
    "prose": _prose,
    "quote": _quote,
    "list": _list,
    "table": _table,
    "code": _code,
    "picture": _picture,
}
