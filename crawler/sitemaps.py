"""Sitemaps: what robots.txt names, or else /sitemap.xml, and what pages call theirs, is read for the URLs in it.

Each is asked for as a turn of its host's own, and so is each redirect and each further try, so politeness, robots.txt
and the address guard hold for them as for pages. They make no records. What is read together is a source: the sitemaps
of an origin, or one that pages name. Of a source one is under way at a time. A note of the frontier keeps what is to be
read of it until all has been; a kill before that costs a second reading, which finds only what is known.
"""

import asyncio
import itertools
import logging
import random
from collections import Counter, deque
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import ParamSpec, TypeVar

from crawler.frontier import Frontier, FrontierError
from crawler.frontier.order import tenths
from crawler.gate import Gate
from crawler.hosts import Hosts
from crawler.ledger import Troubles
from crawler.model import USUAL_PRIORITY, Failure, Found, Request
from crawler.reasons import GIVEN_UP, REASONS, RETRY_STATUSES
from crawler.robots import HOPS, Rules
from crawler.scope import Scope
from crawler.settings import Settings
from crawler.stats import Stats
from parsers import mime, parse, urls
from parsers.page import Response
from parsers.sitemap import MOST_BYTES, Entry, Reader, allowed

log = logging.getLogger(__name__)

Kept = TypeVar("Kept")
What = ParamSpec("What")

_GUESS = "/sitemap.xml"
"""Where a sitemap is looked for that nothing names; that there is none is no trouble."""
_MOST = 50_000  # sitemaps of a source, as many as one index may name
_MOST_ABROAD = 50  # of those on hosts out of scope, of which each is asked for its robots.txt first
_DEEPEST = 3  # indexes within each other
_MOST_LINKED = 100  # sitemaps of a host that are read because its pages name them; a hostile one has as many as pages
_EARLY = 20  # sitemaps of a source that go before its host's pages; later ones take turns with these
_LARGE = 10_000  # bytes: a larger body is read in a thread
_PIECE = 128 * 1024  # bytes that are read at once: some 1,300 URLs, and 15 ms of a thread
_BATCH = 1_000  # URLs that are sorted before the loop goes on, some 3 ms
_LONGEST_BACKOFF = 60.0  # seconds between tries
_TRY_AGAIN = 2.0  # seconds between attempts to keep what was found when the frontier fails


@dataclass(slots=True, frozen=True)
class _Sitemap:
    """One that is to be read."""

    url: str  # where it was named to be
    level: int = 0  # indexes that led to it
    guessed: bool = False


@dataclass(slots=True)
class _Source:
    """What is read together. Its number is the id of its requests."""

    number: int
    key: str  # an origin, or the URL of a sitemap that pages name
    waiting: deque[_Sitemap]
    asked: int = 0  # sitemaps
    abroad: int = 0  # those of hosts out of scope
    lost: bool = False  # was a host given up that the next run tries again?
    turn: asyncio.Future[Request | Failure] = field(init=False)  # of the request under way

    @property
    def home(self) -> str:
        """A URL of the host that it is read for."""
        return self.key + "/"


@dataclass(slots=True)
class _Yield:
    """What a sitemap gave."""

    pages: int = 0
    new: int = 0
    sitemaps: int = 0
    skipped: Counter[str] = field(default_factory=Counter)  # by reason

    def __str__(self) -> str:
        parts = [f"{self.pages:,} URLs, {self.new:,} of them new"]
        parts += [f"{self.sitemaps:,} sitemaps"] * bool(self.sitemaps)
        return ", ".join([*parts, *(f"{number:,} not taken ({reason})" for reason, number in self.skipped.items())])


