"""The end of a run of consumer tests: what the workers wrote is merged and published. pytest hooks are in `plugin`."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.contracts.consumer.testlog import Published, Replayed
from harness.contracts.pacts import (
    Merger,
    Pact,
    PactError,
    file_name,
    overlay,
    pact_from_json,
    read_pact,
    write_pact,
    written_here,
)
from harness.contracts.sources import FolderSource
from harness.system.model import Suites
from harness.testing.project import find_project

if TYPE_CHECKING:
    import pytest

    from harness.testing.replay.search import Limits

__all__ = ["Outcome", "publish", "replay_limits"]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a run's pacts.

    Args:
        why_partial: why the run does not speak for the whole suite; empty when it does.
        conflicts: interactions two tests define differently, in words.
        problems: further reasons why a pact could not be published.
        stale: files of this suite's consumers that no test produced; only a complete run can tell.
        replayed: tests that were replayed, or why they were not; by node id.
        unpublished: the pacts of tests that failed, as far as they had come.
    """

    published: tuple[Published, ...] = ()
    why_partial: str = ""
    conflicts: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()
    stale: tuple[str, ...] = ()
    replayed: tuple[Replayed, ...] = ()
    unpublished: tuple[dict[str, Any], ...] = ()

    @property
    def failed(self) -> bool:
        """Whether the run fails although every test passed."""
        return bool(self.errors) or any(r.outcome == "intolerant" and r.certain for r in self.replayed)

    @property
    def errors(self) -> tuple[str, ...]:
        """What is wrong with the pacts although every test passed."""
        return (*self.conflicts, *self.problems)

    def lines(self) -> list[str]:
        """For people, after the tests."""
        lines = [
            f"pact {p.file}: {p.produced} interactions"
            + (f", {p.kept} more left as they were ({self.why_partial})" if p.kept else "")
            for p in self.published
        ]
        lines += [f"pact ERROR: {problem}" for problem in self.errors]
        lines += [f"pact {file} is stale: no test produces it; delete it if nobody else does" for file in self.stale]
        return lines + self._replay_lines()

    def _replay_lines(self) -> list[str]:
        if not self.replayed:
            return []
        counts = Counter(r.outcome for r in self.replayed)
        tests, times = counts["tolerant"] + counts["intolerant"], sum(r.replays for r in self.replayed)
        lines = [f"replayed {tests} tests {times} times: {counts['intolerant']} break on another valid answer"]
        lines += [f"  not replayed: {r.test}: {r.reason}" for r in self.replayed if r.outcome == "not_replayed"]
        for found in (r for r in self.replayed if r.outcome == "intolerant"):
            lines.append(f"pact {'ERROR' if found.certain else 'warning'}: {found.test} is not tolerant")
            lines += [f"    {difference}" for difference in found.differences]
            lines.append(f"    {found.message} ({found.file}:{found.line})")
        return lines


@dataclass(frozen=True, slots=True)
class _Place:
    """Where this project keeps its suite and its pacts; `services` is empty without a harness.toml."""

    root: Path
    suite: Path
    pacts: Path
    services: frozenset[str]


def publish(
    config: pytest.Config,
    scratch: Path,
    *,
    deselected: Collection[str],
    unsuccessful: Mapping[str, str],
    interrupted: bool,
) -> Outcome:
    """Merge what every process of the run wrote, and publish it; a conflict publishes nothing of its pair.

    Args:
        scratch: folder with one file per process; removed.
        deselected: node ids of tests left out.
        unsuccessful: node id -> outcome, of tests and files that did not pass.
        interrupted: whether the run ended before its time.
    """
    from harness.errors import HarnessError

    replayed = _replayed(scratch)
    unpublished = tuple(record["pact"] for record in _records(scratch, "failed"))
    try:
        place = _place(config)
        merger = _collect(scratch)
    except (HarnessError, PactError) as error:
        return Outcome(problems=(f"pacts were not published: {error}",), replayed=replayed, unpublished=unpublished)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    partial = "the run was interrupted" if interrupted else _why_partial(config, place, deselected, unsuccessful)
    conflicts = merger.conflicts()
    torn = {(c.consumer, c.provider) for c in conflicts}
    published, problems = [], []
    for pact in merger.pacts():
        if (pact.consumer, pact.provider) in torn:
            continue
        try:
            published.append(_publish_one(pact, place, keep=bool(partial)))
        except (PactError, OSError) as error:
            problems.append(f"{_shown(place.pacts / file_name(pact.consumer, pact.provider), place.root)} {error}")
    stale = () if partial or not published else _stale(merger.pacts(), place)
    return Outcome(tuple(published), partial, tuple(map(str, conflicts)), tuple(problems), stale, replayed, unpublished)


def _place(config: pytest.Config) -> _Place:
    """Read where things are; pydantic is only loaded when there is a harness.toml."""
    root, suites, services = config.rootpath, Suites(), frozenset[str]()
    project = find_project(config)
    if project is not None:
        root, suites, services = project.root, project.system.suites, frozenset(project.system.services)
    given = config.getoption("--pact-dir")
    pacts = config.invocation_params.dir / given if given else root / suites.pacts
    return _Place(root, (root / suites.contracts).resolve(), pacts.resolve(), services)


