"""Gates on findings: one that could never fire is a mistake, told before anything starts."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

import pytest

from harness.errors import ConfigError
from harness.evidence import Finding, Place, Severity, StageResult, Status
from harness.pipeline.gatecheck import SYSTEM_RULES, check_gates, guard_rules
from harness.pipeline.gates import apply_gates
from harness.pipeline.plan import build_plan
from harness.pipeline.registry import load_stage, stage_names
from harness.pipeline.stage import ListsRules
from harness.system.config import Project
from tests.helpers import write_project

ROOT = Path(__file__).parents[2]
TOML = '[system]\nname = "x"\n[services.a]\ncommand = ["true"]\n'


def project(root: Path, gate: str, files: dict[str, str] | None = None) -> Project:
    return write_project(root, f"{TOML}{gate}", files)


@pytest.mark.parametrize(
    ("gate", "key", "says"),
    [
        ('findings = "fuzz.not_a_sever_error"\nmax = 0', "gates.0.findings", 'Did you mean "fuzz.not_a_server_error"'),
        ('findings = "schema.field_remove"\nmax = 0', "gates.0.findings", 'Did you mean "schema.'),
        ('findings = "chaos.promise.budgt"\nmax = 0', "gates.0.findings", 'Did you mean "chaos.promise.budget"'),
        ('findings = "load.qqqqqq*"\nmax = 0', "gates.0.findings", "Rules: load.accepts_anything"),
        ('findings = "load.gate"\nmax = 0', "gates.0.findings", "not judged by gates"),
        ('findings = "*.nope"\nmax = 0', "gates.0.findings", "would never fire"),
        ('findings = "system.service_dead"\nmax = 0', "gates.0.findings", 'Did you mean "system.service_died"'),
        ('findings = "laod.*"\nmax = 0', "gates.0.findings", 'there is no stage "laod"'),
        ('measure = "system.x"\nmax = 0', "gates.0.measure", 'there is no stage "system"'),
        ('findings = "load.*"', "gates.0", "sets no limit"),
        ('findings = "load.*"\nmin = 1\nmax = 2', "gates.0.min", "means nothing"),
        ('findings = "load.*"\nwarn = 1\nmax = 2', "gates.0.warn", "means nothing"),
        ('findings = "load.*"\nbaseline = "+10%"\nmax = 2', "gates.0.baseline", "means nothing"),
        ('findings = "load.*"\nwhere = { a = "b" }\nmax = 2', "gates.0.where", "means nothing"),
        ('findings = "load.*"\nmax = "1%"', "gates.0.max", "whole number"),
        ('findings = "load.*"\nmax = 1.5', "gates.0.max", "whole number"),
        ('findings = "load.*"\nmax = -1', "gates.0.max", "whole number"),
    ],
)
def test_a_gate_that_could_never_fire_or_means_nothing_is_refused(
    tmp_path: Path, gate: str, key: str, says: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        build_plan(project(tmp_path, f"[[gates]]\n{gate}\n"))

    assert f"harness.toml: {key}" in str(caught.value)
    assert says in str(caught.value)


@pytest.mark.parametrize(
    "glob",
    [
        "fuzz.*",
        "fuzz.not_a_server_error",
        "fuzz.no_answer",
        "chaos.promise.*",
        "*",
        "*.journey_failed",
        "system.*",
        "smoke.?*",
    ],
)
def test_a_gate_on_what_is_reported_is_taken(tmp_path: Path, glob: str) -> None:
    build_plan(project(tmp_path, f'[[gates]]\nfindings = "{glob}"\nmax = 0\n'))


def test_checks_of_the_projects_own_are_not_judged(tmp_path: Path) -> None:
    files = {"schemathesis.toml": 'hooks = "my.hooks"\n'}

    build_plan(project(tmp_path, '[[gates]]\nfindings = "fuzz.my_own_check"\nmax = 0\n', files))


def test_rules_of_somebody_elses_stage_are_not_judged(tmp_path: Path) -> None:
    class Bare:
        name = "lint"

    check_gates(project(tmp_path, '[[gates]]\nfindings = "lint.anything"\nmax = 0\n'), {"lint": Bare()})  # type: ignore[dict-item]


def test_a_gate_on_deaths_of_services_fires_in_the_stage_where_one_died(tmp_path: Path) -> None:
    gates = project(tmp_path, '[[gates]]\nfindings = "system.service_died"\nmax = 0\n').gates
    died = Finding(rule="system.service_died", severity=Severity.WARNING, title="gone", place=Place(service="a"))

    result, _ = apply_gates(StageResult.conclude("smoke", work={"x": 1}, findings=[died]), gates, lambda *_: ())

    assert result.status is Status.FAIL


def test_gates_on_a_stage_that_does_not_run_are_told_with_its_reason(tmp_path: Path) -> None:
    gate = '[[gates]]\nmeasure = "load.latency.p95"\nmax = "1s"\n[stages.load]\nenabled = false\nreason = "no time"\n'

    [load] = [s for s in build_plan(project(tmp_path, gate)).stages if s.name == "load"]

    assert load.skip == "switched off in harness.toml: no time (1 gate on it is not judged)"


# --- no rule is forgotten --------------------------------------------------------------------------------------------------

#: Rules that are put together from what is known at run time only, and what they are put together from.
_DYNAMIC = {"*.gate": "gates.py: gates do not judge gates", "fuzz.*": "telling.py: Schemathesis' checks"}


@dataclass(frozen=True, slots=True)
class Told:
    """A rule as the source has it, with `*` for what is only known at run time."""

    where: str
    glob: str


def told_in(file: Path) -> Iterator[Told]:
    """What the Findings of a module carry as rule; helpers that take the rule as an argument are followed in the module."""
    tree = ast.parse(file.read_text(encoding="utf-8"))
    functions = [n for n in ast.walk(tree) if isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef)]
    helpers: dict[str, str] = {}
    for function in functions:
        for call in (n for n in ast.walk(function) if isinstance(n, ast.Call) and _makes_finding(n)):
            for keyword in (k for k in call.keywords if k.arg == "rule"):
                where = f"{file.relative_to(ROOT)}:{keyword.value.lineno}"
                glob, hole = _glob(keyword.value)
                if hole in _parameters(function):
                    helpers[function.name] = glob
                elif isinstance(keyword.value, ast.Name):
                    found = [*_assigned(function, hole)] or [*_assigned(tree, hole)]
                    yield from (Told(where, _glob(value)[0]) for value in found)
                else:
                    yield Told(where, glob)
    # A method may hand on to a function of its name, with the rule at another place.
    places = {
        (f.name, _parameters(f).index("rule")) for f in functions if "rule" in _parameters(f) and f.name in helpers
    }
    for call in (n for n in ast.walk(tree) if isinstance(n, ast.Call)):
        name = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
        given = [call.args[place] for helper, place in places if helper == name and place < len(call.args)]
        given += [k.value for k in call.keywords if k.arg == "rule" and name in helpers]
        for word in (w for value in given for w in _strings(value) if w.replace("_", "").isalpha()):
            yield Told(f"{file.relative_to(ROOT)}:{call.lineno}", helpers[name].replace("*", word, 1))


def _parameters(function: ast.FunctionDef | ast.AsyncFunctionDef) -> list[str]:
    """As a caller counts them."""
    return [a.arg for a in function.args.args if a.arg != "self"]


def _makes_finding(call: ast.Call) -> bool:
    return isinstance(call.func, ast.Name) and call.func.id == "Finding"


def _glob(value: ast.expr) -> tuple[str, str]:
    """A rule with `*` where something is put in, and the name of what is, when it is a plain name."""
    if isinstance(value, ast.Constant):
        return str(value.value), ""
    if isinstance(value, ast.JoinedStr):
        parts = [str(p.value) if isinstance(p, ast.Constant) else "*" for p in value.values]
        holes = [
            p.value.id for p in value.values if isinstance(p, ast.FormattedValue) and isinstance(p.value, ast.Name)
        ]
        return "".join(parts), holes[0] if holes else ""
    if isinstance(value, ast.IfExp):
        return _glob(value.body)
    return "*", value.id if isinstance(value, ast.Name) else ""


def _assigned(function: ast.AST, name: str) -> Iterator[ast.expr]:
    """Texts that look like rules among what a local name may be."""
    for node in ast.walk(function):
        targets = node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.For) else []
        if any(isinstance(n, ast.Name) and n.id == name for t in targets for n in ast.walk(t)):
            source = node.value if isinstance(node, ast.Assign) else node.iter  # type: ignore[union-attr]
            for inner in ast.walk(source):
                if isinstance(inner, ast.Constant) and isinstance(inner.value, str) and _looks_like_rule(inner.value):
                    yield inner


def _looks_like_rule(text: str) -> bool:
    stage, dot, rest = text.partition(".")
    return bool(dot) and stage in {*stage_names(), "system"} and rest.replace("_", "").replace(".", "").isalpha()


def _strings(value: ast.expr | None) -> Iterator[str]:
    if isinstance(value, ast.Constant) and isinstance(value.value, str):
        yield value.value
    elif isinstance(value, ast.IfExp):
        yield from _strings(value.body)
        yield from _strings(value.orelse)


def known_rules() -> set[str]:
    stages = [load_stage(name) for name in stage_names()]
    listed = [s.rules(ROOT) for s in stages if isinstance(s, ListsRules)]
    guarded = [guard_rules(name) for name in stage_names()]
    return set(SYSTEM_RULES).union(*guarded, *(rules for rules in listed if rules is not None))


def test_every_rule_in_the_source_is_in_its_stages_list() -> None:
    known = known_rules()
    told = [t for file in sorted((ROOT / "harness").rglob("*.py")) for t in told_in(file)]

    missing = [t for t in told if t.glob not in _DYNAMIC and not any(fnmatchcase(rule, t.glob) for rule in known)]

    assert len(told) > 80
    assert missing == []


def test_every_stage_of_ours_lists_rules_and_all_are_its_own() -> None:
    for name in stage_names():
        stage = load_stage(name)
        assert isinstance(stage, ListsRules)
        assert all(rule.startswith(f"{name}.") for rule in stage.rules(ROOT) or ())
