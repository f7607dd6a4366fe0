"""Has a service's OpenAPI document before anybody else reads it: fetched within limits, its references followed only at home.

Schemathesis is handed files of ours. What a document refers to elsewhere (another host, a file outside the project) is never
fetched, by us or by it: such a document is not used, and the finding names the reference.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urldefrag, urljoin, urlsplit
from urllib.request import url2pathname

from harness.fuzz.examples import remember_examples
from harness.guard import LeadsAwayError, Limits, address, parse_json, same_origin, without_credentials
from harness.guard.fetch import FetchError, fetch
from harness.guard.limits import shape
from harness.system.model import Service

__all__ = ["Document", "load_document"]

_METHODS = frozenset({"get", "put", "post", "delete", "options", "head", "patch", "trace"})
#: A larger document keeps Schemathesis busy for longer than a stage may take.
_LARGEST_B = 10_000_000
_FETCH_LIMIT_S = 20.0
_LIMITS = Limits(depth=400, values=1_000_000)
_MOST_PARTS = 50
#: Names whose text leads somewhere: JSON Schema's, and those of OpenAPI's links and examples.
_LEADS = ("$ref", "$dynamicRef", "$recursiveRef", "operationRef", "externalValue")
#: Nesting of YAML that takes no brackets and no lines: `- - - -`.
_STAIRS = re.compile(r"(?:[-?][ \t]+){200}")


class _ProblemError(Exception):
    """The document cannot be used; the text says why, after "its OpenAPI document"."""


@dataclass(frozen=True, slots=True)
class Document:
    """A service's OpenAPI document.

    Args:
        location: where it is from: a URL or a file.
        operations: `GET /orders/{order_id}` and so on, as declared.
        text: the document as Schemathesis is given it.
        problem: why it cannot be used; empty when it can.
        file: what Schemathesis is given.
    """

    location: str
    operations: tuple[str, ...] = ()
    text: str = field(default="", repr=False)
    problem: str = ""
    file: str = ""

    def patterns(self, operation: str) -> tuple[str, ...]:
        """The regular expressions that an operation's part of the document, and what that refers to, holds."""
        parsed = _parse(self.text, yaml=True)
        method, _, path = operation.partition(" ")
        item = (parsed.get("paths") or {}).get(path)
        if not isinstance(item, dict):
            return ()
        parts = [item.get("parameters"), *(part for key, part in item.items() if str(key).upper() == method)]
        return tuple(dict.fromkeys(_patterns_below(parsed, parts)))


def load_document(
    service: Service,
    base_url: str,
    root: Path,
    directory: Path,
    credentials: Callable[[], Mapping[str, str]] | None = None,
) -> Document:
    """Read a service's document, and what it refers to, into `directory`; never raises for what is wrong with it. Blocks.

    Args:
        credentials: headers that let a caller in, asked for when the document is not given without, and only at the service.
    """
    location = service.openapi
    try:
        if "//" not in location and not location.startswith("/"):
            location = (root / location).resolve().as_uri()
        elif "//" not in location:
            location = address(base_url, location)
        reader = _Reader(location, root.resolve(), directory, credentials if same_origin(location, base_url) else None)
        return reader.document()
    except (_ProblemError, LeadsAwayError) as error:
        return Document(_shown(location), problem=str(error))


