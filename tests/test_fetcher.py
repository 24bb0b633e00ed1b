"""The fetcher against real sockets: what the web can do, and by which code each of it is known."""

import asyncio
import os
import socket
import ssl
import subprocess
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from crawler.fetcher import Fetcher, FetchError
from crawler.guard import Guard
from crawler.model import Failure, Visit
from crawler.reasons import REASONS
from parsers.page import Response
from tests.conftest import need
from tests.odd_server import OddServer

MakeFetcher = Callable[..., Fetcher]


@pytest.fixture
async def server() -> AsyncIterator[OddServer]:
    async with OddServer() as server:
        yield server


@pytest.fixture
async def make_fetcher() -> AsyncIterator[MakeFetcher]:
    """Makes fetchers that may go to private addresses, unless told otherwise, and closes them."""
    with ExitStack() as opened:

        def make(**options: Any) -> Fetcher:
            defaults: dict[str, Any] = {
                "guard": Guard("allow", [], {}),
                "agent": "Tester/1.0",
                "concurrency": 4,
                "max_body": 10_000_000,
                "timeout": 20,
                "connect_timeout": 10,
            }
            fetcher = Fetcher(**(defaults | options))
            opened.callback(fetcher.close)
            return fetcher

        yield make


@dataclass
class Certificate:
    """A self-signed certificate for 127.0.0.1."""

    file: Path
    key: Path

    def context(self) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.file, self.key)
        return context


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    folder = tmp_path_factory.mktemp("tls")
    made = Certificate(folder / "certificate.pem", folder / "key.pem")
    command = [need("openssl", package="openssl"), "req", "-x509", "-nodes", "-days", "2", "-subj", "/CN=test"]
    command += ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-addext", "subjectAltName=IP:127.0.0.1"]
    subprocess.run([*command, "-keyout", made.key, "-out", made.file], check=True, capture_output=True)
    return made


async def failure_of(fetcher: Fetcher, url: str, max_body: int | None = None) -> Failure:
    """How the fetch of a URL fails; its code stands in the table, and its text is one clean line."""
    with pytest.raises(FetchError) as caught:
        await fetcher.fetch(url, max_body=max_body)
    failure = caught.value.failure
    assert REASONS[failure.code].counted == "failed"
    assert failure.text
    assert failure.text.isprintable()
    return failure


def closed_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


# What an answer brings.


async def test_a_response_has_all_that_is_known_of_the_answer(make_fetcher: MakeFetcher, server: OddServer) -> None:
    url = server.url("plain")
    response = await make_fetcher().fetch(url)
    assert 0 < response.elapsed < 20
    assert response == Response(
        url=url,
        status=200,
        headers={"content-type": "text/plain", "content-length": "5"},
        body=b"hello",
        elapsed=response.elapsed,
        ip="127.0.0.1",
        http_version="1.1",
    )


async def test_the_request_names_agent_headers_and_codings(make_fetcher: MakeFetcher, server: OddServer) -> None:
    fetcher = make_fetcher(agent="Agent/7 (+https://example.com)", headers=[("Accept-Language", "de"), ("X-A", "b")])
    await fetcher.fetch(server.url("plain"))
    line, *headers = server.requests[0].rstrip().split("\r\n")
    assert line == "GET /plain HTTP/1.1"
    named = dict(header.split(": ", 1) for header in headers)
    assert named["User-Agent"] == "Agent/7 (+https://example.com)"
    assert named["Accept-Language"] == "de"
    assert named["X-A"] == "b"
    assert {"gzip", "deflate"} <= set(named["Accept-Encoding"].split(", "))
    assert not {"Expect", "Pragma", "Authorization", "Cookie"} & set(named)


async def test_a_page_is_asked_for_on_the_conditions_of_an_earlier_visit(
    make_fetcher: MakeFetcher, server: OddServer
) -> None:
    fetcher = make_fetcher(headers=[("X-A", "b")])
    before = Visit(200, 1, 'W/"\xfc 1"', "Sun, 06 Nov 1994 08:49:37 GMT")
    response = await fetcher.fetch(server.url("not-modified"), before=before)
    assert (response.status, response.headers["etag"], response.body) == (304, '"1"', b"")
    for hostile in (Visit(), Visit(200, 1, '"1"\r\nX-Evil: 1', "now\r\nX-Evil: 1"), Visit(200, 1, "x" * 10**6)):
        await fetcher.fetch(server.url("plain"), before=hostile)
    await fetcher.fetch(server.url("plain"))
    first, *others = server.requests
    lines = first.rstrip().split("\r\n")
    assert 'If-None-Match: W/"\xfc 1"' in lines
    assert "If-Modified-Since: Sun, 06 Nov 1994 08:49:37 GMT" in lines
    assert "X-A: b" in lines
    assert not any(word in head for word in ("If-", "X-Evil") for head in others)


