"""The Prometheus metrics every service has. Figures of the business are each service's own."""

from prometheus_client import CONTENT_TYPE_LATEST, Counter, Gauge, Histogram, generate_latest
from starlette.requests import Request
from starlette.responses import Response

__all__ = ["BREAKER_STATE", "NEIGHBOUR_CALLS", "REQUEST_SECONDS", "SHED", "metrics_page"]

REQUEST_SECONDS = Histogram(
    "http_request_duration_seconds",
    "Time from request to end of response.",
    ["method", "route", "status", "synthetic"],
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5),
)
SHED = Counter("http_requests_shed", "Requests refused because too many were in flight.")
NEIGHBOUR_CALLS = Counter("neighbour_attempts", "Requests sent to a neighbour.", ["neighbour", "outcome"])
BREAKER_STATE = Gauge("neighbour_breaker_open", "1 when the breaker is open, 0.5 half open, 0 closed.", ["neighbour"])


async def metrics_page(_request: Request) -> Response:
    """Return all metrics of this process in the Prometheus text format."""
    return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)
