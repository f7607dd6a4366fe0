"""`harness diff` on large documents: time and memory of the whole process, and how they grow with the document."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

LIMIT_S = 3.0
LIMIT_MB = 500


def document(operations: int, *, changed: bool) -> dict[str, Any]:
    """A document of about 3 KB an operation; a changed one differs in a field of every tenth."""
    schemas, paths = {}, {}
    for number in range(operations):
        fields: dict[str, Any] = {
            f"field_{n}": {
                "type": "string",
                "maxLength": 40 + n,
                "description": f"What field {n} of thing {number} holds",
            }
            for n in range(15)
        }
        if changed and number % 10 == 0:
            fields["field_3"] = {"type": "string", "maxLength": 20}
            del fields["field_4"]
        schemas[f"Thing{number}"] = {"type": "object", "required": ["field_0", "field_4"], "properties": fields}
        ref = {"application/json": {"schema": {"$ref": f"#/components/schemas/Thing{number}"}}}
        paths[f"/things{number}/{{id}}"] = {
            "put": {
                "operationId": f"put_{number}",
                "parameters": [
                    {"name": "id", "in": "path", "required": True, "schema": {"type": "string"}},
                    {"name": "dry", "in": "query", "schema": {"type": "boolean"}},
                ],
                "requestBody": {"required": True, "content": ref},
                "responses": {
                    "200": {"description": "It is so now", "content": ref},
                    "404": {"description": "There is none", "content": {"application/problem+json": {"schema": {}}}},
                },
            }
        }
    info = {"title": "large", "version": "1"}
    return {"openapi": "3.0.3", "info": info, "paths": paths, "components": {"schemas": schemas}}


def measured(folder: Path, operations: int) -> tuple[float, float, int]:
    """CPU seconds and peak MB of one run, and how many bytes the document has."""
    files = []
    for name, changed in (("old", False), ("new", True)):
        file = folder / f"{name}{operations}.json"
        file.write_text(json.dumps(document(operations, changed=changed), indent=1))
        files.append(str(file))
    command = [sys.executable, "-m", "harness", "diff", *files, "--format", "json"]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as process:
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 1
    return usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024, Path(files[0]).stat().st_size


def test_a_thousand_operations_are_compared_in_time_and_room_and_growth_is_linear(tmp_path: Path) -> None:
    figures = {number: measured(tmp_path, number) for number in (250, 500, 1000)}
    for number, (seconds, megabytes, size) in figures.items():
        print(f"\n{number} operations, {size / 1e6:.1f} MB: {seconds:.2f} s CPU, {megabytes:.0f} MB at peak")

    growth = figures[1000][0] / figures[250][0]
    print(f"four times the document took {growth:.1f} times as long")
    assert figures[1000][2] > 3_000_000 * 0.95
    assert figures[1000][0] < LIMIT_S
    assert figures[1000][1] < LIMIT_MB
    assert growth < 5
