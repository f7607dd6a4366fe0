"""The inventory, asked over HTTP: nothing is promised twice, every change can be asked for again."""

import itertools
import random
from collections import Counter

import anyio
import httpx
import pytest

from target_system.inventory.app import build


@pytest.fixture
def inventory(serve):
    return serve("inventory", build)


def lines(**quantities: int) -> dict[str, object]:
    return {"lines": [{"record_id": key.replace("_", "-"), "quantity": count} for key, count in quantities.items()]}


def stock(inventory: httpx.Client, record_id: str) -> tuple[int, int, int]:
    shelf = inventory.get(f"/stock/{record_id}").json()
    return shelf["on_hand"], shelf["reserved"], shelf["available"]


def set_up(service: httpx.Client, state: str, **params: object) -> None:
    answer = service.post("/_provider_states", json={"state": state, "params": params, "action": "setup"})
    assert answer.status_code == 200, answer.text


def slug(answer: httpx.Response) -> str:
    return answer.json()["type"].rpartition("/")[2]


def test_a_reservation_takes_from_what_is_available_and_a_commit_from_what_is_there(inventory):
    inventory.put("/stock/rec-9", json={"on_hand": 10})
    made = inventory.put("/reservations/r1", json=lines(rec_9=3))
    assert (made.status_code, made.json()["status"]) == (201, "held")
    assert stock(inventory, "rec-9") == (10, 3, 7)
    assert inventory.post("/reservations/r1/commit").json()["status"] == "committed"
    assert stock(inventory, "rec-9") == (7, 0, 7)


def test_every_step_can_be_repeated_without_effect(inventory):
    inventory.put("/stock/rec-9", json={"on_hand": 10})
    statuses = [inventory.put("/reservations/r1", json=lines(rec_9=3)).status_code for _ in range(3)]
    assert (statuses, stock(inventory, "rec-9")) == ([201, 200, 200], (10, 3, 7))
    statuses = [inventory.post("/reservations/r1/commit").status_code for _ in range(3)]
    assert (statuses, stock(inventory, "rec-9")) == ([200] * 3, (7, 0, 7))
    assert inventory.put("/reservations/r1", json=lines(rec_9=3)).json()["status"] == "committed"
    statuses = [inventory.delete("/reservations/r1").status_code for _ in range(3)]
    assert (statuses, stock(inventory, "rec-9")) == ([204] * 3, (10, 0, 10))


def test_lines_for_one_record_are_added_up_and_their_order_does_not_matter(inventory):
    twice = {"lines": [{"record_id": "rec-2", "quantity": 1}, *lines(rec_1=1)["lines"], *lines(rec_2=4)["lines"]]}  # type: ignore[misc] # a list
    made = inventory.put("/reservations/r1", json=twice).json()
    assert made["lines"] == [{"record_id": "rec-1", "quantity": 1}, {"record_id": "rec-2", "quantity": 5}]
    assert inventory.put("/reservations/r1", json=lines(rec_2=5, rec_1=1)).status_code == 200


def test_the_same_id_for_other_lines_is_refused(inventory):
    inventory.put("/reservations/r1", json=lines(rec_1=1))
    answer = inventory.put("/reservations/r1", json=lines(rec_1=2))
    assert (answer.status_code, slug(answer)) == (409, "reservation-conflict")


def test_all_lines_or_none_are_reserved(inventory):
    before = stock(inventory, "rec-1")
    answer = inventory.put("/reservations/r1", json=lines(rec_1=1, rec_5=1))
    assert (answer.status_code, slug(answer)) == (409, "out-of-stock")
    assert stock(inventory, "rec-1") == before
    assert inventory.get("/reservations/r1").status_code == 404


def test_a_release_that_overtakes_its_reserve_leaves_a_tombstone(inventory):
    assert inventory.delete("/reservations/late").status_code == 204
    answer = inventory.put("/reservations/late", json=lines(rec_1=1))
    assert (answer.status_code, slug(answer)) == (409, "reservation-released")
    answer = inventory.post("/reservations/late/commit")
    assert (answer.status_code, slug(answer)) == (409, "reservation-released")
    assert inventory.get("/reservations/late").status_code == 404


