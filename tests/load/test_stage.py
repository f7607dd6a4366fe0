"""The load stage against a real service, through a real Locust."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from pathlib import Path

import anyio
import pytest

from harness.errors import ConfigError, UsageError
from harness.evidence import CHART_MEDIA_TYPE, Severity, Status, read_chart
from harness.load.result import LoadResult
from harness.load.stage import LoadSettings, LoadStage
from tests.helpers import make_context, write_project
from tests.services import tiny_service

TOML = """
[system]
name = "tiny"
[services.tiny]
url = "{url}"
[suites]
journeys = "journeys.py"
locustfile = "locustfile.py"
{runtime}
[stages.load]
rate = "40/s"
duration = "2s"
warmup = "1s"
{settings}
"""
LOCUSTFILE = """
from pathlib import Path
from harness.load.locust import ArrivalUser
from harness.system.journeys import load_journeys

class Visitor(ArrivalUser):
    journeys = load_journeys(Path(__file__).with_name("journeys.py"))
    rate = 3
"""
JOURNEYS = """
from harness.system.journeys import journey

@journey(weight=3)
def browse(user):
    user.get("/items", params={"ms": "5"})

@journey
def buy(user):
    user.post("/orders", json={"quantity": user.rng.randint(1, 3)}, expect=201)
