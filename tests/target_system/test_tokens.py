"""The development key and its tokens."""

import json
import time
from pathlib import Path

import jwt
import pytest

import target_system.gateway
from target_system import tokens

COMMITTED = Path(target_system.gateway.__file__).with_name("jwks.json")


def read(token: str) -> dict[str, object]:
    key = jwt.PyJWKSet.from_dict(json.loads(COMMITTED.read_text()))[jwt.get_unverified_header(token)["kid"]]
    return dict(jwt.decode(token, key, algorithms=["ES256"], audience=tokens.AUDIENCE, issuer=tokens.ISSUER))


def test_the_committed_key_set_is_the_public_half_of_the_development_key():
    assert json.loads(COMMITTED.read_text()) == tokens.jwks()
    assert "d" not in tokens.jwks()["keys"][0]


def test_a_token_is_verified_by_the_committed_key_set():
    claims = read(tokens.mint("alice", "orders:read orders:write", ttl=60))
    assert (claims["sub"], claims["scope"]) == ("alice", "orders:read orders:write")
    assert 0 < int(str(claims["exp"])) - time.time() <= 60


def test_a_negative_life_gives_an_expired_token():
    with pytest.raises(jwt.ExpiredSignatureError):
        read(tokens.mint("alice", ttl=-1))


def test_the_command_prints_a_token(capsys):
    tokens.main(["--subject", "bob", "--scope", "orders:read"])
    claims = read(capsys.readouterr().out.strip())
    assert (claims["sub"], claims["scope"]) == ("bob", "orders:read")


def test_the_command_prints_the_key_set(capsys):
    tokens.main(["--jwks"])
    assert json.loads(capsys.readouterr().out) == tokens.jwks()
