"""One suite for both servers: what a Toxiproxy client relies on, in the API and on the wire."""

# ruff: noqa: E501 - a table of cases is read one case a line
from __future__ import annotations

import contextlib
import json
import socket
import time
import uuid
from collections.abc import Callable

import httpx
import pytest

from harness.chaos.client import ServerProxy
from tests.chaos.conftest import started
from tests.chaos.sockets import ask, dial, echo, read_all, read_exactly, upstream

Make = Callable[[str], ServerProxy]


def call(server, method: str, path: str, body: object = "", **options) -> httpx.Response:
    """Send `body` as it is when it is text, as JSON otherwise."""
    body = body if isinstance(body, str) else json.dumps(body)
    return httpx.request(method, server.url + path, content=body or None, trust_env=False, **options)


@pytest.fixture
def echoing(proxy: Make):
    with upstream(echo) as target:
        yield proxy(target)


# --- API ---------------------------------------------------------------------------------------------------------------


def test_version_is_a_json_object(server) -> None:
    assert isinstance(call(server, "GET", "/version").json()["version"], str)


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "error"),
    [
        ("POST", "/proxies", "", 400, "bad request body: EOF"),
        ("POST", "/proxies", '{"name":', 400, "bad request body: unexpected EOF"),
        ("POST", "/proxies", "abc", 400, "bad request body: invalid character 'a' looking for beginning of value"),
        ("POST", "/proxies", "[]", 400, "bad request body: json: cannot unmarshal array into Go value of type toxiproxy.Proxy"),
        ("POST", "/proxies", '{"name":5}', 400, "bad request body: json: cannot unmarshal number into Go struct field Proxy.name of type string"),
        ("POST", "/proxies", "{}", 400, "missing required field: name"),
        ("POST", "/proxies", '{"name":"x"} and more', 400, "missing required field: upstream"),
        ("POST", "/proxies", '{"name":"x","upstream":"127.0.0.1:9","listen":"foo"}', 500, "listen tcp: address foo: missing port in address"),
        ("POST", "/proxies", '{"name":"x","upstream":"127.0.0.1:9","listen":"127.0.0.1:99999"}', 500, "listen tcp: address 99999: invalid port"),
        ("POST", "/populate", '[{"name":"a","upstream":"b:1"},{"name":"c"}]', 400, "missing required field: upstream at proxy 2"),
        ("POST", "/proxies", '{"name":"\x01"}', 400, r"bad request body: invalid character '\x01' in string literal"),
        ("POST", "/proxies", '{"name":"\\q"}', 400, "bad request body: invalid character 'q' in string escape code"),
        ("POST", "/proxies", '{"name":"\\u12x"}', 400, r"bad request body: invalid character 'x' in \u hexadecimal character escape"),
        ("POST", "/proxies", '{"name":nul}', 400, "bad request body: invalid character '}' in literal null (expecting 'l')"),
        ("POST", "/proxies", "1.", 400, "bad request body: unexpected EOF"),
        ("POST", "/proxies", "[1.]", 400, "bad request body: invalid character ']' after decimal point in numeric literal"),
        ("POST", "/proxies", "[1e]", 400, "bad request body: invalid character ']' in exponent of numeric literal"),
        ("POST", "/proxies", "-x", 400, "bad request body: invalid character 'x' in numeric literal"),
        ("POST", "/proxies", '{"a":1 "b":2}', 400, "bad request body: invalid character '\"' after object key:value pair"),
        ("POST", "/proxies", '{"a" 1}', 400, "bad request body: invalid character '1' after object key"),
        ("POST", "/proxies", '{"a":1,}', 400, "bad request body: invalid character '}' looking for beginning of object key string"),
        ("POST", "/proxies", "[1 2]", 400, "bad request body: invalid character '2' after array element"),
        ("POST", "/proxies", "\ufeff{}", 400, "bad request body: invalid character 'ï' looking for beginning of value"),
        ("POST", "/proxies", "'", 400, r"bad request body: invalid character '\'' looking for beginning of value"),
        ("POST", "/populate", "[5]", 400, 'bad request body: json: cannot unmarshal number into Go value of type struct { toxiproxy.Proxy; Enabled *bool "json:\\"enabled\\"" }'),
        ("POST", "/populate", '[{"name":5}]', 400, "bad request body: json: cannot unmarshal number into Go struct field .Proxy.name of type string"),
        ("POST", "/populate", '[{"enabled":5}]', 400, "bad request body: json: cannot unmarshal number into Go struct field .enabled of type bool"),
        ("POST", "/proxies", '{"name":"x","upstream":"127.0.0.1:9","listen":"127.0.0.1:-1"}', 500, "listen tcp: address -1: invalid port"),
        ("POST", "/proxies", '{"name":"x","upstream":"127.0.0.1:9","listen":"[::1"}', 500, "listen tcp: address [::1: missing ']' in address"),
        ("POST", "/proxies", '{"name":"x","upstream":"127.0.0.1:9","listen":"]:0"}', 500, "listen tcp: address ]:0: unexpected ']' in address"),
        ("POST", "/proxies", '{"name":"x","upstream":"127.0.0.1:9","listen":"::1:5"}', 500, "listen tcp: address ::1:5: too many colons in address"),
        ("POST", "/proxies", '{"name":"x","upstream":"127.0.0.1:9","listen":"127.0.0.1:nobody"}', 500, "listen tcp: lookup tcp/nobody: unknown port"),
        ("POST", "/proxies", '{"name":"x","upstream":"127.0.0.1:9","listen":"127.1:0"}', 500, "listen tcp: lookup 127.1: no such host"),
        ("POST", "/proxies", '{"name":"x","upstream":"127.0.0.1:9","listen":"127.0.0.01:0"}', 500, "listen tcp: lookup 127.0.0.01: no such host"),
        ("POST", "/proxies", '{"upstream":5,"name":5}', 400, "bad request body: json: cannot unmarshal number into Go struct field Proxy.upstream of type string"),
        ("POST", "/proxies", '{"name":5,"name":"x"}', 400, "bad request body: json: cannot unmarshal number into Go struct field Proxy.name of type string"),
        ("POST", "/proxies", '{"name":"x","name":null}', 400, "missing required field: upstream"),
        ("POST", "/proxies", "null", 400, "missing required field: name"),
        ("POST", "/populate", "{}", 400, 'bad request body: json: cannot unmarshal object into Go value of type []struct { toxiproxy.Proxy; Enabled *bool "json:\\"enabled\\"" }'),
        ("POST", "/populate", '[{"name":5},5]', 400, "bad request body: json: cannot unmarshal number into Go struct field .Proxy.name of type string"),
        ("POST", "/populate", '[{"enabled":5,"name":5}]', 400, "bad request body: json: cannot unmarshal number into Go struct field .enabled of type bool"),
        ("POST", "/populate", "[null]", 400, "missing required field: name at proxy 1"),
        ("POST", "/populate", '[{"name":"a"', 400, "bad request body: unexpected EOF"),
        ("POST", "/populate", '[{"name":"x","upstream":"b:1","listen":"foo"}]', 500, "listen tcp: address foo: missing port in address"),
        ("PATCH", "/proxies/nobody", "{", 404, "proxy not found"),
        ("POST", "/proxies/nobody/toxics", "{", 404, "proxy not found"),
        ("PATCH", "/proxies/nobody/toxics/none", "{", 404, "proxy not found"),
        ("GET", "/proxies/nobody/toxics/none", "", 404, "proxy not found"),
        ("DELETE", "/proxies/nobody/toxics/none", "", 404, "proxy not found"),
        ("GET", "/proxies/nobody", "", 404, "proxy not found"),
        ("DELETE", "/proxies/nobody", "", 404, "proxy not found"),
        ("GET", "/proxies/nobody/toxics", "", 404, "proxy not found"),
    ],
)  # fmt: skip
def test_a_mistake_is_answered_with_status_and_text(server, method, path, body, status, error) -> None:
    answer = call(server, method, path, body)

    assert (answer.status_code, answer.json()["error"], answer.json()["status"]) == (status, error, status)
    expected = "application/json" if path == "/populate" else "text/plain; charset=utf-8"
    assert answer.headers["content-type"] == expected


