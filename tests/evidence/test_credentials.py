"""Which parts of a request are known by value: those under secret names, wherever a request has names."""

from __future__ import annotations

import base64
import json

import pytest

from harness.evidence.credentials import Credentials, worth_knowing

FIND = Credentials()


def values(pairs: object) -> set[str]:
    return {value for _, value in pairs}  # type: ignore[attr-defined]  # an iterator of pairs


@pytest.mark.parametrize(
    ("header", "wanted"),
    [
        (("X-Api-Key", "tok-8f3a11"), {"tok-8f3a11"}),
        (("authorization", "Bearer abc.def-123"), {"abc.def-123"}),
        (("Authorization", "Basic " + base64.b64encode(b"bob:hunter2-x").decode()),
         {"bob:hunter2-x", "hunter2-x", base64.b64encode(b"bob:hunter2-x").decode()}),
        (("Cookie", "theme=dark-mode; JSESSIONID=A1B2C3D4; connect.sid=s%3Axyz1"), {"A1B2C3D4", "s:xyz1"}),
        (("Cookie", "u=9f86d081884c7d659a2feaa0"), {"9f86d081884c7d659a2feaa0"}),
        (("Authorization", 'Digest username="bob", cnonce="0a4f113b", response="6629fae49393a05397450978507c4ef1"'),
         {"0a4f113b", "6629fae49393a05397450978507c4ef1",
          'username="bob", cnonce="0a4f113b", response="6629fae49393a05397450978507c4ef1"'}),
        (("Authorization", "Shop tok-8f3a11"), {"tok-8f3a11", "Shop tok-8f3a11"}),
        (("X-Shop-Auth", "tok-8f3a11"), {"tok-8f3a11"}),
        (("X-Auth", "tok-8f3a11"), {"tok-8f3a11"}),
        (("Authentication", "Bearer tok-8f3a11"), {"tok-8f3a11"}),
        (("Proxy-Authentication", "Bearer tok-8f3a11"), {"tok-8f3a11"}),
        (("DPoP", "tok-8f3a11"), {"tok-8f3a11"}),
        (("X-Amz-Security-Token", "tok-8f3a11"), {"tok-8f3a11"}),
        (("X-Forwarded-Access-Token", "tok-8f3a11"), {"tok-8f3a11"}),
        (("X-Shop-Signature", "sha256=8f3a11"), {"sha256=8f3a11"}),
        (("X-Shop-Hmac-Sha256", "8f3a11bb"), {"8f3a11bb"}),
        (("X-Auth-User", "bob-smith"), set()),
        (("Accept", "application/json"), set()),
        (("Authorization", "Bearer invalid"), set()),
    ],
)  # fmt: skip
def test_credentials_of_headers(header: tuple[str, str], wanted: set[str]) -> None:
    assert values(FIND.of_headers([header])) == wanted


@pytest.mark.parametrize(
    ("target", "wanted"),
    [
        ("/a?page=2&api_key=k3y%2Fwith+blank", {"k3y/with blank"}),
        ("/token/tok-8f3a11/use", {"tok-8f3a11"}),
        ("/password-resets/9f86d081%2Fx", {"9f86d081/x"}),
        ("/reset/M77bTCq2x9RkLw4v", {"M77bTCq2x9RkLw4v"}),
        ("/users/password-reset/9f86d081884c7d65", {"9f86d081884c7d65"}),
        ("/orders/9f86d081884c7d65", set()),
        ("/share/summer-sale", set()),
        ("/token/refresh", set()),
        ("/v1/authorizations/auth-8f3a11", set()),
        ("/token/oauth2-callback", set()),
        ("/cart;jsessionid=A1B2C3D4?x=1", {"A1B2C3D4"}),
        ("http://127.0.0.1:1/items/12345678?limit=20", set()),
        ("/login?code=4%2F0AdQt8qh7x&state=9f86d081884c7d65", {"4/0AdQt8qh7x"}),
        ("/login?ticket=ST-1856339-aA5Yuvrxzpv8", {"ST-1856339-aA5Yuvrxzpv8"}),
        ("/orders?code=SUMMER10&ticket=PROJ-12345&assertion=none", set()),
        ("/a?user%5Bpassword%5D=hunter2-x", {"hunter2-x"}),
    ],
)
def test_credentials_of_paths_and_queries(target: str, wanted: set[str]) -> None:
    assert values(FIND.of_target(target)) == wanted


@pytest.mark.parametrize(
    ("body", "wanted"),
    [
        (json.dumps({"user": "bob-smith", "password": 'p"w\u00e4 1'}), {'p"w\u00e4 1'}),
        (json.dumps({"PASSWORD": "hunter2-x", "Access_TOKEN": "tok-8f3a11"}), {"hunter2-x", "tok-8f3a11"}),
        ("USER=bob-smith&PASSWORD=hunter2-x", {"hunter2-x"}),
        (json.dumps({"items": [{"card": {"access_token": "tok-8f3a11"}}]}), {"tok-8f3a11"}),
        (json.dumps({"inner": json.dumps({"token": "tok-8f3a11"})}), {"tok-8f3a11"}),
        (json.dumps([{"name": "password", "value": "hunter2-x"}]), {"hunter2-x"}),
        (json.dumps({"token": {"type": "opaque-one", "value": "tok-8f3a11"}}), {"tok-8f3a11"}),
        (json.dumps({"pin": 12345678, "token_count": 12345678}), {"12345678"}),
        ("user=bob&password=hunter2%2Bx&go=1", {"hunter2+x"}),
        ("<login><password>hunter2-x</password></login>", {"hunter2-x"}),
        ('--b\r\nContent-Disposition: form-data; name="password"\r\n\r\nhunter2-x\r\n--b--\r\n', {"hunter2-x"}),
        (json.dumps({"query": 'mutation { login(password: "hunter2-x") }'}), {"hunter2-x"}),
        ('{"password": "hunter2-x", "cut', {"hunter2-x"}),
        ("grant_type=x&assertion=a1b2c3d4e5f6g7&user_code=WDJB-MJHT", {"a1b2c3d4e5f6g7", "WDJB-MJHT"}),
        (
            "client_assertion=hd1.pl2.sg3&client_assertion_type=jwt-bearer&device_code=GmRhmh8f3a",
            {"hd1.pl2.sg3", "GmRhmh8f3a"},
        ),
        ("SAMLRequest=fZJNT8MwDIb%2FSp&otp=12345678", {"fZJNT8MwDIb/Sp", "12345678"}),
        (json.dumps({"grant_type": "authorization_code", "code": "4/0AdQt8qh7x"}), {"4/0AdQt8qh7x"}),
        (json.dumps({"code": "ERR-1234-5678-x", "state": "a1b2c3d4e5f6g7"}), set()),
        ("plain words, and no secret at all", set()),
    ],
)
def test_credentials_of_bodies(body: str, wanted: set[str]) -> None:
    assert values(FIND.of_body(body)) == wanted


@pytest.mark.parametrize(
    "value", ["true", "admin", "test", "12345", "1234567", "aaaaaaaa", "Invalid", "wrong-password"]
)
def test_what_everybody_knows_is_not_worth_it(value: str) -> None:
    assert not worth_knowing(value)


def test_a_body_nested_without_end_is_no_trouble() -> None:
    assert values(FIND.of_body('{"token":' * 100_000)) == set()


def test_further_names_are_asked_for() -> None:
    find = Credentials(frozenset({"shoppernumber"}))

    assert values(find.of_body('{"shopper_number": "4711-0815"}')) == {"4711-0815"}
    assert values(find.of_headers([("Shopper-Number", "4711-0815")])) == {"4711-0815"}
