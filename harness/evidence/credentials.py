"""Which parts of a request are told in confidence, and worth to be known by value; nothing here sends anything.

What stands under a secret name is masked there by `redaction`. Whoever gets the request may repeat it under another name, or
under none: so its value has to be known as well. Values that everybody knows are left out, as no report could be read any more.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Any
from urllib.parse import unquote, unquote_plus

from harness.evidence._carriers import by_name
from harness.evidence._later import later
from harness.evidence._names import is_secret_name, may_have_names, squeezed, table
from harness.evidence._pairs import SCHEMES
from harness.evidence._reading import Reading
from harness.evidence._shapes import DIGEST
from harness.evidence.secrets import SHARED, of_basic, plain_name, remember

__all__ = [
    "MOST",
    "MOST_OF_A_NAME",
    "Bounded",
    "Credentials",
    "Said",
    "credentials",
    "remember_said",
    "worth_knowing",
]

#: A name, and what is confidential under it.
Said = tuple[str, str]

#: How many values are taken, and how many that stood under one name: each makes the masking slower, and a thousand users with
#: a token each must not crowd out the one key they all send. The first ones count.
MOST, MOST_OF_A_NAME = 200, 50
_SHORTEST, _SHORTEST_NUMBER = 6, 8
_LONGEST = 8_192
#: Of longer text only so much is looked through.
_LONGEST_JSON, _LONGEST_TEXT = 256_000, 16_000
_DEEPEST = 50


#: What tests send on purpose, and what stands under secret names without being a secret.
_ORDINARY = table(
    "access account active administrator allowed anonymous anything apikey application/json authenticated authorization"
    " authorized bearer cached change-me changeme client confirm cookie customer default denied digest disabled enabled"
    " example expired forbidden garbage hidden incorrect invalid invalid-key invalid-token localhost manager manual member"
    " missing nobody number object optional password private production public redacted refresh rejected required revoked"
    " secret service session signed something status string system testing unauthorized undefined unknown username visitor"
    " wrong-key wrong-password wrong-token"
)
#: Words in the names of cookies that say who somebody is.
_SESSION = later(r"(?i)sess|(?<![a-z])sid(?![a-z])|(?<![a-z])auth|remember|login|identity")
#: What a random part of a path does that stands behind one of these: whoever has the link is let in.
_LETS_IN = later(
    r"(?i)(?:password[-_]?)?reset|verify|verification|verify-?email|confirm(?:ation)?|activat(?:e|ion)|invit(?:e|ation)s?"
    r"|magic(?:-?links?)?|callback|share[ds]?|sessions?|unsubscribe|log-?in|sign-?in|otp|keys|api-?keys|hooks|webhooks|services"
)
#: What a path has ids of: those of a bank, say, which are no secret.
_RESOURCES = later(r"(?i)authori[sz]ations?")
#: What forms carry under names that are harmless elsewhere (OAuth 2, SAML, CAS), and from which length on.
_OF_FORMS = table("code ticket assertion")
_IN_FORM = later(r"(?i)(?<![a-z])(?:code|ticket|assertion)(?:=|\"\s{0,9}:)")
_LONG_ENOUGH = 12
#: JSON that is such a form has one of these.
_FORM_MEMBERS = table("grant_type client_id redirect_uri code_verifier")
_ROUTE = later(r"(?i)oauth2.*|v\d.*")
_ENTRY = later(r"([^&;=\s]+)=([^&;\s]*)")
_FORM = later(r"[^\s{}\[\]<>\"]+")


def worth_knowing(value: str) -> bool:
    """Whether to mask a value wherever it stands protects more than it hides."""
    if not _SHORTEST <= len(value) <= _LONGEST or len(set(value)) < 3:
        return False
    return len(value) >= _SHORTEST_NUMBER if value.isdigit() else value.lower() not in _ORDINARY


def _looks_random(value: str) -> bool:
    """Whether a value is no word of a language: where a name is not enough to tell."""
    mixed = any(c.isdigit() for c in value) and any(c.isalpha() for c in value)
    return (mixed and not _ROUTE.fullmatch(value)) or (value.isalnum() and len(value) >= 20)


def _lets_in(name: str, value: str) -> bool:
    """Whether a field of a form is worth as much as a password, though its name is harmless elsewhere."""
    return name.lower() in _OF_FORMS and len(value) >= _LONG_ENOUGH and _looks_random(value)


@dataclass(frozen=True, slots=True)
class Credentials:
    """Finds what is confidential; each with the name it stands under.

    Args:
        names: further secret names, without case and separators.
    """

    names: frozenset[str] = frozenset()

    def is_secret(self, name: str) -> bool:
        """Whether what stands under a name is confidential."""
        return is_secret_name(name) or (bool(self.names) and plain_name(name) in self.names)

    def of_headers(self, headers: Iterable[tuple[str, str]]) -> Iterator[Said]:
        """Those of a request's headers."""
        for name, value in headers:
            if name.lower() == "cookie":
                yield from self._of_cookies(value)
            elif self.is_secret(name):
                yield from _told(name, value)

    def _of_cookies(self, value: str) -> Iterator[Said]:
        for pair in value.split(";"):
            name, _, text = pair.strip().partition("=")
            text = unquote(text.strip('"'))
            if self.is_secret(name) or _SESSION.search(name) or (len(text) >= 16 and _looks_random(text)):
                yield from _told(name, text)

    def of_target(self, target: str) -> Iterator[Said]:
        """Those of a path with its query, or of a whole URL."""
        path, _, query = target.partition("#")[0].partition("?")
        segments = [unquote(s) for s in re.split(r"[/;]", path.partition("://")[2] or path)]
        for before, segment in pairwise(segments):
            named = self.is_secret(before) or _LETS_IN.fullmatch(before)
            if named and _looks_random(segment) and not _RESOURCES.fullmatch(before):
                yield from _told(before, segment)
        yield from self.of_form(path if ";" in path else "")
        yield from self.of_form(query)

    def of_form(self, text: str) -> Iterator[Said]:
        """Those of `name=value&...`."""
        yield from self.of_fields((unquote_plus(m[1]), unquote_plus(m[2])) for m in _ENTRY.finditer(text))

    def of_fields(self, fields: Iterable[tuple[str, str]]) -> Iterator[Said]:
        """Those of the names and values of a form or a query, decoded."""
        for name, value in fields:
            if self.is_secret(name.rpartition("/")[2]) or _lets_in(name, value):
                yield from _told(name, value)

    def of_body(self, text: str) -> Iterator[Said]:
        """Those of a body, whatever it is written in."""
        if not self.may_hold(text):
            return
        if text.lstrip()[:1] in {"{", "["} and len(text) <= _LONGEST_JSON:
            try:
                yield from self.of_json(json.loads(text))
            except (ValueError, RecursionError):
                pass  # looked through as any text is
            else:
                return
        text = text[:_LONGEST_TEXT]
        if "=" in text and _FORM.fullmatch(text):
            yield from self.of_form(text)
        else:
            yield from self._of_text(text)

    def may_hold(self, text: str) -> bool:
        """Whether a text has a secret name in it, at a glance: often where it has none, never the other way round."""
        if may_have_names(text.lower()) or _IN_FORM.search(text):
            return True
        return bool(self.names) and any(map(squeezed(text).__contains__, self.names))

    def _of_text(self, text: str) -> Iterator[Said]:
        """What the masking by name would take out of it."""
        reading = Reading(text)
        for start, end, _ in by_name(reading, self.is_secret):
            name = re.sub(r"\W*$", "", reading.text[max(0, start - 60) : start])
            yield from _told(name, reading.text[start:end])

    def of_json(self, value: object) -> Iterator[Said]:
        """Those of what JSON means."""
        waiting: list[tuple[str, object, int]] = [("", value, 0)]
        while waiting:
            name, node, depth = waiting.pop()
            if isinstance(node, dict):
                waiting += self._below(node, name, depth)
            elif isinstance(node, list | tuple):
                waiting += [(name, inner, depth) for inner in node]
            elif isinstance(node, str) and (not name or node.lstrip()[:1] in {"{", "["}):
                yield from self.of_body(node) if depth < _DEEPEST else ()
            elif name and isinstance(node, str | int) and not isinstance(node, bool):
                yield from _told(name, str(node))

    def _below(self, node: dict[Any, Any], above: str, depth: int) -> Iterator[tuple[str, object, int]]:
        """The members of an object; `above` is the secret name it stands under, if it does."""
        if depth >= _DEEPEST:
            return
        named = node.get("name") or node.get("key")
        is_form = not _FORM_MEMBERS.isdisjoint(node)
        for key, inner in node.items():
            secret = self.is_secret(str(key)) or (key == "value" and isinstance(named, str) and self.is_secret(named))
            # Beside a token stand its type and its owner: they are no secret for that.
            inherited = bool(above) and (not isinstance(inner, str) or _looks_random(inner))
            secret = secret or (is_form and isinstance(inner, str) and _lets_in(str(key), inner))
            yield (str(key) if secret else above if inherited else "", inner, depth + 1)


