"""Seeds: the URLs where a crawl begins, from the command line or from a file."""

import re
from collections.abc import Iterable
from pathlib import Path

from crawler.kinds import plain
from crawler.options import SettingsError
from crawler.settings import DEMO, Settings
from parsers import urls

_COMMENT = re.compile(r"(?:^|\s)#.*")  # a "#" within a URL begins its fragment
_NO_SCHEME = re.compile(r"(?:[\w-]+\.)+[\w-]+(?::[0-9]+)?(?:[/?].*)?")


def read(settings: Settings) -> list[str]:
    """The seeds in their order, each once: normalised URLs, and DEMO as it is; at least one.

    Raises SettingsError, which names the argument or the file and line.
    """
    if settings.urls:
        lines: Iterable[tuple[str, str]] = (
            (f"argument {number}", seed.strip()) for number, seed in enumerate(settings.urls, 1)
        )
    else:
        lines = _lines(settings.seeds)
    seeds = list(dict.fromkeys(_seed(seed, where) for where, seed in lines))
    if not seeds:
        raise SettingsError(f"{settings.seeds}: no URL in it")
    return seeds


def _lines(file: Path) -> list[tuple[str, str]]:
    """The lines of a seed file that say something, and where each stands."""
    try:
        data = file.read_bytes()
        text = data.decode("utf-8-sig")
    except FileNotFoundError as error:
        raise SettingsError(f"{file}: no such file; name URLs, or a file of them by --seeds=FILE") from error
    except OSError as error:
        raise SettingsError(f"{file}: cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        raise SettingsError(f"{file}, line {line}: not UTF-8") from error
    # str.splitlines would also split, and count, at characters that no editor takes for a line's end.
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    bare = ((number, _COMMENT.sub("", line).strip()) for number, line in enumerate(lines, 1))
    return [(f"{file}, line {number}", seed) for number, seed in bare if seed]


def _seed(seed: str, where: str) -> str:
    if seed == DEMO:
        return seed
    if urls.has_credentials(seed):  # not shown: a message may end in a log
        raise SettingsError(
            f"{where}: a URL with a user name or password; give them by --header='Authorization: ...' instead"
        )
    try:
        if len(seed.split()) > 1:
            raise ValueError("one URL is wanted, and a space in it is written %20")
        return urls.normalise(seed)
    except ValueError as error:
        raise SettingsError(f'{where}: "{plain(seed)}" is no URL{_remedy(seed) or f": {error}"}') from error


def _remedy(seed: str) -> str:
    """What was probably meant by what is no URL."""
    try:
        if Path(seed).is_file():
            return f": did you mean --seeds={plain(seed)} ?"
    except OSError:
        pass  # too long for a name
    if _NO_SCHEME.fullmatch(seed):
        try:
            return f": did you mean {urls.normalise(f'https://{seed}')} ?"
        except ValueError:
            pass  # it only looked like one
    return ""
