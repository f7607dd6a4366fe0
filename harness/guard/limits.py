"""How much of an answer is taken: bytes on the wire, bytes after inflating, nesting and number of values, time in all.

A service under test is not trusted: an answer without an end, a few kilobytes that inflate to gigabytes, or a byte every
now and then must cost the harness no more than an ordinary answer does.
"""

from __future__ import annotations

import codecs
import json
import re
import threading
import time
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

__all__ = ["ACCEPT_ENCODING", "LIMITS", "Answer", "Deadline", "Intake", "Limits", "TooMuchError", "parse_json", "shape"]

#: What is asked for: encodings that can be inflated a bounded piece at a time.
ACCEPT_ENCODING = "gzip, deflate"
_GZIP_OR_ZLIB = zlib.MAX_WBITS | 32
_PIECE = 1 << 16
_MB = 1_000_000
_CHARSETS = ("utf-8", "utf-16", "utf-32", "ascii", "iso8859", "cp", "koi8", "gb", "big5", "euc", "shift_jis", "mac")
#: A string whole (or the rest, where it does not end), a bracket or a comma; possessive, so that no text makes it go back.
_TOKEN = re.compile(rb'"(?:[^"\\]++|\\.)*+(?:"|\Z)|[\[{\]},]', re.DOTALL)


class TooMuchError(OSError):
    """An answer goes beyond a limit; the text says which, and what was seen. Like `TimeoutError`, no answer is to be had."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What one answer may cost.

    Args:
        wire_bytes: its body as it is sent.
        plain_bytes: its body after inflating.
        depth: how deep its JSON may nest.
        values: how many values its JSON may hold.
        redirects: how many may be followed, where any are.
    """

    wire_bytes: int = 10 * _MB
    plain_bytes: int = 10 * _MB
    depth: int = 200
    values: int = 500_000
    redirects: int = 5


LIMITS = Limits()


class Deadline:
    """A moment by which something has to be over.

    Args:
        seconds: from now.
    """

    __slots__ = ("at", "seconds")

    def __init__(self, seconds: float) -> None:
        self.seconds, self.at = seconds, time.monotonic() + seconds

    @property
    def left_s(self) -> float:
        """Seconds until then; 0 when it is past."""
        return max(0.0, self.at - time.monotonic())

    def check(self) -> None:
        """Make sure that it is not past.

        Raises:
            TimeoutError: when it is.
        """
        if time.monotonic() >= self.at:
            raise TimeoutError(f"no complete answer within {self.seconds:g} s")


#: Bytes of bodies that are being read just now, over all threads: many large answers at once are as bad as one without an end.
_ALL_AT_ONCE = 64 * _MB
#: A body up to here costs nothing worth counting.
_LARGE = 256_000
_reading = 0
_lock = threading.Lock()


