"""Serves a generated web on loopback, in a process of its own: `python -m benchmarks.web`, or `serving` for parents.

It must never be what limits a crawl: a raw protocol, and answers that are rendered once and kept as bytes.
"""

import argparse
import asyncio
import json
import os
import re
import signal
import sys
import tempfile
import threading
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import Field, dataclass, fields
from http import HTTPStatus
from pathlib import Path
from string import ascii_uppercase
from types import NoneType
from typing import Any, NamedTuple, cast, get_args

from benchmarks.generated import Shape, Web

__all__ = ["Served", "Shape", "serving"]

_ROOT = Path(__file__).resolve().parent.parent
_START_TIMEOUT = 10.0  # seconds until a new server must listen; it takes a few tenths
_STOP_TIMEOUT = 5.0  # seconds after which a server that was asked to end is killed
_ENDLESS = "endless"  # None, as a flag

_KEPT = 256 * 2**20  # bytes of answers that are kept; what is beyond is rendered each time
_LARGEST_HEAD = 16 * 2**10  # bytes of a request
_LINGER = 1.0  # seconds in which a refused client may read why, before the connection is reset


@dataclass(frozen=True, slots=True)
class Served:
    """A web that is being served."""

    port: int
    seeds: list[str]  # the home page of each host
    pid: int


@asynccontextmanager
async def serving(shape: Shape, port: int = 0, address: str = "127.0.0.1") -> AsyncIterator[Served]:
    """Serve a web in a process of its own, which ends with the block, or when this process dies in any way.

    Port 0 is any free one. RuntimeError, in one line, when the server does not start: the port is taken, for example.
    """
    values = {spec.name: getattr(shape, spec.name) for spec in fields(shape)}
    flags = [f"{_flag(name)}={_ENDLESS if value is None else value}" for name, value in values.items()]
    with tempfile.TemporaryFile() as errors:  # not a pipe, which somebody would have to read while the server runs
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "benchmarks.web", f"--port={port}", f"--address={address}", "--until-eof", *flags),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=errors,
            limit=2**25,  # bytes: the line that it prints names every seed
            cwd=_ROOT,
            env=os.environ | {"PYTHONPATH": str(_ROOT)},  # for those who set PYTHONSAFEPATH
            start_new_session=True,  # Ctrl-C is for the crawler, which needs its web to finish what is under way
        )
        try:
            line = await _first_line(process)
            if not line:
                errors.seek(0)
                said = errors.read().decode(errors="replace").split("\n")
                raise RuntimeError(
                    f"the built-in web did not start: {' '.join(said[-2:]).strip() or 'it said nothing'}"
                )
            yield Served(pid=process.pid, **json.loads(line))
        finally:
            await _end(process)


async def _first_line(process: asyncio.subprocess.Process) -> bytes:
    """What a server says when it listens; nothing when it died or took too long."""
    assert process.stdout is not None
    try:
        async with asyncio.timeout(_START_TIMEOUT):
            return await process.stdout.readline()
    except TimeoutError:
        return b""


async def _end(process: asyncio.subprocess.Process) -> None:
    assert process.stdin is not None
    process.stdin.close()
    try:
        async with asyncio.timeout(_STOP_TIMEOUT):
            await process.communicate()
    except TimeoutError:
        process.kill()
        await process.communicate()


class Rendered(NamedTuple):
    """An answer as it goes over the wire."""

    message: bytes
    head: int  # bytes of `message` before the body
    delay: float  # seconds


class Shelf:
    """The answers of a web, each rendered when it is first asked for, and kept while there is room."""

    def __init__(self, web: Web) -> None:
        self._web = web
        self._kept: dict[tuple[bytes, bytes], Rendered] = {}
        self._room = _KEPT

    def get(self, host: bytes, target: bytes) -> Rendered:
        """The answer to a GET, by the values of the Host header and of the request line; both are ASCII."""
        rendered = self._kept.get((host, target))
        if rendered is None:
            rendered = self._render(host.decode("ascii"), target.decode("ascii"))
            self._room -= len(rendered.message) + len(host) + len(target) + 300  # bytes that the objects take, about
            if self._room > 0:
                self._kept[host, target] = rendered
        return rendered

    def _render(self, host: str, target: str) -> Rendered:
        answer = self._web.answer(host, target)
        head = _head(answer.status, answer.headers | {"Content-Length": str(len(answer.body))})
        return Rendered(head + answer.body, len(head), answer.delay)


