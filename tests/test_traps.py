"""Which URLs are taken for traps, and which are not: a web is stated as a function, and walked without a network."""

from collections import Counter, deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from itertools import product
from random import Random

import pytest

from crawler.model import LAST_PRIORITY, Finished, Found, Request, Visit
from crawler.reasons import REASONS
from crawler.traps import TRAPS, Traps, refusal
from crawler.traps.memory import Recent, Table
from tests.crawling import ROOT

NOW = 1_780_000_000.0  # in May 2026
HOME = "http://a.example"
Web = Callable[[str], tuple[object, Iterable[str]]]
"""Of a path with its query, what the page holds and where it leads."""


@dataclass
class Walk:
    """What came of a walk through a web."""

    pages: list[str] = field(default_factory=list)  # paths that were asked for
    refused: Counter[str] = field(default_factory=Counter)
    ended: bool = False  # was there nothing more to ask for?


def walk(web: Web, *, most: int = 20_000, rules: Sequence[str] = TRAPS) -> Walk:
    """Walk from the home page, the nearest first, one page at a time."""
    traps, came = Traps(rules), Walk()
    known = {"/": 1}
    waiting = deque([("/", 0)])
    while waiting and len(came.pages) < most:
        path, depth = waiting.popleft()
        request = Request(known[path], HOME + path, "a.example:80", depth, None)
        refused = traps.admit(request)
        new: list[str] = []
        if refused is not None:
            came.refused[refused.reason] += 1
            finished = Finished(request.id, "refused", 0, reason=refused.reason)
            links: Iterable[str] = [url.removeprefix(HOME) for url in refused.instead]
            depth -= 1
        else:
            came.pages.append(path)
            content, links = web(path)
            finished = Finished(request.id, "crawled", 1, 200, likeness=hash(content))
        for link in links:
            if link not in known:
                known[link] = len(known) + 1
                new.append(link)
        waiting.extend((link, depth + 1) for link in new)
        traps.learn([finished], [(request.id, HOME + link) for link in new], NOW)
    came.ended = not waiting
    return came


# What must not be taken for a trap.


def forum(path: str) -> tuple[object, Iterable[str]]:
    """60 topics of ten pages each, in lists of 20, all at two paths, and nothing else to be found anywhere."""
    query = dict(part.split("=") for part in path.partition("?")[2].split("&") if part)
    if "t" in query:
        return path, [f"/viewtopic.php?f=2&t={query['t']}&start={start}" for start in range(15, 150, 15)]
    start = int(query.get("start", 0))
    topics = [f"/viewtopic.php?f=2&t={topic}" for topic in range(start, start + 20)]
    return path, [*topics, *(f"/viewforum.php?f=2&start={start}" for start in (20, 40))]


def wiki(path: str) -> tuple[object, Iterable[str]]:
    """300 articles, each with its history, its source and three differences, all at one path."""
    title = path.partition("title=")[2].partition("&")[0] or "0"
    actions = [f"/index.php?title={title}&action={action}" for action in ("history", "edit", "info")]
    others = [f"/index.php?title={(int(title) * 3 + step) % 300}" for step in range(3)]
    return path, [*others, *actions, *(f"/index.php?title={title}&diff={title}{n}" for n in range(3))]


def pagination(path: str) -> tuple[object, Iterable[str]]:
    page = int(path.partition("=")[2] or 1)
    return path, [f"/list?page={page + step}" for step in (1, 2) if page + step < 3000]


def id_list(path: str) -> tuple[object, Iterable[str]]:
    """Three thousand things by number, which lead nowhere."""
    return path, [f"/thing?id={number}" for number in range(3000)] if path == "/" else []


def news(path: str) -> tuple[object, Iterable[str]]:
    """Fifteen years by month and day, and on every tenth day an article."""
    parts = path.strip("/").split("/")
    if path == "/":
        return path, [f"/{year}/{month:02}/" for year in range(2010, 2025) for month in range(1, 13)]
    if len(parts) == 2:
        return path, [f"{path}{day:02}/" for day in range(1, 29, 3)]
    return path, [f"{path}what-happened"] if len(parts) == 3 and int(parts[2]) % 10 == 0 else []


def gallery(path: str) -> tuple[object, Iterable[str]]:
    """Pages of one title and one length, told apart by the address of a picture alone."""
    number = int(path.rpartition("/")[2] or 0)
    return f"<title>Gallery</title><img src={number:06}>", [f"/photo/{number + 1}"] if number < 2000 else []


