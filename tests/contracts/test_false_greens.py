"""Every way we know to pass without having checked anything, through the real stages: none ends `pass`, and each says why.

docs/explanation/false-greens.md is this table for people. A new way gets a row here first.
"""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, TypeVar

import anyio
import pytest

from harness.contracts.stage import ConsumerStage, ProviderStage, SchemaStage
from harness.errors import HarnessError, InfrastructureError, UsageError, first_of
from harness.evidence import Severity, StageResult, Status
from harness.pipeline.stage import Stage
from harness.system.config import Project
from tests.contracts.shop import PROVIDER, TOML, http, message, pact, project
from tests.contracts.sources.broker import broker
from tests.helpers import make_context, run_harness

Situation = Callable[[Path], StageResult]
_F = TypeVar("_F", bound=Situation)
#: What it is -> how it is brought about, and what has to be said: a rule, or words of the reason.
SITUATIONS: dict[str, tuple[Situation, str]] = {}


@pytest.fixture(autouse=True)
def _fast(monkeypatch: pytest.MonkeyPatch) -> None:
    """Other packages' pytest plugins take seconds to load in every child, and have no part in this."""
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    monkeypatch.setenv("PYTEST_ADDOPTS", "-p harness.testing.plugin -p xdist.plugin")


def situation(what: str, says: str) -> Callable[[_F], _F]:
    """Add a row to the table."""

    def add(arrange: _F) -> _F:
        assert what not in SITUATIONS
        SITUATIONS[what] = (arrange, says)
        return arrange

    return add


def run(made: Project, stage: Stage, only: Mapping[str, str] | None = None) -> StageResult:
    """Run one stage; what stops it from outside ends it inconclusive, as in a pipeline."""
    context = make_context(made, stage, [], only=only, jobs=1)

    async def limited() -> StageResult:
        with anyio.fail_after(90):
            return await stage.run(context)

    try:
        return anyio.run(limited)
    except (HarnessError, ExceptionGroup) as raised:
        error = first_of(raised)
        assert isinstance(error, UsageError | InfrastructureError), error
        return StageResult(name=stage.name, status=Status.INCONCLUSIVE, reason=str(error))


def verify(
    root: Path,
    *pacts: dict[str, Any],
    toml: str = TOML,
    only: Mapping[str, str] | None = None,
    files: dict[str, str] | None = None,
) -> StageResult:
    """The provider stage over these pacts."""
    return run(project(root, toml, pacts, files), ProviderStage(), only)


def consume(root: Path, text: str, *, toml: str = TOML, **files: str) -> StageResult:
    """The consumer stage over one test file; further files are given as pytest_ini=..."""
    named = {name.replace("_", ".") if name == "pytest_ini" else f"contracts/{name}.py": t for name, t in files.items()}
    made = project(root, toml, files={"contracts/test_web.py": text, "pytest.ini": "[pytest]\n", **named})
    return run(made, ConsumerStage())


# --- nothing to verify ---------------------------------------------------------------------------------------------


@situation("a folder of pacts that is empty", "there is no contract to verify")
def _(root: Path) -> StageResult:
    return verify(root)


@situation("a folder of pacts that is a broken link", "there is no contract to verify")
def _(root: Path) -> StageResult:
    made = project(root)
    folder = root / "contracts/pacts"
    folder.rmdir()
    folder.symlink_to(root / "gone")
    return run(made, ProviderStage())


@situation("a filter that matches nothing", "that fits --only edge=web:bank")
def _(root: Path) -> StageResult:
    return verify(root, pact(http("an order")), only={"edge": "web:bank"})


@situation("every interaction filtered out", "that fits --only interaction=another")
def _(root: Path) -> StageResult:
    return verify(root, pact(http("an order")), only={"interaction": "another"})


@situation("a pact without interactions", "provider.empty_pact")
def _(root: Path) -> StageResult:
    return verify(root, pact())


@situation("a pact without interactions beside one that is kept", "provider.empty_pact")
def _(root: Path) -> StageResult:
    return verify(root, pact(), pact(http("an order"), consumer="mail"))


