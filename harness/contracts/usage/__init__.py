"""Usage: which consumer uses which part of a provider's document, and whom a change concerns."""

from harness.contracts.usage.model import FieldUse, Hit, Unmatched, Use, Used
from harness.contracts.usage.usage import Usage, usage_of
from harness.contracts.usage.verdicts import Consequence, Verdicts

__all__ = ["Consequence", "FieldUse", "Hit", "Unmatched", "Usage", "Use", "Used", "Verdicts", "usage_of"]
