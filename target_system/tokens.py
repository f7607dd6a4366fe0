"""The development signing key of the record shop and the tokens it signs; production keys never pass through here.

The key is derived from a fixed text, so that no private key file is committed and every checkout signs alike. Whoever
reads this file can sign tokens: the key belongs to development and tests only. ``python -m target_system.tokens
--jwks`` prints the public half, which is committed as ``target_system/gateway/jwks.json``.
"""

import argparse
import base64
import hashlib
import json
import sys
import time
from collections.abc import Callable, Sequence

import jwt
from cryptography.hazmat.primitives.asymmetric import ec

__all__ = ["ALGORITHM", "AUDIENCE", "ISSUER", "jwks", "main", "mint"]

ALGORITHM = "ES256"
ISSUER = "record-shop-development"
AUDIENCE = "record-shop"

_SEED = b"record shop, development signing key, number 1"
_P256_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551  # SEC 2, section 2.4.2


def _private_key() -> ec.EllipticCurvePrivateKey:
    wide = int.from_bytes(hashlib.sha512(_SEED).digest(), "big")
    return ec.derive_private_key(wide % (_P256_ORDER - 1) + 1, ec.SECP256R1())


def _base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode("ascii")


def _public_jwk() -> dict[str, str]:
    numbers = _private_key().public_key().public_numbers()
    key = {
        "crv": "P-256",
        "kty": "EC",
        "x": _base64url(numbers.x.to_bytes(32, "big")),
        "y": _base64url(numbers.y.to_bytes(32, "big")),
    }
    thumbprint = hashlib.sha256(json.dumps(key, separators=(",", ":"), sort_keys=True).encode("ascii")).digest()
    return {**key, "kid": _base64url(thumbprint), "use": "sig", "alg": ALGORITHM}  # kid: RFC 7638


def jwks() -> dict[str, list[dict[str, str]]]:
    """Return the JWKS document (RFC 7517) with the public half of the development key."""
    return {"keys": [_public_jwk()]}


def mint(subject: str, scope: str = "", ttl: float = 3600.0, *, clock: Callable[[], float] = time.time) -> str:
    """Sign an access token with the development key.

    Args:
        subject: The customer the token speaks for (claim ``sub``).
        scope: Scopes, separated by single spaces (claim ``scope``, RFC 9068).
        ttl: Seconds until the token expires; negative gives a token that has expired already.
        clock: Tells the time in seconds since the epoch.

    Returns:
        The token in compact serialisation.
    """
    now = int(clock())
    claims = {"iss": ISSUER, "aud": AUDIENCE, "sub": subject, "scope": scope, "iat": now, "exp": now + int(ttl)}
    return jwt.encode(claims, _private_key(), algorithm=ALGORITHM, headers={"kid": _public_jwk()["kid"]})


def main(arguments: Sequence[str] | None = None) -> None:
    """Print a token, or the public key set, for the command line."""
    parser = argparse.ArgumentParser(prog="python -m target_system.tokens", description="Sign a development token.")
    parser.add_argument("--subject", default="alice", help="the customer the token speaks for (default: alice)")
    parser.add_argument("--scope", default="", help='scopes, for example "orders:read orders:write"')
    parser.add_argument(
        "--ttl", type=float, default=3600.0, metavar="SECONDS", help="life of the token (default: 3600)"
    )
    parser.add_argument("--jwks", action="store_true", help="print the public key set instead of a token")
    options = parser.parse_args(arguments)
    text = json.dumps(jwks(), indent=2) if options.jwks else mint(options.subject, options.scope, options.ttl)
    sys.stdout.write(f"{text}\n")


if __name__ == "__main__":
    main()
