"""The server's metrics in Prometheus' text format (version 0.0.4); collected nowhere else."""

from __future__ import annotations

import asyncio
import platform
import resource
from collections.abc import Iterable

from harness.chaos.server.link import Direction
from harness.chaos.server.proxy import Proxy

__all__ = ["render"]


def render(proxies: Iterable[Proxy], *, proxy: bool, runtime: bool) -> str:
    """Write the metrics asked for; byte counts are live, not only of closed connections."""
    lines: list[str] = []
    if proxy:
        known = tuple(proxies)
        lines += _bytes("received", [(p, p.received) for p in known])
        lines += _bytes("sent", [(p, p.sent) for p in known])
        lines += ["# TYPE toxiproxy_proxy_connections_total counter"]
        lines += [f'toxiproxy_proxy_connections_total{{proxy="{_escaped(p.name)}"}} {p.accepted}' for p in known]
    if runtime:
        lines += _process()
    return "\n".join(lines) + "\n"


def _bytes(what: str, counts: list[tuple[Proxy, list[int]]]) -> list[str]:
    name = f"toxiproxy_proxy_{what}_bytes_total"
    lines = [f"# HELP {name} ", f"# TYPE {name} counter"]
    for proxy, by_direction in counts:
        for direction in Direction:
            labels = {
                "direction": direction.name.lower(),
                "listener": proxy.listen,
                "proxy": proxy.name,
                "upstream": proxy.upstream,
            }
            written = ",".join(f'{k}="{_escaped(v)}"' for k, v in labels.items())
            lines.append(f"{name}{{{written}}} {by_direction[direction]}")
    return lines


def _process() -> list[str]:
    """What the original shows of its process, as far as this one has it: a task is what comes next to a goroutine."""
    import psutil

    me = psutil.Process()
    cpu = me.cpu_times()
    language = f'go_info{{version="python{platform.python_version()}"}}'
    values = {
        "process_cpu_seconds_total": ("counter", cpu.user + cpu.system),
        "process_resident_memory_bytes": ("gauge", me.memory_info().rss),
        "process_open_fds": ("gauge", me.num_fds()),
        "process_virtual_memory_bytes": ("gauge", me.memory_info().vms),
        "process_max_fds": ("gauge", resource.getrlimit(resource.RLIMIT_NOFILE)[0]),
        "process_start_time_seconds": ("gauge", me.create_time()),
        "go_goroutines": ("gauge", len(asyncio.all_tasks())),
        language: ("gauge", 1),
    }
    return [
        line
        for name, (kind, value) in values.items()
        for line in (f"# TYPE {name.partition('{')[0]} {kind}", f"{name} {value:.15g}")
    ]


def _escaped(text: str) -> str:
    return text.replace("\\", r"\\").replace("\n", r"\n").replace('"', r"\"")
