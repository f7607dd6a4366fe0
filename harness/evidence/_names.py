"""Secrets by name: which names are secret, and what stands under them in JSON, headers, forms, log lines and XML.

One pass over the text for each kind of notation; whatever is masked is never looked at again, so the time is linear.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import lru_cache

from harness.evidence._jsontext import MASK, QUOTE, Strings, nesting_end, string_end

__all__ = ["is_secret_name", "mask_names", "may_have_names", "squeezed"]


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


#: A name is secret when one of these is in it, written in any case and with any separators.
_STEMS = re.compile(
    r"passw(?:or)?d|passphrase|passcode|pwd|secret|token|api[-_. ]?key|access[-_. ]?key|private[-_. ]?key|signing[-_. ]?key"
    r"|encryption[-_. ]?key|account[-_. ]?key|master[-_. ]?key"
    r"|authori[sz]ation|cookie|credential|sess(?:ion)?[-_. ]?(?:id|key)|jwt|bearer|csrf|xsrf"
    r"|card[-_. ]?num|credit[-_. ]?card|amz[-_. ]?signature"
)
#: Or when it is just one of these.
_WHOLE = frozenset({"auth", "pin", "otp", "totp", "cvv", "cvc", "pass", "pw", "sid", "xauth", "sig"})
#: A name with a stem in it that ends like this says something *about* a secret: token_type, password_policy, cookie_name.
_ABOUT = _words(
    "type types expires expiry expiration expire expired in at ttl age lifetime count counts limit limits length len size"
    " min max url uri urls endpoint endpoints policy policies rules format pattern required enabled disabled valid invalid"
    " verified status strength scheme schemes method methods version algorithm alg algo issuer audience scope scopes usage"
    " used remaining changed updated created optional exists present missing supported error errors description"
    " placeholder env file dir path location class kind name names provider host port service samesite domain"
)
#: Tokens a language model or a bucket counts.
_COUNTED = _words("max min total num n prompt completion input output cached reasoning remaining used count")
#: Words that stand after a name in prose and are no value; only where a colon and a space come before.
_PROSE = _words(
    "a an the is are was were be must should may can cannot not no none null true false missing required invalid expired"
    " expected unexpected wrong field string integer number boolean object array value type get post put patch delete head"
    " options error failed ok empty unknown unauthorized forbidden denied too at for from in of on to with and or"
    " needs has have does did it this that"
)
_SCHEMES = _words("bearer basic digest token apikey negotiate ntlm hawk dpop hmac aws4-hmac-sha256 signature")
_NO_VALUE = frozenset({"true", "false", "null", "none", "undefined", "nil", ""})
_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")
#: Headers whose whole line is theirs, wherever in a line they stand.
_WHOLE_LINE = re.compile(r"authori[sz]ation|cookie|passphrase")

#: Without one of these in it, lower case, a text has no secret name. Searching for a few words is far quicker than a pattern.
_HINTS = (
    *("passw", "passphrase", "passcode", "pwd", "secret", "token", "authori", "cookie", "credential", "jwt", "bearer"),
    *("csrf", "xsrf", "curl"),
)
_PARTS = ("key", "sess", "card", "signature")
_HINTS_WITHOUT_SEPARATORS = (
    *("apikey", "accesskey", "privatekey", "signingkey", "encryptionkey", "accountkey", "masterkey", "sesskey"),
    *("sessionkey", "sessid", "sessionid", "cardnum", "creditcard", "amzsignature"),
)
_SHORT_HINT = re.compile(r"(?:auth|pin|otp|cvv|cvc|pass|pw|sid|sig)(?![a-z])")


def squeezed(text: str) -> str:
    """Lower case, without what separates the words of a name."""
    text = text.lower()
    for separator in "-_. ":
        text = text.replace(separator, "")
    return text


def may_have_names(text: str) -> bool:
    """Whether it is worth to look closer; quick."""
    lower = text.lower()
    if any(hint in lower for hint in _HINTS):
        return True
    if any(part in lower for part in _PARTS):
        joined = squeezed(text)
        if any(hint in joined for hint in _HINTS_WITHOUT_SEPARATORS):
            return True
    return _SHORT_HINT.search(lower) is not None


@lru_cache(maxsize=8192)
def is_secret_name(name: str) -> bool:
    """Whether what stands under this name is secret."""
    words = [w.lower() for w in _WORD.findall(name)]
    while words and words[-1].isdigit():
        words.pop()
    joined = "".join(words)
    if joined in _WHOLE:
        return True
    if not words or not _STEMS.search(joined):
        return False
    if words[-1] in _ABOUT:
        return False
    return not (words[-1] == "tokens" and not _COUNTED.isdisjoint(words))


#: A name, what closes it, and the sign between it and its value.
_PAIR = re.compile(
    rf"([\w.\-](?<![\w.\-].)[\w.\-]*+)(?:%5[Dd]|\])?+(?:({QUOTE})\s{{0,20}}+|[ \t]{{0,8}}+)"
    rf"(={{1,3}}+>?+|:=|:(?!:|/{{2}})|%3[DdAa])"
)
_OPENING = re.compile(rf"(?:[bBuU](?=\\*+[\"']))?+({QUOTE})")
_BLANKS = re.compile(r"[ \t]{0,8}+")
_BLANKS_AND_LINES = re.compile(r"\s{0,200}+")
_BARE = re.compile(r"[^\s,}\]\"'\\]++")
#: An unquoted value: up to a blank or a sign that ends it where log lines, forms and connection strings have values.
_TOKEN = re.compile(
    r"(?:\[redacted\]|[^\s\"'\\&;,<)}\]]|,(?!\s|$|[\"'\\})\]]|[\w.\-]{1,40}+[=:])|<(?![/A-Za-z!])|[)}\]](?!$|[\s,;.)}\]\"'\\<&])"
    r"|'(?!$|[\s,)}\];:&])|\\++(?:u[0-9a-fA-F]{4}|(?![\"'nrtu])[^\s\\]))++"
)
_REST_OF_STRING = re.compile(
    r"(?:[^\r\n\"\\]|(?<==)\"[^\"\s,;\\]*+\"(?=;|$|[ \t])|\\++(?:u[0-9a-fA-F]{4}|(?![\"'nrtu])[^\r\n\\]))*+"
)
_REST_OF_LINE = re.compile(r"[^\r\n]*+")
_REST_OF_QUOTED = re.compile(r"(?:[^\r\n\"'\\]|\\++(?:u[0-9a-fA-F]{4}|(?![\"'nrtu])[^\r\n\\]))*+")
_MORE_COOKIES = re.compile(r"(?:;[ \t]?[\w.\-]{1,80}+=[^\s;\"'\\]*+)*+")
_LINE_START = re.compile(r"(?:^|[\r\n]|\\[rn])[ \t<>*-]{0,8}$")
#: Names of two words, the second of which says little alone: "api key: ...".
_FIRST_WORD = re.compile(r"(\w{1,20}) $")
#: What begins an escape whose end looks like the start of a name.
_ESCAPES = {"\\", "%"}
_NEAR = 300
#: How many names are kept in mind as harmless.
_REMEMBERED = 10_000
_SECOND_WORDS = frozenset({"key", "id", "number", "code"})


def _near_end(text: str, place: int) -> int:
    """The end of the line, or of what is looked at of a long one: so much for each place, and not the rest of it again."""
    far = place + _NEAR
    line = text.find("\n", place, far)
    return line if line >= 0 else far


class _Pairs:
    """One pass over names and their values: `name: value`, `name=value`, `"name": value`, at any depth of escaping."""

    def __init__(self, text: str, is_secret: Callable[[str], bool]) -> None:
        self._text, self._is_secret = text, is_secret
        self._strings = Strings(text)
        self._unclosed = False
        self._plain: set[str] = set()

    def spans(self) -> Iterator[tuple[int, int, str]]:
        """What to replace with what, from the front to the back."""
        done = 0
        for match in _PAIR.finditer(self._text):
            name = match[1]
            alone = self._text[match.start() - 1 : match.start()] not in _ESCAPES
            if (alone and name in self._plain) or match.start() < done:
                continue
            if not self._secret(match):
                if alone and name.lower() not in _SECOND_WORDS and len(self._plain) < _REMEMBERED:
                    self._plain.add(name)
                continue
            span = self._quoted(match) if match[2] else self._unquoted(match)
            if span is None or self._text[span[0] : span[1]].lower() in _NO_VALUE:
                continue
            done = span[1]
            if self._text[span[0] : span[1]] != MASK:
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

    def _quoted(self, match: re.Match[str]) -> tuple[int, int, str] | None:
        text, quote = self._text, match[2]
        place = _BLANKS_AND_LINES.match(text, match.end()).end()  # type: ignore[union-attr]  # matches the empty text too
        opening = _OPENING.match(text, place)
        if opening:
            return (opening.end(), string_end(text, opening.end(), opening[1])[0], MASK)
        if text[place : place + 1] in {"{", "[", "("} and not text.startswith(MASK, place):
            return self._nested(place, len(quote) - 1 if quote[0] != "&" else 0, f"{quote}{MASK}{quote}")
        bare = _BARE.match(text, place)
        # How many tokens there are is no secret; neither is how many checks passed.
        if (
            bare is None
            or bare[0].lower() in _PROSE
            or (match[1].lower().endswith(("tokens", "pass", "cookies")) and bare[0].isdigit())
        ):
            return None
        return (place, bare.end(), f"{quote}{MASK}{quote}")

    def _nested(self, place: int, level: int, mask: str) -> tuple[int, int, str] | None:
        end = None if self._unclosed else nesting_end(self._text, place, level)
        if end is None:
            self._unclosed = True  # the text was cut: nobody looks for the end of a bracket twice
            end = _REST_OF_LINE.match(self._text, place).end()  # type: ignore[union-attr]  # as above
        return None if self._text[place + 1 : end - 1].strip() == "" else (place, end, mask)

    def _unquoted(self, match: re.Match[str]) -> tuple[int, int, str] | None:
        text, sign = self._text, match[3]
        place = _BLANKS.match(text, match.end()).end()  # type: ignore[union-attr]  # as above
        opening = _OPENING.match(text, place)
        inside = self._strings.inside(match.start())
        if opening and not self._closes(opening, inside=inside):
            return (opening.end(), string_end(text, opening.end(), opening[1])[0], MASK)
        if text[place : place + 1] in {"{", "[", "("} and not inside and not text.startswith(MASK, place):
            end = nesting_end(text[place : _near_end(text, place)], 0)
            if end:
                return (place, place + end, MASK)
        end = self._value_end(match, place, inside=inside)
        prose = sign == ":" and text[match.end() : match.end() + 1] == " "
        if prose and text[place:end].rstrip(".,;:!?").lower() in _PROSE:
            return None
        return (place, end, MASK) if end > place else None

    def _closes(self, opening: re.Match[str], *, inside: bool) -> bool:
        """Whether a quotation mark after a name ends the string the name stands in, and has no value behind it."""
        after = self._text[opening.end() : opening.end() + 1]
        ends = after in {"", ",", "}", "]", ")", ":", " ", "\t", "\r", "\n", ";", "\\", '"', "'"}
        return ends and (inside or len(opening[1]) > 1 or opening[1] == "'")

    def _value_end(self, match: re.Match[str], place: int, *, inside: bool) -> int:
        text, name = self._text, match[1]
        whole = match[3] == ":" and _WHOLE_LINE.search(name.lower())
        if match[3] == ":" and (whole or "-" in name):
            before = text[max(0, match.start() - 9) : match.start()]
            if before[-1:] == "'" and not inside:  # curl -H 'Name: value'
                return _REST_OF_QUOTED.match(text, place).end()  # type: ignore[union-attr]  # as above
            at_start = _LINE_START.search(before) if len(before) < 9 or before.strip() != before else None
            at_start = at_start or _LINE_START.search(before)
            if at_start and not inside and "\\" not in before:
                return _REST_OF_LINE.match(text, place).end()  # type: ignore[union-attr]  # as above
            if at_start or whole or before[-1:] == '"':
                return _REST_OF_STRING.match(text, place).end()  # type: ignore[union-attr]  # as above
        token = _TOKEN.match(text, place)
        if token is None:
            return place
        if token[0].lower() in _SCHEMES:
            credentials = _TOKEN.match(text, _BLANKS.match(text, token.end()).end())  # type: ignore[union-attr]  # as above
            token = credentials or token
        if "cookie" in name.lower():
            return _MORE_COOKIES.match(text, token.end()).end()  # type: ignore[union-attr]  # as above
        return token.end()


_XML = re.compile(
    r"(<(?:[\w.\-]++:)?+([\w.\-]++)(?:\s[^<>\n]{0,500}+)?>|&lt;([\w.\-]++)&gt;)"
    r"(<!\[CDATA\[[^\]\n]{0,500}+\]\]>|[^<&\n]++(?:&(?!lt;)[^<&\n]*+)*+)(?=<|&lt;|\n|$)"
)
#: `name="x"` of a pair whose other half holds the value: HAR, HTML forms, lists of headers and variables.
_NAMED = re.compile(rf"(?i:(?:name|key|header|id)(?:{QUOTE})?+\s{{0,4}}+[:=]\s{{0,4}}+)({QUOTE})([\w.\-]++)(?:{QUOTE})")
_ITS_VALUE = re.compile(rf"[^{{}}<>]{{0,200}}?(?<![\w.\-])(?i:value)(?:{QUOTE})?+\s{{0,4}}+[:=]\s{{0,4}}+({QUOTE})")
_LINE = r"(?:\r?\n|\\++r\\++n|\\++n)"
_ITS_PART = re.compile(rf"[^\n\\]{{0,200}}?{_LINE}(?:[^\s\\][^\n\\]{{0,200}}?{_LINE}){{0,4}}?{_LINE}([^\r\n\\\"]++)")
#: ("Authorization", "...") and ["x-auth-token", "..."]: how lists of headers are printed.
_TUPLE = re.compile(rf"[\[(]\s{{0,4}}+[bBuU]?+({QUOTE})([\w.\-]++)(?:{QUOTE})\s{{0,4}}+,\s{{0,4}}+[bBuU]?+({QUOTE})")
#: `--token x` as a person types it, and `'--token', 'x'` as a list of words is printed.
_OPTION = re.compile(
    rf"(?<![\w-])--([\w.-]++)(?:[ \t]++(?!-|{QUOTE})|({QUOTE}),[ \t]{{0,4}}+({QUOTE})|[ \t]++({QUOTE}))"
)
#: "header 'X-Auth-Token': expected 'a' to be equal to 'b'", "$.id_token -> ...": how tools tell of differences.
_SAID = re.compile(
    rf"(?i:header|field|parameter|cookie|query|metadata|property|attribute|key)s?[ :]{{1,2}}+{QUOTE}([\w.\-]++){QUOTE}"
    rf"|(?<!\\){QUOTE}([\w.\-]++){QUOTE}(?= (?:with|to have|has|had) (?:the )?value)|\$\.([\w.\-]++)"
)
_QUOTED = re.compile(r"(?<!\\)(\\*+[\"'])(?:[^\"'\\\r\n])++\1")
_CURL = re.compile(r"(?<![\w/.])curl[ \t][^\r\n]++")
_CURL_OPTION = re.compile(
    r"(?<=[ \t])((?:-u|-b|-U|--user|--cookie|--proxy-user|--pass|--key-pass|--oauth2-bearer)(?:[ \t]++|=))"
    r"(\\*+\"(?:[^\"\\\r\n])*+|'[^'\"\r\n]*+'?+|[^\s\"'\\]++)"
)


def _xml(text: str, is_secret: Callable[[str], bool]) -> Iterator[tuple[int, int, str]]:
    for match in _XML.finditer(text):
        # What goes on like JSON after a word in angle brackets is no element.
        if is_secret(match[2] or match[3]) and match[4].strip() and not re.match(r'\\*"\s*[,:}\]]', match[4]):
            yield (match.start(4), match.end(4), MASK)


def _named(text: str, is_secret: Callable[[str], bool]) -> Iterator[tuple[int, int, str]]:
    done = 0
    for match in _NAMED.finditer(text):
        if match.start() < done or not is_secret(match[2]):
            continue
        if value := _ITS_VALUE.match(text, match.end()):
            done = string_end(text, value.end(), value[1])[0]
            yield (value.end(), done, MASK)
        elif part := _ITS_PART.match(text, match.end()):
            done = part.end()
            yield (part.start(1), done, MASK)


def _tuples(text: str, is_secret: Callable[[str], bool]) -> Iterator[tuple[int, int, str]]:
    done = 0
    for match in _TUPLE.finditer(text):
        if match.start() < done or not is_secret(match[2]):
            continue
        end, after = string_end(text, match.end(), match[3])
        # A list of two names is no name with its value, unless the name is one of a header.
        if text[after : after + 1] == ")" or ("-" in match[2] or _WHOLE_LINE.search(match[2].lower())):
            done = end
            yield (match.end(), end, MASK)


def _options(text: str, is_secret: Callable[[str], bool]) -> Iterator[tuple[int, int, str]]:
    for match in _OPTION.finditer(text):
        if not is_secret(match[1]):
            continue
        quote, token = match[3] or match[4], _TOKEN.match(text, match.end())
        if quote:
            yield (match.end(), string_end(text, match.end(), quote)[0], MASK)
        elif token and token[0].lower() not in _PROSE:
            yield (match.end(), token.end(), MASK)


def _said(text: str, is_secret: Callable[[str], bool]) -> Iterator[tuple[int, int, str]]:
    strings, done = Strings(text), 0
    for match in _SAID.finditer(text):
        name = match[1] or match[2] or match[3].rpartition(".")[2]
        if match.start() < done or not is_secret(name):
            continue
        inside = strings.inside(match.start())
        for value in _QUOTED.finditer(text, match.end(), _near_end(text, match.end())):
            if inside and value[0][0] == '"':
                break  # the string it all stands in ends
            start = value.start() + len(value[1])
            done = value.end() - len(value[1])
            if text[start:done].lower() not in _NO_VALUE and text[start:done] != name:
                yield (start, done, MASK)


def _curl(text: str, _is_secret: Callable[[str], bool]) -> Iterator[tuple[int, int, str]]:
    for line in _CURL.finditer(text):
        for option in _CURL_OPTION.finditer(text, line.start(), line.end()):
            value = option[2]
            quote = re.match(r"\\*[\"']", value)
            start = option.start(2) + (quote.end() if quote else 0)
            end = option.end() - (1 if quote and value[-1] == "'" else 0)
            if end > start:
                yield (start, end, MASK)


def mask_names(text: str, is_secret: Callable[[str], bool]) -> str:
    """Mask what stands under secret names."""
    if "curl" in text:
        text = _replaced(text, _curl(text, is_secret))
    if "<" in text or "&lt;" in text:
        text = _replaced(text, _xml(text, is_secret))
    text = _replaced(text, _said(text, is_secret))
    if "--" in text:
        text = _replaced(text, _options(text, is_secret))
    if "value" in text.lower() or "form-data" in text:
        text = _replaced(text, _named(text, is_secret))
    text = _replaced(text, _tuples(text, is_secret))
    return _replaced(text, _Pairs(text, is_secret).spans())


def _replaced(text: str, spans: Iterator[tuple[int, int, str]]) -> str:
    pieces: list[str] = []
    done = 0
    for start, end, mask in spans:
        if start < done:
            continue
        pieces += [text[done:start], mask]
        done = end
    return "".join((*pieces, text[done:])) if pieces else text
