"""The consumer stage: runs the consumer tests with pytest in a child process and judges what it wrote down."""

from __future__ import annotations

import shlex
import shutil
import sys
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from harness.contracts.confidential import UNCUT
from harness.contracts.consumer.testlog import (
    CollectionProblem,
    Published,
    Replayed,
    Session,
    TestEnded,
    Unpublished,
    read,
)
from harness.contracts.consumer.tolerance import tolerance_findings
from harness.contracts.edges import edge_name
from harness.contracts.pacts import InteractionKind, Pact, PactError, pact_from_json, same
from harness.contracts.sources import FolderSource
from harness.errors import InfrastructureError
from harness.evidence import Finding, Measure, Place, Severity, StageResult, Status
from harness.system.children import ChildResult, log_tail, run_child

if TYPE_CHECKING:
    from harness.contracts.settings import ConsumerSettings
    from harness.pipeline.stage import StageContext

__all__ = ["FRESH", "run_consumer_tests"]

#: Folder below the stage's own where a run leaves the pacts that hold from now on; the provider stage looks there.
FRESH = "pacts"
_MARGIN_S = 5.0
_TESTS_A_WORKER = 50
#: What xdist says of a worker that did not survive a test file; such a run may well end as one without tests.
_WORKER_DIED = "node down: Not properly terminated"


@dataclass(frozen=True, slots=True)
class _Run:
    """What a run of the suite wrote down; `session` is None when it did not come to its end."""

    child: ChildResult
    tests: tuple[TestEnded, ...]
    collection: tuple[CollectionProblem, ...]
    published: tuple[Published, ...]
    session: Session | None
    replayed: tuple[Replayed, ...] = ()

    def count(self, outcome: str) -> int:
        return sum(t.outcome == outcome for t in self.tests)


async def run_consumer_tests(context: StageContext, settings: ConsumerSettings) -> StageResult:
    """Run the project's consumer tests under xdist; pacts are written into the run's folder, not over the published."""
    suites = context.system.suites
    suite = context.root / suites.contracts
    missing = _nothing_to_run(suite, suites.contracts)
    if missing:
        return _inconclusive(context.result(work=_work(0, ())), missing)
    committed = FolderSource(context.root / suites.pacts, context.root)
    fresh = context.directory / FRESH
    _start_from(committed.folder, fresh)
    run = await _run_pytest(context, settings, suite, fresh)
    FolderSource(fresh, context.root).contracts()  # what they send in confidence is known before anything is told
    for finding in (*_test_findings(context, run), *_session_findings(run, suites.contracts, suites.pacts)):
        context.found(finding)
    produced = _produced(run, fresh, context.root)
    for finding in (*_differences(context, produced, committed), *_kept(run)):
        context.found(finding)
    _drop_stale(run, fresh)
    for finding in _uncovered(context, FolderSource(fresh, context.root).contracts().pacts if produced else ()):
        context.found(finding)
    for finding in tolerance_findings(context, run.replayed, settings.tolerance):
        context.found(finding)
    return _conclude(context, run, produced)


def _nothing_to_run(suite: Path, shown: str) -> str:
    if not suite.is_dir():
        return f"there is no folder {shown}/ with consumer tests ([suites] contracts in harness.toml)"
    if not any(suite.rglob("*.py")):
        return f"{shown}/ holds no consumer tests; see docs/how-to/contracts.md for how to write one"
    return ""


def _start_from(committed: Path, fresh: Path) -> None:
    """Lay out the published pacts, so that a partial run updates them just as a run by hand would."""
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir(parents=True)
    for file in committed.glob("*.json"):
        shutil.copy(file, fresh)


