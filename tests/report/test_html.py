"""The HTML report: whole, without network, and deaf to what hostile text tells it."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import subprocess
import sys
from collections import Counter
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest

from harness.evidence import Artifact, RunResult, StageResult, Status
from harness.evidence.series import CHART_MEDIA_TYPE
from harness.evidence.store import PastRun
from harness.report import charts
from harness.report.html import report_html
from harness.system.model import System
from tests.report.fakes import HOSTILE, fake_plan, fake_result, fake_system


class Page(HTMLParser):
    """Tags, attributes and text of a page, as a browser's parser sees them."""

    VOID = frozenset(("meta", "input", "link", "br", "img", "hr"))

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[tuple[str, dict[str, str]]] = []
        self.text: list[str] = []
        self.raw: list[tuple[dict[str, str], str]] = []
        self._open: list[str] = []
        self.unbalanced: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        attributes = {k: v or "" for k, v in attrs}
        self.tags.append((tag, attributes))
        if tag == "script":
            self.raw.append((attributes, ""))
        if tag not in self.VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, {k: v or "" for k, v in attrs}))

    def handle_endtag(self, tag: str) -> None:
        if not self._open or self._open[-1] != tag:
            self.unbalanced.append(tag)
        else:
            self._open.pop()

    def handle_data(self, data: str) -> None:
        if self._open and self._open[-1] == "script":
            attributes, text = self.raw[-1]
            self.raw[-1] = (attributes, text + data)
        elif not self._open or self._open[-1] != "style":
            self.text.append(data)

    @property
    def shown(self) -> str:
        return " ".join("".join(self.text).split())


def page_of(result: RunResult, run_directory: Path, system: System | None = None, **options: object) -> Page:
    chunks = report_html(result, fake_plan(), system or fake_system(), run_directory, run_directory, **options)  # type: ignore[arg-type]  # test helper
    return Page(b"".join(chunks).decode("utf-8"))


def test_the_page_is_well_formed_and_tells_the_run(result: RunResult, run_directory: Path) -> None:
    page = page_of(result, run_directory)
    assert page.unbalanced == []
    for told in (
        "Failed",
        "6 errors in schema, provider, fuzz, chaos; 1 gate failed",
        "orders → payments",
        "612 ms is over",
    ):
        assert told in page.shown
    for finding in (f for s in result.stages for f in s.findings):
        assert finding.title in page.shown
        assert finding.fingerprint in page.shown


def test_hostile_text_becomes_neither_element_nor_attribute(hostile: RunResult, run_directory: Path) -> None:
    page = page_of(hostile, run_directory)
    clean = page_of(fake_result(run_directory), run_directory)
    assert page.unbalanced == []
    assert {t for t, _ in page.tags} == {t for t, _ in clean.tags}
    assert not {t for t, _ in page.tags} & {"img", "iframe", "object", "embed", "form", "link"}
    assert Counter(t for t, _ in page.tags)["script"] == 3
    for _, attributes in page.tags:
        assert not any(name.startswith("on") for name in attributes)
        assert not attributes.get("href", "").lower().startswith(("javascript:", "data:", "http:", "https:"))
    assert "<script>alert(1)</script>" in page.shown
    assert '"><img src=x onerror=alert(2)>' in page.shown


def test_hostile_names_everywhere_else_stay_text_too(result: RunResult, run_directory: Path) -> None:
    for text in HOSTILE:
        system = fake_system()
        services = {
            text if n == "psp" else n: replace(s, name=text) if n == "psp" else s for n, s in system.services.items()
        }
        edges = tuple(replace(e, callee=text) if e.callee == "psp" else e for e in system.edges)
        artifact = Artifact(text, f"{text}/../../../../etc/passwd", text)
        measures = tuple(replace(m, labels={text: text}) for m in result.stages[5].measures)
        stage = replace(result.stages[5], artifacts=(artifact,), measures=measures, work={text: 1}, reason=text)
        gates = tuple(replace(g, gate=text, reason=text, limit=text) for g in result.gates)
        odd = replace(
            result, stages=(stage,), gates=gates, branch=text, commit=text, command=text, system=text, reason=text
        )
        page = page_of(odd, run_directory, replace(system, services=services, edges=edges))
        assert page.unbalanced == []
        assert Counter(t for t, _ in page.tags)["script"] == 1
        assert not any(name.startswith("on") for _, attributes in page.tags for name in attributes)
        assert not any("passwd" in attributes.get("href", "") for _, attributes in page.tags)


