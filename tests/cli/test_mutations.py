"""Two thousand spoilt projects through `harness plan` and `harness run --dry`: exit code 0 or 2, one paragraph, never a crash."""

# ruff: noqa: E501 - the odd values are easier to compare in long lines

from __future__ import annotations

import contextlib
import io
import random
import re
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from harness.cli import main
from tests.cli.shop import TOML, write_shop
from tests.helpers import run_harness

ROOT = Path(__file__).parents[2]
SEED = 20
#: Of a hundred cases so many spoil this file of that project.
SHARES = (
    (25, "small", "harness.toml"),
    (35, "rich", "harness.toml"),
    (10, "own", "harness.toml"),
    (15, "small", "chaos/store-down.toml"),
    (10, "small", "synthetic/slos.toml"),
    (5, "small", "synthetic/journeys.py"),
)

#: More of what the tables take than the small shop has of its own.
RICH = (
    TOML.replace('env = "STORE_URL"', 'env = "STORE_URL"\nbudget = "800ms"\nattempts = 2\non_failure = "reject"')
    + """
[services.web.auth]
header = "X-Key"
value = "Key ${HOME} {token}"
command = ["echo", "secret"]

[services.web.uses.database]
env = "DATABASE_URL"
url = "sqlite:///{data}/web.db"

[resources.database]
kind = "postgres"

[runtime]
allow_targets = ["shop.example", "10.0.0.7:8080"]
start_timeout = "20s"

[contracts]
sources = ["contracts/pacts"]
authorization_env = "PACTS_TOKEN"

[contracts.broker]
url = "https://broker.example"
selectors = [{ mainBranch = true }]
wip_since = "2026-01-31"

[stages.chaos]
rate = 5
copies = 2
time_limit = "9m"

[stages.schema]
max_size_mb = 20

[profiles.full.stages.load]
duration = "60s"

[[gates]]
measure = "load.latency.p95"
where = { journey = "look" }
max = "500ms"
baseline = "+10%"

[[gates]]
findings = "chaos.promise.*"
max = 0
"""
)

HUGE = "9" * 6000
VALUES = (
    '""', '" "', "0", "-1", "1", "true", "1.5", "nan", "inf", "-inf", "1e400", "[]", "{}", "[[]]", "{ a = 1 }", '["a"]',
    "2026-01-31", "12:00:00", "9223372036854775808", "1000000000000000000000000000000", HUGE, "1_000", "0x10",
    '"٥s"', '"5s\\n"', '" 5s"', '"1_000s"', '"５s"', '"100000000000000000000h"', '"1e3s"', '"nan"', '"5s"', '"-5s"',
    '"{nope}"', '"{data.__class__}"', '"{services.nope.url}"', '"{{port}}"', '"{}"', '"{port"', '"${"', '"%{x}"',
    '"a\\u0000b"', '"\\u0000"', '"A=B"', '"a b"', '"line\\nbreak"', '"\\u202e"', '"\\U0010FFFF"', '"café"', '"' + "x" * 5000 + '"',
    '"http://"', '"http://a@b"', '"http://[::1"', '"http://a:99999"', '"http://a.:1"', '"ftp://a"', '"http://a/?b"', '"//a"',
    '"/a b"', '"\\\\"', '"../../.."', '"/dev/zero"', '"/"', '"~"', '"*"', '"**/*"', '"look"', '"web"', '"store"', '"web -> store"',
    "[1, 2]", '["python", ["x"]]', '{ env = "X" }', "[" * 1500 + "]" * 1500, "[" * 40 + "]" * 40, '"load.*"', '"fuzz.nope"', "'''x'''",
)  # fmt: skip
LINES = (
    "[a]", "[services]", "[services.web]", "[[services]]", "[services.web.env]\nPORT = 1", "[stages.nope]", "x = 1", "[[gates]]",
    "a" + ".a" * 2000 + " = 1", "[" + ".".join("a" * 2000) + "]", "= 1", "\x00", "\ufeff", "[x\n", '"\\uD800" = 1', '"" = 1',
    '[services."a b"]', "[services.ä]", "[services.web.uses.web]", "[services.web.uses.nope]", '[profiles.nope]', "[suites]\npacts = 1",
    '[suites]\njourneys = "/dev/zero"', '[suites]\nexperiments = "harness.toml"', "[stages.smoke]\nenabled = false", "[stages.load]",
    'x = """', "x = {" * 1500, "[[gates]]\nfindings = 'load.nope'\nmax = 1", "[runtime]\nkind = 'external'", "[runtime]\nproduction = true",
)  # fmt: skip
ASSIGNMENT = re.compile(r"^([ \t]*[^\s=#\[]+[ \t]*=[ \t]*)(.+)$")


def change_value(lines: list[str], rng: random.Random) -> None:
    number = rng.choice([n for n, line in enumerate(lines) if ASSIGNMENT.match(line)] or [0])
    lines[number] = ASSIGNMENT.sub(lambda m: m[1] + rng.choice(VALUES), lines[number])


