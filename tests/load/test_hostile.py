"""Load against a service that means harm: nothing goes elsewhere, nothing fills the memory, nothing is green for nothing."""

from __future__ import annotations

import json
from collections.abc import Iterator

import anyio
import pytest

from harness.errors import InfrastructureError, UsageError
from harness.evidence import Severity, StageResult, Status
from harness.load.stage import LoadStage
from harness.pipeline.stage import ChecksTargets
from tests.helpers import make_context, watched_memory, write_project
from tests.hostile import Hostile, Listener, hostile, listener

TOML = """
[system]
name = "hostile"
[services.tiny]
url = "{url}"
[suites]
journeys = "journeys.py"
locustfile = "locustfile.py"
{runtime}
[stages.load]
rate = "10/s"
duration = "2s"
warmup = "200ms"
request_timeout = "1s"
max_lateness = "60s"
max_error_rate = "100%"
users = {users}
"""
ARRIVALS = """
from pathlib import Path
from harness.load.locust import ArrivalUser
from harness.system.journeys import load_journeys

class Visitor(ArrivalUser):
    journeys = load_journeys(Path(__file__).with_name("journeys.py"))
"""
JOURNEYS = "from harness.system.journeys import journey\n"
USER = "from locust import FastHttpUser, HttpUser, constant, task\n\nclass Visitor({kind}):\n    wait_time = constant(0.2)\n"


@pytest.fixture(scope="module")
def elsewhere() -> Iterator[Listener]:
    with listener() as made:
        yield made


@pytest.fixture(autouse=True)
def nothing_is_heard_elsewhere(elsewhere: Listener) -> Iterator[None]:
    yield
    assert elsewhere.heard == []


def run(
    tmp_path, service: Hostile, locustfile: str = ARRIVALS, journeys: str = "", runtime: str = "", users: int = 2
) -> StageResult:
    files = {"locustfile.py": locustfile, "journeys.py": JOURNEYS + journeys}
    project = write_project(tmp_path / "project", TOML.format(url=service.url, runtime=runtime, users=users), files)
    return anyio.run(LoadStage().run, make_context(project, LoadStage(), [], addresses={"tiny": service.url}))


def walking(**bodies: str) -> str:
    return "".join(f"\n@journey\ndef {name}(user):\n    {body}\n" for name, body in bodies.items())


def rules(result: StageResult) -> set[str]:
    return {f.rule for f in result.findings if f.severity is Severity.ERROR}


def test_an_address_that_an_answer_names_draws_no_load_and_no_token(tmp_path, elsewhere: Listener) -> None:
    body = "user.headers['Authorization'] = 'Bearer secret'; user.get(user.get('/a').json()['next'])"
    with hostile(f"@{elsewhere.address}/steal") as service:
        result = run(tmp_path, service, journeys=walking(follow=body, calm="user.get('/ok')"))

    refused = [f for f in result.findings if f.rule == "load.uninvited"]
    assert [f.severity for f in refused] == [Severity.ERROR]
    assert "the answer to GET /a sends" in refused[0].title
    assert result.status is Status.FAIL


@pytest.mark.parametrize("kind", ["HttpUser", "FastHttpUser"])
@pytest.mark.parametrize("ask", ["'/redirect/307'", "'{elsewhere}/steal'"])
def test_locust_s_own_users_do_not_get_away(tmp_path, elsewhere: Listener, kind: str, ask: str) -> None:
    asked = ask.format(elsewhere=elsewhere.url)
    task = (
        "\n    @task\n    def go(self):\n        self.client.get('/ok')\n"
        f"        self.client.get({asked}, headers={{'Authorization': 'x'}})\n"
    )
    with hostile(f"{elsewhere.url}/steal") as service:
        result = run(tmp_path, service, USER.format(kind=kind) + task)

    refused = [f for f in result.findings if f.rule == "load.uninvited"]
    assert elsewhere.address in refused[0].title
    assert ("redirect that" in refused[0].title) == ("redirect" in ask)
    assert "locustfile.py:" in refused[0].detail


@pytest.mark.parametrize("kind", ["HttpUser", "FastHttpUser"])
def test_what_one_service_was_given_does_not_go_to_another_by_a_redirect(tmp_path, kind: str) -> None:
    task = (
        "\n    @task\n    def go(self):\n        self.client.get('/cookie')\n"
        "        self.client.get('/redirect/307', headers={'Authorization': 'x', 'X-Api-Key': 'mine', 'X-Plain': 'kept'})\n"
        "        self.client.get('/ok')\n"
    )
    with listener("127.0.0.1") as other, hostile(f"{other.url}/landed") as service:
        allowed = f'[runtime]\nallow_targets = ["{other.address}"]'
        run(tmp_path, service, USER.format(kind=kind) + task, runtime=allowed)
        heard = b"".join(other.heard).lower()
        own = [r.lower() for r in service.requests if "/ok" in r]

    assert b"/landed" in heard
    assert b"x-plain: kept" in heard
    assert not [name for name in (b"authorization", b"x-api-key", b"cookie", b"secret") if name in heard]
    assert "cookie: session=secret" in own[0]