@pytest.mark.parametrize(
    ("body", "status", "error"),
    [
        ('{"type":"nope"}', 400, "invalid toxic type"),
        ('{"type":"latency","stream":"sideways"}', 400, "stream was invalid, can be either upstream or downstream"),
        ('{"type":"latency","attributes":{"latency":"x"}}', 400, "bad request body: json: cannot unmarshal string into Go struct field LatencyToxic.attributes.latency of type int64"),
        ('{"type":"latency","attributes":{"latency":1.5}}', 400, "bad request body: json: cannot unmarshal number 1.5 into Go struct field LatencyToxic.attributes.latency of type int64"),
        ('{"type":"latency","toxicity":"x"}', 400, "bad request body: json: cannot unmarshal string into Go struct field ToxicWrapper.toxicity of type float32"),
        ('{"type":"latency","attributes":{"latency":1e2}}', 400, "bad request body: json: cannot unmarshal number 1e2 into Go struct field LatencyToxic.attributes.latency of type int64"),
        ('{"type":"slicer","attributes":{"delay":"x"}}', 400, "bad request body: json: cannot unmarshal string into Go struct field SlicerToxic.attributes.delay of type int"),
        ('{"type":"latency","toxicity":1e39}', 400, "bad request body: json: cannot unmarshal number 1e39 into Go struct field ToxicWrapper.toxicity of type float32"),
        ('{"stream":5,"name":5,"type":5}', 400, "bad request body: json: cannot unmarshal number into Go struct field ToxicWrapper.stream of type string"),
        ('{"type":"latency","attributes":{"jitter":"x","latency":"x"}}', 400, "bad request body: json: cannot unmarshal string into Go struct field LatencyToxic.attributes.jitter of type int64"),
        ('{"type":"latency","attributes":[]}', 400, "bad request body: json: cannot unmarshal array into Go struct field ToxicWrapper.attributes of type toxics.NoopToxic"),
        ('{"type":"latency","attributes":{"latency":9223372036854775808}}', 400, "bad request body: json: cannot unmarshal number 9223372036854775808 into Go struct field LatencyToxic.attributes.latency of type int64"),
        ('{"type":"reset_peer","attributes":{"timeout":true}}', 400, "bad request body: json: cannot unmarshal bool into Go struct field ResetToxic.attributes.timeout of type int64"),
        ('{"type":"Latency"}', 400, "invalid toxic type"),
        ('{"type":"nope","stream":""}', 400, "stream was invalid, can be either upstream or downstream"),
        ('{"type":"nope","attributes":{"latency":"x"}}', 400, "invalid toxic type"),
        ("null", 400, "invalid toxic type"),
        ("", 400, "bad request body: EOF"),
    ],
)  # fmt: skip
def test_a_mistake_in_a_toxic_is_answered_with_status_and_text(server, proxy, body, status, error) -> None:
    name = proxy("127.0.0.1:9").name

    answer = call(server, "POST", f"/proxies/{name}/toxics", body)

    assert (answer.status_code, answer.json()["error"]) == (status, error)


