"""The status page, and what it asks of a crawl."""

from collections.abc import Sequence
from typing import Protocol

from crawler.explain import Explanation
from crawler.stats import ErrorGroup, HostView, Point, RecentPage, Snapshot


class Watched(Protocol):
    """What can be watched: a crawl that runs. All calls are cheap, and synchronous but for `explain`."""

    def snapshot(self) -> Snapshot:
        """The crawl now."""

    def hosts(self, sort: str, filter: str, limit: int, offset: int) -> tuple[list[HostView], int]:  # noqa: A002
        """A page of the hosts whose name holds `filter`, and how many there are in all.

        `sort` is a field of HostView, with a leading "-" for the largest first; ValueError for another name.
        """

    def host(self, name: str) -> HostView | None:
        """One host, or None when it is not known."""

    def recent(self) -> list[RecentPage]:
        """The last pages, newest first."""

    def errors(self) -> list[ErrorGroup]:
        """Errors by kind and host, most frequent first."""

    def history(self) -> Sequence[Point]:
        """The rates since the run began, oldest first."""

    async def explain(self, url: str) -> Explanation:
        """Why a URL was, will be or will not be crawled.

        Raises ValueError, in words, for what is no URL; FrontierError when nothing can be looked up.
        """
