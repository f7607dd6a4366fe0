"""What the kit gives every service: strict input, problem documents, shedding, health, a complete OpenAPI document."""

import asyncio
import threading
from typing import Annotated

import httpx
import pytest
from fastapi import Header, Query
from openapi_spec_validator import validate
from sqlalchemy import MetaData

from target_system.kit.app import create_app
from target_system.kit.http import Router
from target_system.kit.models import Identifier, PlainDigits, Reply, Strict
from target_system.kit.store import Store
from target_system.orders.app import build as build_orders
from target_system.payments.app import build as build_payments
from target_system.psp.app import build as build_psp

router = Router()
hold = threading.Event()


class Thing(Strict):
    """A thing."""

    name: Identifier
    size: int


class Seen(Reply):
    """What was understood."""

    size: int


@router.put("/things/{thing_id}")
async def put_thing(thing_id: Identifier, body: Thing) -> Seen:
    return Seen(size=body.size)


@router.get("/things/{thing_id}")
async def get_thing(thing_id: Identifier) -> Seen:
    raise ZeroDivisionError("secret detail")


@router.get("/things")
async def list_things(token: Annotated[str, Header()], limit: Annotated[int, Query(ge=1), PlainDigits] = 1) -> Seen:
    return Seen(size=limit)


@router.get("/slow")
async def slow() -> Seen:
    while not hold.is_set():  # noqa: ASYNC110 - set by the test's thread
        await asyncio.sleep(0.01)
    return Seen(size=0)


class DeadStore(Store):
    async def ready(self, within: float = 1.0) -> bool:
        return False


def build(settings):
    store = (DeadStore if settings.text("DEAD") else Store)(settings.database_url, MetaData())
    return create_app(settings, title="Things", description="Things.", router=router, domain=None, store=store)


@pytest.fixture
def things(serve):
    return serve("things", build, MAX_IN_FLIGHT="1")


def assert_problem(answer: httpx.Response, status: int) -> dict:
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    problem = answer.json()
    assert problem["status"] == status
    assert problem["trace_id"] in answer.headers["traceparent"]
    return problem


@pytest.mark.parametrize(
    ("body", "kind", "status"),
    [
        (b'{"name": "a", "size": 1}', "application/json", 200),
        (b'{"name": "a", "size": 1.0}', "application/json; charset=utf-8", 200),
        (b'{"name": "a", "size": 1}', "text/plain", 415),
        (b'{"name": "a", "size": 1}', "application/json; charset=latin-1", 415),
        (b'{"name": "a", "size": 1', "application/json", 400),
        (b'{"name": "a", "size": 1, "size": 2}', "application/json", 400),
        (b'{"name": "a", "size": NaN}', "application/json", 400),
        (b"\xff\xfe\xfa", "application/json", 400),
        (b"[" * 50_000, "application/json", 400),
        (b'{"name": "a", "size": ' + b"9" * 5000 + b"}", "application/json", 400),
        (b'{"name": "a", "size": "1"}', "application/json", 422),
        (b'{"name": "a", "size": 1, "more": 1}', "application/json", 422),
        (b'{"name": "\\ud800", "size": 1}', "application/json", 400),
        (b'{"name": "\\u0000", "size": 1}', "application/json", 422),
        (b'{"name": "' + b"a" * 70_000 + b'", "size": 1}', "application/json", 413),
    ],
)
def test_a_body_is_taken_exactly_as_declared_or_refused_as_a_problem(things, body, kind, status):
    answer = things.put("/things/one", content=body, headers={"content-type": kind})
    if status == 200:
        assert answer.json() == {"size": 1}
    else:
        assert_problem(answer, status)


@pytest.mark.parametrize(
    ("path", "status"),
    [("?limit=1", 200), ("?limit=1&limit=2", 422), ("?limit=0", 422), ("?limit=1_0", 422), ("?limit=%EF%BC%91", 422),
     ("?limit=+1", 422), ("?limit=" + "9" * 400, 422)],
)  # fmt: skip
def test_query_parameters_are_taken_exactly_as_declared(things, path, status):
    assert things.get(f"/things{path}", headers={"token": "t"}).status_code == status


def test_a_missing_header_is_400(things):
    assert "header.token" in assert_problem(things.get("/things"), 400)["detail"]


