"""Compares two OpenAPI documents (3.0 and 3.1): which operations belong together, what became of each as a whole.

What is inside an operation is compared in `exchange`, who may call it in `security`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime
from typing import Any

from harness.contracts.compat.changes import At, Change, Comparison, Part, PartKind, change, gather
from harness.contracts.compat.exchange import PLACEHOLDER, ExchangeComparer, Operation
from harness.contracts.compat.rules import Direction
from harness.contracts.compat.schemas import SchemaComparer
from harness.contracts.compat.security import SecurityComparer
from harness.documents.nodes import Node

__all__ = ["compare_openapi"]

_METHODS = ("get", "put", "post", "delete", "options", "head", "patch", "trace")
_Operations = dict[tuple[str, ...], Operation]
_ASKS = Direction.REQUEST
#: More addresses than that are not worked out; the default of a variable stands for its values.
_MAX_ADDRESSES = 64


def compare_openapi(old: Mapping[str, Any], new: Mapping[str, Any], *, today: date | None = None) -> Comparison:
    """Compare two documents; both must be OpenAPI 3.x, they need not be valid.

    Args:
        today: what is past, for sunset dates; the day of the call by default.
    """
    before, after = Node(old, old), Node(new, new)
    comparer = _Comparer(before, after, today or datetime.now(UTC).date())
    found = [*_servers(before, after, "the API"), *comparer.security.schemes()]
    found += comparer.operations(_operations(before), _operations(after))
    found += comparer.events(_webhooks(before), _webhooks(after))
    number = len(_operations(before).keys() | _operations(after).keys())
    number += len(_webhooks(before).keys() | _webhooks(after).keys())
    return Comparison(number, gather(found))


def _operations(root: Node) -> _Operations:
    found: _Operations = {}
    for path, item in root.get("paths").items():
        for method, node in _methods(item):
            key = (PLACEHOLDER.sub("{}", path), method)
            if key in found:  # two paths that differ by the names of their parameters only, which the standard forbids
                key = (path, method)
            found[key] = Operation(f"{method.upper()} {path}", node, item)
    return found


def _webhooks(root: Node) -> _Operations:
    """What the service sends to whoever subscribed, outside of any operation."""
    return {
        (name, method): Operation(f"webhook {name} ({method.upper()})", node, item)
        for key in ("webhooks", "x-webhooks")
        for name, item in root.get(key).items()
        for method, node in _methods(item)
    }


def _callbacks(operation: Operation) -> _Operations:
    """What the service sends because an operation was called."""
    return {
        (name, address, method): Operation(f"callback {name} of {operation.name}", node, item)
        for name, callback in operation.node.get("callbacks").items()
        for address, item in callback.items()
        for method, node in _methods(item)
    }


def _methods(item: Node) -> Iterator[tuple[str, Node]]:
    for method in _METHODS:
        node = item.get(method)
        if isinstance(node.raw, Mapping):
            yield method, node


class _Comparer:
    """Compares operations of two documents."""

    def __init__(self, old: Node, new: Node, today: date) -> None:
        schemas = SchemaComparer(today=today)
        self._today, self._old, self._new = today, old, new
        self._exchange = ExchangeComparer(schemas)
        self._inverted = ExchangeComparer(schemas, inverted=True)
        self.security = SecurityComparer(old, new)

    def operations(self, before: _Operations, after: _Operations) -> Iterator[Change]:
        """What callers call."""
        for key, old in before.items():
            new = after.get(key)
            if new is None:
                yield _whole(self._removed(old), old)
                continue
            yield from self._lifecycle(old, new)
            yield from self._exchange.compare(old, new)
            yield from self.security.operation(old, new)
            if _own_servers(old) or _own_servers(new):
                yield from _servers(_own_servers(old) or self._old, _own_servers(new) or self._new, old.name)
            yield from self.events(_callbacks(old), _callbacks(new))
        yield from (_whole("operation_added", after[key], new=True) for key in after if key not in before)

    def events(self, before: _Operations, after: _Operations) -> Iterator[Change]:
        """What the service itself calls: everything is judged the other way round."""
        for key, old in before.items():
            if key in after:
                yield from self._lifecycle(old, after[key])
                yield from self._inverted.compare(old, after[key])
            else:
                yield _whole("callback_removed", old)
        yield from (_whole("callback_added", after[key], new=True) for key in after if key not in before)

    def _removed(self, old: Operation) -> str:
        """An operation may go when it was deprecated and the day it said it would go has come."""
        if old.node.raw.get("deprecated") is not True:
            return "operation_removed"
        sunset = _sunset(old)
        if sunset is None:
            return "operation_removed"
        return "operation_retired" if sunset <= self._today else "operation_removed_early"

    def _lifecycle(self, old: Operation, new: Operation) -> Iterator[Change]:
        was, is_now = old.node.raw.get("deprecated") is True, new.node.raw.get("deprecated") is True
        if is_now and not was:
            yield _whole("operation_deprecated", old)
        elif was and not is_now:
            yield _whole("operation_undeprecated", old)
        before, after = _sunset(old), _sunset(new)
        if before and after and after < before:
            facts = (("old", before.isoformat()), ("new", after.isoformat()))
            yield _whole("sunset_brought_forward", old, facts=facts)
        if old.node.text("operationId") != new.node.text("operationId"):
            facts = (("old", old.node.text("operationId") or "none"), ("new", new.node.text("operationId") or "none"))
            yield _whole("operation_id_changed", old, facts=facts)


def _whole(rule: str, operation: Operation, *, new: bool = False, facts: tuple[tuple[str, str], ...] = ()) -> Change:
    pointer = operation.node.pointer
    at = At(operation.name, operation.name, pointer, part=Part(PartKind.OPERATION), new_pointer=pointer if new else "")
    return change(rule, _ASKS, at, facts)


def _sunset(operation: Operation) -> date | None:
    """The day an operation is to go, where the document says one that can be read."""
    said = operation.node.raw.get("x-sunset") if isinstance(operation.node.raw, Mapping) else None
    if isinstance(said, date):
        return said
    try:
        return date.fromisoformat(str(said)[:10])
    except ValueError:
        return None


def _own_servers(operation: Operation) -> Node | None:
    """What holds servers of an operation or its path, which then count instead of the document's."""
    return next((holder for holder in (operation.node, operation.shared) if holder.here("servers").list()), None)


