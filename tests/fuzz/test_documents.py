"""Where documents come from, and where they must not lead: a listener on another address hears nothing."""

from __future__ import annotations

import gzip
import json
import threading
from collections.abc import Callable, Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from harness.errors import UsageError
from harness.fuzz.configuration import check_configuration
from harness.fuzz.documents import Document, load_document
from harness.system.model import RuntimeSettings, Service

SECRET = {"Authorization": "Bearer sesame"}
CIRCLE = {"A": {"$ref": "#/components/schemas/B"}, "B": {"$ref": "#/components/schemas/A"}}
PATHS: dict[str, Any] = {"/a": {"get": {"responses": {"200": {"description": "x"}}}}}


class Server:
    """Serves what it is told, and remembers what it was asked."""

    def __init__(self, host: str) -> None:
        self.pages: dict[str, tuple[int, dict[str, str], bytes]] = {}
        self.heard: list[tuple[str, str]] = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                outer.heard.append((self.path, self.headers.get("Authorization", "")))
                status, headers, body = outer.pages.get(self.path, (404, {}, b""))
                if "locked" in headers and not self.headers.get("Authorization"):
                    status, body = 401, b""
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                return

        self._server = ThreadingHTTPServer((host, 0), Handler)
        self.url = f"http://{host}:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def home() -> Iterator[Server]:
    server = Server("127.0.0.1")
    yield server
    server.close()


@pytest.fixture
def elsewhere() -> Iterator[Server]:
    server = Server("127.0.0.9")
    yield server
    server.close()


def document(**more: Any) -> bytes:
    return json.dumps({"openapi": "3.1.0", "info": {"title": "a", "version": "1"}, "paths": PATHS, **more}).encode()


def load(
    home: Server, root: Path, openapi: str = "/openapi.json", credentials: Callable[[], Mapping[str, str]] | None = None
) -> Document:
    service = Service(name="a", openapi=openapi)
    return load_document(service, home.url, root, root / "out", credentials or (lambda: SECRET))


def given(text: str) -> dict[str, Any]:
    return {"components": {"schemas": {"A": {"$ref": text}}}}


def test_credentials_are_shown_only_when_the_service_asks_for_them(home: Server, tmp_path: Path) -> None:
    home.pages["/openapi.json"] = (200, {}, document())
    assert not load(home, tmp_path).problem
    home.pages["/openapi.json"] = (200, {"locked": "yes"}, document())
    assert not load(home, tmp_path).problem
    assert [auth for _, auth in home.heard] == ["", "", SECRET["Authorization"]]


def test_a_document_at_another_origin_gets_no_credentials(home: Server, elsewhere: Server, tmp_path: Path) -> None:
    elsewhere.pages["/openapi.json"] = (200, {"locked": "yes"}, document())
    assert "401" in load(home, tmp_path, f"{elsewhere.url}/openapi.json").problem
    assert elsewhere.heard == [("/openapi.json", "")]


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_to_another_host_is_not_followed(
    home: Server, elsewhere: Server, tmp_path: Path, status: int
) -> None:
    home.pages["/openapi.json"] = (status, {"Location": f"{elsewhere.url}/openapi.json"}, b"")
    assert "not invited" in load(home, tmp_path).problem
    assert not elsewhere.heard


