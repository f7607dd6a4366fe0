"""Free ports on loopback, below the range the kernel hands to outgoing connections."""

from __future__ import annotations

import random
import socket

from harness.errors import InfrastructureError

__all__ = ["free_port", "free_ports", "is_free", "listening"]

# Linux hands out 32768 and up to clients: a port picked there may be some connection's own end by the time a service
# binds it. Below, only other listeners can be in the way.
_LOW, _HIGH = 15000, 32000
_HANDED_OUT: set[int] = set()


def is_free(port: int) -> bool:
    """Whether nothing listens on 127.0.0.1:`port`."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def listening(pid: int) -> tuple[int, ...]:
    """Ports that a process and its children listen on, on whatever address; none when that cannot be seen."""
    import psutil  # only when something went wrong

    ports: set[int] = set()
    try:
        root = psutil.Process(pid)
        for process in (root, *root.children(recursive=True)):
            ports |= {c.laddr.port for c in process.net_connections("tcp") if c.status == psutil.CONN_LISTEN}
    except (psutil.Error, OSError):
        pass
    return tuple(sorted(ports))


def free_port() -> int:
    """Pick a free port that this process has not handed out before.

    Raises:
        InfrastructureError: when none is found in 500 tries.
    """
    rng = random.SystemRandom()
    for _ in range(500):
        port = rng.randrange(_LOW, _HIGH)
        if port not in _HANDED_OUT and is_free(port):
            _HANDED_OUT.add(port)
            return port
    raise InfrastructureError(f"no free port found between {_LOW} and {_HIGH} on 127.0.0.1")


def free_ports(count: int) -> list[int]:
    """Pick several."""
    return [free_port() for _ in range(count)]
