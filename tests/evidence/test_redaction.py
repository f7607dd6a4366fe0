"""What is secret by name, by shape or by value does not stay in any notation; what is harmless stays as it is."""

from __future__ import annotations

import base64
import html
import json
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.evidence.redaction import MASK, Redactor
from harness.evidence.secrets import Secrets

CANARY = "hunter2Canary"
#: `{n}` is a secret name, `{c}` the canary under it.
NOTATIONS = (
    "{n}={c}",
    "{n}: {c}",
    "2026-01-01 INFO login of bob {n}={c} took 3 ms",
    "2026-01-01 INFO login of bob {n}: {c}, took 3 ms",
    "{n} = '{c}'",
    '{n}: "{c}"',
    "{{'{n}': '{c}', 'a': 1}}",
    '{{"{n}": "{c}", "a": 1}}',
    '{{"{n}": ["{c}", 1], "a": 1}}',
    '{{"{n}": {{"a": {{"b": "{c}"}}}}, "a": 1}}',
    "GET /a?x=1&{n}={c}&y=2 HTTP/1.1",
    "a=1&user[{n}]={c}",
    "a=1&user%5B{n}%5D={c}&b=2",
    "<{n}>{c}</{n}>",
    "<ns:{n} a='b'>{c}</ns:{n}>",
    '<user {n}="{c}"/>',
    "<{n}><![CDATA[{c}]]></{n}>",
    "&lt;{n}&gt;{c}&lt;/{n}&gt;",
    "&quot;{n}&quot;:&quot;{c}&quot;,",
    '{{"name": "{n}", "value": "{c}"}}',
    '<input type="hidden" name="{n}" value="{c}">',
    'Content-Disposition: form-data; name="{n}"\r\n\r\n{c}\r\n--b',
    "[('{n}', '{c}')]",
    "[(b'{n}', b'{c}')]",
    "User(name=bob, {n}={c})",
    "Server=h;{n}={c};Database=d",
    "mytool --{n} {c} --verbose",
    "mytool --{n}={c}",
    "['mytool', '--{n}', '{c}']",
    "curl -H '{n}: {c}' http://127.0.0.1/",
    "{n} => '{c}'",
)
NAMES = (
    *("password", "PASSWORD", "passwd", "db_pwd", "passphrase", "user.password", "password-repeat", "newPassword2"),
    *("secret", "client_secret", "clientSecret", "X-Shop-Secret", "token", "id_token", "refreshToken", "csrf-token"),
    *(
        "X-Auth-Token",
        "x-csrftoken",
        "api_key",
        "apiKey",
        "API-Key",
        "apikey",
        "X-Api-Key",
        "private_key",
        "privateKey",
    ),
    *("authorization", "Proxy-Authorization", "cookie", "Set-Cookie", "credential", "aws_credentials", "session_id"),
    *("JSESSIONID", "PHPSESSID", "sessionId", "access_key", "AccountKey", "jwt", "xsrf", "cvv", "pin", "otp"),
)
HARMLESS = (
    "traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
    'ETag: "33a64df551425fcc55e4d42a148795d9f25f89d4"',
    'If-Match: W/"67ab43", at 2026-01-01T00:00:00.123456Z',
    "1700000000123456 1700000000123456789 0.4111111111111111 4111111111111112",
    '{"sku": "KEY-1", "key": "order-7", "id": "5b8c0c9e-4111-1111-1111-111111111111", "price": 1999, "pinned": true}',
    '{"token_type": "bearer", "expires_in": 3600, "max_tokens": 4096, "total_tokens": 12, "password": null}',
    '{"password_set": true, "has_token": false, "token_endpoint": "/oauth", "cookie_name": "sid", "secret": ""}',
    '{"msg": "enter password: ", "user": "bob"}',
    '{"msg": "enter password: "}',
    "password: must be longer",
    "refresh_token: GET /orders: expected 200, got 404",
    "401: basic authentication is needed, or bearer authentication",
    'WWW-Authenticate: Bearer realm="shop", error="invalid_token"',
    "http://127.0.0.1:8080/a?mail=bob@example.com and http://[::1]:80/@bob",
    "tokenizer ready, secretary called, passing 3 of 4",
    '["password", "email"] are required',
    "password_attempts=3 token_count=17 secret_santa=true max_tokens=512",
    'order_id=4111111111111111 {"id": 4111111111111111, "sku": "4111111111111111"}',
    '{"auth": {"type": "basic", "username": "bob-smith", "enabled": true}}',
    'response="accepted" and response=200, nonce="abcdef12"',
    "shipping=express&inside=1&passed=3&bypass=no",
)
JWT = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9PlFUP0THsR8U"
PEM = "-----BEGIN RSA PRIVATE KEY-----\nMIIEowIBAAKCAQEA\nabc/def+==\n-----END RSA PRIVATE KEY-----"
#: The whole text, and the part that must not stay.
SHAPES = (
    (f"got {JWT} back", JWT),
    ("Authorized with Bearer abcDEF123456", "abcDEF123456"),
    ("sent bearer%20abcDEF123456", "abcDEF123456"),
    (f"sent Basic {base64.b64encode(b'bob:pw12').decode()} there", base64.b64encode(b"bob:pw12").decode()),
    ("cannot reach postgres://u:Pw12345@h/db", "Pw12345"),
    ("cannot reach postgres://u:P@Pw12345@h/db", "Pw12345"),
    ("cannot reach postgres://u:Pw/12345@h/db", "Pw/12345"),
    ('"amqps://u:Pw12345@h:5671/%2f",', "Pw12345"),
    ("redis://:Pw12345@h:6379/0", "Pw12345"),
    (r'{"dsn": "mysql:\/\/u:Pw12345@h\/db"}', "Pw12345"),
    ("?next=postgres%3A%2F%2Fu%3APw12345%40h", "Pw12345"),
    (f"before\n{PEM}\nafter", "MIIEowIBAAKCAQEA"),
    (json.dumps({"key": PEM, "a": 1}), "MIIEowIBAAKCAQEA"),
    ("card 4111111111111111 was charged", "4111111111111111"),
    ('{"card_id": 4111111111111111}', "4111111111111111"),
    ('{"auth": {"type": "basic", "username": "bob", "value": "hunter2-x"}}', "hunter2-x"),
    ('{"auth": {"bob": "hunter2-x"}}', "hunter2-x"),
    ("card 4111 1111 1111 1111.", "4111 1111 1111 1111"),
    ("card=5555-5555-5555-4444&a=1", "5555-5555-5555-4444"),
    ("378282246310005", "378282246310005"),
    ("3782 822463 10005", "3782 822463 10005"),
    ('{"number": 6011111111111117}', "6011111111111117"),
    ("AKIAIOSFODNN7EXAMPLE", "AKIAIOSFODNN7EXAMPLE"),
    ("ghp_abcdefghijklmnopqrstuvwxyz0123456789", "abcdefghijklmnop"),
    ("xoxb-123456789012-abcdefghij", "xoxb-123456789012"),
    ("sk_live_" + "abcdefghijklmnop", "abcdefghijklmnop"),
    (f'got response="{"6629fae49393a053" * 2}", opaque="x"', "6629fae49393a053"),
    ('{"a": "qop=auth, cnonce=\\"0a4f113b\\", nc=1"}', "0a4f113b"),
    (f"response={'6629fae49393a053' * 4}", "6629fae49393a053"),
    ("https://hooks.slack.com/services/T000/B000/XXXXYYYY", "XXXXYYYY"),
)