def test_only_the_reports_own_scripts_may_run(result: RunResult, run_directory: Path) -> None:
    page = page_of(result, run_directory)
    policy = next(
        a["content"] for t, a in page.tags if t == "meta" and a.get("http-equiv") == "Content-Security-Policy"
    )
    assert "default-src 'none'" in policy
    allowed = set(re.findall(r"'sha256-([^']+)'", policy))
    scripts = [text for attributes, text in page.raw if attributes.get("type") != "application/json"]
    assert {base64.b64encode(hashlib.sha256(s.encode()).digest()).decode() for s in scripts} == allowed
    assert "unsafe-inline" not in policy.split("script-src")[1].split(";")[0]


def test_charts_are_data_that_cannot_end_their_element(result: RunResult, run_directory: Path) -> None:
    chart = run_directory / "load" / "latency.json"
    document = json.loads(chart.read_text())
    for series, text in zip(document["series"], HOSTILE[2:], strict=False):
        series["name"] = text.encode("utf-8", "replace").decode()
    document["windows"][0]["label"] = HOSTILE[2]
    document["title"] = HOSTILE[1]
    chart.write_text(json.dumps(document))
    page = page_of(result, run_directory)
    data = next(text for attributes, text in page.raw if attributes.get("type") == "application/json")
    assert [s["name"] for s in json.loads(data)[0]["series"]][:2] == list(HOSTILE[2:4])
    assert "<" not in data
    assert page.unbalanced == []


@pytest.mark.parametrize("content", ["", "no json", "{}", '{"title": 3}'])
def test_a_chart_that_cannot_be_read_says_so_in_its_place(result: RunResult, run_directory: Path, content: str) -> None:
    (run_directory / "load" / "latency.json").write_text(content)
    assert "This chart is not a chart" in page_of(result, run_directory).shown


def test_a_chart_that_is_gone_says_so(result: RunResult, run_directory: Path) -> None:
    (run_directory / "load" / "latency.json").unlink()
    assert "This chart cannot be read: No such file" in page_of(result, run_directory).shown


def test_peaks_survive_the_thinning_of_long_lines(result: RunResult, run_directory: Path) -> None:
    points = [[1_795_000_000.0 + i / 10, 10.0] for i in range(50_000)]
    points[31_337][1] = 9_999.0
    chart = {"title": "t", "unit": "ms", "series": [{"name": "a", "points": points}], "windows": []}
    (run_directory / "load" / "latency.json").write_text(json.dumps(chart))
    drawn = charts.charts_of(result, run_directory)[0].series[0].points
    assert len(drawn) <= 1_500
    assert max(value for _, value in drawn) == 9_999.0


