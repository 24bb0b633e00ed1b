"""The generated web: what is linked is what is expected, and what is served is what is generated."""

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections import Counter, deque
from collections.abc import AsyncIterator
from dataclasses import asdict
from difflib import SequenceMatcher
from pathlib import Path
from urllib.parse import urlsplit

import ada_url
import pytest
from lxml import etree

from benchmarks.generated import Answer, Shape, Web
from benchmarks.web import Served, serving
from crawler.robots import Rules

ROOT = Path(__file__).parent.parent
PORT = 8080
QUICK = Shape(hosts=3, pages=60, latency=0, slow_latency=0, years=1)


def ask(web: Web, url: str) -> Answer:
    parts = urlsplit(url)
    return web.answer(parts.netloc, parts.path + (f"?{parts.query}" if parts.query else ""))


def links(url: str, answer: Answer) -> list[str]:
    """The http links of an answer, by a parser and a URL library that know nothing of the generator."""
    if "Location" in answer.headers:
        hrefs = [answer.headers["Location"]]
    elif answer.headers["Content-Type"].startswith("text/html"):
        found = etree.HTML(answer.body).xpath("//a/@href")
        assert isinstance(found, list)
        hrefs = [str(href) for href in found]
    else:
        hrefs = []
    urls = [ada_url.join_url(url, href).partition("#")[0] for href in hrefs]
    return [url for url in urls if url.startswith("http")]


def walk(web: Web, port: int) -> tuple[dict[str, int], set[str]]:
    """Breadth first from the seeds: the statuses of what was asked for, and what robots.txt forbade."""
    robots = {}
    for seed in web.seeds(port):
        host = urlsplit(seed).netloc
        robots[host] = Rules(web.answer(host, "/robots.txt").body.decode(), "Waterspout", fetched_at=0.0)
    statuses: dict[str, int] = {}
    forbidden = set()
    queue = deque(web.seeds(port))
    known = set(queue)
    while queue:
        url = queue.popleft()
        if robots[urlsplit(url).netloc].refusal(url):
            forbidden.add(url)
            continue
        answer = ask(web, url)
        statuses[url] = answer.status
        for link in links(url, answer):
            if link not in known and urlsplit(link).netloc in robots:
                known.add(link)
                queue.append(link)
    return statuses, forbidden


@pytest.mark.parametrize(
    "shape",
    [
        Shape(),
        Shape(seed=7, hosts=20, pages=1_003),
        Shape(hosts=1, pages=1),
        Shape(hosts=2, pages=5, forbidden=3),
        Shape(hosts=3, pages=120, years=1, links=0, redirects=0.2, missing=0.2, errors=0.2, duplicates=0.3),
        Shape(hosts=2, pages=400, redirects=0, missing=0, errors=0, duplicates=0, forbidden=0, years=0),
    ],
    ids=["default", "many hosts", "one page", "tiny", "mostly trouble", "no trouble"],
)
def test_a_crawl_finds_exactly_what_is_expected(shape: Shape) -> None:
    web = Web(shape)
    statuses, forbidden = walk(web, PORT)
    assert statuses == web.expected(PORT)
    assert forbidden == web.forbidden(PORT)


def test_on_port_80_no_url_names_the_port() -> None:
    web = Web(QUICK)
    statuses, forbidden = walk(web, 80)
    assert statuses == web.expected(80)
    assert forbidden == web.forbidden(80)
    assert not [url for url in statuses if ":80" in url]


def test_the_default_web_can_be_watched_for_a_minute() -> None:
    """2,000 URLs of all kinds, at most 250 a host, and the slowest host answers within a second."""
    web = Web(Shape())
    expected = web.expected(PORT)
    assert len(expected) == 2_000
    assert max(Counter(urlsplit(url).netloc for url in expected).values()) <= 250
    assert set(expected.values()) == {200, 301, 302, 307, 308, 404, 500}
    delays = sorted(ask(web, url).delay for url in web.seeds(PORT))
    assert delays[-2] < 0.1 < delays[-1] <= 1
    assert len(web.forbidden(PORT)) >= 8


def test_urls_are_as_the_url_standard_writes_them() -> None:
    web = Web(Shape())
    urls = {*web.expected(PORT), *web.forbidden(PORT)}
    assert {ada_url.URL(url).href for url in urls} == urls
    assert any("%C3%A9" in url for url in urls)


