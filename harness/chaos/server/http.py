"""HTTP/1.1 for the API: reads requests within limits of time and size and sends answers; knows no proxy."""

from __future__ import annotations

import asyncio
import re
from contextlib import suppress
from dataclasses import dataclass
from email.utils import formatdate
from http import HTTPStatus
from urllib.parse import unquote

import h11

from harness.chaos.server.api import Answer, Api

__all__ = ["Limits", "serve_client"]

_BROKEN_ESCAPE = re.compile(r"%(?![0-9a-fA-F]{2})")
_BODY_LIMIT = 16 * 1024 * 1024
#: Bytes of a request's head; Go's limit.
_HEAD_LIMIT = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Limits:
    """Seconds a client may take: to begin a request, to send all of it, and to read its answer; as in the original."""

    idle: float = 60.0
    read: float = 15.0
    write: float = 30.0


class _TooLargeError(Exception):
    """The body is larger than anybody's list of proxies."""


class _UnreadableError(Exception):
    """The request is not one that can be answered and followed by another."""


_LIMITS = Limits()


async def serve_client(
    api: Api, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, limits: Limits = _LIMITS
) -> None:
    """Answer a client's requests, one after another, until it leaves or takes too long."""
    connection = h11.Connection(h11.SERVER, max_incomplete_event_size=_HEAD_LIMIT)
    try:
        while await _serve_one(api, connection, reader, writer, limits):
            connection.start_next_cycle()
    except (OSError, TimeoutError, h11.RemoteProtocolError, _UnreadableError, asyncio.IncompleteReadError) as error:
        if isinstance(error, _UnreadableError):
            writer.write(_turned_away(HTTPStatus.BAD_REQUEST))
        elif isinstance(error, h11.RemoteProtocolError) and connection.our_state is h11.IDLE:
            writer.write(_turned_away(HTTPStatus(error.error_status_hint)))
    except asyncio.CancelledError:
        pass  # the server ends, and its streams take a task that was cancelled for a fault
    finally:
        with suppress(OSError, TimeoutError):
            writer.close()
            # A client that does not read what was written is not waited for.
            async with asyncio.timeout(limits.write):
                await writer.wait_closed()
        writer.transport.abort()


def _turned_away(status: HTTPStatus) -> bytes:
    text = f"{status} {status.phrase}"
    return f"HTTP/1.1 {text}\r\nContent-Type: text/plain; charset=utf-8\r\nConnection: close\r\n\r\n{text}".encode()


async def _serve_one(
    api: Api, connection: h11.Connection, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, limits: Limits
) -> bool:
    if not connection.trailing_data[0]:
        async with asyncio.timeout(limits.idle):
            connection.receive_data(await reader.read(65536))
    request: object = None
    try:
        async with asyncio.timeout(limits.read):
            request = await _next(connection, reader, writer)
            if not isinstance(request, h11.Request):
                return False
            body = await _body(connection, reader, writer)
    except _TooLargeError:
        assert isinstance(request, h11.Request)
        await _send(
            connection, writer, limits, request, Answer(413, b"request body too large\n", "text/plain; charset=utf-8")
        )
        return False
    headers = dict(request.headers)
    written, query = _asked_for(request.target.decode("latin-1"))
    if _BROKEN_ESCAPE.search(written):
        raise _UnreadableError
    cleaned = _cleaned(written)
    if cleaned != written:
        answer = Answer(301, location=cleaned + (f"?{query}" if query else ""))
    else:
        # Split before decoding, so that a name may hold an encoded slash.
        path = tuple(unquote(part) for part in written.removeprefix("/").split("/"))
        agent = headers.get(b"user-agent", b"").decode("latin-1")
        answer = await api.handle(request.method.decode(), path, body, agent, query)
    await _send(connection, writer, limits, request, answer)
    return connection.our_state is h11.DONE and connection.their_state is h11.DONE


def _asked_for(target: str) -> tuple[str, str]:
    """Path and query of a request's target, which may be a whole URL; a `#` is nothing special in it."""
    if not target.startswith("/"):
        _, _, rest = target.partition("://")
        target = "/" + rest.partition("/")[2] if rest else target
    path, _, query = target.partition("?")
    return path, query


def _cleaned(path: str) -> str:
    """A path without empty parts and dots; where it is not written so, the original's router sends its clients there."""
    parts: list[str] = []
    for part in path.split("/"):
        name = unquote(part)
        if name == "..":
            del parts[-1:]
        elif name not in {"", "."}:
            parts.append(part)
    return "/" + "/".join(parts) + ("/" if parts and path.endswith("/") else "")


async def _next(connection: h11.Connection, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> object:
    while (event := connection.next_event()) is h11.NEED_DATA:
        if connection.they_are_waiting_for_100_continue:
            go_on = h11.InformationalResponse(status_code=100, headers=[], reason="Continue")
            writer.write(connection.send(go_on) or b"")
        connection.receive_data(await reader.read(65536))
    return event


async def _body(connection: h11.Connection, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bytes:
    parts: list[bytes] = []
    size = 0
    while isinstance(event := await _next(connection, reader, writer), h11.Data):
        parts.append(bytes(event.data))
        size += len(event.data)
        if size > _BODY_LIMIT:
            raise _TooLargeError
    return b"".join(parts)


async def _send(
    connection: h11.Connection, writer: asyncio.StreamWriter, limits: Limits, request: h11.Request, answer: Answer
) -> None:
    headers = [("Date", formatdate(usegmt=True))]
    if answer.content_type:
        headers.append(("Content-Type", answer.content_type))
    if answer.content_type.startswith("text/plain"):
        headers.append(("X-Content-Type-Options", "nosniff"))
    if answer.location:
        headers.append(("Location", answer.location))
    if answer.request_id:
        headers.append(("X-Toxiproxy-Request-Id", answer.request_id))
    if answer.status != HTTPStatus.NO_CONTENT:
        headers.append(("Content-Length", str(len(answer.body))))
    reason = HTTPStatus(answer.status).phrase
    head = connection.send(h11.Response(status_code=answer.status, headers=headers, reason=reason))
    body = connection.send(h11.Data(data=answer.body)) if answer.body and request.method != b"HEAD" else b""
    end = connection.send(h11.EndOfMessage())
    writer.write((head or b"") + (body or b"") + (end or b""))
    async with asyncio.timeout(limits.write):
        await writer.drain()
