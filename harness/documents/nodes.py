"""Walking a document: nodes that know their place, `$ref` followed (cycles and missing targets included)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

__all__ = ["Node", "escape", "unescape"]

_MAX_REFS = 50


def escape(token: str) -> str:
    """One reference token of a JSON pointer (RFC 6901, section 3)."""
    return token.replace("~", "~0").replace("/", "~1")


def unescape(token: str) -> str:
    """The key a reference token of a JSON pointer stands for."""
    return token.replace("~1", "/").replace("~0", "~")


@dataclass(frozen=True, slots=True)
class Node:
    """A value in a document.

    Args:
        root: the whole document.
        raw: the value.
        pointer: RFC 6901 pointer to it.
    """

    root: Mapping[str, Any]
    raw: Any
    pointer: str = ""

    def get(self, key: str) -> Node:
        """The value of a key, `$ref` followed; a node holding None when there is none."""
        value = self.raw.get(key) if isinstance(self.raw, Mapping) else None
        return Node(self.root, value, f"{self.pointer}/{escape(key)}").followed()

    def here(self, key: str) -> Node:
        """As `get`, without following a `$ref`."""
        value = self.raw.get(key) if isinstance(self.raw, Mapping) else None
        return Node(self.root, value, f"{self.pointer}/{escape(key)}")

    def items(self) -> Iterator[tuple[str, Node]]:
        """Keys and values of an object, `$ref` followed; nothing for anything else."""
        if isinstance(self.raw, Mapping):
            for key in self.raw:
                yield str(key), self.get(key)

    def values(self) -> Iterator[Node]:
        """Values of an object, `$ref` followed."""
        return (node for _, node in self.items())

    def list(self) -> list[Node]:
        """Items of a list, `$ref` not followed; nothing for anything else."""
        if not isinstance(self.raw, list):
            return []
        return [Node(self.root, item, f"{self.pointer}/{i}") for i, item in enumerate(self.raw)]

    def text(self, key: str) -> str:
        """The value of a key where it is text, else empty."""
        value = self.raw.get(key) if isinstance(self.raw, Mapping) else None
        return value if isinstance(value, str) else ""

    @property
    def exists(self) -> bool:
        """Whether there is a value."""
        return self.raw is not None

    def followed(self) -> Node:
        """The value a `$ref` points at; a node holding None when it points at nothing in this document."""
        node = self
        for _ in range(_MAX_REFS):
            ref = node.raw.get("$ref") if isinstance(node.raw, Mapping) else None
            if not isinstance(ref, str):
                return node
            node = node.target(ref)
        return Node(self.root, None, self.pointer)

    def target(self, ref: str) -> Node:
        """What a local reference points at; references to other files are not followed."""
        if not ref.startswith("#"):
            return Node(self.root, None, self.pointer)
        pointer = unquote(ref[1:])
        value: Any = self.root if pointer[:1] in {"", "/"} else None  # `#name` is an anchor, no pointer
        for token in pointer.split("/")[1:]:
            key = unescape(token)
            if isinstance(value, Mapping) and key in value:
                value = value[key]
            elif isinstance(value, list) and key.isdigit() and int(key) < len(value):
                value = value[int(key)]
            else:
                return Node(self.root, None, pointer)
        return Node(self.root, value, pointer)
