"""`harness compare` as a user runs it: what it prints, its exit code, and what it says to bad input."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from harness.contracts.comparison import CODES
from tests.contracts.comparison.pairs import document, expecting, pact, returning
from tests.helpers import run_harness as run_in

SCHEMA = {"type": "object", "properties": {"id": {"type": "integer"}}}


def run_harness(*arguments: str) -> subprocess.CompletedProcess[str]:
    return run_in(*arguments, cwd=Path.cwd())


def write(folder: Path, name: str, content: Any) -> str:
    (folder / name).write_text(content if isinstance(content, str) else json.dumps(content))
    return str(folder / name)


@pytest.fixture
def described(tmp_path: Path) -> str:
    return write(tmp_path, "openapi.yaml", json.dumps(returning(SCHEMA)))


def test_what_fits_is_quiet_and_what_does_not_says_where(tmp_path: Path, described: str) -> None:
    good, bad = write(tmp_path, "good.json", expecting({"id": 1})), write(tmp_path, "bad.json", expecting({"id": "x"}))

    passed, failed = run_harness("compare", good, described), run_harness("compare", good, bad, described)

    assert (passed.returncode, passed.stdout) == (0, f"1 interaction against {described}: all compatible\n")
    assert failed.returncode == 1
    assert failed.stdout == (
        f"web -> things  {bad}\n"
        "  an interaction · GET /things\n"
        '    ✗ error  the body, `id`: "x" is not of type integer  [response.body.incompatible]\n'
        "        pact /interactions/0/response/body/id\n"
        "        document /paths/~1things/get/responses/200/content/application~1json/schema/properties/id/type\n"
        "\n"
        f"2 interactions against {described}: 1 error, 0 warnings\n"
    )


def test_an_interaction_that_asks_for_nothing_is_no_interaction(tmp_path: Path, described: str) -> None:
    told = run_harness("compare", write(tmp_path, "pact.json", {"interactions": [{"response": {}}]}), described)

    assert (told.returncode, told.stdout) == (2, "")
    assert "interaction 0 (counted from 0) has no request" in told.stderr


def test_nothing_compared_is_not_called_compatible(tmp_path: Path, described: str) -> None:
    told = run_harness("compare", write(tmp_path, "pact.json", {"interactions": []}), described)

    assert (told.returncode, told.stdout) == (3, f"0 interactions against {described}: nothing was compared\n")


def test_what_the_document_refers_to_and_lacks_is_told(tmp_path: Path) -> None:
    broken = write(tmp_path, "openapi.json", returning({"$ref": "#/components/schemas/Gone"}))
    told = run_harness("compare", write(tmp_path, "pact.json", expecting({"id": 1})), broken)

    assert told.returncode == 0
    assert "not checked, as the document lacks it: #/components/schemas/Gone" in told.stdout


def test_warnings_alone_do_not_fail(tmp_path: Path, described: str) -> None:
    asked = write(tmp_path, "pact.json", pact({"query": "page=1"}))

    told = run_harness("compare", asked, described, "--format", "json")

    content = json.loads(told.stdout)
    assert (told.returncode, content["success"], content["warnings"]) == (0, True, 1)
    assert content["results"][0]["code"] == "request.query.unknown"


def test_markdown_goes_into_a_file_and_cannot_break_its_table(tmp_path: Path, described: str) -> None:
    contract = expecting({"a|b": "<script>"})
    out = tmp_path / "report.md"

    told = run_harness(
        "compare", write(tmp_path, "p.json", contract), described, "--format", "markdown", "--out", str(out)
    )

    assert (told.returncode, told.stdout) == (1, "")
    row = next(line for line in out.read_text().splitlines() if line.startswith("| error"))
    assert "a\\|b" in row
    assert "<script>" not in out.read_text()


def test_folders_and_patterns_hold_contracts_and_swagger_2_is_understood(tmp_path: Path) -> None:
    folder = tmp_path / "pacts"
    folder.mkdir()
    for name in ("a.json", "b.json"):
        write(folder, name, pact({"path": "/v1/things"}))
    paths = {"/things": {"get": {"responses": {"200": {"description": "ok"}}}}}
    swagger = write(tmp_path, "s.json", {"swagger": "2.0", "info": {}, "basePath": "/v1", "paths": paths})

    for address in (str(folder), str(folder / "*.json")):
        told = run_harness("compare", address, swagger)
        assert (told.returncode, told.stdout) == (0, f"2 interactions against {swagger}: all compatible\n")


def test_nothing_to_compare_is_no_success(tmp_path: Path, described: str) -> None:
    told = run_harness("compare", write(tmp_path, "p.json", {**pact(), "interactions": []}), described)

    assert told.returncode == 3
    assert "nothing was checked" in told.stderr


def test_of_contracts_with_several_providers_one_is_chosen(tmp_path: Path, described: str) -> None:
    files = [write(tmp_path, "a.json", pact()), write(tmp_path, "b.json", {**pact(), "provider": {"name": "others"}})]

    undecided, chosen = (
        run_harness("compare", *files, described),
        run_harness("compare", *files, described, "--provider", "things"),
    )
    unknown = run_harness("compare", *files, described, "--provider", "thing")

    assert (undecided.returncode, chosen.returncode, unknown.returncode) == (2, 0, 2)
    assert "--provider NAME" in undecided.stderr
    assert 'Did you mean "things"?' in unknown.stderr


BAD: list[tuple[Any, Any, str]] = [
    ("{", None, "is not JSON"),
    ("<html>", None, "it begins with '<html>'"),
    ({"openapi": "3.0.0"}, None, "has neither interactions nor messages"),
    ({**pact(), "metadata": {"pactSpecification": {"version": "5.0"}}}, None, "1 to 4 are understood"),
    ([], None, "an object with consumer and provider was expected"),
    (None, "{", "is not JSON"),
    (None, {"openapi": "4.0.0", "paths": {}}, "says version '4.0.0'"),
    (None, {"a": 1}, "is no API document"),
    (None, document(components={"x": {"$ref": "missing.json#/a"}}), "missing.json"),
    (None, document(components={"x": {"$ref": "http://127.0.0.1:1/a.json"}}), "--allow-remote-refs"),
]


@pytest.mark.parametrize(("contract", "document_", "said"), BAD)
def test_bad_input_is_one_clear_message(tmp_path: Path, contract: Any, document_: Any, said: str) -> None:
    pact_file = write(tmp_path, "pact.json", pact() if contract is None else contract)
    told = run_harness(
        "compare", pact_file, write(tmp_path, "api.json", document() if document_ is None else document_)
    )

    assert told.returncode == 2
    assert said in told.stderr
    assert "Traceback" not in told.stderr


@pytest.mark.parametrize("address", ["no-such-file.json", "no-such-*.json", "http://127.0.0.1:1/pact.json", "."])
def test_contracts_that_are_not_there_are_named(tmp_path: Path, described: str, address: str) -> None:
    (tmp_path / "empty").mkdir()
    told = run_harness("compare", str(tmp_path / "empty") if address == "." else address, described)

    assert told.returncode == 2
    assert (str(tmp_path / "empty") if address == "." else address) in told.stderr


def test_a_reference_that_runs_in_circles_ends(tmp_path: Path) -> None:
    circle: dict[str, Any] = {"A": {"$ref": "#/components/schemas/B"}, "B": {"$ref": "#/components/schemas/A"}}
    api = write(tmp_path, "api.json", returning({"$ref": "#/components/schemas/A"}, **circle))

    told = run_harness("compare", write(tmp_path, "p.json", expecting({"id": 1})), api)

    assert "Traceback" not in told.stderr
    assert told.returncode in {0, 1}


def test_the_table_of_codes_in_the_documentation_is_the_one_of_the_program() -> None:
    text = (Path(__file__).parents[2] / "docs" / "reference" / "compare-codes.md").read_text()

    rows = [[c.strip() for c in line.strip("| ").split(" | ")] for line in text.splitlines() if line.startswith("| `")]

    assert rows == [[f"`{c.id}`", str(c.severity), c.text] for c in CODES.values()]
