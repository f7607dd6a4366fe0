"""`result.json`: the run's result, each finding with its fingerprint; written and read back here."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from harness.errors import UsageError
from harness.evidence import RunResult, StageResult, from_json

__all__ = ["read_result", "result_json"]


def result_json(result: RunResult) -> Iterator[str]:
    """The result as JSON text, in pieces; measures that are not finite are left out, JSON has no word for them."""
    from pydantic import TypeAdapter

    clean = replace(result, stages=tuple(_finite(s) for s in result.stages))
    document = TypeAdapter(RunResult).dump_python(clean, mode="python")
    document["cut_short"] = result.cut_short
    for stage, told in zip(clean.stages, document["stages"], strict=True):
        for finding, entry in zip(stage.findings, told["findings"], strict=True):
            entry["fingerprint"] = finding.fingerprint
    for piece in json.JSONEncoder(indent=2, ensure_ascii=False, allow_nan=False).iterencode(document):
        # Lone surrogates have no place in UTF-8, and responses may hold them.
        yield piece.encode("utf-8", "replace").decode()


def read_result(file: Path) -> RunResult:
    """Read a `result.json`.

    Raises:
        UsageError: when there is none, or it is not one.
    """
    from pydantic import ValidationError

    try:
        return from_json(RunResult, file.read_bytes())
    except OSError as error:
        raise UsageError(f"cannot read {file}: {error.strerror}. A run writes it when it ends.") from None
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(p) for p in first["loc"])
        raise UsageError(f"{file} is not the result of a run: {where}: {first['msg']}") from None


def _finite(stage: StageResult) -> StageResult:
    return replace(stage, measures=tuple(m for m in stage.measures if math.isfinite(m.value)))
