"""What a document names is never fetched, circles and endless patterns are told in words, and limits are said as they are."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import anyio
import pytest

from harness.contracts.schema.checks import openapi_problems
from harness.contracts.schema.references import circle, outside
from harness.contracts.stage import SchemaStage
from harness.evidence import StageResult
from tests.contracts.elsewhere import elsewhere
from tests.helpers import answered_by, make_context, run_harness, write_project

FILE = '[system]\nname = "s"\n[services.orders]\nurl = "http://127.0.0.1:1"\nopenapi = "orders.json"\n'


def document(schema: dict[str, Any], version: str = "3.0.3", **more: Any) -> dict[str, Any]:
    content = {"application/json": {"schema": schema}}
    operation = {"responses": {"200": {"description": "all", "content": content}}}
    return {
        "openapi": version,
        "info": {"title": "t", "version": "1"},
        "paths": {"/orders": {"get": operation}},
        **more,
    }


def check(root: Path, content: Any, toml: str = FILE) -> StageResult:
    raw = content if isinstance(content, str) else json.dumps(content)
    made = write_project(root, toml, {"orders.json": raw})

    async def run() -> StageResult:
        with anyio.fail_after(200):
            return await SchemaStage().run(make_context(made, SchemaStage(), []))

    return anyio.run(run)


def schemas(url: str) -> dict[str, dict[str, Any]]:
    """Documents with one reference to somebody else."""
    oneof = {"oneOf": [{"type": "object"}], "default": {"k": "x"}}
    swagger = {"200": {"description": "all", "schema": {"$ref": f"{url}/s"}}}
    return {
        "ref": document({"$ref": f"{url}/s.json#/a"}),
        "ref 3.1": document({"$ref": f"{url}/s.json"}, "3.1.0"),
        "dynamic": document({"$dynamicRef": f"{url}/s"}, "3.1.0"),
        "file": document({"$ref": "file:///etc/passwd"}),
        "network path": document({"$ref": url.removeprefix("http:") + "/s"}),
        "data": document({"$ref": "data:application/json,{}"}),
        "relative": document({"$ref": "other.json#/A"}),
        "base": document({"$id": f"{url}/base/", "properties": {"a": {"$ref": "x.json"}}}, "3.1.0"),
        "path item": document({}) | {"paths": {"/orders": {"$ref": f"{url}/p"}}},
        "response": document({}, components={"responses": {"R": {"$ref": f"{url}/r"}}}),
        "default": document({"default": {"$ref": f"{url}/d"}}),
        "mapping": document({**oneof, "discriminator": {"propertyName": "k", "mapping": {"x": f"{url}/m"}}}),
        "swagger": {
            "swagger": "2.0",
            "info": {"title": "t", "version": "1"},
            "paths": {"/orders": {"get": {"responses": swagger}}},
        },
    }


@pytest.mark.parametrize("where", list(schemas("")))
def test_a_reference_to_elsewhere_is_told_and_never_fetched(tmp_path: Path, where: str) -> None:
    with elsewhere() as other:
        result = check(tmp_path, schemas(other.url)[where])

        assert other.heard == []
    told = [f for f in result.findings if f.rule == "schema.reference_outside"]
    assert len(told) == 1, result.findings
    assert "it was not fetched" in told[0].title
    assert told[0].place.pointer
    assert "root:" not in str(result)


def test_a_payload_of_an_asyncapi_document_is_not_fetched_either(tmp_path: Path) -> None:
    with elsewhere() as other:
        payload = {"$ref": f"{other.url}/p"}
        content = {
            "asyncapi": "3.0.0",
            "info": {"title": "t", "version": "1"},
            "channels": {"a": {"messages": {"m": {"payload": payload}}}},
        }
        result = check(tmp_path, content, FILE.replace("openapi", "asyncapi"))

        assert other.heard == []
    assert "schema.reference_outside" in {f.rule for f in result.findings}


def test_what_only_looks_like_a_reference_is_none() -> None:
    mapped = {"propertyName": "k", "mapping": {"x": "Cat", "y": "#/components/schemas/Cat"}}
    fine = document(
        {
            "$id": "https://a.example/s",
            "properties": {"a": {"$ref": "https://a.example/s#/properties/b"}},
            "discriminator": mapped,
        },
        "3.1.0",
        externalDocs={"url": "https://a.example/docs"},
        components={"schemas": {"S": {"example": {"$ref": "https://a.example/x"}, "enum": [{"$ref": "y"}]}}},
    )

    assert outside(fine) == []


A = "#/components/schemas/A"


@pytest.mark.parametrize(
    "schema", [{"$ref": A}, {"allOf": [{"$ref": A}]}, {"$ref": "#/components/schemas/B"}], ids=["self", "allOf", "two"]
)
def test_a_reference_that_leads_back_to_itself_is_told_in_words(schema: dict[str, Any]) -> None:
    content = document({"$ref": A}, components={"schemas": {"A": schema, "B": {"$ref": A}}})

    [problem] = openapi_problems(content)

    assert "a $ref leads back to itself" in problem.text
    assert A in problem.text
    assert problem.pointer.startswith("/components/schemas/")


def test_a_tree_is_no_circle() -> None:
    tree = {"type": "object", "properties": {"left": {"$ref": A}, "all": {"type": "array", "items": {"$ref": A}}}}
    content = document({"$ref": A}, components={"schemas": {"A": tree}})

    assert circle(content) == []
    assert openapi_problems(content) == []


@pytest.mark.parametrize("command", ["diff", "compare", "usage"])
def test_a_command_on_a_circle_shows_no_recursion_error(tmp_path: Path, command: str) -> None:
    content = document({"$ref": A}, components={"schemas": {"A": {"allOf": [{"$ref": A}], "anyOf": [{"$ref": A}]}}})
    pact = {
        "consumer": {"name": "web"},
        "provider": {"name": "orders"},
        "interactions": [
            {
                "description": "d",
                "request": {"method": "GET", "path": "/orders"},
                "response": {"status": 200, "headers": {"Content-Type": "application/json"}, "body": {"a": [1]}},
            }
        ],
    }
    write_project(tmp_path, FILE, {"a.json": json.dumps(content), "p/p.json": json.dumps(pact)})
    write_project(tmp_path, FILE, {"b.json": json.dumps(document({"type": "object", "required": ["a"]}))})
    arguments = {
        "diff": ("a.json", "b.json"),
        "compare": ("p/p.json", "a.json"),
        "usage": ("--document", "a.json", "--pacts", "p"),
    }[command]

    done = run_harness(command, *arguments, cwd=tmp_path)

    assert "Recursion" not in done.stderr + done.stdout
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "string", "pattern": "^(a+)+$", "default": "a" * 60 + "b"},
        {"type": "object", "patternProperties": {"^(a+)+$": {"type": "string"}}, "default": {"a" * 60 + "b": 1}},
    ],
    ids=["pattern", "patternProperties"],
)
def test_a_pattern_without_an_end_is_named_with_its_place(tmp_path: Path, schema: dict[str, Any]) -> None:
    result = check(tmp_path, document(schema, "3.1.0"), FILE + '[stages.schema]\ncheck_limit = "1s"\n')

    [finding] = result.findings
    assert finding.rule == "schema.unfinished"
    assert "matching the pattern '^(a+)+$' (/paths/" in finding.title


@contextmanager
def answering(status: int, headers: dict[str, str], body: bytes) -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

    with answered_by(Handler) as url:
        yield url


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_document_that_redirects_elsewhere_is_refused_and_nobody_hears_of_it(tmp_path: Path, status: int) -> None:
    with elsewhere() as other, answering(status, {"Location": f"{other.url}/openapi.json"}, b"") as url:
        result = check(tmp_path, "", FILE.replace("orders.json", f"{url}/openapi.json"))

        assert other.heard == []
    assert f"{other.place} was not invited" in result.findings[0].title


def test_a_document_that_inflates_without_end_is_told_with_what_it_was(tmp_path: Path) -> None:
    bomb = gzip.compress(b"x" * 60_000_000)
    with answering(200, {"Content-Encoding": "gzip"}, bomb) as url:
        result = check(tmp_path, "", FILE.replace("orders.json", f"{url}/openapi.json"))

    assert "is too large: the answer is longer than 20 MB, inflated from" in result.findings[0].title


@pytest.mark.parametrize(
    ("text", "said"),
    [("[" * 3000 + "]" * 3000, "is nested too deeply"), ("a: " + "[" * 3000 + "]" * 3000, "is nested too deeply")],
    ids=["json", "yaml"],
)
def test_deep_nesting_is_told_as_what_it_is(tmp_path: Path, text: str, said: str) -> None:
    assert said in check(tmp_path, text).findings[0].title


def test_a_device_is_no_document(tmp_path: Path) -> None:
    write_project(tmp_path, FILE).root.joinpath("zero").symlink_to("/dev/zero")

    result = check(tmp_path, "", FILE.replace("orders.json", "zero"))

    assert "a regular file was expected" in result.findings[0].title
