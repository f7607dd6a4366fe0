"""`harness usage` as a user runs it: what it shows, and what it says to bad input."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from rich.text import Text

from harness.report.usage import UsageLine, UsageMap, as_markdown, as_text
from tests.contracts.shop import http, pact
from tests.helpers import run_harness

TOML = """
[system]
name = "s"
[services.web]
url = "http://127.0.0.1:1"
[services.orders]
url = "http://127.0.0.1:1"
openapi = "/openapi.json"
[services.mail]
url = "http://127.0.0.1:1"
"""


def document() -> dict[str, Any]:
    order = {"type": "object", "properties": {"id": {}, "total": {"type": "integer"}, "note": {"type": "string"}}}
    answer = {"description": "an order", "content": {"application/json": {"schema": order}}}
    return {
        "openapi": "3.1.0",
        "info": {"title": "orders", "version": "1"},
        "paths": {
            "/orders/{id}": {"get": {"responses": {"200": answer, "404": {"description": "none"}}}},
            "/admin": {"delete": {"responses": {"204": {"description": "gone"}}}},
        },
    }


def project(root: Path, *pacts: dict[str, Any], doc: object = None) -> Path:
    (root / "harness.toml").write_text(TOML)
    (root / "contracts/pacts").mkdir(parents=True)
    (root / "contracts/baselines").mkdir()
    (root / "contracts/baselines/orders.openapi.json").write_text(json.dumps(doc or document()))
    for raw in pacts:
        name = f"{raw['consumer']['name']}-{raw['provider']['name']}.json"
        (root / "contracts/pacts" / name).write_text(json.dumps(raw))
    return root


WEB = pact(http("an order", body={"id": "1", "total": 3}))
APP = pact(http("an order", body={"total": 3}), consumer="app")


def test_the_map_of_a_project_has_a_column_for_every_consumer_and_marks_what_is_unused(tmp_path: Path) -> None:
    done = run_harness("usage", cwd=project(tmp_path, WEB, APP))

    assert done.returncode == 0, done.stderr
    rows = {tuple(text.split()) for text in done.stdout.splitlines()}
    assert {
        ("GET", "/orders/{id}", "app", "web"),
        ("200", "id", "reads"),
        ("200", "total", "reads", "reads"),
        ("200", "note", "unused"),
        ("404", "expected", "by", "nobody"),
        ("DELETE", "/admin"),
    } <= rows
    assert "2 consumers, 2 interactions in 2 contracts · 2 of 3 fields used, 1 by nobody" in done.stdout
    assert "\x1b" not in done.stdout


def test_unused_shows_only_what_nobody_uses(tmp_path: Path) -> None:
    done = run_harness("usage", "orders", "--unused", cwd=project(tmp_path, WEB))

    assert "200 note" in done.stdout
    assert "reads" not in done.stdout


def test_json_has_every_line_with_the_places_in_the_contracts(tmp_path: Path) -> None:
    done = run_harness("usage", "--format", "json", cwd=project(tmp_path, WEB))

    [found] = json.loads(done.stdout)["providers"]
    [total] = [entry for entry in found["lines"] if entry["path"] == ["total"]]
    assert total["consumers"] == {"web": ["reads"]}
    assert total["places"] == ["web-orders.json:/interactions/0/response/body/content/total"]
    [note] = [entry for entry in found["lines"] if entry["path"] == ["note"]]
    assert note["consumers"] == {}


def test_markdown_is_a_table_for_every_operation(tmp_path: Path) -> None:
    done = run_harness("usage", "--format", "markdown", cwd=project(tmp_path, WEB, APP))

    assert "| `200 id` |  | reads |" in done.stdout
    assert "| `200 note` | *nobody* |  |" in done.stdout


@pytest.mark.parametrize("named", [(), ("orders",), ("--provider", "orders")], ids=["nobody", "argument", "option"])
def test_a_document_and_a_folder_of_pacts_are_enough(tmp_path: Path, named: tuple[str, ...]) -> None:
    project(tmp_path, WEB)
    (tmp_path / "harness.toml").unlink()
    given = ("--document", "contracts/baselines/orders.openapi.json", "--pacts", "contracts/pacts")

    done = run_harness("usage", *named, *given, cwd=tmp_path)

    assert done.returncode == 0, done.stderr
    assert "200 total" in done.stdout


def test_what_fits_nothing_is_shown(tmp_path: Path) -> None:
    done = run_harness("usage", cwd=project(tmp_path, pact(http("an order"), http("a bill", "/bills/1"))))

    assert "web-orders.json:/interactions/1: a bill: the document has no /bills/1" in done.stdout


OTHER = pact(http("a letter"), provider="mail")
ELSEWHERE = pact(http("a bill", "/bills/1"))


@pytest.mark.parametrize(
    ("pacts", "arguments", "said"),
    [
        ([WEB], ["order"], 'there is no provider "order". Did you mean "orders"?'),
        ([WEB], ["mail"], "mail has no document in contracts/baselines/; `harness baseline mail` writes it"),
        ([OTHER], ["orders"], "no contract names orders as its provider"),
        ([OTHER], [], "there is nothing to map for"),
        ([], [], "contracts/pacts holds no pacts"),
        ([ELSEWHERE], [], "the only interaction does not fit contracts/baselines/orders.openapi.json: "),
        ([WEB], ["--pacts", "nowhere"], "there is no folder nowhere with pacts"),
        ([WEB], ["--document", "x.json"], "--document needs --pacts DIR"),
        ([WEB], ["--provider", "orders"], "--provider belongs to --document"),
        ([WEB], ["--document", "x.json", "--pacts", "contracts/pacts"], "x.json cannot be read"),
        ([WEB], ["--document", "harness.toml", "--pacts", "contracts/pacts"], "harness.toml is "),
        (
            [WEB],
            ["orders", "mail", "--document", "x.json", "--pacts", "contracts/pacts"],
            "--document is one provider's; named were orders, mail",
        ),
        (
            [WEB, OTHER],
            ["--document", "contracts/baselines/orders.openapi.json", "--pacts", "contracts/pacts"],
            "the pacts have the providers mail, orders",
        ),
        (
            [WEB],
            ["--document", "d", "--pacts", "contracts/pacts", "--provider", "ordrs"],
            'no pact names "ordrs". Did you mean "orders"?',
        ),
    ],
)
def test_bad_input_is_one_clear_message(
    tmp_path: Path, pacts: list[dict[str, Any]], arguments: list[str], said: str
) -> None:
    done = run_harness("usage", *arguments, cwd=project(tmp_path, *pacts))

    assert done.returncode == 2
    assert said in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""


def test_a_pact_that_cannot_be_read_is_an_error_as_its_consumer_would_seem_to_use_nothing(tmp_path: Path) -> None:
    project(tmp_path, WEB)
    (tmp_path / "contracts/pacts/broken.json").write_text("{")

    done = run_harness("usage", cwd=tmp_path)

    assert done.returncode == 2
    assert "contracts/pacts/broken.json is not JSON" in done.stderr


def shown(names: list[str], width: int | None) -> list[Text]:
    uses = dict.fromkeys(names, ("reads",))
    entries = (
        UsageLine("GET /orders/{order_id}", "operation", uses=uses),
        UsageLine("GET /orders/{order_id}", "response_body", status="200", path=("a" * 90, "[]", "sku"), uses=uses),
    )
    return list(as_text([UsageMap("orders", "orders.json", 1, 1, tuple(names), entries)], width=width))


@pytest.mark.parametrize("consumers", [1, 3, 7, 20])
def test_rows_fit_a_narrow_terminal_while_consumers_are_columns(consumers: int) -> None:
    lines = shown([f"consumer-{n}" for n in range(consumers)], 80)

    assert any("sku" in text.plain for text in lines)
    if consumers <= 3:
        assert max(len(text.plain) for text in lines) <= 80
    else:
        assert any("consumer-0 reads, consumer-1 reads" in text.plain for text in lines)


def test_names_cannot_drive_a_terminal_or_break_a_table() -> None:
    text = "\n".join(t.plain for t in shown(["evil\x1b[2J"], None))
    table = as_markdown([UsageMap("o|r", "d", 1, 1, ("a|b",), ())])

    assert "\x1b" not in text
    assert "o\\|r" in table
