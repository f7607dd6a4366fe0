"""What a guard had to step in for, as a finding of the stage it happened in."""

from __future__ import annotations

from harness.evidence import Finding, Severity
from harness.guard import Incident, Kind

__all__ = ["finding_of"]

_WHY = {
    Kind.UNINVITED: (
        "Requests of a stage go to the services in harness.toml and to what runtime.allow_targets names, nowhere else: what a "
        "service answers must not make the harness call, load or authenticate against anybody. Nothing was sent there. "
        'If it is meant: [runtime] allow_targets = ["{asked}"].'
    ),
    Kind.TOO_MUCH: (
        "An answer is taken as far as the limits go; whoever asks for it without a limit is held up, or runs out of memory."
    ),
    Kind.BROKE: "What it would have done from then on is not known.",
}


def finding_of(incident: Incident, stage: str, reproduce: str) -> Finding:
    """Tell of an incident.

    Args:
        reproduce: command that runs the stage again.
    """
    who = f"{incident.sent_by} sends" if incident.sent_by else f"{incident.by or 'something'} asks for"
    titles = {
        Kind.UNINVITED: f"{who} what is somewhere else, {incident.asked}: refused",
        Kind.TOO_MUCH: f"{incident.asked}: {incident.text}",
        Kind.BROKE: f"{incident.asked} broke: {incident.text}",
    }
    lines = [f"{incident.text[:1].upper()}{incident.text[1:]}.", f"Asked by {incident.by}." if incident.by else ""]
    return Finding(
        rule=f"{stage}.{incident.kind}",
        severity=Severity.ERROR,
        title=titles[incident.kind],
        detail="\n".join(part for part in (*lines, _WHY[incident.kind].format(asked=incident.asked)) if part),
        reproduce=reproduce,
        key=f"{incident.asked}|{incident.sent_by}",
    )
