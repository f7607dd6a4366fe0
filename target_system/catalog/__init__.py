"""The catalog: records on sale and their prices. It knows nothing of stock or customers."""

__all__: list[str] = []
