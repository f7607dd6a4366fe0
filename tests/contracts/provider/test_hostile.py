"""Contracts and providers that would send the harness to somebody else, hold it for ever, or hide what others broke."""

from __future__ import annotations

import gzip
import json
import shutil
import ssl
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import anyio
import pytest

from harness.contracts.provider.front import Front
from harness.contracts.provider.upstream import _trusting, exchange
from harness.contracts.stage import ProviderStage
from harness.evidence import StageResult, Status
from harness.system.config import load_project
from tests.contracts.elsewhere import elsewhere
from tests.contracts.shop import TOML, http, pact, project
from tests.helpers import make_context


def verify(root: Path, given: dict[str, Any], toml: str = TOML, change: tuple[str, str] = ("", "")) -> StageResult:
    project(root, toml, [given])
    script = root / "orders.py"
    assert change[0] in script.read_text()
    script.write_text(script.read_text().replace(*change) if change[0] else script.read_text())
    context = make_context(load_project(root / "harness.toml"), ProviderStage(), [])

    async def run() -> StageResult:
        with anyio.fail_after(90):
            return await ProviderStage().run(context)

    return anyio.run(run)


def rules(result: StageResult) -> set[str]:
    return {f.rule for f in result.findings}


def test_paths_that_lead_away_are_never_sent_and_the_others_are_verified(tmp_path: Path) -> None:
    with elsewhere() as other:
        paths = [
            f"@{other.place}/x",
            f":80@{other.place}/x",
            f"//{other.place}/x",
            f"/\\{other.place}/x",
            f"\\@{other.place}/x",
            f"{other.url}/x",
            f".{other.place}/x",
            f"\t@{other.place}/x",
            "/orders/1\r\nX-Other: 1",
            "/orders/1\x00",
        ]
        result = verify(tmp_path, pact(*(http(f"n{n}", p) for n, p in enumerate(paths)), http("good")))

        assert other.heard == []
    assert rules(result) == {"provider.uninvited"}
    assert len(result.findings) == len(paths)
    assert all('"n' in f.title and f.place.file == "contracts/pacts/web-orders.json" for f in result.findings)
    assert result.work["interactions"] == 1


def test_nothing_else_in_a_request_leads_away(tmp_path: Path) -> None:
    with elsewhere() as other:
        named = http("host", headers={"Host": [other.place], "Referer": [other.url]})
        made = http("generator") | {"providerStates": [{"name": "an order", "params": {"p": f"@{other.place}/x"}}]}
        made["request"] |= {"generators": {"path": {"type": "ProviderState", "expression": "${p}"}}}
        random = http("regex")
        random["request"] |= {"generators": {"path": {"type": "Regex", "regex": f"@{other.place}/x"}}}
        linked = http("mock server")
        linked["response"] |= {
            "generators": {"body": {"$": {"type": "MockServerURL", "example": other.url, "regex": ".*"}}}
        }
        verify(tmp_path, pact(named, made, random, linked))

        assert other.heard == []


def test_a_provider_that_redirects_elsewhere_is_judged_and_not_followed(tmp_path: Path) -> None:
    statuses = [301, 302, 303, 307, 308]
    with elsewhere() as other:
        answer = (
            f'self.send_response(int(self.path[-3:])); self.send_header("Location", "{other.url}/x"); '
            'self.send_header("Content-Length", "0"); return self.end_headers()'
        )
        change = ('if self.path == "/die":', f'if self.path.startswith("/away/"):\n            {answer}\n        if 0:')
        result = verify(tmp_path, pact(*(http(f"n{status}", f"/away/{status}") for status in statuses)), change=change)

        assert other.heard == []
    assert [f.rule for f in result.findings] == ["provider.mismatch"] * len(statuses)


def test_a_scenario_is_not_led_elsewhere_by_what_the_provider_answers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    monkeypatch.setenv("PYTEST_ADDOPTS", "-p harness.testing.plugin -p xdist.plugin")
    scenario = """
import pytest, urllib.request

@pytest.mark.scenario(consumer="web", provider="orders")
def test_next(provider):
    following = provider.client.get("/orders/1").json()["next"]
    with pytest.raises(OSError):
        urllib.request.urlopen(following, timeout=5)
"""
    with elsewhere() as other:
        told = ('"total": 100}', f'"total": 100, "next": "{other.url}/x"}}')
        (tmp_path / "contracts").mkdir()
        (tmp_path / "contracts/test_web.py").write_text(scenario)
        (tmp_path / "pytest.ini").write_text("[pytest]\n")
        result = verify(tmp_path, pact(http("an order")), change=told)

        assert other.heard == []
    assert "provider.uninvited" in rules(result)
    assert any(other.place in f.title for f in result.findings)


