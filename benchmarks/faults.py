"""The crawler, made to die at a named point: `python -m benchmarks.faults [crew:]POINT[@N] --job=DIR ...` (Unix alone).

The crawler's code knows nothing of it: what dies is the process, when it comes to a public method for the Nth time.
POINT is a name of `POINTS`; or `write@N`, the first write that would make a file longer than N bytes, which the system
cuts there and answers with SIGXFSZ. With "crew:" it is the first process of the crew to come there that dies, once. All
other arguments are the crawler's.
"""

import functools
import inspect
import os
import resource
import signal
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from pkgutil import resolve_name
from typing import Any, Literal, NoReturn

from crawler.crew import member, post
from crawler.run import main as crawl

__all__ = ["POINTS", "Point"]

_STORE = "storage.jsonl:JsonlStore"
_FRONTIER = "crawler.frontier.sqlite:SqliteFrontier"
_TABLES = "crawler.frontier.layout"
_TOLD = "crawler.crew.member:Told"
_MEMORY = "crawler.frontier.loading"
_VISITS = "crawler.frontier.visits"


@dataclass(frozen=True, slots=True)
class Point:
    """A place in the crawler's code, and what is done to the job before the process dies there."""

    owner: str  # "module" or "module:Class"
    method: str
    when: Literal["before", "after"]
    target: str = ""  # of a rename: only when this file is to be replaced
    torn: str = ""  # the last bytes of this file are cut off, as if the kill had come inside the write
    most: int | None = None  # instead of a death here: at the first write that goes beyond so many bytes of a file
    stopping: bool = False  # comes only when the crawl ends or is stopped


POINTS = {
    "job.toml/scratch": Point("pathlib:Path", "replace", "before", target="job.toml", torn="job.toml.new"),
    "job.toml/rename": Point("pathlib:Path", "replace", "before", target="job.toml"),
    "job.toml/renamed": Point("pathlib:Path", "replace", "after", target="job.toml"),
    "summary.json/rename": Point("pathlib:Path", "replace", "before", target="summary.json"),
    # The frontier is opened, and at the first start created.
    "open/begin": Point(_FRONTIER, "open", "before"),
    "open/create": Point(_TABLES, "create", "before"),
    "open/created": Point(_TABLES, "create", "after"),  # in the transaction
    "open/loaded": Point(_MEMORY, "load", "after"),  # in the transaction
    "open/end": Point(_FRONTIER, "open", "after"),
    "cut-back/begin": Point(_STORE, "open", "before"),
    "cut-back/end": Point(_STORE, "open", "after"),
    "seeds/in": Point(_TABLES, "add", "after"),
    "seeds/end": Point(_FRONTIER, "add", "after"),
    # A recrawl begins, before its stores are opened.
    "recrawl/in": Point(_VISITS, "begin_again", "after"),  # in the transaction
    "recrawl/end": Point(_FRONTIER, "begin_again", "after"),
    # The crawl runs.
    "claim/in": Point(_TABLES, "claim", "after"),
    "claim/end": Point(_FRONTIER, "claim", "after"),
    "note/end": Point(_FRONTIER, "note", "after"),
    "append/begin": Point(_STORE, "append", "before"),
    "append/torn": Point(_STORE, "append", "after", torn="pages.jsonl"),
    "append/end": Point(_STORE, "append", "after"),
    "finish/begin": Point(_FRONTIER, "finish", "before"),
    "finish/settled": Point(_TABLES, "settle", "after"),
    "finish/noted": Point(_TABLES, "move", "after"),
    "finish/torn": Point(_FRONTIER, "finish", "after", torn="frontier.sqlite-wal"),
    "finish/end": Point(_FRONTIER, "finish", "after"),
    # It is stopped.
    "release/begin": Point(_FRONTIER, "release", "before", stopping=True),
    "release/end": Point(_FRONTIER, "release", "after", stopping=True),
    "close/store": Point(_STORE, "close", "before", stopping=True),
    "close/stored": Point(_STORE, "close", "after", stopping=True),
    "close/begin": Point(_FRONTIER, "close", "before", stopping=True),
    "close/torn": Point(_FRONTIER, "close", "before", most=20_000, stopping=True),  # its log is half folded in
    "close/end": Point(_FRONTIER, "close", "after", stopping=True),
}
"""Where a kill may come, in the order of a crawl."""

