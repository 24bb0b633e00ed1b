"""What a recrawl asks for and finds: conditional requests, and how a page differs from what the last visit brought.

The change of a URL that is visited again:

- `new`: nothing had answered at the last visit, or there was none
- `unchanged`: 304 Not Modified, or the same answer: of a page its status and body, of a redirect its status and target,
  of an error (400 and above) the status alone, since the text of error pages is seldom the same twice
- `gone`: it had an answer below 400, and now has 404 or 410, or nothing answers any more
- `changed`: all else

None where nothing can be said: nothing answered before nor now, or a bug, a crash or robots.txt came between.
"""

import hashlib
import re
from dataclasses import replace

from crawler.model import Change, Failure, Outcome, Visit
from crawler.reasons import REASONS
from parsers.page import Page, Response

_ETAG = re.compile(r'(W/)?"[ !#-~\x80-\xff]{0,254}"|(?!\*\Z)[!#-+\--~]{1,256}')
"""RFC 9110, 8.8.3, with spaces; also one without quotes, as some servers write it; no list, and no "*"."""
_DATE = re.compile(r"[ -~]{1,64}")
"""What Last-Modified may hold. Servers pass over what is no date (RFC 9110, 13.1.3), so it need not be read."""
_GONE = frozenset({404, 410})
_NOTHING = ("", hashlib.sha256(b"").hexdigest())
"""What the digest of an answer is made of when it has no body that was read, or an empty one."""
_OURS = frozenset({"internal", "crashed"})
"""Failures of the crawler's own, which tell nothing of the page."""


def conditions(before: Visit | None) -> dict[str, str]:
    """The headers that ask for a page only if it is not what it was (RFC 9110, 13.1); none that could do harm."""
    headers: dict[str, str] = {}
    if before is not None and (etag := _checked(_ETAG, before.etag)):
        headers["If-None-Match"] = etag
    if before is not None and (modified := _checked(_DATE, before.modified)):
        headers["If-Modified-Since"] = modified
    return headers


def not_modified(outcome: Outcome) -> bool:
    """Did the server say that the page is what it was? A 304 that was not asked for says nothing."""
    response = outcome.response
    return response is not None and response.status == 304 and bool(conditions(outcome.request.before))


def visit(outcome: Outcome) -> Visit | None:
    """What is to be kept of a visit that is over; None when there is nothing new to keep."""
    before, response, failure = outcome.request.before, outcome.response, outcome.failure
    if failure is not None or response is None:
        return None if before is None else _failed(before, failure)
    if before is not None and not_modified(outcome):
        # What the 304 says of itself holds from now on (RFC 9111, 4.3.4).
        etag, modified = _validators(response)
        return replace(before, etag=etag or before.etag, modified=modified or before.modified, change="unchanged")
    status = response.status
    # A server passes over conditions where the answer is not a success (RFC 9110, 13.2.1). A page that took too long to
    # read must come again as a whole.
    read = outcome.page is not None and outcome.page.sha256 is not None
    etag, modified = _validators(response) if 200 <= status < 300 and read else (None, None)
    now = Visit(status, _digest(status, outcome.page), etag, modified)
    return now if before is None else replace(now, change=_change(before, now))


def likeness(outcome: Outcome, visit: Visit | None) -> int | None:
    """What the pages have in common that are the same but for sessions in their links: up to 64 bits.

    None where there is no content that could be compared: an error, nothing, or a body that was not read. A redirect's
    is its target.
    """
    page = outcome.page
    if visit is None or visit.status is None or visit.status >= 400 or visit.digest is None or page is None:
        return None
    if page.redirect_to is not None:
        return visit.digest
    if not page.bytes or page.sha256 is None:
        return None
    return int(page.sha256[:16], 16) if page.likeness is None else page.likeness


def has_content(visit: Visit) -> bool:
    """Did the visit bring content: an answer of 2xx with a body that was read and is not empty?"""
    status = visit.status
    if status is None or not 200 <= status < 300:
        return False
    return visit.digest not in [_hash(status, nothing) for nothing in _NOTHING]


def _failed(before: Visit, failure: Failure | None) -> Visit:
    if failure is None or failure.code in _OURS or REASONS[failure.code].counted != "failed":
        return replace(before, change=None)  # of the page itself nothing is known
    if before.status is None:
        return Visit()
    return Visit(change="gone" if before.status < 400 and failure.status is None else "changed")


def _change(before: Visit, now: Visit) -> Change:
    if before.status is None:
        return "new"
    if now.digest == before.digest:
        return "unchanged"
    return "gone" if now.status in _GONE and before.status < 400 else "changed"


def _digest(status: int, page: Page | None) -> int:
    """What two answers have in common if they are the same: a signed integer of 48 bits, which SQLite keeps in 6 bytes.

    A change goes unseen once in 10^14 times.
    """
    return _hash(status, (page.redirect_to or page.sha256 or "") if page is not None and status < 400 else "")


def _hash(status: int, what: str) -> int:
    digest = hashlib.blake2b(f"{status} {what}".encode("utf-8", "surrogatepass"), digest_size=6).digest()
    return int.from_bytes(digest, "big", signed=True)


def _validators(response: Response) -> tuple[str | None, str | None]:
    """ETag and Last-Modified exactly as they came."""
    headers = response.headers
    return _checked(_ETAG, headers.get("etag")), _checked(_DATE, headers.get("last-modified"))


def _checked(pattern: re.Pattern[str], value: str | None) -> str | None:
    return value if value and pattern.fullmatch(value) else None
