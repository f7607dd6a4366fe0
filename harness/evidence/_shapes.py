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
from harness.evidence._reading import Reading, Span
from harness.evidence._urls import ADDRESSES, Shape

__all__ = ["SHAPES", "shapes"]

_KEY_BODY = r"[A-Za-z0-9+/=\s:,.]|-(?!-{4})|\\++(?![\"'])"
#: A key to its end; of one that was cut, the lines that look like base64.
_PEM = re.compile(
    rf"-----BEGIN [A-Z0-9 ]{{0,40}}PRIVATE KEY(?: BLOCK)?-----"
    rf"(?:(?:{_KEY_BODY}){{0,65536}}+-----END [A-Z0-9 ]{{0,40}}-----"
    r"|(?:(?:\s|\\++[nrt])++(?:[A-Za-z0-9+/]{30,4096}+=*+|[A-Z][A-Za-z\-]{3,20}: [\w,.\- ]{1,80}+|(?<=[A-Za-z0-9+/=]{30}\n)[A-Za-z0-9+/]{1,64}+=*+(?=\s|$))){0,400}+)"
)
#: Header, payload and signature; whether it has these parts is asked afterwards: a search that fails late starts again.
_JWT = re.compile(r"eyJ[A-Za-z0-9_-]*+(?:\.[A-Za-z0-9_-]*+){0,4}+")
_SCHEME = re.compile(r"(?i)(?<![A-Za-z0-9])(bearer|basic)((?:\s|%20|\+){1,3}+)([A-Za-z0-9._~+/%-]{8,}+=*+)")
_NO_CREDENTIALS = re.compile(r"(?i)(?:auth|token|scheme|credential|realm|error|challenge)[\w=.-]*")
#: The start of a word; the n of a line break in JSON is no part of one.
_START = r"(?:(?<![A-Za-z0-9_])|(?<=\\[nrt])|(?<=%[0-9A-F]{2}))"
#: How keys of well-known issuers begin, and what follows.
_ISSUED: tuple[tuple[tuple[str, ...], str], ...] = (
    (("AKIA", "ASIA", "ABIA", "ACCA"), r"[0-9A-Z]{16}(?![0-9A-Za-z])"),
    (("ghp_", "gho_", "ghu_", "ghs_", "ghr_", "hf_"), r"[A-Za-z0-9]{20,}+"),
    (("github_pat_",), r"\w{20,}+"),
    (("glpat-", "gldt-", "glrt-"), r"[\w-]{18,}+"),
    (("xoxa-", "xoxb-", "xoxc-", "xoxd-", "xoxe-", "xoxo-", "xoxp-", "xoxr-", "xoxs-", "xapp-"), r"[\w-]{8,}+"),
    (("sk_live_", "sk_test_", "rk_live_", "rk_test_", "pk_live_", "pk_test_"), r"[A-Za-z0-9]{8,}+"),
    (("whsec_",), r"[A-Za-z0-9+/=]{8,}+"),
    (("sk-",), r"[A-Za-z0-9_-]{20,}+"),
    (("AIza",), r"[\w-]{30,}+"),
    (("ya29.",), r"[\w-]{10,}+"),
    (("npm_",), r"[A-Za-z0-9]{30,}+"),
    (("pypi-", "hvs.", "hvb."), r"[\w-]{20,}+"),
    (("dop_v1_",), r"[a-f0-9]{20,}+"),
    (("SG.",), r"[\w-]{10,}+\.[\w-]{10,}+"),
    (("shpat_", "shpss_", "shpca_", "shppa_"), r"[a-fA-F0-9]{20,}+"),
    (("AGE-SECRET-KEY-1",), r"[A-Z0-9]{20,}+"),
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
    *(
        Shape(signs, re.compile(f"{_START}(?:{'|'.join(map(re.escape, signs))}){rest}"), _whole)
        for signs, rest in _ISSUED
    ),
)


def shapes(shape: Shape, reading: Reading) -> Iterator[Span]:
    """Where a shape stands in a text."""
    text, searched = reading.text, reading.lower if shape.lower else reading.text
    for sign in shape.signs:
        place = searched.find(sign)
        while place >= 0:
            match = shape.pattern.match(text, place)
            span = shape.secret(match) if match else None
            if span and span[1] > span[0] and text[span[0] : span[1]] != MASK:
                yield span
            behind = span[1] if span else match.end() if match else 0
            place = searched.find(sign, max(place + 1, behind))
