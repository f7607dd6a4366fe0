"""Reading Schemathesis' report: what counts as the same failure, and what an event that is none does."""

from __future__ import annotations

import json
from typing import Any

from harness.evidence import Redactor
from harness.fuzz.events import Report
from harness.fuzz.failures import NO_ANSWER, Failure, Step, worth_telling
from harness.fuzz.telling import Teller


def scenario(*cases: dict[str, Any], phase: str = "coverage") -> str:
    interactions, checks, known = {}, {}, {}
    for number, case in enumerate(cases):
        name = f"c{number}"
        answer = {"status_code": case["status"], "headers": {}, "content": "{}"} if case.get("status") else None
        request = {"method": "POST", "uri": "http://127.0.0.1:1/orders", "headers": {}, "body": case.get("body", "{}")}
        interactions[name] = {"request": request, "timestamp": float(number)} | ({"response": answer} if answer else {})
        known[name] = {"value": {"path": "/orders", "method": "POST"}}
        said = {
            "type": "T",
            "operation": "POST /orders",
            "title": "t",
            "message": case.get("message", ""),
            "case_id": None,
        }
        if "check" in case:
            checks[name] = [{"name": case["check"], "status": "failure", "failure_info": {"failure": said}}]
    recorder = {"label": "POST /orders", "cases": known, "interactions": interactions, "checks": checks}
    return json.dumps({"ScenarioFinished": {"phase": phase, "status": "failure", "recorder": recorder}})


def fed(*lines: str) -> Report:
    report = Report()
    for line in lines:
        report.feed(line)
    return report


def test_the_same_check_operation_and_status_is_one_failure_and_the_shortest_request_is_kept() -> None:
    long, short = ({"check": "not_a_server_error", "status": 500, "body": body} for body in ('{"a": 111}', "{}"))
    report = fed(scenario(long), scenario(short), scenario(long))
    (failure,) = report.failures.values()
    assert report.counts[failure.key] == 3
    assert failure.last.body == b"{}"


def test_another_status_is_another_failure() -> None:
    report = fed(scenario(*({"check": "status_code_conformance", "status": status} for status in (418, 419))))
    assert len(report.failures) == 2


def test_schema_violations_differ_by_the_place_in_the_schema() -> None:
    message = "1 is not a string\n\nSchema at /properties/{}:\n\n    {{}}"
    cases = [
        {"check": "response_schema_conformance", "status": 200, "message": message.format(name)}
        for name in ("a", "b", "a")
    ]
    assert len(fed(scenario(*cases)).failures) == 2


def test_a_stateful_failure_keeps_the_requests_before_it_and_others_do_not() -> None:
    cases: list[dict[str, Any]] = [{"status": 201}, {"check": "use_after_free", "status": 200}, {"status": 200}]
    (stateful,) = fed(scenario(*cases, phase="stateful")).failures.values()
    (alone,) = fed(scenario(*cases, phase="fuzzing")).failures.values()
    assert (len(stateful.steps), len(alone.steps)) == (2, 1)


def test_a_request_without_an_answer_is_a_failure_of_its_own() -> None:
    report = fed(scenario({"status": 200}, {}))
    assert [f.check for f in report.failures.values()] == [NO_ANSWER]
    assert report.operations["POST /orders"].statuses == {200: 1, 0: 1}


def test_a_key_nobody_asks_for_is_told_once() -> None:
    open_door: dict[str, Any] = {"check": "ignored_auth", "status": 200}
    missing: dict[str, Any] = {
        "check": "missing_required_header",
        "status": 200,
        "message": "Got 200 when missing required '{}' header",
    }
    cases = [
        open_door,
        *({**missing, "message": missing["message"].format(name)} for name in ("X-Api-Key", "If-Match")),
    ]
    failures = [f for case in cases for f in fed(scenario(case)).failures.values()]

    told = worth_telling(failures, ["x-api-key"])

    assert [(f.check, "If-Match" in f.message) for f in told] == [
        ("ignored_auth", False),
        ("missing_required_header", True),
    ]
    assert len(worth_telling(failures[1:], ["x-api-key"])) == 2  # where the key is asked for, in some way


def test_the_command_sends_a_header_without_a_value_too() -> None:
    step = Step("GET", "http://127.0.0.1:1/a", "/a", {"Idempotency-Key": ""}, None, 0.0, None)

    told = Teller("a", Redactor(), "harness run fuzz").failure(
        Failure("not_a_server_error", "GET /a", "t", "m", "coverage", (step,)), reproduced=True, seen=1
    )

    assert "-H 'Idempotency-Key;'" in told.detail  # curl leaves out one that is written with a colon


def test_a_line_that_is_no_event_is_an_error_never_a_silent_pass() -> None:
    report = fed('{"Initialize": {}}', '{"Scena')
    assert report.errors
    assert not report.finished


def test_an_error_of_the_engine_is_counted_but_one_of_the_network_is_told_from_the_recording() -> None:
    def error(kind: str) -> str:
        return json.dumps({"NonFatalError": {"value": {"type": kind, "message": "m"}, "label": "POST /orders"}})

    report = fed(error("InvalidSchema"), error("ConnectionError"), error("ServerUnavailable"))
    assert [e.kind for e in report.errors] == ["InvalidSchema"]
    assert report.server_gone


def test_a_service_that_cannot_be_started_again_is_told_with_the_request_it_was_busy_with() -> None:
    step = Step("GET", "http://127.0.0.1:1/a/%F3", "/a/{id}", {}, None, 0.0, None)

    told = Teller("a", Redactor(), "harness run fuzz").crash(None, [step], "", revived=False, unanswered=step)

    assert told.title.startswith("a takes no connections any more since GET /a/{id}")
    assert "started again and" not in told.detail
    assert "curl -i -X GET" in told.detail


def test_operations_without_a_request_are_one_finding_that_names_some_of_them() -> None:
    told = Teller("a", Redactor(), "harness run fuzz").many_never_reached(
        [f"GET /{n}" for n in range(9000)], 10_000, ["it was so"]
    )

    assert told.title.startswith("9000 of 10000 operations of a received no request")
    assert told.detail.splitlines()[0] == "GET /0"
    assert "... and 8950 more" in told.detail
