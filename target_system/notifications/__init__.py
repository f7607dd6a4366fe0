"""Notifications: tells customers what happened to their orders, from events. It asks no other service anything."""

__all__: list[str] = []
