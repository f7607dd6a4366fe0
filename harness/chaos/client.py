"""A client of a Toxiproxy server: toxiproxy-python's classes, with their faults repaired; starts no server.

Repaired: several servers at once (each client keeps its own), time limits on every request, toxics can be updated,
`add_toxic` returns the toxic, `version` is text, `destroy` takes a name, `populate` is one request and returns every proxy,
a 5xx is an error with the server's text, `down` restores what was, names may hold any character.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from json import loads
from typing import Any
from urllib.parse import quote

import requests
from toxiproxy import Proxy, Toxiproxy
from toxiproxy.exceptions import InvalidToxic, NotFound, ProxyExists
from toxiproxy.toxic import Toxic

from harness.errors import InfrastructureError, UsageError

__all__ = ["Call", "Calls", "FaultCount", "InvalidToxic", "NotFound", "ProxyExists", "Server", "ServerProxy", "Toxic"]

_LARGEST = 64 * 1024 * 1024
_KNOWN = {400: InvalidToxic, 404: NotFound, 409: ProxyExists}


@dataclass(frozen=True, slots=True)
class Call:
    """One HTTP call through a proxy, as the built-in server saw it.

    Args:
        number: of its last change; grows over all calls.
        id: stays the same while it goes on.
        connection: which of the proxy's connections, in the order they were made, from 0.
        path: the target without its query.
        trace_id, parent_id: from W3C `traceparent`; empty when there was none.
        began: when the head of the request had come in, in seconds since the epoch.
        forwarded: whether that head was sent on to the callee.
        status: what the caller was given, after all toxics; None when nothing.
        upstream_status: what the callee answered; None when nothing.
        ended: when it was over, in seconds since the epoch; None while it goes on.
        ending: empty while it goes on; `answered`; `cut` or `reset`: closed by the proxy before the answer was complete;
            `gone`: left by the caller before that, which is to say it ended its stream, or the connection.
    """

    number: int
    id: int
    proxy: str
    connection: int
    method: str
    path: str
    trace_id: str
    parent_id: str
    idempotency_key: str
    began: float
    forwarded: bool
    status: int | None
    upstream_status: int | None
    ended: float | None
    ending: str


@dataclass(frozen=True, slots=True)
class Calls:
    """Calls in the order of their last change.

    Args:
        next: what to ask for the next time.
        dropped: how many were forgotten, since recording began, because there were too many.
    """

    next: int
    calls: tuple[Call, ...]
    dropped: int = 0


@dataclass(frozen=True, slots=True)
class FaultCount:
    """What one HTTP fault did.

    Args:
        meant: requests it was meant for, by path and method, on connections it applies to.
        acted: those it acted on.
        unchanged: answers it could not change, by reason.
    """

    meant: int
    acted: int
    unchanged: Mapping[str, int]


class _Consumer:
    """Requests to one server."""

    def __init__(self, url: str, timeout_s: float) -> None:
        self.url, self._timeout_s = url.rstrip("/"), timeout_s
        self._session = requests.Session()
        # A proxy set for the machine has no business between us and a server on loopback.
        self._session.trust_env = False

    def send(self, method: str, path: str, json: object = None) -> str:
        """Send a request and check the answer.

        Returns:
            The answer's body.

        Raises:
            InvalidToxic, NotFound, ProxyExists: for 400, 404 and 409, as toxiproxy-python has it.
            InfrastructureError: for any other error status, and when there is no answer.
        """
        try:
            response, text = self._exchange(method, path, json)
        except (requests.RequestException, OSError) as error:
            raise InfrastructureError(f"no answer from the Toxiproxy server at {self.url}: {error}") from None
        if response.status_code >= 300:
            text = _error_text(text)
            known = _KNOWN.get(response.status_code)
            if known is not None:
                raise known(text)
            raise InfrastructureError(
                f"the Toxiproxy server at {self.url} answered {response.status_code} to {method} {path}: {text}"
            )
        return text

    def read(self, method: str, path: str, json: object = None) -> Any:
        """As `send`, for an answer in JSON.

        Raises:
            InfrastructureError: also when the answer is not what a Toxiproxy server says.
        """
        text = self.send(method, path, json)
        try:
            return loads(text)
        except ValueError:
            raise self.strange(text) from None

    def strange(self, said: object) -> InfrastructureError:
        """What is raised when an answer is not a Toxiproxy server's."""
        return InfrastructureError(f"what answers at {self.url} is no Toxiproxy server; it said {str(said)[:100]!r}")

    def _exchange(self, method: str, path: str, json: object) -> tuple[requests.Response, str]:
        """One request; the answer's body has to end within the time limit too, and to be of bearable size."""
        limit = time.monotonic() + self._timeout_s
        response = self._session.request(
            method, self.url + path, json=json, timeout=self._timeout_s, stream=True, allow_redirects=False
        )
        with response:
            body = bytearray()
            # Byte by byte what comes byte by byte: a read waits for its whole size otherwise.
            for chunk in iter(lambda: response.raw.read1(65536, decode_content=True), b""):
                body += chunk
                if time.monotonic() > limit:
                    raise requests.Timeout(f"the answer did not end within {self._timeout_s:g} s")
                if len(body) > _LARGEST:
                    raise requests.ConnectionError(f"the answer is larger than {_LARGEST} bytes")
        return response, body.decode(errors="replace")


