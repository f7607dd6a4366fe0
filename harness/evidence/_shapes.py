"""Secrets by shape: what gives itself away wherever it stands, whatever it is called.

Each shape is a row of `SHAPES`: signs that a text is searched for (quick), a pattern that must match where a sign stands,
and which part of it is secret.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterator
from urllib.parse import unquote

from harness.evidence._jsontext import MASK
from harness.evidence._later import later
from harness.evidence._reading import Reading, Span
from harness.evidence._urls import ADDRESSES, Shape

__all__ = ["DIGEST", "SHAPES", "shapes"]

_KEY_BODY = r"[A-Za-z0-9+/=\s:,.]|-(?!-{4})|\\++(?![\"'])"
_KEY_LINE = r"[A-Za-z0-9+/]{30,4096}+=*+|[A-Z][A-Za-z\-]{3,20}: [\w,.\- ]{1,80}+"
_LAST_KEY_LINE = r"(?<=[A-Za-z0-9+/=]{30}\n)[A-Za-z0-9+/]{1,64}+=*+(?=\r?\n|$)"
#: A key to its end; of one that was cut, the lines that look like base64.
_PEM = later(
    r"-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----"
    rf"(?:(?:{_KEY_BODY}){{0,65536}}+-----END [A-Z0-9 ]{{0,40}}-----"
    rf"|(?:(?:\s|\\++[nrt])++(?:{_KEY_LINE}|{_LAST_KEY_LINE})){{0,400}}+)"
)
#: Header, payload and signature; whether it has these parts is asked afterwards: a search that fails late starts again.
_JWT = later(r"eyJ[A-Za-z0-9_-]*+(?:\.[A-Za-z0-9_-]*+){0,4}+")
_SCHEME = later(r"(?i)(?<![A-Za-z0-9])(bearer|basic)((?:\s|%20|\+){1,3}+)([A-Za-z0-9._~+/%-]{8,}+=*+)")
#: What proves the password in Digest credentials (RFC 7616): guesses can be tried on it.
DIGEST = later(r"(?i)(?:(?<![\w.\-])|(?<=\\[nrt]))(?:response|cnonce)=\\*+[\"']?+([A-Za-z0-9+/=_\-]{8,256}+)")
_HEX_32 = later(r"[0-9A-Fa-f]{32}(?:[0-9A-Fa-f]{32})?")
_NO_CREDENTIALS = later(r"(?i)(?:auth|token|scheme|credential|realm|error|challenge)[\w=.-]*")
#: How keys of well-known issuers begin (their first letter, and what follows), and how they go on.
_ISSUED: tuple[tuple[str, str, str], ...] = (
    ("A", "(?:KIA|SIA|BIA|CCA)", r"[0-9A-Z]{16}(?![0-9A-Za-z])"),
    ("A", "GE-SECRET-KEY-1", r"[A-Z0-9]{20,}+"),
    ("A", "Iza", r"[\w-]{30,}+"),
    ("S", r"G\.", r"[\w-]{10,}+\.[\w-]{10,}+"),
    ("d", "op_v1_", r"[a-f0-9]{20,}+"),
    ("g", "h[pousr]_", r"[A-Za-z0-9]{20,}+"),
    ("g", "ithub_pat_", r"\w{20,}+"),
    ("g", "l(?:pat|dt|rt)-", r"[\w-]{18,}+"),
    ("h", "f_", r"[A-Za-z0-9]{20,}+"),
    ("h", r"v[sb]\.", r"[\w-]{20,}+"),
    ("n", "pm_", r"[A-Za-z0-9]{30,}+"),
    ("p", "ypi-", r"[\w-]{20,}+"),
    ("[prs]", "k_(?:live|test)_", r"[A-Za-z0-9]{8,}+"),
    ("s", "hp(?:at|ss|ca|pa)_", r"[a-fA-F0-9]{20,}+"),
    ("s", "k-", r"[A-Za-z0-9_-]{20,}+"),
    ("w", "hsec_", r"[A-Za-z0-9+/=]{8,}+"),
    ("x", "(?:ox[a-z]|app)-", r"[\w-]{8,}+"),
    ("y", r"a29\.", r"[\w-]{10,}+"),
)
#: The first letter comes first, and then what may not stand before it: so the search is quick. The n of a line break in
#: JSON is no part of a word.
_KEY = later(
    r"[ASdghnprswxy](?:(?<![A-Za-z0-9_].)|(?<=\\[nrt].)|(?<=%[0-9A-F]{2}.))(?:"
    + "|".join(f"(?<={first}){start}{rest}" for first, start, rest in _ISSUED)
    + ")"
)


def _whole(match: re.Match[str]) -> Span:
    return (*match.span(), MASK)


def _token(match: re.Match[str]) -> Span | None:
    return _whole(match) if "." in match[0][8:] else None


def _credentials(match: re.Match[str]) -> Span | None:
    scheme, _, value = match.groups()
    after = match.string[match.end() : match.end() + 1]
    if _NO_CREDENTIALS.fullmatch(value) or (value.endswith("=") and after.isalnum()):  # "bearer max_tokens=5"
        return None
    if scheme.lower() == "basic" and not _holds_a_pair(value):
        return None
    return (*match.span(3), MASK)


def _proof(match: re.Match[str]) -> Span | None:
    is_cnonce = match[0][:1] in "cC"
    return (*match.span(1), MASK) if is_cnonce or _HEX_32.fullmatch(match[1]) else None


def _holds_a_pair(value: str) -> bool:
    """Whether base64 holds `user:password`; "basic authentication" does not."""
    plain = unquote(value).rstrip("=.").replace("-", "+").replace("_", "/")
    try:
        return b":" in base64.b64decode(plain + "=" * (-len(plain) % 4))
    except (binascii.Error, ValueError):
        return False


SHAPES: tuple[Shape, ...] = (
    Shape(("-----BEGIN ",), _PEM, _whole),
    Shape(("eyJ",), _JWT, _token),
    *ADDRESSES,
    Shape(("bearer", "basic"), _SCHEME, _credentials, lower=True),
    Shape(("response=", "cnonce="), DIGEST, _proof, lower=True),
    Shape((), _KEY, _whole),
)


def shapes(shape: Shape, reading: Reading) -> Iterator[Span]:
    """Where a shape stands in a text."""
    text = reading.text
    if shape.rare and shape.rare not in text:
        return
    for match in _matches(shape, reading) if shape.signs else shape.pattern.finditer(text):
        span = shape.secret(match)
        if span and span[1] > span[0] and text[span[0] : span[1]] != MASK:
            yield span


def _matches(shape: Shape, reading: Reading) -> Iterator[re.Match[str]]:
    searched = reading.lower if shape.lower else reading.text
    for sign in shape.signs:
        place = searched.find(sign)
        while place >= 0:
            match = shape.pattern.match(reading.text, place)
            if match:
                yield match
            place = searched.find(sign, max(place + 1, match.end() if match else 0))