async def test_a_url_is_asked_for_exactly_as_it_is_recorded(make_fetcher: MakeFetcher, server: OddServer) -> None:
    path = "a//b/%7Euser/;p=1/x%2Fy/|^'()*!$&,=@:~?q={a}|b&%00&c=[d]`\\?"
    await make_fetcher().fetch(server.url(path))
    assert server.requests[0].splitlines()[0] == f"GET /{path} HTTP/1.1"


async def test_a_header_that_would_smuggle_another_is_refused(make_fetcher: MakeFetcher) -> None:
    with pytest.raises(ValueError, match="header"):
        make_fetcher(headers=[("X-A", "b\r\nX-C: d")])


@pytest.mark.parametrize("coding", ["gzip", "deflate", "brotli", "gzip-twice", "chunked", "until-close", "no-reason"])
async def test_bodies_come_decoded_and_whole(make_fetcher: MakeFetcher, server: OddServer, coding: str) -> None:
    response = await make_fetcher().fetch(server.url(coding))
    assert (response.status, response.body) == (200, b"hello")
    assert response.http_version == ("1.0" if coding == "until-close" else "1.1")


@pytest.mark.parametrize(("path", "status"), [("length-0", 200), ("no-content", 204), ("not-modified", 304)])
async def test_answers_without_a_body_have_an_empty_one(
    make_fetcher: MakeFetcher, server: OddServer, path: str, status: int
) -> None:
    """A 304 tells the length of a body that it does not bring, which may be above the cap."""
    response = await make_fetcher().fetch(server.url(path))
    assert (response.status, response.body) == (status, b"")


async def test_a_redirect_is_an_answer_like_any_other(make_fetcher: MakeFetcher, server: OddServer) -> None:
    fetcher = make_fetcher()
    response = await fetcher.fetch(server.url("redirect"))
    assert (response.status, response.headers["location"], len(server.requests)) == (302, "/plain", 1)
    nowhere = await fetcher.fetch(server.url("redirect-nowhere"))
    assert (nowhere.status, nowhere.headers.get("location"), nowhere.body) == (301, None, b"gone")


async def test_an_error_page_is_an_answer(make_fetcher: MakeFetcher, server: OddServer) -> None:
    response = await make_fetcher().fetch(server.url("error-page"))
    assert (response.status, response.headers["retry-after"], response.body) == (503, "7", b"busy")


async def test_interim_answers_leave_no_trace(make_fetcher: MakeFetcher, server: OddServer) -> None:
    response = await make_fetcher().fetch(server.url("early-hints"))
    assert (response.status, response.body) == (200, b"hello")
    assert response.headers == {"a": "1", "content-length": "5"}


async def test_trailers_are_not_merged_into_the_headers(make_fetcher: MakeFetcher, server: OddServer) -> None:
    response = await make_fetcher().fetch(server.url("trailers"))
    assert (response.body, response.headers["a"]) == (b"hello", "head")


async def test_headers_are_read_as_servers_write_them(make_fetcher: MakeFetcher, server: OddServer) -> None:
    response = await make_fetcher().fetch(server.url("odd-headers"))
    assert response.headers == {
        "set-cookie": "a=1, b=2",
        "x-folded": "one two three",
        "x-space": "1",
        "x-empty": "",
        "x-colons": "a:b: c",
        "x-latin": "café",
        "x-tab": "t",
        "x-robots-tag": "otherbot: noindex, nofollow\nnoindex",
        "content-length": "0",
    }


async def test_cookies_are_not_kept(make_fetcher: MakeFetcher, server: OddServer) -> None:
    fetcher = make_fetcher()
    await fetcher.fetch(server.url("odd-headers"))
    await fetcher.fetch(server.url("plain"))
    assert "a=1" not in server.requests[1]