def test_a_pattern_that_ends_the_verifier_is_named_and_the_others_are_verified(tmp_path: Path) -> None:
    slow = http("slow", "/slow", body={"id": "aaa"})
    slow["response"]["matchingRules"] = {"body": {"$.id": {"matchers": [{"match": "regex", "regex": "^(a+)+$"}]}}}
    change = (
        'if self.path == "/die":',
        'if self.path == "/slow":\n            return self.answer(200, {"id": "a" * 40 + "b"})\n        if 0:',
    )

    result = verify(tmp_path, pact(*(http(f"n{n}") for n in range(3)), slow, http("last")), change=change)

    [finding] = result.findings
    assert finding.rule == "provider.not_verified"
    assert "'^(a+)+$' of body $.id takes too many steps" in finding.title
    assert result.work["interactions"] == 4


ALIKE = """    def handle_one_request(self):
        self.raw_requestline = self.rfile.readline(65537)
        if not self.raw_requestline or not self.parse_request():
            self.close_connection = True
            return
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.answer(STATUS, {})
        self.wfile.flush()
    def do_GET(self):"""


def always(status: int) -> tuple[str, str]:
    """A provider of which every answer is alike, whatever the method."""
    return "    def do_GET(self):", ALIKE.replace("STATUS", str(status))


def test_a_contract_that_expects_503_of_a_provider_that_always_gives_it_is_not_kept(tmp_path: Path) -> None:
    result = verify(tmp_path, pact(http("maintenance", status=503)), change=always(503))

    assert result.status is Status.FAIL
    assert rules(result) == {"provider.answers_anything"}
    assert "503" in result.findings[0].title


def test_contracts_that_only_expect_404_of_a_provider_that_has_nothing_are_told(tmp_path: Path) -> None:
    result = verify(tmp_path, pact(http("nobody", "/orders/0", 404)), change=always(404))

    assert result.status is Status.WARN
    assert rules(result) == {"provider.answers_alike"}


@contextmanager
def serving(headers: dict[str, str], body: bytes = b"{}", status: int = 200, pem: Path | None = None) -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self.send_response(status)
            for name, value in {**headers, "Content-Length": str(len(body))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - http.server's name
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        if pem:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(pem)
            server.socket = context.wrap_socket(server.socket, server_side=True)
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        yield f"http{'s' if pem else ''}://127.0.0.1:{server.server_address[1]}"
        server.shutdown()


def test_what_inflates_without_end_is_cut_off_in_front_of_the_verifier() -> None:
    bomb = gzip.compress(b"x" * 60_000_000)
    with serving({"Content-Encoding": "gzip"}, bomb) as url, Front(url, 10.0) as front:
        status, _, said = exchange("GET", f"{front.url}/a", {}, None, 10.0)

        assert status == 0, said
        assert "longer than 10 MB, inflated from" in front.problem("GET", "/a")


@pytest.mark.skipif(not shutil.which("openssl"), reason="makes a certificate with openssl")
def test_a_provider_over_tls_is_asked_through_the_front_and_its_redirect_is_not_followed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pem = tmp_path / "own.pem"
    made = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=127.0.0.1", "-days", "2"]
    made += ["-addext", "subjectAltName=IP:127.0.0.1", "-keyout", str(tmp_path / "key"), "-out", str(tmp_path / "cert")]
    subprocess.run(made, check=True, capture_output=True, timeout=60)
    pem.write_text((tmp_path / "key").read_text() + (tmp_path / "cert").read_text())
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "cert"))
    _trusting.cache_clear()
    with elsewhere() as other, serving({"Location": f"{other.url}/x"}, b"", 307, pem) as url, Front(url, 10.0) as front:
        status, headers, _ = exchange("GET", f"{front.url}/a", {}, None, 10.0)

        assert front.url.startswith("http://127.0.0.1:")
        assert (status, headers["x-locatn"], other.heard) == (307, f"{other.url}/x", [])
    _trusting.cache_clear()


def test_headers_of_an_answer_are_passed_on_as_they_came() -> None:
    with (
        serving({"X-One": "a, b", "ETag": '"1"', "Content-Type": "application/json"}) as url,
        Front(url, 10.0) as front,
    ):
        _, direct, body = exchange("GET", f"{url}/a", {}, None, 10.0)
        _, through, same = exchange("GET", f"{front.url}/a", {}, None, 10.0)

    assert (through, same) == (direct, body)
    assert json.loads(same) == {}
