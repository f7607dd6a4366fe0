"""From what the verifier reported to findings. What it lets pass without having checked anything is an error here."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from harness.contracts.edges import edge_name
from harness.contracts.pacts import Interaction, InteractionKind, Pact, file_name
from harness.contracts.verified import InteractionResult, PactResult
from harness.evidence import Exchange, Finding, Place, Redactor, Severity
from harness.system.traces import trace_lines

if TYPE_CHECKING:
    from harness.contracts.verified import Told
    from harness.pipeline.stage import StageContext
    from harness.system.model import Service

__all__ = ["Judged", "judge", "reproduce", "specified"]


_WRAPPED = {"content", "contentType", "contentTypeHint", "encoded"}


@dataclass(frozen=True, slots=True)
class Judged:
    """How many interactions were really verified: an answer of the provider was compared with what was agreed.

    Args:
        kept: those of both kinds whose answer was as agreed.
    """

    interactions: int = 0
    messages: int = 0
    kept: int = 0

    def __add__(self, other: Judged) -> Judged:
        return Judged(self.interactions + other.interactions, self.messages + other.messages, self.kept + other.kept)


def reproduce(provider: str) -> str:
    """The command that verifies one provider again."""
    return f"harness run provider --only service={provider}"


def _reproduce(context: StageContext, pact: Pact, edge: str) -> str:
    """The command that verifies one contract again; one that is not published yet has to be produced first."""
    published = context.root / context.system.suites.pacts / file_name(pact.consumer, pact.provider)
    elsewhere = bool(pact.origin)
    known = elsewhere or (
        pact.file is not None and published.is_file() and published.read_bytes() == pact.file.read_bytes()
    )
    return f"harness run {'' if known else 'consumer '}provider --only edge={edge.replace(' -> ', ':')}"


def _narrowed(interaction: Interaction | None) -> str:
    return f" --only {shlex.quote(f'interaction={interaction.description}')}" if interaction else ""


@dataclass(frozen=True, slots=True)
class _Case:
    """One pact under judgement, and how to speak of it."""

    context: StageContext
    service: Service
    pact: Pact
    logs: Mapping[str, Path]

    @property
    def forgiven(self) -> str:
        """What a title starts with where a mismatch is only told."""
        return "work in progress: " if self.pact.wip else "pending: "

    def clean(self, text: str) -> str:
        """Text without secrets; the header that lets a caller in is one, whatever it is called."""
        own = Redactor((self.service.auth.header,)) if self.service.auth else None
        text = self.context.redactor.text(text)
        return own.text(text) if own else text

    def finding(
        self,
        rule: str,
        title: str,
        *,
        detail: str = "",
        interaction: Interaction | None = None,
        severity: Severity = Severity.ERROR,
        exchange: Exchange | None = None,
        key: str = "",
        trace_id: str = "",
    ) -> Finding:
        """A finding in the right place, with what the provider logged about it."""
        logged = [self.clean(line) for line in trace_lines(self.logs, trace_id)]
        if logged:
            detail = "\n".join([detail, "Logged about this trace, when the request was sent again:", *logged])
        edge = edge_name(self.context.system, self.pact)
        return Finding(
            rule=f"provider.{rule}",
            severity=severity,
            title=title,
            detail=detail,
            place=Place(
                service=self.service.name,
                edge=edge,
                consumer=self.pact.consumer,
                operation=interaction.operation if interaction else "",
                file=self.pact.origin
                or f"{self.context.system.suites.pacts}/{file_name(self.pact.consumer, self.pact.provider)}",
            ),
            exchange=exchange,
            trace_id=trace_id,
            reproduce=_reproduce(self.context, self.pact, edge) + _narrowed(interaction),
            key=key or (interaction.key if interaction else ""),
        )


def judge(
    context: StageContext,
    service: Service,
    pact: Pact,
    result: PactResult | None,
    log: str,
    logs: Mapping[str, Path],
) -> Judged:
    """Report every finding on one pact.

    Args:
        result: what the verifier said; None when it did not come to this pact.
        log: last lines of the verifier's log, for when it said too little.
        logs: log file of each instance of the provider, by its name.

    Returns:
        How much was really verified.
    """
    case = _Case(context, service, pact, logs)
    reported = {r.key: r for r in result.interactions} if result else {}
    askable = [i for i in pact.interactions if service.messages or i.kind is InteractionKind.HTTP]
    for finding in _general(case, result, len(askable), log):
        context.found(finding)
    silent = set(result.messages) if result else set()
    untold = {t.state for t in result.states if t.action == "setup"} if result else set()
    counts = {True: 0, False: 0}
    kept = 0
    for interaction in askable:
        one = reported.get(interaction.key)
        found = list(_on_interaction(case, interaction, one, untold, silent))
        for finding in found:
            context.found(finding)
        http = interaction.kind is InteractionKind.HTTP
        vacuous = interaction.description in silent and not http
        counts[http] += one is not None and one.judged and not vacuous
        kept += one is not None and one.status == "ok" and not vacuous
    return Judged(counts[True], counts[False], kept)


def _general(case: _Case, result: PactResult | None, askable: int, log: str) -> Iterable[Finding]:
    """On the pact as a whole: the verifier's own failure, messages nobody can be asked for, states."""
    pact, service = case.pact, case.service
    messages = len(pact.interactions) - len(pact.of_kind(InteractionKind.HTTP))
    if messages and not service.messages:
        yield case.finding(
            "messages_unhandled",
            f"{pact.consumer} expects {messages} messages of {service.name}, which has no endpoint to ask for them",
            detail=f"Set services.{service.name}.messages in harness.toml to a path that answers pact's message requests.",
        )
    if askable and (result is None or result.error):
        said = result.error if result else "the verifier ended before it came to this contract"
        yield case.finding(
            "not_verified", f"the contract of {pact.consumer} with {service.name} was not verified: {said}", detail=log
        )
    for told in result.states if result else ():
        yield _on_state(case, told)