def search(path: str) -> tuple[object, Iterable[str]]:
    """Lists by two filters and a page, which lead to 1,500 things."""
    if path.startswith("/offer"):
        return path, ["/search"]
    query = dict(part.split("=") for part in path.partition("?")[2].split("&") if part)
    if "page" not in query:
        return path, [f"/search?city={city}&kind={kind}&page=1" for city in range(30) for kind in range(5)]
    number = (int(query["city"]) * 5 + int(query["kind"])) * 10 + int(query["page"])
    more = [f"/search?city={query['city']}&kind={query['kind']}&page={int(query['page']) + 1}"]
    return path, [f"/offer/{number}", *(more if int(query["page"]) < 9 else [])]


def mixed_duplicates(path: str) -> tuple[object, Iterable[str]]:
    """Every fourth page of a template is the same as one before."""
    number = int(path.rpartition("/")[2] or 0)
    return number - number % 4 if number % 4 == 3 else number, [f"/item/{number + 1}"] if number < 1000 else []


@pytest.mark.parametrize("web", [forum, wiki, pagination, id_list, news, gallery, search, mixed_duplicates])
def test_what_is_no_trap_is_read_to_its_end(web: Web) -> None:
    came = walk(web)
    assert not came.refused
    assert came.pages == walk(web, rules=[]).pages
    assert came.ended


# What is a trap.


def calendar(path: str) -> tuple[object, Iterable[str]]:
    """A month leads to the months around it, and to a form for each of them."""
    if path.startswith("/add"):
        return path, []
    year, month = map(int, path.strip("/").split("/")[1:]) if path != "/" else (2026, 5)
    number = year * 12 + month - 1
    months = [f"{there // 12:04}/{there % 12 + 1:02}" for there in (number - 1, number + 1)]
    forms = [f"/add?date={month.replace('/', '-')}" for month in months]
    return path, [*(f"/events/{month}/" for month in months), *forms]


def test_a_calendar_ends() -> None:
    came = walk(calendar)
    assert came.ended
    assert set(came.refused) == {"calendar"}
    assert len(came.pages) < 250, "the months and the forms, each some 120"


def test_ten_years_of_months_are_read_whole() -> None:
    months = [f"/calendar/{2016 + number // 12}/{number % 12 + 1:02}/" for number in range(120)]
    after = dict(zip(["/", *months], months, strict=False))
    came = walk(lambda path: (path, [after[path]] if path in after else []))
    assert came.pages == ["/", *months]


def facets(path: str) -> tuple[object, Iterable[str]]:
    """Four filters of five values, added in any order."""
    query = path.partition("?")[2]
    free = [name for name in "abcd" if f"{name}=" not in query]
    return path, [f"/shop?{query}{'&' * bool(query)}{name}={value}" for name, value in product(free, range(5))]


def test_facets_end_and_their_order_does_not_matter() -> None:
    came = walk(facets)
    assert came.ended
    assert set(came.refused) == {"facets", "parameter_order"}
    assert {f"/shop?{name}={value}" for name, value in product("abcd", range(5))} <= set(came.pages)
    assert len(came.pages) < 100
    for rules, reason in ((["facets"], "facets"), (["parameter_order"], "parameter_order")):
        assert set(walk(facets, rules=rules).refused) == {reason}


