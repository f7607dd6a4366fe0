"""Finds HTTP/1.1 messages in a stream of bytes without changing a byte (RFC 9112); decides nothing about them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import Enum, auto

__all__ = ["Framer", "Head", "Kind", "Piece", "RequestFramer", "ResponseFramer"]

_HEAD_LIMIT = 64 * 1024
_LINE_LIMIT = 16 * 1024
_HEAD_END = re.compile(rb"\r?\n\r?\n")
_REQUEST_LINE = re.compile(rb"([A-Z-]+) ([^ \r\n]+) HTTP/1\.([01])\r?\n")
_STATUS_LINE = re.compile(rb"HTTP/1\.([01]) ([1-9]\d\d)(?: ([^\r\n]*))?\r?\n")
#: The registered methods (RFC 9110, section 16.1) people meet. A closed list: a stream that begins otherwise is not held up
#: while we wait for what would settle it.
_METHODS = (
    *(b"GET", b"HEAD", b"POST", b"PUT", b"PATCH", b"DELETE", b"OPTIONS", b"TRACE", b"CONNECT", b"QUERY", b"PURGE"),
    *(
        b"PROPFIND",
        b"PROPPATCH",
        b"MKCOL",
        b"COPY",
        b"MOVE",
        b"LOCK",
        b"UNLOCK",
        b"REPORT",
        b"SEARCH",
        b"LINK",
        b"UNLINK",
    ),
)


class Kind(Enum):
    """What a piece of the stream is; RAW is what is no HTTP, or no longer."""

    HEAD = auto()
    BODY = auto()
    END = auto()
    RAW = auto()


@dataclass(frozen=True, slots=True)
class Head:
    """A start line and its header fields, in order, names as they were sent.

    `method` and `target` are of a request, `status` and `reason` of a response; `http_1_0`: the older version.
    """

    fields: tuple[tuple[str, str], ...]
    http_1_0: bool
    method: str = ""
    target: str = ""
    status: int = 0
    reason: str = ""

    @property
    def path(self) -> str:
        """The target without its query, and without scheme and host where a client sent them."""
        path = self.target.partition("?")[0]
        if "://" in path:
            path = "/" + path.partition("://")[2].partition("/")[2]
        return path

    def field(self, name: str) -> str:
        """The first value of a field, named in lower case; empty when there is none."""
        return next((v for n, v in self.fields if n.lower() == name), "")

    def lists(self, name: str, word: str) -> bool:
        """Whether a comma-separated field, named in lower case, has that word, in any case."""
        return word in (w.strip().lower() for n, v in self.fields if n.lower() == name for w in v.split(","))

    @property
    def keeps_alive(self) -> bool:
        """Whether its sender wants to go on with the connection (RFC 9112, section 9.3)."""
        return self.lists("connection", "keep-alive") if self.http_1_0 else not self.lists("connection", "close")


@dataclass(frozen=True, slots=True)
class Piece:
    """A piece of the stream: `raw` as it came, `content` what it adds to the body.

    The `raw` of all pieces in order, and what the framer still holds, are the stream.
    """

    kind: Kind
    raw: bytes
    head: Head | None = None
    content: bytes = b""


class _NotHttpError(Exception):
    """The bytes are no HTTP/1.1 message."""


_Body = Callable[[], Piece | None]


class Framer:
    """Cuts one direction of a connection into pieces; once something is no HTTP, all that follows is RAW."""

    def __init__(self) -> None:
        self.raw = False
        self._buffer = bytearray()
        self._body: _Body | None = None
        self._left = 0
        self._searched = 0
        self._to_the_end = self._tunnel = False

    @property
    def between(self) -> bool:
        """Whether the next byte begins a message."""
        return self._body is None and not self._buffer and not self.raw

    def feed(self, data: bytes) -> Iterator[Piece]:
        """Take bytes and yield the pieces they complete; consume it all before the next call."""
        self._buffer += data
        while self._buffer or self._body == self._nothing:
            if self.raw:
                yield Piece(Kind.RAW, self._take(len(self._buffer)))
                continue
            try:
                piece = self._body() if self._body is not None else self._head()
            except _NotHttpError:
                self.raw = True
                continue
            if piece is None:
                return
            yield piece

    def finish(self) -> Iterator[Piece]:
        """The stream has ended: yield what was held, and the end of a body that only this could end."""
        if self._buffer:
            self.raw = True
            yield Piece(Kind.RAW, self._take(len(self._buffer)))
        elif self._to_the_end:
            yield self._end(b"")

    def give_up(self) -> None:
        """What follows is something else, such as the tunnel after an upgrade."""
        self.raw = True

    def _head(self) -> Piece | None:
        buffer = self._buffer
        blank = len(buffer) - len(buffer.lstrip(b"\r\n")) if buffer[0] in b"\r\n" else 0
        if not self._may_begin(bytes(buffer[blank : blank + 64])):
            raise _NotHttpError
        found = _HEAD_END.search(buffer, max(self._searched - 3, blank))
        if found is None:
            self._searched = len(buffer)
            line_end = buffer.find(b"\n", blank)
            if len(buffer) > _HEAD_LIMIT or (line_end >= 0 and not self._first(bytes(buffer[blank : line_end + 1]))):
                raise _NotHttpError
            return None
        head = self._parse(bytes(buffer[blank : found.end()]))
        self._searched = 0
        self._begin(head)
        return Piece(Kind.HEAD, self._take(found.end()), head)

    def _begin(self, head: Head) -> None:
        """Set how the body after this head is framed (RFC 9112, section 6.3)."""
        raise NotImplementedError

    def _may_begin(self, start: bytes) -> bool:
        """Whether a message can begin like this."""
        raise NotImplementedError

    def _first(self, line: bytes) -> re.Match[bytes] | None:
        """Match the start line."""
        raise NotImplementedError

    def _made(self, line: re.Match[bytes], fields: tuple[tuple[str, str], ...]) -> Head:
        raise NotImplementedError

    def _parse(self, raw: bytes) -> Head:
        line = self._first(raw)
        if line is None:
            raise _NotHttpError
        fields: list[tuple[str, str]] = []
        for one in raw[line.end() :].decode("latin-1").split("\n"):
            text = one.rstrip("\r")
            name, colon, value = text.partition(":")
            if text[:1] in {" ", "\t"} and fields:
                # A folded line (obsolete, RFC 9112, section 5.2) continues the one before.
                fields[-1] = (fields[-1][0], f"{fields[-1][1]} {text.strip()}")
            elif text and (not colon or not name or name != name.strip()):
                raise _NotHttpError
            elif text:
                fields.append((name, value.strip()))
        return self._made(line, tuple(fields))

    def _framed(self, head: Head) -> bool:
        """Set the body where the fields tell its length."""
        if head.field("transfer-encoding"):
            if head.field("transfer-encoding").rpartition(",")[2].strip().lower() != "chunked":
                return False
            self._body = self._chunk_size
            return True
        length = head.field("content-length")
        if not length:
            return False
        # Repeated and equal is allowed (RFC 9110, section 8.6); anything else leaves the length unknown.
        lengths = {v.strip() for n, value in head.fields if n.lower() == "content-length" for v in value.split(",")}
        length = lengths.pop()
        if lengths or not re.fullmatch("[0-9]{1,18}", length):
            raise _NotHttpError
        self._left = int(length)
        self._body = self._counted if self._left else self._nothing
        return True

    def _nothing(self) -> Piece:
        return self._end(b"")

    def _counted(self) -> Piece:
        if self._left == 0:
            return self._end(b"")
        raw = self._take(min(self._left, len(self._buffer)))
        self._left -= len(raw)
        if self._left == 0:
            self._body = self._nothing
        return Piece(Kind.BODY, raw, content=raw)

    def _endless(self) -> Piece:
        raw = self._take(len(self._buffer))
        return Piece(Kind.BODY, raw, content=raw)

    def _chunk_size(self) -> Piece | None:
        raw = self._line()
        if raw is None:
            return None
        size = raw.partition(b";")[0].strip()
        if not re.fullmatch(rb"[0-9A-Fa-f]{1,16}", size):
            raise _NotHttpError
        self._left = int(size, 16)
        self._body = self._chunk if self._left else self._trailer
        return Piece(Kind.BODY, self._take(len(raw)))

    def _chunk(self) -> Piece:
        raw = self._take(min(self._left, len(self._buffer)))
        self._left -= len(raw)
        if self._left == 0:
            self._body = self._chunk_end
        return Piece(Kind.BODY, raw, content=raw)

    def _chunk_end(self) -> Piece | None:
        raw = self._line()
        if raw is None:
            return None
        if raw.strip():
            raise _NotHttpError
        self._body = self._chunk_size
        return Piece(Kind.BODY, self._take(len(raw)))

    def _trailer(self) -> Piece | None:
        raw = self._line()
        if raw is None:
            return None
        taken = self._take(len(raw))
        return Piece(Kind.BODY, taken) if raw.strip() else self._end(taken)

    def _end(self, raw: bytes) -> Piece:
        self._body, self._to_the_end, self.raw = None, False, self._tunnel
        return Piece(Kind.END, raw)

    def _line(self) -> bytes | None:
        end = self._buffer.find(b"\n")
        if end < 0 and len(self._buffer) > _LINE_LIMIT:
            raise _NotHttpError
        return bytes(self._buffer[: end + 1]) if end >= 0 else None

    def _take(self, size: int) -> bytes:
        if size == len(self._buffer):
            taken = bytes(self._buffer)
            self._buffer.clear()
        else:
            taken = bytes(self._buffer[:size])
            del self._buffer[:size]
        return taken


class RequestFramer(Framer):
    """Requests, as a client sends them."""

    def _begin(self, head: Head) -> None:
        if not self._framed(head):
            if head.field("transfer-encoding"):
                raise _NotHttpError
            self._body = self._nothing

    def _may_begin(self, start: bytes) -> bool:
        method = start.partition(b" ")[0]
        return method in _METHODS if b" " in start else any(m.startswith(method) for m in _METHODS)

    def _first(self, line: bytes) -> re.Match[bytes] | None:
        return _REQUEST_LINE.match(line)

    def _made(self, line: re.Match[bytes], fields: tuple[tuple[str, str], ...]) -> Head:
        method, target, minor = line.groups()
        return Head(fields, minor == b"0", method=method.decode(), target=target.decode("latin-1"))


class ResponseFramer(Framer):
    """Responses, as a server sends them.

    Args:
        method: the method of the request that is answered next; asked at each final head.
    """

    def __init__(self, method: Callable[[], str]) -> None:
        super().__init__()
        self._method = method

    def _begin(self, head: Head) -> None:
        method = self._method() if head.status >= 200 or head.status == 101 else ""
        if head.status == 101 or (method == "CONNECT" and 200 <= head.status < 300):
            self._body, self._tunnel = self._nothing, True
        elif head.status < 200:
            # An informational response has no body, not even an empty one: the final one is still to come.
            self._body = None
        elif head.status in {204, 304} or method == "HEAD":
            self._body = self._nothing
        elif not self._framed(head):
            self._body, self._to_the_end = self._endless, True

    def _may_begin(self, start: bytes) -> bool:
        return b"HTTP/1.".startswith(start[:7])

    def _first(self, line: bytes) -> re.Match[bytes] | None:
        return _STATUS_LINE.match(line)

    def _made(self, line: re.Match[bytes], fields: tuple[tuple[str, str], ...]) -> Head:
        minor, status, reason = line.groups()
        return Head(fields, minor == b"0", status=int(status), reason=(reason or b"").decode("latin-1"))
