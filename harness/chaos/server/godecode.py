"""Reads JSON into structs by the rules of Go's decoder (encoding/json), with its errors; knows none of the API's structs.

Keys are found in any case; unknown ones and nulls are passed over; of a key that comes twice, objects are merged and of
anything else the last counts; of several values of a wrong type the first in the text is told.
"""

from __future__ import annotations

import json
import re
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

from harness.chaos.server.addresses import ApiError
from harness.chaos.server.gojson import what_is_wrong

__all__ = ["Field", "GoObject", "Kind", "Shape", "read_array", "read_object"]

Kind = Literal["string", "bool", "float32", "int64", "int"]

_INT64 = 2**63
_FLOAT32 = 3.4028234663852886e38
#: Bytes of a broken body that are looked through for what is wrong; more would keep everybody waiting.
_EXPLAINED = 256 * 1024


class Field(NamedTuple):
    """What a field holds, and its place as error texts name it (`Proxy.name`)."""

    kind: Kind | Shape
    place: str


@dataclass(frozen=True, slots=True)
class Shape:
    """A struct: its type as error texts name it, and its fields by name."""

    go_type: str
    fields: Mapping[str, Field]


@dataclass(frozen=True, slots=True)
class GoObject:
    """What a text gave a struct; every value is of its field's kind."""

    values: Mapping[str, Any]

    def text(self, name: str, default: str = "") -> str:
        """A string; `default` when it was not given."""
        return str(self.values.get(name, default))

    def flag(self, name: str, default: bool) -> bool:
        """A boolean; `default` when it was not given."""
        return bool(self.values.get(name, default))

    def number(self, name: str, default: float) -> float:
        """A number, as precise as 32 bits are; `default` when it was not given."""
        return float(self.values.get(name, default))

    def integer(self, name: str, default: int) -> int:
        """An integer of 64 bits; `default` when it was not given."""
        return int(self.values.get(name, default))

    def object(self, name: str) -> GoObject:
        """An object; an empty one when it was not given."""
        return GoObject(self.values.get(name, {}))


class _Pairs(list[tuple[str, Any]]):
    """A JSON object as it was written."""


def read_object(body: bytes, shape: Shape) -> GoObject:
    """Read a JSON object; what follows it is ignored.

    Raises:
        ApiError: 400 when the body is not that.
    """
    values: dict[str, Any] = {}
    _fill(values, _decode(body), shape, f"Go value of type {shape.go_type}")
    return GoObject(values)


def read_array(body: bytes, shape: Shape) -> list[GoObject]:
    """Read a JSON array of objects.

    Raises:
        ApiError: 400 when the body is not that.
    """
    found = _decode(body)
    if found is None:
        return []
    if isinstance(found, _Pairs) or not isinstance(found, Sequence) or isinstance(found, str):
        raise _mismatch(_kind(found), f"Go value of type []{shape.go_type}")
    items: list[dict[str, Any]] = []
    for item in found:
        items.append({})
        _fill(items[-1], item, shape, f"Go value of type {shape.go_type}")
    return [GoObject(values) for values in items]


def _fill(values: dict[str, Any], found: Any, shape: Shape, place: str) -> None:
    if found is None:
        return
    if not isinstance(found, _Pairs):
        raise _mismatch(_kind(found), place)
    for key, value in found:
        name = key.casefold()
        field = shape.fields.get(name)
        if field is None or value is None:
            continue
        if isinstance(field.kind, Shape):
            within = f"Go struct field {field.place} of type {field.kind.go_type}"
            _fill(values.setdefault(name, {}), value, field.kind, within)
        else:
            values[name] = _checked(value, field.kind, field.place)


def _checked(value: Any, kind: Kind, place: str) -> Any:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    fits = {
        "string": isinstance(value, str),
        "bool": isinstance(value, bool),
        "float32": number and abs(value) <= _FLOAT32,
    }.get(kind, number and isinstance(value, int) and -_INT64 <= value < _INT64)
    if not fits:
        found = (
            f"number {getattr(value, 'written', value)}" if number and kind not in {"string", "bool"} else _kind(value)
        )
        raise _mismatch(found, f"Go struct field {place} of type {kind}")
    return _single(value) if kind == "float32" else value


def _mismatch(found: str, place: str) -> ApiError:
    return _bad_body(f"json: cannot unmarshal {found} into {place}")


def _bad_body(text: str) -> ApiError:
    return ApiError(f"bad request body: {text}", 400)


def _decode(body: bytes) -> Any:
    text = body.decode("utf-8", "replace").lstrip(" \t\r\n")
    # What this decoder takes for the end of a number may be a broken one.
    if not text or text[0] in "-0123456789":
        _complain(body)
    decoder = json.JSONDecoder(object_pairs_hook=_Pairs, parse_float=_Decimal.read, parse_constant=_no_constant)
    try:
        value, _ = decoder.raw_decode(text)
    except RecursionError:
        raise _bad_body("exceeded max depth") from None
    except ValueError as error:
        _complain(body)
        raise _bad_body(str(error)) from None
    return _well_formed(value)


def _complain(body: bytes) -> None:
    if len(body) > _EXPLAINED:
        raise _bad_body("unexpected EOF")
    problem = what_is_wrong(body)
    if problem is not None:
        raise _bad_body(problem)


def _no_constant(name: str) -> None:
    raise ValueError(name)


def _well_formed(value: Any) -> Any:
    """Replace lone surrogates, as Go does: no UTF-8 text can carry them back."""
    if isinstance(value, str):
        return re.sub("[\ud800-\udfff]", "\ufffd", value)
    if isinstance(value, _Pairs):
        return _Pairs((_well_formed(k), _well_formed(v)) for k, v in value)
    if isinstance(value, list):
        return [_well_formed(v) for v in value]
    return value


class _Decimal(float):
    """A number with a fraction or an exponent, and how it was written."""

    written: str

    @classmethod
    def read(cls, text: str) -> _Decimal:
        """Keep both."""
        number = cls(text)
        number.written = text
        return number


def _single(value: float) -> float:
    """The shortest decimal number that 32 bits take for the same."""
    bits = struct.pack("f", value)
    (exact,) = struct.unpack("f", bits)
    return next(n for digits in range(1, 10) if struct.pack("f", n := float(f"{exact:.{digits}g}")) == bits)


def _kind(value: Any) -> str:
    if isinstance(value, bool):
        return "bool"
    if isinstance(value, int | float):
        return "number"
    if isinstance(value, str):
        return "string"
    return "object" if isinstance(value, _Pairs) else "array"
