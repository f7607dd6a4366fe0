"""The inventory: what is on the shelves and who it is promised to. It knows nothing of prices, orders or money."""

__all__: list[str] = []
