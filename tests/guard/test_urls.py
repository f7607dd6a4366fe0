"""Addresses are built: whatever an answer names, the request goes to the service that was asked, or nowhere."""

from __future__ import annotations

from urllib.parse import urlsplit

import httpx
import pytest
import urllib3
from hypothesis import example, given
from hypothesis import strategies as st

from harness.guard import LeadsAwayError, address, without_credentials

BASE = "http://127.0.0.1:8000"


@pytest.mark.parametrize(
    ("base", "target", "url"),
    [
        (BASE, "/orders?limit=3", f"{BASE}/orders?limit=3"),
        (BASE, "", BASE),
        (BASE, "?page=2", f"{BASE}?page=2"),
        (BASE, "/a b/ü#part", f"{BASE}/a%20b/%C3%BC"),
        (BASE, "/already%20there%2f", f"{BASE}/already%20there%2f"),
        (BASE, "/a/../b", f"{BASE}/a/../b"),
        (BASE, "/x@y:1", f"{BASE}/x@y:1"),
        (BASE, "/\\evil", None),
        (BASE, "/a\\b", f"{BASE}/a%5Cb"),
        ("http://h.example/api/", "/orders", "http://h.example/api/orders"),
        ("http://h.example/api", "http://h.example/api/orders?a=1", "http://h.example/api/orders?a=1"),
        ("http://h.example", "http://h.example:80/x", "http://h.example/x"),
        ("https://h.example", "https://H.EXAMPLE:443/x", "https://h.example/x"),
        ("http://[::1]:8000", "http://[0:0:0:0:0:0:0:1]:8000/x", "http://[::1]:8000/x"),
    ],
)
def test_a_path_or_a_link_of_the_same_service_is_followed(base: str, target: str, url: str | None) -> None:
    if url is None:
        with pytest.raises(LeadsAwayError):
            address(base, target)
    else:
        assert address(base, target) == url


@pytest.mark.parametrize(
    "target",
    [
        "@127.0.0.9:18299/steal",
        ":80@127.0.0.9/steal",
        ".evil.example/",
        "//127.0.0.9:18299/steal",
        "/\\127.0.0.9/steal",
        "\\\\127.0.0.9/steal",
        "http://127.0.0.9:18299/steal",
        "http://127.0.0.1:8001/",
        "https://127.0.0.1:8000/",
        "http://127.0.0.1:8000@127.0.0.9/",
        "http://127.0.0.9\\@127.0.0.1:8000/",
        "http://u:p@127.0.0.1:8000/",
        "HTTP://127.0.0.9/",
        "file:///etc/passwd",
        "javascript:alert(1)",
        " /orders",
        "\t//127.0.0.9/",
        "/\r\nHost: evil",
        "/\x00",
        "orders",
        "/" + "a" * 70_000,
    ],
)
def test_what_leads_somewhere_else_is_no_address(target: str) -> None:
    with pytest.raises(LeadsAwayError):
        address(BASE, target)


_PIECES = st.sampled_from(
    ["@", "/", "\\", "#", "?", ":", "//", "\t", "\n", " ", "%2f", "%40", "%5c", "[", "]", "..", "127.0.0.9", ":18299", "http:",
     "https:", "evil.example", "ⓔvil。example", "localhost", "127.0.0.1:8000", "user:pw", "\u2028", "\ud800", "a"]
)  # fmt: skip


@given(st.one_of(st.lists(_PIECES, max_size=8).map("".join), st.text(max_size=40)))
@example("@127.0.0.9:18299/steal")
@example("http://127.0.0.1:8000#@127.0.0.9/")
@example("http://127.0.0.1:8000?@127.0.0.9/")
def test_no_client_is_led_away_by_any_text(target: str) -> None:
    try:
        url = address(BASE, target)
    except LeadsAwayError:
        return
    seen = urlsplit(url)
    assert (seen.scheme, seen.hostname, seen.port) == ("http", "127.0.0.1", 8000)
    sent = httpx.URL(url)
    assert (sent.host, sent.port) == ("127.0.0.1", 8000)
    pooled = urllib3.util.parse_url(url)
    assert (pooled.host, pooled.port) == ("127.0.0.1", 8000)


def test_an_address_is_shown_without_what_is_secret() -> None:
    assert without_credentials("https://u:pw@h.example:8/x?token=1#y") == "https://h.example:8/x"
    assert without_credentials("http://[") == "the address"
