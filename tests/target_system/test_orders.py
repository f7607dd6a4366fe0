"""Orders among its real neighbours, with switches on the way to inventory and payments."""

import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import httpx
import pytest

from target_system.catalog.app import build as build_catalog
from target_system.inventory.app import build as build_inventory
from target_system.orders.app import build
from target_system.payments.app import build as build_payments
from target_system.psp.app import build as build_psp
from tests.target_system.interpose import Interposed

ONE = [{"record_id": "rec-1", "quantity": 1}]
# Limits that a busy machine does not reach by itself, for tests in which nobody fails …
PATIENT = {f"{name}_BUDGET_MS": "2500" for name in ("CATALOG", "INVENTORY", "PAYMENTS")} | {
    "CATALOG_ATTEMPTS": "1", "INVENTORY_ATTEMPTS": "1", "PAYMENTS_ATTEMPTS": "1", "PATIENCE_MS": "2900",
    "PAYMENTS_BREAKER_OPEN_MS": "10", "INVENTORY_BREAKER_OPEN_MS": "10",
}  # fmt: skip
# … and those orders really has towards payments, for tests in which payments does.
IMPATIENT = PATIENT | {"PAYMENTS_BUDGET_MS": "800", "PAYMENTS_ATTEMPTS": "2", "PATIENCE_MS": "2300"}


@dataclass
class Shop:
    orders: httpx.Client
    inventory: httpx.Client
    payments: httpx.Client
    to_inventory: Interposed
    to_payments: Interposed

    def place(self, key=None, lines=None, card="tok_visa", customer="alice", headers=None):
        headers = {"Idempotency-Key": key or str(uuid.uuid4()), "X-Customer": customer, **(headers or {})}
        return self.orders.post("/orders", json={"lines": lines or ONE, "card_token": card}, headers=headers)

    def latest(self, customer="alice"):
        return self.orders.get("/orders", params={"customer": customer, "limit": 1}).json()["items"][0]

    def charges(self, order_id):
        return [c["status"] for c in self.payments.get("/charges", params={"order_id": order_id}).json()["items"]]

    def stock(self):
        return self.inventory.get("/stock/rec-1").json()

    def latest_event(self):
        return self.orders.post("/_messages", json={"description": "latest", "providerStates": []}).json()


@pytest.fixture
def shop(serve):
    return open_shop(serve, PATIENT)


@pytest.fixture
def impatient_shop(serve):
    return open_shop(serve, IMPATIENT)


def open_shop(serve, limits):
    catalog = serve("catalog", build_catalog)
    inventory = serve("inventory", build_inventory)
    psp = serve("psp", build_psp)
    payments = serve("payments", build_payments, PSP_URL=str(psp.base_url), PSP_BUDGET_MS="1500")
    to_inventory, to_payments = Interposed(str(inventory.base_url)), Interposed(str(payments.base_url))
    orders = serve(
        "orders",
        build,
        CATALOG_URL=str(catalog.base_url),
        INVENTORY_URL=str(serve("to-inventory", to_inventory.app).base_url),
        PAYMENTS_URL=str(serve("to-payments", to_payments.app).base_url),
        **limits,
    )
    return Shop(orders, inventory, payments, to_inventory, to_payments)


def until(condition, within=12.0):
    give_up = time.monotonic() + within
    while not condition():
        assert time.monotonic() < give_up, "the awaited did not happen in time"
        time.sleep(0.02)


def slug(answer: httpx.Response) -> str:
    return answer.json()["type"].rpartition("/")[2]


