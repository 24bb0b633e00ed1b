"""The two commands on a machine where nothing is installed yet, tried with Pythons that only pretend to install."""

import ast
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from tests.conftest import need

HOME = Path(__file__).parent.parent

FAKE = """\
#!/bin/sh
case "$*" in
"-c import sys; print(sys.version"*) echo {version} ;;
"-c import ensurepip, venv") exit {ensurepip} ;;
"-m venv --clear "*) rm -rf "$4"; mkdir -p "$4/bin"; cp "$0" "$4/bin/python"; echo venv >>installed; exit {venv} ;;
"-m pip install "*) for file; do :; done; echo "$file" >>installed; [ ! -e pip-fails ] ;;
esac
"""
"""What the Makefile asks of a Python, and a file `installed` that tells what was done."""

Make = Callable[..., subprocess.CompletedProcess[str]]
Install = Callable[..., None]


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A fresh copy of what `make` needs, in a folder whose path has spaces."""
    tree = tmp_path / "a new folder"
    tree.mkdir()
    shutil.copy(HOME / "Makefile", tree)
    (tree / "requirements.txt").touch()
    (tree / "requirements-dev.txt").touch()
    (tree / "requirements-peers.txt").touch()
    return tree


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A PATH of one folder, with the tools of every system in it and no Python."""
    path = tmp_path / "bin"
    path.mkdir()
    for tool in ("cp", "mkdir", "rm", "sed", "sh", "touch"):
        (path / tool).symlink_to(need(tool, package="coreutils"))
    return path


@pytest.fixture
def python(path: Path) -> Install:
    """Put a Python on the PATH that answers as told: `ensurepip` and `venv` are exit codes."""

    def install(name: str = "python3", version: str = "3.12.1", ensurepip: int = 0, venv: int = 0) -> None:
        (path / name).write_text(FAKE.format(version=version, ensurepip=ensurepip, venv=venv))
        (path / name).chmod(0o755)

    return install


@pytest.fixture
def make(tree: Path, path: Path) -> Make:
    program = need("make", package="make")

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        # No variable of a make that may run these tests gets through.
        return subprocess.run(
            [program, *arguments], cwd=tree, env={"PATH": str(path)}, capture_output=True, text=True, check=False
        )

    return run


def installed(tree: Path) -> list[str]:
    """What has been installed since the last look."""
    note = tree / "installed"
    lines = note.read_text().split() if note.exists() else []
    note.unlink(missing_ok=True)
    return lines


def complaint(result: subprocess.CompletedProcess[str]) -> list[str]:
    """The lines of an error, without make's own last one, that the recipe failed."""
    assert result.returncode != 0
    return [line for line in result.stderr.splitlines() if not line.startswith("make: ***")]


def test_help_is_what_make_alone_shows(make: Make) -> None:
    shown = make().stdout
    for target in ("crawl", "test", "check", "setup", "bench", "peers", "lock", "clean", "help"):
        assert f"make {target}\t" in shown


def test_nothing_is_installed_twice(make: Make, python: Install, tree: Path) -> None:
    python()
    assert make("setup").returncode == 0
    assert installed(tree) == ["venv", "requirements.txt"]
    assert make("setup").returncode == 0
    assert installed(tree) == []


def test_a_set_up_is_quiet(make: Make, python: Install) -> None:
    python()
    result = make("setup")
    assert result.stdout.splitlines() == ["Making .venv with Python 3.12.1", "Ready. Next: make crawl"]
    assert result.stderr == ""


def test_the_tests_need_more_and_get_it_once(make: Make, python: Install, tree: Path) -> None:
    python()
    make("setup")
    installed(tree)
    assert make("test").returncode == 0
    assert installed(tree) == ["requirements-dev.txt"]
    assert make("test").returncode == make("check").returncode == make("setup").returncode == 0
    assert installed(tree) == []


def test_peers_live_in_a_venv_of_their_own(make: Make, python: Install, tree: Path) -> None:
    python()
    result = make("peers")
    assert result.stdout.splitlines()[-2:] == [
        "Making .venv-peers",
        "Ready. Next: .venv/bin/python -m benchmarks.frontier --scrapy",
    ]
    assert installed(tree) == ["venv", "requirements.txt", "venv", "requirements-peers.txt"]
    assert (tree / ".venv-peers/bin/python").exists()
    assert make("peers").returncode == make("setup").returncode == 0
    assert installed(tree) == []


