"""A client's connection and the one made for it to the upstream, joined by two links."""

from __future__ import annotations

import asyncio
import random
import socket
import struct
from collections.abc import Callable
from typing import cast

from harness.chaos.server.exchanges import Exchanges
from harness.chaos.server.link import Direction, Ending, Link
from harness.chaos.server.listener import Listener

__all__ = ["Connection", "Endpoint"]

_LINGER_RESET = struct.pack("ii", 1, 0)


class Endpoint(asyncio.Protocol):
    """One socket: what it reads goes into `outgoing`, what `incoming` delivers is written to it.

    `ending`: how we closed it (`cut` or `reset`); empty while we have not.
    """

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self.transport: asyncio.Transport | None = None
        self.outgoing: Link | None = None
        self.incoming: Link | None = None
        self._reading = True
        self._lost = False
        self._early: list[bytes | None] = []
        self.ending = ""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Called by the event loop."""
        # uvloop's transports have the methods of asyncio.Transport but are no subclass of it.
        self.transport = cast(asyncio.Transport, transport)
        self.connection.made(self)

    def data_received(self, data: bytes) -> None:
        """Called by the event loop."""
        if self.outgoing is not None:
            self.outgoing.feed(data)
            return
        self._early.append(data)
        if self.connection.listener is not None:
            self.connection.listener.early(data)
        self.read(False)

    def eof_received(self) -> bool:
        """Called by the event loop; the socket stays open, for the reply may still be on its way."""
        if self.outgoing is not None:
            self.outgoing.feed_end(Ending.END)
        else:
            self._early.append(None)
        return True

    def connection_lost(self, error: Exception | None) -> None:  # noqa: ARG002 - why does not matter
        """Called by the event loop."""
        self._lost = True
        if self.outgoing is not None:
            self.outgoing.feed_end(Ending.CUT)
        self.connection.lost(self)

    def pause_writing(self) -> None:
        """Called by the event loop."""
        if self.incoming is not None:
            self.incoming.dest_full(True)

    def resume_writing(self) -> None:
        """Called by the event loop."""
        if self.incoming is not None:
            self.incoming.dest_full(False)

    def go(self) -> None:
        """The other side is there: hand on what came before, and read."""
        assert self.outgoing is not None
        early, self._early = self._early, []
        for data in early:
            if data is None:
                self.outgoing.feed_end(Ending.END)
            else:
                self.outgoing.feed(data)
        self.read(True)

    @property
    def lost(self) -> bool:
        """Whether the socket is closed."""
        return self._lost

    def read(self, on: bool) -> None:
        """Start or stop reading."""
        if self.transport is None or self._lost or on is self._reading or self.transport.is_closing():
            return
        self._reading = on
        if on:
            self.transport.resume_reading()
        else:
            self.transport.pause_reading()

    def write(self, data: bytes) -> None:
        """Send."""
        if self.transport is not None and not self._lost:
            self.transport.write(data)

    def write_end(self) -> None:
        """Send the end of the stream; closes when the other direction has ended too."""
        if self.transport is None or self._lost or self.transport.is_closing():
            return
        if self.connection.both_finished():
            self.connection.close()
        else:
            self.transport.write_eof()

    def close(self) -> None:
        """Close after what was written has gone out."""
        if self.transport is not None and not self._lost:
            self.ending = self.ending or "cut"
            self.transport.close()

    def abort(self) -> None:
        """Close now."""
        if self.transport is not None and not self._lost:
            self.ending = self.ending or "cut"
            self.transport.abort()

    def reset(self) -> None:
        """Close now, with RST."""
        if self.transport is None or self._lost:
            return
        self.ending = "reset"
        sock = self.transport.get_extra_info("socket")
        if sock is not None:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_RESET)
        self.transport.abort()


class Connection:
    """Both sockets and both links of one client.

    Args:
        dial: connects an endpoint to the upstream.
        rng_for: makes the randomness of a toxic's place in this connection.
        count: counts bytes.
        ready: called when both sides are there, before any byte has moved.
        gone: called when both sockets are closed.
    """

    def __init__(
        self,
        dial: Callable[[Endpoint], asyncio.Task[None]],
        rng_for: Callable[[Direction, str], random.Random],
        count: Callable[[Direction, int, int], None],
        ready: Callable[[Connection], None],
        gone: Callable[[Connection], None],
    ) -> None:
        self.client, self.upstream = Endpoint(self), Endpoint(self)
        self.links: tuple[Link, Link] | None = None
        self.number = 0
        self.listener: Listener | None = None
        self.exchanges: Exchanges | None = None
        self._dial, self.rng_for, self._count = dial, rng_for, count
        self._ready, self._gone = ready, gone
        self._dialling: asyncio.Task[None] | None = None

    def made(self, endpoint: Endpoint) -> None:
        """One of the sockets is there; what the client says waits until the upstream is there too."""
        if endpoint is self.client:
            self._dialling = self._dial(self.upstream)
            return
        if self.client.lost:
            endpoint.abort()
            return
        up = Link(Direction.UPSTREAM, self.client, self.upstream, self.rng_for, self._count)
        down = Link(Direction.DOWNSTREAM, self.upstream, self.client, self.rng_for, self._count)
        self.links = (up, down)
        self.client.outgoing = self.upstream.incoming = up
        self.upstream.outgoing = self.client.incoming = down
        self._ready(self)
        self.client.go()

    def lost(self, endpoint: Endpoint) -> None:
        """One of the sockets is closed."""
        if endpoint is self.client and self.listener is not None:
            self.listener.over(endpoint.ending or "gone")
        if endpoint is self.client and self.upstream.transport is None and self._dialling is not None:
            self._dialling.cancel()
        if self.client.lost and (self.upstream.lost or self.upstream.transport is None):
            for link in self.links or ():
                link.abandon()
            if self.exchanges is not None:
                self.exchanges.abandon()
            self._gone(self)

    def both_finished(self) -> bool:
        """Whether neither direction has more to deliver."""
        return self.links is not None and all(link.finished for link in self.links)

    def close(self) -> None:
        """Close both sockets after what was written has gone out."""
        self.client.close()
        self.upstream.close()

    def abort(self) -> None:
        """Close both sockets now; what is under way is lost."""
        self.client.abort()
        self.upstream.abort()
