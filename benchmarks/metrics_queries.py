"""How long dashboards wait: typical queries over 1 or 10 million insight rows.

    python -m benchmarks.metrics_queries                   # one million rows
    python -m benchmarks.metrics_queries --rows 10000000 --url postgresql://.../postgres --keep

Makes a database of its own (`bench_metrics_<rows>`) on the embedded Postgres, or beside the one in
the URL, fills it in SQL, rolls it up, and prints the median and the slowest of several runs of
every query beside its limit: 100 ms up to a million rows, 500 ms above. `--keep` leaves the
database for the next run, with --url; `--plans` writes the plans as Markdown.
"""

from __future__ import annotations

import argparse
import os
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import psycopg
from psycopg import sql
from rich.console import Console
from rich.table import Table

from meta_pipeline import metrics
from meta_pipeline.metrics.source import ROLLUP_COLUMNS
from meta_pipeline.warehouse import Warehouse

from . import _lab

ACCOUNTS, DAYS, ADS_PER_ADSET, ADSETS_PER_CAMPAIGN = 20, 100, 5, 4
TODAY = date(2026, 3, 18)
NOW = datetime(2026, 3, 18, 12, tzinfo=UTC)
ACCOUNT = "act_1"

FILL = """
    INSERT INTO meta_ads.meta_ad_accounts
        (account_id, name, currency, timezone_name, last_listed_at, data_as_of)
    SELECT 'act_' || a, 'Account ' || a, 'EUR', 'UTC', now(), now()
    FROM generate_series(1, {accounts}) AS a;

    INSERT INTO meta_ads.meta_ads
        (ad_id, account_id, adset_id, campaign_id, name, effective_status, data_as_of)
    SELECT a * 1000000 + n, 'act_' || a, 'set' || (a * 1000000 + n / {per_adset}),
           'c' || (a * 1000000 + n / {per_campaign}), 'Ad ' || n, 'ACTIVE', now()
    FROM generate_series(1, {accounts}) AS a, generate_series(0, {ads} - 1) AS n;

    INSERT INTO meta_ads.meta_adsets
        (adset_id, account_id, campaign_id, name, effective_status, optimization_goal, data_as_of)
    SELECT DISTINCT adset_id, account_id, campaign_id, 'Ad set', 'ACTIVE',
           ('{{LEAD_GENERATION,LEAD_GENERATION,LINK_CLICKS,OFFSITE_CONVERSIONS}}'::text[])
               [1 + (hashtext(adset_id) & 3)], now()
    FROM meta_ads.meta_ads;

    INSERT INTO meta_ads.meta_campaigns
        (campaign_id, account_id, name, objective, goal, effective_status, daily_budget,
         start_time, data_as_of)
    SELECT DISTINCT campaign_id, account_id, 'Campaign', 'OUTCOME_SALES', 'purchases', 'ACTIVE',
           50, now() - interval '1 year', now()
    FROM meta_ads.meta_ads;

    INSERT INTO meta_ads.meta_insights
        (entity_type, entity_id, date_start, date_stop, account_id, campaign_id, adset_id, ad_id,
         currency, spend, impressions, reach, clicks, actions, action_values, data_as_of)
    SELECT 'ad', ad.ad_id, day::date, day::date, ad.account_id, ad.campaign_id, ad.adset_id,
           ad.ad_id, 'EUR', (hashtext(ad.ad_id || day) & 1023) / 100.0,
           hashtext(ad.ad_id || day) & 8191, hashtext(ad.ad_id || day) & 4095,
           hashtext(ad.ad_id || day) & 127,
           jsonb_build_array(
               jsonb_build_object('action_type', 'link_click', 'value', '9', '7d_click', '9'),
               jsonb_build_object('action_type', 'omni_purchase', 'value', '2', '7d_click', '1'),
               jsonb_build_object('action_type', 'purchase', 'value', '2', '7d_click', '1'),
               jsonb_build_object('action_type', 'lead', 'value', '1')),
           '[{{"action_type": "omni_purchase", "value": "59.90"}}]', now()
    FROM generate_series('{today}'::date - {days} + 1, '{today}'::date, interval '1 day') AS day,
         meta_ads.meta_ads AS ad;

    INSERT INTO meta_ads.sync_windows (account_id, dataset, date_start, fetched_at, rows, is_final)
    SELECT 'act_' || a, 'insights_ad', day::date, now(), {ads}, false
    FROM generate_series(1, {accounts}) AS a,
         generate_series('{today}'::date - {days} + 1, '{today}'::date, interval '1 day') AS day;

    INSERT INTO meta_ads.account_kpis (account_id, metric_key, target, is_primary, updated_at)
    SELECT account_id, 'roas', 3, true, now() FROM meta_ads.meta_ad_accounts;
"""

