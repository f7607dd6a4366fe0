"""Requests of our own: only where they were invited, over in time, no more of an answer than the limits allow."""

from __future__ import annotations

import time
from collections.abc import Iterator

import httpx
import pytest

from harness.guard import Invitation, TooMuchError, UninvitedError
from harness.guard.fetch import FetchError, fetch, get
from harness.guard.transport import GuardedTransport
from tests.hostile import Hostile, Listener, hostile, listener


@pytest.fixture(scope="module")
def elsewhere() -> Iterator[Listener]:
    with listener() as made:
        yield made


@pytest.fixture(scope="module")
def service(elsewhere: Listener) -> Iterator[Hostile]:
    with hostile(f"{elsewhere.url}/steal") as made:
        yield made


@pytest.fixture(autouse=True)
def nothing_is_heard_elsewhere(elsewhere: Listener) -> Iterator[None]:
    yield
    assert elsewhere.heard == []


@pytest.fixture
def client(service: Hostile) -> Iterator[httpx.Client]:
    with httpx.Client(transport=GuardedTransport(Invitation.to([service.url])), timeout=1.0) as made:
        yield made


def test_an_ordinary_answer_comes_whole(client: httpx.Client, service: Hostile) -> None:
    assert client.get(f"{service.url}/ok").json() == {"ok": True}


def test_a_place_nobody_invited_to_is_not_asked(client: httpx.Client, elsewhere: Listener) -> None:
    with pytest.raises(UninvitedError, match="was not invited"):
        client.get(f"{elsewhere.url}/steal", headers={"Authorization": "Bearer secret"})


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_client_that_follows_redirects_does_not_get_away(service: Hostile, status: int) -> None:
    with (
        httpx.Client(transport=GuardedTransport(Invitation.to([service.url])), follow_redirects=True) as client,
        pytest.raises(UninvitedError),
    ):
        client.get(f"{service.url}/redirect/{status}")


@pytest.mark.parametrize("path", ["nocontent", "twice"])
def test_what_comes_behind_an_answer_is_not_the_next_one(client: httpx.Client, service: Hostile, path: str) -> None:
    with pytest.raises(httpx.RemoteProtocolError, match="bytes came behind the end of the answer"):
        client.get(f"{service.url}/{path}")
    assert client.get(f"{service.url}/ok").json() == {"ok": True}


@pytest.mark.parametrize("path", ["drip", "driphead"])
def test_an_answer_byte_by_byte_is_over_when_its_time_is(client: httpx.Client, service: Hostile, path: str) -> None:
    begun = time.monotonic()
    with pytest.raises(httpx.TimeoutException):
        client.get(f"{service.url}/{path}", timeout=0.5)
    assert time.monotonic() - begun < 10  # the drip itself goes on for 20 s


@pytest.mark.parametrize("path", ["endless", "bomb"])
def test_an_answer_without_an_end_is_cut(client: httpx.Client, service: Hostile, path: str) -> None:
    with pytest.raises(TooMuchError, match="longer than 10 MB"):
        client.get(f"{service.url}/{path}", timeout=30)


def test_a_head_without_an_end_is_cut(client: httpx.Client, service: Hostile) -> None:
    with pytest.raises(httpx.TransportError):
        client.get(f"{service.url}/longhead", timeout=30)


def test_a_proxy_of_the_environment_is_not_asked(
    client: httpx.Client, service: Hostile, elsewhere: Listener, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, elsewhere.url)

    assert client.get(f"{service.url}/ok").status_code == 200
    assert fetch(f"{service.url}/ok", limit_s=5).status == 200


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_document_is_not_fetched_from_where_a_redirect_leads(service: Hostile, status: int) -> None:
    with pytest.raises(FetchError, match="was not invited"):
        fetch(f"{service.url}/redirect/{status}", limit_s=5)


def test_a_redirect_on_the_same_host_is_followed(elsewhere: Listener) -> None:
    with hostile("/ok") as service:
        assert fetch(f"{service.url}/redirect/302", limit_s=5).url == f"{service.url}/ok"


def test_redirects_in_circles_end() -> None:
    with hostile("/redirect/302") as service, pytest.raises(FetchError, match="in circles"):
        fetch(f"{service.url}/redirect/302", limit_s=5)


def test_a_single_look_follows_nothing(service: Hostile) -> None:
    assert get(f"{service.url}/redirect/302", limit_s=5).status == 302


def test_the_time_is_for_all_of_it_redirects_included(service: Hostile) -> None:
    with pytest.raises(FetchError, match=r"did not come within 0\.5 s"):
        fetch(f"{service.url}/drip", limit_s=0.5)


def test_credentials_are_sent_to_whom_they_are_for_only_when_asked_for() -> None:
    with hostile("/ok") as service:
        fetch(f"{service.url}/ok", limit_s=5, credentials=lambda: {"Authorization": "Bearer secret"})
        assert all("secret" not in r for r in service.requests)
        fetch(f"{service.url}/redirect/401", limit_s=5, credentials=lambda: {"Authorization": "Bearer secret"})
        assert [r for r in service.requests if "Bearer secret" in r]
