"""Secrets by shape: what gives itself away wherever it stands, whatever it is called."""

from __future__ import annotations

import base64
import binascii
import re

from harness.evidence._jsontext import MASK, mask_numbers

__all__ = ["mask_shapes"]

#: The start of a word; the n of a line break in JSON is no part of one.
_START = r"(?:(?<![A-Za-z0-9_])|(?<=\\[nrt])|(?<=%[0-9A-F]{2}))"
_PEM = re.compile(
    r"-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----(?:[A-Za-z0-9+/=\s:,.]|-(?!-{4})|\\++(?![\"']))*+"
    r"(?:-----END [A-Z0-9 ]{0,40}-----)?+"
)
#: Header, payload and signature; whether it has these parts is asked afterwards: a search that fails late starts again.
_JWT = re.compile(r"eyJ[A-Za-z0-9_-]*+(?:\.[A-Za-z0-9_-]*+){0,4}+")
_SCHEME = re.compile(r"(?i)(?<![A-Za-z0-9])(bearer|basic)((?:\s|%20|\+){1,3}+)([A-Za-z0-9._~+/%-]{8,}+=*+)")
_NO_CREDENTIALS = re.compile(r"(?i)(?:auth|token|scheme|credential|realm|error|challenge)[\w=.-]*")
_URL = re.compile(
    r"(:(?:\\*+/){2}[^\s:/@?#\"'<>\[\\]*+:)((?:[^\s\"'<>\\]|'(?!$|[\s,)\]}:;'\"])|\\++(?![\"'nrt])[^\s\\])++)"
)
_ENCODED_URL = re.compile(r"(?i)(%3a%2f%2f[\w.\-]*+%3a)((?:[^\s&\"'%]|%(?!40)){1,200}+)(?=%40)")
_KEY = re.compile(
    rf"{_START}(?:(?:AKIA|ASIA|ABIA|ACCA)[0-9A-Z]{{16}}(?![0-9A-Za-z])|gh[pousr]_[A-Za-z0-9]{{20,}}+|github_pat_\w{{20,}}+"
    r"|glpat-[\w-]{18,}+|xox[a-z]-[\w-]{8,}+|xapp-[\w-]{8,}+|[srp]k_(?:live|test)_[A-Za-z0-9]{8,}+|whsec_[A-Za-z0-9+/=]{8,}+"
    r"|sk-[A-Za-z0-9_-]{20,}+|AIza[\w-]{30,}+|ya29\.[\w-]{10,}+|npm_[A-Za-z0-9]{30,}+|pypi-[\w-]{20,}+|dop_v1_[a-f0-9]{20,}+"
    r"|SG\.[\w-]{10,}+\.[\w-]{10,}+|hf_[A-Za-z0-9]{20,}+|hv[sb]\.[\w-]{20,}+|shp(?:at|ss|ca|pa)_[a-fA-F0-9]{20,}+"
    r"|AGE-SECRET-KEY-1[A-Z0-9]{20,}+)"
)
_KEY_HINTS = (
    *("AKIA", "ASIA", "ABIA", "ACCA", "ghp_", "gho_", "ghu_", "ghs_", "ghr_", "github_pat_", "glpat-", "xox", "xapp-"),
    *("k_live_", "k_test_", "whsec_", "sk-", "AIza", "ya29.", "npm_", "pypi-", "dop_v1_", "SG.", "hf_", "hvs.", "hvb."),
    *("shp", "AGE-SECRET"),
)
#: Digits as zeros, so that a row of them can be searched for as a word.
_DIGITS = bytes.maketrans(b"0123456789", b"0" * 10)
_CARD_HINTS = (b"0" * 13, b"0000-0000", b"0000 0000", b"0000+0000", b"0000%000000")
_WEBHOOK = re.compile(r"(hooks\.slack\.com(?:\\*+/)services(?:\\*+/))[A-Za-z0-9]++(?:\\*+/[A-Za-z0-9]++)++")
#: Digits in the groups they are embossed in, or without any. What goes on before or behind is another number.
_GAP = r"(?:[ -]|\+|%20)"
_CARD = re.compile(
    # The first digit comes first, and then what may not stand before it: so the search is quick where there is no digit.
    r"[2-6](?:(?<![\w.+-][2-6])|(?<=\\[nrt][2-6])|(?<=[=:+,][2-6]))"
    rf"(?:\d{{12,18}}+|\d{{3}}{_GAP}\d{{4}}{_GAP}\d{{4}}{_GAP}\d{{4}}(?:{_GAP}\d{{3}})?+|\d{{3}}{_GAP}\d{{6}}{_GAP}\d{{4,5}})"
    r"(?!\w|\.\d|-\d)"
)
#: Leading digits and lengths of issuers (ISO/IEC 7812), those that are in use; moments and ids begin otherwise or are longer.
_ISSUERS = (
    (re.compile(r"4"), {13, 16}),
    (re.compile(r"5[1-5]|222[1-9]|22[3-9]|2[3-6]|27[01]|2720"), {16}),
    (re.compile(r"3[47]"), {15}),
    (re.compile(r"6011|64[4-9]|65"), {16, 19}),
    (re.compile(r"30[0-5]|3095|36|38|39"), {14}),
    (re.compile(r"35(?:2[89]|[3-8])"), {16}),
    (re.compile(r"62|81"), {16, 19}),
)