@pytest.mark.parametrize(
    ("body", "error"),
    [
        ('{"toxicity":"x"}', "json: cannot unmarshal string into Go struct field .toxicity of type float32"),
        ('{"attributes":5}', "json: cannot unmarshal number into Go struct field .attributes of type toxics.LatencyToxic"),
        ('{"toxicity":"x","attributes":5}', "json: cannot unmarshal string into Go struct field .toxicity of type float32"),
        ('{"attributes":{"latency":1.5},"toxicity":"x"}', "json: cannot unmarshal number 1.5 into Go struct field LatencyToxic.attributes.latency of type int64"),
        ("[]", 'json: cannot unmarshal array into Go value of type struct { Attributes interface {} "json:\\"attributes\\""; Toxicity float32 "json:\\"toxicity\\"" }'),
        ("", "EOF"),
    ],
)  # fmt: skip
def test_a_mistake_in_an_update_of_a_toxic_is_answered_with_its_text(server, proxy, body, error) -> None:
    one = proxy("127.0.0.1:9")
    one.add_toxic(type="latency")

    answer = call(server, "PATCH", f"/proxies/{one.name}/toxics/latency_downstream", body)

    assert (answer.status_code, answer.json()["error"]) == (400, f"bad request body: {error}")


@pytest.mark.parametrize(
    ("given", "shown"), [("0.1", 0.1), ("0.30000001192", 0.3), ("0.333333333333", 0.33333334), ("16777217", 16777216)]
)
def test_toxicity_has_the_precision_of_32_bits(server, proxy, given: str, shown: float) -> None:
    name = proxy("127.0.0.1:9").name

    answer = call(server, "POST", f"/proxies/{name}/toxics", f'{{"type":"noop","toxicity":{given}}}')

    assert answer.json()["toxicity"] == shown


