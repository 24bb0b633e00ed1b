"""Every "no" and every error of the crawl, in one table.

A code is a contract: it stands in records (`error`), in the frontier, in `--explain` and on the status page.
"""

from dataclasses import dataclass
from typing import Literal, get_args


@dataclass(slots=True, frozen=True)
class Reason:
    """Why a URL got no page."""

    code: str
    sentence: str  # for people: completes "This URL was not crawled: ..."
    counted: Literal["failed", "refused", "skipped"]
    """failed: it was asked for, and has a record; refused: kept in the frontier with this reason, never asked for;
    skipped: counted only, not kept."""
    retry: bool = False  # may it pass, so that trying again later is worth it?


_TABLE = (
    # What fetching can meet.
    Reason("dns", "the host's name could not be resolved", "failed", retry=True),
    Reason("connect", "no connection could be made", "failed", retry=True),
    Reason("timeout", "no whole answer came in time", "failed", retry=True),
    Reason("reset", "the connection was lost before the answer was whole", "failed", retry=True),
    Reason("tls", "the secure connection could not be trusted or made", "failed"),
    Reason("private_address", "the address is not public, and the host is no seed (see --private)", "failed"),
    Reason("too_large", "the body is larger than --max-body", "failed"),
    Reason("headers_too_large", "the answer's headers are too large", "failed"),
    Reason("bad_response", "the answer is not HTTP as its standard says", "failed"),
    Reason("bad_encoding", "the body could not be decoded as its Content-Encoding says", "failed"),
    Reason("unread", "the page was answered, but took too long to parse", "failed"),
    Reason("cut", "the page was read only in part: no page for people has so many links or is so deep", "failed"),
    Reason("hook", "the page was answered, but the functions of --hook failed at it", "failed"),
    Reason("bad_url", "the fetcher cannot ask for such a URL", "failed"),
    Reason("crashed", "the processes that fetched it crashed, one after the other", "failed"),
    Reason("internal", "a bug in the crawler was met; the log has more", "failed"),
    # What is decided before asking, and kept with its reason.
    Reason("robots", "the host's robots.txt forbids it", "refused"),
    Reason("robots_unreachable", "the host's robots.txt could not be had, so all of the host is off limits", "refused"),
    Reason("host_down", "the host could not be reached, for longer than --host-wait", "refused"),
    Reason("retry_after", "the host asked for a longer rest (Retry-After) than --max-retry-after", "refused"),
    Reason("crawl_delay", "the host's robots.txt asks for a longer Crawl-delay than --max-crawl-delay", "refused"),
    Reason("max_depth", "it lies deeper than --max-depth", "refused"),
    Reason("max_host_pages", "the host has had its --max-host-pages", "refused"),
    Reason("max_redirects", "too many redirects in a row led to it", "refused"),
    # Traps: see docs/traps.md, and --traps to turn each off.
    Reason("repeated_segments", "its path repeats itself, as in a loop of relative links", "refused"),
    Reason("deep_path", "its path has too many segments", "refused"),
    Reason("many_parameters", "its query has too many parameters", "refused"),
    Reason("parameter_order", "it differs from a URL asked for before only in the order of its parameters", "refused"),
    Reason("facets", "it combines known values of parameters anew, and pages of that path led nowhere else", "refused"),
    Reason("calendar", "so many pages of its calendar in a row led to nothing but dates", "refused"),
    Reason("same_pages", "URLs of its pattern gave, again and again, only pages seen before", "refused"),
    # What is only counted: storing it would let the rest of the web fill the frontier.
    Reason("scope", "it lies outside the scope of the crawl (see --scope)", "skipped"),
    Reason("excluded", "an --exclude pattern matches it", "skipped"),
    Reason("not_included", "no --include pattern matches it", "skipped"),
    Reason("nofollow", "the page that holds the link asks not to follow it", "skipped"),
    Reason("unwanted", "the function follow of --hook does not want it", "skipped"),
    Reason("too_long", "the URL is longer than --max-url-length", "skipped"),
    Reason("other_host", "a sitemap of another host names it", "skipped"),
    Reason("stripped", "links to it are followed without parameters of --strip-params", "skipped"),
)

GivenUp = Literal["robots_unreachable", "host_down", "retry_after"]
"""Refusals of all that waits of a host that was given up for this run. The next run tries it again."""
GIVEN_UP: tuple[GivenUp, ...] = get_args(GivenUp)

REASONS: dict[str, Reason] = {reason.code: reason for reason in _TABLE}

TRAPS = (*("repeated_segments", "deep_path", "many_parameters", "parameter_order", "facets", "calendar", "same_pages"),)
"""The codes of the rules against traps, by which --traps names them."""

RETRY_STATUSES = frozenset({408, 429, *range(500, 600)})
"""Answers that may be different later: a timeout of the server's, too many requests (RFC 6585), server errors."""
