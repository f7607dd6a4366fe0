"""Where a request may go: one spelling for every host, and nothing by accident."""

from __future__ import annotations

import pytest

from harness.guard import Invitation, Place, UninvitedError, is_loopback, normal_host, place_of


@pytest.mark.parametrize(
    ("spelt", "meant"),
    [
        ("127.0.0.1", "127.0.0.1"),
        ("127.1", "127.0.0.1"),
        ("2130706433", "127.0.0.1"),
        ("0x7f.0.0.1", "127.0.0.1"),
        ("0177.0.0.1", "127.0.0.1"),
        ("LOCALHOST.", "localhost"),
        ("[::1]", "::1"),
        ("0:0:0:0:0:0:0:1", "::1"),
        ("::ffff:127.0.0.1", "127.0.0.1"),
        ("[::ffff:7f00:1]", "127.0.0.1"),
        ("fe80::1%eth0", "fe80::1"),
        ("Bücher.example", "xn--bcher-kva.example"),
        ("999.999.999.999", "999.999.999.999"),
    ],
)
def test_a_host_has_one_spelling(spelt: str, meant: str) -> None:
    assert normal_host(spelt) == meant


@pytest.mark.parametrize(
    ("url", "place"),
    [
        ("http://Shop.example", Place("shop.example", 80)),
        ("https://shop.example/x", Place("shop.example", 443)),
        ("http://user:secret@shop.example:8080", Place("shop.example", 8080)),
        ("http://[::1]:8080/", Place("::1", 8080)),
    ],
)
def test_a_url_leads_to_a_place(url: str, place: Place) -> None:
    assert place_of(url) == place


@pytest.mark.parametrize("url", ["", "http://", "http:///x", "/x", "http://h:port/", "http://h:99999/"])
def test_a_url_that_leads_nowhere_is_an_error(url: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - whichever part of it is wrong
        place_of(url)


@pytest.mark.parametrize(
    "host", ["localhost", "a.localhost.", "127.0.0.9", "127.1", "[::1]", "::1", "http://127.0.0.1:1"]
)
def test_this_machine_is_known_by_its_names(host: str) -> None:
    assert is_loopback(host)


@pytest.mark.parametrize(
    "host", ["localhost.example", "127.0.0.1.example", "http://localhost@evil.example", "0.0.0.0", "::", "", "10.0.0.1"]
)
def test_what_only_looks_like_this_machine_is_not(host: str) -> None:
    assert not is_loopback(host)


def test_an_invitation_is_to_a_host_and_a_port() -> None:
    invitation = Invitation.to(["http://127.0.0.1:8000"], ["db.example", "metrics.example:8086", "[::1]:5000"])

    assert invitation.allows("127.0.0.1", 8000)
    assert invitation.allows("127.1", 8000)
    assert not invitation.allows("127.0.0.1", 8001)
    assert not invitation.allows("127.0.0.2", 8000)
    assert invitation.allows("DB.example.", 1)
    assert invitation.allows("metrics.example", 8086)
    assert not invitation.allows("metrics.example", 80)
    assert invitation.allows("::1", 5000)
    assert not invitation.allows("::1", 5001)


def test_all_of_this_machine_can_be_invited_and_nothing_else_with_it() -> None:
    invitation = Invitation.to([], loopback=True)

    assert invitation.allows("localhost", 1)
    assert invitation.allows("127.0.0.77", 2)
    assert not invitation.allows("10.0.0.1", 2)


def test_a_refusal_names_the_place() -> None:
    with pytest.raises(UninvitedError, match=r"127\.0\.0\.9:18299 was not invited"):
        Invitation.to(["http://127.0.0.1:1"]).check("http://u:pw@127.0.0.9:18299/steal")


def test_a_url_without_a_host_is_refused() -> None:
    with pytest.raises(UninvitedError):
        Invitation.to(["http://127.0.0.1:1"]).check("http:/x")
