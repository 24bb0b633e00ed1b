"""The house keeps its order: imports go down, names that begin with _ stay at home, files stay short.

`docs/architecture.md` draws the levels. A new module of the crawler gets its place in LEVELS and in that picture.
"""

import ast
import re
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from crawler import VERSION
from tests.conftest import need

HOME = Path(__file__).parent.parent
HOUSE = ("crawler", "parsers", "storage", "benchmarks", "tests", "crawl")  # what belongs to the project, by first name
PRODUCT = ("crawler", "parsers", "storage", "crawl")
MOST_LINES = 400

LEVELS = {
    "crawler": 0,  # the package itself: VERSION
    "crawler.model": 0,
    "crawler.reasons": 0,
    "crawler.kinds": 0,
    "crawler.loops": 0,
    "crawler.options": 1,
    "crawler.sections": 1,
    "crawler.extraction": 1,
    "crawler.settings": 1,
    "crawler.sources": 1,
    "crawler.manual": 1,
    "crawler.seeds": 1,
    "crawler.job": 1,
    "crawler.scope": 1,
    "crawler.changes": 1,
    "crawler.strip": 1,
    "crawler.traps": 1,
    "crawler.guard": 1,
    "crawler.stats": 1,
    "crawler.verdict": 1,
    "crawler.frontier": 2,
    "crawler.robots": 2,
    "crawler.answers": 2,
    "crawler.hosts": 2,
    "crawler.addresses": 2,
    "crawler.resolver": 2,
    "crawler.pace": 2,
    "crawler.breaker": 2,
    "crawler.fetcher": 2,
    "crawler.hook": 2,
    "crawler.curl_errors": 2,
    "crawler.ledger": 3,
    "crawler.gate": 3,
    "crawler.names": 3,
    "crawler.sitemaps": 3,
    "crawler.scheduler": 3,
    "crawler.worker": 3,
    "crawler.crew": 3,
    "crawler.view": 4,
    "crawler.engine": 4,
    "crawler.explain": 4,
    "crawler.export": 4,
    "crawler.trial": 4,
    "crawler.status": 5,
    "crawler.progress": 5,
    "crawler.run": 6,
}
"""The rooms of the crawler. A package is one room: its modules may import one another."""

NEIGHBOURS = {
    ("crawler.sections", "crawler.options"),
    ("crawler.settings", "crawler.options"),
    ("crawler.settings", "crawler.sections"),
    ("crawler.extraction", "crawler.options"),
    ("crawler.settings", "crawler.extraction"),
    ("crawler.manual", "crawler.extraction"),
    ("crawler.manual", "crawler.options"),
    ("crawler.manual", "crawler.sections"),
    ("crawler.manual", "crawler.settings"),
    ("crawler.sources", "crawler.options"),
    ("crawler.sources", "crawler.settings"),
    ("crawler.seeds", "crawler.options"),
    ("crawler.seeds", "crawler.settings"),
    ("crawler.job", "crawler.settings"),
    ("crawler.job", "crawler.sources"),
    ("crawler.scope", "crawler.settings"),
    ("crawler.scope", "crawler.strip"),
    ("crawler.settings", "crawler.strip"),
    ("crawler.verdict", "crawler.stats"),
    ("crawler.fetcher", "crawler.curl_errors"),
    ("crawler.hosts", "crawler.pace"),
    ("crawler.hosts", "crawler.breaker"),
    ("crawler.hosts", "crawler.addresses"),
    ("crawler.gate", "crawler.ledger"),
    ("crawler.names", "crawler.gate"),
    ("crawler.names", "crawler.ledger"),
    ("crawler.sitemaps", "crawler.gate"),
    ("crawler.sitemaps", "crawler.ledger"),
    ("crawler.scheduler", "crawler.gate"),
    ("crawler.scheduler", "crawler.ledger"),
    ("crawler.worker", "crawler.ledger"),
    ("crawler.crew", "crawler.ledger"),
    ("crawler.crew", "crawler.worker"),
    ("crawler.engine", "crawler.explain"),
    ("crawler.engine", "crawler.view"),
    ("crawler.view", "crawler.explain"),
    ("crawler.progress", "crawler.status"),
}
"""(who, whom): imports between two rooms of one level that are meant."""


def module_name(path: Path) -> str:
    """The name that a file of the project is imported by."""
    parts = path.relative_to(HOME).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {
    module_name(path): path
    for path in sorted([HOME / "crawl.py", *(file for name in HOUSE for file in (HOME / name).rglob("*.py"))])
}


