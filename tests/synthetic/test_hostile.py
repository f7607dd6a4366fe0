"""Smoke and synthetic against a service that means harm: nothing leaves, nothing is held up, nothing passes for nothing."""

from __future__ import annotations

import time
from collections.abc import Iterator

import anyio
import pytest

from harness.evidence import Severity, StageResult, Status
from harness.synthetic.stage import SmokeStage, SyntheticStage
from tests.helpers import make_context, watched_memory, write_project
from tests.hostile import Hostile, Listener, hostile, listener

TOML = """
[system]
name = "hostile"
[services.tiny]
url = "{url}"
[runtime]
kind = "external"
{runtime}
[suites]
journeys = "journeys.py"
[stages.smoke]
request_timeout = "1500ms"
[stages.synthetic]
rate = "4/s"
duration = "1s"
request_timeout = "1500ms"
"""
HEAD = "from harness.system.journeys import journey\n"


@pytest.fixture(scope="module")
def elsewhere() -> Iterator[Listener]:
    with listener() as made:
        yield made


@pytest.fixture(autouse=True)
def nothing_is_heard_elsewhere(elsewhere: Listener) -> Iterator[None]:
    yield
    assert elsewhere.heard == []


@pytest.fixture(params=[SmokeStage, SyntheticStage])
def stage(request):
    return request.param()


def run(tmp_path, stage, service: Hostile, body: str, *, runtime: str = "") -> StageResult:
    project = write_project(tmp_path / "project", TOML.format(url=service.url, runtime=runtime), {"journeys.py": body})
    context = make_context(project, stage, [], addresses={"tiny": service.url})
    return anyio.run(stage.run, context)


def journeys(**bodies: str) -> str:
    return HEAD + "".join(f"\n@journey\ndef {name}(user):\n    {body}\n" for name, body in bodies.items())


FOLLOW = "user.headers['Authorization'] = 'Bearer secret'; user.get(user.get('/a').json()['next'])"


def test_an_address_that_an_answer_names_is_not_followed_away(tmp_path, stage, elsewhere: Listener) -> None:
    place = elsewhere.address
    with hostile("") as service:
        service.targets = [
            f"@{place}/steal", f"http://{place}/steal", f"//{place}/steal", f"{service.url}@{place}/", f"/\\{place}/",
            ".evil.invalid/",
        ]  # fmt: skip
        bodies = {f"follow_{n}": FOLLOW.replace("/a", f"/a/{n}") for n, _ in enumerate(service.targets)}
        result = run(tmp_path, stage, service, journeys(**bodies, calm="user.get('/ok')"))

    refused = {f.title: f.severity for f in result.findings if f.rule == f"{stage.name}.uninvited"}
    assert result.status is Status.FAIL
    assert set(refused.values()) == {Severity.ERROR}
    # Synthetic walks as many as there is time for.
    assert len(refused) >= (len(service.targets) if stage.name == "smoke" else 1)
    assert all("the answer to GET /a/" in title for title in refused)


def test_a_link_of_the_service_itself_is_followed_with_its_credentials(tmp_path, stage) -> None:
    with hostile("") as service:
        service.elsewhere = f"{service.url}/ok?page=2"
        result = run(tmp_path, stage, service, journeys(follow=FOLLOW))

    assert not [f for f in result.findings if f.severity is Severity.ERROR]
    assert "GET /ok?page=2" in service.requests[-1]
    assert "secret" in service.requests[-1].lower()


@pytest.mark.parametrize("client", ["requests", "httpx"])
def test_a_journey_s_own_client_does_not_get_away_either(tmp_path, elsewhere: Listener, client: str) -> None:
    own = f"import {client}; {client}.get('{elsewhere.url}/steal')"
    with hostile("/") as service:
        result = run(tmp_path, SmokeStage(), service, journeys(own=own, calm="user.get('/ok')"))

    refused = next(f for f in result.findings if f.rule == "smoke.uninvited")
    assert elsewhere.address in refused.title
    assert "journeys.py:" in refused.title


def test_a_further_host_is_asked_when_it_is_invited(tmp_path) -> None:
    with listener() as allowed, hostile("/") as service:
        own = f"import requests; requests.get('{allowed.url}/metrics'); user.get('/ok')"
        runtime = f'allow_targets = ["{allowed.address}"]'
        result = run(tmp_path, SmokeStage(), service, journeys(own=own), runtime=runtime)

        assert result.status is Status.PASS, result.findings
        assert len(allowed.heard) == 1


