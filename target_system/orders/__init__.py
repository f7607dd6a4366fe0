"""Orders: takes orders and sees each one through (reserve, charge, commit), or undoes it."""

__all__: list[str] = []
