"""Payments: charges and refunds through the psp, each once however often it is asked."""

__all__: list[str] = []
