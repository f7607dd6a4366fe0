"""What a document and a configuration show as credentials, told to the masking: Schemathesis sends it as it stands there."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from harness.evidence.credentials import Said, credentials, remember_said
from harness.evidence.secrets import remember_names

__all__ = ["remember_examples", "remember_settings"]

_SHOWN = ("example", "examples", "x-example", "x-examples", "default", "const")


def remember_examples(nodes: Iterable[Mapping[Any, Any]]) -> None:
    """Remember the credentials that a document has as examples, and the names its security schemes send theirs under.

    Args:
        nodes: every object of the document.
    """
    found = list(nodes)
    # A security scheme's header (OpenAPI 3.1, 4.8.27) is a credential and nothing else; a parameter `key` may be anything.
    schemes = (n for n in found if n.get("type") == "apiKey" and n.get("in") == "header")
    remember_names(n["name"] for n in schemes if isinstance(n.get("name"), str))
    remember_said(said for node in found for said in _shown(node))


def _shown(node: Mapping[Any, Any]) -> Iterator[Said]:
    find = credentials()
    for value in _examples(node):
        yield from find.of_json(value)
    if isinstance(node.get("name"), str) and "in" in node:
        for value in (*_examples(node), *_examples(node.get("schema"))):
            header = ("Cookie", f"{node['name']}={value}") if node["in"] == "cookie" else (node["name"], str(value))
            yield from find.of_headers([header])
    properties = node.get("properties")
    for name, described in properties.items() if isinstance(properties, Mapping) else ():
        for value in _examples(described):
            yield from find.of_json({name: value})


def _examples(described: object) -> Iterator[object]:
    """What a parameter, a schema or a body shows, by itself or under names of examples."""
    if not isinstance(described, Mapping):
        return
    for key in _SHOWN:
        value = described.get(key)
        if key.endswith("s") and isinstance(value, Mapping):
            yield from (inner.get("value") if isinstance(inner, Mapping) else inner for inner in value.values())
        elif key.endswith("s") and isinstance(value, list):
            yield from value
        elif value is not None:
            yield value


def remember_settings(parsed: object) -> None:
    """Remember the credentials in a configuration, such as headers that are sent with everything."""
    remember_said(credentials().of_json(parsed))
