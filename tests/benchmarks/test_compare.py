"""How long `harness compare` takes for 500 interactions against a document of 1,000 operations and 3 MB, as a process."""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

OPERATIONS, INTERACTIONS, ROUNDS = 1000, 500, 3
LIMIT_S = 3.0
#: Times what starting the command and reading the same document costs anyway.
LIMIT_RATIO = 6.0


def schema(number: int) -> dict[str, Any]:
    fields = {
        f"field_{i}_of_{number}": {"type": "string", "maxLength": 40, "description": "a field " * 4} for i in range(26)
    }
    return {"type": "object", "required": ["id"], "properties": {"id": {"type": "integer"}, **fields}}


def document() -> dict[str, Any]:
    def operation(number: int) -> dict[str, Any]:
        body = {"application/json": {"schema": {"$ref": f"#/components/schemas/S{number}"}}}
        path = [{"name": "id", "in": "path", "required": True, "schema": {"type": "integer"}}]
        return {
            "parameters": path,
            "requestBody": {"content": body},
            "responses": {"200": {"description": "", "content": body}},
        }

    return {
        "openapi": "3.0.3",
        "info": {"title": "large", "version": "1"},
        "paths": {f"/r{n}/{{id}}": {"post": operation(n)} for n in range(OPERATIONS)},
        "components": {"schemas": {f"S{n}": schema(n) for n in range(OPERATIONS)}},
    }


def contract() -> dict[str, Any]:
    def interaction(number: int) -> dict[str, Any]:
        body, headers = {"id": number, f"field_1_of_{number}": "x"}, {"Content-Type": "application/json"}
        return {
            "description": f"interaction {number}",
            "request": {"method": "POST", "path": f"/r{number}/7", "headers": headers, "body": body},
            "response": {"status": 200, "headers": headers, "body": body},
        }

    interactions = [interaction(n) for n in range(INTERACTIONS)]
    return {"consumer": {"name": "c"}, "provider": {"name": "p"}, "interactions": interactions}


def seconds(*command: str) -> tuple[float, float]:
    """Of wall clock and of CPU, for a process of its own."""
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    subprocess.run([sys.executable, *command], check=True, stdout=subprocess.DEVNULL, timeout=120)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.perf_counter() - start, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def test_500_interactions_against_1000_operations(tmp_path: Path) -> None:
    pact, api = tmp_path / "pact.json", tmp_path / "api.json"
    pact.write_text(json.dumps(contract()))
    api.write_text(json.dumps(document()))
    reading = (
        "import sys, click, jsonschema_rs\n"
        "from harness.documents.addresses import read_document\n"
        "read_document(sys.argv[1])"
    )

    runs = [
        (seconds("-c", reading, str(api)), seconds("-m", "harness", "compare", str(pact), str(api)))
        for _ in range(ROUNDS)
    ]

    size = api.stat().st_size / 1e6
    (floor_wall, floor), (wall, whole) = (min(column) for column in zip(*runs, strict=True))
    print(
        f"\n{INTERACTIONS} interactions, {OPERATIONS} operations, {size:.1f} MB: {wall:.2f} s, CPU {whole:.2f} s; "
        f"reading the document alone {floor_wall:.2f} s, CPU {floor:.2f} s"
    )
    assert size >= 3
    assert whole < LIMIT_S
    assert whole / floor < LIMIT_RATIO
