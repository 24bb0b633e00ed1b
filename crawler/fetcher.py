"""One request for one URL, over libcurl. The only room that knows pycurl, but for what its errors mean.

Tornado's client drives the transfers on the loop. What a crawler needs beyond it is set on each handle by
`_Exchange.prepare`: limits on decoded bytes and headers while they stream, and the check of every address.
"""

import contextlib
import socket
import time
from collections.abc import Callable, Container, Iterable, Sequence

import pycurl
from tornado.curl_httpclient import CurlAsyncHTTPClient, CurlError
from tornado.httpclient import HTTPRequest
from tornado.httputil import HTTPHeaders, HTTPInputError

from crawler import curl_errors
from crawler.changes import conditions
from crawler.guard import Guard
from crawler.model import Failure, Visit
from crawler.settings import Settings
from parsers import urls
from parsers.page import Response

_MAX_HEADERS = 64_000  # bytes, of all header lines of an exchange together; what servers themselves allow is 8-32 KB
_SPARE = 16  # handles beyond `concurrency`, for robots.txt; Tornado queues silently what comes above
_CREDENTIALS = frozenset({"authorization", "cookie", "proxy-authorization"})
_CUT = "cut"  # why a transfer was broken off that has brought all that was wanted
_BUFFER = 128 * 1024  # bytes read from a socket at once; libcurl's own default is 16 KB


