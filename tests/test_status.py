"""The status page as programs see it: addresses, live figures, who is let in, and its end."""

import asyncio
import json
import socket
import struct
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import fields, replace
from typing import Any

import pytest
from tornado.httpclient import AsyncHTTPClient, HTTPRequest, HTTPResponse
from tornado.websocket import WebSocketClientConnection, websocket_connect

from crawler import VERSION
from crawler.explain import Explanation
from crawler.frontier import FrontierError
from crawler.stats import ErrorGroup, HostView, Point, RecentPage, Snapshot, Verdict
from crawler.status.app import ListenError, Listening, PortTaken, listen, make_app

HOSTS = ("books", "news", "shop", "docs", "wiki", "blog", "slow", "old")
SCRIPT = "<img src=x onerror=alert(1)>"
HOSTILE = (
    SCRIPT,
    "</script><script>alert(2)</script>",
    "\u202egnp.exe \u2066\u202ereversed",
    "\" onmouseover=alert(3) x='",
    "{{ 7 * 7 }}{% raw 1 %}",
    "W" * 10_000,
)


class Crawl:
    """A crawl whose figures the test sets; hostile in all that comes from the web."""

    def __init__(self) -> None:
        self.closed = False  # can nothing be looked up any more?
        self.asked = 0  # how often for a snapshot
        self.numbered = False  # do snapshots say in `pages` the how many-th they are?
        self.now = Snapshot(
            state="running",
            pages=1234,
            queued=876,
            failed=12,
            refused=34,
            rate=24.83,
            bytes_rate=912_345.6,
            elapsed=62.7,
            eta=3725.0,
            statuses={"200": 1100, "301": 61, "404": 40, "500": 21},
            errors={"timeout": 9, "dns": 3},
            verdict=Verdict(
                "politeness", "books.localhost:8080 allows 4 requests a second; 71 % of the queue is its pages."
            ),
            job="jobs/demo",
            skipped={"scope": 4321, "nofollow": 7},
            refusals={"calendar": 12, "robots": 3},
            bytes=48_211_004,
            busy=31,
            concurrency=200,
            hosts=8,
            trouble=None,
        )
        self.known = [
            HostView(
                f"{name}.localhost:8080",
                400 - 50 * i,
                90 + i,
                i,
                0.25,
                4,
                i % 3,
                None if i == 7 else 0.12 * i,
                "its delay",
            )
            for i, name in enumerate(HOSTS)
        ]
        self.pages = [
            RecentPage(f"http://books.localhost:8080/{i}", 200, None, text, 0.031, 41_322, "2026-02-03T14:05:06.123Z")
            for i, text in enumerate(HOSTILE)
        ]
        self.pages += [
            RecentPage("javascript:alert(4)", 200, None, None, 1.234, None, "2026-02-03T14:05:05Z"),
            RecentPage("http://slow.localhost:8080/" + "u" * 9000, None, f"timeout: {SCRIPT}", None, None, None, "?"),
        ]
        self.points = [Point(float(i), 20 + (i * 7) % 11, 9e5) for i in range(1, 63)]

    def change(self, **values: Any) -> None:
        self.now = replace(self.now, **values)

    def snapshot(self) -> Snapshot:
        self.asked += 1
        return replace(self.now, pages=self.asked) if self.numbered else self.now

    def hosts(self, sort: str, filter: str, limit: int, offset: int) -> tuple[list[HostView], int]:  # noqa: A002
        name = sort.removeprefix("-")
        if name not in {field.name for field in fields(HostView)}:
            raise ValueError(sort)
        found = sorted(
            (host for host in self.known if filter in host.host),
            key=lambda host: (getattr(host, name) is None, getattr(host, name)),
            reverse=sort.startswith("-"),
        )
        return found[offset : offset + limit], len(found)

    def host(self, name: str) -> HostView | None:
        return next((host for host in self.known if host.host == name), None)

    def recent(self) -> list[RecentPage]:
        return self.pages

    def errors(self) -> list[ErrorGroup]:
        return [ErrorGroup("http_404", "books.localhost:8080", 40, ["http://books.localhost:8080/gone"])]

    def history(self) -> list[Point]:
        return self.points

    async def explain(self, url: str) -> Explanation:
        if self.closed:
            raise FrontierError("the frontier is not open")
        if "://" not in url:
            raise ValueError("not a URL")
        sentences = ["It waits for another try.", SCRIPT]
        return Explanation(url, "waiting", "timeout", sentences, ["http://a/"], 2, "2026-02-03T14:05:06Z")