def change_word(lines: list[str], rng: random.Random) -> None:
    number = rng.choice([n for n, line in enumerate(lines) if '"' in line] or [0])
    lines[number] = re.sub(r'"[^"]*"', lambda _: rng.choice(VALUES), lines[number], count=1)


def change_key(lines: list[str], rng: random.Random) -> None:
    number = rng.randrange(len(lines))
    odd = ["", "a.b", '"a\\u0000"', '"A=B"', "-", '"\\n"', "é", "__class__", "x" * 3000, "١"]
    lines[number] = re.sub(r"^[\w.]+", lambda _: rng.choice(odd), lines[number])


def change_letter(lines: list[str], rng: random.Random) -> None:
    number = rng.randrange(len(lines))
    line = lines[number]
    at = rng.randrange(len(line) + 1)
    lines[number] = line[:at] + rng.choice("\0\t\x1b\"'[]{}=.#\\٥５é\u2028😀") + line[at + rng.randrange(2) :]


def delete(lines: list[str], rng: random.Random) -> None:
    del lines[rng.randrange(len(lines))]


def double(lines: list[str], rng: random.Random) -> None:
    number = rng.randrange(len(lines))
    lines.insert(rng.randrange(len(lines)), lines[number])


def swap(lines: list[str], rng: random.Random) -> None:
    one, other = rng.randrange(len(lines)), rng.randrange(len(lines))
    lines[one], lines[other] = lines[other], lines[one]


def insert(lines: list[str], rng: random.Random) -> None:
    lines.insert(rng.randrange(len(lines) + 1), rng.choice(LINES))


MUTATIONS: tuple[Callable[[list[str], random.Random], None], ...] = (
    *[change_value] * 5,
    *[change_word] * 2,
    *[change_key, change_letter, delete, double, swap] * 1,
    *[insert] * 2,
)


def spoilt(text: str, rng: random.Random) -> str:
    lines = text.splitlines()
    for _ in range(rng.choice((1, 1, 1, 2, 3))):
        if lines:
            rng.choice(MUTATIONS)(lines, rng)
    return "\n".join(lines) + "\n"


def outcome(*arguments: str) -> tuple[int, str]:
    """Exit code and standard error of a command, run in this process; anything but an exit is raised."""
    said = io.StringIO()
    before, sys.argv = sys.argv, ["harness", *arguments]
    try:
        with (
            contextlib.redirect_stdout(io.StringIO()),
            contextlib.redirect_stderr(said),
            pytest.raises(SystemExit) as end,
        ):
            main()
    finally:
        sys.argv = before
    return int(end.value.code or 0), said.getvalue()


@pytest.fixture
def projects(tmp_path: Path) -> dict[str, Path]:
    """The small shop, one with more tables, and the repository's own; every file in them is spoilt in turn."""
    found = {name: write_shop(tmp_path / name) for name in ("small", "rich")}
    (found["rich"] / "harness.toml").write_text(RICH, encoding="utf-8")
    found["own"] = tmp_path / "own"
    for name in ("chaos", "synthetic", "load", "target_system"):
        shutil.copytree(ROOT / name, found["own"] / name)
    shutil.copy(ROOT / "harness.toml", found["own"])
    return found


def cases(projects: dict[str, Path], count: int) -> Iterator[tuple[Path, str]]:
    """A file and what it is spoilt to, the same in every run."""
    rng = random.Random(SEED)
    for share, project, name in SHARES:
        text = (projects[project] / name).read_text(encoding="utf-8")
        for _ in range(share * count // 100):
            yield projects[project] / name, spoilt(text, rng)


@contextlib.contextmanager
def written(file: Path, text: str) -> Iterator[Path]:
    """The file so spoilt for a while, and the folder of its project."""
    whole = file.read_bytes()
    file.write_text(text, encoding="utf-8")
    try:
        yield next(folder for folder in file.parents if (folder / "harness.toml").exists())
    finally:
        file.write_bytes(whole)


def test_two_thousand_spoilt_projects_are_read_or_refused_in_one_paragraph(
    projects: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    refused = 0
    for file, text in cases(projects, 2000):
        with written(file, text) as root:
            monkeypatch.chdir(root)
            plan, dry = outcome("plan"), outcome("run", "--dry")

        for code, said in (plan, dry):
            assert code in {0, 2}, (file, text, said)
            assert bool(code) == bool(said), (file, text, said)
            assert said.count("\n") == bool(code), said
            assert len(said) < 5000
            assert not code or re.match(r"harness: [^:]+: ", said), said  # a file, and what is wrong with it
        assert plan[0] <= dry[0]  # what is planned may still not start; what is not planned never does
        refused += bool(plan[0])

    assert refused > 1000
    assert not any((root / ".harness").exists() for root in projects.values())


def test_a_sample_of_them_through_real_processes(projects: dict[str, Path]) -> None:
    for file, text in list(cases(projects, 2000))[::400]:
        with written(file, text) as root:
            done = run_harness("run", "--dry", cwd=root, timeout=60)

        assert done.returncode in {0, 2}
        assert "Traceback" not in done.stderr
