"""Service level objectives: the file they are declared in, and how good a stretch of walks was against one."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from math import comb
from pathlib import Path
from typing import Annotated

from pydantic import BeforeValidator, Field, ValidationError, field_validator

from harness.evidence import Quantity
from harness.system.config import read_toml
from harness.system.fields import Duration, Line, Strict, seconds_up_to
from harness.system.files import there
from harness.system.mistakes import translate

__all__ = ["Compliance", "Event", "Slo", "compliance", "load_slos"]

#: The chance of being wrong that is accepted before a broken objective is called an error and not bad luck.
SIGNIFICANCE = 0.01


@dataclass(frozen=True, slots=True)
class Event:
    """One walk as an objective sees it: `at` in seconds since the epoch."""

    at: float
    good: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Slo:
    """One promise.

    Args:
        journey: whose walks are counted.
        objective: share of good walks that is promised, above 0 and below 1.
        latency_s: a walk that takes longer is not good; None when only success counts.
        window_s: over how long the promise is kept.
    """

    name: str
    journey: str
    objective: float
    latency_s: float | None
    window_s: float

    @property
    def allowed(self) -> float:
        """The error budget: share of walks that may be bad."""
        return 1 - self.objective

    def good(self, ok: bool, duration_ms: float) -> bool:
        """Whether one walk keeps the promise."""
        return ok and (self.latency_s is None or duration_ms <= self.latency_s * 1000)


def _share(value: object) -> float:
    if isinstance(value, str):
        quantity = Quantity.parse(value)
        if quantity.unit == "%" and 0 < quantity.value < 100:
            return quantity.in_unit("ratio")
    raise ValueError('must be a percentage above 0% and below 100%, such as "99.5%"')


#: A promise is kept over weeks; longer than a year nobody looks back.
_Window = Annotated[float, BeforeValidator(seconds_up_to(366 * 86400.0, "366d"), json_schema_input_type=str)]


class _SloTable(Strict):
    name: Line = Field(min_length=1)
    journey: Line = Field(min_length=1)
    objective: Annotated[float, BeforeValidator(_share, json_schema_input_type=str)]
    latency: Duration | None = None
    window: _Window = 30 * 86400.0


class _SloFile(Strict):
    slos: tuple[_SloTable, ...] = Field(min_length=1)

    @field_validator("slos")
    @classmethod
    def _told_apart(cls, slos: tuple[_SloTable, ...]) -> tuple[_SloTable, ...]:
        names = [s.name for s in slos]
        twice = next((n for n in names if names.count(n) > 1), None)
        if twice is not None:
            raise ValueError(f'the name "{twice}" is used twice; every objective needs a name of its own')
        return slos


def load_slos(file: Path, shown: str = "") -> tuple[Slo, ...]:
    """Read a file of objectives; empty when there is no such file.

    Args:
        shown: the file as the user would type it; its name by default.

    Raises:
        ConfigError: when it is not TOML, or on the first key that does not fit.
    """
    if not there(file, shown):
        return ()
    try:
        parsed = _SloFile.model_validate(read_toml(file, shown))
    except ValidationError as error:
        raise translate(error, shown or file.name, "", _SloFile) from None
    return tuple(
        Slo(name=s.name, journey=s.journey, objective=s.objective, latency_s=s.latency, window_s=s.window)
        for s in parsed.slos
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Compliance:
    """How a stretch of walks stands against an objective."""

    slo: Slo
    total: int
    bad: int

    @property
    def ratio(self) -> float:
        """Share of good walks."""
        return 1 - self.bad / self.total if self.total else 0.0

    @property
    def budget_remaining(self) -> float:
        """Share of this stretch's error budget that is left; negative when overspent."""
        return 1 - self.burn_rate

    @property
    def burn_rate(self) -> float:
        """How many times faster than allowed the budget is spent; 1 spends exactly all of it."""
        return self.bad / self.total / self.slo.allowed if self.total else 0.0

    @property
    def luck(self) -> float:
        """The chance of so many bad walks, or more, from a system that just keeps its promise (binomial upper tail)."""
        below = sum(
            comb(self.total, k) * self.slo.allowed**k * self.slo.objective ** (self.total - k) for k in range(self.bad)
        )
        return max(0.0, 1 - below)

    @property
    def met(self) -> bool:
        """Whether the objective holds in the numbers as they are."""
        return self.ratio >= self.slo.objective

    @property
    def broken(self) -> bool:
        """Whether the objective is missed by more than bad luck in a small sample explains."""
        return not self.met and self.luck < SIGNIFICANCE


def compliance(slo: Slo, events: Iterable[Event]) -> Compliance:
    """Count events against an objective."""
    counted = list(events)
    return Compliance(slo=slo, total=len(counted), bad=sum(not e.good for e in counted))
