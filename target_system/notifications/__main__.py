"""Runs the notifications service."""

from target_system.kit.app import serve
from target_system.notifications.app import build

serve("notifications", build)
