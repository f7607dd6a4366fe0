"""What `[stages.schema]`, `[stages.consumer]` and `[stages.provider]` take; reads no file."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from harness.system.fields import Duration, Line, StageSettings, Whole

__all__ = ["ConsumerSettings", "ProviderSettings", "SchemaSettings"]


class SchemaSettings(StageSettings):
    """`[stages.schema]`."""

    max_size_mb: Whole = Field(20, ge=1, le=200, description="A larger document is reported and not read.")
    check_limit: Duration = Field(
        20.0,
        description="The most processor time the checks of one document may take.",
    )
    unused: Literal["warning", "error"] = Field(
        "warning", description="What a breaking change is that hits no known consumer."
    )


class ConsumerSettings(StageSettings):
    """`[stages.consumer]`."""

    arguments: tuple[Line, ...] = Field((), description="Further arguments for pytest, e.g. to leave tests out.")
    tolerance: Whole = Field(
        10,
        ge=0,
        le=1000,
        description="Replay each passed consumer test with up to so many sets of other answers that its contract "
        "allows; 0 replays none.",
    )
    tolerance_limit: Duration = Field(
        10.0, description="The longest each process may spend on replays; tests it did not get to are named."
    )


class ProviderSettings(StageSettings):
    """`[stages.provider]`."""

    request_timeout: Duration = Field(5.0, description="The longest a provider may take to answer one request.")
    instances: Whole = Field(
        1, ge=1, le=16, description="How many copies of a provider are started to spread its interactions over."
    )
