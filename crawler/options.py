"""How a setting is defined, and the command line of all settings, which stand in `settings.py`."""

import dataclasses
import shutil
import sys
import textwrap
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from functools import partial
from pathlib import Path
from typing import Any, TextIO, TypeVar, cast

from tornado.options import OptionParser

from crawler import VERSION
from crawler.kinds import Kind, plain, quoted
from crawler.model import UserError
from parsers.selectors import SelectorError

T = TypeVar("T")


class SettingsError(UserError):
    """A setting, a file of settings or a seed is wrong; the message is one line for the user."""


@dataclass(slots=True, frozen=True)
class Setting:
    """All that is known of one setting; see `setting`."""

    name: str
    default: Any
    kind: Kind[Any]
    help: str
    group: str
    unit: str
    metavar: str
    shown: str
    kept: bool
    flag_only: bool
    positional: bool
    secret: bool
    section: type | None  # of a setting that only files have, in sections [[NAME]]: the data class of one

    @property
    def flag(self) -> str:
        """Its flag, or what stands for it on the command line when it is positional."""
        return self.metavar if self.positional else f"--{self.name.rstrip('_').replace('_', '-')}"

    @property
    def usage(self) -> str:
        """Its flag with a value."""
        return self.flag if self.positional or self.kind.switch else f"{self.flag}={self.metavar}"

    @property
    def default_text(self) -> str:
        """Its default in words; empty where a default says nothing."""
        if self.shown or self.kind.switch or self.positional:
            return self.shown
        value = self.kind.toml(self.default)
        return (", ".join(map(str, value)) or "none") if isinstance(value, list) else str(value)

    def from_flag(self, literal: object, spelling: str) -> Any:
        """The value of a flag, `spelling` being its text; SettingsError when that is impossible."""
        where = self.flag if self.secret else f"{self.flag}={plain(spelling)}"
        return self._read(literal, where)

    def from_toml(self, value: object, file: Path) -> Any:
        """The value of a TOML key; SettingsError when it is impossible. A path is relative to the file's folder."""
        if self.section is not None:
            return self._read_sections(value, self.section, file)
        result = self._read(value, f"{file}: {self._shown_value(value)}")
        return file.parent / result if isinstance(result, Path) else result

    def _read_sections(self, value: object, section: type, file: Path) -> tuple[Any, ...]:
        if not isinstance(value, list) or not all(isinstance(table, dict) for table in value):
            raise SettingsError(f"{file}: {self.name}: must be sections, each begun by [[{self.name}]]")
        return tuple(
            self._read_section(table, section, file, f"{file}: [[{self.name}]] number {number}")
            for number, table in enumerate(value, 1)
        )

    def _read_section(self, table: dict[str, object], section: type, file: Path, where: str) -> object:
        known = {setting.name: setting for setting in definitions(section)}
        values = {}
        for key, value in table.items():
            if key not in known:
                raise SettingsError(f"{where}: {plain(key)}: unknown setting{nearest(key, known)}")
            try:
                values[key] = known[key].kind.read(value)
            except ValueError as error:
                line = _line_of(error, file)
                raise SettingsError(f"{where}{line}: {known[key]._shown_value(value)}: must be {error}") from error
        try:
            return section(**values)
        except ValueError as error:
            raise SettingsError(f"{where}: {error}") from error

    def _shown_value(self, value: object) -> str:
        return self.name if self.secret or isinstance(value, dict) else f"{self.name} = {quoted(value)}"

    def _read(self, value: object, where: str) -> Any:
        try:
            return self.kind.read(value)
        except ValueError as error:
            raise SettingsError(f"{where}: must be {error}") from error


def _line_of(error: BaseException | None, file: Path) -> str:
    """Where in the file the selector stands that an error is about, in words; empty when it is about none."""
    while error is not None and not isinstance(error, SelectorError):
        error = error.__cause__
    lines = file.read_text("utf-8-sig", "replace").splitlines() if error else []
    return next((f", line {number}" for number, line in enumerate(lines, 1) if error and error.selector in line), "")