@situation("a pact that names another provider", "provider.unknown")
def _(root: Path) -> StageResult:
    return verify(root, pact(http("an order"), provider="Orders"))


@situation("a file that is no pact among good ones", "provider.pact_unreadable")
def _(root: Path) -> StageResult:
    made = project(root, TOML, [pact(http("an order"))])
    (root / "contracts/pacts/other.json").write_text("{")
    return run(made, ProviderStage())


@situation("a pact in a folder below the folder of pacts", "contracts/pacts/mail/mail-orders.json is a contract")
def _(root: Path) -> StageResult:
    made = project(root, TOML, [pact(http("an order"))])
    (root / "contracts/pacts/mail").mkdir()
    broken = json.dumps(pact(http("an order", body={"price": 1}), consumer="mail"))
    (root / "contracts/pacts/mail/mail-orders.json").write_text(broken)
    return run(made, ProviderStage())


@situation("a pact whose file has another ending", "contracts/pacts/mail-orders.JSON is a contract")
def _(root: Path) -> StageResult:
    made = project(root, TOML, [pact(http("an order"))])
    broken = json.dumps(pact(http("an order", body={"price": 1}), consumer="mail"))
    (root / "contracts/pacts/mail-orders.JSON").write_text(broken)
    return run(made, ProviderStage())


@situation("a pact whose names are no names", "provider.pact_unreadable")
def _(root: Path) -> StageResult:
    made = project(root, TOML, [pact(http("an order"))])
    for number, name in enumerate(("m" * 300, "a\0b", "a\nb")):
        odd = json.dumps(pact(http("an order"), consumer=name))
        (root / f"contracts/pacts/{number}.json").write_text(odd)
    return run(made, ProviderStage())


