"""The pytest plugin, used as a stranger would: pytest in a child process, in a folder of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from harness.contracts.pacts import InteractionKind, Pact, read_pact, write_pact
from tests.helpers import PLUGINS, run_pytest

HEADER = """
import httpx

def ask(pact, description, path="/records/1", status=200, consumer="orders", provider="catalog"):
    contract = pact(consumer, provider)
    contract.upon_receiving(description).given("a record").with_request("GET", path).will_respond_with(status)
    with contract.serve() as server:
        assert httpx.get(f"{server.url}{path}", trust_env=False).status_code == status
"""
TWO_TESTS = (
    HEADER
    + """
def test_one(pact):
    ask(pact, "one")

def test_two(pact):
    ask(pact, "two", "/records/2", 404)
"""
)


def suite(root: Path, text: str, name: str = "test_orders.py") -> Path:
    folder = root / "contracts"
    folder.mkdir(exist_ok=True)
    (folder / name).write_text(text)
    (root / "pytest.ini").write_text("[pytest]\naddopts = -p no:randomly -p no:cacheprovider --import-mode=importlib\n")
    return folder


def run(root: Path, *args: str) -> subprocess.CompletedProcess[str]:
    return run_pytest("-q", *args, cwd=root)


def start(root: Path, *args: str, **env: str) -> subprocess.CompletedProcess[str]:
    """In a process of its own, which loads everything by itself."""
    command = [sys.executable, "-m", "pytest", "-q", "contracts", *args]
    return subprocess.run(
        command, cwd=root, env={**os.environ, **env}, capture_output=True, text=True, timeout=90, check=False
    )


def descriptions(root: Path, name: str = "orders-catalog.json") -> list[str]:
    raw = json.loads((root / "contracts/pacts" / name).read_bytes())
    return [i["description"] for i in raw["interactions"]]


def test_a_plain_pytest_run_publishes_the_pacts(tmp_path: Path) -> None:
    suite(tmp_path, TWO_TESTS)

    done = start(tmp_path)

    assert done.returncode == 0, done.stdout
    assert descriptions(tmp_path) == ["one", "two"]
    assert "pact contracts/pacts/orders-catalog.json: 2 interactions" in done.stdout


def test_workers_and_one_process_publish_the_same_bytes(tmp_path: Path) -> None:
    suite(tmp_path, TWO_TESTS)
    suite(tmp_path, HEADER + "def test_three(pact):\n    ask(pact, 'three', '/records/3')\n", "test_more.py")
    file = tmp_path / "contracts/pacts/orders-catalog.json"

    assert run(tmp_path, "contracts").returncode == 0
    alone = file.read_bytes()
    file.unlink()
    assert run(tmp_path, "contracts", "-n", "2").returncode == 0

    assert file.read_bytes() == alone


def test_what_tests_send_is_kept_from_others_of_the_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    looks = """
def test_that_looks():
    [folder] = (Path(__file__).parents[1]).glob("harness-pacts-*")
    assert [p.name for p in (folder, *folder.iterdir()) if p.stat().st_mode & 0o077] == []
"""
    suite(tmp_path, "from pathlib import Path\n" + TWO_TESTS + looks)

    done = run(tmp_path, "contracts", "--harness-report", "report.ndjson")

    assert done.returncode == 0, done.stdout
    assert (tmp_path / "report.ndjson").stat().st_mode & 0o077 == 0
    assert list(tmp_path.glob("harness-pacts-*")) == []


@pytest.mark.parametrize("workers", [(), ("-n", "1", "--max-worker-restart=0")])
def test_what_a_killed_run_had_sent_is_gone_after_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, workers: tuple[str, ...]
) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    killed = """
def test_that_is_killed(request):
    import os, signal
    [folder] = (Path(__file__).parents[1]).glob("harness-pacts-*")
    assert list(folder.glob("*.pacts"))
    if hasattr(request.config, "workerinput"):
        os.kill(os.getppid(), signal.SIGKILL)
    os.kill(os.getpid(), signal.SIGKILL)
