"""What stands under a secret name and is no value but a description of one: JSON Schema, OpenAPI's parameters and schemes.

Its structure stays, and so do the words that describe; whatever could be a value goes.
"""

from __future__ import annotations

from collections.abc import Iterator

from harness.evidence._jsontext import MASK, list_items, nesting_end, opening_at, string_at
from harness.evidence._later import later
from harness.evidence._names import table
from harness.evidence._reading import Span

__all__ = ["describes", "values_described"]

_KINDS = "string|integer|number|boolean|object|array|null|apiKey|http|oauth2|openIdConnect"
#: How a description begins: words about it, and its type, or where to find it.
_DESCRIPTION = later(
    r"\{\s{0,200}+(?:\"[^\"\\]{1,40}+\"\s{0,9}+:\s{0,9}+(?:\"[^\"\\]{0,300}+\"|[\w.\-]{1,40}+)\s{0,9}+,\s{0,200}+){0,9}?"
    rf"\"(?:type\"\s{{0,9}}+:\s{{0,9}}+\[?\s{{0,200}}+\"(?:{_KINDS})\"|\$ref\"\s{{0,9}}+:\s{{0,9}}+\""
    r"|(?:allOf|anyOf|oneOf)\"\s{0,9}+:\s{0,9}+\[)"
)
_MEMBER = later(r"\"([^\"\\]{1,200}+)\"\s{0,9}+:\s{0,200}+")
_SCALAR = later(r"[^\s,}\]\"'\\{\[]++")
#: Members that say something about a value, and are none.
_ABOUT = table(
    "type format $ref $id $schema $anchor $comment title description summary pattern required nullable readOnly writeOnly"
    " deprecated minLength maxLength minimum maximum exclusiveMinimum exclusiveMaximum multipleOf minItems maxItems"
    " uniqueItems minProperties maxProperties additionalProperties allOf anyOf oneOf in name scheme bearerFormat style"
    " explode allowEmptyValue allowReserved contentEncoding contentMediaType discriminator propertyName openIdConnectUrl"
    " authorizationUrl tokenUrl refreshUrl url method realm provider user username enabled"
)
#: Members that hold values, whatever stands in them.
_VALUES = table("example examples default enum const value")


def describes(text: str, place: int) -> bool:
    """Whether the object that begins at a place describes a value."""
    return _DESCRIPTION.match(text, place) is not None


def values_described(text: str, start: int, end: int) -> Iterator[Span]:
    """What to mask of a description, which is JSON from `start` to `end`."""
    done = start
    for member in _MEMBER.finditer(text, start, end):
        if member.start() < done or member[1] in _ABOUT:
            continue
        place = member.end()
        opening = opening_at(text, place)
        if opening:
            begin, stop, done = string_at(text, opening, inside=False)
            yield begin, stop, MASK
        elif text[place] == "[" or (text[place] == "{" and member[1] in _VALUES):
            closed = nesting_end(text, place, stop=end)
            done = closed or end
            yield from _items(text, place, done)
        elif scalar := _SCALAR.match(text, place, end):
            done = scalar.end()
            yield place, done, f'"{MASK}"'


def _items(text: str, start: int, end: int) -> Iterator[Span]:
    if text[start] == "{":
        yield start, end, f'"{MASK}"'
        return
    for begin, stop, is_string in list_items(text, start + 1, end - 1):
        yield begin, stop, MASK if is_string else f'"{MASK}"'
