"""The fuzz stage against services with planted defects: each is found, told so that a stranger understands, and no more."""

from __future__ import annotations

import pytest

from tests.fuzz.conftest import TOKEN, Fuzzed


def test_a_service_without_defects_has_no_finding(victims: Fuzzed) -> None:
    assert victims.rules("clean") == set()


@pytest.mark.parametrize(
    ("service", "rule"),
    [
        ("rough", "fuzz.not_a_server_error"),
        ("rough", "fuzz.status_code_conformance"),
        ("rough", "fuzz.response_schema_conformance"),
        ("rough", "fuzz.ignored_auth"),
        ("dangling", "fuzz.not_a_server_error"),
        ("mortal", "fuzz.crash"),
        ("dangling", "fuzz.not_reproduced"),
        ("homepage", "fuzz.document"),
        ("giant", "fuzz.document"),
    ],
)
def test_a_planted_defect_is_found(victims: Fuzzed, service: str, rule: str) -> None:
    assert rule in victims.rules(service)


def test_the_title_of_a_server_error_names_service_status_operation_and_the_odd_value(victims: Fuzzed) -> None:
    (found,) = [f for f in victims.about("rough") if f.rule == "fuzz.not_a_server_error"]
    assert found.title.startswith("rough answered 500 to POST /widgets with quantity = -")
    assert (found.place.service, found.place.operation) == ("rough", "POST /widgets")


def test_an_undeclared_500_is_told_once_as_the_500(victims: Fuzzed) -> None:
    of_500 = [f for f in victims.about("dangling") if f.severity == "error"]
    assert [f.rule for f in of_500] == ["fuzz.not_a_server_error"]


def test_a_failure_that_needs_earlier_requests_lists_them(victims: Fuzzed) -> None:
    (found,) = [f for f in victims.about("dangling") if f.severity == "error"]
    assert "The requests that led there:" in found.detail
    assert "DELETE /widgets/w" in found.detail


def test_a_finding_carries_the_exchange_and_two_ways_to_see_it_again(victims: Fuzzed) -> None:
    (found,) = [f for f in victims.about("rough") if f.rule == "fuzz.not_a_server_error"]
    assert found.exchange is not None
    assert found.exchange.request.startswith("POST /widgets HTTP/1.1")
    assert found.exchange.response.startswith("HTTP/1.1 500")
    assert found.reproduce == "harness run fuzz --only service=rough --seed 1"
    assert "curl -i -X POST" in found.detail


def test_the_request_that_kills_a_service_is_named_and_the_rest_is_still_fuzzed(victims: Fuzzed) -> None:
    (crash,) = [f for f in victims.about("mortal") if f.rule == "fuzz.crash"]
    assert crash.title.startswith("mortal died of POST /widgets with")
    assert crash.severity == "error"
    assert {f.rule for f in victims.about("mortal")} <= {"fuzz.crash", "fuzz.never_accepted"}


def test_a_failure_that_does_not_show_again_is_only_a_warning(victims: Fuzzed) -> None:
    (found,) = [f for f in victims.about("dangling") if f.severity == "warning"]
    assert "not again" in found.title


def test_no_secret_is_kept_anywhere(victims: Fuzzed) -> None:
    texts = [f"{f.title}{f.detail}{f.exchange}{f.reproduce}" for f in victims.result.findings]
    files = [p for p in (victims.folder / ".harness" / "runs").rglob("*") if p.is_file()]
    assert files
    leaked = [p.name for p in files if TOKEN.encode() in p.read_bytes()]
    assert not leaked
    assert not [t for t in texts if TOKEN in t]
    assert not [t for t in texts if "hunter22" in t]


def test_hostile_text_stays_text_and_steers_no_terminal(victims: Fuzzed) -> None:
    (found,) = [f for f in victims.about("rough") if f.rule == "fuzz.not_a_server_error"]
    assert found.exchange is not None
    assert "</script><script>alert(1)</script>" in found.exchange.response
    for finding in victims.result.findings:
        text = f"{finding.title}{finding.detail}{finding.exchange.request if finding.exchange else ''}"
        assert all(c.isprintable() or c in "\n\t" for c in text)


def test_a_broken_document_is_one_finding_and_the_others_are_fuzzed(victims: Fuzzed) -> None:
    assert [f.rule for f in victims.about("homepage")] == ["fuzz.document"]
    assert "neither JSON nor YAML" in victims.about("homepage")[0].title
    assert "longer than 10 MB" in victims.about("giant")[0].title
    assert victims.result.work["services"] == 4


def test_a_service_without_a_document_is_named_with_the_reason_and_not_counted(victims: Fuzzed) -> None:
    assert "silent is not fuzzed: has no OpenAPI document (services.silent.openapi)" in victims.notes


def test_work_and_measures_are_per_service(victims: Fuzzed) -> None:
    assert victims.result.work["operations"] == 4 * 5
    assert victims.result.work["cases"] > 300
    measures = {(m.name, m.labels["service"]): m.value for m in victims.result.measures}
    assert measures["fuzz.cases", "clean"] > 80
    assert measures["fuzz.operation_coverage", "clean"] == 1.0
    assert measures["fuzz.rate", "clean"] > 0


def test_every_phase_that_applies_got_its_share(victims: Fuzzed) -> None:
    import json

    artifact = next(a for a in victims.result.artifacts if a.path.endswith("operations.json"))
    table = json.loads((victims.folder / ".harness" / "runs" / "test" / artifact.path).read_text(encoding="utf-8"))
    phases = {phase for operation in table["clean"].values() for phase in operation["phases"]}
    assert phases == {"coverage", "fuzzing", "stateful"}


def test_nothing_is_left_in_the_project_but_the_run_and_the_cache(victims: Fuzzed) -> None:
    left = {p.name for p in victims.folder.iterdir()}
    assert left <= {".harness", "harness.toml", "lock", "notes", "result.json", "flaked"}
