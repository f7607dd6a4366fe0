"""Values with a unit, and what every table of a file is made of; which tables there are is said where they are read."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

from harness.evidence.measure import Quantity
from harness.system import values

__all__ = [
    "Duration",
    "Flag",
    "Line",
    "QuantityText",
    "Rate",
    "Share",
    "StageSettings",
    "Strict",
    "Whole",
    "checked",
    "seconds_up_to",
]

_DAY_S = 86400.0
_FASTEST, _SLOWEST = 100_000.0, 0.001  # per second


def seconds_up_to(most_s: float, shown: str) -> Callable[[object], float]:
    """What reads a duration of at most so many seconds.

    Args:
        shown: the same as people write it.
    """

    def read(value: object) -> float:
        if isinstance(value, str):
            quantity = Quantity.parse(value)
            if quantity.unit:
                seconds = quantity.in_unit("s")
                if seconds <= 0:
                    raise ValueError("must be longer than zero")
                if seconds > most_s:
                    raise ValueError(f"must be at most {shown}")
                return seconds
        raise ValueError("must be a duration with a unit, such as 800ms, 30s or 2m")

    return read


def _quantity(value: object) -> Quantity:
    if isinstance(value, Quantity):
        return value
    return Quantity.parse(value)  # type: ignore[arg-type]  # parse says itself what it accepts


def _per_second(value: object) -> float:
    if isinstance(value, str):
        quantity = Quantity.parse(value)
        rate = quantity.in_unit("1/s") if quantity.unit else 0.0
        if rate > _FASTEST:
            raise ValueError(f"must be at most {_FASTEST:g}/s")
        if 0 < rate < _SLOWEST:
            raise ValueError(f"must be at least {_SLOWEST:g}/s")
        if rate > 0:
            return rate
    raise ValueError('must be a rate above zero with a unit, such as "30/s" or "120/m"')


def _share(value: object) -> float:
    if isinstance(value, str):
        quantity = Quantity.parse(value)
        if quantity.unit == "%" and 0 <= quantity.value <= 100:
            return quantity.in_unit("ratio")
    raise ValueError('must be a percentage from 0% to 100%, such as "1%"')


#: Something per second, written in files as text with a unit: "30/s", "120/m".
Rate = Annotated[float, BeforeValidator(_per_second, json_schema_input_type=str)]
#: A share from 0 to 1, written in files as a percentage: "1%".
Share = Annotated[float, BeforeValidator(_share, json_schema_input_type=str)]
#: Seconds, at most a day, written in files as text with a unit: "800ms", "30s", "2m".
Duration = Annotated[float, BeforeValidator(seconds_up_to(_DAY_S, "24h"), json_schema_input_type=str)]
#: A limit in a gate: "400ms", "1%", "50/s", 3.
QuantityText = Annotated[Quantity, BeforeValidator(_quantity, json_schema_input_type=str | int | float)]
#: A whole number, written as one: no text, no 2.0, no true. Say its range with `Field(ge=, le=)`.
Whole = Annotated[int, Field(strict=True)]
#: true or false, and nothing that only looks like it.
Flag = Annotated[bool, Field(strict=True)]


def checked(problem_of: Callable[[str], str]) -> AfterValidator:
    """What refuses a text for which `problem_of` has a word."""

    def check(text: str) -> str:
        if problem := problem_of(text):
            raise ValueError(problem)
        return text

    return AfterValidator(check)


#: One line that people read: a title, a path of the project, a name in another tool.
Line = Annotated[str, Field(max_length=1000), checked(values.bad_line)]


class Strict(BaseModel):
    """Base of every table in a file: unknown keys are mistakes."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class StageSettings(Strict):
    """What every `[stages.<name>]` table takes.

    A stage that is switched off says why: `enabled = false` needs a `reason`.
    """

    enabled: Flag = True
    reason: Line = Field("", description="Why the stage is switched off; required with enabled = false.")
    after: tuple[str, ...] | None = Field(None, description="Stages that must have ended before this one starts.")
    requires: tuple[str, ...] | None = Field(None, description="Stages that must not have failed.")
    time_limit: Duration = Field(300.0, description="The longest the stage may take.")
