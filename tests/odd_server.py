"""A server of misbehaviour: each path is named for what is odd about its answer."""

import asyncio
import gzip
import socket
import ssl
import struct
import zlib
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Self

ZEROS = 11_000_000  # bytes that the bombs decode to

_OK = b"HTTP/1.1 200 OK\r\n"
_BROTLI_BOMB = bytes.fromhex("cbffff3ff82700e2b14020f7fe2f7fb14ff04f00c46111801ef409")
_GZIP_BOMB = gzip.compress(bytes(ZEROS))


def _with_length(body: bytes, *headers: bytes) -> bytes:
    lines = [*headers, b"Content-Length: %d" % len(body)]
    return _OK + b"\r\n".join(lines) + b"\r\n\r\n" + body


ANSWERS = {
    "plain": _with_length(b"hello", b"Content-Type: text/plain"),
    "gzip": _with_length(gzip.compress(b"hello"), b"Content-Encoding: gzip"),
    "deflate": _with_length(zlib.compress(b"hello"), b"Content-Encoding: deflate"),
    "brotli": _with_length(bytes.fromhex("0b028068656c6c6f03"), b"Content-Encoding: br"),
    "gzip-twice": _with_length(gzip.compress(gzip.compress(b"hello")), b"Content-Encoding: gzip, gzip"),
    "chunked": _OK + b"Transfer-Encoding: chunked\r\n\r\n2\r\nhe\r\n3;ext=1\r\nllo\r\n0\r\n\r\n",
    "trailers": _OK + b"Transfer-Encoding: chunked\r\nA: head\r\n\r\n5\r\nhello\r\n0\r\nA: tail\r\nB: tail\r\n\r\n",
    "length-0": _OK + b"Content-Length: 0\r\n\r\n",
    "no-content": b"HTTP/1.1 204 No Content\r\n\r\n",
    "not-modified": b'HTTP/1.1 304 Not Modified\r\nETag: "1"\r\nContent-Length: 99999999\r\n\r\n',
    "redirect": b"HTTP/1.1 302 Found\r\nLocation: /plain\r\nContent-Length: 0\r\n\r\n",
    "redirect-nowhere": b"HTTP/1.1 301 Moved\r\nContent-Length: 4\r\n\r\ngone",
    "early-hints": b"HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n\r\n" * 3 + _with_length(b"hello", b"A: 1"),
    "no-reason": b"HTTP/1.1 200\r\nContent-Length: 5\r\n\r\nhello",
    "error-page": b"HTTP/1.1 503 Busy\r\nRetry-After: 7\r\nContent-Length: 4\r\n\r\nbusy",
    "odd-headers": _with_length(
        b"",
        b"Set-Cookie: a=1",
        b"set-cookie:b=2",
        b"X-Folded: one\r\n two\r\n\tthree",
        b"X-Space : 1",
        b"X-Empty:",
        b"X-Colons: a:b: c",
        b"X-Latin: caf\xe9",
        b"X-Tab:\tt\t",
        b"X-Robots-Tag: otherbot: noindex, nofollow",
        b"x-robots-tag: noindex",
    ),
    "status-999": b"HTTP/1.1 999 Denied\r\nContent-Length: 0\r\n\r\n",
    "length-too-large": _OK + b"Content-Length: 99999999\r\n\r\nx",
    "gzip-bomb": _with_length(_GZIP_BOMB, b"Content-Encoding: gzip"),
    "brotli-bomb": _with_length(_BROTLI_BOMB, b"Content-Encoding: br"),
    "no-gzip": _with_length(b"this is not compressed", b"Content-Encoding: gzip"),
    "broken-gzip": _with_length(gzip.compress(b"hello")[:-8] + bytes(8), b"Content-Encoding: gzip"),
    "unknown-coding": _with_length(b"hello", b"Content-Encoding: sdch"),
    "many-codings": _with_length(b"hello", b"Content-Encoding: " + b", ".join([b"gzip"] * 50)),
    "header-bomb": _OK + b"".join(b"X-%d: %s\r\n" % (n, b"x" * 90) for n in range(2000)) + b"\r\n",
    "header-line-bomb": _OK + b"X: " + b"x" * 300_000 + b"\r\n\r\n",
    "header-count-bomb": _OK + b"A:\r\n" * 9000 + b"\r\n",
    "hints-bomb": b"HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n\r\n" * 9000,
    "no-colon": _OK + b"no colon here\r\nContent-Length: 0\r\n\r\n",
    "lone-cr": _OK + b"A: b\rSet-Cookie: c\r\nContent-Length: 0\r\n\r\n",
    "nul-in-header": _OK + b"A: b\0c\r\nContent-Length: 0\r\n\r\n",
    "negative-length": _OK + b"Content-Length: -5\r\n\r\nhello",
    "two-lengths": _OK + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello!",
    "bad-chunk": _OK + b"Transfer-Encoding: chunked\r\n\r\nzz\r\nhello\r\n0\r\n\r\n",
    "http-7": b"HTTP/7.3 200 OK\r\nContent-Length: 0\r\n\r\n",
}
"""Sent as they are; the connection stays open."""

