"""A circuit breaker for one neighbour. What counts as a failure is decided by the caller in `client.py`.

Not purgatory's: its half-open state lets every waiting request through instead of one probe, and it has no way to be
held open or closed by hand (checked with 3.0.1).
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import StrEnum

from target_system.kit.metrics import BREAKER_STATE

__all__ = ["Breaker", "BreakerOpen", "Force", "State"]


class State(StrEnum):
    """What the breaker does with the next call: passes it, refuses it, or passes one as a probe."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"


class Force(StrEnum):
    """What somebody decided by hand; `auto` leaves it to the breaker."""

    OPEN = "open"
    CLOSED = "closed"
    AUTO = "auto"


class BreakerOpen(Exception):  # noqa: N818 - named after the state, as in the literature
    """The call was refused without being sent."""


class Breaker:
    """Opens after `failures_to_open` failures in a row, then lets one probe through every `open_for` seconds."""

    def __init__(
        self, name: str, failures_to_open: int, open_for: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.name = name
        self.forced = Force.AUTO
        self._failures_to_open = failures_to_open
        self._open_for = open_for
        self._clock = clock
        self._failures = 0
        self._opened_at: float | None = None
        self._probing = False
        self._publish()

    @property
    def state(self) -> State:
        """The state the next call will meet."""
        if self.forced is not Force.AUTO:
            return State.OPEN if self.forced is Force.OPEN else State.CLOSED
        if self._opened_at is None:
            return State.CLOSED
        return State.HALF_OPEN if self._clock() - self._opened_at >= self._open_for else State.OPEN

    def force(self, force: Force) -> None:
        """Hold the breaker open or closed, or give it back to itself (closed, with a clean record)."""
        self.forced = force
        if force is Force.AUTO:
            self.succeeded()
        self._publish()

    @contextmanager
    def admit(self) -> Iterator[None]:
        """Let one attempt through; the block reports with `succeeded` or `failed`.

        Raises:
            BreakerOpen: the breaker is open, or half open with its probe still under way.
        """
        state = self.state
        if state is State.OPEN or (state is State.HALF_OPEN and self._probing):
            raise BreakerOpen(self.name)
        if state is State.CLOSED:
            yield
            return
        self._probing = True
        self._publish()
        try:
            yield
        finally:
            self._probing = False

    def succeeded(self) -> None:
        """Note that the neighbour answered as it should."""
        self._failures = 0
        self._opened_at = None
        self._publish()

    def failed(self) -> None:
        """Note that the neighbour failed; enough of these in a row, or one probe, open the breaker."""
        self._failures += 1
        if self._opened_at is not None or self._failures >= self._failures_to_open:
            self._opened_at = self._clock()
        self._publish()

    def _publish(self) -> None:
        BREAKER_STATE.labels(self.name).set({State.CLOSED: 0, State.HALF_OPEN: 0.5, State.OPEN: 1}[self.state])
