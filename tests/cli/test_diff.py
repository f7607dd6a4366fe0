"""`harness diff` through the real command line: verdicts, formats, addresses, and what users get wrong."""

from __future__ import annotations

import http.server
import json
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.helpers import run_harness

Document = dict[str, Any]


def document() -> Document:
    """Parcels: one is fetched, one is sent."""
    parcel = {
        "type": "object",
        "required": ["id", "weight", "note"],
        "properties": {
            "id": {"type": "string"},
            "weight": {"type": "integer"},
            "note": {"type": "string"},
            "to": {"type": "string", "maxLength": 40},
        },
    }
    body = {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/Parcel"}}}}
    return {
        "openapi": "3.0.3",
        "info": {"title": "parcels", "version": "1"},
        "paths": {"/parcels/{id}": {"get": {"responses": {"200": {"description": "", **body}}}}},
        "components": {"schemas": {"Parcel": parcel}},
    }


def without_field(name: str) -> Document:
    new = document()
    parcel = new["components"]["schemas"]["Parcel"]
    del parcel["properties"][name]
    parcel["required"] = [r for r in parcel["required"] if r != name]
    return new


def pact(consumer: str, reads: dict[str, Any], path: str = "/parcels/7") -> dict[str, Any]:
    return {
        "consumer": {"name": consumer},
        "provider": {"name": "parcels"},
        "interactions": [
            {
                "type": "Synchronous/HTTP",
                "description": "a parcel",
                "request": {"method": "GET", "path": path},
                "response": {
                    "status": 200,
                    "headers": {"Content-Type": ["application/json"]},
                    "body": {"contentType": "application/json", "encoded": False, "content": reads},
                },
            }
        ],
        "metadata": {"pactSpecification": {"version": "4.0"}},
    }


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "old.json").write_text(json.dumps(document()))
    (tmp_path / "pacts").mkdir()
    (tmp_path / "pacts/web-parcels.json").write_text(json.dumps(pact("web", {"id": "7", "weight": 3})))
    (tmp_path / "pacts/app-parcels.json").write_text(json.dumps(pact("app", {"id": "7"})))
    return tmp_path


def diff(folder: Path, *arguments: str, new: Document | None = None) -> subprocess.CompletedProcess[str]:
    if new is not None:
        (folder / "new.json").write_text(json.dumps(new))
    return run_harness("diff", *arguments, cwd=folder)


def test_any_client_may_break_where_no_contract_is_known(folder: Path) -> None:
    done = diff(folder, "old.json", "new.json", new=without_field("note"))

    assert done.returncode == 1
    assert "breaking  no longer returns `note` in 200 of GET /parcels/{id}" in done.stdout
    assert "specification: 1 breaking in 1 operation: a client that keeps to the old document can break" in done.stdout


def test_a_known_consumer_that_breaks_is_named_with_the_line_of_its_contract(folder: Path) -> None:
    done = diff(folder, "old.json", "new.json", "--pacts", "pacts", new=without_field("weight"))

    assert done.returncode == 1
    assert "breaks web (1 interaction)" in done.stdout
    assert "web-parcels.json:/interactions/0/response/body/content/weight" in done.stdout
    assert "app" not in done.stdout.replace("known consumers (app, web)", "")


def test_what_nobody_uses_may_go_and_the_specification_still_says_so(folder: Path) -> None:
    done = diff(folder, "old.json", "new.json", "--pacts", "pacts", new=without_field("note"))

    assert done.returncode == 0
    assert "used by no known consumer" in done.stdout
    assert "breaking by the specification" in done.stdout
    assert "specification: 1 breaking in 1 operation" in done.stdout
    assert "known consumers (app, web): nobody known breaks" in done.stdout


def test_where_a_contract_fits_nothing_nobody_is_said_to_be_safe(folder: Path) -> None:
    (folder / "pacts/app-parcels.json").write_text(json.dumps(pact("app", {"id": "7"}, path="/elsewhere/7/8")))

    done = diff(folder, "old.json", "new.json", "--pacts", "pacts", new=without_field("note"))

    assert done.returncode == 1
    assert "1 interaction fit nothing in old.json" in done.stdout