@pytest.mark.parametrize(
    ("body", "shown"),
    [
        ('{"listen":"foo"}', "address foo: missing port in address"),
        ('{"listen":"127.0.0.1:99999"}', "address 99999: invalid port"),
        ('{"upstream":5,"listen":5}', "bad request body: json: cannot unmarshal number into Go struct field Proxy.upstream of type string"),
        ('{"enabled":0}', "bad request body: json: cannot unmarshal number into Go struct field Proxy.enabled of type bool"),
        ("", "bad request body: EOF"),
    ],
)  # fmt: skip
def test_a_mistake_in_an_update_of_a_proxy_changes_nothing(server, proxy, body: str, shown: str) -> None:
    one = proxy("127.0.0.1:9")
    before = call(server, "GET", f"/proxies/{one.name}").json()

    answers = [call(server, method, f"/proxies/{one.name}", body) for method in ("PATCH", "POST")]

    assert [a.json()["error"] for a in answers] == [shown, shown]
    assert call(server, "GET", f"/proxies/{one.name}").json() == before


def test_an_update_to_a_taken_port_leaves_the_proxy_stopped_with_its_new_address(server, proxy) -> None:
    taken, one = proxy("127.0.0.1:9").listen, proxy("127.0.0.1:9")

    answer = call(server, "PATCH", f"/proxies/{one.name}", {"listen": taken})

    assert answer.json()["error"] == f"listen tcp {taken}: bind: address already in use"
    shown = call(server, "GET", f"/proxies/{one.name}").json()
    assert (shown["listen"], shown["enabled"]) == (taken, False)
    with pytest.raises(ConnectionRefusedError):
        dial(one.listen)


@pytest.mark.parametrize("body", ["{}", "null", '{"name":"new","toxics":5,"enabled":null,"listen":null}'])
def test_an_update_of_a_proxy_that_says_nothing_changes_nothing(server, proxy, body: str) -> None:
    one = proxy("127.0.0.1:9")
    one.add_toxic(type="latency")
    before = call(server, "GET", f"/proxies/{one.name}").json()

    assert call(server, "PATCH", f"/proxies/{one.name}", body).json() == before


@pytest.mark.parametrize("body", ["{}", "null", '{"attributes":null}', '{"toxicity":null,"name":5,"type":[]}'])
def test_an_update_of_a_toxic_that_says_nothing_changes_nothing(server, proxy, body: str) -> None:
    one = proxy("127.0.0.1:9")
    one.add_toxic(type="latency", toxicity=0.5, attributes={"latency": 7})
    before = call(server, "GET", f"/proxies/{one.name}/toxics").json()

    changed = call(server, "PATCH", f"/proxies/{one.name}/toxics/latency_downstream", body)

    assert changed.status_code == 200
    assert call(server, "GET", f"/proxies/{one.name}/toxics").json() == before


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ('"attributes":{"latency":5},"attributes":{"jitter":6}', {"latency": 5, "jitter": 6}),
        ('"attributes":{"latency":5,"LATENCY":6}', {"latency": 6, "jitter": 0}),
        ('"attributes":{"latency":5,"latency":null}', {"latency": 5, "jitter": 0}),
        ('"attribute\u017f":{"latency":5}', {"latency": 5, "jitter": 0}),
    ],
)
def test_keys_that_come_twice_or_in_another_case_are_read_as_go_reads_them(server, proxy, given: str, kept) -> None:
    name = proxy("127.0.0.1:9").name

    answer = call(server, "POST", f"/proxies/{name}/toxics", f'{{"type":"latency",{given}}}')

    assert answer.json()["attributes"] == kept


def test_a_stream_is_kept_as_it_was_written(server, proxy) -> None:
    name = proxy("127.0.0.1:9").name

    shown = call(server, "POST", f"/proxies/{name}/toxics", '{"type":"latency","stream":"UpStream"}').json()

    assert (shown["name"], shown["stream"]) == ("latency_UpStream", "UpStream")


@pytest.mark.parametrize(
    ("path", "location"),
    [
        ("//proxies", "/proxies"),
        ("/proxies//toxics", "/proxies/toxics"),
        ("/proxies/../version?a=1", "/version?a=1"),
        ("/./proxies/", "/proxies/"),
        ("/proxies/%2e%2e/version", "/version"),
    ],
)
def test_a_path_with_dots_or_empty_parts_is_sent_where_it_leads(server, path: str, location: str) -> None:
    answer = _raw(server, f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())

    assert answer.startswith(b"HTTP/1.1 301 Moved Permanently\r\n")
    assert f"\r\nLocation: {location}\r\n".encode() in answer


