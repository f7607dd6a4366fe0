"""The last line: no connection of this process goes where nobody invited it, whoever's code makes it, with whatever client.

An audit hook (PEP 578) sees every connection that Python code makes, below urllib3, requests, http.client, asyncio and
gevent, and every name that is looked up. It cannot be taken out again. It does not see what native code does by itself
(libuv, curl), nor other processes; what of that is ours is led through a place that can be watched (see SECURITY.md).
"""

from __future__ import annotations

import os
import re
import socket
import sys
import threading
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

from harness.guard.incidents import Incident, Kind, report
from harness.guard.places import UNIX, Invitation, Place, UninvitedError, is_loopback, normal_host, refusal

__all__ = ["watch_sockets"]

_AGAIN_S = 5.0
_FAMILIES = {int(socket.AF_INET), int(socket.AF_INET6)}
_UNIX = int(getattr(socket, "AF_UNIX", -1))
#: Where processes of Python's own `multiprocessing` meet.
_OF_PYTHON = re.compile(r"/pymp-[^/]+/listener-[^/]+$")
#: Code that is nobody's own: ours, and what was installed.
_OWN = (str(Path(__file__).parents[1]), "/site-packages/", "/lib/python3", "<frozen", "<string>")


class _Watch:
    """What the hook knows."""

    def __init__(self, invitation: Invitation, sent_by: Callable[[Place | str], str]) -> None:
        self.invitation, self._sent_by = invitation, sent_by
        self._own = {normal_host(socket.gethostname())}
        self._looking = threading.local()
        self._addresses: dict[str, frozenset[str]] = {}
        self._looked_at = -_AGAIN_S

    def look_up(self, host: Any) -> None:
        """A name is to be looked up: that alone can carry something out."""
        if host is None or getattr(self._looking, "up", False):
            return
        name = normal_host(host.decode("ascii", "replace") if isinstance(host, bytes | bytearray) else str(host))
        if not name or _is_address(name) or name in self._own or name == "localhost" or self.invitation.knows(name):
            return
        self._refuse(name)

    def look_back(self, host: Any) -> None:
        """The name of an address is to be looked up: whoever owns the address is asked for it."""
        name = normal_host(host.decode("ascii", "replace") if isinstance(host, bytes | bytearray) else str(host))
        if not _is_address(name):
            self.look_up(name)
        elif not is_loopback(name) and not self.invitation.knows(name) and not self._is_known(name):
            self._refuse(name)

    def connect(self, family: int, address: Any) -> None:
        """A connection is to be made, or a datagram sent."""
        if int(family) == _UNIX:
            self._connect_by_path(address)
        if int(family) not in _FAMILIES or not isinstance(address, tuple) or len(address) < 2:
            return
        host, port = normal_host(str(address[0])), int(address[1])
        if self.invitation.allows(host, port) or self._is_of_a_name(host, port):
            return
        self._refuse(Place(host, port))

    def _connect_by_path(self, address: Any) -> None:
        path = address if isinstance(address, str) else os.fsdecode(bytes(address))
        if path and path not in self.invitation.sockets and not _OF_PYTHON.search(path):
            self._refuse(f"{UNIX}{path}")

    def _is_known(self, host: str) -> bool:
        self._look_again()
        return any(host in addresses for addresses in self._addresses.values())

    def _is_of_a_name(self, host: str, port: int) -> bool:
        """Whether an address is one of an invited name's; names are looked up anew when nothing fits."""
        for fresh in (False, True):
            if fresh and not self._look_again():
                return False
            for name, addresses in self._addresses.items():
                if host in addresses and self.invitation.allows(name, port):
                    return True
        return False

    def _look_again(self) -> bool:
        now = time.monotonic()
        if now - self._looked_at < _AGAIN_S:
            return False
        self._looked_at = now
        names = {*self.invitation.names, *(("localhost",) if self.invitation.loopback else ())}
        self._addresses = {name: self._addresses_of(name) for name in names if not _is_address(name)}
        return True

    def _addresses_of(self, name: str) -> frozenset[str]:
        self._looking.up = True
        try:
            found = {normal_host(str(info[4][0])) for info in socket.getaddrinfo(name, None)}
        except OSError:
            return frozenset()
        finally:
            self._looking.up = False
        return frozenset(a for a in found if is_loopback(a) or not is_loopback(name))

    def _refuse(self, place: Place | str) -> None:
        text = refusal(place)
        report(Incident(Kind.UNINVITED, str(place), text, _whose_code(), self._sent_by(place)))
        raise UninvitedError(text)


def _is_address(host: str) -> bool:
    return ":" in host or host.replace(".", "").isdigit()


def _whose_code() -> str:
    """The line of the project's own code that led here; empty when there is none."""
    for frame in reversed(traceback.extract_stack(limit=60)):
        if not any(part in frame.filename for part in _OWN):
            return f"{frame.filename}:{frame.lineno}"
    return ""


def watch_sockets(invitation: Invitation, sent_by: Callable[[Place | str], str] = lambda _place: "") -> None:
    """Hold every connection of this process to an invitation, from now until it ends. Each refusal is an `Incident`.

    Args:
        sent_by: says who named a place, where that is known.
    """
    watch = _Watch(invitation, sent_by)

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        if not event.startswith("socket."):
            return
        if event in {"socket.connect", "socket.sendto", "socket.sendmsg"}:
            watch.connect(arguments[0].family, arguments[1])
        elif event in {"socket.getaddrinfo", "socket.gethostbyname"}:
            watch.look_up(arguments[0])
        elif event == "socket.gethostbyaddr":
            watch.look_back(arguments[0])
        elif event == "socket.getnameinfo":
            watch.look_back(arguments[0][0])

    sys.addaudithook(hook)
