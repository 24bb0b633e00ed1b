"""Every URL that a job knows, as CSV (RFC 4180) in UTF-8: a line of names, then a line a URL, in the order of finding.

No cell can be taken for a formula by a spreadsheet, whatever the web holds: URLs begin with http, the rest is words of
the crawler's own and whole numbers.
"""

import csv
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TextIO

from crawler.frontier import Reader
from crawler.model import UserError

COLUMNS = ("url", "state", "status", "depth", "parent", "reason", "attempts")


class ExportError(UserError):
    """The file cannot be written; the message is one line for the user."""


async def export(frontier: Reader, out: TextIO) -> int:
    """Write all URLs, in constant memory; returns how many there were. Raises FrontierError, and OSError of `out`."""
    writer = csv.writer(out)
    writer.writerow(COLUMNS)
    count = 0
    async for known in frontier.scan():
        writer.writerow((known.url, known.state, known.status, known.depth, known.parent, known.reason, known.attempts))
        count += 1
    out.flush()
    return count


@contextmanager
def writing(name: str) -> Iterator[TextIO]:
    """The place to write to: a file that stands under its name only once it is whole, or "-" for standard output.

    After an error nothing is left of the file, and an older one stays. A device or pipe is written to as it is.
    Raises ExportError.
    """
    try:
        if name == "-":
            with suppress(BrokenPipeError), _text(sys.stdout.fileno()) as out:  # a reader such as `head` has enough
                yield out
            return
        path = _resolved(name)
        if path.exists() and not path.is_file():
            with _text(path) as out:
                yield out
            return
        scratch = path.with_name(f"{path.name}.{os.getpid()}.new")
        try:
            with _text(scratch) as out:
                yield out
            scratch.replace(path)
        finally:
            scratch.unlink(missing_ok=True)
    except OSError as error:
        where = "standard output" if name == "-" else name
        raise ExportError(f"{where} cannot be written: {error.strerror or error}") from error


def _resolved(name: str) -> Path:
    """The path meant: a link stays, and what it leads to is replaced."""
    try:
        return Path(name).expanduser().resolve()
    except RuntimeError as error:  # links in a circle, or ~ of somebody who has no home
        raise ExportError(f"{name} cannot be written: {error}") from error


def _text(place: Path | int) -> TextIO:
    return open(place, "w", encoding="utf-8", newline="", closefd=isinstance(place, Path))
