"""Whatever an answer holds, and however a journey takes it up, a listener on another address of this machine hears nothing."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from harness.guard import Invitation
from harness.guard.transport import GuardedTransport
from harness.system.journeys import JourneyFailed, User
from harness.system.sending import HttpTransport
from tests.hostile import ELSEWHERE, Hostile, Listener, hostile, listener


@pytest.fixture(scope="module")
def elsewhere() -> Iterator[Listener]:
    with listener() as made:
        yield made


@pytest.fixture(scope="module")
def service(elsewhere: Listener) -> Iterator[Hostile]:
    with hostile(f"{elsewhere.url}/steal") as made:
        yield made


@pytest.fixture(scope="module")
def transport(service: Hostile) -> Iterator[GuardedTransport]:
    with GuardedTransport(Invitation.to([service.url])) as made:
        yield made


def user(service: Hostile, transport: GuardedTransport) -> User:
    made = User(base_urls={"shop": service.url}, entry="shop", transport=HttpTransport(transport), timeout_s=2.0)
    made.headers["Authorization"] = "Bearer secret"
    return made


#: What an address on another host can be hidden in; PLACE is the listener's host and port.
_GLUE = [
    "@",
    "/",
    "//",
    "\\",
    "#",
    "?",
    ":",
    "\t",
    "\r",
    "\n",
    " ",
    "%2f",
    "%40",
    "%5c",
    "%00",
    ";",
    "[",
    "]",
    "..",
    ".",
    "&",
]
_WORDS = [
    "PLACE", "http://PLACE", "HTTP:PLACE", "https://PLACE", "http:\\\\PLACE", "user:pw@PLACE", "PLACE#",
    "[::ffff:127.0.0.9]:PORT", "2130706441:PORT", "0x7f000009:PORT", "127.9:PORT", "127。0。0。9:PORT",
    "xn--PLACE", "localhost", "127.0.0.1", "a",
]  # fmt: skip


def _aimed(pieces: list[str], address: str) -> str:
    return "".join(pieces).replace("PLACE", address).replace("PORT", address.rpartition(":")[2])


_pieces = st.lists(st.sampled_from(_GLUE + _WORDS), min_size=1, max_size=6)
_quick = settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))


@given(pieces=_pieces)
@_quick
def test_no_next_address_is_followed_away(
    pieces: list[str], service: Hostile, elsewhere: Listener, transport: GuardedTransport
) -> None:
    service.elsewhere = _aimed(pieces, elsewhere.address)
    walking = user(service, transport)
    with contextlib.suppress(JourneyFailed):
        walking.get(walking.get("/a").json()["next"], expect=range(100, 600))
    assert elsewhere.heard == []


_ANSWERS = ["refresh", *(f"redirect/{status}" for status in (201, 300, 301, 302, 303, 305, 307, 308, 401))]


@given(pieces=_pieces, how=st.sampled_from(_ANSWERS))
@_quick
def test_no_redirect_of_any_status_and_no_header_is_followed(
    pieces: list[str], how: str, service: Hostile, elsewhere: Listener, transport: GuardedTransport
) -> None:
    service.elsewhere = _aimed([p for p in pieces if p not in {"\r", "\n"}], elsewhere.address)
    walking = user(service, transport)
    with contextlib.suppress(JourneyFailed):
        walking.get(f"/{how}", expect=range(100, 600))
    assert elsewhere.heard == []


@given(pieces=_pieces, into=st.sampled_from(["params", "headers", "host", "method", "service", "json"]))
@_quick
def test_what_an_answer_holds_leads_nowhere_wherever_it_is_put(
    pieces: list[str], into: str, service: Hostile, elsewhere: Listener, transport: GuardedTransport
) -> None:
    text = _aimed(pieces, elsewhere.address)
    walking = user(service, transport)
    calls = {
        "params": lambda: walking.get("/ok", params={"next": text, text: "1"}),
        "headers": lambda: walking.get("/ok", headers={"X-Next": text}),
        "host": lambda: walking.get("/ok", headers={"Host": text}),
        "method": lambda: walking.request(text, "/ok"),
        "service": lambda: walking.get("/ok", service=text),
        "json": lambda: walking.post("/ok", json={"callback": text}),
    }
    with contextlib.suppress(JourneyFailed):
        calls[into]()
    assert elsewhere.heard == []


def test_the_listener_would_have_heard(elsewhere: Listener) -> None:
    import socket

    host, _, port = elsewhere.address.partition(":")
    assert host == ELSEWHERE
    with listener() as other, socket.create_connection((ELSEWHERE, int(other.address.rpartition(":")[2])), 5) as client:
        client.sendall(b"GET / HTTP/1.1\r\n\r\n")
        client.recv(100)
        assert other.heard == [b"GET / HTTP/1.1\r\n\r\n"]
    assert port
