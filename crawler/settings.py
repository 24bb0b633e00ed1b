"""The settings of a crawl: each is one definition here, and a flag, a key of TOML, and a row of --help and the docs.

`sources.py` says where they come from.
"""
# ruff: noqa: RUF009 - `setting` is `dataclasses.field`, with defaults that never change

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from crawler import VERSION
from crawler.extraction import ExtractSection
from crawler.kinds import (
    boolean,
    choice,
    header,
    integer,
    loopback,
    many,
    optional,
    path,
    place,
    regex,
    seconds,
    size,
    text,
)
from crawler.model import Order
from crawler.options import definitions, sections, setting
from crawler.reasons import TRAPS
from crawler.sections import ForHost, HostSection, joined
from crawler.strip import NAME, STRIPPED
from parsers.asked import MORE_LINKS, USUAL, Asked
from parsers.facts import FACTS

DEMO = "demo:"
"""The seed that stands for the built-in web."""

_NAME = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"  # a token of RFC 9110
_FIRST = re.compile(f"({_NAME})")
_COMPATIBLE = re.compile(rf"compatible;\s*({_NAME})")


@dataclass(slots=True, frozen=True)
class Settings:
    """The settings in force. `sources.load` makes them, and alone checks ranges; by hand, for tests, it trusts."""

    urls: tuple[str, ...] = setting(
        (),
        many(text(metavar="URL ...")),
        "where to begin; when given, no seed file is read; demo: is the built-in web",
        group="What to crawl",
        positional=True,
    )
    seeds: Path = setting(
        Path("seeds.txt"),
        path(),
        "the file of seeds: one URL a line, # begins a comment",
        group="What to crawl",
    )
    scope: Literal["host", "domain", "any"] = setting(
        "host",
        choice("host", "domain", "any"),
        "how far to follow links: the seeds' hosts with their ports, their registrable domains, or anywhere",
        group="What to crawl",
    )
    include: tuple[re.Pattern[str], ...] = setting(
        (), many(regex()), "follow only URLs in which one of these is found", group="What to crawl"
    )
    exclude: tuple[re.Pattern[str], ...] = setting(
        (), many(regex()), "follow no URL in which one of these is found", group="What to crawl"
    )
    sitemaps: bool = setting(
        True,
        boolean(),
        "find and read sitemaps: those that robots.txt names, or /sitemap.xml, and those that pages name",
        group="What to crawl",
    )
    order: Order = setting(
        "breadth",
        choice("breadth", "depth", "priority", metavar="ORDER"),
        "which URLs of a host come first, after its seeds: breadth (the nearest to a seed), depth (the deepest) or"
        " priority (the highest)",
        group="What to crawl",
    )
    max_pages: int | None = setting(
        None, optional(integer(1)), "end after so many pages of the job", group="How much", unit="pages"
    )
    max_depth: int | None = setting(
        None,
        optional(integer(0)),
        "follow so many links from a seed; 0 is the seeds alone",
        group="How much",
        unit="links",
    )
    max_host_pages: int | None = setting(
        None, optional(integer(1)), "take so many pages of each host", group="How much", unit="pages"
    )
    max_time: float | None = setting(
        None, optional(seconds(0.1)), "end this run after so long", group="How much", unit="seconds", kept=False
    )
    job: Path = setting(
        Path("jobs/seeds"),
        path("DIR"),
        "the folder of this crawl; NAME is that of the seed file or of the first URL's host",
        group="The job",
        shown="jobs/NAME",
        kept=False,
    )
    config: Path | None = setting(
        None,
        optional(path()),
        "the file of settings",
        group="The job",
        shown="config.toml beside crawl.py",
        flag_only=True,
    )
    fresh: bool = setting(
        False, boolean(), "start the job over, and throw away what it has", group="The job", flag_only=True
    )
    recrawl: bool = setting(
        False,
        boolean(),
        "visit the URLs of a finished job again, and tell what is new, changed, unchanged or gone",
        group="The job",
        flag_only=True,
    )
    yes: bool = setting(False, boolean(), "answer yes to what --fresh would ask", group="The job", flag_only=True)
    explain: str = setting(
        "",
        text(r"(?s:.+)", "a URL", "URL"),
        "say why a URL was, will be or will not be crawled, and exit",
        group="Looking into a job",
        flag_only=True,
    )
    try_: str = setting(
        "",
        text(r"(?s:.+)", "a URL", "URL"),
        "fetch one page, show what the [[extract]] rules give, and exit; nothing is kept",
        group="Looking into a job",
        flag_only=True,
    )
    export: str = setting(
        "",
        text(r"[^\0]+", "a path, or - for standard output", "FILE"),
        "write every known URL with its state and reason as CSV, to a file or to - (standard output), and exit",
        group="Looking into a job",
        flag_only=True,
    )
    concurrency: int = setting(
        100, integer(1, 20_000), "workers: requests under way at once, over all hosts", group="Pace", unit="requests"
    )
    per_host: int = setting(
        4, integer(1, 20_000), "requests under way at once to one host", group="Pace", unit="requests"
    )
    per_address: int | None = setting(
        8,
        optional(integer(1, 20_000)),
        "requests under way at once to one IP address, of all its hosts; never fewer than --per-host",
        group="Pace",
        unit="requests",
    )
    delay: float = setting(
        0.25,
        seconds(0, 86_400),
        "least time between starts of requests to one host; more for a host that complains",
        group="Pace",
        unit="seconds",
    )
    processes: int | None = setting(
        1,
        optional(integer(1, 256), "auto"),
        "processes that fetch and parse: 1 does all in one, auto is one for each core",
        group="Pace",
        unit="processes",
    )
    retries: int = setting(
        3,
        integer(0, 100),
        "more tries of what may pass: timeouts, resets, statuses 429 and 5xx",
        group="Pace",
        unit="tries",
    )
    robots: Literal["obey", "ignore"] = setting(
        "obey",
        choice("obey", "ignore"),
        "obey robots.txt with its Crawl-delay, and nofollow, or ignore them",
        group="Manners",
    )
    robots_wait: float = setting(
        600,
        seconds(0, 86_400),
        "how long a host's pages wait for a robots.txt that cannot be had",
        group="Manners",
        unit="seconds",
    )
    max_crawl_delay: float = setting(
        60, seconds(0, 86_400), "give a host up whose Crawl-delay is longer", group="Manners", unit="seconds"
    )
    max_retry_after: float = setting(
        3600, seconds(0, 86_400), "give a host up that asks for a longer rest", group="Manners", unit="seconds"
    )
    host_wait: float = setting(
        600, seconds(0, 86_400), "how long a host's pages wait for one that is silent", group="Manners", unit="seconds"
    )
    user_agent: str = setting(
        f"Waterspout/{VERSION}",
        text(rf"{_NAME}[ -~]*", "printable ASCII that begins with a product such as MyBot/1.0"),
        "who asks; robots.txt is matched on its product token",
        group="Manners",
    )
    contact: str | None = setting(
        None,
        optional(text(r"[!-'*-~]+", "a mail or web address in ASCII, without spaces", "ADDRESS")),
        "the mail or web address where a site's owner can complain; added to the user agent",
        group="Manners",
    )
    timeout: float = setting(
        30, seconds(0.1, 86_400), "longest time for a whole answer", group="Fetching", unit="seconds"
    )
    connect_timeout: float = setting(
        10, seconds(0.1, 3_600), "longest time to connect", group="Fetching", unit="seconds"
    )
    dns_server: tuple[str, ...] = setting(
        (), many(place(53)), "a name server to ask instead of the system's", group="Fetching"
    )
    max_body: int = setting(
        10_000_000,
        size(1, 1_000_000_000),
        "largest body, decoded; a larger one is an error",
        group="Fetching",
        unit="bytes",
    )
    max_redirects: int = setting(
        10, integer(0, 100), "redirects in a row that are followed", group="Fetching", unit="redirects"
    )
    max_url_length: int = setting(
        2083, integer(10, 1_000_000), "longer URLs are not followed", group="Fetching", unit="characters"
    )
    strip_params: tuple[str, ...] = setting(
        STRIPPED,
        many(text(NAME, "a name, perhaps with * behind it", "NAMES"), commas=True, empty="none"),
        "parameters without which links are followed: those that track people or carry a session, see docs/traps.md",
        group="Traps",
    )
    traps: tuple[str, ...] = setting(
        TRAPS,
        many(choice(*TRAPS, metavar="RULES"), commas=True, empty="none"),
        "rules that keep the crawl out of traps, see docs/traps.md",
        group="Traps",
    )
    private: Literal["seeds", "allow", "deny"] = setting(
        "seeds",
        choice("seeds", "allow", "deny"),
        "addresses that are not public: only for a host and port named as a seed, for all, or for none",
        group="Fetching",
    )
    header: tuple[tuple[str, str], ...] = setting(
        (), many(header()), "another header for every request", group="Fetching", secret=True
    )
    discover: tuple[str, ...] = setting(
        tuple(sorted(USUAL)),
        many(choice(*MORE_LINKS, "resources", metavar="LIST"), commas=True),
        "what pages name beside their links (docs/discovery.md): pages to follow by kind, and resources they load",
        group="What is read",
    )
    facts: tuple[str, ...] = setting(
        (),
        many(choice(*FACTS, metavar="LIST"), commas=True),
        "what else pages say of themselves, for the record's facts (docs/discovery.md)",
        group="What is read",
    )
    text: Literal["none", "plain", "markdown"] = setting(
        "none",
        choice("none", "plain", "markdown"),
        "the main text of pages, for the record's text; needs trafilatura",
        group="What is read",
    )
    hook: Path | None = setting(
        None,
        optional(path()),
        "a Python file with functions parse(page) and follow(link, page), for what rules cannot say (docs/hook.md)",
        group="What is read",
    )
    store: tuple[str, ...] = setting(
        ("jsonl",), many(choice("jsonl"), least=1, commas=True), "where records go", group="Results"
    )
    frontier: Literal["sqlite", "memory"] = setting(
        "sqlite",
        choice("sqlite", "memory"),
        "where known URLs are kept: in the job's folder, or in memory and lost at the end",
        group="Results",
    )
    port: int | None = setting(
        8888,
        optional(integer(0, 65_535), "off"),
        "the status page's port: 0 is any free one, off is no page; only the default moves on when it is taken",
        group="Watching",
        kept=False,
    )
    address: str = setting(
        "127.0.0.1", loopback(), "the status page's address, of this machine alone", group="Watching", kept=False
    )
    log_level: Literal["debug", "info", "warning", "error"] = setting(
        "info",
        choice("debug", "info", "warning", "error", metavar="LEVEL"),
        "what the log tells: debug, info, warning or error, and what is graver",
        group="Watching",
        kept=False,
    )
    host: tuple[HostSection, ...] = sections(HostSection, "what holds for some hosts alone", group="Some hosts alone")
    extract: tuple[ExtractSection, ...] = sections(
        ExtractSection, "what is cut out of pages by rules", group="Fields by rules"
    )
    given: frozenset[str] = frozenset()
    """The names of the settings that flags or the configuration file gave."""

    @property
    def port_given(self) -> bool:
        """Did the user ask for this port? Then it must not move on to another."""
        return "port" in self.given

    def of(self, host: str) -> ForHost:
        """What holds for this host (name and port), by the sections [[host]]."""
        return joined(ForHost(self.delay, self.per_host, self.robots), self.host, host)

    @property
    def asked(self) -> Asked:
        """What parsers are asked to read."""
        from parsers.fields import Rules  # only crawls with rules need it

        more_links = frozenset(self.discover) & frozenset(MORE_LINKS)
        rules = Rules([section.rule for section in self.extract]) if self.extract else None
        return Asked(
            more_links=more_links,
            resources="resources" in self.discover,
            rules=rules,
            facts=frozenset(self.facts),
            text=None if self.text == "none" else self.text,
            agent=self.product.lower(),
        )

    @property
    def agent(self) -> str:
        """The whole User-Agent header."""
        return f"{self.user_agent} (+{self.contact})" if self.contact else self.user_agent

    @property
    def product(self) -> str:
        """What robots.txt is matched on: X of "X/2.1 (...)" and of "Mozilla/5.0 (compatible; X/1)"."""
        match = _COMPATIBLE.search(self.user_agent) or _FIRST.match(self.user_agent)
        return match[1] if match else ""


SETTINGS = definitions(Settings)