@pytest.mark.parametrize(
    "path", ["/proxies/", "/version/", "/", "/proxies/p/", "/proxies/p/toxics/t/more", "/version%23a"]
)
def test_a_path_with_something_more_at_its_end_leads_nowhere(server, path: str) -> None:
    answer = call(server, "GET", path)

    assert (answer.status_code, answer.text) == (404, "404 page not found\n")


def test_a_head_of_half_a_megabyte_is_read_and_one_of_more_than_a_megabyte_is_not(server) -> None:
    assert call(server, "GET", "/version", headers={"X": "x" * 500_000}).status_code == 200
    answer = _raw(server, b"GET / HTTP/1.1\r\nX: %s\r\n\r\n" % (b"x" * 1_060_000))
    assert not answer or answer.startswith(b"HTTP/1.1 431 Request Header Fields Too Large")


def test_no_browser_is_invited(server) -> None:
    headers = {"Origin": "http://x", "Access-Control-Request-Method": "POST"}

    asked, preflight = (
        call(server, "GET", "/version", headers=headers),
        call(server, "OPTIONS", "/proxies", headers=headers),
    )

    assert (asked.status_code, preflight.status_code) == (200, 405)
    assert not [h for h in (*asked.headers, *preflight.headers) if h.startswith("access-control")]


def test_answers_are_numbered_and_wrong_paths_are_not(server) -> None:
    assert len(call(server, "GET", "/version").headers["X-Toxiproxy-Request-Id"]) == 20
    assert "X-Toxiproxy-Request-Id" not in call(server, "GET", "/nope").headers


def test_markup_in_a_name_is_written_so_that_no_browser_takes_it_for_any(server) -> None:
    answer = call(server, "POST", "/proxies", {"name": "<b>&", "upstream": "127.0.0.1:9", "enabled": False})

    assert r'"name":"\u003cb\u003e\u0026"' in answer.text
    assert server.client.destroy("<b>&")


def test_head_is_answered_without_a_body_and_a_broken_escape_is_refused(server) -> None:
    assert call(server, "HEAD", "/nope").status_code == 404
    assert call(server, "HEAD", "/proxies").status_code == 405
    broken = _raw(server, b"GET /proxies/%zz HTTP/1.1\r\nHost: x\r\n\r\n")
    assert broken.startswith(b"HTTP/1.1 400 Bad Request\r\n")
    assert b"\r\nConnection: close\r\n" in broken


def _raw(server, data: bytes) -> bytes:
    """What is answered first; who has read enough may close, with RST, while we still send."""
    with dial(server.url.removeprefix("http://")) as conn:
        with contextlib.suppress(ConnectionError):
            conn.sendall(data)
        with contextlib.suppress(ConnectionError):
            return conn.recv(65536)
    return b""


def test_unknown_paths_methods_and_browsers_are_turned_away(server) -> None:
    assert call(server, "GET", "/nope").status_code == 404
    assert call(server, "PUT", "/proxies").status_code == 405
    assert call(server, "GET", "/proxies", headers={"User-Agent": "Mozilla/5.0"}).status_code == 403


def test_creating_a_proxy_resolves_its_port_and_refuses_a_second_of_the_name(server) -> None:
    name = uuid.uuid4().hex
    body = {"name": name, "upstream": "127.0.0.1:9", "listen": "localhost:0"}

    first, second = call(server, "POST", "/proxies", body), call(server, "POST", "/proxies", body)

    assert first.status_code == 201
    assert first.json()["listen"].startswith("127.0.0.1:")
    assert not first.json()["listen"].endswith(":0")
    assert (first.json()["enabled"], first.json()["toxics"]) == (True, [])
    assert (second.status_code, second.json()["error"]) == (409, "proxy already exists")
    assert call(server, "DELETE", f"/proxies/{name}").status_code == 204


def test_a_taken_port_is_told_and_leaves_no_proxy(server, proxy) -> None:
    taken = proxy("127.0.0.1:9").listen

    answer = call(server, "POST", "/proxies", {"name": "late", "upstream": "127.0.0.1:9", "listen": taken})

    assert answer.status_code == 500
    assert answer.json()["error"] == f"listen tcp {taken}: bind: address already in use"
    assert call(server, "GET", "/proxies/late").status_code == 404