@pytest.mark.parametrize("name", NAMES)
def test_what_stands_under_a_secret_name_is_masked_in_every_notation(name: str) -> None:
    left = [n for n in NOTATIONS if CANARY in Redactor().text(n.format(n=name, c=CANARY))]

    assert left == []


@pytest.mark.parametrize(
    "text",
    [
        f"Cookie: a=b; c={CANARY}; d=e",
        f"answered with Set-Cookie: sid={CANARY}; Path=/; HttpOnly",
        f'{{"msg": "sent Cookie: a=b; c={CANARY}", "x": 1}}',
        f'Authorization: Digest username="u", response="{CANARY}"',
        f"> X-Auth-Token: some words {CANARY}",
        f"curl -u bob:{CANARY} http://127.0.0.1/",
        f"curl --user 'bob:{CANARY}' -b \"a={CANARY}\" http://127.0.0.1/",
        f"curl --cookie a={CANARY} http://127.0.0.1/",
        f'requests.get(url, auth=("bob", "{CANARY}"))',
        f"the api key: {CANARY}",
        f'["x-auth-token", "{CANARY}"]',
        f"Mismatch with header 'X-Auth-Token': Expected '{CANARY}' to be equal to 'x'",
        f'includes header "X-Auth-Token" with value "{CANARY}"',
        f"$.user.id_token -> Expected '{CANARY}' (String) to be equal to 'x' (String)",
    ],
)
def test_headers_and_command_lines_lose_their_credentials(text: str) -> None:
    assert CANARY not in Redactor().text(text)


