"""Reconciliation: the ad rows of each day against the account's own row, compared and kept."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from psycopg import Connection
from psycopg.rows import dict_row
from psycopg.types.json import Jsonb

from .answers.question import Asked, as_arrays
from .comparison import Comparison, ComparisonOutcome, verdict
from .definitions import store
from .expression import Expressions
from .settling import META_RESTATES_DAYS
from .source import daily

COMPARED = ("purchases", "revenue", "leads", "registrations", "link_clicks")
"""Conversions compared beside spend, impressions and clicks; kept in `conversions`."""


@dataclass(frozen=True, slots=True)
class Reconciliation:
    """One account and day, compared; amounts in major units of the currency it is stored in."""

    account_id: str
    date_start: date
    status: ComparisonOutcome
    explanation: str
    """Why, in sentences."""
    ad_rows: int
    spend_ads: Decimal | None
    spend_account: Decimal | None
    """None, as all of the account's own, where Meta gave no row for the account."""
    spend_difference: Decimal | None
    """The ads' minus the account's."""
    spend_difference_pct: Decimal | None
    """In percent of the account's."""
    impressions_ads: int | None
    impressions_account: int | None
    clicks_ads: int | None
    clicks_account: int | None
    conversions: dict[str, list[float]]
    """By metric of COMPARED: the sum of the ad rows, and the account row's."""
    tolerance_pct: Decimal
    ads_as_of: datetime | None
    """When the ad rows were read; `account_as_of` when the account's was."""
    account_as_of: datetime | None

    @classmethod
    def of(cls, day: Comparison, tolerance: Decimal) -> Reconciliation:
        status, explanation = verdict(day, tolerance)
        return cls(
            account_id=day.account_id,
            date_start=day.date_start,
            status=status,
            explanation=explanation,
            ad_rows=day.ad_rows,
            spend_ads=day.spend_ads,
            # The query has zero where the account gave no row: it would look like a day of none.
            spend_account=day.spend_account if day.has_account_row else None,
            spend_difference=day.spend_difference if day.has_account_row else None,
            spend_difference_pct=day.spend_difference_pct if day.has_account_row else None,
            impressions_ads=day.impressions_ads,
            impressions_account=day.impressions_account if day.has_account_row else None,
            clicks_ads=day.clicks_ads,
            clicks_account=day.clicks_account if day.has_account_row else None,
            conversions=day.conversions,
            tolerance_pct=tolerance,
            ads_as_of=day.read_at[0],
            account_as_of=day.read_at[1],
        )

    @property
    def is_ok(self) -> bool:
        """Whether nothing contradicts the numbers (a day that could not be checked does not)."""
        return self.status is not ComparisonOutcome.DIFFERS

    @property
    def is_unchecked(self) -> bool:
        """Whether the two levels could not be compared."""
        return self.status is ComparisonOutcome.UNCHECKED


def reconcile(
    connection: Connection[Any],
    account_id: str,
    since: date,
    until: date,
    tolerance_pct: Decimal | float = 0,
) -> list[Reconciliation]:
    """Compare every day from `since` to `until` (inclusive), store the rows and give them back.

    Who may only read gets the answer too; then nothing is stored.

    Spend, impressions and clicks must agree within `tolerance_pct` of the account row. Conversions
    are late at either level while Meta restates a day: until its 28 days are over they are only
    shown, then they must agree within the tolerance too, revenue but for cents. Reach is never
    compared: people are no sum. Reads the warehouse only.

    The account's own row is read once a day, ad rows of young days hourly. What differs because it
    was read at different times proves nothing: such a day is `unchecked`, and stored it keeps the
    verdict of the last time both levels were read together.
    """
    rows = list(compare(connection, [(account_id, since, until)], tolerance_pct))
    # A reader's role asks the same question, and must not fail in the end of it.
    may_store = connection.execute(_MAY_STORE).fetchone()
    if not may_store or not may_store[0]:
        return rows
    with connection.cursor() as cursor:
        cursor.executemany(_STORE, [_stored(row) for row in rows if not row.is_unchecked])
        cursor.executemany(_STORE_UNCHECKED, [_stored(row) for row in rows if row.is_unchecked])
    return rows


