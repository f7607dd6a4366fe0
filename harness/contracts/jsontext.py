"""JSON and files from outside, read within limits, so that what they hold can be written again; their sense is read elsewhere."""

from __future__ import annotations

import json
import stat
from pathlib import Path

from harness.guard import Limits, parse_json
from harness.guard.limits import nesting

__all__ = ["TooDeepError", "TooLargeError", "loads", "read_file"]

_LIMITS = Limits(depth=400, values=2_000_000)


class TooDeepError(ValueError):
    """JSON nests too deeply; the text is a predicate."""


class TooLargeError(OSError):
    """A file is larger than it may be; the text is a predicate."""


def loads(content: bytes | str) -> object:
    """Decode JSON. Half a character (a lone surrogate, which JSON can escape but no file can hold) becomes U+FFFD.

    Raises:
        TooDeepError: when it nests too deeply.
        ValueError: when it is none, or holds too many values.
    """
    raw = content if isinstance(content, bytes) else content.encode("utf-8", "surrogatepass")
    if nesting(raw, _LIMITS.depth) > _LIMITS.depth:
        raise TooDeepError(f"is nested too deeply: JSON of more than {_LIMITS.depth} levels")
    value: object = parse_json(content, _LIMITS)
    if b"\\ud" not in raw.lower():
        return value
    text = json.dumps(value, ensure_ascii=False)
    return json.loads(text.encode("utf-16", "surrogatepass").decode("utf-16", "replace"))


def read_file(file: Path, max_bytes: int, *, piped: bool = False) -> bytes:
    """The bytes of a file; a device or a pipe, which may have no end or never begin, is no file.

    Args:
        piped: whether a pipe is fine, because somebody is known to write into it.

    Raises:
        TooLargeError: when it has more than `max_bytes`.
        OSError: when it cannot be read.
    """
    kind = file.stat().st_mode
    if stat.S_ISDIR(kind):
        raise OSError("it is a folder")
    if not stat.S_ISREG(kind) and not (piped and stat.S_ISFIFO(kind)):
        raise OSError("it is no regular file")
    with file.open("rb") as stream:
        raw = stream.read(max_bytes + 1)
    if len(raw) > max_bytes:
        size = max(file.stat().st_size, len(raw))
        raise TooLargeError(f"is too large: {size / 1e6:.1f} MB, the limit is {max_bytes / 1e6:g} MB")
    return raw
