"""The record of one URL, and what a place to keep records must do."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol


@dataclass(slots=True)
class Record:
    """What is kept of one URL that was asked for. Fields are a contract: added to, never renamed.

    Absent things are None, never missing; `links` is an empty list where there are none.
    """

    url: str  # as requested: WHATWG-serialised, without a fragment
    status: int | None  # None when nothing answered
    error: str | None  # "code: text", such as "timeout: no answer within 30 s"; codes stand in crawler/reasons.py
    depth: int  # 0 for a seed
    parent: str | None  # the page on which the URL was first found
    redirect_to: str | None
    fetched_at: str  # ISO 8601, UTC: when the last attempt began
    elapsed: float | None  # seconds
    attempts: int  # 1 or more
    ip: str | None
    http_version: str | None
    content_type: str | None
    charset: str | None
    bytes: int | None  # of the decoded body
    sha256: str | None
    title: str | None
    description: str | None
    canonical: str | None
    lang: str | None
    robots: list[str] | None
    links: list[str]
    data: Any
    facts: Any
    text: str | None
    change: str | None  # of a recrawl: "new", "changed", "unchanged" or "gone"; see crawler/changes.py


class StoreError(Exception):
    """A store cannot open or append; the message is one line for the user. The ledger pauses, then tries again."""


class Store(Protocol):
    """A place for records. A position is whatever the store needs to find the end of a batch again, as an integer.

    After an error of any method: `close`, then `open` at the last noted position, as after a kill.
    """

    async def open(self, position: int) -> None:
        """Make ready to append, and cut off all that lies beyond `position` (0: nothing was noted yet).

        Raises StoreError, when less is there than `position` says or the place cannot be written.
        """

    async def append(self, records: Sequence[Record]) -> int:
        """Write one batch, flush it to the system, and return the position behind it. Raises StoreError."""

    async def close(self) -> None:
        """Let go of the place; may be called after any error, and twice."""
