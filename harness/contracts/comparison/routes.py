"""Which operations of a document a request can go to; parameters are told from text, their schemas are not looked at."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote, urlsplit

from harness.contracts.documents.nodes import Node

__all__ = ["Operation", "Route", "Routes"]

_METHODS = ("get", "put", "post", "delete", "options", "head", "patch", "trace")
_PLACEHOLDER = re.compile(r"\{([^{}/]*)\}")


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation of an OpenAPI document.

    Args:
        parameters: its own and those of its path, the own ones first where both define one.
        security: what it asks for; the document's own where it says nothing.
    """

    method: str
    path: str
    node: Node
    parameters: tuple[Node, ...]
    security: Node


@dataclass(frozen=True, slots=True)
class Route:
    """An operation, and what the placeholders of its path stand for."""

    operation: Operation
    values: Mapping[str, str]


@dataclass(slots=True)
class _Segment:
    literals: dict[str, _Segment] = field(default_factory=dict)
    patterns: dict[str, tuple[re.Pattern[str], tuple[str, ...], _Segment]] = field(default_factory=dict)
    leaf: dict[str, tuple[str, tuple[str, ...]]] = field(default_factory=dict)


class Routes:
    """All operations of a document by path: finding one takes a look per segment, however many there are.

    Args:
        root: the document; paths may be called with or without the base path of a server.
        strict_base: whether the base path has to be there, as in Swagger 2.
    """

    def __init__(self, root: Node, *, strict_base: bool = False) -> None:
        self._root = root
        self._options = _options(root)
        base = str(self._options.get("base-path") or "").rstrip("/")
        bases = {base} if base else _bases(root)
        self._bases = bases if strict_base and bases else bases | ({""} if not base else set())
        self._tree = _Segment()
        self._items: dict[str, Node] = {}
        for path, item in root.get("paths").items():
            self._items[path] = item
            names = tuple(_PLACEHOLDER.findall(path))
            leaf = self._place(path).leaf
            for method in _METHODS:
                if isinstance(item.raw, Mapping) and isinstance(item.raw.get(method), Mapping):
                    leaf.setdefault(method.upper(), (path, names))
                    self._bases |= _bases(item) | _bases(item.here(method))

    def find(self, method: str, path: str) -> Iterator[Route]:
        """Every operation the request can go to, the most specific path first."""
        for base in sorted(self._bases, key=len, reverse=True):
            rest = self._below(base, path)
            if rest is None:
                continue
            for leaf, values in _walk(self._tree, self._segments(rest), 0):
                if method in leaf.leaf:
                    template, names = leaf.leaf[method]
                    yield Route(self._operation(method, template), dict(zip(names, values, strict=False)))

    def methods(self, path: str) -> list[str]:
        """Methods there are for a path."""
        return [m.upper() for m in _METHODS if any(True for _ in self.find(m.upper(), path))]

    def _below(self, base: str, path: str) -> str | None:
        clean = path if path.startswith("/") else f"/{path}"
        if self._options.get("ignore-duplicate-slashes"):
            clean = re.sub("/{2,}", "/", clean)
        if base and clean != base and not clean.startswith(f"{base}/"):
            return None
        return clean[len(base) :] or "/"

    def _segments(self, path: str) -> list[str]:
        segments = [unquote(s) for s in path.split("/")[1:]]
        if self._options.get("ignore-trailing-slash") and len(segments) > 1 and not segments[-1]:
            segments.pop()
        return [s.lower() for s in segments] if self._options.get("case-insensitive") else segments

    def _place(self, path: str) -> _Segment:
        here = self._tree
        for text, raw in zip(self._segments(path), path.split("/")[1:], strict=False):
            names = tuple(_PLACEHOLDER.findall(raw))
            if not names:
                here = here.literals.setdefault(text, _Segment())
                continue
            shape = _PLACEHOLDER.sub("{}", raw)
            pattern = re.compile("(.+?)".join(re.escape(unquote(p)) for p in shape.split("{}")), re.DOTALL)
            here = here.patterns.setdefault(shape, (pattern, names, _Segment()))[2]
        # Text beside placeholders is more specific than a placeholder alone.
        return here

    def _operation(self, method: str, path: str) -> Operation:
        item = self._items[path]
        node = item.here(method.lower())
        found: dict[tuple[str, str], Node] = {}
        for holder in (node, item):
            for listed in holder.get("parameters").list():
                parameter = listed.followed()
                found.setdefault((parameter.text("in"), parameter.text("name")), parameter)
        own = node.here("security")
        return Operation(method, path, node, tuple(found.values()), own if own.exists else self._root.here("security"))


def _walk(here: _Segment, segments: list[str], at: int) -> Iterator[tuple[_Segment, tuple[str, ...]]]:
    if at == len(segments):
        yield here, ()
        return
    text = segments[at]
    if text in here.literals:
        yield from _walk(here.literals[text], segments, at + 1)
    for shape in sorted(here.patterns, key=lambda s: (s == "{}", -len(s))):
        pattern, _, below = here.patterns[shape]
        match = pattern.fullmatch(text)
        if match is not None:
            yield from ((leaf, (*match.groups(), *rest)) for leaf, rest in _walk(below, segments, at + 1))


def _options(root: Node) -> dict[str, Any]:
    """Options for comparisons that documents carry in `info`, as the field's tools read them."""
    info, prefix = root.get("info").raw, "x-opc-config-"
    return (
        {k.removeprefix(prefix): v for k, v in info.items() if k.startswith(prefix)} if isinstance(info, dict) else {}
    )


def _bases(holder: Node) -> set[str]:
    """Paths of the servers, without a slash at the end."""
    found = set()
    for server in holder.here("servers").list():
        url = server.text("url")
        for name, variable in server.get("variables").items():
            url = url.replace(f"{{{name}}}", variable.text("default"))
        try:
            path = urlsplit(url).path if "://" in url else url
        except ValueError:
            continue
        found.add("/" + path.strip("/") if path.strip("/") else "")
    return found