def _records(scratch: Path, kind: str) -> Iterator[dict[str, Any]]:
    """What every process kept of one kind; a process that was killed may have left half a line at the end."""
    for file in sorted(scratch.glob(f"*.{kind}")):
        for line in file.read_text(encoding="utf-8").splitlines(keepends=True):
            if line.endswith("\n"):
                yield json.loads(line)


def _collect(scratch: Path) -> Merger:
    merger = Merger()
    for record in _records(scratch, "pacts"):
        merger.add(record["test"], pact_from_json(record["pact"]))
    return merger


def _replayed(scratch: Path) -> tuple[Replayed, ...]:
    """Every test that was to be replayed, by node id; also those whose process did not live to do it."""
    waiting = list(_records(scratch, "waiting"))
    if not waiting:
        return ()
    from harness.testing.replay.search import not_replayed

    reason = "its process ended before it was through with it"
    found = {w["test"]: not_replayed(w["test"], w["pacts"], reason) for w in waiting}
    found |= {r["test"]: _decoded(r) for r in _records(scratch, "replays")}
    return tuple(found[test] for test in sorted(found))


def _decoded(record: Mapping[str, Any]) -> Replayed:
    fields: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in record.items()}
    return Replayed(**fields)


def replay_limits(config: pytest.Config) -> Limits:
    """How the command line wants tests to be replayed."""
    from harness.errors import HarnessError
    from harness.testing.replay.search import Limits

    try:
        place: _Place | None = _place(config)
    except HarnessError:
        place = None  # told when the pacts are published
    # A suite that is the whole project says nothing about what in it is test and what is consumer.
    suite = place.suite if place and place.suite != place.root else None
    return Limits(
        examples=config.getoption("--tolerant-reader"),
        seed=config.getoption("--tolerant-reader-seed"),
        left_s=config.getoption("--tolerant-reader-limit"),
        suite=suite,
    )


def _publish_one(pact: Pact, place: _Place, *, keep: bool) -> Published:
    file = place.pacts / file_name(pact.consumer, pact.provider)
    _let_others_be(file, pact)
    whole = overlay(read_pact(file), pact) if keep and file.exists() else pact
    write_pact(whole, place.pacts)
    return Published(
        consumer=pact.consumer,
        provider=pact.provider,
        file=_shown(file, place.root),
        produced=len(pact.interactions),
        kept=len(whole.interactions) - len(pact.interactions),
    )


def _let_others_be(file: Path, pact: Pact) -> None:
    """Another tool may write contracts of the same two into the same file; what it says is not to get lost.

    Raises:
        PactError: when it would.
    """
    try:
        there = read_pact(file)
    except PactError:
        return  # there is none, or it is none: nothing to lose
    keys = {i.key for i in pact.interactions}
    lost = [i.description for i in there.interactions if i.key not in keys]
    if lost and not written_here(there):
        more = f" and {len(lost) - 2} more" if len(lost) > 2 else ""
        raise PactError(
            f"was written by another tool and also holds {', '.join(map(json.dumps, lost[:2]))}{more}; give that file "
            "another name, or delete it if the tests here take its place"
        )


def _why_partial(
    config: pytest.Config, place: _Place, deselected: Collection[str], unsuccessful: Mapping[str, str]
) -> str:
    """Why tests of the suite are missing from this run; empty when none are."""
    here = config.invocation_params.dir
    named = [(here / arg.split("::")[0]).resolve() for arg in config.args if "::" not in arg]
    if not any(place.suite == path or path in place.suite.parents for path in named):
        return "only a part of the suite was asked for"
    for option in ("keyword", "markexpr", "lf", "deselect", "ignore", "ignore_glob", "stepwise"):
        if config.getoption(option, None):
            return f"tests were selected with {option.replace('keyword', '-k').replace('markexpr', '-m')}"
    if any(_inside(test, config.rootpath, place.suite) for test in deselected):
        return "some tests were deselected"
    outcomes = Counter(o for test, o in unsuccessful.items() if _inside(test, config.rootpath, place.suite))
    return " and ".join(
        f"{n} {'test' if n == 1 else 'tests'} {words if n == 1 else words.replace('was', 'were')}"
        for words, n in (("failed", outcomes["failed"]), ("was skipped", outcomes["skipped"]))
        if n
    )


def _inside(test: str, root: Path, suite: Path) -> bool:
    return (root / test.split("::", maxsplit=1)[0]).resolve().is_relative_to(suite)


def _stale(produced: tuple[Pact, ...], place: _Place) -> tuple[str, ...]:
    """Files whose consumer is ours and which we once wrote, but no test produced; others may publish here too."""
    names = {file_name(p.consumer, p.provider) for p in produced}
    ours = place.services | {p.consumer for p in produced}
    there = FolderSource(place.pacts, place.root).contracts().pacts
    return tuple(
        _shown(p.file, place.root)
        for p in there
        if p.file and p.file.name not in names and p.consumer in ours and written_here(p)
    )


def _shown(path: Path, root: Path) -> str:
    return str(path.relative_to(root)) if path.is_relative_to(root) else str(path)