ROLLED_UP_ROWS = 2_000_000
"""So many insight rows are rolled up as ever, with more of them their rollups are made at once."""
_SUMMED = (*ROLLUP_COLUMNS, "spend_without_results")
COPIED = (
    f"""
    WITH pattern AS (
        SELECT DISTINCT ON (result_metric) * FROM meta_ads.ad_rollups
        WHERE account_id = '{ACCOUNT}' AND date_start = %(today)s AND impressions > 0
    )
    INSERT INTO meta_ads.ad_rollups (
        account_id, date_start, ad_id, adset_id, campaign_id, result_metric, currency, spend,
        revenue, impressions, clicks, {", ".join(ROLLUP_COLUMNS[4:])},
        spend_without_results, other_metrics, reach, unique_clicks, data_as_of,
        definition_version, rolled_up_at)
    SELECT f.account_id, f.date_start, f.entity_id, f.adset_id, f.campaign_id, goal.result_metric,
           f.currency, f.spend, pattern.revenue, f.impressions, f.clicks,
           {", ".join(f"pattern.{name}" for name in ROLLUP_COLUMNS[4:])},
           0, pattern.other_metrics, f.reach, f.unique_clicks, f.data_as_of,
           pattern.definition_version, now()
    FROM meta_ads.meta_insights AS f
    JOIN meta_ads.adset_goals AS goal ON goal.adset_id = f.adset_id
    JOIN pattern ON pattern.result_metric = goal.result_metric
    WHERE f.account_id = %(account)s AND f.entity_type = 'ad'
    ON CONFLICT DO NOTHING
    """,
    *(
        f"""
        INSERT INTO meta_ads.{level}_rollups (
            account_id, date_start, {key}, {", ".join((*above, "delivering_ads", "currency"))},
            {", ".join(_SUMMED)}, other_metrics, data_as_of, definition_version, rolled_up_at)
        SELECT account_id, date_start, {key}, {"".join(f"min({name}), " for name in above)}
               count(*), min(currency), {", ".join(f"sum({name})" for name in _SUMMED)},
               (SELECT coalesce(jsonb_object_agg(name, value), '{{}}') FROM (
                    SELECT name, sum((one ->> name)::numeric) AS value
                    FROM unnest(array_agg(other_metrics)) AS one, jsonb_object_keys(one) AS name
                    GROUP BY name) AS summed),
               max(data_as_of), min(definition_version), now()
        FROM meta_ads.ad_rollups AS f WHERE account_id = %(account)s
        GROUP BY account_id, date_start, {key}
        ON CONFLICT DO NOTHING
        """
        for level, key, above in (
            ("adset", "adset_id", ("campaign_id", "result_metric")),
            ("campaign", "campaign_id", ()),
        )
    ),
    """
    INSERT INTO meta_ads.adset_goal_days (account_id, adset_id, campaign_id, result_metric, days)
    SELECT account_id, adset_id, campaign_id, coalesce(result_metric, ''),
           range_agg(daterange(date_start, date_start, '[]'))
    FROM meta_ads.adset_rollups WHERE account_id = %(account)s
    GROUP BY 1, 2, 3, 4
    ON CONFLICT (account_id, adset_id, campaign_id, result_metric)
        DO UPDATE SET days = excluded.days
    """,
    """
    INSERT INTO meta_ads.metric_rollups
        (account_id, date_start, definition_version, source_fetched_at, ad_rows, rolled_up_at)
    SELECT made.account_id, made.date_start, min(made.definition_version), min(ledger.fetched_at),
           count(*), now()
    FROM meta_ads.ad_rollups AS made
    JOIN meta_ads.sync_windows AS ledger ON ledger.account_id = made.account_id
        AND ledger.date_start = made.date_start AND ledger.dataset = 'insights_ad'
    WHERE made.account_id = %(account)s
    GROUP BY made.account_id, made.date_start
    ON CONFLICT DO NOTHING
    """,
)

