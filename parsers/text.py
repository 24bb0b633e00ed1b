"""The main text of a page, without navigation and the like, by trafilatura, which is an extra."""

from typing import Literal

from lxml import etree
from lxml.etree import _Element as Element  # the name by which lxml's type stubs know it

Form = Literal["plain", "markdown"]


def missing() -> str | None:
    """Why no text can be had, in words; None when all is there."""
    try:
        import trafilatura  # noqa: F401 - only to see whether it is there
    except ImportError as error:
        return f"trafilatura is not installed ({error}): pip install trafilatura"
    return None


def main_text(root: Element, url: str, form: Form) -> str | None:
    """The main text; None when there is none."""
    from trafilatura import extract  # it takes half a second to load

    text: str | None = extract(
        etree.tostring(root, encoding="unicode", method="html"),  # it takes no tree but of its own kind
        url=url,
        output_format="txt" if form == "plain" else "markdown",
        include_comments=False,
        with_metadata=False,
    )
    return text or None
