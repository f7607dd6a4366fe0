"""Verifies one provider's pacts in a process of its own (pact's verifier blocks): `python -m ...verification JOB OUT`.

Everything pact's verifier lets pass although nothing was checked is written down here, for `judging` to judge.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

from harness.contracts.pacts import Interaction, InteractionKind, Pact, read_pact
from harness.contracts.relay import Relay, Told, send_request
from harness.evidence import from_json

__all__ = ["InteractionResult", "PactResult", "VerificationJob", "read_results"]

_REPLAYS = 20


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


@dataclass(frozen=True, slots=True, kw_only=True)
class InteractionResult:
    """What came of one interaction.

    Args:
        status: `ok`; `mismatch`: an answer came and was not as agreed; `error`: no answer could be judged.
        problems: one line for each mismatch.
        request, expected, actual: as text, for people; empty where they make no sense or all was well.
    """

    key: str
    status: Literal["ok", "mismatch", "error"]
    problems: tuple[str, ...] = ()
    request: str = ""
    expected: str = ""
    actual: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class PactResult:
    """What came of one pact.

    Args:
        interactions: those the verifier really reported on, which may be fewer than the pact has.
        states: what the state handler was told and answered, failures only.
        messages: descriptions of messages for which the provider's answer had no contents.
        error: why the verifier could not work on the pact at all.
    """

    file: str
    interactions: tuple[InteractionResult, ...] = ()
    states: tuple[Told, ...] = ()
    messages: tuple[str, ...] = ()
    error: str = ""
    kind: Literal["pact"] = field(default="pact")


def read_results(file: Path) -> dict[str, PactResult]:
    """Read what the child wrote, by pact file; a pact it did not come to is missing."""
    lines = file.read_bytes().splitlines() if file.exists() else []
    results = (from_json(PactResult, line) for line in lines)
    return {r.file: r for r in results}


def main(argv: list[str]) -> None:
    """Body of the child process."""
    os.environ["PACT_DO_NOT_TRACK"] = "true"
    job = from_json(VerificationJob, Path(argv[1]).read_bytes())
    with Relay(job.states_url, job.messages_url, job.request_timeout_s) as relay, Path(argv[2]).open("a") as out:
        for file in job.pacts:
            out.write(json.dumps(asdict(_verify(job, file, relay))) + "\n")
            out.flush()


def _verify(job: VerificationJob, file: str, relay: Relay) -> PactResult:
    from urllib.parse import urlsplit

    from pact import Verifier

    pact = read_pact(Path(file))
    relay.reset()
    verifier = Verifier(job.provider, urlsplit(job.base_url).hostname)
    verifier.add_transport(url=job.base_url)
    verifier.add_transport(protocol="message", port=relay.port, path=relay.messages_path, scheme="http")
    verifier.state_handler(relay.state_url, teardown=True, body=True)
    verifier.set_request_timeout(int(job.request_timeout_s * 1000))
    verifier.set_coloured_output(enabled=False)
    verifier.add_source(Path(file))
    error = ""
    try:
        verifier.verify()
    except RuntimeError as failure:  # also raised for every mismatch; those are in the results
        error = str(failure)
    results: Mapping[str, Any] = verifier.results
    found = _match(pact, results.get("interactionResults") or [])
    if found:
        error = ""
    states, messages = relay.told(), relay.empty_messages()
    whole = tuple(_with_evidence(job, pact, result, relay, n) for n, result in enumerate(found))
    return PactResult(file=file, interactions=whole, states=states, messages=messages, error=error)


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


def _result(interaction: Interaction, result: Mapping[str, Any]) -> InteractionResult:
    if result.get("result") == "OK":
        return InteractionResult(key=interaction.key, status="ok")
    mismatch = result.get("mismatch") or {}
    # The status first: an answer of another status has another type and body, too, and it explains them.
    told = sorted(mismatch.get("mismatches") or (), key=lambda m: m.get("type") != "StatusMismatch")
    lines = tuple(_line(m) for m in told)
    if lines:
        return InteractionResult(key=interaction.key, status="mismatch", problems=lines)
    message = str(mismatch.get("message") or "the verifier gave no reason")
    return InteractionResult(key=interaction.key, status="error", problems=(message,))


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


def _with_evidence(
    job: VerificationJob, pact: Pact, result: InteractionResult, relay: Relay, position: int
) -> InteractionResult:
    """Put request and response beside a failure: the same request once more, since pact keeps only the differences."""
    interaction = next(i for i in pact.interactions if i.key == result.key)
    if result.status == "ok" or interaction.kind is not InteractionKind.HTTP or position >= _REPLAYS:
        return result
    for state in interaction.raw.get("providerStates") or ():
        relay.quietly(str(state.get("name", "")), state.get("params") or {})
    request, actual = send_request(job.base_url, interaction.raw.get("request") or {}, job.request_timeout_s)
    expected = json.dumps(_expected(interaction), indent=2, ensure_ascii=False)
    return InteractionResult(
        key=result.key,
        status=result.status,
        problems=result.problems,
        request=request,
        expected=expected,
        actual=actual,
    )


def _expected(interaction: Interaction) -> dict[str, Any]:
    response = interaction.raw.get("response") or {}
    body = response.get("body")
    content = body.get("content") if isinstance(body, dict) and "content" in body else body
    shown = {"status": response.get("status"), "headers": response.get("headers"), "body": content}
    return {k: v for k, v in shown.items() if v is not None}


if __name__ == "__main__":
    main(sys.argv)
