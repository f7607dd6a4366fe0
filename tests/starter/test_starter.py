"""`harness init` and `harness doctor`, as somebody new would use them."""

from __future__ import annotations

import ast
import json
import tomllib
from pathlib import Path

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.starter import Answers, EdgeAnswer, ServiceAnswer, starter_files
from harness.system.config import load_project
from tests.helpers import run_harness

FLAGS = (
    "--name", "my shop",
    "--service", "web=python server.py --title 'a b'",
    "--service", "store=http://127.0.0.1:9999",
    "--ready", "web=/ok",
    "--openapi", "store=/openapi.json",
    "--edge", "web:store=STORE_URL",
)  # fmt: skip


def test_flags_are_enough_and_nothing_is_asked(tmp_path: Path) -> None:
    done = run_harness("init", *FLAGS, cwd=tmp_path)

    system = load_project(tmp_path / "harness.toml").system
    assert done.returncode == 0
    assert system.services["web"].command == ("python", "server.py", "--title", "a b")
    assert system.services["store"].url == "http://127.0.0.1:9999"
    assert system.edge("web:store").env == "STORE_URL"  # type: ignore[union-attr]
    assert system.entry == "web"


def test_the_starter_fits_the_published_schema(tmp_path: Path) -> None:
    run_harness("init", *FLAGS, cwd=tmp_path)
    schema = json.loads(run_harness("schema", cwd=tmp_path).stdout)

    written = tomllib.loads((tmp_path / "harness.toml").read_text())

    jsonschema.Draft202012Validator(schema).validate(written)


def test_the_published_schema_refuses_what_the_reader_refuses(tmp_path: Path) -> None:
    schema = json.loads(run_harness("schema", cwd=tmp_path).stdout)
    validator = jsonschema.Draft202012Validator(schema)
    good = {"system": {"name": "x"}, "services": {"a": {"command": ["x"]}}}

    assert validator.is_valid(good)
    assert not validator.is_valid({**good, "stages": {"lode": {}}})
    assert not validator.is_valid({**good, "stages": {"load": {"rait": "1/s"}}})
    assert not validator.is_valid({**good, "services": {"a": {"comand": ["x"]}}})


def test_a_plan_can_be_made_from_the_starter(tmp_path: Path) -> None:
    run_harness("init", *FLAGS, cwd=tmp_path)

    done = run_harness("plan", cwd=tmp_path)

    assert done.returncode == 0, done.stderr


def test_doctor_says_what_is_missing_and_how_to_get_it(tmp_path: Path) -> None:
    run_harness("init", *FLAGS, cwd=tmp_path)

    done = run_harness("doctor", cwd=tmp_path)

    assert done.returncode == 1
    assert "- consumer tests in contracts/" in done.stdout
    assert "docs/how-to/contracts.md" in done.stdout
    assert "+ a locustfile at load/locustfile.py" in done.stdout


def test_a_system_that_runs_already_is_described_as_one_and_needs_no_experiments(tmp_path: Path) -> None:
    flags = ("--service", "a=http://127.0.0.1:1", "--service", "b=http://127.0.0.1:2", "--edge", "a:b=B_URL")
    run_harness("init", *flags, cwd=tmp_path)

    project = load_project(tmp_path / "harness.toml")
    told = run_harness("doctor", cwd=tmp_path).stdout

    assert project.system.runtime.kind == "external"
    assert not (tmp_path / "chaos").exists()
    assert "chaos      skipped: switched off in harness.toml: proxies can be put only between" in told
    assert "- an edge whose caller can be told another address" in told


def test_pacts_that_the_run_itself_writes_are_not_missed(tmp_path: Path) -> None:
    run_harness("init", *FLAGS, cwd=tmp_path)
    (tmp_path / "contracts" / "test_web.py").write_text("def test_nothing(): ...")

    told = run_harness("doctor", cwd=tmp_path).stdout

    assert "o pacts in contracts/pacts/\n               -> pytest contracts" in told


def test_a_file_that_exists_is_never_overwritten(tmp_path: Path) -> None:
    (tmp_path / "load").mkdir()
    (tmp_path / "load" / "locustfile.py").write_text("mine")
    run_harness("init", *FLAGS, cwd=tmp_path)

    again = run_harness("init", *FLAGS, cwd=tmp_path)
    forced = run_harness("init", *FLAGS, "--force", cwd=tmp_path)

    assert (again.returncode, forced.returncode) == (2, 0)
    assert "exists already" in again.stderr
    assert (tmp_path / "load" / "locustfile.py").read_text() == "mine"


@pytest.mark.parametrize(
    ("flags", "says"),
    [
        ((), "name at least one service"),
        (("--service", "orders"), '--service "orders" cannot be read'),
        (("--service", "a=x", "--edge", "a:b"), 'there is no service "b"'),
        (("--service", "orders=x", "--ready", "oders=/"), 'Did you mean "orders"?'),
        (("--service", "a=x 'y"), "cannot be read: No closing quotation"),
        (("--service", "a=x", "--edge", "a"), '--edge "a" cannot be read'),
    ],
)
def test_a_flag_that_cannot_be_used_is_one_message(tmp_path: Path, flags: tuple[str, ...], says: str) -> None:
    done = run_harness("init", *flags, cwd=tmp_path)

    assert done.returncode == 2
    assert says in done.stderr
    assert not (tmp_path / "harness.toml").exists()


texts = st.text(st.characters(exclude_categories=("Cs", "Cc")), min_size=1, max_size=20)


@given(name=texts, words=st.lists(texts, min_size=1, max_size=3))
def test_any_name_and_command_make_a_starter_that_reads_back(
    tmp_path_factory: pytest.TempPathFactory, name: str, words: list[str]
) -> None:
    services = (ServiceAnswer("a", tuple(words)), ServiceAnswer("b", url="http://127.0.0.1:1"))
    files = starter_files(Answers(name, services, (EdgeAnswer("a", "b", "B_URL"),)))
    file = tmp_path_factory.mktemp("starter") / "harness.toml"
    file.write_text(files["harness.toml"], encoding="utf-8")

    system = load_project(file).system

    assert system.name == name
    assert system.services["a"].command == tuple(words)
    for path, text in files.items():
        if path.endswith(".py"):
            ast.parse(text)
        elif path.endswith(".toml"):
            tomllib.loads(text)
