"""--export on real jobs, and how its file comes to be."""

import asyncio
import contextlib
import csv
import re
import sys
from io import StringIO
from pathlib import Path

import pytest

from crawler.export import COLUMNS, ExportError, writing
from tests.crawling import QUICK, ROOT, Crawl, crawl
from tests.site import Site


def rows(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(StringIO(text, newline="")))


async def test_every_known_url_is_a_line(site: Site, job: Path) -> None:
    site.raw("/robots.txt", b"User-agent: *\nDisallow: /secret")
    site.page("/", "/a,b", "/secret", "/big")
    site.raw("/big", b"x" * 2000)
    await crawl(job, *QUICK, "--max-body=1k", site.url("/"))
    run = await crawl(job, "--export=urls.csv")
    assert (run.code, run.out, run.err) == (0, "4 URLs written to urls.csv\n", "")
    home, file = site.url("/"), job.parent / "urls.csv"
    assert file.read_bytes().decode() == "".join(
        f"{line}\r\n"
        for line in (
            "url,state,status,depth,parent,reason,attempts",
            f"{home},crawled,200,0,,,1",
            f'"{home}a,b",crawled,404,1,{home},,1',
            f"{home}secret,refused,,1,{home},robots,0",
            f"{home}big,failed,200,1,{home},too_large,1",
        )
    )
    assert sorted(path.name for path in job.parent.iterdir()) == ["job", "urls.csv"]
    out = await crawl(job, "--export=-")
    assert (out.code, rows(out.out)) == (0, rows(file.read_text()))


async def test_no_cell_begins_as_a_formula(site: Site, job: Path) -> None:
    """Whatever a hostile page links to: a spreadsheet takes =, +, -, @, tab and CR for a beginning."""
    hostile = ["=cmd|' /C calc'!A0", "+1", "-1", "@SUM(1)", "/=1+1", "?=1", "\t=1", '/"=1', "//=evil/", "/%0d%0a=1"]
    site.raw("/", "".join(f"<a href='{link.replace(chr(39), '&#39;')}'>x</a>" for link in hostile).encode())
    site.pages["/"].headers = {"Content-Type": "text/html"}
    await crawl(job, *QUICK, "--scope=any", "--private=allow", "--max-depth=1", site.url("/"))
    run = await crawl(job, "--export=-")
    told = rows(run.out)
    assert len(told) >= len(hostile) - 1
    for row in told:
        assert set(row) == set(COLUMNS)
        assert all(re.match(r"https?://|[a-z_]+\Z|\d+\Z|\Z", cell) for cell in row.values()), row


async def test_a_job_is_exported_while_it_runs(site: Site, job: Path) -> None:
    gate = asyncio.Event()
    site.page("/", "/never")
    site.page("/never", gate=gate)
    asked = asyncio.Event()
    site.watch = lambda arrival: asked.set() if arrival.path == "/never" else None
    running = await Crawl.start(job, *QUICK, site.url("/"))
    await asked.wait()
    run = await crawl(job, "--export=-")
    assert [row["state"] for row in rows(run.out)] == ["crawled", "waiting"]
    gate.set()
    assert (await running.end()).code == 0
    assert not list(job.glob("frontier.sqlite-*"))


async def test_what_cannot_be_exported_is_one_line(site: Site, job: Path) -> None:
    async def error(*arguments: str) -> str:
        run = await crawl(job, *arguments)
        assert run.code == 2
        assert re.fullmatch(r"crawl\.py: [^\n]+\n", run.err)
        return run.err

    assert "there is no job" in await error("--export=urls.csv")
    await crawl(job, *QUICK, site.url("/"))
    assert "missing/urls.csv cannot be written: No such file" in await error("--export=missing/urls.csv")
    assert "job cannot be written: Is a directory" in await error("--export=job")
    assert "only one of them" in await error("--export=urls.csv", "--explain=http://example.com/")
    (job / "frontier.sqlite").write_bytes(b"no database" * 1000)
    (job.parent / "urls.csv").write_text("an older one")
    assert "frontier.sqlite" in await error("--export=urls.csv")
    assert (job.parent / "urls.csv").read_text() == "an older one"
    assert sorted(path.name for path in job.parent.iterdir()) == ["job", "urls.csv"]


async def test_a_reader_that_has_enough_is_no_error(site: Site, job: Path) -> None:
    site.page("/", *(f"/{number:0200}" for number in range(2000)))
    await crawl(job, *QUICK, "--max-pages=1", site.url("/"))
    command = f'"{sys.executable}" "{ROOT / "crawl.py"}" --job="{job}" --export=-; echo "code $?" >&2'
    shell = await asyncio.create_subprocess_exec(
        "sh", "-c", f"({command}) | head -n 1", stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    out, err = await shell.communicate()
    assert (out, err) == (b"url,state,status,depth,parent,reason,attempts\r\n", b"code 0\n")


def test_a_file_stands_under_its_name_only_when_it_is_whole(tmp_path: Path) -> None:
    file = tmp_path / "urls.csv"
    file.write_text("old")
    link = tmp_path / "link.csv"
    link.symlink_to(file)
    with contextlib.suppress(KeyboardInterrupt), writing(str(file)) as out:
        out.write("half")
        out.flush()
        assert file.read_text() == "old"
        raise KeyboardInterrupt
    assert file.read_text() == "old"
    with writing(str(link)) as out:
        out.write("new")
    assert (file.read_text(), link.is_symlink()) == ("new", True)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["link.csv", "urls.csv"]


def test_a_device_is_written_to_as_it_is() -> None:
    with writing("/dev/null") as out:
        out.write("nothing")
    assert not Path("/dev/null").is_file()
    with pytest.raises(ExportError, match="No space left"), writing("/dev/full") as out:
        out.write("nothing")
