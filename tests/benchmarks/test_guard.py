"""What the guard costs the load generator: its part of the processor time of a request, measured in one process."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from tests.services import tiny_service

MEASURE = """
from gevent import monkey; monkey.patch_all()
import json, sys, time
from harness.guard import Intake, Invitation, address
from harness.guard.sockets import watch_sockets
from harness.load.transport import PooledTransport
from harness.system.journeys import User

url, body = sys.argv[1], b"x" * 500
watch_sockets(Invitation.to([url]))
user = User(base_urls={"": url}, entry="", transport=PooledTransport(4))

def request():
    user.steps.clear()
    user.get("/items", params={"limit": "20"})

def guard():
    address(url, "/items?limit=20")
    with Intake() as intake:
        intake.take(body)
        intake.body()

def microseconds(work, times):
    begun = time.process_time()
    for _ in range(times):
        work()
    return (time.process_time() - begun) / times * 1e6

request()
print(json.dumps({"request": microseconds(request, 2000), "guard": min(microseconds(guard, 5000) for _ in range(5))}))
"""


def test_the_guard_costs_less_than_a_hundredth_of_a_request(tmp_path: Path) -> None:
    with tiny_service(tmp_path) as service:
        done = subprocess.run(
            [sys.executable, "-c", MEASURE, service.url], capture_output=True, text=True, timeout=120, check=True
        )
    took = json.loads(done.stdout)
    share = took["guard"] / took["request"]
    print(f"\na request {took['request']:.0f} us, the guard {took['guard']:.1f} us of it: {share:.2%}")
    assert share < 0.01