def test_what_was_never_heard_of_is_not_found(inventory):
    assert inventory.get("/stock/rec-none").status_code == 404
    assert inventory.get("/reservations/none").status_code == 404
    assert inventory.post("/reservations/none/commit").status_code == 404


def test_fewer_than_reserved_cannot_be_counted(inventory):
    inventory.put("/stock/rec-9", json={"on_hand": 5})
    inventory.put("/reservations/r1", json=lines(rec_9=4))
    answer = inventory.put("/stock/rec-9", json={"on_hand": 3})
    assert (answer.status_code, slug(answer)) == (409, "below-reserved")


def test_many_at_once_through_two_processes_never_get_more_than_there_is(serve, tmp_path):
    shared = f"sqlite+aiosqlite:///{tmp_path / 'shared.db'}"
    replicas = [serve("inventory", build, DATABASE_URL=shared) for _ in range(2)]
    replicas[0].put("/stock/rec-9", json={"on_hand": 30})
    shuffled = [f"r{number}" for number in range(50)] * 2  # each asked for twice, as retries do
    random.Random(1).shuffle(shuffled)

    async def reserve_all() -> dict[str, list[int]]:
        answers: dict[str, list[int]] = {}

        async def reserve(client: httpx.AsyncClient, url: httpx.URL, name: str) -> None:
            answer = await client.put(url.join(f"/reservations/{name}"), json=lines(rec_9=1))
            answers.setdefault(name, []).append(answer.status_code)

        async with httpx.AsyncClient(trust_env=False, timeout=30) as client, anyio.create_task_group() as group:
            for replica, name in zip(itertools.cycle(replicas), shuffled, strict=False):
                group.start_soon(reserve, client, replica.base_url, name)
        return answers

    answers = anyio.run(reserve_all)
    assert Counter(tuple(sorted(statuses)) for statuses in answers.values()) == {(200, 201): 30, (409, 409): 20}
    assert stock(replicas[1], "rec-9") == (30, 30, 0)


def test_reserve_commit_and_release_in_a_race_leave_the_books_in_order(inventory):
    inventory.put("/stock/rec-9", json={"on_hand": 20})

    async def race() -> None:
        async def life(client: httpx.AsyncClient, name: str) -> None:
            await client.put(f"/reservations/{name}", json=lines(rec_9=2))
            async with anyio.create_task_group() as group:
                group.start_soon(client.post, f"/reservations/{name}/commit")
                group.start_soon(client.delete, f"/reservations/{name}")

        async with (
            httpx.AsyncClient(base_url=inventory.base_url, trust_env=False, timeout=30) as client,
            anyio.create_task_group() as group,
        ):
            for number in range(25):
                group.start_soon(life, client, f"r{number}")

    anyio.run(race)
    assert stock(inventory, "rec-9") == (20, 0, 20)


@pytest.mark.parametrize(
    "body", [{"lines": []}, {"lines": None}, {"lines": [{"record_id": "rec-1", "quantity": 0}]}, []]
)
def test_a_reservation_of_nothing_is_refused(inventory, body):
    assert inventory.put("/reservations/r1", json=body).status_code == 422


def test_provider_states_can_be_set_up_again_and_again(inventory):
    for _ in range(2):
        set_up(inventory, "a record is in stock", id="rec-8", n=4)
        assert stock(inventory, "rec-8") == (4, 0, 4)
        assert inventory.put("/reservations/p1", json=lines(rec_8=4)).status_code == 201
    set_up(inventory, "a record is sold out", id="rec-8")
    assert stock(inventory, "rec-8")[2] == 0
    for status in ("held", "committed"):
        set_up(inventory, "a reservation exists", id="p2", record_id="rec-8", quantity=2, status=status)
        assert inventory.get("/reservations/p2").json()["status"] == status
    set_up(inventory, "a reservation exists", id="p2", status="released")
    assert slug(inventory.get("/reservations/p2")) == "reservation-released"
    set_up(inventory, "a reservation does not exist", id="p2")
    assert inventory.put("/reservations/p2", json=lines(rec_1=1)).status_code == 201
    set_up(inventory, "a record was never counted", id="rec-8")
    assert inventory.get("/stock/rec-8").status_code == 404