CUT = {
    "until-close": b"HTTP/1.0 200 OK\r\n\r\nhello",
    "garbage": b"SSH-2.0-OpenSSH_9.2\r\n",
    "binary": bytes(range(256)) * 20,
    "http-0.9": b"<html>hello</html>",
    "empty": b"",
    "half-a-status": b"HTTP/1.",
    "half-the-headers": _OK + b"Content-Type: te",
    "short-body": _OK + b"Content-Length: 99\r\n\r\nhello",
    "cut-chunk": _OK + b"Transfer-Encoding: chunked\r\n\r\nff\r\nhello",
    "no-last-chunk": _OK + b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
    "only-hints": b"HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n\r\n",
    "closes-after": _with_length(b"hello"),  # without having said so
}
"""Sent as they are; then the server closes."""


class OddServer:
    """Listens on a free port of 127.0.0.1; `async with` it. Sees what was asked."""

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        self.requests: list[str] = []  # heads, in order of arrival
        self.connections = 0
        self.asked = asyncio.Event()  # set at each request
        self.gone = asyncio.Event()  # set when a client has left `silence`
        self._tls = tls
        self._odd: dict[str, Callable[[asyncio.StreamReader, asyncio.StreamWriter, int], Awaitable[None]]] = {
            "silence": self._silence,
            "half-then-silence": self._half_then_silence,
            "drip": self._drip,
            "drip-head": self._drip_head,
            "endless": self._endless,
            "reset": self._reset,
            "reset-in-body": self._reset_in_body,
            "once-a-connection": self._once_a_connection,
        }

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0, ssl=self._tls)
        self.port: int = self._server.sockets[0].getsockname()[1]
        self._tasks: set[asyncio.Task[None]] = set()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def url(self, path: str, host: str = "127.0.0.1") -> str:
        return f"{'https' if self._tls else 'http'}://{host}:{self.port}/{path}"

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        self.connections += 1
        try:
            await self._answer_all(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass  # the client or the test has gone
        finally:
            writer.close()

    async def _answer_all(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nth = 0
        while not writer.is_closing():
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
            nth += 1
            self.requests.append(head)
            self.asked.set()
            path = head.split()[1][1:].partition("?")[0]
            if odd := self._odd.get(path):
                await odd(reader, writer, nth)
            elif path in CUT:
                writer.write(CUT[path])
                await writer.drain()
                return
            else:
                writer.write(ANSWERS.get(path, b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"))
                await writer.drain()

    async def _silence(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, nth: int) -> None:
        await reader.read()
        self.gone.set()
        writer.close()

    async def _half_then_silence(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, nth: int) -> None:
        writer.write(_OK + b"Content-Length: 99\r\n\r\nhello")
        await self._silence(reader, writer, nth)

    async def _drip_head(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, nth: int) -> None:
        writer.write(b"HTTP/1.1 20")
        while True:  # the line of the status never ends
            writer.write(b"0")
            await writer.drain()
            await asyncio.sleep(0.02)

    async def _drip(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, nth: int) -> None:
        writer.write(_OK + b"Content-Length: 99999\r\n\r\n")
        while True:
            writer.write(b".")
            await writer.drain()
            await asyncio.sleep(0.02)

    async def _endless(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, nth: int) -> None:
        writer.write(_OK + b"\r\n")
        while True:
            writer.write(bytes(100_000))
            await writer.drain()

    async def _reset(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, nth: int) -> None:
        # Closing with a linger of 0 s sends a TCP reset.
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        writer.transport.abort()

    async def _reset_in_body(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, nth: int) -> None:
        writer.write(_OK + b"Content-Length: 99999\r\n\r\nhello")
        await writer.drain()
        await self._reset(reader, writer, nth)

    async def _once_a_connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, nth: int) -> None:
        """What a server does whose idle timeout runs out just when the next request arrives."""
        if nth == 1:
            writer.write(ANSWERS["plain"])
        else:
            writer.close()
