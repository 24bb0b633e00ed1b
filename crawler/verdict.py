"""The verdict: one sentence on what limits the speed of the crawl now, and what would change it, from measurements."""

from collections import Counter, deque
from dataclasses import dataclass

from crawler.stats import RunState, Verdict

_BUSY = 0.85  # the share of its core's time above which the event loop, or of all cores' the process, is what limits
_SLACK = 0.75  # the share of the pace allowed below which it is not the pace that limits
_MEMORY = 5  # verdicts among which a limit must be found again to stay


@dataclass(slots=True, frozen=True)
class Figures:
    """What is measured at one moment."""

    state: RunState
    trouble: str | None  # why nothing can be saved
    dying: int  # places in the crew in which one process after the other dies
    queued: int  # URLs that wait or are in hand
    claimable: int  # those of them that wait for nothing but their host's turn
    under_way: int  # requests
    rate: float  # pages a second, lately
    concurrency: int
    loop: float  # the share of a core's time that the event loop's thread used lately
    processor: float  # cores' worth of time that the crawler used lately, all its processes together
    cores: int
    free: int  # hosts with URLs in their windows that could be asked at once
    resting: int  # hosts with URLs in their windows that rest until their next turn
    resting_urls: int  # URLs that wait for them
    pace: float  # pages a second that the delays of resting hosts allow in all
    longest: str | None  # the resting host with most URLs, and why: "a.example:80 (Retry-After of a 429, 9 s more)"
    asked: bool  # does that one rest because its owner asks for it?
    full: int  # hosts with URLs in their windows whose slots are all taken
    full_urls: int
    fullest: str | None  # the full host with most URLs
    asleep: int  # hosts with URLs in their windows that do not answer, and are asked seldom
    asleep_urls: int
    silent: str | None  # the one of them with most URLs: why, and what happens when
    naming: int  # hosts whose names are being resolved
    named: str | None  # one of them, and until when at most: "a.example:80 (given up after 10 s, --connect-timeout)"
    crowded: int  # hosts with URLs in their windows whose IP address is busy with other hosts
    crowded_urls: int
    crowd: str | None  # the address of one of them, and why: "192.0.2.7 is busy: ..."
    robots: int  # hosts that wait for their robots.txt
    unheard: str | None  # one of them, and why: "a.example:80: its robots.txt cannot be had: status 500, 9 s more"
    later: float | None  # seconds until the next URL that waits for another attempt


def judge(figures: Figures) -> Verdict:
    """Name the limit: the first in this order that holds explains the others away."""
    f = figures
    if f.state in ("finished", "stopped", "stopping"):
        return Verdict("finished", _end(f))
    if f.trouble is not None:  # watchers show it beside the verdict
        return Verdict(
            "store", "Nothing can be saved, so the crawl waits; it goes on by itself once saving works again."
        )
    if f.state == "paused":
        return Verdict("paused", "The crawl is paused; it goes on when it is told to.")
    if f.dying:
        return Verdict(
            "crew",
            f"The crew: in {_count(f.dying, 'place')} of it one process after the other dies before it has saved "
            "anything; crawl.log says of what.",
        )
    if f.loop >= _BUSY or f.processor >= _BUSY * f.cores:
        return Verdict(
            "processor",
            f"The processor: the event loop keeps its core {100 * min(f.loop, 1):.0f} % busy, and all of the crawler "
            f"{f.processor:.1f} of {_count(f.cores, 'core')}; a faster one would help, more --concurrency would not.",
        )
    if f.under_way >= f.concurrency and (f.free or f.rate < _SLACK * f.pace):
        return Verdict(
            "workers",
            f"Too few workers: all {f.concurrency:,} are busy, though more could be asked of the hosts; more "
            "--concurrency would help.",
        )
    if f.asleep_urls > f.full_urls + f.resting_urls:
        return Verdict(
            "silence",
            f"Silent hosts: {_count(f.asleep, 'host')} {'does' if f.asleep == 1 else 'do'} not answer, most URLs "
            f"waiting for {f.silent}; a shorter --host-wait would give up sooner.",
        )
    if f.crowded_urls > max(f.full_urls, f.resting_urls):
        wait = "host waits" if f.crowded == 1 else "hosts wait"
        return Verdict(
            "address",
            f"Shared addresses: {f.crowded:,} {wait} for an IP address: {f.crowd}; a larger --per-address "
            "would help, where the server can bear it.",
        )
    if f.full_urls > f.resting_urls:
        all_slots = "has all its slots" if f.full == 1 else "have all their slots"
        return Verdict(
            "server",
            f"The servers: {_count(f.full, 'host')} {all_slots} taken by requests that wait for answers, most URLs "
            f"waiting for {f.fullest}; more --per-host would help, where the site can bear it.",
        )
    if f.resting:
        rest = "host rests" if f.resting == 1 else "hosts rest"
        pace = f", so {f.pace:,.3g} pages/s at most" if f.pace else ""
        change = "that is its owner's wish, so only more hosts" if f.asked else "a shorter --delay or more hosts"
        return Verdict(
            "politeness",
            f"Politeness: {f.resting:,} {rest} between requests{pace}; most URLs wait for {f.longest}: {change} "
            "would help.",
        )
    if f.naming:
        return Verdict(
            "dns",
            f"Names that do not resolve, or not yet: {_count(f.naming, 'host')}, such as {f.named}; only a quicker "
            "name server would help.",
        )
    if f.robots:
        return Verdict(
            "robots",
            f"robots.txt: {_count(f.robots, 'host')} must answer for it before any page may be asked for"
            + (f"; {f.unheard}." if f.unheard else "."),
        )
    if f.claimable > f.concurrency:
        # Neither a worker nor a host holds these URLs up, so it is the crawler that does not keep up.
        return Verdict(
            "processor",
            f"The processor: {f.claimable:,} URLs wait though workers and hosts are free; a faster one would help, "
            "more --concurrency would not.",
        )
    if f.later is not None and 2 * f.under_way <= f.queued:
        return Verdict(
            "retries",
            f"Retries: what is left waits for another attempt, the next in {max(f.later, 0):.0f} s; only fewer "
            "--retries would help.",
        )
    if f.under_way:
        return Verdict(
            "empty",
            f"The frontier: only {_count(f.queued, 'URL')} known and not done, {f.under_way:,} of them being asked for "
            "now; only pages with new links, or more seeds, would help.",
        )
    return Verdict("starting", "The crawl is starting.")


class Steady:
    """Keeps the verdict from flickering: a limit stays named while it is met in two of the last five."""

    def __init__(self) -> None:
        self._last: deque[Verdict] = deque(maxlen=_MEMORY)
        self._limit = ""

    def of(self, verdict: Verdict) -> Verdict:
        """What to show after this one more; of the limit that is named, the latest words."""
        if verdict.limit in ("starting", "store", "paused", "finished"):
            self._last.clear()
            return verdict
        self._last.append(verdict)
        limits = Counter(verdict.limit for verdict in self._last)
        if limits[self._limit] < 2:
            self._limit = limits.most_common(1)[0][0]
        return next(verdict for verdict in reversed(self._last) if verdict.limit == self._limit)


def _end(f: Figures) -> str:
    left = f"{_count(f.queued, 'URL')} left"
    if f.state == "stopping":
        return f"The crawl is stopping: {_count(f.under_way, 'request')} under way may still end, for a few seconds."
    if f.state == "stopped":
        return f"The crawl was stopped with {left}; the same command goes on."
    return f"A budget is spent, with {left}." if f.queued else "The crawl has finished."


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"
