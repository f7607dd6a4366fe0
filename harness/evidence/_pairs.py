"""A name and its value with a sign between them: in JSON, headers, forms, log lines, settings, YAML."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from harness.evidence._jsontext import MASK, QUOTE, Strings, list_items, nesting_end, opening_at, string_at
from harness.evidence._later import later
from harness.evidence._names import table
from harness.evidence._reading import Span
from harness.evidence._schemas import describes, values_described

__all__ = ["NO_VALUE", "PROSE", "SCHEMES", "TOKEN", "WHOLE_LINE", "near_end", "pairs"]


#: Words that stand after a name in prose and are no value; only where a colon and a space come before.
PROSE = table(
    "a an the is are was were be must should may can cannot not no none null true false missing required invalid expired"
    " expected unexpected wrong field string integer number boolean object array value type get post put patch delete head"
    " options error failed ok empty unknown unauthorized forbidden denied too at for from in of on to with and or"
    " needs has have does did it this that"
)
#: How the value of an Authorization header may begin.
SCHEMES = table("bearer basic digest token apikey negotiate ntlm hawk dpop hmac aws4-hmac-sha256 signature")
#: Flags and counts, and what says that there is no value.
NO_VALUE = frozenset(
    {"true", "false", "yes", "no", "on", "off", "0", "1", "null", "none", "undefined", "nil", "", "?", "%s"}
)
#: Headers whose whole line is theirs, wherever in a line they stand.
WHOLE_LINE = later(r"authori[sz]ation|cookie|passphrase")

#: A name, what closes it, and the sign between it and its value.
_PAIR = later(
    rf"([\w.\-](?<![\w.\-].)[\w.\-]*+)(?:%5[Dd]|\])?+(?:({QUOTE})\s{{0,20}}+|[ \t]{{0,8}}+)"
    rf"(={{1,3}}+>?+|:=|->(?=[ \t])|:(?!:|/{{2}}))"
)
_BLANKS = later(r"[ \t]{0,8}+")
_BLANKS_AND_LINES = later(r"\s{0,200}+")
_BARE = later(r"[^\s,}\]\"'\\]++")
#: An unquoted value: up to a blank or a sign that ends it where log lines, forms and connection strings have values.
TOKEN = later(
    r"(?:\[redacted\]|[^\s\"'\\&;,<)}\]]|,(?!\s|$|[\"'\\})\]]|[\w.\-]{1,40}+[=:])|;(?!\s|$|[\"'\\})\]]|[\w .\-]{1,40}+=)"
    r"|&(?:quot|\#39);(?=\w)|<(?![/A-Za-z!])|[)}\]](?!$|[\s,;.)}\]\"'\\<&])"
    r"|'(?!$|[\s,)}\];:&])|\\++(?:u[0-9a-fA-F]{4}|(?![\"'nrtu])[^\s\\]))++"
)
_REST_OF_STRING = later(
    r"(?:[^\r\n\"\\]|(?<==)\"[^\"\s,;\\]*+\"(?=;|$|[ \t])|\\++(?:u[0-9a-fA-F]{4}|(?![\"'nrtu])[^\r\n\\]))*+"
)
_REST_OF_LINE = later(r"[^\r\n]*+")
_REST_OF_QUOTED = later(r"(?:[^\r\n\"'\\]|\\++(?:u[0-9a-fA-F]{4}|(?![\"'nrtu])[^\r\n\\]))*+")
_MORE_COOKIES = later(r"(?:;[ \t]?[\w.\-]{1,80}+=[^\s;\"'\\]*+)*+")
_LINE_START = later(r"(?:^|[\r\n]|\\[rn])[ \t<>*-]{0,8}$")
#: What else stands in a line that begins with a password, when it is a phrase: words.
_PHRASE = later(r"(?:[ \t][^\s=:\"'\\{}()\[\],]{1,40}+){1,8}+(?=[ \t]*+(?:\r?\n|$))")
_OF_PHRASES = later(r"(?i)passw|passphrase|pwd|pass$")
#: What makes a value of text in brackets: SecretStr('x').
_CALL = later(r"[A-Za-z_][\w.]{0,60}+(?=\()")
_COUNT = later(r"\d{1,2}[ \t]++[A-Za-z]")
#: What goes on in lines that stand deeper: YAML.
_BLOCK = later(r"([|>][+\-\d]{0,2}+)?+[ \t]{0,8}+(?=\r?\n|\\++n)")
_BLOCK_LINE = later(r"(?:\r?\n|\\++n)([ \t]{0,80}+)")
_ENTRY = later(r"(?:-[ \t]++)?+(?:[\w.\-]++:(?:[ \t]++|(?=\r?\n|\\++n|$)))?+")
_MOST_LINES = 200
#: Names of two words, the second of which says little alone: "api key: ...".
_FIRST_WORD = later(r"(\w{1,20}) $")
#: What begins an escape whose end looks like the start of a name.
_ESCAPES = {"\\", "%"}
_NEAR = 300
#: How many names are kept in mind as harmless.
_REMEMBERED = 10_000
_SECOND_WORDS = frozenset({"key", "id", "number", "code"})


def near_end(text: str, place: int) -> int:
    """The end of the line, or of what is looked at of a long one: so much for each place, and not the rest of it again."""
    far = place + _NEAR
    line = text.find("\n", place, far)
    return line if line >= 0 else far


def pairs(text: str, is_secret: Callable[[str], bool]) -> Iterator[Span]:
    """What to mask of a text: `name: value`, `name=value`, `"name": value`, at any depth of escaping."""
    return _Pairs(text, is_secret).spans()


class _Pairs:
    """One pass over names and their values."""

    def __init__(self, text: str, is_secret: Callable[[str], bool]) -> None:
        self._text, self._is_secret = text, is_secret
        self._strings = Strings(text)
        self._inside = self._unclosed = False
        self._plain: set[str] = set()
        self._done = 0

    def spans(self) -> Iterator[Span]:
        """What to replace with what, from the front to the back."""
        for match in _PAIR.finditer(self._text):
            name = match[1]
            alone = self._text[match.start() - 1 : match.start()] not in _ESCAPES
            if (alone and name in self._plain) or match.start() < self._done:
                continue
            if not self._secret(match):
                if alone and name.lower() not in _SECOND_WORDS and len(self._plain) < _REMEMBERED:
                    self._plain.add(name)
                continue
            # What follows a name in quotation marks of its own is outside of that string.
            self._inside = self._strings.inside(match.start()) and match[2] != '"'
            for span in self._quoted(match) if match[2] else self._unquoted(match):
                value = self._text[span[0] : span[1]]
                self._done = max(self._done, span[1])
                if value.lower() not in NO_VALUE and value != MASK:
                    yield span

    def _secret(self, match: re.Match[str]) -> bool:
        name, start = match[1][-100:], match.start()
        if name[0] in "nrt" and self._text[start - 1 : start] == "\\":
            name = name[1:]  # the end of an escape: "...\nCookie: ..."
        elif self._text[start - 1 : start] == "%":
            name = name[2:]  # as well: user%5Bpassword%5D
        if name.lower() in _SECOND_WORDS and (first := _FIRST_WORD.search(self._text, max(0, start - 21), start)):
            name = f"{first[1]} {name}"
        return self._is_secret(name)

    def _quoted(self, match: re.Match[str]) -> Iterator[Span]:
        text, quote = self._text, match[2]
        place = _end(_BLANKS_AND_LINES, text, match.end())
        opening = opening_at(text, place)
        if opening:
            yield self._string(opening)
            return
        mask = f"{quote}{MASK}{quote}"
        if text[place : place + 1] in {"{", "[", "("} and not text.startswith(MASK, place):
            yield from self._nested(match[1], place, quote, mask)
            return
        bare = _BARE.match(text, place)
        # How many tokens there are is no secret; neither is how many checks passed.
        is_count = match[1].lower().endswith(("tokens", "pass", "cookies"))
        if bare and bare[0].lower() not in PROSE and not (is_count and bare[0].isdigit()):
            yield (place, bare.end(), mask)

    def _string(self, opening: re.Match[str]) -> Span:
        start, end, _ = string_at(self._text, opening, inside=self._inside)
        return (start, end, MASK)

    def _nested(self, name: str, place: int, quote: str, mask: str) -> Iterator[Span]:
        text, level = self._text, len(quote) - 1 if quote[0] != "&" else 0
        if not self._unclosed:
            stop = None if level or not self._inside else self._strings.end(place)
            end = nesting_end(text, place, level, stop)
        if self._unclosed or end is None:
            self._unclosed = True  # the text was cut: nobody looks for the end of a bracket twice
            end = _end(_REST_OF_STRING if self._inside else _REST_OF_LINE, text, place)
        elif text[place] == "[" and text[end - 1] == "]":
            for start, stop, is_string in list_items(text, place + 1, end - 1):
                yield (start, stop, MASK if is_string else mask)
            return
        elif text[place] == "{" and not level and (name.lower() == "auth" or describes(text, place)):
            yield from values_described(text, place, end)
            self._done = end
            return
        if text[place + 1 : end - 1].strip():
            yield (place, end, mask)

    def _unquoted(self, match: re.Match[str]) -> Iterator[Span]:
        text, sign = self._text, match[3]
        place = _end(_BLANKS, text, match.end())
        opening = opening_at(text, place)
        if opening and not self._closes(opening):
            yield self._string(opening)
            return
        if sign == ":" and (block := _BLOCK.match(text, place)):
            yield from self._block(match, block)
            return
        if text[place : place + 1] in {"{", "[", "("} and not self._inside and not text.startswith(MASK, place):
            closed = nesting_end(text, place, stop=near_end(text, place))
            if closed:
                yield from self._bracket(place, closed)
                return
        if call := _CALL.match(text, place):
            stop = min(near_end(text, place), self._strings.end(place) if self._inside else len(text))
            if closed := nesting_end(text, call.end(), stop=stop):
                yield (place, closed, MASK)
                return
        end = self._value_end(match, place)
        value = text[place:end]
        prose = sign in {":", "->"} and text[match.end() : match.end() + 1] == " "
        if prose and (value.rstrip(".,;:!?").lower() in PROSE or _COUNT.match(text, place)):
            return
        phrase = _PHRASE.match(text, end) if _OF_PHRASES.search(match[1]) and self._opens_line(match) else None
        yield (place, phrase.end() if phrase else end, MASK)

    def _bracket(self, start: int, end: int) -> Iterator[Span]:
        if self._text[start] != "[":
            yield (start, end, MASK)
            return
        yield from ((begin, stop, MASK) for begin, stop, _ in list_items(self._text, start + 1, end - 1))

    def _block(self, match: re.Match[str], block: re.Match[str]) -> Iterator[Span]:
        """What stands deeper in the next lines: a text, or entries."""
        text, place = self._text, block.end()
        depth = self._depth(match)
        first = last = 0
        for _ in range(_MOST_LINES):
            line = _BLOCK_LINE.match(text, place)
            if line is None or not text[line.end() : line.end() + 1].strip() or len(line[1]) <= depth:
                break
            place = _end(_REST_OF_STRING if self._inside else _REST_OF_LINE, text, line.end())
            first, last = first or line.end(), place
            if not block[1]:
                yield from self._entry(line.end(), place)
        if block[1] and last:
            yield (first, last, MASK)

    def _entry(self, start: int, end: int) -> Iterator[Span]:
        start = _end(_ENTRY, self._text, start)
        opening = opening_at(self._text, start)
        if opening and opening.end() < end:
            yield self._string(opening)
        elif end > start and self._text[start:end].split(" ", 1)[0].lower() not in PROSE:
            yield (start, end, MASK)

    def _depth(self, match: re.Match[str]) -> int:
        before = self._text[max(0, match.start() - 80) : match.start()]
        blanks = re.search(r"(?:^|\n|\\n)([ \t]*+(?:- )?)$", before)
        return len(blanks[1]) if blanks else 0

    def _opens_line(self, match: re.Match[str]) -> bool:
        before = self._text[max(0, match.start() - 9) : match.start()]
        return not self._inside and "\\" not in before and _LINE_START.search(before) is not None

    def _closes(self, opening: re.Match[str]) -> bool:
        """Whether a quotation mark after a name ends the string the name stands in, and has no value behind it."""
        after = self._text[opening.end() : opening.end() + 1]
        ends = after in {"", ",", "}", "]", ")", ":", " ", "\t", "\r", "\n", ";", "\\", '"', "'"}
        triple = self._text.startswith(opening[1] * 2, opening.end())
        return ends and not triple and (self._inside or len(opening[1]) > 1 or opening[1] == "'")

    def _value_end(self, match: re.Match[str], place: int) -> int:
        text, name = self._text, match[1]
        whole = match[3] == ":" and WHOLE_LINE.search(name.lower())
        if match[3] == ":" and (whole or "-" in name):
            before = text[max(0, match.start() - 9) : match.start()]
            if before[-1:] == "'" and not self._inside:  # curl -H 'Name: value'
                return _end(_REST_OF_QUOTED, text, place)
            at_start = _LINE_START.search(before)
            if at_start and not self._inside and "\\" not in before:
                return _end(_REST_OF_LINE, text, place)
            if at_start or whole or before[-1:] == '"':
                return _end(_REST_OF_STRING, text, place)
        token = TOKEN.match(text, place)
        if token is None:
            return place
        if token[0].lower() in SCHEMES:
            token = TOKEN.match(text, _end(_BLANKS, text, token.end())) or token
        return _end(_MORE_COOKIES, text, token.end()) if "cookie" in name.lower() else token.end()


def _end(pattern: re.Pattern[str], text: str, place: int) -> int:
    """Where what a pattern matches from a place on ends; the place itself when it does not match there."""
    match = pattern.match(text, place)
    return match.end() if match else place