@pytest.mark.parametrize("depth", range(5))
def test_json_in_a_json_string_is_looked_through_at_any_depth(depth: int) -> None:
    text = json.dumps({"id_token": CANARY, "n": {"secret": [1, CANARY]}, "pin": 1234, "a": "b"})
    for _ in range(depth):
        text = json.dumps({"body": text, "next": 1})

    clean = Redactor().text(text)

    found = json.loads(clean)
    for _ in range(depth):
        assert found["next"] == 1
        found = json.loads(found["body"])
    assert CANARY not in clean
    assert found == {"id_token": MASK, "n": {"secret": [1, MASK]}, "pin": MASK, "a": "b"}


@pytest.mark.parametrize("text", HARMLESS)
def test_harmless_text_is_left_alone(text: str) -> None:
    assert Redactor().text(text) == text


@pytest.mark.parametrize(("text", "secret"), SHAPES)
def test_what_looks_like_a_credential_is_masked_without_a_name(text: str, secret: str) -> None:
    clean = Redactor().text(text)

    assert secret not in clean
    assert MASK in clean


def test_names_of_the_project_are_masked_in_any_spelling() -> None:
    clean = Redactor(["X-Shop-Badge"]).text(f'x_shop_badge={CANARY} and {{"xShopBadge": "{CANARY}"}}')

    assert CANARY not in clean


VALUE = 'p@ss/w"ör\\d !&<x>'
ENCODINGS = {
    "raw": VALUE,
    "percent": quote(VALUE),
    "percent, everything": quote(VALUE, safe=""),
    "percent, lower case": quote(VALUE, safe="").replace("%C3%B6", "%c3%b6").replace("%2F", "%2f"),
    "form": quote_plus(VALUE),
    "percent twice": quote(quote(VALUE)),
    "json": json.dumps(VALUE),
    "json, not ascii": json.dumps(VALUE, ensure_ascii=False),
    "json in json in json": json.dumps(json.dumps(json.dumps(VALUE))),
    "html": html.escape(VALUE),
    "hex": VALUE.encode().hex(),
    "HEX": VALUE.encode().hex().upper(),
    **{f"base64 behind {n}": base64.b64encode(b"user:"[:n] + VALUE.encode() + b"tail").decode() for n in range(5)},
    **{f"base64url behind {n}": base64.urlsafe_b64encode(b"user:"[:n] + VALUE.encode()).decode() for n in range(5)},
    "base64 in a query": quote(base64.b64encode(VALUE.encode()).decode(), safe=""),
}


@pytest.mark.parametrize("encoded", ENCODINGS.values(), ids=ENCODINGS.keys())
def test_a_known_value_is_masked_however_it_is_encoded(encoded: str) -> None:
    clean = Redactor(values=[VALUE]).text(f"before {encoded} after")

    assert clean.startswith("before ")
    assert clean.endswith(" after")
    assert MASK in clean
    assert len(clean) <= len("before  after") + len(MASK) + 20  # what stands before and behind it in base64