def _servers(old: Node, new: Node, where: str) -> Iterator[Change]:
    """Addresses the service can be called at."""
    before, after = _addresses(old), _addresses(new)
    # A document that names none means the root of the address it was read from, which no absolute address can tell.
    if not before or not after:
        said = before or after
        if any("://" in url or url.startswith("//") for url in said):
            return
        before, after = before or ["/"], after or ["/"]
    at = At("", where, f"{old.pointer}/servers", part=Part(PartKind.SERVER), new_pointer=f"{new.pointer}/servers")
    gone = [url for url in before if url not in after]
    if gone and len(gone) == len(before):
        facts = (("old", ", ".join(before)), ("new", ", ".join(after)))
        yield change("servers_replaced", _ASKS, at, facts)
        return
    for url in gone:
        yield change("server_removed", _ASKS, at, (("gone", url),))
    for url in after:
        if url not in before:
            yield change("server_added", _ASKS, at, (("added", url),))


def _addresses(holder: Node) -> list[str]:
    """Server addresses, without a slash at the end, with every value put in that a variable may have."""
    found: dict[str, None] = {}
    for server in holder.get("servers").list():
        urls = [server.text("url")]
        for name, variable in server.get("variables").items():
            listed = [v.raw for v in variable.here("enum").list() if isinstance(v.raw, str)]
            default = variable.text("default") or f"{{{name}}}"
            values = listed if listed and len(urls) * len(listed) <= _MAX_ADDRESSES else [default]
            urls = [url.replace(f"{{{name}}}", value) for url in urls for value in values]
        found.update((_normal(url), None) for url in urls)
    return list(found)


def _normal(url: str) -> str:
    """Scheme and host mean the same in capitals (RFC 3986, section 6.2.2.1), and so does a path with a slash at its end."""
    scheme, colon, rest = url.partition("://")
    if not colon:
        return url.rstrip("/") or "/"
    host, slash, path = rest.partition("/")
    return f"{scheme.lower()}://{host.lower()}{slash}{path}".rstrip("/")