async def test_proxies_of_the_environment_are_not_used(
    make_fetcher: MakeFetcher, server: OddServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Behind a proxy that nobody asked for, the guard would see the proxy's address alone."""
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{closed_port()}")
    assert (await make_fetcher().fetch(server.url("plain"))).status == 200


# What the web can do instead: path, code, and the status that had come.

MISBEHAVIOUR = [
    ("length-too-large", "too_large", 200),
    ("gzip-bomb", "too_large", 200),
    ("brotli-bomb", "too_large", 200),
    ("endless", "too_large", 200),
    ("header-bomb", "headers_too_large", 200),
    ("header-line-bomb", "headers_too_large", 200),
    ("header-count-bomb", "headers_too_large", 200),
    ("hints-bomb", "headers_too_large", None),
    ("no-gzip", "bad_encoding", 200),
    ("broken-gzip", "bad_encoding", 200),
    ("unknown-coding", "bad_encoding", 200),
    ("many-codings", "bad_encoding", 200),
    ("no-colon", "bad_response", 200),
    ("lone-cr", "bad_response", 200),
    ("nul-in-header", "bad_response", 200),
    ("negative-length", "bad_response", 200),
    ("two-lengths", "bad_response", 200),
    ("status-999", "bad_response", 999),
    ("bad-chunk", "bad_response", 200),
    ("http-7", "bad_response", None),
    ("garbage", "bad_response", None),
    ("binary", "bad_response", None),
    ("http-0.9", "bad_response", None),
    ("empty", "reset", None),
    ("half-a-status", "reset", None),
    ("half-the-headers", "reset", 200),
    ("short-body", "reset", 200),
    ("cut-chunk", "reset", 200),
    ("no-last-chunk", "reset", 200),
    ("only-hints", "reset", None),
    ("reset", "reset", None),
    ("reset-in-body", "reset", 200),
]


@pytest.mark.parametrize(("path", "code", "status"), MISBEHAVIOUR)
async def test_misbehaviour_has_a_name_and_leaves_the_fetcher_whole(
    make_fetcher: MakeFetcher, server: OddServer, path: str, code: str, status: int | None
) -> None:
    fetcher = make_fetcher()
    failure = await failure_of(fetcher, server.url(path))
    assert (failure.code, failure.status) == (code, status), failure
    assert (await fetcher.fetch(server.url("plain"))).body == b"hello"


@pytest.mark.parametrize(
    ("path", "text", "status"),
    [
        ("silence", "no answer within 0.4 s", None),
        ("half-then-silence", "no whole answer within 0.4 s", 200),
        ("drip", "no whole answer within 0.4 s", 200),
    ],
)
async def test_no_answer_may_take_longer_than_the_timeout(
    make_fetcher: MakeFetcher, server: OddServer, path: str, text: str, status: int | None
) -> None:
    assert await failure_of(make_fetcher(timeout=0.4), server.url(path)) == Failure("timeout", text, status)


async def test_the_cap_is_on_decoded_bytes_and_can_be_named_for_one_request(
    make_fetcher: MakeFetcher, server: OddServer
) -> None:
    fetcher = make_fetcher(max_body=20_000_000)
    assert len((await fetcher.fetch(server.url("gzip-bomb"))).body) == 11_000_000
    assert (await fetcher.fetch(server.url("gzip"), max_body=5)).body == b"hello"
    cut = await fetcher.fetch(server.url("gzip-bomb"), max_body=512_000, cut=True)
    assert (len(cut.body), cut.status) == (512_000, 200)
    failure = await failure_of(fetcher, server.url("gzip-bomb"), max_body=512_000)
    assert failure == Failure("too_large", "larger than 512 KB", 200)
    failure = await failure_of(fetcher, server.url("chunked"), max_body=4)
    assert failure == Failure("too_large", "larger than 4 bytes", 200)


async def test_a_name_that_does_not_resolve(make_fetcher: MakeFetcher) -> None:
    failure = await failure_of(make_fetcher(), "http://nobody.invalid/")
    assert failure == Failure("dns", "nobody.invalid could not be resolved")


async def test_a_port_where_nobody_listens(make_fetcher: MakeFetcher) -> None:
    port = closed_port()
    failure = await failure_of(make_fetcher(), f"http://127.0.0.1:{port}/")
    assert failure == Failure("connect", f"no connection to 127.0.0.1:{port}")


async def test_a_connection_that_is_never_taken(make_fetcher: MakeFetcher) -> None:
    """A full queue of a listener: Linux drops what would connect, as a firewall does."""
    with ExitStack() as stack:
        listener = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=0))
        for _ in range(4):
            caller = stack.enter_context(socket.socket())
            caller.setblocking(False)
            caller.connect_ex(listener.getsockname())
        failure = await failure_of(make_fetcher(connect_timeout=0.4), f"http://127.0.0.1:{listener.getsockname()[1]}/")
    assert failure == Failure("timeout", "no connection within 0.4 s")


