"""Live figures for all who watch."""

import asyncio
import socket
from collections.abc import Sequence
from http import HTTPStatus

from tornado.ioloop import PeriodicCallback
from tornado.websocket import WebSocketClosedError, WebSocketHandler

from crawler.stats import Point
from crawler.status import Watched
from crawler.status.handlers import FieldError, GuardedHandler
from crawler.status.view import look, status, to_json

_GOING_AWAY = 1001  # RFC 6455, 7.4.1
_UNREAD_LIMIT = 64 * 1024  # bytes that the system may hold for a watcher who does not read


class Live:
    """One timer for all who watch: a snapshot is made once for all of them, and none when nobody watches."""

    def __init__(self, watched: Watched, every: float) -> None:
        self._watched = watched
        self._watchers: set[LiveHandler] = set()
        self._timer = PeriodicCallback(self._tick, every * 1000)

    def join(self, watcher: "LiveHandler") -> None:
        """Give a new watcher the figures and the whole history now, and figures at each tick from then on."""
        watcher.offer(self._message(self._watched.history()))
        self._watchers.add(watcher)
        if not self._timer.is_running():
            self._timer.start()

    def leave(self, watcher: "LiveHandler") -> None:
        """Forget a watcher, who may have left before."""
        self._watchers.discard(watcher)
        if not self._watchers:
            self._timer.stop()

    def close(self) -> None:
        """Give all watchers the last figures, and end their connections without waiting for them."""
        try:
            if self._watchers:
                self._tick()
        finally:
            for watcher in list(self._watchers):
                watcher.end()
                self.leave(watcher)

    def _tick(self) -> None:
        message = self._message(self._watched.history()[-1:])
        for watcher in self._watchers:
            watcher.offer(message)

    def _message(self, points: Sequence[Point]) -> bytes:
        return to_json(status(self._watched.snapshot()) | {"view": look(self._watched, points)})


class LiveHandler(GuardedHandler, WebSocketHandler):
    """/live: the object of /api/status again and again, with what the page shows beside it under `view`.

    The first message has the whole history in `view.points`, the others its latest point. A watcher who reads slowly
    misses messages, and gets the newest when he is ready. What he sends is ignored.
    """

    def prepare(self) -> None:
        """Refuse pages that are not ours; a browser always says whose page opens a WebSocket."""
        super().prepare()
        origin = self.request.headers.get("Origin")
        if origin is not None and not self.door.admits_origin(origin, self.request.host):
            raise FieldError(HTTPStatus.FORBIDDEN, "Origin: pages of other sites may not watch")

    def check_origin(self, origin: str) -> bool:
        """What `prepare` lets in, even where Tornado alone would not: behind a proxy that rewrites Host."""
        return True

    def open(self, *args: str, **kwargs: str) -> None:
        """Begin to watch."""
        self._sending: asyncio.Future[None] | None = None
        connection = self.ws_connection
        if connection is not None and connection.stream is not None:
            # Without this the system would store megabytes of stale figures for a watcher who does not read.
            connection.stream.socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _UNREAD_LIMIT)
        live: Live = self.settings["live"]
        live.join(self)

    def on_message(self, message: str | bytes) -> None:
        """Ignore what watchers say."""

    def on_close(self) -> None:
        """No more watched by this one."""
        live: Live = self.settings["live"]
        live.leave(self)

    def offer(self, message: bytes) -> None:
        """Send a message, unless the last one is still on its way."""
        if self._sending is not None and not self._sending.done():
            return
        try:
            self._sending = asyncio.ensure_future(self.write_message(message))
        except WebSocketClosedError:
            return
        # A connection that breaks is noticed by on_close; asyncio would complain that nobody asked for this error.
        self._sending.add_done_callback(lambda sent: sent.cancelled() or sent.exception())

    def end(self) -> None:
        """Close the connection now. The usual handshake would give a silent watcher five seconds more."""
        connection = self.ws_connection
        self.close(_GOING_AWAY, "the status page is closing")
        if connection is not None:
            connection.on_connection_close()
