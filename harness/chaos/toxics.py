"""Faults for people's own tests: `with toxics.edge("web", "billing").latency(2000): ...`; removed whatever happens."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack, suppress
from itertools import count
from types import TracebackType
from typing import Any, Self

from harness.chaos.bench import Bench
from harness.chaos.client import NotFound, ServerProxy
from harness.chaos.experiments import REFUSED, Injection, read_injection
from harness.errors import HarnessError, UsageError, did_you_mean

__all__ = ["Faults", "Toxics"]

_NUMBERS = count(1)


class Toxics:
    """Where faults can be put, for the length of one test; the fixture `toxics` is one of these.

    Args:
        bench: the system behind proxies, shared by all tests of a session.
    """

    def __init__(self, bench: Bench) -> None:
        self._bench = bench
        self._ending = ExitStack()

    def edge(self, caller: str, callee: str) -> Faults:
        """The way from one service of `harness.toml` to another.

            with toxics.edge("web", "billing").latency(2000):
                ...

        Raises:
            UsageError: when there is no such edge, or no proxy can be put on it.
            StartError: when the system does not start.
        """
        rig = self._bench.rig
        system = rig.runtime.system
        edge = system.edge(f"{caller}:{callee}")
        if edge is None:
            names = [f"{e.caller} -> {e.callee}" for e in system.service_edges()]
            wanted = f"{caller} -> {callee}"
            raise UsageError(
                f'there is no edge "{wanted}" in harness.toml.{did_you_mean(wanted, names)} Known: {", ".join(names)}.'
            )
        proxy = rig.proxy(edge)
        if proxy is None:
            raise UsageError(
                f"no proxy can be put on {edge.name}: it needs an env in harness.toml, a caller that is started by its "
                "command, and a callee that is a service without TLS"
            )
        return Faults(proxy, rig.server.address_of(proxy), edge.name, self._ending)

    def proxy(self, upstream: str) -> Faults:
        """A new proxy before any address, deleted when the test has ended; needs no `harness.toml`.

            database = toxics.proxy(upstream="127.0.0.1:5432")
            ...let the code under test connect to database.address...
            with database.latency(500):
                ...

        Args:
            upstream: `host:port`; on loopback, or allowed by `runtime.allow_targets`.

        Raises:
            UsageError: when the address is none, or faults are not invited there.
        """
        host, _, port = upstream.rpartition(":")
        if not host or not port.isdigit() or not 0 < int(port) < 65536 or "/" in upstream:
            raise UsageError(f'upstream is "{upstream}"; it must be host:port, such as 127.0.0.1:5432')
        proxy = self._bench.create(upstream, f"{upstream}-{next(_NUMBERS)}")
        self._ending.callback(self._bench.server.client.destroy, proxy)
        return Faults(proxy, self._bench.server.address_of(proxy), upstream, self._ending)

    def url(self, service: str) -> str:
        """Base URL of a service of `harness.toml`, to call it as its users do: no proxy is in between.

        Raises:
            UsageError: when there is no such service.
            StartError: when the system does not start.
        """
        addresses = self._bench.rig.runtime.addresses
        if service not in addresses:
            known = ", ".join(addresses)
            raise UsageError(
                f'there is no service "{service}" in harness.toml.{did_you_mean(service, addresses)} Services: {known}.'
            )
        return addresses[service]

    def close(self) -> None:
        """Lift what is still in force and delete the proxies made by `proxy`; safe to call twice."""
        self._ending.close()


class Faults:
    """A place with faults that are in force inside a `with` block; every method returns a further one, nothing is changed.

        with toxics.edge("web", "billing").latency(100, jitter=20).limit_data(10):
            ...

    `address`: the proxy's `host:port`. `url`: the same as a base URL. `place`: what it is before, for messages.
    """

    def __init__(
        self, proxy: ServerProxy, address: str, place: str, ending: ExitStack, faults: tuple[Injection, ...] = ()
    ) -> None:
        self.address, self.url, self.place = address, f"http://{address}", place
        self._proxy, self._ending, self._faults = proxy, ending, faults
        self._entered: list[ExitStack] = []

    def latency(self, latency: int, jitter: int = 0, **options: Any) -> Faults:
        """Answers come late.

        Args:
            latency: milliseconds. jitter: at most so many milliseconds more or less.
            options: `stream` ("downstream" or "upstream") and `toxicity` (share of connections), as for every fault.
        """
        return self.toxic("latency", latency=latency, jitter=jitter, **options)

    def timeout(self, timeout: int = 0, **options: Any) -> Faults:
        """Nothing comes, and the connection is closed after that many milliseconds; 0: never."""
        return self.toxic("timeout", timeout=timeout, **options)

    def reset_peer(self, timeout: int = 0, **options: Any) -> Faults:
        """The connection breaks off with RST, that many milliseconds after the first data."""
        return self.toxic("reset_peer", timeout=timeout, **options)

    def bandwidth(self, rate: int, **options: Any) -> Faults:
        """Data trickles, at that many KB (1000 bytes) a second; at 0 nothing comes."""
        return self.toxic("bandwidth", rate=rate, **options)

    def slow_close(self, delay: int, **options: Any) -> Faults:
        """The end of the stream comes that many milliseconds late."""
        return self.toxic("slow_close", delay=delay, **options)

    def slicer(self, average_size: int, size_variation: int = 0, delay: int = 0, **options: Any) -> Faults:
        """Data comes in crumbs of about `average_size` bytes, `delay` microseconds apart."""
        return self.toxic("slicer", average_size=average_size, size_variation=size_variation, delay=delay, **options)

    def limit_data(self, bytes: int, **options: Any) -> Faults:  # noqa: A002 - Toxiproxy's own word
        """The connection is closed after that many bytes."""
        return self.toxic("limit_data", bytes=bytes, **options)

    def refused(self) -> Faults:
        """Nobody listens: connections are closed, new ones refused; afterwards as it was before."""
        return self._with(Injection(REFUSED))

    down = refused

    def toxic(
        self,
        type: str,  # noqa: A002 - Toxiproxy's own word
        *,
        stream: str = "downstream",
        toxicity: float = 1.0,
        **attributes: Any,
    ) -> Faults:
        """Any toxic of the server, with its attributes as Toxiproxy has them.

        Raises:
            ConfigError: when there is no such toxic or attribute, or a value is out of range.
        """
        raw: Mapping[str, object] = {"type": type, "stream": stream, "toxicity": toxicity, "attributes": attributes}
        return self._with(read_injection(raw, type, f"fault on {self.place}"))

    def _with(self, fault: Injection) -> Faults:
        return Faults(self._proxy, self.address, self.place, self._ending, (*self._faults, fault))

    def __enter__(self) -> Self:
        if not self._faults:
            raise UsageError(f"no fault is named for {self.place}; write e.g. .latency(2000) or .down() behind it")
        with ExitStack() as undo:
            for fault in self._faults:
                self._inject(fault, undo)
            entered = undo.pop_all()
        self._entered.append(entered)
        # Should nobody leave the block (a generator that is never resumed), the end of the test does.
        self._ending.push(entered.__exit__)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self._entered.pop().close()
        except HarnessError as failure:
            if error is None:
                raise
            error.add_note(f"the faults on {self.place} could not be lifted: {failure}")

    def _inject(self, fault: Injection, undo: ExitStack) -> None:
        if fault.type == REFUSED:
            undo.enter_context(self._proxy.down())
            return
        name = f"{fault.type}-{next(_NUMBERS)}"
        # Before it is there: an interruption while the server answers must not leave it behind.
        undo.callback(_remove, self._proxy, name)
        self._proxy.add_toxic(
            name=name,
            type=fault.type,
            stream=fault.stream,
            toxicity=fault.toxicity,
            attributes=dict(fault.attributes),
        )


def _remove(proxy: ServerProxy, name: str) -> None:
    with suppress(NotFound):
        proxy.destroy_toxic(name)