def test_peers_that_are_missing_are_named_with_their_remedy(tmp_path: Path) -> None:
    """Relative to where it is run, as the commands of the documentation are."""
    result = subprocess.run(
        [sys.executable, "-m", "benchmarks.frontier", "--scrapy", "--sizes=1000"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(HOME)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 2
    assert result.stderr == ".venv-peers is missing, which has Scrapy in it: run `make peers`\n"
    assert result.stdout == ""


@pytest.mark.parametrize("name", ["requirements.txt", "requirements-dev.txt", "requirements-peers.txt"])
def test_requirements_are_locked(name: str) -> None:
    """One version of each with its hashes, for every platform, and no place to look for them."""
    text = (HOME / name).read_text().replace("\\\n", " ")
    requirements = [line for line in text.splitlines() if not line.lstrip().startswith("#")]
    assert requirements
    for line in requirements:
        assert re.fullmatch(r"[a-z0-9-]+==[^ ]+( ; .+?)?( +--hash=sha256:[0-9a-f]{64})+", line), line


@pytest.mark.parametrize("name", ["requirements.txt", "requirements-dev.txt"])
def test_the_crawler_needs_no_peer(name: str) -> None:
    assert "scrapy==" not in (HOME / name).read_text()


def test_new_requirements_are_installed(make: Make, python: Install, tree: Path) -> None:
    python()
    make("test")
    installed(tree)
    later = (tree / ".venv/.dev").stat().st_mtime + 10
    os.utime(tree / "requirements.txt", (later, later))
    make("setup")
    assert installed(tree) == ["venv", "requirements.txt"]


def test_an_install_that_failed_is_done_again(make: Make, python: Install, tree: Path) -> None:
    python()
    (tree / "pip-fails").touch()
    assert make("setup").returncode != 0
    installed(tree)
    (tree / "pip-fails").unlink()
    assert make("setup").returncode == 0
    assert installed(tree) == ["venv", "requirements.txt"]


def test_a_venv_whose_python_has_gone_is_made_anew(make: Make, python: Install, tree: Path) -> None:
    python()
    make("setup")
    installed(tree)
    (tree / ".venv/bin/python").unlink()
    (tree / ".venv/bin/python").symlink_to("gone")
    assert make("setup").returncode == 0
    assert installed(tree) == ["venv", "requirements.txt"]


def test_a_missing_venv_module_is_named_with_its_remedy(make: Make, python: Install, tree: Path) -> None:
    python(ensurepip=1)
    assert complaint(make("crawl")) == ["python3 -m venv is missing: apt install python3-venv"]
    assert not (tree / ".venv").exists()


def test_a_venv_that_fails_half_way_leaves_nothing(make: Make, python: Install, tree: Path) -> None:
    python(venv=1)
    assert make("crawl").returncode != 0
    assert not (tree / ".venv").exists()


def test_no_python_at_all(make: Make) -> None:
    (line,) = complaint(make("crawl"))
    assert line.startswith("python3 is missing: install Python 3.11 or later")


@pytest.mark.parametrize("version", ["3.10.13", "3.9.2", "2.7.18"])
def test_an_old_python_is_named(make: Make, python: Install, version: str) -> None:
    python(version=version)
    (line,) = complaint(make("crawl"))
    assert line.startswith(f"python3 is Python {version}, too old: install 3.11 or later")


def test_a_newer_python_beside_an_old_one_is_found(make: Make, python: Install) -> None:
    python(version="3.9.2")
    python("python3.12", version="3.12.7")
    assert "Making .venv with Python 3.12.7" in make("setup").stdout


def test_a_python_that_was_asked_for_is_not_replaced(make: Make, python: Install) -> None:
    python("python3.12", version="3.12.7")
    python("mine", version="3.10.1")
    (line,) = complaint(make("setup", "PYTHON=mine"))
    assert line.startswith("mine is Python 3.10.1, too old")


@pytest.fixture
def ready(tree: Path) -> Path:
    """The tree after its set-up, with a real Python and a crawl.py of the test's own."""
    (tree / ".venv/bin").mkdir(parents=True)
    program = tree / ".venv/bin/python"
    program.write_text(f'#!/bin/sh\n[ "$2" = "import pip" ] || exec "{sys.executable}" "$@"\n')
    program.chmod(0o755)
    (tree / ".venv/.core").touch()
    return tree


@pytest.mark.parametrize(
    ("arguments", "seen"),
    [
        ([], ["--concurrency=200", "--seeds=seeds.txt"]),
        (["ARGS=https://example.com/ --max-pages=50"], ["https://example.com/", "--max-pages=50"]),
        (["ARGS=http://a.example/?q=*&page=2 --delay=0"], ["http://a.example/?q=*&page=2", "--delay=0"]),
        (["ARGS=--user-agent='My Bot/1' --contact=\"me too\""], ["--user-agent=My Bot/1", "--contact=me too"]),
        (["ARGS="], []),
    ],
)
def test_args_replace_the_default_arguments(make: Make, ready: Path, arguments: list[str], seen: list[str]) -> None:
    (ready / "crawl.py").write_text("import sys\nprint(sys.argv[1:])\n")
    result = make("crawl", *arguments)
    assert ast.literal_eval(result.stdout) == seen
    assert result.stderr == ""


def test_a_crawl_that_fails_is_not_hidden(make: Make, ready: Path) -> None:
    (ready / "crawl.py").write_text("raise SystemExit(3)\n")
    result = make("crawl")
    assert result.returncode != 0
    assert "Error 3" in result.stderr


@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGTERM])
def test_a_stop_lets_the_crawl_save_before_make_ends(ready: Path, path: Path, stop: signal.Signals) -> None:
    """Ctrl-C goes to make and to the crawl alike; make passes SIGTERM on. Both times it waits for the crawl."""
    (ready / "crawl.py").write_text(
        "import os, signal, sys, threading\n"
        "def save(*_):\n"
        "    threading.Event().wait(0.3)\n"
        "    os.write(1, b'saved')\n"
        "    sys.exit(130)\n"
        "signal.signal(signal.SIGINT, save)\n"
        "signal.signal(signal.SIGTERM, save)\n"
        "os.write(1, b'ready')\n"
        "signal.pause()\n"
    )
    command = [need("make", package="make"), "crawl"]
    with subprocess.Popen(
        command, cwd=ready, env={"PATH": str(path)}, stdout=subprocess.PIPE, bufsize=0, start_new_session=True
    ) as process:
        assert process.stdout
        assert process.stdout.read(100) == b"ready"
        if stop == signal.SIGINT:
            os.killpg(process.pid, stop)  # as a terminal does
        else:
            process.send_signal(stop)
        process.wait()
        os.set_blocking(process.stdout.fileno(), False)  # what is not there when make has ended came too late
        assert process.stdout.read(100) == b"saved"
        assert process.returncode != 0