def test_a_good_order_is_confirmed_charged_taken_from_stock_and_told(shop):
    before = shop.stock()["on_hand"]
    answer = shop.place(lines=[*ONE, {"record_id": "rec-2", "quantity": 2}, *ONE])
    order = answer.json()
    assert (answer.status_code, order["status"], order["customer"]) == (201, "confirmed", "alice")
    assert [(line["record_id"], line["quantity"]) for line in order["lines"]] == [("rec-1", 2), ("rec-2", 2)]
    assert order["total"] == sum(line["quantity"] * line["unit_price"] for line in order["lines"])
    assert shop.charges(order["id"]) == ["captured"]
    assert shop.stock() == {"record_id": "rec-1", "on_hand": before - 2, "reserved": 0, "available": before - 2}
    assert shop.orders.get(f"/orders/{order['id']}").json() == order
    event = shop.latest_event()
    assert (event["type"], event["subject"], event["data"]["total"]) == (
        "shop.order.confirmed", order["id"], order["total"],
    )  # fmt: skip
    assert answer.json()["created_at"].endswith("Z")


def test_one_key_is_one_order_also_when_it_comes_twice_at_once(shop):
    with ThreadPoolExecutor(4) as threads:
        answers = list(threads.map(lambda _: shop.place("key-00000001"), range(4)))
    assert {answer.status_code for answer in answers} <= {201, 409}
    again = shop.place("key-00000001")
    assert again.status_code == 201
    assert len(shop.orders.get("/orders", params={"customer": "alice"}).json()["items"]) == 1
    assert shop.charges(again.json()["id"]) == ["captured"]
    assert slug(shop.place("key-00000001", lines=[{"record_id": "rec-2", "quantity": 1}])) == "idempotency-key-reused"
    assert shop.place("key-00000001", customer="bob").status_code == 201  # keys are each customer's own


def test_a_declined_card_puts_the_stock_back_at_once(shop):
    before = shop.stock()
    for _ in range(2):
        answer = shop.place("key-00000002", card="tok_declined")
        assert (answer.status_code, slug(answer)) == (402, "card-declined")
    assert shop.stock() == before
    assert (shop.latest()["status"], shop.latest()["reason"]) == ("rejected", "card-declined")
    assert shop.latest_event()["type"] == "shop.order.rejected"


def test_what_is_not_there_cannot_be_ordered(shop):
    sold_out = shop.place(lines=[{"record_id": "rec-5", "quantity": 1}])
    assert (sold_out.status_code, slug(sold_out)) == (409, "out-of-stock")
    unknown = shop.place(lines=[{"record_id": "rec-99", "quantity": 1}])
    assert (unknown.status_code, slug(unknown)) == (409, "record-not-found")
    assert shop.to_payments.seen == []


@pytest.mark.parametrize("behaviour", ["unavailable", "swallow", "trickle"])
def test_when_payments_fails_nothing_stays_charged_or_reserved(impatient_shop, behaviour):
    shop = impatient_shop
    before = shop.stock()
    shop.to_payments.behaviour["POST /charges"] = behaviour
    begun = time.monotonic()
    answer = shop.place("key-00000003")
    assert time.monotonic() - begun < 2.5
    assert (answer.status_code, slug(answer)) == (503, "payments-unavailable")
    assert "retry-after" in answer.headers
    assert shop.to_payments.count("POST", "/charges") >= 2
    failed = shop.latest()["id"]
    shop.to_payments.behaviour.clear()
    until(lambda: shop.charges(failed) in (["refunded"], []) and shop.stock() == before)
    until(lambda: shop.charges(failed) == ["refunded"])
    assert shop.place("key-00000003").status_code == 201  # the key is free for another try


def test_a_charge_that_arrives_after_its_order_was_rejected_takes_no_money(impatient_shop):
    shop = impatient_shop
    shop.to_payments.behaviour["POST /charges"] = "late"
    assert shop.place().status_code == 503
    failed = shop.latest()["id"]
    assert shop.charges(failed) == []
    shop.to_payments.behaviour.clear()
    until(lambda: shop.charges(failed) == ["refunded"])
    until(lambda: all(task.done() for task in shop.to_payments.late))
    assert shop.charges(failed) == ["refunded"]