def test_what_a_header_holds_is_known_without_its_scheme_and_decoded() -> None:
    secrets = Secrets()

    secrets.remember_header("Basic " + base64.b64encode(b"bob:wordpass1").decode())

    assert Redactor(secrets=secrets).text("login with wordpass1 failed") == f"login with {MASK} failed"


def test_the_password_of_a_url_is_known_as_it_is_meant_too() -> None:
    secrets = Secrets()

    secrets.remember_url("postgres://bob:w%40rd%2Fpass@h/db")

    assert Redactor(secrets=secrets).text("password was w@rd/pass!") == f"password was {MASK}!"


def test_short_and_trivial_values_and_names_of_services_are_not_masked() -> None:
    secrets = Secrets()
    secrets.remember("abc", "true", "payments")
    secrets.spare(["payments"])

    assert Redactor(secrets=secrets).text("abc is true of payments") == "abc is true of payments"


def test_a_short_value_counts_as_a_word_only() -> None:
    assert Redactor(values=["3141"]).text('{"a": 3141, "b": 31415, "c": "x3141y"}') == (
        f'{{"a": "{MASK}", "b": 31415, "c": "x3141y"}}'
    )


def test_a_value_learned_later_is_masked_by_redactors_that_exist() -> None:
    secrets = Secrets()
    redactor = Redactor(secrets=secrets)

    secrets.remember("learned-later-1")

    assert redactor.text("learned-later-1") == MASK


@pytest.mark.parametrize("word", ["orders", "Customer", "PRODUCTION", "info", "smoke", "2026-11-28"])
def test_a_word_of_a_language_is_masked_beside_its_name_only(word: str) -> None:
    secrets = Secrets()
    secrets.remember(word)

    assert Redactor(secrets=secrets).text(f"password={word}; of the {word}") == f"password={MASK}; of the {word}"


ODD = ['ä+Ir9VhV/ß%41"Wuyv6', 'p"w\\x%c3Thg9kB+/= üDyWi', "пароль-4711"]
WRITTEN: dict[str, Callable[[str], str]] = {
    "JSON": json.dumps,
    "JSON in JSON": lambda v: json.dumps(json.dumps({"a": v})),
    "bytes": lambda v: repr(v.encode()),
    "each byte": lambda v: "".join(f"\\x{b:02X}" for b in v.encode()),
    "octal": lambda v: "".join(f"\\{b:03o}" if b > 127 else chr(b) for b in v.encode()),
    "percent": lambda v: "".join(f"%{b:02x}" for b in v.encode()),
    "hex": lambda v: v.encode().hex(),
}


@pytest.mark.parametrize("written", WRITTEN)
@pytest.mark.parametrize("value", ODD)
def test_a_value_beyond_ascii_is_found_however_it_is_written(value: str, written: str) -> None:
    text = WRITTEN[written](value)
    masked = Redactor(values=[value]).text(f"seen {text} there")
    assert text.strip("\"'b") not in masked
    assert masked.startswith("seen ")
    assert masked.endswith(" there")
    assert len(masked) < len("seen  there") + len(MASK) + 30


@pytest.mark.parametrize("kept", [12, 20, 31, 32])
def test_what_a_cut_leaves_of_a_value_is_masked(kept: int) -> None:
    value = "aaa6YwRFBTV0qeooBsYk3bGJbbTMEPFx"
    assert Redactor(values=[value]).text(f"wrong: {value[:kept]}… of {value[:5]}") == f"wrong: {MASK}… of {value[:5]}"


def test_secrets_inside_of_something_longer_are_found() -> None:
    found = Redactor().found(
        '{"type": "sa", "client_secret": "ROlUfZ7w"} Server=x;Password=t3I9Rxx; https://spMx33@h/1'
    )
    assert set(found) >= {"ROlUfZ7w", "t3I9Rxx", "spMx33"}


