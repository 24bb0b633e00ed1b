"""Content-Type by the WHATWG's MIME Sniffing and Fetch standards. Pure functions."""

import re

_NAME = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
_TYPE = re.compile(rf"[ \t\r\n]*({_NAME}/{_NAME})[ \t\r\n]*(?=;|\Z)")
_PARAMETER = re.compile(r';[ \t\r\n]*([^;=]*)(?:="((?:[^"\\]|\\.)*)[^;]*|=([^;]*))?', re.DOTALL)
_VALUE = re.compile(r'(?:[^",]|"(?:[^"\\]|\\.)*+(?:"|\\?\Z))++', re.DOTALL)  # between commas that are not quoted

_LOOKS_LIKE_HTML = re.compile(
    rb"(?:\xef\xbb\xbf)?[\t\n\f\r ]*<(?:!--"
    rb"|(?:!doctype html|html|head|script|iframe|h1|div|font|table|a|style|title|b|body|br|p)[ >])",
    re.IGNORECASE,
)


def content_type(header: str | None) -> tuple[str | None, str | None]:
    """The essence ("text/html", in lower case) and the charset label of a Content-Type; None for each that is absent.

    Of a repeated header the last value that is a MIME type holds. (https://fetch.spec.whatwg.org/#content-type-header)
    """
    essence = charset = None
    for value in _VALUE.findall(header or ""):
        match = _TYPE.match(value)
        if match is None or match[1] == "*/*":
            continue
        if essence != match[1].lower():
            essence, charset = match[1].lower(), None
        for name, quoted, plain in _PARAMETER.findall(value, match.end()):
            label = re.sub(r"\\(.)", r"\1", quoted, flags=re.DOTALL) or plain.strip(" \t\r\n")
            if name.lower() == "charset" and label:
                charset = label
                break
    return essence, charset


def looks_like_html(body: bytes) -> bool:
    """Whether a body without a Content-Type is to be read as HTML.

    (https://mimesniff.spec.whatwg.org/#identifying-a-resource-with-an-unknown-mime-type)
    """
    return _LOOKS_LIKE_HTML.match(body) is not None
