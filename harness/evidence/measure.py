"""A named number with unit and labels, and quantities as people write them ("400ms", "1%", "50/s")."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

__all__ = ["UNITS", "Measure", "Quantity"]

#: unit -> (dimension, factor to the dimension's base unit)
UNITS: Mapping[str, tuple[str, float]] = {
    "us": ("time", 1e-6),
    "ms": ("time", 1e-3),
    "s": ("time", 1.0),
    "m": ("time", 60.0),
    "h": ("time", 3600.0),
    "d": ("time", 86400.0),
    "ratio": ("ratio", 1.0),
    "%": ("ratio", 0.01),
    "1/s": ("rate", 1.0),
    "/s": ("rate", 1.0),
    "/m": ("rate", 1 / 60),
    "B": ("size", 1.0),
    "KB": ("size", 1e3),
    "MB": ("size", 1e6),
    "GB": ("size", 1e9),
    "count": ("count", 1.0),
}
#: ASCII digits, no exponent, and at most one space, before the unit.
_QUANTITY = re.compile(r"([-+]?[0-9]{1,15}(?:\.[0-9]{1,15})?) ?(us|ms|s|m|h|d|%|/s|/m|B|KB|MB|GB)?")
_LARGEST = 1e15


@dataclass(frozen=True, slots=True)
class Quantity:
    """A number as the user wrote it; `unit` is empty for a bare number, which fits every measure.

    Raises:
        ValueError: from `parse`, when the text is not a number with an optional known unit.
    """

    value: float
    unit: str = ""

    @classmethod
    def parse(cls, text: str | float) -> Quantity:
        """Read `"400ms"`, `"1%"`, `"50/s"`, `"2.5"`, or a number."""
        if isinstance(text, bool) or not isinstance(text, int | float | str):
            raise ValueError("a number, or text such as 400ms, 1%, 50/s")  # noqa: TRY004 - pydantic turns ValueError into a config error
        if isinstance(text, int | float):
            if not abs(text) < _LARGEST:  # nan as well
                raise ValueError("a number of at most 15 digits")
            return cls(float(text))
        match = _QUANTITY.fullmatch(text)
        if match is None:
            raise ValueError("a number, or text such as 400ms, 1%, 50/s")
        return cls(float(match[1]), match[2] or "")

    def in_unit(self, unit: str) -> float:
        """Convert to `unit`.

        Raises:
            ValueError: when the two are of different dimensions.
        """
        if not self.unit:
            return self.value
        dimension, factor = UNITS[self.unit]
        wanted, wanted_factor = UNITS[unit]
        if dimension != wanted:
            raise ValueError(f"{self} is a {dimension}, the measure is in {unit} (a {wanted})")
        return self.value * factor / wanted_factor

    def __str__(self) -> str:
        return f"{self.value:g}{self.unit}"


@dataclass(frozen=True, slots=True)
class Measure:
    """One measured number.

    Args:
        name: dotted, starts with the stage, e.g. `load.latency.p99`.
        value: the number, in `unit`.
        unit: a key of `UNITS`: `ms`, `s`, `ratio`, `1/s`, `count`, `B` ...
        labels: what it was measured on, e.g. `{"journey": "buy"}`.
    """

    name: str
    value: float
    unit: str
    labels: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.unit not in UNITS:
            raise ValueError(f"measure {self.name}: unknown unit {self.unit!r}; known: {', '.join(UNITS)}")

    def matches(self, name: str, where: Mapping[str, str]) -> bool:
        """Whether this is the measure `name` carrying at least the labels `where`."""
        return self.name == name and all(self.labels.get(k) == v for k, v in where.items())

    def __str__(self) -> str:
        labels = ",".join(f"{k}={v}" for k, v in sorted(self.labels.items()))
        unit = "" if self.unit in {"count", "ratio"} else f" {self.unit}"
        return f"{self.name}{{{labels}}} {self.value:g}{unit}" if labels else f"{self.name} {self.value:g}{unit}"
