"""Settings of the chaos stage and the timing they come to; reads no file."""

from __future__ import annotations

from dataclasses import dataclass

from pydantic import Field

from harness.system.fields import Duration, Flag, Line, StageSettings, Whole

__all__ = ["ChaosSettings", "Timing"]


@dataclass(frozen=True, slots=True)
class Timing:
    """How long the parts of an experiment take, in seconds.

    Args:
        before: span in which the steady state must hold before the fault.
        fault: how long the fault lasts.
        settle: the longest to wait for the steady state before an experiment is given up.
        rate: journeys per second in the background.
        consecutive: so many good journeys in a row count as recovered.
    """

    before: float
    fault: float
    settle: float
    rate: float
    consecutive: int


_QUICK = Timing(before=0.6, fault=1.2, settle=8.0, rate=6.0, consecutive=3)
_FULL = Timing(before=2.5, fault=6.0, settle=20.0, rate=8.0, consecutive=5)


class ChaosSettings(StageSettings):
    """`[stages.chaos]`; what is not given follows the profile."""

    before: Duration | None = Field(None, description="Span in which the steady state must hold before the fault.")
    fault: Duration | None = Field(None, description="How long each fault lasts.")
    settle: Duration | None = Field(None, description="The longest to wait for the steady state before an experiment.")
    rate: float | None = Field(
        None, ge=0.01, le=1000, allow_inf_nan=False, description="Journeys per second in the background."
    )
    consecutive: Whole | None = Field(None, ge=1, le=100, description="Good journeys in a row that count as recovered.")
    explore: Flag = Field(True, description="Try every kind of failure on every edge.")
    failures: tuple[Line, ...] = Field((), description="Only these kinds of failure; all by default.")
    at_once: Whole | None = Field(None, ge=1, le=64, description="Journeys walked at once under each failure.")
    copies: Whole | None = Field(None, ge=1, le=16, description="Copies of the system the failures are spread over.")
    pairs: Flag | None = Field(None, description="Try pairs of failures as well; only in the full profile by default.")
    recovery_within: Duration = Field(5.0, description="The longest until all goes well again after a failure.")
    answer_within: Duration = Field(5.0, description="The longest an answer may take where no edge promises a budget.")
    invariants_within: Duration = Field(10.0, description="The longest to wait for the invariants to hold at the end.")

    def walks_at_once(self, profile: str) -> int:
        """Journeys walked at once under each failure."""
        return self.at_once or (8 if profile == "full" else 4)

    def tries_pairs(self, profile: str) -> bool:
        """Whether pairs of failures are tried."""
        return profile == "full" if self.pairs is None else self.pairs

    def timing(self, profile: str) -> Timing:
        """The profile's timing with these settings on top."""
        base = _FULL if profile == "full" else _QUICK
        return Timing(
            before=self.before or base.before,
            fault=self.fault or base.fault,
            settle=self.settle or base.settle,
            rate=self.rate or base.rate,
            consecutive=self.consecutive or base.consecutive,
        )