CREW_POINTS = {
    "crew/begin": Point(_TOLD, "__init__", "before"),
    "append/begin": POINTS["append/begin"],
    "append/torn": POINTS["append/torn"],
    "append/end": POINTS["append/end"],
    "commit/begin": Point(_TOLD, "commit", "before"),
    "commit/kept": Point(_TOLD, "kept", "before"),  # the first process has kept the batch
    "commit/end": Point(_TOLD, "commit", "after"),
}
"""Where a process of the crew may die, besides its stop."""
SENTINEL = "died-in-crew"
"""The file in the job's folder that tells later processes of the crew to live."""

_CUT = 40  # bytes: less than a record, less than a page of the frontier's log


def die(torn: Path | None) -> NoReturn:
    """End this process at once, as `kill -9` does; first cut the end off a file."""
    if torn is not None:
        os.truncate(torn, max(0, torn.stat().st_size - _CUT))
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError("it lives on")


def limit(most: int) -> None:
    """Die at the first write that would make a file longer than so many bytes."""
    sys.dont_write_bytecode = True
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    signal.signal(signal.SIGXFSZ, signal.SIG_DFL)  # Python ignores it
    _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (most, hard))


def arm(point: Point, number: int, folder: Path) -> None:
    """Let the process die when it comes to this point for the so-manieth time; `folder` is the job."""
    owner = resolve_name(point.owner)
    method = getattr(owner, point.method)
    left = number

    def here(arguments: tuple[Any, ...]) -> None:
        nonlocal left
        left -= not point.target or Path(arguments[1]).name == point.target
        if left:
            return
        if point.most is not None:
            limit(point.most)
        else:
            die(folder / point.torn if point.torn else None)

    setattr(owner, point.method, _wrapped(method, here, point.when))


def _wrapped(method: Callable[..., Any], here: Callable[[tuple[Any, ...]], None], when: str) -> Callable[..., Any]:
    """The method, with a call of `here` before or after it."""
    if inspect.iscoroutinefunction(method):

        @functools.wraps(method)
        async def wrapped(*arguments: Any, **options: Any) -> Any:
            if when == "before":
                here(arguments)
            result = await method(*arguments, **options)
            if when == "after":
                here(arguments)
            return result

        return wrapped

    @functools.wraps(method)
    def plain(*arguments: Any, **options: Any) -> Any:
        if when == "before":
            here(arguments)
        result = method(*arguments, **options)
        if when == "after":
            here(arguments)
        return result

    return plain


def main() -> int:
    fault, *arguments = sys.argv[1:]
    folder = next(Path(argument.removeprefix("--job=")) for argument in arguments if argument.startswith("--job="))
    if fault.startswith("in-crew:"):
        return _in_crew(fault.removeprefix("in-crew:"), folder)
    of_crew = fault if fault.startswith("crew:") else "crew:"
    post.PROGRAM = ("-P", "-m", "benchmarks.faults", f"in-{of_crew}", f"--job={folder}")
    if of_crew != fault:
        _arm(fault, POINTS, folder)
    return crawl(arguments)


def _arm(fault: str, points: Mapping[str, Point], folder: Path) -> None:
    name, _, number = fault.partition("@")
    if name == "write":
        limit(int(number))
    else:
        arm(points[name], int(number or 1), folder)


def _in_crew(fault: str, folder: Path) -> NoReturn:
    """Be a process of the crew, and die if that is wanted and no other has."""
    number, descriptor = sys.argv[-2:]
    if not fault:
        resource.setrlimit(resource.RLIMIT_FSIZE, (resource.getrlimit(resource.RLIMIT_FSIZE)[1],) * 2)  # see `limit`
        member.main(int(descriptor))
    with suppress(FileExistsError):
        (folder / SENTINEL).touch(exist_ok=False)
        points = {
            name: replace(point, torn=point.torn and f"pages-{number}.jsonl") for name, point in CREW_POINTS.items()
        }
        _arm(fault, points, folder)
    member.main(int(descriptor))


if __name__ == "__main__":
    sys.exit(main())
