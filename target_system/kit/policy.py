"""What a caller promises about one edge: time, attempts, concurrency. Numbers only; `client.py` keeps them."""

from dataclasses import dataclass

__all__ = ["Policy"]


@dataclass(frozen=True, slots=True)
class Policy:
    """The resilience contract of one edge, as the caller keeps it.

    Args:
        budget: seconds for one call from first byte to last, all attempts and pauses included.
        attempts: the most requests sent for one call; more than one only when the call is idempotent.
        concurrency: calls under way at once (the bulkhead); others wait at most `queue_for` seconds.
        failures_to_open: failed attempts in a row after which the breaker opens.
        open_for: seconds the breaker stays open before it lets one probe through.
    """

    budget: float
    attempts: int = 2
    concurrency: int = 32
    queue_for: float = 0.1
    failures_to_open: int = 5
    open_for: float = 1.0

    @property
    def pause(self) -> float:
        """The longest pause between two attempts, in seconds."""
        return min(0.05, self.budget / 20)

    def attempt_timeout(self, attempts: int) -> float:
        """Return the seconds for one of `attempts`, so that they and the pauses between them fit into the budget."""
        return (self.budget - self.pause * (attempts - 1)) / attempts