class FetchError(Exception):
    """The web brought no answer that can be used; `failure` says why."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(str(failure))
        self.failure = failure


class Fetcher:
    """Asks for URLs and never follows a redirect. To be made on the loop that it shall run on."""

    def __init__(
        self,
        *,
        guard: Guard,
        agent: str,
        headers: Iterable[tuple[str, str]] = (),
        own: Callable[[str], Iterable[tuple[str, str]]] = lambda host: (),
        trusted: Container[str] = (),
        concurrency: int,
        max_body: int,
        timeout: float,
        connect_timeout: float,
        ca_file: str | None = None,
    ) -> None:
        """`agent` is the User-Agent, and `headers` are sent with each request; ValueError if one of them is no header.

        Of those, what carries credentials goes to the hosts that are `trusted` (name and port) and to no other. `own`:
        more headers for a host alone, given its name and port, in place of those of the same name.
        `concurrency`: requests under way at once. `max_body`: decoded bytes of an answer. `timeout`: seconds of a whole
        exchange, of which connecting, with TLS, may take `connect_timeout`. `ca_file`: trusted authorities (PEM)
        instead of the system's, which pycurl finds by itself.
        """
        self.guard = guard
        self._max_body = max_body
        self._timeout = timeout
        self._connect_timeout = connect_timeout
        self._agent = agent
        self._own = own
        self._trusted = trusted
        self._headers, self._headers_of_trusted = HTTPHeaders(), HTTPHeaders()
        try:
            for name, value in headers:
                self._headers_of_trusted.add(name, value)
                if name.lower() not in _CREDENTIALS:
                    self._headers.add(name, value)
        except HTTPInputError as error:
            raise ValueError(str(error)) from error
        self._ca_file = ca_file
        self._client = _Client(force_instance=True, max_clients=concurrency + _SPARE)
        self._client.keep_open(concurrency + _SPARE)

    async def fetch(
        self,
        url: str,
        *,
        addresses: Sequence[str] = (),
        sent: Callable[[], None] = lambda: None,
        before: Visit | None = None,
        max_body: int | None = None,
        cut: bool = False,
    ) -> Response:
        """Get one URL, serialised as the WHATWG says; `max_body` takes the place of the fetcher's own.

        `addresses`: where the host's name leads; without them libcurl asks the system, in one of its few threads.
        `sent` is called when a connection is ready, right before the request goes out: once, or again on another
        connection; if it never goes out, when that is certain. With `cut`, a larger body is cut there and is no error.
        `before` is an earlier visit: if the page is what it was then, the server may answer 304 Not Modified instead.

        Raises FetchError for all that the web can do. May be cancelled at any time; the transfer itself then goes on
        unseen to its end or timeout, because Tornado's client cannot abort one.
        """
        try:
            host = urls.host(url)
        except ValueError:
            host = ""
        exchange = _Exchange(self.guard, host, addresses, self._max_body if max_body is None else max_body, cut, sent)
        try:
            return await self._ask(url, host, exchange, before)
        finally:
            if not exchange.went_out:
                sent()

    async def _ask(self, url: str, host: str, exchange: "_Exchange", before: Visit | None) -> Response:
        if not host or not url.startswith(("http://", "https://")) or not url.isascii():
            raise FetchError(Failure("bad_url", "not an absolute http or https URL"))
        headers = self._headers_of_trusted if host in self._trusted else self._headers
        if own := self._own(host):
            headers = headers.copy()
            headers.update(own)
        if before is not None:
            headers = headers.copy()
            headers.update(conditions(before))
        request = HTTPRequest(
            url,
            headers=headers,
            user_agent=self._agent,
            follow_redirects=False,
            connect_timeout=self._connect_timeout,
            request_timeout=self._timeout,
            ca_certs=self._ca_file,
            prepare_curl_callback=exchange.prepare,
        )
        try:
            await self._client.fetch(request, raise_error=False)
        except CurlError as error:
            if exchange.stopped != _CUT:
                raise FetchError(self._failure(exchange, error.errno, error.message or "")) from error
        except pycurl.error as error:  # libcurl would not even take the URL, such as one of 8 MB
            raise FetchError(Failure("bad_url", _printable(str(error.args[-1])))) from error
        status, version = exchange.status_line()
        if not exchange.headers_ended:  # libcurl takes the end of the connection for the end of the headers
            raise FetchError(Failure("reset", "the connection was lost within the headers", status))
        if status is None or not 100 <= status <= 599:
            raise FetchError(Failure("bad_response", "the status is not within 100 to 599 (RFC 9110)", status))
        self.guard.answered(host)
        return Response(
            url=url,
            status=status,
            headers=exchange.headers(),
            body=b"".join(exchange.chunks),
            elapsed=time.monotonic() - exchange.started,
            ip=exchange.ip,
            http_version=version,
        )

    def close(self) -> None:
        """Let go of all connections; may be called twice. Fetches under way must be cancelled: they would never end."""
        self._client.close()

    def _failure(self, exchange: "_Exchange", errno: int, message: str) -> Failure:
        """What libcurl's error means, in a code and a sentence."""
        status, _ = exchange.status_line()
        if status is not None and status < 200:
            status = None
        code = exchange.stopped or curl_errors.code(errno, message)
        if code == "connect" and exchange.refused and not exchange.tried:
            code = "private_address"  # libcurl knows only that it got no socket
        match code:
            case "dns":
                text = f"{exchange.host.rpartition(':')[0]} could not be resolved"
            case "connect":
                text = f"no connection to {exchange.host}" + (f": {exchange.trouble}" if exchange.trouble else "")
            case "private_address":
                text = f"{exchange.refused} is not public"
            case "timeout" if exchange.ip is None:
                text = f"no connection within {min(self._connect_timeout, self._timeout):g} s"
            case "timeout" if status is None:
                text = f"no answer within {self._timeout:g} s"
            case "timeout":
                text = f"no whole answer within {self._timeout:g} s"
            case "too_large":
                text = f"larger than {_size(exchange.max_body)}"
            case "headers_too_large" if exchange.stopped:
                text = f"headers larger than {_size(_MAX_HEADERS)}"
            case "tls" if errno == pycurl.E_SSL_CACERT_BADFILE:
                text = f"{message} (is ca-certificates installed?)"
            case _:
                text = message
        return Failure(code, _printable(text), status)


