"""Rotation states: how every ad account stands, in one query, for the choice of the next one."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from psycopg.rows import class_row

from meta_pipeline.model.account_state import AccountState
from meta_pipeline.model.part import BY_ID, EXTRAS
from meta_pipeline.moments import LONGEST_WAIT
from meta_pipeline.warehouse.connect import Connection

# Weekdays differ: a week is the shortest span that holds one of each.
SPEND_DAYS = 7
# After so many in a row the pause is at its longest, and one more changes nothing.
_FAILURES_COUNTED = 12
_OLDEST_DAYS = 37 * 30
"""Meta keeps 37 months (FACTS section 5.4): a longer backfill never gets further."""


# Every look-up is one or a few index entries for each account, however long its history is:
# - The ledger and the cursors say what was read, also by a sync that failed later; runs say it not.
# - What a host did whose clock is ahead says nothing: times in the future count as never.
# - Spend is that of the account's own daily rows: seven each, where there may be thousands of ads.
#   Ad rows are added up only where no account row came, which is where nothing was spent.
# - EXISTS would be planned as one scan of the whole table, hence the scalar subqueries.
# - An unfinished backfill is seen by its oldest day: windows are read newest first. Rows of that
#   day come with a day's margin, as the account's zone is not looked up.
_STATES = """
WITH held AS MATERIALIZED (
    SELECT (classid::bigint << 32) | objid::bigint AS key
    FROM pg_locks
    WHERE locktype = 'advisory' AND granted AND objsubid = 1
        AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
), rate AS MATERIALIZED (
    SELECT own.currency, (own.usd / nullif(other.usd, 0))::float8 AS factor
    FROM meta_ads.currency_worth AS own
    JOIN meta_ads.currency_worth AS other ON other.currency = %(currency)s
)
SELECT
    account.account_id,
    coalesce((
        SELECT min(tenant) FROM meta_ads.tenant_accounts
        WHERE account_id = account.account_id AND tenant <> 'default'
    ), account.business_id, account.owner_id, '') AS tenant,
    entities.synced_at AS entities_synced_at,
    insights.fetched_at AS insights_synced_at,
    attempt.started_at AS last_attempt_at,
    attempt.status AS last_status,
    CASE WHEN attempt.status IN ('fail', 'partial', 'throttled', 'running') THEN (
        SELECT count(*) FILTER (WHERE sound = 0 AND status <> 'throttled')
        FROM (
            SELECT status,
                count(*) FILTER (WHERE status = 'success') OVER (ORDER BY started_at DESC) AS sound
            FROM (
                SELECT status, started_at FROM meta_ads.sync_runs
                WHERE account_id = account.account_id AND status <> 'refused'
                    AND meta_ads.past(started_at, %(now)s) IS NOT NULL
                    AND NOT string_to_array(scope, ',') <@ %(extras)s::text[]
                ORDER BY started_at DESC LIMIT %(failures_counted)s
            ) AS newest
        ) AS counted
    ) ELSE 0 END::int AS failures,
    attempt.not_before,
    (coalesce(
        spend.amount,
        CASE WHEN insights.fetched_at IS NOT NULL THEN (
            SELECT sum(spend) FROM meta_ads.meta_insights
            WHERE account_id = account.account_id AND entity_type = 'ad'
                AND date_start >= %(spend_since)s::date AND date_stop = date_start
        ) END,
        0
    ) * coalesce(rate.factor, 1))::float8 AS spend_7d,
    CASE WHEN rate.factor IS NULL THEN account.currency ELSE %(currency)s END AS currency,
    rate.factor IS NOT NULL AS is_comparable,
    coalesce(spend.amount, 0) > 0 OR entities.synced_at IS NULL OR (
        SELECT true FROM meta_ads.meta_campaigns
        WHERE account_id = account.account_id AND NOT is_deleted
            AND effective_status NOT IN ('PAUSED', 'ARCHIVED', 'DELETED')
        LIMIT 1
    ) IS NOT NULL AS can_deliver,
    account.is_accessible,
    meta_ads.past(account.first_seen_at, %(now)s) AS first_seen_at,
    insights.fetched_at IS NOT NULL AND (
        SELECT true FROM meta_ads.sync_windows
        WHERE account_id = account.account_id AND dataset = %(dataset)s
            AND date_start <= %(backfilled_to)s::date
        LIMIT 1
    ) IS NULL AS has_backfill_gap,
    insights.fetched_at IS NOT NULL AND (
        SELECT true FROM meta_ads.sync_windows
        WHERE account_id = account.account_id AND dataset = %(dataset)s
            AND date_start < %(newest_since)s::date
        LIMIT 1
    ) IS NULL AS has_newest_days_only,
    EXISTS (
        SELECT FROM held
        WHERE key = hashtextextended('meta_ads:sync:' || account.account_id, 0)
    ) AS is_running
