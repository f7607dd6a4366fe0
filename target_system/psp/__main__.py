"""Runs the psp: `python -m target_system.psp`."""

from target_system.kit.app import serve
from target_system.psp.app import build

if __name__ == "__main__":
    serve("psp", build)
