"""Runs payments: `python -m target_system.payments`."""

from target_system.kit.app import serve
from target_system.payments.app import build

if __name__ == "__main__":
    serve("payments", build)
