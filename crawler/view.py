"""What watchers see of a crawl: `crawler.status.Watched`, answered from the rooms of the flow."""

import heapq
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import replace

from crawler.explain import Explainer, Explanation
from crawler.frontier import Counts, Frontier
from crawler.hosts import Host, Hosts
from crawler.pace import Pace
from crawler.reasons import REASONS
from crawler.settings import Settings
from crawler.stats import ErrorGroup, FieldCount, HostView, Point, RecentPage, RunState, Snapshot, Stats, Verdict
from crawler.verdict import Figures, Steady, judge
from parsers.urls import host as host_of


class View:
    """Looks into the rooms and changes nothing there; all calls are cheap, and synchronous but for `explain`."""

    def __init__(
        self,
        settings: Settings,
        frontier: Frontier,
        explainer: Explainer,
        hosts: Hosts,
        stats: Stats,
        state: Callable[[], RunState],
        trouble: Callable[[], str | None],
        dying: Callable[[], int],
    ) -> None:
        self._settings = settings
        self._frontier = frontier
        self._explainer = explainer
        self._hosts = hosts
        self._stats = stats
        self._state = state
        self._trouble = trouble
        self._dying = dying
        self._began = time.monotonic()
        self._measured = (self._began, time.process_time(), time.thread_time())
        """When the processor's time was read, what all processes had used, and what the loop's thread."""
        self._most_queued = 0
        self._verdict = Verdict("starting", "The crawl is starting.")
        self._steady = Steady()
        self._fields = list(dict.fromkeys(name for section in settings.extract for name, _ in section.fields))

    def begin(self) -> None:
        """The run begins: its time is counted from here."""
        self._began = time.monotonic()

    def _elapsed(self) -> float:
        return time.monotonic() - self._began

    def tick(self) -> None:
        """Take note of the rates, and judge anew; called about once a second."""
        self._stats.tick(self._elapsed())
        self._verdict = self._steady.of(judge(self._figures()))

    def _figures(self) -> Figures:
        then, used, used_by_loop = self._measured
        now, used_by_loop_now = time.monotonic(), time.thread_time()
        used_now = time.process_time() + self._stats.processor
        self._measured = now, used_now, used_by_loop_now
        lately = max(now - then, 1e-3)
        waiting = self._frontier.waiting(time.time())

        def urls(host: Host) -> int:
            return waiting.get(host.name, 0) + len(host.window)

        naming = [host for host in self._hosts if host.naming]
        held = [host for host in self._hosts if host.held and not host.naming]
        open_ = [host for host in self._hosts if host.window and not host.held and not host.naming]
        asleep = [host for host in open_ if host.breaker.open]
        awake = [host for host in open_ if not host.breaker.open]
        crowded = [host for host in awake if host.in_line]
        awake = [host for host in awake if not host.in_line]
        full = [host for host in awake if not host.may_take]
        resting = [host for host in awake if host.may_take and host.next_start > now]
        longest, fullest = max(resting, key=urls, default=None), max(full, key=urls, default=None)
        silent = max(asleep, key=urls, default=None)
        due = self._frontier.next_due()
        counts = self._frontier.counts()
        return Figures(
            state=self._state(),
            trouble=self._trouble(),
            dying=self._dying(),
            queued=counts.waiting + counts.in_hand,
            claimable=sum(waiting.values()) + self._hosts.windowed,
            under_way=self._hosts.under_way,
            rate=self._stats.rates(self._elapsed())[0],
            concurrency=self._settings.concurrency,
            loop=(used_by_loop_now - used_by_loop) / lately,
            processor=(used_now - used) / lately,
            cores=os.cpu_count() or 1,
            free=len(awake) - len(full) - len(resting),
            resting=len(resting),
            resting_urls=sum(map(urls, resting)),
            pace=sum(1 / host.delay for host in resting if host.delay and not host.rest),
            longest=f"{longest.name} ({_why(longest, now)})" if longest else None,
            asked=longest is not None and (longest.rest or longest.reason) != longest.pace.own,
            full=len(full),
            full_urls=sum(map(urls, full)),
            fullest=fullest.name if fullest else None,
            asleep=len(asleep),
            asleep_urls=sum(map(urls, asleep)),
            silent=f"{silent.name} ({_why(silent, now)}{self._given_up_at(silent, now)})" if silent else None,
            naming=len(naming),
            named=f"{naming[0].name} (given up after {self._settings.connect_timeout:g} s, --connect-timeout)"
            if naming
            else None,
            crowded=len(crowded),
            crowded_urls=sum(map(urls, crowded)),
            crowd=_crowd(crowded[0]) if crowded else None,
            robots=len(held),
            unheard=self._unheard(held, now) if held else None,
            later=None if due is None else due - time.time(),
        )

    def _given_up_at(self, host: Host, now: float) -> str:
        """When a host that is asleep will be given up, at the earliest."""
        left = host.breaker.give_up_at(self._settings.host_wait) - now
        return f", given up in {max(left, 0):.0f} s if it stays so (--host-wait)"

    def _unheard(self, held: Sequence[Host], now: float) -> str:
        """What one of the hosts that wait for their robots.txt waits for; rather of one that could not be had."""
        host = next((host for host in held if host.rest), held[0])
        if host.rest:
            return f"{host.name}: {_why(host, now)}"
        return f"{host.name} has {self._settings.timeout:g} s for an answer (--timeout)"

    def snapshot(self) -> Snapshot:
        """The crawl now."""
        counts = self._frontier.counts()
        stats = self._stats
        elapsed = self._elapsed()
        rate, bytes_rate = stats.rates(elapsed)
        queued = counts.waiting + counts.in_hand
        return Snapshot(
            state=self._state(),
            pages=counts.pages,
            queued=queued,
            failed=counts.failed,
            refused=counts.refused,
            rate=rate,
            bytes_rate=bytes_rate,
            elapsed=elapsed,
            eta=self._eta(counts, rate) if self._state() == "running" else None,
            statuses=dict(stats.statuses),
            errors=dict(stats.errors),
            verdict=self._verdict,
            job=str(self._settings.job),
            skipped=dict(stats.skipped),
            refusals=dict(self._frontier.refusals()),
            bytes=stats.bytes,
            busy=self._hosts.under_way,
            concurrency=self._settings.concurrency,
            hosts=len(self._frontier.hosts()),
            trouble=self._trouble(),
            sitemaps=replace(stats.sitemaps),
            fields={name: FieldCount(stats.items[name], stats.empty[name]) for name in self._fields},
        )

    def _eta(self, counts: Counts, rate: float) -> float | None:
        """Seconds to the end at the pace of now. Only an estimate when the frontier has begun to shrink."""
        queued = counts.waiting + counts.in_hand
        self._most_queued = max(self._most_queued, queued)
        most = self._settings.max_pages
        if not rate or (most is None and queued > 0.9 * self._most_queued):
            return None
        if most is not None:
            queued = min(queued, most - counts.pages)
        waiting = self._frontier.waiting(time.time())
        longest = self._hosts.get(max(waiting, key=waiting.__getitem__)) if waiting else None
        if longest is None:
            return queued / rate
        return max(queued / rate, waiting[longest.name] * max(longest.delay, longest.took / longest.slots))

    def hosts(self, sort: str, filter: str, limit: int, offset: int) -> tuple[list[HostView], int]:  # noqa: A002
        """See `Watched`."""
        field = sort.removeprefix("-")
        if field not in HostView.__dataclass_fields__:
            raise ValueError(f"no field of a host: {sort}")
        names = [name for name in self._frontier.hosts() if filter in name]
        if field == "queued" and sort[0] == "-":  # what the page asks for each second: views of those shown are enough
            counts = self._frontier.host_counts
            queued = {name: of.waiting + of.in_hand for name in names for of in (counts(name),)}
            shown = heapq.nsmallest(offset + limit, names, key=lambda name: -queued[name])[offset:]
            return [self._view(name) for name in shown], len(names)
        views = [self._view(name) for name in names]
        views.sort(key=lambda view: (getattr(view, field) is None, getattr(view, field)), reverse=sort.startswith("-"))
        return views[offset : offset + limit], len(views)

    def host(self, name: str) -> HostView | None:
        """See `Watched`."""
        return self._view(name) if self._frontier.host_counts(name) != Counts() else None

    def _view(self, name: str) -> HostView:
        counts = self._frontier.host_counts(name)
        host = self._hosts.get(name) or Host(name, self._not_met(name))
        wait = max(0.0, host.next_start - time.monotonic())
        return HostView(
            host=name,
            queued=counts.waiting + counts.in_hand,
            done=counts.pages,
            errors=counts.failed,
            delay=host.delay,
            slots=host.slots,
            busy=host.busy,
            next_at=wait if host.window or (host.rest and counts.waiting) else None,
            reason=_state(host, time.monotonic()),
        )

    def _not_met(self, name: str) -> Pace:
        own = self._settings.of(name)
        return Pace(own.delay, own.per_host, "not met yet")

    def recent(self) -> list[RecentPage]:
        """See `Watched`."""
        return self._stats.recent()

    def errors(self) -> list[ErrorGroup]:
        """See `Watched`."""
        return self._stats.error_groups()

    def history(self) -> Sequence[Point]:
        """See `Watched`."""
        return self._stats.history()

    async def explain(self, url: str) -> Explanation:
        """See `Watched`."""
        explanation = await self._explainer.explain(url)
        host = self._hosts.get(host_of(explanation.url))
        now = time.monotonic()
        if host is None or explanation.state not in ("waiting", "in_hand") or _state(host, now) == host.reason:
            return explanation
        why = _why(host, now) if _state(host, now) == host.rest else _state(host, now)
        return replace(explanation, sentences=[*explanation.sentences, f"Of its host: {why}."])


def _state(host: Host, now: float) -> str:
    """Why a host waits, or has the pace that it has, for the table of hosts."""
    if host.given_up is not None:
        return f"given up: {REASONS[host.given_up].sentence}"
    if host.naming:
        return "its name is being resolved"
    if host.breaker.open:
        return _why(host, now)
    if host.in_line:
        return f"its address {_crowd(host)}"
    if host.held and not host.rest:
        return "waits for its robots.txt"
    return host.rest or host.reason


def _crowd(host: Host) -> str:
    """What the address that a host waits for is busy with."""
    assert host.address is not None  # it stands in its line
    busy = host.address.busy
    return f"{host.address.ip} is busy: {busy} request{'s' * (busy != 1)} at once, with other hosts"


def _why(host: Host, now: float) -> str:
    """Why a host rests, and for how long."""
    if host.breaker.open:
        asleep = max(host.breaker.until, host.next_start) - now
        return f"{host.breaker.reason}; {f'probed in {asleep:.0f} s' if asleep > 0 else 'being probed'}"
    left = max(host.next_start - now, 0)
    return f"{host.rest}, {left:.0f} s more" if host.rest else f"{host.reason}, {host.delay:g} s"
