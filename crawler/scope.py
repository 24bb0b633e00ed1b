"""Scope: which links of a page the crawl follows. Each "no" has a reason of reasons.py."""

import functools
from collections import Counter
from collections.abc import Callable, Iterable, Sequence

from crawler.model import Found, Request
from crawler.settings import Settings
from crawler.strip import Strip
from parsers import urls
from parsers.page import Page


class Scope:
    """Sorts the links of pages into those to follow, those refused, and those only counted.

    With `--scope=host` the hosts of the seeds are in scope, with `domain` their registrable domains (by the Public
    Suffix List), with `any` everything. A seed that redirects elsewhere brings that host in; so does `admit`.
    """

    def __init__(self, settings: Settings, entrances: Iterable[str]) -> None:
        """`entrances` are the URLs or hosts whose hosts are in scope from the start."""
        self._settings = settings
        self._strip = Strip(settings.strip_params)
        self._place: Callable[[str], str] = _domain if settings.scope == "domain" else str
        self._places: set[str] = set()
        for entrance in entrances:
            self.admit(entrance if "://" not in entrance else urls.host(entrance))

    def admit(self, host: str) -> None:
        """Bring a host (name and port) into scope, or its domain."""
        self._places.add(self._place(host))

    def followed(self, url: str) -> str:
        """The spelling in which links to a URL are followed."""
        return self._strip.one(url)

    def refusal(self, url: str) -> str | None:
        """The reason why a URL is not followed wherever it is found, or None."""
        return self._mismatch(url) if self.covers(urls.host(url)) else "scope"

    def covers(self, host: str) -> bool:
        """Is this host (name and port) in scope?"""
        return self._settings.scope == "any" or self._place(host) in self._places

    def _mismatch(self, url: str) -> str | None:
        if len(url) > self._settings.max_url_length:
            return "too_long"
        if self._settings.include and not any(pattern.search(url) for pattern in self._settings.include):
            return "not_included"
        if any(pattern.search(url) for pattern in self._settings.exclude):
            return "excluded"
        return None

    def sort(self, page: Page, request: Request) -> tuple[list[Found], dict[str, int]]:
        """What to do with the links of a page: (found URLs to keep, followed or refused; others counted by reason)."""
        if page.redirect_to is not None:
            return self._sort_redirect(page.redirect_to, request)
        skipped: Counter[str] = Counter()
        follow: list[str] = []
        # Most links stay on the page's own host, so that host is looked up once, not once a link.
        home = urls.origin(request.url) + "/"
        obey = self._settings.of(request.host).robots == "obey"
        at_home = self.covers(request.host)
        plain = not (self._settings.include or self._settings.exclude)
        longest = self._settings.max_url_length
        links, changed = self._strip.all(self._wanted(page, skipped, obey=obey))
        if changed:
            skipped["stripped"] = changed
        for url in links:
            if plain and at_home and url.startswith(home) and len(url) <= longest:
                follow.append(url)
            elif reason := self.refusal(url):
                skipped[reason] += 1
            else:
                follow.append(url)
        if not follow:
            return [], skipped
        depth = request.depth + 1
        deepest = self._settings.max_depth
        refused = "max_depth" if deepest is not None and depth > deepest else None
        return [Found(follow, depth, request.id, refused=refused)], skipped

    def _wanted(self, page: Page, skipped: Counter[str], *, obey: bool) -> Sequence[str]:
        """The links that the page, its rules and the user's functions want to be followed; the others are counted."""
        links: Sequence[str] = page.links if page.follow is None else page.follow
        if page.more_links and page.follow is None:
            links = list(dict.fromkeys([*links, *page.more_links]))
        for unwanted, reason in ((page.nofollow if obey else (), "nofollow"), (page.unwanted, "unwanted")):
            if unwanted and len(wanted := [url for url in links if url not in unwanted]) < len(links):
                skipped[reason] = len(links) - len(wanted)
                links = wanted
        return links

    def _sort_redirect(self, target: str, request: Request) -> tuple[list[Found], dict[str, int]]:
        if request.depth == 0:
            self.admit(urls.host(target))
        if reason := self.refusal(target):
            return [], {reason: 1}
        hops = request.hops + 1
        refused = "max_redirects" if hops > self._settings.max_redirects else None
        return [Found([target], request.depth, request.id, hops, refused)], {}


@functools.lru_cache(maxsize=65_536)
def _domain(host: str) -> str:
    """The registrable domain of a host ("news.example.co.uk:443" -> "example.co.uk"); an address is its own."""
    name = host.rpartition(":")[0]
    if name.startswith("[") or name.replace(".", "").isdigit():
        return name
    return _registrable()(name) or name


@functools.cache
def _registrable() -> Callable[[str], str | None]:
    # Loaded when first asked for: the list costs some tens of milliseconds, and only --scope=domain needs it.
    from publicsuffixlist import PublicSuffixList

    registrable: Callable[[str], str | None] = PublicSuffixList().privatesuffix
    return registrable