class ServerProxy(Proxy):  # type: ignore[misc]  # toxiproxy-python has no types
    """A proxy of one server; `upstream`, `listen` and `enabled` are as last seen."""

    def __init__(self, consumer: _Consumer, values: Mapping[str, Any]) -> None:
        super().__init__(**values)
        self._consumer = consumer
        self._path = _path_of("proxies", self.name)

    def toxics(self) -> dict[str, Toxic]:
        """Toxics by name."""
        return {t["name"]: Toxic(**t) for t in self._consumer.read("GET", f"{self._path}/toxics")}

    def add_toxic(self, **toxic: Any) -> Toxic:
        """Add a toxic: `type`, and `name`, `stream`, `toxicity`, `attributes` if they are to differ from the defaults.

        Raises:
            InvalidToxic: when the server does not know such a toxic.
            ProxyExists: when there is a toxic of that name.
        """
        return Toxic(**self._consumer.read("POST", f"{self._path}/toxics", toxic))

    def update_toxic(
        self, name: str, attributes: Mapping[str, int | str] | None = None, toxicity: float | None = None
    ) -> Toxic:
        """Change a toxic; what is not given stays."""
        change: dict[str, object] = {"attributes": dict(attributes or {})}
        if toxicity is not None:
            change["toxicity"] = toxicity
        return Toxic(**self._consumer.read("POST", self._toxic(name), change))

    def destroy_toxic(self, toxic_name: str) -> bool:
        """Take a toxic away."""
        self._consumer.send("DELETE", self._toxic(toxic_name))
        return True

    def destroy(self) -> bool:
        """Delete the proxy."""
        self._consumer.send("DELETE", self._path)
        return True

    def disable(self) -> None:
        """Close its connections and refuse new ones."""
        self._enable(False)

    def enable(self) -> None:
        """Listen again."""
        self._enable(True)

    @contextmanager
    def down(self) -> Iterator[ServerProxy]:
        """Disabled within the block; afterwards as it was before."""
        before = bool(self._consumer.read("GET", self._path)["enabled"])
        try:
            self.disable()
            yield self
        finally:
            self._enable(before)

    def update(self, *, upstream: str | None = None, listen: str | None = None, enabled: bool | None = None) -> None:
        """Change the proxy; what is not given stays. Its connections break off when an address changes."""
        wish = {"upstream": upstream, "listen": listen, "enabled": enabled}
        seen = self._consumer.read("POST", self._path, {k: v for k, v in wish.items() if v is not None})
        self.upstream, self.listen, self.enabled = seen["upstream"], seen["listen"], seen["enabled"]

    def _enable(self, enabled: bool) -> None:
        self.update(enabled=enabled)

    def _toxic(self, name: str) -> str:
        return _path_of("proxies", self.name, "toxics", name)


