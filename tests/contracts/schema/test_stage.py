"""The schema stage: documents from files and from a running service, bad ones of every sort, baselines written."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import anyio
import pytest

from harness.contracts.stage import SchemaStage
from harness.documents.baselines import accept_baselines
from harness.errors import ConfigError, UsageError
from harness.evidence import Finding, Severity, StageResult, Status
from harness.system.config import load_project
from tests.contracts.compat.test_openapi_changes import document, order
from tests.contracts.schema.test_asyncapi_document import version_3
from tests.contracts.shop import http, pact
from tests.helpers import answered_by, make_context, write_project

TOML = """
[system]
name = "s"
[services.orders]
url = "http://127.0.0.1:1"
openapi = "orders.json"
[services.plain]
url = "http://127.0.0.1:1"
"""


def openapi() -> dict[str, Any]:
    found = document()
    found["components"]["securitySchemes"] = {"key": {"type": "apiKey", "in": "header", "name": "X-Key"}}
    return found


def check(root: Path, *, toml: str = TOML, addresses: dict[str, str] | None = None, **files: object) -> StageResult:
    """Run the stage; files are given as orders_json=... or baseline=..."""
    write_project(root, toml)
    for name, content in files.items():
        path = root / "contracts/baselines/orders.openapi.json" if name == "baseline" else root / name.replace("_", ".")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content if isinstance(content, str) else json.dumps(content))
    stage = SchemaStage()
    context = make_context(load_project(root / "harness.toml"), stage, [], addresses=addresses)
    return anyio.run(stage.run, context)


def rules(result: StageResult) -> set[str]:
    return {f.rule for f in result.findings}


def test_a_valid_document_that_keeps_its_baseline_passes(tmp_path: Path) -> None:
    result = check(tmp_path, orders_json=openapi(), baseline=openapi())

    assert result.status is Status.PASS, result
    assert result.work == {"documents": 1, "operations": 3, "compared": 1}


def test_a_breaking_change_fails_and_says_where(tmp_path: Path) -> None:
    changed = openapi()
    order(changed)["properties"]["sum"] = order(changed)["properties"].pop("total")
    order(changed)["required"].remove("total")

    result = check(tmp_path, orders_json=changed, baseline=openapi())

    assert result.status is Status.FAIL
    [error] = [f for f in result.findings if f.severity is Severity.ERROR]
    assert error.rule == "schema.field_removed"
    assert error.title == "orders no longer returns `[].total` in 200 of GET /orders"
    assert "GET /orders/{id}" in error.detail
    assert (error.place.operation, error.place.pointer) == (
        "GET /orders",
        "/components/schemas/Order/properties/total",
    )
    assert error.place.file == "contracts/baselines/orders.openapi.json"


def test_an_addition_is_only_told(tmp_path: Path) -> None:
    changed = openapi()
    order(changed)["properties"]["new"] = {"type": "string"}

    result = check(tmp_path, orders_json=changed, baseline=openapi())

    assert result.status is Status.PASS
    assert {f.severity for f in result.findings} == {Severity.INFO}


def test_without_a_baseline_it_warns_and_says_how_to_write_one(tmp_path: Path) -> None:
    result = check(tmp_path, orders_json=openapi())

    assert result.status is Status.WARN
    assert result.findings[0].rule == "schema.no_baseline"
    assert "`harness baseline orders`" in result.findings[0].title


def test_a_swagger_2_document_is_checked_and_compared(tmp_path: Path) -> None:
    old = swagger()
    new = swagger()
    del new["definitions"]["Order"]["required"], new["definitions"]["Order"]["properties"]["total"]

    result = check(tmp_path, orders_json=new, baseline=old)

    assert [f.title for f in result.findings] == ["orders no longer returns `total` in 200 of GET /orders"]
    assert result.work == {"documents": 1, "operations": 1, "compared": 1}


def test_an_invalid_swagger_2_document_fails_with_its_own_place(tmp_path: Path) -> None:
    broken = swagger()
    broken["paths"]["/orders"]["get"]["responses"]["200"].pop("description")

    result = check(tmp_path, orders_json=broken, baseline=swagger())

    [finding] = [f for f in result.findings if f.rule == "schema.invalid"]
    assert finding.place.pointer.startswith("/paths/~1orders/get/responses/200")


def swagger() -> dict[str, Any]:
    answer = {"description": "an order", "schema": {"$ref": "#/definitions/Order"}}
    order = {"type": "object", "required": ["total"], "properties": {"total": {"type": "integer"}}}
    return {
        "swagger": "2.0",
        "info": {"title": "orders", "version": "1"},
        "produces": ["application/json"],
        "paths": {"/orders": {"get": {"responses": {"200": answer}}}},
        "definitions": {"Order": order},
    }


def test_an_invalid_document_fails_with_the_place(tmp_path: Path) -> None:
    broken = openapi()
    broken["paths"]["/orders"]["get"]["responses"]["200"].pop("description")

    result = check(tmp_path, orders_json=broken, baseline=openapi())

    assert result.status is Status.FAIL
    assert "schema.invalid" in rules(result)


def test_what_is_wrong_in_a_document_is_said_of_the_branch_that_was_meant(tmp_path: Path) -> None:
    broken = openapi()
    broken["openapi"] = "3.0.3"
    broken["paths"]["/orders"]["get"]["responses"]["200"]["description"] = False  # `description: no`, in YAML

    result = check(tmp_path, orders_json=broken, baseline=openapi())

    said = [(f.place.pointer, f.title) for f in result.findings if f.rule == "schema.invalid"]
    [title] = [title for pointer, title in said if pointer == "/paths/~1orders/get/responses/200/description"]
    assert title.endswith("is not valid: False is not of type 'string'")


def test_a_baseline_without_a_document_is_told(tmp_path: Path) -> None:
    toml = TOML.replace('openapi = "orders.json"\n', 'asyncapi = "events.yaml"\n')

    result = check(tmp_path, toml=toml, events_yaml=version_3(), baseline=openapi())

    assert "schema.baseline_unused" in rules(result)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "is not JSON"),
        ("<html>", "is not JSON"),
        ("hello", "is not JSON"),
        ("a: [", "is neither JSON nor YAML"),
        ("[]", "is not OpenAPI: an object was expected"),
        ("{}", "the field `openapi` has no version"),
        ('{"openapi": "4.0.0"}', "says version '4.0.0'; 3.0 and 3.1 are understood"),
        ('{"swagger": "1.2"}', "is Swagger 1.2; 2.0 is understood"),
        ("[" * 100_000, "is nested too deeply"),
        (
            '{"openapi": "3.1.0", "x": ' + "[" * 500 + "]" * 500 + "}",
            "is nested too deeply: JSON of more than 400 levels",
        ),
        (
            "openapi: 3.1.0\na: &a [x,x,x,x,x,x,x,x,x]\n"
            + "\n".join(f"{c}: &{c} [{','.join(['*' + p] * 9)}]" for p, c in zip("abcdefgh", "bcdefghi", strict=True)),
            "holds more than 2,000,000 values",
        ),
    ],
    ids=["cut", "html", "text", "yaml", "list", "empty", "future", "swagger", "deep", "deeper", "laughs"],
)
def test_what_is_no_document_is_one_finding(tmp_path: Path, text: str, said: str) -> None:
    result = check(tmp_path, orders_json=text)

    assert result.status is Status.FAIL
    [finding] = result.findings
    assert finding.rule == "schema.unreadable"
    assert finding.title.startswith("the OpenAPI document of orders ")
    assert said in finding.title


def test_a_document_that_is_not_there_or_too_large_is_one_finding(tmp_path: Path) -> None:
    large = openapi() | {"x-blob": "x" * 1_200_000}
    toml = TOML + "[stages.schema]\nmax_size_mb = 1\n"

    assert "there is no such file" in check(tmp_path / "a").findings[0].title
    result = check(tmp_path / "b", toml=toml, orders_json=large)
    assert "is too large: 1.2 MB, the limit is 1 MB" in result.findings[0].title


def test_ten_megabytes_end_within_the_time_limit(tmp_path: Path) -> None:
    large = openapi()
    for n in range(6000):
        large["paths"][f"/copy/{n}"] = large["paths"]["/orders"]
    toml = TOML + '[stages.schema]\ncheck_limit = "2s"\n'

    result = check(tmp_path, toml=toml, orders_json=large)

    assert result.status is Status.FAIL
    [finding] = result.findings
    assert finding.rule == "schema.unfinished"


def test_no_documents_at_all_is_inconclusive(tmp_path: Path) -> None:
    result = check(tmp_path, toml=TOML.replace('openapi = "orders.json"\n', ""))

    assert result.status is Status.INCONCLUSIVE
    assert result.reason == "no service has an OpenAPI or AsyncAPI document"


@contextmanager
def serving(status: int, body: bytes) -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            ok = self.headers.get("X-Key") == "right" or status != 401
            self.send_response(200 if status == 401 and ok else status)
            self.end_headers()
            self.wfile.write(body)

    with answered_by(Handler) as url:
        yield url


SERVED = TOML.replace('"orders.json"', '"/openapi.json"')


def test_a_document_is_fetched_from_the_running_service(tmp_path: Path) -> None:
    with serving(200, json.dumps(openapi()).encode()) as url:
        result = check(tmp_path, toml=SERVED, addresses={"orders": url}, baseline=openapi())

    assert result.status is Status.PASS


def test_credentials_are_used_where_they_are_asked_for(tmp_path: Path) -> None:
    toml = SERVED + '[services.orders.auth]\nheader = "X-Key"\nvalue = "right"\n'
    with serving(401, json.dumps(openapi()).encode()) as url:
        result = check(tmp_path, toml=toml, addresses={"orders": url}, baseline=openapi())

    assert result.status is Status.PASS


def test_a_service_that_answers_something_else_is_one_finding(tmp_path: Path) -> None:
    with serving(404, b"") as url:
        result = check(tmp_path, toml=SERVED, addresses={"orders": url})

    assert "cannot be fetched: /openapi.json answered 404" in result.findings[0].title
    assert (
        "cannot be fetched: nothing listens there (from /openapi.json)"
        in check(tmp_path, toml=SERVED).findings[0].title
    )


def test_accepted_baselines_are_sorted_and_make_the_stage_pass(tmp_path: Path) -> None:
    check(tmp_path, orders_json=openapi())
    project = load_project(tmp_path / "harness.toml")

    async def accept() -> tuple[Path, ...]:
        return await accept_baselines(project.system, root=tmp_path, directory=tmp_path / "logs")

    [file] = anyio.run(accept)

    assert file == tmp_path / "contracts/baselines/orders.openapi.json"
    assert file.read_text().startswith('{\n  "components": {')
    assert check(tmp_path).status is Status.PASS


def test_accepting_for_a_service_nobody_has_says_who_was_meant(tmp_path: Path) -> None:
    check(tmp_path, orders_json=openapi())
    project = load_project(tmp_path / "harness.toml")

    async def accept() -> tuple[Path, ...]:
        return await accept_baselines(project.system, root=tmp_path, directory=tmp_path, services=["order"])

    with pytest.raises(UsageError, match='Did you mean "orders"'):
        anyio.run(accept)


USED = TOML.replace("[services.plain]", "[services.web]").replace(
    '"\n[services.orders]', '"\nentry = "web"\n[services.orders]'
) + ("[services.web.uses.orders]\n")


ELSEWHERE = pact(http("a sign of life", "/ping"))


def changed(root: Path, *pacts: dict[str, Any], toml: str = USED, raw: str = "") -> StageResult:
    """The stage, where `total` of an order is gone."""
    old, new = openapi(), openapi()
    for one in (old, new):
        one["paths"]["/ping"] = {"get": {"responses": {"200": {"description": ""}}}}
    order(new)["properties"].pop("total")
    order(new)["required"].remove("total")
    folder = root / "contracts/pacts"
    folder.mkdir(parents=True)
    for one in pacts:
        (folder / f"{one['consumer']['name']}-{one['provider']['name']}.json").write_text(json.dumps(one))
    if raw:
        (folder / "broken.json").write_text(raw)
    return check(root, toml=toml, orders_json=new, baseline=old)


def gone(result: StageResult) -> Finding:
    [found] = [f for f in result.findings if "no longer returns" in f.title]
    return found


def test_a_breaking_change_names_the_consumers_it_breaks_and_the_lines_of_their_contracts(tmp_path: Path) -> None:
    result = changed(tmp_path, pact(http("an order", body={"id": "1", "total": 3})))

    assert result.status is Status.FAIL
    assert gone(result).severity is Severity.ERROR
    assert gone(result).title.endswith(": breaks web (1 interaction)")
    assert "contracts/pacts/web-orders.json:/interactions/0" in gone(result).detail


def test_a_consumer_of_other_fields_of_the_same_response_is_not_broken(tmp_path: Path) -> None:
    result = changed(tmp_path, pact(http("an order", body={"id": "1"})))

    assert result.status is Status.WARN
    assert gone(result).severity is Severity.WARNING


def test_a_breaking_change_of_what_nobody_uses_is_a_warning_that_keeps_the_specification_s_verdict(
    tmp_path: Path,
) -> None:
    result = changed(tmp_path, ELSEWHERE)

    assert result.status is Status.WARN
    assert gone(result).severity is Severity.WARNING
    assert gone(result).title.endswith(": breaking by the specification, but used by no known consumer")
    assert "None of the 1 known interactions of web uses what changed" in gone(result).detail


@pytest.mark.parametrize(
    ("pacts", "toml", "raw", "why"),
    [
        ([], USED, "", "No contract says who uses this document."),
        ([pact(http("a bill", "/bills"))], USED, "", "No contract says who uses this document."),
        (
            [pact(*ELSEWHERE["interactions"], http("a bill", "/bills"))],
            USED,
            "",
            "1 interaction fits nothing in the committed document",
        ),
        ([ELSEWHERE], USED, "{", "No contract says who uses this document."),
        ([ELSEWHERE], TOML, "", "orders also serves clients outside of the system"),
        ([ELSEWHERE], USED.replace('entry = "web"', 'entry = "orders"'), "", "orders also serves clients outside"),
        ([ELSEWHERE], USED + '[stages.schema]\nunused = "error"\n', "", 'unused = "error"'),
        (
            [ELSEWHERE],
            USED + '[services.app]\nurl = "http://127.0.0.1:1"\n[services.app.uses.orders]\n',
            "",
            "app uses it too, without a contract",
        ),
    ],
    ids=["no pacts", "none fits", "one fits nothing", "unreadable", "no callers", "entry", "strict", "silent caller"],
)
def test_where_it_is_not_known_that_nobody_breaks_the_specification_s_verdict_stands(
    tmp_path: Path, pacts: list[dict[str, Any]], toml: str, raw: str, why: str
) -> None:
    result = changed(tmp_path, *pacts, toml=toml, raw=raw)

    assert result.status is Status.FAIL
    assert gone(result).severity is Severity.ERROR
    assert why in gone(result).detail


def test_another_value_for_unused_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="unused"):
        changed(tmp_path, toml=USED + '[stages.schema]\nunused = "ignore"\n')
