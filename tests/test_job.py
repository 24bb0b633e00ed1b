"""The job folder and its lock."""

import logging
import signal
import subprocess
import sys
import textwrap
import tomllib
from pathlib import Path

import pytest

from crawler.job import Job, JobError
from crawler.settings import Settings

HOLDER = textwrap.dedent("""
    import sys
    from pathlib import Path
    from crawler.job import Job
    job = Job(Path(sys.argv[1]))
    print("held", flush=True)
    sys.stdin.read()
""")


def holder(folder: Path) -> subprocess.Popen[str]:
    """Another process that holds the job until its standard input closes."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(folder)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    return process


def end(process: subprocess.Popen[str]) -> None:
    process.communicate(timeout=10)


def test_two_crawlers_cannot_have_one_job(tmp_path: Path) -> None:
    other = holder(tmp_path / "job")
    with pytest.raises(JobError, match=f"another process, number {other.pid}"):
        Job(tmp_path / "job")
    end(other)


def test_a_crawler_that_is_just_ending_is_waited_for(tmp_path: Path) -> None:
    other = holder(tmp_path / "job")
    assert other.stdin is not None
    other.stdin.close()  # it ends now, while we wait
    Job(tmp_path / "job").close()
    assert other.wait(10) == 0
    assert other.stdout is not None
    other.stdout.close()


def test_a_dead_crawler_leaves_no_lock(tmp_path: Path) -> None:
    other = holder(tmp_path / "job")
    other.send_signal(signal.SIGKILL)
    end(other)
    Job(tmp_path / "job").close()


def test_what_a_dead_crawler_has_started_holds_no_lock(tmp_path: Path) -> None:
    """A program that outlives the crawler, as the built-in web may for a moment, has not inherited the lock."""
    script = """
        import subprocess, sys
        from pathlib import Path
        from crawler.job import Job
        job = Job(Path(sys.argv[1]))
        child = "print('up', flush=True); input()"
        subprocess.run([sys.executable, "-c", child], close_fds=False)
    """
    with subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(script), str(tmp_path / "job")],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    ) as other:  # fmt: skip
        assert other.stdout is not None
        assert other.stdout.readline() == "up\n"
        other.send_signal(signal.SIGKILL)
        other.wait(10)
        Job(tmp_path / "job").close()  # the child lives on: it waits for a line of ours


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(JobError, match=r"file/job cannot be used: Not a directory"):
        Job(tmp_path / "file" / "job")


def test_what_the_job_must_remember_outlives_it(tmp_path: Path) -> None:
    job = Job(tmp_path)
    assert (job.demo_port, job.pinned, job.begun) == (0, {}, False)
    job.demo_port = 4711
    job.pinned = {"inner.example:80": ["10.0.0.7"]}
    job.save(Settings(urls=("http://inner.example/",), concurrency=7, header=(("Authorization", "secret"),)))
    job.close()
    again = Job(tmp_path)
    again.read()
    assert (again.demo_port, again.pinned, again.begun) == (4711, {"inner.example:80": ["10.0.0.7"]}, True)
    again.close()
    text = (tmp_path / "job.toml").read_text()
    assert tomllib.loads(text)["settings"]["concurrency"] == 7
    assert "secret" not in text


@pytest.mark.parametrize(
    "text", ["no = = toml", "demo = 5", "[demo]\nport = 'x'", "pinned = 1", "[pinned]\n'h:80' = 5"]
)
def test_a_broken_job_file_is_named(tmp_path: Path, text: str) -> None:
    (tmp_path / "job.toml").write_text(text)
    job = Job(tmp_path)
    with pytest.raises(JobError, match=r"job\.toml"):
        job.read()
    job.close()


def test_a_lock_cannot_be_removed(tmp_path: Path) -> None:
    other = holder(tmp_path / "job")
    (tmp_path / "job" / "lock").unlink()
    with pytest.raises(JobError, match="another process, number unknown"):
        Job(tmp_path / "job")
    end(other)


def test_what_cannot_be_thrown_away_is_named(tmp_path: Path) -> None:
    (tmp_path / "summary.json").mkdir()
    job = Job(tmp_path)
    with pytest.raises(JobError, match=r"summary\.json cannot be thrown away"):
        job.throw_away()
    job.close()


def test_throwing_away_leaves_what_is_not_ours(tmp_path: Path) -> None:
    ours = ("pages.jsonl", "pages-12.jsonl", "recrawl-1.jsonl", "recrawl-2-3.jsonl", "frontier.sqlite-wal", "crawl.log")
    theirs = ("frontier.sqlite.bak", "notes.txt", "pages-old.jsonl", "pages_copy.jsonl", "recrawl-mine.jsonl")
    for name in (*ours, "frontier.sqlite", *theirs):
        (tmp_path / name).write_text("something")
    job = Job(tmp_path)
    assert not any(name in place for place in job.places() for name in theirs)
    job.throw_away()
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([*theirs, "lock"])
    assert not job.has_records
    assert not job.begun
    job.close()


def test_many_parts_are_named_by_the_first_and_the_last(tmp_path: Path) -> None:
    for number in range(1, 13):
        (tmp_path / f"pages-{number}.jsonl").touch()
    for number in range(1, 4):
        (tmp_path / f"recrawl-1-{number}.jsonl").touch()
    job = Job(tmp_path)
    assert job.places() == [
        f"{tmp_path}/pages-1.jsonl ... {tmp_path}/pages-12.jsonl (12 files)",
        *(f"{tmp_path}/recrawl-1-{number}.jsonl" for number in range(1, 4)),
    ]
    job.close()


def test_throwing_away_that_is_cut_short_leaves_no_older_frontier(tmp_path: Path) -> None:
    """A frontier without its log would be that of an earlier moment, and be believed."""
    gone: list[str] = []
    for name in ("frontier.sqlite-wal", "frontier.sqlite-shm", "frontier.sqlite"):
        (tmp_path / name).touch()
    job = Job(tmp_path)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Path, "unlink", lambda path: gone.append(path.name))
        job.throw_away()
    job.close()
    assert gone[0] == "frontier.sqlite"


def test_a_log_that_cannot_be_written_is_no_trouble_of_its_own(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    job = Job(tmp_path)
    handler = job.log_handler()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(handler, "emit", lambda record: handler.handleError(record))
        for error in (OSError("no space left"), ValueError("a bug")):
            try:
                raise error
            except (OSError, ValueError):
                handler.handle(logging.LogRecord("x", logging.INFO, "", 0, "event", (), None))
    said = capsys.readouterr().err
    assert "no space left" not in said
    assert "a bug" in said
    handler.close()
    job.close()


def test_an_event_stays_on_one_line_of_the_log(tmp_path: Path) -> None:
    job = Job(tmp_path)
    handler = job.log_handler()
    handler.handle(logging.LogRecord("x", logging.INFO, "", 0, "bad %s", ("\x1b[2J\nfake \u202e",), None))
    handler.close()
    job.close()
    (line,) = (tmp_path / "crawl.log").read_text().splitlines()
    assert line.endswith(r"INFO x: bad \x1b[2J\nfake \u202e")
