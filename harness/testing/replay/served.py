"""Puts a replay between a pact and the consumer's code: in front of its mock server, or of its message handler."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pact.pact

from harness.testing.replay.edits import Answer
from harness.testing.replay.proxy import Proxy, lease, release

if TYPE_CHECKING:
    from harness.testing.replay.rerun import Replay

__all__ = ["handle_replayed", "replayed_server"]

_LOCAL = frozenset({"127.0.0.1", "localhost"})


class _ReplayedServer(pact.pact.PactServer):
    """A mock server that its consumer reaches through a proxy; silent about mismatches, which the replay notes."""

    replay: Replay
    _proxy: Proxy | None = None

    @property
    def port(self) -> int | None:
        """The proxy's port, while there is one."""
        return self._proxy.port if self._proxy else super().port

    def __enter__(self) -> Any:
        """Start both."""
        super().__enter__()
        real = super().port
        if real and self.host in _LOCAL and self.transport == "http":
            proxy = lease()
            proxy.point(real, self.replay)
            self._proxy = proxy
        return self

    def __exit__(self, *raised: Any) -> None:
        """Give the proxy back before the mock server goes."""
        if self._proxy is not None:
            release(self._proxy)
            self._proxy = None
        super().__exit__(*raised)


def replayed_server(owner: Any, replay: Replay, addr: str, port: int, *args: Any, **options: Any) -> Any:
    """As `Pact.serve`, with the replay's answers."""
    options |= {"raises": False, "verbose": False}
    server = _ReplayedServer(owner._handle, addr, port, *(args or ("http",)), **options)
    server.replay = replay
    return server


def handle_replayed(replay: Replay, handler: Any, number: int, body: Any, metadata: Any, *replies: Any) -> Any:
    """Call a message handler with what the replay makes of the message; of a synchronous one, of its replies."""
    name = f"message {number}"
    if not replies:
        return handler(_edited(replay, name, body), metadata)
    [contents] = replies
    shown = tuple(_edited(replay, f"{name}, reply {n}", reply) for n, reply in enumerate(contents, 1))
    return handler(body, metadata, shown)


def _edited(replay: Replay, name: str, text: Any) -> Any:
    """The text as the replay shows it, in the type it had."""
    raw = text.encode() if isinstance(text, str) else text
    if not isinstance(raw, bytes):
        return text
    answer = Answer(name, 0, (), raw)
    shown = replay.shown(answer)
    if shown is answer or shown.body is raw:
        return text
    return shown.body.decode() if isinstance(text, str) else shown.body
