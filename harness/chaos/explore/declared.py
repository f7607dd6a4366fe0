"""Which statuses a service's OpenAPI document declares for an operation; reads nothing else of it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

__all__ = ["Declared", "declared_statuses"]


@dataclass(frozen=True, slots=True)
class _Operation:
    method: str
    pattern: re.Pattern[str]
    statuses: frozenset[str]


@dataclass(frozen=True, slots=True)
class Declared:
    """The declared answers of a service; knows nothing when there is no document."""

    operations: Sequence[_Operation] = ()

    def allows(self, method: str, path: str, status: int) -> bool | None:
        """Whether the document declares that an operation may answer so; None when it does not have the operation."""
        fitting = [o for o in self.operations if o.method == method and o.pattern.fullmatch(path)]
        if not fitting:
            return None
        # Written paths come before templated ones (OpenAPI 3.1, "Path Templating Matching").
        said = fitting[0].statuses
        return bool({str(status), f"{status // 100}XX", "default"} & said)

    def operation(self, method: str, path: str) -> str:
        """A name for what a call asks for, whatever its parameters; where the document does not have it, from its shape."""
        for known in self.operations:
            if known.method == method and known.pattern.fullmatch(path):
                return f"{method} {known.pattern.pattern}"
        head, *rest = path.strip("/").split("/")
        return f"{method} /{head}{'/*' * len(rest)}"


def declared_statuses(document: Mapping[str, Any]) -> Declared:
    """Read an OpenAPI document; what is not of its shape counts as not there."""
    found = []
    paths = document.get("paths")
    for path, item in paths.items() if isinstance(paths, Mapping) else ():
        for method, operation in item.items() if isinstance(item, Mapping) else ():
            responses = operation.get("responses") if isinstance(operation, Mapping) else None
            if isinstance(responses, Mapping):
                statuses = frozenset(str(s).upper().replace("DEFAULT", "default") for s in responses)
                found.append(_Operation(str(method).upper(), _pattern(str(path)), statuses))
    return Declared(sorted(found, key=lambda o: o.pattern.pattern.count("[^/]+")))


def _pattern(path: str) -> re.Pattern[str]:
    parts = re.split(r"(\{[^}]*\})", path)
    return re.compile("".join("[^/]+" if p.startswith("{") else re.escape(p) for p in parts))