def test_payments_that_is_not_there_rejects_the_order_without_a_charge_to_undo(shop, serve):
    answer = shop.orders.put("/admin/breakers/payments", json={"state": "open"}, headers=ADMIN)
    assert answer.json() == {"name": "payments", "state": "open", "forced": "open"}
    before = shop.stock()
    begun = time.monotonic()
    assert shop.place().status_code == 503
    assert time.monotonic() - begun < 2.5
    assert shop.to_payments.seen == []
    assert shop.stock() == before
    shop.orders.put("/admin/breakers/payments", json={"state": "auto"}, headers=ADMIN)
    assert shop.place().status_code == 201


def test_when_the_stock_cannot_be_committed_the_money_goes_back(shop):
    before = shop.stock()
    shop.to_inventory.behaviour["POST /reservations"] = "unavailable"
    assert slug(shop.place()) == "inventory-unavailable"
    until(lambda: shop.charges(shop.latest()["id"]) == ["refunded"] and shop.stock() == before)


def test_an_answer_comes_in_time_when_every_neighbour_hangs(impatient_shop):
    shop = impatient_shop
    shop.to_inventory.behaviour = {"PUT /": "swallow", "DELETE /": "hang"}
    shop.to_payments.behaviour = {"POST /": "hang", "GET /": "hang"}
    begun = time.monotonic()
    assert shop.place().status_code == 503
    assert time.monotonic() - begun < 2.5
    shop.to_inventory.behaviour.clear()
    until(lambda: shop.stock()["reserved"] == 0)


def test_a_cancelled_order_is_refunded_and_back_on_the_shelf(shop):
    before = shop.stock()
    order = shop.place().json()
    for _ in range(2):
        answer = shop.orders.post(f"/orders/{order['id']}/cancel")
        assert (answer.status_code, answer.json()["status"]) == (200, "cancelled")
    assert shop.charges(order["id"]) == ["refunded"]
    assert shop.stock() == before
    assert shop.latest_event()["type"] == "shop.order.cancelled"


def test_a_cancelled_order_is_undone_later_when_a_neighbour_is_missing(shop):
    order = shop.place().json()
    shop.to_payments.behaviour["POST /charges"] = "unavailable"
    assert shop.orders.post(f"/orders/{order['id']}/cancel").json()["status"] == "cancelled"
    assert shop.charges(order["id"]) == ["captured"]
    shop.to_payments.behaviour.clear()
    until(lambda: shop.charges(order["id"]) == ["refunded"])


def test_only_a_confirmed_order_can_be_cancelled(shop):
    shop.place(card="tok_declined")
    answer = shop.orders.post(f"/orders/{shop.latest()['id']}/cancel")
    assert (answer.status_code, slug(answer)) == (409, "order-not-cancellable")
    assert shop.orders.post("/orders/nobody/cancel").status_code == 404


def test_breakers_are_for_operators_only(shop):
    assert shop.orders.get("/admin/breakers").status_code == 401
    wrong = shop.orders.put("/admin/breakers/payments", json={"state": "open"}, headers={"X-Admin-Token": "guess"})
    assert wrong.status_code == 401
    assert "www-authenticate" in wrong.headers
    states = shop.orders.get("/admin/breakers", headers=ADMIN).json()["items"]
    assert [(item["name"], item["state"]) for item in states] == [
        ("catalog", "closed"), ("inventory", "closed"), ("payments", "closed"),
    ]  # fmt: skip


def test_a_synthetic_order_charges_no_real_money_and_is_no_business_figure(shop):
    confirmed = 'orders_total{status="confirmed"}'

    def figure():
        lines = shop.orders.get("/metrics").text.splitlines()
        return next((line for line in lines if line.startswith(confirmed)), None)

    before = figure()
    order = shop.place(headers={"baggage": "synthetic=true"}).json()
    assert order["status"] == "confirmed"
    charges = shop.payments.get("/charges", params={"order_id": order["id"]}).json()["items"]
    assert [charge["livemode"] for charge in charges] == [False]
    assert shop.latest_event()["synthetic"] is True
    assert figure() == before


ADMIN = {"X-Admin-Token": "development"}