class Intake:
    """Takes a body piece by piece, no more of it than the limits allow; a context manager.

    Args:
        encoding: the answer's `Content-Encoding`; one that was not asked for is left as it is.
    """

    def __init__(self, limits: Limits = LIMITS, encoding: str = "") -> None:
        self._limits = limits
        self._body: list[bytes] = []
        self._wire = self._plain = self._counted = 0
        names = [name.strip().lower() for name in encoding.split(",") if name.strip()] if encoding else []
        self.inflated = names in (["gzip"], ["x-gzip"], ["deflate"])
        self._inflater: Any = zlib.decompressobj(_GZIP_OR_ZLIB) if self.inflated else None
        self._first = names == ["deflate"]

    def __enter__(self) -> Intake:
        return self

    def __exit__(self, *_: object) -> None:
        if self._counted:
            self._count(-self._counted)

    def take(self, chunk: bytes) -> None:
        """Take the next piece as it came over the wire.

        Raises:
            TooMuchError: when a limit is passed, or it cannot be inflated.
        """
        self._wire += len(chunk)
        if self._wire > self._limits.wire_bytes:
            raise TooMuchError(f"the answer is longer than {self._limits.wire_bytes / _MB:g} MB")
        if self._inflater is None:
            self._keep(chunk)
            return
        while chunk:
            try:
                plain = self._inflater.decompress(chunk, _PIECE)
            except zlib.error as error:
                if not self._first:
                    raise TooMuchError(f"the answer cannot be inflated: {error}") from None
                self._inflater = zlib.decompressobj(-zlib.MAX_WBITS)  # what many servers take `deflate` to be
                self._first = False
                continue
            self._first = False
            self._keep(plain)
            chunk = self._inflater.unconsumed_tail
            if self._inflater.eof:
                return  # gzip members that follow are of no use to anybody here

    def _keep(self, plain: bytes) -> None:
        self._plain += len(plain)
        if self._plain > self._limits.plain_bytes:
            inflated = f", inflated from {self._wire / 1000:.0f} kB" if self._inflater is not None else ""
            raise TooMuchError(f"the answer is longer than {self._limits.plain_bytes / _MB:g} MB{inflated}")
        if self._plain > _LARGE:
            self._count(len(plain))
            self._counted += len(plain)
        self._body.append(plain)

    @staticmethod
    def _count(size: int) -> None:
        global _reading  # noqa: PLW0603 - one count for the whole process
        with _lock:
            _reading += size
            over = size > 0 and _reading > _ALL_AT_ONCE
            if over:
                _reading -= size
        if over:
            raise TooMuchError(f"answers of more than {_ALL_AT_ONCE / _MB:g} MB together are under way")

    def body(self) -> bytes:
        """All that was taken, inflated."""
        return self._body[0] if len(self._body) == 1 else b"".join(self._body)


def parse_json(body: bytes | str, limits: Limits = LIMITS) -> Any:
    """Read JSON that may be hostile.

    Raises:
        ValueError: when it is none, nests too deep, or holds too many values.
    """
    raw = body.encode("utf-8", "surrogatepass") if isinstance(body, str) else body
    depth, values = shape(raw, limits)
    if depth > limits.depth:
        raise ValueError(f"JSON that nests deeper than {limits.depth}")
    if values > limits.values:
        raise ValueError(f"JSON that holds more than {limits.values:,} values")
    try:
        return json.loads(body)
    except RecursionError:  # a caller that is deep down already
        raise ValueError("JSON that nests too deep") from None


def shape(raw: bytes, limits: Limits) -> tuple[int, int]:
    """How deep JSON nests, and about how many values it holds; counted no further than just beyond the limits.

    Text that cannot pass a limit, as it has too few brackets and commas, is not looked at closer: 0 and 0.
    """
    opening, commas = raw.count(b"[") + raw.count(b"{"), raw.count(b",")
    if opening <= limits.depth and opening + commas <= limits.values:
        return 0, 0
    depth = deepest = values = 0
    for match in _TOKEN.finditer(raw):
        token = match[0]
        if token in b"[{":
            depth, values = depth + 1, values + 1
            deepest = max(deepest, depth)
        elif token in b"]}":
            depth -= 1
        elif token == b",":
            values += 1
        if deepest > limits.depth or values > limits.values:
            break
    return deepest, values


@dataclass(frozen=True, slots=True)
class Answer:
    """A response as journeys see it (`harness.system.journeys.Response`), whole and within limits.

    Args:
        headers: case-insensitive.
        content: the body, inflated.
    """

    status_code: int
    headers: Mapping[str, str]
    content: bytes
    url: str = ""
    limits: Limits = field(default=LIMITS, repr=False)

    @property
    def text(self) -> str:
        """Body as text, in the charset it names or UTF-8; what cannot be decoded is replaced."""
        named = re.search(r"charset=\"?([\w.:-]+)", self.headers.get("content-type", ""), re.IGNORECASE)
        return self.content.decode(_charset(named[1]) if named else "utf-8", errors="replace")

    def json(self) -> Any:
        """Body as JSON.

        Raises:
            ValueError: when it is none, nests too deep, or holds too many values.
        """
        return parse_json(self.content, self.limits)


def _charset(name: str) -> str:
    """The encoding a charset stands for; UTF-8 for one that is unknown, no charset, or takes quadratic time (punycode)."""
    try:
        found = codecs.lookup(name).name
    except (LookupError, ValueError):
        return "utf-8"
    return found if found.startswith(_CHARSETS) else "utf-8"
