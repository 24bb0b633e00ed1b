"""The sections [[host]] of config.toml: what holds for some hosts alone, in place of what holds for all."""

import functools
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from crawler.kinds import Kind, choice, header, integer, many, one_or_many, optional, seconds
from crawler.options import setting
from parsers import urls

_ODD = re.compile(r"[\s/?#@\\]")  # what ends a host in a URL
_PORT = re.compile(r":[0-9]+$")  # "[::1]" has none


def _pattern_of_hosts() -> Kind[str]:
    """Hosts by a name with a "*" for any text, spelled as in URLs; a port counts only when it is named."""
    allowed = 'hosts such as "example.com", "*.example.com" or "example.com:8080"'

    def read(value: object) -> str:
        if not isinstance(value, str) or _ODD.search(value):
            raise ValueError(allowed)
        try:
            host = urls.host(urls.normalise(f"http://{value}/"))
        except ValueError:
            raise ValueError(allowed) from None
        return host if _PORT.search(value) else host.rpartition(":")[0]

    return Kind(allowed, "HOST", read)


_ROBOTS: Kind[Literal["obey", "ignore"]] = choice("obey", "ignore")


@dataclass(slots=True, frozen=True)
class HostSection:
    """One section; what it leaves out (None) is as for all hosts."""

    match: tuple[str, ...] = setting(
        (),
        one_or_many(_pattern_of_hosts()),
        "the hosts that it holds for, one or a list; * is any text, and without a port it is all ports",
    )
    delay: float | None = setting(
        None, optional(seconds(0, 86_400)), "in place of --delay; a longer Crawl-delay still holds", unit="seconds"
    )
    per_host: int | None = setting(None, optional(integer(1, 20_000)), "in place of --per-host", unit="requests")
    robots: Literal["obey", "ignore"] | None = setting(None, optional(_ROBOTS), "in place of --robots")
    header: tuple[tuple[str, str], ...] = setting(
        (),
        many(header()),
        "more headers for these hosts, each in place of one of --header that has its name; they go to no other host",
        secret=True,
    )

    def __post_init__(self) -> None:
        if not self.match:
            raise ValueError('match is missing: the hosts that it holds for, such as match = ["*.example.com"]')

    def matches(self, host: str) -> bool:
        """Does it hold for this host, "name:port"?"""
        return _pattern(self.match).fullmatch(host) is not None


@dataclass(slots=True, frozen=True)
class ForHost:
    """What holds for one host, in units of the settings of these names."""

    delay: float
    per_host: int
    robots: Literal["obey", "ignore"]
    header: tuple[tuple[str, str], ...] = ()  # of its sections alone
    section: bool = False  # is it any other than for all hosts?


def joined(everyone: ForHost, sections: Sequence[HostSection], host: str) -> ForHost:
    """What holds for a host, "name:port": of several sections that match and name a value, the last one decides."""
    delay, per_host, robots, section = everyone.delay, everyone.per_host, everyone.robots, False
    headers: dict[str, tuple[str, str]] = {}
    for own in sections:
        if own.matches(host):
            section = True
            delay = delay if own.delay is None else own.delay
            per_host = per_host if own.per_host is None else own.per_host
            robots = own.robots or robots
            headers |= {name.lower(): (name, value) for name, value in own.header}
    return ForHost(delay, per_host, robots, tuple(headers.values()), section)


@functools.lru_cache(maxsize=1024)
def _pattern(hosts: tuple[str, ...]) -> re.Pattern[str]:
    """What matches a host, "name:port", when one of the patterns does."""
    each = [re.escape(host).replace(r"\*", ".*") + ("" if _PORT.search(host) else ":[0-9]+") for host in hosts]
    return re.compile("|".join(each))