"""


@pytest.fixture
def tiny(tmp_path):
    with tiny_service(tmp_path) as service:
        yield service


def prepare(root, url, *, settings="", runtime="", locustfile=LOCUSTFILE, journeys=JOURNEYS, logs=None):
    files = {name: text for name, text in (("locustfile.py", locustfile), ("journeys.py", journeys)) if text}
    project = write_project(root / "project", TOML.format(url=url, settings=settings, runtime=runtime), files)
    return make_context(project, LoadStage(), [], addresses={"tiny": url}, service_logs=logs or {})


def run(context):
    return anyio.run(LoadStage().run, context)


def measure(result, name, **labels):
    return next(m.value for m in result.measures if m.matches(name, labels))


def test_journeys_arrive_at_the_intended_rate_and_are_measured(tmp_path, tiny):
    context = prepare(tmp_path, tiny.url, settings='max_lateness = "5s"')
    result = run(context)
    assert result.status is Status.PASS, (result.reason, result.findings)
    assert result.work == {"walks": 80, "requests": 80}
    assert measure(result, "load.rate.intended", journey="browse") == pytest.approx(30)
    assert measure(result, "load.rate.kept", journey="all") > 0.5
    assert measure(result, "load.error_rate", journey="buy") == 0
    assert 5 <= measure(result, "load.latency.p50", journey="browse") <= measure(result, "load.latency.max")
    charts = [a for a in result.artifacts if a.media_type == CHART_MEDIA_TYPE]
    latency = read_chart(context.run_directory / charts[0].path)
    assert (charts[0].name, latency.unit) == ("series", "ms")
    assert {s.name for s in latency.series} == {"browse p50", "browse p99", "buy p50", "buy p99"}
    # 40 a second for 3 s, warm-up included, and every one of them really sent.
    assert tiny.seen() == {"total": 120, "tagged": 0}


def test_a_frozen_second_shows_in_the_percentiles(tmp_path, tiny):
    """Coordinated omission: users that wait for the frozen system would send little, and report a fast p95."""
    context = prepare(tmp_path, tiny.url, settings='max_lateness = "5s"')
    freezer = threading.Thread(target=_freeze_when_busy, args=(tiny, 60, 1.0))
    freezer.start()
    result = run(context)
    freezer.join()
    # Half of the two counted seconds was frozen: a quarter of the walks waited for more than half a second.
    assert measure(result, "load.latency.p95", journey="browse") > 700
    assert measure(result, "load.latency.p99", journey="browse") > 800
    assert result.work["walks"] == 80


def _freeze_when_busy(service, requests, seconds):
    while service.seen()["total"] < requests:
        time.sleep(0.05)
    service.freeze(seconds)


def test_a_journey_that_fails_too_often_is_an_error_with_trace_and_log(tmp_path, tiny):
    journeys = JOURNEYS + "\n@journey\ndef pay(user):\n    user.get('/broken')\n"
    result = run(prepare(tmp_path, tiny.url, journeys=journeys, logs={"tiny": tiny.log}))
    finding = next(f for f in result.findings if f.rule == "load.errors")
    assert result.status is Status.FAIL
    assert finding.severity is Severity.ERROR
    assert finding.title.startswith("pay failed in ")
    assert "GET /broken: answered 500, expected 2xx" in finding.title
    assert finding.place.journey == "pay"
    assert f'tiny | {{"trace_id": "{finding.trace_id}", "path": "/broken"}}' in finding.detail
    assert measure(result, "load.error_rate", journey="pay") == 1.0
    assert measure(result, "load.error_rate", journey="browse") == 0.0


def test_arrivals_beyond_the_limit_in_flight_are_counted_as_failed(tmp_path, tiny):
    journeys = "from harness.system.journeys import journey\n@journey\ndef wait(user):\n    user.get('/slow?ms=600')\n"
    result = run(prepare(tmp_path, tiny.url, journeys=journeys, settings="max_in_flight = 5"))
    finding = next(f for f in result.findings if f.rule == "load.saturated")
    assert "of 80 journeys could not start" in finding.title
    assert measure(result, "load.error_rate", journey="wait") > 0.5
    assert measure(result, "load.rate.achieved", journey="wait") < 20


def test_a_walk_without_an_end_is_given_up_and_counted(tmp_path, tiny):
    journeys = (
        "import time\nfrom harness.system.journeys import journey\n@journey\ndef endless(user):\n    time.sleep(60)\n"
    )
    settings = 'rate = "5/s"\nrequest_timeout = "500ms"'
    toml = TOML.replace('rate = "40/s"\n', "")
    project = write_project(
        tmp_path / "project",
        toml.format(url=tiny.url, settings=settings, runtime=""),
        {"locustfile.py": LOCUSTFILE, "journeys.py": journeys},
    )
    context = make_context(project, LoadStage(), [], addresses={"tiny": tiny.url})
    run(context)
    load = LoadResult.read(context.directory / "load.json")
    assert (load.journeys[0].scheduled, load.journeys[0].unfinished, load.journeys[0].failed) == (10, 10, 10)


def test_latencies_of_a_generator_that_was_late_are_not_judged(tmp_path, tiny):
    result = run(prepare(tmp_path, tiny.url, settings='max_lateness = "1us"'))
    assert [f.rule for f in result.findings] == ["load.generator_bottleneck"]
    assert result.status is Status.WARN
    assert not [m for m in result.measures if m.name.startswith("load.latency")]
    assert measure(result, "load.lateness.p99") > 0.001


def test_a_journey_whose_turn_never_came_is_an_error(tmp_path, tiny):
    journeys = JOURNEYS.replace("weight=3", "weight=5000")
    result = run(prepare(tmp_path, tiny.url, journeys=journeys))
    finding = next(f for f in result.findings if f.rule == "load.never_ran")
    assert finding.severity is Severity.ERROR
    assert finding.title == "the journey buy was never walked under load"


def test_a_locustfile_without_the_plugin_works_in_a_closed_model(tmp_path, tiny):
    plain = (
        "from locust import HttpUser, constant, task\n"
        "class Plain(HttpUser):\n"
        "    wait_time = constant(0.1)\n"
        "    @task\n    def look(self):\n        self.client.get('/items', name='/items')\n"
        "    @task\n    def fail(self):\n        self.client.get('/broken')\n"
    )
    context = prepare(tmp_path, tiny.url, locustfile=plain, settings="users = 3")
    result = run(context)
    assert measure(result, "load.latency.p99", request="GET /items") > 0
    assert measure(result, "load.error_rate", request="GET /items") == 0
    assert measure(result, "load.error_rate", request="GET /broken") == 1
    assert result.work["requests"] > 5
    assert [f.title.split(" times")[0] for f in result.findings if f.severity is Severity.ERROR] == [
        f"GET /broken failed {(n := _count(context, 'GET /broken'))} of {n}"
    ]
    assert any("closed model" in e.text for e in _notes(context))


def _count(context, name):
    load = LoadResult.read(context.directory / "load.json")
    return next(r.count for r in load.requests if r.name == name)


def _notes(context):
    return [e for e in context.send.__self__ if e.kind == "note"]


@pytest.mark.parametrize(
    ("locustfile", "said"),
    [
        (
            "import nothing_of_this_name\n",
            "does not import: ModuleNotFoundError: No module named 'nothing_of_this_name'",
        ),
        ("x = (\n", "does not import: SyntaxError: '(' was never closed"),
        ("answer = 42\n", "has no user class: derive one from harness.load.locust.ArrivalUser"),
        (
            "from harness.load.locust import ArrivalUser\nclass Idle(ArrivalUser):\n    pass\n",
            "does not import: harness.errors.UsageError: Idle.journeys is empty",
        ),
        (
            LOCUSTFILE + "class Another(Visitor):\n    pass\n",
            "does not import: harness.errors.UsageError: one ArrivalUser per locustfile, holding all its journeys",
        ),
        (
            LOCUSTFILE + "    arrival = 'sometimes'\n",
            "does not import: harness.errors.UsageError: Visitor: 'sometimes' is not a valid ArrivalKind",
        ),
    ],
)
def test_a_locustfile_that_cannot_be_used_is_one_clear_message(tmp_path, tiny, locustfile, said):
    with pytest.raises(UsageError) as caught:
        run(prepare(tmp_path, tiny.url, locustfile=locustfile))
    assert str(caught.value).startswith(f"locustfile.py {said}")


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ('request_timeout = "0s"', "must be longer than zero"),
        ('max_error_rate = "200%"', "must be a percentage from 0% to 100%, such as \"1%\", found '200%'"),
        ('arrival = "poison"', 'Did you mean "poisson"?'),
    ],
)
def test_a_setting_that_makes_no_sense_is_one_clear_message(tmp_path, setting, said):
    with pytest.raises(ConfigError, match=f"stages.load.{setting.split()[0]}") as caught:
        prepare(tmp_path, "http://127.0.0.1:9", settings=setting)
    assert said in str(caught.value)


@pytest.mark.parametrize("rate", ['"0/s"', '"-1/s"', '"10ms"', "10"])
def test_a_rate_is_above_zero_and_per_time(tmp_path, rate):
    toml = TOML.replace('rate = "40/s"', f"rate = {rate}").format(url="http://127.0.0.1:9", runtime="", settings="")
    project = write_project(tmp_path / "project", toml)
    with pytest.raises(ConfigError, match=r"harness\.toml: stages\.load\.rate"):
        project.settings("load", LoadSettings, "quick")


def test_a_missing_locustfile_is_inconclusive_and_says_what_to_do(tmp_path):
    result = run(prepare(tmp_path, "http://127.0.0.1:9", locustfile=""))
    assert result.status is Status.INCONCLUSIVE
    assert "there is no locustfile.py" in result.reason
    assert "docs/how-to/load.md" in result.reason


def test_without_a_rate_in_the_settings_the_locustfiles_own_counts(tmp_path, tiny):
    files = {"locustfile.py": LOCUSTFILE, "journeys.py": JOURNEYS}
    toml = TOML.replace('rate = "40/s"', "").format(url=tiny.url, runtime="", settings="")
    project = write_project(tmp_path / "project", toml, files)
    assert run(make_context(project, LoadStage(), [], addresses={"tiny": tiny.url})).work["walks"] == 6


def test_load_on_another_machine_is_refused_unless_allowed_by_name(tmp_path):
    with pytest.raises(UsageError, match=r'allow_targets = \["shop.example"\]'):
        run(prepare(tmp_path, "https://shop.example/api"))


def test_load_on_production_is_refused(tmp_path):
    runtime = "[runtime]\nkind = 'external'\nproduction = true"
    with pytest.raises(UsageError, match="not put on production"):
        run(prepare(tmp_path, "http://127.0.0.1:9", runtime=runtime))


def test_the_locustfile_runs_with_locust_alone_and_over_workers(tmp_path, tiny):
    context = prepare(tmp_path, tiny.url)
    out = tmp_path / "load.json"
    done = subprocess.run(
        [
            *(sys.executable, "-m", "locust", "-f", "locustfile.py", "--headless", "--host", tiny.url),
            *("--run-time", "4s", "--processes", "2", "--users", "2", "--spawn-rate", "2"),
            *("--arrival-rate", "20", "--load-result", str(out), "--only-summary"),
        ],
        cwd=context.root,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    load = LoadResult.read(out)
    walks = {j.name: j.scheduled for j in load.journeys}
    assert sum(walks.values()) == tiny.seen()["total"]
    # Two workers share one schedule: together they make its rate, each journey by its weight.
    assert sum(walks.values()) / load.duration_s == pytest.approx(20, rel=0.3)
    assert walks["browse"] / walks["buy"] == pytest.approx(3, rel=0.2)
    assert "JOURNEY" in done.stdout + done.stderr


def test_the_result_file_is_plain_json_with_a_version(tmp_path, tiny):
    context = prepare(tmp_path, tiny.url, settings='arrival = "poisson"')
    run(context)
    data = json.loads(Path(context.directory / "load.json").read_text())
    assert (data["schema_version"], data["model"], data["arrival"]) == (1, "open", "poisson")
    assert data["journeys"][0]["latency"]["histogram"].startswith("HISTFAAA")
