"""Days whose ad rows the account's own row contradicts: an answer that holds one must say so."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any

from psycopg import Connection
from psycopg.rows import dict_row

from meta_pipeline.metrics.comparison import beside_each_other
from meta_pipeline.metrics.once import once_each
from meta_pipeline.model.money import WITHOUT_MINOR_UNIT_SQL

from .question import Asked, Question, as_arrays


@dataclass(frozen=True, slots=True)
class Contradiction:
    """One account and day; amounts in major units, differences are the account's minus the ads'.

    `currency` is what the day is stored in, which may not be the account's of today.
    `conversions` are the metrics that differ, each with the number of the ads and the account's.
    """

    account_id: str
    day: date
    currency: str | None
    spend_account: Decimal
    spend_apart: Decimal
    impressions_apart: int
    clicks_apart: int
    conversions: dict[str, tuple[float, float]]

    @property
    def has_amounts(self) -> bool:
        """Whether delivery differs, not conversions alone."""
        return bool(self.spend_apart or self.impressions_apart or self.clicks_apart)

    @property
    def is_lacking(self) -> bool:
        """Whether the ad rows hold less than the account's own row."""
        return self.spend_apart > 0 or (not self.spend_apart and self.impressions_apart > 0)


def contradictions(connection: Connection[Any], question: Question) -> list[Contradiction]:
    """The days of the question that are known to be wrong at ad level, by account and day.

    That is what the last comparison says (`reconciliations`), and where either side was read
    since, what the two say now: an account row with delivery beside no ad row at all, or another
    amount read together with the ads.
    """
    known = once_each(
        connection, "contradictions", question.asked, lambda some: _read(connection, some)
    )
    return sorted(
        (one for days in known.values() for one in days),
        key=lambda one: (one.day, one.account_id),
    )


def _read(connection: Connection[Any], asked: Sequence[Asked]) -> dict[Asked, list[Contradiction]]:
    cursor = connection.cursor(row_factory=dict_row)
    by_account: dict[str, list[Contradiction]] = {}
    for row in cursor.execute(_CONTRADICTED, as_arrays(asked)):
        compared = row.pop("conversions") or {}
        apart = {
            name: (float(ads), float(account))
            for name, (ads, account) in sorted(compared.items())
            if ads != account
        }
        by_account.setdefault(row["account_id"], []).append(Contradiction(**row, conversions=apart))
    return {one: by_account.get(one[0], []) for one in asked}


def sentences(contradictions: Iterable[Contradiction], filters: bool) -> list[str]:
    """What to tell people of it; `filters` says that only some of the account was asked for."""
    amounts = [one for one in contradictions if one.has_amounts]
    # Each day in one group: where amounts differ, conversions differ too and are no news.
    groups = (
        ([one for one in amounts if one.is_lacking], _lacking),
        ([one for one in amounts if not one.is_lacking], _exceeding),
        ([one for one in contradictions if one.conversions and not one.has_amounts], _conversions),
    )
    return [write(some, filters) for some, write in groups if some]


def _lacking(some: list[Contradiction], filters: bool) -> str:
    spend = _amounts(some)
    what = spend or f"{sum(one.impressions_apart for one in some):,} impressions"
    # The account's row has no campaigns: what it has more is nobody's.
    part = " Whether they belong to what is asked for is not known." if filters else ""
    return (
        f"The account row has {what} that no ad row explains ({_days(some)}): ads that are gone, "
        f"so the numbers are too low.{part} meta-pipeline metrics reconcile shows the days."
    )


def _exceeding(some: list[Contradiction], filters: bool) -> str:
    spend = _amounts(some, sign=-1)
    what = spend or f"{-sum(one.impressions_apart for one in some):,} impressions"
    if not spend and not any(one.impressions_apart for one in some):
        what = "other clicks"
    return (
        f"The ad rows have {what} more than the account row ({_days(some)}): Meta took something "
        "back at one level. Read the days again: meta-pipeline sync with --force."
    )


def _conversions(some: list[Contradiction], filters: bool) -> str:
    first = some[0]
    named = beside_each_other(first.conversions)
    return (
        f"Conversions of final days differ between the levels ({_days(some)}): on {first.day} "
        f"{named}."
    )


def _amounts(some: Iterable[Contradiction], sign: int = 1) -> str:
    sums: dict[str, Decimal] = {}
    for one in some:
        if one.spend_apart:
            currency = one.currency or "(currency unknown)"
            sums[currency] = sums.get(currency, Decimal(0)) + sign * one.spend_apart
    return " and ".join(f"{amount:,.2f} {currency}" for currency, amount in sorted(sums.items()))


def _days(some: list[Contradiction]) -> str:
    days = sorted({one.day for one in some})
    accounts = sorted({one.account_id for one in some})
    shown = ", ".join(map(str, days)) if len(days) <= 3 else f"{len(days)} days from {days[0]}"
    return f"{shown} of {', '.join(accounts[:3])}" + (" and others" if len(accounts) > 3 else "")


