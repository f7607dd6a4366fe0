"""The payment service provider: a stand-in for a third party the team does not control."""

__all__: list[str] = []
