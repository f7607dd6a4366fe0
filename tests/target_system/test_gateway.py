"""The gateway between a real catalog, a real inventory and a stand-in for orders."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field

import anyio
import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from target_system import tokens
from target_system.catalog.app import build as build_catalog
from target_system.gateway.app import build
from target_system.inventory.app import build as build_inventory

NOWHERE = "http://127.0.0.1:1"
WANTED = {"lines": [{"record_id": "rec-1", "quantity": 1}], "card_token": "tok_visa"}
ORDER = {
    "id": "order-1",
    "customer": "alice",
    "status": "confirmed",
    "reason": None,
    "lines": [
        {"record_id": "rec-1", "quantity": 1, "unit_price": 2499},
        {"record_id": "rec-gone", "quantity": 2, "unit_price": 100},
    ],
    "total": 2699,
    "currency": "EUR",
    "charge_id": "charge-secret",
    "created_at": "2026-01-01T12:00:00Z",
}


@dataclass
class Orders:
    """Answers as a test tells it, and remembers what it was asked."""

    answer: Callable[[Request], Response] = lambda request: JSONResponse(
        ORDER, 201 if request.url.path == "/orders" else 200
    )
    asked: list[Request] = field(default_factory=list)

    def build(self, _settings: object) -> Starlette:
        async def handle(request: Request) -> Response:
            self.asked.append(request)
            return self.answer(request)

        return Starlette(routes=[Route("/{rest:path}", handle, methods=["GET", "POST"])])


@pytest.fixture
def orders():
    return Orders()


@pytest.fixture
def shop(serve, orders):
    """Return a function that starts the gateway with its neighbours; further variables may replace any of them."""

    def start(**environment: str) -> httpx.Client:
        neighbours = {
            "CATALOG_URL": lambda: serve("catalog", build_catalog),
            "INVENTORY_URL": lambda: serve("inventory", build_inventory),
            "ORDERS_URL": lambda: serve("orders", orders.build),
        }
        urls = {name: str(up().base_url) for name, up in neighbours.items() if name not in environment}
        return serve("gateway", build, **urls, **environment)

    return start


def bearer(subject: str = "alice", scope: str = "orders:read orders:write", **more: float) -> dict[str, str]:
    return {"Authorization": f"Bearer {tokens.mint(subject, scope, **more)}"}


def place(gateway: httpx.Client, **headers: str) -> httpx.Response:
    return gateway.post("/orders", json=WANTED, headers={**bearer(), "Idempotency-Key": "key-0001", **headers})


def slug(answer: httpx.Response) -> str:
    assert answer.headers["content-type"] == "application/problem+json"
    return answer.json()["type"].rpartition("/")[2]


def test_a_record_shows_whether_it_can_be_had(shop):
    gateway = shop()
    found = gateway.get("/records/rec-1").json()
    assert (found["title"], found["availability"], found["degraded"]) == ("Blue Train", "in_stock", [])
    assert gateway.get("/records/rec-5").json()["availability"] == "sold_out"
    missing = gateway.get("/records/rec-none")
    assert (missing.status_code, slug(missing)) == (404, "record-not-found")


def test_without_inventory_a_record_is_shown_with_unknown_availability(shop):
    found = shop(INVENTORY_URL=NOWHERE).get("/records/rec-1")
    assert found.status_code == 200
    assert (found.json()["availability"], found.json()["degraded"]) == ("unknown", ["inventory"])


def test_records_come_in_pages_and_a_bad_cursor_is_refused(shop):
    gateway = shop()
    first = gateway.get("/records", params={"limit": 3}).json()
    rest = gateway.get("/records", params={"limit": 3, "cursor": first["next_cursor"]}).json()
    assert [record["id"] for record in first["items"] + rest["items"]] == [f"rec-{n}" for n in range(1, 6)]
    assert "version" not in first["items"][0]
    bad = gateway.get("/records", params={"cursor": "no"})
    assert (bad.status_code, slug(bad)) == (400, "bad-cursor")


def test_without_catalog_there_are_no_records_to_show(shop):
    gateway = shop(CATALOG_URL=NOWHERE)
    for path in ("/records", "/records/rec-1"):
        answer = gateway.get(path)
        assert (answer.status_code, slug(answer)) == (503, "catalog-unavailable")
        assert int(answer.headers["retry-after"]) >= 1


def test_an_order_is_placed_for_the_subject_of_the_token(shop, orders):
    gateway = shop()
    placed = place(gateway, baggage="synthetic=true", traceparent=f"00-{'a' * 32}-{'b' * 16}-01")
    assert (placed.status_code, placed.headers["location"]) == (201, "/orders/order-1")
    assert "charge_id" not in placed.json()
    (asked,) = orders.asked
    assert (asked.headers["x-customer"], asked.headers["idempotency-key"]) == ("alice", "key-0001")
    assert asked.headers["baggage"] == "synthetic=true"
    assert asked.headers["traceparent"].split("-")[1] == "a" * 32
    assert placed.headers["traceparent"].split("-")[1] == "a" * 32


def test_an_order_page_has_titles_and_none_for_a_record_that_is_gone(shop):
    page = shop().get("/orders/order-1", headers=bearer()).json()
    assert [line["title"] for line in page["lines"]] == ["Blue Train", None]
    assert page["degraded"] == []


def test_without_catalog_the_order_page_comes_without_titles(shop):
    page = shop(CATALOG_URL=NOWHERE).get("/orders/order-1", headers=bearer())
    assert page.status_code == 200
    assert [line["title"] for line in page.json()["lines"]] == [None, None]
    assert page.json()["degraded"] == ["catalog"]


def test_somebody_elses_order_is_not_there(shop, orders):
    gateway = shop()
    for method, path in (("GET", "/orders/order-1"), ("POST", "/orders/order-1/cancel")):
        answer = gateway.request(method, path, headers=bearer("mallory"))
        assert (answer.status_code, slug(answer)) == (404, "order-not-found")
    assert not [asked for asked in orders.asked if asked.method == "POST"]
    assert gateway.post("/orders/order-1/cancel", headers=bearer()).status_code == 200


def test_without_a_good_token_nothing_is_asked_of_orders(shop, orders):
    gateway = shop()
    for headers in (
        {},
        {"Authorization": "Basic YTpi"},
        {"Authorization": "Bearer"},
        {"Authorization": "Bearer a.b.c"},
        bearer(ttl=-5),
    ):
        answer = gateway.get("/orders/order-1", headers=headers)
        assert (answer.status_code, slug(answer)) == (401, "unauthenticated")
        assert answer.headers["www-authenticate"].startswith("Bearer realm=")
    assert orders.asked == []


def test_a_token_without_the_scope_is_forbidden(shop, orders):
    gateway = shop()
    answer = place(gateway, **bearer(scope="orders:read"))
    assert (answer.status_code, slug(answer)) == (403, "insufficient-scope")
    assert 'scope="orders:write"' in answer.headers["www-authenticate"]
    assert gateway.get("/orders/order-1", headers=bearer(scope="orders:write")).status_code == 403
    assert orders.asked == []


def test_without_a_key_set_protected_routes_wait_and_public_ones_work(shop, tmp_path):
    gateway = shop(JWKS_URL=(tmp_path / "none.json").as_uri())
    answer = gateway.get("/orders/order-1", headers=bearer())
    assert (answer.status_code, slug(answer)) == (503, "keys-unavailable")
    assert gateway.get("/records", headers=bearer()).status_code == 200


def test_keys_are_read_over_http(shop, serve):
    def build_keys(_settings: object) -> Starlette:
        async def document(_request: Request) -> Response:
            return JSONResponse(tokens.jwks())

        return Starlette(routes=[Route("/jwks", document)])

    gateway = shop(JWKS_URL=str(serve("keys", build_keys).base_url) + "/jwks")
    assert gateway.get("/orders/order-1", headers=bearer()).status_code == 200


def test_who_calls_too_often_waits_and_others_do_not(shop):
    gateway = shop(RATE_LIMIT="1", RATE_LIMIT_BURST="3")
    alice, bob = bearer("alice"), bearer("bob")
    statuses = [gateway.get("/records/rec-1", headers=alice).status_code for _ in range(4)]
    assert statuses == [200, 200, 200, 429]
    refused = gateway.get("/records/rec-1", headers=alice)
    assert (slug(refused), refused.headers["retry-after"]) == ("rate-limited", "1")
    assert "traceparent" in refused.headers
    assert gateway.get("/records/rec-1", headers=bob).status_code == 200
    assert [gateway.get("/records/rec-1").status_code for _ in range(4)] == [200, 200, 200, 429]
    forged = {"Authorization": "Bearer a.b.c"}  # made-up tokens do not open new buckets
    assert gateway.get("/records/rec-1", headers=forged).status_code == 429
    assert gateway.get("/health/ready").status_code == 200


@pytest.mark.parametrize(
    ("status", "name", "expected"),
    [
        (402, "card-declined", (402, "card-declined")),
        (409, "out-of-stock", (409, "out-of-stock")),
        (409, "record-not-found", (409, "record-not-found")),
        (409, "idempotency-key-reused", (409, "idempotency-key-reused")),
        (409, "something-new", (409, "order-refused")),
        (422, "invalid-request", (502, "bad-gateway")),
        (500, "internal-error", (502, "bad-gateway")),
        (503, "overloaded", (503, "orders-unavailable")),
    ],
)
def test_problems_of_orders_are_passed_on_in_our_own_words(shop, orders, status, name, expected):
    secret = {"type": f"https://record-shop.example/problems/{name}", "detail": "SELECT secret FROM internals"}
    orders.answer = lambda _request: JSONResponse(secret, status, media_type="application/problem+json")
    answer = place(shop())
    assert (answer.status_code, slug(answer)) == expected
    assert "secret" not in answer.text
    assert len(orders.asked) == 1


@pytest.mark.parametrize("body", [b"", b"<html>", b"{}", b"[" * 20_000, b'{"id": 1}'])
@pytest.mark.parametrize("status", [201, 400])
def test_an_answer_of_orders_that_makes_no_sense_is_a_bad_gateway(shop, orders, body, status):
    orders.answer = lambda _request: Response(body, status)
    answer = place(shop())
    assert (answer.status_code, slug(answer)) == (502, "bad-gateway")


def test_without_orders_the_customer_is_asked_to_come_back(shop):
    gateway = shop(ORDERS_URL=NOWHERE)
    for answer in (place(gateway), gateway.get("/orders/order-1", headers=bearer())):
        assert (answer.status_code, slug(answer)) == (503, "orders-unavailable")
        assert int(answer.headers["retry-after"]) >= 1


def test_slow_neighbours_cost_no_more_than_their_budget(shop, orders, serve):
    def build_slow(_settings: object) -> Starlette:
        async def handle(_request: Request) -> Response:
            await anyio.sleep(5)
            return Response()

        return Starlette(routes=[Route("/{rest:path}", handle, methods=["GET", "POST"])])

    slow = str(serve("slow", build_slow).base_url)
    gateway = shop(INVENTORY_URL=slow, ORDERS_URL=slow, INVENTORY_BUDGET_MS="200", ORDERS_BUDGET_MS="300")
    begun = time.monotonic()
    assert gateway.get("/records/rec-1").json()["degraded"] == ["inventory"]
    assert place(gateway).status_code == 503
    assert time.monotonic() - begun < 3  # the budgets are 0.5 s together, the neighbours would take 10


def test_the_document_names_the_scheme_and_the_scopes(shop):
    document = shop().get("/openapi.json").json()
    (scheme,) = document["components"]["securitySchemes"].items()
    assert (scheme[0], scheme[1]["scheme"], scheme[1]["bearerFormat"]) == ("customer", "bearer", "JWT")
    needed = {
        (method, path): operation.get("security")
        for path, operations in document["paths"].items()
        for method, operation in operations.items()
    }
    assert needed["post", "/orders"] == [{"customer": ["orders:write"]}]
    assert needed["get", "/orders/{order_id}"] == [{"customer": ["orders:read"]}]
    assert needed["get", "/records"] is None