def _on_state(case: _Case, told: Told) -> Finding:
    hit = [i for i in case.pact.interactions if told.state in i.states]
    needed = "needed by: " + "; ".join(dict.fromkeys(i.description for i in hit))
    # A state is part of what a consumer asks for: what is new to the provider may bring a new one.
    pending = bool(hit) and all(i.pending for i in hit)
    severity = Severity.WARNING if pending else Severity.ERROR
    prefix = case.forgiven if pending else ""
    name = case.service.name
    if told.action == "teardown":
        title = f'{name} could not leave the provider state "{told.state}"'
        return case.finding(
            "state_teardown",
            title,
            detail=f"{told.answer}\n{needed}",
            severity=Severity.WARNING,
            key=told.state,
        )
    if not told.answer:
        return case.finding(
            "state_unhandled",
            f'{prefix}nobody puts {name} into the state "{told.state}" that {case.pact.consumer} relies on',
            severity=severity,
            detail=f"{needed}\nSet services.{name}.states in harness.toml to the path of a provider-state handler.",
            key=told.state,
        )
    return case.finding(
        "state_unhandled",
        f'{prefix}{name} cannot be put into the state "{told.state}" that {case.pact.consumer} relies on',
        severity=severity,
        detail=f"its handler answered: {case.clean(told.answer)}\n{needed}",
        key=told.state,
    )


def _on_interaction(
    case: _Case, interaction: Interaction, result: InteractionResult | None, untold: set[str], silent: set[str]
) -> Iterable[Finding]:
    pact, name = case.pact, case.service.name
    what = f'"{interaction.description}"'
    if result is None:
        yield case.finding(
            "not_verified",
            f"{name}: {what} of {pact.consumer} is in the contract, but the verifier did not report on it",
            interaction=interaction,
        )
    elif result.status == "unverified":
        yield case.finding(
            "not_verified",
            f"{name}: {what} of {pact.consumer} was not verified: {result.problems[0]}",
            interaction=interaction,
        )
    elif result.status == "uninvited":
        yield case.finding(
            "uninvited",
            f"the contract of {pact.consumer} with {name} leads away from {name} with {what}: {case.clean(result.problems[0])}",
            detail="It was not sent. Requests of a contract go to its provider and nowhere else: a path begins with one / and "
            "holds no control characters.",
            interaction=interaction,
        )
    elif interaction.kind is not InteractionKind.HTTP and interaction.description in silent:
        yield case.finding(
            "message_empty",
            f"{name} answered with an empty message for {what} that {pact.consumer} reads",
            interaction=interaction,
        )
    elif not specified(interaction):
        yield case.finding(
            "message_unspecified",
            f"the contract of {pact.consumer} says nothing about the contents of {what}: any message would do",
            interaction=interaction,
        )
    elif result.status == "mismatch":
        yield _mismatch(case, interaction, result)
    elif result.status == "error" and not untold.intersection(interaction.states):
        # Also when it is pending: nothing answered, so nothing can be said to be work in progress.
        yield case.finding(
            "no_answer",
            f"{name} gave no answer to {what} of {pact.consumer}: {result.problems[0]}"
            if interaction.kind is InteractionKind.HTTP
            else f"{name} gives no message for {what} that {pact.consumer} reads: {result.problems[0]}",
            detail="\n".join(result.problems),
            interaction=interaction,
            exchange=_exchange(case, result),
            trace_id=result.trace_id,
        )


def specified(interaction: Interaction) -> bool:
    """Whether the interaction says anything about what is answered; of HTTP, a status always is."""
    raw = interaction.raw
    match interaction.kind:
        case InteractionKind.ASYNC:
            return _says_something(raw.get("contents"))
        case InteractionKind.SYNC:
            replies = raw.get("response") or ()
            return any(isinstance(r, dict) and _says_something(r.get("contents")) for r in replies)
    return True


def _says_something(contents: object) -> bool:
    """Whether a message's contents ask for anything: pact takes any message for one of which `{}` is expected.

    V4 wraps contents (`{"content": ..., "contentType": ...}`); an empty list is an expectation, it has to be empty.
    """
    if isinstance(contents, Mapping) and "content" in contents and set(contents) <= _WRAPPED:
        contents = contents["content"]
    return contents not in (None, "", {})


def _mismatch(case: _Case, interaction: Interaction, result: InteractionResult) -> Finding:
    consumer, name = case.pact.consumer, case.service.name
    given = f" (given {', '.join(interaction.states)})" if interaction.states else ""
    lines = "\n".join(case.clean(p) for p in result.problems)
    title = f'{name} breaks {consumer}: "{interaction.description}": {lines.splitlines()[0]}'
    if interaction.pending:
        title = f"{case.forgiven}{title}"
    return case.finding(
        "mismatch",
        title,
        detail=f"{interaction.operation or 'message'}{given}\n{lines}",
        interaction=interaction,
        severity=Severity.WARNING if interaction.pending else Severity.ERROR,
        exchange=_exchange(case, result),
        trace_id=result.trace_id,
    )


def _exchange(case: _Case, result: InteractionResult) -> Exchange | None:
    if not result.request:
        return None
    clean = case.clean
    return Exchange(clean(result.request), clean(result.actual), clean(result.expected))
