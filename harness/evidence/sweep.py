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
from collections.abc import Callable, Collection, Iterable, Iterator
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
#: The longest file that is kept whole.
_LARGEST = 100_000_000
_DOCUMENTS = {".json", ".xml", ".html", ".har", ".yaml", ".yml", ".toml", ".openapi", ".asyncapi"}
#: How much of a file says what it is.
_START = 8192
#: How formats begin that are no text: databases, archives, pictures, programs, fonts.
_FORMATS = (
    *(b"SQLite format 3\0", b"\x37\x7f\x06\x82", b"\x37\x7f\x06\x83", b"\xd9\xd5\x05\xf9\x20\xa1\x63\xd7"),
    *(
        b"\x1f\x8b",
        b"PK\x03\x04",
        b"PK\x05\x06",
        b"BZh",
        b"\xfd7zXZ\0",
        b"\x28\xb5\x2f\xfd",
        b"7z\xbc\xaf\x27\x1c",
        b"\x04\x22\x4d\x18",
    ),
    *(b"\x89PNG\r\n", b"\xff\xd8\xff", b"GIF8", b"%PDF-", b"\0\0\x01\0", b"II*\0", b"MM\0*"),
    *(b"\x7fELF", b"\0asm", b"\xca\xfe\xba\xbe", b"\xcf\xfa\xed\xfe", b"wOFF", b"wOF2", b"OggS", b"ID3"),
)
#: How much longer a block may become where its last line goes on.
_GOES_ON = 64 * 1024
_OPEN = (b"{", b"[", b"(", b":", b"|", b">", b"|-", b">-", b",")
_BASE64_LINE = re.compile(rb"[A-Za-z0-9+/_\-]{40,}+")
_KEY_LINE = re.compile(rb"-----BEGIN .*|[A-Za-z0-9+/=:,. \-]{0,120}")


def sweep(folder: Path, redactor: Redactor | None = None, *, leave: Collection[str] = ()) -> list[str]:
    """Take the secrets out of every file below a folder, and keep others of this machine out of it.

    Args:
        leave: names in the folder whose files are left as they are, because somebody still works with them.

    Returns:
        A line for each file that could not be looked through.
    """
    broom = _Broom(redactor or Redactor())
    problems = []
    for file in _files(folder):
        if file.relative_to(folder).parts[0] in leave:
            continue
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
    _shorten(path)
    with path.open("rb") as source:
        start = source.read(_START)
        source.seek(0)
        if _is_binary(start):
            _blank_out(path)
            return
        document = path.suffix in _DOCUMENTS
        size, encoding = _DOCUMENT if document else _BLOCK, _encoding(start)
        done = 0
        for block in _blocks(source, size, encoding):
            clean = broom.clean(block, encoding, document=document)
            if clean != block:
                rest = (broom.clean(b, encoding, document=document) for b in _blocks(source, size, encoding))
                _rewrite(path, done, chain((clean,), rest))
                return
            done += len(block)


def _shorten(path: Path) -> None:
    """Cut what nobody reads, and nobody could look through: a program may print without end."""
    size = path.stat().st_size
    if size <= _LARGEST:
        return
    with path.open("r+b") as file:
        file.seek(_LARGEST)
        kept = _LARGEST + len(file.readline(_LINE))
        file.truncate(min(kept, size))
        file.seek(0, os.SEEK_END)
        file.write(f"\n[{size - kept:,} bytes left out: a file is kept up to {_LARGEST // 1_000_000} MB]\n".encode())


def _is_binary(start: bytes) -> bool:
    """Whether a file is of a format that a mask would break; odd bytes alone do not make it one."""
    return (
        start.startswith(_FORMATS)
        or start[4:8] == b"ftyp"
        or (start[:4] == b"RIFF" and start[8:12] in {b"WEBP", b"WAVE"})
    )


def _encoding(start: bytes) -> str:
    """How the text of a file is written: each second byte of UTF-16 is mostly NUL where it is in a Western language."""
    for encoding, mark, nuls in (("utf-16-le", b"\xff\xfe", start[1::2]), ("utf-16-be", b"\xfe\xff", start[::2])):
        if start.startswith(mark) or (
            len(nuls) > 8 and nuls.count(0) > 0.9 * len(nuls) and start.count(0) < 0.6 * len(start)
        ):
            return encoding
    return "utf-8"


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


def _blocks(source: BinaryIO, size: int, encoding: str) -> Iterator[bytes]:
    """Whole lines, about `size` bytes at a time; what goes on in the next lines is not cut, and a line without end is."""
    wide = encoding == "utf-16-le"
    while block := source.read(size):
        if not block.endswith(b"\n"):
            block += source.readline(_LINE)
        most = len(block) + _GOES_ON
        while len(block) < most and (line := _next_line(source, block)):
            block += line
        yield block + source.read(1) if wide and len(block) % 2 else block


def _next_line(source: BinaryIO, block: bytes) -> bytes:
    """The line behind a block when both are one: a key, base64 of many lines, a value that stands deeper than its name."""
    last = block[block.rfind(b"\n", 0, -1) + 1 :].strip()
    if _BASE64_LINE.fullmatch(last):
        return source.readline(_LINE)
    opened = block.rfind(b"-----BEGIN ")
    in_key = opened > block.rfind(b"-----END ") and _KEY_LINE.fullmatch(last) is not None
    return source.readline(_LINE) if in_key or last.endswith(_OPEN) or block.count(b'"""') % 2 else b""


class _Broom:
    """Masks pieces, for as long as it has patience: text can be made that takes very long to look through."""

    def __init__(self, redactor: Redactor) -> None:
        self._redactor, self._spent_s = redactor, 0.0

    def clean(self, block: bytes, encoding: str, *, document: bool) -> bytes:
        """A piece without its secrets; where there is no patience left, without whatever might hold one."""
        text, back = _decoded(block, encoding)
        short = (
            text if document or len(text) <= _LONG_LINE else "".join(map(_shortened, text.splitlines(keepends=True)))
        )
        if self._spent_s > _PATIENCE_S and self._redactor.may_hold(short):
            return back(f"[{len(block)} bytes left out: it would take too long to look for secrets in them]\n")
        begun = time.thread_time()
        clean = self._redactor.text(short) if document else self._redactor.lines(short)
        self._spent_s += time.thread_time() - begun
        return block if clean is text or clean == text else back(clean)


def _decoded(block: bytes, encoding: str) -> tuple[str, Callable[[str], bytes]]:
    """A piece as text, and how to write it again; bytes that are no text are kept."""
    if encoding != "utf-8":
        with suppress(UnicodeDecodeError):
            return block.decode(encoding, "surrogatepass"), lambda text: text.encode(encoding, "surrogatepass")
    return block.decode("utf-8", "surrogateescape"), lambda text: text.encode("utf-8", "surrogateescape")


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
