"""Sends mail, that is, remembers that it should have. Starlette; nobody has written its API down."""

from __future__ import annotations

import os

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

sent: list[dict[str, str]] = []


async def send(request: Request) -> JSONResponse:
    """Take one mail."""
    sent.append(await request.json())
    return JSONResponse({"accepted": True}, 202)


async def outbox(request: Request) -> JSONResponse:
    """What was sent to somebody."""
    return JSONResponse([mail for mail in sent if mail["to"] == request.query_params.get("to")])


app = Starlette(routes=[Route("/send", send, methods=["POST"]), Route("/sent", outbox)])

if __name__ == "__main__":
    uvicorn.run(app, host="127.0.0.1", port=int(os.environ["LISTEN"]), log_level="warning")