class Server(Toxiproxy):  # type: ignore[misc]  # toxiproxy-python has no types
    """One Toxiproxy server.

    Args:
        url: its API, e.g. `http://127.0.0.1:8474`.
        timeout_s: the longest one request may take, in seconds.
    """

    def __init__(self, url: str, timeout_s: float = 5.0) -> None:
        self.url, self._timeout_s = url.rstrip("/"), timeout_s
        self._consumer = _Consumer(url, timeout_s)

    def proxies(self) -> dict[str, ServerProxy]:
        """Proxies by name."""
        found = self._consumer.read("GET", "/proxies")
        if not isinstance(found, dict) or not all(isinstance(v, dict) for v in found.values()):
            raise self._consumer.strange(found)
        return {name: ServerProxy(self._consumer, values) for name, values in found.items()}

    def get_proxy(self, proxy_name: str) -> ServerProxy | None:
        """The proxy of that name; None when there is none."""
        try:
            values = self._consumer.read("GET", _path_of("proxies", proxy_name))
        except NotFound:
            return None
        return ServerProxy(self._consumer, values)

    def running(self) -> bool:
        """Whether a Toxiproxy server answers."""
        try:
            self.version()
        except (InfrastructureError, NotFound, InvalidToxic, ProxyExists):
            return False
        return True

    def version(self) -> str:
        """The server's version."""
        text = self._consumer.send("GET", "/version")
        try:
            return str(loads(text)["version"])
        except (ValueError, KeyError, TypeError):
            raise self._consumer.strange(text) from None

    def reset(self) -> bool:
        """Take every toxic away and enable every proxy."""
        self._consumer.send("POST", "/reset")
        return True

    def create(self, upstream: str, name: str, listen: str | None = None, enabled: bool | None = None) -> ServerProxy:
        """Create a proxy; on a free loopback port when `listen` says nothing.

        Raises:
            ProxyExists: when there is one of that name.
            UsageError: when nothing can have that name.
        """
        _path_of("proxies", name)
        wish: dict[str, object] = {"name": name, "upstream": upstream, "listen": listen or "127.0.0.1:0"}
        if enabled is not None:
            wish["enabled"] = enabled
        return ServerProxy(self._consumer, self._consumer.read("POST", "/proxies", wish))

    def destroy(self, proxy: Proxy | str) -> bool:
        """Delete a proxy; False when there is none of that name."""
        name = proxy if isinstance(proxy, str) else proxy.name
        try:
            self._consumer.send("DELETE", _path_of("proxies", name))
        except NotFound:
            return False
        return True

    def destroy_all(self) -> None:
        """Delete every proxy; one that cannot be keeps no other.

        Raises:
            InfrastructureError: naming those that are left: the original cannot delete what has a `/` in its name.
        """
        for name in self.proxies():
            self.destroy(name)
        left = ", ".join(self.proxies())
        if left:
            raise InfrastructureError(f"the Toxiproxy server at {self.url} did not delete {left}")

    def populate(self, proxies: Iterable[Mapping[str, object]]) -> list[ServerProxy]:
        """Create or replace proxies in one request; returns all of them, also those left as they were."""
        found = self._consumer.read("POST", "/populate", list(proxies))
        return [ServerProxy(self._consumer, values) for values in found["proxies"] or ()]

    def metrics(self) -> str:
        """Prometheus text; empty when the server was not asked to show any."""
        try:
            return self._consumer.send("GET", "/metrics")
        except NotFound:
            return ""

    def record_calls(self, on: bool) -> None:
        """Begin to record the calls that go through any proxy, forgetting what was recorded; or cease to.

        Raises:
            NotFound: when the server is not the built-in one.
        """
        self._consumer.send("POST", "/harness/calls", {"record": on})

    def calls(self, after: int = 0) -> Calls:
        """Calls that have begun, gone on or ended since.

        Args:
            after: `next` of the answer before; 0 for all.

        Raises:
            NotFound: when the server is not the built-in one.
        """
        found: dict[int, Call] = {}
        while True:
            page = self._consumer.read("GET", f"/harness/calls?after={after}")
            for values in page["calls"]:
                # A call that moved on between two pages comes twice; the later state counts, at its later place.
                found.pop(values["id"], None)
                found[values["id"]] = Call(**values)
            after = page["next"]
            if not page["calls"]:
                return Calls(after, tuple(found.values()), page["dropped"])

    def http_faults(self) -> dict[str, dict[str, FaultCount]]:
        """What the HTTP faults did so far, by proxy and toxic.

        Raises:
            NotFound: when the server is not the built-in one.
        """
        found = self._consumer.read("GET", "/harness/faults")
        return {p: {t: FaultCount(**count) for t, count in toxics.items()} for p, toxics in found.items()}

    def update_api_consumer(self, host: str, port: int) -> None:
        """Talk to another server from now on."""
        self.__init__(f"http://{host}:{port}", self._timeout_s)  # type: ignore[misc]  # the base class's way to re-target a client


def _error_text(text: str) -> str:
    try:
        return str(loads(text)["error"])
    except (ValueError, KeyError, TypeError):
        return text.strip()[:300]


def _path_of(*parts: str) -> str:
    """Path of something by its names, which may hold any character.

    Raises:
        UsageError: for a name that no path can hold.
    """
    for name in parts[1::2]:
        if name in {"", ".", ".."}:
            raise UsageError(f'"{name}" cannot be the name of a proxy or a toxic: no address can hold it')
    return "/" + "/".join(quote(part, safe="") for part in parts)