def make(settings: Settings, guard: Guard, seeds: Iterable[str], concurrency: int) -> Fetcher:
    """The fetcher that the settings ask for; `seeds` are the URLs whose hosts are trusted with credentials."""
    return Fetcher(
        guard=guard,
        agent=settings.agent,
        headers=settings.header,
        own=lambda host: settings.of(host).header,
        trusted=frozenset(map(urls.host, seeds)),
        concurrency=concurrency,
        max_body=settings.max_body,
        timeout=settings.timeout,
        connect_timeout=settings.connect_timeout,
    )


class _Client(CurlAsyncHTTPClient):
    """Tornado's client, which can also be closed twice and while transfers are under way."""

    def keep_open(self, most: int) -> None:
        """Keep at most so many connections for the next request of their host: libcurl's own limit grows with use."""
        self._multi.setopt(pycurl.M_MAXCONNECTS, most)

    def close(self) -> None:
        if self._closed:
            return
        super().close()
        # Closing a handle under way makes libcurl ask for a timeout once more, which would find no libcurl any more.
        if self._timeout is not None:
            self.io_loop.remove_timeout(self._timeout)


class _Socket(socket.socket):
    """libcurl works on a duplicate of its descriptor; this one closes, without a ResourceWarning, when let go."""

    def __del__(self) -> None:
        with contextlib.suppress(AttributeError):  # one that the system refused was never whole
            self.close()


