"""The API of the built-in server under attack: whatever is sent, it answers in time, in its own words, and lives on."""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import json
import re
import resource
import socket
import subprocess
import sys
import time
import uuid
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from openapi_spec_validator import validate

from harness.chaos.server.api import Api
from harness.chaos.server.http import Limits, serve_client
from tests.chaos.conftest import Running, started
from tests.chaos.sockets import ask, dial, echo, read_all, upstream

#: What a 500 may say: the network's own words for an address that cannot be listened on.
OWN_500 = ("listen tcp", "lookup ", "address ")


def send(server: Running, method: str, path: str, body: bytes | None = None) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection(urlsplit(server.url).netloc, timeout=20)
    with contextlib.closing(connection):
        connection.request(method, path, body)
        answer = connection.getresponse()
        return answer.status, answer.read()


def described(server: Running) -> dict:
    return json.loads(send(server, "GET", "/harness/openapi.json")[1])


# --- The description ---------------------------------------------------------------------------------------------------


def test_the_description_is_valid_and_names_what_there_is_and_nothing_else(built_in: Running) -> None:
    document = described(built_in)
    validate(document)

    for template, operations in document["paths"].items():
        path = template.format(proxy="nobody", toxic="nothing")
        for method in ("get", "post", "patch", "delete", "put"):
            status, body = send(built_in, method.upper(), path, b"{" if method in {"post", "patch", "put"} else None)
            assert body != b"404 page not found\n", template
            assert (status == 405) is (method not in operations), (method, template)
            assert status == 405 or str(status) in operations[method]["responses"], (method, template, status)


def test_without_metrics_the_description_has_none() -> None:
    with started("built-in") as server:
        assert "/metrics" not in described(server)["paths"]
        assert send(server, "GET", "/metrics")[0] == 404


@pytest.mark.slow
def test_schemathesis_finds_no_answer_that_is_not_described() -> None:
    checks = "status_code_conformance,response_schema_conformance,content_type_conformance"
    with started("built-in", "-proxy-metrics") as server:
        command = [
            *(str(Path(sys.executable).parent / "st"), "run", f"{server.url}/harness/openapi.json"),
            *("--seed", "1", "-n", "10", "--max-time", "15", "--mode", "all", "--checks", checks),
            *("--continue-on-failure", "--no-color", "--request-timeout", "10"),
        ]
        done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
        assert server.client.running()

    assert done.returncode == 0, done.stdout
    assert "generated" in done.stdout


# --- Raw bytes ---------------------------------------------------------------------------------------------------------

methods = st.sampled_from([b"GET", b"POST", b"PATCH", b"DELETE", b"PUT", b"HEAD", b"OPTIONS", b"", b"\xff"])
parts = st.sampled_from(
    [
        b"proxies",
        b"populate",
        b"reset",
        b"version",
        b"harness",
        b"calls",
        b"faults",
        b"toxics",
        b"p",
        b"",
        b"%00",
        b"..",
        b"%",
    ]
)
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=5,
)
fields = [
    "name",
    "upstream",
    "enabled",
    "type",
    "stream",
    "toxicity",
    "attributes",
    "latency",
    "bytes",
    "record",
    "NAME",
]
# No `listen`: what is drawn must not open a port beyond loopback.
bodies = st.one_of(
    st.binary(max_size=60),
    st.dictionaries(st.sampled_from(fields), values, max_size=5).map(lambda v: json.dumps(v).encode()),
    st.lists(st.dictionaries(st.sampled_from(fields), values, max_size=5), max_size=3).map(
        lambda v: json.dumps(v).encode()
    ),
)
headers = st.sampled_from(
    [b"", b"Expect: 100-continue\r\n", b"X: \x00\r\n", b"Transfer-Encoding: chunked\r\n", b"A\r\n"]
)


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(methods, st.lists(parts, max_size=4), bodies, headers)
def test_no_request_makes_the_server_fail_or_hang(built_in: Running, method, path, body, header) -> None:
    head = b"%s /%s HTTP/1.1\r\nHost: x\r\n%sContent-Length: %d\r\n\r\n" % (method, b"/".join(path), header, len(body))

    answer = talk(built_in, head + body)

    for one in answer.split(b"HTTP/1.1 ")[1:]:
        if one.startswith(b"5"):
            told = json.loads(one.partition(b"\r\n\r\n")[2])
            assert one.startswith(b"500"), one
            assert told["error"].startswith(OWN_500), one


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=300))
def test_no_bytes_make_the_server_fail_or_hang(built_in: Running, data: bytes) -> None:
    assert b"HTTP/1.1 5" not in talk(built_in, data)


def talk(server: Running, data: bytes) -> bytes:
    """Send, end, and read to the end; a server that hangs is a time-out here."""
    with dial(server.url.removeprefix("http://"), timeout=10) as conn, contextlib.suppress(ConnectionError):
        conn.sendall(data)
        conn.shutdown(socket.SHUT_WR)
        return read_all(conn)
    return b""


def test_pipelined_requests_are_answered_one_after_another(built_in: Running) -> None:
    one = b"GET /version HTTP/1.1\r\nHost: x\r\n\r\n"

    answer = talk(built_in, one * 50 + b"POST /proxies HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}" + one)

    assert re.findall(rb"HTTP/1.1 (\d+)", answer) == [b"200"] * 50 + [b"400", b"200"]


def test_a_body_beyond_the_limit_is_refused_while_it_is_still_coming(built_in: Running) -> None:
    with dial(built_in.url.removeprefix("http://")) as conn:
        conn.sendall(b"POST /proxies HTTP/1.1\r\nHost: x\r\nContent-Length: 99000000000\r\n\r\n")
        with contextlib.suppress(ConnectionError):
            for _ in range(17):
                conn.sendall(b" " * 1_000_000)
        with contextlib.suppress(ConnectionResetError):
            assert conn.recv(100).startswith(b"HTTP/1.1 413")
    assert built_in.client.running()


