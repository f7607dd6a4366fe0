"""Verifies one provider's pacts in a process of its own (pact's verifier blocks): `python -m ...verification JOB OUT`.

Everything pact's verifier lets pass although nothing was checked is written down here, for `judging` to judge.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from harness.contracts.pacts import Interaction, InteractionKind, Pact, read_pact, write_pact
from harness.contracts.provider.front import Front, hidden_location, shown_location
from harness.contracts.provider.matchers import slow_pattern
from harness.contracts.provider.relay import Relay, send_request
from harness.contracts.verified import InteractionResult, PactResult
from harness.evidence import from_json
from harness.system.journeys import new_trace_id

__all__ = ["VerificationJob"]

_REPLAYS = 20
_LINES = 50
_LINE_CHARS = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class VerificationJob:
    """What to verify.

    Args:
        base_url: where the provider answers.
        states_url: its provider-state handler; empty when it has none.
        messages_url: its message endpoint; empty when it has none.
        pacts: files, each with this provider.
        request_timeout_s: the longest it may take for one answer, in seconds.
    """

    provider: str
    base_url: str
    states_url: str
    messages_url: str
    pacts: tuple[str, ...]
    request_timeout_s: float


def main(argv: list[str]) -> None:
    """Body of the child process."""
    os.environ["PACT_DO_NOT_TRACK"] = "true"
    job = from_json(VerificationJob, Path(argv[1]).read_bytes())
    _ask_directly()
    relay = Relay(job.states_url, job.messages_url, job.request_timeout_s)
    with relay, Front(job.base_url, job.request_timeout_s) as front, Path(argv[2]).open("a") as out:
        for file in job.pacts:
            out.write(json.dumps(asdict(_verify(job, file, relay, front))) + "\n")
            out.flush()


def _ask_directly() -> None:
    """Keep pact from asking a proxy of the environment for what is on this machine: a cache would answer for it."""
    for name in ("NO_PROXY", "no_proxy"):
        os.environ[name] = ",".join(filter(None, (os.environ.get(name), "127.0.0.0/8", "localhost", "::1")))


def _verify(job: VerificationJob, file: str, relay: Relay, front: Front) -> PactResult:
    from urllib.parse import urlsplit

    from pact import Verifier

    pact = read_pact(Path(file))
    relay.reset()
    verifier = Verifier(job.provider, urlsplit(front.url).hostname)
    verifier.add_transport(url=front.url)
    verifier.add_transport(protocol="message", port=relay.port, path=relay.messages_path, scheme="http")
    if any(any(i.states) for i in pact.interactions):
        # Without a state the verifier would call for the empty one, twice for each interaction.
        verifier.state_handler(relay.state_url, teardown=True, body=True)
    verifier.set_request_timeout(int(job.request_timeout_s * 1000))
    verifier.set_coloured_output(enabled=False)
    verifier.add_source(_as_seen(pact, Path(file)))
    error = ""
    try:
        verifier.verify()
    except RuntimeError as failure:  # also raised for every mismatch; those are in the results
        error = str(failure).replace(front.url, front.base_url)
    results: Mapping[str, Any] = verifier.results
    reported = _match(pact, results.get("interactionResults") or [])
    found = [_given(_as_told(pact, r, front), relay) for r in reported]
    if found:
        error = ""
    elif error and len(pact.interactions) == 1:
        found, error = [_broken_off(pact.interactions[0], error)], ""
    states, messages = relay.told(), relay.empty_messages()
    replayed = [r.key for r in found if r.status != "ok"][:_REPLAYS]
    whole = tuple(_with_evidence(job, pact, r, relay) if r.key in replayed else r for r in found)
    return PactResult(file=file, interactions=whole, states=states, messages=messages, error=error)


def _broken_off(interaction: Interaction, error: str) -> InteractionResult:
    """The verifier gave up and said nothing of an interaction, as it does over a pattern that takes too many steps."""
    pattern = slow_pattern(interaction.raw.get("response") or interaction.raw)
    told = f"matching the pattern {pattern} takes too many steps" if pattern else error
    problem = f"the verifier gave up on it: {told}"
    return InteractionResult(key=interaction.key, status="unverified", problems=(_short(problem),))


def _as_seen(pact: Pact, file: Path) -> Path:
    """The pact as a file for the verifier; redirects as they look through a front."""
    changed = tuple(
        replace(i, raw={**i.raw, "response": hidden_location(i.raw["response"])})
        if i.kind is InteractionKind.HTTP and isinstance(i.raw.get("response"), dict)
        else i
        for i in pact.interactions
    )
    return write_pact(replace(pact, interactions=changed), file.parent / "seen")


def _as_told(pact: Pact, result: InteractionResult, front: Front) -> InteractionResult:
    """A result in which the front does not show, but what it saw does."""
    problems = tuple(shown_location(p).replace(front.url, front.base_url) for p in result.problems)
    interaction = next(i for i in pact.interactions if i.key == result.key)
    request = interaction.raw.get("request")
    if result.status == "error" and isinstance(request, dict):
        why = front.problem(str(request.get("method", "GET")), str(request.get("path", "/")))
        problems = (why, *problems) if why else problems
    return replace(result, problems=problems)


def _match(pact: Pact, results: list[Mapping[str, Any]]) -> list[InteractionResult]:
    """Tie what the verifier reported to the pact's interactions, which it names by description and states only."""
    waiting: dict[tuple[str, tuple[str, ...]], list[Interaction]] = {}
    for interaction in pact.interactions:
        waiting.setdefault((interaction.description, interaction.states), []).append(interaction)
    found = []
    for result in results:
        same = waiting.get((str(result.get("description")), tuple(result.get("providerStates") or ())))
        if same:
            found.append(_result(same.pop(0), result))
    return found


