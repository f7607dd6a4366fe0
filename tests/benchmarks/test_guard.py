"""What the guard costs the load generator, and what it costs to know what is sent in confidence: parts of the processor time of
a request, measured in one process."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from tests.services import tiny_service

MEASURE = r"""
from gevent import monkey; monkey.patch_all()
import json, sys, time
from harness.evidence.credentials import Credentials
from harness.guard import Intake, Invitation, address
from harness.guard.sockets import watch_sockets
from harness.load.transport import PooledTransport
from harness.system.journeys import User
from harness.system.telling import Sent

url, body = sys.argv[1], b"x" * 500
watch_sockets(Invitation.to([url]))
user = User(base_urls={"": url}, entry="", transport=PooledTransport(4), headers={"Authorization": "Bearer tok-8f3a11"})
sent = Sent(Credentials(), print)
HEAD = (
    "GET /items?limit=20 HTTP/1.1\r\nHost: 127.0.0.1:8000\r\nAccept-Encoding: identity\r\naccept: */*\r\n"
    "traceparent: 00-%032x-%016x-01\r\nAuthorization: Bearer tok-8f3a11\r\nUser-Agent: python-urllib3/2.0\r\n\r\n"
)
heads = iter([(HEAD % (n, n)).encode() for n in range(1, 30_000)])

def request():
    user.steps.clear()
    user.get("/items", params={"limit": "20"})

def guard():
    address(url, "/items?limit=20")
    with Intake() as intake:
        intake.take(body)
        intake.body()

def tell():
    sent.piece(next(heads))

def microseconds(work, times):
    begun = time.process_time()
    for _ in range(times):
        work()
    return (time.process_time() - begun) / times * 1e6

request()
print(json.dumps({
    "request": microseconds(request, 2000),
    "guard": min(microseconds(guard, 5000) for _ in range(5)),
    "tell": min(microseconds(tell, 5000) for _ in range(5)),
}))
"""


@pytest.fixture(scope="module")
def took(tmp_path_factory: pytest.TempPathFactory) -> dict[str, float]:
    """Processor time of a request, and of parts of it, in microseconds."""
    with tiny_service(tmp_path_factory.mktemp("guard")) as service:
        done = subprocess.run(
            [sys.executable, "-c", MEASURE, service.url], capture_output=True, text=True, timeout=120, check=True
        )
    measured: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return measured


@pytest.mark.parametrize(("part", "most"), [("guard", 0.01), ("tell", 0.002)])
def test_what_keeps_secrets_and_traffic_in_costs_little_of_a_request(
    took: dict[str, float], part: str, most: float
) -> None:
    share = took[part] / took["request"]
    print(f"\na request {took['request']:.0f} us, {part} {took[part]:.1f} us of it: {share:.2%}")
    assert share < most
