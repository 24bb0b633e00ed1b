"""The contract `Store`, over the table of stores; then what is particular to one of them."""

import dataclasses
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson
import pytest

from storage import STORES, make
from storage.record import Record, Store, StoreError


def record(url: str, **changes: Any) -> Record:
    """A record as a small page gives it."""
    plain = Record(
        url=url, status=200, error=None, depth=1, parent="http://a.example/", redirect_to=None,
        fetched_at="2025-11-20T08:00:00.000Z", elapsed=0.12, attempts=1, ip="192.0.2.1", http_version="1.1",
        content_type="text/html", charset="utf-8", bytes=1234, sha256="ab" * 32, title="Title", description=None,
        canonical=None, lang="en", robots=None, links=["http://a.example/next"], data=None, facts=None, text=None,
        change=None,
    )  # fmt: skip
    return dataclasses.replace(plain, **changes)


def jsonl(folder: Path) -> list[dict[str, Any]]:
    return [orjson.loads(line) for line in (folder / "pages.jsonl").read_bytes().splitlines()]


READERS: dict[str, Callable[[Path], list[dict[str, Any]]]] = {"jsonl": jsonl}
"""How each store's records are read back by something that is not the store."""


@pytest.fixture(params=STORES)
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def urls_in(name: str, folder: Path) -> list[str]:
    return [row["url"] for row in READERS[name](folder)]


async def open_store(name: str, folder: Path, position: int) -> Store:
    store = make(name, folder)
    await store.open(position)
    return store


async def test_records_come_back_with_every_field(name: str, tmp_path: Path) -> None:
    kept = [
        record("http://a.example/", title='Zoë says "hi"\n\u2028', links=[], robots=["nofollow"], data={"price": 1.5}),
        record("http://a.example/gone", status=None, error="timeout: no answer within 30 s", sha256=None, title=None),
    ]
    store = await open_store(name, tmp_path, 0)
    await store.append(kept)
    await store.close()
    assert READERS[name](tmp_path) == [dataclasses.asdict(one) for one in kept]


async def test_a_batch_that_was_not_noted_leaves_no_trace(name: str, tmp_path: Path) -> None:
    """Killed between the store's flush and the frontier's commit: nothing doubled."""
    store = await open_store(name, tmp_path, position=0)
    noted = await store.append([record("/a"), record("/b")])
    await store.append([record("/c")])  # flushed; the kill came before the commit
    again = await open_store(name, tmp_path, position=noted)
    await again.append([record("/c"), record("/d")])
    assert urls_in(name, tmp_path) == ["/a", "/b", "/c", "/d"]
    await store.close()
    await again.close()


async def test_a_batch_can_be_read_as_soon_as_append_returns(name: str, tmp_path: Path) -> None:
    store = await open_store(name, tmp_path, 0)
    first = await store.append([record("/a")])
    assert urls_in(name, tmp_path) == ["/a"]
    second = await store.append([record("/b"), record("/c")])
    assert urls_in(name, tmp_path) == ["/a", "/b", "/c"]
    assert 0 < first < second
    await store.close()


async def test_what_was_noted_is_kept_when_the_store_goes_on(name: str, tmp_path: Path) -> None:
    store = await open_store(name, tmp_path, 0)
    noted = await store.append([record("/a")])
    await store.close()
    await store.open(noted)
    assert await store.append([record("/b")]) > noted
    await store.close()
    assert urls_in(name, tmp_path) == ["/a", "/b"]


async def test_opening_at_zero_starts_over(name: str, tmp_path: Path) -> None:
    store = await open_store(name, tmp_path, 0)
    await store.append([record("/a")])
    await store.close()
    again = await open_store(name, tmp_path, 0)
    await again.append([record("/b")])
    await again.close()
    assert urls_in(name, tmp_path) == ["/b"]


async def test_an_empty_batch_moves_nothing(name: str, tmp_path: Path) -> None:
    store = await open_store(name, tmp_path, 0)
    noted = await store.append([record("/a")])
    assert await store.append([]) == noted
    await store.close()


async def test_close_may_be_called_twice_and_before_open(name: str, tmp_path: Path) -> None:
    store = make(name, tmp_path)
    await store.close()
    await store.open(0)
    await store.close()
    await store.close()


async def test_less_than_was_noted_is_refused_in_one_line(name: str, tmp_path: Path) -> None:
    store = await open_store(name, tmp_path, 0)
    noted = await store.append([record("/a")])
    await store.close()
    with pytest.raises(StoreError, match=r"^[^\n]+$"):
        await store.open(noted + 1)
    await store.close()
    await store.open(noted)  # the refusal has cut nothing
    await store.close()
    assert urls_in(name, tmp_path) == ["/a"]


