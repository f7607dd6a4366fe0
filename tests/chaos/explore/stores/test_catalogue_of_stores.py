"""What stores are tried with, what services are tried with, and in which order."""

from __future__ import annotations

from dataclasses import replace

from harness.chaos.explore.catalogue import FAILURES
from harness.chaos.explore.stores.catalogue import AWAY, EVERY_FAILURE, fits, fitting, injections
from harness.system.model import EdgeKind
from tests.chaos.explore.scenes import edge

FILE = replace(edge(between="shop:db"), kind=EdgeKind.RESOURCE, url="sqlite:///{data}/shop.db")
SERVER = replace(FILE, url="postgres://localhost/shop")


def test_between_services_nothing_is_away_and_all_else_is_tried() -> None:
    assert [f.name for f in EVERY_FAILURE.values() if fits(edge(), f)] == [
        f.name for f in FAILURES.values() if f.fits(edge())
    ]


def test_a_file_can_be_away_and_a_server_can_hang_as_well() -> None:
    assert [f.name for f in EVERY_FAILURE.values() if fits(FILE, f)] == ["away"]
    assert [f.name for f in EVERY_FAILURE.values() if fits(SERVER, f)] == ["hang", "away"]


def test_stores_come_first() -> None:
    found = fitting((edge(), FILE), (FAILURES["slow"], AWAY))

    assert found == [(FILE, AWAY), (edge(), FAILURES["slow"])]


def test_what_is_asked_of_a_store_that_hangs_does_not_come_to_it() -> None:
    [silent] = injections(SERVER, FAILURES["hang"])
    [away] = injections(SERVER, AWAY)

    assert (silent.type, silent.stream) == ("timeout", "upstream")
    assert away.type == "refused"
