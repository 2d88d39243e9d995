"""Reading: what the warehouse knows of an account, as the rules want it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from sys import intern
from typing import Any, cast

from psycopg import Connection
from psycopg.rows import dict_row

from meta_pipeline.advice import (
    Account,
    BudgetPace,
    Change,
    Day,
    Days,
    Entity,
    Issue,
    Learning,
)
from meta_pipeline.advice.known import ChangeKind, EntityType
from meta_pipeline.metrics import names_in
from meta_pipeline.metrics.answers.period import today_in
from meta_pipeline.metrics.kpi import read_pacing
from meta_pipeline.metrics.settling import settling
from meta_pipeline.warehouse import Warehouse

# Fourteen weeks: the longest that a rule looks back (shift: twelve), and what lies before.
LOOKED_BACK_DAYS = 98
MOST_ROWS_OF_A_REQUEST = 200_000
"""Entities and their days that may be weighed while somebody waits: 2,000 that ran all the time."""
_ROWS_AT_ONCE = 500
# What moves less than that changes no advice.
_SETTLED_WITHIN_PCT = 1
_STAGES = ("LEARNING", "SUCCESS", "FAIL")
# By how long it is observed (`Thresholds`): a new goal or audience is as a new creative.
_CHANGES: dict[str, ChangeKind] = {
    "daily_budget": "budget",
    "lifetime_budget": "budget",
    "spend_cap": "budget",
    "creative_id": "creative",
    "targeting": "creative",
    "optimization_goal": "creative",
    "promoted_object": "creative",
    "attribution_spec": "creative",
    "bid_strategy": "bid",
    "bid_amount": "bid",
    "status": "status",
}


def known_account(
    warehouse: Warehouse,
    account_id: str,
    now: datetime | None = None,
    *,
    look_back_days: int = LOOKED_BACK_DAYS,
) -> Account:
    """The account as the tables have it. Raises UnknownName for one that is not stored."""
    moment = now or datetime.now(UTC)
    days_settle = settling(
        warehouse, account_id, level="ad", tolerance_pct=_SETTLED_WITHIN_PCT, now=moment
    )
    with warehouse.connection() as connection:
        (row,) = _rows(connection, _ACCOUNT, {"account": account_id})
        today = today_in(row["timezone_name"], moment)
        asked = {
            "account": account_id,
            "since": today - timedelta(days=look_back_days),
            "today": today,
            "zone": row["timezone_name"],
            "fields": list(_CHANGES),
            "currency": row["currency"],
        }
        (other,) = _rows(connection, _OTHER_CURRENCY, asked)
        # Not around them: days between others that are left out would look like days of nothing.
        asked["first"] = other["until"] + timedelta(days=1) if other["until"] else asked["since"]
        entities = [
            *_account_entity(connection, asked, row["name"] or ""),
            *(one for level in _ENTITIES for one in _entities(connection, asked, level)),
        ]
        counted = {one.result_metric for one in entities if one.result_metric}
        names = names_in(connection, counted, [account_id])
        entities = [
            replace(one, result_name=names.get(one.result_metric or "")) for one in entities
        ]
        target = _rows(connection, _TARGET, asked)
        return Account(
            account_id=account_id,
            today=today,
            name=row["name"] or "",
            currency=row["currency"] or "",
            account_status=row["account_status"],
            entities=tuple(entities),
            changes=tuple(
                Change(one["day"], one["entity_id"], _CHANGES[one["field"]])
                for one in _streamed(connection, _CHANGED, asked)
            ),
            budgets=tuple(_budgets(connection, asked, moment)),
            differing=frozenset(one["date_start"] for one in _rows(connection, _DIFFERING, asked)),
            other_currency_until=other["until"],
            settled_until=days_settle.final_until,
            target_cpa=float(target[0]["target"]) if target else None,
            target_metric=target[0]["denominator"] if target else None,
        )


def _rows(
    connection: Connection[Any], query: str, asked: Mapping[str, Any]
) -> list[dict[str, Any]]:
    return connection.cursor(row_factory=dict_row).execute(query, asked).fetchall()


def _streamed(
    connection: Connection[Any], query: str, asked: Mapping[str, Any]
) -> Iterator[dict[str, Any]]:
    """As `_rows`, some at a time: of a large account all at once are more than fits in memory."""
    # With a name it is a cursor of the server, so that others can be asked meanwhile.
    with connection.cursor(name="known", row_factory=dict_row) as cursor:
        cursor.itersize = _ROWS_AT_ONCE
        yield from cursor.execute(query, asked)


def rows_to_read(connection: Connection[Any], account_id: str, now: datetime, at_most: int) -> int:
    """How many entities and days `known_account` would read; counts no further than `at_most`.

    Days in another currency than the account's count too: that they are is found by looking.
    """
    since = now.date() - timedelta(days=LOOKED_BACK_DAYS)
    asked = {"account": account_id, "since": since, "at_most": at_most}
    (row,) = _rows(connection, _HOW_MANY, asked)
    return int(row["number"])


def _budgets(
    connection: Connection[Any], asked: Mapping[str, Any], now: datetime
) -> Iterable[BudgetPace]:
    for one in read_pacing(connection, [asked["account"]], now):
        # A budget that was read before the account changed its currency is in the old one.
        if one.currency != asked["currency"]:
            continue
        if one.spent is not None and one.pacing_pct is not None:
            yield BudgetPace(
                cast("EntityType", one.entity_type),
                one.entity_id,
                one.entity_name or "",
                "daily" if one.budget_kind == "daily" else "lifetime",
                float(one.budget),
                one.days_counted,
                float(one.spent),
                None if one.due is None else float(one.due),
            )


def _day(row: Mapping[str, Any]) -> Day:
    return Day(
        row["date_start"],
        row["spend"] or 0.0,
        row["impressions"] or 0,
        row["clicks"] or 0,
        row["results"] or 0.0,
        row["reach"],
    )


def _account_entity(
    connection: Connection[Any], asked: Mapping[str, Any], name: str
) -> Iterable[Entity]:
    rows = _rows(connection, _ACCOUNT_DAYS, asked)
    if not rows:
        return
    counted = {metric for row in rows for metric in row["metrics"] or ()}
    yield Entity(
        entity_type="account",
        entity_id=asked["account"],
        name=name,
        days=tuple(map(_day, rows)),
        # Results of several goals are no one number.
        result_metric=counted.pop() if len(counted) == 1 else None,
    )


def _entities(
    connection: Connection[Any], asked: Mapping[str, Any], level: EntityType
) -> Iterable[Entity]:
    days: dict[str, Days] = defaultdict(Days)
    counted: dict[str, set[str]] = defaultdict(set)
    for row in _streamed(connection, _DAYS[level], asked):
        days[row["entity_id"]].append(_day(row))
        if row["result_metric"]:
            counted[row["entity_id"]].add(intern(row["result_metric"]))
    for row in _streamed(connection, _ENTITIES[level], asked):
        metrics = counted.pop(row["entity_id"], set())
        yield Entity(
            entity_type=level,
            entity_id=row["entity_id"],
            name=row["name"] or "",
            campaign_id=row.get("campaign_id"),
            adset_id=row.get("adset_id"),
            effective_status=row["effective_status"] or "",
            days=days.pop(row["entity_id"], ()),
            # Of two goals within the days the results cannot be added up.
            result_metric=next(iter(metrics)) if len(metrics) == 1 else None,
            attribution=row.get("attribution"),
            targeting=row.get("targeting"),
            creative_id=row.get("creative_id"),
            learning=_learning(row.get("learning_stage"), row.get("learning_stage_info")),
            issues=tuple(issues_in(row["issues_info"])),
            fatigue=row.get("fatigue"),
            daily_budget=float(row["daily_budget"]) if row.get("daily_budget") else None,
        )


def _learning(stage: str | None, info: Any) -> Learning | None:
    if stage not in _STAGES:
        return None
    said = info if isinstance(info, dict) else {}
    return Learning(
        cast("Any", stage),
        _number(said.get("dynamic_lp_conversions_threshold")),
        _number(said.get("dynamic_lp_days_threshold")),
    )


def _number(value: Any) -> float | None:
    try:
        number = float(value)
    except (TypeError, ValueError):
        return None
    return number if 0 < number < float("inf") else None


def issues_in(info: Any) -> Iterable[Issue]:
    """Meta's `issues_info` as the rules want it."""
    for one in info if isinstance(info, list) else ():
        if isinstance(one, dict):
            said = one.get("error_message") or one.get("error_summary") or "no reason given"
            yield Issue(str(one.get("error_code") or ""), str(said).rstrip(". "))


