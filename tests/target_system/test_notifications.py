"""Notifications, fed with events over HTTP: each told once, in whatever order, and nothing lost that cannot be read."""

import itertools
import json

import anyio
import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from target_system.notifications.app import build
from target_system.notifications.events import Kind, NotACloudEvent, PoisonMessage, notice_of, read_event

ORDER = {"order_id": "ord-1", "customer": "alice", "total": 2499, "currency": "EUR"}
REFUND = {"charge_id": "ch-1", "order_id": "ord-1", "amount": 2499, "currency": "EUR"}
JSON = {"content-type": "application/cloudevents+json"}


@pytest.fixture
def notifications(serve):
    return serve("notifications", build)


def event(kind: str = "shop.order.confirmed", data: object = ORDER, **attributes: object) -> dict[str, object]:
    base = {"specversion": "1.0", "id": f"e-{kind}", "source": "/orders", "type": kind, "data": data}
    return base | attributes


def send(service: httpx.Client, *events: dict[str, object]) -> None:
    for each in events:
        answer = service.post("/events", content=json.dumps(each), headers=JSON)
        assert answer.status_code == 202, answer.text


def kinds(service: httpx.Client, order_id: str = "ord-1") -> list[str]:
    return [message["kind"] for message in service.get("/messages", params={"order_id": order_id}).json()["items"]]


def test_an_event_becomes_a_message_to_the_customer(notifications):
    send(notifications, event())
    (message,) = notifications.get("/messages", params={"order_id": "ord-1"}).json()["items"]
    assert (message["customer"], message["kind"]) == ("alice", "confirmed")
    assert "ord-1" in message["text"]
    assert message["created_at"].endswith("Z")
    assert notifications.get("/messages", params={"order_id": "ord-2"}).json() == {"items": []}


def test_an_event_that_comes_again_is_told_once(notifications):
    send(notifications, event(), event(), event(time="2026-01-01T00:00:00Z"))
    assert kinds(notifications) == ["confirmed"]


def test_the_same_id_from_another_source_is_another_event(notifications):
    send(
        notifications, event(), event("shop.payment.refunded", REFUND, id="e-shop.order.confirmed", source="/payments")
    )
    assert kinds(notifications) == ["confirmed", "refunded"]


def test_the_same_event_many_times_at_once_is_told_once(notifications):
    async def send_at_once() -> list[int]:
        statuses: list[int] = []

        async def send_one(client: httpx.AsyncClient) -> None:
            statuses.append((await client.post("/events", content=json.dumps(event()), headers=JSON)).status_code)

        async with (
            httpx.AsyncClient(base_url=notifications.base_url, trust_env=False) as client,
            anyio.create_task_group() as group,
        ):
            for _ in range(20):
                group.start_soon(send_one, client)
        return statuses

    assert anyio.run(send_at_once) == [202] * 20
    assert kinds(notifications) == ["confirmed"]


@pytest.mark.parametrize("order", [*itertools.permutations(["order.confirmed", "order.cancelled", "payment.refunded"])])
def test_the_last_message_about_a_cancelled_order_never_confirms_it(notifications, order):
    for kind in order:
        send(notifications, event(f"shop.{kind}", REFUND if "refunded" in kind else ORDER))
    told = kinds(notifications)
    assert told[-1] != "confirmed"
    assert {"cancelled", "refunded"} <= set(told)


def test_a_rejection_says_why(notifications):
    send(notifications, event("shop.order.rejected", ORDER | {"reason": "card-declined"}))
    (message,) = notifications.get("/messages").json()["items"]
    assert "card was declined" in message["text"]


def test_unknown_fields_and_unknown_types_are_let_pass(notifications):
    send(notifications, event(data=ORDER | {"gift": {"wrap": True}}, extension="x", datacontenttype="application/json"))
    send(notifications, event("shop.order.framed", {"anything": [1, None]}), event("other.type", None, id="2"))
    assert kinds(notifications) == ["confirmed"]
    assert notifications.get("/dead-letters").json() == {"items": []}


