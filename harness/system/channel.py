"""A pipe by which a child tells what it sends in confidence, so that it is masked by value; the other side is `telling`.

A pipe, and no file: it is gone with its processes, however they end, and nobody else can open it.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from types import TracebackType
from typing import Self

import anyio

from harness.evidence.credentials import remember_said
from harness.evidence.secrets import SHARED
from harness.system.telling import CHANNEL_VARIABLE

__all__ = ["Channel"]

_READ = 1 << 16
#: A longer line is not one of ours.
_LONGEST = 1 << 18


class Channel:
    """The reading end, and what the child has to be started with. `take` before anything that came of its requests is used."""

    def __init__(self) -> None:
        self._rest = b""
        self._read, self._write = os.pipe()
        os.set_blocking(self._read, False)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None = None,
        exc_value: BaseException | None = None,
        traceback: TracebackType | None = None,
    ) -> None:
        self.take()
        os.close(self._read)
        os.close(self._write)

    @property
    def handles(self) -> tuple[int, ...]:
        """What the child inherits."""
        return (self._write,)

    @property
    def environment(self) -> Mapping[str, str]:
        """What the child is told."""
        return {CHANNEL_VARIABLE: json.dumps({"pipe": self._write, "names": sorted(SHARED.names)})}

    def take(self) -> None:
        """Remember what the child has told so far; never waits."""
        while True:
            try:
                data = os.read(self._read, _READ)
            except BlockingIOError:
                return
            *lines, self._rest = (self._rest + data).split(b"\n")
            self._rest = self._rest[:_LONGEST]
            for line in lines:
                self._line(line)

    def _line(self, line: bytes) -> None:
        try:
            name, value = json.loads(line)
        except ValueError:
            return
        if isinstance(name, str) and isinstance(value, str):
            remember_said([(name, value)])

    async def pump(self) -> None:
        """`take` whenever there is something, until cancelled: for a child that says nothing else meanwhile."""
        while True:
            await anyio.wait_readable(self._read)
            self.take()