class _Reader:
    """Reads one document with its parts."""

    def __init__(
        self, location: str, root: Path, directory: Path, credentials: Callable[[], Mapping[str, str]] | None
    ) -> None:
        self._location, self._root, self._directory, self._credentials = location, root, directory, credentials
        self._parts: dict[str, Path] = {location: directory / "openapi.json"}
        self._left_b = _LARGEST_B

    def document(self) -> Document:
        """Read it all.

        Raises:
            _ProblemError: when it cannot be used.
        """
        body = self._bytes(self._location)
        parsed = _parse(body.decode(errors="replace"), yaml=not self._location.endswith(".json"))
        if not isinstance(parsed, dict) or not ("openapi" in parsed or "swagger" in parsed):
            raise _ProblemError('is no OpenAPI document: there is no "openapi" version in it')
        operations = tuple(_operations(parsed.get("paths")))
        if not operations:
            raise _ProblemError("declares no operation")
        _check_circles(parsed)
        remember_examples(node for node, _ in _nodes(parsed))
        if self._bring_home(parsed, self._location):
            body = json.dumps(parsed, default=str).encode()
        self._directory.mkdir(parents=True, exist_ok=True)
        file = self._directory / ("openapi.json" if body[:64].lstrip()[:1] == b"{" else "openapi.yaml")
        file.write_bytes(body)
        text = body.decode(errors="replace")
        return Document(_shown(self._location), operations, text, file=str(file))

    def _bytes(self, location: str) -> bytes:
        if location.startswith("file:"):
            body = self._file(location)
        else:
            try:
                answer = fetch(location, limit_s=_FETCH_LIMIT_S, max_bytes=self._left_b, credentials=self._credentials)
            except FetchError as error:
                raise _ProblemError(f"{self._part(location)}{error}") from None
            if answer.status != 200:
                raise _ProblemError(f"cannot be had: GET {_shown(location)} was answered {answer.status}")
            body = answer.body
        self._left_b -= len(body)
        return body

    def _file(self, location: str) -> bytes:
        path = Path(url2pathname(urlsplit(location).path))
        try:
            if not path.is_file():
                raise _ProblemError(f"{self._part(location)}cannot be read: {path} is no file")
            with path.open("rb") as file:
                body = file.read(self._left_b + 1)
        except OSError as error:
            raise _ProblemError(f"{self._part(location)}cannot be read: {error.strerror}") from None
        if len(body) > self._left_b:
            raise _ProblemError(f"is too large: it is longer than {_LARGEST_B / 1e6:g} MB")
        return body

    def _part(self, location: str) -> str:
        return "" if location == self._location else f"refers to {_shown(location)}, which "

    def _bring_home(self, document: Any, location: str) -> bool:
        """Make references to other documents ones to files of ours; whether there were any."""
        references = list(_references(document, location))
        own = {urldefrag(base)[0] for _, base in _nodes(document, location)}
        changed = False
        for node, key, text, base in references:
            target, fragment = urldefrag(_joined(base, text))
            if target == location and not text.startswith("#"):
                node[key], changed = f"#{fragment}", True
            elif not target.startswith("urn:") and (
                target not in own or (target.startswith("file:") and target != location)
            ):
                node[key], changed = f"{self._bring(target, text).as_uri()}#{fragment}", True
        return changed

    def _bring(self, target: str, text: str) -> Path:
        if target not in self._parts:
            self._check_at_home(target, text)
            if len(self._parts) > _MOST_PARTS:
                raise _ProblemError(f"refers to more than {_MOST_PARTS} other documents")
            file = self._parts[target] = self._directory / f"openapi-part-{len(self._parts)}.json"
            part = _parse(self._bytes(target).decode(errors="replace"), yaml=not target.endswith(".json"))
            remember_examples(node for node, _ in _nodes(part))
            self._bring_home(part, target)
            self._directory.mkdir(parents=True, exist_ok=True)
            file.write_text(json.dumps(part, default=str), encoding="utf-8")
        return self._parts[target]

    def _check_at_home(self, target: str, text: str) -> None:
        if self._location.startswith("file:"):
            place = Path(url2pathname(unquote(urlsplit(target).path))).resolve()
            at_home = target.startswith("file:///") and place.is_relative_to(self._root)
            home = "the project's folder"
        else:
            at_home, home = same_origin(target, self._location), without_credentials(urljoin(self._location, "/"))
        if not at_home:
            raise _ProblemError(f"refers to {text[:200]!r}, which is outside of {home}: it is not fetched")


def _shown(location: str) -> str:
    return url2pathname(urlsplit(location).path) if location.startswith("file:") else without_credentials(location)


