"""Which statuses a document declares, and what is known without one."""

from __future__ import annotations

from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.chaos.explore.declared import Declared, Documents
from tests.helpers import answered_by, write_project


def document(**responses: Any) -> Declared:
    return Declared.by(
        {
            "paths": {
                "/orders/{id}": {"get": {"responses": {"200": {}, "5XX": {}}}, "parameters": []},
                "/orders/mine": {"get": {"responses": responses or {"200": {}}}},
                "/a.b": {"post": {"responses": {"201": {}}}},
            }
        }
    )


@pytest.mark.parametrize(
    ("method", "path", "status", "expected"),
    [
        ("GET", "/orders/7", 200, True),
        ("GET", "/orders/7", 503, True),
        ("GET", "/orders/7", 404, False),
        ("GET", "/orders/mine", 503, False),
        ("GET", "/orders/7/items", 200, None),
        ("POST", "/orders/7", 200, None),
        ("POST", "/aXb", 201, None),
        ("POST", "/a.b", 201, True),
    ],
)
def test_what_is_declared(method: str, path: str, status: int, expected: bool | None) -> None:
    assert document().allows(method, path, status) is expected


@pytest.mark.parametrize("written", ["default", "DEFAULT", "4xx", "4XX", "404"])
def test_ranges_and_defaults_count(written: str) -> None:
    assert document(**{written: {}}).allows("GET", "/orders/mine", 404) is True


_WRONG = st.sampled_from([None, 1, "text", [], {}, {"responses": []}, {"get": None}, {"get": {"responses": 7}}])


@given(st.dictionaries(st.sampled_from(["paths", "/a", "/{b", ""]), _WRONG, max_size=3), _WRONG)
def test_whatever_is_not_of_its_shape_counts_as_not_there(paths: dict[str, Any], other: Any) -> None:
    for document in ({"paths": paths}, {"paths": other}, paths):
        assert Declared.by(document).allows("GET", "/a", 200) is None


def test_without_a_document_nothing_is_known() -> None:
    assert Declared().allows("GET", "/", 500) is None


@pytest.mark.parametrize(
    ("one", "other"), [("/orders/7", "/orders/x-8"), ("/a.b", "/a.b"), ("/unknown/1", "/unknown/2"), ("/", "/")]
)
def test_an_operation_has_one_name_whatever_its_parameters(one: str, other: str) -> None:
    assert document().operation("GET", one) == document().operation("GET", other)


@pytest.mark.parametrize("other", ["/orders/mine", "/orders", "/orders/7/items", "/unknown/7"])
def test_operations_have_names_of_their_own(other: str) -> None:
    assert document().operation("GET", other) != document().operation("GET", "/orders/7")
    assert document().operation("POST", "/orders/7") != document().operation("GET", "/orders/7")


TOML = """
[system]
name = "declaring"
[services.behind]
url = "{url}"
openapi = "/openapi.yaml"
auth = {{ value = "Bearer right" }}
[services.file]
url = "{url}"
openapi = "openapi.yaml"
[services.none]
url = "{url}"
[services.web]
url = "{url}"
openapi = "/page"
"""
#: Behind a base path, with statuses written as numbers.
YAML = """
openapi: 3.0.3
info: {title: x, version: "1"}
servers: [{url: /api/v1}]
paths:
  /orders/{id}:
    get:
      responses:
        200: {description: one}
        503: {description: later}
"""


class _Serving(BaseHTTPRequestHandler):
    """The document lies behind a redirect and a credential."""

    def do_GET(self) -> None:
        status, body, location = 200, YAML, ""
        if self.path == "/openapi.yaml":
            status, location = 307, "/docs/openapi.yaml"
        elif self.path == "/page":
            body = "<html>"
        elif self.headers.get("Authorization") != "Bearer right":
            status = 401
        self.send_response(status)
        self.send_header("Location", location)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body.encode())


@pytest.fixture
def documents(tmp_path: Path) -> Iterator[Documents]:
    with answered_by(_Serving) as url:
        made = write_project(tmp_path, TOML.format(url=url), {"openapi.yaml": YAML})
        found = Documents(made.system, made.root)
        anyio.run(found.read, dict.fromkeys(made.system.services, url))
        yield found


@pytest.mark.parametrize("service", ["behind", "file"])
@pytest.mark.parametrize("path", ["/api/v1/orders/7", "/orders/7", "/orders/7/"])
def test_documents_are_had_wherever_they_are(documents: Documents, service: str, path: str) -> None:
    assert [documents.of(service).allows("GET", path, status) for status in (200, 503, 404)] == [True, True, False]


def test_a_document_that_cannot_be_read_is_known_with_the_reason(documents: Documents) -> None:
    assert list(documents.unread) == ["web"]
    assert "<html>" in documents.unread["web"]
    assert documents.of("web").allows("GET", "/orders/7", 404) is None
    assert documents.of("none").allows("GET", "/orders/7", 404) is None