def room(module: str) -> str:
    """The part of a module's name that has a level: "crawler.status.live" lies in the room "crawler.status"."""
    return ".".join(module.split(".")[:2])


def objection(who: str, whom: str) -> str | None:
    """Why one module of the project may not import another, or None."""
    theirs = whom.partition(".")[0]
    match who.partition(".")[0]:
        case "tests":
            return None
        case "benchmarks":
            return "only tests import tests" if theirs == "tests" else None
        case "crawl":
            return None if whom == "crawler.run" else "crawl.py only starts crawler.run"
        case "parsers":
            if who in {"parsers.page", "parsers.urls"}:
                return "it imports nothing of the house"
            return None if theirs == "parsers" else "parsers import only parsers"
        case "storage":
            if who == "storage.record":
                return "it imports nothing of the house"
            return None if whom == "storage.record" else "stores import only storage.record"
    if theirs in {"parsers", "storage"}:
        return None
    if theirs == "benchmarks":
        return None if who == "crawler.run" else "only crawler.run starts the built-in web"
    if theirs != "crawler":
        return f"the crawler never imports {theirs}"
    mine, other = room(who), room(whom)
    if mine not in LEVELS or other not in LEVELS:
        return None  # test_every_room_has_a_level says it
    if LEVELS[other] > LEVELS[mine]:
        return f"it lies on level {LEVELS[other]}, above level {LEVELS[mine]}"
    if LEVELS[other] == LEVELS[mine] and mine != other and (mine, other) not in NEIGHBOURS and other != "crawler":
        return f"both lie on level {LEVELS[mine]}; if it is meant, add the pair to NEIGHBOURS in tests/test_house.py"
    return None


def imports(module: str, tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Line and module of all that a module imports, inside functions too."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield node.lineno, alias.name
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                package = module.split(".") if MODULES[module].name == "__init__.py" else module.split(".")[:-1]
                base = ".".join([*package[: len(package) - node.level + 1], *filter(None, [node.module])])
            for alias in node.names:
                inner = f"{base}.{alias.name}"
                yield node.lineno, inner if inner in MODULES else base


def complaints(look: Callable[[str, ast.Module], Iterator[tuple[int, str]]], *names: str) -> str:
    """What `look` finds in the modules under these first names, as lines "file:line: sentence"."""
    return "\n".join(
        f"{path.relative_to(HOME)}:{line}: {sentence}"
        for module, path in MODULES.items()
        if module.partition(".")[0] in names
        for line, sentence in look(module, ast.parse(path.read_bytes(), str(path)))
    )


def test_imports_go_down() -> None:
    def look(module: str, tree: ast.Module) -> Iterator[tuple[int, str]]:
        for line, name in imports(module, tree):
            if name.partition(".")[0] in HOUSE and (why := objection(module, name)):
                yield line, f"{module} imports {name}: {why}"

    assert not (found := complaints(look, *HOUSE)), found


@pytest.mark.parametrize(
    ("who", "whom"),
    [
        ("crawler.model", "crawler.settings"),
        ("crawler.worker", "crawler.scheduler"),
        ("crawler.hosts", "benchmarks.web"),
        ("crawler.engine", "tests.conftest"),
        ("parsers.html", "crawler.model"),
        ("parsers.urls", "parsers.page"),
        ("storage.jsonl", "parsers.page"),
        ("crawl", "crawler.settings"),
    ],
)
def test_an_import_that_goes_up_is_seen(who: str, whom: str) -> None:
    assert objection(who, whom)


def test_every_room_has_a_level() -> None:
    homeless = sorted({room(name) for name in MODULES if name.startswith("crawler")} - LEVELS.keys())
    assert not homeless, f"{', '.join(homeless)}: add it to LEVELS in tests/test_house.py and to docs/architecture.md"


def test_only_the_fetcher_knows_pycurl() -> None:
    def look(module: str, tree: ast.Module) -> Iterator[tuple[int, str]]:
        for line, name in imports(module, tree):
            if name.partition(".")[0] == "pycurl" and module not in {"crawler.fetcher", "crawler.curl_errors"}:
                yield line, "only crawler/fetcher.py and curl_errors.py import pycurl"

    assert not (found := complaints(look, *PRODUCT)), found


def test_private_names_stay_at_home() -> None:
    """`x._name` is for self and cls, or for a name that this very module defines: its classes may share."""
    documented = {"_exit", "_replace", "_asdict", "_fields"}  # public, of os and of named tuples

    def private(name: str) -> bool:
        return name.startswith("_") and not name.endswith("__")

    def own(tree: ast.Module) -> Iterator[str]:
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
                yield node.name
            elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
                yield node.id
            elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store) and of_self(node.value):
                yield node.attr

    def of_self(value: ast.expr) -> bool:
        if isinstance(value, ast.Call):
            return isinstance(value.func, ast.Name) and value.func.id == "super"
        return isinstance(value, ast.Name) and value.id in {"self", "cls"}

    def look(module: str, tree: ast.Module) -> Iterator[tuple[int, str]]:
        known = documented | set(own(tree))
        for node in ast.walk(tree):
            if isinstance(node, ast.Attribute) and private(node.attr) and not of_self(node.value):
                if node.attr not in known:
                    yield node.lineno, f"{ast.unparse(node)} is a private name of another module"
            elif isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] in HOUSE:
                for alias in node.names:
                    if private(alias.name):
                        yield node.lineno, f"{alias.name} is a private name of {node.module}"

    assert not (found := complaints(look, *HOUSE)), found