# --- Slow ones; the limits are short here, the original's otherwise ------------------------------------------------------


async def cut_off_after(trickle: bytes, *, first: bytes = b"", every_s: float = 0.02) -> float:
    """Seconds until the server breaks off a client that sends `first` and then one byte of `trickle` at a time."""
    serve = partial(serve_client, Api(1), limits=Limits(idle=0.5, read=0.3, write=0.3))
    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
    begun = time.perf_counter()
    writer.write(first)
    reading = asyncio.create_task(reader.read())
    for byte in trickle:
        if reading.done():
            break
        writer.write(bytes([byte]))
        await asyncio.wait([reading], timeout=every_s)
    with contextlib.suppress(ConnectionError):
        await asyncio.wait_for(reading, 10)
    writer.close()
    server.close()
    return time.perf_counter() - begun


@pytest.mark.parametrize(
    ("first", "trickle"),
    [
        (b"", b""),
        (b"", b"GET /version HTTP/1.1\r\n" + b"A: b\r\n" * 1000),
        (b"POST /proxies HTTP/1.1\r\nHost: x\r\nContent-Length: 5000\r\n\r\n", b" " * 5000),
        (b"POST /proxies HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n", b"1\r\n \r\n" * 1000),
        (b"POST /proxies HTTP/1.1\r\nHost: x\r\nContent-Length: 5000\r\n\r\n", b""),
    ],
    ids=["silent", "slowloris", "slow body", "endless chunks", "no body"],
)
def test_who_takes_too_long_is_cut_off_in_time(first: bytes, trickle: bytes) -> None:
    assert asyncio.run(cut_off_after(trickle, first=first)) < 3


def test_who_does_not_read_its_answers_is_cut_off_in_time() -> None:
    async def run() -> None:
        gone = asyncio.Event()

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await serve_client(Api(1), reader, writer, Limits(write=0.2))
            gone.set()

        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        with socket.socket() as conn:
            conn.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            conn.setblocking(False)
            loop = asyncio.get_running_loop()
            await loop.sock_connect(conn, server.sockets[0].getsockname())
            flood = b"GET /harness/openapi.json HTTP/1.1\r\nHost: x\r\n\r\n" * 2000
            with contextlib.suppress(OSError, TimeoutError):
                await asyncio.wait_for(loop.sock_sendall(conn, flood), 1)
            await asyncio.wait_for(gone.wait(), 10)
        server.close()

    asyncio.run(run())


# --- Ports and crowds --------------------------------------------------------------------------------------------------


def test_the_apis_own_port_is_taken(built_in: Running) -> None:
    listen = built_in.url.removeprefix("http://")
    body = json.dumps({"name": uuid.uuid4().hex, "upstream": "127.0.0.1:9", "listen": listen})

    status, told = send(built_in, "POST", "/proxies", body.encode())

    assert (status, json.loads(told)["error"]) == (500, f"listen tcp {listen}: bind: address already in use")


def test_a_privileged_port_is_told_to_who_may_not_have_it() -> None:
    start = Path("/proc/sys/net/ipv4/ip_unprivileged_port_start")
    if not start.exists() or int(start.read_text()) <= 1:
        pytest.skip("every port is for everybody on this machine")
    # The address is bound by somebody without rights, whoever runs the tests; what is loaded is loaded before.
    program = """
import asyncio, encodings.idna, os
from harness.chaos.server.addresses import ApiError, bind
async def main():
    await bind("127.0.0.1:0")
    os.geteuid() or os.setuid(65534)
    try:
        await bind("127.0.0.1:1")
    except ApiError as error:
        print(error.status, error.message)
asyncio.run(main())
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False, timeout=60)
    told = done.stdout
    assert not done.returncode, done.stderr

    assert told.strip() == "500 listen tcp 127.0.0.1:1: bind: permission denied"


def test_thousands_of_proxies_are_made_shown_and_removed_in_time() -> None:
    count = 3_000
    if resource.getrlimit(resource.RLIMIT_NOFILE)[1] < count + 100:
        pytest.skip("fewer than 3,100 descriptors are allowed here")
    body = json.dumps([{"name": f"p{n}", "upstream": "127.0.0.1:9", "listen": "127.0.0.1:0"} for n in range(count)])
    with started("built-in") as server:
        begun = time.perf_counter()
        status, _ = send(server, "POST", "/populate", body.encode())
        shown = json.loads(send(server, "GET", "/proxies")[1])
        reset, _ = send(server, "POST", "/reset")

    assert (status, reset, len(shown)) == (201, 204, count)
    assert time.perf_counter() - begun < 30


@pytest.mark.parametrize("toxicity", [0, 0.5, 1])
@pytest.mark.parametrize("kind", ["latency", "limit_data"])
def test_a_thousand_toxics_in_a_row_let_bytes_through(built_in: Running, kind: str, toxicity: float) -> None:
    with upstream(echo) as target:
        proxy = built_in.client.create(target, uuid.uuid4().hex)
        for number in range(1000):
            wish = {"type": kind, "name": str(number), "toxicity": toxicity, "attributes": {"bytes": 1 << 40}}
            assert send(built_in, "POST", f"/proxies/{proxy.name}/toxics", json.dumps(wish).encode())[0] == 200
        with dial(proxy.listen) as conn:
            ask(conn, b"x" * 1000)
            for number in (0, 500, 999):
                assert proxy.destroy_toxic(str(number))
            ask(conn, b"x" * 1000)
            conn.shutdown(socket.SHUT_WR)
            assert read_all(conn) == b""
        proxy.destroy()
