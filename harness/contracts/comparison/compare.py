"""Lays contracts over a provider's document, interaction by interaction; the provider does not run."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from harness.contracts.comparison.exchange import Exchange, exchange_of
from harness.contracts.comparison.messages import MessageCheck
from harness.contracts.comparison.reporting import Reporter
from harness.contracts.comparison.requests import RequestCheck, path_fits
from harness.contracts.comparison.responses import ResponseCheck
from harness.contracts.comparison.results import Compared, Incompatibility
from harness.contracts.comparison.routes import Route, Routes
from harness.contracts.comparison.schemas import Schemas
from harness.contracts.pacts import Interaction, InteractionKind, Pact
from harness.documents.nodes import Node

__all__ = ["Comparator", "compare_pacts"]


class Comparator:
    """Compares contracts with one document; what was worked out for one interaction serves the next.

    Args:
        document: OpenAPI 3 or AsyncAPI; Swagger 2 is converted by who reads it.
        strict_base: whether paths have to begin with the base path, as those of Swagger 2 do.
    """

    def __init__(self, document: Mapping[str, Any], *, strict_base: bool = False) -> None:
        self._root = Node(document, document)
        self._events = "asyncapi" in document
        self._schemas = Schemas(document)
        if self._events:
            self._messages = MessageCheck(self._root, self._schemas)
        else:
            self._routes = Routes(self._root, strict_base=strict_base)
            self._requests = RequestCheck(self._root, self._schemas)
            self._responses = ResponseCheck(self._schemas)

    def compare(self, pacts: Iterable[tuple[str, Pact]]) -> Compared:
        """Everything in the contracts that the document does not promise.

        Args:
            pacts: address and contract.
        """
        found: list[Incompatibility] = []
        compared = skipped = 0
        for address, pact in pacts:
            for pointer, interaction in _placed(pact):
                report = Reporter(pact, interaction, pointer, address)
                if (interaction.kind is InteractionKind.HTTP) is self._events:
                    skipped += 1
                else:
                    compared += 1
                    found += self._interaction(report)
        return Compared(compared, tuple(found), skipped, self._schemas.unresolved)

    def _interaction(self, report: Reporter) -> Iterator[Incompatibility]:
        if self._events:
            yield from self._messages.found(report)
            return
        exchange = exchange_of(report.interaction, report.pact.version)
        route = self._route(exchange)
        if route is None:
            yield self._unknown(exchange, report)
            return
        here = replace(report, method=route.operation.method.lower(), path=route.operation.path)
        yield from self._requests.found(exchange, route.operation, here)
        yield from self._responses.found(exchange, route.operation, here)

    def _route(self, exchange: Exchange) -> Route | None:
        """The operation that is meant: the most specific one whose path parameters fit.

        A request that is meant to be refused may have a path whose parameters fit nowhere.
        """
        routes = list(self._routes.find(exchange.method, exchange.path))
        fitting = next((r for r in routes if path_fits(r, self._schemas)), None)
        if fitting is None and routes and not exchange.succeeds:
            return routes[0]
        return fitting

    def _unknown(self, exchange: Exchange, report: Reporter) -> Incompatibility:
        code, where = "request.path-or-method.unknown", ("request", "path")
        name = f"{exchange.method} {exchange.path}"
        misfits = next(self._routes.find(exchange.method, exchange.path), None)
        if misfits is not None:
            path = misfits.operation.path
            text = f"{name} goes to {path}, but its path parameters do not fit"
            return report.at(code, text, where, misfits.operation.node, exchange.path)
        other = "" if exchange.path.endswith("/") else "/"
        turned = f"{exchange.path}/" if other else exchange.path.rstrip("/")
        methods = self._routes.methods(exchange.path)
        hint = f"; the path has {', '.join(methods)}" if methods else ""
        if not methods and turned and next(self._routes.find(exchange.method, turned), None) is not None:
            hint = f"; there is {turned}, {'with' if other else 'without'} a slash at the end"
        return report.at(code, f"no operation is {name}{hint}", where, self._root.here("paths"), exchange.path)


def compare_pacts(
    pacts: Iterable[Pact], document: Mapping[str, Any], *, strict_base: bool = False
) -> tuple[Incompatibility, ...]:
    """Everything in contracts that a provider's document does not promise, in the order of the contracts.

    Args:
        document: OpenAPI 3 or AsyncAPI.
        strict_base: as for `Comparator`.
    """
    named = ((str(pact.file) if pact.file else "", pact) for pact in pacts)
    return Comparator(document, strict_base=strict_base).compare(named).found


def _placed(pact: Pact) -> Iterator[tuple[str, Interaction]]:
    """Interactions with their JSON pointers: a contract of messages (V3) lists them under `messages`."""
    counts = {"interactions": 0, "messages": 0}
    for interaction in pact.interactions:
        old = interaction.kind is InteractionKind.ASYNC and "type" not in interaction.raw
        key = "messages" if old else "interactions"
        yield f"/{key}/{counts[key]}", interaction
        counts[key] += 1