VIEWS = {
    "account_overview, all accounts": "SELECT * FROM meta_ads.account_overview",
    "campaign_performance of an account": (
        "SELECT * FROM meta_ads.campaign_performance WHERE account_id = 'act_1'"
    ),
    "adset_performance of an account": (
        "SELECT * FROM meta_ads.adset_performance WHERE account_id = 'act_1'"
    ),
    "ad_performance of a campaign": (
        "SELECT * FROM meta_ads.ad_performance"
        " WHERE account_id = 'act_1' AND campaign_id = 'c1000000'"
    ),
    "ad_performance of an account, top 50": (
        "SELECT * FROM meta_ads.ad_performance WHERE account_id = 'act_1'"
        " ORDER BY spend_7d DESC LIMIT 50"
    ),
    "budget_pacing of an account": (
        "SELECT * FROM meta_ads.budget_pacing WHERE account_id = 'act_1'"
    ),
    "performance_vs_target of an account": (
        "SELECT * FROM meta_ads.performance_vs_target WHERE account_id = 'act_1'"
    ),
    "entity_tree of an account": (
        "SELECT * FROM meta_ads.entity_tree WHERE account_id = 'act_1' ORDER BY path"
    ),
    "entity_tree of an account, without ads": (
        "SELECT * FROM meta_ads.entity_tree WHERE account_id = 'act_1' AND depth < 3 ORDER BY path"
    ),
    "spend by day, an account, 30 days": (
        "SELECT date_start, sum(spend), sum(revenue) / nullif(sum(spend), 0)"
        " FROM meta_ads.daily_campaign_metrics WHERE account_id = 'act_1'"
        " AND date_start > '2026-03-18'::date - 30 GROUP BY 1 ORDER BY 1"
    ),
    "spend by account, all accounts, 30 days": (
        "SELECT account_id, sum(spend) FROM meta_ads.daily_campaign_metrics"
        " WHERE date_start > '2026-03-18'::date - 30 GROUP BY 1"
    ),
    "spend by campaign name, an account, 30 days": (
        "SELECT campaign_name, sum(spend) FROM meta_ads.daily_campaign_metrics"
        " WHERE account_id = 'act_1' AND date_start > '2026-03-18'::date - 30 GROUP BY 1"
    ),
    "daily_account_metrics, all accounts, 30 days": (
        "SELECT date_start, account_name, spend, reach FROM meta_ads.daily_account_metrics"
        " WHERE date_start > '2026-03-18'::date - 30"
    ),
    "one ad, 90 days": (
        "SELECT date_start, spend, leads FROM meta_ads.daily_ad_metrics"
        " WHERE account_id = 'act_1' AND ad_id = '1000000'"
        " AND date_start > '2026-03-18'::date - 90 ORDER BY 1"
    ),
}
QUESTIONS: dict[str, dict[str, Any]] = {
    "spend, roas, cpl of an account, last 7 days": {"metrics": ["spend", "roas", "cpl"]},
    "spend, roas by day, last 30 days": {
        "metrics": ["spend", "roas"],
        "by": ["day"],
        "date_range": "last_30d",
    },
    "spend, cpa by campaign, last 30 days": {
        "metrics": ["spend", "cpa"],
        "level": "campaign",
        "date_range": "last_30d",
    },
    "spend, results by ad, last 7 days": {"metrics": ["spend", "results"], "level": "ad"},
}


RUNS = 15
console = Console(width=100)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--url", help="a Postgres where databases may be made; embedded without")
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--plans", type=Path, help="write the plans to this Markdown file")
    parser.add_argument("--keep", action="store_true", help="keep the database")
    asked = parser.parse_args()
    server = nullcontext(asked.url) if asked.url else _lab.database()
    with server as url, filled(url, asked.rows, keep=asked.keep) as warehouse:
        _show([*_views(warehouse), *_questions(warehouse)], limit_ms=_limit_ms(asked.rows))
        if asked.plans:
            asked.plans.write_text(_plans(warehouse), encoding="utf-8")


def _limit_ms(rows: int) -> float:
    return 100 if rows <= 1_000_000 else 500


def _show(timed: list[tuple[str, list[float]]], *, limit_ms: float) -> None:
    load = os.getloadavg()[0]
    table = Table(title=f"{RUNS} runs of each, load {load:.1f} on {os.cpu_count()} processors")
    for head in ("query", "p50, ms", "max, ms", f"limit {limit_ms:g} ms"):
        table.add_column(head, justify="left" if head == "query" else "right")
    for name, times in timed:
        verdict = "ok" if max(times) <= limit_ms else "OVER"
        table.add_row(name, f"{statistics.median(times):.1f}", f"{max(times):.1f}", verdict)
    console.print(table)


@contextmanager
def filled(url: str, rows: int, *, keep: bool, accounts: int = ACCOUNTS) -> Iterator[Warehouse]:
    """A database with so many insight rows, rolled up."""
    name = f"bench_metrics_{rows}" + (f"_of_{accounts}" if accounts != ACCOUNTS else "")
    with psycopg.connect(url, autocommit=True) as connection:
        known = connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [name])
        is_new = known.fetchone() is None
        if is_new:
            connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
    with Warehouse(urlunsplit(urlsplit(url)._replace(path=f"/{name}"))) as warehouse:
        warehouse.migrate()
        if is_new:
            _fill(warehouse, rows, accounts)
        yield warehouse
    if not keep:
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute(sql.SQL("DROP DATABASE {}").format(sql.Identifier(name)))


