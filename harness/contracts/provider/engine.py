"""Runs the verification of one running provider in processes of its own, several where that is safe. Judges nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import anyio

from harness.contracts.pacts import Interaction, InteractionKind, Pact, write_pact
from harness.contracts.provider.elements import with_elements
from harness.contracts.provider.relay import target_of
from harness.contracts.provider.sharding import Shard, merged, phases, spread
from harness.contracts.provider.verification import VerificationJob
from harness.contracts.verified import InteractionResult, PactResult, read_results
from harness.evidence import to_json
from harness.guard import INCIDENTS_FILE, Guarded, Invitation, LeadsAwayError, address, guarded_module
from harness.system.auth import resolve
from harness.system.children import log_tail, run_child
from harness.system.model import Service
from harness.system.scratch import private_folder

__all__ = ["Verification"]

_PER_INTERACTION_S = 2.0
_SPARE_S = 30.0
#: An answer of 10 MB may become many times as much as pact's values; the rest is for what nobody thought of.
_MAX_MEMORY = 2_000_000_000
#: What the log of a process says that did not survive, and what that means.
_ENDS = (
    ("memory allocation of", f": it needed more than the {_MAX_MEMORY // 1_000_000_000} GB of memory it may take"),
    ("MemoryError", f": it needed more than the {_MAX_MEMORY // 1_000_000_000} GB of memory it may take"),
    ("stack overflow", ": what it compared nests too deeply for it"),
)
_MAX_RESTARTS = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Verification:
    """Verifies a provider's pacts.

    Args:
        root: folder of `harness.toml`.
        base_urls: where the provider answers; with several instances of it, everything is spread over them.
        states_urls: the provider-state handler of each instance; empty where there is none.
        processes: the most verifiers that may work on one instance at once.
        request_timeout_s: the longest it may take for one answer, in seconds.
        time_limit_s: the longest it all may take, in seconds.
        log: what the verifiers print.
    """

    service: Service
    root: Path
    base_urls: Sequence[str]
    states_urls: Sequence[str]
    processes: int
    request_timeout_s: float
    time_limit_s: float
    log: Path

    async def results(self, pacts: Sequence[Pact]) -> list[PactResult | None]:
        """Verify; one result for each pact, None where no process came to it."""
        headers = await anyio.to_thread.run_sync(resolve, self.service, self.root)
        ready = [_ready_to_verify(p, self.service, headers) for p in pacts]
        away = [leading_away(pact, self.base_urls[0]) for pact in ready]
        sent = [_without(pact, refused) for pact, refused in zip(ready, away, strict=True)]
        several = len(self.base_urls) > 1
        plan = [spread(sent, len(self.base_urls))] if several else phases(sent, self.processes)
        found = {n: [PactResult(file="", interactions=refused)] for n, refused in enumerate(away) if refused}
        # Outside of the run's folder, and gone afterwards: credentials that work are in there.
        with private_folder("harness-pacts-") as temporary, anyio.move_on_after(self.time_limit_s):
            for number, lanes in enumerate(plan):
                async with anyio.create_task_group() as tasks:
                    for position, shards in enumerate(lanes):
                        folder = temporary / f"{number}-{position}"
                        instance = position if several else 0
                        tasks.start_soon(_Lane(self, instance, folder, found).run, shards)
        return [merged(pact, found.get(index, ())) for index, pact in enumerate(ready)]


@dataclass(slots=True)
class _Lane:
    """Shards one after another, in one process, or in several when one of them dies."""

    verification: Verification
    instance: int
    folder: Path
    found: dict[int, list[PactResult]]
    restarts: int = field(default=0)

    async def run(self, shards: Sequence[Shard]) -> None:
        waiting: Sequence[Shard] = shards
        while waiting and self.restarts <= _MAX_RESTARTS:
            done, timed_out = await self._child(waiting)
            left = [s for s in waiting if s not in done]
            if timed_out or not left:
                return
            # The process ended over the first that has no result (an answer that took all memory, say), or the verifier
            # gave up on all of it (a pattern without an end). In halves it is found out which interaction that was; the
            # others are still verified.
            self.restarts += 1
            if len(left[0].pact.interactions) == 1:
                self._blame(left[0])
            waiting = [*left[0].halves(), *left[1:]]

    def _blame(self, shard: Shard) -> None:
        """Say of an interaction that the process ended over it, as well as it can be told."""
        said = next((why for sign, why in _ENDS if sign in log_tail(self.verification.log, 40)), "")
        [interaction] = shard.pact.interactions
        ended = InteractionResult(
            key=interaction.key,
            status="unverified",
            problems=(f"the verifier did not come to its end with it{said}",),
        )
        self.found.setdefault(shard.index, []).append(PactResult(file="", interactions=(ended,)))

    async def _child(self, shards: Sequence[Shard]) -> tuple[list[Shard], bool]:
        """Verify in a process; gives the shards it came to the end of, and whether its time was up."""
        given, service = self.verification, self.verification.service
        folder = self.folder / str(self.restarts)
        files = [str(write_pact(s.pact, folder / str(n))) for n, s in enumerate(shards)]
        base_url = given.base_urls[self.instance]
        job = VerificationJob(
            provider=service.name,
            base_url=base_url,
            states_url=given.states_urls[self.instance],
            messages_url=base_url + service.messages if service.messages else "",
            pacts=tuple(files),
            request_timeout_s=given.request_timeout_s,
        )
        (folder / "job.json").write_text(to_json(job))
        interactions = sum(len(s.pact.interactions) for s in shards)
        limit_s = _SPARE_S + interactions * (_PER_INTERACTION_S + given.request_timeout_s)
        argv = guarded_module("harness.contracts.provider.verification", "job.json", "results.ndjson")
        invited = Invitation.to([base_url, job.states_url])
        guarded = Guarded(invited, given.log.parent / INCIDENTS_FILE, _MAX_MEMORY)
        ended = await run_child(
            argv,
            cwd=folder,
            log=given.log,
            time_limit_s=min(given.time_limit_s, limit_s),
            env=guarded.environment(),
        )
        results = read_results(folder / "results.ndjson")
        done = [(s, results[f]) for s, f in zip(shards, files, strict=True) if f in results]
        kept = [(s, r) for s, r in done if not _gave_up(s, r)]
        for shard, result in kept:
            self.found.setdefault(shard.index, []).append(result)
        return [s for s, _ in kept], ended.timed_out


def _gave_up(shard: Shard, result: PactResult) -> bool:
    """Whether the verifier said nothing about interactions that it may well judge one by one."""
    return bool(result.error) and not result.interactions and len(shard.pact.interactions) > 1


def leading_away(pact: Pact, base_url: str) -> tuple[InteractionResult, ...]:
    """The interactions of a pact that must not be sent: joined to the provider's address, they lead somewhere else."""
    found = []
    for interaction in pact.of_kind(InteractionKind.HTTP):
        request = interaction.raw.get("request")
        try:
            address(base_url, target_of(request if isinstance(request, dict) else {}))
        except LeadsAwayError as error:
            found.append(InteractionResult(key=interaction.key, status="uninvited", problems=(str(error),)))
    return tuple(found)


