"""A generated web, served in this very process, that writes down what it is asked for, so that one clock times all."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from benchmarks.generated import Web
from benchmarks.web import Connection, Rendered, Shape, Shelf


class Served(Shelf):
    """A generated web that writes down what it is asked for, and when."""

    def __init__(self, web: Web) -> None:
        super().__init__(web)
        self.web = web
        self.port = 0
        self.asked: list[tuple[float, str]] = []  # monotonic seconds and URL, robots.txt included
        self._enough: tuple[int, asyncio.Event] = (0, asyncio.Event())
        self._connections = 0
        self._deserted = asyncio.Event()
        self._deserted.set()

    def connected(self, change: int) -> None:
        """A client has come (1) or gone (-1)."""
        self._connections += change
        if self._connections:
            self._deserted.clear()
        else:
            self._deserted.set()

    async def deserted(self) -> None:
        """Wait until all clients are gone: what a killed one has asked for is written down then."""
        await self._deserted.wait()

    def get(self, host: bytes, target: bytes) -> Rendered:
        self.asked.append((time.monotonic(), f"http://{host.decode('ascii')}{target.decode('ascii')}"))
        number, event = self._enough
        if len(self.asked) >= number:
            event.set()
        return super().get(host, target)

    async def more(self, number: int) -> None:
        """Wait until so many more requests have come."""
        self._enough = (len(self.asked) + number, asyncio.Event())
        await self._enough[1].wait()


class _Counted(Connection):
    def __init__(self, served: Served, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(served, loop)
        self._served = served

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._served.connected(1)

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self._served.connected(-1)


@asynccontextmanager
async def serving(shape: Shape) -> AsyncIterator[Served]:
    """Serve a web from this very process, so that one clock times requests and kills."""
    loop = asyncio.get_running_loop()
    served = Served(Web(shape))
    server = await loop.create_server(lambda: _Counted(served, loop), "127.0.0.1", 0)
    served.port = server.sockets[0].getsockname()[1]
    try:
        yield served
    finally:
        server.close()