def test_a_toxic_has_defaults_and_ignores_what_it_does_not_know(server, proxy) -> None:
    name = proxy("127.0.0.1:9").name

    answer = call(server, "POST", f"/proxies/{name}/toxics", '{"type":"latency","attributes":{"Latency":-5,"zz":1}}')

    assert answer.status_code == 200
    assert answer.json() == {
        "attributes": {"latency": -5, "jitter": 0},
        "name": "latency_downstream",
        "type": "latency",
        "stream": "downstream",
        "toxicity": 1,
    }


def test_toxic_names_are_unique_over_both_streams_and_upstream_is_listed_first(server, proxy) -> None:
    name = proxy("127.0.0.1:9").name
    path = f"/proxies/{name}/toxics"
    call(server, "POST", path, '{"name":"one","type":"latency"}')
    call(server, "POST", path, '{"name":"two","type":"latency","stream":"upstream"}')

    again = call(server, "POST", path, '{"name":"one","type":"timeout","stream":"upstream"}')

    assert (again.status_code, again.json()["error"]) == (409, "toxic already exists")
    assert [t["name"] for t in call(server, "GET", path).json()] == ["two", "one"]


def test_updating_a_toxic_changes_attributes_and_toxicity_and_nothing_else(server, proxy) -> None:
    name = proxy("127.0.0.1:9").name
    call(server, "POST", f"/proxies/{name}/toxics", '{"type":"slicer","attributes":{"average_size":9}}')

    changed = call(
        server, "PATCH", f"/proxies/{name}/toxics/slicer_downstream",
        '{"attributes":{"delay":7},"toxicity":0.5,"name":"new","type":"latency","stream":"upstream"}',
    )  # fmt: skip

    assert changed.json() == {
        "attributes": {"average_size": 9, "size_variation": 0, "delay": 7},
        "name": "slicer_downstream",
        "type": "slicer",
        "stream": "downstream",
        "toxicity": 0.5,
    }


def test_populate_keeps_proxies_before_a_mistake_and_leaves_equal_ones_alone(server, proxy) -> None:
    taken = proxy("127.0.0.1:9").listen
    a, b = uuid.uuid4().hex, uuid.uuid4().hex
    wanted = [{"name": a, "upstream": "u:1", "listen": "127.0.0.1:0"}, {"name": b, "upstream": "u:2", "listen": taken}]
    first = call(server, "POST", "/populate", wanted)
    kept = call(server, "GET", f"/proxies/{a}").json()
    call(server, "POST", f"/proxies/{a}/toxics", '{"type":"latency"}')

    again = call(server, "POST", "/populate", [{"name": a, "upstream": "u:1", "listen": kept["listen"]}])

    assert (first.status_code, [p["name"] for p in first.json()["proxies"]]) == (500, [a])
    assert again.status_code == 201
    assert len(again.json()["proxies"][0]["toxics"]) == 1
    assert call(server, "GET", f"/proxies/{b}").status_code == 404
    assert call(server, "POST", "/populate", "[]").json() == {"proxies": None}
    call(server, "DELETE", f"/proxies/{a}")


def test_a_populate_that_cannot_put_another_proxy_in_ones_place_leaves_that_one_stopped(server, proxy) -> None:
    taken, one = proxy("127.0.0.1:9").listen, proxy("127.0.0.1:9")
    one.add_toxic(type="latency")

    answer = call(server, "POST", "/populate", [{"name": one.name, "upstream": "127.0.0.1:9", "listen": taken}])

    assert (answer.status_code, answer.json()["proxies"]) == (500, None)
    shown = call(server, "GET", f"/proxies/{one.name}").json()
    assert (shown["listen"], shown["enabled"], len(shown["toxics"])) == (one.listen, False, 1)
    with pytest.raises(ConnectionRefusedError):
        dial(one.listen)


def test_populate_puts_another_proxy_in_the_place_of_one_that_differs(server, proxy) -> None:
    one = proxy("127.0.0.1:9")
    one.add_toxic(type="latency")
    same = {"name": one.name, "upstream": "127.0.0.1:9", "listen": one.listen}

    kept = call(server, "POST", "/populate", [same | {"enabled": False}]).json()["proxies"][0]
    other = call(server, "POST", "/populate", [same | {"upstream": "127.0.0.1:10"}]).json()["proxies"][0]

    # What is not another proxy is left as it is, `enabled` too.
    assert (kept["enabled"], len(kept["toxics"])) == (True, 1)
    assert (other["listen"], other["upstream"], other["toxics"]) == (one.listen, "127.0.0.1:10", [])