def from_broker(root: Path, url: str) -> StageResult:
    """The provider stage with a broker as its only source."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PACT_BROKER_BASE_URL", url)
        return verify(root)


@situation("a broker without a single pact", "there is no contract to verify")
def _(root: Path) -> StageResult:
    with broker() as running:
        return from_broker(root, running.url)


@situation("a broker that is down", "cannot be reached")
def _(root: Path) -> StageResult:
    with broker() as running:
        url = running.url
    return from_broker(root, url)


@situation("a broker that lets nobody in", "401")
def _(root: Path) -> StageResult:
    with broker(token="right") as running:
        return from_broker(root, running.url)


# --- verified, but against nothing ---------------------------------------------------------------------------------


@situation("an interaction that expects nothing of the answer", "provider.expects_nothing")
def _(root: Path) -> StageResult:
    bare = http("an order")
    bare["response"] = {}
    return verify(root, pact(bare))


@situation("two interactions with the same description and states, of which one is broken", "provider.ambiguous")
def _(root: Path) -> StageResult:
    return verify(root, pact(http("an order", body={"price": 1}), http("an order", body={"id": "1"})))


#: The elements of a list matter to the consumer: what `match.each_like` writes, and what a V2 pact does.
ELEMENTS = {"body": {"$.items": {"matchers": [{"match": "type"}]}, "$.items[*].id": {"matchers": [{"match": "type"}]}}}
EMPTY = PROVIDER.replace(
    "    def do_GET(self):\n", "    def do_GET(self):\n        return self.answer(200, {'items': []})\n"
)


@situation("a list without an element where the consumer reads elements", "minimum")
def _(root: Path) -> StageResult:
    given = http("all orders", body={"items": [{"id": "1"}]})
    given["response"]["matchingRules"] = ELEMENTS
    return verify(root, pact(given), files={"orders.py": EMPTY})


@situation("a list without an element, by a pact of version 2", "minimum")
def _(root: Path) -> StageResult:
    given = {
        "description": "all orders",
        "request": {"method": "GET", "path": "/orders"},
        "response": {"status": 200, "body": {"items": [1]}, "matchingRules": {"$.body.items": {"match": "type"}}},
    }
    old = pact(given) | {"metadata": {"pactSpecification": {"version": "2.0.0"}}}
    return verify(root, old, files={"orders.py": EMPTY})


@situation("a message whose list has no element where the consumer reads elements", "minimum")
def _(root: Path) -> StageResult:
    given = message("an order", {"items": [{"id": "1"}]}) | {"matchingRules": ELEMENTS}
    empty = PROVIDER.replace('{"type": "order", "id": 1}', '{"items": []}')
    return verify(root, pact(given, consumer="mail"), files={"orders.py": empty})


@situation("a message of which nothing is expected", "provider.message_unspecified")
def _(root: Path) -> StageResult:
    return verify(root, pact(message("anything"), consumer="mail"))


@situation("a message of which an empty object is expected", "provider.message_unspecified")
def _(root: Path) -> StageResult:
    given = message("anything", {"type": "order"})
    given["contents"]["content"] = {}
    return verify(root, pact(given, consumer="mail"))


@situation("a message whose handler returns no contents", "provider.message_empty")
def _(root: Path) -> StageResult:
    return verify(root, pact(message("silence", {"type": "order"}), consumer="mail"))


@situation("a message handler that refuses, with a body that fits", "provider.no_answer")
def _(root: Path) -> StageResult:
    refuses = PROVIDER.replace('return self.answer(200, b""', 'return self.answer(404, b""')
    order = pact(message("an order", {"type": "order"}), consumer="mail")
    return verify(root, order, files={"orders.py": refuses})


@situation("a pact of messages only, and a provider that cannot be asked for any", "provider.messages_unhandled")
def _(root: Path) -> StageResult:
    toml = TOML.replace('messages = "/messages"\n', "")
    return verify(root, pact(message("an order", {"type": "order"}), consumer="mail"), toml=toml)


@situation("a provider state nobody handles", "provider.state_unhandled")
def _(root: Path) -> StageResult:
    return verify(root, pact(http("an order", states=["unheard of"])))


@situation("a provider state, and a provider without a handler", "provider.state_unhandled")
def _(root: Path) -> StageResult:
    toml = TOML.replace('states = "/states"\n', "")
    return verify(root, pact(http("an order", states=["an order"])), toml=toml)


@situation("a state handler that says yes to everything and does nothing", "provider.states_unchecked")
def _(root: Path) -> StageResult:
    yes = PROVIDER.replace('self.answer(200 if known else 400, {"detail": "no such state"})', "self.answer(200, {})")
    assert yes != PROVIDER
    return verify(root, pact(http("an order", states=["an ordre"])), files={"orders.py": yes})


# --- something else answered, or nothing ---------------------------------------------------------------------------


#: A provider that has moved what is asked of it.
MOVED = PROVIDER.replace(
    "    def do_GET(self):\n",
    """    def do_GET(self):
        if self.path == "/moved":
            self.send_response(302)
            self.send_header("Location", "/orders/1")
            self.send_header("Content-Length", "0")
            return self.end_headers()
""",
)


@contextmanager
def canned(body: bytes) -> Iterator[str]:
    """A server that gives this answer to everything; its URL."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - http.server's name
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()


@situation("a provider that answers everything with the same body", "provider.answers_anything")
def _(root: Path) -> StageResult:
    same = PROVIDER.replace(
        "    def do_GET(self):\n", "    def do_GET(self):\n        return self.answer(200, {'id': '1'})\n"
    )
    same = same.replace(
        "    def do_POST(self):\n",
        "    def do_POST(self):\n        self.rfile.read(int(self.headers.get('Content-Length', 0)))\n"
        "        return self.answer(200, {'id': '1'})\n",
    )
    return verify(root, pact(http("an order", body={"id": "1"})), files={"orders.py": same})


@situation("another service at the provider's address", "provider.mismatch")
def _(root: Path) -> StageResult:
    other = (
        "import functools, http.server, os\n"
        "http.server.ThreadingHTTPServer(('127.0.0.1', int(os.environ['PORT'])), "
        "http.server.SimpleHTTPRequestHandler).serve_forever()\n"
    )
    return verify(root, pact(http("an order", body={"id": "1"})), files={"orders.py": other})


