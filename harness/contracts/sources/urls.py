"""One pact behind a URL."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from http import HTTPStatus

import anyio

from harness.contracts.pacts import PactError, pact_from_json
from harness.contracts.sources.model import Contracts, UnreadablePact
from harness.contracts.sources.web import Web, shown
from harness.errors import InfrastructureError, UsageError

__all__ = ["UrlSource"]


@dataclass(frozen=True, slots=True)
class UrlSource:
    """A pact file that a web server hands out.

    Args:
        authorization: value of the `Authorization` header; empty for none.
        also: hosts that redirects may lead to besides, as `runtime.allow_targets` has them.
    """

    url: str
    authorization: str = field(default="", repr=False)
    also: Sequence[str] = ()

    @property
    def name(self) -> str:
        """The URL, without what may be secret in it."""
        return shown(self.url)

    def contracts(self) -> Contracts:
        """Get it.

        Raises:
            UsageError: when the server says that there is nothing for us.
            InfrastructureError: when it cannot be reached or fails.
        """
        answer = anyio.run(Web(self.url, self.authorization, also=self.also).get, self.url)
        if answer.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            raise InfrastructureError(f"the pact at {self.name} cannot be had: its server answered {answer.status}")
        if answer.status in {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}:
            raise UsageError(
                f"the pact at {self.name} is not for us: its server answered {answer.status}. "
                "Name the environment variable with the Authorization header in contracts.authorization_env."
            )
        if answer.status != HTTPStatus.OK:
            raise UsageError(f"there is no pact at {self.name}: its server answered {answer.status}")
        try:
            pact = pact_from_json(answer.json())
        except PactError as error:
            return Contracts((), (UnreadablePact(self.name, str(error)),))
        except ValueError as error:
            return Contracts((), (UnreadablePact(self.name, str(error)),))
        return Contracts((replace(pact, origin=self.name),))
