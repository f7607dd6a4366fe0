"""Compatibility of two versions of a document: what changed, and whom that can break. Documents are read elsewhere."""

from harness.contracts.compat.asyncapi import compare_asyncapi
from harness.contracts.compat.catalogue import RULES
from harness.contracts.compat.changes import Change, Comparison, Level, Part, PartKind
from harness.contracts.compat.openapi import compare_openapi
from harness.contracts.compat.rules import Direction, Rule

__all__ = [
    "RULES",
    "Change",
    "Comparison",
    "Direction",
    "Level",
    "Part",
    "PartKind",
    "Rule",
    "compare_asyncapi",
    "compare_openapi",
]
