"""Gzip files (RFC 1952) as they come, a little of their content at a time, so that no bomb fills the memory."""

import zlib
from collections.abc import Iterator

_MAGIC = b"\x1f\x8b"
_PIECE = 65_536  # bytes at a time, in and out
_MOST_MEMBERS = 10_000  # of one file: block-wise writers make some hundred of 50 MB


class Gunzip:
    """Content of what may be a gzip file or not: what does not begin as one passes as it is."""

    def __init__(self) -> None:
        self.problem: str | None = None  # why the content is not whole, for people; known after `close`
        self._start = b""
        self._is_gzip: bool | None = None
        self._inflate = zlib.decompressobj(wbits=31)
        self._members = 1

    def feed(self, data: bytes) -> Iterator[bytes]:
        """The content of a piece of the file, in pieces of 64 KB at most; it is inflated while one iterates."""
        if self._is_gzip is None:
            data = self._start + data
            if len(data) < len(_MAGIC):
                self._start = data
                return
            self._is_gzip = data.startswith(_MAGIC)
        for begin in range(0, len(data), _PIECE):
            piece = data[begin : begin + _PIECE]
            if self._is_gzip:
                yield from self._content(piece)
            else:
                yield piece

    def close(self) -> Iterator[bytes]:
        """What was held back; the file has ended."""
        if self._is_gzip is None:
            yield self._start
        elif self._is_gzip and not self._inflate.eof:
            self.problem = self.problem or "the gzip file breaks off"

    def _content(self, data: bytes) -> Iterator[bytes]:
        content = b""
        while self.problem is None and (data or len(content) == _PIECE):  # zlib may hold content when all is taken in
            if self._inflate.eof:  # further members are further content; anything else behind one is none
                if not data or not _MAGIC.startswith(data[:2]):
                    return
                self._members += 1
                if self._members > _MOST_MEMBERS:
                    self.problem = f"the gzip file has more than {_MOST_MEMBERS:,} members"
                    return
                self._inflate = zlib.decompressobj(wbits=31)
            try:
                content = self._inflate.decompress(data, _PIECE)
            except zlib.error as error:
                self.problem = f"the gzip file is broken: {error}"
                return
            data = self._inflate.unused_data if self._inflate.eof else self._inflate.unconsumed_tail
            if content:
                yield content
