"""The API's operations on the proxies of one server: what each does and answers; HTTP itself is next door."""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from urllib.parse import parse_qs

from harness.chaos.faults import FAULTS
from harness.chaos.server.addresses import ApiError
from harness.chaos.server.calls import CallLog
from harness.chaos.server.dialling import Dialling
from harness.chaos.server.link import Direction, Toxic
from harness.chaos.server.metrics import render
from harness.chaos.server.openapi import document
from harness.chaos.server.proxy import Proxy
from harness.chaos.server.wire import (
    fault_from,
    new_fault,
    proxy_json,
    read_proxies,
    read_proxy,
    read_toxic,
    read_toxic_update,
    read_wish,
    toxic_json,
)

__all__ = ["Answer", "Api", "Metrics"]

#: The release whose API this server speaks.
VERSION = "2.12.0"
_JSON = "application/json"
_TEXT = "text/plain; charset=utf-8"


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer: `request_id` when somebody was asked, not only a wrong path; `location` when to ask elsewhere."""

    status: int
    body: bytes = b""
    content_type: str = ""
    request_id: str = ""
    location: str = ""


@dataclass(frozen=True, slots=True)
class Metrics:
    """Which metrics are shown."""

    proxy: bool = False
    runtime: bool = False


Handler = Callable[[tuple[str, ...], bytes], Awaitable[Answer]]


@dataclass(slots=True)
class Api:
    """Everything the server knows: its proxies by name.

    Args:
        seed: decides every draw of every toxic.
        dialling: how proxies dial.
    """

    seed: int
    metrics: Metrics = Metrics()
    proxies: dict[str, Proxy] = field(default_factory=dict)
    calls: CallLog = field(default_factory=CallLog)
    dialling: Dialling = field(default_factory=Dialling)

    async def handle(self, method: str, path: tuple[str, ...], body: bytes, user_agent: str, query: str = "") -> Answer:
        """Answer one request; `path` is the decoded parts of the URL's path."""
        methods = self._own_routes(path, query) if path[0] == "harness" else self._routes(path)
        if not methods:
            return Answer(404, b"404 page not found\n", _TEXT)
        handler = methods.get(method)
        if handler is None:
            return Answer(405)
        if user_agent.startswith("Mozilla/"):
            answer = Answer(403, b"User agent not allowed\n", _TEXT)
        else:
            try:
                answer = await handler(path, body)
            except ApiError as error:
                told = _dump({"error": error.message, "status": error.status}) + b"\n"
                answer = Answer(error.status, told, _TEXT)
        return replace(answer, request_id=uuid.uuid4().hex[:20])

    async def populate(self, body: bytes) -> Answer:
        """Create or replace proxies; those before a mistake stay."""
        done: list[Proxy] = []
        problem: ApiError | None = None
        try:
            await self._populate(body, done)
        except ApiError as error:
            problem = error
        shown = {"proxies": [proxy_json(p) for p in done] or None}
        if problem is None:
            return Answer(201, _dump(shown), _JSON)
        told = {"error": problem.message, "status": problem.status, **shown}
        return Answer(problem.status, _dump(told), _JSON)

    async def close(self) -> None:
        """Stop every proxy."""
        for proxy in self.proxies.values():
            await proxy.stop()

    def _routes(self, path: tuple[str, ...]) -> Mapping[str, Handler]:
        table: dict[tuple[str, ...], Mapping[str, Handler]] = {
            ("reset",): {"POST": self._reset},
            ("version",): {"GET": self._version},
            ("populate",): {"POST": self._populate_request},
            ("proxies",): {"GET": self._list, "POST": self._create},
            ("proxies", "*"): {
                "GET": self._show,
                "POST": self._update,
                "PATCH": self._update,
                "DELETE": self._delete,
            },
            ("proxies", "*", "toxics"): {"GET": self._toxics, "POST": self._add_toxic},
            ("proxies", "*", "toxics", "*"): {
                "GET": self._show_toxic,
                "POST": self._update_toxic,
                "PATCH": self._update_toxic,
                "DELETE": self._remove_toxic,
            },
        }
        if self.metrics.proxy or self.metrics.runtime:
            table["metrics",] = {"GET": self._metrics}
        # Names stand at the odd places; an empty one matches nothing.
        return table.get(tuple("*" if part and i % 2 else part for i, part in enumerate(path)), {})

    def _own_routes(self, path: tuple[str, ...], query: str) -> Mapping[str, Handler]:
        """What the original does not have, off the standard path."""

        async def show(_path: tuple[str, ...], _body: bytes) -> Answer:
            after = parse_qs(query).get("after", ["0"])[-1]
            if not after.isascii() or not after.isdigit():
                raise ApiError("after must be a whole number", 400)
            return Answer(200, _dump(self.calls.after(int(after))), _JSON)

        table: dict[tuple[str, ...], Mapping[str, Handler]] = {
            ("harness", "calls"): {"GET": show, "POST": self._record},
            ("harness", "faults"): {"GET": self._faults},
            ("harness", "openapi.json"): {"GET": self._describe},
        }
        return table.get(path, {})

    async def _describe(self, _path: tuple[str, ...], _body: bytes) -> Answer:
        shown = self.metrics.proxy or self.metrics.runtime
        return Answer(200, _dump(document(VERSION, metrics=shown)), _JSON)

    async def _faults(self, _path: tuple[str, ...], _body: bytes) -> Answer:
        return Answer(200, _dump({name: proxy.http.told() for name, proxy in sorted(self.proxies.items())}), _JSON)

    async def _record(self, _path: tuple[str, ...], body: bytes) -> Answer:
        wish = read_wish(body)
        if "record" not in wish.values:
            raise ApiError("missing required field: record", 400)
        if wish.flag("record", False):
            self.calls.start()
        else:
            self.calls.stop()
        for proxy in self.proxies.values():
            proxy.record()
        return Answer(204)

    async def _version(self, _path: tuple[str, ...], _body: bytes) -> Answer:
        return Answer(200, f'{{"version": "{VERSION}"}}\n'.encode(), "application/json;charset=utf-8")

    async def _metrics(self, _path: tuple[str, ...], _body: bytes) -> Answer:
        text = render(self.proxies.values(), proxy=self.metrics.proxy, runtime=self.metrics.runtime)
        return Answer(200, text.encode(), "text/plain; version=0.0.4; charset=utf-8")

    async def _reset(self, _path: tuple[str, ...], _body: bytes) -> Answer:
        for proxy in tuple(self.proxies.values()):
            async with proxy.lock:
                await proxy.start()
                for toxic in tuple(proxy.listed()):
                    await proxy.remove(toxic)
        return Answer(204)

    async def _populate_request(self, _path: tuple[str, ...], body: bytes) -> Answer:
        return await self.populate(body)

    async def _list(self, _path: tuple[str, ...], _body: bytes) -> Answer:
        return Answer(200, _dump({n: proxy_json(p) for n, p in sorted(self.proxies.items())}), _JSON)

    async def _create(self, _path: tuple[str, ...], body: bytes) -> Answer:
        wish = read_proxy(body)
        name, listen, upstream = wish.text("name"), wish.text("listen"), wish.text("upstream")
        enabled = wish.flag("enabled", True)
        for key, value in (("name", name), ("upstream", upstream)):
            if not value:
                raise ApiError(f"missing required field: {key}", 400)
        if name in self.proxies:
            raise ApiError("proxy already exists", 409)
        proxy = await self._add(Proxy(name, listen, upstream, self.seed, self.calls, self.dialling), enabled)
        return Answer(201, _dump(proxy_json(proxy)), _JSON)

    async def _add(self, proxy: Proxy, enabled: bool) -> Proxy:
        """Start a proxy, in the place of another of its name where there is one; that stays when this cannot start."""
        before = self.proxies.get(proxy.name)
        # Claimed before the listener is up, so that two clients cannot create the same name at once.
        self.proxies[proxy.name] = proxy
        try:
            if enabled:
                async with proxy.lock:
                    await proxy.start()
        except ApiError:
            if before is None:
                del self.proxies[proxy.name]
            else:
                self.proxies[proxy.name] = before
            raise
        return proxy

    async def _populate(self, body: bytes, done: list[Proxy]) -> None:
        wishes = read_proxies(body)
        specs = [(w.text("name"), w.text("listen"), w.text("upstream"), w.flag("enabled", True)) for w in wishes]
        for number, (name, _, upstream, _) in enumerate(specs, 1):
            for key, value in (("name", name), ("upstream", upstream)):
                if not value:
                    raise ApiError(f"missing required field: {key} at proxy {number}", 400)
        for name, listen, upstream, enabled in specs:
            existing = self.proxies.get(name)
            if existing is not None:
                if not await existing.differs(listen, upstream):
                    done.append(existing)
                    continue
                async with existing.lock:
                    await existing.stop()
            done.append(await self._add(Proxy(name, listen, upstream, self.seed, self.calls, self.dialling), enabled))

    async def _show(self, path: tuple[str, ...], _body: bytes) -> Answer:
        return Answer(200, _dump(proxy_json(self._proxy(path))), _JSON)

    async def _update(self, path: tuple[str, ...], body: bytes) -> Answer:
        proxy = self._proxy(path)
        async with proxy.lock:
            wish = read_proxy(body)
            listen, upstream = wish.text("listen", proxy.listen), wish.text("upstream", proxy.upstream)
            enabled = wish.flag("enabled", proxy.enabled)
            if await proxy.differs(listen, upstream):
                await proxy.stop()
                proxy.listen, proxy.upstream = listen, upstream
            if enabled:
                await proxy.start()
            else:
                await proxy.stop()
            return Answer(200, _dump(proxy_json(proxy)), _JSON)

    async def _delete(self, path: tuple[str, ...], _body: bytes) -> Answer:
        proxy = self._proxy(path)
        del self.proxies[proxy.name]
        async with proxy.lock:
            await proxy.stop()
        return Answer(204)

    async def _toxics(self, path: tuple[str, ...], _body: bytes) -> Answer:
        return Answer(200, _dump([toxic_json(t) for t in self._proxy(path).listed()]), _JSON)

    async def _add_toxic(self, path: tuple[str, ...], body: bytes) -> Answer:
        proxy = self._proxy(path)
        async with proxy.lock:
            wish = read_toxic(body)
            type_, stream = wish.text("type"), wish.text("stream", "downstream")
            toxicity = wish.number("toxicity", 1.0)
            name = wish.text("name") or f"{type_}_{stream}"
            if stream.upper() not in Direction.__members__:
                raise ApiError("stream was invalid, can be either upstream or downstream", 400)
            if type_ not in FAULTS:
                raise ApiError("invalid toxic type", 400)
            if proxy.find(name) is not None:
                raise ApiError("toxic already exists", 409)
            toxic = Toxic(name, type_, stream, toxicity, Direction[stream.upper()], new_fault(type_, body))
            await proxy.add(toxic)
            return Answer(200, _dump(toxic_json(toxic)), _JSON)

    async def _show_toxic(self, path: tuple[str, ...], _body: bytes) -> Answer:
        return Answer(200, _dump(toxic_json(self._toxic(path))), _JSON)

    async def _update_toxic(self, path: tuple[str, ...], body: bytes) -> Answer:
        proxy = self._proxy(path)
        async with proxy.lock:
            toxic = self._toxic(path)
            wish = read_toxic_update(body, toxic.type)
            # All of it or nothing: the original keeps what it had read before a mistake.
            toxic.fault = fault_from(toxic.fault, wish)
            toxic.toxicity = wish.number("toxicity", toxic.toxicity)
            await proxy.changed(toxic)
            return Answer(200, _dump(toxic_json(toxic)), _JSON)

    async def _remove_toxic(self, path: tuple[str, ...], _body: bytes) -> Answer:
        proxy = self._proxy(path)
        async with proxy.lock:
            await proxy.remove(self._toxic(path))
        return Answer(204)

    def _proxy(self, path: tuple[str, ...]) -> Proxy:
        proxy = self.proxies.get(path[1])
        if proxy is None:
            raise ApiError("proxy not found", 404)
        return proxy

    def _toxic(self, path: tuple[str, ...]) -> Toxic:
        toxic = self._proxy(path).find(path[3])
        if toxic is None:
            raise ApiError("toxic not found", 404)
        return toxic


def _dump(value: object) -> bytes:
    text = json.dumps(value, separators=(",", ":"), ensure_ascii=False)
    # As Go writes it, so that no answer is ever taken for HTML or script.
    return re.sub("[<>&\u2028\u2029]", lambda found: f"\\u{ord(found[0]):04x}", text).encode()