@pytest.fixture
def crawl() -> Crawl:
    return Crawl()


@pytest.fixture
async def page(crawl: Crawl) -> AsyncIterator[Listening]:
    listening = await listen(make_app(crawl, names=["crawl.example"], every=0.02), "127.0.0.1", 0, True)
    yield listening
    await listening.close()


Get = Callable[..., Awaitable[HTTPResponse]]


@pytest.fixture
async def get(page: Listening) -> AsyncIterator[Get]:
    client = AsyncHTTPClient(force_instance=True)

    async def fetch(path: str, method: str = "GET", headers: Mapping[str, str] | None = None) -> HTTPResponse:
        body = "" if method in {"POST", "PUT", "PATCH"} else None
        request = HTTPRequest(page.url + path, method, dict(headers or {}), body=body, follow_redirects=False)
        return await client.fetch(request, raise_error=False)

    yield fetch
    client.close()


def content(response: HTTPResponse) -> Any:
    assert response.headers["Content-Type"].startswith("application/json")
    answer = json.loads(response.body)
    assert answer["version"] == VERSION
    return answer


Watch = Callable[..., Awaitable[WebSocketClientConnection]]


@pytest.fixture
async def watch(page: Listening) -> AsyncIterator[Watch]:
    """Opens /live as a program does; all are closed in the end."""
    watchers = []

    async def connect(listening: Listening = page, **headers: str) -> WebSocketClientConnection:
        request = HTTPRequest(listening.url.replace("http", "ws") + "live", headers=headers)
        watchers.append(await websocket_connect(request))
        return watchers[-1]

    yield connect
    for watcher in watchers:
        watcher.close()


async def message(watcher: WebSocketClientConnection) -> Any:
    text = await watcher.read_message()
    assert text is not None, "the connection was closed"
    return json.loads(text)


# The addresses


async def test_status_has_the_fields_of_the_contract(get: Get, crawl: Crawl) -> None:
    status = content(await get("api/status"))
    assert list(status)[:13] == [
        *("version", "state", "pages", "queued", "failed", "refused", "rate", "bytes_rate", "elapsed", "eta"),
        *("statuses", "errors", "verdict"),
    ]
    assert status["pages"] == 1234
    assert status["statuses"]["404"] == 40
    assert status["verdict"] == {"limit": "politeness", "text": crawl.now.verdict.text}
    assert set(status) == {"version"} | {field.name for field in fields(Snapshot)}


async def test_a_figure_that_is_no_number_does_not_break_the_json(get: Get, crawl: Crawl) -> None:
    crawl.change(eta=float("nan"))
    assert content(await get("api/status"))["eta"] is None


async def test_hosts_are_sorted_filtered_and_paged(get: Get) -> None:
    first = content(await get("api/hosts?limit=2"))
    assert [host["host"] for host in first["hosts"]] == ["books.localhost:8080", "news.localhost:8080"]
    assert first["total"] == 8
    rest = content(await get("api/hosts?sort=host&filter=o&limit=3&offset=1"))
    assert [host["host"] for host in rest["hosts"]] == sorted(f"{n}.localhost:8080" for n in HOSTS)[1:4]
    assert rest["total"] == 8  # "o" stands in "localhost"
    assert content(await get("api/hosts?filter=wiki"))["total"] == 1


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("sort=password", "sort"),
        ("sort=--queued", "sort"),
        ("limit=0", "limit"),
        ("limit=1001", "limit"),
        ("limit=ten", "limit"),
        ("limit=1_0", "limit"),
        ("limit=%D9%A3", "limit"),
        ("offset=-1", "offset"),
        ("offset=1.5", "offset"),
        ("offset=" + "9" * 5000, "offset"),
    ],
)
async def test_a_bad_field_is_named(get: Get, query: str, field: str) -> None:
    response = await get(f"api/hosts?{query}")
    assert response.code == 400
    assert content(response)["error"].startswith(f"{field}: ")


async def test_one_host(get: Get) -> None:
    for name in ("slow.localhost:8080", "slow.localhost%3A8080"):
        host = content(await get(f"api/hosts/{name}"))
        assert (host["host"], host["queued"], host["slots"]) == ("slow.localhost:8080", 100, 4)
    response = await get("api/hosts/unknown")
    assert response.code == 404
    assert content(response)["error"].startswith("host: ")


