"""How often one client may call: a token bucket per client; who the client is, is decided elsewhere."""

import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

__all__ = ["RateLimiter"]


@dataclass(slots=True)
class _Bucket:
    tokens: float
    filled_at: float


class RateLimiter:
    """Token buckets, one per client: ``rate`` tokens a second flow in, up to ``burst``; each request takes one.

    Args:
        rate: Requests per second a client may make in the long run; greater than 0.
        burst: Requests it may make at once after a pause.
        max_clients: Clients remembered; the one that called longest ago is forgotten first, so that memory is bounded
            however many addresses call.
        clock: Monotonic time in seconds.
    """

    def __init__(
        self, rate: float, burst: float, *, max_clients: int = 10_000, clock: Callable[[], float] = time.monotonic
    ) -> None:
        if rate <= 0:
            raise ValueError(f"a rate limit of {rate} requests a second would let nobody in")
        self._rate = rate
        self._burst = max(burst, 1.0)
        self._max_clients = max_clients
        self._clock = clock
        self._buckets: OrderedDict[str, _Bucket] = OrderedDict()

    def take(self, client: str) -> float:
        """Take a token for one request.

        Returns:
            0 when the request may go on, else the seconds until the next token.
        """
        now = self._clock()
        bucket = self._buckets.pop(client, None) or _Bucket(self._burst, now)
        self._buckets[client] = bucket
        if len(self._buckets) > self._max_clients:
            self._buckets.popitem(last=False)
        bucket.tokens = min(self._burst, bucket.tokens + (now - bucket.filled_at) * self._rate)
        bucket.filled_at = now
        if bucket.tokens >= 1.0:
            bucket.tokens -= 1.0
            return 0.0
        return (1.0 - bucket.tokens) / self._rate
