"""Whatever is accepted starts: odd but legal names, values and words reach the service as they are written."""

from __future__ import annotations

import json
from pathlib import Path

import anyio
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from harness.errors import ConfigError, HarnessError
from harness.system.config import Project, load_project
from harness.system.runtime import ProcessRuntime, check_startable

SERVICE = """
import json, os, socket, sys
with open(sys.argv[1] + ".json", "w") as told:
    json.dump({"env": dict(os.environ), "words": sys.argv[2:]}, told)
with socket.create_server(("127.0.0.1", int(os.environ[sys.argv[1]]))) as server:
    while True: server.accept()[0].close()
"""
#: JSON escapes are TOML's, but for surrogates; what stands outside the first plane is written as it is.
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
NAMES = st.one_of(
    st.text(st.characters(min_codepoint=33, max_codepoint=126, exclude_characters="="), min_size=1, max_size=20),
    st.text(max_size=10),
)


def quoted(text: str) -> str:
    """A basic string of TOML."""
    return '"' + "".join(c if c.isalnum() and c.isascii() else f"\\U{ord(c):08x}" for c in text) + '"'


def project(root: Path, env: dict[str, str], words: list[str], port_env: str = "PORT") -> Project:
    lines = [f"{quoted(k)} = {quoted(v)}" for k, v in env.items()]
    command = ", ".join(map(quoted, ["python", "service.py", port_env, *words]))
    (root / "service.py").write_text(SERVICE, encoding="utf-8")
    (root / "harness.toml").write_text(
        f'[system]\nname = "odd"\n[services.a]\nport_env = {quoted(port_env)}\ncommand = [{command}]\n'
        f"[services.a.env]\n{chr(10).join(lines)}\n",
        encoding="utf-8",
    )
    return load_project(root / "harness.toml")


def seen(found: Project, directory: Path, port_env: str = "PORT") -> dict[str, object]:
    """Start the service and return what it was told."""

    async def start() -> None:
        runtime = ProcessRuntime(found.system, root=found.root, directory=directory)
        async with runtime.running():
            pass

    check_startable(found.system, found.root)
    anyio.run(start)
    told: dict[str, object] = json.loads((found.root / f"{port_env}.json").read_text())
    return told


ODD = {
    "empty": "",
    "LINES": "a\nb\r\n\tc",
    "a.b-c": "= = =",
    "{x}": "{y z} {} { }",
    "%PATH%": "$HOME `id` $(id) %PATH% ~ * ? ; & | > <",
    "QUOTES": "\"'\\",
    "UNICODE": "é 😀 \u202e \ufeff \u2028",
    "ESCAPED": "{{nope}} {{{a}}}",
    "JSON": '{"a": {"b": [1, {}]}}',
    "LONG": "x" * 20_000,
}


def test_odd_but_legal_values_reach_the_service(tmp_path: Path) -> None:
    found = project(tmp_path, ODD, list(ODD.values()))

    told = seen(found, tmp_path / "run")

    expected = {**ODD, "ESCAPED": "{nope} {{a}}"}
    assert {k: v for k, v in told["env"].items() if k in ODD} == expected  # type: ignore[attr-defined]
    assert told["words"] == list(expected.values())


@settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
@given(env=st.dictionaries(NAMES, TEXT, max_size=4), words=st.lists(TEXT, max_size=3))
def test_what_is_accepted_starts_or_says_in_one_error_why_not(
    tmp_path_factory: pytest.TempPathFactory, env: dict[str, str], words: list[str]
) -> None:
    root = tmp_path_factory.mktemp("odd")
    try:
        found = project(root, env, words)
    except ConfigError:
        return
    if not {"PORT", "PATH", "HOME"} & env.keys() and not any(k.upper().startswith(("PYTHON", "LD_")) for k in env):
        try:
            seen(found, root / "run")
        except HarnessError as error:
            pytest.fail(f"accepted, but: {error}")
