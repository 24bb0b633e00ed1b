"""Why a URL was, will be or will not be crawled: what the frontier knows of it, or else what would be decided now.

It only looks: nothing is asked of the network, and nothing is changed.
"""

import asyncio
import time
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Literal

from crawler.frontier import Known, Reader
from crawler.model import State
from crawler.reasons import GIVEN_UP, REASONS
from crawler.robots import KEPT, Rules, from_note
from crawler.scope import Scope
from crawler.settings import Settings
from crawler.traps import refusal
from parsers import urls

_LARGE = 10_000  # characters: a larger robots.txt is parsed in a thread
_SHOWN = 20  # URLs of a chain that people are shown: from a trap it can be very long


@dataclass(slots=True, frozen=True)
class Explanation:
    """All that can be said of a URL."""

    url: str  # as the crawl writes it
    state: State | Literal["unknown"]
    reason: str | None
    """A code of reasons.py. Of a URL that failed or was refused: why; of one that was tried and waits: why the last try
    brought no page; of one that waits or is unknown: what would keep it from being asked for now."""
    sentences: Sequence[str]  # for people
    chain: Sequence[str]  # the URLs that led to it, the seed first, its parent last; none for a seed
    attempts: int  # how often it was asked for
    due_at: str | None  # of a URL that waits for another try: not before; ISO 8601, UTC
    duplicate_of: str | None = None  # of a page that was crawled: the URL found first of those with the same content

    @property
    def text(self) -> str:
        """The sentences as one line."""
        return " ".join(self.sentences)


class Explainer:
    """Explains the URLs of one job."""

    def __init__(self, settings: Settings, scope: Scope, frontier: Reader, seeds: Collection[str]) -> None:
        """`scope` knows what the notes of the frontier have brought in; `seeds` may hold some that wait to be added."""
        self._settings = settings
        self._scope = scope
        self._frontier = frontier
        self._seeds = seeds

    async def explain(self, url: str) -> Explanation:
        """Explain a URL in any spelling. Raises ValueError, in words, for what is no http(s) URL; FrontierError."""
        url = urls.normalise(url)
        known = await self._frontier.why(url)
        if known is None and url not in self._seeds and (followed := self._scope.followed(url)) != url:
            explained = await self.explain(followed)
            spelling = "Links are followed in this spelling, without parameters of --strip-params."
            return replace(explained, sentences=[spelling, *explained.sentences])
        if known is None:
            reason, outlook = await self._outlook(url, known)
            return Explanation(url, "unknown", reason, ["This crawl does not know it yet.", *outlook], [], 0, None)
        chain = await self._frontier.chain(url)
        reason, lines = known.reason, _past(known)
        original = await self._frontier.original(url) if known.state == "crawled" else None
        if original is not None:
            lines.append(f"Its content is the same as that of {original}, found before.")
        if known.state == "waiting":
            ahead, outlook = await self._outlook(url, known)
            reason = ahead or reason
            lines += outlook
        lines += [*_tries(known, self._settings.retries), _place(known)]
        return Explanation(url, known.state, reason, lines, chain, known.attempts, _iso(known.due) or None, original)

    async def _outlook(self, url: str, known: Known | None) -> tuple[str | None, list[str]]:
        """What would become of a URL that waits or is unknown: the code of what would refuse it, and sentences."""
        lines: list[str] = []
        if known is None and url in self._seeds:
            lines.append("It is a seed, which the next start adds.")
        elif known is None and (outside := self._scope.refusal(url)):
            return outside, [f"A link to it would not be followed: {_because(outside)}."]
        elif known is None:
            lines.append(self._conditions(url))
        reason = None
        if self._settings.of(urls.host(url)).robots == "obey":
            reason, line = await self._robots(url)
            lines.append(line)
        asked = known is not None and (known.attempts or not known.depth)
        trap = None if asked or url in self._seeds else refusal(url, self._settings.traps)
        if reason is None and trap is not None:
            return trap, [*lines, f"It would not be asked for: {_because(trap)}."]
        rest, asked_for = await self._rest(urls.host(url))
        budget, more = await self._budgets(url, known)
        return reason or rest or budget, [*lines, *asked_for, *more]

    def _conditions(self, url: str) -> str:
        """On which a link to a URL in scope is followed: they are of the page that holds the link."""
        deepest = self._settings.max_depth
        conditions = [] if deepest is None else [f"if it lies no deeper than {deepest} (--max-depth)"]
        if self._settings.of(urls.host(url)).robots == "obey":
            conditions.append("unless the page that holds it asks not to (nofollow)")
        return f"A link to it would be followed{''.join(', ' + condition for condition in conditions)}."

    async def _robots(self, url: str) -> tuple[str | None, str]:
        origin = urls.origin(url)
        key = f"robots:{origin}"
        note = (await self._frontier.notes(key)).get(key)
        if note is None:
            return None, f"The robots.txt of {origin} is not known; it would be asked for first."
        text, fetched_at = from_note(note)
        if len(text) > _LARGE:
            rules = await asyncio.to_thread(Rules, text, self._settings.product, fetched_at)
        else:
            rules = Rules(text, self._settings.product, fetched_at)
        age = " more than a day ago, and would be asked for again" if time.time() - fetched_at >= KEPT else ""
        source = f"(robots.txt was read at {_iso(fetched_at)}{',' * bool(age)}{age})"
        if rules.delay > self._settings.max_crawl_delay:
            return "crawl_delay", f"It would not be asked for: {_because('crawl_delay')} {source}."
        if reason := rules.refusal(url):
            return reason, f"It would not be asked for: {_because(reason)} {source}."
        return None, f"The robots.txt of {origin} allows it {source}."

    async def _rest(self, host: str) -> tuple[str | None, list[str]]:
        """The rest that a host has asked for, in this run or an earlier one."""
        key = f"rest:{host}"
        until = float((await self._frontier.notes(key)).get(key, 0))
        left = until - time.time()
        if left <= 0:
            return None, []
        lines = [f"Its host has asked for a rest (Retry-After), until {_iso(until)}, {left:,.0f} s from now."]
        if left <= self._settings.max_retry_after:
            return None, lines
        return "retry_after", [*lines, f"It would not be asked for: {_because('retry_after')}."]

    async def _budgets(self, url: str, known: Known | None) -> tuple[str | None, list[str]]:
        """The budgets that are spent. What was asked for before has its place in the host's already."""
        reason, lines = None, []
        of_host, most = self._settings.max_host_pages, self._settings.max_pages
        if known and known.attempts:
            of_host = None
        if of_host is not None and await self._frontier.pages(urls.host(url)) >= of_host:
            reason = "max_host_pages"
            lines.append(f"It would not be asked for: {_because(reason)}.")
        if most is not None and await self._frontier.pages() >= most:
            lines.append(f"The job has had its --max-pages={most}: nothing more is asked for without a larger one.")
        return reason, lines


