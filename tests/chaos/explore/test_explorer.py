"""What is tried, by which journey, and on how many copies of the system."""

from __future__ import annotations

from dataclasses import replace

import pytest

from harness.chaos.explore.catalogue import FAILURES
from harness.chaos.explore.explorer import chosen_edges, chosen_failures, copies, plan_cell
from harness.chaos.explore.observation import Baseline
from harness.chaos.explore.stores.catalogue import EVERY_FAILURE
from harness.errors import UsageError
from harness.system.model import EdgeKind, Service, System
from tests.chaos.explore.scenes import edge

ON = edge()
TOLD = Service("shop", command=("run",))
SYSTEM = System("s", {"shop": TOLD, "bank": Service("bank")}, (ON, edge(between="bank:shop")), entry="shop")


def goes(journey: str, *edges: str, weight: int = 1, entry: str = "shop", took_s: float = 0.1) -> Baseline:
    return Baseline(journey, entry, weight, {"step": took_s}, dict.fromkeys(edges, 1))


def planned(*baselines: Baseline):
    return plan_cell({b.journey: b for b in baselines}, ON, FAILURES["hang"])


def test_all_failures_are_tried_when_none_is_named_and_in_one_order() -> None:
    assert chosen_failures([]) == tuple(EVERY_FAILURE.values())
    assert [f.name for f in chosen_failures(["slow", "hang"])] == ["hang", "slow"]


def test_a_failure_there_is_not_is_refused_with_what_may_be_meant() -> None:
    with pytest.raises(UsageError, match=r'no failure "thottled"\. Did you mean "throttled"\?'):
        chosen_failures(["hang", "thottled"])


@pytest.mark.parametrize("name", ["", "shop:bank", "shop -> bank"])
def test_only_edges_a_proxy_can_be_put_on_are_chosen(name: str) -> None:
    assert chosen_edges(SYSTEM, {"edge": name}) == (ON,)


@pytest.mark.parametrize(
    ("name", "said"), [("bank:shop", "no proxy can be put on"), ("shop:bnak", 'Did you mean "shop:bank"')]
)
def test_an_edge_that_cannot_be_tried_is_refused(name: str, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        chosen_edges(SYSTEM, {"edge": name})


@pytest.mark.parametrize(("cells", "jobs", "expected"), [(1, 8, 1), (30, 8, 2), (200, 8, 4), (200, 1, 3)])
def test_copies_are_started_where_they_pay(cells: int, jobs: int, expected: int) -> None:
    assert copies(SYSTEM, cells, jobs) == expected


def test_a_service_with_a_fixed_port_can_be_started_once_only() -> None:
    fixed = replace(SYSTEM, services={"shop": replace(TOLD, port=8080)})

    assert copies(fixed, 200, 8) == 1


def test_the_commonest_journey_that_uses_the_edge_walks() -> None:
    cell = planned(goes("rare", ON.key), goes("common", ON.key, weight=5), goes("other", weight=9))

    assert cell is not None
    assert (cell.journey, cell.sibling, cell.name) == ("common", "other", "shop:bank hang")


def test_beside_it_walks_the_quickest_with_the_same_entry_that_does_not_use_the_edge() -> None:
    cell = planned(goes("buy", ON.key), goes("slow", took_s=2), goes("quick"), goes("apart", entry="x", took_s=0.01))

    assert cell is not None
    assert cell.sibling == "quick"


def test_beside_it_rather_walks_who_comes_by_the_same_caller() -> None:
    on = edge(between="bank:vault")
    walks = (goes("buy", "shop:bank", on.key), goes("look"), goes("balance", "shop:bank", took_s=2))

    cell = plan_cell({b.journey: b for b in walks}, on, FAILURES["hang"])

    assert cell is not None
    assert cell.sibling == "balance"


def test_beside_events_walks_the_quickest_as_nobody_waits_for_them() -> None:
    on = replace(edge(between="bank:vault"), kind=EdgeKind.EVENTS)
    walks = (goes("buy", "shop:bank", on.key), goes("look"), goes("balance", "shop:bank", took_s=2))

    cell = plan_cell({b.journey: b for b in walks}, on, FAILURES["hang"])

    assert cell is not None
    assert cell.sibling == "look"


def test_an_edge_nobody_uses_is_not_tried() -> None:
    assert planned(goes("look")) is None
