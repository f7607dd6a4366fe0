"""What values in harness.toml may be: each kind is refused with its key, and what is legal stays so."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import ConfigError
from harness.evidence import Quantity
from harness.system import values
from harness.system.config import load_project

TOML = """
[system]
name = "shop"
[services.web]
command = ["python", "-m", "web"]
ready = "/ready"
@web@
[services.web.uses.store]
env = "STORE_URL"
@use@
[services.web.auth]
@auth@
command = ["token"]
[services.store]
url = "http://127.0.0.1:1"
[resources.db]
kind = "postgres"
@more@
"""


def read(root: Path, **parts: str) -> None:
    text = TOML
    for name in ("web", "use", "auth", "more"):
        text = text.replace(f"@{name}@", parts.get(name, ""))
    (root / "harness.toml").write_text(text, encoding="utf-8")
    load_project(root / "harness.toml")


DEEP = "[" * 1000 + "]" * 1000
REFUSED: dict[str, tuple[dict[str, str], str, str]] = {
    # names of variables
    "= in a name": ({"web": 'env = { "A=B" = "x" }'}, "services.web.env.A=B", "name of an environment variable"),
    "an empty name": ({"web": 'env = { "" = "x" }'}, "services.web.env", "not empty"),
    "NUL in a name": ({"web": 'env = { "A\\u0000" = "x" }'}, "services.web.env", "null character"),
    "a space in port_env": ({"web": 'port_env = "A B"'}, "services.web.port_env", "environment variable"),
    "an empty port_env": ({"web": 'port_env = ""'}, "services.web.port_env", "not empty"),
    "= in authorization_env": (
        {"more": '[contracts]\nauthorization_env = "A=B"'},
        "contracts.authorization_env",
        "environment variable",
    ),
    "one variable for two things": (
        {"more": '[services.web.uses.db]\nenv = "STORE_URL"'},
        "services.web.uses.db.env",
        "where store is already",
    ),
    # text
    "NUL in a value": ({"web": 'env = { A = "x\\u0000" }'}, "services.web.env.A", "null character"),
    "NUL in a command": ({"web": 'cwd = "\\u0000"'}, "services.web.cwd", "null character"),
    "a table as a value": ({"web": "env = { A = { b = 1 } }"}, "services.web.env", "not a table"),
    "a list as a value": ({"web": "env = { A = [1] }"}, "services.web.env", "not a list"),
    "a line break in a path": ({"web": 'openapi = "/a\\nb"'}, "services.web.openapi", "must be a path"),
    "a space in a path": ({"use": "", "web": 'messages = "/a b"'}, "services.web.messages", "must be a path"),
    "a path that names a host": ({"web": 'openapi = "//127.0.0.9:1/x"'}, "services.web.openapi", "one /"),
    "messages elsewhere": ({"web": 'messages = "//127.0.0.9:1/x"'}, "services.web.messages", "one /"),
    "a header with a colon": ({"auth": 'header = "X: y"'}, "services.web.auth.header", "name of a header"),
    "a header that frames": ({"auth": 'header = "Host"'}, "services.web.auth.header", "lets nobody in"),
    "a line break in a header": ({"auth": 'value = "a\\r\\nX: y"'}, "services.web.auth.value", "printable ASCII"),
    # numbers
    "attempts without end": ({"use": "attempts = 1000000000000000000"}, "services.web.uses.store.attempts", "1000"),
    "beyond 64 bits": ({"use": f"attempts = 1{'0' * 30}"}, "services.web.uses.store.attempts", "64 bits"),
    "thousands of digits": ({"use": f"attempts = {'9' * 6000}"}, "", "cannot be read"),
    "true for a number": ({"use": "attempts = true"}, "services.web.uses.store.attempts", "valid integer, found True"),
    "a text for a number": ({"use": 'attempts = "2"'}, "services.web.uses.store.attempts", "valid integer"),
    "not a number": ({"more": "[stages.chaos]\nrate = nan"}, "stages.chaos.rate", "finite number, found nan"),
    "a very long time": ({"use": 'budget = "100000000000000000000h"'}, "services.web.uses.store.budget", "a number"),
    "more than a day": ({"use": 'budget = "25h"'}, "services.web.uses.store.budget", "at most 24h"),
    "other digits": ({"use": 'budget = "٥s"'}, "services.web.uses.store.budget", "a number, or text such as"),
    "a line break behind": ({"use": 'budget = "5s\\n"'}, "services.web.uses.store.budget", "a number"),
    "an underscore": ({"use": 'budget = "1_000s"'}, "services.web.uses.store.budget", "a number"),
    "other digits in a baseline": (
        {"more": '[[gates]]\nmeasure = "load.x"\nbaseline = "+٥%"'},
        "gates.0.baseline",
        "percentage",
    ),
    "a breaker that opens never": (
        {"use": 'breaker = { failures = 1000000, open_for = "1s" }'},
        "services.web.uses.store.breaker.failures",
        "10000",
    ),
    # shape
    "arrays 1,000 deep": ({"more": f"x = {DEEP}"}, "", "nested too deeply"),
    "tables 1,000 deep": ({"more": "x = " + "{a=" * 1000 + "1" + "}" * 1000}, "", "nested too deeply"),
    "keys 5,000 deep": ({"more": "a" + ".a" * 5000 + " = 1"}, "", "nested too deeply"),
    "quoted keys 5,000 deep": ({"more": '["a"' + '."a"' * 5000 + "]"}, "", "nested too deeply"),
    "an empty first word": ({"web": "", "auth": "", "more": '[services.x]\ncommand = ["", "x"]'}, "command", "empty"),
    "a very long name": ({"more": f'[services.{"x" * 300}]\nurl = "http://a"'}, "services.xxx", "at most 100"),
    "a day there is not": ({"more": '[contracts.broker]\nwip_since = "2026-02-30"'}, "contracts.broker", "no such day"),
    # placeholders
    "unknown in env": ({"web": 'env = { A = "{nope}" }'}, "services.web.env.A", "{nope} stands for nothing"),
    "an attribute": ({"web": 'env = { A = "{data.__class__}" }'}, "services.web.env.A", "stands for nothing"),
    "an unknown service": (
        {"web": 'env = { A = "{services.stor.url}" }'},
        "services.web.env.A",
        'Did you mean "services.store.url"',
    ),
    "a typing error": ({"use": 'url = "http://{adress}"'}, "services.web.uses.store.url", 'Did you mean "address"'),
    "where there is none": ({"more": '[services.x]\nurl = "http://{nope}"'}, "services.x.url", "the host must be"),
    "unknown in auth": ({"auth": 'value = "Bearer {tokn}"'}, "services.web.auth.value", 'Did you mean "token"'),
    "no variable in auth": ({"auth": 'value = "Bearer ${a-b}"'}, "services.web.auth.value", "no environment variable"),
}


@pytest.mark.parametrize(("parts", "key", "says"), REFUSED.values(), ids=REFUSED)
def test_a_value_that_cannot_be_is_refused_with_its_key(
    tmp_path: Path, parts: dict[str, str], key: str, says: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        read(tmp_path, **parts)

    assert str(caught.value).startswith("harness.toml: ")
    assert key in str(caught.value)
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)


LEGAL: dict[str, dict[str, str]] = {
    "JSON": {"web": """env = { A = '{"a": {"b": {}}, "port":{port}}', B = "{}", C = "{a,b}" }"""},
    "a shell's variables": {"web": 'env = { A = "${HOME}/x", B = "%{http_code}" }'},
    "what is escaped": {"web": 'env = { A = "{{nope}}" }'},
    "dots and dashes": {"web": 'env = { "spring.url" = "1", "A-B" = "2", Logging__Level = 3, T = true }'},
    "odd text": {"web": 'env = { A = "\\n\\t é 😀 = {x y}" }'},
    "an edge's own words": {"use": 'url = "amqp://u:p@{address}/{{x}}?a={port}"'},
    "all of auth": {"auth": 'header = "x-api-key"\nvalue = "${USER}:{token}"'},
    "targets": {
        "more": '[runtime]\nallow_targets = ["a.b", "a:80", "::1", "[::1]:80", "10.0.0.1", "unix:/run/x.sock"]'
    },
}


@pytest.mark.parametrize("parts", LEGAL.values(), ids=LEGAL)
def test_what_is_legal_stays_so(tmp_path: Path, parts: dict[str, str]) -> None:
    read(tmp_path, **parts)


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("ftp://a", "http://"),
        ("http://", "host is missing"),
        ("http://user:pw@a", "[services.NAME.auth]"),
        ("http://a@127.0.0.1", "user or password"),
        ("http://a?b", "no ?"),
        ("http://a/#", "no #"),
        ("http://a:0", "port"),
        ("http://a:99999", "no address"),
        ("http://a:", "port"),
        ("http://a:٨٠", "encoded"),
        ("http://a\\b", "without spaces"),
        ("http://a b", "without spaces"),
        ("http://a\tb", "without spaces"),
        ("http://a.:80", "end with a dot"),
        ("http://localhost.", "end with a dot"),
        ("http://[::1", "no address"),
        ("http://[nope]", "no address"),
        ("http://[fe80::1%25eth0]", "zone"),
        ("http://127.1", "no address of IPv4"),
        ("http://2130706433", "no address of IPv4"),
        ("http://0x7f000001", "no address of IPv4"),
        ("http://0177.0.0.1", "no address of IPv4"),
        ("http://a..b", "letters"),
        ("http://-a", "letters"),
        ("http://a%2fb", "letters"),
        ("http://ex\u00e4mple", "encoded"),
    ],
)
def test_an_address_that_two_readers_take_for_two_is_refused(url: str, says: str) -> None:
    assert says in values.bad_url(url)


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:80",
        "http://[::1]:80/base",
        "HTTPS://Shop.Example",
        "http://xn--bcher-kva.example",
        "http://my_service:8080",
        "http://localhost/a%20b",
    ],
)
def test_an_address_is_an_address(url: str) -> None:
    assert values.bad_url(url) == ""


@pytest.mark.parametrize("target", ["http://a", "a/b", "", "a b", "u@a", "a:0", "a:x", "a.", "*", "1.2.3", "a?b"])
def test_a_target_is_a_host_and_perhaps_a_port(target: str) -> None:
    assert values.bad_target(target)


@given(st.text(max_size=300))
def test_any_text_is_an_address_or_has_a_problem(text: str) -> None:
    for check in (values.bad_url, values.bad_target, values.bad_path, values.bad_header_value, values.bad_line):
        assert isinstance(check(text), str)
    assert isinstance(values.bad_url(f"http://{text}"), str)
    assert isinstance(values.bad_placeholder(text, ("port",), variables=True), str)


@pytest.mark.parametrize(
    ("text", "filled"),
    [
        ("{port}", "80"),
        ('{"a":{"port":{port}}}', '{"a":{"port":80}}'),
        ("{{port}}", "{port}"),
        ("{{{x}}}", "{{x}}"),
        ("${port} %{port}", "${port} %{port}"),
        ("{other} {}", "{other} {}"),
        ("{odd}", "{port}"),
    ],
)
def test_placeholders_are_filled_once_and_braces_twice_are_braces(text: str, filled: str) -> None:
    assert values.fill(text, {"port": "80", "odd": "{port}"}) == filled


@pytest.mark.parametrize(
    "text", ["٥s", "5s\n", " 5s", "1_000s", "５s", "1e3s", "nan", "inf", "", "1.s", ".5s", "9" * 16]
)
def test_a_quantity_is_written_in_ascii_digits(text: str) -> None:
    with pytest.raises(ValueError, match="a number"):
        Quantity.parse(text)
