"""Smoke and synthetic stages against a real service."""

from __future__ import annotations

import os
import time

import anyio
import pytest

from harness.errors import ConfigError, UsageError
from harness.evidence import CHART_MEDIA_TYPE, Severity, Status, read_chart
from harness.synthetic.stage import SmokeStage, SyntheticStage
from tests.helpers import make_context, write_project
from tests.services import tiny_service

TOML = """
[system]
name = "tiny"
[services.tiny]
url = "{url}"
[runtime]
kind = "external"
{runtime}
[suites]
journeys = "journeys.py"
slos = "slos.toml"
[stages.synthetic]
rate = "30/s"
duration = "1s"
"""
JOURNEYS = """
from harness.system.journeys import journey

@journey(weight=2)
def browse(user):
    user.get("/items")
    user.get("/items", params={"ms": "5"})

@journey
def buy(user):
    user.post("/orders", json={"quantity": 1}, expect=201)
"""
SLO = '[[slos]]\nname = "buying works"\njourney = "buy"\nobjective = "99%"\nlatency = "{latency}"\n'
LENIENT = SLO.format(latency="5s")


@pytest.fixture
def tiny(tmp_path):
    with tiny_service(tmp_path) as service:
        yield service


def run(tmp_path, stage, service, *, journeys=JOURNEYS, slos=LENIENT, runtime="", logs=None, only=None):
    url = service.url if service else "http://127.0.0.1:9"
    files = {name: text for name, text in (("journeys.py", journeys), ("slos.toml", slos)) if text}
    project = write_project(tmp_path / "project", TOML.format(url=url, runtime=runtime), files)
    logs = logs or ({"tiny": service.log} if service else {})
    context = make_context(project, stage, [], addresses={"tiny": url}, service_logs=logs, only=only)
    return anyio.run(stage.run, context), context


def measure(result, name, **labels):
    return next(m.value for m in result.measures if m.matches(name, labels))


def test_smoke_walks_every_journey_once_in_order(tmp_path, tiny):
    result, _ = run(tmp_path, SmokeStage(), tiny)
    assert result.status is Status.PASS
    assert result.work == {"journeys": 2, "requests": 3}
    assert [m.labels["journey"] for m in result.measures] == ["browse", "buy"]
    assert tiny.seen() == {"total": 3, "tagged": 0}


def test_smoke_tells_where_a_journey_failed_and_what_the_service_logged(tmp_path, tiny):
    broken = (
        JOURNEYS
        + "\n@journey\ndef pay(user):\n    user.get('/items')\n    user.post('/broken', json={'card': 'tok'})\n"
    )
    result, _ = run(tmp_path, SmokeStage(), tiny, journeys=broken)
    (finding,) = result.findings
    assert result.status is Status.FAIL
    assert finding.severity is Severity.ERROR
    assert finding.title == "pay: POST /broken: answered 500, expected 2xx"
    assert "GET /items → 200; POST /broken → 500" in finding.detail
    assert f'tiny | {{"trace_id": "{finding.trace_id}", "path": "/broken"}}' in finding.detail
    assert finding.exchange.request.startswith(f"POST {tiny.url}/broken")
    assert '{"card": "tok"}' in finding.exchange.request
    assert finding.exchange.response.startswith("500")
    assert finding.exchange.expected == "2xx"
    assert finding.reproduce == "harness run smoke --only journey=pay --seed 1"


def test_smoke_tells_of_an_answer_that_does_not_add_up(tmp_path, tiny):
    journeys = (
        JOURNEYS
        + "\n@journey\ndef count(user):\n    user.check(user.get('/items').json()['sent'] == 7, 'seven were sent')\n"
    )
    result, _ = run(tmp_path, SmokeStage(), tiny, journeys=journeys)
    assert [f.title for f in result.findings] == ["count: not so: seven were sent"]
    exchange = result.findings[0].exchange
    assert exchange.request.startswith(f"GET {tiny.url}/items")
    assert '"sent"' in exchange.response  # what it stumbled over
    assert exchange.expected == "seven were sent"


