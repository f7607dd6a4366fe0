"""What `[stages.schema]`, `[stages.consumer]` and `[stages.provider]` take; reads no file."""

from __future__ import annotations

from pydantic import Field

from harness.system.config import Duration, StageSettings

__all__ = ["ConsumerSettings", "ProviderSettings", "SchemaSettings"]


class SchemaSettings(StageSettings):
    """`[stages.schema]`."""

    max_size_mb: int = Field(20, ge=1, le=200, description="A larger document is reported and not read.")
    check_limit: Duration = Field(20.0, description="The longest the checks of one document may take.")


class ConsumerSettings(StageSettings):
    """`[stages.consumer]`."""

    arguments: tuple[str, ...] = Field((), description="Further arguments for pytest, e.g. to leave tests out.")


class ProviderSettings(StageSettings):
    """`[stages.provider]`."""

    request_timeout: Duration = Field(5.0, description="The longest a provider may take to answer one request.")
