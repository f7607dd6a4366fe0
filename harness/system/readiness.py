"""Waits until a service can serve; a wait that fails says what was awaited, for how long, what was seen and logged."""

from __future__ import annotations

import time
from collections.abc import Callable
from urllib.parse import urlsplit

import anyio
import anyio.to_thread

from harness.guard import address

__all__ = ["Probe", "probe", "wait_until"]

_LIMIT_S = 3.0

Probe = str  # what was last seen; empty when ready


async def probe(base_url: str, ready_path: str) -> Probe:
    """Look once.

    Args:
        ready_path: path to ask with GET; when empty, a port that accepts connections is ready.

    Returns:
        Empty when ready, else what was seen, e.g. "connection refused" or "HTTP 503".
    """
    parts = urlsplit(base_url)
    host, port = parts.hostname or "127.0.0.1", parts.port or (443 if parts.scheme == "https" else 80)
    if ready_path and parts.scheme == "https":
        return await anyio.to_thread.run_sync(_probe_https, address(base_url, ready_path))
    try:
        with anyio.fail_after(_LIMIT_S):
            stream = await anyio.connect_tcp(host, port)
            async with stream:
                if not ready_path:
                    return ""
                request = (
                    f"GET {parts.path.rstrip('/')}{ready_path} HTTP/1.1\r\nHost: {host}:{port}\r\n"
                    "Accept: */*\r\nUser-Agent: harness-readiness\r\nConnection: close\r\n\r\n"
                )
                await stream.send(request.encode())
                answer = await stream.receive(4096)
                while b"\n" not in answer and len(answer) < 4096:
                    answer += await stream.receive(4096)
    except TimeoutError:
        return f"no answer within {_LIMIT_S:g} s"
    except (OSError, anyio.EndOfStream, anyio.BrokenResourceError) as error:
        return "connection refused" if "refused" in repr(error.__cause__ or error).lower() else f"{error}" or "closed"
    return _judge(answer)


def _judge(answer: bytes) -> Probe:
    line = answer.split(b"\r\n", 1)[0].decode(errors="replace")
    words = line.split(" ", 2)
    if len(words) < 2 or not words[0].startswith("HTTP/"):
        return f"an answer that is not HTTP: {line[:60]!r}"
    return "" if words[1].startswith("2") else f"HTTP {words[1]}"


def _probe_https(url: str) -> Probe:
    from harness.guard.fetch import FetchError, get  # heavy; plain HTTP, the common case, does without

    try:
        answer = get(url, limit_s=_LIMIT_S)
    except FetchError as error:
        return str(error)
    return "" if 200 <= answer.status < 300 else f"HTTP {answer.status}"


async def wait_until(
    base_url: str, ready_path: str, *, limit_s: float, gave_up: Callable[[], str] = lambda: ""
) -> Probe:
    """Look until ready, the limit, or until `gave_up` says why there is no point in waiting on.

    Returns:
        Empty when ready, else the last thing seen, or what `gave_up` said.
    """
    deadline = time.monotonic() + limit_s
    pause = 0.02
    while True:
        seen = await probe(base_url, ready_path)
        if not seen:
            return ""
        why = gave_up()
        if why:
            return why
        if time.monotonic() >= deadline:
            return seen
        await anyio.sleep(pause)
        pause = min(pause * 1.3, 0.25)
