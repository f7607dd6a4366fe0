"""The last line: a guarded process cannot connect where nobody invited it, with whatever client, and every try is told."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.guard import INCIDENTS_FILE, Guarded, Incident, Invitation, Kind, guarded_module, read_incidents
from tests.hostile import Hostile, Listener, hostile, listener

CLIENTS = {
    "socket": "import socket; socket.create_connection(({host!r}, {port}), 5)",
    "a raw socket": "import socket; s = socket.socket(); s.connect(({host!r}, {port}))",
    "connect_ex": "import socket; print(socket.socket().connect_ex(({host!r}, {port})))",
    "a datagram": "import socket; socket.socket(type=socket.SOCK_DGRAM).sendto(b'x', ({host!r}, {port}))",
    "http.client": "import http.client; http.client.HTTPConnection({host!r}, {port}).request('GET', '/')",
    "urllib": "import urllib.request; urllib.request.urlopen('http://{host}:{port}/')",
    "requests": "import requests; requests.get('http://{host}:{port}/')",
    "httpx": "import httpx; httpx.get('http://{host}:{port}/')",
    "asyncio": "import asyncio; asyncio.run(asyncio.open_connection({host!r}, {port}))",
    "gevent": "from gevent import monkey; monkey.patch_all(); import requests; requests.get('http://{host}:{port}/')",
    "a name": "import urllib.request; urllib.request.urlopen('http://elsewhere.invalid:{port}/')",
    "a name, by its address": "import socket; socket.gethostbyaddr('elsewhere.invalid')",
    "a name, in full": "import socket; socket.gethostbyname_ex('elsewhere.invalid')",
    "an address, by its name": "import socket; socket.gethostbyaddr('192.0.2.7')",
    "an address, named with a port": "import socket; socket.getnameinfo(('192.0.2.7', 80), 0)",
    "a name, qualified": "import socket; socket.getfqdn('elsewhere.invalid')",
    "a thread": "import threading, requests\n"
    "t = threading.Thread(target=requests.get, args=('http://{host}:{port}/',)); t.start(); t.join()",
}


@pytest.fixture(scope="module")
def elsewhere() -> Iterator[Listener]:
    with listener() as made:
        yield made


@pytest.fixture(scope="module")
def service(elsewhere: Listener) -> Iterator[Hostile]:
    with hostile(f"{elsewhere.url}/steal") as made:
        yield made


def run(folder: Path, code: str, invitation: Invitation, **env: str) -> subprocess.CompletedProcess[str]:
    (folder / "attempt.py").write_text(code)
    guarded = Guarded(invitation, folder / INCIDENTS_FILE).environment()
    environment = {**os.environ, **env} | {k: v for k, v in guarded.items() if v is not None}
    return subprocess.run(
        guarded_module("attempt"), cwd=folder, env=environment, capture_output=True, text=True, timeout=60, check=False
    )


@pytest.mark.parametrize("client", CLIENTS)
def test_no_client_connects_elsewhere(client: str, service: Hostile, elsewhere: Listener, tmp_path: Path) -> None:
    host, _, port = elsewhere.address.partition(":")
    run(tmp_path, CLIENTS[client].format(host=host, port=port), Invitation.to([service.url]))

    told = read_incidents(tmp_path)
    assert told
    assert told[0].kind is Kind.UNINVITED
    assert told[0].asked in {elsewhere.address, "elsewhere.invalid", "192.0.2.7"}
    if client not in {"a thread"}:
        assert "attempt.py:" in told[0].by
    assert elsewhere.heard == []


def test_what_is_invited_is_reached_under_each_of_its_names(service: Hostile, tmp_path: Path) -> None:
    port = service.url.rpartition(":")[2]
    code = "import requests\n" + "".join(
        f"assert requests.get('http://{host}:{port}/ok').status_code == 200\n" for host in ("127.0.0.1", "localhost")
    )
    done = run(tmp_path, code, Invitation.to([f"http://127.0.0.1:{port}", f"http://localhost:{port}"]))

    assert (done.returncode, done.stderr) == (0, "")
    assert read_incidents(tmp_path) == ()


def test_another_port_of_the_same_host_is_somewhere_else(service: Hostile, tmp_path: Path) -> None:
    with listener("127.0.0.1") as other:
        run(tmp_path, f"import requests; requests.get('{other.url}/')", Invitation.to([service.url]))
        assert [i.asked for i in read_incidents(tmp_path)] == [other.address]
        assert other.heard == []


def test_a_further_target_is_reached_when_it_is_allowed_by_name(service: Hostile, tmp_path: Path) -> None:
    with listener() as allowed:
        code = f"import requests; requests.get('{allowed.url}/')"
        done = run(tmp_path, code, Invitation.to([service.url], [allowed.address]))
        assert done.returncode == 0, done.stderr
        assert len(allowed.heard) == 1


def test_who_redirected_a_client_is_named(service: Hostile, elsewhere: Listener, tmp_path: Path) -> None:
    code = (
        "from harness.guard.redirects import watch_requests\nwatch_requests()\n"
        f"import requests\nrequests.get('{service.url}/redirect/307?token=secret', headers={{'Authorization': 'x'}})\n"
    )
    run(tmp_path, code, Invitation.to([service.url]))

    [told] = read_incidents(tmp_path)
    assert told.sent_by == f"the redirect that {service.url}/redirect/307 answered with"
    assert elsewhere.heard == []


def test_a_proxy_of_the_environment_is_taken_away(service: Hostile, elsewhere: Listener, tmp_path: Path) -> None:
    code = f"import requests; assert requests.get('{service.url}/ok').status_code == 200"
    guarded = Guarded(Invitation.to([service.url]), tmp_path / INCIDENTS_FILE).environment()
    given = {**os.environ, "HTTP_PROXY": elsewhere.url, "all_proxy": elsewhere.url, **guarded}
    (tmp_path / "attempt.py").write_text(code)
    environment = {k: v for k, v in given.items() if v is not None}
    done = subprocess.run(
        guarded_module("attempt"),
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert (done.returncode, done.stderr) == (0, "")
    assert elsewhere.heard == []


def test_code_that_swallows_the_refusal_does_not_hide_it(elsewhere: Listener, service: Hostile, tmp_path: Path) -> None:
    code = (
        "import requests\n"
        "for _ in range(3):\n"
        f"    try:\n        requests.get('{elsewhere.url}/')\n    except Exception:\n        pass\n"
    )
    assert run(tmp_path, code, Invitation.to([service.url])).returncode == 0
    assert [i.asked for i in read_incidents(tmp_path)] == [elsewhere.address]


def test_a_thread_that_ends_in_an_exception_is_told(service: Hostile, tmp_path: Path) -> None:
    code = "import threading\nt = threading.Thread(target=lambda: 1 / 0, name='engine'); t.start(); t.join()\n"
    run(tmp_path, code, Invitation.to([service.url]))

    [told] = read_incidents(tmp_path)
    assert (told.kind, told.asked) == (Kind.BROKE, "engine")
    assert "ZeroDivisionError" in told.text


def test_memory_ends_in_words_and_not_in_the_machine_s(service: Hostile, tmp_path: Path) -> None:
    done = run(tmp_path, "x = bytearray(4_000_000_000)", Invitation.to([service.url]))

    assert done.returncode == 1
    assert "MemoryError" in done.stderr


def test_a_torn_line_of_incidents_is_passed_over(tmp_path: Path) -> None:
    (tmp_path / "below").mkdir()
    whole = '{"kind": "uninvited", "asked": "h:1", "text": "t", "by": "", "sent_by": ""}'
    (tmp_path / "below" / INCIDENTS_FILE).write_text(f"{whole}\n{whole}\n{whole[:20]}")

    assert read_incidents(tmp_path) == (Incident(Kind.UNINVITED, "h:1", "t"),)


def test_the_python_that_runs_is_the_one_that_started_it() -> None:
    assert guarded_module("locust", "-f", "x", first=["a"])[0] == sys.executable


def test_confidential_arguments_are_given_and_stand_on_no_command_line(service: Hostile, tmp_path: Path) -> None:
    code = "import os, sys\nprint(sys.argv[1:])\nprint(open('/proc/self/cmdline').read())\nprint(dict(os.environ))\n"
    (tmp_path / "attempt.py").write_text(code)
    guarded = Guarded(Invitation.to([service.url]), tmp_path / INCIDENTS_FILE, confidential=("-H", "X-Key: secret"))
    environment = {k: v for k, v in ({**os.environ, **guarded.environment()}).items() if v is not None}
    done = subprocess.run(
        guarded_module("attempt", "run"),
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )

    given, rest = done.stdout.split("\n", 1)
    assert given == "['run', '-H', 'X-Key: secret']"
    assert "secret" not in rest


def test_a_socket_of_the_file_system_is_reached_only_where_it_is_named(service: Hostile, tmp_path: Path) -> None:
    path = str(tmp_path / "s")
    code = f"import socket; socket.socket(socket.AF_UNIX).connect({path!r})"
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(path)
        server.listen()
        assert run(tmp_path, code, Invitation.to([service.url])).returncode == 1
        assert [i.asked for i in read_incidents(tmp_path)] == [f"unix:{path}"]
        done = run(tmp_path, code, Invitation.to([service.url], [f"unix:{path}"]))
        assert (done.returncode, done.stderr) == (0, "")


def test_processes_of_multiprocessing_still_meet(service: Hostile, tmp_path: Path) -> None:
    code = "import multiprocessing as m\nif __name__ == '__main__':\n    with m.Manager() as made:\n        print(made.list([1]))"
    done = run(tmp_path, code, Invitation.to([service.url]))
    assert (done.returncode, read_incidents(tmp_path)) == (0, ()), done.stderr


def test_no_credential_is_taken_from_a_netrc(service: Hostile, tmp_path: Path) -> None:
    (tmp_path / ".netrc").write_text("default login me password secret\n")
    code = f"import requests; requests.get('{service.url}/netrc')"
    done = run(tmp_path, code, Invitation.to([service.url]), HOME=str(tmp_path))
    assert done.returncode == 0, done.stderr
    [head] = [r for r in service.requests if "/netrc" in r]
    assert "authorization" not in head.lower()


def test_variables_that_steer_a_tool_are_taken_away(monkeypatch: pytest.MonkeyPatch) -> None:
    given = {"LOCUST_MODE_WORKER": "1", "LOCUST_EXCLUDE_TAGS": "x", "GEVENT_RESOLVER": "ares"}
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    environment = Guarded(Invitation.to([]), Path("incidents")).environment()
    assert [environment[name] for name in given] == [None] * 3


def test_who_prints_without_end_does_not_fill_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    code = "import harness.guard.child as c, resource\nprint(resource.getrlimit(resource.RLIMIT_FSIZE)[0] <= c._FILE_BYTES)"
    assert run(tmp_path, code, Invitation.to([])).stdout == "True\n"
