"""Parameters that only track people or carry a session: links are followed without them.

A name of the list may end with "*", which stands for any further characters; with "=token" it counts only with a value
of 20 letters and digits or more, a digit among them, for names that mean other things elsewhere. Case does not matter.
A session in the path, as Java servers write it (";jsessionid=..."; Servlet 6.0, 7.1.3), goes by its name too.
"""

import re
from collections.abc import Sequence

STRIPPED = (
    # Of advertisers and their newsletters.
    *("utm_*", "gclid", "gclsrc", "dclid", "gbraid", "wbraid", "fbclid", "msclkid", "yclid", "ysclid", "twclid"),
    *("ttclid", "li_fat_id", "igshid", "igsh", "mc_cid", "mc_eid", "mkt_tok", "_ga", "_gl", "_hsenc", "_hsmi"),
    *("vero_id", "oly_anon_id", "oly_enc_id", "wickedid", "srsltid"),
    # Sessions: of PHP, Java, ASP, ColdFusion; sid of phpBB and s of vBulletin, which are story and search elsewhere.
    *("phpsessid", "jsessionid", "aspsessionid*", "cfid", "cftoken"),
    *("sessionid=token", "session_id=token", "session=token", "sid=token", "s=token"),
)
"""The names that are stripped unless the user names others."""

NAME = r"[^\s&=?#;*,]+\*?(=token)?"
"""What a name of the list looks like."""

_ONLY_TOKENS = "=token"


class Strip:
    """Takes parameters out of URLs, and leaves the rest exactly as it was."""

    def __init__(self, names: Sequence[str]) -> None:
        """`names` as in `STRIPPED`."""
        loose = "|".join(_pattern(name) for name in names if not name.endswith(_ONLY_TOKENS))
        strict = "|".join(_pattern(name) for name in names if name.endswith(_ONLY_TOKENS))
        options = [f"(?:{loose})(?:=[^&]*)?"] * bool(loose)
        options += [rf"(?:{strict})=(?=[a-z]*[0-9])[0-9a-z]{{20,}}"] * bool(strict)
        self._query = re.compile(f"([?&])(?:{'|'.join(options)})(?=&|$)", re.IGNORECASE) if names else None
        self._path = re.compile(f";(?:{loose})=[^/;]*", re.IGNORECASE) if loose else None
        self._anywhere = re.compile("[?&;](?:" + "|".join(map(_pattern, names)) + ")", re.IGNORECASE)

    def one(self, url: str) -> str:
        """A normalised URL without such parameters."""
        if self._query is None:
            return url
        base, mark, query = url.partition("?")
        if self._path is not None and ";" in base:
            base = self._path.sub("", base)
        if mark and self._query.search(mark + query):
            query = self._query.sub(_separator, mark + query).removeprefix("?").removeprefix("&")
            mark = "?" if query else ""
        return base + mark + query

    def all(self, urls: Sequence[str]) -> tuple[Sequence[str], int]:
        """The URLs of a page without such parameters, each once, in their order; and how many were changed."""
        if self._query is None:
            return urls, 0
        asking = [url for url in urls if "?" in url or ";" in url]
        if not asking or not self._anywhere.search("\n".join(asking)):  # most pages: nothing is done for each link
            return urls, 0
        plain = [self.one(url) if "?" in url or ";" in url else url for url in urls]
        changed = sum(map(str.__ne__, urls, plain))
        return (list(dict.fromkeys(plain)), changed) if changed else (urls, 0)


def _pattern(name: str) -> str:
    name = name.removesuffix(_ONLY_TOKENS)
    return re.escape(name.removesuffix("*")) + "[^&=;?]*" * name.endswith("*")


def _separator(match: re.Match[str]) -> str:
    return "?" if match[1] == "?" else ""
