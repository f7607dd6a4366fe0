"""The saga of an order: reserve, charge, commit; or all of it undone. What is written down is in `book.py`.

Every step is written down before its call and can be repeated, so whoever finds an order half way goes on with it:
forwards as long as nobody has decided against it, backwards from then on.
"""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import partial

import anyio
from sqlalchemy.exc import SQLAlchemyError

from target_system.kit.client import NeighbourError, NeighbourRefused
from target_system.kit.edge import log
from target_system.kit.store import StoreUnavailable
from target_system.kit.tracing import set_trace
from target_system.orders.book import InFlight, OrderBook, OutOfOurHands
from target_system.orders.clients import CardDeclined, Declined, InventoryClient, PaymentsClient
from target_system.orders.tables import Step, Way

__all__ = ["Saga", "sweeper"]

_SWEEP_EVERY = 0.5  # seconds
_SWEEP_AT_ONCE = 8


class _InDoubt(Exception):  # noqa: N818 - an outcome, not a failure
    """A charge may still be on its way; what becomes of it is asked later."""


class Saga:
    """Sees orders through."""

    def __init__(self, book: OrderBook, inventory: InventoryClient, payments: PaymentsClient) -> None:
        self._book = book
        self._inventory = inventory
        self._payments = payments

    async def resume(self, work: InFlight) -> None:
        """Go on with an order whichever way it was going, until it is done or a neighbour is missing."""
        turned = work.way is Way.FORWARD
        if turned:
            await self.forward(work)
        if work.way is Way.BACKWARD:
            await self.backward(work, just_turned=turned)

    async def forward(self, work: InFlight) -> None:
        """Carry out what is left of the order; when that cannot be, decide against it and turn round.

        Raises:
            OutOfOurHands: somebody else has decided about the order meanwhile.
        """
        step = Step.RESERVE
        try:
            for step, action in self._actions().items():
                if not work.is_done(step):
                    await action(work)
        except Declined as no:
            await self._book.reject(work, no.reason, refused=step, try_again=False)
        except NeighbourError as error:
            log.warning("order fails", order_id=work.order.id, step=step, detail=str(error))
            untouched = not error.in_doubt and step not in work.in_doubt
            reason = f"{error.neighbour}-unavailable"
            await self._book.reject(work, reason, refused=step if untouched else None, try_again=True)

    async def backward(self, work: InFlight, *, just_turned: bool = False) -> None:
        """Undo what may have happened; what cannot be undone now is left to the sweeper.

        Args:
            just_turned: whether a neighbour has failed a moment ago: a charge in doubt is not asked for again at once.
        """
        complete = True
        give_back = partial(self._give_money_back, settle=not just_turned)
        for step, undo in ((Step.CHARGE, give_back), (Step.RESERVE, self._release)):
            if work.needs_undoing(step):
                try:
                    await undo(work)
                    await self._book.undone(work, step)
                except (NeighbourError, _InDoubt) as error:
                    log.warning("not undone yet", order_id=work.order.id, step=step, detail=str(error))
                    complete = False
        if complete:
            await self._book.close(work)

    def _actions(self) -> dict[Step, Callable[[InFlight], Awaitable[None]]]:
        return {Step.RESERVE: self._reserve, Step.CHARGE: self._charge, Step.COMMIT: self._commit}

    async def _reserve(self, work: InFlight) -> None:
        await self._inventory.reserve(work.order.id, work.quantities)
        await self._book.advance(work, done=Step.RESERVE, begun=Step.CHARGE)

    async def _charge(self, work: InFlight) -> None:
        order = work.order
        charge = await self._payments.charge(order.id, order.total, order.currency, work.card_token)
        await self._book.advance(work, done=Step.CHARGE, begun=Step.COMMIT, charge_id=charge.id)

    async def _commit(self, work: InFlight) -> None:
        await self._inventory.commit(work.order.id)
        await self._book.confirm(work)

    async def _release(self, work: InFlight) -> None:
        await self._inventory.release(work.order.id)

    async def _give_money_back(self, work: InFlight, *, settle: bool) -> None:
        order = work.order
        if order.charge_id:
            await self._payments.refund(order.charge_id)
            return
        charges = await self._payments.charges_of(order.id)
        for charge in charges:
            if charge.status == "captured":
                await self._payments.refund(charge.id)
        if not any(charge.status in ("captured", "declined", "refunded") for charge in charges):
            if not settle:  # payments has repeated it already: asking again now would only multiply that
                raise _InDoubt(f"nobody knows what becomes of the charge of {order.id}")
            await self._settle_and_refund(work)

    async def _settle_and_refund(self, work: InFlight) -> None:
        # The charge may still be on its way. Repeating it with its key settles what becomes of it, once and for all:
        # when the late one arrives it gets the same answer and takes no money.
        order = work.order
        try:
            charge = await self._payments.charge(order.id, order.total, order.currency, work.card_token)
        except CardDeclined:
            return
        except NeighbourRefused as error:
            if error.in_doubt:
                raise
            return
        await self._payments.refund(charge.id)


@asynccontextmanager
async def sweeper(saga: Saga, book: OrderBook) -> AsyncIterator[None]:
    """Take care of abandoned orders while the block runs: those of a crashed process, and those not undone yet."""
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(_sweep, saga, book)
        yield
        tasks.cancel_scope.cancel()


async def _sweep(saga: Saga, book: OrderBook) -> None:
    while True:
        try:
            abandoned = await book.take_abandoned(_SWEEP_AT_ONCE)
        except (StoreUnavailable, SQLAlchemyError):
            log.exception("the order book cannot be read")
            abandoned = []
        async with anyio.create_task_group() as tasks:
            for work in abandoned:
                tasks.start_soon(_go_on, saga, work)
        if not abandoned:
            await anyio.sleep(_SWEEP_EVERY)


async def _go_on(saga: Saga, work: InFlight) -> None:
    set_trace(work.trace)
    log.info("order taken over", order_id=work.order.id, way=work.way, trace_id=work.trace.trace_id)
    try:
        await saga.resume(work)
    except OutOfOurHands:
        log.info("order decided elsewhere", order_id=work.order.id)
    except (StoreUnavailable, SQLAlchemyError):
        log.exception("order not written down", order_id=work.order.id)
