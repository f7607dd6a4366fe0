"""The fuzz stage against services that mean harm: nothing leaves, nothing fills the memory, and nothing hides a fault."""

from __future__ import annotations

import json
import socket
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil
import pytest

from harness.errors import UsageError
from harness.evidence import Redactor, Status
from harness.fuzz import process
from harness.fuzz.events import Report
from harness.fuzz.process import SchemathesisRun
from harness.fuzz.telling import Teller
from harness.guard import Invitation
from tests.fuzz.conftest import Fuzzed, fuzz, once
from tests.helpers import most_memory_mb

PROGRAM = Path(__file__).with_name("hostile.py")
HEAD = '[system]\nname = "hostile"\n[stages.fuzz]\nmax_time = "1s"\nmax_examples = 5\n'
#: A project's own code: it goes elsewhere, ends its process, ends its thread, and holds Python's lock.
HOOKS = """
import ctypes, os, urllib.request
import schemathesis

class Gone(BaseException):
    pass

@schemathesis.hook
def before_call(ctx, case, kwargs):
    if case.path == "/calls":
        try:
            urllib.request.urlopen("{elsewhere}", timeout=1)
        except OSError:
            pass
    if case.path == "/exits":
        os._exit(7)
    if case.path == "/dies":
        raise Gone("no more")
    if case.path == "/stuck":
        ctypes.PyDLL(None).sleep(3600)
"""


def service(name: str, *words: str, more: str = "") -> str:
    command = json.dumps([sys.executable, str(PROGRAM), *words])
    return f'[services.{name}]\ncommand = {command}\nopenapi = "/openapi.json"\n{more}\n'


@contextmanager
def listening() -> Iterator[tuple[str, list[str]]]:
    """Another address, and who came."""
    heard: list[str] = []
    with socket.create_server(("127.0.0.9", 0)) as server:
        server.settimeout(0.1)
        over = threading.Event()

        def listen() -> None:
            while not over.is_set():
                try:
                    connection, _ = server.accept()
                except TimeoutError:
                    continue
                with connection:
                    heard.append("a connection")

        thread = threading.Thread(target=listen)
        thread.start()
        try:
            yield f"http://127.0.0.9:{server.getsockname()[1]}/steal", heard
        finally:
            over.set()
            thread.join()


@contextmanager
def measured() -> Iterator[dict[str, int]]:
    """The most memory that this process, and each kind of its children, had."""
    peak: dict[str, int] = {}
    over = threading.Event()
    me = psutil.Process()

    def watch() -> None:
        while not over.wait(0.2):
            peak["worker"] = max(peak.get("worker", 0), me.memory_info().rss)
            for one in me.children(recursive=True):
                with suppress(psutil.Error):
                    kind = "st" if "schemathesis.cli" in one.cmdline() else "other"
                    peak[kind] = max(peak.get(kind, 0), int(most_memory_mb(one.pid) * 1e6))

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield peak
    finally:
        over.set()
        thread.join()


@pytest.fixture(scope="session")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Fuzzed:
    """All kinds of harm in one run: answers, documents, and the project's own hooks."""

    def run(root: Path) -> Fuzzed:
        with listening() as (elsewhere, heard), measured() as peak, pytest.MonkeyPatch.context() as patch:
            patch.setattr(process, "_STUCK_S", 8.0)
            for name in ("http_proxy", "HTTP_PROXY", "SCHEMATHESIS_BASE_URL"):
                patch.setenv(name, elsewhere)
            (root / "hooks_of_ours.py").write_text(HOOKS.replace("{elsewhere}", elsewhere), encoding="utf-8")
            (root / "schemathesis.toml").write_text(
                'hooks = "hooks_of_ours"\nrequest-timeout = 1.0\n', encoding="utf-8"
            )
            before = psutil.Process().memory_info().rss
            fuzzed = fuzz(
                root,
                HEAD
                + service(
                    *("large", "endless", "gzip", "brotli", "many", "deep", "headers", "ok", "drip", "calls"),
                    *("moved", "away", "fault"),
                    *(f"elsewhere={elsewhere}", f"servers={elsewhere.removesuffix('/steal')}"),
                )
                + service("ending", "ok", "exits", "dies", "stuck", "fault", "pattern", "pattern=^(a+)+$")
                + service("locked", "refused")
                + service("lost", "missing")
                + service("pointing", "ok", f'extra={{"x": {{"$ref": "{elsewhere}/x.json"}}}}')
                + service("leading", "ok", f"redirect={elsewhere}"),
            )
            told = {"heard": len(heard), **peak, "worker": peak["worker"] - before}
        (root / "told.json").write_text(json.dumps(told), encoding="utf-8")
        return fuzzed

    return once(tmp_path_factory, "hostile", run)


