"""JSON from outside, read so that what it holds can be written again; what it is about is read elsewhere."""

from __future__ import annotations

import json

__all__ = ["loads"]


def loads(content: bytes | str) -> object:
    """Decode JSON. Half a character (a lone surrogate, which JSON can escape but no file can hold) becomes U+FFFD.

    Raises:
        ValueError, RecursionError: as `json.loads`.
    """
    value: object = json.loads(content)
    escaped = b"\\ud" in content.lower() if isinstance(content, bytes) else "\\ud" in content.lower()
    if not escaped:
        return value
    text = json.dumps(value, ensure_ascii=False)
    return json.loads(text.encode("utf-16", "surrogatepass").decode("utf-16", "replace"))
