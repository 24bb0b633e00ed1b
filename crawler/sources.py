"""Where the settings of a crawl come from; the first that names one wins.

Flags; the file of --config (else config.toml beside crawl.py); the table [settings] of the job's job.toml, which `kept`
fills; the defaults.
"""

import re
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from crawler.kinds import plain
from crawler.options import CommandLine, SettingsError, nearest
from crawler.settings import DEMO, SETTINGS, Settings
from parsers import urls

JOB_FILE = "job.toml"
JOB_TABLE = "settings"
"""The table of job.toml that holds the settings; its other tables are the job's own affair."""

_SOURCES = {"urls", "seeds"}  # both say where the crawl begins, so one of them overrules the other too


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
