"""The settings: flags, files, their order, and the one line that each mistake gets."""

import re
from dataclasses import FrozenInstanceError, replace
from pathlib import Path

import pytest
import tomli_w

from crawler import VERSION, manual
from crawler.options import SettingsError
from crawler.settings import SETTINGS, Settings
from crawler.sources import kept, load

ROOT = Path(__file__).parent.parent


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder that is both the current one and that of crawl.py."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def refused(home: Path, *arguments: str) -> str:
    """The message of a command line that is in error; always one line."""
    with pytest.raises(SettingsError) as caught:
        load(arguments, home)
    message = str(caught.value)
    assert "\n" not in message
    return message.replace(f"{home}/", "")


def begun(home: Path, settings: Settings) -> None:
    """Leave a job.toml behind, as a crawl with these settings does."""
    folder = home / settings.job
    folder.mkdir(parents=True)
    (folder / "job.toml").write_text(tomli_w.dumps({"settings": kept(settings), "demo": {"port": 4711}}))


# --- The command line


@pytest.mark.parametrize("arguments", [["--traps=none"], ["--traps="]])
def test_a_word_or_nothing_turns_all_rules_off(arguments: list[str], tmp_path: Path) -> None:
    assert load(arguments, tmp_path).traps == ()
    (tmp_path / "config.toml").write_text('traps = "none"\nstrip_params = ["id", "utm_*"]\n')
    settings = load([], tmp_path)
    assert (settings.traps, settings.strip_params) == ((), ("id", "utm_*"))
    assert load(["--traps=facets,calendar"], tmp_path).traps == ("facets", "calendar")


def test_without_arguments_all_is_as_documented(home: Path) -> None:
    settings = load([], home)
    assert settings == Settings(seeds=home / "seeds.txt", job=Path("jobs/seeds"))
    assert (settings.concurrency, settings.per_host, settings.delay, settings.port) == (100, 4, 0.25, 8888)
    assert settings.max_body == 10_000_000
    assert settings.store == ("jsonl",)
    assert settings.agent == f"Waterspout/{VERSION}"


def test_settings_cannot_be_changed(home: Path) -> None:
    with pytest.raises(FrozenInstanceError):
        load([], home).delay = 0  # type: ignore[misc]  # that it may not is what is tested


def test_flags_and_urls_stand_in_any_order(home: Path) -> None:
    settings = load(["https://a/", "--delay=1", "https://b/", "--per_host=2", "--fresh", "https://c/"], home)
    assert settings.urls == ("https://a/", "https://b/", "https://c/")
    assert (settings.delay, settings.per_host, settings.fresh) == (1, 2, True)


def test_after_two_dashes_all_are_urls(home: Path) -> None:
    assert load(["--delay=1", "--", "--delay=2", "--"], home).urls == ("--delay=2", "--")


def test_a_value_may_follow_its_flag(home: Path) -> None:
    settings = load(["--max-pages", "5", "https://a/", "--fresh", "https://b/"], home)
    assert (settings.max_pages, settings.urls) == (5, ("https://a/", "https://b/"))


@pytest.mark.parametrize("arguments", [["--delay"], ["--delay", "--fresh"], ["--delay", "--", "https://a/"]])
def test_a_flag_without_its_value_says_how_to_write_it(home: Path, arguments: list[str]) -> None:
    assert refused(home, *arguments) == "--delay: needs a value; write --delay=S"


@pytest.mark.parametrize(
    ("flag", "message"),
    [
        ("--per-hots=3", "--per-hots: unknown flag; did you mean --per-host?"),
        ("--Delay=3", "--Delay: unknown flag; did you mean --delay?"),
        ("--zzzz", "--zzzz: unknown flag; --help lists all"),
        ("-c", "-c: unknown flag; --help lists all"),
        ("-delay=3", "-delay: unknown flag; did you mean --delay?"),
        ("--urls=https://a/", "--urls: unknown flag"),
        ("--a\nb", "--a\\nb: unknown flag"),
    ],
)
def test_an_unknown_flag_is_named_with_the_nearest(home: Path, flag: str, message: str) -> None:
    assert refused(home, flag).startswith(message)


