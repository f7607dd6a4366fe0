"""Waits until a service can serve; a wait that fails says what was awaited, for how long, what was seen and logged."""

from __future__ import annotations

import time
from collections.abc import Callable
from urllib.parse import urlsplit

import anyio

__all__ = ["Probe", "probe", "wait_until"]

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
        return await _probe_https(base_url + ready_path)
    try:
        with anyio.fail_after(3):
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
    except TimeoutError:
        return "no answer within 3 s"
    except (OSError, anyio.EndOfStream, anyio.BrokenResourceError) as error:
        return "connection refused" if "refused" in repr(error.__cause__ or error).lower() else f"{error}" or "closed"
    return _judge(answer)


def _judge(answer: bytes) -> Probe:
    line = answer.split(b"\r\n", 1)[0].decode(errors="replace")
    words = line.split(" ", 2)
    if len(words) < 2 or not words[0].startswith("HTTP/"):
        return f"an answer that is not HTTP: {line[:60]!r}"
    return "" if words[1].startswith("2") else f"HTTP {words[1]}"


async def _probe_https(url: str) -> Probe:
    import httpx  # heavy; plain HTTP, the common case, does without

    try:
        async with httpx.AsyncClient(timeout=5) as client:
            response = await client.get(url)
    except httpx.HTTPError as error:
        return f"{type(error).__name__}: {error}"
    return "" if response.is_success else f"HTTP {response.status_code}"


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
