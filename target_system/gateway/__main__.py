"""Runs the gateway service."""

from target_system.gateway.app import build
from target_system.kit.app import serve

serve("gateway", build)
