"""CSS: what a style sheet loads. A pure function."""

from parsers import charset, mime
from parsers.discovery import Finds
from parsers.page import Page, Response


def parse(response: Response, finds: Finds) -> Page:
    """A page that names no other. Its encoding: https://drafts.csswg.org/css-syntax/#input-byte-stream."""
    _, label = mime.content_type(response.headers.get("content-type"))
    encoding = charset.named(label) or "utf-8"
    finds.style(charset.decode(response.body, encoding))
    finds.settle(response.url)
    return Page(charset=encoding)
