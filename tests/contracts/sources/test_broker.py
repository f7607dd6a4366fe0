"""A Pact Broker as a source: asked as its API documents, its refusals and failures told, its word on pending kept."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from harness.contracts.sources.broker import BrokerAccess, BrokerSource, broker_access
from harness.errors import InfrastructureError, UsageError
from harness.system.model import Broker
from tests.contracts.sources.broker import FakeBroker, broker


def pact(consumer: str = "web", provider: str = "orders", description: str = "an order") -> dict[str, Any]:
    return {
        "consumer": {"name": consumer},
        "provider": {"name": provider},
        "interactions": [
            {
                "type": "Synchronous/HTTP",
                "description": description,
                "request": {"method": "GET", "path": "/orders/1"},
                "response": {"status": 200},
            }
        ],
        "metadata": {"pactSpecification": {"version": "4.0"}},
    }


def source(
    fake: FakeBroker, *providers: str, branch: str = "main", limit_s: float = 15.0, **settings: Any
) -> BrokerSource:
    env = {"PACT_BROKER_BASE_URL": fake.url, "PACT_BROKER_TOKEN": fake.token}
    access = broker_access(Broker(), env)
    assert access
    access = BrokerAccess(access.url, access.authorization, limit_s)
    return BrokerSource(access, providers or ("orders",), Broker(**settings), branch)


def test_the_pacts_of_each_provider_are_asked_for_and_read() -> None:
    with broker() as fake:
        fake.publish(pact())
        fake.publish(pact("orders", "bank"))

        found = source(fake, "orders", "bank", "web").contracts()

    assert [p.edge for p in found.pacts] == ["orders -> bank", "web -> orders"]
    assert found.unreadable == ()
    assert found.pacts[1].origin.startswith(fake.url)


def test_main_matching_and_deployed_versions_are_asked_for_when_nothing_else_is_said() -> None:
    with broker() as fake:
        fake.publish(pact())
        source(fake, branch="feature/x").contracts()

    assert fake.questions == [
        {
            "consumerVersionSelectors": [{"mainBranch": True}, {"deployedOrReleased": True}, {"matchingBranch": True}],
            "includePendingStatus": True,
            "providerVersionBranch": "feature/x",
        }
    ]


def test_selectors_pending_and_work_in_progress_are_asked_for_as_configured() -> None:
    with broker() as fake:
        fake.publish(pact())
        selectors = ({"branch": "next", "consumer": "web"},)
        source(fake, selectors=selectors, pending=False, wip_since="2026-01-01").contracts()

    assert fake.questions[0]["consumerVersionSelectors"] == [{"branch": "next", "consumer": "web"}]
    assert fake.questions[0]["includePendingStatus"] is False
    assert fake.questions[0]["includeWipPactsSince"] == "2026-01-01"


def test_without_a_branch_nothing_is_said_to_be_pending() -> None:
    with broker() as fake:
        fake.publish(pact())
        found = source(fake, branch="", wip_since="2026-01-01").contracts()

    assert fake.questions[0]["includePendingStatus"] is False
    assert not {"providerVersionBranch", "includeWipPactsSince"} & set(fake.questions[0])
    assert not found.pacts[0].pending


def test_the_deployed_version_is_verified_beside_the_one_of_the_main_branch() -> None:
    with broker() as fake:
        fake.publish(pact(description="as deployed"), number="1", branch="release", deployed=True)
        fake.publish(pact(description="as on main"), number="2")
        found = source(fake).contracts()

    assert sorted(p.interactions[0].description for p in found.pacts) == ["as deployed", "as on main"]


def test_a_pact_that_was_never_kept_on_this_branch_is_pending_with_all_its_interactions() -> None:
    with broker() as fake:
        kept = fake.publish(pact("web"))
        fake.publish(pact("app"))
        fake.branches["orders", "v1"] = "main"
        fake.results.append((kept.sha, {"success": True, "providerApplicationVersion": "v1"}))
        found = source(fake).contracts()

    assert [(p.consumer, p.pending) for p in found.pacts] == [("web", False), ("app", True)]
    assert [i.pending for p in found.pacts for i in p.interactions] == [False, True]
    assert found.pacts[0].notices == ("It is the pact of main.",)


def test_work_in_progress_is_marked_as_such() -> None:
    with broker() as fake:
        fake.publish(pact(description="new"), branch="feature")
        found = source(fake, wip_since="2026-01-01").contracts()

    assert [(p.wip, p.pending) for p in found.pacts] == [(True, True)]


def test_a_provider_the_broker_has_not_heard_of_has_no_pacts() -> None:
    with broker() as fake:
        assert source(fake, "nobody").contracts().pacts == ()


def test_a_token_lets_in() -> None:
    with broker(token="right") as fake:
        fake.publish(pact())
        assert len(source(fake).contracts().pacts) == 1


@pytest.mark.parametrize(
    "env",
    [{"PACT_BROKER_USERNAME": "me", "PACT_BROKER_PASSWORD": "p:w"}, {}],
    ids=["by environment", "in the URL"],
)
def test_a_user_and_a_password_let_in(env: dict[str, str]) -> None:
    with broker(basic=("me", "p:w")) as fake:
        fake.publish(pact())
        url = fake.url if env else fake.url.replace("http://", "http://me:p%3Aw@")
        access = broker_access(Broker(), {"PACT_BROKER_BASE_URL": url, **env})
        assert access
        assert "p%3Aw" not in access.url
        assert len(BrokerSource(access, ("orders",), Broker()).contracts().pacts) == 1


@pytest.mark.parametrize(("token", "hint"), [("", "Set PACT_BROKER_TOKEN"), ("wrong", "Check PACT_BROKER_TOKEN")])
def test_a_refusal_says_what_to_set(token: str, hint: str) -> None:
    with broker(token="right") as fake:
        access = broker_access(Broker(url=fake.url), {"PACT_BROKER_TOKEN": token})
        assert access
        with pytest.raises(UsageError, match=rf"does not let us in: .* answered 401\. {hint}"):
            BrokerSource(access, ("orders",), Broker()).contracts()


@pytest.mark.parametrize(
    ("status", "body", "headers", "kind", "message"),
    [
        (403, b"{}", {}, UsageError, "answered 403"),
        (200, b"<html>Welcome</html>", {"Content-Type": "text/html"}, UsageError, "an HTML page instead of JSON"),
        (200, b"{", {}, UsageError, "something that is not JSON"),
        (200, b"[" * 100_000, {}, UsageError, "something that is not JSON"),
        (200, b"[]", {}, UsageError, "did not answer a JSON object"),
        (200, b"{}", {}, UsageError, "has no link pb:provider-pacts-for-verification"),
        (200, b'{"_links": {"pb:provider-pacts-for-verification": 3}}', {}, UsageError, "has no link"),
        (500, b"oops", {}, InfrastructureError, "fails: .* answered 500"),
        (404, b"", {}, UsageError, "answered 404"),
        (302, b"", {"Location": "/"}, UsageError, "redirects in circles"),
    ],
)
def test_an_index_that_is_none_is_one_clear_error(
    status: int, body: bytes, headers: dict[str, str], kind: type[Exception], message: str
) -> None:
    with broker() as fake:
        fake.instead["/"] = (status, body, headers)
        with pytest.raises(kind, match=message):
            source(fake).contracts()


@pytest.mark.parametrize(
    ("body", "kind", "message"),
    [
        (b"{}", InfrastructureError, "did not say which pacts of orders"),
        (b'{"_embedded": {"pacts": [{}]}}', InfrastructureError, "without a link to it"),
        (b'{"_embedded": {"pacts": [1]}}', InfrastructureError, "did not say which pacts"),
        (b"<html>", UsageError, "HTML page"),
    ],
)
def test_a_list_of_pacts_that_is_none_is_one_clear_error(body: bytes, kind: type[Exception], message: str) -> None:
    with broker() as fake:
        fake.instead["/pacts/provider/orders/for-verification"] = (200, body, {})
        with pytest.raises(kind, match=message):
            source(fake).contracts()


def test_a_question_the_broker_does_not_take_is_told_in_its_own_words() -> None:
    with broker() as fake:
        body = b'{"errors": {"consumerVersionSelectors": ["is odd"]}}'
        fake.instead["/pacts/provider/orders/for-verification"] = (400, body, {})
        with pytest.raises(UsageError, match=r"answered 400: .*is odd"):
            source(fake).contracts()


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ({**pact(), "metadata": {"pactSpecification": {"version": "5.0"}}}, "version 5.0 of the Pact specification"),
        ({**pact(), "interactions": 7}, "interactions is a number"),
    ],
)
def test_one_pact_that_cannot_be_read_does_not_hide_the_others(content: dict[str, Any], problem: str) -> None:
    with broker() as fake:
        fake.publish(pact("app"))
        odd = fake.publish(pact("web"))
        path = fake.at(odd).removeprefix(fake.url)
        fake.instead[path] = (200, json.dumps(content).encode(), {})
        found = source(fake).contracts()

    assert [p.consumer for p in found.pacts] == ["app"]
    assert [u.name for u in found.unreadable] == [fake.at(odd)]
    assert problem in found.unreadable[0].problem


def test_a_pact_that_is_listed_and_not_there_is_told() -> None:
    with broker() as fake:
        odd = fake.publish(pact())
        fake.instead[fake.at(odd).removeprefix(fake.url)] = (404, b"", {})
        found = source(fake).contracts()

    assert found.pacts == ()
    assert "is not there" in found.unreadable[0].problem


def test_a_pact_with_another_provider_than_asked_for_is_told() -> None:
    with broker() as fake:
        odd = fake.publish(pact())
        fake.instead[fake.at(odd).removeprefix(fake.url)] = (200, json.dumps(pact("web", "bank")).encode(), {})
        found = source(fake).contracts()

    assert "is a contract with bank" in found.unreadable[0].problem


def test_credentials_stay_with_the_broker_when_a_link_leads_elsewhere() -> None:
    with broker() as elsewhere, broker(token="secret") as fake:
        index = fake.index()
        index["_links"]["pb:provider-pacts-for-verification"]["href"] = (
            elsewhere.url + "/pacts/provider/{provider}/for-verification"
        )
        fake.instead["/"] = (200, json.dumps(index).encode(), {})
        elsewhere.token = "secret"
        elsewhere.publish(pact())
        with pytest.raises(UsageError, match=r"leads elsewhere: .* was not invited"):
            source(fake).contracts()
        assert elsewhere.seen == []
        invited = replace(source(fake), access=replace(source(fake).access, also=("127.0.0.1",)))
        with pytest.raises(UsageError, match="sent to the broker's own address only"):
            invited.contracts()


def test_a_broker_that_is_down_is_told_with_its_address() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    with pytest.raises(
        InfrastructureError, match=rf"from the broker: .*127\.0\.0\.1:{port}/ cannot be reached: nothing listens there"
    ):
        BrokerSource(BrokerAccess(f"http://127.0.0.1:{port}"), ("orders",), Broker()).contracts()


@contextmanager
def raw_server(first: bytes, again: bytes = b"") -> Iterator[str]:
    """Answers `first` and then `again` for ever; without `again` it hangs."""
    stop = threading.Event()

    def serve() -> None:
        while not stop.is_set():
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            with connection:
                connection.settimeout(0.2)
                try:
                    connection.recv(65536)
                    connection.sendall(first)
                    while not stop.is_set():
                        connection.sendall(again) if again else stop.wait(0.05)
                except OSError:
                    continue

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        stop.set()
        listener.shutdown(socket.SHUT_RDWR)
    thread.join(5)


@pytest.mark.parametrize("first", [b"", b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n{"])
def test_a_broker_that_hangs_is_given_up_on(first: bytes) -> None:
    with raw_server(first) as url, pytest.raises(InfrastructureError, match=r"did not answer within 0\.3 s"):
        BrokerSource(BrokerAccess(url, limit_s=0.3), ("orders",), Broker()).contracts()


def test_an_answer_without_end_is_given_up_on_by_its_size() -> None:
    head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n"
    with raw_server(head, b" " * 1_000_000) as url, pytest.raises(InfrastructureError, match="longer than 50 MB"):
        BrokerSource(BrokerAccess(url, limit_s=30), ("orders",), Broker()).contracts()


@pytest.mark.parametrize(
    "url", ["ftp://x", "broker.example.com", "http://", "http://[", "http://[::1", "http://x:99999999"]
)
def test_an_address_that_is_none_is_a_usage_error(url: str) -> None:
    with pytest.raises(UsageError, match="PACT_BROKER_BASE_URL"):
        broker_access(Broker(), {"PACT_BROKER_BASE_URL": url})


def test_a_token_that_no_header_can_hold_is_a_usage_error() -> None:
    with pytest.raises(UsageError, match="PACT_BROKER_TOKEN must be printable"):
        broker_access(Broker(), {"PACT_BROKER_BASE_URL": "http://x", "PACT_BROKER_TOKEN": "a\r\nX: b"})


def test_without_an_address_there_is_no_broker() -> None:
    assert broker_access(Broker(), {"PACT_BROKER_TOKEN": "x"}) is None


def test_what_the_fields_own_client_publishes_is_found(tmp_path: Path) -> None:
    file = tmp_path / "web-orders.json"
    file.write_text(json.dumps(pact()))
    with broker(token="right") as fake:
        tool = str(Path(sys.executable).with_name("pact"))
        argv = [tool, "broker", "publish", str(file), "--broker-base-url", fake.url, "--broker-token", "right"]
        argv += ["--consumer-app-version", "7", "--branch", "main"]
        done = subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0, done.stdout + done.stderr + str(fake.seen)
        found = source(fake).contracts()

    assert [p.edge for p in found.pacts] == ["web -> orders"]


def test_the_fields_own_verifier_works_with_the_broker_of_these_tests() -> None:
    """So that what is asked of the fake is what others ask of a real one."""
    with broker(token="right") as fake:
        fake.publish(pact())
        fake.instead["/orders/1"] = (200, b"", {})
        code = (
            "import sys\nfrom pact import Verifier\n"
            "v = Verifier('orders', '127.0.0.1').add_transport(url=sys.argv[1])\n"
            "s = v.broker_source(sys.argv[1], token='right', selector=True)\n"
            "s.include_pending().provider_branch('main').consumer_version(main_branch=True).build()\n"
            "v.set_publish_options('v9', branch='main')\n"
            "v.verify()\n"
        )
        done = subprocess.run(
            [sys.executable, "-c", code, fake.url], capture_output=True, text=True, timeout=60, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr + str(fake.seen)

    [(_, body)] = fake.results
    assert (body["success"], body["providerApplicationVersion"]) == (True, "v9")
    assert fake.branches["orders", "v9"] == "main"
