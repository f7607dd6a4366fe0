"""The catalog, asked over HTTP."""

import anyio
import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from target_system.catalog.app import build
from target_system.catalog.models import position_of, write_cursor
from target_system.catalog.records import Records, metadata
from target_system.kit.store import Store

RECORD = {"title": "Maiden Voyage", "artist": "Herbie Hancock", "price": 2199, "currency": "EUR", "format": "lp"}


@pytest.fixture
def catalog(serve):
    return serve("catalog", build)


def set_up(service: httpx.Client, state: str, **params: object) -> None:
    answer = service.post("/_provider_states", json={"state": state, "params": params, "action": "setup"})
    assert answer.status_code == 200, answer.text


def test_starts_with_five_records_and_pages_lead_through_all_of_them(catalog):
    ids, cursor = [], None
    while True:
        page = catalog.get("/records", params={"limit": 2} | ({"cursor": cursor} if cursor else {})).json()
        ids += [record["id"] for record in page["items"]]
        if (cursor := page["next_cursor"]) is None:
            break
    assert ids == ["rec-1", "rec-2", "rec-3", "rec-4", "rec-5"]


@pytest.mark.parametrize("cursor", ["", "2", "c9999999999999999", "c0000000000000000 ", "☃"])
def test_a_cursor_that_is_none_is_refused(catalog, cursor):
    answer = catalog.get("/records", params={"cursor": cursor})
    assert answer.status_code == 400
    assert answer.json()["type"].endswith("/bad-cursor")


@given(st.integers(min_value=0, max_value=2**63 - 1))
def test_a_cursor_leads_back_to_its_position(position):
    assert position_of(write_cursor(position)) == position


def test_a_new_record_is_at_the_place_its_answer_names(catalog):
    created = catalog.post("/records", json=RECORD)
    assert created.status_code == 201
    found = catalog.get(created.headers["location"])
    assert found.json() == created.json() == RECORD | {"id": created.json()["id"], "version": 1}
    assert found.headers["etag"] == created.headers["etag"] == '"1"'
    assert found.headers["cache-control"].startswith("max-age=")


def test_a_known_version_is_not_sent_again(catalog):
    assert catalog.get("/records/rec-1", headers={"If-None-Match": '"0", W/"1"'}).status_code == 304
    assert catalog.get("/records/rec-1", headers={"If-None-Match": "*"}).status_code == 304
    assert catalog.get("/records/rec-1", headers={"If-None-Match": '"2"'}).status_code == 200
    assert catalog.get("/records/rec-none", headers={"If-None-Match": "*"}).status_code == 404


def test_a_change_needs_the_version_it_changes(catalog):
    assert catalog.put("/records/rec-1", json=RECORD).status_code == 428
    assert catalog.put("/records/rec-1", json=RECORD, headers={"If-Match": '"7"'}).status_code == 412
    assert catalog.put("/records/rec-1", json=RECORD, headers={"If-Match": 'W/"1"'}).status_code == 412
    assert catalog.put("/records/rec-none", json=RECORD, headers={"If-Match": "*"}).status_code == 404
    changed = catalog.put("/records/rec-1", json=RECORD, headers={"If-Match": '"1"'})
    assert (changed.status_code, changed.headers["etag"], changed.json()["version"]) == (200, '"2"', 2)
    assert catalog.put("/records/rec-1", json=RECORD, headers={"If-Match": '"1"'}).status_code == 412


def test_of_many_changes_to_one_version_exactly_one_is_made(catalog):
    async def change_at_once() -> list[int]:
        statuses: list[int] = []

        async def change(client: httpx.AsyncClient, price: int) -> None:
            answer = await client.put("/records/rec-2", json=RECORD | {"price": price}, headers={"If-Match": '"1"'})
            statuses.append(answer.status_code)

        async with (
            httpx.AsyncClient(base_url=catalog.base_url, trust_env=False) as client,
            anyio.create_task_group() as g,
        ):
            for price in range(1, 21):
                g.start_soon(change, client, price)
        return statuses

    assert sorted(anyio.run(change_at_once)) == [200] + [412] * 19


def test_a_change_is_seen_at_once_though_reads_are_cached(catalog):
    catalog.get("/records/rec-3")
    catalog.get("/records")
    catalog.put("/records/rec-3", json=RECORD, headers={"If-Match": "*"})
    assert catalog.get("/records/rec-3").json()["title"] == RECORD["title"]
    assert catalog.get("/records").json()["items"][2]["title"] == RECORD["title"]


def test_the_cache_answers_until_its_time_is_up(tmp_path):
    async def check() -> None:
        now = 0.0
        async with Store(f"sqlite+aiosqlite:///{tmp_path / 'catalog.db'}", metadata) as store:
            cached, other_process = Records(store, ttl=5, clock=lambda: now), Records(store, ttl=0)
            await cached.seed()
            before = await cached.find("rec-1")
            assert before is not None
            await other_process.put(before.model_copy(update={"price": 1}))
            now = 4.9
            assert await cached.find("rec-1") == before
            now = 5.0
            after = await cached.find("rec-1")
            assert after is not None
            assert after.price == 1

    anyio.run(check)


@pytest.mark.parametrize(
    "broken",
    [
        {"price": 0},
        {"price": "2199"},
        {"price": True},
        {"currency": "eur"},
        {"format": "tape"},
        {"title": ""},
        {"title": "a\x00b"},
        {"title": "a" * 201},
        {"shelf": 3},
    ],
)
def test_a_record_that_makes_no_sense_is_refused(catalog, broken):
    answer = catalog.post("/records", json=RECORD | broken)
    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"


def test_provider_states_make_and_unmake_records(catalog):
    set_up(catalog, "a record exists", id="rec-77", price=150, title="Köln Concert")
    assert catalog.get("/records/rec-77").json()["price"] == 150
    set_up(catalog, "a record does not exist", id="rec-77")
    assert catalog.get("/records/rec-77").status_code == 404
    set_up(catalog, "there are records", n=3)
    assert len(catalog.get("/records").json()["items"]) == 3
    unknown = catalog.post("/_provider_states", json={"state": "it rains", "params": {}, "action": "setup"})
    assert unknown.status_code == 400
