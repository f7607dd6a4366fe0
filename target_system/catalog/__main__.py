"""Runs the catalog service."""

from target_system.catalog.app import build
from target_system.kit.app import serve

serve("catalog", build)