SECRET_NAMES = st.sampled_from(NAMES)
TEXTS = st.one_of(
    st.text(max_size=30),
    st.sampled_from(NAMES),
    st.sampled_from(HARMLESS),
    st.sampled_from([t for t, _ in SHAPES]),
    st.builds(lambda t, n: t.format(n=n, c=CANARY), st.sampled_from(NOTATIONS), SECRET_NAMES),
)
JSONS = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False, allow_infinity=False), TEXTS),
    lambda inner: st.one_of(
        st.lists(inner, max_size=4), st.dictionaries(TEXTS, inner, max_size=4), inner.map(json.dumps)
    ),
    max_leaves=12,
)


@given(st.tuples(TEXTS, st.sampled_from([" ", "\n", ", "]), TEXTS).map("".join))
def test_masking_twice_is_masking_once(text: str) -> None:
    once = Redactor(values=[VALUE, "314159"]).text(text)

    assert Redactor(values=[VALUE, "314159"]).text(once) == once


@given(JSONS, st.booleans(), st.sampled_from([None, 1]))
def test_json_stays_json(value: Any, ascii_only: bool, indent: int | None) -> None:
    clean = Redactor(values=["314159"]).text(json.dumps(value, ensure_ascii=ascii_only, indent=indent))

    json.loads(clean)


@given(SECRET_NAMES, st.sampled_from(NOTATIONS), st.sampled_from(HARMLESS), st.integers(0, 3))
def test_a_canary_never_survives_beside_harmless_text(name: str, notation: str, harmless: str, depth: int) -> None:
    text = f"{harmless}\n{notation.format(n=name, c=CANARY)}\n{harmless}"
    for _ in range(depth):
        text = json.dumps({"log": text})

    assert CANARY not in Redactor().text(text)


#: What is repeated until there is no end; the text begins with something else once.
PIECES = (
    *("a", " ", "\n", '"', "'", "\\", '\\"', "{", "://", "://a:", "://a:b@", "eyJ", "-eyJ", "eyJhhhhh.", "4", "4111 "),
    *(
        "<",
        "&quot;",
        "-----BEGIN ",
        "-----BEGIN PRIVATE KEY-----",
        "%3a%2f%2fa%3a",
        "%40",
        "bearer ",
        "bearer%20",
        "SG.",
    ),
    *(
        "-sk-",
        "curl -u ",
        "a=",
        "token",
        "token=",
        "token: ",
        '"token":"',
        '"token":{',
        '"token":',
        "token:\\",
        "token=(",
    ),
    *('token=("', "token=[", "$.token ", "--token ", "header 'token' ", '"token" with value ', "<token>", "<token "),
    *("<token><![CDATA[", "&lt;token&gt;", 'name="token" ', '("token",', 'name="token" value=', "Cookie: a=b; "),
    *('"token":{"type":"string",', '"token":{"type":"object","properties":{', '{"name":"token",', '"default":["'),
    *("QUJD", "0x41, ", "ab\n", "A" * 64 + "\n", "QUJD" * 16 + "\\n"),
    *('form-data; name="token"\\r\\n', "Cookie: ", "password key ", "token&quot;:&quot;"),
)


@pytest.mark.parametrize(
    "start", ["", "token:", '"token":', '"token":"', "token=(", "curl -u ", "://u:", "form-data value "]
)
def test_time_grows_with_the_length_of_hostile_text_and_not_faster(start: str) -> None:
    redactor = Redactor(values=[VALUE])

    def spent(piece: str, size: int) -> float:
        text = start + piece * (size // len(piece)) + "=x"
        begun = time.process_time()
        redactor.text(text)
        return time.process_time() - begun

    # Sixteen times the text; what is quadratic takes 256 times as long.
    slow = [p for p in PIECES if spent(p, 16_000) > 80 * max(spent(p, 1_000), 0.0005)]
    assert slow == []
