"""The Robots Exclusion Protocol, RFC 9309: what a host's robots.txt allows us. A refusal is a look-up.

Rules are kept per origin, in memory and as notes of the frontier, so that a restart does not ask again.
"""

import math
import re

import orjson
from protego import Protego

from crawler.model import Failure
from parsers.page import Response

KEPT = 24 * 3600.0
"""Seconds that a robots.txt may be used without asking again (RFC 9309, section 2.4)."""
MOST = 500 * 1024
"""Bytes of a robots.txt that are read (RFC 9309, section 2.5, asks for at least so many)."""
_MOST_RULES = 2000  # origins whose rules are in memory, of some 10 KB each
HOPS = 5
"""Redirects in a row that are followed to a robots.txt (RFC 9309, section 2.3.1.2, asks for at least so many)."""


class Rules:
    """What one origin's robots.txt says to one product."""

    def __init__(self, text: str | None, product: str, fetched_at: float) -> None:
        """`text` is None when it could not be had: nothing is allowed then. `fetched_at`: seconds since the epoch."""
        self.fetched_at = fetched_at
        self._unreachable = text is None
        self._parsed = Protego.parse(_for_us(text, product)) if text else None
        delay = self._parsed.crawl_delay(_US) if self._parsed else None
        self.delay = float(delay) if delay is not None and math.isfinite(delay) and delay > 0 else 0.0
        """Its Crawl-delay in seconds; 0 when it names none."""

    def refusal(self, url: str) -> str | None:
        """The reason why the URL may not be asked for, or None."""
        if self._unreachable:
            return "robots_unreachable"
        return "robots" if self._parsed is not None and not self._parsed.can_fetch(url, _US) else None


_AGENT = re.compile(r"\s*user-?\s?agent(?:\s*:|\s)\s*([^#]*)", re.IGNORECASE)
_TOKEN = re.compile(r"[^/\s]*")
_US, _OTHERS = "us", "-"


def _for_us(text: str, product: str) -> str:
    """The same file with but three agents in it: "us", "*", and "-" for all that are neither.

    RFC 9309, section 2.2.1, wants product tokens compared as wholes and without case; protego looks for one within the
    other. And it keeps each rule once for every agent of its group: 10,000 by 10,000 of them would take minutes.
    """
    lines: list[str] = []
    for line in text.splitlines():
        agent = _AGENT.match(line)
        if agent is None:
            lines.append(line)
            continue
        name = agent[1].strip()
        token = _TOKEN.match(name)
        ours = token is not None and token[0].lower() == product.lower()
        new = f"User-agent: {_US if ours else '*' if name == '*' else _OTHERS}"
        if lines[-1:] != [new]:
            lines.append(new)
    return "\n".join(lines)


def reading(answer: Response | Failure) -> str | None:
    """The text that an answer to GET /robots.txt amounts to; None when the server may not be crawled, for now.

    RFC 9309, section 2.3.1: a 4xx means that there are no rules; a 5xx, and no answer, that all is disallowed. A 429 is
    a server in need of rest, not one without rules.
    """
    if isinstance(answer, Failure) or answer.status >= 500 or answer.status == 429:
        return None
    if answer.status != 200:
        return ""
    return answer.body.decode("utf-8", "replace").removeprefix("\ufeff")


class Robots:
    """The rules of the origins that were asked lately, each for a day."""

    def __init__(self, product: str) -> None:
        """`product` is the token that robots.txt files know this crawler by."""
        self._product = product
        self._rules: dict[str, Rules] = {}

    def get(self, origin: str, now: float) -> Rules | None:
        """The rules of an origin; None when they are not known, or too old."""
        rules = self._rules.get(origin)
        return rules if rules is not None and now - rules.fetched_at < KEPT else None

    def learn(self, origin: str, text: str | None, fetched_at: float) -> Rules:
        """Take in what an origin's robots.txt says."""
        while len(self._rules) >= _MOST_RULES:
            del self._rules[next(iter(self._rules))]  # the oldest; the frontier's notes still have it
        rules = self._rules[origin] = Rules(text, self._product, fetched_at)
        return rules


def to_note(text: str, fetched_at: float) -> str:
    """What to keep of a robots.txt for a later run."""
    return orjson.dumps({"text": text, "fetched_at": fetched_at}).decode()


def from_note(note: str) -> tuple[str, float]:
    """The text and its time that `to_note` kept."""
    kept = orjson.loads(note)
    return kept["text"], kept["fetched_at"]
