"""What counts as a fallback on the one that failed: another read, afterwards, that nobody makes while all is well."""

from __future__ import annotations

import pytest

from harness.chaos.client import Call
from harness.chaos.explore.declared import Declared
from harness.chaos.explore.fallbacks import Fallback, fallbacks
from tests.chaos.explore.scenes import T0, call, window

USUAL = {Declared().operation("GET", "/stock/1")}
READ = call(T0, 0.05, method="GET", path="/stock/1")


def found(*calls: Call) -> list[Fallback]:
    return fallbacks([window(*calls)], USUAL, Declared().operation)


def test_another_read_after_one_that_failed_is_a_fallback() -> None:
    instead = call(T0 + 0.1, method="GET", path="/stock")

    [fallback] = found(READ, instead)

    assert (fallback.failed, fallback.instead) == (READ, instead)


@pytest.mark.parametrize(
    "other",
    [
        pytest.param(call(T0 + 0.1, method="GET", path="/stock/1"), id="the same once more"),
        pytest.param(call(T0 + 0.1, method="GET", path="/stock/2"), id="another of the same kind"),
        pytest.param(call(T0 + 0.01, method="GET", path="/stock"), id="one that did not wait for the failure"),
        pytest.param(call(T0 + 0.1, method="DELETE", path="/stock/1/hold"), id="what undoes"),
    ],
)
def test_what_is_no_fallback(other: Call) -> None:
    assert found(READ, other) == []


def test_a_read_after_a_write_looks_what_became_of_it() -> None:
    assert found(call(T0, method="POST", path="/stock/1"), call(T0 + 0.1, method="GET", path="/stock")) == []
