"""A small Pact Broker: the documented resources a verifier and a publisher need, in memory, on a port of its own.

Faithful enough for the clients of others: `pact broker publish` and pact's own verifier work with it.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote


@dataclass
class Version:
    """A published pact of one version of its consumer."""

    consumer: str
    provider: str
    number: str
    branch: str
    content: dict[str, Any]
    deployed: bool = False

    @property
    def sha(self) -> str:
        return hashlib.sha1(json.dumps(self.content, sort_keys=True).encode()).hexdigest()


@dataclass
class FakeBroker:
    """What the broker knows, and what it was told."""

    token: str = ""
    basic: tuple[str, str] | None = None
    url: str = ""
    pacts: list[Version] = field(default_factory=list)
    results: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    branches: dict[tuple[str, str], str] = field(default_factory=dict)
    questions: list[dict[str, Any]] = field(default_factory=list)
    seen: list[tuple[str, str]] = field(default_factory=list)
    #: path -> status and body to answer instead
    instead: dict[str, tuple[int, bytes, dict[str, str]]] = field(default_factory=dict)

    def publish(
        self, content: dict[str, Any], *, number: str = "1", branch: str = "main", deployed: bool = False
    ) -> Version:
        pact = Version(
            content["consumer"]["name"], content["provider"]["name"], number, branch, content, deployed=deployed
        )
        self.pacts.append(pact)
        return pact

    def pending(self, pact: Version, branch: str) -> bool:
        """Nobody on that branch of the provider ever kept it."""
        return not any(
            sha == pact.sha
            and body["success"]
            and self.branches.get((pact.provider, body["providerApplicationVersion"])) == branch
            for sha, body in self.results
        )

    def selected(self, provider: str, asked: dict[str, Any]) -> list[Version]:
        mine = [p for p in self.pacts if p.provider == provider]
        found: dict[str, Version] = {}
        for selector in asked.get("consumerVersionSelectors") or [{"mainBranch": True}]:
            fits = [p for p in mine if selector.get("consumer", p.consumer) == p.consumer]
            if "deployed" in selector or "deployedOrReleased" in selector:
                fits = [p for p in fits if p.deployed]
            else:
                branch = (
                    selector.get("branch")
                    or (selector.get("matchingBranch") and asked.get("providerVersionBranch"))
                    or "main"
                )
                latest = {p.consumer: p for p in fits if p.branch == branch}
                fits = list(latest.values())
            found |= {p.sha: p for p in fits}
        return list(found.values())

    def for_verification(self, provider: str, asked: dict[str, Any]) -> list[dict[str, Any]]:
        self.questions.append(asked)
        branch = asked.get("providerVersionBranch", "")
        selected = self.selected(provider, asked)
        chosen = [(p, False) for p in selected]
        if asked.get("includeWipPactsSince"):
            known = {p.sha for p in selected}
            chosen += [(p, True) for p in self.pacts if p.provider == provider and p.sha not in known]
        answer = []
        for pact, wip in chosen:
            properties: dict[str, Any] = {
                "notices": [{"when": "before_verification", "text": f"It is the pact of {pact.branch}."}]
            }
            if asked.get("includePendingStatus"):
                properties["pending"] = wip or self.pending(pact, branch)
            if wip:
                properties["wip"] = True
            answer.append(
                {
                    "shortDescription": f"latest from {pact.branch}",
                    "verificationProperties": properties,
                    "_links": {"self": {"href": self.at(pact), "name": f"Pact of {pact.consumer}"}},
                }
            )
        return answer

    def at(self, pact: Version) -> str:
        return f"{self.url}/pacts/provider/{pact.provider}/consumer/{pact.consumer}/pact-version/{pact.sha}"

    def resource(self, pact: Version) -> dict[str, Any]:
        interactions = [
            {**i, "_id": hashlib.sha1(json.dumps(i, sort_keys=True).encode()).hexdigest()}
            for i in pact.content.get("interactions", [])
        ]
        at = self.at(pact)
        links = {
            "self": {"href": at},
            "pb:provider": {"href": f"{self.url}/pacticipants/{pact.provider}"},
            "pb:publish-verification-results": {"href": f"{at}/verification-results"},
        }
        return {**pact.content, "interactions": interactions, "_links": links}

    def index(self) -> dict[str, Any]:
        def link(path: str) -> dict[str, Any]:
            return {"href": self.url + path, "templated": "{" in path}

        branch = "/pacticipants/{pacticipant}/branches/{branch}/versions/{version}"
        return {
            "_links": {
                "self": link("/"),
                "pb:pacticipant-version": link("/pacticipants/{pacticipant}/versions/{version}"),
                "pb:pacticipant-branch-version": link(branch),
                "pb:publish-contracts": link("/contracts/publish"),
                "pb:provider-pacts-for-verification": link("/pacts/provider/{provider}/for-verification"),
            }
        }

    def answer(  # noqa: PLR0911 - one for each resource
        self, method: str, path: str, body: dict[str, Any]
    ) -> tuple[int, dict[str, Any]]:
        """The resources; what is not there is 404."""
        if path == "/":
            return 200, self.index()
        if found := re.fullmatch(r"/pacts/provider/([^/]+)/for-verification", path):
            provider = unquote(found[1])
            if not any(p.provider == provider for p in self.pacts):
                return 404, {"error": {"message": "No such provider"}}
            pacts = self.for_verification(provider, body) if method == "POST" else []
            return 200, {"_embedded": {"pacts": pacts}, "_links": {"self": {"href": self.url + path}}}
        for pact in self.pacts:
            if self.url + unquote(path) == self.at(pact):
                return 200, self.resource(pact)
            if self.url + unquote(path) == f"{self.at(pact)}/verification-results" and method == "POST":
                self.results.append((pact.sha, body))
                return 201, body
        if found := re.fullmatch(r"/pacticipants/([^/]+)/branches/([^/]+)/versions/([^/]+)", path):
            self.branches[unquote(found[1]), unquote(found[3])] = unquote(found[2])
            return 200, {"_links": {}}
        if found := re.fullmatch(r"/pacticipants/([^/]+)", path):
            branch = f"{self.url}{path}/branches/{{branch}}/versions/{{version}}"
            return 200, {"name": unquote(found[1]), "_links": {"pb:branch-version": {"href": branch}}}
        if path == "/contracts/publish" and method == "POST":
            for contract in body["contracts"]:
                content = json.loads(base64.b64decode(contract["content"]))
                self.publish(content, number=body["pacticipantVersionNumber"], branch=body.get("branch") or "")
            return 200, {"notices": [{"type": "success", "text": "published"}], "_links": {}, "_embedded": {}}
        return 404, {"error": "not there"}

    def lets_in(self, header: str) -> bool:
        if self.token:
            return header == f"Bearer {self.token}"
        if self.basic:
            return header == "Basic " + base64.b64encode(":".join(self.basic).encode()).decode()
        return True


@contextmanager
def broker(**settings: Any) -> Iterator[FakeBroker]:
    """Run a broker."""
    fake = FakeBroker(**settings)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def handle_any(self) -> None:
            raw = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            path = self.path.split("?")[0]
            fake.seen.append((self.command, path))
            headers = {"Content-Type": "application/hal+json;charset=utf-8"}
            if path in fake.instead:
                status, content, more = fake.instead[path]
                headers |= more
            elif not fake.lets_in(self.headers.get("Authorization", "")):
                status, content = 401, b'{"error": "Unauthorised"}'
            else:
                status, body = fake.answer(self.command, path, json.loads(raw) if raw else {})
                content = json.dumps(body).encode()
            self.send_response(status)
            for name, value in {**headers, "Content-Length": str(len(content))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_POST = do_PUT = handle_any  # noqa: N815 - http.server's names

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    fake.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield fake
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
