"""Records as JSON lines, in one file."""

import os
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import fields
from pathlib import Path
from typing import Any, Self

import aiofiles
import orjson
from aiofiles.threadpool.binary import AsyncBufferedIOBase

from storage.record import Record, StoreError

_DEEPEST = 100  # nested lists and objects that a mended record keeps; orjson itself ends at 254
_INTEGERS = range(-(2**63), 2**64)  # what orjson writes


class JsonlStore:
    """Records as JSON lines in UTF-8. A position is the file's length after a whole batch, in bytes.

    After an error: close, and open at the last noted position, as after a kill.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: AsyncBufferedIOBase | None = None

    @classmethod
    def of_job(cls, folder: Path, part: str) -> Self:
        """The store of a part of the job in this folder."""
        return cls(folder / f"{part}.jsonl")

    @classmethod
    def parts(cls, folder: Path, series: str) -> list[str]:
        """The parts of a series of which there is a file."""
        name = re.compile(rf"{re.escape(series)}(-[0-9]+)?")
        return [path.stem for path in folder.glob(f"{series}*.jsonl") if name.fullmatch(path.stem)]

    async def open(self, position: int) -> None:
        """Cut off what lies beyond `position`, a torn line too.

        StoreError if the file is shorter, or if no line ends there: then this is not what was noted.
        """
        assert self._file is None, "it is open already"
        with self._errors():
            if position == 0:
                self._file = await aiofiles.open(self._path, "wb")
                return
            try:
                self._file = await aiofiles.open(self._path, "r+b")  # which never makes a file that is gone
            except FileNotFoundError as error:
                raise StoreError(f"{self._path} is gone, of which {position} bytes were noted") from error
            length = await self._file.seek(0, os.SEEK_END)
            if length < position:
                raise StoreError(f"{self._path} has {length} bytes, fewer than the {position} that were noted")
            await self._file.seek(position - 1)
            if await self._file.read(1) != b"\n":
                raise StoreError(f"{self._path} was changed by another program: no record ends at byte {position}")
            await self._file.truncate(position)
            await self._file.seek(position)

    async def append(self, records: Sequence[Record]) -> int:
        """Write one batch, flush it to the system, return the new position."""
        assert self._file is not None, "it is not open"
        lines = b"".join([_line(record) for record in records])
        with self._errors():
            if not os.path.samestat(os.fstat(self._file.fileno()), self._path.stat()):
                raise StoreError(f"{self._path} was replaced while the crawl wrote to it")
            await self._file.write(lines)
            await self._file.flush()
            return await self._file.seek(0, os.SEEK_END)

    async def close(self) -> None:
        """Let go of the file; may be called after any error, and twice."""
        file, self._file = self._file, None
        if file is not None:
            with suppress(OSError):  # what a failed append left in the buffer: the next open cuts it off
                await file.close()

    @contextmanager
    def _errors(self) -> Iterator[None]:
        """Where the system's errors become ours."""
        try:
            yield
        except OSError as error:
            raise StoreError(f"{self._path}: {error.strerror}") from error


def _line(record: Record) -> bytes:
    try:
        return orjson.dumps(record, option=orjson.OPT_APPEND_NEWLINE)
    except TypeError:  # something that JSON cannot hold: one odd page must not cost the batch
        mended = {field.name: _mended(getattr(record, field.name)) for field in fields(record)}
        return orjson.dumps(mended, option=orjson.OPT_APPEND_NEWLINE)


def _mended(value: Any, depth: int = 0) -> Any:
    """The value as JSON can hold it: lone surrogates replaced, too large numbers as text, too deep nesting as null."""
    match value:
        case str():
            return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
        case None | bool() | float():
            return value
        case int():
            return value if value in _INTEGERS else str(value)
        case dict() if depth < _DEEPEST:
            return {_mended(str(key)): _mended(item, depth + 1) for key, item in value.items()}
        case list() | tuple() if depth < _DEEPEST:
            return [_mended(item, depth + 1) for item in value]
        case dict() | list() | tuple():
            return None
        case _:
            return _mended(str(value))