def crawl(
    *options: str, folder: Path = HOME, environment: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run `python crawl.py` as these options of Python say, from another folder."""
    return subprocess.run(
        [sys.executable, *options, str(folder / "crawl.py")],
        cwd=folder.parent,
        env=environment or os.environ,
        capture_output=True,
        text=True,
        check=False,
    )


def test_without_the_dependencies_one_line_says_what_to_run() -> None:
    result = crawl("-S", "-E")  # without site-packages
    assert result.returncode == 2
    assert len(result.stderr.splitlines()) == 1
    assert " is not installed: run `make setup`, then `.venv/bin/python crawl.py`" in result.stderr
    assert "make crawl" in result.stderr


@pytest.mark.parametrize("own", ["import crawler.nothing", "from crawler import nothing", "import _of_the_library"])
def test_a_fault_of_our_own_is_not_taken_for_a_missing_dependency(tmp_path: Path, own: str) -> None:
    shutil.copy(HOME / "crawl.py", tmp_path)
    (tmp_path / "crawler").mkdir()
    (tmp_path / "crawler/run.py").write_text(f"import sys\nsys.stdlib_module_names |= {{'_of_the_library'}}\n{own}\n")
    result = crawl(folder=tmp_path)
    assert result.returncode == 1
    assert "Traceback" in result.stderr


def test_an_older_python_reads_crawl_py() -> None:
    ast.parse((HOME / "crawl.py").read_text(), feature_version=(3, 8))


def test_an_older_python_is_told_in_one_line() -> None:
    """Before anything else is imported, which that Python could not even read."""
    program = (
        "import runpy, sys\n"
        "sys.version_info, sys.version = (3, 8, 18, 'final', 0), '3.8.18 (main)'\n"
        f"runpy.run_path({str(HOME / 'crawl.py')!r}, run_name='__main__')\n"
    )
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert result.returncode == 2
    assert len(result.stderr.splitlines()) == 1
    assert "Python 3.11 or later is needed, and this is 3.8.18" in result.stderr
