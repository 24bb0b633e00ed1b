"""The parts of the page that repeat or draw. What they render, `static/app.js` keeps up to date."""

import math
from collections.abc import Mapping, Sequence

from tornado.web import UIModule

from crawler.stats import HostView, RecentPage
from crawler.status import words
from crawler.status.view import URL_LIMIT


class HostsTable(UIModule):
    """The hosts with the longest queues."""

    def render(self, hosts: Sequence[HostView], known: int) -> bytes:
        """A section."""
        return self.render_string("hosts.html", hosts=hosts, known=known)


class RecentTable(UIModule):
    """The last pages."""

    def render(self, pages: Sequence[RecentPage]) -> bytes:
        """A section."""
        return self.render_string("recent.html", pages=pages, is_link=_is_link)


class Tally(UIModule):
    """Counts by kind, the largest first, each with a bar."""

    def render(self, name: str, title: str, counts: Mapping[str, int], none: str) -> bytes:
        """A section; `none` is said when there is nothing to count."""
        ranked = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
        most = max(counts.values(), default=0)
        return self.render_string("tally.html", name=name, title=title, ranked=ranked, most=most, none=none)


class RateChart(UIModule):
    """Pages a second over the whole run."""

    def render(self, points: Sequence[tuple[float, float, float]]) -> bytes:
        """A section with a drawing 1,000 wide and 100 high, which the style stretches."""
        peak = max((pages for _, pages, _ in points), default=0.0)
        top, end = _ceiling(peak), points[-1][0] if points else 0.0
        line = (
            " ".join(f"{at / end * 1000:.0f},{100 - pages / top * 100:.1f}" for at, pages, _ in points) if end else ""
        )
        summary = (
            f"latest {words.rate(points[-1][1])}, highest {words.rate(peak)} pages/s" if points else "no figures yet"
        )
        return self.render_string("chart.html", line=line, top=top, end=end, summary=summary)


def _is_link(url: str) -> bool:
    """A crawled URL can be visited when it is a web address; others, such as javascript:, are shown as text."""
    return url.startswith(("http://", "https://")) and len(url) <= URL_LIMIT


def _ceiling(peak: float) -> float:
    """The least of 1, 2, 5, 10, 20, ... that is not below the peak: where the scale ends."""
    if peak <= 1:
        return 1
    ten: float = 10 ** math.floor(math.log10(peak))
    return next(step * ten for step in (1, 2, 5, 10) if step * ten >= peak)