@pytest.mark.parametrize(
    ("flag", "message"),
    [
        ("--concurrency=0", "--concurrency=0: must be a whole number from 1 to 20000"),
        ("--concurrency=1.5", "--concurrency=1.5: must be a whole number from 1 to 20000"),
        ("--concurrency=1_000", "--concurrency=1_000: must be a whole number from 1 to 20000"),
        ("--concurrency=\u0661", "--concurrency=\u0661: must be a whole number from 1 to 20000"),
        ("--concurrency=", "--concurrency=: must be a whole number from 1 to 20000"),
        ("--delay=nan", "--delay=nan: must be a number of seconds from 0 to 86400"),
        ("--delay=inf", "--delay=inf: must be a number of seconds from 0 to 86400"),
        ("--delay=1e999", "--delay=1e999: must be a number of seconds from 0 to 86400"),
        ("--delay=-1", "--delay=-1: must be a number of seconds from 0 to 86400"),
        ("--delay=soon", "--delay=soon: must be a number of seconds from 0 to 86400"),
        ("--max-pages=0", "--max-pages=0: must be a whole number, 1 or more, or none"),
        ("--max-depth=-1", "--max-depth=-1: must be a whole number, 0 or more, or none"),
        ("--max-pages=" + "9" * 5000, "--max-pages=" + "9" * 97 + "...: must be a whole number, 1 or more, or none"),
        ("--fresh=banana", "--fresh=banana: must be true or false"),
        ("--fresh=1", "--fresh=1: must be true or false"),
        ("--robots=maybe", "--robots=maybe: must be obey or ignore"),
        ("--store=jsonl,xml", "--store=jsonl,xml: must be jsonl"),
        ("--store=", "--store=: must be at least 1 of: jsonl"),
        ("--frontier=redis", "--frontier=redis: must be sqlite or memory"),
        *(
            (
                f"--dns-server={value}",
                f"--dns-server={value}: must be an IP address such as "
                "192.0.2.1, 192.0.2.1:53, 2001:db8::1 or [2001:db8::1]:53",
            )
            for value in ("ns.example", "192.0.2.1:0", "192.0.2.1:65536", "192.0.2", "[::1", "fe80::1%eth0", "1,2")
        ),
        ("--port=65536", "--port=65536: must be a whole number from 0 to 65535, or off"),
        (
            "--max-body=10 apples",
            "--max-body=10 apples: must be a size from 1 to 1GB, such as 1000, 512k, 10MB or 4MiB",
        ),
        ("--max-body=2GB", "--max-body=2GB: must be a size from 1 to 1GB, such as 1000, 512k, 10MB or 4MiB"),
        (
            "--exclude=a(b",
            '--exclude=a(b: must be a regular expression; "a(b" is none: '
            "missing ), unterminated subpattern at position 1",
        ),
        ("--job=", "--job=: must be a path"),
        ("--user-agent=(x)", "--user-agent=(x): must be printable ASCII that begins with a product such as MyBot/1.0"),
        (
            "--user-agent=X\r\nA: b",
            "--user-agent=X\\r\\nA: b: must be printable ASCII that begins with a product such as MyBot/1.0",
        ),
        (
            "--address=0.0.0.0",
            "--address=0.0.0.0: must be a loopback address such as 127.0.0.1 or ::1: "
            "any other needs a password, which is not built yet",
        ),
    ],
)
def test_a_wrong_value_is_named_with_what_is_allowed(home: Path, flag: str, message: str) -> None:
    assert refused(home, flag) == message


@pytest.mark.parametrize(
    ("header", "message"),
    [
        ("sesame", '--header: must be "Name: value" in printable ASCII'),
        ("X: a\r\nY: sesame", '--header: must be "Name: value" in printable ASCII'),
        ("Host: a", "--header: must be a header that the crawler does not set by itself, unlike Host"),
        (
            "user-agent: a",
            "--header: must be a header that the crawler does not set by itself, unlike user-agent (see --user-agent)",
        ),
    ],
)
def test_a_wrong_header_is_an_error_that_does_not_show_it(home: Path, header: str, message: str) -> None:
    assert refused(home, f"--header={header}") == message


def test_lists_add_up_and_patterns_keep_their_commas(home: Path) -> None:
    settings = load(["--exclude=a{1,3}", "--store=jsonl, jsonl", "--exclude", "b,c", "--store=jsonl"], home)
    assert [pattern.pattern for pattern in settings.exclude] == ["a{1,3}", "b,c"]
    assert settings.store == ("jsonl",)


def test_a_pattern_that_python_warns_of_is_accepted(home: Path) -> None:
    assert load(["--include=[[a]"], home).include[0].search("[")


def test_of_a_flag_given_twice_the_last_one_holds(home: Path) -> None:
    assert load(["--delay=1", "--delay=2"], home).delay == 2