def test_without_plotly_the_report_says_what_is_missing(
    result: RunResult, run_directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("harness.report.html.plotly_file", lambda: None)
    page = page_of(result, run_directory)
    assert "Charts need plotly" in page.shown
    assert len(page.raw) == 2


def test_a_run_without_charts_carries_no_plotly(run_directory: Path) -> None:
    chunks = report_html(fake_result(), fake_plan(), fake_system(), run_directory, run_directory)
    assert sum(len(c) for c in chunks) < 200_000


def test_every_edge_and_finding_link_leads_somewhere(result: RunResult, run_directory: Path) -> None:
    page = page_of(result, run_directory)
    anchors = [a["id"] for _, a in page.tags if "id" in a]
    assert len(anchors) == len(set(anchors))
    targets = {a["href"][1:] for _, a in page.tags if a.get("href", "").startswith("#")}
    assert targets <= set(anchors)


def test_a_traceback_keeps_its_columns(result: RunResult, run_directory: Path) -> None:
    stage = next(s for s in result.stages if s.findings)
    for detail, expected in (("in test:\n    assert 1 == 2", "detail code"), ("One sentence.", "detail")):
        found = replace(stage.findings[0], detail=detail)
        page = page_of(replace(result, stages=(replace(stage, findings=(found,)),)), run_directory)
        assert [a["class"] for tag, a in page.tags if tag == "p" and "detail" in (a.get("class") or "")] == [expected]


def test_artifacts_are_linked_relative_to_the_report(result: RunResult, run_directory: Path, tmp_path: Path) -> None:
    out = tmp_path / "some" / "out"
    chunks = report_html(result, fake_plan(), fake_system(), run_directory, out)
    hrefs = {a.get("href") for _, a in Page(b"".join(chunks).decode()).tags}
    assert "../../run/load/output.log" in hrefs


def test_five_hundred_findings_are_folded_by_rule(result: RunResult, run_directory: Path) -> None:
    one = result.stages[3].findings[0]
    many = tuple(replace(one, key=str(i)) for i in range(500))
    page = page_of(replace(result, stages=(replace(result.stages[3], findings=many),)), run_directory)
    groups = [a for t, a in page.tags if t == "details" and a.get("class") == "group"]
    assert len(groups) == 1
    assert "open" not in groups[0]
    assert "500 findings" in page.shown


@pytest.mark.parametrize(
    ("status", "told"),
    [(Status.PASS, "Passed"), (Status.WARN, "Passed, with warnings"), (Status.INCONCLUSIVE, "Inconclusive")],
)
def test_the_verdict_is_the_first_thing_told(run_directory: Path, status: Status, told: str) -> None:
    result = replace(fake_result(run_directory, passing=True), verdict=status)
    page = page_of(result, run_directory)
    assert re.search(rf"laptop \S{told} ", page.shown[:300])


def test_a_run_in_which_nothing_ran_is_still_a_report(run_directory: Path) -> None:
    stages = tuple(StageResult(name=p.name, status=Status.SKIPPED, reason="no contracts/ here") for p in fake_plan())
    result = replace(fake_result(), stages=stages, gates=(), verdict=Status.INCONCLUSIVE)
    page = page_of(result, run_directory, System("empty", services={}))
    assert page.unbalanced == []
    assert "no contracts/ here" in page.shown


def test_findings_no_earlier_run_had_are_marked_new(result: RunResult, run_directory: Path) -> None:
    known = {f.fingerprint for s in result.stages for f in s.findings[1:]}
    page = page_of(result, run_directory, known=known)
    assert sum(a.get("class") == "new" for _, a in page.tags) == sum(bool(s.findings) for s in result.stages)
    assert not any(a.get("class") == "new" for _, a in page_of(result, run_directory).tags)


def test_earlier_runs_of_the_same_profile_are_the_trend(result: RunResult, run_directory: Path) -> None:
    def past(run_id: str, profile: str) -> PastRun:
        return PastRun(
            run_id=run_id, system="record-shop", profile=profile, environment="", commit=f"c-{run_id}", branch="",
            started="2026-11-01T08:00:00Z", duration_s=90.0, verdict=Status.PASS, exit_code=0, seed=1,
        )  # fmt: skip

    page = page_of(result, run_directory, history=[past("one", "quick"), past("two", "full")])
    assert "c-one" in page.shown
    assert "c-two" not in page.shown


def test_the_report_is_made_without_importing_plotly() -> None:
    code = (
        "import sys, tempfile; from pathlib import Path; from harness.report import write_reports\n"
        "from tests.report.fakes import *\n"
        "d = Path(tempfile.mkdtemp()); write_reports(fake_result(d), fake_plan(), fake_system(), d, d)\n"
        "assert 'plotly' not in sys.modules and (d / 'report.html').stat().st_size > 1_000_000"
    )
    subprocess.run([sys.executable, "-c", code], cwd=Path(__file__).parents[2], check=True, timeout=60)


def test_charts_are_found_by_their_media_type(result: RunResult) -> None:
    kinds = [a.media_type for s in result.stages for a in s.artifacts]
    assert kinds.count(CHART_MEDIA_TYPE) == 2


@pytest.mark.parametrize(("passed", "folded"), [(3, False), (40, True)])
def test_gates_that_passed_are_folded_when_there_are_many_and_no_other_is(
    result: RunResult, run_directory: Path, passed: int, folded: bool
) -> None:
    good, bad = (next(g for g in result.gates if (g.status is Status.PASS) is wanted) for wanted in (True, False))
    gates = (*(replace(good, gate=f"gate {n}") for n in range(passed)), replace(bad, gate="the red one"))

    page = page_of(replace(result, gates=gates), run_directory)

    before, mark, after = page.shown.partition(f"{passed} gates that passed")
    assert bool(mark) is folded
    assert "the red one" in before
    assert all(f"gate {n} " in (after if folded else before) for n in range(passed))