def _told(name: str, value: str) -> Iterator[Said]:
    """A value without its scheme, and what Basic credentials hold; only what is worth it."""
    value = value.strip()
    scheme, _, rest = value.partition(" ")
    rest = rest.strip()
    if "authori" in name.lower() and " " not in rest and worth_knowing(rest):
        yield (name, rest)  # whatever the scheme is called
    if rest and scheme.lower() in SCHEMES:
        value = rest
        yield from ((name, proof[1]) for proof in DIGEST.finditer(rest if scheme.lower() == "digest" else ""))
        if scheme.lower() == "basic":
            yield from ((name, part) for part in of_basic(rest) if worth_knowing(part))
    if worth_knowing(value):
        yield (name, value)


def credentials() -> Credentials:
    """What finds them by all the names that this process knows to be secret."""
    return Credentials(SHARED.names)


class Bounded:
    """Passes values on, each once, and only so many.

    Args:
        tell: takes each name and value.
    """

    def __init__(self, tell: Callable[[str, str], object]) -> None:
        self._tell = tell
        self._passed: set[str] = set()
        self._counts: Counter[str] = Counter()
        self._spared: set[str] = set()

    @property
    def full(self) -> bool:
        """Whether nothing will be passed on any more."""
        return len(self._passed) >= MOST

    def has_room(self, name: str) -> bool:
        """Whether more values under a name will be passed on."""
        return self._counts[plain_name(name)] < MOST_OF_A_NAME

    def spare(self, values: Iterable[str]) -> None:
        """Never pass these on: reports could not be read without them."""
        self._spared.update(values)

    def take(self, said: Iterable[Said]) -> None:
        """Pass on what is new, as far as there is room."""
        for name, value in said:
            if value in self._passed or value in self._spared or not self.has_room(name):
                continue
            if self.full:
                return
            self._passed.add(value)
            self._counts[plain_name(name)] += 1
            self._tell(name, value)


_remembered = Bounded(lambda _name, value: remember(value))
#: Remembers what was found, so much in all that masking stays quick.
remember_said = _remembered.take
