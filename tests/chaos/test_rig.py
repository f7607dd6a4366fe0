"""Faults come out again, whatever one of them says."""

from __future__ import annotations

from typing import Any, cast

import anyio
import pytest

from harness.chaos.rig import Rig
from harness.system.model import Edge


class Proxy:
    def __init__(self, problem: Exception | None = None) -> None:
        self.problem, self.enabled = problem, False

    def toxics(self) -> dict[str, object]:
        if self.problem:
            raise self.problem
        return {}

    def enable(self) -> None:
        self.enabled = True


def test_a_fault_that_cannot_be_taken_out_keeps_no_other_in_and_is_told() -> None:
    edges = [Edge("shop", callee, "URL") for callee in ("bank", "stock", "post")]
    proxies = [Proxy(), Proxy(OSError("the server is gone")), Proxy()]
    rig = Rig(*cast("Any", (None, None, None)))
    rig._proxies = cast("Any", {edge.key: proxy for edge, proxy in zip(edges, proxies, strict=True)})

    async def clear() -> None:
        await rig.clear(*edges)

    with pytest.raises(OSError, match="the server is gone"):
        anyio.run(clear)

    assert [p.enabled for p in proxies] == [True, False, True]