# Read within five minutes (300 s) counts as together, and half a cent or yen an amount as rounding:
# as `comparison` has them, which has judged all but the days of `live`.
_HALF_A_UNIT = f"CASE WHEN {{}} IN ({WITHOUT_MINOR_UNIT_SQL}) THEN 0.5 ELSE 0.005 END"
_CONTRADICTED = f"""
    WITH asked AS (
        SELECT one.*, known.currency
        FROM unnest(%(accounts)s::text[], %(since)s::date[], %(until)s::date[])
            AS one (account_id, since, until)
        LEFT JOIN meta_ads.meta_ad_accounts AS known USING (account_id)
    ),
    ledger AS (
        SELECT read.account_id, read.date_start, max(read.fetched_at) AS fetched_at,
               max(read.fetched_at) FILTER (WHERE dataset = 'insights_ad') AS ads_at,
               max(read.fetched_at) FILTER (WHERE dataset = 'insights_account') AS account_at,
               count(DISTINCT read.sync_run_id) = 1 AS same_sync,
               bool_and(coalesce(read.is_final, false)) AS is_final
        FROM asked
        JOIN meta_ads.sync_windows AS read ON read.account_id = asked.account_id
            AND read.date_start BETWEEN asked.since AND asked.until
        WHERE read.dataset IN ('insights_ad', 'insights_account')
        GROUP BY read.account_id, read.date_start
    ),
    whole AS (
        SELECT own.account_id, own.date_start, coalesce(own.spend, 0) AS spend,
               coalesce(own.impressions, 0) AS impressions, coalesce(own.clicks, 0) AS clicks,
               coalesce(own.currency, asked.currency) AS currency
        FROM asked
        JOIN meta_ads.meta_insights AS own ON own.entity_type = 'account'
            AND own.entity_id = asked.account_id AND own.date_stop = own.date_start
            AND own.date_start BETWEEN asked.since AND asked.until
    ),
    -- Rows read after their comparison are looked at themselves: those of few days.
    live AS (
        SELECT whole.account_id, whole.date_start, whole.spend, whole.currency,
               -- Of two currencies there is no difference.
               CASE WHEN ads.are_in_another THEN 0 ELSE whole.spend - ads.spend END AS spend_apart,
               (whole.impressions - ads.impressions)::bigint AS impressions_apart,
               (whole.clicks - ads.clicks)::bigint AS clicks_apart,
               ads.rows AS ad_rows,
               coalesce(ledger.same_sync OR ledger.is_final
                   OR abs(extract(epoch FROM ledger.ads_at - ledger.account_at)) <= 300, false)
                   AS is_joint
        FROM whole
        LEFT JOIN ledger USING (account_id, date_start)
        LEFT JOIN meta_ads.reconciliations AS done USING (account_id, date_start)
        CROSS JOIN LATERAL (
            SELECT count(*) AS rows, coalesce(sum(ad.spend), 0) AS spend,
                   coalesce(sum(ad.impressions), 0) AS impressions,
                   coalesce(sum(ad.clicks), 0) AS clicks,
                   bool_or(ad.spend <> 0 AND ad.currency <> whole.currency) AS are_in_another
            FROM meta_ads.meta_insights AS ad
            WHERE ad.account_id = whole.account_id AND ad.date_start = whole.date_start
                AND ad.entity_type = 'ad' AND ad.date_stop = ad.date_start
            OFFSET 0
        ) AS ads
        WHERE (done.checked_at IS NULL OR done.status = 'unchecked'
               OR greatest(done.ads_as_of, done.account_as_of)
                  IS DISTINCT FROM ledger.fetched_at)
            AND ledger.ads_at IS NOT NULL
    )
    SELECT account_id, date_start AS day, currency, spend_account, spend_apart, impressions_apart,
           clicks_apart, conversions
    FROM (
        SELECT account_id, date_start, currency, spend AS spend_account, spend_apart,
               impressions_apart, clicks_apart, NULL::jsonb AS conversions
        FROM live
        WHERE (ad_rows = 0 AND (spend_apart <> 0 OR impressions_apart <> 0))
           OR (is_joint AND (impressions_apart <> 0 OR clicks_apart <> 0
                             OR abs(spend_apart) > {_HALF_A_UNIT.format("currency")}
                                                   * (ad_rows + 1)))
        UNION ALL
        SELECT done.account_id, done.date_start, stored.currency, coalesce(done.spend_account, 0),
               -- Cents that rounding explains are not why the day differs: its conversions are.
               CASE WHEN done.impressions_account = done.impressions_ads
                         AND done.clicks_account = done.clicks_ads
                         AND abs(done.spend_account - done.spend_ads)
                             <= {_HALF_A_UNIT.format("stored.currency")} * (done.ad_rows + 1)
                    THEN 0
                    ELSE coalesce(done.spend_account, 0) - coalesce(done.spend_ads, 0) END,
               coalesce(done.impressions_account, 0) - coalesce(done.impressions_ads, 0),
               coalesce(done.clicks_account, 0) - coalesce(done.clicks_ads, 0),
               done.conversions
        FROM asked
        JOIN meta_ads.reconciliations AS done ON done.account_id = asked.account_id
            AND done.date_start BETWEEN asked.since AND asked.until
        LEFT JOIN whole ON whole.account_id = done.account_id AND whole.date_start = done.date_start
        CROSS JOIN LATERAL (
            -- Where Meta gave no row of the account's own, its ads say it.
            SELECT coalesce(
                whole.currency,
                (SELECT max(made.currency) FROM meta_ads.campaign_rollups AS made
                 WHERE made.account_id = done.account_id AND made.date_start = done.date_start),
                asked.currency
            ) AS currency
        ) AS stored
        WHERE done.status = 'differs' AND NOT EXISTS (
            SELECT FROM live
            WHERE live.account_id = done.account_id AND live.date_start = done.date_start
                AND (live.is_joint OR live.ad_rows = 0)
        )
    ) AS found
    ORDER BY date_start, account_id
"""
