"""Which stages will run, in what order and why; a plan is data, nothing here runs."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.errors import ConfigError, UsageError, did_you_mean
from harness.pipeline.events import PlannedStage
from harness.pipeline.gatecheck import check_gates
from harness.pipeline.narrowing import cannot_narrow
from harness.pipeline.registry import load_stage, stage_names
from harness.pipeline.stage import ChecksFiles, ChecksSelection, Environment, Stage
from harness.system.config import Project
from harness.system.fields import StageSettings
from harness.system.journeyscan import check_journey_names

__all__ = ["Plan", "build_plan", "check_files"]

#: Where Python's HTTP clients look for certificates, also when they only ask over plain HTTP.
_CERTIFICATES = ("SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")
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


def build_plan(
    project: Project,
    *,
    chosen: Sequence[str] = (),
    profile: str = "quick",
    only: Collection[str] = (),
    keys: bool = False,
) -> Plan:
    """Lay out a run.

    Args:
        chosen: run just these stages; all when empty.
        only: keys of `--only`; a stage that does not know them all is left out.
        keys: also compute each stage's cache key (reads the files it declares).

    Raises:
        UsageError: unknown stage asked for, or one that cannot be narrowed as asked.
        ConfigError: unknown stage, setting or gate in `harness.toml`, or stages that wait for each other in a circle.
    """
    names = stage_names()
    for name in chosen:
        load_stage(name)
    _check_tables(project, names)
    stages = {n: load_stage(n) for n in names}
    strange = {n: why for n, s in stages.items() if (why := cannot_narrow(n, s, only, stages))}
    for name in chosen:
        if name in strange:
            raise UsageError(strange[name])
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
            skip=_skip_reason(project, n, settings[n], chosen, strange.get(n, "")),
            time_limit_s=settings[n].time_limit,
            key=_key(project, files, n, settings[n], stages[n].inputs(project.system, settings[n])) if keys else "",
        )
        for n in order
    )
    check_gates(project, stages)
    return Plan(planned, settings, {n: s.environment for n, s in stages.items()})


def check_files(project: Project, plan: Plan, only: Mapping[str, str] | None = None) -> None:
    """Have every stage that will run look at its own files, and at what `--only` asks of it.

    Raises:
        ConfigError: on the first mistake.
        UsageError: when there is not what is asked for.
        UsageError: when the environment names certificates that are not there: every client would end in that.
    """
    _check_certificates()
    for planned in plan.active:
        stage = load_stage(planned.name)
        if isinstance(stage, ChecksFiles):
            stage.check(project.system, project.root)
        if isinstance(stage, ChecksSelection):
            stage.check_selection(project.system, only or {})
        journeys = getattr(plan.settings[planned.name], "journeys", ())
        asked = (project.file.name, f"stages.{planned.name}.journeys", tuple(journeys))
        check_journey_names(project.root, project.system.suites.journeys, [asked] if journeys else [])


def _check_certificates() -> None:
    for name in _CERTIFICATES:
        path = os.environ.get(name)
        if path and not os.path.exists(path):  # noqa: PTH110 - SSL_CERT_DIR may be several, and a path may be no path
            if name == "SSL_CERT_DIR" and any(map(os.path.exists, path.split(os.pathsep))):
                continue
            raise UsageError(
                f"the environment variable {name} names {path}, which is not there; correct it, or unset it"
            )


def _skip_reason(project: Project, name: str, settings: StageSettings, chosen: Sequence[str], strange: str) -> str:
    """Why a stage will not run; what was asked of it in `harness.toml` all the same is said with it."""
    if chosen and name not in chosen:
        return "not asked for"
    reason = _no_run(project, name, settings, chosen) or strange
    idle = sum((g.measure or g.findings).partition(".")[0] == name for g in project.gates)
    if not reason or not idle:
        return reason
    return f"{reason} ({idle} gate{'s' if idle > 1 else ''} on it {'are' if idle > 1 else 'is'} not judged)"


def _no_run(project: Project, name: str, settings: StageSettings, chosen: Sequence[str]) -> str:
    if not settings.enabled:
        return f"switched off in harness.toml: {settings.reason}"
    if project.system.runtime.production and name not in _PRODUCTION_STAGES:
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
    from harness import __version__

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
            if not path.is_file():
                continue  # a pipe would be waited for, a socket cannot be read
            found[path.relative_to(root).as_posix()] = path
    return found


def _pattern(glob: str) -> re.Pattern[str]:
    """A glob over relative paths as a regular expression: `**` spans folders, `*` and `?` do not."""
    parts = re.split(r"(\*\*/|\*\*|\*|\?)", glob.removeprefix("./"))
    known = {"**/": "(?:.*/)?", "**": ".*", "*": "[^/]*", "?": "[^/]"}
    return re.compile("".join(known.get(p, re.escape(p)) for p in parts))