@situation("a provider that sends the question elsewhere, where the answer is as agreed", "expected 200 but was 302")
def _(root: Path) -> StageResult:
    return verify(root, pact(http("moved", "/moved", body={"id": "1"})), files={"orders.py": MOVED})


@situation("a proxy of the environment that answers from its cache", "provider.mismatch")
def _(root: Path) -> StageResult:
    with canned(b'{"id": "stale"}') as url, pytest.MonkeyPatch.context() as patch:
        for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
            patch.setenv(name, url)
        return verify(root, pact(http("an order", "/nowhere", body={"id": "stale"})))


@situation("another process on the provider's port while the provider starts", "is taken by another process")
def _(root: Path) -> StageResult:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        toml = TOML.replace("[services.orders]\n", f"[services.orders]\nport = {port}\n")
        return verify(root, pact(http("an order")), toml=toml)


@situation("a provider that ends at once", "orders alone: service orders did not start")
def _(root: Path) -> StageResult:
    return verify(root, pact(http("an order")), files={"orders.py": ""})


@situation("a pending interaction while the provider is down", "provider.no_answer")
def _(root: Path) -> StageResult:
    return verify(root, pact(http("the end", "/die", pending=True)))


@situation("every interaction is pending and does not match", "every one is pending")
def _(root: Path) -> StageResult:
    return verify(root, pact(http("soon", body={"new": 1}, pending=True)))


#: Ends the process that verifies, as a machine short of memory would.
KILLER = """
        if self.path == "/kill":
            import signal
            for process in os.listdir("/proc"):
                try:
                    stat = open(f"/proc/{process}/stat").read().rsplit(")", 1)[1].split()
                    command = open(f"/proc/{process}/cmdline").read()
                except (OSError, IndexError):
                    continue
                if int(stat[1]) == os.getppid() and "harness.contracts.provider.verification" in command:
                    os.kill(int(process), signal.SIGKILL)
            return self.answer(200, {})
"""


@situation("the verifying process is killed before it could write anything", "provider.not_verified")
def _(root: Path) -> StageResult:
    deadly = PROVIDER.replace("    def do_GET(self):\n", f"    def do_GET(self):{KILLER}")
    return verify(root, pact(http("a killer", "/kill")), files={"orders.py": deadly})


@situation("the verifying process is killed half way", "provider.not_verified")
def _(root: Path) -> StageResult:
    deadly = PROVIDER.replace("    def do_GET(self):\n", f"    def do_GET(self):{KILLER}")
    return verify(root, pact(http("an order"), http("a killer", "/kill")), files={"orders.py": deadly})


# --- consumer tests that prove nothing -----------------------------------------------------------------------------

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


@situation("a file that leaves itself out, beside one that runs", "consumer.file_skipped")
def _(root: Path) -> StageResult:
    left_out = "import pytest\npytest.importorskip('what_is_not_installed')\n" + TEST + f"def test_it(pact):{CALL}"
    return consume(root, TEST + f"def test_it(pact):{CALL}", test_mail=left_out)


@situation("a file whose every test is skipped, beside one that runs", "consumer.file_skipped")
def _(root: Path) -> StageResult:
    skipped = TEST + f"@pytest.mark.skip(reason='later')\ndef test_it(pact):{CALL}"
    return consume(root, TEST + f"def test_it(pact):{CALL}", test_mail=skipped)


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
    return consume(root, SCENARIO + CALLS)


@situation("tests without a single pact", "none of them produced a pact")
def _(root: Path) -> StageResult:
    return consume(root, "def test_nothing():\n    assert True\n")


@situation("a test that never calls the mock server", "consumer.test_failed")
def _(root: Path) -> StageResult:
    return consume(root, TEST + "def test_it(pact):\n    with asks(pact).serve():\n        pass\n")


@situation("a test that does not even start the mock server", "consumer.test_failed")
def _(root: Path) -> StageResult:
    return consume(root, TEST + "def test_it(pact):\n    asks(pact)\n")


