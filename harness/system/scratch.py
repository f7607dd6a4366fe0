"""Private folders for temporary things, locked while their owner lives, and the sweep that removes what dead owners left.

The lock is flock(2): the kernel lets go of it when the last process that holds it is gone, however it went. No pid is looked
at (it may be somebody else's by now) and no clock. The folder for temporary files belongs to everybody: nothing there is
followed, and only what is a folder of this user's and of nobody else's business (mode 0700) is removed.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

__all__ = ["PREFIXES", "is_this", "lock", "private_folder", "sweep"]

#: How the names of our private folders begin: a system that is kept up, pacts and scenarios with credentials that work,
#: documents on their way to a baseline, a run whose project's folder cannot be written.
PREFIXES = ("harness-up-", "harness-pacts-", "harness-scenarios-", "harness-baseline-", "harness-run-")
#: How they end: earlier versions made folders of such names that nobody locks, and may be at work beside this one.
_LOCKED = ".locked"
#: In a folder that outlives its owner: it holds evidence somebody was told about.
_KEPT = ".kept"
_ATTEMPTS = 20


def lock(descriptor: int) -> bool:
    """Take the lock on an open file or folder, without waiting; it is held until every copy of `descriptor` is closed.

    Returns:
        False when somebody else holds it.

    Raises:
        OSError: where the file system knows no such locks.
    """
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def is_this(path: Path, descriptor: int) -> bool:
    """Whether `path` still names what `descriptor` has open; somebody may have removed it before the lock was had."""
    try:
        return os.path.samestat(path.stat(follow_symlinks=False), os.fstat(descriptor))
    except FileNotFoundError:
        return False


@contextmanager
def private_folder(prefix: str, *, keep: bool = False) -> Iterator[Path]:
    """A folder of mode 0700 that is gone when the block ends; after a kill, the next `sweep` removes it.

    Args:
        prefix: one of `PREFIXES`.
        keep: leave it when the block ends, and have every sweep pass it by.

    Raises:
        OSError: when there is no room for one.
    """
    if prefix not in PREFIXES:
        raise ValueError(f"no sweep would find {prefix!r}")
    folder, descriptor = _claim(prefix)
    try:
        yield folder
    finally:
        if keep:
            with suppress(OSError):
                (folder / _KEPT).touch(mode=0o600)
        else:
            shutil.rmtree(folder, ignore_errors=True)
        os.close(descriptor)


def _claim(prefix: str) -> tuple[Path, int]:
    """Make a folder and hold its lock; again, when a sweep was quicker than the lock."""
    for _ in range(_ATTEMPTS):
        folder = Path(tempfile.mkdtemp(prefix=prefix, suffix=_LOCKED))  # mode 0700, a name nobody had
        with suppress(FileNotFoundError):
            descriptor = _open_folder(folder)
            with suppress(OSError):  # where there are no locks no sweep gets one either
                if not lock(descriptor):
                    os.close(descriptor)
                    continue
            if is_this(folder, descriptor):
                return folder, descriptor
            os.close(descriptor)
    raise FileNotFoundError(f"every {prefix}* folder in {tempfile.gettempdir()} vanishes as soon as it is made")


def sweep() -> list[Path]:
    """Remove the private folders of this user whose owner is gone; whatever else bears such a name is not touched.

    Returns:
        What was removed.
    """
    try:
        with os.scandir(tempfile.gettempdir()) as entries:
            found = [Path(e.path) for e in entries if e.name.startswith(PREFIXES) and e.name.endswith(_LOCKED)]
    except OSError:
        return []
    return [folder for folder in found if _removed(folder)]


def _removed(folder: Path) -> bool:
    with suppress(OSError):  # a link, a file, somebody else's, a file system without locks: not ours to judge
        descriptor = _open_folder(folder)
        try:
            about = os.fstat(descriptor)
            private = about.st_uid == os.geteuid() and stat.S_IMODE(about.st_mode) == stat.S_IRWXU
            if private and lock(descriptor) and is_this(folder, descriptor) and not (folder / _KEPT).exists():
                shutil.rmtree(folder)
                return True
        finally:
            os.close(descriptor)
    return False


def _open_folder(folder: Path) -> int:
    return os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
