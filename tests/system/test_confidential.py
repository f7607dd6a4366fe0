"""What a project and its environment hold in confidence is known before anything runs; what is none is left alone."""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from harness.evidence import Redactor, secrets
from harness.system.confidential import remember_system
from harness.system.config import load_project
from tests.helpers import write_project

TOML = """
[system]
name = "shop"
[services.orders]
command = ["python", "-m", "orders"]
env = { DB_PASSWORD = "canary-{{of}}-env", SA = '{{"client_secret": "canary-inside"}}', REDIS = "redis://u:canary-of-url@h:1" }
"""


@pytest.fixture
def known(monkeypatch: pytest.MonkeyPatch) -> secrets.Secrets:
    """What a process knows that knew no secret before."""
    fresh = secrets.Secrets()
    for name in ("remember", "remember_header", "remember_url", "remember_names", "spare"):
        monkeypatch.setattr(
            f"harness.system.confidential.{name}",
            getattr(fresh, name),
        )
    return fresh


@pytest.mark.parametrize(
    ("name", "value"),
    [("SHOP_API_KEY", "canary-of-the-key"), ("SHOP_KEY", "canary-of-a-key-1"), ("GITHUB_PAT", "canary-of-pat-2"),
     ("HASH_SALT", "canary-of-salt-3"), ("SLACK_WEBHOOK_URL", "https://127.0.0.1/services/canary4"),
     ("DB_PASS", "canary-of-pass"),
     ("CI_JOB_TOKEN", "canary-of-ci"), ("REGISTRY_AUTH", "canary-of-registry")],
)  # fmt: skip
def test_credentials_of_the_environment_are_masked_by_value(
    tmp_path: Path, known: secrets.Secrets, name: str, value: str
) -> None:
    project = write_project(tmp_path, TOML)
    remember_system(project.system, {name: value})

    assert value not in Redactor(secrets=known).text(f"it said {value} just so")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PWD", "/srv/shop/orders"),
        ("SSH_KEY", "~/.ssh/id_ed25519"),
        ("USE_TOKEN", "true"),
        ("LANG", "en_US.UTF-8"),
        ("PRIMARY_KEY", "order_identity"),
        ("API_MASTER", "payments-service"),
    ],
)
def test_what_is_no_credential_of_the_environment_stays(
    tmp_path: Path, known: secrets.Secrets, name: str, value: str
) -> None:
    remember_system(write_project(tmp_path, TOML).system, {name: value})

    assert Redactor(secrets=known).text(f"it said {value} just so") == f"it said {value} just so"


def test_credentials_of_harness_toml_are_masked_by_value(tmp_path: Path, known: secrets.Secrets) -> None:
    write_project(tmp_path, TOML)
    remember_system(load_project(tmp_path / "harness.toml").system, dict(os.environ))

    assert "canary" not in Redactor(secrets=known).text("canary-{of}-env and canary-of-url, canary-inside")


@pytest.mark.parametrize(
    ("value", "wanted"),
    [
        ("Bearer ${SHOP_LOGIN}", "canary-login"),
        ("Bearer ${SHOP_LOGIN}{token}", "canary-login"),
        ("canary-literal-{{x}}", "canary-literal-{{x}}"),
        ("Basic Ym9iOmNhbmFyeS1pbi1iYXNlNjQ=", "canary-in-base64"),
    ],
)
def test_what_lets_a_caller_in_is_known_before_any_stage_asks_for_it(
    tmp_path: Path, known: secrets.Secrets, value: str, wanted: str
) -> None:
    auth = f'[services.orders.auth]\nvalue = "{value}"\ncommand = ["true"]\n'
    remember_system(write_project(tmp_path, TOML + auth).system, {"SHOP_LOGIN": "canary-login"})

    assert wanted not in Redactor(secrets=known).text(f"it said {value} just so, and {wanted}")


def test_each_part_of_a_credential_of_a_service_is_known(tmp_path: Path, known: secrets.Secrets) -> None:
    env = 'env = { API_KEYS = "canary1of-a-list,canary2of-a-list", LOGIN_TOKEN = "Basic Ym9iOmNhbmFyeTMtaW4tYmFzZTY0" }'
    toml = '[system]\nname = "shop"\n[services.orders]\ncommand = ["orders"]\n' + env
    remember_system(write_project(tmp_path, toml).system, {})

    assert "canary" not in Redactor(secrets=known).text("canary1of-a-list or canary2of-a-list, canary3-in-base64")


PEM = "-----BEGIN EC PRIVATE KEY-----\nMHcCAQEEIIGw8f3a11b2c9d0e7\n-----END EC PRIVATE KEY-----\n"
JWT = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.dozjgNryP4J3jVmNHl0w5N"
ACCOUNT = json.dumps({"type": "service_account", "private_key": PEM})


@pytest.mark.parametrize("secret", [PEM, JWT, ACCOUNT], ids=["PEM", "JWT", "account"])
@pytest.mark.parametrize(
    "written",
    [
        lambda s: base64.b64encode(s).decode(),
        lambda s: base64.urlsafe_b64encode(s).decode().rstrip("="),
        lambda s: base64.encodebytes(s).decode(),
        lambda s: s.hex(),
        lambda s: s.hex().upper(),
    ],
    ids=["base64", "base64url", "lines", "hex", "HEX"],
)
def test_a_key_under_a_harmless_name_is_known_as_it_is_written(
    tmp_path: Path, known: secrets.Secrets, secret: str, written: Callable[[bytes], str]
) -> None:
    value = written(secret.encode())
    remember_system(write_project(tmp_path, TOML).system, {"SHOP_SETTINGS": value})

    assert value.strip()[:40] not in Redactor(secrets=known).text(f"started with {value.strip()} just so")