@situation("a test that swallows the mismatch", "consumer.test_failed")
def _(root: Path) -> StageResult:
    text = """
def test_it(pact):
    try:
        with asks(pact).serve() as server:
            urllib.request.urlopen(f"{server.url}/elsewhere")
    except Exception:
        pass
"""
    return consume(root, TEST + text)


@situation("one of two interactions never exercised", "consumer.test_failed")
def _(root: Path) -> StageResult:
    text = """
def test_it(pact):
    contract = asks(pact)
    contract.upon_receiving("another").with_request("GET", "/orders/2").will_respond_with(200)
    with contract.serve() as server:
        try:
            urllib.request.urlopen(f"{server.url}/orders/1")
        finally:
            pass
"""
    return consume(root, TEST + text)


@situation("a consumer test whose process ends in the middle", "consumer.")
def _(root: Path) -> StageResult:
    return consume(root, TEST + f"def test_it(pact):{CALL}        __import__('os')._exit(0)\n")


# --- scenarios that prove nothing ----------------------------------------------------------------------------------

SCENARIO = """
import pytest

@pytest.mark.scenario(consumer="web", provider="orders")
def test_an_order_keeps_its_total(provider):
"""
CALLS = '    assert provider.client.get("/orders/1").json()["total"] == 100\n'


def tell(root: Path, text: str) -> StageResult:
    """The provider stage over a kept pact and these scenarios."""
    files = {"contracts/test_web.py": text, "pytest.ini": "[pytest]\n"}
    return verify(root, pact(http("an order", body={"id": "1"})), files=files)


@situation("a scenario that makes no call to its provider", "provider.scenario_silent")
def _(root: Path) -> StageResult:
    return tell(root, SCENARIO + "    assert True\n")


@situation("a scenario that asserts nothing", "provider.scenario_deaf")
def _(root: Path) -> StageResult:
    return tell(root, SCENARIO + '    provider.client.get("/orders/1")\n')


@situation("a scenario that swallows whatever goes wrong", "provider.scenario_deaf")
def _(root: Path) -> StageResult:
    swallowed = CALLS.replace("    assert", "        assert").replace("100", "7")
    return tell(root, SCENARIO + f"    try:\n{swallowed}    except Exception:\n        pass\n")


@situation("a scenario that asks for no provider", "provider.scenario_unusable")
def _(root: Path) -> StageResult:
    return tell(root, SCENARIO.replace("(provider)", "()") + "    assert True\n")


@situation("a scenario about a provider nobody has", "provider.scenario_unusable")
def _(root: Path) -> StageResult:
    return tell(root, SCENARIO.replace('"orders"', '"ordres"') + CALLS)


@situation("every scenario of a consumer skipped", "provider.scenarios_skipped")
def _(root: Path) -> StageResult:
    return tell(root, SCENARIO.replace("@pytest", "@pytest.mark.skip\n@pytest") + CALLS)


@situation("a file of scenarios that leaves itself out", "provider.scenarios_unknown")
def _(root: Path) -> StageResult:
    return tell(root, "import pytest\npytest.importorskip('what_is_not_installed')\n" + SCENARIO + CALLS)


@situation("every scenario of a consumer an expected failure", "provider.scenarios_skipped")
def _(root: Path) -> StageResult:
    return tell(root, SCENARIO.replace("@pytest", "@pytest.mark.xfail\n@pytest") + CALLS + "    assert False\n")


@situation("a scenario that ends the process it runs in", "provider.scenario_not_run")
def _(root: Path) -> StageResult:
    return tell(root, SCENARIO + CALLS + "    __import__('os')._exit(0)\n")


# --- documents that say nothing ------------------------------------------------------------------------------------

DOCUMENTS = """
[system]
name = "s"
[services.orders]
url = "http://127.0.0.1:1"
openapi = "orders.json"
"""
GOOD = {
    "openapi": "3.0.3",
    "info": {"title": "t", "version": "1"},
    "paths": {"/orders": {"get": {"responses": {"200": {"description": "all"}}}}},
}


