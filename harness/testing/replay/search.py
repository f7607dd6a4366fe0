"""Looks for the smallest difference in a provider's answers that breaks a consumer; what may differ is in `edits`."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.contracts.consumer.testlog import Replayed
from harness.testing.replay.contracted import body_rules
from harness.testing.replay.edits import Answer, Edit, Kind, Site, sites
from harness.testing.replay.judge import Blame, Failure, judge
from harness.testing.replay.reading import probes, spot
from harness.testing.replay.rerun import Replay, collect_remains, collecting_what_is_new, leave, rerun

if TYPE_CHECKING:
    import pytest

__all__ = ["Limits", "not_replayed", "replay_all"]

_Pacts = Sequence[Mapping[str, Any]]
_SEARCH_RUNS = 80
_SEARCH_S = 20.0
_LEAST_RUN_S = 5.0


@dataclass(slots=True)
class Limits:
    """How much replaying is wanted.

    Args:
        examples: replays of a test that tolerates everything, at most.
        seed: the same seed makes the same differences.
        left_s: seconds this process may still spend on replays; counted down.
        suite: folder of consumer tests, where known.
    """

    examples: int
    seed: int
    left_s: float
    suite: Path | None = None


def replay_all(tests: Mapping[pytest.Function, _Pacts], limits: Limits) -> Iterator[Replayed]:
    """Replay passed tests, one after another, with answers edited inside what their contracts allow.

    Args:
        tests: each with the contracts it defined, decoded; at least one.
        limits: its time is charged for what this takes.
    """
    items = list(tests)
    with collecting_what_is_new():
        for item, following in zip(items, [*items[1:], None], strict=True):
            try:
                yield _check(item, tests[item], limits)
            finally:
                leave(item, following)


def not_replayed(test: str, pacts: _Pacts, reason: str) -> Replayed:
    """What is to be told of a test nobody replayed.

    Args:
        pacts: the contracts it defined, decoded; at least one.
    """
    consumer, provider = _parties(pacts)
    return Replayed(test=test, consumer=consumer, provider=provider, outcome="not_replayed", reason=reason)


def _parties(pacts: _Pacts) -> tuple[str, str]:
    """The consumer, and its providers in words."""
    providers = sorted({str(pact["provider"]["name"]) for pact in pacts})
    return str(pacts[0]["consumer"]["name"]), " and ".join(providers)


def _check(item: pytest.Function, pacts: _Pacts, limits: Limits) -> Replayed:
    started = time.monotonic()
    reason = _why_not(item, limits)
    if reason:
        return not_replayed(item.nodeid, pacts, reason)
    try:
        found = _Search(item, pacts, limits).run()
    finally:
        limits.left_s -= time.monotonic() - started
    consumer, provider = _parties(pacts)
    return Replayed(
        test=item.nodeid,
        consumer=consumer,
        provider=provider,
        outcome=found.outcome,
        reason=found.reason,
        differences=tuple(map(str, found.edits)),
        message=found.failure.said if found.failure else "",
        detail=found.failure.detail if found.failure else "",
        file=_shown(found.failure.file, item) if found.failure else "",
        line=found.failure.line if found.failure else 0,
        certain=found.failure is None or found.failure.blame is Blame.CONSUMER,
        replays=found.replays,
        read=tuple(sorted(found.read)),
        unread=tuple(sorted(found.unread)),
        pinned=tuple(sorted(found.pinned)),
        duration_s=round(time.monotonic() - started, 3),
    )


def _shown(file: str, item: pytest.Function) -> str:
    root = item.config.rootpath
    path = Path(file) if file else item.path
    return str(path.relative_to(root)) if path.is_relative_to(root) else path.name


def _why_not(item: pytest.Function, limits: Limits) -> str:
    """Why a test cannot be replayed; empty when it can."""
    marker = item.get_closest_marker("tolerant_reader")
    if marker is not None and marker.args[:1] == (False,):
        return f"left out by its marker: {marker.kwargs.get('reason', 'no reason given')}"
    if getattr(item.obj, "is_hypothesis_test", False):
        return "it is a property test, which runs many times by itself"
    if type(item).__name__ == "TestCaseFunction":
        return "it is a method of unittest.TestCase"
    if limits.left_s <= 0:
        return "the time for replays was used up"
    return ""


@dataclass(slots=True)
class _Told:
    """What came out."""

    reason: str = ""
    edits: tuple[Edit, ...] = ()
    failure: Failure | None = None
    replays: int = 0
    read: set[str] = field(default_factory=set)
    unread: set[str] = field(default_factory=set)
    pinned: set[str] = field(default_factory=set)

    @property
    def outcome(self) -> Any:
        if self.failure is not None:
            return "intolerant"
        return "not_replayed" if self.reason else "tolerant"


@dataclass(slots=True)
class _Search:
    """One test's replays; each set of edits is tried once."""

    item: pytest.Function
    pacts: _Pacts
    limits: Limits
    replays: int = 0
    judged: int = 0
    known: dict[tuple[Edit, ...], Failure | None] = field(default_factory=dict)
    deadline: float = 0.0
    run_limit_s: float = _LEAST_RUN_S
    fields: list[Edit] = field(default_factory=list)

    def run(self) -> _Told:
        """Try everything at once, then combinations; shrink what breaks it."""
        self.deadline = time.monotonic() + min(_SEARCH_S, self.limits.left_s)
        places, reason = self._rehearse()
        if reason or not places:
            return _Told(reason or "none of its answers can be varied", replays=self.replays)
        first = next((edits for edits in _starts(places) if self._fails(edits)), ())
        sure = bool(first) and self._confirms(first)
        smallest = self._explore(places, bool(first)) or first
        if smallest and self._confirms(smallest):
            told = _Told(edits=smallest, failure=self.known[smallest])
        elif sure:  # the search itself left something behind, such as an open circuit breaker
            told = _Told(edits=first, failure=self.known[first])
        elif smallest:
            told = _Told(
                f"it failed when {' and '.join(map(str, smallest))}, but not only then: it is flaky, or its process "
                "remembers earlier answers"
            )
        else:
            told = _Told("" if self.judged else "with other answers it makes requests its contract does not have")
        if told.outcome == "tolerant":
            self._see_what_is_read(told)
        told.replays = self.replays
        return told

    def _confirms(self, edits: tuple[Edit, ...]) -> bool:
        """Whether the edits make the difference: fails with them, passes before and after without them.

        Before it twice, so that a test that fails every other time is none that fails because of them.
        """
        collect_remains()
        self.replays += 3
        return self._passes() and self._passes() and self._one(edits) is not None and self._passes()

    def _passes(self) -> bool:
        return rerun(self.item, Replay(), self.run_limit_s) is None

    def _see_what_is_read(self, told: _Told) -> None:
        """Take single fields away, or give them another value where the contract pins one."""
        for edit in self.fields:
            if time.monotonic() > self.deadline:
                return
            replay = Replay((edit,))
            self.replays += 1
            missed = rerun(self.item, replay, self.run_limit_s) is not None or replay.disturbed
            unmissed = told.pinned if edit.kind is Kind.OTHER else told.unread
            (told.read if missed else unmissed).add(spot(edit.path))
        collect_remains()

    def _rehearse(self) -> tuple[list[Site], str]:
        """Replay without edits: it has to pass, and shows which answers there are."""
        started = time.monotonic()
        replay = Replay()
        self.replays += 1
        error = rerun(self.item, replay, max(_LEAST_RUN_S, self.limits.left_s))
        self.run_limit_s = max(_LEAST_RUN_S, 10 * (time.monotonic() - started))
        if error is not None:
            said = (str(error).strip() or type(error).__name__).splitlines()[0][:200]
            return [], f"it fails when it is run a second time: {said}"
        if not replay.seen:
            return [], "its consumer does not talk to the mock server at the address it was given"
        first: dict[str, Answer] = {}
        for answer in replay.seen:
            first.setdefault(answer.exchange, answer)
        known = [(answer, body_rules(answer, self.pacts)) for answer in first.values()]
        self.fields = [edit for answer, rules in known for edit in probes(answer, rules)]
        return [site for answer, rules in known for site in sites(answer, rules)], ""

    def _fails(self, edits: tuple[Edit, ...]) -> bool:
        """Whether the consumer cannot live with these; what cannot be tried any more counts as fine."""
        if not edits:
            return False
        if edits not in self.known:
            if self.replays >= _SEARCH_RUNS or time.monotonic() > self.deadline:
                return False
            self.known[edits] = self._try(edits)
        return self.known[edits] is not None

    def _try(self, edits: tuple[Edit, ...]) -> Failure | None:
        failure = self._one(edits)
        growing = [edit for edit in edits if edit.kind is Kind.LONGER]
        if failure is None or not growing:
            return failure
        # Copies of one member are no list a provider would send: the consumer has to fail with both makes of it.
        other = tuple(_other_make(edit) if edit.kind is Kind.LONGER else edit for edit in edits)
        return failure if self._one(other) is not None else None

    def _one(self, edits: tuple[Edit, ...]) -> Failure | None:
        replay = Replay(edits)
        self.replays += 1
        error = rerun(self.item, replay, self.run_limit_s)
        self.judged += not replay.disturbed
        if error is None:
            return None
        failure = judge(self.item, replay, error, self.limits.suite)
        return None if failure.blame is Blame.NOBODY else failure

    def _explore(self, places: Sequence[Site], failing: bool) -> tuple[Edit, ...]:
        """The smallest set of edits that fails; empty when none was found."""
        from hypothesis import HealthCheck, Phase, find, settings
        from hypothesis import strategies as st
        from hypothesis.errors import NoSuchExample, Unsatisfiable

        wanted = 40 if failing else self.limits.examples - 1 - self.judged
        if wanted < 1:
            return ()
        masks = st.tuples(*(st.integers(0, site.variants) for site in places))
        try:
            mask = find(
                masks,
                lambda mask: self._fails(_edits(places, mask)),
                settings=settings(
                    max_examples=wanted,
                    database=None,
                    deadline=None,
                    phases=(Phase.generate, Phase.shrink),
                    suppress_health_check=list(HealthCheck),
                ),
                random=random.Random(f"{self.limits.seed}:{self.item.nodeid}"),
            )
        except (NoSuchExample, Unsatisfiable):
            return ()
        return _edits(places, mask)


def _edits(places: Sequence[Site], mask: Sequence[int]) -> tuple[Edit, ...]:
    return tuple(site.at(variant) for site, variant in zip(places, mask, strict=True) if variant)


def _starts(places: Sequence[Site]) -> list[tuple[Edit, ...]]:
    """Everything at once, which clears a tolerant consumer in one replay; lists apart, for what they add to a test."""
    flat = tuple(site.at(1) for site in places if site.edit.kind is not Kind.LONGER)
    lists = tuple(site.at(1) for site in places if site.edit.kind is Kind.LONGER)
    return [edits for edits in (flat, lists) if edits]


def _other_make(edit: Edit) -> Edit:
    return Edit(edit.exchange, edit.kind, edit.path, edit.variant + 1 if edit.variant % 2 else edit.variant - 1)