@pytest.mark.parametrize(
    "data", [None, [], "ord-1", {"order_id": 7, "customer": "alice"}, {"order_id": "a\x00", "customer": "b"}]
)
def test_a_poison_message_is_accepted_and_put_to_the_dead_letters_once(notifications, data):
    poison = event(data=data, note="kept")
    send(notifications, poison, poison)
    (letter,) = notifications.get("/dead-letters").json()["items"]
    assert letter["event"] == poison
    assert letter["reason"].startswith("shop.order.confirmed: ")
    send(notifications, event(id="after"))
    assert kinds(notifications) == ["confirmed"]


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 422),
        (b"{", 400),
        (b"[" * 20_000, 400),
        (b"[]", 422),
        (b"{}", 422),
        (json.dumps(event(specversion="0.3")).encode(), 422),
        (json.dumps(event(id="")).encode(), 422),
        (json.dumps(event(source=None)).encode(), 422),
        (json.dumps(event(id="a" * 513)).encode(), 422),
    ],
)
def test_what_is_no_cloudevent_is_refused(notifications, body, status):
    assert notifications.post("/events", content=body, headers=JSON).status_code == status


def test_another_media_type_is_refused(notifications):
    assert notifications.post("/events", json=event()).status_code == 415


@pytest.mark.parametrize(
    "data",
    [r'"\ud800"', r'{"\ud800": 1}', "1e999", "1" * 5000, "[" * 500 + "]" * 500, r'{"order_id": "\u0000"}'],
    ids=["lone surrogate", "surrogate name", "infinite", "long number", "deep", "nul"],
)
def test_odd_json_inside_an_event_breaks_nothing(notifications, data):
    body = json.dumps(event(data="DATA")).replace('"DATA"', data)
    assert notifications.post("/events", content=body, headers=JSON).status_code in {202, 400, 422}
    letters = notifications.get("/dead-letters")
    assert letters.status_code == 200
    assert notifications.post("/events", content=json.dumps(event(id="after")), headers=JSON).status_code == 202


def test_the_documents_say_what_is_received(notifications):
    document = notifications.get("/asyncapi.json").json()
    assert document["asyncapi"] == "3.0.0"
    assert {operation["action"] for operation in document["operations"].values()} == {"receive"}
    assert set(document["channels"]) == {
        "shop.order.confirmed",
        "shop.order.rejected",
        "shop.order.cancelled",
        "shop.payment.refunded",
    }
    posted = notifications.get("/openapi.json").json()["paths"]["/events"]["post"]["requestBody"]
    assert list(posted["content"]) == ["application/cloudevents+json"]


def test_synthetic_messages_are_kept_out_of_the_figures(notifications):
    def figure() -> float:
        lines = notifications.get("/metrics").text.splitlines()
        return sum(
            float(line.split()[-1]) for line in lines if line.startswith('notifications_sent_total{kind="rejected"')
        )

    before = figure()
    body = json.dumps(event("shop.order.rejected"))
    notifications.post("/events", content=body, headers=JSON | {"baggage": "synthetic=true"})
    assert (figure(), kinds(notifications)) == (before, ["rejected"])
    send(notifications, event("shop.order.rejected", id="real"))
    assert figure() == before + 1


def test_provider_states_can_be_set_up_again_and_again(notifications):
    def set_up(state: str, **params: object) -> None:
        body = {"state": state, "params": params, "action": "setup"}
        assert notifications.post("/_provider_states", json=body).status_code == 200

    for _ in range(2):
        set_up("the confirmation of an order was sent", id="ord-7", customer="bob")
        assert kinds(notifications, "ord-7") == ["confirmed"]
    set_up("nothing was said about an order", id="ord-7")
    assert kinds(notifications, "ord-7") == []
    send(notifications, event(data=None))
    set_up("there are no dead letters")
    assert notifications.get("/dead-letters").json() == {"items": []}


def test_reading_an_event_needs_no_server():
    notice = notice_of(read_event(json.dumps(event("shop.payment.refunded", REFUND))))
    assert notice is not None
    assert (notice.kind, notice.order_id, notice.customer) == (Kind.REFUNDED, "ord-1", None)
    with pytest.raises(PoisonMessage, match="amount"):
        notice_of(read_event(json.dumps(event("shop.payment.refunded", REFUND | {"amount": -1}))))
    with pytest.raises(NotACloudEvent, match="specversion"):
        read_event(b"{}")


_JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@given(data=_JSON | st.fixed_dictionaries({"order_id": st.text(), "customer": st.text()}))
def test_whatever_an_event_carries_it_is_a_notice_or_poison(data):
    try:
        notice = notice_of(read_event(json.dumps(event(data=data))))
    except (PoisonMessage, NotACloudEvent):
        return
    assert notice is not None
    assert notice.order_id == data["order_id"]