def test_a_document_that_says_the_same_otherwise_breaks_nobody(folder: Path) -> None:
    rewritten = document()
    rewritten["paths"]["/parcels/{number}"] = rewritten["paths"].pop("/parcels/{id}")

    done = diff(folder, "old.json", "new.json", new=rewritten)

    assert (done.returncode, done.stdout) == (0, "specification: no change in 1 operation\n")


def test_the_example_that_proves_a_break_is_shown(folder: Path) -> None:
    longer = document()
    longer["components"]["schemas"]["Parcel"]["properties"]["to"]["maxLength"] = 50

    done = diff(folder, "old.json", "new.json", "--format", "json", new=longer)

    [change] = json.loads(done.stdout)["changes"]
    assert change["level"] == "breaking"
    assert 40 < len(json.loads(change["example"])) <= 50


def test_json_says_everything(folder: Path) -> None:
    done = diff(folder, "old.json", "new.json", "--pacts", "pacts", "--format", "json", new=without_field("weight"))

    said = json.loads(done.stdout)
    assert (said["version"], said["breaks"], said["broken"]) == (1, True, {"web": 1})
    [change] = said["changes"]
    assert change["rule"] == "field_removed"
    assert change["path"] == ["weight"]
    assert change["old_pointer"] == "/components/schemas/Parcel/properties/weight"
    assert [hit["consumer"] for hit in change["hits"]] == ["web"]


def test_markdown_is_a_table_that_hostile_names_do_not_tear(folder: Path) -> None:
    old, new = document(), without_field("note")
    old["components"]["schemas"]["Parcel"]["properties"]["a|b<script>"] = {"type": "string"}
    (folder / "old.json").write_text(json.dumps(old))

    done = diff(folder, "old.json", "new.json", "--format", "markdown", new=new)

    rows = [line for line in done.stdout.splitlines() if line.startswith("| ") and "`field_removed`" in line]
    assert rows
    assert "<script>" not in done.stdout
    assert all(row.replace("\\|", "").count("|") == 6 for row in rows)


def test_sarif_has_a_rule_and_a_place_for_every_result(folder: Path) -> None:
    done = diff(folder, "old.json", "new.json", "--format", "sarif", new=without_field("note"))

    said = json.loads(done.stdout)
    [run] = said["runs"]
    [result] = run["results"]
    assert said["version"] == "2.1.0"
    assert run["tool"]["driver"]["rules"][result["ruleIndex"]]["id"] == result["ruleId"] == "field_removed"
    assert result["level"] == "error"
    assert result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] == "new.json"


def test_a_report_can_go_into_a_file(folder: Path) -> None:
    done = diff(folder, "old.json", "new.json", "--out", "said.txt", new=without_field("note"))

    assert (done.returncode, done.stdout) == (1, "")
    assert "no longer returns `note`" in (folder / "said.txt").read_text()


def test_a_revision_of_git_is_an_address(folder: Path) -> None:
    for command in (
        ["init", "-q"],
        ["add", "old.json"],
        ["-c", "user.name=x", "-c", "user.email=x@y", "commit", "-qm", "x"],
    ):
        subprocess.run(["git", *command], cwd=folder, check=True, timeout=30)

    done = diff(folder, "git:HEAD:old.json", "new.json", new=without_field("note"))

    assert done.returncode == 1
    assert diff(folder, "git:HEAD:other.json", "new.json").returncode == 2
    assert "git:nowhere:old.json cannot be read: git says" in diff(folder, "git:nowhere:old.json", "new.json").stderr


def test_yaml_in_several_files_is_one_document(folder: Path) -> None:
    apart = document()
    schema = apart["components"].pop("schemas")
    (folder / "schemas.yaml").write_text(yaml.safe_dump({"Parcel": schema["Parcel"]}))
    content = apart["paths"]["/parcels/{id}"]["get"]["responses"]["200"]["content"]
    content["application/json"]["schema"] = {"$ref": "./schemas.yaml#/Parcel"}
    (folder / "apart.yaml").write_text(yaml.safe_dump(apart))

    done = diff(folder, "old.json", "apart.yaml")

    assert (done.returncode, done.stdout) == (0, "specification: no change in 1 operation\n")


