"""Orders as a real process, killed in the middle of an order, which is completed or undone after the restart."""

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from contextlib import suppress

import httpx
import pytest

from target_system.catalog.app import build as build_catalog
from target_system.inventory.app import build as build_inventory
from target_system.payments.app import build as build_payments
from target_system.psp.app import build as build_psp
from tests.target_system.interpose import Interposed
from tests.target_system.test_orders import PATIENT, until

pytestmark = pytest.mark.slow


class OrdersProcess:
    def __init__(self, environment: dict[str, str], port: int) -> None:
        self.environment = {**os.environ, **environment, "PORT": str(port)}
        self.client = httpx.Client(base_url=f"http://127.0.0.1:{port}", trust_env=False, timeout=10)
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        command = [sys.executable, "-m", "target_system.orders"]
        self.process = subprocess.Popen(command, env=self.environment, stdout=subprocess.DEVNULL)
        until(self._ready, within=30)

    def kill(self) -> None:
        if self.process:
            self.process.send_signal(signal.SIGKILL)
            self.process.wait(10)

    def _ready(self) -> bool:
        try:
            return self.client.get("/health/ready").status_code == 200
        except httpx.TransportError:
            return False

    def place(self, key: str) -> httpx.Response:
        body = {"lines": [{"record_id": "rec-1", "quantity": 1}], "card_token": "tok_visa"}
        return self.client.post("/orders", json=body, headers={"Idempotency-Key": key, "X-Customer": "alice"})

    def place_and_be_cut_off(self, key: str) -> threading.Thread:
        def place() -> None:
            with suppress(httpx.TransportError):  # killed, as intended
                self.place(key)

        thread = threading.Thread(target=place, daemon=True)
        thread.start()
        return thread

    def latest(self) -> dict:
        return self.client.get("/orders", params={"customer": "alice"}).json()["items"][0]


@pytest.fixture
def neighbours(serve):
    catalog, inventory, psp = (
        serve("catalog", build_catalog),
        serve("inventory", build_inventory),
        serve("psp", build_psp),
    )
    payments = serve("payments", build_payments, PSP_URL=str(psp.base_url))
    return catalog, inventory, payments


@pytest.fixture
def switches(neighbours):
    _, inventory, payments = neighbours
    return Interposed(str(inventory.base_url)), Interposed(str(payments.base_url))


@pytest.fixture
def orders(serve, neighbours, switches, tmp_path):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    environment = {
        "DATABASE_URL": f"sqlite+aiosqlite:///{tmp_path / 'orders-process.db'}",
        "CATALOG_URL": str(neighbours[0].base_url),
        "INVENTORY_URL": str(serve("to-inventory", switches[0].app).base_url),
        "PAYMENTS_URL": str(serve("to-payments", switches[1].app).base_url),
        **PATIENT,
    }
    process = OrdersProcess(environment, port)
    process.start()
    yield process
    process.kill()
    process.client.close()


@pytest.mark.parametrize("cut_at", ["reserve", "charge", "commit"])
def test_an_order_in_flight_at_a_kill_is_completed_after_the_restart(orders, neighbours, switches, cut_at):
    _, inventory, payments = neighbours
    before = inventory.get("/stock/rec-1").json()["on_hand"]
    switch, call = {
        "reserve": (switches[0], "PUT /reservations"),
        "charge": (switches[1], "POST /charges"),
        "commit": (switches[0], "POST /reservations"),
    }[cut_at]
    switch.behaviour[call] = "swallow"  # the call has its effect, and orders dies before it hears of it
    method, _, path = call.partition(" ")
    orders.place_and_be_cut_off("key-00000001")
    until(lambda: switch.count(method, path) >= 1)
    orders.kill()
    switch.behaviour.clear()
    orders.start()
    until(lambda: orders.latest()["status"] != "pending")
    order = orders.latest()
    assert order["status"] == "confirmed"
    charges = payments.get("/charges", params={"order_id": order["id"]}).json()["items"]
    assert [charge["status"] for charge in charges] == ["captured"]
    assert inventory.get("/stock/rec-1").json()["on_hand"] == before - 1
    assert orders.place("key-00000001").json()["id"] == order["id"]  # the customer's repetition finds it


def test_an_order_being_undone_at_a_kill_is_undone_after_the_restart(orders, neighbours, switches):
    _, inventory, payments = neighbours
    before = inventory.get("/stock/rec-1").json()
    to_inventory, to_payments = switches
    to_inventory.behaviour = {"POST /reservations": "unavailable"}  # charged, but cannot be committed …
    to_payments.behaviour = {"POST /charges/": "unavailable"}  # … nor refunded
    assert orders.place("key-00000002").status_code == 503
    orders.kill()
    charge = _only_charge(payments, to_payments)
    assert charge["status"] == "captured"
    to_inventory.behaviour.clear()
    to_payments.behaviour.clear()
    orders.start()
    until(lambda: _only_charge(payments, to_payments)["status"] == "refunded")
    until(lambda: inventory.get("/stock/rec-1").json() == before)
    assert orders.client.get(f"/orders/{charge['order_id']}").json()["status"] == "rejected"


def _only_charge(payments: httpx.Client, to_payments: Interposed) -> dict:
    key = next(headers["idempotency-key"] for method, path, headers in to_payments.seen if path == "/charges")
    order_id = key.removeprefix("charge-")
    (charge,) = payments.get("/charges", params={"order_id": order_id}).json()["items"]
    return charge


def test_stops_within_two_seconds_when_asked_to(orders):
    begun = time.monotonic()
    orders.process.terminate()
    orders.process.wait(10)
    assert time.monotonic() - begun < 2
