"""Runs the inventory service."""

from target_system.inventory.app import build
from target_system.kit.app import serve

serve("inventory", build)