def told(hostile: Fuzzed) -> dict[str, int]:
    return dict(json.loads((hostile.folder / "told.json").read_text(encoding="utf-8")))


def test_nobody_elsewhere_hears_anything(hostile: Fuzzed) -> None:
    assert told(hostile)["heard"] == 0


def test_no_answer_fills_the_memory(hostile: Fuzzed) -> None:
    peak = told(hostile)
    assert peak["st"] < 500_000_000
    assert peak["worker"] < 200_000_000


@pytest.mark.parametrize("name", ["large", "ending"])
def test_the_fault_of_the_next_operation_is_found_whatever_the_others_do(hostile: Fuzzed, name: str) -> None:
    faults = [f for f in hostile.about(name) if f.rule == "fuzz.not_a_server_error"]
    assert [f.place.operation for f in faults] == ["GET /fault"]


@pytest.mark.parametrize(
    ("trap", "said"),
    [
        ("endless", "longer than 10 MB"),
        ("gzip", "inflated from"),
        ("deep", "nests deeper than 200"),
        ("many", "more than 500,000 values"),
        ("headers", "headers of the answer"),
    ],
)
def test_an_answer_that_was_too_much_is_a_failure_of_its_operation(hostile: Fuzzed, trap: str, said: str) -> None:
    (found,) = [f for f in hostile.about("large") if f.rule == "fuzz.too_much" and f.place.operation == f"GET /{trap}"]
    assert found.severity == "error"
    assert found.title.startswith(f"large answered GET /{trap} with too much: ")
    assert said in found.title
    assert "it showed again" in found.detail


def test_an_answer_byte_by_byte_is_no_answer(hostile: Fuzzed) -> None:
    (found,) = [f for f in hostile.about("large") if f.rule == "fuzz.no_answer"]
    assert found.place.operation == "GET /drip"
    assert not [f for f in hostile.about("large") if f.rule in {"fuzz.engine", "fuzz.ended_early"}]


def test_a_hook_that_goes_elsewhere_is_told_with_its_line(hostile: Fuzzed) -> None:
    found = [f for f in hostile.result.findings if f.rule == "fuzz.uninvited"]
    assert found
    assert all("127.0.0.9" in f.title for f in found)
    assert any("hooks_of_ours.py:" in f.title for f in found)


def test_an_early_end_is_an_error_that_names_the_operation(hostile: Fuzzed) -> None:
    ends = {
        "GET /exits": "stops in the middle (exit code 7)",
        "GET /dies": "a thread of it ended with Gone",
        "GET /stuck": "still busy long after",
    }
    early = {f.place.operation: f.title for f in hostile.about("ending") if f.rule == "fuzz.ended_early"}
    missed = {f.place.operation: f.title for f in hostile.about("ending") if f.rule == "fuzz.never_reached"}
    assert set(early) == set(missed) == set(ends)
    for at, why in ends.items():
        assert why in early[at]
        assert "left out after Schemathesis had ended at it" in missed[at]


@pytest.mark.parametrize(("name", "hint"), [("locked", "services.locked.auth"), ("lost", "servers")])
def test_a_service_that_refuses_everything_is_an_error_with_a_remedy(hostile: Fuzzed, name: str, hint: str) -> None:
    (found,) = [f for f in hostile.about(name) if f.rule == "fuzz.all_refused"]
    assert found.severity == "error"
    assert hint in found.detail