def sessions(chance: Random) -> Web:
    """200 pages whose links all bear a session id of their own; half of them are linked only so."""

    def web(path: str) -> tuple[object, Iterable[str]]:
        base = path.partition("?")[0]
        number = int(base.rpartition("/")[2] or 0)
        token = f"{chance.getrandbits(128):032x}"
        links = [
            f"/page/{there}?visit={token}" for there in (number * 2 + 1, number * 2 + 2, number // 2) if there < 200
        ]
        return base, links + [f"/page/{there}" for there in range(100)] * (path == "/")

    return web


def test_a_parameter_that_changes_nothing_is_left_out_and_all_pages_are_found() -> None:
    came = walk(sessions(Random(1)))
    assert came.ended
    assert set(came.refused) == {"same_pages"}
    assert {path.partition("?")[0] for path in came.pages} == {"/", *(f"/page/{number}" for number in range(200))}
    assert len(came.pages) < 260


def test_a_parameter_of_which_one_value_changes_nothing_is_followed() -> None:
    """The first page of each list is the list itself; the others are not."""

    def lists(path: str) -> tuple[object, Iterable[str]]:
        if path == "/":
            return path, [f"/list/{number}" for number in range(100)]
        base, _, page = path.partition("?page=")
        return path if page in ("2", "3") else base, [f"{base}?page={number}" for number in (1, 2, 3)]

    came = walk(lists)
    assert (len(came.pages), came.refused) == (401, {})


def test_a_template_of_pages_seen_before_stops_wherever_it_grows() -> None:
    def growing(path: str) -> tuple[object, Iterable[str]]:
        return "the same", [f"{path}older/", f"{path}by-name/"]

    came = walk(growing)
    assert came.ended
    assert {"same_pages", "repeated_segments"} >= set(came.refused)
    assert len(came.pages) < 250


def test_what_a_suspicious_template_leads_to_goes_last() -> None:
    traps = Traps()
    for number in range(1, 31):
        assert traps.admit(Request(number, f"{HOME}/x/{number}", "a.example:80", 1, None)) is None
        traps.learn([Finished(number, "crawled", 1, 200, likeness=7)], [], NOW)
    assert traps.admit(Request(99, f"{HOME}/x/99", "a.example:80", 1, None)) is None
    found = Found([f"{HOME}/x/100", f"{HOME}/y"], 2, 99)
    (sunk,) = traps.sink([Finished(99, "crawled", 1, 200, found=[found])])
    assert sunk.found == [Found([f"{HOME}/y"], 2, 99), Found([f"{HOME}/x/100"], 2, 99, priority=LAST_PRIORITY)]


@pytest.mark.parametrize(
    ("path", "rule"),
    [
        ("/a/b/a/b/a/b", "repeated_segments"),
        ("/x/x/x/x", "repeated_segments"),
        ("/a/1/a/2/a/3/a/4/a/5/a", "repeated_segments"),
        ("/a/b/c/a/b/c/a/b/c/", "repeated_segments"),
        ("/x/x/x", None),
        ("/a/b/a/b", None),
        ("/tiles/5/5/5/5.png", None),
        ("/2020/20/20/20", None),
        ("".join(f"/{number}x" for number in range(31)), "deep_path"),
        ("".join(f"/{number}x" for number in range(30)), None),
        ("/?" + "&".join(f"n{number}" for number in range(21)), "many_parameters"),
        ("/?" + "&".join(f"n{number}" for number in range(20)), None),
        ("/?" + "&" * 500, None),
    ],
)
def test_what_a_url_alone_tells(path: str, rule: str | None) -> None:
    assert refusal(HOME + path) == rule
    assert refusal(HOME + path, []) is None


def test_seeds_redirects_retries_and_recrawls_are_asked_for() -> None:
    traps, loop = Traps(), f"{HOME}/x/x/x/x"
    assert traps.admit(Request(1, loop, "a.example:80", 0, None)) is None
    assert traps.admit(Request(2, loop, "a.example:80", 1, None, attempt=2)) is None
    assert traps.admit(Request(3, loop, "a.example:80", 1, None, before=Visit())) is None
    assert traps.admit(Request(4, loop, "a.example:80", 1, None, hops=1)) is not None, "its own text says it"
    assert traps.admit(Request(5, f"{HOME}/?a=1&b=2", "a.example:80", 1, None)) is None
    assert traps.admit(Request(6, f"{HOME}/?b=2&a=1", "a.example:80", 1, None, hops=1)) is None
    assert traps.admit(Request(7, f"{HOME}/?b=2&a=1", "a.example:80", 1, None)) is not None
    assert traps.admit(Request(8, f"{HOME}/?a=1&b=2", "a.example:80", 1, None)) is None, "handed out once more"
    assert traps.admit(Request(9, f"{HOME}/?b=2&a=1&a=2", "a.example:80", 1, None)) is None
    assert traps.admit(Request(10, f"{HOME}/?b=2&a=2&a=1", "a.example:80", 1, None)) is None, "a list has an order"


def test_each_rule_is_explained() -> None:
    told = (ROOT / "docs" / "traps.md").read_text()
    assert [rule for rule in TRAPS if f"`{rule}`" not in told] == []


def test_every_rule_has_a_reason_and_can_be_turned_off() -> None:
    assert {REASONS[rule].counted for rule in TRAPS} == {"refused"}
    for web in (calendar, facets):
        assert not walk(web, rules=[], most=500).refused


def test_memory_does_not_grow() -> None:
    table: Table = Table(4)
    for key in range(1000):
        table.put(hash(str(key)), key)
    assert table.get(hash("999")) == 999
    assert sum(table.get(hash(str(key))) == key for key in range(1000)) <= 16
    recent: Recent[int, list[int]] = Recent(3, list)
    for key in (1, 2, 3, 1, 4):
        recent.touch(key).append(key)
    assert (recent.get(1), recent.get(2), recent.get(4)) == ([1, 1], None, [4])
