"""The transport under gevent, in a process of its own: importing gevent's patches here would change every other test."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from tests.services import tiny_service

SCRIPT = """
from gevent import monkey; monkey.patch_all()
import json, sys, time
from harness.load.transport import PooledTransport

send = PooledTransport(4)
method, url, timeout = sys.argv[1], sys.argv[2], float(sys.argv[3])
begun = time.monotonic()
try:
    answer = send(method, url, headers={"x-test": "1"}, json={"a": 1}, params={"ms": "1"}, name="", timeout_s=timeout)
    told = {"status": answer.status_code, "json": answer.json(), "type": answer.headers["Content-Type"]}
except Exception as error:
    told = {"error": type(error).__name__, "text": str(error)}
print(json.dumps({**told, "s": time.monotonic() - begun}))
"""


@pytest.fixture
def tiny(tmp_path):
    with tiny_service(tmp_path) as service:
        yield service


def send(method, url, timeout_s=5.0):
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, method, url, str(timeout_s)],
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    )
    return json.loads(done.stdout)


def test_a_request_is_sent_with_body_and_query(tiny):
    told = send("POST", f"{tiny.url}/orders")
    assert told["status"] == 201
    assert told["type"] == "application/json"
    assert told["json"] == {"path": "/orders", "sent": 8}


def test_a_request_that_gets_no_answer_is_not_sent_again(tiny):
    told = send("GET", f"{tiny.url}/hangup")
    assert told["error"] == "ProtocolError"
    assert tiny.seen()["total"] == 1


def test_the_time_limit_is_for_the_whole_answer(tiny):
    tiny.freeze(60)
    told = send("GET", f"{tiny.url}/items", timeout_s=0.3)
    assert (told["error"], told["text"]) == ("TimeoutError", "no complete answer within 0.3 s")
    assert told["s"] < 2
