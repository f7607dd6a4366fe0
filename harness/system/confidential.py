"""What a project and its environment hold in confidence, told to the masking before anything runs; and who may read files."""

from __future__ import annotations

import base64
import os
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path

from harness.evidence.secrets import remember, remember_header, remember_names, remember_url, spare
from harness.evidence.sweep import narrow
from harness.system.model import System

__all__ = ["AUTH_VARIABLE", "HARNESS_FOLDER", "keep_private", "remember_system", "users_umask"]

HARNESS_FOLDER = ".harness"
#: A variable of the environment in what is sent to a service.
AUTH_VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")
#: Names that speak of a secret in an environment, and of anything at all elsewhere.
_ENDINGS = ("_PASS", "_AUTH")
#: Last words of names that speak of a secret or of something else: only what looks like one.
_SPEAKS = re.compile(
    r"(?i)(?:^|[_\-])(?:keys?|oauth2?|pat|sk|creds?|sas|hmac|salt|pepper|seed|pin|fernet|privkey|license|master|private"
    r"|webhook(?:[_\-]url)?)\d*$|key$"
)
#: Shorter values of the environment are flags and numbers more often than secrets.
_LONG_ENOUGH = 8
_MADE_LONG = 24
#: What a private key (PEM) and a JWT have in them, and how long they are.
_KEY = re.compile(r"-----BEGIN [A-Z0-9 ]*PRIVATE KEY|(?<![A-Za-z0-9_-])eyJ[A-Za-z0-9_-]{4,}\.[A-Za-z0-9_-]{4,}\.")
_SHORTEST_KEY, _LONGEST_KEY = 20, 64_000
_TO_STANDARD = str.maketrans("-_", "+/")
#: Variables of ours: a token in them tells processes of one run from others', and holds the run's id.
_OWN = "HARNESS_"
_BROKER = ("PACT_BROKER_TOKEN", "PACT_BROKER_USERNAME", "PACT_BROKER_PASSWORD")
#: Carries the user's own file mode creation mask to the processes of a run.
_UMASK_VARIABLE = "HARNESS_USERS_UMASK"


def remember_system(system: System, env: Mapping[str, str] | None = None) -> None:
    """Remember every credential the files and the environment of a project hold; names of its services are none."""
    from harness.evidence.redaction import Redactor

    env = os.environ if env is None else env
    spare((system.name, *system.services, *system.resources))
    remember_names(system.redact)
    remember_names(s.auth.header for s in system.services.values() if s.auth)
    redactor = Redactor()
    is_secret = redactor.is_secret
    for service in system.services.values():
        remember_url(service.url)
        if service.auth:
            _remember_auth(service.auth.value, env)
        for name, written in service.env.items():
            value = written.replace("{{", "{").replace("}}", "}")  # as the service has it
            remember_url(value)
            remember(*redactor.found(value))
            remember(*_keys_in(value))
            if is_secret(name):
                _remember_value(value)
            elif _may_be_secret(name, value, is_secret):
                remember(value)
    for edge in system.edges:
        remember_url(edge.url)
        if edge.env and is_secret(edge.env) and "://" not in edge.url:
            remember(edge.url)
    # Journeys and services take credentials from the environment, where nobody tells the harness of them.
    others = {n: v for n, v in env.items() if not n.startswith(_OWN)}
    remember(*(value for name, value in others.items() if _may_be_secret(name, value, is_secret)))
    for value in others.values():
        remember(*_keys_in(value))
    remember(*(env.get(name, "") for name in _BROKER))
    for url in (env.get("PACT_BROKER_BASE_URL", ""), system.contracts.broker.url, *system.contracts.sources):
        remember_url(url)
    remember_header(env.get(system.contracts.authorization_env, "") if system.contracts.authorization_env else "")
    user, password = env.get("PACT_BROKER_USERNAME", ""), env.get("PACT_BROKER_PASSWORD", "")
    if user and password:
        remember(f"{user}:{password}")


def _remember_auth(value: str, env: Mapping[str, str]) -> None:
    """What is sent to a service, and each variable it is made of; what a command prints is known once it was run."""
    remember(*(env.get(name, "") for name in AUTH_VARIABLE.findall(value)))
    if "{token}" not in value:
        remember_header(AUTH_VARIABLE.sub(lambda match: env.get(match[1], ""), value))


def _may_be_secret(name: str, value: str, is_secret: Callable[[str], bool]) -> bool:
    """Whether a variable of the environment holds a credential; paths, such as that of a file with one, are none."""
    if len(value) < _LONG_ENOUGH or value.startswith(("/", ".", "~")):
        return False
    if is_secret(name) or name.upper().endswith(_ENDINGS):
        return True
    return _SPEAKS.search(name) is not None and _looks_made(value)


def _looks_made(value: str) -> bool:
    """Whether a value is no word or name: letters and digits mixed, or very long."""
    return len(value) >= _MADE_LONG or (any(map(str.isdigit, value)) and any(map(str.isalpha, value)))


def _keys_in(value: str) -> tuple[str, ...]:
    """A private key or a JWT under any name, as it is written and as it is meant; in base64 or hexadecimal digits as well."""
    if not _SHORTEST_KEY <= len(value) <= _LONGEST_KEY:
        return ()
    written = "".join(value.split())
    for meant in (value, *_decoded(written)):
        if _KEY.search(meant):
            return (value, written, meant)
    return ()


def _decoded(text: str) -> Iterator[str]:
    with suppress(ValueError):
        yield bytes.fromhex(text.removeprefix("0x")).decode("utf-8", "replace")
    with suppress(ValueError):
        standard = text.rstrip("=").translate(_TO_STANDARD)
        yield base64.b64decode(standard + "=" * (-len(standard) % 4), validate=True).decode("utf-8", "replace")


def _remember_value(value: str) -> None:
    """A credential, what is left of it without its scheme, and each of a list."""
    remember_header(value)
    remember(*(part for part in re.split(r"[,;\s]+", value) if len(part) >= _MADE_LONG // 2 and _looks_made(part)))


def keep_private(root: Path) -> None:
    """From now on this process writes files for its user only, and what earlier runs left below `.harness` is narrowed."""
    before = os.umask(0o077)
    os.environ.setdefault(_UMASK_VARIABLE, f"{before:o}")
    folder = root / HARNESS_FOLDER
    if folder.is_dir():
        narrow(folder)


def users_umask() -> int:
    """The mask that processes of the user's get, as `subprocess` takes it; -1 where this process has not changed its own."""
    given = os.environ.get(_UMASK_VARIABLE, "")
    return int(given, 8) if given else -1