@pytest.mark.parametrize("path", ["/nowhere", "/things/", "/things/a%2Fb", "/%00", "/things/one/"])
def test_an_unknown_path_is_a_problem_and_no_redirect(things, path):
    assert_problem(things.get(path), 404)


@pytest.mark.parametrize("method", ["POST", "DELETE", "TRACE", "OPTIONS", "PROPFIND"])
def test_another_method_names_all_methods_of_the_path(things, method):
    answer = things.request(method, "/things/one")
    assert_problem(answer, 405)
    assert answer.headers["allow"] == "GET, PUT"


def test_an_exception_is_a_problem_without_its_details(things):
    answer = things.get("/things/one")
    assert_problem(answer, 500)
    assert "secret" not in answer.text
    assert "Traceback" not in answer.text


def test_the_trace_of_the_request_is_echoed(things):
    trace_id = "4bf92f3577b34da6a3ce929d0e0e4736"
    answer = things.get("/health/live", headers={"traceparent": f"00-{trace_id}-00f067aa0ba902b7-01"})
    assert answer.headers["traceparent"].startswith(f"00-{trace_id}-")


def test_load_is_shed_but_health_and_metrics_answer(things):
    waiting = threading.Thread(target=lambda: httpx.get(f"{things.base_url}/slow", timeout=30))
    hold.clear()
    waiting.start()
    try:
        answers = [things.get("/things", headers={"token": "t"}) for _ in range(200) if not _shed(things)]
        busy = things.get("/things", headers={"token": "t"})
        assert_problem(busy, 503)
        assert busy.headers["retry-after"] == "1"
        assert things.get("/health/ready").status_code == 200
        assert "http_requests_shed_total" in things.get("/metrics").text
        assert len(answers) < 200
    finally:
        hold.set()
        waiting.join()
    assert things.get("/things", headers={"token": "t"}).status_code == 200


def _shed(things: httpx.Client) -> bool:
    return things.get("/things", headers={"token": "t"}).status_code == 503


def test_a_service_whose_store_does_not_answer_is_alive_but_not_ready(serve):
    things = serve("things", build, DEAD="yes")
    assert things.get("/health/live").status_code == 200
    answer = things.get("/health/ready")
    assert_problem(answer, 503)
    assert "retry-after" in answer.headers


def test_test_routes_are_there_only_in_the_test_profile(serve):
    tested, in_production = serve("tested", build), serve("production", build, PROFILE="")
    unknown = {"state": "the moon is full", "params": {}, "action": "setup"}
    assert assert_problem(tested.post("/_provider_states", json=unknown), 400)
    assert_problem(in_production.post("/_provider_states", json=unknown), 404)
    assert "/_provider_states" not in tested.get("/openapi.json").json()["paths"]


def test_what_is_stored_can_be_counted_in_the_test_profile(serve):
    tested, in_production = serve("tested", build_orders), serve("production", build_orders, PROFILE="")
    assert tested.get("/_stored/orders/status").json() == {}
    for unknown in ("/_stored/orders/stars", "/_stored/secrets/status"):
        assert_problem(tested.get(unknown), 404)
    assert_problem(in_production.get("/_stored/orders/status"), 404)
    assert "/_stored/{table}/{column}" not in tested.get("/openapi.json").json()["paths"]


@pytest.mark.parametrize("build_service", [build_psp, build_payments, build_orders])
def test_openapi_documents_are_valid_and_declare_every_kind_of_refusal(serve, build_service):
    document = serve("service", build_service).get("/openapi.json").json()
    validate(document)
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            declared = set(operation["responses"])
            assert {"404", "405", "500"} <= declared, (method, path)
            if "requestBody" in operation:
                assert {"400", "413", "415", "422"} <= declared, (method, path)
            if not path.startswith("/health"):
                assert "Retry-After" in operation["responses"]["503"]["headers"]
            assert all("traceparent" in response["headers"] for response in operation["responses"].values())


@pytest.mark.parametrize("build_service", [build_payments, build_orders])
def test_asyncapi_documents_describe_every_event(serve, build_service):
    document = serve("service", build_service).get("/asyncapi.json").json()
    assert document["asyncapi"] == "3.0.0"
    for name in document["channels"]:
        assert name.startswith("shop.")
        data = document["components"]["messages"][name]["payload"]["properties"]["data"]["$ref"]
        assert data.removeprefix("#/components/schemas/") in document["components"]["schemas"]