#: What takes for ever, or more than anybody should take, and how it is told.
TOO_MUCH = {
    "endless": "the answer is longer than 10 MB",
    "bomb": "inflated from",
    "drip": "no answer within 1.5 s",
    "driphead": "no answer within 1.5 s",
    "longhead": "",
    "deep": "nests deeper than 200",
    "many": "more than 500,000 values",
}


def test_no_answer_takes_the_memory_or_the_time_of_the_machine(tmp_path, stage) -> None:
    bodies = {name: f"user.get('/{name}').json()" for name in TOO_MUCH}
    begun = time.monotonic()
    with hostile("/") as service, watched_memory() as peak:
        result = run(tmp_path, stage, service, journeys(**bodies, calm="user.get('/ok')"))

    told = {f.place.journey: f.title for f in result.findings if f.rule == f"{stage.name}.journey_failed"}
    walked = set(bodies) if stage.name == "smoke" else {f.place.journey for f in result.findings} - {""}
    assert walked
    assert set(told) >= walked
    assert [name for name, title in told.items() if TOO_MUCH[name] not in title] == []
    assert result.status is Status.FAIL
    assert peak.mb < 500
    assert time.monotonic() - begun < 60  # drips would take 20 s each


def test_links_in_circles_end(tmp_path) -> None:
    with hostile("/a") as service:
        body = "path = '/a'\n    while path:\n        path = user.get(path).json()['next']"
        result = run(tmp_path, SmokeStage(), service, journeys(round=body))

    assert result.status is Status.FAIL
    assert "has made 1000 requests already" in result.findings[0].title


def test_a_cookie_is_kept_for_the_service_that_set_it(tmp_path) -> None:
    toml = TOML + '[services.other]\nurl = "{other}"\n'
    with hostile("/") as service, hostile("/") as other:
        body = journeys(both="user.get('/cookie'); user.get('/ok'); user.get('/ok', service='other')")
        urls = {"url": service.url, "other": other.url, "runtime": ""}
        project = write_project(tmp_path / "project", toml.format(**urls), {"journeys.py": body})
        context = make_context(project, SmokeStage(), [], addresses={"tiny": service.url, "other": other.url})
        result = anyio.run(SmokeStage().run, context)

    assert result.status is Status.PASS, result.findings
    assert "session=secret" in service.requests[-1]
    assert "session=secret" not in other.requests[-1]


def test_journeys_that_can_only_go_well_are_errors_beside_real_ones(tmp_path) -> None:
    bodies = {
        "idle": "pass",
        "every": "user.get('/ok', expect=range(100, 600))",
        "nobody": "user.get('/nobody', expect=[200, 404, 500, 503])",
    }
    with hostile("/") as service:
        result = run(tmp_path, SmokeStage(), service, journeys(real="user.get('/ok')", **bodies))

    found = {f.place.journey: (f.rule, f.severity) for f in result.findings}
    assert found == {
        "idle": ("smoke.idle_journey", Severity.ERROR),
        "every": ("smoke.accepts_anything", Severity.ERROR),
        "nobody": ("smoke.accepts_anything", Severity.ERROR),
    }
    assert result.status is Status.FAIL


def test_synthetic_looks_at_what_journeys_prove_as_well(tmp_path) -> None:
    with hostile("/") as service:
        result = run(tmp_path, SyntheticStage(), service, journeys(real="user.get('/ok')", idle="pass"))

    assert "synthetic.idle_journey" in {f.rule for f in result.findings}


def test_synthetic_without_one_good_walk_is_an_error_however_few_there_were(tmp_path) -> None:
    with hostile("/") as service:
        project = write_project(
            tmp_path / "project",
            TOML.format(url=service.url, runtime="production = true"),
            {
                "journeys.py": journeys(buy="user.get('/drip')"),
                "synthetic/slos.toml": '[[slos]]\nname = "buy"\njourney = "buy"\nobjective = "50%"\n',
            },
        )
        context = make_context(project, SyntheticStage(), [], addresses={"tiny": service.url})
        result = anyio.run(SyntheticStage().run, context)

    assert result.status is Status.FAIL
    assert {f.rule: f.severity for f in result.findings}["synthetic.slo"] is Severity.ERROR