def _fill(warehouse: Warehouse, rows: int, accounts: int) -> None:
    ads = rows // (accounts * DAYS)
    text = FILL.format(
        accounts=accounts,
        ads=ads,
        days=DAYS,
        today=TODAY,
        per_adset=ADS_PER_ADSET,
        per_campaign=ADS_PER_ADSET * ADSETS_PER_CAMPAIGN,
    )
    took = _seconds(lambda: _run(warehouse, text))
    console.print(f"{took:8.1f} s   filled: {ads * accounts * DAYS:,} rows")
    _run(warehouse, "ANALYZE")  # as autovacuum would have by now
    _vacuum(warehouse)  # as autovacuum has done it long before so many rows are there
    if rows <= ROLLED_UP_ROWS:
        took = _seconds(lambda: _roll_up(warehouse, accounts))
        console.print(f"{took:8.1f} s   rolled up: {rows / took:,.0f} ad rows/s")
    else:
        took = _seconds(lambda: _copy_rollups(warehouse, accounts))
        console.print(f"{took:8.1f} s   rollups copied from those of a day")
    _vacuum(warehouse)


def _vacuum(warehouse: Warehouse) -> None:
    with warehouse.connection() as connection:
        connection.commit()
        connection.autocommit = True
        connection.execute("VACUUM ANALYZE")
        connection.autocommit = False


def _run(warehouse: Warehouse, text: str) -> None:
    with warehouse.connection() as connection:
        connection.execute(text)


def _roll_up(warehouse: Warehouse, accounts: int) -> None:
    """A week at a time, newest first, as a backfill does it."""
    for number in range(1, accounts + 1):
        with warehouse.connection() as connection:
            for start in range(0, DAYS, 7):
                days = [TODAY - timedelta(days=back) for back in range(start, min(start + 7, DAYS))]
                metrics.rollup(connection, f"act_{number}", days, only=True)
        if number % max(1, accounts // ACCOUNTS) == 0:  # autovacuum has its turn now and then
            _run(warehouse, "ANALYZE")


def _copy_rollups(warehouse: Warehouse, accounts: int) -> None:
    """Rollups of every day from those of one: all ads of a goal have the same conversions.

    In minutes instead of an hour. A rollup of other days changes no row of them, or this raises.
    """
    with warehouse.connection() as connection:
        metrics.rollup(connection, ACCOUNT, [TODAY], only=True)
    for number in range(1, accounts + 1):
        with warehouse.connection() as connection:
            for text in COPIED:
                connection.execute(text, {"account": f"act_{number}", "today": TODAY})
    _run(warehouse, "ANALYZE")
    with warehouse.connection() as connection:
        for account, back in ((ACCOUNT, 1), (f"act_{accounts}", DAYS - 1)):
            day = TODAY - timedelta(days=back)
            done = metrics.rollup(connection, account, [day], only=True)
            assert not any(done.written.values()), done
            assert not any(done.removed.values()), done


def _views(warehouse: Warehouse) -> Iterator[tuple[str, list[float]]]:
    for name, text in VIEWS.items():
        with warehouse.connection() as connection:
            connection.execute("SELECT set_config('meta_ads.now', %s, true)", (NOW.isoformat(),))
            yield name, _times(lambda text=text: connection.execute(text).fetchall())  # type: ignore[misc]


def _questions(warehouse: Warehouse) -> Iterator[tuple[str, list[float]]]:
    for name, options in QUESTIONS.items():
        yield (
            f"metrics.query: {name}",
            _times(lambda o=options: metrics.query(warehouse, account=ACCOUNT, now=NOW, **o)),  # type: ignore[misc]
        )


def _times(run: Callable[[], object]) -> list[float]:
    """Milliseconds of every run but a first one, which fills the caches."""
    run()
    return [1000 * _seconds(run) for _ in range(RUNS)]


def _plans(warehouse: Warehouse) -> str:
    parts = ["# Plans of the dashboards' queries\n"]
    with warehouse.connection() as connection:
        connection.execute("SELECT set_config('meta_ads.now', %s, true)", (NOW.isoformat(),))
        for name, text in VIEWS.items():
            rows = connection.execute(f"EXPLAIN (ANALYZE, COSTS off, BUFFERS off) {text}")
            plan = "\n".join(row[0] for row in rows)
            parts.append(f"## {name}\n\n```sql\n{text}\n```\n```\n{plan}\n```\n")
    return "\n".join(parts)


def _seconds(run: Callable[[], object]) -> float:
    start = time.perf_counter()
    run()
    return time.perf_counter() - start


if __name__ == "__main__":
    main()