@pytest.mark.parametrize(
    ("size", "number"),
    [("1000", 1000), ("512k", 512_000), ("10MB", 10**7), ("1.5M", 1_500_000), ("4MiB", 4 * 2**20), ("1 GB", 10**9)],
)
def test_sizes_are_decimal_or_with_an_i_binary(home: Path, size: str, number: int) -> None:
    assert load([f"--max-body={size}"], home).max_body == number


@pytest.mark.parametrize(
    ("given", "server"),
    [
        ("192.0.2.1", "192.0.2.1:53"),
        ("192.0.2.1:5353", "192.0.2.1:5353"),
        ("2001:db8::1", "[2001:db8::1]:53"),
        ("[2001:db8::1]", "[2001:db8::1]:53"),
        ("[2001:DB8::1]:5353", "[2001:db8::1]:5353"),
    ],
)
def test_name_servers_have_a_port(home: Path, given: str, server: str) -> None:
    assert load([f"--dns-server={given}", "--dns-server=127.0.0.1"], home).dns_server == (server, "127.0.0.1:53")


def test_headers_are_pairs(home: Path) -> None:
    settings = load(["--header=Cookie: a=b, c", "--header=X-Empty:"], home)
    assert settings.header == (("Cookie", "a=b, c"), ("X-Empty", ""))


