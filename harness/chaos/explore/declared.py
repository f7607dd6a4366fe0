"""What the services of a system declare to answer: the statuses of their OpenAPI documents; reads nothing else of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import anyio
import anyio.to_thread

from harness.documents.nodes import Node
from harness.documents.operations import Found, Operations
from harness.documents.reading import Declared as Document
from harness.documents.reading import DocumentError, DocumentKind, declared, fetch, in_version_3, parse
from harness.system.model import System

__all__ = ["Declared", "Documents"]


@dataclass(frozen=True, slots=True)
class Declared:
    """The declared answers of a service; knows nothing when there is no document."""

    operations: Operations | None = None

    @classmethod
    def by(cls, document: Mapping[str, object]) -> Declared:
        """What an OpenAPI document declares."""
        return cls(Operations(Node(document, document)))

    def allows(self, method: str, path: str, status: int) -> bool | None:
        """Whether the document declares that an operation may answer so; None when it does not have the operation."""
        found = self._find(method, path)
        responses = found.operation.node.get("responses").raw if found else None
        if not isinstance(responses, Mapping):
            return None
        said = {str(s).upper() for s in responses}
        return bool({str(status), f"{status // 100}XX", "DEFAULT"} & said)

    def operation(self, method: str, path: str) -> str:
        """A name for what a call asks for, whatever its parameters; where the document does not have it, from its shape."""
        found = self._find(method, path)
        if found:
            return found.operation.name
        head, *rest = path.strip("/").split("/")
        return f"{method} /{head}{'/*' * len(rest)}"

    def _find(self, method: str, path: str) -> Found | None:
        return self.operations.find(method, path) if self.operations else None


class Documents:
    """The OpenAPI documents of a system: read from the first copy of it that runs, for all of them.

    Args:
        system: whose they are.
        root: the project's folder.
    """

    def __init__(self, system: System, root: Path) -> None:
        self._system, self._root = system, root
        self._known: dict[str, Declared] = {}
        self._reading = anyio.Lock()
        #: Why the document of a service could not be read, by the service's name.
        self.unread: dict[str, str] = {}

    async def read(self, addresses: Mapping[str, str]) -> None:
        """Read what was not read yet.

        Args:
            addresses: where the services of a copy run.
        """
        async with self._reading:
            for document in declared(self._system):
                name = document.service.name
                if document.kind is DocumentKind.OPENAPI and name not in self._known.keys() | self.unread.keys():
                    await self._read(document, addresses.get(name, ""))

    async def _read(self, document: Document, address: str) -> None:
        name = document.service.name
        try:
            also = self._system.runtime.allow_targets
            raw = await fetch(document, root=self._root, address=address, also=also)
            self._known[name] = await anyio.to_thread.run_sync(_read, raw)
        except DocumentError as error:
            self.unread[name] = str(error)

    def of(self, service: str) -> Declared:
        """What a service declares; nothing, where it has no document or that cannot be read."""
        return self._known.get(service, Declared())


def _read(raw: bytes) -> Declared:
    return Declared.by(in_version_3(parse(raw, DocumentKind.OPENAPI)))
