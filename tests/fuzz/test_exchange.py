"""One exchange with a service that answers to harm: it is over in time, takes no memory, and says what was too much."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
import requests

from harness.fuzz.exchange import AnswerTooLargeError, LimitedAdapter
from harness.fuzz.failures import TOO_MUCH_HEADER
from tests.helpers import wait_for

SIZES = ("endless", "gzip", "brotli", "zstd", "deep", "many", "wide", "headers")
TRAPS = ("ok", *SIZES, "line", "drip", "chunk", "continue", "events")
LIMIT_S = 1.0


def answers(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True


@pytest.fixture(scope="module")
def hostile() -> Iterator[str]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, str(Path(__file__).with_name("hostile.py")), *TRAPS]
    with subprocess.Popen(command, env={**os.environ, "PORT": str(port)}) as process:
        try:
            wait_for(lambda: answers(port), 20)
            yield f"http://127.0.0.1:{port}"
        finally:
            process.kill()


def get(url: str) -> requests.Response:
    adapter = LimitedAdapter()
    adapter.whole = True
    with requests.Session() as session:
        session.mount("http://", adapter)
        return session.get(url, timeout=LIMIT_S)


def test_an_ordinary_answer_comes_as_it_is(hostile: str) -> None:
    answer = get(f"{hostile}/ok")

    assert (answer.status_code, answer.content) == (200, b"{}")
    assert TOO_MUCH_HEADER not in answer.headers


@pytest.mark.parametrize(
    ("trap", "said"),
    [
        ("endless", "longer than 10 MB"),
        ("gzip", "longer than 10 MB, inflated from"),
        ("deep", "nests deeper than 200"),
        ("many", "more than 500,000 values"),
        ("wide", "more than 500,000 values"),
        ("headers", "headers of the answer are 5400 kB"),
    ],
)
def test_an_answer_that_is_too_much_says_so_and_costs_little(hostile: str, trap: str, said: str) -> None:
    before = psutil.Process().memory_info().rss

    answer = get(f"{hostile}/{trap}")

    assert said in answer.headers[TOO_MUCH_HEADER]
    assert (answer.status_code, answer.content) == (200, b"")
    assert psutil.Process().memory_info().rss - before < 100_000_000


def test_what_was_not_asked_for_is_not_inflated(hostile: str) -> None:
    assert len(get(f"{hostile}/brotli").content) < 1_000_000
    assert len(get(f"{hostile}/zstd").content) < 1_000


def test_a_head_without_an_end_is_told_as_such(hostile: str) -> None:
    with pytest.raises(AnswerTooLargeError, match="line of the head"):
        get(f"{hostile}/line")


@pytest.mark.parametrize("trap", ["drip", "chunk", "continue"])
def test_what_never_ends_is_over_in_time(hostile: str, trap: str) -> None:
    begun = time.monotonic()

    with pytest.raises(requests.RequestException):
        get(f"{hostile}/{trap}")

    assert time.monotonic() - begun < LIMIT_S + 5  # not the minute that it would take


def test_of_a_stream_of_events_a_part_is_looked_at(hostile: str) -> None:
    assert len(get(f"{hostile}/events").content) < 1_000_000


def test_a_service_cannot_say_by_itself_that_its_answer_was_too_much() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        url = f"http://127.0.0.1:{server.getsockname()[1]}/"
        head = f"HTTP/1.1 200 OK\r\n{TOO_MUCH_HEADER}: believe me\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{{}}"
        import threading

        def serve() -> None:
            connection, _ = server.accept()
            with connection:
                connection.recv(4096)
                connection.sendall(head.encode())

        thread = threading.Thread(target=serve)
        thread.start()
        answer = get(url)
        thread.join()
    assert TOO_MUCH_HEADER not in answer.headers
