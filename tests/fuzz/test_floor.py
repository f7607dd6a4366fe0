"""What fuzzing does whatever time it takes, and that it says so where it did not."""

from __future__ import annotations

from pathlib import Path

import hypothesis
import pytest
from schemathesis.engine.control import ExecutionControl

from harness.evidence import Status
from harness.fuzz import session, stage
from harness.fuzz.floor import Floor, _Cycles
from tests.fuzz.conftest import fuzz, service


@pytest.fixture
def cycles(tmp_path: Path) -> _Cycles:
    return _Cycles(Floor(examples=15, hard_s=60.0, note=str(tmp_path / "given-up")))


def running_for(seconds: float) -> ExecutionControl:
    import threading
    import time

    return ExecutionControl(threading.Event(), None, max_time=4, start_time=time.monotonic() - seconds)


def test_the_first_cycle_has_the_time_it_needs_and_the_others_what_is_left_of_the_share(cycles: _Cycles) -> None:
    assert not cycles.is_late(running_for(50))
    cycles.first = False
    assert cycles.is_late(running_for(5))
    assert not Path(cycles.floor.note).exists()


def test_a_first_cycle_that_is_given_up_is_noted(cycles: _Cycles) -> None:
    assert cycles.is_late(running_for(61))
    assert Path(cycles.floor.note).exists()


def test_the_first_cycle_is_measured_in_examples_but_never_more_than_were_asked_for(cycles: _Cycles) -> None:
    many, few = hypothesis.settings(max_examples=100), hypothesis.settings(max_examples=3)
    assert cycles.settings(many).max_examples == 15
    assert cycles.settings(few).max_examples == 3
    cycles.first = False
    assert cycles.settings(many).max_examples == 100


def test_a_service_with_too_little_time_is_told_of_and_not_green(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session, "_STRETCH", 1.0)
    monkeypatch.setattr(session, "_PATIENCE_S", 1.0)
    monkeypatch.setitem(stage._EXAMPLES, "quick", 5000)
    (tmp_path / "schemathesis.toml").write_text("[generation]\nmax-examples = 5000\n", encoding="utf-8")
    fuzzed = fuzz(tmp_path, '[system]\nname = "s"\n[stages.fuzz]\nmax_time = "1s"\n' + service("s"))
    assert fuzzed.result.status is not Status.PASS
    assert "fuzz.out_of_time" in fuzzed.rules("s")
