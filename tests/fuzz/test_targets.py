"""How the time is split between services."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from harness.fuzz.documents import Document
from harness.fuzz.targets import shares


@given(st.dictionaries(st.text(min_size=1), st.integers(1, 300), min_size=1, max_size=12), st.floats(1, 120))
def test_larger_services_get_no_less_and_nobody_starves(sizes: dict[str, int], per_service_s: float) -> None:
    documents = {n: Document("x", operations=tuple(f"GET /{i}" for i in range(k))) for n, k in sizes.items()}
    seconds = shares(documents, per_service_s)
    assert all(s >= min(3.0, per_service_s) for s in seconds.values())
    in_order = [seconds[n] for n in sorted(sizes, key=lambda n: sizes[n])]
    assert in_order == sorted(in_order)
    assert sum(seconds.values()) <= 2 * per_service_s * len(sizes) + 3 * len(sizes)
