"""What the consumer tests share: an async backend, patience, and how the shop writes problems."""

import pytest
from pact import match

from target_system.kit.policy import Policy

#: The tests are about what is said, not how fast; a client's own budget could run out on a busy machine.
PATIENT = Policy(budget=10, attempts=1)


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


def problem(slug: str) -> tuple[dict[str, object], str]:
    """Body and media type of a problem document (RFC 9457), as far as the shop's clients read it."""
    kind = f"https://record-shop.example/problems/{slug}"
    return {"type": match.regex(kind, regex=f".*/{slug}$")}, "application/problem+json"
