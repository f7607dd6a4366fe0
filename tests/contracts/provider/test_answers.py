"""What the provider stage makes of states that change nothing, and of messages that are answered."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import anyio

from harness.contracts.stage import ProviderStage
from harness.evidence import Severity, StageResult, Status
from harness.system.config import load_project
from tests.contracts.shop import TOML, http, message, pact, project
from tests.helpers import make_context


def altered(root: Path, given: dict[str, Any], old: str, new: str) -> StageResult:
    """Verify against the tiny provider with one line of it changed."""
    project(root, TOML, [given])
    script = root / "orders.py"
    assert old in script.read_text()
    script.write_text(script.read_text().replace(old, new))
    context = make_context(load_project(root / "harness.toml"), ProviderStage(), [])
    return anyio.run(ProviderStage().run, context)


def question(description: str, reply: object) -> dict[str, Any]:
    """A synchronous message: a request, and the reply the consumer reads."""

    def body(content: object) -> dict[str, Any]:
        return {"contents": {"content": content, "contentType": "application/json", "encoded": False}}

    return {
        "type": "Synchronous/Messages",
        "description": description,
        "pending": False,
        "request": body({"ask": "price"}),
        "response": [body(reply)],
    }


def test_a_message_that_is_refused_says_what_was_answered(tmp_path: Path) -> None:
    given = message("an order", {"type": "order"})

    result = altered(tmp_path, pact(given, consumer="mail"), ASKED, 'return self.answer(404, {"type": "order"})')

    [finding] = result.findings
    assert finding.title == 'orders gives no message for "an order" that mail reads: /messages: 404 {"type": "order"}'
    assert result.work["messages"] == 0


def test_a_message_that_is_not_as_agreed_is_shown_beside_what_was_expected(tmp_path: Path) -> None:
    given = message("an order", {"type": "cancellation"})

    result = altered(tmp_path, pact(given, consumer="mail"), ASKED, ASKED)

    [finding] = result.findings
    assert finding.rule == "provider.mismatch"
    assert finding.exchange is not None
    assert finding.exchange.request.startswith("POST /messages\n")
    assert json.loads(finding.exchange.expected) == {"type": "cancellation"}
    assert finding.exchange.response.startswith("HTTP 200\n")
    assert '"type": "order"' in finding.exchange.response


def test_a_failure_of_an_old_contract_is_looked_at_again_in_its_own_state(tmp_path: Path) -> None:
    given = pact(
        {
            "description": "an order",
            "providerState": "an order",
            "request": {"method": "GET", "path": "/orders/1"},
            "response": {"status": 201},
        }
    ) | {"metadata": {"pactSpecification": {"version": "2.0.0"}}}
    told = 'known = body["state"]'

    result = altered(tmp_path, given, told, f'open("states.txt", "a").write(body["action"] + "\\n"); {told}')

    assert {f.rule for f in result.findings} == {"provider.mismatch"}
    assert (tmp_path / "states.txt").read_text().split().count("setup") >= 3  # verified, looked at again, made up


def test_two_states_that_ask_for_different_answers_cannot_both_pass_with_a_handler_that_does_nothing(
    tmp_path: Path,
) -> None:
    paid = http("it is paid", body={"id": "1", "total": 100}, states=["an order"])
    gone = http("it is gone", status=404, states=["a flaky end"])

    result = altered(tmp_path, pact(paid, gone), 'known and not (body["action"]', 'known or not (body["action"]')

    assert result.status is Status.FAIL
    assert {f.rule for f in result.findings} >= {"provider.mismatch"}
    [broken] = [f for f in result.findings if f.rule == "provider.mismatch"]
    assert "it is gone" in broken.title
    assert "(given a flaky end)" in broken.detail


def test_a_contract_that_says_nothing_about_the_reply_does_not_pass(tmp_path: Path) -> None:
    given = question("a price", {}) | {"response": []}

    result = altered(tmp_path, pact(given), ASKED, ANSWER)

    assert result.status is Status.FAIL
    assert {f.rule for f in result.findings} == {"provider.message_unspecified"}


ASKED = 'return self.answer(200, b"" if body["description"] == "silence" else {"type": "order", "id": 1})'
ANSWER = 'return self.answer(200, {"price": 7} if "request" in body else {})'


def test_a_message_that_is_answered_is_verified_by_what_the_provider_replies(tmp_path: Path) -> None:
    result = altered(tmp_path, pact(question("a price", {"price": 7})), ASKED, ANSWER)

    assert result.status is Status.PASS, result
    assert result.work["messages"] == 1


def test_a_reply_that_is_not_as_agreed_is_a_finding(tmp_path: Path) -> None:
    replies = '{"another": {"cost": 7}, "none": b""}'
    given = pact(question("another", {"price": 7}), question("none", {"price": 7}))

    result = altered(tmp_path, given, ASKED, f'return self.answer(200, {replies}[body["description"]])')

    assert result.status is Status.FAIL
    assert {(f.rule, f.severity, f.title.split('"')[1]) for f in result.findings} == {
        ("provider.mismatch", Severity.ERROR, "another"),
        ("provider.message_empty", Severity.ERROR, "none"),
    }


DIES = 'if self.path == "/die"'
#: Redirects whatever is asked of it below /moved.
MOVES = f"""if self.path.startswith("/moved/"):
            self.send_response(302)
            self.send_header("Location", "/orders/1")
            self.send_header("Content-Length", "0")
            return self.end_headers()
        {DIES}"""


def moved(description: str, **expected: Any) -> dict[str, Any]:
    """An interaction that expects a redirect, and something of its headers."""
    given = http(description, f"/moved/{description}", status=302)
    given["response"] |= expected
    return given


def test_a_redirect_is_an_answer_that_a_contract_can_expect(tmp_path: Path) -> None:
    pattern = {"matchers": [{"match": "regex", "regex": "/orders/.+"}], "combine": "AND"}
    given = pact(
        moved("status"),
        moved("header", headers={"Location": ["/orders/1"]}),
        moved("matcher", headers={"location": ["/orders/9"]}, matchingRules={"header": {"location": pattern}}),
    )

    result = altered(tmp_path, given, DIES, MOVES)

    assert result.status is Status.PASS, result
    assert result.work["interactions"] == 3


def test_a_redirect_to_the_wrong_place_is_told_with_the_name_of_its_header(tmp_path: Path) -> None:
    given = pact(moved("elsewhere", headers={"Location": ["/elsewhere"]}))

    result = altered(tmp_path, given, DIES, MOVES)

    [finding] = result.findings
    assert "header 'Location'" in finding.title
    assert "/elsewhere" in finding.title