def check(root: Path, document: str | None, baseline: str | None = None) -> StageResult:
    """The schema stage over one document and its baseline."""
    made = project(root, DOCUMENTS)
    if document is not None:
        (root / "orders.json").write_text(document)
    if baseline is not None:
        file = root / "contracts/baselines/orders.openapi.json"
        file.parent.mkdir(parents=True)
        file.write_text(baseline)
    return run(made, SchemaStage())


@situation("a document that is empty", "schema.")
def _(root: Path) -> StageResult:
    return check(root, "")


@situation("a document that is an empty object", "schema.")
def _(root: Path) -> StageResult:
    return check(root, "{}")


@situation("a document without operations, and a baseline without any", "schema.")
def _(root: Path) -> StageResult:
    bare = json.dumps(GOOD | {"paths": {}})
    return check(root, bare, bare)


@situation("a document without operations that was never compared", "schema.says_nothing")
def _(root: Path) -> StageResult:
    return check(root, json.dumps(GOOD | {"paths": {}}))


@situation("a document that is not there", "schema.")
def _(root: Path) -> StageResult:
    return check(root, None, json.dumps(GOOD))


@situation("a baseline that is empty", "schema.")
def _(root: Path) -> StageResult:
    return check(root, json.dumps(GOOD), "")


@situation("a baseline without operations", "schema.")
def _(root: Path) -> StageResult:
    return check(root, json.dumps(GOOD), json.dumps(GOOD | {"paths": {}}))


@situation("a system without any document", "")
def _(root: Path) -> StageResult:
    toml = DOCUMENTS.replace('openapi = "orders.json"\n', "")
    return run(project(root, toml), SchemaStage())


# --- the table -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("what", list(SITUATIONS))
def test_what_checked_nothing_never_passes(tmp_path: Path, what: str) -> None:
    arrange, says = SITUATIONS[what]

    result = arrange(tmp_path)

    assert result.status in {Status.FAIL, Status.INCONCLUSIVE}, result
    errors = [f for f in result.findings if f.severity is Severity.ERROR]
    told = [*(f"{f.rule} {f.title}" for f in errors), result.reason]
    assert any(says in text for text in told), told


NOWHERE = json.dumps(GOOD | {"paths": {}})
PACTS = {
    "empty.json": "{}",
    "none.json": json.dumps(pact()),
    "good.json": json.dumps(pact(http("an order", "/orders"))),
}


@pytest.mark.parametrize(
    "arguments",
    [
        ("diff", "empty", "empty"),
        ("diff", "missing", "document"),
        ("diff", "nowhere", "nowhere"),
        ("diff", "document", "document", "--pacts", "gone"),
        ("diff", "document", "document", "--pacts", "hollow"),
        ("compare", "empty.json", "document"),
        ("compare", "none.json", "document"),
        ("compare", "hollow", "document"),
        ("compare", "good.json", "empty"),
        ("compare", "good.json", "nowhere"),
        ("usage", "--document", "empty"),
        ("usage", "--document", "document", "--pacts", "gone"),
        ("usage", "--document", "document", "--pacts", "hollow"),
    ],
    ids=" ".join,
)
def test_a_command_that_was_given_nothing_never_exits_with_zero(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    for name, text in {**PACTS, "document": json.dumps(GOOD), "empty": "", "nowhere": NOWHERE}.items():
        (tmp_path / name).write_text(text)
    (tmp_path / "hollow").mkdir()

    done = run_harness(*arguments, cwd=tmp_path)

    assert done.returncode in {1, 2, 3}, done.stdout
    assert "Traceback" not in done.stderr


def test_the_same_systems_pass_when_nothing_is_wrong_with_them(tmp_path: Path) -> None:
    """Else the rows above might be red for another reason than their own."""
    verified = tell(tmp_path / "a", SCENARIO + CALLS)
    consumed = consume(tmp_path / "b", TEST + f"def test_it(pact):{CALL}")
    checked = check(tmp_path / "c", json.dumps(GOOD), json.dumps(GOOD))

    assert verified.status is Status.PASS, verified
    assert consumed.status in {Status.PASS, Status.WARN}, consumed
    assert not [f for f in consumed.findings if f.severity is Severity.ERROR]
    assert checked.status is Status.PASS, checked