def test_reset_takes_toxics_away_and_enables_proxies(server, echoing) -> None:
    echoing.add_toxic(type="latency", attributes={"latency": 5})
    echoing.disable()

    assert call(server, "POST", "/reset").status_code == 204

    assert echoing.toxics() == {}
    with dial(echoing.listen) as conn:
        ask(conn)


def test_metrics_count_bytes_by_direction(server, echoing) -> None:
    with dial(echoing.listen) as conn:
        ask(conn, b"x" * 1000)
    name = (
        f'toxiproxy_proxy_received_bytes_total{{direction="upstream",listener="{echoing.listen}",proxy="{echoing.name}"'
    )

    limit = time.monotonic() + 5
    while name not in (text := server.client.metrics()):
        assert time.monotonic() < limit, text
        time.sleep(0.02)
    assert next(line for line in text.splitlines() if line.startswith(name)).endswith(" 1000")


def test_metrics_of_the_process_have_the_names_that_are_looked_for(server) -> None:
    with started(server.kind, "-runtime-metrics") as one:
        names = {line.partition(" ")[0].partition("{")[0] for line in one.client.metrics().splitlines()}

    wanted = {"cpu_seconds_total", "resident_memory_bytes", "virtual_memory_bytes", "open_fds", "max_fds"}
    assert {f"process_{name}" for name in wanted} | {"process_start_time_seconds", "go_goroutines", "go_info"} <= names


# --- The wire ----------------------------------------------------------------------------------------------------------


def test_without_toxics_bytes_pass_unchanged(echoing) -> None:
    data = bytes(range(256)) * 4000

    with dial(echoing.listen) as conn:
        ask(conn, data)


def test_a_dead_upstream_closes_the_connection(proxy) -> None:
    with upstream() as target:
        pass
    with dial(proxy(target).listen) as conn, contextlib.suppress(ConnectionResetError):
        assert conn.recv(1) == b""


def test_latency_delays_every_chunk_by_its_time(echoing) -> None:
    echoing.add_toxic(type="latency", attributes={"latency": 100})

    with dial(echoing.listen) as conn:
        waits = sorted(ask(conn) for _ in range(5))

    assert waits[0] >= 0.095
    assert waits[2] < 0.15


def test_latency_is_pipelined_not_added_up(echoing) -> None:
    echoing.add_toxic(type="latency", attributes={"latency": 200})
    with dial(echoing.listen) as conn:
        begun = time.perf_counter()
        for _ in range(10):
            conn.sendall(b"x")
            time.sleep(0.01)
        assert read_exactly(conn, 10) == b"x" * 10

    assert 0.2 <= time.perf_counter() - begun < 0.8


def test_jitter_stays_within_its_bounds_and_varies(echoing) -> None:
    echoing.add_toxic(type="latency", attributes={"latency": 60, "jitter": 40})

    with dial(echoing.listen) as conn:
        waits = [ask(conn) for _ in range(12)]

    assert min(waits) >= 0.018
    assert sorted(waits)[8] < 0.16
    assert max(waits) - min(waits) > 0.01


def test_toxics_in_both_directions_add_up(echoing) -> None:
    echoing.add_toxic(type="latency", attributes={"latency": 50})
    echoing.add_toxic(type="latency", stream="upstream", attributes={"latency": 50})

    with dial(echoing.listen) as conn:
        assert ask(conn) >= 0.095


def test_a_toxic_reaches_connections_that_are_open_and_leaves_them_whole(echoing) -> None:
    with dial(echoing.listen) as conn:
        quick = ask(conn)
        echoing.add_toxic(type="latency", attributes={"latency": 150})
        slow = ask(conn)
        echoing.update_toxic("latency_downstream", {"latency": 60})
        slower = ask(conn)
        echoing.destroy_toxic("latency_downstream")
        quick_again = ask(conn)

    assert quick < 0.1 <= slow
    assert 0.055 <= slower < 0.15
    assert quick_again < 0.055


def test_removing_a_toxic_loses_no_byte_and_no_order(echoing) -> None:
    echoing.add_toxic(type="latency", attributes={"latency": 2000})
    data = bytes(i % 251 for i in range(200_000))

    with dial(echoing.listen) as conn:
        conn.sendall(data[:100_000])
        time.sleep(0.2)
        echoing.destroy_toxic("latency_downstream")
        conn.sendall(data[100_000:])
        assert read_exactly(conn, len(data)) == data


def test_toxicity_applies_to_a_share_of_connections(echoing) -> None:
    echoing.add_toxic(type="latency", toxicity=0.5, attributes={"latency": 60})

    slow = 0
    for _ in range(40):
        with dial(echoing.listen) as conn:
            slow += ask(conn) >= 0.055

    assert 6 <= slow <= 34


