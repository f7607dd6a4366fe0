"""What this process was given or obtained as a credential, and how to find it again in text, raw or encoded.

Whoever gets hold of a credential calls `remember`; every `Redactor` asks here, at the moment it masks. Nothing is written
down: the values live in memory, and a worker passes what it learns on to the run that started it (`listen`).
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable, Iterable
from functools import lru_cache
from urllib.parse import unquote, urlsplit

from harness.evidence._jsontext import MASK
from harness.evidence._later import later
from harness.evidence._names import is_secret_name, table
from harness.evidence._ways import Known, ways_of

__all__ = [
    "MASK",
    "SHARED",
    "Secrets",
    "listen",
    "of_basic",
    "plain_name",
    "remember",
    "remember_header",
    "remember_names",
    "remember_url",
    "spare",
]

#: A shorter value would be found in text that has nothing to do with it.
_SHORTEST = 4

#: Values everybody knows: to mask them everywhere hides much and protects nothing.
_TRIVIAL = table(
    "true false null none undefined yes no on off default enabled disabled localhost 127.0.0.1 root admin guest user test"
    " password passwd secret token bearer basic changeme example postgres postgresql mysql mongodb redis rabbitmq sqlite"
    " 0000 1234 header cookie authorization"
)
#: A word as anybody writes it, or a day: as a password it protects nothing, and masked wherever it stands it hides a report.
_ORDINARY = later(r"[^\W\d_]{1,12}|\d{4}-\d\d-\d\d")


class Secrets:
    """Values and names that are secret; the process has one, `SHARED`."""

    def __init__(self) -> None:
        self._values: dict[str, tuple[Known, ...]] = {}
        self._spared: set[str] = set()
        self._listeners: list[Callable[[str], object]] = []
        self.names: frozenset[str] = frozenset()
        #: Every way of every value, longest value first: one may be a part of another.
        self.known: tuple[Known, ...] = ()

    def remember(self, *values: str) -> None:
        """Mask these values from now on; short and trivial ones, and words of a language, are ignored."""
        for value in {v.strip() for v in values} - self._values.keys():
            if len(value) < _SHORTEST or value.lower() in _TRIVIAL or value in MASK or value in self._spared:
                continue
            if _is_word(value):
                continue
            self._values[value] = ways_of(value)
            self._order()
            for tell in self._listeners:
                tell(value)

    def remember_header(self, value: str) -> None:
        """Mask the value of a header that lets a caller in: whole, without its scheme, and what Basic credentials hold."""
        self.remember(value)
        scheme, _, rest = value.strip().partition(" ")
        self.remember(rest)
        if scheme.lower() == "basic":
            self.remember(*of_basic(rest))

    def remember_url(self, url: str) -> None:
        """Mask the password in a URL, as it is written and as it is meant."""
        _, slashes, rest = url.partition("://")
        user, at, _ = re.split(r"[/?#]", rest, maxsplit=1)[0].rpartition("@")
        if slashes and at and ":" in user:
            password = user.partition(":")[2]
            self.remember(password, unquote(password))
        try:
            meant = urlsplit(url).password
        except ValueError:
            return
        self.remember(meant or "", unquote(meant or ""))

    def remember_names(self, names: Iterable[str]) -> None:
        """Mask what stands under these names (of headers, fields, parameters) from now on."""
        # Most are secret by what they are called: to look for fewer is quicker.
        self.names |= {plain_name(n) for n in names if not is_secret_name(n)} - {""}

    def spare(self, values: Iterable[str]) -> None:
        """Never mask these by value, such as the names of services: reports could not be read any more."""
        self._spared.update(values)
        for value in self._spared & self._values.keys():
            del self._values[value]
        self._order()

    def listen(self, tell: Callable[[str], object]) -> None:
        """Call `tell` with every value that becomes known from now on."""
        self._listeners.append(tell)

    def values(self) -> tuple[str, ...]:
        """Every value as it was remembered."""
        return tuple(self._values)

    def _order(self) -> None:
        self.known = tuple(w for v in sorted(self._values, key=len, reverse=True) for w in self._values[v])


def of_basic(text: str) -> tuple[str, ...]:
    """What Basic credentials hold, decoded: user with password, and the password; nothing where it is none."""
    try:
        user, colon, password = base64.b64decode(text, validate=True).decode().partition(":")
    except (binascii.Error, ValueError):
        return ()
    return (user + colon + password, password)


def _is_word(value: str) -> bool:
    written = value.islower() or value.istitle() or value.isupper() or not value[0].isalpha()
    return written and _ORDINARY.fullmatch(value) is not None


@lru_cache(maxsize=8192)
def plain_name(name: str) -> str:
    """A name without case and separators."""
    return re.sub(r"[\W_]+", "", name).lower()


SHARED = Secrets()
remember, remember_header, remember_url = SHARED.remember, SHARED.remember_header, SHARED.remember_url
remember_names, spare, listen = SHARED.remember_names, SHARED.spare, SHARED.listen
