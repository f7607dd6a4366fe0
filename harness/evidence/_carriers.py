"""Names and values with more between them than a sign: XML, lists of headers, objects with `name` and `value`, SQL, messages.

Each carrier is a row of `CARRIERS`: what must be in a text for it to be worth a look, and a pass over it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from harness.evidence._commands import may_have_commands, options, programs, settings, two_words
from harness.evidence._jsontext import MASK, QUOTE, Strings, list_items, nesting_end, opening_at, string_at, string_end
from harness.evidence._later import later
from harness.evidence._names import may_have_names
from harness.evidence._pairs import NO_VALUE, PROSE, WHOLE_LINE, near_end, pairs
from harness.evidence._reading import Reading, Span

__all__ = ["CARRIERS", "by_name", "may_have_secrets"]

IsSecret = Callable[[str], bool]

_TAG = later(r"<(?:[\w.\-]++:)?+([\w.\-]++)((?:\s[^<>]{0,500}+)?)>")
#: An attribute that says what an element is about: <entry name="password">.
_ATTRIBUTE = later(rf"(?i)\s(?:name|key|id|field)\s?=\s?({QUOTE})([\w.\-]++){QUOTE}")
_CDATA = "<![CDATA["
_LONGEST_ELEMENT = 4_000
#: An element that is the name of the next one: <key>password</key><string>...</string>.
_NAME_ELEMENT = later(r"<(?:key|name|field|id)>\s{0,9}+([\w.\-]++)\s{0,9}+</[\w]++>\s{0,99}+<([\w.\-]++)[^<>]{0,200}+>")
#: `name="x"` of a pair whose other half holds the value: HAR, HTML forms, lists of headers and variables.
_NAMED = later(
    rf"(?i:(?<![A-Za-z])(?:name|key|header|id|field|param|label|property)(?:{QUOTE})?+\s{{0,4}}+[:=]\s{{0,4}}+)({QUOTE})([\w.\-]++)(?:{QUOTE})"
)
_VALUE_KEY = later(rf"(?<![\w.\-])(?i:value|val|content|text)(?:{QUOTE})?+\s{{0,4}}+[:=]\s{{0,4}}+(?={QUOTE}|-?\d)")
#: Where one may be, and what opens and closes brackets between: `{"name": "token", "schema": {"default": "x"}}`.
_BESIDE_NAME = later(
    rf"[{{}}<>]|{_VALUE_KEY.pattern}"
    rf"|(?<![\w.\-])(?:examples?|default|enum|const)(?:{QUOTE})?+\s{{0,4}}+[:=]\s{{0,200}}+(?={QUOTE}|-?\d|\[)"
)
#: The same in YAML.
_NAMED_PLAIN = later(
    rf"(?<![A-Za-z])(?i:name|key):[ \t]{{1,8}}+([\w.\-]++)[ \t]*+(?:\r?\n|(\\++)n)[ \t]*+(?i:value):[ \t]*+({QUOTE})?+"
)
_PLAIN_VALUE = later(r"[^\r\n\"\\]++")
_BARE_NUMBER = later(r"-?\d[\d.eE+\-]*+")
_LINE = r"(?:\r?\n|\\++r\\++n|\\++n)"
_ITS_PART = later(rf"[^\n\\]{{0,200}}?{_LINE}(?:[^\s\\][^\n\\]{{0,200}}?{_LINE}){{0,4}}?{_LINE}([^\r\n\\\"]++)")
#: How far apart the two halves may be, in characters.
_FAR = 600
#: ("Authorization", "...") and ["x-auth-token", "..."]: how lists of headers are printed.
_TUPLE = later(rf"[\[(]\s{{0,4}}+[bBuU]?+({QUOTE})([\w.\-]++)(?:{QUOTE})\s{{0,4}}+,\s{{0,4}}+[bBuU]?+({QUOTE})")
#: "header 'X-Auth-Token': expected 'a' to be equal to 'b'", "$.id_token -> ...": how tools tell of differences.
_SAID = later(
    rf"(?i:header|field|parameter|cookie|query|metadata|property|attribute|key)s?[ :]{{1,2}}+{QUOTE}([\w.\-]++){QUOTE}"
    rf"|(?<!\\){QUOTE}([\w.\-]++){QUOTE}(?= (?:with|to have|has|had) (?:the )?value)|\$\.([\w.\-]++)"
)
_QUOTED = later(r"(?<!\\)(\\*+[\"'])(?:[^\"'\\\r\n])++\1")
#: invalid password 'x'; ALTER ROLE bob PASSWORD 'x'; IDENTIFIED BY 'x'.
_BESIDE = later(
    r"(?:(?<![\w.\-])([\w.\-]++)(?:[ \t](?i:is|was|of|to|as|like|ilike|eq|equals))?+"
    rf"|(?i:identified(?: with [\w'\"`]{{1,40}}+)? by))[ \t]{{1,4}}+(?={QUOTE})"
)
_NOT_BESIDE = later(r"(?i)(?:unexpected|illegal|near|no|of) $")
_INSERT = later(
    r"(?i)(?<![\w])(?:insert(?:[ \t]++(?:ignore|overwrite|or[ \t]++\w++))?+[ \t]++into|replace[ \t]++into)"
    r"\s++[\w.\"`\[\]\\]{1,200}+\s*+\(([^()]{1,4000}+)\)\s*+values\s*+"
)
_ROW = later(r"\s*+,?\s*+\(")
_CELL = later(
    r"\s*+(?:[NEBXnebx](?='))?+('(?:[^'\r\n]|'')*+'|\\*+\"[^\"\r\n]*?\\*+\"|[^,()'\"\s]++(?:\([^()'\"]*+\))?+)\s*+(,|\))"
)
_MOST_ROWS = 1_000
#: What carries a secret without a name of one.
_NAMELESS = ("identified ", "rabbitmqctl", "vault login")


def _xml(text: str, is_secret: IsSecret) -> Iterator[Span]:
    strings, done = Strings(text), 0
    for tag in _TAG.finditer(text):
        if tag.start() < done or tag[0].endswith("/>"):
            continue
        attribute = _ATTRIBUTE.search(tag[2]) if tag[2] else None
        if not (is_secret(tag[1]) or (attribute and is_secret(attribute[2]))):
            continue
        start, end = _element(text, tag.end(), strings.inside(tag.start()), strings)
        if text[start:end].strip():
            done = end
            yield (start, end, MASK)


def _element(text: str, start: int, inside: bool, strings: Strings) -> tuple[int, int]:
    """The content of an element, up to the next tag; what is never closed ends with its line, or the string around it."""
    stop = min(len(text), start + _LONGEST_ELEMENT, strings.end(start) if inside else len(text))
    if text.startswith(_CDATA, start):
        close = text.find("]]>", start, stop)
        return start, close + 3 if close >= 0 else stop
    close = text.find("<", start, stop)
    if close < 0:
        line = text.find("\n", start, stop)
        close = line if line >= 0 else stop
        if not inside and '"' in text[start:close]:  # no element, but a word in angle brackets
            close = start
    return start, close


def _named_elements(text: str, is_secret: IsSecret) -> Iterator[Span]:
    for match in _NAME_ELEMENT.finditer(text):
        end = text.find("<", match.end(), match.end() + _LONGEST_ELEMENT)
        if end > match.end() and is_secret(match[1]):
            yield (match.end(), end, MASK)


def _named(text: str, is_secret: IsSecret) -> Iterator[Span]:
    for match in _NAMED.finditer(text):
        if not is_secret(match[2]):
            continue
        values = list(_values_beside(text, match))
        yield from values
        if not values and (part := _ITS_PART.match(text, match.end())):
            yield (part.start(1), part.end(), MASK)


def _named_plainly(text: str, is_secret: IsSecret) -> Iterator[Span]:
    for match in _NAMED_PLAIN.finditer(text):
        if not is_secret(match[1]):
            continue
        escaped, quote = match[2] or "", match[3]
        if quote and quote[-1] == '"' and len(quote) <= len(escaped):
            continue  # the string that these lines stand in ends: one of theirs had more backslashes than their line breaks
        if quote:
            yield (match.end(), string_end(text, match.end(), quote)[0], MASK)
        elif value := _PLAIN_VALUE.match(text, match.end()):
            yield (*value.span(), MASK)


def _values_beside(text: str, match: re.Match[str]) -> Iterator[Span]:
    """The other half, in the same brackets: behind the name or before it; and examples of a parameter, however deep."""
    behind = _values_behind(text, match.end())
    first = next(behind, None)
    if first:
        yield first
        yield from behind
        return
    start = max(match.start() - _FAR, 0, *(text.rfind(s, max(0, match.start() - _FAR), match.start()) for s in "{}<>"))
    for key in _VALUE_KEY.finditer(text, start, match.start()):
        value = _value_at(text, key.end())
        if value and value[1] <= match.start():
            yield value
            return


def _values_behind(text: str, start: int) -> Iterator[Span]:
    depth = done = 0
    for sign in _BESIDE_NAME.finditer(text, start, start + _FAR):
        if sign.start() < done:
            continue
        depth += {"{": 1, "}": -1}.get(sign[0], 0)
        if depth < 0 or sign[0] in "<>":
            return
        if sign[0] not in "{}":
            for value in _all_at(text, sign.end()):
                done = value[1]
                yield value


def _all_at(text: str, place: int) -> Iterator[Span]:
    """One value, or each of a list."""
    closed = nesting_end(text, place, stop=place + _FAR) if text[place] == "[" else None
    if closed:
        yield from (
            (begin, stop, MASK if quoted else f'"{MASK}"')
            for begin, stop, quoted in list_items(text, place + 1, closed - 1)
        )
    elif value := _value_at(text, place):
        yield value


def _value_at(text: str, place: int) -> Span | None:
    if opening := opening_at(text, place):
        start, end, _ = string_at(text, opening, inside=False)
        return (start, end, MASK) if text[start:end].lower() not in NO_VALUE else None
    number = _BARE_NUMBER.match(text, place)
    return (place, number.end(), f'"{MASK}"') if number and number[0] not in NO_VALUE else None


def _tuples(text: str, is_secret: IsSecret) -> Iterator[Span]:
    done = 0
    for match in _TUPLE.finditer(text):
        if match.start() < done or not is_secret(match[2]):
            continue
        end, after = string_end(text, match.end(), match[3])
        # A list of two names is no name with its value, unless the name is one of a header.
        if text[after : after + 1] == ")" or ("-" in match[2] or WHOLE_LINE.search(match[2].lower())):
            done = end
            yield (match.end(), end, MASK)


def _said(text: str, is_secret: IsSecret) -> Iterator[Span]:
    strings, done = Strings(text), 0
    for match in _SAID.finditer(text):
        name = match[1] or match[2] or match[3].rpartition(".")[2]
        if match.start() < done or not is_secret(name):
            continue
        inside = strings.inside(match.start())
        for value in _QUOTED.finditer(text, match.end(), near_end(text, match.end())):
            if inside and value[0][0] == '"':
                break  # the string it all stands in ends
            start = value.start() + len(value[1])
            done = value.end() - len(value[1])
            if text[start:done].lower() not in NO_VALUE and text[start:done] != name:
                yield (start, done, MASK)


def _beside(text: str, is_secret: IsSecret) -> Iterator[Span]:
    strings, done = Strings(text), 0
    for match in _BESIDE.finditer(text):
        if match.start() < done or (match[1] and not is_secret(match[1])):
            continue
        opening, inside = opening_at(text, match.end()), strings.inside(match.start())
        if (
            opening is None
            or (inside and opening[1] == '"')
            or _NOT_BESIDE.search(text, max(0, match.start() - 12), match.start())
        ):
            continue
        start, end, done = string_at(text, opening, inside=inside)
        value = text[start:end].lower()
        if value not in NO_VALUE and value not in PROSE and "\n" not in value and done > end:
            yield (start, end, MASK)


def _inserted(text: str, is_secret: IsSecret) -> Iterator[Span]:
    for match in _INSERT.finditer(text):
        secret = {i for i, column in enumerate(match[1].split(",")) if is_secret(column.strip(' \t\r\n"`[]\\'))}
        place = match.end()
        for _ in range(_MOST_ROWS if secret else 0):
            row = _ROW.match(text, place)
            if row is None:
                break
            place = row.end()
            yield from _cells(text, place, secret)
            close = text.find(")", place)
            place = close + 1 if close >= 0 else len(text)


def _cells(text: str, place: int, secret: set[int]) -> Iterator[Span]:
    number = 0
    while cell := _CELL.match(text, place):
        if number in secret and cell[1].lower() not in NO_VALUE:
            quoted = cell[1][0] in "'\"\\"
            marks = len(cell[1]) - len(cell[1].lstrip("\\")) + 1 if quoted else 0
            yield (cell.start(1) + marks, cell.end(1) - marks, MASK)
        number, place = number + 1, cell.end()
        if cell[2] == ")":
            break


def may_have_secrets(lower: str) -> bool:
    """Whether it is worth to look closer at a text in lower case; quick."""
    return may_have_names(lower) or may_have_commands(lower) or any(map(lower.__contains__, _NAMELESS))


def _always(_text: str) -> bool:
    return True


def _has(*signs: str) -> Callable[[str], bool]:
    return lambda lower: any(sign in lower for sign in signs)


#: What must be in a text, lower case, and the pass over it; they go one after the other.
CARRIERS: tuple[tuple[Callable[[str], bool], Callable[[str, IsSecret], Iterator[Span]]], ...] = (
    (may_have_commands, programs),
    (_has("<"), _xml),
    (_has("</key>", "</name>", "</field>", "</id>"), _named_elements),
    (_has("insert", "replace"), _inserted),
    (_always, _said),
    (_has("'", '"', "&quot;", "&#39;"), _beside),
    (_has("-"), options),
    (_has("set", "config", "rabbitmqctl", "vault", "htpasswd"), settings),
    (_has("val", "content", "text", "form-data", "example", "default", "enum", "const"), _named),
    (_has("value:"), _named_plainly),
    (_has("(", "["), _tuples),
    (_always, pairs),
    (_always, two_words),
)


def by_name(reading: Reading, is_secret: IsSecret) -> Iterator[Span]:
    """What stands under secret names in a text, one carrier after the other; the same may be found by two of them."""
    for is_there, find in CARRIERS:
        if is_there(reading.lower):
            yield from find(reading.text, is_secret)
