"""Request bodies of the API: JSON as Go's decoder reads it, with the texts of its errors, and the shapes sent back."""

from __future__ import annotations

import json
import re
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

from harness.chaos.faults import FAULTS, Fault
from harness.chaos.server.addresses import ApiError
from harness.chaos.server.gojson import what_is_wrong
from harness.chaos.server.link import Toxic
from harness.chaos.server.proxy import Proxy

__all__ = ["GoObject", "fault_from", "proxy_json", "read_array", "read_object", "toxic_json"]

_INT64 = 2**63
_FLOAT32 = 3.4028234663852886e38
#: Bytes of a broken body that are looked through for what is wrong; more would keep everybody waiting.
_EXPLAINED = 256 * 1024
_KINDS = {str: "string", bool: "bool", float: "float32"}


def read_object(body: bytes, go_type: str) -> GoObject:
    """Read a JSON object; what follows it is ignored.

    Args:
        go_type: the type's name in the original's error texts.

    Raises:
        ApiError: 400 when the body is not that.
    """
    value = _decode(body)
    if value is None:
        return GoObject(go_type, {})
    if not isinstance(value, Mapping):
        raise bad_body(f"json: cannot unmarshal {_kind(value)} into Go value of type {go_type}")
    # A struct without a name leaves nothing before the dot.
    return GoObject("" if go_type.startswith("struct") else go_type.rpartition(".")[2], value)


def read_array(body: bytes, go_type: str, item_type: str) -> list[GoObject]:
    """Read a JSON array of objects.

    Raises:
        ApiError: 400 when the body is not that.
    """
    value = _decode(body)
    if value is None:
        return []
    if not isinstance(value, Sequence) or isinstance(value, str):
        raise bad_body(f"json: cannot unmarshal {_kind(value)} into Go value of type {go_type}")
    items = []
    for item in value:
        if item is not None and not isinstance(item, Mapping):
            raise bad_body(f"json: cannot unmarshal {_kind(item)} into Go value of type {item_type}")
        items.append(GoObject(".Proxy", item or {}))
    return items


def bad_body(text: str) -> ApiError:
    """The API's error for a body that cannot be read."""
    return ApiError(f"bad request body: {text}", 400)


@dataclass(frozen=True, slots=True)
class GoObject:
    """A JSON object whose keys are found in any case and whose values are checked for their type."""

    struct: str
    values: Mapping[str, Any]

    def text(self, name: str, default: str = "") -> str:
        """A string; `default` when it is missing or null."""
        value = self._get(name)
        return default if value is None else self._checked(name, value, str)

    def flag(self, name: str, default: bool) -> bool:
        """A boolean; `default` when it is missing or null."""
        value = self._get(name)
        return default if value is None else self._checked(name, value, bool)

    def number(self, name: str, default: float) -> float:
        """A number, as precise as 32 bits are; `default` when it is missing or null."""
        value = self._get(name)
        return default if value is None else _single(self._checked(name, value, float))

    def integer(self, name: str, default: int, go_type: str = "int64") -> int:
        """An integer of 64 bits; `default` when it is missing or null."""
        value = self._get(name)
        return default if value is None else self._checked(name, value, int, go_type)

    def object(self, name: str, struct: str, go_type: str) -> GoObject:
        """An object; an empty one when it is missing or null."""
        value = self._get(name)
        if value is not None and not isinstance(value, Mapping):
            raise bad_body(
                f"json: cannot unmarshal {_kind(value)} into Go struct field {self.struct}.{name} of type {go_type}"
            )
        return GoObject(f"{struct}.{name}", value or {})

    def _get(self, name: str) -> Any:
        found = None
        for key, value in self.values.items():
            if key.lower() == name:
                found = value
        return found

    def _place(self, name: str) -> str:
        # In a list of proxies `enabled` lies outside the embedded struct.
        return ".enabled" if self.struct == ".Proxy" and name == "enabled" else f"{self.struct}.{name}"

    def _checked(self, name: str, value: Any, kind: type, go_type: str = "") -> Any:
        number = isinstance(value, int | float) and not isinstance(value, bool)
        fits = {
            str: isinstance(value, str),
            bool: isinstance(value, bool),
            float: number and abs(value) <= _FLOAT32,
            int: number and isinstance(value, int) and -_INT64 <= value < _INT64,
        }[kind]
        if not fits:
            found = f"number {getattr(value, 'written', value)}" if number and kind in {int, float} else _kind(value)
            raise bad_body(
                f"json: cannot unmarshal {found} into Go struct field {self._place(name)} of type {go_type or _KINDS[kind]}"
            )
        return value


def fault_from(type_: str, body: GoObject, old: Fault | None = None) -> Fault:
    """Read `attributes`; what is not given keeps its old value (its default, for a new toxic), what is unknown is ignored.

    Raises:
        ApiError: 400 when one is of the wrong type, or an attribute of a fault of our own makes no sense.
    """
    kind = FAULTS[type_]
    go_name = "ResetToxic" if type_ == "reset_peer" else "".join(p.title() for p in type_.split("_")) + "Toxic"
    attributes = body.object("attributes", go_name, f"toxics.{'NoopToxic' if old is None else go_name}")
    go_type = "int" if type_ == "slicer" else "int64"
    values: dict[str, Any] = {}
    for f in fields(kind):
        default: Any = f.default if old is None else getattr(old, f.name)
        if f.type == "str":
            values[f.name] = attributes.text(f.name, default)
        else:
            values[f.name] = attributes.integer(f.name, default, go_type)
    fault = kind(**values)
    if problem := fault.problem():
        raise ApiError(problem, 400)
    return fault


def toxic_json(toxic: Toxic) -> dict[str, object]:
    """A toxic as the API shows it."""
    toxicity = int(toxic.toxicity) if toxic.toxicity == int(toxic.toxicity) else toxic.toxicity
    return {
        "attributes": {f.name: getattr(toxic.fault, f.name) for f in fields(toxic.fault)},
        "name": toxic.name,
        "type": toxic.type,
        "stream": toxic.stream,
        "toxicity": toxicity,
    }


def proxy_json(proxy: Proxy) -> dict[str, object]:
    """A proxy as the API shows it."""
    return {
        "name": proxy.name,
        "listen": proxy.listen,
        "upstream": proxy.upstream,
        "enabled": proxy.enabled,
        "toxics": [toxic_json(t) for t in proxy.listed()],
    }


def _decode(body: bytes) -> Any:
    text = body.decode("utf-8", "replace").lstrip(" \t\r\n")
    # What this decoder takes for the end of a number may be a broken one.
    if not text or text[0] in "-0123456789":
        _complain(body)
    try:
        value, _ = json.JSONDecoder(parse_float=_Decimal.read, parse_constant=_no_constant).raw_decode(text)
    except RecursionError:
        raise bad_body("exceeded max depth") from None
    except ValueError as error:
        _complain(body)
        raise bad_body(str(error)) from None
    return _well_formed(value)


def _complain(body: bytes) -> None:
    if len(body) > _EXPLAINED:
        raise bad_body("unexpected EOF")
    problem = what_is_wrong(body)
    if problem is not None:
        raise bad_body(problem)


def _no_constant(name: str) -> None:
    raise ValueError(name)


def _well_formed(value: Any) -> Any:
    """Replace lone surrogates, as Go does: no UTF-8 text can carry them back."""
    if isinstance(value, str):
        return re.sub("[\ud800-\udfff]", "\ufffd", value)
    if isinstance(value, dict):
        return {_well_formed(k): _well_formed(v) for k, v in value.items()}
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
    return "object" if isinstance(value, Mapping) else "array"
