"""Every way we know for scenarios to prove nothing and pass, through the real provider stage: none does, and each says why.

docs/explanation/false-greens.md is this table for people. A new way gets a row here first.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from harness.evidence import StageResult, Status
from tests.contracts.false_greens.situations import Arrange, Situations, verify
from tests.contracts.shop import http, pact

#: What it is, how it is brought about, and what has to be said.
situation = Situations()


SCENARIO = """
import pytest

@pytest.mark.scenario(consumer="web", provider="orders")
def test_an_order_keeps_its_total(provider):
"""
CALLS = '    assert provider.client.get("/orders/1").json()["total"] == 100\n'


def tell(root: Path, text: str, **files: str) -> StageResult:
    """The provider stage over a kept pact and these scenarios; further files are given as test_mail=..."""
    named = {f"contracts/{name}.py": t for name, t in {"test_web": text, **files}.items()}
    return verify(root, pact(http("an order", body={"id": "1"})), files={**named, "pytest.ini": "[pytest]\n"})


@situation("a scenario that makes no call to its provider", "provider.scenario_silent", about="contracts/test_web.py")
@situation("a scenario that asserts nothing", "provider.scenario_deaf", about="contracts/test_deaf.py")
@situation(
    "a scenario that swallows whatever goes wrong", "provider.scenario_deaf", about="contracts/test_swallowing.py"
)
@situation("a scenario that asks for no provider", "provider.scenario_unusable", about="contracts/test_alone.py")
@situation("a scenario about a provider nobody has", "provider.scenario_unusable", about="contracts/test_nobody.py")
@situation("every scenario of a consumer skipped", "provider.scenarios_skipped", about="mail")
@situation("every scenario of a consumer an expected failure", "provider.scenarios_skipped", about="bank")
@situation("a file of scenarios that leaves itself out", "provider.scenarios_unknown", about="contracts/test_out.py")
def _(root: Path) -> StageResult:
    swallowed = CALLS.replace("    assert", "        assert").replace("100", "7")
    of_mail, of_bank = (SCENARIO.replace('"web"', f'"{name}"') for name in ("mail", "bank"))
    return tell(
        root,
        SCENARIO + "    assert True\n",
        test_deaf=SCENARIO + '    provider.client.get("/orders/1")\n',
        test_swallowing=SCENARIO + f"    try:\n{swallowed}    except Exception:\n        pass\n",
        test_alone=SCENARIO.replace("(provider)", "()") + "    assert True\n",
        test_nobody=SCENARIO.replace('"orders"', '"ordres"') + CALLS,
        test_mail=of_mail.replace("@pytest", "@pytest.mark.skip\n@pytest") + CALLS,
        test_bank=of_bank.replace("@pytest", "@pytest.mark.xfail\n@pytest") + CALLS + "    assert False\n",
        test_out="import pytest\npytest.importorskip('what_is_not_installed')\n" + SCENARIO + CALLS,
    )


@situation("a scenario that ends the process it runs in", "provider.scenario_not_run")
def _(root: Path) -> StageResult:
    return tell(root, SCENARIO + CALLS + "    __import__('os')._exit(0)\n")


@pytest.mark.parametrize("what", list(situation))
def test_what_checked_nothing_never_passes(outcome: Callable[[Arrange], StageResult], what: str) -> None:
    row = situation[what]

    row.is_told_by(outcome(row.arrange))


def test_the_same_system_passes_when_nothing_is_wrong_with_it(tmp_path: Path) -> None:
    """Else the rows above might be red for another reason than their own."""
    verified = tell(tmp_path, SCENARIO + CALLS)

    assert verified.status is Status.PASS, verified
