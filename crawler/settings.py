"""The settings of a crawl: each is one definition here, and a flag, a key of TOML, and a row of --help and the docs.

Where they come from, the first that names one wins: flags; the file of --config (else config.toml beside crawl.py);
the table [settings] of the job's job.toml, which `kept` fills; the defaults.
"""
# ruff: noqa: RUF009 - `setting` is `dataclasses.field`, with defaults that never change

import re
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

from crawler import VERSION
from crawler.kinds import (
    boolean,
    choice,
    header,
    integer,
    loopback,
    many,
    optional,
    path,
    plain,
    regex,
    seconds,
    size,
    text,
)
from crawler.model import Order
from crawler.options import CommandLine, SettingsError, definitions, nearest, setting
from parsers import urls

__all__ = ["DEMO", "JOB_FILE", "JOB_TABLE", "SETTINGS", "Settings", "SettingsError", "kept", "load"]

DEMO = "demo:"
"""The seed that stands for the built-in web."""

JOB_FILE = "job.toml"
JOB_TABLE = "settings"
"""The table of job.toml that holds the settings; its other tables are the job's own affair."""

_NAME = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"  # a token of RFC 9110
_FIRST = re.compile(f"({_NAME})")
_COMPATIBLE = re.compile(rf"compatible;\s*({_NAME})")
_SOURCES = {"urls", "seeds"}  # both say where the crawl begins, so one of them overrules the other too


@dataclass(slots=True, frozen=True)
class Settings:
    """The settings in force. Made by `load`, which alone checks ranges; by hand, for tests and programs, it trusts."""

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
    private: Literal["seeds", "allow", "deny"] = setting(
        "seeds",
        choice("seeds", "allow", "deny"),
        "addresses that are not public: only for a host and port named as a seed, for all, or for none",
        group="Fetching",
    )
    header: tuple[tuple[str, str], ...] = setting(
        (), many(header()), "another header for every request", group="Fetching", secret=True
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
    given: frozenset[str] = frozenset()
    """The names of the settings that flags or the configuration file gave."""

    @property
    def port_given(self) -> bool:
        """Did the user ask for this port? Then it must not move on to another."""
        return "port" in self.given

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


def load(arguments: Sequence[str], home: Path) -> Settings:
    """The settings that the command line and the files ask for.

    `arguments` are those after the program's name; `home` is the folder of crawl.py. Raises SettingsError;
    --help and --version print and raise SystemExit(0).
    """
    command_line = CommandLine(SETTINGS)
    command_line.parse_command_line(["crawl.py", *arguments])
    chosen = _over(command_line.given, _config(command_line.given.get("config"), home))
    given = frozenset(chosen)

    if "job" not in chosen and not _SOURCES & given:
        chosen["seeds"] = _default_seeds(home)
    if "job" not in chosen:
        chosen["job"] = Path("jobs") / _job_name(chosen.get("urls"), chosen.get("seeds"))

    # A job that is begun anew, with seeds of its own, has nothing to do with what stood in its folder before.
    begun = {} if chosen.get("fresh") and _SOURCES & chosen.keys() else _job(chosen["job"] / JOB_FILE)
    values = _over(chosen, begun)
    if not _SOURCES & values.keys():
        values["seeds"] = _default_seeds(home)
    return Settings(**values, given=given)


def kept(settings: Settings) -> dict[str, object]:
    """The settings that describe the job, as TOML values for the table [settings] of job.toml.

    Secrets, actions and what is of one run only are left out. Paths are absolute, so that the job can go on from
    another folder. Read the seeds first (`seeds.read`): it refuses URLs with a password in them.
    """
    values: dict[str, object] = {}
    for known in SETTINGS:
        value = getattr(settings, known.name)
        if known.kept:
            values[known.name] = known.kind.toml(value.absolute() if isinstance(value, Path) else value)
    del values["seeds" if settings.urls else "urls"]  # where it began is one of the two
    return values


def _over(upper: dict[str, Any], lower: dict[str, Any]) -> dict[str, Any]:
    """Two layers of settings as one."""
    hidden = _SOURCES if _SOURCES & upper.keys() else set()
    return {name: value for name, value in lower.items() if name not in hidden} | upper


def _config(file: Path | None, home: Path) -> dict[str, Any]:
    """The settings of the configuration file; only one that is named must be there."""
    default = home / "config.toml"
    table = _toml(file or default)
    if table is None and file is not None:
        raise SettingsError(f"{file}: no such file")
    known = {setting.name: setting for setting in SETTINGS if not setting.flag_only}
    values = {}
    for key, value in (table or {}).items():
        if key not in known:
            flags = {setting.name: setting.flag for setting in SETTINGS if setting.flag_only}
            remedy = f"; it is a flag only: {flags[key]}" if key in flags else nearest(key, known)
            raise SettingsError(f"{file or default}: {plain(key)}: unknown setting{remedy}")
        values[key] = known[key].from_toml(value, file or default)
    return values


def _job(file: Path) -> dict[str, Any]:
    """The settings that a job was begun with; nothing when there is no such job."""
    table = (_toml(file) or {}).get(JOB_TABLE, {})
    if not isinstance(table, dict):
        raise SettingsError(f"{file}: {JOB_TABLE}: must be a table")
    known = {setting.name: setting for setting in SETTINGS if setting.kept}
    for key in table:
        if key not in known:
            raise SettingsError(f"{file}: {plain(key)}: unknown setting; was the job begun by a newer Waterspout?")
    return {key: known[key].from_toml(value, file) for key, value in table.items()}


def _toml(file: Path) -> dict[str, Any] | None:
    """What a TOML file holds; None when it is not there."""
    try:
        return tomllib.loads(file.read_bytes().decode("utf-8-sig"))
    except FileNotFoundError:
        return None
    except OSError as error:
        raise SettingsError(f"{file}: cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        raise SettingsError(f"{file}: not UTF-8 (at line {line})") from error
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise SettingsError(f"{file}: not TOML: {error}") from error


def _default_seeds(home: Path) -> Path:
    here = Path("seeds.txt")
    return here if here.is_file() else home / here


def _job_name(addresses: Sequence[str] | None, seeds: Path | None) -> str:
    """The name of a job's folder, in safe characters: of the first URL's host and odd port, or of the seed file."""
    if not addresses:
        name = seeds.stem if seeds else ""
    elif addresses[0] == DEMO:
        name = "demo"
    else:
        try:
            name = urlsplit(urls.normalise(addresses[0])).netloc
        except ValueError:
            name = ""  # `seeds.read` says what is wrong with it
    return re.sub(r"[^\w.-]+", "-", name).strip(".-")[:100] or "seeds"
