"""The inventory over HTTP: routes, provider states, putting together. The rules of stock are in stockroom.py."""

from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated, cast

from fastapi import Depends, FastAPI, Request, Response
from pydantic import JsonValue

from target_system.inventory.models import Reservation, ReservationRequest, ReservedLine, ShelfCount, Stock
from target_system.inventory.stockroom import Held, Shelf, Status, Stockroom, metadata
from target_system.kit.app import create_app
from target_system.kit.http import Router
from target_system.kit.models import Identifier
from target_system.kit.problems import Problem, problems
from target_system.kit.settings import Settings
from target_system.kit.store import Store
from target_system.kit.test_profile import StateHandlers

__all__ = ["build"]

router = Router()

_SAME_ID = {"reservation_id": "$request.path.reservation_id"}
_LINKS = {
    operation: {"operationId": operation, "parameters": _SAME_ID}
    for operation in ("read_reservation", "commit_reservation", "release_reservation")
}


def the_stockroom(request: Request) -> Stockroom:
    """Return the stockroom of the running application."""
    return cast("Stockroom", request.app.state.domain)


TheStockroom = Annotated[Stockroom, Depends(the_stockroom)]


@router.get("/stock/{record_id}", tags=["stock"], responses=problems(_404="This record was never counted."))
async def read_stock(record_id: Identifier, stockroom: TheStockroom) -> Stock:
    """Say how many pieces of a record there are, and how many are promised."""
    shelf = await stockroom.shelf(record_id)
    if shelf is None:
        raise Problem(404, "stock-not-found", f"{record_id} was never counted.")
    return _stock(shelf)


@router.put("/stock/{record_id}", tags=["stock"], responses=problems(_409="More than that are reserved."))
async def count_stock(record_id: Identifier, counted: ShelfCount, stockroom: TheStockroom) -> Stock:
    """Note how many pieces of a record somebody counted."""
    return _stock(await stockroom.count(record_id, counted.on_hand))


@router.put(
    "/reservations/{reservation_id}",
    tags=["reservations"],
    status_code=201,
    responses={
        201: {"description": "It is held now.", "links": _LINKS},
        200: {"model": Reservation, "description": "It was made before, with the same lines."},
        **problems(_409="Out of stock; or the id stands for other lines, or was released."),
    },
)
async def reserve(
    reservation_id: Identifier, wanted: ReservationRequest, stockroom: TheStockroom, response: Response
) -> Reservation:
    """Put pieces aside, all lines or none; the caller chooses the id and may repeat the request."""
    lines: Counter[str] = Counter()
    for line in wanted.lines:
        lines[line.record_id] += line.quantity
    held, is_new = await stockroom.reserve(reservation_id, lines)
    response.status_code = 201 if is_new else 200
    return _reservation(held)


@router.get(
    "/reservations/{reservation_id}",
    operation_id="read_reservation",
    tags=["reservations"],
    responses=problems(_404="There is no such reservation, or it was released."),
)
async def read_reservation(reservation_id: Identifier, stockroom: TheStockroom) -> Reservation:
    """Return a reservation that is held or committed."""
    held = await stockroom.reservation(reservation_id)
    if held is not None and held.status is Status.RELEASED:
        raise Problem(404, "reservation-released", f"Reservation {reservation_id} was released.")
    return _reservation(_found(held, reservation_id))


@router.post(
    "/reservations/{reservation_id}/commit",
    operation_id="commit_reservation",
    tags=["reservations"],
    responses=problems(_404="There is no such reservation.", _409="It was released."),
)
async def commit(reservation_id: Identifier, stockroom: TheStockroom) -> Reservation:
    """Let the reserved pieces leave the house; may be repeated."""
    return _reservation(_found(await stockroom.commit(reservation_id), reservation_id))


@router.delete(
    "/reservations/{reservation_id}", operation_id="release_reservation", tags=["reservations"], status_code=204
)
async def release(reservation_id: Identifier, stockroom: TheStockroom) -> None:
    """Give the pieces back, also after a commit; a later reserve under this id is refused, known or not."""
    await stockroom.release(reservation_id)


def _found(held: Held | None, reservation_id: str) -> Held:
    if held is None:
        raise Problem(404, "reservation-not-found", f"There is no reservation {reservation_id}.")
    return held


def _stock(shelf: Shelf) -> Stock:
    available = shelf.on_hand - shelf.reserved
    return Stock(record_id=shelf.record_id, on_hand=shelf.on_hand, reserved=shelf.reserved, available=available)


def _reservation(held: Held) -> Reservation:
    lines = [ReservedLine(record_id=key, quantity=count) for key, count in sorted(held.lines.items())]
    return Reservation(id=held.id, status="committed" if held.status is Status.COMMITTED else "held", lines=lines)


def _states(stockroom: Stockroom) -> StateHandlers:
    async def in_stock(params: dict[str, JsonValue]) -> None:
        await stockroom.reset_shelf(str(params.get("id", "rec-1")), int(str(params.get("n", 10))))

    async def sold_out(params: dict[str, JsonValue]) -> None:
        await stockroom.reset_shelf(str(params.get("id", "rec-5")), 0)

    async def never_counted(params: dict[str, JsonValue]) -> None:
        await stockroom.forget_shelf(str(params.get("id", "rec-unknown")))

    async def exists(params: dict[str, JsonValue]) -> None:
        reservation_id, record_id = str(params.get("id", "res-1")), str(params.get("record_id", "rec-1"))
        quantity, status = int(str(params.get("quantity", 1))), Status(str(params.get("status", "held")))
        await stockroom.forget(reservation_id)
        await stockroom.reset_shelf(record_id, quantity + 10)
        await stockroom.reserve(reservation_id, {record_id: quantity})
        if status is Status.COMMITTED:
            await stockroom.commit(reservation_id)
        if status is Status.RELEASED:
            await stockroom.release(reservation_id)

    async def does_not_exist(params: dict[str, JsonValue]) -> None:
        await stockroom.forget(str(params.get("id", "res-1")))

    return {
        "a record is in stock": in_stock,
        "a record is sold out": sold_out,
        "a record was never counted": never_counted,
        "a reservation exists": exists,
        "a reservation does not exist": does_not_exist,
    }


def build(settings: Settings) -> FastAPI:
    """Put the service together."""
    store = Store(settings.database_url, metadata)
    stockroom = Stockroom(store)

    @asynccontextmanager
    async def seeded() -> AsyncIterator[None]:
        await stockroom.seed()
        yield

    return create_app(
        settings,
        title="Inventory",
        description="Stock of the record shop, and who it is promised to.",
        router=router,
        domain=stockroom,
        store=store,
        resources=[seeded()],
        states=_states(stockroom),
    )
