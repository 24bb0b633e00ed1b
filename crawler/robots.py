"""The Robots Exclusion Protocol, RFC 9309: what a host's robots.txt allows us. A refusal is a look-up.

Rules are kept per origin, in memory and as notes of the frontier, so that a restart does not ask again.
"""

import math

import orjson
from protego import Protego

from crawler.model import Failure
from parsers.page import Response

KEPT = 24 * 3600.0
"""Seconds that a robots.txt may be used without asking again (RFC 9309, section 2.4)."""
MOST = 500 * 1024
"""Bytes of a robots.txt that are read (RFC 9309, section 2.5, asks for at least so many)."""
HOPS = 5
"""Redirects in a row that are followed to a robots.txt (RFC 9309, section 2.3.1.2, asks for at least so many)."""


class Rules:
    """What one origin's robots.txt says to one product."""

    def __init__(self, text: str | None, product: str, fetched_at: float) -> None:
        """`text` is None when it could not be had: nothing is allowed then. `fetched_at`: seconds since the epoch."""
        self.text = text
        self.fetched_at = fetched_at
        self._product = product
        self._parsed = Protego.parse(text) if text else None
        delay = self._parsed.crawl_delay(product) if self._parsed else None
        self.delay = float(delay) if delay is not None and math.isfinite(delay) and delay > 0 else 0.0
        """Its Crawl-delay in seconds; 0 when it names none."""

    def refusal(self, url: str) -> str | None:
        """The reason why the URL may not be asked for, or None."""
        if self.text is None:
            return "robots_unreachable"
        return "robots" if self._parsed is not None and not self._parsed.can_fetch(url, self._product) else None


def reading(answer: Response | Failure) -> str | None:
    """The text that an answer to GET /robots.txt amounts to; None when the server may not be crawled, for now.

    RFC 9309, section 2.3.1: a 4xx means that there are no rules; a 5xx, or no answer, that all is disallowed. A 429 is
    a server in need of rest, not one without rules.
    """
    if isinstance(answer, Failure) or answer.status >= 500 or answer.status == 429:
        return None
    if answer.status != 200:
        return ""
    return answer.body[:MOST].decode("utf-8", "replace").removeprefix("\ufeff")


class Robots:
    """The rules of all origins that were asked, each for a day."""

    def __init__(self, product: str) -> None:
        """`product` is the token that robots.txt files know this crawler by."""
        self._product = product
        self._rules: dict[str, Rules] = {}

    def get(self, origin: str, now: float) -> Rules | None:
        """The rules of an origin; None when it has to be asked (again)."""
        rules = self._rules.get(origin)
        return rules if rules is not None and now - rules.fetched_at < KEPT else None

    def learn(self, origin: str, text: str | None, fetched_at: float) -> Rules:
        """Take in what an origin's robots.txt says."""
        rules = self._rules[origin] = Rules(text, self._product, fetched_at)
        return rules


def to_note(rules: Rules) -> str:
    """What to keep of rules for a later run."""
    return orjson.dumps({"text": rules.text, "fetched_at": rules.fetched_at}).decode()


def from_note(note: str) -> tuple[str | None, float]:
    """The text and its time that `to_note` kept."""
    kept = orjson.loads(note)
    return kept["text"], kept["fetched_at"]