def test_pages_weigh_and_link_as_the_shape_says() -> None:
    shape = Shape(hosts=2, pages=200, least_weight=36_000, most_weight=36_000, links=139, missing=0, errors=0)
    web = Web(shape)
    pages = [url for url, status in web.expected(PORT).items() if status == 200]
    for url in pages:
        answer = ask(web, url)
        assert len(answer.body) == 36_000
        assert answer.body.count(b"<a ") == 139


def test_by_default_most_pages_are_light_and_some_are_heavy() -> None:
    web = Web(Shape())
    weights = sorted(len(ask(web, url).body) for url, status in web.expected(PORT).items() if status == 200)
    assert weights[0] >= 5_000
    assert weights[len(weights) // 2] < 20_000
    assert 80_000 < weights[-1] <= 100_000


def test_pages_are_whole_documents_with_what_a_parser_looks_for() -> None:
    web = Web(Shape())
    for url in web.seeds(PORT):
        body = ask(web, url).body
        assert body.startswith(b"<!DOCTYPE html>")
        tree = etree.HTML(body)
        for path in ("//title", "//meta[@charset]", "//meta[@name='description']", "//h1", "//nav//a", "//footer"):
            assert tree.xpath(path), f"{url} has no {path}"
        assert tree.xpath("//link[@rel='canonical']/@href") == [url]
        assert tree.xpath("//a[starts-with(@href, 'mailto:')]")
        for source in tree.xpath("//img/@src"):
            assert str(source).startswith("data:") or ask(web, ada_url.join_url(url, str(source))).status == 200


def test_another_charset_is_declared_by_the_page_alone() -> None:
    web = Web(Shape())
    answer = web.answer("forum.localhost", "/")
    assert answer.headers["Content-Type"] == "text/html"
    assert b'<meta charset="windows-1252">' in answer.body
    assert answer.body.decode("windows-1252")


def test_redirects_chain_loop_and_end_at_pages() -> None:
    web = Web(Shape())
    expected = web.expected(PORT)
    hops = []
    fragments = 0
    for url, status in expected.items():
        trail = [url]
        while 300 <= expected[trail[-1]] < 400 and len(set(trail)) == len(trail):
            answer = ask(web, trail[-1])
            fragments += "#" in answer.headers["Location"]
            trail += links(trail[-1], answer)
        if 300 <= status < 400:
            hops.append("loop" if len(set(trail)) < len(trail) else len(trail) - 1)
            assert hops[-1] == "loop" or expected[trail[-1]] == 200
    assert {1, 2, 3, "loop"} == set(hops)
    assert fragments


def test_near_duplicates_resemble_a_page_and_name_it_canonical() -> None:
    web = Web(Shape(hosts=1, pages=300, most_weight=6_000))
    copies = [url for url in web.expected(PORT) if "?ref=" in url or "/print/" in url]
    assert len(copies) > 4
    for url in copies:
        copy = ask(web, url).body
        (canonical,) = etree.HTML(copy).xpath("//link[@rel='canonical']/@href")
        original = ask(web, str(canonical)).body
        assert copy != original
        assert SequenceMatcher(None, copy.splitlines(), original.splitlines(), autojunk=False).ratio() > 0.6


def test_the_sitemap_lists_linked_pages() -> None:
    web = Web(Shape())
    expected = web.expected(PORT)
    for seed in web.seeds(PORT):
        assert f"Sitemap: {seed}sitemap.xml" in ask(web, f"{seed}robots.txt").body.decode()
        tree = etree.fromstring(ask(web, f"{seed}sitemap.xml").body)
        listed = [str(element.text) for element in tree.iter("{*}loc")]
        assert len(listed) > 100 or "news" in seed
        assert {expected[url] for url in listed} == {200}


def test_the_calendar_ends_after_its_years() -> None:
    web = Web(Shape())
    months = [url for url in web.expected(PORT) if "/calendar/" in url]
    assert len(months) == 120
    assert web.answer("news.localhost", "/calendar/2026/01/").status == 404


def test_an_endless_calendar_always_has_a_next_month() -> None:
    web = Web(Shape(years=None))
    url = f"http://news.localhost:{PORT}/calendar/98765/12/"
    assert f"http://news.localhost:{PORT}/calendar/98766/01/" in links(url, ask(web, url))
    with pytest.raises(ValueError, match="endless"):
        web.expected(PORT)


def test_a_page_depends_on_seed_and_shape_alone() -> None:
    one, same, other = Web(Shape()), Web(Shape()), Web(Shape(seed=2))
    urls = list(one.expected(PORT))
    for url in reversed(urls[:300]):
        ask(same, url)  # whatever was asked before
    for url in urls[:300]:
        assert ask(one, url) == ask(same, url)
    assert ask(one, urls[0]).body != ask(other, urls[0]).body


def test_a_page_of_a_very_large_web_needs_no_other_page() -> None:
    web = Web(Shape(hosts=1_000, pages=10**9))
    front = f"http://h777.localhost:{PORT}/"
    for url in links(front, ask(web, front)):
        assert ask(web, url).status in (200, 301, 302, 307, 308, 404, 500)


@pytest.mark.parametrize(
    ("values", "named"),
    [
        ({"hosts": 0}, "hosts"),
        ({"hosts": 10, "pages": 9}, "pages"),
        ({"latency": -1.0}, "latency"),
        ({"latency": float("nan")}, "latency"),
        ({"least_weight": 9, "most_weight": 8}, "least_weight"),
        ({"missing": 0.5, "errors": 0.5}, "missing"),
    ],
)
def test_an_impossible_shape_is_refused_by_name(values: dict[str, float], named: str) -> None:
    with pytest.raises(ValueError, match=named):
        Shape(**values)  # type: ignore[arg-type]  # each value has the type of its field


@pytest.mark.parametrize("host", ["", "other.localhost", "news.localhost:x", "news.localhost:80:80", "news", "\u00e9"])
def test_an_unknown_host_is_not_found(host: str) -> None:
    assert Web(QUICK).answer(host, "/").status == 404


@pytest.mark.parametrize(
    "path", ["", "//", "/x" * 5_000, "/calendar/2016/13/", "/?", "/go/", "/go/01", "/" + "9" * 9_000]
)
def test_an_unknown_path_is_not_found(path: str) -> None:
    assert Web(QUICK).answer("news.localhost", path).status == 404


# Served


@pytest.fixture(params=["uvloop", "asyncio"])
async def served(request: pytest.FixtureRequest) -> AsyncIterator[Served]:
    """The quick web, on either event loop."""
    if request.param == "uvloop":
        async with serving(QUICK) as served:
            yield served
        return
    program = "import sys; sys.modules['uvloop'] = None; from benchmarks.web import main; sys.exit(main())"
    flags = [f"--{name.replace('_', '-')}={value}" for name, value in asdict(QUICK).items()]
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", program, "--until-eof", *flags),
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    yield Served(pid=process.pid, **json.loads(await process.stdout.readline()))
    process.stdin.close()
    assert await process.communicate() == (b"", b"")
    assert process.returncode == 0


async def exchange(served: Served, request: str | bytes, *, eof: bool = False) -> bytes:
    """Everything that comes back on one connection until the server closes it."""
    reader, writer = await asyncio.open_connection("127.0.0.1", served.port)
    try:
        text = request if isinstance(request, bytes) else request.encode()
        writer.write(text.replace(b"HOST", b"news.localhost:%d" % served.port))
        if eof:
            writer.write_eof()
        return await reader.read()
    finally:
        writer.close()
        await writer.wait_closed()


def message(answer: bytes) -> tuple[str, dict[str, str], bytes]:
    """Status line, fields, and what follows, of which Content-Length says how much is the body."""
    head, _, rest = answer.partition(b"\r\n\r\n")
    status, *lines = head.decode().split("\r\n")
    return status, dict(line.split(": ", 1) for line in lines), rest


async def test_what_is_served_is_what_is_generated() -> None:
    """Also when no field has its default: each one is a flag of the program."""
    shape = Shape(3, 9, 900, 50, 6_000, 70_000, 0.0, 0.001, 0.1, 0.1, 0.1, 0.1, 0.1, 3, 1, 1, None)
    web = Web(shape)
    async with serving(shape) as served:
        assert served.seeds == web.seeds(served.port)
        hosts = [urlsplit(seed).netloc for seed in served.seeds]
        for host, path in [*((host, "/") for host in hosts), (hosts[0], "/robots.txt"), (hosts[1], "/go/2")]:
            expected = web.answer(host, path)
            got = await exchange(served, f"GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n")
            status, fields, body = message(got)
            assert status.startswith(f"HTTP/1.1 {expected.status} ")
            length = {"Content-Length": str(len(expected.body)), "Connection": "close"}
            assert fields == expected.headers | length
            assert body == expected.body


async def test_pipelined_requests_are_answered_in_order() -> None:
    async with serving(Shape(hosts=2, pages=60, latency=0.001, slow_latency=0.002, years=0)) as served:
        web = Web(Shape(hosts=2, pages=60, years=0))
        asked = [(host, path) for host in web.hosts for path in ("/", "/robots.txt", "/go/0", "/style.css")] * 5
        last = "GET / HTTP/1.1\r\nHost: HOST\r\nConnection: close\r\n\r\n"
        requests = [f"GET {path} HTTP/1.1\r\nHost: {host}\r\n\r\n" for host, path in asked]
        rest = await exchange(served, "".join(requests) + last)
        for host, path in asked:
            _, fields, rest = message(rest)
            expected = web.answer(host, path).body
            assert int(fields["Content-Length"]) == len(expected)
            assert rest.startswith(expected)
            rest = rest[len(expected) :]
        assert message(rest)[1]["Connection"] == "close"


async def test_a_client_that_reads_late_gets_every_answer(served: Served) -> None:
    """More is asked for than all buffers hold; the server waits for the client and goes on."""
    reader, writer = await asyncio.open_connection("127.0.0.1", served.port)
    request = b"GET / HTTP/1.1\r\nHost: news.localhost\r\n\r\n"
    writer.write(request * 3_000 + request.replace(b"1.1", b"1.0"))
    answers = 0
    while await reader.readline() != b"":
        head = await reader.readuntil(b"\r\n\r\n")
        length = next(line for line in head.split(b"\r\n") if line.startswith(b"Content-Length: "))
        await reader.readexactly(int(length.split()[1]))
        answers += 1
    assert answers == 3_001
    writer.close()
    await writer.wait_closed()


async def test_a_request_may_come_in_pieces(served: Served) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", served.port)
    for byte in b"\r\nGET / HTTP/1.0\r\nhost: news.localhost\r\n\r\n":
        writer.write(bytes([byte]))
        await writer.drain()
    assert (await reader.read()).startswith(b"HTTP/1.1 200 ")
    writer.close()
    await writer.wait_closed()


async def test_head_has_the_fields_of_get_and_no_body(served: Served) -> None:
    get = message(await exchange(served, "GET / HTTP/1.1\r\nHost: HOST\r\nConnection: close\r\n\r\n"))
    head = message(await exchange(served, "HEAD / HTTP/1.1\r\nHost: HOST\r\nConnection: close\r\n\r\n"))
    assert head == (*get[:2], b"")


async def test_http_1_0_is_answered_and_closed(served: Served) -> None:
    status, fields, body = message(await exchange(served, "GET / HTTP/1.0\r\nHost: HOST\r\n\r\n"))
    assert status == "HTTP/1.1 200 OK"
    assert int(fields["Content-Length"]) == len(body)


async def test_a_proxys_form_of_request_is_understood(served: Served) -> None:
    answer = await exchange(served, "GET http://HOST/style.css HTTP/1.0\r\nHost: elsewhere\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 200 ")


async def test_a_client_that_has_closed_its_side_is_still_answered() -> None:
    async with serving(Shape(hosts=1, pages=10, latency=0.05, years=0)) as served:
        answer = await exchange(served, "GET / HTTP/1.1\r\nHost: HOST\r\n\r\n" * 2, eof=True)
        assert answer.count(b"HTTP/1.1 200 OK") == 2


async def test_a_slow_host_holds_up_no_other_connection() -> None:
    async with serving(Shape(hosts=2, pages=20, slow_latency=60, latency=0, years=0)) as served:
        slow_reader, slow_writer = await asyncio.open_connection("127.0.0.1", served.port)
        slow_writer.write(b"GET / HTTP/1.1\r\nHost: shop.localhost\r\n\r\n")
        await slow_writer.drain()
        waiting = asyncio.create_task(slow_reader.read(1))
        answer = await exchange(served, "GET / HTTP/1.1\r\nHost: HOST\r\nConnection: close\r\n\r\n")
        assert answer.startswith(b"HTTP/1.1 200 ")
        assert not waiting.done()
        waiting.cancel()
        slow_writer.close()
        await slow_writer.wait_closed()


@pytest.mark.parametrize(
    "request_",
    [
        b"nonsense\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",  # the beginning of TLS
        b"GET / HTTP/1.1\n\n",
        b"GET / HTTP/1.1\r\n\r\n",  # no Host
        b"GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nno field\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello",
        b"GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"GET / HTTP/2.0\r\nHost: a\r\n\r\n",
        b"GET / x HTTP/1.1\r\nHost: a\r\n\r\n",
        b"GET x HTTP/1.1\r\nHost: a\r\n\r\n",
        b"GET /\xc3\xa9 HTTP/1.1\r\nHost: a\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"x" * 200_000,
        b"GET /" + b"x" * 200_000,
    ],
    ids=lambda request: repr(request[:48]),
)
async def test_a_wrong_request_is_answered_400_and_closed(served: Served, request_: bytes) -> None:
    assert (await exchange(served, request_)).startswith(b"HTTP/1.1 400 ")


async def test_another_method_is_answered_405_and_closed(served: Served) -> None:
    answer = await exchange(served, "POST / HTTP/1.1\r\nHost: HOST\r\nContent-Length: 5\r\n\r\nhello")
    assert message(answer)[0] == "HTTP/1.1 405 Method Not Allowed"
    assert message(answer)[1]["Allow"] == "GET, HEAD"


# Started and ended


async def test_the_server_ends_with_the_block() -> None:
    async with serving(QUICK) as served:
        pass
    with pytest.raises(OSError, match=r"refused|failed|reset"):
        await asyncio.open_connection("127.0.0.1", served.port)


async def test_the_server_starts_from_any_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "benchmarks").mkdir()
    (tmp_path / "benchmarks" / "__init__.py").write_text("raise ImportError('the wrong one')")
    monkeypatch.chdir(tmp_path)
    async with serving(QUICK) as served:
        assert len(served.seeds) == 3