@pytest.mark.parametrize(
    "url",
    [
        "http://a$b.invalid/",  # a URL by the WHATWG's standard, but no name that curl would look up
        "http://127.0.0.1/a b",
        "http://127.0.0.1/\x01",
        "http://127.0.0.1:99999/",
        "http://127.0.0.1",
        "http://exämple.invalid/",
        "ftp://127.0.0.1/",
        "file:///etc/hostname",
        "/etc/hostname",
        "",
        pytest.param("http://127.0.0.1/" + "x" * 9_000_000, id="9 MB"),
    ],
)
async def test_what_cannot_be_asked_for_is_a_bad_url(make_fetcher: MakeFetcher, url: str) -> None:
    assert (await failure_of(make_fetcher(), url)).code == "bad_url"


# Connections.


async def test_many_fetches_share_few_connections(make_fetcher: MakeFetcher, server: OddServer) -> None:
    """There are never more than requests under way at once: concurrency and what is spared for robots.txt."""
    fetcher = make_fetcher(concurrency=4)
    for _ in range(4):
        responses = await asyncio.gather(*[fetcher.fetch(server.url("plain")) for _ in range(50)])
        assert [response.body for response in responses] == [b"hello"] * 50
    assert (len(server.requests), server.connections <= 20) == (200, True)


@pytest.mark.parametrize("path", ["closes-after", "once-a-connection"])
async def test_a_kept_connection_that_the_server_closed_is_no_error(
    make_fetcher: MakeFetcher, server: OddServer, path: str
) -> None:
    fetcher = make_fetcher()
    for _ in range(5):
        assert (await fetcher.fetch(server.url(path))).body == b"hello"
    assert server.connections == 5


async def test_a_cancelled_fetch_breaks_nothing(make_fetcher: MakeFetcher, server: OddServer) -> None:
    fetcher = make_fetcher(timeout=0.5)
    fetching = asyncio.create_task(fetcher.fetch(server.url("silence")))
    await server.asked.wait()
    fetching.cancel()
    with pytest.raises(asyncio.CancelledError):
        await fetching
    await server.gone.wait()  # its timeout is over
    assert (await fetcher.fetch(server.url("plain"))).body == b"hello"


async def test_closing_drops_cancelled_transfers(make_fetcher: MakeFetcher, server: OddServer) -> None:
    fetcher = make_fetcher()
    fetching = asyncio.create_task(fetcher.fetch(server.url("silence")))
    await server.asked.wait()
    fetching.cancel()
    await asyncio.wait([fetching])
    fetcher.close()
    await server.gone.wait()


# The guard.


async def test_a_private_address_is_never_connected_to(make_fetcher: MakeFetcher, server: OddServer) -> None:
    for policy in ("deny", "seeds"):
        fetcher = make_fetcher(guard=Guard(policy, ["other.localhost:80"], {}))
        failure = await failure_of(fetcher, server.url("plain"))
        assert failure == Failure("private_address", "127.0.0.1 is not public")
        assert (await failure_of(fetcher, server.url("plain", "inner.localhost"))).code == "private_address"
    assert server.connections == 0


async def test_a_seed_may_be_private_and_is_pinned_when_it_answers(
    make_fetcher: MakeFetcher, server: OddServer
) -> None:
    host = f"seed.localhost:{server.port}"
    guard = Guard("seeds", [host], {})
    fetcher = make_fetcher(guard=guard)
    for _ in range(2):
        assert (await fetcher.fetch(server.url("plain", "seed.localhost"))).ip == "127.0.0.1"
    assert (guard.revision, "127.0.0.1" in guard.pinned[host]) == (1, True)
    assert (await failure_of(fetcher, server.url("plain", "other.localhost"))).code == "private_address"


async def test_a_seed_that_resolves_to_another_inner_address_later_is_refused(
    make_fetcher: MakeFetcher, server: OddServer
) -> None:
    host = f"seed.localhost:{server.port}"
    for pins in ([], ["10.0.0.1", "127.0.0.2"]):
        fetcher = make_fetcher(guard=Guard("seeds", [host], {host: pins}))
        assert (await failure_of(fetcher, server.url("plain", "seed.localhost"))).code == "private_address"
    assert server.connections == 0


async def test_a_connection_that_is_used_again_is_checked_again(make_fetcher: MakeFetcher, server: OddServer) -> None:
    class Changing(Guard):
        open = True

        def allows(self, host: str, address: str) -> bool:
            return self.open

    guard = Changing("allow", [], {})
    fetcher = make_fetcher(guard=guard)
    await fetcher.fetch(server.url("plain"))
    guard.open = False
    assert await failure_of(fetcher, server.url("plain")) == Failure("private_address", "127.0.0.1 is not public")
    assert len(server.requests) == 1