def test_nothing_blocks_in_a_sleep() -> None:
    def look(module: str, tree: ast.Module) -> Iterator[tuple[int, str]]:
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and ast.unparse(node.func) in {"time.sleep", "sleep"}:
                yield node.lineno, "a sleep that blocks the thread"

    assert not (found := complaints(look, *HOUSE)), found


def test_loggers_bear_the_names_of_their_modules() -> None:
    """So that a line of crawl.log says where it comes from. Only crawler.run, which directs them, may name others."""
    levels = {"debug", "info", "warning", "error", "exception", "critical", "log"}

    def look(module: str, tree: ast.Module) -> Iterator[tuple[int, str]]:
        for node in ast.walk(tree):
            if isinstance(node, ast.Call):
                called = ast.unparse(node.func)
                if called == "logging.getLogger" and [ast.unparse(value) for value in node.args] != ["__name__"]:
                    if module not in {"crawler.run", "crawler.crew.post"}:  # the latter hears what others have logged
                        yield node.lineno, "write logging.getLogger(__name__)"
                elif called.startswith("logging.") and called.removeprefix("logging.") in levels:
                    yield node.lineno, f"{called} writes to the root logger: take the module's own"

    assert not (found := complaints(look, *PRODUCT)), found


@pytest.fixture(scope="module")
def tree() -> dict[Path, str]:
    """The text files of the project, those not yet committed included, by their path from the top."""
    if not (HOME / ".git").exists():
        pytest.skip("not a git work tree")
    git = need("git", package="git")
    listing = subprocess.run(
        # An owner other than the caller, as in a container, does not matter for a listing.
        [git, "-c", "safe.directory=*", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=HOME,
        capture_output=True,
        check=True,
    ).stdout.decode()
    files = [Path(name) for name in listing.split("\0") if name and (HOME / name).is_file()]
    contents = {path: (HOME / path).read_bytes() for path in files}
    return {path: data.decode(errors="replace") for path, data in contents.items() if b"\0" not in data}


def test_no_file_names_a_place_of_one_machine(tree: dict[Path, str]) -> None:
    place = re.compile(r"/(?:root|home|work)/|\.\./shared")
    found = [
        f"{path}:{number}: {line.strip()[:100]}"
        for path, text in tree.items()
        for number, line in enumerate(text.splitlines(), 1)
        if place.search(line)
    ]
    assert not found, "\n".join(found)


def test_files_stay_short(tree: dict[Path, str]) -> None:
    """One concern each: a file that needs more lines has two."""
    code = {".py", ".js", ".css", ".html"}
    lengths = {
        path: text.count("\n") for path, text in tree.items() if path.suffix in code and path.parts[0] != "tests"
    }
    long = [f"{path}: {lines} lines, more than {MOST_LINES}" for path, lines in lengths.items() if lines > MOST_LINES]
    assert not long, "\n".join(long)


def test_the_changelog_knows_this_version() -> None:
    assert re.search(rf"^##.*\b{re.escape(VERSION)}\b", (HOME / "CHANGELOG.md").read_text(), re.MULTILINE), (
        f"CHANGELOG.md has no heading for {VERSION}"
    )
