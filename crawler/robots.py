"""The Robots Exclusion Protocol, RFC 9309: what a host's robots.txt allows us. A refusal is a look-up.

Rules are kept per origin, in memory and as notes of the frontier, so that a restart does not ask again. Where the RFC
is silent or a site careless, a file is read as by the parser of those who wrote the RFC, the reference parser
(https://github.com/google/robotstxt); docs/robots.md names the differences.
"""

import codecs
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from threading import Lock

import orjson

from crawler.model import Failure
from parsers import urls
from parsers.page import Response

KEPT = 24 * 3600.0
"""Seconds that a robots.txt may be used without asking again (RFC 9309, section 2.4)."""
MOST = 500 * 1024
"""Bytes of a robots.txt that are read (RFC 9309, section 2.5, asks for at least so many)."""
MOST_SITEMAPS = 1000
"""Sitemap lines of a robots.txt that are kept; a sitemap index names more."""
HOPS = 5
"""Redirects in a row that are followed to a robots.txt (RFC 9309, section 2.3.1.2, asks for at least so many)."""
_MOST_KEPT = 200_000  # rules in memory, of all origins, of some 200 bytes each
_EACH = 100  # what an origin weighs beside its rules
_MOST_WORK = 5_000_000  # rules with "*" times characters of a path: some 10 ms


class Rules:
    """What one origin's robots.txt says to one product."""

    def __init__(self, text: str | None, product: str, fetched_at: float) -> None:
        """`text` is None when it could not be had: nothing is allowed then. `fetched_at`: seconds since the epoch."""
        self.fetched_at = fetched_at
        self._unreachable = text is None
        group, self.sitemaps = _read(text or "", product)
        """Of its Sitemap lines, which hold for every robot, the absolute http(s) URLs, each once."""
        self.delay = group.delay
        """Its Crawl-delay in seconds; 0 when it names none."""
        self.size = len(group.rules)
        """The number of its rules for the product."""
        self._patterns = _Patterns(group.rules)

    def refusal(self, url: str) -> str | None:
        """The reason why a normalised URL of the origin may not be asked for, or None."""
        if self._unreachable:
            return "robots_unreachable"
        path = url[url.index("/", len("https://")) :]
        if self._patterns.allow(path) or path.partition("?")[0] == "/robots.txt":
            return None
        return "robots"


class _Patterns:
    """The rules of one group: the longest that matches counts, and of two as long the one that allows.

    A path is looked at with a "$" at its end. So the "$" at the end of a pattern is a character like any other, and a
    pattern without "*" is the beginning of that text, found in a table; the time for a path grows with the number of
    different lengths in it. One with "*" is looked for piece by piece, which needs no way back, so its time grows with
    the length of the path alone, whatever the pattern. Should a file have tens of thousands of those and the path
    hundreds of characters, it is not looked at, and refused.
    """

    def __init__(self, rules: Iterable[tuple[bool, str]]) -> None:
        """`rules`: whether each allows, and its pattern as it stands in the file."""
        self._plain: dict[str, bool] = {}
        wild: set[tuple[int, bool, str, tuple[str, ...]]] = set()  # octets, allows?, beginning, other pieces in order
        for allows, pattern in rules:
            first, *rest = pieces = _pieces(pattern)
            if rest:
                wild.add((len("*".join(pieces)), allows, first, tuple(filter(None, rest))))
            else:
                self._plain[first] = allows or self._plain.get(first, False)
        self._lengths = sorted(set(map(len, self._plain)), reverse=True)
        self._wild = sorted(wild, reverse=True)

    def allow(self, path: str) -> bool:
        """Whether a path, with its query, may be asked for."""
        text = _spelt(path) + "$"
        length, verdict = 0, True  # what no rule matches is allowed
        for most in self._lengths:
            found = self._plain.get(text[:most])
            if found is not None:
                length, verdict = min(most, len(text)), found
                break
        if len(self._wild) * len(text) > _MOST_WORK:
            return False
        for octets, allows, first, rest in self._wild:
            if (octets, allows) <= (length, verdict):
                break
            if text.startswith(first) and _in_order(rest, text, len(first)):
                return allows
        return verdict


def _in_order(pieces: tuple[str, ...], text: str, start: int) -> bool:
    """Whether the pieces stand in the text one behind the other. Taking each where it comes first misses none."""
    for piece in pieces:
        start = text.find(piece, start)
        if start < 0:
            return False
        start += len(piece)
    return True


def _pieces(pattern: str) -> list[str]:
    """What stands between the "*" of a pattern, spelt as in paths, with the "$" that means the end of the path."""
    pieces = [_spelt(piece) for piece in pattern.removesuffix("$").split("*")]
    if pattern.endswith("$"):
        pieces[-1] += "$"
    return pieces


_UNRESERVED = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~")
_ODD = re.compile(r"%[0-9A-Fa-f]{2}|[^A-Za-z0-9\-._~%/?:@!&()+,;=\[\]]")


def _spelt(text: str) -> str:
    """The one spelling of a path or of a piece of a pattern in which they are compared (RFC 9309, section 2.2.2).

    An escape of an unreserved character is that character, other escapes have upper-case digits; characters that may
    not stand in a URL are escaped, and "*" and "$" too, which mean themselves here (section 2.2.3). So does "'", which
    the URL standard escapes in queries. Other reserved characters and their escapes differ: "/" is not "%2F".
    """
    return _ODD.sub(_respell, text)


def _respell(found: re.Match[str]) -> str:
    odd = found[0]
    if len(odd) == 3:
        character = chr(int(odd[1:], 16))
        return character if character in _UNRESERVED else odd.upper()
    return "".join(f"%{octet:02X}" for octet in odd.encode("utf-8", "surrogatepass"))


