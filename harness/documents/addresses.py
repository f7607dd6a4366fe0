"""Documents by address, for commands that take two of them: a file, a URL, or a file in a revision of git.

`$ref` to other files is followed and brought into the one document; what a document means is read elsewhere.
"""

from __future__ import annotations

import posixpath
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote, urljoin, urlsplit

from harness.documents.nodes import Node, escape
from harness.documents.reading import DocumentError, DocumentKind, decode, download, parse_any
from harness.documents.swagger import convert
from harness.errors import ConfigError, UsageError
from harness.system.files import read_file

__all__ = ["Located", "check_references", "read_document"]

_MAX_BYTES = 50_000_000
_GIT_S = 20.0
_MAX_FILES = 500
#: What a shell calls the other end of a pipe: somebody writes there.
_PIPES = ("/dev/fd/", "/dev/stdin", "/proc/self/fd/")
_BROUGHT = "x-brought-in"
#: What stands under these keys is data, in which `$ref` is a word like another.
_DATA = frozenset({"const", "default", "enum", "example", "examples"})
_NAMES = frozenset({"$defs", "definitions", "patternProperties", "properties", "schemas"})


@dataclass(frozen=True, slots=True)
class Located:
    """A document and where it was.

    Args:
        address: as the user typed it.
        converted: whether it is Swagger 2 and `content` is what was made of it.
    """

    address: str
    kind: DocumentKind
    content: dict[str, Any]
    converted: bool = False


def read_document(address: str, *, remote_refs: bool = False, max_bytes: int = _MAX_BYTES) -> Located:
    """Read a document, Swagger 2 made OpenAPI 3.0, every reference to another file brought in.

    Args:
        address: a path, an `http(s)` URL, or `git:REVISION:PATH` with the path from the root of the repository.
        remote_refs: whether references to URLs may be followed, when the document is no URL of the same host itself.
        max_bytes: the most one file may have.

    Raises:
        UsageError: when it cannot be read, is no such document, or refers to something that is not there.
    """
    try:
        raw = _read(address, max_bytes)
        kind, content = parse_any(raw)
    except DocumentError as error:
        raise UsageError(f"{address} {error}") from None
    whole = _Bundle(address, content, remote_refs=remote_refs, max_bytes=max_bytes).whole()
    if "swagger" in whole:
        return Located(address, kind, convert(whole), converted=True)
    return Located(address, kind, whole)


def check_references(located: Located) -> None:
    """Make sure that every `$ref` leads somewhere: what it leaves out would pass for a document that allows anything.

    Raises:
        UsageError: naming the references that lead nowhere.
    """
    root = Node(located.content, located.content)
    missing = sorted(ref for ref in _references(located.content) if not root.target(ref).exists)
    if missing:
        more = f", and {len(missing) - 3} more" if len(missing) > 3 else ""
        raise UsageError(
            f"{located.address} refers to {', '.join(missing[:3])}{more}, and there is no such place in it"
        )


def _references(document: Any) -> set[str]:
    found: set[str] = set()
    todo = [(document, False)]
    while todo:
        value, names = todo.pop()
        if isinstance(value, list):
            todo += [(item, False) for item in value]
        elif isinstance(value, dict):
            if isinstance(value.get("$ref"), str) and not names:
                found.add(value["$ref"])
            todo += [(item, key in _NAMES and not names) for key, item in value.items() if names or key not in _DATA]
    return found


def _read(address: str, max_bytes: int) -> bytes:
    if address.startswith("git:"):
        return _from_git(address, max_bytes)
    if "://" in address:
        if address.partition("://")[0].lower() not in {"http", "https"}:
            raise DocumentError("cannot be read: only http and https addresses are")
        return download(address, max_bytes)
    file = Path(address)
    try:
        return read_file(file, limit=max_bytes, piped=address.startswith(_PIPES))
    except ConfigError as error:
        problem = error.problem.rstrip(".")
        raise DocumentError(problem if problem.startswith("is ") else f"cannot be read: {problem}") from None


def _too_large(size: int, limit: int) -> str:
    return f"is too large: {size / 1e6:.1f} MB, the limit is {limit / 1e6:g} MB"


