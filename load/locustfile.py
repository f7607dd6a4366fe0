"""The record shop under load; the same with or without the harness:

    locust -f load/locustfile.py --headless --host http://127.0.0.1:8000 --run-time 30s --arrival-rate 10 \
        --entry gateway --base-urls catalog=http://127.0.0.1:8001,orders=...,inventory=...

Without `--base-urls` only journeys that stay with the gateway can be walked: `SHOP_JOURNEYS=browse,place_order` picks some.
"""

import os
from pathlib import Path

from harness.load.locust import ArrivalUser
from harness.system.journeys import load_journeys

_JOURNEYS = Path(__file__).parents[1] / "synthetic" / "journeys.py"
_PICKED = tuple(name for name in os.environ.get("SHOP_JOURNEYS", "").split(",") if name)


class Customer(ArrivalUser):
    """Walks the shop's journeys, each as often as its weight says."""

    journeys = load_journeys(_JOURNEYS, _PICKED)
    rate = 10
