"""Who is calling: verification of access tokens against a published key set; what a caller may do is decided in app."""

import json
import re
import time
import urllib.parse
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from typing import cast

import anyio
import httpx
import jwt
import structlog

__all__ = ["KeySet", "KeysUnavailable", "Principal", "TokenRejected", "verify"]

ALGORITHM = "ES256"
MAX_DOCUMENT = 262_144  # bytes; a key set is a few hundred
FETCH_TIMEOUT = 2.0  # seconds
FIRST_READING_INTERVAL = 1.0  # seconds

# The subject travels on as a header, so only what orders takes for a customer is let through.
_CUSTOMER = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@|:+-]{0,63}")

_log = structlog.get_logger()


class TokenRejected(Exception):  # noqa: N818 - the caller's mistake, not an error of ours
    """The token is not one we accept; the message may be shown to the caller."""


class KeysUnavailable(Exception):  # noqa: N818 - a state of the key server
    """No key set has ever been read, so no token can be judged."""


@dataclass(frozen=True, slots=True)
class Principal:
    """The verified caller."""

    subject: str
    scopes: frozenset[str]


class KeySet:
    """The keys of a JWKS document (RFC 7517), read on first use and kept.

    A ``kid`` that is not in the document causes it to be read again, since keys are rotated by publishing a new one;
    never more often than ``min_interval``, or made-up tokens would turn into requests. When reading fails, the keys
    known so far stay valid.

    Args:
        url: ``file:`` or ``http(s):`` address of the document.
        min_interval: Least seconds between two reads; a second as long as none has succeeded.
        max_age: Seconds after which the document is read again, so that a withdrawn key stops working.
        clock: Monotonic time in seconds.
    """

    def __init__(
        self,
        url: str,
        *,
        min_interval: float = 10.0,
        max_age: float = 300.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._url = url
        self._min_interval = min_interval
        self._max_age = max_age
        self._clock = clock
        self._keys: dict[str, jwt.PyJWK] | None = None
        self._read_at = self._tried_at = float("-inf")
        self._lock = anyio.Lock()

    async def find(self, kid: str) -> jwt.PyJWK | None:
        """Return the key with this id, or None when the document does not have it.

        Raises:
            KeysUnavailable: The document could not be read, now or ever before.
        """
        if self._is_wanted(kid):
            async with self._lock:
                if self._is_wanted(kid):
                    await self._refresh()
        if self._keys is None:
            raise KeysUnavailable(self._url)
        return self._keys.get(kid)

    def _is_wanted(self, kid: str) -> bool:
        now = self._clock()
        # Nobody with a token is let in before the first reading, so that one is tried again sooner.
        interval = self._min_interval if self._keys is not None else min(self._min_interval, FIRST_READING_INTERVAL)
        if now - self._tried_at < interval:
            return False
        return self._keys is None or kid not in self._keys or now - self._read_at > self._max_age

    async def _refresh(self) -> None:
        self._tried_at = self._clock()
        try:
            self._keys = _usable_keys(await _fetch(self._url))
        except (OSError, httpx.HTTPError, ValueError, RecursionError) as error:
            _log.warning("jwks_unreadable", url=self._url, error=repr(error))
        else:
            self._read_at = self._tried_at


async def _fetch(url: str) -> bytes:
    parts = urllib.parse.urlsplit(url)
    if parts.scheme == "file":
        return await anyio.Path(urllib.request.url2pathname(parts.path)).read_bytes()
    async with httpx.AsyncClient(timeout=FETCH_TIMEOUT, trust_env=False, verify=url.startswith("https:")) as client:
        response = await client.get(url)
        response.raise_for_status()
        return response.content


def _usable_keys(document: bytes) -> dict[str, jwt.PyJWK]:
    """Read a JWKS document; keys of other kinds are passed over, as RFC 7517, section 5, asks."""
    if len(document) > MAX_DOCUMENT:
        raise ValueError(f"the key set has {len(document)} bytes, more than {MAX_DOCUMENT}")
    parsed = json.loads(document)
    if not isinstance(parsed, dict) or not isinstance(parsed.get("keys"), list):
        raise ValueError("the key set has no list of keys")  # noqa: TRY004 - the content is wrong, not a type of ours
    keys: dict[str, jwt.PyJWK] = {}
    for entry in parsed["keys"]:
        if isinstance(entry, dict) and entry.get("crv") == "P-256" and isinstance(entry.get("kid"), str):
            try:
                keys[entry["kid"]] = jwt.PyJWK(entry, algorithm=ALGORITHM)
            except jwt.PyJWTError as error:
                _log.warning("jwk_unusable", kid=entry["kid"], error=repr(error))
    return keys


async def verify(token: str, keys: KeySet, audience: str) -> Principal:
    """Check signature, expiry and audience of an access token.

    Args:
        token: The token in compact serialisation.
        keys: Where to look for the key that signed it.
        audience: The value that claim ``aud`` must hold.

    Raises:
        TokenRejected: The token is malformed, expired, for somebody else, or not signed by a key of ours.
        KeysUnavailable: No key set to judge it by.
    """
    try:
        kid = jwt.get_unverified_header(token).get("kid")
    except (jwt.PyJWTError, ValueError, RecursionError):  # RecursionError: JSON nested by the thousand
        raise TokenRejected("The token cannot be read.") from None
    key = await keys.find(kid) if isinstance(kid, str) else None
    if key is None:
        raise TokenRejected("The token is signed with a key we do not know.")
    try:
        claims = jwt.decode(
            token, key, algorithms=[ALGORITHM], audience=audience, options={"require": ["exp", "sub", "aud"]}
        )
    except jwt.ExpiredSignatureError:
        raise TokenRejected("The token has expired.") from None
    except (jwt.PyJWTError, ValueError, RecursionError):
        raise TokenRejected("The token is not valid here.") from None
    return _principal(claims)


def _principal(claims: dict[str, object]) -> Principal:
    subject, scope = cast("str", claims["sub"]), claims.get("scope", "")
    if not _CUSTOMER.fullmatch(subject):
        raise TokenRejected("The subject of the token is not a customer of ours.")
    return Principal(subject, frozenset(scope.split()) if isinstance(scope, str) else frozenset())
