"""What is true of the record shop whatever happened to it: walked once the faults are over, until all of it holds.

The services' own business counters are compared with each other, so this works on a system that was started fresh and
walked by untagged journeys, as the chaos stage does.
"""

from __future__ import annotations

import re

from harness.system import User, journey

_SAMPLE = re.compile(r'^(\w+)\{(\w+)="(\w+)"\} (\S+)$', re.MULTILINE)


@journey
def money_taken_is_owed(user: User) -> None:
    """As many charges are kept as there are orders confirmed and not cancelled."""
    charges, orders = _counts(user, "payments", "payments_charges_total"), _counts(user, "orders", "orders_total")
    kept = charges.get("captured", 0) - charges.get("refunded", 0)
    owed = orders.get("confirmed", 0) - orders.get("cancelled", 0)
    user.check(kept == owed, f"{kept} charges are kept for {owed} orders (charges {charges}, orders {orders})")


@journey
def nothing_stays_reserved(user: User) -> None:
    """No stock is held: every order has been carried through, or all of it undone."""
    for record in user.get("/records", params={"limit": "100"}).json()["items"]:
        answer = user.get(
            f"/stock/{record['id']}", service="inventory", expect=(200, 404), name="GET /stock/{record_id}"
        )
        reserved = answer.json().get("reserved", 0)
        user.check(reserved == 0, f"{reserved} of {record['id']} are still reserved, and no order is under way")


@journey
def everybody_was_told(user: User) -> None:
    """Each order's outcome was told to its customer, exactly once; no event is lost, doubled or dead."""
    orders, told = _counts(user, "orders", "orders_total"), _counts(user, "notifications", "notifications_sent_total")
    # A confirmation that comes after the cancellation is old news, and rightly not sent any more.
    untold = {"confirmed": orders.get("cancelled", 0), "rejected": 0, "cancelled": 0}
    for outcome, at_most in untold.items():
        happened, sent = orders.get(outcome, 0), told.get(outcome, 0)
        user.check(
            happened - at_most <= sent <= happened, f"{happened} orders were {outcome}, {sent} customers were told so"
        )
    dead = user.get("/dead-letters", service="notifications").json()["items"]
    user.check(not dead, f"{len(dead)} events could not be handled")


def _counts(user: User, service: str, name: str) -> dict[str, int]:
    """Values of a counter by its only label."""
    text = user.get("/metrics", service=service, name=f"GET /metrics ({service})").text
    return {value: int(float(count)) for metric, _, value, count in _SAMPLE.findall(text) if metric == name}
