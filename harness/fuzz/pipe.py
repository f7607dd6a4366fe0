"""The reading end of the named pipe that Schemathesis writes its report to."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import anyio

from harness.fuzz.events import Report

__all__ = ["Pipe"]

_CHUNK_B = 1 << 20
#: A scenario with all its answers is one line, as long as this at most; see `hooks`.
_LINE_B = 48_000_000


class Pipe:
    """The reading end of a named pipe, split into lines; it outlives writers that close and open again."""

    def __init__(self, path: Path) -> None:
        self._rest = bytearray()
        self._too_long = False
        self._read = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
        # A writing end of our own: without it the pipe ends whenever Schemathesis closes the file, which it does twice.
        self._write = os.open(path, os.O_WRONLY)

    async def __aenter__(self) -> Pipe:
        return self

    async def __aexit__(self, *_: object) -> None:
        os.close(self._read)
        os.close(self._write)

    async def pump(self, report: Report, tick: Callable[[], None]) -> None:
        """Feed lines until cancelled."""
        while True:
            await anyio.wait_readable(self._read)
            if self._take(report):
                tick()

    def drain(self, report: Report) -> None:
        """Feed what is left once the child is gone."""
        while self._take(report):
            pass
        if self._rest:
            report.feed(bytes(self._rest))

    def _take(self, report: Report) -> bool:
        try:
            chunk = os.read(self._read, _CHUNK_B)
        except BlockingIOError:
            return False
        *lines, rest = chunk.split(b"\n")
        for line in lines:
            self._add(line)
            if self._too_long:
                report.feed(b"(a line that is too long)")
            elif self._rest.strip():
                report.feed(bytes(self._rest))
            self._rest, self._too_long = bytearray(), False
        self._add(rest)
        return bool(chunk)

    def _add(self, piece: bytes) -> None:
        self._too_long = self._too_long or len(self._rest) + len(piece) > _LINE_B
        if self._too_long:
            self._rest = bytearray()
        else:
            self._rest += piece