def setting(
    default: T,
    kind: Kind[T],
    help: str,  # noqa: A002 - the word everyone knows
    *,
    group: str = "",
    unit: str = "",
    metavar: str = "",
    shown: str = "",
    kept: bool = True,
    flag_only: bool = False,
    positional: bool = False,
    secret: bool = False,
    section: type | None = None,
) -> T:
    """Define a field of a data class as a setting: a flag, a key of TOML, and a row of --help and of the docs.

    `help` is one sentence without its full stop. `unit` is that of the value. `metavar` stands for the value in --help.
    `shown` is the default in words, where it is not a fixed value. `kept`: does it describe the job, so that job.toml
    holds it? `flag_only`: an action, which no file may order. `positional`: what stands without a flag. `secret`: no
    message may show the value. `section`: see `sections`, which fills it in.
    """
    return dataclasses.field(
        default=default,
        metadata={
            "kind": kind,
            "help": help,
            "group": group,
            "unit": unit,
            "metavar": metavar or kind.metavar,
            "shown": shown,
            "kept": kept and not flag_only and not secret,
            "flag_only": flag_only,
            "positional": positional,
            "secret": secret,
            "section": section,
        },
    )


def sections(section: type[T], help: str, *, group: str) -> tuple[T, ...]:  # noqa: A002 - the word everyone knows
    """Define a field as a setting that only files have: sections [[NAME]], each an object of a data class.

    The fields of that class are made with `setting`; it raises ValueError for values that cannot be together.
    """
    known = definitions(section)

    def toml(values: tuple[T, ...]) -> object:
        return [
            {
                of.name: of.kind.toml(value)
                for of in known
                if of.kept and (value := getattr(each, of.name)) != of.default
            }
            for each in values
        ]

    kind: Kind[tuple[T, ...]] = Kind("sections", "", lambda value: (), toml=toml)
    return setting((), kind, help, group=group, section=section)


def definitions(settings: type) -> tuple[Setting, ...]:
    """The settings of a data class, in its order; fields made without `setting` are none."""
    fields = dataclasses.fields(settings)
    return tuple(
        Setting(name=field.name, default=field.default, **field.metadata) for field in fields if field.metadata
    )


def nearest(name: str, names: Iterable[str]) -> str:
    """The end of a message, which asks for the name that was probably meant; empty when none is near."""
    near = get_close_matches(name.lower(), names, 1)
    return f"; did you mean {near[0]}?" if near else ""


_ABOUT = """\
Usage: python crawl.py [OPTIONS] [URL ...]

Waterspout crawls the web from the URLs given, or from those in a file, politely and fast.
The same command goes on where its job stopped.

Examples:
  python crawl.py https://example.com/ --max-pages=500 --contact=me@example.com
  python crawl.py --seeds=seeds.txt --concurrency=200 --delay=1 --exclude='/login|/cart'
"""
_MORE = """\
The same settings may stand in a file: config.toml beside crawl.py, or --config=FILE.
A flag beats the file, and the file beats what the job was begun with.
There, sections [[host]] say what holds for some hosts alone.
docs/settings.md has more.
"""
_GLUE = "\N{NO-BREAK SPACE}"
_COLUMN = 30  # where the sentences of --help begin