def answer(explanation: Explanation) -> dict[str, object]:
    """The object of /api/explain."""
    return {
        "url": explanation.url,
        "state": explanation.state,
        "reason": explanation.reason,
        "text": explanation.text,
        "chain": list(explanation.chain),
        "attempts": explanation.attempts,
        "due_at": explanation.due_at,
        "duplicate_of": explanation.duplicate_of,
    }


def lines(explanation: Explanation, asked: str) -> list[str]:
    """An explanation as people read it on a terminal; `asked` is the URL in the spelling that was asked for."""
    shown = [explanation.url]
    if asked != explanation.url:
        verb = "would write" if explanation.state == "unknown" else "knows"
        shown.append(f"  The crawl {verb} the URL that was asked for in this spelling.")
    shown += [f"  {sentence}" for sentence in explanation.sentences]
    if explanation.chain:
        shown.append("  The way to it, from the seed:")
        chain = [f"    {url}" for url in explanation.chain]
        if len(chain) > _SHOWN:
            half = _SHOWN // 2
            chain[half:-half] = [f"    ... {len(chain) - 2 * half:,} more ..."]
        shown += chain
    return shown


def _past(known: Known) -> list[str]:
    """What has become of a known URL."""
    match known.state:
        case "crawled":
            redirect = ", a redirect" if known.status in (301, 302, 303, 307, 308) else ""
            return [f"It was crawled: the answer had status {known.status}{redirect}."]
        case "failed":
            return [f"It was asked for, but brought no page: {_because(known.reason)}.", *_begun(known)]
        case "refused":
            again = ["The next start of the job lets it wait again."] if known.reason in GIVEN_UP else []
            return [f"It was not crawled: {_because(known.reason)}.", *again]
        case "in_hand":
            return ["It is in hand: being asked for, or about to be. After a kill, the next start asks for it."]
        case "waiting":
            return ["It waits for its turn." if not known.attempts else "It waits for another try.", *_last_try(known)]


def _last_try(known: Known) -> list[str]:
    if not known.attempts:
        return []
    if known.reason:
        ended = [f"The last try brought no page: {_because(known.reason)}.", *_begun(known)]
    else:
        ended = [f"The last try was answered with status {known.status}."]
    wait = known.due - time.time()
    return ended + ([f"It is due at {_iso(known.due)}, in {wait:,.0f} s."] if wait > 0 else ["It is due now."])


def _begun(known: Known) -> list[str]:
    return [f"The answer had begun, with status {known.status}."] if known.status is not None else []


def _tries(known: Known, retries: int) -> list[str]:
    if not known.attempts:
        return []
    most = f", of {retries + 1} at most" if known.state == "waiting" else ""
    return [f"It was asked for {_number(known.attempts, 'time')}{most}."]


def _place(known: Known) -> str:
    if known.parent is None:
        return "A sitemap names it." if known.depth else "It is a seed."
    if known.depth == 0:
        return "A seed was redirected to it."
    return f"It lies {_number(known.depth, 'link')} from a seed."


def _because(code: str | None) -> str:
    """The sentence of a reason, with its code."""
    reason = REASONS.get(code or "")
    return f"{reason.sentence} [{code}]" if reason else f"{code}"


def _number(count: int, word: str) -> str:
    return f"{count:,} {word}{'s' * (count != 1)}"


def _iso(seconds: float) -> str:
    """A time since the epoch as ISO 8601, UTC; empty for 0."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds").replace("+00:00", "Z") if seconds else ""
