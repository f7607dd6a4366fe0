"""Contracts in files: one file, a folder, or a glob. Nothing here uses the network."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from harness.contracts.pacts import Pact, PactError, read_pact
from harness.contracts.sources.model import Contracts, UnreadablePact
from harness.errors import UsageError, did_you_mean

__all__ = ["FolderSource", "PathSource", "overlooked"]

_GLOB = frozenset("*?[")
_MAX_FILES = 10_000


@dataclass(frozen=True, slots=True)
class FolderSource:
    """The `*.json` files of one folder (not of the folders in it).

    Args:
        folder: need not exist.
        root: file names in messages are relative to this.
    """

    folder: Path
    root: Path

    @property
    def name(self) -> str:
        """The folder, as the user would type it."""
        return _relative(self.folder, self.root)

    def contracts(self) -> Contracts:
        """Read every file."""
        return _read(sorted(self.folder.glob("*.json")), self.root)


@dataclass(frozen=True, slots=True)
class PathSource:
    """What a user wrote down as a source: a file, a folder, or a glob in which `**` is any number of folders.

    Args:
        written: as in `harness.toml`, relative to `root`.
    """

    written: str
    root: Path

    @property
    def name(self) -> str:
        """As it was written."""
        return self.written

    def contracts(self) -> Contracts:
        """Read every file it names.

        Raises:
            UsageError: when it names nothing: a source that is asked for and holds nothing hides contracts.
        """
        if _GLOB & set(self.written):
            return _read(self._matching(), self.root)
        path = self.root / self.written
        if path.is_dir():
            files = sorted(path.glob("*.json"))
            if not files:
                raise UsageError(f'contracts.sources: the folder "{self.written}" holds no *.json file')
            return _read(files, self.root)
        if not path.is_file():
            beside = [str(p.relative_to(self.root)) for p in path.parent.glob("*")] if _below(path, self.root) else []
            raise UsageError(
                f'contracts.sources: there is no file or folder "{self.written}" beside harness.toml.'
                f"{did_you_mean(self.written, beside)}"
            )
        return _read([path], self.root)

    def _matching(self) -> list[Path]:
        pattern, start = Path(self.written), self.root
        if pattern.is_absolute():
            pattern, start = pattern.relative_to(pattern.anchor), Path(pattern.anchor)
        found: list[Path] = []
        try:
            for file in start.glob(str(pattern)):
                if file.is_file():
                    found.append(file)
                if len(found) > _MAX_FILES:
                    raise UsageError(f'contracts.sources: "{self.written}" fits more than {_MAX_FILES} files')
        except (ValueError, NotImplementedError) as error:
            raise UsageError(f'contracts.sources: "{self.written}" is no glob: {error}') from None
        if not found:
            raise UsageError(f'contracts.sources: "{self.written}" fits no file')
        return sorted(found)


def overlooked(folder: Path, root: Path) -> tuple[str, ...]:
    """Pacts of a folder that a `FolderSource` does not read: in a folder below it, or with an ending like `.JSON`.

    Returns:
        Their names relative to `root`, sorted.
    """
    there = [f for f in folder.rglob("*") if f.suffix.lower() == ".json" and f.is_file()]
    unread = [f for f in there if f.parent != folder or f.suffix != ".json"]
    return tuple(sorted(_relative(f, root) for f in unread if _is_pact(f)))


def _is_pact(file: Path) -> bool:
    try:
        read_pact(file)
    except PactError:
        return False
    return True


def _read(files: Iterable[Path], root: Path) -> Contracts:
    pacts: list[Pact] = []
    unreadable: list[UnreadablePact] = []
    for file in files:
        try:
            pacts.append(read_pact(file))
        except PactError as error:
            unreadable.append(UnreadablePact(_relative(file, root), str(error)))
    return Contracts(tuple(pacts), tuple(unreadable))


def _relative(path: Path, root: Path) -> str:
    return str(path.relative_to(root)) if path.is_relative_to(root) else str(path)


def _below(path: Path, root: Path) -> bool:
    return path.is_relative_to(root) and path.parent.is_dir()