class _Exchange:
    """One request and what came back: the callbacks that libcurl calls for it, none of which raises.

    Tornado resets the handle and gives it to the next request before whoever waits for this one resumes. So all that
    is needed later is kept here, and nothing is read from the handle.
    """

    def __init__(
        self, guard: Guard, host: str, addresses: Sequence[str], max_body: int, cut: bool, sent: Callable[[], None]
    ) -> None:
        self._guard = guard
        self._sent = sent
        self._cut = cut
        self._addresses = addresses
        self.host = host
        self.max_body = max_body
        self.started = 0.0  # monotonic: when the request left Tornado's queue
        self.chunks: list[bytes] = []  # of the decoded body
        self.headers_ended = False  # by the blank line behind them
        self.ip: str | None = None  # set once a connection is ready, TLS included
        self.stopped: str | None = None  # the code of the limit for which a callback broke the transfer off
        self.refused: str | None = None  # the last address that the guard refused
        self.tried = False  # was any address tried?
        self.went_out = False
        self.trouble: str | None = None  # why the system gave no socket
        self._body_size = 0
        self._header_lines: list[bytes] = []  # of the last block, the status line first
        self._header_size = 0

    def prepare(self, curl: pycurl.Curl) -> None:
        """Set what Tornado does not; it calls this last, and for each request, since it resets its handles."""
        self.started = time.monotonic()  # uvloop's own clock stands still within a turn of the loop
        curl.setopt(pycurl.OPENSOCKETFUNCTION, self.open_socket)
        curl.setopt(pycurl.PREREQFUNCTION, self.check)
        curl.setopt(pycurl.HEADERFUNCTION, self.header)
        curl.setopt(pycurl.WRITEFUNCTION, self.write)
        # Spares downloading what says beforehand that it is too large. It counts encoded bytes, which can be a few more
        # than the decoded ones; `write` has the last word.
        if not self._cut:
            curl.setopt(pycurl.MAXFILESIZE, self.max_body + self.max_body // 64 + 4096)
        if self._addresses:
            # They take the place of what libcurl knew of the name; the + lets it forget them again after a minute.
            curl.setopt(pycurl.RESOLVE, [f"+{self.host}:{','.join(self._addresses)}"])
        curl.setopt(pycurl.BUFFERSIZE, _BUFFER)
        curl.setopt(pycurl.ACCEPT_ENCODING, "")  # every content coding that this libcurl has
        curl.setopt(pycurl.HTTP_VERSION, pycurl.CURL_HTTP_VERSION_2TLS)
        curl.setopt(pycurl.PATH_AS_IS, 1)  # the URL is normalised already, and must be asked for as it is recorded
        curl.setopt(pycurl.PROXY, "")  # not even one that the environment names: the guard would see only the proxy

    def open_socket(self, purpose: int, address: tuple[int, int, int, tuple[str, int] | bytes]) -> socket.socket | int:
        """OPENSOCKETFUNCTION: called with each address that a new connection tries."""
        family, kind, protocol, place = address
        ip = place[0] if isinstance(place, tuple) else ""  # bytes: the path of a Unix socket
        if not self._guard.allows(self.host, ip):
            self.refused = ip
            return pycurl.SOCKET_BAD
        try:
            opened = _Socket(family, kind, protocol)
        except OSError as error:  # no descriptor left, or no IPv6 on this machine
            self.trouble = error.strerror
            return pycurl.SOCKET_BAD
        self.tried = True
        return opened

    def check(self, ip: str, local_ip: str, port: int, local_port: int) -> int:
        """PREREQFUNCTION: called when a connection is ready, before the request; also for one that is used again."""
        if not self._guard.allows(self.host, ip):
            self.refused = ip
            return pycurl.PREREQFUNC_ABORT
        self.ip = ip
        self.went_out = True
        self._sent()
        return pycurl.PREREQFUNC_OK

    def header(self, line: bytes) -> int:
        """HEADERFUNCTION: one line. Interim answers (1xx) are blocks of their own, before the one that counts."""
        self._header_size += len(line)
        if self._header_size > _MAX_HEADERS:
            self.stopped = "headers_too_large"
            return 0
        if self.headers_ended and line.startswith(b"HTTP/"):
            self._header_lines.clear()
            self.headers_ended = False
        if line in (b"\r\n", b"\n"):
            self.headers_ended = True
        elif not self.headers_ended:  # what comes later is a trailer, which must not be merged (RFC 9110, 6.5.1)
            self._header_lines.append(line)
        return len(line)

    def write(self, chunk: bytes) -> int:
        """WRITEFUNCTION: some decoded bytes of the body; to take fewer breaks the transfer off."""
        self._body_size += len(chunk)
        if self._body_size > self.max_body:
            self.stopped = "too_large"
            if self._cut:
                self.stopped = _CUT
                self.chunks.append(chunk[: self.max_body - self._body_size])
            return 0
        self.chunks.append(chunk)
        return len(chunk)

    def status_line(self) -> tuple[int | None, str | None]:
        """Status and HTTP version of the last block, as far as they came."""
        if not self._header_lines:
            return None, None
        version, _, rest = self._header_lines[0].partition(b" ")
        digits = rest[:3]
        return int(digits) if digits.isdigit() else None, version[5:].decode("latin-1")

    def headers(self) -> dict[str, str]:
        """Names in lower case, repeated ones joined (RFC 9110, 5.3). libcurl has unfolded the lines.

        X-Robots-Tag is joined by line breaks: behind a comma nobody could tell whether a robot's name holds still.
        """
        headers: dict[str, str] = {}
        for line in self._header_lines[1:]:
            name, colon, value = line.decode("latin-1").partition(":")
            name = name.strip(" \t").lower()
            if not name or not colon:
                continue
            value = value.strip(" \t\r\n")
            if name in headers:
                value = headers[name] + ("\n" if name == "x-robots-tag" else ", ") + value
            headers[name] = value
        return headers


def _size(count: int) -> str:
    """Bytes for people, exact."""
    for unit, size in (("MB", 1_000_000), ("KB", 1000)):
        if count and count % size == 0:
            return f"{count // size} {unit}"
    return f"{count:,} bytes"


def _printable(text: str) -> str:
    """One line of at most 200 characters; libcurl's words may quote the server's."""
    return "".join(character if character.isprintable() else " " for character in text[:200])
