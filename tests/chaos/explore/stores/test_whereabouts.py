"""Where a store is can be read from what a service is told, and what it is told otherwise stays as it is."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.chaos.explore.stores.whereabouts import StoreFile, StoreServer, store_edges, whereabouts, why_not
from harness.system.model import Edge, EdgeKind, Resource, RuntimeSettings, Service, System

EDGE = Edge("shop", "db", "DB_URL", EdgeKind.RESOURCE, "postgres://localhost/shop")
SYSTEM = System("s", {"shop": Service("shop", command=("run",))}, (EDGE,), {"db": Resource("db", "postgres")})


def told(url: str, system: System = SYSTEM) -> str:
    return why_not(system, replace(EDGE, url=url))


@pytest.mark.parametrize(
    ("url", "address", "elsewhere"),
    [
        ("postgresql+asyncpg://u:p@127.0.0.1:6000/shop?a=b", "127.0.0.1:6000", "postgresql+asyncpg://u:p@X:1/shop?a=b"),
        ("postgres://localhost/shop", "localhost:5432", "postgres://X:1/shop"),
        ("amqp://guest:gu@est@localhost/%2f", "localhost:5672", "amqp://guest:gu@est@X:1/%2f"),
        ("redis://:secret@localhost:6380/0", "localhost:6380", "redis://:secret@X:1/0"),
        ("mysql://root@[::1]:3307", "[::1]:3307", "mysql://root@X:1"),
        ("jdbc:postgresql://localhost:5432/shop", "localhost:5432", "jdbc:postgresql://X:1/shop"),
        ("localhost:6379", "localhost:6379", "X:1"),
        ("sqlserver://localhost:1433;database=shop", "localhost:1433", "sqlserver://X:1;database=shop"),
    ],
)
def test_a_server_is_found_and_only_its_address_changes(url: str, address: str, elsewhere: str) -> None:
    found = whereabouts(url)

    assert isinstance(found, StoreServer)
    assert (found.address, found.at("X:1"), found.at(found.address).count(address)) == (address, elsewhere, 1)


@pytest.mark.parametrize(
    ("url", "inside", "elsewhere"),
    [
        ("sqlite+aiosqlite:///{data}/a.db", "/a.db", "sqlite+aiosqlite:////no/a.db"),
        ("sqlite:///{data}/deep/a.db?mode=rw", "/deep/a.db", "sqlite:////no/deep/a.db?mode=rw"),
        ("jdbc:sqlite:{data}/a.db", "/a.db", "jdbc:sqlite:/no/a.db"),
        ("jdbc:h2:file:{data}/a;MODE=Oracle", "/a", "jdbc:h2:file:/no/a;MODE=Oracle"),
        ("{data}/a.db", "/a.db", "/no/a.db"),
    ],
)
def test_a_file_of_the_run_is_found_and_only_its_folder_changes(url: str, inside: str, elsewhere: str) -> None:
    found = whereabouts(url)

    assert isinstance(found, StoreFile)
    assert (found.inside, found.below("/no")) == (inside, elsewhere)


@pytest.mark.parametrize(
    "url",
    [
        "memory://",
        "sqlite:///:memory:",
        "sqlite:////var/lib/shop.db",
        "mongodb://one:27017,two:27017/shop",
        "unknown://localhost/shop",
        "localhost",
        "postgres://localhost:99999/shop",
        "{services.other.url}/db",
        "{data}",
        "host=localhost port=5432",
    ],
)
def test_what_cannot_be_read_is_not_guessed(url: str) -> None:
    assert whereabouts(url) is None
    assert told(url) == "its url is neither host:port nor a file below {data}"


@given(st.text())
def test_whatever_a_service_is_told_is_read_or_not_and_never_a_mistake(url: str) -> None:
    found = whereabouts(url)

    if isinstance(found, StoreServer):
        assert found.at(found.address).startswith(found.before)


def test_a_service_that_says_nothing_has_a_file_of_its_own() -> None:
    assert whereabouts(replace(EDGE, url="").template) == StoreFile("/shop.db", "sqlite:///", "")


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("postgres://db.example/shop", "db.example is not on loopback, and runtime.allow_targets does not name it"),
        ("rediss://localhost:6379", "its certificate is checked, and a proxy has another name"),
        ("postgres://localhost/shop?sslmode=verify-full", "its certificate is checked, and a proxy has another name"),
    ],
)
def test_a_server_no_proxy_may_or_can_stand_before_is_left_alone(url: str, why: str) -> None:
    assert told(url) == why


def test_a_server_that_is_allowed_by_name_is_tried() -> None:
    allows = replace(SYSTEM, runtime=RuntimeSettings(allow_targets=("db.example",)))

    assert told("postgres://db.example/shop", allows) == ""


def test_only_what_the_harness_starts_and_tells_can_lose_its_store() -> None:
    runs = replace(SYSTEM, services={"shop": Service("shop", url="http://localhost:1")})

    assert why_not(runs, EDGE) == "shop is not started by the harness"
    assert why_not(SYSTEM, replace(EDGE, env="")).startswith("no variable tells shop where db is")
    assert store_edges(SYSTEM) == (EDGE,)
    assert store_edges(runs) == ()