def compare(
    connection: Connection[Any], asked: Sequence[Asked], tolerance_pct: Decimal | float = 0
) -> Iterator[Reconciliation]:
    """What `reconcile` says of the days of each account, account by account, and nothing stored.

    However many the accounts are, it is one statement.
    """
    tolerance = Decimal(str(tolerance_pct))
    ids = tuple(account_id for account_id, _, _ in asked)
    expressions = Expressions(store.current(connection), daily("ad"), ids)
    conversions = ", ".join(_both_levels(name, expressions.summand(name)) for name in COMPARED)
    cursor = connection.cursor(row_factory=dict_row)
    cursor.execute(
        _COMPARE.format(
            joins=expressions.joins, conversions=conversions, settled=META_RESTATES_DAYS
        ),
        as_arrays(asked) | expressions.params,
    )
    return (Reconciliation.of(Comparison(**row), tolerance) for row in cursor)


def reconciliations(
    connection: Connection[Any], account_id: str, since: date, until: date
) -> list[Reconciliation]:
    """The rows last stored for these days, oldest first."""
    cursor = connection.cursor(row_factory=dict_row)
    names = ", ".join(Reconciliation.__dataclass_fields__)
    cursor.execute(
        f"SELECT {names} FROM meta_ads.reconciliations"
        " WHERE account_id = %s AND date_start BETWEEN %s AND %s ORDER BY date_start",
        (account_id, since, until),
    )
    return [
        Reconciliation(**(row | {"status": ComparisonOutcome(row["status"])})) for row in cursor
    ]


def _both_levels(name: str, summand: str) -> str:
    sums = ", ".join(
        f"coalesce(sum({summand}) FILTER (WHERE f.entity_type = '{level}'), 0)"
        for level in ("ad", "account")
    )
    return f"'{name}', jsonb_build_array({sums})"


def _stored(row: Reconciliation) -> dict[str, Any]:
    return asdict(row) | {"status": str(row.status), "conversions": Jsonb(row.conversions)}


