"""`/v1/sync-requests` and `/v1/sync-runs`: asking for syncs, and what syncs did."""

from __future__ import annotations

from dataclasses import asdict
from datetime import date, datetime
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query
from pydantic import ConfigDict, Field

from meta_pipeline.discreet import DiscreetModel
from meta_pipeline.model.part import Part
from meta_pipeline.sync_requests import Wish, ask, cancel, price
from meta_pipeline.sync_requests.asking import MOST_OBJECTS
from meta_pipeline.warehouse import SyncRequestRow
from meta_pipeline.warehouse.stores.sync_requests import RequestState

from .accounts import account_of
from .caller import Caller, Reader, Syncer
from .paging import Cursor, Limit, Page, cursor_of, key_behind
from .problems import Problem

syncs = APIRouter(tags=["syncs"])
RunId = Annotated[str, Path(pattern=r"^[0-9a-zA-Z-]{1,64}$")]
AccountFilter = Annotated[
    list[Annotated[str, Field(pattern=r"^act_[0-9]{1,20}$")]] | None,
    Query(alias="account_id", max_length=100, description="Only of these ad accounts"),
]
ObjectIds = Annotated[
    list[Annotated[str, Field(pattern=r"^[0-9]{1,20}$")]],
    Field(min_length=1, max_length=MOST_OBJECTS),
]


class SyncWish(DiscreetModel):
    """What to sync of an ad account. Many who ask for the same get one sync."""

    model_config = ConfigDict(extra="forbid")

    account_id: Annotated[str, Field(pattern=r"^act_[0-9]{1,20}$", examples=["act_123"])]
    parts: Annotated[
        list[Part] | None, Field(min_length=1, max_length=8, description="What the settings bring")
    ] = None
    objects: Annotated[
        dict[Part, ObjectIds] | None,
        Field(description="Ids to read and nothing else, by campaigns, adsets, ads, creatives"),
    ] = None
    since: Annotated[date | None, Field(description="First day, in the account's zone")] = None
    until: Annotated[date | None, Field(description="Last day, inclusive; today without it")] = None
    force: Annotated[bool, Field(description="Read also what is fresh")] = False
    reason: Annotated[str, Field(max_length=500)] = ""

    def wish(self) -> Wish:
        return Wish(
            self.account_id,
            parts=None if self.parts is None else frozenset(self.parts),
            objects=self.objects or {},
            since=self.since,
            until=self.until,
            force=self.force,
        )


class ListedSyncRequest(DiscreetModel):
    """A request, how far its sync is, or what came of it."""

    request_id: str
    account_id: str
    source: str
    """Where it was made: cli, web, api or webhook."""
    requested_by: str
    reason: str
    parts: list[str] | None
    """Null: what the settings bring."""
    object_counts: dict[str, int] | None
    """How many ids are named, by part; null: everything of the account."""
    since: date | None
    until: date | None
    force: bool
    requested_at: datetime
    not_before: datetime | None
    """Until when it waits; null when it may start."""
    state: RequestState
    progress: dict[str, Any] | None
    """How far its sync is, while it runs."""
    outcome: str | None
    message: str | None
    """Why it waits, or what went wrong."""
    sync_run_ids: list[str] | None
    finished_at: datetime | None


class SyncRequest(ListedSyncRequest):
    """A request with the ids it names."""

    objects: dict[str, list[str]] | None
    """Ids by part; null: everything of the account."""


class Price(DiscreetModel):
    """What a sync would read and cost now; `obstacle` says why it would wait."""

    account_id: str
    since: date | None
    until: date | None
    is_empty: bool
    calls_least: int
    calls_most: int
    hour_share_pct: float
    """Of the calls that Meta allows this account in an hour."""
    access_tier: str
    """The app's tier at Meta, on which that allowance depends."""
    minutes: float
    rows: int
    weighted_cost: float
    """Calls weighted by what they cost of the allowance."""
    days_fresh: int
    """Days asked for that are fresh and would not be read again."""
    sentences: list[str]
    """The same for people."""
    obstacle: str | None


class SyncRun(DiscreetModel):
    """One attempt to sync an ad account: every column of sync_runs."""

    model_config = ConfigDict(extra="allow")

    sync_run_id: str
    account_id: str
    scope: str
    status: str
    started_at: datetime
    finished_at: datetime | None
    error_summary: str | None