def _head(status: int, headers: dict[str, str]) -> bytes:
    lines = [f"HTTP/1.1 {status} {HTTPStatus(status).phrase}", *(f"{name}: {value}" for name, value in headers.items())]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("ascii")


class Request(NamedTuple):
    """What is needed of a request."""

    method: bytes
    host: bytes
    target: bytes
    last: bool  # the client wants no other answer on this connection


# RFC 9112: a request line and fields. A target or a Host that is not ASCII is refused with the rest that is wrong.
_REQUEST = re.compile(rb"([A-Z]+) ([!-~]+) HTTP/1\.([01])((?:\r\n[!#$%&'*+.^_`|~0-9A-Za-z-]+:[^\r\n\0]*)*)")
_FIELD = re.compile(rb"\r\n(host|connection|content-length|transfer-encoding):[ \t]*([!-~ \t]*)", re.IGNORECASE)
_FIRST_BYTES = frozenset(b"\r\n" + ascii_uppercase.encode())


def parse(head: bytes) -> Request | None:
    """Read a request, without the empty line that ends it; None when it is wrong or has a body (RFC 9112)."""
    match = _REQUEST.fullmatch(head)
    if match is None:
        return None
    method, target, minor, rest = match.groups()
    hosts: list[bytes] = []
    last = minor == b"0"
    for name, value in _FIELD.findall(rest):
        match name.lower():
            case b"host":
                hosts.append(value.strip())
            case b"connection":
                last = last or b"close" in value.lower()
            case b"content-length" if value.strip() == b"0":
                pass
            case _ if method in (b"GET", b"HEAD"):
                return None
    if len(hosts) != 1 and (hosts or minor == b"1"):
        return None
    host = hosts[0] if hosts else b""
    if target.startswith(b"http://"):  # as clients ask a proxy; servers must take it too (RFC 9112, section 3.2.2)
        host, _, path = target.removeprefix(b"http://").partition(b"/")
        target = b"/" + path
    if not target.startswith(b"/") and method in (b"GET", b"HEAD"):
        return None
    return Request(method, host, target, last)


class Connection(asyncio.Protocol):
    """One client. Its requests are answered in order, the next one being read when the one before is answered."""

    _transport: asyncio.Transport

    def __init__(self, shelf: Shelf, loop: asyncio.AbstractEventLoop) -> None:
        self._shelf = shelf
        self._loop = loop
        self._buffer = bytearray()
        self._timer: asyncio.TimerHandle | None = None  # of an answer that is delayed
        self._clogged = False  # the client does not read what it asked for
        self._eof = False
        self._ending = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # of uvloop, it is one by its methods alone

    def connection_lost(self, exc: Exception | None) -> None:
        self._ending = True
        if self._timer is not None:
            self._timer.cancel()

    def data_received(self, data: bytes) -> None:
        if self._ending:
            return
        self._buffer += data
        self._answer_all()
        if self._held and len(self._buffer) > _LARGEST_HEAD and not self._ending:
            self._transport.pause_reading()

    def eof_received(self) -> bool:
        self._eof = True
        return self._held and not self._ending

    def pause_writing(self) -> None:
        self._clogged = True

    def resume_writing(self) -> None:
        self._clogged = False
        self._loop.call_soon(self._go_on)  # asyncio's transport cannot bear a close in here

    @property
    def _held(self) -> bool:
        return self._clogged or self._timer is not None

    def _go_on(self) -> None:
        """What held the connection up has passed."""
        if self._ending:
            return
        self._answer_all()
        if self._held or self._ending:
            return
        if self._eof:
            self._transport.close()
        else:
            self._transport.resume_reading()

    def _answer_all(self) -> None:
        while not self._held and not self._ending:
            end = self._buffer.find(b"\r\n\r\n", 0, _LARGEST_HEAD)
            if end < 0:
                if len(self._buffer) >= _LARGEST_HEAD or self._hopeless():
                    self._refuse(400)
                return
            head = bytes(self._buffer[:end]).lstrip(b"\r\n")  # empty lines may precede a request (RFC 9112, 2.2)
            del self._buffer[: end + 4]
            if head:
                self._answer(head)

    def _hopeless(self) -> bool:
        """Can no further bytes make a request of these?"""
        return bool(self._buffer) and (self._buffer[0] not in _FIRST_BYTES or b"\n\n" in self._buffer)

    def _answer(self, head: bytes) -> None:
        request = parse(head)
        if request is None:
            return self._refuse(400)
        if request.method not in (b"GET", b"HEAD"):
            return self._refuse(405, {"Allow": "GET, HEAD"})
        answer = self._shelf.get(request.host, request.target)
        message = answer.message if request.method == b"GET" else answer.message[: answer.head]
        if request.last:
            message = message.replace(b"\r\n", b"\r\nConnection: close\r\n", 1)
        if answer.delay > 0:
            self._timer = self._loop.call_later(answer.delay, self._send_late, message, request.last)
        else:
            self._send(message, request.last)
        return None

    def _send(self, message: bytes, last: bool) -> None:
        self._transport.write(message)
        if last:
            self._ending = True
            self._transport.close()

    def _send_late(self, message: bytes, last: bool) -> None:
        self._timer = None
        self._send(message, last)
        self._go_on()

    def _refuse(self, status: int, headers: dict[str, str] | None = None) -> None:
        """Answer what cannot be served, and close. A close at once would take the answer back while more comes in."""
        self._ending = True
        self._transport.write(_head(status, {"Content-Length": "0", "Connection": "close", **(headers or {})}))
        self._transport.write_eof()
        self._timer = self._loop.call_later(_LINGER, self._transport.close)


