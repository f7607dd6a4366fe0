"""Secrets in addresses: passwords of URLs and of connection strings, codes and keys in queries, webhooks."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import NamedTuple

from harness.evidence._jsontext import MASK
from harness.evidence._later import later
from harness.evidence._reading import Span

__all__ = ["ADDRESSES", "Shape"]


class Shape(NamedTuple):
    """One shape of a secret.

    Args:
        signs: texts it can be found by; without any, the pattern is searched for, so it must begin with few characters.
        pattern: matches where a sign stands.
        secret: which part of a match is secret; None when it is harmless.
        lower: whether the signs are looked for in lower case.
        rare: a text without which there is nothing to be found: to look for one character is quickest.
    """

    signs: tuple[str, ...]
    pattern: re.Pattern[str]
    secret: Callable[[re.Match[str]], Span | None]
    lower: bool = False
    rare: str = ""


#: How far a password may reach, in characters.
_NEAR = 400
_SLASH = r"(?:\\*+/)"
#: The parts of an address are looked at ahead, as another one may stand in it.
_URL = later(
    rf":{_SLASH}{{2}}(?=([^\s:/@?#\"'<>\[\\]{{0,{_NEAR}}}+)"
    rf"(?::((?:[^\s\"'<>\\:]|:(?!//)|'(?!$|[\s,)\]}}:;'\"])|\\++(?![\"'nrt])[^\s\\]){{1,{_NEAR}}}+)|(?=@[\w.\-\[])))"
)
#: Schemes in which a user without a password is a credential, but for these.
_LONE = later(r"(?i)(?<![A-Za-z])(?:https?|rediss?|wss?)$")
_NO_TOKEN = later(r"(?i)git|.{0,3}|localhost|[\d.]+|\[redacted\]?")
_ENCODED_URL = later(r"(?i):%2f%2f[\w.\-]*+:((?:[^\s&\"'%]|%(?!(?:25)*40)){1,200}+)(?=%(?:25)*40)")
#: What a query carries under names that are harmless elsewhere, and how long it must be.
_IN_QUERY = later(r"[?&](?:(?i:code|ticket|hmac|assertion)=([\w.~/+%\-]*+)|(?i:key)=([\w.~/+%\-]{20,}+))")
_WEBHOOKS = (
    "hooks.slack.com/services/",
    "hooks.slack.com/workflows/",
    "hooks.slack.com/triggers/",
    "discord.com/api/webhooks/",
    "discordapp.com/api/webhooks/",
    "webhook.office.com/webhookb2/",
    "outlook.office.com/webhook/",
    "hooks.zapier.com/hooks/catch/",
)
_WEBHOOK = later(
    "(?:"
    + "|".join(re.escape(hook).replace("/", _SLASH) for hook in _WEBHOOKS)
    + rf")([^\s\"'<>\\?#/]++(?:{_SLASH}[^\s\"'<>\\?#/]++)*+)"
)
_BOT = later(rf"api\.telegram\.org(?:{_SLASH}file)?+{_SLASH}bot([^\s\"'<>\\?#/]++)")
_TELEGRAM = later(r"(?<=\d{8}):(AA[\w-]{30,}+)")
_ORACLE = later(
    r"(?i)(?:jdbc:oracle:\w{1,10}:|sqlplus[ \t](?:-\w[ \t]++)*+)[^/\s@\"']{0,80}+/"
    r"((?:[^\s\"'@\\]|\\++(?![\"'nrt]))++(?:@(?=[^\s\"'@]*@)(?:[^\s\"'@\\]|\\++(?![\"'nrt]))*+)*+)"
)


def _group(match: re.Match[str]) -> Span:
    return (*match.span(1), MASK)


def _password(match: re.Match[str]) -> Span | None:
    """The password ends at the last @ before the path; one with a slash in it, at the last @ of all."""
    if match[2] is None:
        before = match.string[max(0, match.start() - 9) : match.start()]
        return None if _NO_TOKEN.fullmatch(match[1]) or not _LONE.search(before) else (*match.span(1), MASK)
    rest = match[2]
    authority = re.split(r"[/?#]", rest, maxsplit=1)[0]
    if "@" in authority:
        password = authority.rpartition("@")[0]
    elif "@" in rest and not re.fullmatch(r"\d{0,5}|[{(].*", authority):
        password = rest.rpartition("@")[0]
    else:
        return None
    return (match.start(2), match.start(2) + len(password), MASK)


def _code(match: re.Match[str]) -> Span | None:
    """What is short, or has no digit, is a word or the number of an error."""
    if match[2]:
        return (*match.span(2), MASK)
    value = match[1]
    return _group(match) if len(value) >= 8 and not value.isdigit() and any(map(str.isdigit, value)) else None


def _of_go(match: re.Match[str]) -> Span | None:
    """`user:password` stands before the driver's sign, up to a blank or a quotation mark."""
    start = max(0, match.start() - _NEAR)
    before = re.split(r"[\s\"'`=]", match.string[start : match.start()])[-1]
    user, colon, password = before.partition(":")
    return (match.start() - len(password), match.start(), MASK) if user and colon else None


ADDRESSES: tuple[Shape, ...] = (
    Shape((":/", ":\\"), _URL, _password),
    Shape((":%2f%2f", "%3a%2f%2f"), _ENCODED_URL, _group, lower=True, rare="%"),
    Shape((), _IN_QUERY, _code, rare="="),
    Shape((), _WEBHOOK, _group, rare="hook"),
    Shape(("api.telegram.org",), _BOT, _group),
    Shape((":AA",), _TELEGRAM, _group),
    Shape(("@tcp", "@udp", "@unix(", "@cloudsql"), later(r"@\w{1,20}\("), _of_go, rare="@"),
    Shape(("jdbc:oracle:", "sqlplus"), _ORACLE, _group),
)
