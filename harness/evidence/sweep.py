"""Masks the files that tools and services left: once, in place, a piece at a time. Texts of findings are not its business.

A file keeps its inode, so a process that still appends to it goes on doing so. Most files have nothing to mask and are
only read.
"""

from __future__ import annotations

import os
import re
import stat
import tempfile
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from itertools import chain
from pathlib import Path
from typing import BinaryIO

from harness.evidence.redaction import Redactor
from harness.evidence.secrets import SHARED

__all__ = ["narrow", "sweep", "sweep_file"]

#: Lines are taken together up to here; a document (JSON, XML) whole, where its structure spans lines.
_BLOCK = 16 * 1024
_DOCUMENT = 4 * 1024 * 1024
#: The longest line that is taken as one piece.
_LINE = 8 * 1024 * 1024
#: A longer line of a log is cut; what it begins with is kept.
_LONG_LINE, _SHOWN = 200_000, 20_000
#: Processor time that one sweep may take to look closely, in seconds.
_PATIENCE_S = 10.0
_IN_MEMORY = 8 * 1024 * 1024
_DOCUMENTS = {".json", ".xml", ".html", ".har", ".yaml", ".yml", ".toml"}
_BEGIN_KEY, _END_KEY = b"PRIVATE KEY-----", b"-----END "


def sweep(folder: Path, redactor: Redactor | None = None) -> list[str]:
    """Take the secrets out of every file below a folder, and keep others of this machine out of it.

    Returns:
        A line for each file that could not be looked through.
    """
    broom = _Broom(redactor or Redactor())
    problems = []
    for file in _files(folder):
        try:
            _sweep_file(file, broom)
        except OSError as error:
            problems.append(f"{file} may hold secrets, it could not be looked through: {error.strerror or error}")
    narrow(folder)
    return problems


def sweep_file(file: Path, redactor: Redactor) -> None:
    """Take the secrets out of one file, before its stage ends; one that is not there is fine.

    Raises:
        OSError: when it cannot be read or written.
    """
    if file.is_file():
        _sweep_file(file, _Broom(redactor))


def narrow(folder: Path) -> None:
    """Let nobody but the owner into a folder and the files below it: 0700 and 0600; what is a link is left alone."""
    _narrow(folder)
    for parent, folders, files in os.walk(folder):
        for name in (*folders, *files):
            _narrow(Path(parent) / name)


def _narrow(path: Path) -> None:
    with suppress(OSError):  # gone meanwhile, or another user's
        mode = path.lstat().st_mode
        if mode & 0o077 and (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
            path.chmod(stat.S_IMODE(mode) & 0o700)


def _files(folder: Path) -> Iterator[Path]:
    for parent, _, files in os.walk(folder):
        for name in files:
            file = Path(parent) / name
            with suppress(OSError):
                if stat.S_ISREG(file.lstat().st_mode):
                    yield file


def _sweep_file(path: Path, broom: _Broom) -> None:
    with path.open("rb") as source:
        start = source.read(8192)
        source.seek(0)
        if b"\0" in start:
            _blank_out(path)
            return
        document = path.suffix in _DOCUMENTS
        done = 0
        for block in _blocks(source, _DOCUMENT if document else _BLOCK):
            clean = broom.clean(block, document=document)
            if clean != block:
                rest = (broom.clean(b, document=document) for b in _blocks(source, _DOCUMENT if document else _BLOCK))
                _rewrite(path, done, chain((clean,), rest))
                return
            done += len(block)


def _rewrite(path: Path, start: int, pieces: Iterable[bytes]) -> None:
    """Write everything from `start` on anew: aside first, then over it, so that memory has an end.

    The pieces are read while this goes on, up to the end there is then: with what was appended meanwhile.
    """
    with tempfile.SpooledTemporaryFile(max_size=_IN_MEMORY) as aside, path.open("r+b") as target:
        for piece in pieces:
            aside.write(piece)
        length = aside.tell()
        aside.seek(0)
        target.seek(start)
        while part := aside.read(1024 * 1024):
            target.write(part)
        target.truncate(start + length)


def _blocks(source: BinaryIO, size: int) -> Iterator[bytes]:
    """Whole lines, about `size` bytes at a time; a private key is not cut, and a line without end is."""
    while block := source.read(size):
        if not block.endswith(b"\n"):
            block += source.readline(_LINE)
        while _BEGIN_KEY in block and block.rfind(b"-----BEGIN ") > block.rfind(_END_KEY) and len(block) < _LINE:
            line = source.readline(_LINE)
            if not line:
                break
            block += line
        yield block


class _Broom:
    """Masks pieces, for as long as it has patience: text can be made that takes very long to look through."""

    def __init__(self, redactor: Redactor) -> None:
        self._redactor, self._spent_s = redactor, 0.0

    def clean(self, block: bytes, *, document: bool) -> bytes:
        """A piece without its secrets; where there is no patience left, without whatever might hold one."""
        text = block.decode("utf-8", "surrogateescape")
        short = (
            text if document or len(text) <= _LONG_LINE else "".join(map(_shortened, text.splitlines(keepends=True)))
        )
        if self._spent_s > _PATIENCE_S and self._redactor.may_hold(short):
            return f"[{len(block)} bytes left out: it would take too long to look for secrets in them]\n".encode()
        begun = time.thread_time()
        clean = self._redactor.text(short) if document else self._redactor.lines(short)
        self._spent_s += time.thread_time() - begun
        return block if clean is text or clean == text else clean.encode("utf-8", "surrogateescape")


def _shortened(line: str) -> str:
    """A line nobody would read to its end, and that may have been made to be long."""
    if len(line) <= _LONG_LINE:
        return line
    return f"{line[:_SHOWN]}… {len(line) - _SHOWN:,} characters left out\n"


def _blank_out(path: Path) -> None:
    """A binary file (a database, a profile) keeps its length: known values in it become asterisks."""
    wanted = [v.encode("utf-8", "surrogatepass") for v in SHARED.values()]
    if not wanted:
        return
    pattern = re.compile(b"|".join(re.escape(v) for v in sorted(wanted, key=len, reverse=True)))
    overlap = max(map(len, wanted)) - 1
    with path.open("r+b") as file:
        at, rest = 0, b""
        while block := file.read(1024 * 1024):
            text = rest + block
            for match in pattern.finditer(text):
                file.seek(at - len(rest) + match.start())
                file.write(b"*" * len(match[0]))
            at += len(block)
            file.seek(at)
            rest = text[-overlap:] if overlap else b""