def test_a_file_with_a_blank_in_its_name_can_be_referred_to(folder: Path) -> None:
    new = document()
    (folder / "a parcel 100%.json").write_text(json.dumps({"Parcel": new["components"]["schemas"].pop("Parcel")}))
    new["components"]["schemas"]["Parcel"] = {"$ref": "a%20parcel%20100%25.json#/Parcel"}

    done = diff(folder, "old.json", "new.json", new=new)

    assert (done.returncode, done.stderr) == (0, "")
    assert "no change" in done.stdout


def test_what_looks_like_a_reference_in_an_example_is_data(folder: Path) -> None:
    new = document()
    new["components"]["schemas"]["Parcel"]["example"] = {"$ref": "#/nowhere"}
    new["components"]["schemas"]["Parcel"]["properties"]["$ref"] = {"type": "string"}

    assert diff(folder, "old.json", "new.json", new=new).returncode == 0


def test_a_device_without_an_end_is_no_document(folder: Path) -> None:
    done = diff(folder, "old.json", "/dev/zero")

    assert done.returncode == 2
    assert "a regular file was expected" in done.stderr


def test_swagger_2_in_several_files_is_converted_as_a_whole(folder: Path) -> None:
    def write(name: str, kind: str) -> None:
        (folder / f"{name}.common.json").write_text(
            json.dumps({"parameters": {"limit": {"name": "limit", "in": "query", "type": kind}}})
        )
        path = {"get": {"parameters": [{"$ref": f"{name}.common.json#/parameters/limit"}], "responses": {"200": {}}}}
        (folder / f"{name}.path.json").write_text(json.dumps(path))
        whole = {"swagger": "2.0", "paths": {"/parcels": {"$ref": f"{name}.path.json"}}}
        (folder / f"{name}.json").write_text(json.dumps(whole))

    write("old", "string")
    write("new", "integer")

    done = diff(folder, "old.json", "new.json")

    assert done.returncode == 1
    assert "query parameter `limit`" in done.stdout


def test_swagger_2_is_compared_as_what_it_says_in_openapi_3(folder: Path) -> None:
    swagger = {
        "swagger": "2.0",
        "info": {"title": "parcels", "version": "1"},
        "paths": {
            "/parcels/{id}": {
                "get": {"responses": {"200": {"description": "", "schema": {"$ref": "#/definitions/Parcel"}}}}
            }
        },
        "definitions": document()["components"]["schemas"],
    }
    (folder / "swagger.json").write_text(json.dumps(swagger))

    same = diff(folder, "swagger.json", "old.json")
    other = diff(folder, "swagger.json", "new.json", new=without_field("note"))

    assert (same.returncode, same.stdout) == (0, "specification: no change in 1 operation\n")
    assert other.returncode == 1


@contextmanager
def serving(answer: Callable[[http.server.BaseHTTPRequestHandler], None]) -> Iterator[str]:
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            answer(self)

        def log_message(self, *_: object) -> None: ...

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}/api.json"
        server.shutdown()


def test_a_url_is_an_address(folder: Path) -> None:
    def answer(handler: http.server.BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.end_headers()
        handler.wfile.write(json.dumps(document()).encode())

    with serving(answer) as url:
        assert diff(folder, url, "old.json").returncode == 0


def _not_found(handler: http.server.BaseHTTPRequestHandler) -> None:
    handler.send_error(404)


def _endless(handler: http.server.BaseHTTPRequestHandler) -> None:
    handler.send_response(200)
    handler.end_headers()
    ends = time.monotonic() + 30
    while time.monotonic() < ends:
        try:
            handler.wfile.write(b" " * 1_000_000)
        except OSError:
            return


@pytest.mark.parametrize(
    ("answer", "message"), [(_not_found, "it answered 404"), (_endless, "is too large")], ids=["404", "endless"]
)
def test_a_url_that_gives_no_document(
    folder: Path, answer: Callable[[http.server.BaseHTTPRequestHandler], None], message: str
) -> None:
    with serving(answer) as url:
        done = diff(folder, url, "old.json")

    assert done.returncode == 2
    assert message in done.stderr


def _laughs() -> str:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 10)]
    return "openapi: 3.0.3\n" + "\n".join(lines)


def _refers_to(ref: str) -> str:
    new = document()
    new["components"]["schemas"]["Parcel"]["properties"]["id"] = {"$ref": ref}
    return json.dumps(new)