async def test_a_seed_that_gave_no_answer_is_not_pinned_yet(make_fetcher: MakeFetcher) -> None:
    host = f"127.0.0.1:{closed_port()}"
    guard = Guard("seeds", [host], {})
    assert (await failure_of(make_fetcher(guard=guard), f"http://{host}/")).code == "connect"
    assert guard.pinned == {}


# TLS.


async def test_only_trusted_certificates_are_taken(make_fetcher: MakeFetcher, certificate: Certificate) -> None:
    async with OddServer(certificate.context()) as server:
        failure = await failure_of(make_fetcher(), server.url("plain"))
        assert failure.code == "tls"
        assert "self-signed" in failure.text
        trusting = make_fetcher(ca_file=str(certificate.file))
        assert (await trusting.fetch(server.url("plain"))).body == b"hello"
        assert (await failure_of(trusting, server.url("plain", "wrong-name.localhost"))).code == "tls"


async def test_a_server_without_tls_behind_an_https_url(make_fetcher: MakeFetcher) -> None:
    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(5)
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        await reader.read()
        writer.close()

    async with await asyncio.start_server(refuse, "127.0.0.1", 0) as server:
        url = f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
        assert (await failure_of(make_fetcher(), url)).code == "tls"


@pytest.mark.parametrize("hasty", [True, False])
async def test_a_connection_lost_in_the_tls_handshake_may_pass(make_fetcher: MakeFetcher, hasty: bool) -> None:
    """Unlike a certificate that is not trusted, it is worth another try."""

    async def leave(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if not hasty:
            await reader.read(65536)
        writer.transport.abort()  # with the client's bytes unread, this sends a TCP reset

    async with await asyncio.start_server(leave, "127.0.0.1", 0) as server:
        url = f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
        assert (await failure_of(make_fetcher(), url)).code == "reset"


async def test_missing_authorities_are_named(make_fetcher: MakeFetcher, certificate: Certificate) -> None:
    async with OddServer(certificate.context()) as server:
        failure = await failure_of(make_fetcher(ca_file="/nowhere/authorities.pem"), server.url("plain"))
    assert failure.code == "tls"
    assert "/nowhere/authorities.pem" in failure.text


@pytest.fixture
def nginx(certificate: Certificate, tmp_path: Path) -> Iterator[str]:
    """The address of an nginx that speaks HTTP/2. It inherits a socket that already listens: no port to guess."""
    program = need("nginx", package="nginx-light")
    (tmp_path / "index.html").write_text("hello")
    with socket.create_server(("127.0.0.1", 0)) as listener:
        address = "{}:{}".format(*listener.getsockname())
        (tmp_path / "nginx.conf").write_text(
            f"""
            daemon off; user root; worker_processes 1; error_log stderr; pid {tmp_path}/pid;
            events {{}}
            http {{
                access_log off;
                client_body_temp_path {tmp_path}/a; proxy_temp_path {tmp_path}/b; fastcgi_temp_path {tmp_path}/c;
                uwsgi_temp_path {tmp_path}/d; scgi_temp_path {tmp_path}/e;
                server {{
                    listen {address} ssl http2;
                    ssl_certificate {certificate.file}; ssl_certificate_key {certificate.key};
                    root {tmp_path};
                }}
            }}
            """
        )
        process = subprocess.Popen(
            [program, "-p", tmp_path, "-c", tmp_path / "nginx.conf"],
            env=os.environ | {"NGINX": f"{listener.fileno()};"},
            pass_fds=[listener.fileno()],
            stderr=subprocess.DEVNULL,
        )
    try:
        yield f"https://{address}"
    finally:
        process.terminate()
        process.wait()


async def test_http_2_is_spoken_over_tls(make_fetcher: MakeFetcher, certificate: Certificate, nginx: str) -> None:
    fetcher = make_fetcher(ca_file=str(certificate.file))
    responses = await asyncio.gather(*[fetcher.fetch(f"{nginx}/") for _ in range(20)])
    assert {(response.status, response.body, response.http_version) for response in responses} == {(200, b"hello", "2")}
    assert responses[0].headers["content-type"] == "text/html" or responses[0].headers["content-length"] == "5"
    assert (await fetcher.fetch(f"{nginx}/missing")).status == 404