async def test_a_taken_port_is_one_line(served: Served) -> None:
    with pytest.raises(RuntimeError, match=rf"^the built-in web did not start: .*port {served.port}: [^\n]*in use"):
        async with serving(QUICK, port=served.port):
            pass
    program = [sys.executable, "-m", "benchmarks.web", f"--port={served.port}"]
    done = await asyncio.to_thread(subprocess.run, program, cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="needs /proc")
async def test_no_file_of_the_parent_stays_open_in_the_server(tmp_path: Path) -> None:
    """A lock inherited by a child would outlive its parent."""
    with (tmp_path / "lock").open("w") as lock:
        os.set_inheritable(lock.fileno(), True)
        async with serving(QUICK) as served:
            held = [str(link.readlink()) for link in Path(f"/proc/{served.pid}/fd").iterdir()]
    assert not [path for path in held if "lock" in path.rsplit("/", 1)[-1]]


async def test_the_server_dies_with_a_parent_that_is_killed() -> None:
    parent = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        "import asyncio\n"
        "from benchmarks.web import Shape, serving\n"
        "async def main():\n"
        "    async with serving(Shape()) as served:\n"
        "        print(served.port, flush=True)\n"
        "        await asyncio.Event().wait()\n"
        "asyncio.run(main())",
        cwd=ROOT,
        stdout=subprocess.PIPE,
    )
    assert parent.stdout is not None
    port = int(await parent.stdout.readline())
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    parent.kill()
    await parent.communicate()
    assert await reader.read() == b""  # until the server's end closes the connection
    writer.close()
    await writer.wait_closed()


