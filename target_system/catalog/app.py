"""The catalog over HTTP: routes, conditional requests, provider states, putting together. The table is in records.py."""

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated, Any, cast

from fastapi import Depends, FastAPI, Header, Query, Request, Response
from pydantic import JsonValue

from target_system.catalog.models import CURSOR_PATTERN, Draft, Record, RecordPage, position_of
from target_system.catalog.records import Records, metadata
from target_system.kit.app import create_app
from target_system.kit.http import Router
from target_system.kit.models import Identifier, PlainDigits
from target_system.kit.problems import Problem, problems
from target_system.kit.settings import Settings
from target_system.kit.store import Store
from target_system.kit.test_profile import StateHandlers

__all__ = ["build"]

router = Router()

_MAX_AGE = 5  # seconds
_CURSOR = re.compile(CURSOR_PATTERN)
_TAG = re.compile(r'(W/)?"([!#-~]*)"')
_ETAG: dict[str, Any] = {"description": "Version of the record.", "required": True, "schema": {"type": "string"}}
_CACHE = {"description": "How long it may be kept.", "required": True, "schema": {"type": "string"}}
_LOCATION = {"description": "The new record.", "required": True, "schema": {"type": "string"}}
_CACHED = {"ETag": _ETAG, "Cache-Control": _CACHE}


def the_records(request: Request) -> Records:
    """Return the records of the running application."""
    return cast("Records", request.app.state.domain)


TheRecords = Annotated[Records, Depends(the_records)]


@router.get("/records", tags=["records"], responses=problems(_400="The cursor is none of ours."))
async def list_records(
    records: TheRecords,
    limit: Annotated[int, Query(ge=1, le=100), PlainDigits] = 20,
    cursor: Annotated[
        str | None, Query(json_schema_extra={"pattern": CURSOR_PATTERN}, description="`next_cursor` of another page")
    ] = None,
) -> RecordPage:
    """Return a page of records, oldest first; `next_cursor` leads to the next page."""
    if cursor is not None and not _CURSOR.fullmatch(cursor):
        raise Problem(400, "bad-cursor", "Use the next_cursor of an earlier page.")
    return await records.page(position_of(cursor) if cursor else 0, limit)


@router.post(
    "/records",
    tags=["records"],
    status_code=201,
    responses={201: {"headers": {"ETag": _ETAG, "Location": _LOCATION}}},
)
async def add_record(draft: Draft, records: TheRecords, response: Response) -> Record:
    """Put a new record on sale."""
    record = await records.add(draft)
    response.headers.update({"ETag": record.etag, "Location": f"/records/{record.id}"})
    return record


@router.get(
    "/records/{record_id}",
    tags=["records"],
    response_model=Record,
    responses={
        200: {"headers": _CACHED},
        304: {"description": "It is still the version you have.", "headers": _CACHED},
        **problems(_404="There is no such record."),
    },
)
async def read_record(
    record_id: Identifier,
    records: TheRecords,
    response: Response,
    if_none_match: Annotated[str | None, Header(max_length=2000)] = None,
) -> Record | Response:
    """Return a record, or 304 when the caller has this version already."""
    record = await records.find(record_id)
    if record is None:
        raise _not_found(record_id)
    headers = {"ETag": record.etag, "Cache-Control": f"max-age={_MAX_AGE}"}
    if if_none_match and (if_none_match.strip() == "*" or str(record.version) in _tags(if_none_match, weak=True)):
        return Response(status_code=304, headers=headers)
    response.headers.update(headers)
    return record


@router.put(
    "/records/{record_id}",
    tags=["records"],
    responses={
        200: {"headers": {"ETag": _ETAG}},
        **problems(
            _404="There is no such record.",
            _412="The record is at another version.",
            _428="If-Match is missing: say which version you mean to change.",
        ),
    },
)
async def replace_record(
    record_id: Identifier,
    draft: Draft,
    records: TheRecords,
    response: Response,
    if_match: Annotated[
        str | None,
        Header(max_length=2000, examples=["*"], description="The versions that may be changed. Needed, else 428."),
    ] = None,
) -> Record:
    """Describe a record anew, if it is still at the version the caller knows."""
    if if_match is None:
        raise Problem(428, "precondition-required", "Send If-Match with the ETag of the version you mean to change.")
    record = await records.replace(record_id, draft, None if if_match.strip() == "*" else _versions(if_match))
    if record is None:
        raise _not_found(record_id)
    response.headers["ETag"] = record.etag
    return record


def _tags(header: str, *, weak: bool) -> set[str]:
    """Return the opaque parts of the tags in a list; weak ones only for the weak comparison that If-None-Match uses."""
    return {tag for prefix, tag in _TAG.findall(header) if weak or not prefix}


def _versions(if_match: str) -> frozenset[int]:
    return frozenset(int(tag) for tag in _tags(if_match, weak=False) if re.fullmatch("[1-9][0-9]{0,9}", tag))


def _not_found(record_id: str) -> Problem:
    return Problem(404, "record-not-found", f"There is no record {record_id}.")


def _states(records: Records) -> StateHandlers:
    async def exists(params: dict[str, JsonValue]) -> None:
        given: dict[str, Any] = {
            "id": "rec-1",
            "title": "Blue Train",
            "artist": "John Coltrane",
            "price": 2499,
            "currency": "EUR",
            "format": "lp",
            "version": 1,
        }
        await records.put(Record.model_validate(given | {key: params[key] for key in given if key in params}))

    async def does_not_exist(params: dict[str, JsonValue]) -> None:
        await records.remove(str(params.get("id", "rec-unknown")))

    async def there_are(params: dict[str, JsonValue]) -> None:
        await records.remove()
        for number in range(1, int(str(params.get("n", 5))) + 1):
            await exists({"id": f"rec-{number}", "title": f"Record {number}"})

    return {
        "a record exists": exists,
        "a record does not exist": does_not_exist,
        "there are records": there_are,
    }


def build(settings: Settings) -> FastAPI:
    """Put the service together."""
    store = Store(settings.database_url, metadata)
    records = Records(store, ttl=settings.integer("CACHE_TTL_MS", 5000) / 1000)

    @asynccontextmanager
    async def seeded() -> AsyncIterator[None]:
        await records.seed()
        yield

    return create_app(
        settings,
        title="Catalog",
        description="Records on sale in the record shop.",
        router=router,
        domain=records,
        store=store,
        resources=[seeded()],
        states=_states(records),
    )
