"""Findings about consumers that cannot live with what their contract allows; the replays are in `testing.replay`."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from typing import TYPE_CHECKING

from harness.contracts.consumer.testlog import Replayed
from harness.evidence import Finding, Place, Severity

if TYPE_CHECKING:
    from harness.pipeline.stage import StageContext
    from harness.system.model import System

__all__ = ["tolerance_findings"]


def tolerance_findings(context: StageContext, replayed: Sequence[Replayed], examples: int) -> list[Finding]:
    """One finding for each test whose consumer broke, and one that names what could not be replayed.

    Args:
        examples: how many replays were asked for, to be repeated by whoever reproduces a finding.
    """
    broken = [_intolerant(context, record, examples) for record in replayed if record.outcome == "intolerant"]
    left = [record for record in replayed if record.outcome == "not_replayed"]
    if left:
        broken.append(_not_replayed(context, left, len(replayed)))
    return broken + _unread(context, replayed)


def _intolerant(context: StageContext, record: Replayed, examples: int) -> Finding:
    clean = context.redactor.text
    differences = "\n".join(f"- {difference}" for difference in record.differences)
    doubt = (
        ""
        if record.certain
        else "\nIt was raised in the tests' own code, so it may be the test that is too strict: a warning only."
    )
    return Finding(
        rule="consumer.not_tolerant",
        severity=Severity.ERROR if record.certain else Severity.WARNING,
        title=f"{record.consumer} cannot live with an answer of {record.provider} that its contract allows: "
        f"{clean(record.message)}",
        detail=f"{record.test} passes with the answers of its contract, and fails when\n{clean(differences)}{doubt}\n\n"
        f"{clean(record.detail)}",
        place=Place(
            edge=_edge(context.system, record),
            consumer=record.consumer,
            file=record.file,
            line=record.line,
        ),
        reproduce=f"pytest {shlex.quote(record.test)} --tolerant-reader={examples} "
        f"--tolerant-reader-seed={context.seed}",
        key=record.test,
    )


def _unread(context: StageContext, replayed: Sequence[Replayed]) -> list[Finding]:
    """Fields that no test of a pair of services reads: the provider has to keep them for nobody."""
    read = {(r.consumer, r.provider, field) for r in replayed for field in r.read}
    findings = []
    for record in replayed:
        place = Place(edge=_edge(context.system, record), consumer=record.consumer, file=record.test.split("::")[0])
        for rule, severity, fields, what in (
            ("consumer.pinned_value", Severity.WARNING, record.pinned, "pins {}, although any other value would do"),
            ("consumer.unread_field", Severity.INFO, record.unread, "asks for {}, which {consumer} never reads"),
        ):
            idle = [field for field in fields if (record.consumer, record.provider, field) not in read]
            if idle:
                findings.append(
                    Finding(
                        rule=rule,
                        severity=severity,
                        title=f"{record.test.split('::', 1)[-1]} "
                        + what.format(", ".join(idle), consumer=record.consumer),
                        detail=f"{record.test} passes just as well when {record.provider} answers otherwise there. "
                        + (
                            "Match the type (`match.like`), or leave the field out."
                            if severity is Severity.WARNING
                            else "Leave the field out of the contract, or let the test show what it is needed for."
                        ),
                        place=place,
                        reproduce=f"pytest {shlex.quote(record.test)} --tolerant-reader",
                        key=record.test,
                    )
                )
    return findings


def _edge(system: System, record: Replayed) -> str:
    """The edge as reports write it; who reads an event is the callee."""
    name, turned = f"{record.consumer} -> {record.provider}", f"{record.provider} -> {record.consumer}"
    return turned if system.edge(name) is None and system.edge(turned) is not None else name


def _not_replayed(context: StageContext, left: Sequence[Replayed], total: int) -> Finding:
    return Finding(
        rule="consumer.not_replayed",
        severity=Severity.INFO,
        title=f"{len(left)} of {total} consumer tests were not replayed with other answers",
        detail=context.redactor.text("\n".join(f"{record.test}: {record.reason}" for record in left)),
    )
