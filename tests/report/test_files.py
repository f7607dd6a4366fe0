"""The files a run leaves, and what happens when they cannot be written."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import pytest
from junitparser import JUnitXml
from syrupy.assertion import SnapshotAssertion

from harness.errors import InfrastructureError, UsageError
from harness.evidence import GateOutcome, Measure, RunResult, StageResult, Status
from harness.report import rebuild_reports, write_reports
from harness.report.junit import junit_xml
from harness.report.markdown import summary_markdown
from harness.report.result_json import read_result, result_json
from tests.report.fakes import fake_plan, fake_result, fake_system

ROOT = Path(__file__).parents[2]


def test_four_files_are_written_and_the_result_is_kept_with_the_run(
    result: RunResult, run_directory: Path, tmp_path: Path
) -> None:
    files = write_reports(result, fake_plan(), fake_system(), run_directory, tmp_path / "deep" / "out")
    assert [f.name for f in files] == ["result.json", "junit.xml", "summary.md", "report.html"]
    assert sorted(f.name for f in (tmp_path / "deep" / "out").iterdir()) == sorted(f.name for f in files)
    assert read_result(run_directory / "result.json") == result


def test_the_reports_can_be_written_again(result: RunResult, run_directory: Path, tmp_path: Path) -> None:
    first = write_reports(result, fake_plan(), fake_system(), run_directory, tmp_path / "one")
    second = rebuild_reports(run_directory, fake_plan(), fake_system(), tmp_path / "two")
    assert json.loads(first[0].read_text()) == json.loads(second[0].read_text())
    assert [f.read_bytes() for f in first[1:]] == [f.read_bytes() for f in second[1:]]


def test_reporting_a_run_that_is_not_there_says_so(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"cannot read .*result\.json: No such file"):
        rebuild_reports(tmp_path, (), fake_system())


def test_a_result_that_is_not_one_is_named(tmp_path: Path) -> None:
    (tmp_path / "result.json").write_text('{"run_id": 3}')
    with pytest.raises(UsageError, match=r"result\.json is not the result of a run"):
        rebuild_reports(tmp_path, (), fake_system())


def test_result_json_has_the_promised_keys(result: RunResult) -> None:
    document = json.loads("".join(result_json(result)))
    assert {"schema_version", "verdict", "seed", "started", "duration_s", "stages"} <= document.keys()
    keys = {"name", "status", "reason", "work", "duration_s", "measures", "findings", "artifacts"}
    assert all(keys <= stage.keys() for stage in document["stages"])
    told = document["stages"][3]["findings"][0]
    assert told["fingerprint"] == result.stages[3].findings[0].fingerprint


def test_hostile_and_impossible_values_survive_json(hostile: RunResult, tmp_path: Path) -> None:
    odd = replace(hostile.stages[0], measures=(Measure("schema.x", float("inf"), "ms"),))
    whole = replace(hostile, stages=(odd, *hostile.stages[1:]))
    (tmp_path / "result.json").write_text("".join(result_json(whole)), encoding="utf-8")
    back = read_result(tmp_path / "result.json")
    assert back.stages[0].measures == ()
    assert len(back.stages[3].findings) == len(hostile.stages[3].findings)


def test_junit(result: RunResult, snapshot: SnapshotAssertion) -> None:
    root = ElementTree.fromstring(junit_xml(result))
    ElementTree.indent(root)
    assert ElementTree.tostring(root, encoding="unicode") == snapshot


def test_summary(result: RunResult, snapshot: SnapshotAssertion) -> None:
    assert summary_markdown(result) == snapshot


def test_junit_has_a_case_for_every_stage_finding_and_gate(result: RunResult) -> None:
    xml = JUnitXml.fromstring(junit_xml(result))
    cases = sum(len(list(suite)) for suite in xml)
    assert cases == len(result.stages) + sum(len(s.findings) for s in result.stages) + len(result.gates)
    assert xml.failures == 7  # six errors, one gate


def test_junit_shows_inconclusive_as_error_and_skipped_as_skipped(result: RunResult) -> None:
    stages = (
        StageResult(name="load", status=Status.INCONCLUSIVE, reason="did no work"),
        StageResult(name="chaos", status=Status.SKIPPED, reason="not asked for"),
    )
    gate = GateOutcome(gate="g", stage="elsewhere", status=Status.INCONCLUSIVE, reason="nothing measured")
    xml = JUnitXml.fromstring(junit_xml(replace(result, stages=stages, gates=(gate,))))
    assert (xml.errors, xml.skipped, xml.failures) == (2, 1, 0)
    assert [suite.name for suite in xml] == ["load", "chaos", "gates"]


def test_junit_of_hostile_text_is_valid_xml(hostile: RunResult) -> None:
    root = ElementTree.fromstring(junit_xml(hostile))
    text = "".join(root.itertext())
    assert "<script>alert(1)</script>" in text
    assert "␀" in text


def test_summary_of_hostile_text_holds_no_markup_outside_code(hostile: RunResult) -> None:
    fence, outside = "", []
    for row in summary_markdown(hostile).splitlines():
        if fence:
            fence = "" if row == fence else fence
        elif row.startswith("```"):
            fence = row
        else:
            outside.append(row)
    text = re.sub("(`+) ?.+? ?\\1", "", "\n".join(outside))
    assert fence == ""
    assert "<script" not in text
    assert "<img" not in text
    assert "\n# heading" not in text
    assert "@someone" not in text


def test_summary_stays_below_what_ci_systems_take(result: RunResult) -> None:
    one = result.stages[3].findings[0]
    assert one.exchange is not None
    big = replace(one, exchange=replace(one.exchange, response="x" * 100_000))
    many = tuple(replace(big, key=str(i)) for i in range(500))
    text = summary_markdown(replace(result, stages=(replace(result.stages[3], findings=many),)))
    assert len(text.encode()) < 1_000_000
    assert "and 450 more in the report" in text


def test_a_folder_that_cannot_be_made_is_one_clear_message(
    result: RunResult, run_directory: Path, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(InfrastructureError, match=r"cannot write .*file.*--out"):
        write_reports(result, fake_plan(), fake_system(), run_directory, tmp_path / "file" / "out")
    assert read_result(run_directory / "result.json") == result


def test_a_full_disk_leaves_the_old_report_whole_and_nothing_behind(tmp_path: Path) -> None:
    code = """
