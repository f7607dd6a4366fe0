"""Runs a module as a guarded process: `python -m harness.guard MODULE ARGUMENTS`, the way in for tools that are not ours.

What a guarded process may do comes in one environment variable, so that whatever it starts with Python's help can be guarded too.
"""

from __future__ import annotations

import json
import os
import runpy
import sys
import threading
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from harness.guard.incidents import Incident, Kind, report, report_to
from harness.guard.places import Invitation, Place

__all__ = ["GUARD_VARIABLE", "PROXY_VARIABLES", "Guarded", "enter", "guarded_module", "main"]

GUARD_VARIABLE = "HARNESS_GUARD"
_ARGUMENTS_VARIABLE = "HARNESS_GUARD_ARGUMENTS"
_MEMORY_BYTES = 2_000_000_000
#: A file that a guarded process writes, its log included, may become this large: who prints without end would fill the disk.
_FILE_BYTES = 500_000_000
#: A proxy of the environment is for the outside; what a stage sends goes straight to the system, or nowhere.
PROXY_VARIABLES = ("http_proxy", "https_proxy", "all_proxy")
#: Credentials nobody named here.
_UNASKED = {"NETRC": os.devnull}
#: Variables by which a shell, or a CI job, steers a tool for purposes of its own: who its master is, what it leaves out.
_STEERING = ("LOCUST_", "GEVENT_")


@dataclass(frozen=True, slots=True)
class Guarded:
    """What a process may do.

    Args:
        incidents: where it writes down what a guard had to step in for.
        memory_bytes: the most memory it may take for data; 0 for as much as there is.
        confidential: further arguments, which everybody on this machine could read on a command line.
    """

    invitation: Invitation
    incidents: Path
    memory_bytes: int = _MEMORY_BYTES
    confidential: tuple[str, ...] = field(default=(), repr=False)

    def environment(self) -> dict[str, str | None]:
        """The variables to start the process with; None takes one away."""
        invitation = self.invitation
        told = {
            "places": sorted((p.host, p.port) for p in invitation.places),
            "hosts": sorted(invitation.hosts),
            "loopback": invitation.loopback,
            "sockets": sorted(invitation.sockets),
            "incidents": str(self.incidents),
            "memory_bytes": self.memory_bytes,
        }
        return {
            GUARD_VARIABLE: json.dumps(told),
            _ARGUMENTS_VARIABLE: json.dumps(self.confidential),
            **dict.fromkeys(spelt for n in PROXY_VARIABLES for spelt in (n, n.upper())),
            **_UNASKED,
            **dict.fromkeys(name for name in os.environ if name.startswith(_STEERING)),
        }

    @classmethod
    def from_environment(cls) -> Guarded | None:
        """What this process was started with; None when nobody said anything."""
        text = os.environ.get(GUARD_VARIABLE)
        if not text:
            return None
        told = json.loads(text)
        places = frozenset(Place(host, port) for host, port in told["places"])
        invitation = Invitation(places, frozenset(told["hosts"]), told["loopback"], frozenset(told["sockets"]))
        return cls(invitation, Path(told["incidents"]), told["memory_bytes"])


def enter() -> Guarded | None:
    """Guard this process as it was started to be; does nothing when nobody said anything."""
    from harness.guard.redirects import named_by
    from harness.guard.sockets import watch_sockets

    guarded = Guarded.from_environment()
    if guarded is None:
        return None
    report_to(guarded.incidents)
    _limit("RLIMIT_DATA", guarded.memory_bytes)
    _limit("RLIMIT_FSIZE", _FILE_BYTES)
    watch_sockets(guarded.invitation, named_by)
    before = threading.excepthook

    def told(broken: threading.ExceptHookArgs) -> None:
        name = broken.thread.name if broken.thread else "a thread"
        what = getattr(broken.exc_type, "__name__", "an exception")
        report(Incident(Kind.BROKE, name, f"a thread of it ended with {what}: {str(broken.exc_value)[:200]}"))
        before(broken)

    threading.excepthook = told
    return guarded


def _limit(what: str, size: int) -> None:
    if not size:
        return
    with suppress(ImportError, AttributeError, ValueError, OSError):  # a system without it, or with a lower one already
        import resource

        limit = getattr(resource, what)
        _, hard = resource.getrlimit(limit)
        most = size if hard == resource.RLIM_INFINITY else min(size, hard)
        resource.setrlimit(limit, (most, most))


def guarded_module(module: str, *arguments: str, first: Iterable[str] = ()) -> list[str]:
    """Command line that runs a module with this very Python, guarded; `Guarded.environment` belongs to it.

    Args:
        first: modules to import before, which prepare the tool (its hooks).
    """
    prepare = [word for name in first for word in ("--first", name)]
    return [sys.executable, "-m", "harness.guard", *prepare, module, *arguments]


def main(arguments: list[str]) -> None:
    """Body of the process: take on the guard, then be the module."""
    import importlib

    enter()
    while arguments[0] == "--first":
        importlib.import_module(arguments[1])
        arguments = arguments[2:]
    module, *rest = arguments
    sys.argv = [module, *rest, *json.loads(os.environ.pop(_ARGUMENTS_VARIABLE, "[]"))]
    # As `python -m` has it: the folder it was started in is where imports start.
    runpy.run_module(module, run_name="__main__", alter_sys=True)
