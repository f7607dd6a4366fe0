"""A description of a secret value keeps its structure: only what could be a value is masked."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from harness.evidence.redaction import MASK, Redactor
from harness.evidence.sweep import sweep_file


def clean(value: Any, indent: int | None = None) -> Any:
    return json.loads(Redactor().text(json.dumps(value, indent=indent)))


@pytest.mark.parametrize("indent", [None, 2])
@pytest.mark.parametrize(
    "schema",
    [
        {"type": "string", "minLength": 8, "format": "password", "description": "at least eight letters"},
        {"$ref": "#/components/schemas/Password"},
        {"type": ["string", "null"], "pattern": "^tok-"},
        {"type": "object", "properties": {"token": {"type": "string"}, "kind": {"type": "string"}}, "required": ["kind"]},
        {"type": "apiKey", "name": "X-Token", "in": "header"},
        {"description": "who may", "oneOf": [{"type": "string"}, {"type": "integer"}]},
    ],
)  # fmt: skip
def test_a_property_named_password_keeps_its_schema(schema: dict[str, Any], indent: int | None) -> None:
    document = {"properties": {"password": schema, "id": {"type": "string"}}}

    assert clean(document, indent) == document


@pytest.mark.parametrize("word", ["example", "default", "const", "x-sample"])
@pytest.mark.parametrize("value", ["hunter2-x", 12345678, ["hunter2-x"]])
def test_what_could_be_a_value_of_it_is_masked(word: str, value: Any) -> None:
    masked = clean({"password": {"type": "string", word: value, "minLength": 8}})

    assert masked == {"password": {"type": "string", word: [MASK] if isinstance(value, list) else MASK, "minLength": 8}}


@pytest.mark.parametrize(
    "inside",
    [
        {"enum": ["hunter2-x", "other"]},
        {"examples": {"a": {"value": "hunter2-x"}}},
        {"examples": {"type": "hunter2-x"}},
        {"properties": {"first": {"type": "string", "default": "hunter2-x"}}},
        {"value": "hunter2-x"},
        {"raw": {"of": "hunter2-x"}},
    ],
)
def test_a_type_beside_a_value_hides_nothing(inside: dict[str, Any]) -> None:
    assert "hunter2-x" not in json.dumps(clean({"password": {"type": "object", **inside}}))


@pytest.mark.parametrize(
    "beside",
    [
        {"example": "hunter2-x"},
        {"schema": {"type": "string", "default": "hunter2-x"}},
        {"schema": {"type": "string", "enum": ["hunter2-x", "other"]}},
        {"examples": {"a": {"value": "hunter2-x"}}},
        {"schema": {"type": "string"}, "example": "hunter2-x"},
    ],
)
def test_an_example_of_a_parameter_with_a_secret_name_is_masked(beside: dict[str, Any]) -> None:
    other = {"name": "page", "in": "query", "example": "first"}

    masked = clean([{"name": "password", "in": "query", "required": True, **beside}, other])

    assert "hunter2-x" not in json.dumps(masked)
    assert masked[0]["required"] is True
    assert masked[1] == other


def test_the_document_that_a_stage_keeps_is_looked_through_as_a_whole(tmp_path: Path) -> None:
    kept = tmp_path / "shop.openapi"
    schema = {
        "type": "object",
        "properties": {f"p{n}": {"type": "string"} for n in range(5_000)},
        "default": "hunter2-x",
    }
    kept.write_text(json.dumps({"password": schema}, indent=1))

    sweep_file(kept, Redactor())

    assert json.loads(kept.read_text()) == {"password": {**schema, "default": MASK}}
