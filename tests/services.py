"""Starts the tiny service for a test and ends it."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx


@dataclass(frozen=True)
class TinyService:
    url: str
    log: Path

    def freeze(self, seconds: float) -> None:
        """From now on every request waits until `seconds` are over."""
        httpx.post(f"{self.url}/_freeze", params={"s": seconds}, trust_env=False)

    def seen(self) -> dict[str, int]:
        counts: dict[str, int] = httpx.get(f"{self.url}/_seen", trust_env=False).json()
        return counts


@contextmanager
def tiny_service(directory: Path) -> Iterator[TinyService]:
    log = directory / "tiny.log"
    with log.open("wb") as sink:
        process = subprocess.Popen(
            [sys.executable, str(Path(__file__).with_name("tiny_service.py"))],
            stdout=subprocess.PIPE,
            stderr=sink,
            text=True,
            env={"PORT": "0"},
        )
        assert process.stdout is not None
        try:
            yield TinyService(f"http://127.0.0.1:{int(process.stdout.readline())}", log)
        finally:
            process.kill()
            process.wait()
            process.stdout.close()