async def test_the_program_serves_until_a_signal() -> None:
    program = [sys.executable, "-m", "benchmarks.web", "--hosts=1", "--pages=5", "--years=endless"]
    process = await asyncio.create_subprocess_exec(
        *program, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL
    )
    assert process.stdout is not None
    assert await process.stdout.readline()
    process.send_signal(signal.SIGTERM)
    assert await process.communicate() == (b"", b"")
    assert process.returncode == 0


async def test_a_wrong_flag_is_exit_2() -> None:
    for flag in ("--hosts=0", "--hosts=x", "--port=70000", "--nothing=1"):
        program = [sys.executable, "-m", "benchmarks.web", flag]
        done = await asyncio.to_thread(subprocess.run, program, cwd=ROOT, capture_output=True, check=False)
        assert done.returncode == 2


def test_mazes_have_no_end_and_are_no_real_pages() -> None:
    """Filters in any order, a session id that is new on each page, and paths that grow; none of them by default."""
    web = Web(Shape(hosts=1, pages=50, years=None, facets=3, sessions=1, growth=1))
    home = f"http://news.localhost:{PORT}/"
    real = web.real(PORT)
    entrances = links(home, ask(web, home)) - real.keys() - web.forbidden(PORT)
    for start in ("catalogue", "archive/all/", "?visit="):
        (url,) = [entrance for entrance in entrances if entrance.startswith(home + start)]
        seen = {url}
        for _ in range(5):
            url = max(links(url, ask(web, url)) - real.keys() - seen, key=len)
            assert ask(web, url).status == 200
            seen.add(url)
    with pytest.raises(ValueError, match="no end"):
        web.expected(PORT)
