"""A small web that a test states page by page, served for real on loopback; it writes down who asks what, and when."""

import asyncio
import contextlib
import socket
import struct
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field


@dataclass
class Page:
    """One answer. `again` answers the first requests instead, one each."""

    body: bytes
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    delay: float = 0.0
    gate: asyncio.Event | None = None
    before: list["Page"] = field(default_factory=list)

    def is_what(self, arrival: "Arrival") -> bool:
        """Is it what a conditional request has already (RFC 9110, 13.2.2)?"""
        for asked, has in (("if-none-match", "ETag"), ("if-modified-since", "Last-Modified")):
            if asked in arrival.headers and has in self.headers:
                return self.status == 200 and arrival.headers[asked] == self.headers[has].lower()
        return False


@dataclass(frozen=True)
class Arrival:
    """One request, as the server saw it."""

    at: float  # monotonic seconds, by when the system received it: the test's own loop may be late
    host: str
    path: str
    headers: Mapping[str, str]  # all in lower case, the values too


class Site:
    """Every host of one port. A path that is not stated is a 404; so is robots.txt, unless stated."""

    def __init__(self) -> None:
        self.pages: dict[str, Page] = {}
        self.arrivals: list[Arrival] = []
        self.busy: dict[str, int] = {}
        self.most_busy: dict[str, int] = {}
        self.watch: Callable[[Arrival], None] = lambda arrival: None
        self.port = 0
        self.address = "127.0.0.1"
        self._port_keeper: socket.socket | None = None  # never listens
        self._server: asyncio.Server
        self._tasks: set[asyncio.Task[None]] = set()

    def page(self, path: str, *links: str, title: str = "", **options: object) -> Page:
        """State a page of HTML by its links."""
        anchors = "".join(f'<a href="{link}">{link}</a>' for link in links)
        body = f"<!doctype html><title>{title or path}</title>{anchors}".encode()
        return self.raw(path, body, **{"headers": {"Content-Type": "text/html; charset=utf-8"}, **options})

    def raw(self, path: str, body: bytes, **options: object) -> Page:
        """State an answer of any kind."""
        page = self.pages[path] = Page(body, **options)  # type: ignore[arg-type]  # the options are Page's fields
        return page

    def redirect(self, path: str, target: str, status: int = 302) -> Page:
        """State a redirect."""
        return self.raw(path, b"", status=status, headers={"Location": target})

    def url(self, path: str, host: str = "127.0.0.1") -> str:
        """The address of a path."""
        return f"http://{host}:{self.port}{path}"

    def reached(self, number: int) -> asyncio.Event:
        """Set once so many requests have come in all, robots.txt included; it takes the place of `watch`."""
        event = asyncio.Event()

        def look(_: Arrival) -> None:
            if len(self.arrivals) >= number:
                event.set()

        self.watch = look
        return event

    @property
    def asked(self) -> Sequence[str]:
        """The paths asked for, in order, robots.txt apart."""
        return [arrival.path for arrival in self.arrivals if arrival.path != "/robots.txt"]

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
                path = head.split(" ", 2)[1]
                fields = dict(line.lower().split(": ", 1) for line in head.split("\r\n")[1:] if ": " in line)
                arrival = Arrival(time.monotonic() - _lateness(writer), fields["host"], path, fields)
                self.arrivals.append(arrival)
                self.watch(arrival)
                await self._answer(writer, arrival)
        writer.close()

    async def _answer(self, writer: asyncio.StreamWriter, arrival: Arrival) -> None:
        busy = self.busy[arrival.host] = self.busy.get(arrival.host, 0) + 1
        self.most_busy[arrival.host] = max(self.most_busy.get(arrival.host, 0), busy)
        try:
            page = self.pages.get(arrival.path, Page(b"not here", status=404))
            page = page.before.pop(0) if page.before else page
            if page.is_what(arrival):
                page = Page(b"", status=304, headers=page.headers)
            if page.gate is not None:
                await page.gate.wait()
            await asyncio.sleep(page.delay)
        finally:
            self.busy[arrival.host] -= 1
        lines = [f"HTTP/1.1 {page.status} x", f"Content-Length: {len(page.body)}"]
        lines += [f"{name}: {value}" for name, value in page.headers.items()]
        writer.write("\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + page.body)
        await writer.drain()

    async def up(self) -> None:
        """Listen, at the port of the last time if there was one."""
        listening = _bound(self.port, self.address)
        if self._port_keeper is None:
            self.port = listening.getsockname()[1]
            self._port_keeper = _bound(self.port, self.address)
        self._server = await asyncio.start_server(self._accept, sock=listening)

    async def down(self) -> None:
        """Break off all connections, and refuse new ones. The port stays taken."""
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._server.wait_closed()

    async def close(self) -> None:
        """Let go of everything."""
        await self.down()
        if self._port_keeper is not None:
            self._port_keeper.close()

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(self._serve(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def _lateness(writer: asyncio.StreamWriter) -> float:
    """Seconds since the system received what came last over a connection; 0 where it does not tell."""
    if not hasattr(socket, "TCP_INFO"):
        return 0.0
    info = writer.get_extra_info("socket").getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 56)
    milliseconds: int = struct.unpack_from("I", info, 52)[0]  # tcpi_last_data_recv of linux/tcp.h
    return milliseconds / 1000


def _bound(port: int, address: str) -> socket.socket:
    """A socket at this port, beside others that do not listen; 0 is any free one."""
    bound = socket.socket()
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    bound.bind((address, port))
    return bound


@contextlib.asynccontextmanager
async def served(address: str = "127.0.0.1") -> AsyncIterator[Site]:
    """A site at a free port."""
    site = Site()
    site.address = address
    await site.up()
    try:
        yield site
    finally:
        await site.close()
