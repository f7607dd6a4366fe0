"""Which operations of a document a request can go to; parameters are told from text, their schemas are not looked at."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote

from harness.documents.nodes import Node

__all__ = ["Operation", "Route", "Routes"]

_METHODS = ("get", "put", "post", "delete", "options", "head", "patch", "trace")
#: Headers OpenAPI 3 says are not described as parameters; where they are, that "shall be ignored". Swagger 2 describes them.
_IGNORED = frozenset({"accept", "content-type", "authorization"})
_SCHEME_AND_HOST = re.compile(r"[^:/{}]*(\{[^{}]*\})?[^:/{}]*://[^/]*")
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
        self._root, self._ignoring = root, not strict_base
        self._options = _options(root)
        base = str(self._options.get("base-path") or "").rstrip("/")
        everywhere = {re.escape(base)} if base else _bases(root)
        bare = set() if base or (strict_base and everywhere) else {""}
        bases: dict[str, set[tuple[str, str]]] = {}
        self._tree = _Segment()
        self._items: dict[str, Node] = {}
        for path, item in root.get("paths").items():
            self._items[path] = item
            names = tuple(_PLACEHOLDER.findall(path))
            leaf = self._place(path).leaf
            for method in _METHODS:
                if isinstance(item.raw, Mapping) and isinstance(item.raw.get(method), Mapping):
                    leaf.setdefault(method.upper(), (path, names))
                    for place in bare | (_bases(item.here(method)) or _bases(item) or everywhere):
                        bases.setdefault(place, set()).add((method.upper(), path))
        case = re.IGNORECASE if self._options.get("case-insensitive") else re.NOFLAG
        longest_first = sorted(bases, key=lambda b: (-len(b), b))
        self._bases = [(re.compile(rf"{b}(?=/|$)", case), bases[b]) for b in longest_first]

    def find(self, method: str, path: str) -> Iterator[Route]:
        """Every operation the request can go to, the most specific path first."""
        clean = path if path.startswith("/") else f"/{path}"
        if self._options.get("ignore-duplicate-slashes"):
            clean = re.sub("/{2,}", "/", clean)
        for base, served in self._bases:
            begun = base.match(clean)
            if begun is None:
                continue
            for leaf, values in _walk(self._tree, self._segments(clean[begun.end() :] or "/"), 0):
                template, names = leaf.leaf.get(method, ("", ()))
                if (method, template) in served:
                    yield Route(self._operation(method, template), dict(zip(names, values, strict=False)))

    def methods(self, path: str) -> list[str]:
        """Methods there are for a path."""
        return [m.upper() for m in _METHODS if any(True for _ in self.find(m.upper(), path))]

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
        node, ignored = item.here(method.lower()), _IGNORED if self._ignoring else frozenset[str]()
        found: dict[tuple[str, str], Node] = {}
        for holder in (node, item):
            for listed in holder.get("parameters").list():
                parameter = listed.followed()
                if parameter.text("in") != "header" or parameter.text("name").lower() not in ignored:
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
    """Paths of the servers as regular expressions, without a slash at the end."""
    found = set()
    for server in holder.here("servers").list():
        url, variables = server.text("url"), dict(server.get("variables").items())
        for name, variable in variables.items():  # `{server}/v1`
            if "://" in variable.text("default"):
                url = url.replace(f"{{{name}}}", variable.text("default"))
        path = _SCHEME_AND_HOST.sub("", url, count=1).split("?", 1)[0].split("#", 1)[0].strip("/")
        parts = _PLACEHOLDER.split(path)  # text and names in turn
        said = [_values(variables.get(p)) if at % 2 else re.escape(p) for at, p in enumerate(parts)]
        found.add(f"/{''.join(said)}" if path else "")
    return found


def _values(variable: Node | None) -> str:
    """What can stand for a variable of a server: its values where they are listed, else its default or any segment."""
    default = variable.text("default").strip("/") if variable is not None else ""
    listed = [n.raw for n in variable.here("enum").list() if isinstance(n.raw, str)] if variable is not None else []
    known = sorted({re.escape(v.strip("/")) for v in (*listed, default)}, key=len, reverse=True)
    return f"(?:{'|'.join(known if listed else [*known, '[^/]+'])})"
