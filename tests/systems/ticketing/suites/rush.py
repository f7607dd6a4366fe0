"""The minutes after tickets go on sale. A locustfile."""

from pathlib import Path

from harness.load.locust import ArrivalUser
from harness.system.journeys import load_journeys


class Visitor(ArrivalUser):
    """Walks the journeys."""

    journeys = load_journeys(Path(__file__).with_name("journeys.py"))
    rate = 8