async def test_a_missing_folder_is_named_in_one_line(name: str, tmp_path: Path) -> None:
    store = make(name, tmp_path / "gone")
    with pytest.raises(StoreError, match=r"^[^\n]*gone[^\n]*No such file or directory$"):
        await store.open(0)
    await store.close()


async def test_what_json_cannot_hold_costs_no_batch(name: str, tmp_path: Path) -> None:
    nested: list[Any] = []
    for _ in range(400):
        nested = [nested]
    odd = record(
        "/odd",
        title="a\ud800b \ud83d\ude00",  # a lone surrogate, and a pair written as two
        data={"big": 10**30, "nested": nested, "\udfff": [float("nan"), (1, True)]},
    )
    store = await open_store(name, tmp_path, 0)
    await store.append([record("/a"), odd, record("/b")])
    await store.close()
    assert urls_in(name, tmp_path) == ["/a", "/odd", "/b"]
    row = READERS[name](tmp_path)[1]
    assert row["title"] == "a\ufffdb \U0001f600"
    assert row["data"]["big"] == str(10**30)
    assert row["data"]["\ufffd"] == [None, [1, True]]
    assert row["links"] == odd.links


FULL_DISK = """
import asyncio, resource, signal, sys
from pathlib import Path
from storage import make
from storage.record import StoreError
from tests.test_stores import record

async def main(name: str, folder: Path) -> None:
    store = make(name, folder)
    await store.open(0)
    noted = await store.append([record("/a")])
    _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (noted + 5000, hard))
    batch = [record(f"/{number}") for number in range(100)]
    for _ in range(2):  # it stays full for a while
        try:
            await store.append(batch)
        except StoreError as error:
            assert "\\n" not in str(error)
        else:
            raise AssertionError("the disk was to be full")
        await store.close()
        await store.open(noted)
    resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
    await store.append(batch)
    await store.close()

signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
asyncio.run(main(sys.argv[1], Path(sys.argv[2])))
"""


def test_a_full_disk_is_an_error_that_passes(name: str, tmp_path: Path) -> None:
    """The file may not grow, which is how a full disk looks; close, open at the noted position, and try again."""
    pytest.importorskip("resource", reason="file size limits exist only on Unix")
    child = subprocess.run(
        [sys.executable, "-c", FULL_DISK, name, tmp_path],
        cwd=Path(__file__).parents[1], capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert child.returncode == 0, child.stderr
    assert urls_in(name, tmp_path) == ["/a", *(f"/{number}" for number in range(100))]


def test_an_unknown_store_is_named_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=r"^there is no store 'banana'; there are jsonl"):
        make("banana", tmp_path)


def test_making_a_store_touches_nothing(name: str, tmp_path: Path) -> None:
    make(name, tmp_path)
    assert list(tmp_path.iterdir()) == []


async def test_jsonl_mends_a_line_torn_by_a_kill(tmp_path: Path) -> None:
    store = await open_store("jsonl", tmp_path, 0)
    noted = await store.append([record("/a")])
    await store.close()
    with (tmp_path / "pages.jsonl").open("ab") as file:
        file.write(b'{"url":"/b","stat')
    await store.open(noted)
    await store.append([record("/b")])
    await store.close()
    assert urls_in("jsonl", tmp_path) == ["/a", "/b"]


async def test_jsonl_that_may_not_be_written_is_named_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "pages.jsonl").mkdir()  # refused even to root, whom a read-only file would not stop
    store = make("jsonl", tmp_path)
    with pytest.raises(StoreError, match=r"^[^\n]*pages\.jsonl: Is a directory$"):
        await store.open(0)
    await store.close()


@pytest.mark.skipif(os.geteuid() == 0, reason="nothing is read-only to root")
async def test_jsonl_in_a_read_only_folder_is_named_in_one_line(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    store = make("jsonl", tmp_path)
    with pytest.raises(StoreError, match=r"^[^\n]*pages\.jsonl: Permission denied$"):
        await store.open(0)
    await store.close()


async def test_jsonl_notices_that_its_file_was_replaced(tmp_path: Path) -> None:
    store = make("jsonl", tmp_path)
    await store.open(0)
    position = await store.append([record("/a")])
    (tmp_path / "pages.jsonl").rename(tmp_path / "moved.jsonl")
    with pytest.raises(StoreError, match=r"pages\.jsonl"):
        await store.append([record("/b")])
    await store.close()
    (tmp_path / "moved.jsonl").rename(tmp_path / "pages.jsonl")
    await store.open(position)
    await store.append([record("/b")])
    await store.close()
    assert len((tmp_path / "pages.jsonl").read_bytes().splitlines()) == 2
