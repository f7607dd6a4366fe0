"""Values near the edges of two schemas: candidates for an example, none of them promised to be one."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from itertools import islice
from random import Random
from typing import Any

from harness.contracts.compat.containment.effort import Effort
from harness.contracts.compat.containment.plain import Plain
from harness.contracts.compat.containment.shapes import Shape, shapes
from harness.contracts.compat.containment.texts import texts

__all__ = ["samples"]

_MOST = 400
_MAX_DEPTH = 4
_MAX_SIZE = 200


def samples(one: dict[str, Any], two: dict[str, Any], effort: Effort) -> Iterator[Any]:
    """Values that `one` probably takes and `two` perhaps does not; finite, the same every time."""
    made = _Sampler(one.get("$defs", {}), two.get("$defs", {}), effort)
    return islice(made.of(one, two, 0), _MOST)


class _Sampler:
    def __init__(self, defs: dict[str, Plain], other: dict[str, Plain], effort: Effort) -> None:
        self._defs, self._other, self._rng, self._effort = defs, other, Random(0), effort

    def of(self, one: Plain, two: Plain, depth: int) -> Iterator[Any]:
        self._effort.spend(5)
        if depth > _MAX_DEPTH:
            return
        inner, outer = shapes(one, self._defs).shapes, shapes(two, self._other).shapes
        excluded = two.get("not") if isinstance(two, dict) else None
        if isinstance(excluded, dict):
            yield from islice(self.of(excluded, True, depth + 1), 10)
        if isinstance(two, dict) and any(a.type == "object" for a in inner):
            yield from self._named(two)
        for a in inner:
            near = [b for b in outer if b.type == a.type]
            if a.values is not None:
                yield from a.values
            elif a.type == "number":
                yield from _numbers(a, near)
            elif a.type == "string":
                yield from texts(a, near, self._rng)
            elif a.type == "array":
                yield from self._arrays(a, near, depth)
            else:
                yield from self._objects(a, near, depth)

    def _named(self, two: dict[str, Any]) -> Iterator[Any]:
        """Objects with the fields that keywords about names speak of."""
        asking = [*two.get("dependentRequired", ()), *two.get("dependentSchemas", ())]
        fitting = Shape("string", patterns=frozenset(two.get("patternProperties", ())))
        names = islice(texts(fitting, [], self._rng), 60) if fitting.patterns else ()
        for name in [*asking, *names]:
            yield from ({name: 0}, {name: "x"}, {name: None}, {name: {}})

    def _arrays(self, a: Shape, near: list[Shape], depth: int) -> Iterator[Any]:
        b = near[0] if near else a
        if a.low and a.low[0] > _MAX_SIZE:
            return
        items = list(islice(self.of(a.rest, b.rest, depth + 1), 30))
        first = [next(self.of(p, True, depth + 1), None) for p in a.prefix]
        plenty = items or [None]
        for size in _sizes(a, near):
            if size <= len(first):
                yield first[:size]
            else:
                yield first + [plenty[i % len(plenty)] for i in range(size - len(first))]
                yield first + [plenty[0]] * (size - len(first))
        least = max(int(a.low[0]) if a.low else 0, 1)
        for item in items:
            yield first + [item] * max(least - len(first), 1)
        for i, p in enumerate(a.prefix):
            other = b.prefix[i] if i < len(b.prefix) else b.rest
            for item in islice(self.of(p, other, depth + 1), 20):
                yield [*first[:i], item, *first[i + 1 :]]

    def _objects(self, a: Shape, near: list[Shape], depth: int) -> Iterator[Any]:
        b = near[0] if near else a
        if a.low and a.low[0] > _MAX_SIZE:
            return
        typical = {n: next(self.of(s, True, depth + 1), None) for n, s in a.fields.items()}
        extra = next(self.of(a.rest, True, depth + 1), "x")
        least = {n: typical.get(n, extra) for n in sorted(a.required)}
        yield least
        yield {**typical, **least}
        yield {**least, "other": extra}
        for size in _sizes(a, near):
            yield {**least, **{f"other{i}": extra for i in range(size - len(least))}}
        for name in sorted({*a.fields, *b.fields}):
            one, two = a.fields.get(name, a.rest), b.fields.get(name, b.rest)
            for value in islice(self.of(one, two, depth + 1), 30):
                yield {**least, name: value}
        for value in islice(self.of(a.rest, b.rest, depth + 1), 20):
            yield {**least, "other": value}


def _sizes(a: Shape, near: list[Shape]) -> list[int]:
    edges = {int(e[0]) for s in (a, *near) for e in (s.low, s.high) if e}
    low = int(a.low[0]) if a.low else 0
    wanted = {low, low + 1, low + 2, *(e + d for e in edges for d in (-1, 0, 1))}
    return sorted(size for size in wanted if low <= size <= _MAX_SIZE)


def _numbers(a: Shape, near: list[Shape]) -> Iterator[Any]:
    edges = {e[0] for s in (a, *near) for e in (s.low, s.high) if e} | {Fraction(0)}
    steps = {s for shape in (a, *near) for s in shape.steps} | {Fraction(1), Fraction(1, 2)}
    wanted = {e + k * s for e in edges for s in steps for k in (-1, 0, 1, 2)} | {Fraction(7), Fraction(10**12)}
    for listed in (v for s in near for v in s.values or ()):
        wanted |= {Fraction(str(listed)) + 1}
    for value in sorted(wanted, key=lambda v: (abs(v), v < 0)):
        yield int(value) if value.denominator == 1 else float(value)
