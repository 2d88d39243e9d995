"""Accounts: the ad accounts the token can see, or could once see."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, fields
from datetime import date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from psycopg.rows import class_row

from meta_pipeline.warehouse.connect import Connection, Store

if TYPE_CHECKING:
    from meta_pipeline.warehouse.write.upserts import Upserted


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountRow:
    """One row of `meta_ad_accounts`; the columns' comments say what each field means."""

    account_id: str
    name: str | None
    account_status: int | None
    disable_reason: int | None
    currency: str | None
    timezone_name: str | None
    amount_spent: Decimal | None
    balance: Decimal | None
    spend_cap: Decimal | None
    min_daily_budget: Decimal | None
    business_id: str | None
    business_name: str | None
    owner_id: str | None
    created_time: datetime | None
    is_accessible: bool
    last_listed_at: datetime
    is_simulated: bool
    first_seen_at: datetime
    data_as_of: datetime
    extra: Any


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountHealth:
    """One row of view `sync_health`; the view's comments say what each field means."""

    account_id: str
    name: str | None
    is_accessible: bool
    is_simulated: bool
    entities_synced_at: datetime | None
    insights_synced_at: datetime | None
    last_success_at: datetime | None
    staleness: str
    staleness_seconds: float | None
    last_attempt_at: datetime | None
    last_status: str | None
    last_error: str | None
    last_calls: int | None
    last_seconds: float | None
    is_running: bool
    not_before: datetime | None
    waiting_for: str | None
    newest_insight_day: date | None
    insight_days_fetched: int
    insight_days_missing: int
    insight_rows: int
    campaigns: int
    adsets: int
    ads: int
    active: int
    usage_pct: float | None
    usage_read_at: datetime | None
    usage_meter: str | None
    connection_id: str | None


_COLUMNS = tuple(field.name for field in fields(AccountRow))
_TRACKED = (
    "name",
    "account_status",
    "disable_reason",
    "currency",
    "timezone_name",
    "spend_cap",
    "min_daily_budget",
    "business_id",
    "business_name",
    "owner_id",
)
"""What somebody changed when it changes; balance and amount spent move by themselves."""
_SELECT = f"SELECT {', '.join(_COLUMNS)} FROM meta_ads.meta_ad_accounts"
_HEALTH = f"""
    SELECT {", ".join(field.name for field in fields(AccountHealth))}
    FROM meta_ads.sync_health ORDER BY name NULLS LAST, account_id
"""
# Accounts that nobody reads any more, thousands at an agency, are not touched.
_LISTED = """
    UPDATE meta_ads.meta_ad_accounts
    SET last_listed_at = CASE WHEN account_id = ANY (%(listed)s) THEN %(at)s
                              ELSE last_listed_at END,
        is_accessible = account_id = ANY (%(listed)s)
            OR (is_accessible AND account_id = ANY (%(unsure)s)),
        environment_listed_at = CASE
            WHEN %(environment)s::text[] IS NULL THEN environment_listed_at
            WHEN account_id = ANY (%(environment)s) THEN %(at)s::timestamptz END
    WHERE account_id = ANY (%(listed)s) OR is_accessible OR environment_listed_at IS NOT NULL
"""


class AccountStore(Store):
    """`meta_ad_accounts`."""

    def upsert_listed(
        self,
        rows: Iterable[Mapping[str, Any]],
        listed_at: datetime,
        connection: Connection | None = None,
        *,
        by_environment: Collection[str] | None = None,
        unsure: Collection[str] = (),
    ) -> Upserted:
        """Write Meta's complete list of accounts; those no longer in it become inaccessible.

        Each row maps column names to values, `account_id` at least; missing ones become null.
        Give the whole list: an account that is left out counts as lost, unless it is one of
        `unsure`, whose connection gave no list. `by_environment` are those that META_ACCESS_TOKEN
        listed, none where it is not set; None: it gave no list. Nothing is ever removed.
        """
        # Once each: several connections may list the same account.
        listed = {str(row["account_id"]): row for row in rows}
        with self._using(connection) as used:
            done = _write(used, listed.values(), listed_at, None)
            environment = None if by_environment is None else list(by_environment)
            values = {"listed": list(listed), "unsure": list(unsure), "environment": environment}
            used.execute(_LISTED, values | {"at": listed_at})
        return done

    def upsert_one(
        self,
        row: Mapping[str, Any],
        seen_at: datetime,
        connection: Connection | None = None,
        *,
        sync_run_id: str | None = None,
    ) -> Upserted:
        """Write one account that was read by itself; says nothing about any other.

        What changed of it is in `entity_changes`, as seen by this sync.
        """
        with self._using(connection) as used:
            return _write(used, [row], seen_at, sync_run_id)

    def all(self, *, accessible_only: bool = False) -> list[AccountRow]:
        """Every account, by name; `accessible_only` leaves out those the token lost."""
        where = " WHERE is_accessible" if accessible_only else ""
        with self._using() as connection:
            cursor = connection.cursor(row_factory=class_row(AccountRow))
            return cursor.execute(
                f"{_SELECT}{where} ORDER BY name NULLS LAST, account_id"
            ).fetchall()

    def get(self, account_id: str, connection: Connection | None = None) -> AccountRow | None:
        with self._using(connection) as used:
            cursor = used.cursor(row_factory=class_row(AccountRow))
            return cursor.execute(
                f"{_SELECT} WHERE account_id = %s",
                (account_id,),
            ).fetchone()

    def health(self) -> list[AccountHealth]:
        """How every account is doing: view `sync_health`, by name."""
        with self._using() as connection:
            cursor = connection.cursor(row_factory=class_row(AccountHealth))
            return cursor.execute(_HEALTH).fetchall()


def _write(
    connection: Connection,
    rows: Iterable[Mapping[str, Any]],
    seen_at: datetime,
    sync_run_id: str | None,
) -> Upserted:
    # Not at the top: who only reads accounts need not wait for SQLAlchemy.
    from meta_pipeline.warehouse.schema import meta_ad_accounts  # noqa: PLC0415
    from meta_pipeline.warehouse.write.history import EntityHistory  # noqa: PLC0415
    from meta_pipeline.warehouse.write.upserts import NOT_COMPARED, upsert  # noqa: PLC0415

    bookkeeping = {"is_accessible": True, "last_listed_at": seen_at, "data_as_of": seen_at}
    columns = [name for name in _COLUMNS if name != "first_seen_at"]
    values = [
        [({"is_simulated": False} | dict(row) | bookkeeping).get(name) for name in columns]
        for row in rows
    ]
    not_compared = (*NOT_COMPARED, "last_listed_at")
    history = EntityHistory(_TRACKED, "account", "account_id", sync_run_id, seen_at)
    return upsert(
        connection, meta_ad_accounts, columns, values, ignore=not_compared, history=history
    )
