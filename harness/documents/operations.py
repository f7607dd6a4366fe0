"""Finds the operation of an OpenAPI document that a request goes to; one look per path segment, not per operation."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from urllib.parse import unquote, urlsplit

from harness.documents.nodes import Node

__all__ = ["METHODS", "Found", "OpenApiOperation", "Operations", "operation_key"]

METHODS = ("get", "put", "post", "delete", "options", "head", "patch", "trace")
_PLACEHOLDER = re.compile(r"\{([^{}/]*)\}")
_HAS_LITERAL = re.compile(r"[^/]")


def operation_key(name: str) -> str:
    """The same key for an operation whatever its placeholders are called and whether its path ends with a slash."""
    return _PLACEHOLDER.sub("{}", name).rstrip("/")


@dataclass(frozen=True, slots=True)
class OpenApiOperation:
    """One operation; `shared` holds what its path says for all of its methods."""

    method: str
    path: str
    node: Node
    shared: Node

    @property
    def name(self) -> str:
        """`GET /orders/{order_id}`."""
        return f"{self.method.upper()} {self.path}"

    def parameters(self) -> Iterator[Node]:
        """Its own parameters and those of its path."""
        for holder in (self.shared, self.node):
            for listed in holder.get("parameters").list():
                yield listed.followed()


@dataclass(frozen=True, slots=True)
class Found:
    """An operation and what the path of the request says.

    Args:
        assumed: what was cut off the front of the path so that it fits; empty for a path under a server of the document.
        values: texts of the placeholders by name.
    """

    operation: OpenApiOperation
    assumed: str = ""
    values: Mapping[str, str] = field(default_factory=dict)


@dataclass(slots=True)
class _Segment:
    """What may follow a beginning of a path."""

    literals: dict[str, _Segment] = field(default_factory=dict)
    mixed: dict[str, tuple[re.Pattern[str], _Segment]] = field(default_factory=dict)
    any: _Segment | None = None
    operations: dict[str, OpenApiOperation] = field(default_factory=dict)


class Operations:
    """All operations of a document, by path.

    Args:
        root: the document.
    """

    def __init__(self, root: Node) -> None:
        self._tree = _Segment()
        self.all: list[OpenApiOperation] = []
        self._bases = _bases(root)
        for path, item in root.get("paths").items():
            for method in METHODS:
                node = item.get(method)
                if isinstance(node.raw, Mapping):
                    operation = OpenApiOperation(method, path, node, item)
                    self.all.append(operation)
                    self._leaf(path).operations.setdefault(method, operation)
                    self._bases |= _bases(item) | _bases(node)

    def find(self, method: str, path: str) -> Found | None:
        """The most specific operation a path fits, under the servers' base paths.

        Where it fits under none of them, the shortest beginning is cut off with which it does: contracts are often
        written against an address that a proxy in front of the service shortens.
        """
        clean = "/" + path.split("?", 1)[0].split("#", 1)[0].strip("/")
        for base in sorted(self._bases, key=len, reverse=True):
            if clean == base or clean.startswith(f"{base}/") or not base:
                found = self._at(method, clean[len(base) :])
                if found is not None:
                    return found
        segments = _segments(clean)
        for cut in range(1, len(segments)):
            found = self._at(method, "/" + "/".join(segments[cut:]))
            if found is not None and _HAS_LITERAL.search(_PLACEHOLDER.sub("", found.operation.path)):
                return Found(found.operation, "/" + "/".join(segments[:cut]), found.values)
        return None

    def methods(self, path: str) -> list[str]:
        """Methods the document has for a path, in upper case."""
        return [m.upper() for m in METHODS if self.find(m, path) is not None]

    def _leaf(self, path: str) -> _Segment:
        here = self._tree
        for text in _segments(path):
            names = _PLACEHOLDER.findall(text)
            if not names:
                here = here.literals.setdefault(unquote(text), _Segment())
            elif _PLACEHOLDER.fullmatch(text):
                here.any = here.any or _Segment()
                here = here.any
            else:
                shape = _PLACEHOLDER.sub("{}", text)
                pattern = re.compile("(.+?)".join(re.escape(unquote(p)) for p in shape.split("{}")))
                here = here.mixed.setdefault(shape, (pattern, _Segment()))[1]
        return here

    def _at(self, method: str, path: str) -> Found | None:
        segments = [unquote(s) for s in _segments(path)]
        for leaf, values in _walk(self._tree, segments, 0):
            operation = leaf.operations.get(method.lower())
            if operation is not None:
                return Found(operation, "", dict(zip(_PLACEHOLDER.findall(operation.path), values, strict=False)))
        return None


def _walk(here: _Segment, segments: list[str], at: int) -> Iterator[tuple[_Segment, tuple[str, ...]]]:
    """Leaves a path leads to, the most specific first: text before text with placeholders before a placeholder."""
    if at == len(segments):
        if here.operations:
            yield here, ()
        return
    text = segments[at]
    if text in here.literals:
        yield from _walk(here.literals[text], segments, at + 1)
    for pattern, below in here.mixed.values():
        match = pattern.fullmatch(text)
        if match is not None:
            yield from ((leaf, (*match.groups(), *rest)) for leaf, rest in _walk(below, segments, at + 1))
    if here.any is not None and text:
        yield from ((leaf, (text, *rest)) for leaf, rest in _walk(here.any, segments, at + 1))


def _segments(path: str) -> list[str]:
    return [s for s in path.split("/") if s]


def _bases(holder: Node) -> set[str]:
    """Paths of the servers; the empty one is always among them, as the harness itself calls a service without one."""
    found = {""}
    for server in holder.get("servers").list():
        url = server.text("url")
        for name, variable in server.get("variables").items():
            url = url.replace(f"{{{name}}}", str(variable.text("default")))
        try:
            path = urlsplit(url).path if "://" in url else url
        except ValueError:
            continue
        found.add("/" + path.strip("/") if path.strip("/") else "")
    return found