def _from_git(address: str, max_bytes: int) -> bytes:
    _, _, rest = address.partition(":")
    revision, colon, path = rest.partition(":")
    if not colon or not revision or not path or revision.startswith("-"):
        raise DocumentError("is no address in git; write git:REVISION:PATH, such as git:HEAD~1:api/openapi.json")
    said = _git("cat-file", "-s", f"{revision}:{path}")
    if said.isdigit() and int(said) > max_bytes:
        raise DocumentError(_too_large(int(said), max_bytes))
    return _git("show", f"{revision}:{path}")


def _git(*arguments: str) -> bytes:
    try:
        done = subprocess.run(["git", *arguments], capture_output=True, check=False, timeout=_GIT_S)
    except FileNotFoundError:
        raise DocumentError("cannot be read: git is not installed") from None
    except subprocess.TimeoutExpired:
        raise DocumentError(f"cannot be read: git did not answer within {_GIT_S:g} s") from None
    if done.returncode != 0:
        said = done.stderr.decode(errors="replace").strip().splitlines()
        raise DocumentError(f"cannot be read: git says {said[-1].removeprefix('fatal: ') if said else 'nothing'}")
    return done.stdout.strip() if arguments[0] == "cat-file" else done.stdout


class _Bundle:
    """Brings what a document refers to in other files into it, each file once."""

    def __init__(self, address: str, content: dict[str, Any], *, remote_refs: bool, max_bytes: int) -> None:
        self._address, self._content = address, content
        self._remote, self._max_bytes = remote_refs, max_bytes
        self._brought: dict[str, Any] = {}

    def whole(self) -> dict[str, Any]:
        """The document with everything it refers to; the very same object when it refers to nothing outside."""
        self._rewrite(self._content, self._address, lambda pointer: f"#{pointer}")
        if self._brought:
            self._content[_BROUGHT] = self._brought
        return self._content

    def _rewrite(self, value: Any, base: str, local: Callable[[str], str]) -> None:
        todo = [value]
        while todo:
            item = todo.pop()
            if isinstance(item, list):
                todo += item
            elif isinstance(item, dict):
                ref = item.get("$ref")
                if isinstance(ref, str):
                    item["$ref"] = self._followed(ref, base, local)
                todo += item.values()

    def _followed(self, ref: str, base: str, local: Callable[[str], str]) -> str:
        address, _, pointer = ref.partition("#")
        if not address:
            return local(pointer)
        target = self._target(address, base, ref)
        if target == self._address:
            return f"#{pointer}"
        if target not in self._brought:
            self._bring(target, ref)
        return f"#{_place(target)}{pointer}"

    def _bring(self, target: str, ref: str) -> None:
        if len(self._brought) >= _MAX_FILES:
            raise UsageError(f"{self._address} refers to more than {_MAX_FILES} other files")
        try:
            content = decode(_read(target, self._max_bytes))
        except DocumentError as error:
            raise UsageError(f"{self._address} refers to {ref}, but {target} {error}") from None
        self._brought[target] = content
        prefix = f"#{_place(target)}"
        self._rewrite(content, target, lambda pointer: f"{prefix}{pointer}")

    def _target(self, address: str, base: str, ref: str) -> str:
        """Where a reference leads, seen from the file it stands in."""
        if "://" in base:
            target = urljoin(base, address)
        elif "://" in address:
            target = address
        elif base.startswith("git:"):
            revision, _, path = base.removeprefix("git:").partition(":")
            return f"git:{revision}:{posixpath.normpath(posixpath.join(posixpath.dirname(path), unquote(address)))}"
        else:
            return posixpath.normpath(Path(base).parent / unquote(address))
        if not self._remote and not _same_host(target, self._address):
            raise UsageError(
                f"{self._address} refers to {ref}, which is on the network; it is only followed with --allow-remote-refs"
            )
        return target


def _place(target: str) -> str:
    """The pointer to a file that was brought in, as it is written in a URI (RFC 6901, section 6)."""
    return f"/{_BROUGHT}/{quote(escape(target), safe=':@')}"


def _same_host(one: str, other: str) -> bool:
    return "://" in other and urlsplit(one)[:2] == urlsplit(other)[:2]