def test_a_further_host_is_asked_when_it_is_invited(tmp_path) -> None:
    with listener() as allowed, hostile("/") as service:
        own = f"\n    @task\n    def go(self):\n        self.client.get('/ok')\n        self.client.get('{allowed.url}/x')\n"
        runtime = f'[runtime]\nallow_targets = ["{allowed.address}"]'
        result = run(tmp_path, service, USER.format(kind="HttpUser") + own, runtime=runtime)

        assert "load.uninvited" not in rules(result)
        assert allowed.heard


def test_no_answer_takes_the_memory_of_the_machine(tmp_path) -> None:
    bodies = {
        n: f"user.get('/{n}').json()" for n in ("endless", "bomb", "drip", "driphead", "longhead", "deep", "many")
    }
    with hostile("/") as service, watched_memory() as peak:
        result = run(tmp_path, service, journeys=walking(**bodies))

    texts = "\n".join(f.title for f in result.findings)
    assert "longer than 10 MB" in texts
    assert "nests deeper than" in texts
    assert "no answer within" in texts
    assert peak.mb < 500


@pytest.mark.parametrize("kind", ["HttpUser", "FastHttpUser"])
def test_no_answer_to_locust_s_own_users_takes_the_memory_of_the_machine(tmp_path, kind: str) -> None:
    task = """    @task
    def go(self):
        for path in ("/endless", "/bomb"):
            try:
                self.client.get(path, name=path)
            except OSError as error:
                print("refused", error)
"""
    with hostile("/") as service, watched_memory() as peak:
        result = run(tmp_path, service, USER.format(kind=kind) + task)

    log = (tmp_path / "project/.harness/runs/test/load/locust.log").read_text()
    assert "/bomb" in "".join(f.title for f in result.findings) + log
    assert peak.mb < 500


NEVER = ("silent", "drip", "driphead", "longhead", "early", "continue", "chunksize")


@pytest.mark.parametrize("kind", ["HttpUser", "FastHttpUser"])
def test_requests_that_are_never_answered_are_counted_as_failed_and_stop_nobody_else(tmp_path, kind: str) -> None:
    task = (
        f"    paths = iter({('ok', *NEVER)})\n    def on_start(self):\n        self.path = next(self.paths)\n"
        "    @task\n    def go(self):\n        self.client.get('/' + self.path)\n"
    )
    with hostile("/") as service, watched_memory() as peak:
        run(tmp_path, service, USER.format(kind=kind) + task, users=8)

    stats = json.loads((tmp_path / "project/.harness/runs/test/load/locust-stats.json").read_text())
    told = {s["name"]: (s["num_requests"], s["num_failures"]) for s in stats}
    assert [path for path in NEVER if told[f"/{path}"][1] == 0] == []
    assert told["/ok"][0] > 1
    assert told["/ok"][1] == 0
    assert peak.mb < 500


@pytest.mark.parametrize(
    ("body", "rule"),
    [("pass", "load.idle_journey"), ("user.get('/x', expect=range(100, 600))", "load.accepts_anything")],
)
def test_a_journey_that_can_only_go_well_is_an_error_beside_real_ones(tmp_path, body: str, rule: str) -> None:
    with hostile("/") as service:
        result = run(tmp_path, service, journeys=walking(real="user.get('/ok')", empty=body))

    assert [f.place.journey for f in result.findings if f.rule == rule] == ["empty"]
    assert result.status is Status.FAIL


def test_requests_in_on_start_alone_are_no_load(tmp_path) -> None:
    idle = "    def on_start(self):\n        self.client.get('/ok')\n    @task\n    def rest(self):\n        pass\n"
    with hostile("/") as service:
        result = run(tmp_path, service, USER.format(kind="HttpUser") + idle)

    assert "load.only_on_start" in rules(result)


def test_tasks_that_end_in_an_exception_are_an_error_although_locust_counts_none(tmp_path) -> None:
    broken = (
        "    @task\n    def rest(self):\n        self.client.get('/ok')\n        raise ValueError('no such item')\n"
    )
    with hostile("/") as service:
        result = run(tmp_path, service, USER.format(kind="HttpUser") + broken)

    assert "load.task_broke" in rules(result)
    assert any("ValueError: no such item" in f.title for f in result.findings)


@pytest.mark.parametrize("how", ["self.environment.runner.quit()", "self.environment.process_exit_code = 7"])
def test_a_locust_that_ends_early_or_oddly_does_not_pass(tmp_path, how: str) -> None:
    ending = f"    @task\n    def go(self):\n        self.client.get('/ok')\n        {how}\n"
    with hostile("/") as service:
        result = run(tmp_path, service, USER.format(kind="HttpUser") + ending)

    assert "load.ended_early" in rules(result)


def test_a_locust_that_is_gone_leaves_no_verdict(tmp_path) -> None:
    ending = "    @task\n    def go(self):\n        import os; os._exit(0)\n"
    with hostile("/") as service, pytest.raises(InfrastructureError, match="left no result"):
        run(tmp_path, service, USER.format(kind="HttpUser") + ending)


def test_a_target_that_is_not_invited_is_refused_before_anything_is_asked_there(tmp_path) -> None:
    stage = LoadStage()
    project = write_project(tmp_path / "project", TOML.format(url="http://shop.example", runtime="", users=2))

    assert isinstance(stage, ChecksTargets)
    with pytest.raises(UsageError, match=r"shop\.example"):
        stage.check_targets(project.system)
