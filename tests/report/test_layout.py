"""Where services stand on the map."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from harness.report.layout import lay_out
from tests.report.fakes import fake_system

NAMES = st.sampled_from([f"s{i}" for i in range(12)])


def test_callers_stand_left_of_callees() -> None:
    system = fake_system()
    laid = lay_out(tuple(system.services), [(e.caller, e.callee) for e in system.service_edges()])
    for edge in system.service_edges():
        assert laid.boxes[edge.caller].x < laid.boxes[edge.callee].x


@settings(max_examples=60, deadline=None)
@given(st.lists(NAMES, unique=True, max_size=12), st.lists(st.tuples(NAMES, NAMES), max_size=30))
def test_no_two_services_overlap_and_every_edge_has_a_way(nodes: list[str], edges: list[tuple[str, str]]) -> None:
    laid = lay_out(nodes, edges)
    assert set(laid.boxes) == set(nodes)
    assert set(laid.routes) == {(a, b) for a, b in edges if a in nodes and b in nodes and a != b}
    boxes = list(laid.boxes.values())
    for i, one in enumerate(boxes):
        assert 0 <= one.x <= laid.width - one.width
        assert -0.01 <= one.y <= laid.height - one.height + 0.01
        for other in boxes[i + 1 :]:
            apart = abs(one.y - other.y) >= one.height - 0.01 or abs(one.x - other.x) >= one.width
            assert apart


def test_a_cycle_is_drawn_too() -> None:
    laid = lay_out(("a", "b"), [("a", "b"), ("b", "a")])
    assert laid.boxes["a"].x < laid.boxes["b"].x
    assert len(laid.routes) == 2


def test_the_same_system_gives_the_same_picture() -> None:
    system = fake_system()
    pairs = [(e.caller, e.callee) for e in system.service_edges()]
    assert lay_out(tuple(system.services), pairs) == lay_out(tuple(system.services), pairs)