"""
    suite(tmp_path, "from pathlib import Path\n" + TWO_TESTS + killed)
    run(tmp_path, "contracts", *workers)
    [left] = tmp_path.glob("harness-pacts-*")
    suite(tmp_path, TWO_TESTS)

    assert run(tmp_path, "contracts").returncode == 0

    assert not left.exists()
    assert list(tmp_path.glob("harness-pacts-*")) == []


@pytest.mark.parametrize(
    "selection",
    [
        ["-k", "one"],
        ["contracts/test_orders.py::test_one"],
        ["--deselect", "contracts/test_orders.py::test_two"],
    ],
)
def test_a_partial_run_keeps_what_it_did_not_produce(tmp_path: Path, selection: list[str]) -> None:
    suite(tmp_path, TWO_TESTS)
    run(tmp_path, "contracts")
    suite(tmp_path, TWO_TESTS.replace('"/records/2", 404', '"/records/9", 404').replace('"one"', '"one", "/records/7"'))

    done = run(tmp_path, *(selection if "::" in selection[0] else ["contracts", *selection]))

    text = (tmp_path / "contracts/pacts/orders-catalog.json").read_text()
    assert descriptions(tmp_path) == ["one", "two"]
    assert "/records/7" in text
    assert "/records/2" in text
    assert "1 more left as they were" in done.stdout


def test_a_complete_run_drops_what_no_test_produces_any_more(tmp_path: Path) -> None:
    suite(tmp_path, TWO_TESTS)
    run(tmp_path, "contracts")
    suite(tmp_path, TWO_TESTS.replace('"two"', '"zwei"'))

    run(tmp_path, "contracts")

    assert descriptions(tmp_path) == ["one", "zwei"]


def test_a_failed_test_publishes_nothing_of_its_own_and_keeps_the_old(tmp_path: Path) -> None:
    suite(tmp_path, TWO_TESTS)
    run(tmp_path, "contracts")
    suite(tmp_path, TWO_TESTS.replace('ask(pact, "two", "/records/2", 404)', 'ask(pact, "zwei")\n    assert 1 == 2'))

    done = run(tmp_path, "contracts")

    assert done.returncode == 1
    assert descriptions(tmp_path) == ["one", "two"]


def test_a_flaky_test_that_passes_in_the_end_leaves_the_run_complete(tmp_path: Path) -> None:
    again = """
import pytest
from _pytest.runner import runtestprotocol

@pytest.hookimpl(tryfirst=True)
def pytest_runtest_protocol(item, nextitem):
    for attempt in (1, 2):
        item.attempt = attempt
        item._initrequest()
        reports = runtestprotocol(item, nextitem=nextitem, log=False)
        for report in reports:
            if attempt == 1 and report.failed:
                report.outcome = "rerun"
            item.ihook.pytest_runtest_logreport(report=report)
    return True

@pytest.fixture
def attempt(request):
    return request.node.attempt
