"""The psp's books: authorizations and refunds. Nothing of HTTP but the problems it raises."""

import uuid

from prometheus_client import Counter
from sqlalchemy import BigInteger, Boolean, Column, MetaData, String, Table, select
from sqlalchemy.ext.asyncio import AsyncConnection

from target_system.kit.idempotency import Answer, IdempotencyKeys, fingerprint
from target_system.kit.problems import Problem
from target_system.kit.store import Store
from target_system.kit.tracing import current_trace
from target_system.psp.models import Authorization, AuthorizationRequest

__all__ = ["Ledger", "metadata"]

DECLINED_TOKEN = "tok_declined"
MONEY_MOVED = Counter("psp_money_moved", "Minor units moved for real.", ["currency", "direction"])

metadata = MetaData()
keys = IdempotencyKeys(metadata)
authorizations = Table(
    "authorizations",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("status", String(16), nullable=False),
    Column("amount", BigInteger, nullable=False),
    Column("currency", String(3), nullable=False),
    Column("livemode", Boolean, nullable=False),
)


class Ledger:
    """Authorizes and refunds, each once however often it is asked."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def authorize(self, key: str, request: AuthorizationRequest) -> Authorization:
        """Take the money, or answer as the first time when `key` was here before.

        Raises:
            Problem: 402 `card-declined`; 409 `idempotency-key-reused`.
        """
        new = Authorization(
            id=f"auth-{uuid.uuid4().hex}",
            status="approved",
            amount=request.amount,
            currency=request.currency,
            livemode=not current_trace().synthetic,
        )
        declined = request.source == DECLINED_TOKEN
        async with self._store.write() as connection:
            claim = await keys.claim(connection, "authorizations", key, fingerprint(request), new.id)
            if claim.fresh:
                if not declined:
                    await connection.execute(authorizations.insert().values(new.model_dump()))
                await keys.settle(connection, new.id, Answer(402 if declined else 201, new.model_dump_json()))
        if declined:
            raise Problem(402, "card-declined", "The card was declined.")
        if claim.fresh:
            _count(new, "in")
        return Authorization.model_validate_json(claim.answer.body) if claim.answer else new

    async def find(self, authorization_id: str) -> Authorization:
        """Return one authorization, or raise Problem 404."""
        async with self._store.read() as connection:
            return await _find(connection, authorization_id)

    async def refund(self, authorization_id: str) -> Authorization:
        """Give the money back, once; or raise Problem 404."""
        async with self._store.write() as connection:
            found = await _find(connection, authorization_id)
            update = authorizations.update().where(authorizations.c.id == authorization_id)
            await connection.execute(update.values(status="refunded"))
        if found.status != "refunded":
            _count(found, "out")
        return found.model_copy(update={"status": "refunded"})

    async def put(self, authorization: Authorization) -> None:
        """Write an authorization into the books as it is (provider states)."""
        async with self._store.write() as connection:
            await connection.execute(authorizations.delete().where(authorizations.c.id == authorization.id))
            await connection.execute(authorizations.insert().values(authorization.model_dump()))


async def _find(connection: AsyncConnection, authorization_id: str) -> Authorization:
    query = select(authorizations).where(authorizations.c.id == authorization_id).with_for_update()
    row = (await connection.execute(query)).one_or_none()
    if row is None:
        raise Problem(404, "authorization-not-found", f"There is no authorization {authorization_id}.")
    return Authorization.model_validate(row._asdict())


def _count(authorization: Authorization, direction: str) -> None:
    if authorization.livemode:
        MONEY_MOVED.labels(authorization.currency, direction).inc(authorization.amount)
