"""API documents: by address, of a service, as baselines; read within limits into nodes. What they mean is elsewhere."""

from typing import TYPE_CHECKING

from harness.doors import opened_when_asked

if TYPE_CHECKING:
    from harness.documents.nodes import Node
    from harness.documents.operations import Operations
    from harness.documents.reading import Declared, DocumentError, DocumentKind

__all__ = ["Declared", "DocumentError", "DocumentKind", "Node", "Operations"]

__getattr__ = opened_when_asked(
    __name__,
    {"Node": ".nodes", "Operations": ".operations"}
    | dict.fromkeys(("Declared", "DocumentError", "DocumentKind"), ".reading"),
)