"""
    suite(tmp_path, again, "conftest.py")
    suite(tmp_path, TWO_TESTS)
    run(tmp_path, "contracts")
    flaky = TWO_TESTS.replace('"two"', '"zwei"').replace(
        "test_one(pact):", "test_one(pact, attempt):\n    assert attempt == 2"
    )
    suite(tmp_path, flaky)

    done = run(tmp_path, "contracts")

    assert done.returncode == 0, done.stdout
    assert descriptions(tmp_path) == ["one", "zwei"]


def test_why_interactions_are_left_as_they_were_is_counted_by_outcome(tmp_path: Path) -> None:
    suite(tmp_path, TWO_TESTS)
    run(tmp_path, "contracts")
    more = "import pytest\n@pytest.mark.skip\ndef test_a(): pass\n@pytest.mark.skip\ndef test_b(): pass\n"
    suite(tmp_path, more + TWO_TESTS.replace('ask(pact, "two", "/records/2", 404)', "assert 1 == 2"))

    done = run(tmp_path, "contracts")

    assert "1 more left as they were (1 test failed and 2 tests were skipped)" in done.stdout


def test_two_tests_that_define_an_interaction_differently_are_both_named(tmp_path: Path) -> None:
    suite(tmp_path, TWO_TESTS.replace('"two"', '"one"'))

    done = run(tmp_path, "contracts", "-n", "2")

    assert done.returncode == 1
    assert (
        'test_orders.py::test_one and contracts/test_orders.py::test_two define "one" (given a record)' in done.stdout
    )
    assert not (tmp_path / "contracts/pacts").exists()


def test_a_pact_file_no_test_produces_is_told_but_a_foreign_one_is_let_be(tmp_path: Path) -> None:
    folder = suite(tmp_path, TWO_TESTS) / "pacts"
    folder.mkdir()
    for consumer in ("orders", "mobile"):
        write_pact(Pact(consumer, "gone", ()), folder)

    done = run(tmp_path, "contracts")

    assert "contracts/pacts/orders-gone.json is stale" in done.stdout
    assert "mobile-gone" not in done.stdout
    assert (folder / "orders-gone.json").exists()


def test_what_another_tool_wrote_for_a_consumer_with_tests_here_is_not_stale(tmp_path: Path) -> None:
    folder = suite(tmp_path, TWO_TESTS) / "pacts"
    folder.mkdir()
    (folder / "orders-bank.json").write_text(json.dumps(foreign("orders", "bank", "a balance")))

    done = run(tmp_path, "contracts")

    assert done.returncode == 0
    assert "orders-bank" not in done.stdout


@pytest.mark.parametrize("selection", [(), ("-k", "one")], ids=["whole", "part"])
def test_what_another_tool_wrote_about_the_same_two_is_not_written_over(
    tmp_path: Path, selection: tuple[str, ...]
) -> None:
    file = suite(tmp_path, TWO_TESTS) / "pacts/orders-catalog.json"
    file.parent.mkdir()
    before = json.dumps(foreign("orders", "catalog", "a record of the other tool"))
    file.write_text(before)

    done = run(tmp_path, "contracts", *selection)

    assert done.returncode == 1
    assert 'orders-catalog.json was written by another tool and also holds "a record of the other tool"' in done.stdout
    assert file.read_text() == before


def test_a_formatter_over_a_published_pact_makes_it_nobody_elses(tmp_path: Path) -> None:
    suite(tmp_path, TWO_TESTS)
    run(tmp_path, "contracts")
    file = tmp_path / "contracts/pacts/orders-catalog.json"
    file.write_text(json.dumps(json.loads(file.read_text()), indent=4))
    suite(tmp_path, TWO_TESTS.replace('"two"', '"zwei"'))

    done = run(tmp_path, "contracts")

    assert done.returncode == 0
    assert descriptions(tmp_path) == ["one", "zwei"]


def foreign(consumer: str, provider: str, description: str) -> dict[str, object]:
    """A pact as tools of other languages leave it, with their version in its metadata."""
    exchange = {"request": {"method": "GET", "path": "/x"}, "response": {"status": 200}}
    return {
        "consumer": {"name": consumer},
        "interactions": [{"description": description, "type": "Synchronous/HTTP", **exchange}],
        "metadata": {"pact-js": {"version": "17.1.4"}, "pactSpecification": {"version": "4.0"}},
        "provider": {"name": provider},
    }


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("pact('a', 'b')", "has no interactions"),
        ("pact('a', 'b').upon_receiving('x').with_request('GET', '/')", "was never served"),
        ("pact('a', 'b').upon_receiving('x', 'Async').with_body({'a': 1})", "0 of them reached a handler"),
        (
            """c = pact('a', 'b')
    c.upon_receiving('x').with_request('GET', '/').will_respond_with(200)
    with c.serve(raises=False): pass""",
            "was not met by its consumer",
        ),
    ],
)
def test_a_pact_the_consumer_was_never_shown_fails_its_test(tmp_path: Path, body: str, said: str) -> None:
    suite(tmp_path, f"def test_lazy(pact):\n    {body}\n")

    done = run(tmp_path, "contracts")

    assert done.returncode == 1
    assert said in done.stdout
    assert not (tmp_path / "contracts/pacts").exists()


def test_messages_are_published_too(tmp_path: Path) -> None:
    suite(
        tmp_path,
        "def test_event(pact):\n"
        "    contract = pact('mail', 'orders')\n"
        "    contract.upon_receiving('an order', 'Async').with_body({'id': 1}, content_type='application/json')\n"
        "    seen = []\n"
        "    contract.verify(lambda body, metadata: seen.append(body), 'Async')\n"
        "    assert seen\n",
    )

    assert run(tmp_path, "contracts").returncode == 0
    assert descriptions(tmp_path, "mail-orders.json") == ["an order"]


SYNC = """
import json

