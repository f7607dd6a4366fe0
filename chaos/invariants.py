"""What is true of the record shop whatever happened to it: walked once the faults are over, until all of it holds.

What the services have stored is compared, never what they count in memory: that begins again when a service is started
again. It has to add up over everything that was ever stored, so this is for a system that was started fresh.
"""

from __future__ import annotations

from harness.system import User, journey


@journey
def money_taken_is_owed(user: User) -> None:
    """As many charges are kept as there are orders confirmed and not cancelled."""
    charges, orders = _stored(user, "payments", "charges", "status"), _stored(user, "orders", "orders", "status")
    kept, owed = charges.get("captured", 0), orders.get("confirmed", 0)
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
    orders, told = _stored(user, "orders", "orders", "status"), _stored(user, "notifications", "messages", "kind")
    cancelled = orders.get("cancelled", 0)
    # A confirmation that comes after the cancellation is old news, and rightly not sent any more.
    outcomes = {
        "confirmed": (orders.get("confirmed", 0) + cancelled, cancelled),
        "rejected": (orders.get("rejected", 0), 0),
        "cancelled": (cancelled, 0),
    }
    for outcome, (happened, at_most) in outcomes.items():
        sent = told.get(outcome, 0)
        user.check(
            happened - at_most <= sent <= happened, f"{happened} orders were {outcome}, {sent} customers were told so"
        )
    dead = user.get("/dead-letters", service="notifications").json()["items"]
    user.check(not dead, f"{len(dead)} events could not be handled")


def _stored(user: User, service: str, table: str, column: str) -> dict[str, int]:
    """How many rows of a table there are of each value of a column."""
    path = f"/_stored/{table}/{column}"
    found: dict[str, int] = user.get(path, service=service, name=f"GET {path} ({service})").json()
    return found
