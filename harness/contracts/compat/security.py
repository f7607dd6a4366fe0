"""Compares what operations ask for before they let a caller in. A scheme is what it asks for, not its name."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping

from harness.contracts.compat.changes import At, Change, Part, PartKind, change
from harness.contracts.compat.exchange import Operation
from harness.contracts.compat.rules import Direction
from harness.documents.nodes import Node

__all__ = ["SecurityComparer"]

_WORDS = ("type", "in", "name", "scheme")


class SecurityComparer:
    """Compares the security requirements of operations of two documents."""

    def __init__(self, old: Node, new: Node) -> None:
        self._old, self._new = old, new

    def schemes(self) -> Iterator[Change]:
        """Schemes that still ask for the same, but get it elsewhere: token addresses and scopes on offer."""
        before = dict(self._old.get("components").get("securitySchemes").items())
        after = dict(self._new.get("components").get("securitySchemes").items())
        for name, one in before.items():
            other = after.get(name)
            if other is None or _kind(one) != _kind(other):
                continue  # told by every operation that is concerned
            at = At("", f"the security scheme `{name}`", one.pointer, f"`{name}`", Part(PartKind.SECURITY, name))
            if _addresses(one) != _addresses(other):
                yield change("security_flow_changed", Direction.REQUEST, at)
            for scope in sorted(_scopes(one) - _scopes(other)):
                yield change("security_scope_removed", Direction.REQUEST, at, (("gone", scope),))

    def operation(self, old: Operation, new: Operation) -> Iterator[Change]:
        """Whoever was let in before must be let in again: for each old alternative, a new one that asks no more."""
        before = _alternatives(self._old, old.node, self._new)
        after = _alternatives(self._new, new.node, self._old)
        part = Part(PartKind.SECURITY)
        at = At(
            old.name, old.name, f"{old.node.pointer}/security", part=part, new_pointer=f"{new.node.pointer}/security"
        )
        shut_out = [one for one in before if not any(other.keys() <= one.keys() for other in after)]
        if shut_out:
            needed = " or ".join(_credentials(a) for a in after)
            facts = (("old", _credentials(shut_out[0])), ("new", needed))
            yield change("security_tightened", Direction.REQUEST, at, facts)
        elif any(not any(one.keys() <= other.keys() for one in before) for other in after):
            yield change("security_loosened", Direction.REQUEST, at)


def _alternatives(root: Node, operation: Node, other: Node) -> list[dict[str, str]]:
    """What an operation asks for: one set of credentials for each alternative, each with its name for people.

    Args:
        root: the document of the operation.
        other: the document it is compared with; what goes by one name in both and is not the same is told apart.
    """
    said = operation.here("security") if operation.here("security").exists else root.here("security")
    found: list[dict[str, str]] = []
    for item in said.raw if isinstance(said.raw, list) else ():
        wanted: dict[str, str] = {}
        for name, scopes in item.items() if isinstance(item, Mapping) else ():
            scheme = _scheme(root, str(name))
            kind = _kind(scheme) or str(name)
            shown = f"{name}{_what(scheme)}" if _kind(_scheme(other, str(name))) not in {"", kind} else str(name)
            for scope in scopes if isinstance(scopes, list) and scopes else [""]:
                wanted[f"{kind}:{scope}"] = f"{shown}:{scope}" if scope else shown
        found.append(wanted)
    return found or [{}]


def _scheme(root: Node, name: str) -> Node:
    return root.get("components").get("securitySchemes").get(name)


def _what(scheme: Node) -> str:
    """What a scheme asks for, to follow its name: ` (header X-Api-Key)`."""
    words = [scheme.text(word) for word in (("in", "name") if scheme.text("in") else ("type", "scheme"))]
    return f" ({' '.join(word for word in words if word)})"


def _kind(scheme: Node) -> str:
    """What a scheme asks a caller to send; empty when there is no such scheme."""
    if not isinstance(scheme.raw, Mapping):
        return ""
    said = {word: str(scheme.raw.get(word, "")) for word in _WORDS}
    if said["type"] == "http":
        said |= {"scheme": said["scheme"].lower(), "name": "", "in": ""}
    if said["in"] == "header":
        said["name"] = said["name"].lower()
    return json.dumps(said, sort_keys=True)


def _addresses(scheme: Node) -> list[tuple[str, str, str]]:
    found = [("", "openIdConnectUrl", scheme.text("openIdConnectUrl"))]
    for flow, node in scheme.get("flows").items():
        found += [(flow, word, node.text(word)) for word in ("authorizationUrl", "tokenUrl")]
    return sorted(found)


def _scopes(scheme: Node) -> set[str]:
    return {name for flow in scheme.get("flows").values() for name, _ in flow.get("scopes").items()}


def _credentials(alternative: Mapping[str, str]) -> str:
    return " and ".join(sorted(alternative.values())) or "none"