def test_quote(pact):
    contract = pact("orders", "pricing")
    (
        contract.upon_receiving("a quote", "Sync")
        .with_body({"record": "rec-1"}, content_type="application/json")
        .will_respond_with()
        .with_body({"price": 2499}, content_type="application/json")
    )
    prices = []

    def handle(body, metadata, replies):
        assert json.loads(body) == {"record": "rec-1"}
        prices.extend(json.loads(reply)["price"] for reply in replies)

    contract.verify(handle, "Sync")
    assert prices == [2499]
"""


def test_a_synchronous_message_shows_its_replies_and_is_published(tmp_path: Path) -> None:
    suite(tmp_path, SYNC)

    done = run(tmp_path, "contracts")

    assert done.returncode == 0, done.stdout
    assert descriptions(tmp_path, "orders-pricing.json") == ["a quote"]


def test_a_synchronous_message_whose_replies_nobody_was_shown_fails(tmp_path: Path) -> None:
    lazy = SYNC.replace(", replies)", ")").replace("        prices.extend", "        #").replace("== [2499]", "== []")
    suite(tmp_path, lazy)

    done = run(tmp_path, "contracts")

    assert done.returncode == 1
    assert "replies nobody was shown" in done.stdout
    assert not (tmp_path / "contracts/pacts").exists()


VERSIONS = """
import json, httpx, pytest

@pytest.mark.parametrize("version", ["V1", "V2", "V3", "V4"])
def test_http(pact, version):
    contract = pact("orders" + version, "catalog").with_specification(version)
    contract.upon_receiving("a record").given("it is there").with_request("GET", "/r").will_respond_with(200)
    with contract.serve() as server:
        assert httpx.get(f"{server.url}/r", trust_env=False).status_code == 200

@pytest.mark.parametrize("version", ["V3", "V4"])
def test_message(pact, version):
    contract = pact("mail" + version, "orders").with_specification(version)
    contract.upon_receiving("an order", "Async").with_body({"id": 1}, content_type="application/json")
    contract.verify(lambda body, _: json.loads(body)["id"], "Async")