def test_an_error_of_the_journeys_own_code_is_told_as_one(tmp_path, tiny):
    journeys = JOURNEYS + "\n@journey\ndef count(user):\n    user.get('/items').json()['gone']\n"
    result, _ = run(tmp_path, SmokeStage(), tiny, journeys=journeys)
    assert [f.title for f in result.findings] == ["count: KeyError: 'gone'"]


def test_services_that_log_no_trace_are_shown_with_what_they_logged_last(tmp_path, tiny):
    (tmp_path / "mute.log").write_text("upstream: Invalid URL\n")
    os.utime(tmp_path / "mute.log", (time.time() + 60, time.time() + 60))
    (tmp_path / "idle.log").write_text("listening\n")
    os.utime(tmp_path / "idle.log", (1, 1))
    broken = "from harness.system import journey\n@journey\ndef pay(user):\n    user.post('/broken', json={})\n"
    logs = {"mute": tmp_path / "mute.log", "idle": tmp_path / "idle.log"}
    result, _ = run(tmp_path, SmokeStage(), tiny, journeys=broken, logs=logs)
    (finding,) = result.findings
    assert "mute | upstream: Invalid URL" in finding.detail
    assert "listening" not in finding.detail


@pytest.mark.parametrize("stage", [SmokeStage(), SyntheticStage()], ids=["smoke", "synthetic"])
def test_one_journey_can_be_asked_for(tmp_path, tiny, stage):
    slos = LENIENT + LENIENT.replace("buy", "browse")
    result, _ = run(tmp_path, stage, tiny, slos=slos, only={"journey": "browse"})
    assert result.status is Status.PASS
    assert {m.labels["journey"] for m in result.measures if "journey" in m.labels} == {"browse"}


def test_smoke_tells_of_a_service_that_does_not_answer(tmp_path):
    result, _ = run(tmp_path, SmokeStage(), None)
    assert [f.title.split(" (")[0] for f in result.findings] == [
        "browse: GET /items: ConnectError: [Errno 111] Connection refused",
        "buy: POST /orders: ConnectError: [Errno 111] Connection refused",
    ]


def test_an_answer_that_takes_too_long_is_told_with_the_limit(tmp_path, tiny):
    slow = (
        "from harness.system import journey\n@journey\ndef wait(user):\n    user.get('/items', params={'ms': '2000'})\n"
    )
    limit = '[stages.smoke]\nrequest_timeout = "300ms"'
    result, _ = run(tmp_path, SmokeStage(), tiny, journeys=slow, runtime=limit)
    assert [f.title for f in result.findings] == ["wait: GET /items: no answer within 0.3 s"]


@pytest.mark.parametrize("stage", [SmokeStage(), SyntheticStage()])
def test_a_missing_journeys_file_is_inconclusive_and_says_what_to_do(tmp_path, stage):
    result, _ = run(tmp_path, stage, None, journeys="")
    assert result.status is Status.INCONCLUSIVE
    assert "there is no journeys.py" in result.reason
    assert "`harness init` makes a starter" in result.reason


@pytest.mark.parametrize("stage", [SmokeStage(), SyntheticStage()])
def test_a_journeys_file_that_does_not_import_is_the_users_to_mend(tmp_path, stage):
    with pytest.raises(
        UsageError, match=r"journeys.py: does not import: ModuleNotFoundError: No module named 'nowhere'"
    ):
        run(tmp_path, stage, None, journeys="import nowhere\n")


def test_smoke_on_production_is_tagged(tmp_path, tiny):
    run(tmp_path, SmokeStage(), tiny, runtime="production = true")
    assert tiny.seen() == {"total": 3, "tagged": 3}


def test_synthetic_walks_are_tagged_and_held_against_objectives(tmp_path, tiny):
    result, context = run(tmp_path, SyntheticStage(), tiny, runtime="production = true")
    assert result.status is Status.PASS, result.findings
    assert result.work == {"walks": 30, "requests": 50, "tagged": 50}
    assert tiny.seen() == {"total": 50, "tagged": 50}
    assert measure(result, "synthetic.availability", journey="buy") == 1
    assert measure(result, "synthetic.latency.p95", journey="browse") >= 5
    assert measure(result, "synthetic.budget.remaining", slo="buying works") == 1
    assert measure(result, "synthetic.burn_rate", journey="buy") == 0
    (artifact,) = (a for a in result.artifacts if a.media_type == CHART_MEDIA_TYPE)
    chart = read_chart(context.run_directory / artifact.path)
    assert {s.name: len(s.points) for s in chart.series} == {"browse": 20, "buy": 10}


