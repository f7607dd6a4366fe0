"""Documents are generated and mutated in a known way: does the comparison say what the mutation means?"""

from __future__ import annotations

from copy import deepcopy
from random import Random

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from harness.contracts.compat import Change, Level, compare_openapi
from tests.contracts.compat.generated import document
from tests.contracts.compat.mutations import BREAKING, COMPATIBLE, EQUIVALENT, Mutation

#: For every mutation; all of them together are nearly a thousand documents. `make search` tries twenty times as many.
CASES = 10 * settings.default.max_examples // 100

thorough = settings(
    max_examples=CASES,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.data_too_large],
)


def compared(mutation: Mutation, seed: int) -> tuple[Change, ...]:
    """What the comparison says of a generated document and its mutation."""
    rng = Random(seed)
    old = document(rng)
    new = deepcopy(old)
    assume(mutation.apply(new, rng))
    return compare_openapi(old, new).changes


def told(changes: tuple[Change, ...]) -> str:
    return "\n".join(f"{c.level} {c.rule} {c.direction} {c.pointer} {c.text} {c.example}" for c in changes)


@pytest.mark.parametrize("mutation", BREAKING, ids=str)
@thorough
@given(seed=st.integers(0, 2**32))
def test_a_breaking_mutation_is_found(mutation: Mutation, seed: int) -> None:
    changes = compared(mutation, seed)
    assert any(c.level is Level.BREAKING for c in changes), told(changes)


@pytest.mark.parametrize("mutation", COMPATIBLE, ids=str)
@thorough
@given(seed=st.integers(0, 2**32))
def test_a_compatible_mutation_is_told_and_breaks_nobody(mutation: Mutation, seed: int) -> None:
    changes = compared(mutation, seed)
    assert changes
    assert not [c for c in changes if c.level is not Level.COMPATIBLE], told(changes)


@pytest.mark.parametrize("mutation", EQUIVALENT, ids=str)
@thorough
@given(seed=st.integers(0, 2**32))
def test_an_equivalent_rewrite_is_no_change(mutation: Mutation, seed: int) -> None:
    changes = compared(mutation, seed)
    assert changes == (), told(changes)