async def serve(shape: Shape, port: int, address: str, until_eof: bool) -> int:
    """Serve until a signal or the end of standard input; the program's exit code."""
    loop = asyncio.get_running_loop()
    web = Web(shape)
    shelf = Shelf(web)
    try:
        server = await loop.create_server(lambda: Connection(shelf, loop), address, port, backlog=1024)
    except OSError as error:
        print(f"cannot listen on {address}, port {port}: {error.strerror or error}", file=sys.stderr)
        return 2
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    if until_eof:
        # Not by the loop, which cannot watch every kind of file.
        threading.Thread(target=_wait_for_eof, args=(loop, stop), daemon=True).start()
    port = server.sockets[0].getsockname()[1]
    print(json.dumps({"port": port, "seeds": web.seeds(port)}), flush=True)
    await stop.wait()
    server.close()
    return 0


def _wait_for_eof(loop: asyncio.AbstractEventLoop, stop: asyncio.Event) -> None:
    while os.read(0, 4096):
        pass
    loop.call_soon_threadsafe(stop.set)


def _flag(name: str) -> str:
    return "--" + name.replace("_", "-")


def _reader(spec: "Field[Any]") -> Callable[[str], float | None]:
    """What reads a field of Shape from a flag."""
    optional = NoneType in get_args(spec.type)

    def number(text: str) -> int | None:
        return None if optional and text == _ENDLESS else int(text)

    return float if spec.type is float else number


def _runner() -> Callable[[Coroutine[Any, Any, int]], int]:
    try:
        import uvloop
    except ImportError:  # not on every system
        return asyncio.run
    return uvloop.run


def main() -> int:
    parser = argparse.ArgumentParser("python -m benchmarks.web", "%(prog)s [--FLAG=VALUE ...]", allow_abbrev=False)
    parser.add_argument("--port", type=int, default=0, help="0, the default, is any free port")
    parser.add_argument("--address", default="127.0.0.1", help="to listen on (default: %(default)s)")
    parser.add_argument("--until-eof", action="store_true", help="end when standard input is closed")
    for spec in fields(Shape):
        meaning = spec.metadata["meaning"].replace("None:", f"{_ENDLESS}:")
        parser.add_argument(
            _flag(spec.name), type=_reader(spec), default=spec.default, help=f"{meaning} (default: %(default)s)"
        )
    values = vars(parser.parse_args())
    port, address, until_eof = values.pop("port"), values.pop("address"), values.pop("until_eof")
    if not 0 <= port <= 65_535:
        parser.error(f"--port must be from 0 to 65535, not {port}")
    try:
        shape = Shape(**values)
    except ValueError as error:
        parser.error(str(error))
    return _runner()(serve(shape, port, address, until_eof))


if __name__ == "__main__":
    sys.exit(main())