FROM meta_ads.meta_ad_accounts AS account
LEFT JOIN LATERAL (
    SELECT CASE WHEN count(meta_ads.past(last_fetched_at, %(now)s)) = 3
        THEN min(meta_ads.past(last_fetched_at, %(now)s)) END AS synced_at
    FROM meta_ads.sync_cursor
    WHERE account_id = account.account_id AND edge IN ('campaigns', 'adsets', 'ads')
) AS entities ON true
LEFT JOIN LATERAL (
    SELECT meta_ads.past(fetched_at, %(now)s) AS fetched_at FROM meta_ads.sync_windows
    WHERE account_id = account.account_id AND dataset = %(dataset)s
        AND meta_ads.past(fetched_at, %(now)s) IS NOT NULL
    ORDER BY date_start DESC LIMIT 1
) AS insights ON true
LEFT JOIN LATERAL (
    SELECT meta_ads.past(started_at, %(now)s) AS started_at, status,
        CASE WHEN not_before <= started_at + %(longest_wait)s THEN not_before END AS not_before
    FROM meta_ads.sync_runs AS run
    WHERE account_id = account.account_id AND status <> 'refused'
        AND meta_ads.past(started_at, %(now)s) IS NOT NULL
        AND NOT string_to_array(scope, ',') <@ %(extras)s::text[]
    ORDER BY run.started_at DESC LIMIT 1
) AS attempt ON true
LEFT JOIN LATERAL (
    SELECT sum(spend) AS amount FROM meta_ads.meta_insights
    WHERE entity_type = 'account' AND entity_id = account.account_id
        AND date_start >= %(spend_since)s::date AND date_stop = date_start
) AS spend ON true
LEFT JOIN rate ON rate.currency = account.currency
ORDER BY account.account_id
"""


def rotation_states(
    connection: Connection,
    now: datetime,
    *,
    dataset: str = "insights_ad",
    backfill_days: int = 90,
    newest_days: int = 7,
    currency: str = "USD",
) -> list[AccountState]:
    """How every known ad account stands at `now`, by account id; the cost does not grow with
    history.

    Entities were read when the oldest of campaigns, ad sets and ads was; insights when the newest
    day of the ledger was. The last attempt is the newest that was not refused and not of extras
    only. Spend is of today and the 7 days before it. Running is what holds the account's lock,
    whatever its rows say.
    `dataset` is the ledger's name of the numbers that count, `newest_days` how many of them a
    fleet's first sync begins with. Spend is told in `currency`, by view `currency_worth`; an
    account whose currency has no rate keeps its own.
    """
    # Days in UTC. The account's own may be the next one already, hence a day of margin.
    today = now.astimezone(UTC).date()
    backfilled_days = max(min(backfill_days - 2, _OLDEST_DAYS), 0)
    values = {
        "now": now,
        "dataset": dataset,
        "currency": currency,
        "failures_counted": _FAILURES_COUNTED,
        "longest_wait": LONGEST_WAIT,
        # Syncs of extras only, and of named objects, decide about nothing.
        "extras": [*map(str, EXTRAS), BY_ID],
        "spend_since": today - timedelta(days=SPEND_DAYS),
        "backfilled_to": today - timedelta(days=backfilled_days),
        "newest_since": today - timedelta(days=newest_days),
    }
    with connection.transaction():
        # SET LOCAL, and a clock for functions of the schema: both end with this transaction.
        # Compiling a query of this shape takes longer than running it.
        connection.execute("SET LOCAL jit = off")
        connection.execute("SELECT set_config('meta_ads.now', %s, true)", (now.isoformat(),))
        cursor = connection.cursor(row_factory=class_row(AccountState))
        return cursor.execute(_STATES, values).fetchall()
