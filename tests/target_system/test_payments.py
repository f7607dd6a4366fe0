"""Payments with the real psp behind it, and a switch between them."""

import uuid

import pytest

from target_system.payments.app import build
from target_system.psp.app import build as build_psp
from tests.target_system.interpose import Interposed

REQUEST = {"order_id": "order-1", "amount": 2499, "currency": "EUR", "card_token": "tok_visa"}


@pytest.fixture
def line(serve):
    return Interposed(str(serve("psp", build_psp).base_url))


@pytest.fixture
def payments(serve, line):
    url = str(serve("line", line.app).base_url)
    return serve("payments", build, PSP_URL=url, PSP_BUDGET_MS="1500", PSP_BREAKER_OPEN_MS="10")


def charge(payments, key=None, headers=None, **changes):
    key = key or str(uuid.uuid4())
    return payments.post("/charges", json=REQUEST | changes, headers={"Idempotency-Key": key, **(headers or {})})


def test_charges_once_per_key_and_gives_the_first_answer_again(payments, line):
    first = charge(payments, "key-00000001")
    assert (first.status_code, first.json()["status"]) == (201, "captured")
    payments.post(f"/charges/{first.json()['id']}/refund")
    assert charge(payments, "key-00000001").json() == first.json()
    assert line.count("POST", "/v1/authorizations") == 2  # one of them the refund
    assert charge(payments, "key-00000001", amount=1).json()["type"].endswith("/idempotency-key-reused")


def test_a_charge_needs_a_key(payments):
    assert payments.post("/charges", json=REQUEST).status_code == 400


def test_a_declined_card_is_402_every_time_and_remembered(payments):
    for _ in range(2):
        assert charge(payments, "key-00000002", card_token="tok_declined").status_code == 402
    charges = payments.get("/charges", params={"order_id": "order-1"}).json()["items"]
    assert [c["status"] for c in charges] == ["declined"]


@pytest.mark.parametrize("behaviour", ["unavailable", "swallow", "hang"])
def test_a_psp_that_fails_is_503_and_the_same_key_settles_the_charge_later(payments, line, behaviour):
    line.behaviour["POST /"] = behaviour
    failed = charge(payments, "key-00000003")
    assert failed.status_code == 503
    assert failed.json()["type"].endswith("/psp-unavailable")
    assert "retry-after" in failed.headers
    assert [c["status"] for c in payments.get("/charges", params={"order_id": "order-1"}).json()["items"]] == [
        "pending"
    ]
    line.behaviour.clear()
    settled = charge(payments, "key-00000003")
    assert (settled.status_code, settled.json()["status"]) == (201, "captured")
    authorized = {h["idempotency-key"] for _, path, h in line.seen if path == "/v1/authorizations"}
    assert len(authorized) == 1  # however often the psp was asked, it was for one and the same thing
    assert len(payments.get("/charges", params={"order_id": "order-1"}).json()["items"]) == 1


def test_a_refund_gives_the_money_back_once_and_tells(payments, line):
    charged = charge(payments).json()
    for _ in range(2):
        refunded = payments.post(f"/charges/{charged['id']}/refund")
        assert (refunded.status_code, refunded.json()["status"]) == (200, "refunded")
    asked = {h["traceparent"].split("-")[1] for _, path, h in line.seen if path.endswith("/refunds")}
    assert len(asked) == 1  # for the first of the two, however often the psp had to be asked
    assert "psp_reference" not in charged | refunded.json()
    event = payments.post("/_messages", json={"description": "a refund", "providerStates": []})
    assert event.headers["content-type"] == "application/cloudevents+json"
    assert event.json()["type"] == "shop.payment.refunded"
    assert event.json()["data"] == {
        "charge_id": charged["id"], "order_id": "order-1", "amount": 2499, "currency": "EUR",
    }  # fmt: skip


def test_what_was_never_captured_cannot_be_refunded(payments):
    charge(payments, card_token="tok_declined")
    declined = payments.get("/charges", params={"order_id": "order-1"}).json()["items"][0]
    assert payments.post(f"/charges/{declined['id']}/refund").status_code == 409
    assert payments.post("/charges/nobody/refund").status_code == 404


def test_a_synthetic_charge_moves_no_money_and_is_no_business_figure(payments, line):
    before = payments.get("/metrics").text.count("payments_charges_total{")
    charged = charge(payments, headers={"baggage": "synthetic=true"})
    assert charged.json()["livemode"] is False
    assert line.seen[-1][2]["baggage"] == "synthetic=true"
    assert payments.get("/metrics").text.count("payments_charges_total{") == before


def test_provider_states_and_messages_follow_from_one_another(payments):
    state = {"name": "a charge was refunded", "params": {"order_id": "order-77"}}
    event = payments.post("/_messages", json={"description": "a refund", "providerStates": [state]})
    assert event.json()["subject"] == event.json()["data"]["order_id"] == "order-77"
    exists = {"state": "a charge exists", "params": {"id": "charge-9"}, "action": "setup"}
    assert payments.post("/_provider_states", json=exists).status_code == 200
    assert payments.get("/charges/charge-9").json()["id"] == "charge-9"
