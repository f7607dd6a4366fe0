"""The work of payments: charges in its own table, money through the psp. Nothing of HTTP but the problems it raises."""

import uuid

from prometheus_client import Counter
from sqlalchemy import BigInteger, Boolean, Column, DateTime, MetaData, String, Table, func, select

from target_system.kit.client import NeighbourError
from target_system.kit.edge import log
from target_system.kit.idempotency import Answer, IdempotencyKeys, fingerprint
from target_system.kit.outbox import Outbox
from target_system.kit.problems import Problem
from target_system.kit.store import Store
from target_system.kit.tracing import current_trace
from target_system.payments.clients import CardDeclined, PspClient
from target_system.payments.models import Charge, ChargeRequest, KeptCharge, PaymentRefunded

__all__ = ["Till", "metadata", "outbox"]

_MOST_PER_ORDER = 100
CHARGES = Counter("payments_charges", "Charges by outcome, synthetic ones left out.", ["status"])

metadata = MetaData()
keys = IdempotencyKeys(metadata)
outbox = Outbox(metadata, source="/payments")
charges = Table(
    "charges",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("order_id", String(64), nullable=False, index=True),
    Column("amount", BigInteger, nullable=False),
    Column("currency", String(3), nullable=False),
    Column("status", String(16), nullable=False),
    Column("psp_reference", String(64)),
    Column("livemode", Boolean, nullable=False),
    Column("created_at", DateTime(timezone=True), server_default=func.now(), nullable=False),
)
_SHOWN = tuple(charges.c[name] for name in KeptCharge.model_fields)


class Till:
    """Charges and refunds. A charge is written down before the psp is asked, so none is ever forgotten."""

    def __init__(self, store: Store, psp: PspClient) -> None:
        self._store = store
        self._psp = psp

    async def charge(self, key: str, request: ChargeRequest) -> KeptCharge:
        """Charge once per `key`; a repetition gets the first answer, or finds out what it would have been.

        Raises:
            Problem: 402 `card-declined`; 409 `idempotency-key-reused`; 503 `psp-unavailable`, the outcome is unknown.
        """
        pending = KeptCharge(
            id=f"charge-{uuid.uuid4().hex}",
            order_id=request.order_id,
            amount=request.amount,
            currency=request.currency,
            status="pending",
            psp_reference=None,
            livemode=not current_trace().synthetic,
        )
        async with self._store.write() as connection:
            claim = await keys.claim(connection, "charges", key, fingerprint(request), pending.id)
            if claim.fresh:
                await connection.execute(charges.insert().values(pending.model_dump()))
        if claim.answer:
            charge = KeptCharge.model_validate_json(claim.answer.body)
        else:
            charge = await self._authorize(pending.model_copy(update={"id": claim.resource_id}), request.card_token)
        if charge.status == "declined":
            raise Problem(402, "card-declined", "The card was declined.")
        return charge

    async def find(self, charge_id: str) -> KeptCharge:
        """Return one charge, or raise Problem 404."""
        async with self._store.read() as connection:
            row = (await connection.execute(select(*_SHOWN).where(charges.c.id == charge_id))).one_or_none()
        if row is None:
            raise Problem(404, "charge-not-found", f"There is no charge {charge_id}.")
        return KeptCharge.model_validate(row._asdict())

    async def of_order(self, order_id: str) -> list[KeptCharge]:
        """Return the charges of an order, oldest first."""
        query = select(*_SHOWN).where(charges.c.order_id == order_id).order_by(charges.c.created_at, charges.c.id)
        async with self._store.read() as connection:
            rows = await connection.execute(query.limit(_MOST_PER_ORDER))
            return [KeptCharge.model_validate(row._asdict()) for row in rows]

    async def refund(self, charge_id: str) -> KeptCharge:
        """Give the money of a captured charge back, once.

        Raises:
            Problem: 404; 409 `charge-not-captured`; 503 `psp-unavailable`.
        """
        charge = await self.find(charge_id)
        if charge.status == "refunded":
            return charge
        if charge.status != "captured" or charge.psp_reference is None:
            raise Problem(409, "charge-not-captured", f"The charge is {charge.status}: there is nothing to give back.")
        try:
            await self._psp.refund(charge.psp_reference)
        except NeighbourError as error:
            raise _unavailable(error) from error
        return await self.refunded(charge)

    async def put(self, charge: KeptCharge) -> None:
        """Write a charge into the table as it is (provider states)."""
        async with self._store.write() as connection:
            await connection.execute(charges.delete().where(charges.c.id == charge.id))
            await connection.execute(charges.insert().values(charge.model_dump()))

    async def _authorize(self, charge: KeptCharge, card_token: str) -> KeptCharge:
        try:
            # The charge's id is the psp's key: however often this runs, money moves once.
            authorization = await self._psp.authorize(charge.id, charge.amount, charge.currency, card_token)
        except CardDeclined:
            settled = charge.model_copy(update={"status": "declined"})
        except NeighbourError as error:
            raise _unavailable(error) from error
        else:
            news = {"status": "captured", "psp_reference": authorization.id, "livemode": authorization.livemode}
            settled = charge.model_copy(update=news)
        return await self._settle(settled)

    async def _settle(self, charge: KeptCharge) -> KeptCharge:
        still_pending = (charges.c.id == charge.id) & (charges.c.status == "pending")
        answer = Answer(402 if charge.status == "declined" else 201, charge.model_dump_json())
        async with self._store.write() as connection:
            update = charges.update().where(still_pending).values(charge.model_dump())
            changed = (await connection.execute(update)).rowcount
            await keys.settle(connection, charge.id, answer)
        if changed:
            _count(charge)
        return charge

    async def refunded(self, charge: KeptCharge) -> KeptCharge:
        """Note that the money of a captured charge went back, and publish it, once."""
        refunded = charge.model_copy(update={"status": "refunded"})
        still_captured = (charges.c.id == charge.id) & (charges.c.status == "captured")
        async with self._store.write() as connection:
            changed = (
                await connection.execute(charges.update().where(still_captured).values(status="refunded"))
            ).rowcount
            if changed:  # a concurrent refund has published it otherwise
                data = PaymentRefunded(
                    charge_id=charge.id, order_id=charge.order_id, amount=charge.amount, currency=charge.currency
                )
                await outbox.publish(connection, "shop.payment.refunded", charge.order_id, data)
        if changed:
            _count(refunded)
        return refunded


def _unavailable(error: NeighbourError) -> Problem:
    log.warning("psp unavailable", detail=str(error), trace_id=current_trace().trace_id)
    detail = "The payment provider does not answer; repeat the request with the same Idempotency-Key."
    return Problem(503, "psp-unavailable", detail, {"Retry-After": "1"})


def _count(charge: Charge) -> None:
    if not current_trace().synthetic:
        CHARGES.labels(charge.status).inc()
