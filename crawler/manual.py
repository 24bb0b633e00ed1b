"""The settings as documents: `python -m crawler.manual` writes config.toml and docs/settings.md anew."""

import json
from pathlib import Path

from crawler.extraction import ExtractSection
from crawler.options import Setting, definitions
from crawler.sections import HostSection
from crawler.settings import SETTINGS

_CONFIG = """\
# The settings of Waterspout, each with its default. Take the "#" away to set one.
# What is set here beats what a job was begun with, and a flag (--per-host=4 for per_host = 4) beats both.
# docs/settings.md says which values are allowed.
"""

_HOSTS = """\
# --- Some hosts alone: as many such sections as one likes, behind all that is above

#[[host]]
#  match = ["*.example.com", "shop.example.org:8080"]
#  delay = 2
#  per_host = 1
#  header = ["Authorization: Bearer ..."]

# --- Fields by rules: docs/fields.md

#[[extract]]
#  match = "https://books.toscrape.com/catalogue/**"
#  follow = ["css: .next a"]
#[extract.fields]
#  title = "css: h1"
#  price = { css = ".price_color", type = "number" }
"""

_DOCS = """\
# Settings

Every setting is a flag (`--per-host=4`), a key of config.toml (`per_host = 4`), and a row here. The first place that
names a setting decides:

1. flags;
2. the file of `--config`, or else config.toml beside crawl.py;
3. the job's own job.toml, which holds what the job was begun with;
4. the default.

Flags and URLs may stand in any order; `--per-host 4` is `--per-host=4`; after `--` all are URLs. Of a flag given twice
the last one holds, but those of a list add up; an empty one (`--exclude=`) takes back what a file says. Lists are
arrays in TOML (`exclude = ["/login"]`). A path in a file is relative to the file. URLs on the command line, or
`--seeds`, also overrule those in a file; `--fresh` with either of them leaves job.toml aside.

Where no `--job` is named, the job's folder is `jobs/NAME`: NAME is that of the seed file without its ending, or of the
first URL's host, with the port when it is not the usual one. seeds.txt is looked for in the current folder, then beside
crawl.py. A size may be plain bytes, or have k, M, G (powers of 1000) or Ki, Mi, Gi (powers of 1024), with or without B.

An unknown setting, a wrong type or an impossible value is an error of one line, with exit code 2.
"""


_SECTIONS = """\
## Some hosts alone

In config.toml, sections `[[host]]` behind all other keys say what holds for some hosts in place of what holds for all.
There may be many; where several match a host and name the same key, the last one decides. What they leave out is as for
all hosts.

```toml
[[host]]
match = "*.example.com"
delay = 2

[[host]]
match = ["shop.example.com", "intranet.example:8080"]
robots = "ignore"
header = ["Authorization: Bearer ..."]
```
"""


_RULES = """\
## Fields by rules

Sections `[[extract]]` cut fields out of pages, which stand in the record's `data`: [fields.md](fields.md) has more.

```toml
[[extract]]
match = "https://books.toscrape.com/catalogue/**"
follow = ["css: .next a"]
[extract.fields]
title = "css: h1"
price = { css = ".price_color", type = "number" }
tags = { xpath = "//ul[@class='tags']/li/text()", many = true }
```
"""


def config() -> str:
    """The shipped config.toml: all that a file may set, commented out, so that it sets nothing."""
    lines = [_CONFIG.rstrip()]
    for group, settings in _groups():
        rows = [setting for setting in settings if not setting.flag_only]
        if rows:
            lines += ["", f"# --- {group}"]
        for setting in rows:
            unit = f" [{setting.unit}]" if setting.unit else ""
            default = setting.shown or setting.kind.toml(setting.default)
            lines += ["", f"# {setting.help}{unit}", f"#{setting.name} = {json.dumps(default)}"]  # which TOML reads too
    lines += ["", _HOSTS.rstrip()]
    return "\n".join(lines) + "\n"


def docs() -> str:
    """docs/settings.md."""
    lines = [_DOCS.rstrip()]
    for group, settings in _groups():
        lines += ["", f"## {group}", "", "| setting | default | values | meaning |", "|---|---|---|---|"]
        for setting in settings:
            default = f"`{setting.default_text}`" if setting.default_text else ""
            lines.append(_row(f"`{setting.usage}`", default, _values(setting), _meaning(setting)))
    for text, section in ((_SECTIONS, HostSection), (_RULES, ExtractSection)):
        lines += ["", text.rstrip(), "", "| key | values | meaning |", "|---|---|---|"]
        lines += [_row(f"`{key.name}`", _values(key), _meaning(key)) for key in definitions(section)]
    return "\n".join(lines) + "\n"


def _meaning(setting: Setting) -> str:
    notes = ["flag only"] * setting.flag_only
    notes += ["not kept in job.toml"] * (not setting.kept and not setting.flag_only)
    return f"{setting.help} ({', '.join(notes)})" if notes else setting.help


def _row(*cells: str) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _values(setting: Setting) -> str:
    unit = f" ({setting.unit})" if setting.unit and setting.unit not in setting.kind.allowed else ""
    return setting.kind.allowed + unit


def _groups() -> list[tuple[str, list[Setting]]]:
    groups: dict[str, list[Setting]] = {}
    for setting in SETTINGS:
        if setting.section is None:
            groups.setdefault(setting.group, []).append(setting)
    return list(groups.items())


if __name__ == "__main__":
    home = Path(__file__).resolve().parent.parent
    (home / "config.toml").write_text(config(), encoding="utf-8")
    (home / "docs" / "settings.md").write_text(docs(), encoding="utf-8")
