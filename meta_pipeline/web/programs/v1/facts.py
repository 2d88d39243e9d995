"""`/v1/facts`: numbers of other providers, sent in batches and read again."""

from __future__ import annotations

import re
from datetime import date, datetime
from decimal import Decimal
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request
from pydantic import Field

from meta_pipeline.discreet import DiscreetModel
from meta_pipeline.facts import NotABatch, ingest, read_batch
from meta_pipeline.facts.batch import MOST_FACTS
from meta_pipeline.warehouse.stores.facts import WHOLE_DAY
from meta_pipeline.web.programs.body import read_body

from .caller import Caller, MaySend, Reader, Sender
from .paging import Cursor, Limit, Page, cursor_of, key_behind
from .problems import Problem

facts = APIRouter(tags=["facts"])
_LINES = ("application/x-ndjson", "application/ndjson", "application/jsonl")
_ARRAY = ("application/json",)
_NUL = re.compile("\x00")
_BODY = {
    "requestBody": {
        "required": True,
        "description": f"At most {MOST_FACTS} facts and 1 MiB: an array, or one fact a line",
        "content": {
            "application/json": {
                "schema": {
                    "type": "array",
                    "minItems": 1,
                    "maxItems": MOST_FACTS,
                    "items": {"$ref": "#/components/schemas/Fact"},
                }
            },
            "application/x-ndjson": {"schema": {"type": "string"}},
        },
    }
}


class RejectedFact(DiscreetModel):
    """A fact that was not taken; `superseded` ones had the key of another fact of the batch."""

    index: int
    code: str
    field: str | None
    message: str


class Ingestion(DiscreetModel):
    """What became of a batch."""

    written: Annotated[int, Field(description="New, or seen later than what was there")]
    unchanged: Annotated[int, Field(description="There already, the same or seen later")]
    rejected: list[RejectedFact]


class KeptFact(DiscreetModel):
    """A fact as it is kept."""

    provider: str
    account_id: str
    level: str
    entity_id: str
    metric: str
    date: date
    hour: int | None
    breakdown: str
    value: Decimal
    observed_at: datetime


# Not read_body itself: FastAPI would make a parameter of the address of its second argument.
async def _body(request: Request, _may: MaySend) -> bytes:
    return await read_body(request)


Body = Annotated[bytes, Depends(_body)]


def _check_room(caller: Caller) -> None:
    most = caller.site.settings.api_facts_per_tenant
    if (kept := caller.site.warehouse.facts.about(caller.key.tenant)) >= most:
        raise Problem(
            "full",
            f"about {kept:,} facts are kept of this tenant, and {most:,} may be "
            "(META_API_FACTS_PER_TENANT): nothing was written",
        )


@facts.post("/facts", openapi_extra=_BODY)
def send_facts(
    # Before the slot of the caller, which would be held for as long as a body drips.
    body: Body,
    caller: Sender,
    request: Request,
    atomic: Annotated[bool, Query(description="Write all, or nothing and answer 422")] = False,
) -> Ingestion:
    """Send facts: kept by their key, the latest observation wins, a replay changes nothing."""
    _check_room(caller)
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind not in (*_ARRAY, *_LINES):
        raise Problem(
            "unsupported_media_type",
            "send a JSON array as application/json, or one fact a line as application/x-ndjson",
        )
    try:
        batch = read_batch(body, is_lines=kind in _LINES, now=caller.now)
    except NotABatch as error:
        raise Problem("bad_request", str(error)) from None
    done = ingest(caller.warehouse, caller.key.tenant, batch, caller.now, is_atomic=atomic)
    rejected = [
        RejectedFact(index=one.index, code=one.code, field=one.field, message=one.message)
        for one in done.rejected
    ]
    if atomic and batch.faults:
        raise Problem(
            "rejected_facts",
            f"{len(batch.faults)} facts were rejected, so none was written",
            {
                "written": 0,
                "unchanged": 0,
                "rejected": [one.model_dump() for one in rejected],
            },
        )
    return Ingestion(written=done.written, unchanged=done.unchanged, rejected=rejected)


@facts.get("/facts")
def list_facts(
    caller: Reader,
    *,
    provider: Annotated[str | None, Query(max_length=40)] = None,
    account_id: Annotated[str | None, Query(max_length=200)] = None,
    metric: Annotated[str | None, Query(max_length=60)] = None,
    limit: Limit = 100,
    cursor: Cursor = None,
) -> Page[KeptFact]:
    """List the facts that are kept, by their key."""
    after = key_behind(cursor, str, str, str, str, str, date, int, str)
    # -1 is WHOLE_DAY.
    if after is not None and not -1 <= after[6] <= 23:
        raise Problem("bad_cursor", "the cursor is none of ours: begin again without one")
    # No row can have it, and Postgres would refuse the question.
    if any(_NUL.search(one or "") for one in (provider, account_id, metric)):
        return Page(data=[])
    rows = caller.warehouse.facts.some(
        caller.key.tenant,
        limit + 1,
        provider=provider,
        account_id=account_id,
        metric=metric,
        after=after,
    )
    shown = [
        KeptFact(
            provider=row.provider,
            account_id=row.account_id,
            level=row.level,
            entity_id=row.entity_id,
            metric=row.metric,
            date=row.date_start,
            hour=None if row.hour == WHOLE_DAY else row.hour,
            breakdown=row.breakdown,
            value=row.value,
            observed_at=row.observed_at,
        )
        for row in rows[:limit]
    ]
    last = rows[limit - 1].key if len(rows) > limit else ()
    return Page(data=shown, next_cursor=cursor_of(*last) if last else None)
