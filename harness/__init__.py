"""Evidence for releasing one microservice alone: contracts, fuzzing, load, faults and synthetic checks, one verdict."""

from importlib.metadata import PackageNotFoundError, version

try:
    __version__ = version("release-harness")
except PackageNotFoundError:  # a source tree on the path, never installed
    __version__ = "0+unknown"

__all__ = ["__version__"]