def test_a_path_may_begin_with_the_users_home(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/users/me")
    assert load(["--job=~/crawls/one"], home).job == Path("/users/me/crawls/one")


@pytest.mark.parametrize("address", ["127.0.0.1", "127.9.9.9", "::1", "localhost"])
def test_loopback_addresses_are_accepted(home: Path, address: str) -> None:
    assert load([f"--address={address}"], home).address == address


def test_it_is_known_whether_the_port_was_asked_for(home: Path) -> None:
    assert not load([], home).port_given
    assert load(["--port=8888"], home).port_given
    assert load(["--port=off"], home).port is None
    (home / "config.toml").write_text('port = "off"')
    settings = load([], home)
    assert settings.port is None
    assert settings.port_given


@pytest.mark.parametrize(
    ("agent", "product"),
    [
        ("Waterspout/0.1", "Waterspout"),
        ("Foo/2.1 (compatible thing)", "Foo"),
        ("Foo", "Foo"),
        ("Mozilla/5.0 (compatible; MyBot/1.0; +https://example.com/)", "MyBot"),
        ("Mozilla/5.0 (X11; Linux) AppleWebKit/537 (KHTML, like Gecko; compatible; My-Bot/1) Chrome/1", "My-Bot"),
        ("Mozilla/5.0 (X11; Linux) Gecko", "Mozilla"),
    ],
)
def test_the_product_token_is_that_of_the_bot(home: Path, agent: str, product: str) -> None:
    settings = load([f"--user-agent={agent}", "--contact=me@example.com"], home)
    assert settings.product == product
    assert settings.agent == f"{agent} (+me@example.com)"


@pytest.mark.parametrize("flag", ["--help", "-h"])
def test_help_names_every_setting_on_stdout(home: Path, flag: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        load(["https://a/", flag], home)
    assert caught.value.code == 0
    out, err = capsys.readouterr()
    assert err == ""
    assert max(map(len, out.splitlines())) <= 100
    assert out.startswith("Usage: python crawl.py [OPTIONS] [URL ...]")
    for setting in SETTINGS:
        assert setting.section or f"\n  {setting.usage} " in out
    assert "[requests; default 100]" in out
    assert out.index("What to crawl:") < out.index("How much:") < out.index("Watching:")


def test_version_is_shown(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        load(["--version"], home)
    assert caught.value.code == 0
    assert capsys.readouterr().out == f"Waterspout {VERSION}\n"


# --- Files


def test_flags_beat_config_beats_job_beats_default(home: Path) -> None:
    begun(home, load(["--delay=1", "--per-host=1", "--retries=1"], home))
    (home / "config.toml").write_text("delay = 2\nper_host = 2\n")
    settings = load(["--delay=3"], home)
    assert (settings.delay, settings.per_host, settings.retries, settings.concurrency) == (3, 2, 1, 100)


def test_a_named_configuration_file_stands_in_for_the_default_one(home: Path) -> None:
    (home / "config.toml").write_text("delay = 2")
    (home / "my.toml").write_bytes(b"\xef\xbb\xbfretries = 7\r\n")  # as some editors write it
    settings = load(["--config=my.toml"], home)
    assert (settings.delay, settings.retries) == (0.25, 7)


def test_toml_holds_all_kinds(home: Path) -> None:
    (home / "config.toml").write_text(
        'max_pages = "none"\nmax_body = "1MB"\nmax_time = 1.5\ntimeout = 5\nexclude = ["a{1,3}", "b"]\n'
        'header = ["A: b"]\nurls = ["https://a/"]\nport = 0\nlog_level = "debug"\n'
    )
    settings = load([], home)
    assert (settings.max_pages, settings.max_body, settings.max_time, settings.timeout) == (None, 10**6, 1.5, 5.0)
    assert (settings.header, settings.urls, settings.port) == ((("A", "b"),), ("https://a/",), 0)
    assert settings.exclude == (re.compile("a{1,3}"), re.compile("b"))


def test_paths_in_a_file_are_relative_to_the_file(home: Path) -> None:
    (home / "sub").mkdir()
    (home / "sub" / "my.toml").write_text('seeds = "mine.txt"')
    settings = load(["--config=sub/my.toml"], home)
    assert (settings.seeds, settings.job) == (Path("sub/mine.txt"), Path("jobs/mine"))


@pytest.mark.parametrize(
    ("toml", "message"),
    [
        (b"per_hots = 4", "config.toml: per_hots: unknown setting; did you mean per_host?"),
        (b"per-host = 4", "config.toml: per-host: unknown setting; did you mean per_host?"),
        (b"host = 1", "config.toml: host: must be sections, each begun by [[host]]"),
        (b"[host]\nmatch = 'a'", "config.toml: host: must be sections, each begun by [[host]]"),
        (b"[[host]]\ndelay = 1", "config.toml: [[host]] number 1: match is missing: the hosts that it holds for"),
        (b"[[host]]\nmatch = []", 'config.toml: [[host]] number 1: match = []: must be hosts such as "example.com"'),
        (b"[[host]]\nmatch = 'a/b'", 'config.toml: [[host]] number 1: match = "a/b": must be hosts such as'),
        (b"[[host]]\nmatch = 'a:b'", 'config.toml: [[host]] number 1: match = "a:b": must be hosts such as'),
        (
            b"[[host]]\nmatch = 'a'\n[[host]]\nmatch = 'b'\ndelays = 1",
            "config.toml: [[host]] number 2: delays: unknown setting; did you mean delay?",
        ),
        (
            b"[[host]]\nmatch = 'a'\ndelay = -1",
            "config.toml: [[host]] number 1: delay = -1: must be a number of seconds",
        ),
        (
            b"[[host]]\nmatch = 'a'\nheader = ['sesame']",
            'config.toml: [[host]] number 1: header: must be "Name: value"',
        ),
        (b"fresh = true", "config.toml: fresh: unknown setting; it is a flag only: --fresh"),
        (b"concurrency = '5'", 'config.toml: concurrency = "5": must be a whole number from 1 to 20000'),
        (b"concurrency = true", "config.toml: concurrency = true: must be a whole number from 1 to 20000"),
        (b"concurrency = 5.0", "config.toml: concurrency = 5.0: must be a whole number from 1 to 20000"),
        (b"delay = true", "config.toml: delay = true: must be a number of seconds from 0 to 86400"),
        (b"delay = nan", "config.toml: delay = NaN: must be a number of seconds from 0 to 86400"),
        (b"delay = 2024-01-01", 'config.toml: delay = "2024-01-01": must be a number of seconds from 0 to 86400'),
        (b"max_body = true", "config.toml: max_body = true: must be a size from 1 to 1GB"),
        (b"store = 'jsonl'", 'config.toml: store = "jsonl": must be a list, each jsonl'),
        (b"exclude = ['a', '(']", 'config.toml: exclude = ["a", "("]: must be a regular expression; "(" is none'),
        (b"header = ['sesame']", 'config.toml: header: must be "Name: value" in printable ASCII'),
        (b"port = 'maybe'", 'config.toml: port = "maybe": must be a whole number from 0 to 65535, or off'),
        (b"seeds = 5", "config.toml: seeds = 5: must be a path"),
        (b"a = 1\nb = = 2", "config.toml: not TOML: Invalid value (at line 2, column 5)"),
        (b"a = 1\n# \xff", "config.toml: not UTF-8 (at line 2)"),
    ],
)
def test_a_mistake_in_a_file_is_named_with_file_and_key(home: Path, toml: bytes, message: str) -> None:
    (home / "config.toml").write_bytes(toml)
    assert refused(home).startswith(message)


def test_a_configuration_file_that_cannot_be_read_is_named(home: Path) -> None:
    (home / "folder.toml").mkdir()
    assert refused(home, "--config=none.toml") == "none.toml: no such file"
    assert refused(home, "--config=folder.toml") == "folder.toml: cannot be read: Is a directory"


# --- Some hosts alone


SECTIONS = """
delay = 3
header = ["X-All: 1", "Cookie: all"]

[[host]]
match = "*.example.com"
delay = 1
per_host = 2

[[host]]
match = ["WWW.example.com", "b\u00fccher.example:8080", "[::1]"]
delay = 0.5
robots = "ignore"
header = ["cookie: own"]
"""


@pytest.mark.parametrize(
    ("host", "delay", "per_host", "robots"),
    [
        ("example.com:80", 3, 4, "obey"),
        ("a.example.com:80", 1, 2, "obey"),
        ("a.b.example.com:8443", 1, 2, "obey"),
        ("www.example.com:443", 0.5, 2, "ignore"),
        ("xn--bcher-kva.example:8080", 0.5, 4, "ignore"),
        ("xn--bcher-kva.example:80", 3, 4, "obey"),
        ("[::1]:80", 0.5, 4, "ignore"),
        ("evil.example.com.org:80", 3, 4, "obey"),
        ("wwwaexample.com:80", 3, 4, "obey"),
    ],
)
def test_sections_hold_for_the_hosts_that_they_match(
    home: Path, host: str, delay: float, per_host: int, robots: str
) -> None:
    (home / "config.toml").write_text(SECTIONS, encoding="utf-8")
    of = load([], home).of(host)
    assert (of.delay, of.per_host, of.robots, of.section) == (delay, per_host, robots, (delay, per_host) != (3, 4))
    assert of.header == ((("cookie", "own"),) if robots == "ignore" else ())


def test_a_job_keeps_its_sections_but_not_their_headers(home: Path) -> None:
    (home / "config.toml").write_text(SECTIONS, encoding="utf-8")
    before = load(["https://a/"], home)
    begun(home, before)
    (home / "config.toml").unlink()
    assert "own" not in (home / "jobs" / "a" / "job.toml").read_text()
    after = load(["--job=jobs/a"], home)
    assert after.host == tuple(replace(section, header=()) for section in before.host)


# --- The job


@pytest.mark.parametrize(
    ("arguments", "job"),
    [
        ([], "jobs/seeds"),
        (["--seeds=lists/my list.txt"], "jobs/my-list"),
        (["demo:"], "jobs/demo"),
        (["https://EXAMPLE.com:443/a", "https://other.org/"], "jobs/example.com"),
        (["http://example.com:8080/"], "jobs/example.com-8080"),
        (["https://b\u00fccher.example/"], "jobs/xn--bcher-kva.example"),
        (["http://[::1]:99/"], "jobs/1-99"),
        (["https://user:sesame@example.com/"], "jobs/example.com"),
        (["no url"], "jobs/seeds"),
        (["https://a/", "--job=elsewhere"], "elsewhere"),
    ],
)
def test_the_job_folder_is_named_for_where_the_crawl_begins(home: Path, arguments: list[str], job: str) -> None:
    assert load(arguments, home).job == Path(job)


def test_seeds_are_looked_for_here_then_beside_the_program(home: Path) -> None:
    beside = home / "program"
    assert load([], beside).seeds == beside / "seeds.txt"
    (home / "seeds.txt").touch()
    assert load([], beside).seeds == Path("seeds.txt")


def test_a_job_that_is_named_goes_on_with_its_own_seeds(home: Path) -> None:
    begun(home, load(["https://a/", "--job=one", "--exclude=x{1,2}", "--max-body=1MB"], home))
    settings = load(["--job=one"], home)
    assert settings.urls == ("https://a/",)
    assert (settings.exclude, settings.max_body) == ((re.compile("x{1,2}"),), 10**6)


def test_a_job_remembers_its_seed_file_from_any_folder(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    begun(home, load(["--seeds=mine.txt", "--job=one"], home))
    (home / "other").mkdir()
    monkeypatch.chdir(home / "other")
    assert load(["--job=../one"], home).seeds == home / "mine.txt"


@pytest.mark.parametrize("arguments", [["--seeds=new.txt"], ["https://b/"]])
def test_seeds_that_are_given_overrule_those_of_the_job(home: Path, arguments: list[str]) -> None:
    begun(home, load(["https://a/", "--job=one"], home))
    settings = load(["--job=one", *arguments], home)
    assert settings.urls == (("https://b/",) if "https://b/" in arguments else ())


def test_a_budget_of_the_job_can_be_taken_back(home: Path) -> None:
    begun(home, load(["https://a/", "--max-pages=5", "--exclude=x"], home))
    assert load(["https://a/"], home).max_pages == 5
    settings = load(["https://a/", "--max-pages=none", "--exclude="], home)
    assert (settings.max_pages, settings.exclude) == (None, ())


def test_starting_over_leaves_the_old_jobs_settings_aside(home: Path) -> None:
    begun(home, load(["https://a/", "--max-pages=5"], home))
    assert load(["https://a/", "--fresh"], home).max_pages is None
    again = load(["--job=jobs/a", "--fresh"], home)  # here the old job alone says what to crawl
    assert (again.urls, again.max_pages) == (("https://a/",), 5)


def test_what_is_kept_is_the_job_without_secrets_and_actions(home: Path) -> None:
    (home / "config.toml").touch()
    arguments = ["https://a/", "--header=Cookie: sesame", "--port=0", "--max-time=5", "--fresh", "--yes"]
    values = kept(load([*arguments, "--config=config.toml", "--log-level=debug", "--address=::1", "--job=x"], home))
    assert values["urls"] == ["https://a/"]
    assert "sesame" not in tomli_w.dumps(values)
    dropped = {
        "job",
        "config",
        "fresh",
        "recrawl",
        "yes",
        "explain",
        "try_",
        "export",
        "port",
        "address",
        "max_time",
        "header",
        "log_level",
        "seeds",
    }
    assert values.keys() == {setting.name for setting in SETTINGS} - dropped


def test_what_is_kept_reads_back_the_same(home: Path) -> None:
    flags = [
        "--max-depth=0",
        "--delay=0.5",
        "--max-body=1234",
        "--include=a,b",
        "--contact=me@a.example",
        "--scope=any",
    ]
    before = load(["https://a/", *flags], home)
    begun(home, before)
    after = load(["--job=jobs/a"], home)
    assert kept(after) == kept(before)


@pytest.mark.parametrize(
    ("toml", "message"),
    [
        ("[settings]\nspeed = 5", "speed: unknown setting; was the job begun by a newer Waterspout?"),
        ("[settings]\nport = 5", "port: unknown setting; was the job begun by a newer Waterspout?"),
        ("[settings]\ndelay = 'x'", 'delay = "x": must be a number of seconds from 0 to 86400'),
        ("settings = 5", "settings: must be a table"),
        ("[settings", "not TOML: "),
    ],
)
def test_a_job_file_that_cannot_be_understood_is_named(home: Path, toml: str, message: str) -> None:
    (home / "one").mkdir()
    (home / "one" / "job.toml").write_text(toml)
    assert refused(home, "--job=one").startswith(f"one/job.toml: {message}")


# --- The documents


def test_the_documents_say_what_the_data_class_says() -> None:
    """When this fails: python -m crawler.manual"""
    assert (ROOT / "config.toml").read_text(encoding="utf-8") == manual.config()
    assert (ROOT / "docs" / "settings.md").read_text(encoding="utf-8") == manual.docs()


def test_the_shipped_configuration_sets_nothing(home: Path) -> None:
    (home / "config.toml").write_text(manual.config())
    assert load([], home).given == frozenset()


def test_the_section_of_the_shipped_configuration_can_be_taken(home: Path) -> None:
    text = manual.config()
    (home / "config.toml").write_text(
        re.sub("^#", "", text[text.index("#[[host]]") :], flags=re.MULTILINE).replace(" --- ", "# ")
    )
    assert load([], home).of("a.example.com:80").delay == 2


def test_the_shipped_configuration_shows_the_defaults(home: Path) -> None:
    lines = manual.config().splitlines()
    keys = [line[1:] for line in lines if re.match(r"#[a-z_]+ = ", line)]
    (home / "config.toml").write_text("\n".join(keys))
    settings = load([], home)
    assert settings.given == {setting.name for setting in SETTINGS if not setting.flag_only and not setting.section}
    for setting in SETTINGS:
        if setting.name not in ("seeds", "job"):  # relative to the file; words
            assert getattr(settings, setting.name) == setting.default
