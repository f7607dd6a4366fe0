"""Every way we know for consumer tests to prove nothing and pass, through the real stage: none ends `pass`, and each says why.

docs/explanation/false-greens.md is this table for people. A new way gets a row here first.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from harness.contracts.stage import ConsumerStage
from harness.evidence import Severity, StageResult, Status
from tests.contracts.false_greens.situations import Arrange, Situations, run
from tests.contracts.shop import TOML, http, pact, project

#: What it is, how it is brought about, and what has to be said.
situation = Situations()


def consume(root: Path, text: str, *, toml: str = TOML, **files: str) -> StageResult:
    """The consumer stage over one test file; further files are given as pytest_ini=..."""
    named = {name.replace("_", ".") if name == "pytest_ini" else f"contracts/{name}.py": t for name, t in files.items()}
    made = project(root, toml, files={"contracts/test_web.py": text, "pytest.ini": "[pytest]\n", **named})
    return run(made, ConsumerStage())


#: One good test of a consumer; `{end}` is the rest of it.
TEST = """
import pytest
import urllib.request

def asks(pact, description="an order"):
    contract = pact("web", "orders")
    contract.upon_receiving(description).with_request("GET", "/orders/1").will_respond_with(200)
    return contract
"""
CALL = """
    with asks(pact).serve() as server:
        assert urllib.request.urlopen(f"{server.url}/orders/1").status == 200
"""


@situation("no tests collected", "pytest collected no tests")
def _(root: Path) -> StageResult:
    return consume(root, "def helper(): ...\n")


@situation("every test skipped", "were skipped")
def _(root: Path) -> StageResult:
    return consume(root, TEST + f"@pytest.mark.skip\ndef test_it(pact):{CALL}")


@situation("every test skipped by a conftest", "were skipped")
def _(root: Path) -> StageResult:
    conftest = (
        "import pytest\ndef pytest_collection_modifyitems(items):\n"
        "    for item in items:\n        item.add_marker(pytest.mark.skip)\n"
    )
    return consume(root, TEST + f"def test_it(pact):{CALL}", conftest=conftest)


@situation("every test skipped, and pacts of an earlier run still there", "were skipped")
def _(root: Path) -> StageResult:
    project(root, TOML, [pact(http("an order"))])
    stale = root / ".harness/runs/test/consumer/pacts/web-orders.json"
    stale.parent.mkdir(parents=True)
    stale.write_text(json.dumps(pact(http("an order"))))
    return consume(root, TEST + f"@pytest.mark.skip\ndef test_it(pact):{CALL}")


@situation(
    "a file that leaves itself out, beside one that runs", "consumer.file_skipped", about="contracts/test_mail.py"
)
@situation(
    "a file whose every test is skipped, beside one that runs", "consumer.file_skipped", about="contracts/test_bank.py"
)
def _(root: Path) -> StageResult:
    it = f"def test_it(pact):{CALL}"
    left_out = "import pytest\npytest.importorskip('what_is_not_installed')\n" + TEST + it
    skipped = TEST + "@pytest.mark.skip(reason='later')\n" + it
    return consume(root, TEST + it, test_mail=left_out, test_bank=skipped)


@situation("a test that a hook takes away after it was collected", "consumer.cut_short")
def _(root: Path) -> StageResult:
    conftest = (
        "import pytest\n@pytest.hookimpl(tryfirst=True)\ndef pytest_runtest_protocol(item):\n"
        "    return True if 'last' in item.name else None\n"
    )
    return consume(root, TEST + f"def test_it(pact):{CALL}def test_last():\n    assert False\n", conftest=conftest)


@situation("a test that ends pytest as if all was well", "consumer.suite_broken")
def _(root: Path) -> StageResult:
    early = "def test_more(pact):\n    pytest.exit('enough', returncode=0)\ndef test_last(pact):\n    assert False\n"
    return consume(root, TEST + f"def test_it(pact):{CALL}" + early)


@situation("pytest says no on its way out, after every test passed", "consumer.suite_broken")
def _(root: Path) -> StageResult:
    conftest = "def pytest_sessionfinish(session):\n    session.exitstatus = 1\n"
    return consume(root, TEST + f"def test_it(pact):{CALL}", conftest=conftest)


@situation("a worker that ends as if all was well", "consumer.")
def _(root: Path) -> StageResult:
    early = "def test_more(pact):\n    import os\n    os._exit(0)\n"
    return consume(root, TEST + f"def test_it(pact):{CALL}" + early)


@situation("every test an expected failure", "were skipped")
def _(root: Path) -> StageResult:
    return consume(root, TEST + f"@pytest.mark.xfail\ndef test_it(pact):{CALL}        assert False\n")


@situation("every test left out by -k in addopts", "pytest collected no tests")
def _(root: Path) -> StageResult:
    ini = "[pytest]\naddopts = -k nothing\n"
    return consume(root, TEST + f"def test_it(pact):{CALL}", pytest_ini=ini)


@situation("every test left out by the stage's own arguments", "pytest collected no tests")
def _(root: Path) -> StageResult:
    toml = TOML + '[stages.consumer]\narguments = ["-k", "nothing"]\n'
    return consume(root, TEST + f"def test_it(pact):{CALL}", toml=toml)


@situation("a suite of scenarios only, which the consumer stage leaves out", "pytest collected no tests")
def _(root: Path) -> StageResult:
    scenario = """
