"""What tenants cost: dashboards and writes without them, with them, and inside of one.

    python -m benchmarks.tenants                     # one million rows, 20 accounts
    python -m benchmarks.tenants --rows 200000

Fills the database of `metrics_queries` and asks its dashboards in turn: as they were (views that
read as their owner, no policies), as one tenant has them, as the owner has them beside other
tenants, and as a tenant of 5 accounts has them: in a session of the API, and by a login of its own.
Then rows are written again, 5 % of them changed, as a sync writes them. What the server's process
works is told, in CPU time; the least of many rounds counts, and the rounds are interleaved. What a
single tenant and a sync pay has its limit beside it: 3 %.
"""

from __future__ import annotations

import argparse
import os
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import closing, contextmanager, nullcontext
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psycopg
from psycopg import sql
from rich.console import Console
from rich.table import Table

from meta_pipeline.warehouse import Warehouse, upsert
from meta_pipeline.warehouse.schema import meta_insights
from meta_pipeline.warehouse.tenancy import add_sql_role, drop_sql_role, enforce
from meta_pipeline.warehouse.tenancy.groups import group_names

from . import _lab
from .metrics_queries import NOW, VIEWS, filled

ROUNDS, LIMIT = 15, 1.03
OF_ONE = [f"act_{number}" for number in range(1, 6)]
ROLE = "bench_tenant_sql"
WRITTEN = 20_000
_ALL = "SELECT oid::regclass::text FROM pg_class WHERE relnamespace = 'meta_ads'::regnamespace"
_VIEWS = f"{_ALL} AND relkind = 'v'"
_TABLES = f"{_ALL} AND relkind = 'r'"
_SUM = "SELECT account_id, sum(spend) FROM meta_ads.meta_insights GROUP BY 1"
console = Console(width=120)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--url", help="a Postgres where databases may be made; embedded without")
    parser.add_argument("--rows", type=int, default=1_000_000)
    asked = parser.parse_args()
    server = nullcontext(asked.url) if asked.url else _lab.database()
    with server as url, filled(url, asked.rows, keep=False) as warehouse:
        with _kept_apart(warehouse) as password:
            found = _rounds(warehouse, password)
            writes = _writes(warehouse)
        warehouse.close()
    _show(found, writes)


@contextmanager
def _kept_apart(warehouse: Warehouse) -> Iterator[str]:
    now = datetime.now(UTC)
    warehouse.tenants.add("small", "Small", now)
    warehouse.tenants.grant("small", OF_ONE, now)
    with warehouse.connection() as connection:
        enforce(connection)
        password = add_sql_role(connection, "small", ROLE, now)
        groups = group_names(connection)
    assert password is not None
    yield password
    with warehouse.connection() as connection:
        drop_sql_role(connection, ROLE)
        for group in groups:
            name = sql.Identifier(group)
            connection.execute(sql.SQL("DROP OWNED BY {}").format(name))
            connection.execute(sql.SQL("DROP ROLE {}").format(name))


def _rounds(warehouse: Warehouse, password: str) -> dict[str, dict[str, float]]:
    """The fastest of every query in every state, ms."""
    fastest: dict[str, dict[str, float]] = defaultdict(lambda: defaultdict(lambda: float("inf")))
    parts = urlsplit(warehouse.url)
    login = psycopg.connect(
        host=parts.hostname,
        port=parts.port,
        dbname=parts.path[1:],
        user=ROLE,
        password=password,
        prepare_threshold=None,
    )
    with closing(login):
        for _ in range(ROUNDS):
            for state, invoker, policies in (
                ("as before", False, False),
                ("one tenant", True, False),
                ("owner", True, True),
            ):
                _set(warehouse, invoker=invoker, policies=policies)
                with warehouse.connection() as connection:
                    _ask(connection, fastest[state])
            with warehouse.of_tenant("default").connection() as connection:
                _ask(connection, fastest["session of 20"])
            with warehouse.of_tenant("small").connection() as connection:
                _ask(connection, fastest["session of 5"])
            with login.transaction():
                _ask(login, fastest["login of 5"])
    return fastest