class CommandLine(OptionParser):
    """tornado's option parser with typed values, flags and URLs in any order, and errors of one line.

    Of sections it knows nothing: only files have them. `given` holds the values of what the command line named, by the
    name of the setting.
    """

    given: dict[str, Any]
    settings: Sequence[Setting]

    def __init__(self, settings: Sequence[Setting]) -> None:
        super().__init__()
        # The base class takes a plain assignment for that of an option.
        settings = [setting for setting in settings if setting.section is None]
        self.__dict__.update(settings=settings, given={})
        self.define("version", type=bool, callback=self._version_callback)
        for setting in settings:
            if not setting.positional:
                keep = partial(self.given.__setitem__, setting.name)
                # tornado calls `type` with the text of each such flag, and asks no more of it.
                self.define(setting.flag.removeprefix("--"), type=cast("type", _FlagReader(setting)), callback=keep)

    def parse_command_line(self, args: list[str] | None = None, final: bool = True) -> list[str]:
        """Fill `given`, and return the positional arguments; `args[0]` is the program's name.

        Raises SettingsError; --help and --version print to stdout and raise SystemExit(0).
        """
        program, *arguments = sys.argv if args is None else args
        flags, positionals = self._apart(arguments)
        super().parse_command_line([program, *flags, "--", *positionals], final)
        if positionals:
            for setting in self.settings:
                if setting.positional:
                    self.given[setting.name] = setting.from_flag(positionals, " ".join(positionals))
        return positionals

    def _apart(self, arguments: Sequence[str]) -> tuple[list[str], list[str]]:
        """The flags, each as --name=value, and the positional arguments."""
        switches = {setting.flag for setting in self.settings if setting.kind.switch} | {"--help", "--version"}
        usages = {setting.flag: setting.usage for setting in self.settings}
        flags: list[str] = []
        positionals: list[str] = []
        rest = iter(arguments)
        for argument in rest:
            if argument == "--":
                positionals.extend(rest)
            elif argument == "-" or not argument.startswith("-"):
                positionals.append(argument)
            else:
                spelling, equals, value = argument.partition("=")
                flag = self._known(spelling)
                if not equals and flag in switches:
                    value = "true"
                elif not equals:
                    value = next(rest, "-")
                    if value.startswith("-"):
                        raise SettingsError(f"{flag}: needs a value; write {usages[flag]}")
                flags.append(f"{flag}={value}")
        return flags, positionals

    def _known(self, spelling: str) -> str:
        flag = "--help" if spelling == "-h" else spelling.replace("_", "-")
        known = [f"--{name.replace('_', '-')}" for name in self]
        if flag not in known:
            near = nearest(flag, known) or "; --help lists all"
            raise SettingsError(f"{plain(spelling)}: unknown flag{near}")
        return flag

    def print_help(self, file: TextIO | None = None) -> None:
        """Write all flags by group, to stdout unless told otherwise."""
        width = max(60, min(shutil.get_terminal_size().columns, 92))
        lines = [_ABOUT.rstrip()]
        for group in dict.fromkeys(setting.group for setting in self.settings):
            lines += ["", f"{group}:"]
            for setting in self.settings:
                if setting.group == group:
                    lines += _row(setting.usage, _sentence(setting), width)
        lines += ["", "Help:"]
        lines += _row("-h, --help", "show this and exit", width)
        lines += _row("--version", "show the version and exit", width)
        lines += ["", _MORE]
        (file or sys.stdout).write("\n".join(lines))

    def _version_callback(self, value: bool) -> None:
        if value:
            sys.stdout.write(f"Waterspout {VERSION}\n")
            sys.exit(0)


class _FlagReader:
    """Turns the text of one flag into its value; a repeatable flag's values add up, another's last one holds."""

    def __init__(self, setting: Setting) -> None:
        self._setting = setting
        self._items: list[object] = []

    def __call__(self, text: str) -> Any:
        literal = self._setting.kind.literal(text)
        if isinstance(literal, list):
            self._items += literal
            literal = self._items
        return self._setting.from_flag(literal, text)


def _sentence(setting: Setting) -> str:
    default = setting.default_text
    notes = [setting.unit] * bool(setting.unit) + [f"default {default}"] * bool(default)
    notes += ["repeatable"] * (setting.kind.repeatable and not setting.positional)
    # The notes stay on one line.
    return f"{setting.help} " + f"[{'; '.join(notes)}]".replace(" ", _GLUE) if notes else setting.help


def _row(left: str, right: str, width: int) -> list[str]:
    indent = " " * _COLUMN
    rows = textwrap.wrap(right, width, initial_indent=indent, subsequent_indent=indent, break_on_hyphens=False)
    rows = [row.replace(_GLUE, " ") for row in rows]
    left = f"  {left}"
    if len(left) < _COLUMN:
        return [left.ljust(_COLUMN) + rows[0][_COLUMN:], *rows[1:]]
    return [left, *rows]
