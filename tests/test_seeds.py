"""Seeds from the command line and from a file, and the one line that each mistake gets."""

from pathlib import Path

import pytest

from crawler import seeds
from crawler.options import SettingsError
from crawler.settings import DEMO, Settings

ROOT = Path(__file__).parent.parent


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the seed file of this test is to be, in the current folder."""
    monkeypatch.chdir(tmp_path)
    return Path("seeds.txt")


def refused(settings: Settings) -> str:
    with pytest.raises(SettingsError) as caught:
        seeds.read(settings)
    message = str(caught.value)
    assert "\n" not in message
    return message


def test_a_file_is_read_with_all_that_editors_put_into_it(file: Path) -> None:
    file.write_bytes(
        b"\xef\xbb\xbf# a comment\r\n\r\n  https://EXAMPLE.com  # another\r\nhttps://example.com/#part\r\n"
        b"demo:\r\t#indented\r\nhttps://example.com/a#b # c\nhttps://b\xc3\xbccher.example/"
    )
    assert seeds.read(Settings(seeds=file)) == [
        "https://example.com/",
        DEMO,
        "https://example.com/a",
        "https://xn--bcher-kva.example/",
    ]


def test_urls_that_are_given_keep_the_file_unread(file: Path) -> None:
    assert seeds.read(Settings(seeds=file, urls=("http://a:80", "demo:", "http://a/"))) == ["http://a/", DEMO]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("example.com", '"example.com" is no URL: did you mean https://example.com/ ?'),
        ("example.com:8080/a?b", '"example.com:8080/a?b" is no URL: did you mean https://example.com:8080/a?b ?'),
        ("ftp://a/", '"ftp://a/" is no URL: only http and https URLs can be crawled'),
        ("mailto:me@example.com", '"mailto:me@example.com" is no URL: only http and https'),
        ("/index.html", '"/index.html" is no URL: not a URL'),
        ("https://", '"https://" is no URL: not a URL'),
        ("https://a/ https://b/", '"https://a/ https://b/" is no URL: one URL is wanted'),
        ("\u202ehttps\x1b[2J", '"\\u202ehttps\\x1b[2J" is no URL: not a URL'),
        ("x" * 1000, f'"{"x" * 97}..." is no URL: not a URL'),
    ],
)
def test_what_is_no_url_is_named_with_its_line(file: Path, line: str, message: str) -> None:
    file.write_text(f"# first\nhttps://a/\n{line}\n", encoding="utf-8")
    assert refused(Settings(seeds=file)).startswith(f"seeds.txt, line 3: {message}")


def test_what_is_no_url_is_named_with_its_argument(file: Path) -> None:
    settings = Settings(urls=("https://a/", "example.com"))
    assert refused(settings) == 'argument 2: "example.com" is no URL: did you mean https://example.com/ ?'
    assert refused(Settings(urls=("",))).startswith('argument 1: "" is no URL: not a URL')


def test_a_seed_file_as_an_argument_is_noticed(file: Path) -> None:
    file.write_text("https://a/")
    assert (
        refused(Settings(urls=("seeds.txt",))) == 'argument 1: "seeds.txt" is no URL: did you mean --seeds=seeds.txt ?'
    )


def test_a_password_is_refused_and_not_shown(file: Path) -> None:
    file.write_text("https://user:sesame@example.com/")
    message = refused(Settings(seeds=file))
    assert message == (
        "seeds.txt, line 1: a URL with a user name or password; give them by --header='Authorization: ...' instead"
    )


def test_a_file_that_is_not_there_is_named_with_a_remedy(file: Path) -> None:
    assert refused(Settings(seeds=file)) == "seeds.txt: no such file; name URLs, or a file of them by --seeds=FILE"


@pytest.mark.parametrize("text", ["", "\n\n", "# https://a/\n  # https://b/\n"])
def test_a_file_without_a_url_is_an_error(file: Path, text: str) -> None:
    file.write_text(text)
    assert refused(Settings(seeds=file)) == "seeds.txt: no URL in it"


def test_a_file_that_is_no_text_is_named_with_the_line(file: Path) -> None:
    file.write_bytes(b"https://a/\n\xff\xfe\n")
    assert refused(Settings(seeds=file)) == "seeds.txt, line 2: not UTF-8"


def test_a_folder_is_no_seed_file(file: Path) -> None:
    file.mkdir()
    assert refused(Settings(seeds=file)) == "seeds.txt: cannot be read: Is a directory"


def test_the_shipped_seeds_are_the_built_in_web() -> None:
    assert seeds.read(Settings(seeds=ROOT / "seeds.txt")) == [DEMO]