def _ask(connection: psycopg.Connection[Any], fastest: dict[str, float]) -> None:
    connection.execute("SELECT set_config('meta_ads.now', %s, true)", (NOW.isoformat(),))
    for name, text in {**VIEWS, "spend by account, all rows": _SUM}.items():
        start = _milliseconds(connection)
        connection.execute(text).fetchall()
        fastest[name] = min(fastest[name], _milliseconds(connection) - start)


def _set(warehouse: Warehouse, *, invoker: bool, policies: bool) -> None:
    with warehouse.connection() as connection:
        for (view,) in connection.execute(_VIEWS).fetchall():
            connection.execute(f"ALTER VIEW {view} SET (security_invoker = {str(invoker).lower()})")
        for (table,) in connection.execute(_TABLES).fetchall():
            word = "ENABLE" if policies else "DISABLE"
            connection.execute(f"ALTER TABLE {table} {word} ROW LEVEL SECURITY")


def _writes(warehouse: Warehouse) -> dict[str, float]:
    """The fastest write of the same rows, 5 % of them changed, in either state, ms."""
    with warehouse.connection() as connection:
        cursor = connection.execute(
            "SELECT entity_type, entity_id, date_start, date_stop, account_id, campaign_id, "
            "adset_id, ad_id, currency, spend, impressions, reach, clicks, data_as_of "
            "FROM meta_ads.meta_insights LIMIT %s",
            (WRITTEN,),
        )
        columns = [one.name for one in cursor.description or ()]
        rows = cursor.fetchall()
    fastest = {"one tenant": float("inf"), "owner": float("inf")}
    for turn in range(ROUNDS):
        for state in list(fastest):
            _set(warehouse, invoker=True, policies=state == "owner")
            took = _write(warehouse, columns, rows, turn)
            fastest[state] = min(fastest[state], took)
    return fastest


def _write(
    warehouse: Warehouse, columns: list[str], rows: list[tuple[Any, ...]], turn: int
) -> float:
    spend = columns.index("spend")
    changed = [
        (*row[:spend], row[spend] + turn + 1, *row[spend + 1 :]) if number % 20 == 0 else row
        for number, row in enumerate(rows)
    ]
    with warehouse.connection() as connection:
        start = _milliseconds(connection)
        upsert(connection, meta_insights, columns, changed)
        took = _milliseconds(connection) - start
        connection.rollback()
    return took


def _show(found: dict[str, dict[str, float]], writes: dict[str, float]) -> None:
    load = os.getloadavg()[0]
    table = Table(title=f"least of {ROUNDS} rounds, ms; load {load:.1f} on {os.cpu_count()}")
    table.add_column("query")
    for state in found:
        table.add_column(state, justify="right")
    for name in found["as before"]:
        table.add_row(name, *(f"{found[state][name]:.1f}" for state in found))
    sums = {state: sum(times.values()) for state, times in found.items()}
    table.add_row("all of them", *(f"{total:.1f}" for total in sums.values()))
    console.print(table)
    _verdict("dashboards of a single tenant", sums["one tenant"] / sums["as before"])
    _verdict("the owner's, beside other tenants", sums["owner"] / sums["one tenant"])
    _verdict(f"{WRITTEN:,} rows written again", writes["owner"] / writes["one tenant"])


def _verdict(what: str, ratio: float) -> None:
    console.print(f"{what:<36}{ratio:6.3f}x   limit {LIMIT}  {'ok' if ratio <= LIMIT else 'OVER'}")


def _milliseconds(connection: psycopg.Connection[Any]) -> float:
    """A clock of the server's work for this connection: its CPU time where it is on this machine.

    Other work on the machine moves it far less than it moves the time that passes.
    """
    try:
        text = Path(f"/proc/{connection.info.backend_pid}/schedstat").read_text()
    except OSError:
        return 1000 * time.perf_counter()
    return int(text.split()[0]) / 1e6


if __name__ == "__main__":
    main()
