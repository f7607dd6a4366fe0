"""Credentials in command lines, and in files of settings whose lines are a name, a blank and a value."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from harness.evidence._jsontext import MASK, QUOTE, string_end
from harness.evidence._later import later
from harness.evidence._pairs import PROSE, TOKEN
from harness.evidence._reading import Span

__all__ = ["may_have_commands", "options", "programs", "settings", "two_words"]

#: Programs, and their options that take a credential; `attached` ones may have it without a blank.
_PROGRAMS: tuple[tuple[str, str, str], ...] = (
    ("curl", "-u -b -U --user --cookie --proxy-user --pass --key-pass --oauth2-bearer", "-u -U"),
    ("docker podman buildah skopeo crane helm oras nerdctl az", "-p --creds --src-creds --dest-creds", ""),
    ("mysql mysqldump mysqladmin mysqlimport mysqlcheck mysqlsh mariadb mariadb-dump mariadb-admin", "", "-p"),
    ("sshpass", "-p -P", "-p"),
    ("redis-cli valkey-cli keydb-cli redis-benchmark", "-a --pass", ""),
    ("mongo mongosh mongodump mongorestore mongoexport mongoimport cqlsh", "-p", "-p"),
    ("ldapsearch ldapmodify ldapadd ldapdelete ldapwhoami ldappasswd", "-w -y -s", "-w"),
    ("sqlcmd bcp isql mosquitto_pub mosquitto_sub", "-P", "-P"),
    ("smbclient rpcclient", "-U -A", "-U"),
    ("http https", "-a --auth", "-a"),
    ("snmpget snmpwalk snmpset", "-A -X -c", ""),
    ("zip unzip 7z", "-P -p", "-P -p"),
)
#: Without one of each, a text in lower case has no such command.
_PROGRAM_HINTS = (
    *(
        "curl ",
        "'curl'",
        "docker",
        "podman",
        "buildah",
        "skopeo",
        "crane",
        "helm",
        "oras",
        "nerdctl",
        "az login",
        "az acr",
    ),
    *("mysql", "mariadb", "sshpass", "redis-", "valkey-", "keydb-", "mongo", "cqlsh", "ldap", "sqlcmd", "bcp ", "isql"),
    *("mosquitto_", "smbclient", "rpcclient", "http -", "https -", "snmp", "zip -", "'zip'", "7z "),
)
_OPTION_HINT = later(r"[ '\"]-{1,2}[a-z]")
_GAP = rf"(?:[ \t]++|=|{QUOTE},[ \t]{{0,4}}+{QUOTE})"
_WORD_VALUE = (
    r"(?:\\*+\"([^\"\\\r\n]*+)|'([^'\"\r\n]*+)"
    r"|((?:\[redacted\]|[^\s\"'\\,)}\]])++(?:[,)}\]](?=[^\s\"'\\])[^\s\"'\\,)}\]]*+)*+))"
)
_NAMES = {
    name: (separate.split(), attached.split()) for names, separate, attached in _PROGRAMS for name in names.split()
}
_PROGRAM = later(rf"(?<![\w\-.])({'|'.join(sorted(_NAMES, key=len, reverse=True))})(?=[ \t]|\\*+[\"'],)")
#: `--token x` as a person types it, and `'--token', 'x'` as a list of words is printed.
_OPTION = later(
    rf"(?<![\w-])--?([^\W\d_][\w.-]++)(?:[ \t]++(?!-|{QUOTE})|({QUOTE}),[ \t]{{0,4}}+({QUOTE})|[ \t]++({QUOTE}))"
)
#: A line that is a name and a value (.netrc, redis.conf), or a login with its password.
_TWO_WORDS = later(
    r"(?:(?<![^\r\n\"])|(?<=\\n))[ \t]{0,8}+([\w.\-]{3,80}+)[ \t]{1,8}+([^\s\"'\\]{4,}+)[ \t]*+(?=[\r\n\\\"]|$)"
)
_SETTING = later(r"(?i)(?<![\w])(?:set|setx|config)[ \t]++[^\s\"'\\=]*?([\w.\-]++)[ \t]++([^\s\"'\\=]++)")
#: Programs whose credential is a word of its own.
_POSITIONAL = later(
    r"(?<![\w])(?:rabbitmqctl(?:[ \t]-\S++)*+[ \t](?:add_user|change_password|authenticate_user)[ \t]++\S++"
    r"|htpasswd[ \t]++-\w*b\w*[ \t]++\S++[ \t]++\S++|vault[ \t]++login(?:[ \t]++-\S++)*+)[ \t]++([^\s\"'\\=]++)"
)
_LOGIN = later(r"(?<![\w])login[ \t]++[^\s\"\\]{1,100}+(?:[ \t]++|(?:\r?\n|\\++n)[ \t]*+)password[ \t]++([^\s\"'\\]++)")
_ORDINARY = later(r"[A-Za-z]?[a-z]*[.,:;!?…]*|[\w.\-]*[:.…]+")


def _compiled(separate: list[str], attached: list[str]) -> re.Pattern[str]:
    apart = "|".join(map(re.escape, separate)) or "(?!)"
    close = "|".join(map(re.escape, attached)) or "(?!)"
    return later(rf"(?<=[ \t\"'])(?:(?:{apart}){_GAP}|(?:{close})(?=[^\s\"'\-]|[\"'][^,\s])){_WORD_VALUE}")


_OPTIONS = {name: _compiled(*options_of) for name, options_of in _NAMES.items()}


def may_have_commands(lower: str) -> bool:
    """Whether it is worth to look closer at a text in lower case; quick."""
    return _OPTION_HINT.search(lower) is not None and any(map(lower.__contains__, _PROGRAM_HINTS))


def programs(text: str, _is_secret: Callable[[str], bool]) -> Iterator[Span]:
    """What is given to programs by options that say nothing: `mysql -pX`, `curl -u a:b`."""
    done = 0
    for program in _PROGRAM.finditer(text):
        if program.start() < done:
            continue
        line = text.find("\n", program.end())
        done = line if line >= 0 else len(text)
        for option in _OPTIONS[program[1]].finditer(text, program.end(), done):
            group = next((g for g in (1, 2, 3) if option[g]), 0)
            if group and option[group] != MASK:
                yield (option.start(group), option.end(group), MASK)


def options(text: str, is_secret: Callable[[str], bool]) -> Iterator[Span]:
    """What follows an option whose name is secret."""
    for match in _OPTION.finditer(text):
        if not is_secret(match[1]):
            continue
        quote, token = match[3] or match[4], TOKEN.match(text, match.end())
        if quote:
            yield (match.end(), string_end(text, match.end(), quote)[0], MASK)
        elif token and token[0].lower() not in PROSE:
            yield (match.end(), token.end(), MASK)


def settings(text: str, is_secret: Callable[[str], bool]) -> Iterator[Span]:
    """What a command sets, and credentials that are words of their own: `config set token X`, `rabbitmqctl add_user bob X`."""
    for match in _SETTING.finditer(text):
        if is_secret(match[1]) and match[2].lower() not in PROSE:
            yield (*match.span(2), MASK)
    yield from ((*match.span(1), MASK) for match in _POSITIONAL.finditer(text))


def two_words(text: str, is_secret: Callable[[str], bool]) -> Iterator[Span]:
    """Lines that are a secret name and one value; a value that is an ordinary word is none, unless a login stands before it."""
    for match in _TWO_WORDS.finditer(text):
        if is_secret(match[1]) and not _ORDINARY.fullmatch(match[2]):
            yield (match.start(2), match.end(2), MASK)
    if "login" in text:
        yield from ((m.start(1), m.end(1), MASK) for m in _LOGIN.finditer(text))
