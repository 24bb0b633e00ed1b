"""The verdict: one sentence on what limits the speed of the crawl now, from measurements."""

from dataclasses import dataclass

from crawler.stats import RunState, Verdict

_BUSY = 0.85  # the share of one core's time above which the processor is what limits


@dataclass(slots=True, frozen=True)
class Figures:
    """What is measured at one moment."""

    state: RunState
    trouble: str | None  # why nothing can be saved
    queued: int  # URLs that wait or are in hand
    under_way: int  # requests
    concurrency: int
    processor: float  # cores' worth of time this process used lately
    cores: int
    resting: int  # hosts with URLs in their windows that rest until their next turn
    full: int  # hosts with URLs in their windows whose slots are all taken
    longest: str | None  # the resting host with most URLs, and its pace: "news.example:80 (--delay, 0.25 s)"
    robots: int  # hosts that wait for their robots.txt
    later: float | None  # seconds until the next URL that waits for another attempt


def judge(figures: Figures) -> Verdict:
    """Name the limit: the first in this order that holds explains the others away."""
    f = figures
    if f.state in ("finished", "stopped", "stopping"):
        return Verdict("finished", {"finished": "The crawl has finished."}.get(f.state, "The crawl was told to stop."))
    if f.trouble is not None:
        return Verdict("store", f"Nothing can be saved, so the crawl waits: {f.trouble}")
    if f.state == "paused":
        return Verdict("paused", "The crawl is paused.")
    if f.processor >= _BUSY:
        return Verdict(
            "processor",
            f"The processor: this process uses {f.processor:.1f} of {f.cores} cores, and its event loop runs on one.",
        )
    if f.under_way >= f.concurrency:
        return Verdict("workers", f"All {f.concurrency} workers wait for answers: more --concurrency would help.")
    if f.full > f.resting:
        return Verdict(
            "server", f"The servers: {_hosts(f.full)} answer slowly, with all their slots taken (--per-host)."
        )
    if f.resting:
        return Verdict(
            "politeness", f"Politeness: {_hosts(f.resting)} must rest between requests; most URLs wait for {f.longest}."
        )
    if f.robots:
        return Verdict("robots", f"{_hosts(f.robots)} must first be asked for a robots.txt.")
    if f.under_way:
        return Verdict("empty", f"The frontier: only {f.queued} URLs are known that are not done, all under way.")
    if f.later is not None:
        return Verdict("retries", f"What is left waits for another attempt, the next in {max(f.later, 0):.0f} s.")
    return Verdict("starting", "The crawl is starting.")


def _hosts(count: int) -> str:
    return "1 host" if count == 1 else f"{count} hosts"
