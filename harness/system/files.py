"""The one way a file of the user's is read: a regular file of bearable size, or one message; it never hangs.

A device or a pipe is refused before it is opened for good, a loop of links is told and not taken for nothing, and so is
what may not be read. What stands in the files is not judged here.
"""

from __future__ import annotations

import errno
import os
import stat
from fnmatch import fnmatchcase
from pathlib import Path

from harness.errors import ConfigError

__all__ = ["LARGEST", "files_in", "read_file", "shown_path", "there"]

#: The most a file may have, in bytes, where nothing else is said.
LARGEST = 10_000_000
#: What the system calls the things that are no regular files, for messages.
_KINDS = (
    (stat.S_ISDIR, "a folder"),
    (stat.S_ISFIFO, "a pipe"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
)
_ABSENT = frozenset({errno.ENOENT, errno.ENOTDIR})


def shown_path(path: Path, root: Path) -> str:
    """A path as the user would type it: below the project where it is."""
    return str(path.relative_to(root)) if path.is_relative_to(root) else str(path)


def there(path: Path, shown: str = "") -> bool:
    """Whether anything is at `path`, links followed.

    Args:
        shown: the path as the user would type it.

    Raises:
        ConfigError: when that cannot be said: the links lead round in a circle, or a folder may not be entered.
    """
    return _state(path, shown or str(path)) is not None


def read_file(path: Path, shown: str = "", *, limit: int = LARGEST, piped: bool = False) -> bytes:
    """Read a file of the user's.

    Args:
        shown: the path as the user would type it; its name by default.
        limit: the most it may have, in bytes.
        piped: whether a pipe is fine, because somebody is known to write into it.

    Raises:
        ConfigError: when it is not there, is no regular file, is too large, or may not be read.
    """
    shown = shown or path.name
    found = _state(path, shown)
    if found is None:
        raise ConfigError(shown, "", "there is no such file.")
    if not (piped and stat.S_ISFIFO(found.st_mode)):
        _refuse_special(found, shown)
        piped = False
    try:
        # Without waiting: between the look and the opening it may have become a pipe nobody writes to.
        flags = os.O_RDONLY | os.O_CLOEXEC | (0 if piped else os.O_NONBLOCK)
        with os.fdopen(os.open(path, flags), "rb") as file:
            if not piped:
                _refuse_special(os.fstat(file.fileno()), shown)
            content = file.read(limit + 1)
    except OSError as error:
        raise ConfigError(shown, "", f"cannot be read: {error.strerror}.") from None
    if len(content) > limit:
        size = max(found.st_size, len(content))
        raise ConfigError(shown, "", f"is too large: {size / 1e6:.1f} MB, the limit is {limit / 1e6:g} MB.")
    return content


def files_in(folder: Path, pattern: str, shown: str = "") -> list[Path]:
    """Files of a folder (not of those below) whose name fits, by name; none where there is no such folder.

    Args:
        pattern: such as `*.toml`.
        shown: the folder as the user would type it.

    Raises:
        ConfigError: when the folder is none, may not be read, or holds something of that name that is no file.
    """
    shown = shown or str(folder)
    found = _state(folder, shown)
    if found is None:
        return []
    if not stat.S_ISDIR(found.st_mode):
        raise ConfigError(shown, "", "is a file; a folder was expected.")
    try:
        names = sorted(n for n in os.listdir(folder) if fnmatchcase(n, pattern))  # noqa: PTH208 - names are all it takes
    except OSError as error:
        raise ConfigError(shown, "", f"cannot be read: {error.strerror}.") from None
    for name in names:
        one = _state(folder / name, f"{shown}/{name}")
        if one is not None:
            _refuse_special(one, f"{shown}/{name}")
    return [folder / name for name in names]


def _state(path: Path, shown: str) -> os.stat_result | None:
    try:
        return path.stat()
    except OSError as error:
        if error.errno in _ABSENT:
            return None
        if error.errno == errno.ELOOP:
            raise ConfigError(shown, "", "is a link that leads round in a circle.") from None
        raise ConfigError(shown, "", f"cannot be read: {error.strerror}.") from None
    except ValueError as error:  # a null byte in it
        raise ConfigError(shown, "", f"is no path: {error}.") from None


def _refuse_special(found: os.stat_result, shown: str) -> None:
    if not stat.S_ISREG(found.st_mode):
        kind = next((word for test, word in _KINDS if test(found.st_mode)), "something else")
        raise ConfigError(shown, "", f"is {kind}; a regular file was expected.")
