"""Load against a service that means harm: nothing goes elsewhere, nothing fills the memory, nothing is green for nothing."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack

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
KINDS = ("HttpUser", "FastHttpUser")
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


#: What takes for ever, or more than anybody should take, and what is said of it.
TOO_MUCH = {
    "endless": "longer than 10 MB",
    "bomb": "longer than 10 MB",
    "drip": "no answer within",
    "driphead": "no answer within",
    "longhead": "",
    "deep": "nests deeper than",
    "many": "",
}
FOLLOWING = "user.headers['Authorization'] = 'Bearer secret'; user.get(user.get('/a').json()['next'])"


@pytest.fixture(scope="module")
def walked(tmp_path_factory: pytest.TempPathFactory, elsewhere: Listener) -> tuple[StageResult, float]:
    """One run of journeys that each meet another harm, and the most memory that a process of it had, in MB."""
    bodies = {name: f"user.get('/{name}').json()" for name in TOO_MUCH}
    bodies |= {"follow": FOLLOWING, "calm": "user.get('/ok')"}
    bodies |= {"empty": "pass", "anything": "user.get('/x', expect=range(100, 600))"}
    with hostile(f"@{elsewhere.address}/steal") as service, watched_memory() as peak:
        result = run(tmp_path_factory.mktemp("walked"), service, journeys=walking(**bodies))
    return result, peak.mb


def test_an_address_that_an_answer_names_draws_no_load_and_no_token(walked: tuple[StageResult, float]) -> None:
    refused = [f for f in walked[0].findings if f.rule == "load.uninvited"]

    assert [f.severity for f in refused] == [Severity.ERROR]
    assert "the answer to GET /a sends" in refused[0].title
    assert walked[0].status is Status.FAIL


def test_no_answer_takes_the_memory_of_the_machine(walked: tuple[StageResult, float]) -> None:
    failed = {f.place.journey: f.title for f in walked[0].findings if f.place.journey in TOO_MUCH}

    assert [name for name, said in TOO_MUCH.items() if said not in failed.get(name, "nothing")] == []
    assert walked[1] < 500


@pytest.mark.parametrize(("rule", "name"), [("load.idle_journey", "empty"), ("load.accepts_anything", "anything")])
def test_a_journey_that_can_only_go_well_is_an_error_beside_real_ones(
    walked: tuple[StageResult, float], rule: str, name: str
) -> None:
    assert [f.place.journey for f in walked[0].findings if f.rule == rule] == [name]


def users(template: str) -> str:
    """A locustfile in which users of both of Locust's kinds do the same; `KIND` is theirs."""
    head = "from locust import FastHttpUser, HttpUser, constant, task\n"
    return head + "".join(
        f"\nclass Of{kind}({kind}):\n    wait_time = constant(0.2)\n{template.replace('KIND', kind)}" for kind in KINDS
    )


def test_locust_s_own_users_do_not_get_away(tmp_path) -> None:
    asking = """    @task
    def go(self):
        self.client.get('/ok')
        for asked in WHERE['KIND']:
            try:
                self.client.get(asked, headers={'Authorization': 'x'})
            except OSError as error:
                print("refused", error)
"""
    with ExitStack() as stack:
        others = [stack.enter_context(listener()) for _ in range(4)]
        service = stack.enter_context(hostile("/"))
        service.targets = [f"{other.url}/steal" for other in others]
        where = {kind: (f"/redirect/307?{n}", service.targets[2 + n]) for n, kind in enumerate(KINDS)}
        result = run(tmp_path, service, f"WHERE = {where}\n{users(asking)}")
        assert [other.heard for other in others] == [[], [], [], []]

    refused = [f for f in result.findings if f.rule == "load.uninvited"]
    for n, other in enumerate(others):
        (told,) = [f for f in refused if other.address in f.title]
        assert ("the redirect that" in told.title) == (n < len(KINDS))
        assert "locustfile.py:" in told.detail


def test_what_one_service_was_given_goes_to_no_other_that_is_invited_as_well(tmp_path) -> None:
    """Neither by a redirect nor by an address in the locustfile."""
    own = "{'Authorization': 'x', 'X-Api-Key': 'mine', 'X-Plain': 'KIND'}"
    with listener("127.0.0.1") as other, listener() as further, hostile(f"{other.url}/landed") as service:
        asking = f"""    @task
    def go(self):
        self.client.get('/cookie')
        self.client.get('/redirect/307', headers={own})
        self.client.get('{further.url}/further?KIND')
        self.client.get('/ok?KIND')
"""
        allowed = f'[runtime]\nallow_targets = ["{other.address}", "{further.address}"]'
        result = run(tmp_path, service, users(asking), runtime=allowed)
        landed, asked = (b"".join(host.heard).decode().lower() for host in (other, further))
        requests = [r.lower() for r in service.requests]

    assert "load.uninvited" not in rules(result)
    assert "/landed" in landed
    assert not [name for name in ("authorization", "x-api-key", "cookie", "secret") if name in landed]
    assert "secret" not in asked
    for kind in KINDS:
        assert f"x-plain: {kind}".lower() in landed
        assert f"/further?{kind}".lower() in asked
        assert "cookie: session=secret" in next(r for r in requests if f"/ok?{kind}".lower() in r)


NEVER = ("endless", "bomb", "silent", "drip", "driphead", "longhead", "early", "continue", "chunksize")


def test_requests_that_are_never_answered_are_counted_as_failed_and_stop_nobody_else(tmp_path) -> None:
    asking = f"""    paths = iter({("ok", *NEVER)})
    def on_start(self):
        self.path = next(self.paths)
    @task
    def go(self):
        self.client.get('/' + self.path, name='KIND ' + self.path)
"""
    with hostile("/") as service, watched_memory() as peak:
        run(tmp_path, service, users(asking), users=2 + 2 * len(NEVER))

    stats = json.loads((tmp_path / "project/.harness/runs/test/load/locust-stats.json").read_text())
    told = {s["name"]: (s["num_requests"], s["num_failures"]) for s in stats}
    assert [(kind, path) for kind in KINDS for path in NEVER if told[f"{kind} {path}"][1] == 0] == []
    for kind in KINDS:
        asked, failed = told[f"{kind} ok"]
        assert asked - failed > 1  # one of them may be late: what is endless keeps this process, which serves it, busy
    assert peak.mb < 500


def test_requests_in_on_start_alone_are_no_load_and_tasks_that_break_are_an_error(tmp_path) -> None:
    """Locust itself counts neither."""
    broken = """    def on_start(self):
        self.client.get('/ok')
    @task
    def rest(self):
        raise ValueError('no such item')
"""
    with hostile("/") as service:
        result = run(tmp_path, service, USER.format(kind="HttpUser") + broken)

    assert {"load.only_on_start", "load.task_broke"} <= rules(result)
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
