"""The published JSON Schema of `harness.toml`: the file's own tables and every installed stage's settings."""

from __future__ import annotations

from pydantic import JsonValue

from harness.pipeline.registry import load_stage, stage_names
from harness.system.tables import HarnessFile

__all__ = ["config_schema"]


def config_schema() -> dict[str, JsonValue]:
    """Return a JSON Schema (2020-12) that editors complete and check `harness.toml` against."""
    schema: dict[str, JsonValue] = HarnessFile.model_json_schema(mode="validation")
    definitions = schema["$defs"]
    assert isinstance(definitions, dict)
    stages: dict[str, JsonValue] = {}
    for name in stage_names():
        own: dict[str, JsonValue] = load_stage(name).settings.model_json_schema(
            mode="validation", ref_template="#/$defs/{model}"
        )
        inner = own.pop("$defs", {})
        assert isinstance(inner, dict)
        definitions.update(inner)
        definitions[f"stages.{name}"] = own
        stages[name] = {"$ref": f"#/$defs/stages.{name}"}
    table: JsonValue = {"type": "object", "properties": stages, "additionalProperties": False}
    _put(schema, "stages", table)
    profile = definitions["_ProfileTable"]
    assert isinstance(profile, dict)
    _put(profile, "stages", table)
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema, "title": "harness.toml"}


def _put(schema: dict[str, JsonValue], name: str, value: JsonValue) -> None:
    properties = schema["properties"]
    assert isinstance(properties, dict)
    properties[name] = value