async def test_recent_pages_are_whole(get: Get, crawl: Crawl) -> None:
    pages = content(await get("api/recent"))["pages"]
    assert [page["title"] for page in pages] == [page.title for page in crawl.pages]
    assert set(pages[0]) >= {"url", "status", "title", "elapsed", "bytes", "fetched_at"}


async def test_errors_are_grouped(get: Get) -> None:
    (group,) = content(await get("api/errors"))["errors"]
    assert group == {
        "code": "http_404",
        "host": "books.localhost:8080",
        "count": 40,
        "examples": ["http://books.localhost:8080/gone"],
    }


async def test_a_url_is_explained(get: Get) -> None:
    assert content(await get("api/explain?url=http%3A%2F%2Fb%2F%3Fx%3D1")) == {
        "version": VERSION,
        "url": "http://b/?x=1",
        "state": "waiting",
        "reason": "timeout",
        "text": f"It waits for another try. {SCRIPT}",
        "chain": ["http://a/"],
        "attempts": 2,
        "due_at": "2026-02-03T14:05:06Z",
        "duplicate_of": None,
    }


@pytest.mark.parametrize("query", ["", "?url=", "?url=nonsense", "?url=%ff"])
async def test_what_is_no_url_cannot_be_explained(get: Get, query: str) -> None:
    response = await get(f"api/explain{query}")
    assert response.code == 400
    assert set(json.loads(response.body)) == {"version", "error"}


async def test_nothing_is_explained_once_the_crawl_is_closed(get: Get, crawl: Crawl) -> None:
    crawl.closed = True
    response = await get("api/explain?url=http://b/")
    assert (response.code, json.loads(response.body)["error"]) == (503, "the frontier is not open")


async def test_health(get: Get) -> None:
    health = content(await get("healthz"))
    assert (health["status"], health["state"]) == ("ok", "running")


@pytest.mark.parametrize(
    "path",
    [
        "",
        "api/status",
        "api/hosts",
        "api/recent",
        "api/errors",
        "api/explain?url=http://b/",
        "healthz",
        "static/app.js",
    ],
)
async def test_head_is_answered_as_get(get: Get, path: str) -> None:
    response = await get(path, "HEAD")
    assert response.code == 200
    assert response.body == b""
    assert response.headers["Content-Type"] == (await get(path)).headers["Content-Type"]


async def test_errors_are_json_for_programs_and_a_page_for_people(get: Get, crawl: Crawl) -> None:
    assert content(await get("api/nothing"))["error"] == "Not Found"
    assert content(await get("api/status", "POST"))["error"] == "Method Not Allowed"
    for path in ("nothing", "%3Cimg%20src=x%3E", "static/../app.py", "static/%2e%2e/app.py", "static/nothing"):
        response = await get(path)
        assert response.code in {403, 404}
        assert response.headers["Content-Type"].startswith("text/html")
        assert b"<img" not in response.body


async def test_a_bug_is_answered_without_details(get: Get, crawl: Crawl, caplog: pytest.LogCaptureFixture) -> None:
    crawl.pages = None  # type: ignore[assignment]  # any bug will do
    response = await get("")
    assert response.code == 500
    assert b"Internal Server Error" in response.body
    assert b"Traceback" not in response.body
    assert "Traceback" in caplog.text


async def test_the_page_holds_all_figures_and_no_markup_of_others(get: Get) -> None:
    response = await get("")
    text = response.body.decode()
    assert response.code == 200
    for figure in (
        "1,234",
        "876",
        "24.8",
        "0.91",
        "1 min 2 s",
        "about 1 h 2 min",
        "4,328",
        "allows 4 requests a second",
    ):
        assert figure in text
    assert "<img src=x" not in text
    assert "alert(2)</script>" not in text
    assert 'href="javascript:' not in text
    assert "W" * 201 not in text  # cut
    assert "u" * 2001 not in text


async def test_what_is_shipped_is_small(get: Get) -> None:
    """The page, its style, script and icon, as they go over the wire without compression."""
    sizes = [len((await get(path)).body) for path in ("", "static/app.js", "static/style.css", "static/favicon.svg")]
    assert sum(sizes) < 40_000


async def test_static_files_are_versioned_and_kept(get: Get) -> None:
    text = (await get("")).body.decode()
    start = text.index("/static/app.js?v=")
    response = await get(text[start + 1 : text.index('"', start)])
    assert response.code == 200
    assert "max-age" in response.headers["Cache-Control"]


