"""Interactions side by side where that is safe, alone where it is not, and one result for each pact all the same."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.contracts.pacts import Pact, pact_from_json
from harness.contracts.provider.sharding import merged, phases, spread
from harness.contracts.stage import ProviderStage
from harness.contracts.verified import InteractionResult, PactResult
from harness.errors import UsageError
from harness.evidence import StageResult, Status
from harness.system.config import load_project
from tests.contracts.shop import TOML, http, message, pact, project
from tests.helpers import make_context

KINDS = st.sampled_from(["GET", "HEAD", "POST", "stated", "message"])
PLANS = st.lists(st.lists(KINDS, max_size=40), min_size=1, max_size=5)
# Answers whether ever two requests were under way at once; the first waits a while for a second.
TOGETHER = """
both, under_way = __import__("threading").Event(), []
class Watching(Handler):
    def do_GET(self):
        under_way.append(1)
        if len(under_way) > 1:
            both.set()
        met = both.wait({patience})
        under_way.pop()
        open(f"served-{{os.getpid()}}", "a").close()
        self.answer(200, {{"together": met}})
ThreadingHTTPServer(("127.0.0.1", int(os.environ["PORT"])), Watching)"""


def made(number: int, kinds: list[str]) -> Pact:
    items: list[dict[str, Any]] = []
    for place, kind in enumerate(kinds):
        one = message(str(place), {"a": 1}) if kind == "message" else http(str(place))
        if kind == "stated":
            one["providerStates"] = [{"name": "given"}]
        elif kind != "message":
            one["request"]["method"] = kind
        items.append(one)
    return pact_from_json(pact(*items, consumer=f"c{number}"))


@given(PLANS, st.integers(1, 5))
def test_every_interaction_is_in_one_shard_and_only_reads_are_side_by_side(plan: list[list[str]], lanes: int) -> None:
    pacts = [made(n, kinds) for n, kinds in enumerate(plan)]

    planned = phases(pacts, lanes)

    dealt = sorted((s.index, i.key) for phase in planned for lane in phase for s in lane for i in s.pact.interactions)
    assert dealt == sorted((n, i.key) for n, p in enumerate(pacts) for i in p.interactions)
    for phase in planned:
        assert len(phase) <= lanes
        beside = [i for lane in phase for s in lane for i in s.pact.interactions if len(phase) > 1]
        assert not [i for i in beside if i.states or i.raw.get("request", {}).get("method") not in {"GET", "HEAD"}]


@given(PLANS, st.integers(1, 5))
def test_lanes_are_even_and_results_come_back_in_the_order_of_the_pact(plan: list[list[str]], lanes: int) -> None:
    pacts = [made(n, kinds) for n, kinds in enumerate(plan)]

    dealt = spread(pacts, lanes)

    sizes = [sum(len(s.pact.interactions) for s in lane) for lane in dealt]
    assert not sizes or max(sizes) - min(sizes) <= 1
    for index, whole in enumerate(pacts):
        parts = [
            PactResult(
                file="x", interactions=tuple(InteractionResult(key=i.key, status="ok") for i in s.pact.interactions)
            )
            for lane in dealt
            for s in lane
            if s.index == index
        ]
        result = merged(whole, parts)
        assert [r.key for r in result.interactions] == [i.key for i in whole.interactions] if result else not parts


def watched(root: Path, given: dict[str, Any], patience: float, settings: str = "") -> StageResult:
    """Verify against a provider that tells whether it was asked by two at once."""
    project(root, TOML + settings, [given])
    script = root / "orders.py"
    served = 'ThreadingHTTPServer(("127.0.0.1", int(os.environ["PORT"])), Handler)'
    assert served in script.read_text()
    script.write_text(script.read_text().replace(served, TOGETHER.format(patience=patience)))
    context = make_context(load_project(root / "harness.toml"), ProviderStage(), [])

    async def run() -> StageResult:
        with anyio.fail_after(60):
            return await ProviderStage().run(context)

    return anyio.run(run)


def test_many_reads_without_a_state_are_verified_side_by_side(tmp_path: Path) -> None:
    result = watched(tmp_path, pact(*(http(f"read {n}", body={"together": True}) for n in range(40))), 20)

    assert result.status is Status.PASS, result
    assert result.work["interactions"] == 40


def test_interactions_with_a_state_are_never_side_by_side(tmp_path: Path) -> None:
    stated = (http(f"read {n}", body={"together": False}, states=["an order"]) for n in range(41))

    result = watched(tmp_path, pact(*stated), 0)

    assert result.status is Status.PASS, result
    assert result.work["interactions"] == 41


def test_a_mismatch_in_any_shard_is_found(tmp_path: Path) -> None:
    reads = [http(f"read {n}", body={"together": True} if n % 20 else {"missing": n}) for n in range(60)]

    result = watched(tmp_path, pact(*reads), 20)

    assert sorted(f.title.split('"')[1] for f in result.findings) == ["read 0", "read 20", "read 40"]
    assert result.work["interactions"] == 60


def test_with_several_instances_everything_is_spread_over_them(tmp_path: Path) -> None:
    stated = [http(f"read {n}", body={"together": False}, states=["an order"]) for n in range(6)]

    result = watched(tmp_path, pact(*stated), 0, "[stages.provider]\ninstances = 3\n")

    assert result.status is Status.PASS, result
    assert len(list(tmp_path.glob("served-*"))) == 3
    assert len([a for a in result.artifacts if a.path.endswith("orders.log")]) == 3


def test_a_fixed_port_and_several_instances_are_refused(tmp_path: Path) -> None:
    toml = TOML.replace('command = ["python", "orders.py"]', 'command = ["python", "orders.py"]\nport = 4711')
    given = project(tmp_path, toml + "[stages.provider]\ninstances = 2\n", [pact(http("an order"))])

    with pytest.raises((UsageError, ExceptionGroup)) as refused:
        anyio.run(ProviderStage().run, make_context(given, ProviderStage(), []))

    assert "services.orders.port = 4711 allows one at a time" in str(
        getattr(refused.value, "exceptions", refused.value)
    )