import resource, signal, sys
from pathlib import Path
from harness.errors import InfrastructureError
from harness.report import write_reports
from tests.report.fakes import fake_plan, fake_result, fake_system
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
run, out = Path(sys.argv[1]) / "run", Path(sys.argv[1]) / "out"
run.mkdir()
result = fake_result(run)
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
try:
    write_reports(result, fake_plan(), fake_system(), run, out)
except InfrastructureError as error:
    print(error)
"""
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "report.html").write_text("the old one")
    said = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)], cwd=ROOT, check=True, capture_output=True, text=True, timeout=60
    ).stdout
    assert "report.html" in said
    assert "File too large" in said
    assert (tmp_path / "out" / "report.html").read_text() == "the old one"
    assert not list((tmp_path / "out").glob(".*"))


def test_a_passing_run_writes_no_failures(run_directory: Path) -> None:
    xml = JUnitXml.fromstring(junit_xml(fake_result(run_directory, passing=True)))
    assert (xml.failures, xml.errors) == (0, 0)


def test_reports_reach_a_disk_with_room_when_the_runs_own_has_none(result: RunResult, tmp_path: Path) -> None:
    (tmp_path / "full").write_text("in the way of the run's folder")

    with pytest.raises(InfrastructureError, match=r"cannot write .*full.run.result\.json"):
        write_reports(result, fake_plan(), fake_system(), tmp_path / "full" / "run", tmp_path / "out")

    assert len(list((tmp_path / "out").iterdir())) == 4
