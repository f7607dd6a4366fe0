"""What booking needs of seats, told by booking's own client. No provider states: hamlet is always on."""

from __future__ import annotations

from typing import Any

from neighbours import Seats
from pact import match


def test_a_free_seat_is_held(pact: Any) -> None:
    contract = pact("booking", "seats")
    (
        contract.upon_receiving("a request to hold a seat for hamlet")
        .with_request("PUT", "/api/shows/hamlet/seats/C12")
        .with_body({"holder": "bk-000000000001"}, content_type="application/json")
        .will_respond_with(200)
        .with_body({"holder": match.like("bk-000000000001")}, content_type="application/json")
    )
    with contract.serve() as server:
        assert Seats(str(server.url)).hold("hamlet", "C12", "bk-000000000001") == "held"


def test_a_show_that_is_not_on_is_unknown(pact: Any) -> None:
    contract = pact("booking", "seats")
    (
        contract.upon_receiving("a request to hold a seat for a show that is not on")
        .with_request("PUT", "/api/shows/cats/seats/C12")
        .with_body({"holder": "bk-000000000001"}, content_type="application/json")
        .will_respond_with(404)
    )
    with contract.serve() as server:
        assert Seats(str(server.url)).hold("cats", "C12", "bk-000000000001") == "unknown"


def test_a_free_seat_has_no_holder(pact: Any) -> None:
    contract = pact("booking", "seats")
    (
        contract.upon_receiving("a look at a free seat of macbeth")
        .with_request("GET", "/api/shows/macbeth/seats/Z999")
        .will_respond_with(200)
        .with_body({"holder": None}, content_type="application/json")
    )
    with contract.serve() as server:
        assert Seats(str(server.url)).holder("macbeth", "Z999") is None
