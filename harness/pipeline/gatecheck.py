"""Makes sure that every gate can fire: on a measure or on findings of a stage there is, with limits that mean something."""

from __future__ import annotations

from collections.abc import Mapping
from fnmatch import fnmatchcase

from harness.errors import ConfigError, did_you_mean
from harness.guard import Kind
from harness.pipeline.stage import ListsRules, Stage
from harness.system.config import Project
from harness.system.tables import GateSpec

__all__ = ["SYSTEM_RULES", "check_gates", "guard_rules"]

#: What the pipeline itself reports of the system, beside a stage's own findings.
SYSTEM_RULES = frozenset({"system.service_died"})
_ANY = "*"
_SYSTEM = "system"


def check_gates(project: Project, stages: Mapping[str, Stage]) -> None:
    """Look at every `[[gates]]` entry.

    Raises:
        ConfigError: on the first that belongs to no stage, sets no limit, or could never fire.
    """
    for number, gate in enumerate(project.gates):
        key = f"gates.{number}"
        if bool(gate.measure) == bool(gate.findings):
            raise ConfigError(project.file.name, key, "a gate is on either a measure or on findings.")
        if gate.findings:
            _check_owner(project, key, "findings", gate.findings, (*stages, _SYSTEM))
            _check_count(project, key, gate)
            _check_rule(project, key, gate.findings, stages)
        else:
            _check_owner(project, key, "measure", gate.measure, tuple(stages))
            _check_limits(project, key, gate)


def _check_owner(project: Project, key: str, field: str, subject: str, names: tuple[str, ...]) -> None:
    stage = subject.split(".", maxsplit=1)[0]
    if stage not in names and stage != _ANY:
        raise ConfigError(
            project.file.name,
            f"{key}.{field}",
            f'"{subject}" belongs to no stage: there is no stage "{stage}".{did_you_mean(stage, names)}',
            f"a name that starts with one of {', '.join(names)}",
        )


def _check_limits(project: Project, key: str, gate: GateSpec) -> None:
    if gate.max is None and gate.min is None and not gate.baseline:
        raise ConfigError(project.file.name, key, "sets no limit.", "max, min or baseline")
    if gate.max is not None and gate.min is not None and gate.warn is not None:
        raise ConfigError(project.file.name, f"{key}.warn", "is ambiguous with both max and min.", "two gates")


def _check_count(project: Project, key: str, gate: GateSpec) -> None:
    """A gate on findings counts them, and says how many there may be; nothing else."""
    idle = {"min": gate.min, "warn": gate.warn, "baseline": gate.baseline, "where": gate.where}
    for field, value in idle.items():
        if value:
            raise ConfigError(
                project.file.name, f"{key}.{field}", "means nothing for findings, which are counted.", "max"
            )
    if gate.max is None:
        raise ConfigError(project.file.name, key, "sets no limit.", "max, a whole number such as 0")
    if gate.max.unit or gate.max.value < 0 or gate.max.value != int(gate.max.value):
        raise ConfigError(
            project.file.name, f"{key}.max", f"findings are counted; found {gate.max}.", "a whole number such as 0"
        )


def _check_rule(project: Project, key: str, glob: str, stages: Mapping[str, Stage]) -> None:
    """A glob that fits nothing a stage reports is a typing error, and would be kept for ever."""
    owner = glob.split(".", maxsplit=1)[0]
    known = set(SYSTEM_RULES) if owner in {_ANY, _SYSTEM} else set()
    for name, stage in stages.items():
        if owner in {_ANY, name}:
            rules = stage.rules(project.root) if isinstance(stage, ListsRules) else None
            if rules is None:
                return  # somebody else's stage, or checks of the project's own
            known |= rules | guard_rules(name)
    if not any(fnmatchcase(rule, glob) for rule in known):
        raise ConfigError(
            project.file.name,
            f"{key}.findings",
            f'"{glob}" fits no rule of a finding, so it would never fire.{_meant(glob, known)}',
        )


def guard_rules(stage: str) -> frozenset[str]:
    """What is told of any stage whose processes a guard had to step in for."""
    return frozenset(f"{stage}.{kind}" for kind in Kind)


def _meant(glob: str, known: set[str]) -> str:
    if glob.endswith(".gate"):
        return " What gates find is not judged by gates."
    return did_you_mean(glob, known) or f" Rules: {', '.join(sorted(known))}."