def test_a_service_slower_than_promised_breaks_the_objective(tmp_path, tiny):
    slow = JOURNEYS.replace('"/orders"', '"/orders?ms=60"')
    result, _ = run(tmp_path, SyntheticStage(), tiny, journeys=slow, slos=SLO.format(latency="50ms"))
    (finding,) = result.findings
    assert result.status is Status.FAIL
    assert finding.rule == "synthetic.slo"
    assert finding.title == (
        '"buying works" is not kept: 0 of 10 walks of buy were good (0.0%, promised 99% within 50 ms)'
    )
    assert "10 × took longer than 0.05 s" in finding.detail
    assert "In production this would page." in finding.detail
    assert measure(result, "synthetic.burn_rate", slo="buying works") == pytest.approx(100)
    assert measure(result, "synthetic.availability", journey="buy") == 1


def test_a_single_bad_walk_is_a_warning_because_the_sample_is_small(tmp_path, tiny):
    once = JOURNEYS.replace(
        "def buy(user):",
        "def buy(user, seen=[]):\n    seen.append(1)\n    if len(seen) == 3:\n        user.get('/broken')",
    )
    result, _ = run(tmp_path, SyntheticStage(), tiny, journeys=once)
    (finding,) = result.findings
    assert result.status is Status.WARN
    assert "9 of 10 walks of buy were good" in finding.title
    assert "with a chance of 0.096 (an error below 0.01" in finding.detail
    assert finding.exchange.response.startswith("500")


def test_a_failed_walk_without_an_objective_is_a_warning(tmp_path, tiny):
    broken = JOURNEYS.replace(
        'user.get("/items")', 'user.get(user.rng.choice(["/broken", "/items"]), name="GET /items")'
    )
    result, _ = run(tmp_path, SyntheticStage(), tiny, journeys=broken)
    assert result.status is Status.WARN
    assert [f.title for f in result.findings] == ["browse: GET /items: answered 500, expected 2xx"]


def test_a_journey_that_never_went_well_is_an_error_without_an_objective_too(tmp_path, tiny):
    broken = JOURNEYS.replace('user.get("/items")', 'user.get("/broken")')
    result, _ = run(tmp_path, SyntheticStage(), tiny, journeys=broken)
    assert result.status is Status.FAIL
    # Twenty walks failed alike: one finding.
    assert [f.title for f in result.findings] == ["browse: GET /broken: answered 500, expected 2xx"]


def test_without_objectives_the_result_says_so(tmp_path, tiny):
    result, _ = run(tmp_path, SyntheticStage(), tiny, slos="")
    assert result.status is Status.WARN
    assert [f.title for f in result.findings] == ["no objective is declared: there is no slos.toml"]
    assert result.work["walks"] == 30


def test_an_objective_for_a_journey_nobody_wrote_is_an_error(tmp_path, tiny):
    result, _ = run(tmp_path, SyntheticStage(), tiny, slos=SLO.format(latency="5s").replace('"buy"', '"buyy"'))
    (finding,) = result.findings
    assert finding.severity is Severity.ERROR
    assert 'the journey "buyy" was not walked' in finding.title
    assert 'Did you mean "buy"?' in finding.detail


def test_a_journey_that_drops_the_tag_is_an_error(tmp_path, tiny):
    bare = JOURNEYS.replace("expect=201", 'expect=201, headers={"baggage": "team=blue"}')
    result, _ = run(tmp_path, SyntheticStage(), tiny, journeys=bare)
    finding = next(f for f in result.findings if f.rule == "synthetic.untagged")
    assert finding.severity is Severity.ERROR
    assert finding.title == "10 of 50 synthetic requests went out without their tag"
    assert tiny.seen()["tagged"] == 40


def test_a_mistake_in_the_objectives_stops_the_stage_before_any_traffic(tmp_path, tiny):
    with pytest.raises(ConfigError, match=r"slos.toml: slos.0.latency"):
        run(tmp_path, SyntheticStage(), tiny, slos=SLO.format(latency="soon"))
    assert tiny.seen()["total"] == 0
