"""Bookings: one seat for one show, confirmed by mail if the mailer is there. Flask, in memory."""

from __future__ import annotations

import os
import re
import uuid
from typing import Any

from flask import Flask, Response, jsonify, request
from neighbours import Mailer, Seats, Unavailable
from werkzeug.exceptions import HTTPException

app = Flask(__name__)
app.config["PROVIDE_AUTOMATIC_OPTIONS"] = False
seats = Seats(os.environ["SEATS_URL"])
mailer = Mailer(os.environ["MAILER_URL"])
key = os.environ.get("BOX_OFFICE_KEY", "box-office-7")
bookings: dict[str, dict[str, Any]] = {}

FIELDS = {
    "show": re.compile(r"[a-z]{1,20}"),
    "seat": re.compile(r"[A-Z][1-9][0-9]{0,5}"),
    "email": re.compile(r"[a-z0-9]{1,30}@[a-z]{1,20}\.org"),
}


def no(status: int, text: str) -> tuple[Response, int]:
    """An error, as this team writes them."""
    return jsonify(error=text), status


@app.errorhandler(HTTPException)
def as_json(error: HTTPException) -> Response:
    """Flask's own errors, as ours; headers such as Allow stay."""
    answer = jsonify(error=error.name)
    answer.status_code = error.code or 500
    allowed = error.get_response().headers.get("Allow")
    if allowed:
        answer.headers["Allow"] = ", ".join(sorted(m for m in allowed.split(", ") if m != "HEAD"))
    return answer


@app.before_request
def let_in() -> tuple[Response, int] | None:
    """Everything but the health check needs the key."""
    if request.path == "/health" or request.url_rule is None or request.headers.get("X-Api-Key") == key:
        return None
    return no(401, "who are you")


@app.get("/health")
def health() -> Response:
    """Up."""
    return jsonify(up=True)


@app.post("/bookings")
def book() -> tuple[Response, int]:
    """Hold a seat, then write the booking down."""
    wanted = request.get_json(silent=True) if request.mimetype == "application/json" else None
    if not isinstance(wanted, dict) or set(wanted) != set(FIELDS):
        return no(400, "a booking has show, seat and email")
    for name, pattern in FIELDS.items():
        if not isinstance(wanted[name], str) or not pattern.fullmatch(wanted[name]):
            return no(400, f"{name} is not right")
    booking = {"id": f"bk-{uuid.uuid4().hex[:12]}", **wanted}
    try:
        said = seats.hold(wanted["show"], wanted["seat"], booking["id"])
    except Unavailable:
        answer, status = no(503, "seats cannot be asked now")
        answer.headers["Retry-After"] = "1"
        return answer, status
    if said != "held":
        return no(409, "taken") if said == "taken" else no(404, "no such show")
    booking["mailed"] = mailer.send(booking["email"], f"{booking['show']}, seat {booking['seat']}")
    bookings[booking["id"]] = booking
    return jsonify(booking), 201


@app.get("/bookings/<booking_id>")
def read(booking_id: str) -> tuple[Response, int]:
    """One booking."""
    booking = bookings.get(booking_id)
    return (jsonify(booking), 200) if booking else no(404, "no such booking")


if __name__ == "__main__":
    app.run("127.0.0.1", int(os.environ["PORT"]), threaded=True)
