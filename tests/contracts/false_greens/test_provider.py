"""Every way we know to verify nothing and pass, through the real provider stage: none ends `pass`, and each says why.

docs/explanation/false-greens.md is this table for people. A new way gets a row here first.
"""

from __future__ import annotations

import json
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest

from harness.contracts.stage import ProviderStage
from harness.evidence import StageResult, Status
from tests.contracts.false_greens.situations import Arrange, Situations, run, verify
from tests.contracts.shop import PROVIDER, TOML, http, message, pact, project
from tests.contracts.sources.broker import broker
from tests.helpers import answered_by

#: What it is, how it is brought about, and what has to be said.
situation = Situations()


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


@situation("a pact that names another provider", "provider.unknown")
def _(root: Path) -> StageResult:
    return verify(root, pact(http("an order"), provider="Orders"))


@situation("a pact without interactions beside one that is kept", "provider.empty_pact", about="bank")
@situation("a file that is no pact among good ones", "provider.pact_unreadable", about="other.json")
@situation("a pact in a folder below the folder of pacts", "contracts/pacts/mail/mail-orders.json is a contract")
@situation("a pact whose file has another ending", "contracts/pacts/mail-orders.JSON is a contract")
@situation("a pact whose names are too long for a file", "provider.pact_unreadable", about="long.json")
@situation("a pact in whose names there is a zero", "provider.pact_unreadable", about="zero.json")
@situation("a pact in whose names a line ends", "provider.pact_unreadable", about="line.json")
def _(root: Path) -> StageResult:
    """Contracts that are not read, beside one that is read and kept."""
    made = project(root, TOML, [pact(http("an order")), pact(consumer="bank")])
    broken = json.dumps(pact(http("an order", body={"price": 1}), consumer="mail"))
    named = {"long": "m" * 300, "zero": "a\0b", "line": "a\nb"}
    files = {f"{word}.json": json.dumps(pact(http("an order"), consumer=name)) for word, name in named.items()}
    files |= {"other.json": "{", "mail/mail-orders.json": broken, "mail-orders.JSON": broken}
    for name, text in files.items():
        file = root / "contracts/pacts" / name
        file.parent.mkdir(exist_ok=True)
        file.write_text(text)
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


@situation("an interaction that expects nothing of the answer", "provider.expects_nothing", about="modest")
@situation(
    "two interactions with the same description and states, of which one is broken",
    "provider.ambiguous",
    about="twofold",
)
@situation("a message of which nothing is expected", "provider.message_unspecified", about="listener")
@situation("a message of which an empty object is expected", "provider.message_unspecified", about="hollow")
@situation("a message whose handler returns no contents", "provider.message_empty", about="mail")
@situation("a provider state nobody handles", "provider.state_unhandled", about="web")
def _(root: Path) -> StageResult:
    """A provider as it should be, and a consumer for each situation."""
    bare = http("an order")
    bare["response"] = {}
    hollow = message("anything", {"type": "order"})
    hollow["contents"]["content"] = {}
    return verify(
        root,
        pact(bare, consumer="modest"),
        pact(http("an order", body={"price": 1}), http("an order", body={"id": "1"}), consumer="twofold"),
        pact(message("anything"), consumer="listener"),
        pact(hollow, consumer="hollow"),
        pact(message("silence", {"type": "order"}), consumer="mail"),
        pact(http("an order", states=["unheard of"])),
    )


#: The elements of a list matter to the consumer: what `match.each_like` writes, and what a V2 pact does.
ELEMENTS = {"body": {"$.items": {"matchers": [{"match": "type"}]}, "$.items[*].id": {"matchers": [{"match": "type"}]}}}
EMPTY = PROVIDER.replace(
    "    def do_GET(self):\n", "    def do_GET(self):\n        return self.answer(200, {'items': []})\n"
).replace('{"type": "order", "id": 1}', '{"items": []}')


@situation("a list without an element where the consumer reads elements", "minimum", about="web")
@situation("a list without an element, by a pact of version 2", "minimum", about="bank")
@situation("a message whose list has no element where the consumer reads elements", "minimum", about="mail")
def _(root: Path) -> StageResult:
    given = http("all orders", body={"items": [{"id": "1"}]})
    given["response"]["matchingRules"] = ELEMENTS
    told = message("an order", {"items": [{"id": "1"}]}) | {"matchingRules": ELEMENTS}
    asked = {
        "description": "all orders",
        "request": {"method": "GET", "path": "/orders"},
        "response": {"status": 200, "body": {"items": [1]}, "matchingRules": {"$.body.items": {"match": "type"}}},
    }
    old = pact(asked, consumer="bank") | {"metadata": {"pactSpecification": {"version": "2.0.0"}}}
    return verify(root, pact(given), old, pact(told, consumer="mail"), files={"orders.py": EMPTY})


@situation("a message handler that refuses, with a body that fits", "provider.no_answer")
def _(root: Path) -> StageResult:
    refuses = PROVIDER.replace('return self.answer(200, b""', 'return self.answer(404, b""')
    order = pact(message("an order", {"type": "order"}), consumer="mail")
    return verify(root, order, files={"orders.py": refuses})


@situation("a pact of messages only, and a provider that cannot be asked for any", "provider.messages_unhandled")
def _(root: Path) -> StageResult:
    toml = TOML.replace('messages = "/messages"\n', "")
    return verify(root, pact(message("an order", {"type": "order"}), consumer="mail"), toml=toml)


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

    with answered_by(Handler) as url:
        yield url


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


# --- the table -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("what", list(situation))
def test_what_checked_nothing_never_passes(outcome: Callable[[Arrange], StageResult], what: str) -> None:
    row = situation[what]

    row.is_told_by(outcome(row.arrange))


def test_the_same_system_passes_when_nothing_is_wrong_with_it(tmp_path: Path) -> None:
    """Else the rows above might be red for another reason than their own."""
    verified = verify(
        tmp_path,
        pact(http("an order", body={"id": "1"}, states=["an order"])),
        pact(message("an order", {"type": "order"}), consumer="mail"),
    )

    assert verified.status is Status.PASS, verified
