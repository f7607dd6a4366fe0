"""A neighbour with a switch: passes calls on to a real service, or does to them what networks and services do."""

import asyncio

import httpx
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

HANG = 30.0  # seconds: longer than anybody in these tests waits


class Interposed:
    """Behaviours by "METHOD /path-prefix"; everything else is passed on to `target`.

    `unavailable` answers 503; `hang` passes nothing on and never answers; `swallow` passes the call on but never answers;
    `trickle` answers a byte at a time; `late` passes the call on after its caller is gone.
    """

    def __init__(self, target: str = "") -> None:
        self.target = target
        self.behaviour: dict[str, str] = {}
        self.seen: list[tuple[str, str, dict[str, str]]] = []
        self.late: list[asyncio.Task[httpx.Response]] = []

    def app(self, _settings: object = None) -> Starlette:
        methods = ["GET", "POST", "PUT", "DELETE"]
        return Starlette(routes=[Route("/{path:path}", self._serve, methods=methods)])

    def count(self, method: str, path: str) -> int:
        return sum(1 for m, p, _ in self.seen if m == method and p.startswith(path))

    async def _serve(self, request: Request) -> Response:
        path, body = request.url.path, await request.body()
        self.seen.append((request.method, path, dict(request.headers)))
        how = next((h for r, h in self.behaviour.items() if f"{request.method} {path}".startswith(r)), "pass")
        if how == "unavailable":
            return Response("no", 503)
        if how == "hang":
            await asyncio.sleep(HANG)
        if how == "trickle":
            return StreamingResponse(self._trickle())
        if how == "late":
            self.late.append(asyncio.create_task(self._when_let_through(request, body)))
            await asyncio.sleep(HANG)
        answer = await self._pass_on(request, body)
        if how == "swallow":
            await asyncio.sleep(HANG)
        headers = {"content-type": answer.headers.get("content-type", "")} if answer.content else {}
        return Response(answer.content, answer.status_code, headers)

    async def _pass_on(self, request: Request, body: bytes) -> httpx.Response:
        if not self.target:
            return httpx.Response(200, json={})
        url = httpx.URL(self.target).copy_with(raw_path=request.url.path.encode() + b"?" + request.url.query.encode())
        headers = {k: v for k, v in request.headers.items() if k not in ("host", "content-length")}
        async with httpx.AsyncClient(trust_env=False) as client:
            return await client.request(request.method, url, content=body, headers=headers)

    async def _when_let_through(self, request: Request, body: bytes) -> httpx.Response:
        while "late" in self.behaviour.values():  # noqa: ASYNC110 - set by the test's thread
            await asyncio.sleep(0.01)
        return await self._pass_on(request, body)

    async def _trickle(self):
        for _ in range(int(HANG / 0.05)):
            yield b" "
            await asyncio.sleep(0.05)