@syncs.post("/sync-requests", status_code=202)
def ask_for_sync(caller: Syncer, body: SyncWish) -> SyncRequest:
    """Ask for a sync: Dagster's sensor starts it within seconds. Makes no call itself."""
    # First of all whether it is the tenant's: else a key could ask for anybody's account.
    account_of(caller, body.account_id)
    row = ask(
        caller.warehouse,
        body.wish(),
        source="api",
        requested_by=caller.name,
        reason=body.reason,
        now=caller.now,
    )
    return _shown(row)


@syncs.post("/sync-requests/price")
def price_of_sync(caller: Reader, body: SyncWish) -> Price:
    """Say what a sync or a backfill would cost, and ask for nothing."""
    account_of(caller, body.account_id)
    priced = price(caller.warehouse, caller.site.settings, body.wish(), caller.now)
    return Price.model_validate(priced.facts())


@syncs.get("/sync-requests")
def list_sync_requests(
    caller: Reader,
    account_id: AccountFilter = None,
    state: Annotated[list[RequestState] | None, Query(max_length=5)] = None,
    limit: Limit = 100,
    cursor: Cursor = None,
) -> Page[ListedSyncRequest]:
    """List requests, newest first: of everybody, also those of the web and of webhooks.

    Which ids one names is shown with the request itself.
    """
    rows = caller.warehouse.sync_requests.recent(
        limit + 1, accounts=account_id, states=state, before=_before(cursor)
    )
    last = rows[limit - 1] if len(rows) > limit else None
    more = cursor_of(last.requested_at, last.request_id) if last else None
    return Page(data=[ListedSyncRequest(**_told(row)) for row in rows[:limit]], next_cursor=more)


@syncs.get("/sync-requests/{request_id}")
def show_sync_request(caller: Reader, request_id: RunId) -> SyncRequest:
    """Show a request: how far its sync is, why it waits, what came of it."""
    return _shown(_request(caller, request_id))


@syncs.delete("/sync-requests/{request_id}")
def cancel_sync_request(caller: Syncer, request_id: RunId) -> SyncRequest:
    """Take back a request that waits."""
    row = _request(caller, request_id)
    # Decided by the row itself, in one UPDATE: what was read above may have begun since.
    if not cancel(caller.warehouse, row, by=caller.name, now=caller.now):
        raise Problem("not_pending", f"the request is {row.state}: only one that waits can go back")
    caller.warehouse.web.note(caller.name, "sync request taken back", request_id)
    return _shown(_request(caller, request_id))


@syncs.get("/sync-runs")
def list_sync_runs(
    caller: Reader,
    account_id: AccountFilter = None,
    limit: Limit = 100,
    cursor: Cursor = None,
) -> Page[SyncRun]:
    """List syncs, newest first: every attempt, also those that were refused."""
    runs = caller.warehouse.runs.listed(limit + 1, accounts=account_id, before=_before(cursor))
    last = runs[limit - 1] if len(runs) > limit else None
    more = cursor_of(last.started_at, last.sync_run_id) if last else None
    return Page(data=[SyncRun(**run.row()) for run in runs[:limit]], next_cursor=more)


@syncs.get("/sync-runs/{sync_run_id}")
def show_sync_run(caller: Reader, sync_run_id: RunId) -> SyncRun:
    """Show one sync."""
    run = caller.warehouse.runs.get(sync_run_id)
    if run is None:
        raise Problem("not_found", f"there is no sync {sync_run_id} here: see /v1/sync-runs")
    return SyncRun(**run.row())


def _request(caller: Caller, request_id: str) -> SyncRequestRow:
    row = caller.warehouse.sync_requests.get(request_id)
    if row is None:
        raise Problem("not_found", f"there is no request {request_id} here: see /v1/sync-requests")
    return row


def _shown(row: SyncRequestRow) -> SyncRequest:
    return SyncRequest(**_told(row))


def _told(row: SyncRequestRow) -> dict[str, Any]:
    return asdict(row) | {"object_counts": row.object_counts or None}


def _before(cursor: str | None) -> tuple[datetime, str] | None:
    key = key_behind(cursor, datetime, str)
    return (key[0], key[1]) if key else None