def _joined(base: str, text: str) -> str:
    try:
        return urljoin(base, text.strip())
    except ValueError:
        raise _ProblemError(f"refers to {text[:200]!r}, which is no address") from None


def _parse(text: str, *, yaml: bool) -> Any:
    try:
        return parse_json(text, _LIMITS)
    except ValueError as error:
        if str(error).startswith("JSON that"):
            raise _ProblemError(f"is {error}") from None
    neither = f"is neither JSON nor YAML; it begins with {text[:60]!r}"
    if not yaml or text.lstrip().startswith("<"):
        raise _ProblemError(neither)
    if _STAIRS.search(text) or shape(text.encode("utf-8", "replace"), _LIMITS)[0] > _LIMITS.depth:
        raise _ProblemError(f"is YAML that nests deeper than {_LIMITS.depth}")
    import yaml as parser

    try:
        return parser.load(text, getattr(parser, "CSafeLoader", parser.SafeLoader))
    except RecursionError:
        raise _ProblemError("is YAML that nests too deep") from None
    except (parser.YAMLError, ValueError):
        raise _ProblemError(neither) from None


def _nodes(document: Any, base: str = "") -> Iterator[tuple[dict[Any, Any], str]]:
    """Every object, each once, with the base that references in it are relative to (`$id`, JSON Schema 8.2.1)."""
    seen: set[int] = set()
    waiting: list[tuple[Any, str]] = [(document, base)]
    while waiting:
        node, base = waiting.pop()
        if not isinstance(node, dict | list) or id(node) in seen:
            continue
        seen.add(id(node))
        if isinstance(node, dict):
            if isinstance(node.get("$id"), str):
                base = _joined(base, node["$id"])
            yield node, base
        waiting.extend((inner, base) for inner in (node.values() if isinstance(node, dict) else node))


def _references(document: Any, location: str) -> Iterator[tuple[dict[Any, Any], str, str, str]]:
    """All that leads somewhere: the object, the key, its text, and the base it is relative to, without a fragment."""
    for node, whole in _nodes(document, location):
        base = urldefrag(whole)[0]
        for key in _LEADS:
            if isinstance(node.get(key), str):
                yield node, key, node[key], base
        told = node.get("discriminator")
        mapping = told.get("mapping") if isinstance(told, dict) else None
        if not isinstance(mapping, dict):
            continue
        for key, text in mapping.items():
            # A mapping may name a schema instead of leading to it (OpenAPI 3.1, 4.8.25).
            if isinstance(text, str) and ("/" in text or ":" in text):
                yield mapping, key, text, base


def _check_circles(document: dict[str, Any]) -> None:
    """References that lead to references, and back: nobody can follow them."""
    for start, _ in _nodes(document):
        seen: list[str] = []
        node: Any = start
        while isinstance(node, dict) and isinstance(text := node.get("$ref"), str) and text.startswith("#/"):
            if text in seen:
                raise _ProblemError(
                    f"has references that only lead back to themselves: {' -> '.join((*seen[:5], text))}"
                )
            seen.append(text)
            node = _at(document, text[2:])


def _at(document: Any, pointer: str) -> Any:
    for word in pointer.split("/"):
        name = unquote(word).replace("~1", "/").replace("~0", "~")
        if not isinstance(document, dict):
            return None
        document = document.get(name)
    return document


def _operations(paths: object) -> Iterable[str]:
    for path, item in paths.items() if isinstance(paths, dict) else ():
        for method in item if isinstance(item, dict) else ():
            if str(method).lower() in _METHODS:
                yield f"{str(method).upper()} {path}"


def _patterns_below(document: dict[str, Any], parts: list[Any]) -> Iterator[str]:
    followed: set[str] = set()
    while parts:
        for node, _ in _nodes(parts.pop()):
            if isinstance(node.get("pattern"), str):
                yield node["pattern"]
            text = node.get("$ref")
            if isinstance(text, str) and text.startswith("#/") and text not in followed:
                followed.add(text)
                parts.append(_at(document, text[2:]))
