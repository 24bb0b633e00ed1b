"""What parsers are asked to read beyond title and links, and for whom: data only."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from parsers.fields import Rules
    from parsers.text import Form

MORE_LINKS = ("rel", "frame", "refresh", "header", "cite", "svg", "form")
"""By what, beside a[href] and area[href], a page names another: link elements by their rel; frames; refreshing; headers
(Link, Refresh, Content-Location); what a quotation or a change cites; links within SVG; forms that only ask (GET)."""
USUAL = frozenset(MORE_LINKS) - {"form"}


@dataclass(slots=True, frozen=True)
class Asked:
    """See `docs/discovery.md` for what each brings."""

    more_links: frozenset[str] = USUAL  # of MORE_LINKS
    resources: bool = False  # what a page loads
    rules: "Rules | None" = None  # by which fields are cut out of pages
    facts: frozenset[str] = frozenset()  # of `facts.FACTS`
    text: "Form | None" = None  # of the main text
    agent: str = ""  # our product, in lower case: a page may ask something of it by name, as of every robot


USUALLY = Asked()
