"""What the page and its watchers are shown: the same figures for both, bounded in size whatever the web holds."""

from collections.abc import Iterable
from dataclasses import dataclass, fields, replace

import orjson

from crawler import VERSION
from crawler.stats import HostView, Point, RecentPage, Snapshot
from crawler.status import Watched

URL_LIMIT = 2000  # characters; a longer URL is cut, and is no link
_TEXT_LIMIT = 200  # characters of a title or an error
_TOP_HOSTS = 50


@dataclass(slots=True, frozen=True)
class View:
    """What the page shows beside the snapshot."""

    hosts: list[HostView]  # those with the longest queues
    recent: list[RecentPage]  # newest first, long texts cut
    points: list[tuple[float, float, float]]  # seconds since the start, pages a second, bytes a second


def look(watched: Watched, points: Iterable[Point]) -> View:
    """The crawl now, with these points of its history."""
    hosts, _ = watched.hosts("-queued", "", _TOP_HOSTS, 0)
    recent = [_cut(page) for page in watched.recent()]
    return View(hosts, recent, [(round(p.at, 1), round(p.pages, 1), round(p.bytes)) for p in points])


def _cut(page: RecentPage) -> RecentPage:
    return replace(
        page,
        url=_beginning(page.url, URL_LIMIT),
        title=_beginning(page.title or "", _TEXT_LIMIT),
        error=_beginning(page.error or "", _TEXT_LIMIT),
    )


def _beginning(text: str, limit: int) -> str:
    return text if len(text) <= limit else text[:limit] + "…"


def status(snapshot: Snapshot) -> dict[str, object]:
    """The object of /api/status."""
    return {"version": VERSION} | {field.name: getattr(snapshot, field.name) for field in fields(snapshot)}


def to_json(content: dict[str, object]) -> bytes:
    """JSON of plain values and of the data classes of the crawl; a number that is not finite becomes null."""
    return orjson.dumps(content)
