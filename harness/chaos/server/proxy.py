"""One proxy: its listener, its live connections, and the toxics on them."""

from __future__ import annotations

import asyncio
import logging
import random

from harness.chaos.faults.http_fault import HttpFault
from harness.chaos.server.addresses import ApiError, bind, resolve, split
from harness.chaos.server.calls import CallLog
from harness.chaos.server.connection import Connection, Endpoint
from harness.chaos.server.dialling import Dialling
from harness.chaos.server.httptoxics import HttpToxics
from harness.chaos.server.link import Direction, Link, Toxic
from harness.chaos.server.listener import Listener
from harness.chaos.server.wiring import wire

__all__ = ["Proxy"]

_log = logging.getLogger(__name__)


class Proxy:
    """Listens, dials, and joins the two.

    Args:
        seed: with the proxy's name, the number of the connection and the toxic's name it decides every draw.
        calls: where calls are told while they are recorded.
        dialling: how it dials.
    """

    def __init__(self, name: str, listen: str, upstream: str, seed: int, calls: CallLog, dialling: Dialling) -> None:
        self.name, self.listen, self.upstream = name, listen, upstream
        self.enabled = False
        self.toxics: list[Toxic] = []
        self.http = HttpToxics()
        self.received = [0, 0]
        self.sent = [0, 0]
        self.accepted = 0
        self.lock = asyncio.Lock()
        self.address = self.leads_to = ("", 0)
        self._seed, self._calls, self._dialling = seed, calls, dialling
        self._server: asyncio.Server | None = None
        self._connections: set[Connection] = set()
        self._dials: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        """Start to listen; does nothing when it does already.

        Raises:
            ApiError: when the address cannot be listened on.
        """
        if self.enabled:
            return
        sock = await bind(self.listen)
        self._server = await asyncio.get_running_loop().create_server(self._accept, sock=sock, backlog=1024)
        self.address = host, port = sock.getsockname()[:2]
        self._dialling.opened(self)
        self.listen = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        self.enabled = True
        _log.info("Started proxy %s: %s -> %s", self.name, self.listen, self.upstream)

    async def stop(self) -> None:
        """Refuse new connections and close those there are; does nothing when it is stopped already."""
        if not self.enabled:
            return
        self.enabled = False
        self._dialling.closed(self)
        server, self._server = self._server, None
        if server is not None:
            server.close()
        for dial in self._dials:
            dial.cancel()
        for connection in tuple(self._connections):
            connection.abort()
        # The loop closes sockets in its next turn; whoever asked must find the port closed.
        for _ in range(3):
            await asyncio.sleep(0)
        _log.info("Terminated proxy %s", self.name)

    async def differs(self, listen: str, upstream: str) -> bool:
        """Whether these addresses are others than the proxy's own.

        Raises:
            ApiError: when `listen` is no address.
        """
        return await resolve(listen) != self.listen or upstream != self.upstream

    def links(self, direction: Direction) -> list[Link]:
        """Live links of one direction."""
        return [c.links[direction] for c in self._connections if c.links is not None]

    async def add(self, toxic: Toxic) -> None:
        """Put a toxic at the end of its direction's chain, on live connections too."""
        self.toxics.append(toxic)
        if isinstance(toxic.fault, HttpFault):
            self.http.add(toxic, self._connections)
            return
        for link in self.links(toxic.direction):
            link.append(toxic)
        await asyncio.sleep(0)

    async def changed(self, toxic: Toxic) -> None:
        """Let live connections run a toxic as it is now."""
        if isinstance(toxic.fault, HttpFault):
            self.http.changed(toxic, self._connections)
            return
        for link in self.links(toxic.direction):
            link.changed(toxic)
        await asyncio.sleep(0)

    async def remove(self, toxic: Toxic) -> None:
        """Take a toxic away, from live connections too."""
        self.toxics.remove(toxic)
        if isinstance(toxic.fault, HttpFault):
            self.http.remove(toxic, self._connections)
            return
        await asyncio.gather(*(link.remove(toxic) for link in self.links(toxic.direction)))

    def record(self) -> None:
        """Begin or cease to listen in on the live connections, as the log of calls has it."""
        for connection in self._connections:
            new = Listener(self._calls, self.name, connection.number, midway=True) if self._calls.on else None
            connection.listener = new
            wire(connection)

    def listed(self) -> list[Toxic]:
        """Toxics in the order they are shown in: upstream first, each direction in the order they were added."""
        return sorted(self.toxics, key=lambda t: t.direction)

    def find(self, name: str) -> Toxic | None:
        """The toxic of that name."""
        return next((t for t in self.toxics if t.name == name), None)

    def _accept(self) -> Endpoint:
        number = self.accepted
        self.accepted += 1

        def rng_for(direction: Direction, toxic: str) -> random.Random:
            # Not the arrival of packets but the place decides the draw, so the same seed repeats a run.
            return random.Random(f"{self._seed}/{self.name}/{number}/{direction}/{toxic}")

        connection = Connection(self._dial, rng_for, self._count, self._joined, self._gone)
        connection.number = number
        if self._calls.on:
            connection.listener = Listener(self._calls, self.name, number)
        self._connections.add(connection)
        return connection.client

    def _joined(self, connection: Connection) -> None:
        assert connection.links is not None
        for toxic in self.toxics:
            if not isinstance(toxic.fault, HttpFault):
                connection.links[toxic.direction].append(toxic)
        self.http.join(connection)
        if connection.listener is not None:
            wire(connection)

    def _gone(self, connection: Connection) -> None:
        self._connections.discard(connection)

    def _count(self, direction: Direction, received: int, sent: int) -> None:
        self.received[direction] += received
        self.sent[direction] += sent

    def _dial(self, endpoint: Endpoint) -> asyncio.Task[None]:
        task = asyncio.get_running_loop().create_task(self._connect(endpoint))
        self._dials.add(task)
        task.add_done_callback(self._dials.discard)
        return task

    async def _connect(self, endpoint: Endpoint) -> None:
        client = endpoint.connection.client
        try:
            host, port = split(self.upstream)
            async with asyncio.timeout(self._dialling.limit_s):
                await asyncio.get_running_loop().create_connection(lambda: endpoint, host or "127.0.0.1", port)
            self._check_circle(endpoint)
        except (OSError, TimeoutError, ApiError, UnicodeError) as error:
            _log.error("Unable to open connection to upstream %s: %s", self.upstream, error)
            endpoint.abort()
            if self._dialling.pass_refused and isinstance(error, ConnectionRefusedError):
                client.reset()
            client.abort()
        finally:
            if endpoint.transport is None:
                self._connections.discard(endpoint.connection)
                client.abort()

    def _check_circle(self, endpoint: Endpoint) -> None:
        peer = endpoint.transport and endpoint.transport.get_extra_info("peername")
        if not peer:
            return
        self.leads_to = (peer[0], peer[1])
        if self._dialling.in_circles(self):
            raise OSError("it leads back to this proxy")
