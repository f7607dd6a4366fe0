"""What people do at the box office."""

import secrets

from harness.system import User, journey


@journey(weight=3, edges=("booking:seats", "booking:mailer"))
def book_a_seat(user: User) -> None:
    """Somebody books a seat and finds the booking again."""
    booking = _book(user, show="hamlet")
    found = user.get(f"/bookings/{booking['id']}", name="GET /bookings/{id}").json()
    user.check(found["seat"] == booking["seat"], "the booking is for the seat that was asked for")


@journey(edges=("booking:seats",))
def seat_is_gone(user: User) -> None:
    """A seat cannot be sold twice."""
    booking = _book(user, show="macbeth")
    again = {"show": "macbeth", "seat": booking["seat"], "email": "late@comer.org"}
    user.post("/bookings", json=again, expect=409)


@journey(weight=0, edges=("booking:mailer",))
def a_mail_is_sent(user: User) -> None:
    """The confirmation is in the mailer's outbox."""
    email = f"m{secrets.token_hex(6)}@reader.org"
    _book(user, show="hamlet", email=email)
    mails = user.get("/sent", params={"to": email}, service="mailer").json()
    user.check(len(mails) == 1, "one mail was sent")


def _book(user: User, *, show: str, email: str = "yorick@elsinore.org") -> dict[str, str]:
    user.headers["X-Api-Key"] = "box-office-7"
    seat = f"{secrets.choice('ABCDEFGH')}{1 + secrets.randbelow(999_999)}"
    booking: dict[str, str] = user.post(
        "/bookings", json={"show": show, "seat": seat, "email": email}, expect=201
    ).json()
    return booking
