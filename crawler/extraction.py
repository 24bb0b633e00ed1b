"""The sections [[extract]] of config.toml: fields that are cut out of pages by rules, without code."""

from dataclasses import dataclass

from crawler.kinds import Kind, one_or_many, optional, text
from crawler.options import setting
from parsers.fields import TYPES, Extract, Field
from parsers.selectors import Selector


def _selector() -> Kind[str]:
    """A selector that can be compiled."""
    allowed = 'a selector that begins with "css:" or "xpath:"'

    def read(value: object) -> str:
        if not isinstance(value, str):
            raise ValueError(allowed)
        return Selector(value).text

    return Kind(allowed, "SELECTOR", read)


def _field(value: object) -> Field:
    """A field as its rule states it: a selector, or a table of `css` or `xpath`, `type`, `many` and `attribute`."""
    if isinstance(value, str):
        return Field(_selector().read(value))
    if not isinstance(value, dict):
        raise ValueError('a selector such as "css: h1", or a table such as { css = ".price", type = "number" }')
    known = {"css", "xpath", "type", "many", "attribute"}
    if unknown := sorted(value.keys() - known):
        raise ValueError(f"a table of {', '.join(sorted(known))}, not of {unknown[0]}")
    if ("css" in value) == ("xpath" in value):
        raise ValueError("a table with either css or xpath")
    language = "css" if "css" in value else "xpath"
    if not isinstance(value[language], str):
        raise ValueError(f"a table whose {language} is a text")
    of_type, several, attribute = value.get("type", "text"), value.get("many", False), value.get("attribute")
    if of_type not in TYPES:
        raise ValueError(f"a table whose type is {', '.join(TYPES[:-1])} or {TYPES[-1]}")
    if not isinstance(several, bool) or not isinstance(attribute, str | None):
        raise ValueError("a table whose many is true or false, and whose attribute is a name")
    return Field(_selector().read(f"{language}: {value[language]}"), of_type, several, attribute)


Fields = tuple[tuple[str, Field], ...]
"""Names, each with its rule."""


def _fields() -> Kind[Fields]:
    allowed = 'a table of fields, such as title = "css: h1"'

    def read(value: object) -> Fields:
        if not isinstance(value, dict) or not value:
            raise ValueError(allowed)
        fields = []
        for name, rule in value.items():
            try:
                fields.append((name, _field(rule)))
            except ValueError as error:
                raise ValueError(f"a table in which {name} is {error}") from error
        return tuple(fields)

    def toml(fields: Fields) -> object:
        return {name: _toml(field) for name, field in fields}

    return Kind(allowed, "TABLE", read, toml=toml)


def _toml(field: Field) -> object:
    language, _, path = field.selector.partition(":")
    table: dict[str, object] = {language.strip().lower(): path.strip(), "type": field.type, "many": field.many}
    return table | ({"attribute": field.attribute} if field.attribute is not None else {})


@dataclass(slots=True, frozen=True)
class ExtractSection:
    """One section."""

    match: tuple[str, ...] = setting(
        (),
        one_or_many(text(r"\S+", "a URL pattern", "URL")),
        "the pages: URLs in which * is any text without a slash, ** any text",
    )
    each: str | None = setting(
        None, optional(_selector()), "one item for each element that this selects; none: one a page"
    )
    follow: tuple[str, ...] | None = setting(
        None, optional(one_or_many(_selector())), "follow only the links that these select, or that lie within"
    )
    fields: tuple[tuple[str, Field], ...] = setting((), _fields(), "the fields, each a selector or a table")

    def __post_init__(self) -> None:
        if not self.match:
            raise ValueError('match is missing: the pages that it holds for, such as match = "https://example.com/**"')
        if not self.fields and self.follow is None:
            raise ValueError("fields are missing: [extract.fields] with at least one")

    @property
    def rule(self) -> Extract:
        """As parsers take it."""
        return Extract(self.match, dict(self.fields), self.each, self.follow)
