"""What customers of the record shop do, written once: walked by smoke, load, chaos and synthetic checks alike.

Every walk is a customer of its own with idempotency keys of its own, so walks never meet, however many there are at once
and however often the same seed is used on a system that keeps its data. What they buy comes from the seeded `user.rng`.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable
from typing import Any

from harness.system import User, journey
from target_system.tokens import mint

_IN_STOCK = ("rec-1", "rec-2", "rec-3", "rec-4")
_SOLD_OUT = "rec-5"
_SOON_S = 5.0


@journey(weight=10, edges=("gateway:catalog", "gateway:inventory"))
def browse(user: User) -> None:
    """A visitor leafs through the records and looks at one of them."""
    _customer(user)
    page = user.get("/records", params={"limit": "20"}).json()
    user.check(page["items"], "there are records on sale")
    record_id = user.rng.choice(_IN_STOCK)
    record = user.get(f"/records/{record_id}", name="GET /records/{record_id}").json()
    user.check(record["id"] == record_id and record["price"] > 0, f"{record_id} is shown with its price")
    # `unknown` is what the gateway says when inventory does not answer: less, but still a page.
    user.check(record["availability"] in {"in_stock", "unknown"}, f"{record_id} is not shown as sold out")


@journey(weight=3, entry="catalog")
def look_again(user: User) -> None:
    """Somebody who has seen a record already is told that it has not changed."""
    record_id = user.rng.choice(_IN_STOCK)
    first = user.get(f"/records/{record_id}", name="GET /records/{record_id} (catalog)")
    user.get(
        f"/records/{record_id}",
        headers={"If-None-Match": first.headers["etag"]},
        expect=304,
        name="GET /records/{record_id} (catalog, unchanged)",
    )


@journey(
    weight=4,
    edges=(
        "gateway:orders",
        "gateway:catalog",
        "orders:catalog",
        "orders:inventory",
        "orders:payments",
        "payments:psp",
    ),
)
def place_order(user: User) -> None:
    """A customer buys a record and finds the order as placed."""
    customer = _customer(user)
    order = _buy(user)
    shown = _read(user, order["id"])
    user.check(shown["status"] == "confirmed", f"the order is confirmed, not {shown['status']}")
    user.check(shown["customer"] == customer, "the order is the customer's own")
    total = sum(line["quantity"] * line["unit_price"] for line in shown["lines"])
    user.check(shown["total"] == total, f"the total {shown['total']} is the sum of the lines, {total}")
    if user.synthetic:
        _no_real_money(user, order["id"])


@journey(edges=("gateway:orders", "orders:inventory", "orders:payments", "payments:psp"))
def cancel_order(user: User) -> None:
    """A customer changes their mind: the order is cancelled, and cancelling again changes nothing."""
    _customer(user)
    order = _buy(user)
    for attempt in ("first", "second"):
        answer = user.post(f"/orders/{order['id']}/cancel", name="POST /orders/{order_id}/cancel").json()
        user.check(answer["status"] == "cancelled", f"after the {attempt} try the order is cancelled")


@journey(edges=("gateway:orders", "orders:inventory", "orders:payments", "payments:psp"))
def declined_card(user: User) -> None:
    """A card is declined: the customer hears so, and what was reserved is free again."""
    customer = _customer(user)
    _order(user, user.rng.choice(_IN_STOCK), card="tok_declined", expect=402)
    orders = user.get("/orders", params={"customer": customer}, service="orders", name="GET /orders?customer=").json()
    user.check(len(orders["items"]) == 1, "there is one order")
    order = orders["items"][0]
    user.check(order["status"] == "rejected", f"the order is rejected, not {order['status']}")
    user.check(_released(user, order["id"]), f"nothing stays reserved for the rejected order {order['id']}")


@journey(edges=("gateway:orders", "orders:inventory"))
def sold_out(user: User) -> None:
    """A record that is sold out cannot be ordered."""
    _customer(user)
    problem = _order(user, _SOLD_OUT, expect=409)
    user.check(problem["type"].endswith("out-of-stock"), f"the reason is out-of-stock, not {problem['type']}")


@journey(weight=0, edges=("gateway:orders",))
def somebody_elses_order(user: User) -> None:
    """An order of somebody else cannot be seen, not even that it exists."""
    _customer(user)
    order = _buy(user)
    _customer(user)
    user.get(f"/orders/{order['id']}", expect=404, name="GET /orders/{order_id} (somebody else's)")


@journey(weight=0, edges=("orders:notifications",))
def confirmation_is_sent(user: User) -> None:
    """The customer is told of the order, within seconds; waits, so it is no part of the load."""
    _customer(user)
    order = _buy(user)

    def told() -> bool:
        answer = user.get(
            "/messages", params={"order_id": order["id"]}, service="notifications", name="GET /messages?order_id="
        )
        return bool(answer.json()["items"])

    user.check(_within(_SOON_S, told), f"a message about order {order['id']} is sent within {_SOON_S:g} s")


def _customer(user: User) -> str:
    """Become a new customer; returns their name."""
    name = f"customer-{uuid.uuid4().hex[:16]}"
    user.headers["Authorization"] = f"Bearer {mint(name, 'orders:read orders:write')}"
    return name


def _buy(user: User) -> dict[str, Any]:
    order = _order(user, user.rng.choice(_IN_STOCK), expect=201)
    user.check(order["status"] == "confirmed", f"the new order is confirmed, not {order['status']}")
    return order


def _order(user: User, record_id: str, *, expect: int, card: str = "tok_visa") -> dict[str, Any]:
    answer: dict[str, Any] = user.post(
        "/orders",
        json={"lines": [{"record_id": record_id, "quantity": user.rng.randint(1, 3)}], "card_token": card},
        headers={"Idempotency-Key": str(uuid.uuid4())},
        expect=expect,
    ).json()
    return answer


def _read(user: User, order_id: str) -> dict[str, Any]:
    order: dict[str, Any] = user.get(f"/orders/{order_id}", name="GET /orders/{order_id}").json()
    return order


def _no_real_money(user: User, order_id: str) -> None:
    """The tag of a synthetic walk reached the far end of the system: no charge of this order is a real one."""
    charges = user.get(
        "/charges", params={"order_id": order_id}, service="payments", name="GET /charges?order_id="
    ).json()["items"]
    user.check(charges and not any(c["livemode"] for c in charges), f"no real money moves for {order_id}")


def _released(user: User, reservation_id: str) -> bool:
    """Whether nothing stays reserved; a compensation that met a fault is made up for soon after."""

    def free() -> bool:
        answer = user.get(
            f"/reservations/{reservation_id}",
            service="inventory",
            expect=(200, 404),
            name="GET /reservations/{reservation_id}",
        )
        return answer.status_code == 404 or answer.json()["status"] == "released"

    return _within(_SOON_S, free)


def _within(limit_s: float, condition: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + limit_s
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.1)
    return True