"""


def test_pacts_of_every_specification_are_published_in_their_own_version(tmp_path: Path) -> None:
    suite(tmp_path, VERSIONS)

    done = run(tmp_path, "contracts")

    assert done.returncode == 0, done.stdout
    pacts = {p.consumer: p for p in map(read_pact, (tmp_path / "contracts/pacts").iterdir())}
    assert {name: pact.version for name, pact in pacts.items()} == {
        "ordersV1": 1,
        "ordersV2": 2,
        "ordersV3": 3,
        "ordersV4": 4,
        "mailV3": 3,
        "mailV4": 4,
    }
    assert {i.kind for name, pact in pacts.items() for i in pact.interactions if "mail" in name} == {
        InteractionKind.ASYNC
    }
    assert pacts["ordersV2"].interactions[0].states == ("it is there",)


def test_two_versions_of_the_specification_in_one_pact_are_an_error_that_names_both_tests(tmp_path: Path) -> None:
    suite(tmp_path, VERSIONS.replace('"orders" + version', '"orders"').replace('"a record"', '"a record" + version'))

    done = run(tmp_path, "contracts", "-k", "V2 or V3")

    assert done.returncode == 1
    assert "test_http[V2] and contracts/test_orders.py::test_http[V3] set the specification's version" in done.stdout
    assert not (tmp_path / "contracts/pacts/orders-catalog.json").exists()


@pytest.mark.parametrize(
    ("handler", "said"),
    [
        ("lambda body, _: {}[body]", "its handler raised KeyError"),
        ("nobody_awaits", "the handler is asynchronous and nothing awaits it"),
    ],
)
def test_a_message_whose_handler_did_not_get_through_is_not_published(tmp_path: Path, handler: str, said: str) -> None:
    text = (
        "async def nobody_awaits(body, metadata):\n    return 1\n\n"
        "def test_event(pact):\n"
        "    contract = pact('mail', 'orders')\n"
        "    contract.upon_receiving('an order', 'Async').with_body({'id': 1}, content_type='application/json')\n"
        f"    contract.verify({handler}, 'Async', raises=False)\n"
    )
    suite(tmp_path, text)

    done = run(tmp_path, "contracts")

    assert done.returncode == 1
    assert said in done.stdout
    assert not (tmp_path / "contracts/pacts").exists()


def test_what_a_message_handler_raised_is_told(tmp_path: Path) -> None:
    suite(
        tmp_path,
        "def test_event(pact):\n"
        "    contract = pact('mail', 'orders')\n"
        "    contract.upon_receiving('an order', 'Async').with_body({'id': 1}, content_type='application/json')\n"
        "    contract.verify(lambda body, _: int('three'), 'Async')\n",
    )

    done = run(tmp_path, "contracts")

    assert "PactVerificationError: Error verifying interaction 'an order': invalid literal for int()" in done.stdout


def test_messages_of_one_kind_do_not_stand_in_for_those_of_the_other(tmp_path: Path) -> None:
    asked_twice = SYNC.replace(
        "    prices = []",
        """    contract.upon_receiving('an event', 'Async').with_body('x')
    prices = []""",
    ).replace('"Sync")\n    assert prices == [2499]', '"Sync")\n    contract.verify(handle, "Sync")')
    suite(tmp_path, asked_twice)

    done = run(tmp_path, "contracts")

    assert done.returncode == 1
    assert "has 2 messages, 1 of them reached a handler" in done.stdout


def test_a_run_without_scenarios_is_still_complete(tmp_path: Path) -> None:
    scenario = "\nimport pytest\n@pytest.mark.scenario\ndef test_story():\n    pass\n"
    suite(tmp_path, TWO_TESTS + scenario)
    leave_out = """
def pytest_configure(config):
    config.addinivalue_line("markers", "scenario: a sequence of calls")

def pytest_collection_modifyitems(config, items):
    told = [i for i in items if i.get_closest_marker("scenario")]
    items[:] = [i for i in items if i not in told]
    config.hook.pytest_deselected(items=told)
"""
    suite(tmp_path, leave_out, "conftest.py")
    run(tmp_path, "contracts")
    suite(tmp_path, TWO_TESTS.replace('"two"', '"zwei"') + scenario)

    run(tmp_path, "contracts")

    assert descriptions(tmp_path) == ["one", "zwei"]


def test_a_run_without_the_fixture_leaves_nothing_and_loads_nothing(tmp_path: Path) -> None:
    suite(
        tmp_path,
        "import sys\n"
        "def test_light():\n"
        "    assert not {'pact_ffi', 'pydantic', 'harness.testing.publishing'} & set(sys.modules)\n",
    )

    done = start(tmp_path, *PLUGINS, PYTEST_DISABLE_PLUGIN_AUTOLOAD="1")

    assert done.returncode == 0, done.stdout
    assert "pact" not in done.stdout
    assert not (tmp_path / "contracts/pacts").exists()


def test_the_place_of_pacts_comes_from_harness_toml_or_the_option(tmp_path: Path) -> None:
    suite(tmp_path, TWO_TESTS)
    (tmp_path / "harness.toml").write_text(
        '[system]\nname = "s"\n[services.orders]\nurl = "http://127.0.0.1:1"\n[suites]\npacts = "published"\n'
    )

    assert run(tmp_path, "contracts").returncode == 0
    assert run(tmp_path, "contracts", "--pact-dir", "elsewhere").returncode == 0

    assert (tmp_path / "published/orders-catalog.json").read_bytes() == (
        tmp_path / "elsewhere/orders-catalog.json"
    ).read_bytes()