# Both levels in one pass over the rows of a day: FILTER tells them apart. Account by account, where
# OFFSET 0 keeps the planner from joining: so of every table each one's own rows alone are read.
_COMPARE = """
    SELECT asked.account_id, gone.deleted_ads, own.*
    FROM unnest(%(accounts)s::text[], %(since)s::date[], %(until)s::date[]) WITH ORDINALITY
        AS asked (account_id, since, until, position)
    CROSS JOIN LATERAL (
        SELECT count(*) AS deleted_ads FROM meta_ads.meta_ads AS ad
        WHERE ad.account_id = asked.account_id AND ad.is_deleted
    ) AS gone
    CROSS JOIN LATERAL (
        SELECT wanted.day::date AS date_start,
               coalesce(found.ad_rows, 0) AS ad_rows,
               coalesce(found.account_rows, 0) > 0 AS has_account_row,
               ads.fetched_at AS ads_fetched,
               account.fetched_at AS account_fetched,
               found.ads_as_of,
               found.account_as_of,
               coalesce(found.spend_ads, 0) AS spend_ads,
               coalesce(found.spend_account, 0) AS spend_account,
               coalesce(found.impressions_ads, 0)::bigint AS impressions_ads,
               coalesce(found.impressions_account, 0)::bigint AS impressions_account,
               coalesce(found.clicks_ads, 0)::bigint AS clicks_ads,
               coalesce(found.clicks_account, 0)::bigint AS clicks_account,
               coalesce(found.conversions, '{{}}') AS conversions,
               coalesce(found.currency, known.currency) AS currency,
               coalesce(found.least_currency <> found.most_currency, false) AS has_two_currencies,
               coalesce(ads.sync_run_id = account.sync_run_id, false) AS same_sync,
               coalesce(ads.is_final AND account.is_final, false) AS both_final,
               coalesce(
                   meta_ads.day_in_zone(ads.fetched_at, known.timezone_name)
                       - wanted.day::date > {settled}
                   AND meta_ads.day_in_zone(account.fetched_at, known.timezone_name)
                       - wanted.day::date > {settled}, false) AS both_settled
        FROM generate_series(asked.since, asked.until, interval '1 day') AS wanted (day)
        LEFT JOIN (
            SELECT f.date_start,
                   count(*) FILTER (WHERE f.entity_type = 'ad') AS ad_rows,
                   count(*) FILTER (WHERE f.entity_type = 'account') AS account_rows,
                   max(f.data_as_of) FILTER (WHERE f.entity_type = 'ad') AS ads_as_of,
                   max(f.data_as_of) FILTER (WHERE f.entity_type = 'account') AS account_as_of,
                   sum(f.spend) FILTER (WHERE f.entity_type = 'ad') AS spend_ads,
                   sum(f.spend) FILTER (WHERE f.entity_type = 'account') AS spend_account,
                   sum(f.impressions) FILTER (WHERE f.entity_type = 'ad') AS impressions_ads,
                   sum(f.impressions) FILTER (WHERE f.entity_type = 'account')
                       AS impressions_account,
                   sum(f.clicks) FILTER (WHERE f.entity_type = 'ad') AS clicks_ads,
                   sum(f.clicks) FILTER (WHERE f.entity_type = 'account') AS clicks_account,
                   coalesce(max(f.currency) FILTER (WHERE f.entity_type = 'account'),
                            max(f.currency)) AS currency,
                   -- What is nothing is so in any.
                   min(f.currency) FILTER (WHERE f.spend <> 0) AS least_currency,
                   max(f.currency) FILTER (WHERE f.spend <> 0) AS most_currency,
                   jsonb_build_object({conversions}) AS conversions
            FROM meta_ads.meta_insights AS f
            {joins}
            WHERE f.account_id = asked.account_id AND f.date_stop = f.date_start
              AND f.date_start BETWEEN asked.since AND asked.until
              AND f.entity_type IN ('ad', 'account')
            GROUP BY f.date_start
        ) AS found ON found.date_start = wanted.day::date
        LEFT JOIN meta_ads.sync_windows AS ads
          ON ads.account_id = asked.account_id AND ads.dataset = 'insights_ad'
         AND ads.date_start = wanted.day::date
        LEFT JOIN meta_ads.sync_windows AS account
          ON account.account_id = asked.account_id AND account.dataset = 'insights_account'
         AND account.date_start = wanted.day::date
        LEFT JOIN meta_ads.meta_ad_accounts AS known ON known.account_id = asked.account_id
        OFFSET 0
    ) AS own
    ORDER BY asked.position, own.date_start
"""
# A reader has no such right, and neither a standby nor a read-only transaction takes a row.
_MAY_STORE = """
    SELECT has_table_privilege('meta_ads.reconciliations', 'INSERT')
        AND has_table_privilege('meta_ads.reconciliations', 'UPDATE')
        AND NOT current_setting('transaction_read_only')::boolean
"""
# In the order of the class, which has the key first: account and day.
_STORED_NAMES = tuple(Reconciliation.__dataclass_fields__)
_STORE = f"""
    INSERT INTO meta_ads.reconciliations ({", ".join(_STORED_NAMES)}, checked_at)
    VALUES ({", ".join(f"%({name})s" for name in _STORED_NAMES)}, clock_timestamp())
    ON CONFLICT (account_id, date_start) DO UPDATE SET
        {", ".join(f"{n} = excluded.{n}" for n in (*_STORED_NAMES[2:], "checked_at"))}
"""
_STORE_UNCHECKED = f"{_STORE} WHERE reconciliations.status IN ('unchecked', 'empty')"
"""What could not be compared replaces no verdict."""