import pytest

@pytest.mark.scenario(consumer="web", provider="orders")
def test_an_order_keeps_its_total(provider):
    assert provider.client.get("/orders/1").json()["total"] == 100
"""
    return consume(root, scenario)


@situation("tests without a single pact", "none of them produced a pact")
def _(root: Path) -> StageResult:
    return consume(root, "def test_nothing():\n    assert True\n")


@situation("a test that never calls the mock server", "consumer.test_failed", about="contracts/test_web.py")
@situation(
    "a test that does not even start the mock server", "consumer.test_failed", about="contracts/test_unstarted.py"
)
@situation("a test that swallows the mismatch", "consumer.test_failed", about="contracts/test_swallowed.py")
@situation("one of two interactions never exercised", "consumer.test_failed", about="contracts/test_half.py")
def _(root: Path) -> StageResult:
    swallowed = """
def test_it(pact):
    try:
        with asks(pact, "swallowed").serve() as server:
            urllib.request.urlopen(f"{server.url}/elsewhere")
    except Exception:
        pass
"""
    half = """
def test_it(pact):
    contract = asks(pact, "half")
    contract.upon_receiving("another").with_request("GET", "/orders/2").will_respond_with(200)
    with contract.serve() as server:
        try:
            urllib.request.urlopen(f"{server.url}/orders/1")
        finally:
            pass
"""
    return consume(
        root,
        TEST + "def test_it(pact):\n    with asks(pact).serve():\n        pass\n",
        test_unstarted=TEST + "def test_it(pact):\n    asks(pact, 'unstarted')\n",
        test_swallowed=TEST + swallowed,
        test_half=TEST + half,
    )


@situation("a consumer test whose process ends in the middle", "consumer.")
def _(root: Path) -> StageResult:
    return consume(root, TEST + f"def test_it(pact):{CALL}        __import__('os')._exit(0)\n")


@pytest.mark.parametrize("what", list(situation))
def test_what_checked_nothing_never_passes(outcome: Callable[[Arrange], StageResult], what: str) -> None:
    row = situation[what]

    row.is_told_by(outcome(row.arrange))


def test_the_same_system_passes_when_nothing_is_wrong_with_it(tmp_path: Path) -> None:
    """Else the rows above might be red for another reason than their own."""
    consumed = consume(tmp_path, TEST + f"def test_it(pact):{CALL}")

    assert consumed.status in {Status.PASS, Status.WARN}, consumed
    assert not [f for f in consumed.findings if f.severity is Severity.ERROR]
