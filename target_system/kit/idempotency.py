"""Idempotency keys (draft-ietf-httpapi-idempotency-key-header): one key, one effect, one answer.

A key is claimed in the transaction that begins the work and settled in the one that ends it. Who repeats a key that is
claimed but not settled gets the id of the work under way and decides what to do about it.
"""

import hashlib
from dataclasses import dataclass

from pydantic import BaseModel
from sqlalchemy import Column, DateTime, Integer, MetaData, PrimaryKeyConstraint, String, Table, Text, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from target_system.kit.problems import Problem

__all__ = ["Answer", "Claim", "IdempotencyKeys", "fingerprint"]


@dataclass(frozen=True, slots=True)
class Answer:
    """The first answer to a key: what every repetition gets."""

    status: int
    body: str


@dataclass(frozen=True, slots=True)
class Claim:
    """What a key stands for: the work's id, whether this request begins it, and its answer if it has ended."""

    resource_id: str
    fresh: bool
    answer: Answer | None


class IdempotencyKeys:
    """The keys a service has seen, in a table of its own database. `scope` separates callers from one another."""

    def __init__(self, metadata: MetaData) -> None:
        self._table = Table(
            "idempotency_keys",
            metadata,
            Column("scope", String(64)),
            Column("key", String(128)),
            Column("fingerprint", String(64), nullable=False),
            Column("resource_id", String(64), nullable=False, index=True),
            Column("status", Integer),
            Column("body", Text),
            Column("created_at", DateTime(timezone=True), server_default=func.now(), nullable=False),
            PrimaryKeyConstraint("scope", "key"),
        )

    async def claim(self, connection: AsyncConnection, scope: str, key: str, request: str, new_id: str) -> Claim:
        """Claim `key` for new work called `new_id`, or find what it already stands for.

        Args:
            connection: a write transaction.
            scope: whose key it is.
            key: the `Idempotency-Key` header.
            request: fingerprint of the request (see `fingerprint`).
            new_id: id of the work if the key is new.

        Raises:
            Problem: 409 `idempotency-key-reused` when the key came with another request before.
        """
        claim = await self.find(connection, scope, key, request)
        if claim is None:
            values = {"scope": scope, "key": key, "fingerprint": request, "resource_id": new_id}
            await connection.execute(self._table.insert().values(values))
            return Claim(new_id, fresh=True, answer=None)
        return claim

    async def find(self, connection: AsyncConnection, scope: str, key: str, request: str) -> Claim | None:
        """Return what `key` already stands for, or None; arguments and errors as of `claim`."""
        table = self._table
        query = select(table).where(table.c.scope == scope, table.c.key == key).with_for_update()
        found = (await connection.execute(query)).one_or_none()
        if found is None:
            return None
        if found.fingerprint != request:
            raise Problem(409, "idempotency-key-reused", "This Idempotency-Key was used with another request.")
        answer = Answer(found.status, found.body) if found.status is not None else None
        return Claim(found.resource_id, fresh=False, answer=answer)

    async def settle(self, connection: AsyncConnection, resource_id: str, answer: Answer) -> None:
        """Keep the first answer to the work `resource_id`; a later one changes nothing."""
        table = self._table
        unsettled = (table.c.resource_id == resource_id) & table.c.status.is_(None)
        await connection.execute(table.update().where(unsettled).values(status=answer.status, body=answer.body))

    async def forget(self, connection: AsyncConnection, resource_id: str) -> None:
        """Give the key of the work `resource_id` free: it came to nothing and may be tried again."""
        await connection.execute(self._table.delete().where(self._table.c.resource_id == resource_id))


def fingerprint(*parts: str | BaseModel) -> str:
    """Return a digest of what makes two requests the same one."""
    texts = (part.model_dump_json() if isinstance(part, BaseModel) else part for part in parts)
    return hashlib.sha256("\x00".join(texts).encode()).hexdigest()
