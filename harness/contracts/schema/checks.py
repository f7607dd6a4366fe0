"""Is one document valid? OpenAPI through openapi-spec-validator; AsyncAPI by its structure and its payloads' schemas."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from harness.contracts.compat import Change, compare_asyncapi, compare_openapi
from harness.contracts.compat.asyncapi import messages
from harness.contracts.schema.patience import within
from harness.contracts.schema.references import NOWHERE, OutsideError, circle, outside
from harness.documents.nodes import Node
from harness.documents.reading import DocumentError, DocumentKind, in_version_3, parse

__all__ = ["Examined", "Problem", "examine", "openapi_problems", "problems_of_asyncapi"]

_MAX_PROBLEMS = 20


@dataclass(frozen=True, slots=True)
class Problem:
    """Something that makes a document invalid.

    Args:
        pointer: RFC 6901 pointer to it.
    """

    pointer: str
    text: str


@dataclass(frozen=True, slots=True)
class Examined:
    """What was found out about one document.

    Args:
        problems: why it is not valid, at most 20.
        outside: references to other documents, which were not followed, at most 20: pointer, and what stands there.
        baseline_problem: why the baseline cannot be read; empty when it can, or there is none.
        operations: how many operations or messages it has (with those of the baseline, when there is one).
        compared: whether there was a baseline to compare with.
    """

    problems: tuple[Problem, ...]
    changes: tuple[Change, ...] = ()
    baseline_problem: str = ""
    operations: int = 0
    compared: bool = False
    outside: tuple[Problem, ...] = ()


def examine(raw: bytes, kind: DocumentKind, baseline: Path, limit_s: float = 60.0) -> Examined:
    """Check a document and compare it with its baseline; meant for a worker process, as it can take a while.

    Args:
        limit_s: the most processor time it may take, in seconds, where it runs in a process's main thread.

    Raises:
        DocumentError: when it cannot be read at all, or its time is over.
    """
    import openapi_spec_validator  # noqa: F401 - takes a second, which is not the document's

    written: dict[str, Any] = {}
    with within(limit_s, written):
        written.update(parse(raw, kind))
        examined = _examined(written, kind, baseline)
    leading = [Problem(pointer, reference) for pointer, reference in outside(written)]
    return replace(examined, outside=tuple(leading[:_MAX_PROBLEMS]))


def _examined(written: Mapping[str, Any], kind: DocumentKind, baseline: Path) -> Examined:
    openapi = kind is DocumentKind.OPENAPI
    problems = tuple(openapi_problems(written) if openapi else problems_of_asyncapi(written))
    content = in_version_3(written)
    compare = compare_openapi if openapi else compare_asyncapi
    if not baseline.is_file():
        return Examined(problems, operations=compare(content, content).operations)
    try:
        old = in_version_3(parse(baseline.read_bytes(), kind))
    except (DocumentError, OSError) as error:
        return Examined(problems, baseline_problem=str(error), operations=compare(content, content).operations)
    if not any(old.get(part) for part in ("paths", "webhooks", "channels", "operations")):
        # Compared with nothing, everything is an addition, and no break would ever be seen.
        problem = "describes no operation and no message, so nothing can be compared with it"
        return Examined(problems, baseline_problem=problem, operations=compare(content, content).operations)
    comparison = compare(old, content)
    return Examined(problems, comparison.changes, operations=comparison.operations, compared=True)


def openapi_problems(content: Mapping[str, Any]) -> list[Problem]:
    """What openapi-spec-validator says of a document in OpenAPI 3 or Swagger 2.0, worst first as it comes."""
    found: list[Problem] = []
    kind = _validator(content)
    # References to elsewhere are told by `examine`; the validator would fetch them, from whoever they name.
    local = type(kind.__name__, (kind,), {"resolver_handlers": NOWHERE})
    try:
        for error in local(content).iter_errors():
            found.extend(_causes(error))
            if len(found) >= _MAX_PROBLEMS:
                break
    except RecursionError:
        found.append(_in_circles(content))
    except OutsideError as error:
        if not outside(content):  # it stands where a reference means nothing, in an example say
            found.append(Problem("", f"{str(error)[:300]} would have to be fetched to check it, which is not done"))
    except Exception as error:  # the validator falls over on references to nowhere and on wrong types
        if not outside(content):
            found.append(Problem("", f"{type(error).__name__}: {str(error)[:300]}"))
    return found


def _in_circles(content: Mapping[str, Any]) -> Problem:
    round_about = circle(content)
    if round_about:
        return Problem(
            unquote(round_about[0].removeprefix("#")),
            f"a $ref leads back to itself and says nothing: {' -> '.join(round_about[:10])}",
        )
    return Problem("", "it nests too deeply, or a $ref in it leads back to itself, so that it cannot be checked")


def _validator(content: Mapping[str, Any]) -> Any:
    from openapi_spec_validator import OpenAPIV2SpecValidator, OpenAPIV30SpecValidator, OpenAPIV31SpecValidator

    if "openapi" not in content:
        return OpenAPIV2SpecValidator
    return OpenAPIV31SpecValidator if str(content["openapi"]).startswith("3.1") else OpenAPIV30SpecValidator


def _causes(error: Any) -> Iterator[Problem]:
    """What is wrong, said of the branch that was meant where the validator only says that none fits."""
    path = tuple(error.absolute_path)
    text = str(error.message).partition("\n\nFailed validating")[0]
    for leaf in _branches(error, path):
        path, text = (*path, *leaf.absolute_path), str(leaf.message)
    yield Problem("".join(f"/{_token(p)}" for p in path), text[:500])


def _branches(error: Any, path: tuple[object, ...]) -> Iterator[Any]:
    """The deepest mistake below a `oneOf` that nothing fits; the validator itself keeps no more than that none does."""
    from jsonschema.exceptions import best_match
    from jsonschema.validators import validator_for

    where = tuple(getattr(error, "absolute_schema_path", None) or ())
    if not where or where[-1] not in {"oneOf", "anyOf"} or not isinstance(error.schema, Mapping):
        return
    branches, instance = _at(error.schema, where), _at(error.instance, path)
    if not isinstance(branches, list):
        return  # a schema inside the document: its own place is said already
    if isinstance(instance, Mapping) and "$ref" not in instance:
        branches = [b for b in branches if not str(b.get("$ref", "")).endswith("Reference")]
    validator = validator_for(error.schema)(error.schema).evolve(schema={"anyOf": branches})
    leaf = best_match(validator.iter_errors(instance))
    if leaf is not None:
        yield leaf


def _at(value: Any, path: tuple[Any, ...]) -> Any:
    for step in path:
        if isinstance(value, Mapping):
            value = value.get(step, value.get(str(step)))  # a status may be written as a number
        else:
            value = value[step] if isinstance(value, list) and isinstance(step, int) else None
    return value


def _token(part: object) -> str:
    return str(part).replace("~", "~0").replace("/", "~1")


def problems_of_asyncapi(content: Mapping[str, Any]) -> list[Problem]:
    """Structure, references, and the schemas of payloads and headers."""
    found: list[Problem] = []
    for problem in _asyncapi(content):
        found.append(problem)
        if len(found) >= _MAX_PROBLEMS:
            break
    return found


def _asyncapi(content: Mapping[str, Any]) -> Iterator[Problem]:
    root = Node(content, content)
    info = root.get("info")
    for key in ("title", "version"):
        if not info.text(key):
            yield Problem("/info", f"info.{key} is missing or not text")
    for key in ("channels", "operations", "components"):
        value = root.here(key)
        if value.exists and not isinstance(value.raw, Mapping):
            yield Problem(f"/{key}", f"{key} is a {type(value.raw).__name__}, an object was expected")
    if str(content["asyncapi"]).startswith("2") and not isinstance(content.get("channels"), Mapping):
        yield Problem("", "channels is missing")
    yield from _references(root)
    yield from _operations(root)
    yield from _payloads(content)


def _references(root: Node) -> Iterator[Problem]:
    """Every local `$ref` points at something."""
    todo = [root]
    while todo:
        node = todo.pop()
        if isinstance(node.raw, Mapping):
            ref = node.raw.get("$ref")
            if isinstance(ref, str) and ref.startswith("#") and not node.target(ref).exists:
                yield Problem(node.pointer, f"$ref {ref!r} points at nothing")
            todo += [node.here(key) for key in node.raw]
        elif isinstance(node.raw, list):
            todo += node.list()


def _operations(root: Node) -> Iterator[Problem]:
    """AsyncAPI 3: every operation says what it does, on a channel, with messages of that channel."""
    if root.text("asyncapi").startswith("2"):
        return
    for name, operation in root.get("operations").items():
        at = f"/operations/{_token(name)}"
        if operation.text("action") not in {"send", "receive"}:
            yield Problem(at, f"action is {operation.raw.get('action')!r}; send or receive was expected")
        channel = operation.get("channel")
        if not isinstance(channel.raw, Mapping):
            yield Problem(at, "channel is missing")
            continue
        own = [node.pointer for node in channel.get("messages").values()]
        for message in operation.here("messages").list():
            if message.followed().exists and message.followed().pointer not in own:
                yield Problem(at, f"a message of it is none of the messages of its channel {channel.pointer}")


def _payloads(content: Mapping[str, Any]) -> Iterator[Problem]:
    from jsonschema import Draft7Validator, SchemaError

    for message in messages(content):
        for schema in (message.payload(), message.node.here("headers")):
            if not isinstance(schema.raw, Mapping):
                continue
            other = isinstance(message.node.raw.get("payload"), Mapping) and message.node.raw["payload"].get(
                "schemaFormat"
            )
            if other and "json" not in str(other):
                continue  # Avro, Protobuf: not JSON Schema
            try:
                Draft7Validator.check_schema(schema.raw)
            except SchemaError as error:
                path = "".join(f"/{_token(p)}" for p in error.absolute_path)
                yield Problem(schema.pointer + path, f"not a JSON Schema: {error.message[:300]}")
