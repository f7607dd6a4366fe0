"""How to be let in by a service: runs the token command, fills in the environment."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

from harness.errors import ConfigError
from harness.evidence.secrets import remember, remember_header
from harness.system.children import child_environment
from harness.system.confidential import AUTH_VARIABLE
from harness.system.config import CONFIG_FILE
from harness.system.model import Service
from harness.system.values import bad_header_value

__all__ = ["resolve"]

_LIMIT_S = 20.0


def resolve(service: Service, root: Path) -> dict[str, str]:
    """Return the headers that let a caller in; empty when `service` asks for none. From then on their values are masked.

    Raises:
        ConfigError: when the token command fails or prints nothing, or a variable is not set.
    """
    auth = service.auth
    if auth is None:
        return {}
    key = f"services.{service.name}.auth"
    value = auth.value
    if "{token}" in value and auth.command:
        value = value.replace("{token}", _token(auth.command, root, f"{key}.command"))
    elif "{token}" in value:
        raise ConfigError(
            CONFIG_FILE, f"{key}.command", f"the value {auth.value!r} needs a command that prints the token."
        )

    def variable(match: re.Match[str]) -> str:
        name = match[1]
        if name not in os.environ:
            raise ConfigError(CONFIG_FILE, f"{key}.value", f"the environment variable {name} is not set.")
        remember(os.environ[name])
        return os.environ[name]

    value = AUTH_VARIABLE.sub(variable, value)
    if problem := bad_header_value(value):  # without the value: it is a secret
        raise ConfigError(CONFIG_FILE, f"{key}.value", f"what is to be sent {problem}.")
    remember_header(value)
    return {auth.header: value}


def _token(command: tuple[str, ...], root: Path, key: str) -> str:
    try:
        done = subprocess.run(
            command, cwd=root, env=child_environment(), capture_output=True, text=True, timeout=_LIMIT_S, check=False
        )
    except FileNotFoundError:
        raise ConfigError(CONFIG_FILE, key, f"there is no command {command[0]!r}.") from None
    except (OSError, ValueError) as error:  # no executable file, or a token that is no text
        raise ConfigError(CONFIG_FILE, key, f"cannot be used: {error}.") from None
    except subprocess.TimeoutExpired:
        raise ConfigError(CONFIG_FILE, key, f"printed no token within {_LIMIT_S:g} s.") from None
    token = done.stdout.strip()
    remember(token)  # before anything can go wrong and quote it
    if done.returncode or not token:
        said = (done.stderr.strip().splitlines() or ["nothing"])[-1]
        raise ConfigError(CONFIG_FILE, key, f"exit code {done.returncode}, standard error: {said}.")
    return token