def test_documents_that_lead_away_are_errors_that_name_where(hostile: Fuzzed) -> None:
    for name in ("pointing", "leading"):
        (found,) = hostile.about(name)
        assert found.rule == "fuzz.document"
        assert "127.0.0.9" in found.title


def test_no_check_at_all_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "schemathesis.toml").write_text("[checks]\nenabled = false\n", encoding="utf-8")
    fuzzed = fuzz(tmp_path, HEAD + service("s", "fault"))
    assert fuzzed.result.status is not Status.PASS
    assert fuzzed.result.work["cases"] == 0
    assert "fuzz.not_checked" in fuzzed.rules("s")


def test_a_proxy_in_the_configuration_is_refused_before_anything_starts(tmp_path: Path) -> None:
    (tmp_path / "schemathesis.toml").write_text('proxy = "http://127.0.0.9:1"\n', encoding="utf-8")
    with pytest.raises(UsageError, match=r"schemathesis\.toml: proxy leads to 127\.0\.0\.9"):
        fuzz(tmp_path, HEAD + service("s", "ok"))


def test_an_operation_that_nobody_knows_why_it_was_missed_is_an_error_and_a_known_reason_a_warning() -> None:
    teller = Teller("a", Redactor(), "harness run fuzz")
    assert teller.never_reached("GET /a", "").severity == "error"
    assert "there was no time, or" not in teller.never_reached("GET /a", "").title
    known = teller.never_reached("GET /a", "the time was up before its turn")
    assert (known.severity, known.title.endswith("the time was up before its turn")) == ("warning", True)
    assert teller.many_never_reached(["GET /a"], 20, ["", "x"]).severity == "error"


def test_a_pattern_that_holds_a_repetition_in_a_repetition_is_named_in_the_title() -> None:
    told = Teller("a", Redactor(), "x").ended_early(
        "it was stuck", ["GET /a"], "a.log", {"GET /a": ("^[a-z]+$", "^(a+)+$")}
    )
    assert "(pattern ^(a+)+$)" in told.title
    assert "^[a-z]+$" in told.detail


def run_of(tmp_path: Path) -> SchemathesisRun:
    return SchemathesisRun(
        location="x", base_url="http://127.0.0.1:1", invitation=Invitation(), headers={}, phases=("coverage",), seconds=1.0,
        hard_s=4.0, examples=10, seed=1, config=None, root=tmp_path, directory=tmp_path, cache=tmp_path, label="coverage",
    )  # fmt: skip


def test_an_exit_code_is_explained_by_this_run_not_by_one_before(tmp_path: Path) -> None:
    from harness.system.children import ChildResult

    report = Report(failures={}, failed_this_run=True)
    report.counts["not_a_server_error", "GET /a", "500"] += 1
    report.begin()
    report.feed('{"Initialize": {}}')
    report.feed('{"EngineFinished": {"stop_reason": "completed"}}')
    child = ChildResult(1, 0.0, timed_out=False, log=tmp_path / "log")
    assert "exit code 1" in run_of(tmp_path)._why_cut_short(child, report, [])
    report.feed('{"EngineFinished": {"stop_reason": "interrupted"}}')
    assert '"interrupted"' in run_of(tmp_path)._why_cut_short(child, report, [])


def test_a_message_of_any_size_is_cut_when_it_is_read() -> None:
    report = Report()
    report.feed(json.dumps({"NonFatalError": {"value": {"type": "T", "message": "a" * 10_000_000}, "label": "GET /a"}}))
    assert len(report.errors[0].message) <= 20_000


def test_a_line_that_nests_too_deep_is_an_error_never_a_crash() -> None:
    report = Report()
    report.feed('{"ScenarioFinished": ' + "[" * 100_000 + "]" * 100_000 + "}")
    assert report.errors[0].fatal