class Sitemaps:
    """Reads the sitemaps of the origins that the crawl meets, and gives their URLs to the frontier."""

    def __init__(
        self,
        settings: Settings,
        hosts: Hosts,
        gate: Gate,
        frontier: Frontier,
        scope: Scope,
        stats: Stats,
        troubles: Troubles,
    ) -> None:
        self._settings = settings
        self._hosts = hosts
        self._gate = gate
        self._frontier = frontier
        self._scope = scope
        self._stats = stats
        self._troubles = troubles
        self._wanted = settings.sitemaps and settings.max_depth != 0  # a page of a sitemap has depth 1
        self._met: set[str] = set()  # sources and sitemaps that were met in this crawl
        self._linked: Counter[str] = Counter()  # by host
        self._sources: dict[int, _Source] = {}  # that are being read
        self._begun: dict[str, Sequence[str]] = {}  # of an earlier run: sources that `start` goes on with
        self._numbers = itertools.count(-1, -1)  # below that of robots.txt
        self._tasks: set[asyncio.Task[None]] = set()
        self.added: Callable[[], None] = lambda: None
        """Called when URLs were added, or a source has been read."""
        self.wake: Callable[[], None] = lambda: None
        """Called when a request is to be made, or has ended."""

    @property
    def busy(self) -> bool:
        """Is anything left to read?"""
        return bool(self._sources or self._begun)

    async def open(self) -> None:
        """Learn what was read already, and what an earlier run had begun. Raises FrontierError."""
        if not self._wanted:
            return
        for name, note in (await self._frontier.notes("sitemaps:")).items():
            number, *sitemaps = note.split()
            key = name.removeprefix("sitemaps:")
            if number == str(self._frontier.recrawl):
                self._met.add(key)
            elif key.count("/") > 2:  # pages named it in an earlier crawl, and those that have not changed do not again
                self._met.add(key)
                sitemaps = [key]
            else:  # the origin may be met again
                continue
            if sitemaps:
                self._begun[key] = sitemaps

    def start(self) -> None:
        """Go on with what an earlier run had begun."""
        begun, self._begun = self._begun, {}
        for key, sitemaps in begun.items():
            self._begin(key, sitemaps)

    def met(self, origin: str, rules: Rules | None) -> None:
        """A page of this origin may be asked for now: its robots.txt is known, or (None) ignored."""
        if self._wanted and origin not in self._met:
            self._met.add(origin)
            self._begin(origin, (rules and rules.sitemaps) or [_GUESS])

    async def linked(self, sitemaps: Iterable[str]) -> None:
        """Pages name these sitemaps: whatever in-scope hosts have is read, each once. Raises FrontierError.

        They are noted when this returns, so that a kill does not lose them.
        """
        for url in sitemaps:
            host = urls.host(url)
            if not self._wanted or url in self._met or not self._scope.covers(host):
                continue
            self._linked[host] += 1
            if self._linked[host] > _MOST_LINKED:
                continue
            self._met.add(url)  # at once: another process of the crew may have found it too
            try:
                await self._note(url, [url])
            except FrontierError:
                self._met.discard(url)
                raise
            self._begin(url, [url])

    async def _note(self, key: str, sitemaps: Sequence[str] = ()) -> None:
        """Keep what is to be read of a source in this crawl; none: all has been. Raises FrontierError."""
        await self._frontier.note(f"sitemaps:{key}", " ".join([str(self._frontier.recrawl), *sitemaps]))

    def _begin(self, key: str, sitemaps: Sequence[str]) -> None:
        source = _Source(next(self._numbers), key, deque())
        self._sources[source.number] = source
        task = asyncio.create_task(self._read_all(source, sitemaps), name=f"sitemaps of {key}")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _read_all(self, source: _Source, sitemaps: Sequence[str]) -> None:
        """See one source to its end; what the web does never raises."""
        try:
            await self._safely(self._note, source.key, sitemaps)
            for named in sitemaps:
                guessed = named == _GUESS
                self._add(source, _Sitemap(source.key + named if guessed else named, guessed=guessed))
            while source.waiting:
                source.asked += 1
                await self._read(source, source.waiting.popleft())
            if not source.lost:
                await self._safely(self._note, source.key)
        except Exception:  # a bug met in one sitemap must not stop the crawl
            log.exception("sitemaps of %s", source.key)
        del self._sources[source.number]
        self.added()

    def _add(self, source: _Source, sitemap: _Sitemap) -> None:
        """Have a sitemap read."""
        # One that pages name was marked when it was met.
        if sitemap.url != source.key and not self._is_new(source, sitemap.url):
            return
        abroad = not self._scope.covers(urls.host(sitemap.url))
        source.abroad += abroad
        if (
            source.asked + len(source.waiting) < _MOST
            and sitemap.level <= _DEEPEST
            and (not abroad or source.abroad <= _MOST_ABROAD)
        ):
            source.waiting.append(sitemap)

    def _is_new(self, source: _Source, url: str) -> bool:
        """Is a sitemap met here first in this run, or first for the host of this source? From now on it is not."""
        mark = url if allowed(url, source.home, False) else f"{url} for {source.key}"
        if mark in self._met:
            return False
        self._met.add(mark)
        return True

    async def _read(self, source: _Source, sitemap: _Sitemap) -> None:
        came = await self._answer(source, sitemap)
        count = self._stats.sitemaps
        if came is None:
            return
        if isinstance(came, Failure) or came.status != 200:
            absent = sitemap.guessed and not isinstance(came, Failure) and 400 <= came.status < 500
            count.failed += not absent
            problem = came if isinstance(came, Failure) else f"status {came.status}"
            log.log(logging.DEBUG if absent else logging.INFO, "sitemap %s cannot be had: %s", sitemap.url, problem)
            return
        essence, label = mime.content_type(came.headers.get("content-type"))
        reader = Reader(came.url, label)
        found = _Yield()
        for start in range(0, len(came.body), _PIECE):
            piece = came.body[start : start + _PIECE]
            entries = await asyncio.to_thread(reader.feed, piece) if len(piece) > _LARGE else reader.feed(piece)
            await self._take(source, sitemap, came, entries, found)
            if reader.done:
                break
        entries = await asyncio.to_thread(reader.close) if len(came.body) > _LARGE else reader.close()
        await self._take(source, sitemap, came, entries, found)
        if not found.pages and not found.sitemaps and reader.problem is not None:
            if essence == "text/html" and sitemap.url == source.key:  # a list for people: a page like any other
                await self._safely(self._frontier.add, Found([sitemap.url], depth=1))
                return
            count.failed += not sitemap.guessed
            log.log(logging.DEBUG if sitemap.guessed else logging.INFO, "sitemap %s: %s", sitemap.url, reader.problem)
            return
        count.read += 1
        unusable = f", {reader.skipped:,} unusable" if reader.skipped else ""
        log.info("sitemap %s: %s%s%s", sitemap.url, found, unusable, f"; {reader.problem}" if reader.problem else "")

    async def _answer(self, source: _Source, sitemap: _Sitemap) -> Response | Failure | None:
        """What a sitemap's server says in the end, after redirects and further tries.

        None: it leads to another sitemap, which is read by itself.
        """
        url, hops, tries = sitemap.url, 0, 0
        while True:
            came = await self._ask(source, url)
            target = None if isinstance(came, Failure) or not 300 <= came.status < 400 else await parse(came)
            if target is not None and target.redirect_to is not None and hops < HOPS:
                url, hops = target.redirect_to, hops + 1
                if not self._is_new(source, url):
                    return None
            elif _may_pass(came) and tries < self._settings.retries:
                tries += 1
                await asyncio.sleep(min(_LONGEST_BACKOFF, 2.0 ** (tries - 1)) * random.uniform(0.75, 1.25))
            else:
                return came

    async def _ask(self, source: _Source, url: str) -> Response | Failure:
        """One request, as a turn of the URL's host."""
        source.turn = asyncio.get_running_loop().create_future()
        host = urls.host(url)
        line = self._hosts.meet(host).window
        rank = 0 if source.asked <= _EARLY or not line else line[-1].rank
        await self._gate.admit([Request(source.number, url, host, depth=0, parent=None, rank=rank)])
        self.wake()
        turn = await source.turn
        came = turn if isinstance(turn, Failure) else await self._gate.fetch(turn, MOST_BYTES)
        self.wake()
        return came

    def begin(self, turn: Request, failure: Failure | None = None) -> None:
        """It is the turn of such a request, which has started, or it has come to nothing."""
        self._sources[turn.id].turn.set_result(failure or turn)

    def refuse(self, turn: Request, reason: str) -> None:
        """Such a request will not be asked for."""
        source = self._sources[turn.id]
        source.lost |= reason in GIVEN_UP and self._scope.covers(turn.host)
        source.turn.set_result(Failure(reason, REASONS[reason].sentence))

    async def _take(
        self, source: _Source, sitemap: _Sitemap, came: Response, entries: Sequence[Entry], found: _Yield
    ) -> None:
        """Give the frontier what may be followed of some entries, by their priorities."""
        for start in range(0, len(entries), _BATCH):
            pages: dict[int, list[str]] = {}
            skipped: Counter[str] = Counter()
            for entry in entries[start : start + _BATCH]:
                mine = any(allowed(entry.url, place, False) for place in (sitemap.url, came.url, source.home))
                reason = None if entry.is_sitemap else self._scope.refusal(entry.url)
                if reason or not mine:
                    skipped[reason or "other_host"] += 1
                elif entry.is_sitemap:
                    found.sitemaps += 1
                    self._add(source, _Sitemap(entry.url, sitemap.level + 1))
                else:
                    found.pages += 1
                    priority = USUAL_PRIORITY if entry.priority is None else entry.priority
                    pages.setdefault(tenths(priority), []).append(entry.url)
            for tenth, of_it in sorted(pages.items(), reverse=True):
                found.new += await self._safely(self._frontier.add, Found(of_it, depth=1, priority=tenth / 10))
                self._stats.sitemaps.urls += len(of_it)
            found.skipped.update(skipped)
            self._stats.skipped.update(skipped)
            self.added()
            await asyncio.sleep(0)

    async def _safely(self, change: Callable[What, Awaitable[Kept]], *what: What.args, **more: What.kwargs) -> Kept:
        """Bring a change to the frontier; while it fails, the crawl pauses, as it does when no page can be saved."""
        while True:
            try:
                kept = await change(*what, **more)
            except FrontierError as error:
                self._troubles.tell("sitemaps", str(error))
                await asyncio.sleep(_TRY_AGAIN)
            else:
                self._troubles.tell("sitemaps", None)
                return kept

    async def close(self) -> None:
        """Read no more; what was not read to its end is begun again by the next run."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


def _may_pass(came: Response | Failure) -> bool:
    """May it be different later?"""
    return REASONS[came.code].retry if isinstance(came, Failure) else came.status in RETRY_STATUSES
