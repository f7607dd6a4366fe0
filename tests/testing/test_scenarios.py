"""Scenarios run by hand: what a plain run leaves out, where the provider comes from, and what is said of mistakes."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest

from tests.contracts.shop import project
from tests.helpers import answered_by, run_pytest

TEXT = """
import pytest

@pytest.mark.scenario(consumer="web", provider="orders")
def test_an_order_keeps_its_total(provider):
    assert provider.client.get("/orders/1").json()["total"] == 100
"""
PACT = """
import urllib.request

def test_an_order(pact):
    contract = pact("web", "orders")
    contract.upon_receiving("an order").with_request("GET", "/orders/1").will_respond_with(200)
    with contract.serve() as server:
        urllib.request.urlopen(f"{server.url}/orders/1")
"""


def run(root: Path, *arguments: str, text: str = TEXT + PACT) -> subprocess.CompletedProcess[str]:
    if not (root / "harness.toml").exists():
        project(root, files={"contracts/test_web.py": text, "pytest.ini": "[pytest]\n"})
    return run_pytest("--strict-markers", *(arguments or ("contracts",)), cwd=root)


@pytest.fixture
def elsewhere() -> Iterator[tuple[str, list[str]]]:
    """A provider that runs already, and the traces of the requests it got."""
    traces: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            traces.append(str(self.headers.get("traceparent")))
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b'{"total": 100}')

    with answered_by(Handler) as url:
        yield url, traces


@pytest.mark.parametrize("workers", [(), ("-n", "2")])
def test_a_plain_run_leaves_scenarios_out_and_is_complete_all_the_same(
    tmp_path: Path, workers: tuple[str, ...]
) -> None:
    done = run(tmp_path, "contracts", *workers)

    assert done.returncode == 0, done.stdout
    assert "1 passed" in done.stdout
    assert "left as they were" not in done.stdout
    if not workers:
        assert "1 scenario left out; run them with: pytest contracts -m scenario" in done.stdout


@pytest.mark.parametrize(
    "arguments",
    [("contracts", "-m", "scenario"), ("contracts/test_web.py::test_an_order_keeps_its_total",)],
    ids=["marker", "typed out"],
)
def test_without_an_address_the_provider_is_started_alone(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    done = run(tmp_path, *arguments)

    assert done.returncode == 0, done.stdout
    assert "1 passed" in done.stdout


def test_with_an_address_nothing_is_started_and_requests_carry_one_trace(
    tmp_path: Path, elsewhere: tuple[str, list[str]]
) -> None:
    url, traces = elsewhere
    text = TEXT + '    provider.client.get("/", headers={"traceparent": "of the client"})\n'

    done = run(tmp_path, "contracts", "--provider-url", f"orders={url}", "-m", "scenario", text=text)

    assert done.returncode == 0, done.stdout
    assert len(traces) == 2
    assert len({trace.split("-")[1] for trace in traces}) == 1


@pytest.mark.parametrize(
    ("text", "arguments", "said"),
    [
        (TEXT, ("--provider-url", "orders"), "--provider-url takes NAME=URL"),
        (TEXT.replace('"orders"', '"ordres"'), ("-m", "scenario"), 'Did you mean "orders"?'),
        (TEXT.replace('consumer="web", ', ""), ("-m", "scenario"), "consumer missing"),
        (TEXT.replace("(provider)", "()"), ("-m", "scenario"), "does not ask for the fixture `provider`"),
        ("def test_it(provider):\n    pass\n", (), "is for scenarios: mark the test"),
        (TEXT.replace("    assert", "    return\n    assert"), ("-m", "scenario"), "made no call to orders"),
        (TEXT.replace("    assert", '    provider.published("x")\n    assert'), ("-m", "scenario"), "1 passed"),
        (
            TEXT.replace("    assert", '    provider.given("the moon")\n    assert'),
            ("-m", "scenario"),
            'state "the moon": 400',
        ),
    ],
    ids=["address", "provider", "consumer", "fixture", "marker", "silent", "message", "state"],
)
def test_a_mistake_is_one_clear_message(tmp_path: Path, text: str, arguments: tuple[str, ...], said: str) -> None:
    done = run(tmp_path, "contracts", *arguments, text=text)

    assert said in done.stdout + done.stderr
    assert done.returncode == (0 if said == "1 passed" else done.returncode or 1)
    assert "INTERNALERROR" not in done.stdout


def test_a_provider_that_does_not_start_fails_its_scenarios_with_its_reason(tmp_path: Path) -> None:
    project(
        tmp_path, files={"contracts/test_web.py": TEXT, "pytest.ini": "[pytest]\n", "orders.py": "raise SystemExit(7)"}
    )

    done = run(tmp_path, "contracts", "-m", "scenario")

    assert done.returncode == 1
    assert "orders alone: service orders did not start" in done.stdout
    assert "exit code 7" in done.stdout
