"""Every way we know in which the schema stage and the commands over documents could pass over nothing: each says no.

docs/explanation/false-greens.md is this table for people. A new way gets a row here first.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from harness.contracts.stage import SchemaStage
from harness.evidence import StageResult, Status
from tests.contracts.false_greens.situations import Arrange, Situations, run
from tests.contracts.shop import http, pact, project
from tests.helpers import run_harness

#: What it is, how it is brought about, and what has to be said.
situation = Situations()


DOCUMENTS = """
[system]
name = "s"
[services.orders]
url = "http://127.0.0.1:1"
openapi = "orders.json"
"""
GOOD = {
    "openapi": "3.0.3",
    "info": {"title": "t", "version": "1"},
    "paths": {"/orders": {"get": {"responses": {"200": {"description": "all"}}}}},
}


def check(root: Path, document: str | None, baseline: str | None = None) -> StageResult:
    """The schema stage over one document and its baseline."""
    made = project(root, DOCUMENTS)
    if document is not None:
        (root / "orders.json").write_text(document)
    if baseline is not None:
        file = root / "contracts/baselines/orders.openapi.json"
        file.parent.mkdir(parents=True)
        file.write_text(baseline)
    return run(made, SchemaStage())


@situation("a document that is empty", "schema.")
def _(root: Path) -> StageResult:
    return check(root, "")


@situation("a document that is an empty object", "schema.")
def _(root: Path) -> StageResult:
    return check(root, "{}")


@situation("a document without operations, and a baseline without any", "schema.")
def _(root: Path) -> StageResult:
    bare = json.dumps(GOOD | {"paths": {}})
    return check(root, bare, bare)


@situation("a document without operations that was never compared", "schema.says_nothing")
def _(root: Path) -> StageResult:
    return check(root, json.dumps(GOOD | {"paths": {}}))


@situation("a document that is not there", "schema.")
def _(root: Path) -> StageResult:
    return check(root, None, json.dumps(GOOD))


@situation("a baseline that is empty", "schema.")
def _(root: Path) -> StageResult:
    return check(root, json.dumps(GOOD), "")


@situation("a baseline without operations", "schema.")
def _(root: Path) -> StageResult:
    return check(root, json.dumps(GOOD), json.dumps(GOOD | {"paths": {}}))


@situation("a system without any document", "")
def _(root: Path) -> StageResult:
    toml = DOCUMENTS.replace('openapi = "orders.json"\n', "")
    return run(project(root, toml), SchemaStage())


@pytest.mark.parametrize("what", list(situation))
def test_what_checked_nothing_never_passes(outcome: Callable[[Arrange], StageResult], what: str) -> None:
    row = situation[what]

    row.is_told_by(outcome(row.arrange))


def test_the_same_system_passes_when_nothing_is_wrong_with_it(tmp_path: Path) -> None:
    """Else the rows above might be red for another reason than their own."""
    checked = check(tmp_path, json.dumps(GOOD), json.dumps(GOOD))

    assert checked.status is Status.PASS, checked


NOWHERE = json.dumps(GOOD | {"paths": {}})
PACTS = {
    "empty.json": "{}",
    "none.json": json.dumps(pact()),
    "good.json": json.dumps(pact(http("an order", "/orders"))),
}


@pytest.mark.parametrize(
    "arguments",
    [
        ("diff", "empty", "empty"),
        ("diff", "missing", "document"),
        ("diff", "nowhere", "nowhere"),
        ("diff", "document", "document", "--pacts", "gone"),
        ("diff", "document", "document", "--pacts", "hollow"),
        ("compare", "empty.json", "document"),
        ("compare", "none.json", "document"),
        ("compare", "hollow", "document"),
        ("compare", "good.json", "empty"),
        ("compare", "good.json", "nowhere"),
        ("usage", "--document", "empty"),
        ("usage", "--document", "document", "--pacts", "gone"),
        ("usage", "--document", "document", "--pacts", "hollow"),
    ],
    ids=" ".join,
)
def test_a_command_that_was_given_nothing_never_exits_with_zero(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    for name, text in {**PACTS, "document": json.dumps(GOOD), "empty": "", "nowhere": NOWHERE}.items():
        (tmp_path / name).write_text(text)
    (tmp_path / "hollow").mkdir()

    done = run_harness(*arguments, cwd=tmp_path)

    assert done.returncode in {1, 2, 3}, done.stdout
    assert "Traceback" not in done.stderr
