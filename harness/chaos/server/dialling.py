"""How the proxies of one server dial their upstreams, and which of them go round in circles; opens no connection itself."""

from __future__ import annotations

from typing import Protocol

__all__ = ["Dialling", "Listening"]

_EVERYWHERE = {"0.0.0.0", "::"}


class Listening(Protocol):
    """What is to be known of a proxy."""

    #: Where it listens; its host may be everywhere.
    address: tuple[str, int]
    #: What its upstream turned out to be when it was dialled last.
    leads_to: tuple[str, int]


class Dialling:
    """Rules and knowledge that the proxies of a server share.

    Args:
        limit_s: the longest a dial may take, in seconds.
        pass_refused: whether a client is told with RST that its upstream refused; the original closes as if all were said.
    """

    def __init__(self, limit_s: float = 30.0, *, pass_refused: bool = False) -> None:
        self.limit_s, self.pass_refused = limit_s, pass_refused
        self._by_port: dict[int, list[Listening]] = {}

    def opened(self, proxy: Listening) -> None:
        """A proxy listens."""
        self._by_port.setdefault(proxy.address[1], []).append(proxy)

    def closed(self, proxy: Listening) -> None:
        """A proxy listens no longer."""
        there = self._by_port[proxy.address[1]]
        there.remove(proxy)
        if not there:
            del self._by_port[proxy.address[1]]

    def in_circles(self, proxy: Listening) -> bool:
        """Whether what a proxy has just dialled leads, through proxies of this server, back to it."""
        seen: set[int] = set()
        here = self._at(proxy.leads_to)
        while here is not None and id(here) not in seen:
            if here is proxy:
                return True
            seen.add(id(here))
            here = self._at(here.leads_to)
        return False

    def _at(self, address: tuple[str, int]) -> Listening | None:
        host, port = address
        there = self._by_port.get(port, ())
        return next((p for p in there if p.address[0] == host or p.address[0] in _EVERYWHERE), None)