def _without(pact: Pact, refused: Sequence[InteractionResult]) -> Pact:
    keys = {r.key for r in refused}
    return replace(pact, interactions=tuple(i for i in pact.interactions if i.key not in keys)) if keys else pact


def _ready_to_verify(pact: Pact, service: Service, headers: Mapping[str, str]) -> Pact:
    """The pact as it is sent: with credentials that work, at least one element asked of each list, no message nobody gives."""
    interactions = tuple(
        replace(i, raw=with_elements(_with_credentials(i, headers)))
        for i in pact.interactions
        if service.messages or i.kind is InteractionKind.HTTP
    )
    return replace(pact, interactions=interactions)


def _with_credentials(interaction: Interaction, headers: Mapping[str, str]) -> Mapping[str, Any]:
    """Replace a header the service's `auth` is about, unless the interaction is about being refused."""
    request, response = interaction.raw.get("request"), interaction.raw.get("response")
    if not headers or not isinstance(request, dict) or not isinstance(request.get("headers"), dict):
        return interaction.raw
    if isinstance(response, dict) and response.get("status") in {401, 403}:
        return interaction.raw
    real = {k.lower(): v for k, v in headers.items()}
    sent = {
        k: ([real[k.lower()]] if isinstance(v, list) else real[k.lower()]) if k.lower() in real else v
        for k, v in request["headers"].items()
    }
    return {**interaction.raw, "request": {**request, "headers": sent}}
