"""Running a consumer test again with other answers than its contract's examples; nothing here decides what is published."""

__all__: list[str] = []