async def _run_pytest(context: StageContext, settings: ConsumerSettings, suite: Path, fresh: Path) -> _Run:
    report = context.directory / "tests.ndjson"
    argv = [sys.executable, "-m", "pytest", str(suite.relative_to(context.root)), "-q", "-p", "no:cacheprovider"]
    argv += UNCUT
    workers = _workers(suite, context.jobs)
    argv += ["-n", str(workers)]
    argv += ["--pact-dir", str(fresh), "--harness-report", str(report)]
    if settings.tolerance:
        argv += [f"--tolerant-reader={settings.tolerance}", f"--tolerant-reader-seed={context.seed}"]
        argv += [f"--tolerant-reader-limit={min(settings.tolerance_limit, settings.time_limit / 4):.1f}"]
    if not _mentions(suite, "schemathesis"):
        # Its pytest plugin takes two seconds to load, in every worker.
        argv += ["-p", "no:schemathesis"]
    argv += settings.arguments
    context.note(f"pytest {suite.relative_to(context.root)} with {workers} worker{'s' if workers > 1 else ''}")
    child = await run_child(
        argv,
        cwd=context.root,
        log=context.directory / "pytest.log",
        time_limit_s=max(settings.time_limit - _MARGIN_S, 1.0),
    )
    records = read(report)
    for record in records:
        if isinstance(record, Unpublished):
            with suppress(PactError):
                pact_from_json(record.pact)  # what it sends in confidence is known from then on
    return _Run(
        child=child,
        tests=tuple(r for r in records if isinstance(r, TestEnded)),
        collection=tuple(r for r in records if isinstance(r, CollectionProblem)),
        published=tuple(r for r in records if isinstance(r, Published)),
        session=next((r for r in records if isinstance(r, Session)), None),
        replayed=tuple(r for r in records if isinstance(r, Replayed)),
    )


def _sources(suite: Path) -> Iterator[Path]:
    """Files of the suite that can be read: a pipe would be waited for."""
    return (file for file in suite.rglob("*.py") if file.is_file())


