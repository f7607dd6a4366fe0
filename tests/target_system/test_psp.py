"""The psp, asked over HTTP."""

import uuid

import pytest

from target_system.psp.app import build

REQUEST = {"amount": 2499, "currency": "EUR", "source": "tok_visa"}


@pytest.fixture
def psp(serve):
    return serve("psp", build)


def authorize(psp, key=None, headers=None, **changes):
    key = key or str(uuid.uuid4())
    return psp.post("/v1/authorizations", json=REQUEST | changes, headers={"Idempotency-Key": key, **(headers or {})})


def test_approves_a_card_and_shows_the_authorization(psp):
    created = authorize(psp)
    assert created.status_code == 201
    authorization = created.json()
    assert authorization == {"id": authorization["id"], "status": "approved", "livemode": True} | {
        name: REQUEST[name] for name in ("amount", "currency")
    }
    assert psp.get(f"/v1/authorizations/{authorization['id']}").json() == authorization


def test_the_same_key_gets_the_same_answer_and_another_request_under_it_is_refused(psp):
    first = authorize(psp, "key-00000001")
    assert authorize(psp, "key-00000001").json() == first.json()
    assert authorize(psp, "key-00000001", amount=1).status_code == 409


def test_a_declined_card_stays_declined(psp):
    for _ in range(2):
        assert authorize(psp, "key-00000002", source="tok_declined").status_code == 402


def test_a_refund_happens_once(psp):
    authorization = authorize(psp).json()
    for _ in range(2):
        answer = psp.post(f"/v1/authorizations/{authorization['id']}/refunds")
        assert (answer.status_code, answer.json()["status"]) == (200, "refunded")
    assert psp.post("/v1/authorizations/nobody/refunds").status_code == 404


def test_no_money_moves_for_a_synthetic_request(psp):
    before = money_moved(psp)
    assert authorize(psp, headers={"baggage": "synthetic=true"}).json()["livemode"] is False
    assert money_moved(psp) == before
    authorize(psp)
    assert money_moved(psp) == before + REQUEST["amount"]


def money_moved(psp) -> float:
    lines = psp.get("/metrics").text.splitlines()
    wanted = 'psp_money_moved_total{currency="EUR",direction="in"}'
    return next((float(line.split()[-1]) for line in lines if line.startswith(wanted)), 0.0)
