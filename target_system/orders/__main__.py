"""Runs orders: `python -m target_system.orders`."""

from target_system.kit.app import serve
from target_system.orders.app import build

if __name__ == "__main__":
    serve("orders", build)
