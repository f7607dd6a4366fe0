"""Reads the project's `schemathesis.toml` for what would lead its traffic somewhere else; the rest is Schemathesis' to judge."""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from harness.errors import UsageError
from harness.fuzz.examples import remember_settings
from harness.guard import Invitation, place_of
from harness.system.model import RuntimeSettings

__all__ = ["check_configuration"]

#: The key that names where requests go, wherever in the file it stands. `base-url` and `origin` do as well, but what the
#: command line says comes before them everywhere.
_LEADS = "proxy"
_VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")
_LARGEST_B = 1_000_000


def check_configuration(file: Path, runtime: RuntimeSettings) -> None:
    """Make sure that nothing in the file sends requests, and the credentials with them, where nobody invited them.

    Raises:
        UsageError: naming the key.
    """
    if not file.exists():
        return
    if not file.is_file() or file.stat().st_size > _LARGEST_B:
        raise UsageError(f"{file.name}: is no regular file of at most {_LARGEST_B // 1_000_000} MB.")
    try:
        parsed = tomllib.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise UsageError(f"{file.name}: cannot be read: {str(error) or type(error).__name__}") from None
    remember_settings(_filled(parsed))
    for key, value in _leading(parsed):
        url = _filled(value)
        if not _invited(url, runtime):
            host = _host(url)
            raise UsageError(
                f"{file.name}: {key} leads to {host or 'no address'}, where no traffic was invited; requests carry the "
                f"credentials of the service with them. If it is meant, say so in harness.toml: "
                f'runtime.allow_targets = ["{host}"].'
            )


def _filled(node: Any) -> Any:
    """The same with the variables of the environment it names."""
    if isinstance(node, str):
        return _VARIABLE.sub(lambda match: os.environ.get(match[1], ""), node)
    if isinstance(node, dict):
        return {key: _filled(inner) for key, inner in node.items()}
    return [_filled(inner) for inner in node] if isinstance(node, list) else node


def _invited(url: str, runtime: RuntimeSettings) -> bool:
    try:
        place = place_of(url if "://" in url else f"http://{url}")
    except ValueError:
        return False
    return Invitation.to((), runtime.allow_targets).allows(place.host, place.port)


def _host(url: str) -> str:
    try:
        return urlsplit(url if "://" in url else f"http://{url}").hostname or ""
    except ValueError:
        return ""


def _leading(parsed: Any) -> Iterator[tuple[str, str]]:
    """Every key that names a place, with its path in the file."""
    waiting: list[tuple[str, Any]] = [("", parsed)]
    while waiting:
        path, node = waiting.pop()
        inner = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
        for key, value in inner:
            below = f"{path}[{key}]" if isinstance(node, list) else f"{path}.{key}".lstrip(".")
            # Parameters are values that are sent, whatever their names.
            if key in {"parameters", "headers"}:
                continue
            if key == _LEADS and isinstance(value, str):
                yield below, value
            waiting.append((below, value))