async def test_large_answers_are_compressed(get: Get) -> None:
    response = await get("static/app.js", headers={"Accept-Encoding": "gzip"})
    assert response.headers["X-Consumed-Content-Encoding"] == "gzip"


# Who is let in


@pytest.mark.parametrize("path", ["", "api/status", "static/app.js", "healthz", "nothing", "live"])
async def test_a_foreign_host_is_refused(get: Get, page: Listening, path: str) -> None:
    for host in (
        "evil.example",
        f"evil.example:{page.port}",
        "localhost.evil.example",
        "127.0.0.1.evil.example",
        "10.0.0.1",
    ):
        response = await get(path, headers={"Host": host})
        assert response.code == 403, host
        assert b"1234" not in response.body


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "localhost:1", "LOCALHOST", "127.7.7.7:99", "[::1]:8888", "[::1]", "Crawl.Example:80"]
)
async def test_our_own_names_are_let_in(get: Get, host: str) -> None:
    assert (await get("api/status", headers={"Host": host})).code == 200


@pytest.mark.parametrize(
    "origin", ["http://evil.example", "null", "http://localhost:3000", "http://[", "https://crawl.example.evil.example"]
)
async def test_a_foreign_origin_may_not_watch(get: Get, origin: str) -> None:
    upgrade = {
        "Connection": "Upgrade",
        "Upgrade": "websocket",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": "AAAAAAAAAAAAAAAAAAAAAA==",
        "Origin": origin,
    }
    response = await get("live", headers=upgrade)
    assert response.code == 403
    assert content(response)["error"].startswith("Origin: ")


async def test_our_own_origin_and_trusted_names_may_watch(page: Listening, watch: Watch) -> None:
    for origin in (page.url.rstrip("/"), "https://crawl.example"):
        watcher = await watch(Origin=origin)
        assert (await message(watcher))["pages"] == 1234


@pytest.mark.parametrize("path", ["", "api/status", "static/app.js", "nothing", "api/hosts?limit=x"])
async def test_every_answer_has_the_headers_of_safety(get: Get, path: str) -> None:
    headers = (await get(path)).headers
    policy = headers["Content-Security-Policy"]
    assert policy.startswith("default-src 'none'; script-src 'self'; style-src 'self'; ")
    assert "unsafe" not in policy
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Referrer-Policy"] == "no-referrer"
    assert "Tornado" not in headers["Server"]


async def test_a_large_request_is_refused(page: Listening) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", page.port)
    writer.write(b"GET / HTTP/1.1\r\nHost: localhost\r\nX: " + b"x" * 100_000 + b"\r\n\r\n")
    with suppress(ConnectionError):
        assert b"200 OK" not in await reader.read()
    writer.close()


# Live figures


async def test_a_new_watcher_gets_the_whole_history_and_then_what_is_new(crawl: Crawl, watch: Watch) -> None:
    watcher = await watch()
    first = await message(watcher)
    assert first["version"] == VERSION
    assert first["state"] == "running"
    assert first["view"]["points"] == [[point.at, point.pages, point.bytes] for point in crawl.points]
    assert first["view"]["hosts"][0]["host"] == "books.localhost:8080"
    assert len(first["view"]["recent"]) == len(crawl.pages)
    crawl.change(pages=2000)
    crawl.points.append(Point(63.0, 30.0, 1e6))
    while (later := await message(watcher))["pages"] != 2000:
        pass
    assert later["view"]["points"] == [[63.0, 30.0, 1_000_000]]
    watcher.close()


async def test_one_snapshot_serves_all_watchers(crawl: Crawl, watch: Watch) -> None:
    crawl.numbered = True
    first, second = await watch(), await watch()
    await message(first)
    await message(second)
    one = {(await message(first))["pages"] for _ in range(10)}
    other = {(await message(second))["pages"] for _ in range(10)}
    assert one & other


async def test_no_snapshot_is_made_when_nobody_watches(crawl: Crawl, watch: Watch) -> None:
    watcher = await watch()
    await message(watcher)
    watcher.close()
    while await watcher.read_message() is not None:
        pass
    asked = -1
    while asked != crawl.asked:  # the server may notice a little later
        asked = crawl.asked
        await asyncio.sleep(0.1)  # five ticks: were the timer running, the count would never rest


