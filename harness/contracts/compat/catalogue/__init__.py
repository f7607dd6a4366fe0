"""Every kind of change there is: one module for each part of a document, nothing but tables."""

from __future__ import annotations

from collections.abc import Mapping

from harness.contracts.compat.catalogue import messages, operations, schemas
from harness.contracts.compat.rules import Rule

__all__ = ["RULES"]

#: Every rule by its id.
RULES: Mapping[str, Rule] = {rule.id: rule for rule in (*schemas.RULES, *operations.RULES, *messages.RULES)}