def test_bandwidth_holds_its_rate(echoing) -> None:
    echoing.add_toxic(type="bandwidth", attributes={"rate": 100})

    with dial(echoing.listen) as conn:
        assert 0.9 <= ask(conn, b"x" * 100_000) <= 1.3


def test_bandwidth_zero_stalls(echoing) -> None:
    echoing.add_toxic(type="bandwidth", attributes={"rate": 0})

    with dial(echoing.listen, timeout=0.3) as conn:
        conn.sendall(b"x")
        with pytest.raises(TimeoutError):
            conn.recv(1)


def test_slow_close_delays_the_end_but_not_the_data(proxy) -> None:
    with upstream(lambda conn: conn.sendall(b"bye")) as target:
        one = proxy(target)
        one.add_toxic(type="slow_close", attributes={"delay": 300})
        with dial(one.listen) as conn:
            assert read_exactly(conn, 3) == b"bye"
            data_at = time.perf_counter()
            assert conn.recv(1) == b""

    assert 0.27 <= time.perf_counter() - data_at < 1.0


def test_timeout_drops_data_and_closes_after_its_time(echoing) -> None:
    echoing.add_toxic(type="timeout", attributes={"timeout": 200})

    with dial(echoing.listen) as conn:
        begun = time.perf_counter()
        conn.sendall(b"hello")
        assert read_all(conn) == b""

    assert 0.19 <= time.perf_counter() - begun < 1.0


def test_timeout_zero_hangs_until_the_toxic_goes_and_then_closes(echoing) -> None:
    echoing.add_toxic(type="timeout", attributes={"timeout": 0})

    with dial(echoing.listen, timeout=0.3) as conn:
        conn.sendall(b"hello")
        with pytest.raises(TimeoutError):
            conn.recv(1)
        echoing.destroy_toxic("timeout_downstream")
        conn.settimeout(5)
        assert conn.recv(1) == b""


def test_reset_peer_sends_rst_on_a_new_connection(echoing) -> None:
    echoing.add_toxic(type="reset_peer", attributes={"timeout": 100})

    with dial(echoing.listen) as conn:
        begun = time.perf_counter()
        conn.sendall(b"hello")
        with pytest.raises(ConnectionResetError):
            conn.recv(1)

    assert 0.09 <= time.perf_counter() - begun < 1.0


def test_slicer_cuts_into_pieces_with_pauses(proxy) -> None:
    with upstream(lambda conn: conn.sendall(b"x" * 1000) or read_all(conn)) as target:
        one = proxy(target)
        one.add_toxic(type="slicer", attributes={"average_size": 100, "size_variation": 20, "delay": 20_000})
        sizes = []
        with dial(one.listen) as conn:
            while sum(sizes) < 1000:
                sizes.append(len(conn.recv(4096)))

    assert len(sizes) >= 6
    assert max(sizes) <= 250  # two pieces may arrive as one


@pytest.mark.parametrize("limit", [0, 1, 5, 100])
def test_limit_data_lets_exactly_so_many_bytes_through(proxy, limit: int) -> None:
    def talk(conn: socket.socket) -> None:
        for _ in range(50):
            conn.sendall(b"abc")

    with upstream(talk) as target:
        one = proxy(target)
        one.add_toxic(type="limit_data", attributes={"bytes": limit})
        for _ in range(2):
            with dial(one.listen) as conn:
                assert len(read_all(conn)) == limit


def test_down_ends_open_connections_and_refuses_new_ones_until_it_is_up(echoing) -> None:
    with dial(echoing.listen) as conn:
        ask(conn)
        echoing.disable()
        assert conn.recv(1) == b""
    with pytest.raises(ConnectionRefusedError):
        dial(echoing.listen)

    echoing.enable()

    with dial(echoing.listen) as conn:
        ask(conn)


def test_toxics_of_one_direction_work_in_the_order_they_were_added(proxy) -> None:
    with upstream(lambda conn: conn.sendall(b"x" * 1000)) as target:
        one = proxy(target)
        one.add_toxic(type="limit_data", attributes={"bytes": 10})
        one.add_toxic(type="latency", attributes={"latency": 100})
        begun = time.perf_counter()
        with dial(one.listen) as conn:
            assert len(read_all(conn)) == 10

    assert time.perf_counter() - begun >= 0.095
