"""A secret does not stay beside its name, whatever carries the two and however they are written; ordinary text stays."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from urllib.parse import quote

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from harness.evidence.redaction import MASK, Redactor

NAMES = (
    *(
        "password",
        "DB_PASS",
        "user_pass",
        "dbPw",
        "clientSecret",
        "id_token",
        "X-Api-Key",
        "csrf-token",
        "otp",
        "mfa_code",
    ),
    *("connection_string", "dsn", "code_verifier", "SAMLResponse", "signature", "ssn", "iban", "passwort", "kennwort"),
    *(
        "contraseña",
        "mot_de_passe",
        "senha",
        "пароль",
        "Fastly-Key",
        "X-Hub-Signature-256",
        "Ocp-Apim-Subscription-Key",
    ),
)
#: `{n}` is a name, `{c}` what must not stay.
CARRIERS = (
    "{n}={c}",
    "INFO login {n}={c} took 3 ms",
    '{n} = """{c}"""',
    "{n} = '''\n{c}\n'''",
    '{{"a": 1, "{n}": "{c}"}}',
    '{{"{n}": ["{c}", true]}}',
    '{{"{n}": {{"a": "{c}"}}}}',
    '{{"value": "{c}", "name": "{n}"}}',
    '{{"name": "{n}", "type": "x", "value": "{c}"}}',
    '<entry name="{n}">{c}</entry>',
    '<property value="{c}" name="{n}"/>',
    "<{n}>\n  {c}\n</{n}>",
    "<key>{n}</key><string>{c}</string>",
    "{n}:\n  {c}\nnext: 1",
    "{n}: |\n  {c}\n  {c}\nnext: 1",
    "- name: {n}\n  value: {c}\n",
    "INSERT INTO users (name, {n}) VALUES ('bob', '{c}'), ('eve', 'it''s {c}')",
    "UPDATE users SET {n} = 'it''s {c}' WHERE id = 1",
    "ALTER ROLE bob WITH {n} '{c}'",
    "invalid {n} '{c}'",
    "Server=h;{n}=a;b{c};Database=d",
    "--{n} {c} --verbose",
    "{n} -> {c}",
    "{n}=SecretStr('{c}')",
)
#: Carriers that have no name of a secret.
NAMELESS = (
    *("docker login -u bob -p {c} registry", "mysql -uroot -p{c} db", "sshpass -p {c} ssh h", "sshpass -p{c} ssh h"),
    *("redis-cli -a {c} ping", "curl -u bob:{c} http://h", "['mysql', '-u', 'root', '-p{c}', 'db']"),
    *("machine h login bob password {c}", "machine h\nlogin bob\npassword {c}\n", "db.example.com:5432:shop:bob:{c}"),
    *(
        "//registry.npmjs.org/:_authToken={c}",
        "redis://{c}@h:6379",
        "https://{c}@github.com/a",
        "bob:{c}@tcp(h:3306)/shop",
    ),
    *(
        "jdbc:oracle:thin:bob/{c}@h:1521/s",
        "GET /cb?code={c}&state=1",
        "/a?X-Goog-Signature={c}&b=1",
        "/a?sv=1&sig={c}&se=2",
    ),
    *("https://api.telegram.org/bot123456789:{c}/send", "https://discord.com/api/webhooks/123/{c}"),
    *(
        "https://hooks.slack.com/workflows/T0/A0/1/{c}",
        "CREATE USER bob IDENTIFIED BY '{c}'",
        "rabbitmqctl add_user bob {c}",
    ),
    *("%B4111111111111111^DOE/{c}^25121010000000?", ";4111111111111111=25121010000000{c}?"),
)


def _log(text: str) -> str:
    return json.dumps({"log": text, "n": 1})


#: How a whole text is written down; odd signs go between the name and the value.
WRITTEN: dict[str, Callable[[str], str]] = {
    "plain": str,
    "json": _log,
    "json in json": lambda text: _log(_log(text)),
    "json, not ascii": lambda text: json.dumps({"log": text}, ensure_ascii=False),
    "in colour": lambda text: text.replace("=", "\x1b[0m=\x1b[33m").replace(": ", "\x1b[0m: \x1b[1m"),
    "no-break": lambda text: text.replace(" ", "\u00a0").replace("\n\u00a0\u00a0", "\n  "),
    "full width": lambda text: text.replace("=", "\uff1d"),
    "with NULs": lambda text: text.replace("=", "\0=\0"),
    "zero width": lambda text: text.replace("=", "\u200b="),
}
#: How a name is written down.
SPELT: dict[str, Callable[[str], str]] = {
    "plain": str,
    "upper": str.upper,
    "escaped": lambda name: "".join(f"\\u{ord(c):04x}" for c in name),
    "percent": lambda name: (
        quote(name[0]).replace(name[0], f"%{ord(name[0]):02X}") + name[1:] if name.isascii() else quote(name)
    ),
    "in hex": lambda name: "".join(f"\\x{ord(c):02x}" if c.isascii() and c.isalnum() else c for c in name),
    "html": lambda name: f"&#{ord(name[0])};{name[1:]}",
}
#: At least a digit, as passwords have, and nothing that would be masked for its own sake.
SECRETS = st.from_regex(r"Zq[a-zA-Z]{4}[0-9][a-zA-Z0-9]{6}", fullmatch=True)
HARMLESS = (
    '{"next_page_token": "CAUQAA", "continuation_token": "abc-1", "page_token": "p2", "nextToken": "x1"}',
    '{"secret": 0, "password": true, "token": null, "pin": false, "api_key": 1}',
    "pin: 4 pieces of each, token: 3 of them left",
    "order 4111111111111112 and 12-4111111111111111-9 and 20261128143412 and 1764340452000",
    "Unexpected token '<' in JSON at position 3",
    "http -v, docker ps -a, ls -p, mysql is up, curl --fail http://127.0.0.1/",
    "https://git@github.com/a/b.git and http://127.0.0.1@h and ssh://bob@h",
    "GET /a?code=404&key=order-7 HTTP/1.1",
    "INSERT INTO orders (id, name) VALUES (1, 'it''s fine')",
    "2026-11-28 12:30:45,123 main.c:1234:5:error:foo bar",
    "%D1%82%D0%B5%D1%81%D1%82 100% &amp; \\u00e9 \x1b[32mok\x1b[0m \0 tail",
    "password reset\npassword changed.\ntoken refreshed",
    "<html><body>3 < 4 && \"a\" > 'b'</body></html>",
    "passport: yes, compass: north, design: new, passengers: 12, sidecar: on",
    "signature_method=HS256 token_type=bearer auth_url=http://h/",
    "key: value\nlist:\n  - a\n  - b\n",
)


@given(
    st.sampled_from(NAMES),
    st.sampled_from(CARRIERS),
    st.sampled_from(sorted(SPELT)),
    st.sampled_from(sorted(WRITTEN)),
    SECRETS,
)
def test_no_secret_stays_beside_its_name(name: str, carrier: str, spelt: str, written: str, secret: str) -> None:
    text = WRITTEN[written](carrier.format(n=SPELT[spelt](name), c=secret))

    for clean in (Redactor().text(text), Redactor().lines(text)):
        assert secret not in clean.replace("\0", "")


@given(st.sampled_from(NAMELESS), st.sampled_from(["plain", "json", "json in json", "zero width"]), SECRETS)
def test_no_secret_stays_where_nothing_names_it(carrier: str, written: str, secret: str) -> None:
    text = WRITTEN[written](carrier.format(c=secret))

    assert secret not in Redactor().lines(text)


@example("otp", "- name: {n}\n  value: {c}\n", 20, 0, "Zqaaaa0aaaaaa")
@example("otp", "- name: {n}\n  value: {c}\n", 21, 3, "Zqaaaa0aaaaaa")
@given(st.sampled_from(NAMES), st.sampled_from((*CARRIERS, *NAMELESS)), st.integers(0, 60), st.integers(0, 3), SECRETS)
def test_json_stays_json_when_what_is_in_it_was_cut(name: str, carrier: str, cut: int, depth: int, secret: str) -> None:
    text = carrier.format(n=name, c=secret)[: cut or None]
    for _ in range(depth + 1):
        text = _log(text)

    json.loads(Redactor().text(text))


@pytest.mark.parametrize("text", HARMLESS)
def test_ordinary_text_stays(text: str) -> None:
    assert Redactor().text(text) == text
    assert Redactor().lines(text) == text


def test_a_list_under_a_secret_name_stays_a_list() -> None:
    clean = Redactor().text('{"password": ["too short", null, 1234, {"a": "b"}], "n": [1]}')

    assert json.loads(clean) == {"password": [MASK, None, MASK, MASK], "n": [1]}


VALUE = "p@ss/w0rd Zeta"
RAW = VALUE.encode()
ENCODED = {
    "hex": RAW.hex(),
    "HEX": RAW.hex().upper(),
    "hex with colons": RAW.hex(":"),
    "HEX with colons": RAW.hex(":").upper(),
    "a dump": RAW.hex(" "),
    "escaped": "".join(f"\\u{ord(c):04x}" for c in VALUE),
    "ESCAPED": "".join(f"\\u{ord(c):04X}" for c in VALUE),
    "bytes": "".join(f"\\x{b:02x}" for b in RAW),
    "percent": "".join(f"%{b:02x}" for b in RAW),
    "PERCENT": "".join(f"%{b:02X}" for b in RAW),
    "percent twice": "".join(f"%25{b:02X}" for b in RAW),
    "html": "".join(f"&#{b};" for b in RAW),
    **{f"base64 behind {n}": base64.b64encode(b"abc"[:n] + RAW + b"tail").decode() for n in range(3)},
    **{f"base64url behind {n}": base64.urlsafe_b64encode(b"abc"[:n] + RAW + b"tail").decode() for n in range(3)},
}


@pytest.mark.parametrize("encoded", ENCODED.values(), ids=ENCODED.keys())
@pytest.mark.parametrize("around", ["{}", "a\0b {} c\0", "\x1b[1m{}\x1b[0m", '{{"a": "{}"}}'])
def test_a_known_value_goes_in_every_encoding_and_surrounding(encoded: str, around: str) -> None:
    clean = Redactor(values=[VALUE]).text(around.format(encoded))

    assert MASK in clean
    assert len(clean) < len(around) + len(MASK) + 20  # what stands before and behind it in base64