def _workers(suite: Path, jobs: int) -> int:
    """How many xdist workers are worth their start: each imports the consumers' code anew, which takes seconds."""
    text = "".join(file.read_text(encoding="utf-8", errors="replace") for file in _sources(suite))
    return max(1, min(jobs, -(-text.count("def test_") // _TESTS_A_WORKER)))


def _mentions(suite: Path, word: str) -> bool:
    return any(word in file.read_text(encoding="utf-8", errors="replace") for file in _sources(suite))


def _test_findings(context: StageContext, run: _Run) -> list[Finding]:
    suite, clean = context.system.suites.contracts, context.redactor.text
    findings = [
        Finding(
            rule="consumer.test_failed",
            severity=Severity.ERROR,
            title=f"consumer test {test.test.split('::', 1)[-1]} failed: {clean(test.message)}",
            detail=clean(test.detail),
            place=Place(file=test.file, line=test.line),
            reproduce=f"pytest {shlex.quote(test.test)}",
            key=test.test,
        )
        for test in run.tests
        if test.outcome == "failed"
    ]
    findings += [
        Finding(
            rule="consumer.not_collected",
            severity=Severity.ERROR,
            title=f"{problem.file or suite} cannot be collected: {problem.message}",
            detail=problem.detail,
            place=Place(file=problem.file),
            reproduce=f"pytest {shlex.quote(problem.file or suite)}",
        )
        for problem in run.collection
        if not problem.skipped
    ]
    return findings + _skipped_files(run)


def _skipped_files(run: _Run) -> list[Finding]:
    """Files of which nothing ran: skipping one test is a choice, but here nobody was checked, and others' tests hide it."""
    reasons = {p.file: p.message for p in run.collection if p.skipped}
    for file in dict.fromkeys(t.file for t in run.tests):
        own = [t for t in run.tests if t.file == file]
        if all(t.outcome == "skipped" for t in own):
            reasons[file] = own[0].message
    return [
        Finding(
            rule="consumer.file_skipped",
            severity=Severity.ERROR,
            title=f"every test in {file} was skipped, so its consumer was not checked: {why or 'no reason given'}",
            detail="Where that is meant, leave the file out by `arguments` of [stages.consumer]: it is said there.",
            place=Place(file=file),
            reproduce=f"pytest {shlex.quote(file)} -rs",
        )
        for file, why in reasons.items()
        # Where nothing ran at all the stage is inconclusive, with its own reason.
        if any(t.outcome != "skipped" for t in run.tests)
    ]


def _session_findings(run: _Run, suite: str, pacts: str) -> list[Finding]:
    """What went wrong with the run as a whole."""
    if run.child.timed_out:
        return [
            Finding(
                rule="consumer.timed_out",
                severity=Severity.ERROR,
                title=f"the consumer tests did not end within {run.child.duration_s:.0f} s; {len(run.tests)} had ended",
                detail=log_tail(run.child.log),
                reproduce=f"pytest {suite}",
            )
        ]
    broken = [p for p in run.collection if not p.skipped]
    crashed = not run.tests and not broken and _WORKER_DIED in log_tail(run.child.log, 25)
    if run.session is None or crashed or (run.session.exit_code not in {0, 1, 5} and not broken):
        return [_broken(run, suite)]
    return (
        [*_cut_short(run, run.session, suite), *_said_no(run, run.session, suite)]
        + [
            Finding(
                rule="consumer.conflict",
                severity=Severity.ERROR,
                title=conflict,
                place=Place(file=conflict.split("::", 1)[0]) if "::" in conflict else Place(),
                reproduce=f"pytest {suite}",
                key=conflict,
            )
            for conflict in run.session.conflicts
        ]
        + [
            Finding(
                rule="consumer.stale_pact",
                severity=Severity.WARNING,
                title=f"{Path(file).name} is published, but no consumer test produces it any more",
                detail="It was left out of this run's contracts. Delete the file, or bring its tests back.",
                place=Place(file=f"{pacts}/{Path(file).name}"),
            )
            for file in run.session.stale
        ]
    )


def _cut_short(run: _Run, session: Session, suite: str) -> list[Finding]:
    """Tests that were to run and did not: whoever ended pytest before its time said nothing about them."""
    if not session.not_run_in_all:
        return []
    names = "\n".join(session.not_run)
    return [
        Finding(
            rule="consumer.cut_short",
            severity=Severity.ERROR,
            title=f"pytest ended before {session.not_run_in_all} of its tests had run, such as {session.not_run[0]}",
            detail=f"{names}\n\n{log_tail(run.child.log, 10)}",
            place=Place(file=suite),
            reproduce=f"pytest {suite}",
        )
    ]


def _said_no(run: _Run, session: Session, suite: str) -> list[Finding]:
    """An exit code of pytest's that nothing written down explains: a plugin, a hook, an end on the way out."""
    explained = run.count("failed") or session.conflicts or any(not p.skipped for p in run.collection)
    code = session.exit_code if run.child.returncode == session.exit_code else run.child.returncode
    if code in {0, 5} or explained or (session.not_run_in_all and code == 1):
        return []
    return [
        Finding(
            rule="consumer.suite_broken",
            severity=Severity.ERROR,
            title=f"pytest ended with exit code {code}, although no test in {suite}/ failed",
            detail=log_tail(run.child.log, 25),
            place=Place(file=suite),
            reproduce=f"pytest {suite}",
        )
    ]


def _broken(run: _Run, suite: str) -> Finding:
    """pytest itself gave up: a conftest that does not import, an unknown option, an internal error."""
    tail = log_tail(run.child.log, 25)
    if run.session is None and run.child.returncode < 0:
        raise InfrastructureError(f"pytest was killed by signal {-run.child.returncode}; last lines:\n{tail}")
    marked = [line for line in tail.splitlines() if line.startswith(("E  ", "ERROR", "INTERNALERROR"))]
    if _WORKER_DIED in tail:
        marked.append("a test file, or what it imports, ends the process that imports it")
    refused = [line.partition(" error: ")[2] for line in tail.splitlines() if ": error: " in line]
    said = (refused or [line.removeprefix("E  ").strip() for line in marked] or [f"exit code {run.child.returncode}"])[
        -1
    ]
    return Finding(
        rule="consumer.suite_broken",
        severity=Severity.ERROR,
        title=f"pytest cannot run {suite}/: {said}",
        detail=tail,
        place=Place(file=suite),
        reproduce=f"pytest {suite}",
    )


def _produced(run: _Run, fresh: Path, root: Path) -> tuple[Pact, ...]:
    """The pacts this run had a part in; interactions it only kept are in them too."""
    names = {Path(p.file).name for p in run.published}
    return tuple(p for p in FolderSource(fresh, root).contracts().pacts if p.file and p.file.name in names)


def _differences(context: StageContext, produced: Sequence[Pact], committed: FolderSource) -> list[Finding]:
    """Pacts that are not what is published: somebody changed a consumer and did not publish."""
    published = {(p.consumer, p.provider): p for p in committed.contracts().pacts}
    findings = []
    for pact in produced:
        old = published.get((pact.consumer, pact.provider))
        if old is not None and same(old.interactions, pact.interactions):
            continue
        assert pact.file is not None
        file = f"{context.system.suites.pacts}/{pact.file.name}"
        what = "is not published yet" if old is None else "has changed since it was published"
        findings.append(
            Finding(
                rule="consumer.pact_changed",
                severity=Severity.WARNING,
                title=f"the contract of {pact.consumer} with {pact.provider} {what}",
                detail=f"{_difference(old, pact)}\n`pytest {context.system.suites.contracts}` writes {file}; commit it.",
                place=Place(edge=edge_name(context.system, pact), consumer=pact.consumer, file=file),
                reproduce=f"pytest {context.system.suites.contracts}",
            )
        )
    return findings


def _kept(run: _Run) -> list[Finding]:
    """Interactions nobody proved this time: a test that is always skipped would keep them for ever, unseen."""
    why = run.session.why_partial if run.session else ""
    return [
        Finding(
            rule="consumer.not_produced",
            severity=Severity.INFO,
            title=f"{p.kept} published interactions of {p.consumer} with {p.provider} were produced by no test "
            f"of this run: {why}",
            detail="They were kept, and the provider is held to them. A run of the whole suite in which every test "
            "passes drops those no test defines any more.",
            place=Place(consumer=p.consumer, file=p.file),
        )
        for p in run.published
        if p.kept
    ]


def _difference(old: Pact | None, new: Pact) -> str:
    before = {i.key: i for i in old.interactions} if old else {}
    now = {i.key: i for i in new.interactions}
    lines = [f"new: {now[k].description}" for k in now.keys() - before.keys()]
    lines += [f"gone: {before[k].description}" for k in before.keys() - now.keys()]
    lines += [f"changed: {now[k].description}" for k in now.keys() & before.keys() if now[k].raw != before[k].raw]
    return "\n".join(sorted(lines))


def _uncovered(context: StageContext, pacts: Sequence[Pact]) -> list[Finding]:
    """Edges between services for which nobody wrote a contract, here or elsewhere; said, not held against the run."""
    covered = {edge_name(context.system, pact) for pact in pacts}
    return [
        Finding(
            rule="consumer.no_contract",
            severity=Severity.INFO,
            title=f"no contract covers {edge.name}",
            place=Place(edge=edge.name, consumer=edge.caller),
        )
        for edge in context.system.service_edges()
        if pacts and edge.name not in covered
    ]


def _drop_stale(run: _Run, fresh: Path) -> None:
    """The provider stage is not to verify what nobody wants any more."""
    for name in run.session.stale if run.session else ():
        (fresh / Path(name).name).unlink(missing_ok=True)


def _work(tests: int, produced: Sequence[Pact]) -> dict[str, int]:
    http = sum(len(p.of_kind(InteractionKind.HTTP)) for p in produced)
    return {"tests": tests, "interactions": http, "messages": sum(len(p.interactions) for p in produced) - http}


def _conclude(context: StageContext, run: _Run, produced: Sequence[Pact]) -> StageResult:
    ran = run.count("passed") + run.count("failed")
    work = _work(ran, produced)
    if run.replayed:
        work["perturbations"] = sum(max(r.replays - 1, 0) for r in run.replayed)
    artifacts = [context.artifact(run.child.log, "pytest output")] if run.child.log.exists() else []
    artifacts += [context.artifact(p.file, f"pact {p.edge}", "application/json") for p in produced if p.file]
    result = context.result(
        work=work,
        measures=[Measure(f"consumer.{what}", count, "count") for what, count in work.items()]
        + [
            Measure("consumer.skipped", run.count("skipped"), "count"),
            Measure("consumer.replaying", round(sum(r.duration_s for r in run.replayed), 3), "s"),
        ],
        artifacts=artifacts,
    )
    contracts = context.system.suites.contracts
    if not run.tests:
        return _inconclusive(result, f"pytest collected no tests in {contracts}/")
    if not ran:
        return _inconclusive(result, f"all {len(run.tests)} tests in {contracts}/ were skipped")
    if not produced:
        return _inconclusive(result, f"{ran} tests ran, but none of them produced a pact (fixture `pact`)")
    return result


def _inconclusive(result: StageResult, reason: str) -> StageResult:
    """No verdict without work, unless something failed."""
    if result.status is Status.FAIL:
        return result
    return replace(result, status=Status.INCONCLUSIVE, reason=reason)
