"""What a service reads from its environment, once, at start. Nothing else in the shop reads the environment."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from target_system.kit.policy import Policy

__all__ = ["Settings"]


@dataclass(frozen=True, slots=True)
class Settings:
    """The surroundings of one service.

    Args:
        service: name of the service, also the name of its default SQLite file.
        port: listen port on `host`.
        database_url: SQLAlchemy URL with an async driver.
        test_profile: whether the provider-state and message routes are there.
        max_in_flight: requests served at once before the service sheds load.
        event_sinks: URLs to which the outbox pushes its events.
        admin_token: what `X-Admin-Token` must carry on the admin routes.
        environment: the variables all of this was read from.
    """

    service: str
    host: str = "127.0.0.1"
    port: int = 8000
    database_url: str = "sqlite+aiosqlite:///:memory:"
    test_profile: bool = False
    max_in_flight: int = 128
    event_sinks: tuple[str, ...] = ()
    admin_token: str = "development"
    environment: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def read(cls, service: str, environment: Mapping[str, str] | None = None) -> "Settings":
        """Read the settings of `service` from `environment` (default: the process's own)."""
        env = dict(os.environ if environment is None else environment)
        return cls(
            service=service,
            host=env.get("HOST", "127.0.0.1"),
            port=int(env.get("PORT", "8000")),
            database_url=env.get("DATABASE_URL") or f"sqlite+aiosqlite:///{Path('.data', service)}.db",
            test_profile=env.get("PROFILE") == "test",
            max_in_flight=int(env.get("MAX_IN_FLIGHT", "128")),
            event_sinks=_event_sinks(env),
            admin_token=env.get("ADMIN_TOKEN", "development"),
            environment=env,
        )

    def text(self, name: str, default: str = "") -> str:
        """Return the variable `name`, or `default`."""
        return self.environment.get(name, default)

    def integer(self, name: str, default: int) -> int:
        """Return the variable `name` as an integer, or `default`."""
        return int(self.environment.get(name, default))

    def neighbour_url(self, neighbour: str) -> str:
        """Return where `neighbour` is (`PAYMENTS_URL` for payments), or an empty string when nobody said."""
        return self.text(f"{neighbour.upper()}_URL")

    def policy(self, neighbour: str, default: Policy) -> Policy:
        """Return `default` with what the environment says otherwise, e.g. `PAYMENTS_BUDGET_MS`, `PAYMENTS_ATTEMPTS`."""
        prefix = neighbour.upper()
        return replace(
            default,
            budget=self.integer(f"{prefix}_BUDGET_MS", round(default.budget * 1000)) / 1000,
            attempts=self.integer(f"{prefix}_ATTEMPTS", default.attempts),
            concurrency=self.integer(f"{prefix}_CONCURRENCY", default.concurrency),
            failures_to_open=self.integer(f"{prefix}_BREAKER_FAILURES", default.failures_to_open),
            open_for=self.integer(f"{prefix}_BREAKER_OPEN_MS", round(default.open_for * 1000)) / 1000,
        )


def _event_sinks(env: Mapping[str, str]) -> tuple[str, ...]:
    if sinks := env.get("EVENT_SINKS"):
        return tuple(url.strip() for url in sinks.split(",") if url.strip())
    notifications = env.get("NOTIFICATIONS_URL")
    return (f"{notifications.rstrip('/')}/events",) if notifications else ()
