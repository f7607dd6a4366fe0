"""Takes secrets out of text before anything is stored or shown."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

__all__ = ["MASK", "Redactor"]

MASK = "[redacted]"
_HEADERS = ("authorization", "proxy-authorization", "cookie", "set-cookie", "x-api-key")
_FIELDS = ("password", "secret", "access_token", "refresh_token", "client_secret", "api_key")


class Redactor:
    """Masks header values, JSON fields and query parameters by name, bearer tokens, and known secret values.

    Args:
        names: further header or field names to mask, any case.
        values: secret values (tokens, passwords) to mask wherever they stand; those under four characters are ignored.
    """

    def __init__(self, names: Iterable[str] = (), values: Iterable[str] = ()) -> None:
        extra = tuple(n.lower() for n in names)
        self._names = frozenset((*_HEADERS, *_FIELDS, *extra))
        headers = "|".join(re.escape(n) for n in sorted(self._names, key=len, reverse=True))
        self._line = re.compile(rf"(?im)^(\s*(?:{headers})\s*:\s*).+$")
        self._quoted_header = re.compile(rf"(?i)((?:-H|--header)\s+(['\"])(?:{headers})\s*:\s*)(?:(?!\2).)*(\2)")
        self._json = re.compile(rf'(?i)("(?:{headers})"\s*:\s*)"(?:[^"\\]|\\.)*"')
        self._query = re.compile(rf"(?i)([?&](?:{headers})=)[^&\s'\"]+")
        self._bearer = re.compile(r"(?i)\b(bearer\s+)[A-Za-z0-9._~+/=-]{8,}")
        self._values = tuple(sorted((v for v in values if len(v) >= 4), key=len, reverse=True))

    def text(self, text: str) -> str:
        """Return `text` with every secret replaced by `MASK`."""
        for value in self._values:
            text = text.replace(value, MASK)
        text = self._line.sub(rf"\1{MASK}", text)
        text = self._quoted_header.sub(rf"\1{MASK}\3", text)
        text = self._json.sub(rf'\1"{MASK}"', text)
        text = self._query.sub(rf"\1{MASK}", text)
        return self._bearer.sub(rf"\1{MASK}", text)

    def headers(self, headers: Mapping[str, str]) -> dict[str, str]:
        """Return a copy of `headers` with secret ones masked."""
        return {k: MASK if k.lower() in self._names else self.text(v) for k, v in headers.items()}
