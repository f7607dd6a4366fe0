"""What the verification of a pact found out, as written down by `provider.verification`; judged and published elsewhere."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from harness.evidence import from_json

__all__ = ["InteractionResult", "PactResult", "Told", "read_results"]


@dataclass(frozen=True, slots=True)
class Told:
    """A provider state the provider could not be put into.

    Args:
        answer: what the handler answered; empty when the service has no handler.
    """

    state: str
    action: Literal["setup", "teardown"]
    answer: str


@dataclass(frozen=True, slots=True, kw_only=True)
class InteractionResult:
    """What came of one interaction.

    Args:
        status: `ok`; `mismatch`: an answer came and was not as agreed; `error`: no answer could be judged; `unverified`: the
            verifier broke off; `uninvited`: what the contract asks for leads away from the provider, so it was not sent.
        problems: one line for each mismatch, or why there is nothing to judge.
        request, expected, actual: as text, for people; empty where they make no sense or all was well.
        trace_id: W3C trace id that `request` carried; empty where there is none.
    """

    key: str
    status: Literal["ok", "mismatch", "error", "unverified", "uninvited"]
    problems: tuple[str, ...] = ()
    request: str = ""
    expected: str = ""
    actual: str = ""
    trace_id: str = ""

    @property
    def judged(self) -> bool:
        """Whether an answer of the provider was compared with what was agreed."""
        return self.status in {"ok", "mismatch"}


@dataclass(frozen=True, slots=True, kw_only=True)
class PactResult:
    """What came of one pact.

    Args:
        interactions: those the verifier really reported on, which may be fewer than the pact has.
        states: what the state handler was told and answered, failures only.
        messages: descriptions of messages for which the provider's answer had no contents.
        error: why the verifier could not work on the pact at all.
    """

    file: str
    interactions: tuple[InteractionResult, ...] = ()
    states: tuple[Told, ...] = ()
    messages: tuple[str, ...] = ()
    error: str = ""
    kind: Literal["pact"] = field(default="pact")


def read_results(file: Path) -> dict[str, PactResult]:
    """Read what the child wrote, by pact file; a pact it did not come to is missing."""
    lines = file.read_bytes().splitlines(keepends=True) if file.exists() else []
    # A child that was killed while it wrote leaves half a line.
    results = (from_json(PactResult, line) for line in lines if line.endswith(b"\n"))
    return {r.file: r for r in results}
