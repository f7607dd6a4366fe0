"""The gateway: the shop's public entry. It checks who calls and composes answers; it owns no data."""

__all__: list[str] = []
