"""Provider states by a Python function of the project's: served to whoever sets states. What is verified is elsewhere.

states = "python:contracts.states:change"        # in [services.orders] of harness.toml

def change(change: StateChange) -> None:
    if change.name != "an order":
        raise LookupError(f"no such state: {change.name}")
    ...
"""

from __future__ import annotations

import importlib
import json
import sys
import threading
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Literal

from harness.errors import StartError
from harness.system.channel import Channel
from harness.system.children import end_group, log_tail, python_module, start_child
from harness.system.model import Service
from harness.system.ports import free_port
from harness.system.readiness import wait_until
from harness.system.telling import tell_what_is_sent

__all__ = ["StateChange", "StateFunction", "states_of"]

_SCHEME = "python:"
_START_S = 20.0
_REFUSED = 400


@dataclass(frozen=True, slots=True)
class StateChange:
    """What a state function is asked for.

    Args:
        name: the provider state, as the contract names it.
        action: `setup` before the interaction, `teardown` after it.
        parameters: of the state, as the contract gives them.
        base_url: where the provider runs.
    """

    name: str
    action: Literal["setup", "teardown"]
    base_url: str
    parameters: Mapping[str, Any] = field(default_factory=dict)


class StateFunction:
    """A function of the project's that puts a provider into its states; it refuses by raising.

    Args:
        function: takes a `StateChange`; what it returns does not matter.
        time_limit_s: the longest one change may take, in seconds.
    """

    def __init__(self, function: Callable[[StateChange], object], time_limit_s: float) -> None:
        self._function, self._time_limit_s = function, time_limit_s

    @staticmethod
    def is_meant(states: str) -> bool:
        """Whether a service's `states` names a function, and not a path."""
        return states.startswith(_SCHEME)

    @classmethod
    def load(cls, states: str, root: Path, time_limit_s: float) -> StateFunction:
        """Import what `python:package.module:function` names, with `root` as the folder imports start from.

        Raises:
            LookupError: when there is no such function, or its module does not import; the text names it.
        """
        module, _, name = states.removeprefix(_SCHEME).partition(":")
        if str(root) not in sys.path:
            sys.path.insert(0, str(root))
        try:
            function = getattr(importlib.import_module(module), name, None)
        except (Exception, SystemExit) as error:
            raise LookupError(f"{module} does not import: {type(error).__name__}: {error}") from error
        if callable(function):
            return cls(function, time_limit_s)
        raise LookupError(f"{module} has no function {name}")

    def change(self, change: StateChange) -> str:
        """Ask for a state; gives why it was refused, empty when it was not."""
        problem = [f"no end after {self._time_limit_s:g} s"]

        def work() -> None:
            try:
                self._function(change)
                problem.clear()
            except (Exception, SystemExit) as error:
                problem[:] = [f"{type(error).__name__}: {error}"]

        # A thread cannot be ended: one that hangs is left behind, and goes with this process.
        thread = threading.Thread(target=work, daemon=True)
        thread.start()
        thread.join(self._time_limit_s)
        return "".join(problem)


@asynccontextmanager
async def states_of(
    service: Service, base_url: str, *, root: Path, log: Path, time_limit_s: float
) -> AsyncIterator[str]:
    """The URL that sets a service's provider states, while the block runs; empty when it has no handler.

    A path is the service's own handler. A function is served by a process of its own.

    Args:
        base_url: where the service runs.
        root: folder of `harness.toml`, where imports start.
        log: what the function prints.
        time_limit_s: the longest one change may take, in seconds.

    Raises:
        StartError: when the function does not import.
    """
    if not StateFunction.is_meant(service.states):
        yield base_url + service.states if service.states else ""
        return
    port = free_port()
    arguments = (service.states, base_url, str(root), str(port), str(time_limit_s))
    argv = python_module("harness.contracts.provider.states", *arguments)
    with Channel() as channel:
        process = await start_child(argv, cwd=root, log=log, channel=channel)
        try:
            url = f"http://127.0.0.1:{port}"
            seen = await wait_until(
                url, "", limit_s=_START_S, gave_up=lambda: "it ended" if process.returncode is not None else ""
            )
            if seen:
                said = log_tail(log, 3) or str(seen)
                raise StartError(service.name, f'its state function "{service.states}" cannot be used: {said}')
            yield url
        finally:
            await end_group(process)


def main(argv: list[str]) -> None:
    """Body of the child process: serves one function."""
    states, base_url, root, port, time_limit_s = argv[1:]
    tell_what_is_sent()
    try:
        function = StateFunction.load(states, Path(root), float(time_limit_s))
    except LookupError as error:
        sys.exit(str(error))

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers.get("Content-Length") or 0)))
            asked = StateChange(body["state"], body["action"], base_url, body.get("params") or {})
            problem = function.change(asked)
            answer = problem.encode()
            self.send_response(_REFUSED if problem else 200)
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - http.server's name
            pass

    ThreadingHTTPServer(("127.0.0.1", int(port)), Handler).serve_forever()


if __name__ == "__main__":
    # Under its importable name, so that the state function is given the StateChange it imports.
    from harness.contracts.provider.states import main as serve

    serve(sys.argv)
