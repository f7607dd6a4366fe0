"""Puts what looks at HTTP between the sockets and the links of a connection, and takes it away again.

Without a listener and without HTTP faults nothing stands there, so bytes go their way as fast as without this module.

    caller -> listener.sent -> upstream toxics -> exchanges -> listener.forwarded -> callee
    caller <- listener.given <- downstream toxics <- exchanges <- listener.answered <- callee
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from harness.chaos.server.connection import Connection
    from harness.chaos.server.link import Ending, Link
    from harness.chaos.server.listener import Listener

__all__ = ["AnswersOut", "RequestsOut", "Valve", "wire"]


class _Dest(Protocol):
    """What a link delivers to."""

    def write(self, data: bytes) -> None: ...
    def write_end(self) -> None: ...
    def close(self) -> None: ...
    def reset(self) -> None: ...


class _Source(Protocol):
    """What a socket feeds."""

    def feed(self, data: bytes) -> None: ...
    def feed_end(self, ending: Ending) -> None: ...


def wire(connection: Connection) -> None:
    """Connect the sockets and links of a connection anew, with its listener and its exchanges, where it has them."""
    if connection.links is None:
        return
    up, down = connection.links
    client, upstream, listener, exchanges = (
        *(connection.client, connection.upstream),
        *(connection.listener, connection.exchanges),
    )
    sent: _Source = up if listener is None else _HeardSource(up, listener.sent, listener.sent_end)
    forwarded: _Dest = upstream if listener is None else _HeardDest(upstream, listener.forwarded)
    answered: _Source = down
    given: _Dest = client if listener is None else _HeardDest(client, listener.given, listener.given_end)
    if exchanges is not None:
        exchanges.callee = RequestsOut(forwarded, listener)
        forwarded, answered = exchanges, exchanges
    if listener is not None:
        answered = _HeardSource(answered, listener.answered)
    # Links and sockets know one another by their classes; what stands between has the methods they call.
    client.outgoing, upstream.outgoing = sent, answered  # type: ignore[assignment]
    up.dest, down.dest = forwarded, given  # type: ignore[assignment]


class _HeardSource:
    """Lets a listener hear what a socket has read."""

    __slots__ = ("_heard", "_heard_end", "_next")

    def __init__(
        self, next_: _Source, heard: Callable[[bytes], None], heard_end: Callable[[], None] = lambda: None
    ) -> None:
        self._next, self._heard, self._heard_end = next_, heard, heard_end

    def feed(self, data: bytes) -> None:
        self._heard(data)
        self._next.feed(data)

    def feed_end(self, ending: Ending) -> None:
        if not ending:
            self._heard_end()
        self._next.feed_end(ending)


class _HeardDest:
    """Lets a listener hear what a socket is given."""

    __slots__ = ("_heard", "_heard_end", "_next")

    def __init__(
        self, next_: _Dest, heard: Callable[[bytes], None], heard_end: Callable[[], None] = lambda: None
    ) -> None:
        self._next, self._heard, self._heard_end = next_, heard, heard_end

    def write(self, data: bytes) -> None:
        self._next.write(data)
        self._heard(data)

    def write_end(self) -> None:
        self._next.write_end()
        self._heard_end()

    def close(self) -> None:
        self._next.close()

    def reset(self) -> None:
        self._next.reset()


class RequestsOut:
    """The callee, as the exchanges of a connection see it."""

    __slots__ = ("_listener", "_next")

    def __init__(self, next_: _Dest, listener: Listener | None) -> None:
        self._next, self._listener = next_, listener

    def write(self, data: bytes) -> None:
        """Send on."""
        self._next.write(data)

    def write_end(self) -> None:
        """Send on the end of the stream."""
        self._next.write_end()

    def close(self) -> None:
        """Close after what was written."""
        self._next.close()

    def reset(self) -> None:
        """Close with RST."""
        self._next.reset()

    def withheld(self, size: int) -> None:
        """Say that so many bytes will not be sent on."""
        if self._listener is not None:
            self._listener.withheld(size)


class Valve:
    """Slows a link's sender down while its destination is full, or while the exchanges hold too much."""

    __slots__ = ("_held", "_link", "_socket")

    def __init__(self, link: Link) -> None:
        self._link = link
        self._socket = self._held = False

    def dest_full(self, full: bool) -> None:
        """The socket's send buffer is full, or no longer."""
        self._socket = full
        self._link.dest_full(self._socket or self._held)

    def hold(self, on: bool) -> None:
        """Too much waits, or no longer."""
        if on is not self._held:
            self._held = on
            self._link.dest_full(self._socket or self._held)


class AnswersOut:
    """The caller, as the exchanges of a connection see it."""

    __slots__ = ("_answers", "_down", "_requests")

    def __init__(self, down: Link, requests: Valve, answers: Valve) -> None:
        self._down, self._requests, self._answers = down, requests, answers

    def feed(self, data: bytes) -> None:
        """Hand on to the downstream toxics."""
        self._down.feed(data)

    def feed_end(self, ending: Ending) -> None:
        """Hand on the end of the stream."""
        self._down.feed_end(ending)

    def pause_requests(self, on: bool) -> None:
        """Read from the caller no more, or again."""
        self._requests.hold(on)

    def pause_answers(self, on: bool) -> None:
        """Read from the callee no more, or again."""
        self._answers.hold(on)
