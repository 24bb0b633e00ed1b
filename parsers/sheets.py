"""The URLs that CSS names, by a look at its tokens (https://drafts.csswg.org/css-syntax/). A pure function."""

import re

MOST_URLS = 10_000
"""URLs of one style sheet that are read."""

_TOKEN = re.compile(
    r"""/\*.*?(?:\*/|\Z)"""  # a comment, in which nothing is meant
    r"""|(?P<rule>@import)\b"""
    r"""|\burl\(\s*(?:"(?P<double>(?:[^"\\\n]|\\.)*)"|'(?P<single>(?:[^'\\\n]|\\.)*)'|(?P<bare>(?:[^\s"'()\\]|\\[0-9a-f]{1,6}\s?|\\.)*+))\s*"""
    r"""|"(?P<text>(?:[^"\\\n]|\\.)*)"|'(?P<quoted>(?:[^'\\\n]|\\.)*)'"""  # a string is a URL only behind @import
    r"""|(?P<end>[;{}])""",
    re.IGNORECASE | re.DOTALL,
)
_ESCAPE = re.compile(r"\\(?:([0-9a-f]{1,6})\s?|(\n)|(.))", re.IGNORECASE | re.DOTALL)


def references(text: str) -> tuple[list[str], list[str]]:
    """The references of a style sheet, or of declarations: to other style sheets (@import), and to all else."""
    sheets: list[str] = []
    others: list[str] = []
    importing = False
    for token in _TOKEN.finditer(text):
        if token["rule"]:
            importing = True
        elif token["end"]:
            importing = False
        else:
            kind = token.lastgroup
            if kind is None or (kind in ("text", "quoted") and not importing):
                continue
            (sheets if importing else others).append(_ESCAPE.sub(_unescaped, token[kind]))
            importing = False
            if len(sheets) + len(others) >= MOST_URLS:
                break
    return sheets, others


def _unescaped(escape: re.Match[str]) -> str:
    digits, newline, plain = escape.groups()
    if digits:
        number = int(digits, 16)
        return chr(number) if 0 < number < 0x110000 and not 0xD800 <= number < 0xE000 else "\ufffd"
    return "" if newline else plain