async def test_a_slow_watcher_gets_the_newest_and_no_backlog(page: Listening, crawl: Crawl, watch: Watch) -> None:
    """One that does not read while hundreds of snapshots are made is sent few of them."""
    crawl.pages = [
        replace(crawl.pages[0], url="http://a.localhost/" + "u" * 1900) for _ in range(50)
    ]  # some 100 kB each
    crawl.points = []
    slow = socket.socket()
    slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    slow.setblocking(False)
    loop = asyncio.get_running_loop()
    await loop.sock_connect(slow, ("127.0.0.1", page.port))
    await loop.sock_sendall(
        slow,
        b"GET /live HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n",
    )
    quick = await watch()
    for number in range(200):
        crawl.change(pages=number)
        await message(quick)
    quick.close()
    reader, writer = await asyncio.open_connection(sock=slow, limit=2**20)
    await reader.readuntil(b"\r\n\r\n")
    got: list[int] = []
    while not got or got[-1] != 199:
        opcode, length = await reader.readexactly(2)
        assert opcode == 0x81
        (length,) = struct.unpack("!H", await reader.readexactly(2)) if length == 126 else (length,)
        (length,) = struct.unpack("!Q", await reader.readexactly(8)) if length == 127 else (length,)
        got.append(json.loads(await reader.readexactly(length))["pages"])
    assert len(got) < 20
    writer.close()


async def test_what_watchers_say_is_ignored_and_limited(watch: Watch) -> None:
    watcher = await watch()
    await watcher.write_message('{"stop": true}')
    await watcher.write_message(b"\x00\xff", binary=True)
    for _ in range(3):
        assert (await message(watcher))["state"] == "running"
    await watcher.write_message("x" * 2000)
    while await watcher.read_message() is not None:
        pass  # the connection is closed


# Listening, and its end


async def test_a_given_port_that_is_taken_is_an_error_in_one_line(page: Listening, crawl: Crawl) -> None:
    with pytest.raises(PortTaken, match=f"port {page.port} is taken") as error:
        await listen(make_app(crawl), "127.0.0.1", page.port, True)
    assert "\n" not in str(error.value)


async def test_the_default_port_moves_on_to_the_next_free_one(page: Listening, crawl: Crawl, watch: Watch) -> None:
    second = await listen(make_app(crawl), "127.0.0.1", page.port, False)
    assert page.port < second.port <= page.port + 100
    assert second.url == f"http://127.0.0.1:{second.port}/"
    watcher = await watch(second)
    assert (await message(watcher))["pages"] == 1234
    await second.close()


@pytest.mark.parametrize("address", ["0.0.0.0", "::", "", "203.0.113.7", "no such name"])
async def test_an_address_that_others_reach_or_that_is_not_here_is_refused(crawl: Crawl, address: str) -> None:
    with pytest.raises(ListenError, match="status page") as error:
        await listen(make_app(crawl), address, 0, True)
    assert "\n" not in str(error.value)


async def test_closing_ends_all_connections_and_frees_the_port(crawl: Crawl, watch: Watch) -> None:
    """With a watcher, one who will not answer the closing handshake, and idle and half-open connections."""
    listening = await listen(make_app(crawl), "127.0.0.1", 0, True)
    watcher = await watch(listening)
    await message(watcher)
    idle, idle_writer = await asyncio.open_connection("127.0.0.1", listening.port)
    idle_writer.write(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
    await idle.readuntil(b"\r\n\r\n")
    half, half_writer = await asyncio.open_connection("127.0.0.1", listening.port)
    half_writer.write(b"GET / HT")
    silent, silent_writer = await asyncio.open_connection("127.0.0.1", listening.port)
    silent_writer.write(
        b"GET /live HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
    )
    await silent.readuntil(b"\r\n\r\n")
    crawl.change(state="finished", pages=4321)
    # Tornado's own way of closing would wait five seconds for the silent one.
    await asyncio.wait_for(listening.close(), 4)
    last = await message(watcher)
    assert (last["state"], last["pages"]) == ("finished", 4321)
    assert await watcher.read_message() is None
    assert watcher.close_code == 1001
    for reader, writer in ((idle, idle_writer), (half, half_writer), (silent, silent_writer)):
        with suppress(ConnectionError):
            await asyncio.wait_for(reader.read(), 4)
        writer.close()
    again = await listen(make_app(crawl), "127.0.0.1", listening.port, True)
    await listening.close()  # twice does no harm
    await again.close()
