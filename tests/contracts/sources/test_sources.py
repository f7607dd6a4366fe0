"""Contracts from files, folders, globs and URLs, and several sources at once; a source that names nothing is told."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.contracts.sources import Contracts, source_for
from harness.contracts.sources.build import Build, build_of
from harness.errors import ConfigError, InfrastructureError, UsageError
from harness.system.config import load_project
from tests.contracts.shop import http, pact
from tests.contracts.sources.broker import broker
from tests.helpers import write_project

SYSTEM = '[system]\nname = "tiny"\n[services.orders]\nurl = "http://127.0.0.1:1"\n'


def read(
    root: Path,
    contracts: str,
    files: Mapping[str, dict[str, Any]],
    *,
    fresh: bool = False,
    env: dict[str, str] | None = None,
) -> Contracts:
    """What the sources of a project with these files give."""
    made = write_project(root, SYSTEM + "[contracts]\n" + contracts, {n: json.dumps(c) for n, c in files.items()})
    return source_for(made.system, made.root, fresh=root / "fresh" if fresh else None, env=env or {}).contracts()


def edges(found: Contracts) -> list[str]:
    return [p.edge for p in found.pacts]


WEB, APP = pact(http("an order")), pact(http("an order"), consumer="app")


@pytest.mark.parametrize(
    ("sources", "expected"),
    [
        ("", ["web -> orders"]),
        ('sources = ["other"]', ["app -> orders"]),
        ('sources = ["other/app.json"]', ["app -> orders"]),
        ('sources = ["**/*.json"]', ["app -> orders", "web -> orders"]),
        ('sources = ["contracts/pacts", "other", "other/a*.json"]', ["app -> orders", "web -> orders"]),
    ],
)
def test_files_folders_and_globs_are_read_and_nothing_twice(tmp_path: Path, sources: str, expected: list[str]) -> None:
    found = read(tmp_path, sources, {"contracts/pacts/web.json": WEB, "other/app.json": APP})

    assert edges(found) == expected
    assert found.remarks == ()


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("othr", r'no file or folder "othr".* Did you mean "other"\?'),
        ("nowhere/x.json", "no file or folder"),
        ("empty", "holds no"),
        ("none/*.json", "fits no file"),
        ("ftp://x/y.json", "only files, http and https"),
        ("http://[", "no address|cannot be"),
    ],
)
def test_a_source_that_names_nothing_is_told(tmp_path: Path, source: str, message: str) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(UsageError, match=message):
        read(tmp_path, f'sources = ["{source}"]', {"other/app.json": APP})


def test_a_file_that_is_no_pact_does_not_hide_the_others(tmp_path: Path) -> None:
    found = read(tmp_path, 'sources = ["other"]', {"other/app.json": APP, "other/b.json": {"no": "pact"}})

    assert edges(found) == ["app -> orders"]
    assert [u.name for u in found.unreadable] == ["other/b.json"]


def test_sources_that_disagree_are_both_verified_and_told(tmp_path: Path) -> None:
    other = pact(http("another order"))
    found = read(tmp_path, 'sources = ["a.json", "b.json"]', {"a.json": WEB, "b.json": other})

    assert edges(found) == ["web -> orders", "web -> orders"]
    assert found.remarks == ("web -> orders: b.json and a.json hold different contracts; each is verified",)


def test_a_pact_behind_a_url_is_read_with_the_header_of_the_environment(tmp_path: Path) -> None:
    with broker(token="right") as web:
        web.instead["/there.json"] = (200, json.dumps(WEB).encode(), {})
        web.instead["/moved.json"] = (302, b"", {"Location": "/there.json"})
        known = web.publish(APP)
        text = f'sources = ["{web.url}/moved.json", "{web.at(known)}"]\nauthorization_env = "MINE"'
        found = read(tmp_path, text, {}, env={"MINE": "Bearer right"})

    assert edges(found) == ["app -> orders", "web -> orders"]
    assert found.pacts[1].origin == f"{web.url}/moved.json"


def test_half_a_character_behind_a_url_does_not_stand_in_the_way_of_its_pact(tmp_path: Path) -> None:
    with broker() as web:
        web.instead["/half.json"] = (200, json.dumps(pact(http("an order \ud800"))).encode(), {})
        [found] = read(tmp_path, f'sources = ["{web.url}/half.json"]', {}).pacts

    assert found.interactions[0].description == "an order \ufffd"


@pytest.mark.parametrize(
    ("answer", "kind", "message"),
    [
        ((401, b"", {}), UsageError, "contracts.authorization_env"),
        ((404, b"", {}), UsageError, "there is no pact at"),
        ((503, b"", {}), InfrastructureError, "answered 503"),
        ((302, b"", {"Location": "/x.json"}), UsageError, "redirects in circles"),
        ((302, b"", {"Location": "file:///etc/passwd"}), UsageError, "leads elsewhere: no request goes to"),
    ],
)
def test_a_url_that_gives_nothing_is_told(
    tmp_path: Path, answer: tuple[int, bytes, dict[str, str]], kind: type[Exception], message: str
) -> None:
    with broker() as web:
        web.instead["/x.json"] = answer
        with pytest.raises(kind, match=message):
            read(tmp_path, f'sources = ["{web.url}/x.json"]', {})


def test_a_url_that_answers_a_page_is_among_the_unreadable(tmp_path: Path) -> None:
    with broker() as web:
        web.instead["/x.json"] = (200, b"<!doctype html>", {"Content-Type": "text/html"})
        found = read(tmp_path, f'sources = ["{web.url}/x.json?secret=1"]', {})

    assert [(u.name, u.problem) for u in found.unreadable] == [
        (f"{web.url}/x.json", "answered an HTML page instead of JSON")
    ]


def test_a_redirect_to_another_host_is_not_followed_unless_it_is_invited_and_never_carries_the_header(
    tmp_path: Path,
) -> None:
    with broker(token="right") as elsewhere, broker() as web:
        known = elsewhere.publish(APP)
        web.instead["/x.json"] = (307, b"", {"Location": elsewhere.at(known)})
        asked = f'sources = ["{web.url}/x.json"]\nauthorization_env = "MINE"'
        with pytest.raises(UsageError, match=r"leads elsewhere: .* was not invited"):
            read(tmp_path, asked, {}, env={"MINE": "Bearer right"})
        assert elsewhere.seen == []
        allowed = '\n[runtime]\nallow_targets = ["127.0.0.1"]'
        with pytest.raises(UsageError, match="answered 401"):
            read(tmp_path, asked + allowed, {}, env={"MINE": "Bearer right"})


def test_a_variable_that_is_not_set_is_told(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="the environment variable MINE is not set"):
        read(tmp_path, 'sources = ["http://127.0.0.1:1/x.json"]\nauthorization_env = "MINE"', {})


def test_a_contract_of_file_and_broker_is_verified_once_and_not_pending(tmp_path: Path) -> None:
    with broker() as fake:
        fake.publish(WEB)
        fake.publish(APP)
        env = {"PACT_BROKER_BASE_URL": fake.url, "PACT_PROVIDER_BRANCH": "main"}
        found = read(tmp_path, "", {"contracts/pacts/web.json": WEB}, env=env)

    both, pending = found.pacts
    assert (both.consumer, both.pending, pending.consumer, pending.pending) == ("web", False, "app", True)
    assert not any(i.pending for i in both.interactions)
    assert "pb:publish-verification-results" in both.links


def test_contracts_of_this_run_replace_those_of_all_sources(tmp_path: Path) -> None:
    with broker() as fake:
        fake.publish(pact(http("something older")))
        fake.publish(APP)
        env = {"PACT_BROKER_BASE_URL": fake.url}
        found = read(tmp_path, "", {"fresh/web.json": WEB}, fresh=True, env=env)

    assert [(p.edge, p.interactions[0].description) for p in found.pacts] == [
        ("app -> orders", "an order"),
        ("web -> orders", "an order"),
    ]
    assert any("the contract of this run replaces" in r for r in found.remarks)


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ('source = ["x"]', 'unknown key "source". Did you mean "sources"'),
        ('sources = "x"', "must be a list"),
        ('sources = [""]', "one of the sources is empty"),
        ("[contracts.broker]\nselectors = [{ mainBranc = true }]", 'Did you mean "mainBranch"'),
        ("[contracts.broker]\nselectors = [{}]", "selects nothing"),
        ('[contracts.broker]\nurl = "broker"', "must start with http"),
        ('[contracts.broker]\nwip_since = "last week"', "must be a day"),
    ],
)
def test_mistakes_in_the_table_are_told(tmp_path: Path, table: str, message: str) -> None:
    (tmp_path / "harness.toml").write_text(f"{SYSTEM}[contracts]\n{table}\n")
    with pytest.raises(ConfigError, match=message.replace("?", r"\?")):
        load_project(tmp_path / "harness.toml")


@pytest.mark.parametrize(
    ("env", "expected"),
    [
        ({"PACT_PROVIDER_VERSION": "1", "PACT_PROVIDER_BRANCH": "b"}, Build("1", "b", "")),
        ({"CI_COMMIT_SHA": "c", "CI_COMMIT_REF_NAME": "x", "CI_JOB_URL": "u"}, Build("c", "x", "u")),
        (
            {
                "GITHUB_SHA": "c",
                "GITHUB_HEAD_REF": "",
                "GITHUB_REF_NAME": "main",
                "GITHUB_SERVER_URL": "https://g",
                "GITHUB_REPOSITORY": "o/r",
                "GITHUB_RUN_ID": "7",
            },
            Build("c", "main", "https://g/o/r/actions/runs/7"),
        ),
        ({}, Build("", "", "")),
    ],
)
def test_version_branch_and_build_come_from_the_environment(
    tmp_path: Path, env: dict[str, str], expected: Build
) -> None:
    assert build_of(tmp_path, env) == expected


@given(st.lists(st.sampled_from(["a", "b", "c"]), min_size=1, max_size=6))
def test_however_often_a_contract_is_there_it_is_verified_once(descriptions: list[str]) -> None:
    from harness.contracts.pacts import pact_from_json
    from harness.contracts.sources.combined import CombinedSource

    class Fixed:
        name = "fixed"

        def __init__(self, description: str) -> None:
            self.description = description

        def contracts(self) -> Contracts:
            return Contracts((pact_from_json(pact(http(self.description))),))

    found = CombinedSource([Fixed(d) for d in descriptions]).contracts()

    assert sorted(p.interactions[0].description for p in found.pacts) == sorted(set(descriptions))
