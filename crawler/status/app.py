"""The status page as a Tornado application, and its listening on the crawl's own IOLoop."""

import errno
import ipaddress
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import tornado.log
from tornado.httpserver import HTTPServer
from tornado.web import Application, RequestHandler, url

from crawler.model import UserError
from crawler.status import Watched, handlers, modules
from crawler.status.door import Door
from crawler.status.live import Live, LiveHandler

_HERE = Path(__file__).parent
_NEXT_PORTS = 100  # ports tried above the default one when it is taken


class ListenError(UserError):
    """The status page cannot listen where it should; the message is one line for the user."""


class PortTaken(ListenError):  # noqa: N818 (what happened says more than "Error")
    """Another program listens on the port."""


def make_app(watched: Watched, *, names: Sequence[str] = (), every: float = 1.0) -> Application:
    """The application that shows `watched`.

    `names` are host names, beside those of loopback and the bound address, by which it may be asked for. `every` is the
    time between two snapshots for those who watch live, in seconds.
    """
    return Application(
        [
            url(r"/", handlers.PageHandler, name="page"),
            url(r"/api/status", handlers.StatusHandler, name="status"),
            url(r"/api/hosts", handlers.HostsHandler, name="hosts"),
            url(r"/api/hosts/([^/]+)", handlers.HostHandler, name="host"),
            url(r"/api/recent", handlers.RecentHandler, name="recent"),
            url(r"/api/errors", handlers.ErrorsHandler, name="errors"),
            url(r"/api/explain", handlers.ExplainHandler, name="explain"),
            url(r"/healthz", handlers.HealthHandler, name="health"),
            url(r"/live", LiveHandler, name="live"),
        ],
        watched=watched,
        door=Door(names),
        live=Live(watched, every),
        default_handler_class=handlers.NotFoundHandler,
        template_path=_HERE / "templates",
        static_path=_HERE / "static",
        static_handler_class=handlers.GuardedStaticHandler,
        ui_modules=modules,
        compress_response=True,
        log_function=_log_request,
        websocket_max_message_size=1024,  # watchers have nothing to say
        websocket_ping_interval=20,  # a watcher that vanished without a word is let go
    )


def _log_request(handler: RequestHandler) -> None:
    # Requests for the page are no news of the crawl, and must not bury its log.
    log = tornado.log.access_log.error if handler.get_status() >= 500 else tornado.log.access_log.debug
    log("%d %s %s", handler.get_status(), handler.request.method, handler.request.path)


@dataclass(slots=True)
class Listening:
    """A status page that can be asked for."""

    url: str
    port: int
    _server: HTTPServer
    _live: Live

    async def close(self) -> None:
        """Send watchers the last figures, and end all connections at once, whether or not anybody still reads."""
        self._server.stop()
        self._live.close()
        await self._server.close_all_connections()


async def listen(app: Application, address: str, port: int, given: bool) -> Listening:
    """Listen on the running loop, at a loopback address. Port 0 is any free port.

    A taken port that was `given` by the user raises PortTaken; the default one moves on to the next that is free.
    Raises ListenError for what else the system refuses, and for an address that others could reach.
    """
    listener = _bind(*_resolve(address), port, 0 if given else _NEXT_PORTS)
    bound, port = listener.getsockname()[:2]
    app.settings["door"].open_for(address)
    server = HTTPServer(
        app,
        max_header_size=16 * 1024,
        max_body_size=16 * 1024,
        max_buffer_size=256 * 1024,
        idle_connection_timeout=60,
        body_timeout=10,
    )
    server.add_socket(listener)
    host = f"[{bound}]" if ":" in bound else bound
    return Listening(f"http://{host}:{port}/", port, server, app.settings["live"])


def _resolve(address: str) -> tuple[socket.AddressFamily, str]:
    """The loopback address that is meant; of several, as localhost has them, the IPv4 one."""
    try:
        found = socket.getaddrinfo(address, None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        raise ListenError(f"the status page cannot listen on {address!r}: this is no address") from None
    family, bound = min((family, str(sockaddr[0])) for family, *_, sockaddr in found)
    if not ipaddress.ip_address(bound).is_loopback:
        raise ListenError(f"the status page listens on loopback addresses only, and {address} is not one of them")
    return family, bound


def _bind(family: socket.AddressFamily, address: str, port: int, further: int) -> socket.socket:
    """Listen on the port, or on the first free one of so many further ones."""
    last = min(port + further, 65535)
    for candidate in range(port, last + 1):
        try:
            listener = socket.create_server((address, candidate), family=family, backlog=128)
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                raise ListenError(f"the status page cannot listen on {address}:{candidate}: {error.strerror}") from None
        else:
            listener.setblocking(False)
            return listener
    ports = f"port {port} is" if last == port else f"ports {port} to {last} are"
    raise PortTaken(f"the status page cannot listen on {address}: {ports} taken by other programs")
