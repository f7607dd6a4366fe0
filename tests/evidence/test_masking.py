"""What leaves a worker is fit to be shown: masked at any depth, of bounded length, without control characters."""

from __future__ import annotations

from harness.evidence import (
    Artifact,
    Exchange,
    Finding,
    Measure,
    Place,
    Severity,
    StageResult,
    Status,
    masked,
    masked_text,
)
from harness.evidence.redaction import MASK, Redactor

CANARY = "canary-of-the-masking"


def finding(**more: object) -> Finding:
    return Finding(**{"rule": "smoke.x", "severity": Severity.ERROR, "title": "it broke", **more})  # type: ignore[arg-type]  # as they come


def test_every_text_of_a_result_is_masked_however_deep() -> None:
    said = f"token={CANARY}"
    result = StageResult(
        name="smoke",
        status=Status.FAIL,
        reason=said,
        measures=(Measure("smoke.x", 1, "ms", {"journey": said}),),
        findings=(
            finding(
                title=said,
                detail=said,
                place=Place(operation=f"GET /a?{said}"),
                exchange=Exchange(said, said, said),
                reproduce=f"curl -H 'X-Auth-Token: {CANARY}' http://127.0.0.1",
                key=said,
            ),
        ),
        artifacts=(Artifact(said, "smoke/a.log"),),
    )

    clean = masked(result)

    assert CANARY not in repr(clean)
    assert clean.status is Status.FAIL
    assert clean.measures[0].value == 1
    assert clean.artifacts[0].path == "smoke/a.log"
    assert masked(clean) == clean


def test_a_finding_has_the_same_fingerprint_whatever_the_secret_was() -> None:
    one, other = (finding(place=Place(operation=f"GET /a?token={t}"), key=f"api_key={t}") for t in ("abcd1", "efgh2"))

    assert masked(one).fingerprint == masked(other).fingerprint


def test_no_text_is_without_end_and_what_was_cut_is_told() -> None:
    huge = "word " * 2_000_000

    clean = masked(finding(title=huge, detail=huge + "the end", exchange=Exchange(huge, "line\n" * 4_000)))

    assert len(clean.title) <= 500
    assert clean.title.endswith("…")
    assert len(clean.detail) < 21_000
    assert "characters left out" in clean.detail
    assert clean.detail.endswith("the end")
    assert clean.exchange is not None
    assert "lines left out" in clean.exchange.response
    assert clean.exchange.response.count("\n") < 700
    assert masked(clean) == clean


def test_a_secret_the_cut_goes_through_is_not_half_there() -> None:
    secret = "canary" * 150
    redactor = Redactor(values=[secret])

    for size in range(8):  # masks are so much shorter that the place of the cut stays in what is shown
        shown = masked_text(f"{'x' * size * 100} " + f"{secret} " * 200, 2_000, redactor)
        assert MASK in shown
        assert "canary" not in shown


def test_long_keys_stay_different_when_they_are_cut() -> None:
    one, other = masked(finding(key="k" * 5_000 + "1")), masked(finding(key="k" * 5_000 + "2"))

    assert one.fingerprint != other.fingerprint
    assert len(one.key) < 1_000


def test_control_characters_are_shown_and_steer_nothing() -> None:
    clean = masked(finding(title="\x1b[2Jgone\x9b31m\u202e\r", detail="a\tb\nc"))

    assert clean.title == "␛[2Jgone<U+009B>31m<U+202E>␍"
    assert clean.detail == "a\tb\nc"


def test_stages_and_rules_keep_their_names_whatever_is_secret() -> None:
    finding = Finding(rule="smoke.failed-9", severity=Severity.ERROR, title="smoke.failed-9 in stage-9")
    result = StageResult(name="stage-9", status=Status.FAIL, findings=(finding,))
    clean = masked(result, Redactor(values=["stage-9", "smoke.failed-9"]))
    assert (clean.name, clean.findings[0].rule) == ("stage-9", "smoke.failed-9")
    assert "9" not in clean.findings[0].title
