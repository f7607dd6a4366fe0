"""Evidence to JSON and back, checked on the way in."""

from __future__ import annotations

from functools import cache
from typing import Any, TypeVar

__all__ = ["from_json", "to_json"]

T = TypeVar("T")


@cache
def _adapter(kind: Any) -> Any:
    from pydantic import TypeAdapter

    return TypeAdapter(kind)


def to_json(value: object, kind: Any = None, *, indent: int | None = None) -> str:
    """Write a dataclass (or, with `kind`, a member of a tagged union) as one JSON text.

    Text that UTF-8 cannot carry (lone surrogates) is replaced, never an error: responses are hostile.
    """
    kind = kind or type(value)
    adapter = _adapter(kind)
    try:
        raw: bytes = adapter.dump_json(value, indent=indent)
    except Exception:  # pydantic raises PydanticSerializationError for lone surrogates
        import json

        text = json.dumps(adapter.dump_python(value, mode="python"), indent=indent, default=str, ensure_ascii=False)
        return text.encode("utf-8", "replace").decode()
    return raw.decode()


def from_json(kind: type[T], text: str | bytes) -> T:
    """Read what `to_json` wrote.

    Raises:
        pydantic.ValidationError: when it is not that.
    """
    hashable: Any = kind
    value: T = _adapter(hashable).validate_json(text)
    return value
