"""Which stages will run, in what order and why; a plan is data, nothing here runs."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from harness import __version__
from harness.errors import ConfigError, UsageError, did_you_mean
from harness.pipeline.events import PlannedStage
from harness.pipeline.registry import load_stage, stage_names
from harness.pipeline.stage import ChecksFiles, Environment, Stage
from harness.system.config import Project
from harness.system.tables import StageSettings

__all__ = ["Plan", "build_plan", "check_files"]

_PRODUCTION_STAGES = frozenset({"smoke", "synthetic"})


@dataclass(frozen=True, slots=True)
class Plan:
    """The stages in the order they would run one after another.

    Args:
        stages: in topological order; those that measure time come after those that do not.
        settings: stage -> its settings, the profile's overrides applied.
        environments: stage -> what it wants to find running.
    """

    stages: tuple[PlannedStage, ...]
    settings: Mapping[str, StageSettings]
    environments: Mapping[str, Environment]

    @property
    def active(self) -> tuple[PlannedStage, ...]:
        """Stages that will run."""
        return tuple(s for s in self.stages if not s.skip)


def build_plan(project: Project, *, chosen: Sequence[str] = (), profile: str = "quick", keys: bool = False) -> Plan:
    """Lay out a run.

    Args:
        chosen: run just these stages; all when empty.
        keys: also compute each stage's cache key (reads the files it declares).

    Raises:
        UsageError: unknown stage asked for.
        ConfigError: unknown stage, setting or gate in `harness.toml`, or stages that wait for each other in a circle.
    """
    names = stage_names()
    for name in chosen:
        load_stage(name)
    _check_tables(project, names)
    stages = {n: load_stage(n) for n in names}
    _check_settings(project, stages)
    settings = {n: project.settings(n, s.settings, profile) for n, s in stages.items()}
    after = {n: _references(project, n, "after", settings[n].after, s.after, names) for n, s in stages.items()}
    requires = {
        n: _references(project, n, "requires", settings[n].requires, s.requires, names) for n, s in stages.items()
    }
    waits = {n: tuple(dict.fromkeys((*after[n], *requires[n]))) for n in names}
    order = _in_order(waits, {n for n in names if stages[n].exclusive}, project.file.name)
    files = _project_files(project.root) if keys else {}
    planned = tuple(
        PlannedStage(
            name=n,
            title=stages[n].title,
            after=waits[n],
            requires=requires[n],
            exclusive=stages[n].exclusive,
            skip=_skip_reason(n, settings[n], chosen, production=project.system.runtime.production),
            time_limit_s=settings[n].time_limit,
            key=_key(project, files, n, settings[n], stages[n].inputs(project.system, settings[n])) if keys else "",
        )
        for n in order
    )
    _check_gates(project, names)
    return Plan(planned, settings, {n: s.environment for n, s in stages.items()})


def check_files(project: Project, plan: Plan) -> None:
    """Have every stage that will run look at its own files.

    Raises:
        ConfigError: on the first mistake.
    """
    for planned in plan.active:
        stage = load_stage(planned.name)
        if isinstance(stage, ChecksFiles):
            stage.check(project.system, project.root)


def _skip_reason(name: str, settings: StageSettings, chosen: Sequence[str], *, production: bool) -> str:
    if chosen and name not in chosen:
        return "not asked for"
    if not settings.enabled:
        return f"switched off in harness.toml: {settings.reason}"
    if production and name not in _PRODUCTION_STAGES:
        if name in chosen:
            raise UsageError(
                f'stage "{name}" may not run against production (runtime.production = true). '
                f"Allowed there: {', '.join(sorted(_PRODUCTION_STAGES))}."
            )
        return "the runtime is marked production: synthetic checks only"
    return ""


def _check_tables(project: Project, names: Collection[str]) -> None:
    tables = [("stages", project.stages), *((f"profiles.{p}.stages", t) for p, t in project.profiles.items())]
    for prefix, table in tables:
        for name in table:
            if name not in names:
                raise ConfigError(
                    project.file.name,
                    f"{prefix}.{name}",
                    f'there is no stage "{name}".{did_you_mean(name, names)}',
                    ", ".join(names),
                )


def _check_settings(project: Project, stages: Mapping[str, Stage]) -> None:
    """Read the settings of every profile: a mistake in the one that runs at night is told by day."""
    for profile, tables in project.profiles.items():
        for name in tables:
            project.settings(name, stages[name].settings, profile)


def _check_gates(project: Project, names: Collection[str]) -> None:
    for number, gate in enumerate(project.gates):
        key = f"gates.{number}"
        if bool(gate.measure) == bool(gate.findings):
            raise ConfigError(project.file.name, key, "a gate is on either a measure or on findings.")
        subject = gate.measure or gate.findings
        stage = subject.split(".", maxsplit=1)[0]
        if stage not in names and stage != "*":
            field = "measure" if gate.measure else "findings"
            raise ConfigError(
                project.file.name,
                f"{key}.{field}",
                f'"{subject}" belongs to no stage: there is no stage "{stage}".{did_you_mean(stage, names)}',
                f"a name that starts with one of {', '.join(names)}",
            )
        if gate.max is None and gate.min is None and not gate.baseline:
            raise ConfigError(project.file.name, key, "sets no limit.", "max, min or baseline")
        if gate.max is not None and gate.min is not None and gate.warn is not None:
            raise ConfigError(project.file.name, f"{key}.warn", "is ambiguous with both max and min.", "two gates")


def _references(
    project: Project,
    name: str,
    field: str,
    configured: tuple[str, ...] | None,
    default: tuple[str, ...],
    names: Collection[str],
) -> tuple[str, ...]:
    if configured is None:
        return tuple(d for d in default if d in names)
    for other in configured:
        if other not in names:
            raise ConfigError(
                project.file.name,
                f"stages.{name}.{field}",
                f'there is no stage "{other}".{did_you_mean(other, names)}',
                ", ".join(names),
            )
    return configured


def _in_order(waits: Mapping[str, Iterable[str]], exclusive: Collection[str], file: str) -> list[str]:
    """Topological order; among the ready ones those that may share the machine go first, then by name."""
    left = {n: set(w) for n, w in waits.items()}
    order: list[str] = []
    while left:
        ready = sorted((n for n, w in left.items() if not w), key=lambda n: (n in exclusive, n))
        if not ready:
            raise ConfigError(file, "stages", f"these stages wait for each other in a circle: {_circle(left)}.")
        order.append(ready[0])
        del left[ready[0]]
        for waiting in left.values():
            waiting.discard(ready[0])
    return order


def _circle(left: Mapping[str, Collection[str]]) -> str:
    path = [min(left)]
    while True:
        following = min(n for n in left[path[-1]] if n in left)
        if following in path:
            return " -> ".join([*path[path.index(following) :], following])
        path.append(following)


def _key(project: Project, files: Mapping[str, Path], name: str, settings: StageSettings, globs: Iterable[str]) -> str:
    """Digest of all a stage's outcome depends on: files, settings, version of the harness."""
    digest = hashlib.sha256(f"{name}\0{__version__}\0{settings.model_dump_json()}".encode())
    digest.update(project.file.read_bytes())
    patterns = [_pattern(g) for g in sorted(set(globs) - {""})]
    for relative in sorted(files):
        if any(p.fullmatch(relative) for p in patterns):
            digest.update(relative.encode())
            digest.update(files[relative].read_bytes())
    return digest.hexdigest()[:16]


def _project_files(root: Path) -> dict[str, Path]:
    """Files of the project by relative path; hidden folders and what tools leave behind are not the project's."""
    found = {}
    for folder, folders, names in os.walk(root):
        folders[:] = [f for f in folders if not f.startswith(".") and f not in {"__pycache__", "node_modules"}]
        for name in names:
            path = Path(folder, name)
            found[path.relative_to(root).as_posix()] = path
    return found


def _pattern(glob: str) -> re.Pattern[str]:
    """A glob over relative paths as a regular expression: `**` spans folders, `*` and `?` do not."""
    parts = re.split(r"(\*\*/|\*\*|\*|\?)", glob.removeprefix("./"))
    known = {"**/": "(?:.*/)?", "**": ".*", "*": "[^/]*", "?": "[^/]"}
    return re.compile("".join(known.get(p, re.escape(p)) for p in parts))
