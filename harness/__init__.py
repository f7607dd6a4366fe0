"""Evidence for releasing one microservice alone: contracts, fuzzing, load, faults and synthetic checks, one verdict."""

__all__ = ["__version__"]


def __getattr__(name: str) -> str:
    """`__version__`, read when it is asked for: what reads it is slow, and most processes have no use for it."""
    if name != "__version__":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("release-harness")
    except PackageNotFoundError:  # a source tree on the path, never installed
        return "0+unknown"
