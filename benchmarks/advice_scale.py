"""The rules asked of a whole fleet: seconds an account, memory at the beginning and at the end.

    python -m benchmarks.advice_scale --accounts 1000

A fleet in a Postgres of its own, each account with two campaigns, six ad sets and twenty ads over
sixty days, each of which webhooks called tired twice, judged by two processes as the asset does.
"""

from __future__ import annotations

import argparse
import resource
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from datetime import UTC, datetime

from psycopg import sql
from rich.console import Console
from rich.table import Table

from meta_pipeline.advisor import judge_account
from meta_pipeline.warehouse import Connection, Warehouse, schema

from ._lab import database

LIMIT_SECONDS = 900
PROCESSES = 2
DAYS, CAMPAIGNS, ADSETS, ADS = 60, 2, 6, 20
_GROWTH_MIB = 40
"""What memory may grow by from the first tenth of the accounts to the last."""


def fill(connection: Connection, accounts: int) -> None:
    """The fleet, straight into the tables that the rules read."""
    connection.execute(
        """
        INSERT INTO meta_ads.meta_ad_accounts
            (account_id, name, currency, timezone_name, account_status, last_listed_at, data_as_of)
        SELECT 'act_' || n, 'Shop ' || n, 'EUR', 'Europe/Berlin', 1, now(), now()
        FROM generate_series(1, %s) AS n
        """,
        (accounts,),
    )
    for table, key, number, parents in (
        ("meta_campaigns", "campaign_id", CAMPAIGNS, {}),
        ("meta_adsets", "adset_id", ADSETS, {"campaign_id": CAMPAIGNS}),
        ("meta_ads", "ad_id", ADS, {"adset_id": ADSETS, "campaign_id": CAMPAIGNS}),
    ):
        columns = [key, *parents, "account_id", "name", "effective_status", "data_as_of"]
        ids = [f"n || '-{name[:3]}-' || mod(i, {many})" for name, many in parents.items()]
        values = [f"n || '-{key[:3]}-' || i", *ids, "'act_' || n", f"'{key} ' || i", "'ACTIVE'",
                  "now()"]  # fmt: skip
        connection.execute(
            f"INSERT INTO meta_ads.{table} ({', '.join(columns)}) "
            f"SELECT {', '.join(values)} FROM generate_series(1, %s) AS n, "
            f"generate_series(0, {number - 1}) AS i",
            (accounts,),
        )
    for level, number, parents in (
        ("campaign", CAMPAIGNS, {}),
        ("adset", ADSETS, {"campaign_id": CAMPAIGNS}),
        ("ad", ADS, {"adset_id": ADSETS, "campaign_id": CAMPAIGNS}),
    ):
        _days(connection, accounts, level, number, parents)
    _tired(connection, accounts)
    connection.execute("ANALYZE")


def _tired(connection: Connection, accounts: int) -> None:
    connection.execute(
        """
        INSERT INTO meta_ads.webhook_changes
            (change_hash, object, entry_id, account_id, field, value, received_at, state)
        SELECT concat_ws('-', n, i, age), 'ad_account', n, 'act_' || n, 'creative_fatigue',
            jsonb_build_object(
                'adgroup_id', n || '-ad_-' || i, 'creative_fatigue_level', 'MEDIUM'
            ),
            now() - make_interval(days => age), 'kept'
        FROM generate_series(1, %s) AS n, generate_series(0, %s - 1) AS i,
            generate_series(1, 2) AS age
        """,
        (accounts, ADS),
    )


def _days(
    connection: Connection, accounts: int, level: str, number: int, parents: dict[str, int]
) -> None:
    table = schema.metadata.tables[f"meta_ads.{level}_rollups"]
    key = f"{level}_id"
    given = {
        "account_id": "'act_' || n",
        key: f"n || '-{key[:3]}-' || i",
        **{name: f"n || '-{name[:3]}-' || mod(i, {many})" for name, many in parents.items()},
        "date_start": "current_date - d",
        "spend": "80 + 40 * random()",
        "impressions": "(8000 + 4000 * random())::bigint",
        "clicks": "(100 + 60 * random())::bigint",
        "reach": "6000",
        "results": "floor(6 * random())",
        "result_metric": "'purchases'",
        "currency": "'EUR'",
        "other_metrics": "'{}'::jsonb",
        "data_as_of": "now()",
        "rolled_up_at": "now()",
        "definition_version": "'1'",
    }
    for column in table.columns:
        needed = not column.nullable and column.default is None and column.server_default is None
        if needed and column.name not in given:
            given[column.name] = "0"
    known = {name: value for name, value in given.items() if name in table.columns}
    connection.execute(
        sql.SQL("INSERT INTO {} ({}) SELECT {} FROM generate_series(1, {}) AS n, "
                "generate_series(0, {}) AS i, generate_series(1, {}) AS d").format(
            sql.SQL(table.fullname),
            sql.SQL(", ").join(map(sql.Identifier, known)),
            sql.SQL(", ").join(map(sql.SQL, known.values())),
            sql.Literal(accounts),
            sql.Literal(number - 1),
            sql.Literal(DAYS),
        )
    )  # fmt: skip


def judged(url: str, ids: Sequence[str]) -> tuple[float, float, int]:
    """Judge these accounts; peak memory in MiB after a tenth and at the end, advice given."""
    early, given = 0.0, 0
    now = datetime.now(UTC)
    with Warehouse(url) as warehouse:
        for at, account_id in enumerate(ids):
            given += judge_account(warehouse, account_id, now=now).given
            if at == len(ids) // 10:
                early = _peak_mib()
    return early, _peak_mib(), given


def _peak_mib() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--accounts", type=int, default=1_000)
    accounts = parser.parse_args().accounts
    ids = [f"act_{n}" for n in range(1, accounts + 1)]
    with database() as url:
        with Warehouse(url) as warehouse:
            warehouse.migrate()
            with warehouse.connection() as connection:
                fill(connection, accounts)
        started = time.perf_counter()
        with ProcessPoolExecutor(PROCESSES) as pool:
            shares = [ids[n::PROCESSES] for n in range(PROCESSES)]
            found = list(pool.map(judged, [url] * PROCESSES, shares))
        seconds = time.perf_counter() - started
    growth = max(late - early for early, late, _ in found)
    table = Table(title=f"{accounts:,} accounts, {ADS} ads, {DAYS} days, {PROCESSES} processes")
    for head in ("", "measured", "limit"):
        table.add_column(head, justify="left" if not head else "right")
    limit = LIMIT_SECONDS * accounts / 1_000
    table.add_row("all judged, s", f"{seconds:,.0f}", f"<= {limit:,.0f}")
    table.add_row("an account, s", f"{PROCESSES * seconds / accounts:.2f}", "")
    table.add_row("peak memory of a process, MiB", f"{max(late for _, late, _ in found):,.0f}", "")
    table.add_row("growth after a tenth, MiB", f"{growth:,.1f}", f"<= {_GROWTH_MIB}")
    table.add_row("advice given", f"{sum(given for _, _, given in found):,}", "")
    Console(width=110).print(table)
    if seconds > limit or growth > _GROWTH_MIB:
        raise SystemExit("A limit was missed.")


if __name__ == "__main__":
    main()