_ACCOUNT = """
    SELECT name, currency, timezone_name, account_status
    FROM meta_ads.meta_ad_accounts WHERE account_id = %(account)s
"""
# Campaigns are few, and name one currency of their ads. Where the account is known to have changed
# its own, ads are looked at one by one: those that are gone keep the old one beside the others.
_OTHER_CURRENCY = """
    SELECT max(held.date_start) AS until
    FROM (
        SELECT date_start, spend, currency FROM meta_ads.campaign_rollups
        WHERE account_id = %(account)s AND date_start >= %(since)s AND date_start < %(today)s
        UNION ALL
        SELECT date_start, spend, currency FROM meta_ads.ad_rollups
        WHERE account_id = %(account)s AND date_start >= %(since)s AND date_start < %(today)s
          AND EXISTS (
              SELECT FROM meta_ads.entity_changes
              WHERE entity_id = %(account)s AND entity_type = 'account' AND field = 'currency'
          )
    ) AS held
    WHERE held.spend <> 0 AND held.currency <> %(currency)s
"""
# People of several ad sets are no sum: the account's reach is not told.
_ACCOUNT_DAYS = """
    SELECT date_start, sum(spend)::float8 AS spend, sum(impressions)::bigint AS impressions,
           sum(clicks)::bigint AS clicks, sum(results)::float8 AS results, NULL::bigint AS reach,
           array_agg(DISTINCT result_metric) FILTER (WHERE result_metric IS NOT NULL) AS metrics
    FROM meta_ads.adset_rollups
    WHERE account_id = %(account)s AND date_start >= %(first)s AND date_start < %(today)s
    GROUP BY date_start ORDER BY date_start
"""
_DAYS_OF = """
    SELECT {id} AS entity_id, date_start, spend::float8, impressions::bigint, clicks::bigint,
           results::float8, reach::bigint, result_metric
    FROM meta_ads.{table}
    WHERE account_id = %(account)s AND date_start >= %(first)s AND date_start < %(today)s
    ORDER BY date_start
"""
# A campaign's row has no goal of its own: it is that of its ad sets, where all have the same.
_DAYS: dict[EntityType, str] = {
    "campaign": """
    SELECT c.campaign_id AS entity_id, c.date_start, c.spend::float8, c.impressions::bigint,
           c.clicks::bigint, c.results::float8, c.reach::bigint,
           min(s.result_metric) AS result_metric
    FROM meta_ads.campaign_rollups AS c
    LEFT JOIN meta_ads.adset_rollups AS s
      ON s.account_id = c.account_id AND s.date_start = c.date_start
     AND s.campaign_id = c.campaign_id
    WHERE c.account_id = %(account)s AND c.date_start >= %(first)s AND c.date_start < %(today)s
    GROUP BY c.account_id, c.date_start, c.campaign_id
    HAVING count(DISTINCT s.result_metric) <= 1
    ORDER BY c.date_start
""",
    "adset": _DAYS_OF.format(id="adset_id", table="adset_rollups"),
    "ad": _DAYS_OF.format(id="ad_id", table="ad_rollups"),
}
_ENTITIES: dict[EntityType, str] = {
    "campaign": """
    SELECT campaign_id AS entity_id, campaign_id, name, effective_status, daily_budget, issues_info
    FROM meta_ads.meta_campaigns WHERE account_id = %(account)s AND NOT is_deleted
    ORDER BY campaign_id
""",
    "adset": """
    SELECT adset_id AS entity_id, campaign_id, adset_id, name, effective_status, daily_budget,
           issues_info, learning_stage, learning_stage_info,
           attribution_spec::text AS attribution,
           -- It is compared, never read, and may be some thousand characters.
           md5(targeting::text) AS targeting
    FROM meta_ads.meta_adsets WHERE account_id = %(account)s AND NOT is_deleted
    ORDER BY adset_id
""",
    "ad": """
    SELECT a.ad_id AS entity_id, a.campaign_id, a.adset_id, a.name, a.effective_status,
           a.issues_info, a.creative_id, told.level AS fatigue
    FROM meta_ads.meta_ads AS a
    LEFT JOIN (
        SELECT DISTINCT ON (w.value ->> 'adgroup_id')
               w.value ->> 'adgroup_id' AS ad_id, w.value ->> 'creative_fatigue_level' AS level
        FROM meta_ads.webhook_changes AS w
        WHERE w.account_id = %(account)s AND w.field = 'creative_fatigue'
        ORDER BY w.value ->> 'adgroup_id', w.received_at DESC
    ) AS told ON told.ad_id = a.ad_id
    WHERE a.account_id = %(account)s AND NOT a.is_deleted
    ORDER BY a.ad_id
""",
}
_CHANGED = """
    SELECT entity_id, field, meta_ads.day_in_zone(seen_at, %(zone)s) AS day
    FROM meta_ads.entity_changes
    WHERE account_id = %(account)s AND field = ANY (%(fields)s)
      AND seen_at >= %(since)s::date
    GROUP BY 1, 2, 3 ORDER BY min(seen_at)
"""
_HOW_MANY = """
    SELECT count(*) AS number FROM (
        SELECT FROM meta_ads.ad_rollups
        WHERE account_id = %(account)s AND date_start >= %(since)s
        UNION ALL SELECT FROM meta_ads.adset_rollups
        WHERE account_id = %(account)s AND date_start >= %(since)s
        UNION ALL SELECT FROM meta_ads.campaign_rollups
        WHERE account_id = %(account)s AND date_start >= %(since)s
        UNION ALL SELECT FROM meta_ads.meta_ads WHERE account_id = %(account)s
        UNION ALL SELECT FROM meta_ads.meta_adsets WHERE account_id = %(account)s
        UNION ALL SELECT FROM meta_ads.meta_campaigns WHERE account_id = %(account)s
        LIMIT %(at_most)s
    ) AS one
"""
_DIFFERING = """
    SELECT date_start FROM meta_ads.reconciliations
    WHERE account_id = %(account)s AND date_start >= %(first)s AND status = 'differs'
"""
# A price of a result, where less is better: no other target says what is too dear.
_TARGET = """
    SELECT kpi.target, metric.denominator
    FROM meta_ads.account_kpis AS kpi
    JOIN meta_ads.metric_definitions AS metric USING (metric_key)
    WHERE kpi.account_id = %(account)s AND kpi.target > 0 AND metric.numerator = 'spend'
      AND coalesce(metric.scale, 1) = 1 AND metric.better = 'lower'
    ORDER BY kpi.is_primary DESC, kpi.metric_key LIMIT 1
"""
