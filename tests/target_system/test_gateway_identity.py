"""Verification of access tokens by the gateway, and the key set it reads."""

import base64
import json

import anyio
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from target_system import tokens
from target_system.gateway.identity import KeySet, KeysUnavailable, TokenRejected, verify

AUDIENCE = "record-shop"


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class Keys:
    """A JWKS file that can be rewritten, and keys to sign with."""

    def __init__(self, path) -> None:
        self.path = path
        self.private = {name: ec.generate_private_key(ec.SECP256R1()) for name in ("old", "new")}

    def publish(self, *names: str) -> None:
        algorithm = jwt.algorithms.ECAlgorithm
        entries = [algorithm.to_jwk(self.private[name].public_key(), as_dict=True) | {"kid": name} for name in names]
        self.path.write_text(json.dumps({"keys": [{"kty": "RSA", "kid": "other"}, *entries]}))

    def sign(self, name: str, **claims: object) -> str:
        body = {"sub": "alice", "scope": "orders:read", "aud": AUDIENCE, "exp": 4_000_000_000} | claims
        kept = {key: value for key, value in body.items() if value is not None}
        return jwt.encode(kept, self.private[name], algorithm="ES256", headers={"kid": name})


@pytest.fixture
def keys(tmp_path):
    published = Keys(tmp_path / "jwks.json")
    published.publish("old")
    return published


def check(key_set: KeySet, token: str):
    return anyio.run(verify, token, key_set, AUDIENCE)


def test_a_good_token_tells_subject_and_scopes(keys):
    principal = check(KeySet(keys.path.as_uri()), keys.sign("old", scope="orders:read orders:write"))
    assert principal.subject == "alice"
    assert principal.scopes == {"orders:read", "orders:write"}


def test_a_development_token_is_good_for_the_committed_key_set():
    committed = tokens.__file__.replace("tokens.py", "gateway/jwks.json")
    assert check(KeySet(f"file:{committed}"), tokens.mint("bob", "orders:read")).subject == "bob"


@pytest.mark.parametrize(
    ("claims", "why"),
    [
        ({"exp": 1}, "expired"),
        ({"exp": None}, "not valid"),
        ({"aud": "somebody-else"}, "not valid"),
        ({"aud": None}, "not valid"),
        ({"sub": None}, "not valid"),
        ({"sub": ""}, "subject"),
        ({"sub": "alice\r\nX-Admin: 1"}, "subject"),
        ({"sub": "älice"}, "subject"),
        ({"sub": "a" * 65}, "subject"),
        ({"nbf": 4_000_000_000}, "not valid"),
    ],
)
def test_a_token_with_bad_claims_is_rejected(keys, claims, why):
    with pytest.raises(TokenRejected, match=why):
        check(KeySet(keys.path.as_uri()), keys.sign("old", **claims))


def test_a_token_without_scopes_has_none(keys):
    for scope in (None, "", ["orders:read"], 7):
        assert check(KeySet(keys.path.as_uri()), keys.sign("old", scope=scope)).scopes == frozenset()


def _segment(value: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


def test_a_token_that_is_not_signed_by_es256_with_a_known_key_is_rejected(keys):
    good = keys.sign("old")
    head, body, signature = good.split(".")
    public = json.loads(keys.path.read_text())["keys"][1]
    shared = jwt.encode({"sub": "alice", "aud": AUDIENCE, "exp": 4e9}, public["x"] * 2, "HS256", headers={"kid": "old"})
    forged = [
        "",
        "...",
        "ünïcode",
        shared,
        f"{_segment({'alg': 'none', 'kid': 'old'})}.{body}.",
        f"{_segment({'alg': 'ES256', 'kid': ['old']})}.{body}.{signature}",
        f"{_segment({'alg': 'ES256'})}.{body}.{signature}",
        f"{head}.{_segment({'sub': 'mallory', 'aud': AUDIENCE, 'exp': 4e9})}.{signature}",
        f"{head}.{body}.{'A' * len(signature)}",
        keys.sign("new"),
        f"{base64.urlsafe_b64encode(b'[' * 20_000).decode()}.{body}.{signature}",
    ]
    for token in forged:
        with pytest.raises(TokenRejected):
            check(KeySet(keys.path.as_uri()), token)


def test_a_key_that_is_published_later_is_found_but_looked_for_no_more_often_than_allowed(keys):
    clock = Clock()
    key_set = KeySet(keys.path.as_uri(), min_interval=10, clock=clock)
    check(key_set, keys.sign("old"))
    keys.publish("old", "new")
    clock.now += 9.9
    with pytest.raises(TokenRejected, match="do not know"):
        check(key_set, keys.sign("new"))
    clock.now += 0.1
    assert check(key_set, keys.sign("new")).subject == "alice"


def test_a_withdrawn_key_stops_working_after_a_while(keys):
    clock = Clock()
    key_set = KeySet(keys.path.as_uri(), max_age=300, clock=clock)
    check(key_set, keys.sign("old"))
    keys.publish("new")
    clock.now += 301
    with pytest.raises(TokenRejected, match="do not know"):
        check(key_set, keys.sign("old"))


@pytest.mark.parametrize("broken", ["{", "[]", '{"keys": 1}', "[" * 20_000, " " * 300_000])
def test_known_keys_outlive_a_document_that_cannot_be_read(keys, broken):
    clock = Clock()
    key_set = KeySet(keys.path.as_uri(), max_age=300, clock=clock)
    check(key_set, keys.sign("old"))
    keys.path.write_text(broken)
    clock.now += 301
    assert check(key_set, keys.sign("old")).subject == "alice"


def test_without_any_key_set_no_token_can_be_judged(keys, tmp_path):
    with pytest.raises(KeysUnavailable):
        check(KeySet((tmp_path / "missing.json").as_uri()), keys.sign("old"))
    with pytest.raises(KeysUnavailable):
        check(KeySet("http://127.0.0.1:1/jwks.json"), keys.sign("old"))


def test_a_key_set_that_is_late_is_tried_again_soon(keys):
    clock = Clock()
    late = keys.path.rename(keys.path.with_name("late.json"))
    key_set = KeySet(keys.path.as_uri(), min_interval=10, clock=clock)
    with pytest.raises(KeysUnavailable):
        check(key_set, keys.sign("old"))
    late.rename(keys.path)
    clock.now += 1
    assert check(key_set, keys.sign("old")).subject == "alice"
