"""Load: arrivals on a schedule, driven by Locust, with latencies that do not hide a stall.

The Locust plugin is `harness.load.locust`; it is not imported here, because importing Locust monkey-patches the process.
"""

from harness.load.result import JourneyLoad, Latency, LoadResult

__all__ = ["JourneyLoad", "Latency", "LoadResult"]