def _given(result: InteractionResult, relay: Relay) -> InteractionResult:
    """A message counts only when it was given: pact compares whatever the endpoint answers, also a refusal."""
    asked = relay.asked(result.key)
    if asked is None or not asked.refusal:
        return result
    return replace(result, status="error", problems=(_short(asked.refusal),))


def _result(interaction: Interaction, result: Mapping[str, Any]) -> InteractionResult:
    if result.get("result") == "OK":
        return InteractionResult(key=interaction.key, status="ok")
    mismatch = result.get("mismatch") or {}
    # The status first: an answer of another status has another type and body, too, and it explains them.
    told = sorted(mismatch.get("mismatches") or (), key=lambda m: m.get("type") != "StatusMismatch")
    lines = tuple(_short(_line(m)) for m in told[:_LINES])
    if len(told) > _LINES:
        lines += (f"and {len(told) - _LINES} more",)
    if lines:
        return InteractionResult(key=interaction.key, status="mismatch", problems=lines)
    message = str(mismatch.get("message") or "the verifier gave no reason")
    return InteractionResult(key=interaction.key, status="error", problems=(_short(message),))


def _short(text: str) -> str:
    """Text without its middle where it is long: pact repeats the values it compared, whatever their size."""
    half = _LINE_CHARS // 2
    return text if len(text) <= _LINE_CHARS else f"{text[:half]} … {text[-half:]}"


def _line(mismatch: Mapping[str, Any]) -> str:
    """One of pact's mismatches, with its place in front: "body.lines[0]: missing `quantity`"."""
    text = str(mismatch.get("mismatch") or mismatch)
    keys = text.removeprefix("Actual map is missing the following keys: ")
    if keys != text:
        text = "missing " + ", ".join(f"`{key.strip()}`" for key in keys.split(","))
    if mismatch.get("type") == "StatusMismatch":
        return f"status: {text}"
    if mismatch.get("type") != "BodyMismatch":
        return text
    return f"{str(mismatch.get('path') or '$').replace('$', 'body', 1)}: {text}"


def _with_evidence(job: VerificationJob, pact: Pact, result: InteractionResult, relay: Relay) -> InteractionResult:
    """Put request and response beside a failure: pact keeps only the differences and sends no trace id of ours.

    What is shown is the same request sent once more, in the same provider states, with a `traceparent` that finds the
    provider's log lines again; not the exchange that was judged.
    """
    interaction = next(i for i in pact.interactions if i.key == result.key)
    if interaction.kind is not InteractionKind.HTTP:
        return _as_it_came(interaction, result, relay)
    for name, parameters in interaction.given:
        relay.quietly(name, parameters)
    trace_id = new_trace_id()
    asked = interaction.raw.get("request") or {}
    request, actual = send_request(job.base_url, asked, job.request_timeout_s, trace_id)
    expected = json.dumps(_expected(interaction), indent=2, ensure_ascii=False)
    return replace(result, request=request, expected=expected, actual=actual, trace_id=trace_id)


def _as_it_came(interaction: Interaction, result: InteractionResult, relay: Relay) -> InteractionResult:
    """The message that was judged: asking once more could give another one."""
    asked = relay.asked(result.key)
    if asked is None:
        return result
    expected = json.dumps(_contents(interaction), indent=2, ensure_ascii=False)
    return replace(result, request=asked.request, expected=expected, actual=asked.actual)


def _contents(interaction: Interaction) -> object:
    """What is expected of a message, or of the replies to one; from version 4 on contents stand in an envelope."""
    raw = interaction.raw
    whole = raw.get("response") if interaction.kind is InteractionKind.SYNC else [raw]
    parts = whole if isinstance(whole, list) else [whole]
    shown = [_bare(part.get("contents")) for part in parts if isinstance(part, Mapping)]
    return shown[0] if len(shown) == 1 else shown


def _bare(contents: object) -> object:
    return contents["content"] if isinstance(contents, Mapping) and "content" in contents else contents


def _expected(interaction: Interaction) -> dict[str, Any]:
    response = interaction.raw.get("response") or {}
    body = response.get("body")
    shown = {"status": response.get("status"), "headers": response.get("headers"), "body": _bare(body)}
    return {k: v for k, v in shown.items() if v is not None}


if __name__ == "__main__":
    main(sys.argv)
