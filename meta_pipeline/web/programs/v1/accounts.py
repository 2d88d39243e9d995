"""`/v1/accounts`: the ad accounts of the key's tenant, how fresh each is, and what it holds."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Path, Query
from psycopg.rows import dict_row
from pydantic import ConfigDict
from sqlalchemy.dialects.postgresql import JSONB

from meta_pipeline.discreet import DiscreetModel
from meta_pipeline.warehouse import schema

from .caller import Caller, Reader
from .paging import Cursor, Limit, Page, cursor_of, key_behind
from .problems import Problem

accounts = APIRouter(tags=["accounts"])
AccountId = Annotated[
    str, Path(pattern=r"^act_[0-9]{1,20}$", description="Ad account", examples=["act_123"])
]
Edge = Literal["campaigns", "adsets", "ads"]
_TABLES = {
    "campaigns": (schema.meta_campaigns, "campaign_id"),
    "adsets": (schema.meta_adsets, "adset_id"),
    "ads": (schema.meta_ads, "ad_id"),
}
_HEALTH = """
    SELECT account.account_id, account.name, account.currency, account.timezone_name,
        account.account_status, account.is_accessible, account.is_simulated,
        health.staleness, health.entities_synced_at, health.insights_synced_at,
        health.last_success_at, health.last_status, health.last_error, health.is_running,
        health.not_before, health.waiting_for, health.newest_insight_day,
        health.campaigns, health.adsets, health.ads
    FROM meta_ads.meta_ad_accounts AS account
    JOIN meta_ads.sync_health AS health USING (account_id)
    WHERE (%(only)s::text IS NULL OR account.account_id = %(only)s)
        AND (%(after)s::text IS NULL OR account.account_id > %(after)s)
    ORDER BY account.account_id LIMIT %(limit)s
"""


class Account(DiscreetModel):
    """An ad account, and how its syncs go."""

    account_id: str
    name: str | None
    currency: str | None
    timezone_name: str | None
    account_status: int | None
    """Meta's number; 1 is active."""
    is_accessible: bool
    """Whether a connection reaches it."""
    is_simulated: bool
    staleness: str
    """Its age in words: `15m ago`."""
    entities_synced_at: datetime | None
    insights_synced_at: datetime | None
    last_success_at: datetime | None
    last_status: str | None
    """How the newest sync ended."""
    last_error: str | None
    is_running: bool
    not_before: datetime | None
    """Meta blocks it until then."""
    waiting_for: str | None
    """Why no sync begins now, as a sentence."""
    newest_insight_day: Any
    campaigns: int
    adsets: int
    ads: int


class Entity(DiscreetModel):
    """A campaign, ad set or ad: every column of its table that is no JSON."""

    model_config = ConfigDict(extra="allow")

    account_id: str
    name: str | None
    status: str | None
    effective_status: str | None
    is_deleted: bool
    data_as_of: datetime


@accounts.get("/accounts")
def list_accounts(caller: Reader, limit: Limit = 100, cursor: Cursor = None) -> Page[Account]:
    """List the ad accounts, each with how fresh it is."""
    key = key_behind(cursor, str)
    # One more than is sent says whether there is another page.
    rows = _accounts(caller, limit + 1, after=key[0] if key else None)
    more = cursor_of(rows[limit - 1].account_id) if len(rows) > limit else None
    return Page(data=rows[:limit], next_cursor=more)


@accounts.get("/accounts/{account_id}")
def show_account(caller: Reader, account_id: AccountId) -> Account:
    """Show one ad account."""
    return account_of(caller, account_id)


@accounts.get("/accounts/{account_id}/{edge}")
def list_entities(
    caller: Reader,
    *,
    account_id: AccountId,
    edge: Edge,
    effective_status: Annotated[
        list[str] | None, Query(max_length=20, description="Only of these statuses")
    ] = None,
    include_deleted: Annotated[bool, Query(description="Also what Meta has no more")] = False,
    limit: Limit = 100,
    cursor: Cursor = None,
) -> Page[Entity]:
    """List the campaigns, ad sets or ads of an account, by id; those without delivery too."""
    account_of(caller, account_id)
    table, key = _TABLES[edge]
    after = key_behind(cursor, str)
    columns = ", ".join(one.name for one in table.columns if not isinstance(one.type, JSONB))
    with caller.warehouse.connection() as connection:
        rows = (
            connection.cursor(row_factory=dict_row)
            .execute(
                # Only names of our own declaration are put in; all that was sent is a parameter.
                f"SELECT {columns} FROM {table.fullname} WHERE account_id = %(account)s "
                f"AND (%(after)s::text IS NULL OR {key} > %(after)s) "
                "AND (%(statuses)s::text[] IS NULL OR effective_status = ANY (%(statuses)s)) "
                "AND (%(deleted)s OR NOT is_deleted) "
                f"ORDER BY {key} LIMIT %(limit)s",
                {
                    "account": account_id,
                    "after": after[0] if after else None,
                    "statuses": plain(effective_status),
                    "deleted": include_deleted,
                    "limit": limit + 1,
                },
            )
            .fetchall()
        )
    more = cursor_of(rows[limit - 1][key]) if len(rows) > limit else None
    return Page(data=[Entity.model_validate(row) for row in rows[:limit]], next_cursor=more)


def account_of(caller: Caller, account_id: str) -> Account:
    """The account, if the key's tenant has it; else a Problem."""
    accounts = _accounts(caller, 1, only=account_id)
    if not accounts:
        raise Problem("not_found", f"there is no ad account {account_id} here: see /v1/accounts")
    return accounts[0]


def plain(given: list[str] | None) -> list[str] | None:
    """Values of a filter without those that no row can have: Postgres takes no NUL."""
    return None if given is None else [one for one in given if "\x00" not in one]


def _accounts(
    caller: Caller, limit: int, *, after: str | None = None, only: str | None = None
) -> list[Account]:
    with caller.warehouse.connection() as connection:
        rows = connection.cursor(row_factory=dict_row).execute(
            _HEALTH, {"after": after, "only": only, "limit": limit}
        )
        return [Account.model_validate(row) for row in rows]