@dataclass(eq=False, slots=True)
class _Group:
    """What is said to one robot, or to all that are not named."""

    named: bool = False
    rules: list[tuple[bool, str]] = field(default_factory=list)  # as `_Patterns` takes them
    delay: float = 0.0


_KEY = re.compile(
    r"(?P<agent>user[- ]?agent)|(?P<allow>allow)|(?P<disallow>diss?allow|dissalow|disalow|diasllow|disallaw)"
    r"|(?P<sitemap>site-?map)|(?P<delay>crawl[- ]?delay)",
    re.IGNORECASE | re.ASCII,
)
"""How a key begins; the wrong spellings are those that the reference parser takes."""
_DELAY = re.compile(r"(\d{1,9}(?:[.,]\d{0,9})?|[.,]\d{1,9})\s*(?:s|secs?|seconds?)?", re.IGNORECASE | re.ASCII)
_BLANK = " \t\v\f"


def _read(text: str, product: str) -> tuple[_Group, tuple[str, ...]]:
    """What the file says to the product, and its sitemaps (RFC 9309, section 2.2)."""
    us, others = _Group(), _Group()
    ours = re.compile(re.escape(product) + "(?![a-z0-9_-])", re.IGNORECASE | re.ASCII)
    spoken_to: set[_Group] = set()
    ruled = False  # since the last user-agent line: the next one begins another group
    sitemaps: dict[str, None] = {}
    for line in text.replace("\r", "\n").split("\n"):
        line = line.partition("#")[0].strip(_BLANK)
        key, colon, value = line.partition(":")
        if not colon:
            words = line.split()
            if len(words) != 2:
                continue
            key, value = words
        known = _KEY.match(key)
        kind = known.lastgroup if known else None
        value = value.strip(_BLANK)
        if kind == "agent":
            if ruled:
                spoken_to, ruled = set(), False
            group = others if value.split()[:1] == ["*"] else us if product and ours.match(value) else None
            if group is not None:
                group.named = True
                spoken_to.add(group)
        elif kind in ("allow", "disallow"):
            ruled = True
            for group in spoken_to if value else ():
                group.rules += _rules(kind == "allow", value)
        elif kind == "delay" and (seconds := _DELAY.fullmatch(value)):
            for group in spoken_to:
                group.delay = max(group.delay, float(seconds[1].replace(",", ".")))
        elif kind == "sitemap" and len(sitemaps) < MOST_SITEMAPS:
            try:
                sitemaps[urls.normalise(value)] = None
            except ValueError:
                continue
    return us if us.named else others, tuple(sitemaps)


def _rules(allows: bool, pattern: str) -> list[tuple[bool, str]]:
    """The rule of a line, and what else it means: who allows ".../index.html" allows ".../" (the reference parser)."""
    folder, slash, name = pattern.rpartition("/")
    if allows and slash and name.startswith("index.htm"):
        return [(True, pattern), (True, f"{folder}/$")]
    return [(allows, pattern)]


def reading(answer: Response | Failure) -> str | None:
    """The text that an answer to GET /robots.txt amounts to; None when the server may not be crawled, for now.

    RFC 9309, section 2.3.1: a 4xx means that there are no rules; a 5xx, and no answer, that all is disallowed. A 429 is
    a server in need of rest, not one without rules.

    The line at which a file of more than MOST bytes was cut is left out: the half of "Disallow: /private" could forbid
    all. A byte order mark is no text, not even a part of one. Bytes that are no UTF-8 stand as a URL would have them.
    """
    if isinstance(answer, Failure) or answer.status >= 500 or answer.status == 429:
        return None
    if answer.status != 200:
        return ""
    body = answer.body
    if len(body) >= MOST:
        body = body[: max(body.rfind(b"\n"), body.rfind(b"\r")) + 1]
    text = body.lstrip(codecs.BOM_UTF8).decode("utf-8", "surrogateescape")
    return re.sub("[\udc80-\udcff]", lambda found: f"%{ord(found[0]) - 0xDC00:02X}", text)


class Robots:
    """The rules of the origins that were asked lately, each for a day."""

    def __init__(self, product: str) -> None:
        """`product` is the token that robots.txt files know this crawler by."""
        self._product = product
        self._rules: dict[str, Rules] = {}
        self._kept = 0
        self._keeping = Lock()  # a large file is learnt in a thread

    def get(self, origin: str, now: float) -> Rules | None:
        """The rules of an origin; None when they are not known, or too old."""
        rules = self._rules.get(origin)
        return rules if rules is not None and now - rules.fetched_at < KEPT else None

    def learn(self, origin: str, text: str | None, fetched_at: float) -> Rules:
        """Take in what an origin's robots.txt says."""
        rules = Rules(text, self._product, fetched_at)
        with self._keeping:
            self._forget(origin)
            self._rules[origin] = rules
            self._kept += _EACH + rules.size
            while self._kept > _MOST_KEPT and len(self._rules) > 1:
                self._forget(next(iter(self._rules)))  # the oldest; the frontier's notes still have it
        return rules

    def _forget(self, origin: str) -> None:
        if (rules := self._rules.pop(origin, None)) is not None:
            self._kept -= _EACH + rules.size


def to_note(text: str, fetched_at: float) -> str:
    """What to keep of a robots.txt for a later run."""
    return orjson.dumps({"text": text, "fetched_at": fetched_at}).decode()


def from_note(note: str) -> tuple[str, float]:
    """The text and its time that `to_note` kept."""
    kept = orjson.loads(note)
    return kept["text"], kept["fetched_at"]
