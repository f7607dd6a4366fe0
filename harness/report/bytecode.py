"""Keeps compiled templates where Python keeps compiled modules: compiling them took a fifth of a short run's time."""

from __future__ import annotations

import sys
from contextlib import suppress
from pathlib import Path

from jinja2 import FileSystemBytecodeCache
from jinja2.bccache import Bucket

__all__ = ["BesideTheSource"]


class BesideTheSource(FileSystemBytecodeCache):
    """Compiled templates in `__pycache__` of their folder; where nothing may be written, they are compiled each time.

    Args:
        folder: of the templates.
    """

    def __init__(self, folder: Path) -> None:
        super().__init__(str(folder / "__pycache__"), f"%s.{sys.implementation.cache_tag}.jinja")

    def dump_bytecode(self, bucket: Bucket) -> None:
        """Keep a template; a place where that cannot be is no mistake."""
        if sys.dont_write_bytecode:
            return
        with suppress(OSError):
            Path(self.directory).mkdir(exist_ok=True)
            super().dump_bytecode(bucket)

    def load_bytecode(self, bucket: Bucket) -> None:
        """Have a template that was kept; one that cannot be read is compiled."""
        with suppress(OSError):
            super().load_bytecode(bucket)