def test_a_proxy_of_the_environment_is_not_asked(
    home: Server, elsewhere: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy"):
        monkeypatch.setenv(name, elsewhere.url)
    monkeypatch.setenv("no_proxy", "")
    home.pages["/openapi.json"] = (200, {}, document())
    assert not load(home, tmp_path).problem
    assert not elsewhere.heard


@pytest.mark.parametrize(
    "build",
    [
        lambda there: given(f"{there}/x.json#/A"),
        lambda there: given(f"{there.removeprefix('http:')}/x.json"),
        lambda there: given(f"\t{there}/x.json"),
        lambda _: given("file:///etc/passwd"),
        lambda _: given("https://example.com/x.json"),
        lambda there: {"components": {"schemas": {"A": {"$id": f"{there}/", "allOf": [{"$ref": "x.json"}]}}}},
        lambda there: {"components": {"schemas": {"A": {"discriminator": {"mapping": {"x": f"{there}/x.json"}}}}}},
        lambda there: {"components": {"links": {"A": {"operationRef": f"{there}/x.json#/paths/~1a/get"}}}},
        lambda there: {"components": {"examples": {"A": {"externalValue": f"{there}/x.json"}}}},
        lambda there: {"components": {"schemas": {"A": {"$dynamicRef": f"{there}/x.json#A"}}}},
    ],
)
def test_what_leads_somewhere_else_is_not_fetched_and_is_named(
    home: Server, elsewhere: Server, tmp_path: Path, build: Callable[[str], dict[str, Any]]
) -> None:
    home.pages["/openapi.json"] = (200, {}, document(**build(elsewhere.url)))
    problem = load(home, tmp_path).problem
    assert "is outside of" in problem
    assert "x.json" in problem or "/etc/passwd" in problem
    assert not elsewhere.heard


def test_parts_at_home_are_fetched_into_files_of_ours_and_still_fit(home: Server, tmp_path: Path) -> None:
    home.pages["/v1/openapi.json"] = (200, {}, document(**given("parts/one.json#/A")))
    home.pages["/v1/parts/one.json"] = (200, {}, json.dumps({"A": {"$ref": "../two.yaml#/B"}}).encode())
    home.pages["/v1/two.yaml"] = (200, {}, b"B: {type: string}\n")
    found = load(home, tmp_path, "/v1/openapi.json")
    assert not found.problem
    reference = json.loads(found.text)["components"]["schemas"]["A"]["$ref"]
    assert reference.startswith((tmp_path / "out").as_uri())
    assert json.loads((tmp_path / "out" / "openapi-part-2.json").read_text(encoding="utf-8")) == {
        "B": {"type": "string"}
    }


def test_files_outside_of_the_project_are_not_read(home: Server, tmp_path: Path) -> None:
    root = tmp_path / "project"
    root.mkdir()
    (tmp_path / "secret.json").write_text("{}", encoding="utf-8")
    (root / "link.json").symlink_to(tmp_path / "secret.json")
    for reference in ("../secret.json", "link.json", "file:///etc/passwd", f"{home.url}/x.json"):
        (root / "openapi.json").write_bytes(document(**given(reference)))
        assert "outside of the project's folder" in load(home, root, "openapi.json").problem
    assert not home.heard


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"[" * 5000 + b"]" * 5000, "nests deeper than 400"),
        (b"- " * 5000, "nests deeper than 400"),
        (b"a: " + b"[" * 5000 + b"]" * 5000, "nests deeper than 400"),
        (document(x=[1] * 1_100_000), "more than 1,000,000 values"),
        (b"hello", "no OpenAPI document"),
        (b"\x00\x01", "neither JSON nor YAML"),
        (b"{" + b"1" * 6000 + b": 2}", ""),
        (document(components={"schemas": CIRCLE}), "back to themselves"),
    ],
)  # fmt: skip
def test_a_document_that_cannot_be_read_is_told_in_words(home: Server, tmp_path: Path, body: bytes, said: str) -> None:
    home.pages["/openapi"] = (200, {}, body)
    problem = load(home, tmp_path, "/openapi").problem
    assert problem
    assert said in problem


def test_a_document_that_inflates_without_end_is_told_with_both_sizes(home: Server, tmp_path: Path) -> None:
    home.pages["/openapi.json"] = (200, {"Content-Encoding": "gzip"}, gzip.compress(bytes(30_000_000)))
    assert "longer than 10 MB, inflated from" in load(home, tmp_path).problem


def test_patterns_are_known_by_operation(home: Server, tmp_path: Path) -> None:
    paths = {
        "/a": {
            "parameters": [{"name": "q", "in": "query", "schema": {"$ref": "#/components/schemas/A"}}],
            "get": PATHS["/a"]["get"],
        }
    }
    home.pages["/openapi.json"] = (
        200,
        {},
        document(paths=paths, components={"schemas": {"A": {"pattern": "^(a+)+$"}}}),
    )
    assert load(home, tmp_path).patterns("GET /a") == ("^(a+)+$",)


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ('proxy = "http://127.0.0.9:1"', "proxy"),
        ('proxy = "127.0.0.9:1"', "proxy"),
        ('proxy = "${SOMEWHERE}"', "proxy"),
        ('[[project]]\ntitle = "a"\nproxy = "socks5://10.0.0.1:1"', "project[0].proxy"),
        ('[[operations]]\ninclude-path = "/a"\nproxy = "http://u:p@127.0.0.9"', "operations[0].proxy"),
    ],
)
def test_a_proxy_that_was_not_invited_is_refused_by_its_key(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, key: str
) -> None:
    monkeypatch.setenv("SOMEWHERE", "http://127.0.0.9:2")
    file = tmp_path / "schemathesis.toml"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(UsageError) as refused:
        check_configuration(file, RuntimeSettings())
    assert f"schemathesis.toml: {key} leads to" in str(refused.value)
    assert "p@" not in str(refused.value)
    check_configuration(file, RuntimeSettings(allow_targets=("127.0.0.9", "10.0.0.1")))


def test_a_configuration_that_is_no_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "schemathesis.toml").mkdir()
    with pytest.raises(UsageError, match="no regular file"):
        check_configuration(tmp_path / "schemathesis.toml", RuntimeSettings())
