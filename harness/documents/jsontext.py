"""JSON from outside, read within limits, so that what it holds can be written again; what it is about is read elsewhere."""

from __future__ import annotations

import json

from harness.guard import Limits, parse_json
from harness.guard.limits import shape

__all__ = ["TooDeepError", "loads"]

_LIMITS = Limits(depth=400, values=2_000_000)


class TooDeepError(ValueError):
    """JSON nests too deeply; the text is a predicate."""


def loads(content: bytes | str) -> object:
    """Decode JSON. Half a character (a lone surrogate, which JSON can escape but no file can hold) becomes U+FFFD.

    Raises:
        TooDeepError: when it nests too deeply.
        ValueError: when it is none, or holds too many values.
    """
    raw = content if isinstance(content, bytes) else content.encode("utf-8", "surrogatepass")
    if shape(raw, _LIMITS)[0] > _LIMITS.depth:
        raise TooDeepError(f"is nested too deeply: JSON of more than {_LIMITS.depth} levels")
    value: object = parse_json(content, _LIMITS)
    if b"\\ud" not in raw.lower():
        return value
    text = json.dumps(value, ensure_ascii=False)
    return json.loads(text.encode("utf-16", "surrogatepass").decode("utf-16", "replace"))