BAD = {
    "broken JSON": ('{"openapi": ', "is not JSON"),
    "broken YAML": ("openapi: 3.0.3\n  paths: [", "is neither JSON nor YAML"),
    "a web page": ("<html></html>", "is not JSON"),
    "nothing": ("", "is not JSON"),
    "a list": ("[]", "an object was expected, found a list"),
    "a pact": (json.dumps(pact("web", {})), "is no API document"),
    "a newer version": ('{"openapi": "4.0.0"}', "4.0.0"),
    "AsyncAPI": ('{"asyncapi": "3.0.0"}', "nothing to compare between them"),
    "a billion laughs": (_laughs(), "holds more than"),
    "a reference to a missing file": (_refers_to("gone.yaml#/X"), "refers to gone.yaml#/X"),
    "a reference to a missing schema": (_refers_to("#/components/schemas/Gone"), "refers to #/components/schemas/Gone"),
    "a reference to an anchor": (_refers_to("#Gone"), "refers to #Gone"),
    "a reference to the network": (_refers_to("http://127.0.0.1:9/x.json"), "--allow-remote-refs"),
}


def test_an_address_that_is_none_is_one_message(folder: Path) -> None:
    done = diff(folder, "old.json", "http://[::1")

    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("harness: http://[::1 cannot be fetched")
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(("content", "message"), BAD.values(), ids=list(BAD))
def test_bad_input_is_one_message_and_exit_code_2(folder: Path, content: str, message: str) -> None:
    (folder / "new.json").write_text(content)

    done = diff(folder, "old.json", "new.json")

    assert (done.returncode, done.stdout) == (2, "")
    assert message in done.stderr
    assert "Traceback" not in done.stderr


def test_documents_without_operations_are_no_pass(folder: Path) -> None:
    (folder / "old.json").write_text('{"openapi": "3.0.3", "paths": {}}')

    done = diff(folder, "old.json", "old.json")

    assert done.returncode == 2
    assert "nothing was compared" in done.stderr


def test_a_reference_in_a_circle_ends(folder: Path) -> None:
    new = document()
    new["components"]["schemas"]["Parcel"]["properties"]["inside"] = {"$ref": "#/components/schemas/Parcel"}
    new["components"]["schemas"]["Loop"] = {"$ref": "#/components/schemas/Loop"}

    assert diff(folder, "old.json", "new.json", new=new).returncode == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--pacts", "nowhere"], "there is no folder nowhere"),
        (["--pacts", "empty"], "holds no pacts"),
        (["--pacts", "pacts", "--provider", "parcel"], 'Did you mean "parcels"?'),
        (["--pacts", "torn"], "is not JSON"),
        (["--pacts", "hollow"], "hold no interactions"),
        (["--pacts", "two"], "say whose document it is with --provider"),
        (["--format", "html"], "html"),
    ],
    ids=["no folder", "empty folder", "wrong provider", "broken pact", "no interactions", "two providers", "format"],
)
def test_contracts_that_say_nothing_are_no_pass(folder: Path, arguments: list[str], message: str) -> None:
    hollow, other = pact("web", {}), pact("web", {})
    hollow["interactions"] = []
    other["provider"]["name"] = "letters"
    for name, content in (
        ("torn/a", "{"),
        ("hollow/a", json.dumps(hollow)),
        ("two/a", json.dumps(other)),
        ("two/b", json.dumps(pact("web", {}))),
    ):
        file = folder / f"{name}.json"
        file.parent.mkdir(exist_ok=True)
        file.write_text(content)
    (folder / "empty").mkdir()

    done = diff(folder, "old.json", "old.json", *arguments)

    assert done.returncode == 2
    assert message in done.stderr


def test_every_rule_can_be_looked_up(folder: Path) -> None:
    done = diff(folder, "--rules")

    assert done.returncode == 0
    assert "field_removed" in done.stdout
    assert "servers_replaced" in done.stdout


def test_the_old_document_stays_as_it_is(folder: Path) -> None:
    before = deepcopy(json.loads((folder / "old.json").read_text()))
    diff(folder, "old.json", "new.json", new=without_field("note"))

    assert json.loads((folder / "old.json").read_text()) == before
