"""Makes a SQLite database unusable while others have it open, and gives it back unharmed. Whose it is is others' matter.

What a connection looks at first in every transaction is spoilt, so that the next one of every connection fails at once with
"unable to open database file" (SQLITE_CANTOPEN), as it does when the file is not there. The database file stays as it is.

- In WAL mode that is the header of the wal-index, the `-shm` file (https://sqlite.org/walformat.html, section 2). It gets a
  format version no SQLite knows, with a valid checksum, so that nobody tries to repair it. Until it is given back the lock is
  held which keeps a connection that comes anew from beginning another wal-index.
- In the other modes it is the place of the log that must not be there: a folder stands in its place.

Transactions that were under way end as they would have; the database is taken when the last of them is over.
"""

from __future__ import annotations

import fcntl
import os
import struct
import time
from contextlib import suppress
from pathlib import Path

__all__ = ["SqliteFile"]

_MAGIC = b"SQLite format 3\0"
#: Bytes of the database file that readers lock (https://sqlite.org/fileformat2.html, section 1.2; os.h of SQLite).
_READERS, _READERS_LENGTH = 0x40000002, 510
#: Bytes of the wal-index: writing, copying back and repairing; readers; and the one everybody who has it open shares.
_WAL_WRITERS, _WAL_WRITERS_LENGTH = 120, 3
_WAL_READERS, _WAL_READERS_LENGTH = 123, 5
_WAL_OPEN = 128
_WAL_HEADER = 48
_UNKNOWN_VERSION = 1
_POLL_S = 0.005


class SqliteFile:
    """One database file.

    Args:
        path: the file.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file = self._index = -1
        self._header = b""
        self._folder = False

    def take(self, within_s: float = 2.0) -> bool:
        """Make it unusable for everybody.

        Args:
            within_s: how long to wait for transactions to end, in seconds.

        Returns:
            Whether that is so now; not when it is no SQLite database, or somebody stays in a transaction.
        """
        limit = time.monotonic() + within_s
        taken = False
        try:
            self._file = os.open(self._path, os.O_RDWR)
            taken = os.pread(self._file, len(_MAGIC), 0) == _MAGIC and self._spoil(limit) and self._is_quiet(limit)
        except OSError:
            taken = False
        finally:
            if not taken:
                self.give_back()
        return taken

    def give_back(self) -> None:
        """Make it usable again; safe to call when it was not taken."""
        try:
            if self._folder:
                self._log.rmdir()
            if self._header:
                os.pwrite(self._index, self._header, 0)
        finally:
            self._header, self._folder = b"", False
            for descriptor in (self._index, self._file):
                if descriptor >= 0:
                    os.close(descriptor)
            self._file = self._index = -1

    @property
    def _log(self) -> Path:
        return Path(f"{self._path}-wal")

    def _spoil(self, limit: float) -> bool:
        while True:
            with suppress(FileExistsError):
                self._log.mkdir()
                self._folder = True
                return True
            # Somebody has it open in WAL mode.
            if self._spoil_index():
                return True
            if time.monotonic() > limit:
                return False
            time.sleep(_POLL_S)

    def _spoil_index(self) -> bool:
        if self._index < 0:
            with suppress(FileNotFoundError):
                self._index = os.open(f"{self._path}-shm", os.O_RDWR)
        if self._index < 0 or not _lock(self._index, _WAL_OPEN, 1, fcntl.LOCK_SH):
            return False
        if not _lock(self._index, _WAL_WRITERS, _WAL_WRITERS_LENGTH):
            return False
        try:
            header = os.pread(self._index, 2 * _WAL_HEADER, 0)
            if not _is_sound(header):
                return False
            os.pwrite(self._index, _of_unknown_version(header), 0)
            self._header = header
            return True
        finally:
            _unlock(self._index, _WAL_WRITERS, _WAL_WRITERS_LENGTH)

    def _is_quiet(self, limit: float) -> bool:
        """Wait until nobody is in a transaction that was begun before."""
        if self._header:
            descriptor, start, length = self._index, _WAL_READERS, _WAL_READERS_LENGTH
        else:
            descriptor, start, length = self._file, _READERS, _READERS_LENGTH
        while not _lock(descriptor, start, length):
            if time.monotonic() > limit:
                return False
            time.sleep(_POLL_S)
        _unlock(descriptor, start, length)
        return True


def _lock(descriptor: int, start: int, length: int, kind: int = fcntl.LOCK_EX) -> bool:
    try:
        fcntl.lockf(descriptor, kind | fcntl.LOCK_NB, length, start)
    except (BlockingIOError, PermissionError):
        return False
    return True


def _unlock(descriptor: int, start: int, length: int) -> None:
    fcntl.lockf(descriptor, fcntl.LOCK_UN, length, start)


def _is_sound(header: bytes) -> bool:
    """Whether both copies of a wal-index header are the same and whole, so that nobody is about to repair it."""
    first, second = header[:_WAL_HEADER], header[_WAL_HEADER:]
    return len(header) == 2 * _WAL_HEADER and first == second and first[40:] == _checksum(first[:40])


def _of_unknown_version(header: bytes) -> bytes:
    fields = struct.pack("=I", _UNKNOWN_VERSION) + header[4:40]
    return (fields + _checksum(fields)) * 2


def _checksum(fields: bytes) -> bytes:
    """The wal-index's checksum, in the machine's own byte order."""
    one = two = 0
    for left, right in struct.iter_unpack("=II", fields):
        one = (one + left + two) & 0xFFFFFFFF
        two = (two + right + one) & 0xFFFFFFFF
    return struct.pack("=II", one, two)