def mask_shapes(text: str) -> str:
    """Mask what looks like a credential."""
    if "PRIVATE KEY" in text:
        text = _PEM.sub(MASK, text)
    if "eyJ" in text:
        text = _JWT.sub(lambda jwt: MASK if "." in jwt[0][8:] else jwt[0], text)
    if "://" in text or ":\\/" in text:
        text = _URL.sub(_without_password, text)
        text = _WEBHOOK.sub(rf"\1{MASK}", text)
    lower = text.lower()
    if "bearer" in lower or "basic" in lower:
        text = _SCHEME.sub(_without_credentials, text)
    if "%3a%2f%2f" in lower:
        text = _ENCODED_URL.sub(rf"\1{MASK}", text)
    if any(hint in text for hint in _KEY_HINTS):
        text = _KEY.sub(MASK, text)
    return mask_numbers(_CARD, text, _is_card) if _may_have_cards(text) else text


def _may_have_cards(text: str) -> bool:
    digits = text.encode("utf-8", "surrogatepass").translate(_DIGITS)
    return any(hint in digits for hint in _CARD_HINTS)


def _without_password(match: re.Match[str]) -> str:
    """The password ends at the last @ before the path; one with a slash in it, at the last @ of all."""
    before, rest = match[1], match[2]
    authority = re.split(r"[/?#]", rest, maxsplit=1)[0]
    if "@" in authority:
        password = authority.rpartition("@")[0]
    elif "@" in rest and not re.fullmatch(r"\d{0,5}|[{(].*", authority):
        password = rest.rpartition("@")[0]
    else:
        return match[0]
    return f"{before}{MASK}{rest[len(password) :]}" if password else match[0]


def _without_credentials(match: re.Match[str]) -> str:
    scheme, blank, value = match.groups()
    after = match.string[match.end() : match.end() + 1]
    if _NO_CREDENTIALS.fullmatch(value) or (value.endswith("=") and after.isalnum()):  # "bearer max_tokens=5"
        return match[0]
    if scheme.lower() == "basic" and not _holds_a_pair(value):
        return match[0]
    return f"{scheme}{blank}{MASK}"


def _holds_a_pair(value: str) -> bool:
    """Whether base64 holds `user:password`; "basic authentication" does not."""
    from urllib.parse import unquote

    plain = unquote(value).rstrip("=.").replace("-", "+").replace("_", "/")
    try:
        return b":" in base64.b64decode(plain + "=" * (-len(plain) % 4))
    except (binascii.Error, ValueError):
        return False


def _is_card(text: str) -> bool:
    digits = re.sub(r"\D", "", text.replace("%20", ""))
    if not any(start.match(digits) and len(digits) in lengths for start, lengths in _ISSUERS):
        return False
    return _luhn(digits)


def _luhn(digits: str) -> bool:
    """Whether the check digit is right (ISO/IEC 7812-1, annex B)."""
    doubled = (sum(divmod(int(d) * 2, 10)) for d in digits[-2::-2])
    return (sum(map(int, digits[-1::-2])) + sum(doubled)) % 10 == 0
