"""What tenants cost: dashboards, writes and syncs without them, with them, and inside of one.

    python -m benchmarks.tenants                     # one million rows, 20 accounts
    python -m benchmarks.tenants --rows 200000

Fills the database of `metrics_queries` and asks its dashboards in turn: without tenancy (views that
read as their owner, no policies), as a single tenant has them, by the pages of a single tenant
(each request in a session), as the owner has them beside other tenants, and as a tenant of 5
accounts has them: in a session of the API, and by a login of its own. Then rows are written again,
5 % of them changed, as a sync writes them; and a simulated ad account is synced again and again,
with force, without tenancy and as a single tenant.

Every other round goes through the states backwards (ABBA), so that what a machine does meanwhile
falls on all of them. Told is CPU time: of the server's process for queries, which therefore get no
parallel workers, of server and engine for syncs. The table has the least of all rounds. A verdict
is the median of the ratios within each round, with their middle half as its spread: what a busy
machine adds to one round is in both of its numbers. What a single tenant and a sync pay has its
limit beside it: 3 %.
"""

from __future__ import annotations

import argparse
import os
import statistics
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeAlias, TypeVar
from urllib.parse import urlsplit

import psycopg
from psycopg import sql
from rich.console import Console
from rich.table import Table

from meta_pipeline.sync import SyncEngine, SyncRequest
from meta_pipeline.warehouse import Warehouse, upsert
from meta_pipeline.warehouse.schema import meta_insights
from meta_pipeline.warehouse.tenancy import add_sql_role, drop_sql_roles, enforce
from meta_pipeline.warehouse.tenancy.groups import group_names

from . import _lab
from .metrics_queries import NOW, VIEWS, filled
from .sync_throughput import postgres_cpu_seconds

ROUNDS, LIMIT = 16, 1.03
SYNCS = 60
"""Rounds of syncs: one of them differs from the next by more than tenancy could cost."""
DAYS_SYNCED = 28
OF_ONE = [f"act_{number}" for number in range(1, 6)]
ROLE = "bench_tenant_sql"
WITHOUT, ONE, PAGES, OWNER = "without tenancy", "one tenant", "its pages", "owner"
OF_ALL, OF_SOME, LOGIN = "session of 20", "session of 5", "login of 5"
STATES = (WITHOUT, ONE, PAGES, OWNER, OF_ALL, OF_SOME, LOGIN)
WRITTEN = 20_000
_ALL = "SELECT oid::regclass::text FROM pg_class WHERE relnamespace = 'meta_ads'::regnamespace"
_VIEWS = f"{_ALL} AND relkind = 'v'"
_TABLES = f"{_ALL} AND relkind = 'r'"
_TRIGGER = "meta_ads.meta_ad_accounts {} TRIGGER meta_ad_accounts_default"
"""What makes a new ad account that of tenant default."""
_SUM = "SELECT account_id, sum(spend) FROM meta_ads.meta_insights GROUP BY 1"
Taken: TypeAlias = dict[str, dict[str, list[float]]]
"""By state and query: what each round took, ms."""
console = Console(width=150)
State = TypeVar("State")


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--url", help="a Postgres where databases may be made; embedded without")
    parser.add_argument("--rows", type=int, default=1_000_000)
    asked = parser.parse_args()
    if asked.url:
        _show(*_queries(asked.url, asked.rows))
        return
    with _lab.database() as url:
        found, writes = _queries(url, asked.rows)
        syncs = _syncs(url)
    _show(found, writes)
    _verdict(f"syncs of a single tenant, {DAYS_SYNCED} days", *syncs)


def _queries(url: str, rows: int) -> tuple[Taken, dict[str, list[float]]]:
    with filled(url, rows, keep=False) as warehouse:
        with _kept_apart(warehouse) as password:
            found = _rounds(warehouse, password), _writes(warehouse)
        warehouse.close()
    return found


def _abba(states: Sequence[State], rounds: int = ROUNDS) -> Iterator[State]:
    """The states of every round: forwards and backwards in turn."""
    for turn in range(rounds):
        yield from states if turn % 2 == 0 else reversed(states)


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
        enforce(connection)  # the last round may have been one without policies
        drop_sql_roles(connection, "small", [ROLE])
        for group in groups:
            name = sql.Identifier(group)
            connection.execute(sql.SQL("DROP OWNED BY {}").format(name))
            connection.execute(sql.SQL("DROP ROLE {}").format(name))


def _rounds(warehouse: Warehouse, password: str) -> Taken:
    taken: Taken = defaultdict(lambda: defaultdict(list))
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
        for state in _abba(STATES):
            _set(warehouse, invoker=state != WITHOUT, policies=state not in (WITHOUT, ONE, PAGES))
            with _connected(warehouse, login, state) as connection:
                _ask(connection, taken[state])
    return taken


def _connected(
    warehouse: Warehouse, login: psycopg.Connection[Any], state: str
) -> AbstractContextManager[psycopg.Connection[Any]]:
    """Who asks: the owner, a tenant's session, or a tenant's login."""
    if state == LOGIN:
        return _of(login)
    tenant = {PAGES: "default", OF_ALL: "default", OF_SOME: "small"}.get(state)
    return (warehouse.of_tenant(tenant) if tenant else warehouse).connection()


@contextmanager
def _of(login: psycopg.Connection[Any]) -> Iterator[psycopg.Connection[Any]]:
    with login.transaction():
        yield login


def _syncs(url: str) -> tuple[list[float], list[float]]:
    """CPU seconds of syncs of the same days as a single tenant, and without tenancy; by round."""
    taken: dict[bool, list[float]] = {True: [], False: []}
    with (
        _lab.simulator(prepared=True) as sim,
        _lab.engine(url, sim.url, META_BACKFILL_DAYS=DAYS_SYNCED) as engine,
    ):
        account_id = engine.discover().accounts[0].account_id
        for has_tenancy in (True, False):  # all is there, and all answers are prepared
            _synced(engine, account_id, has_tenancy=has_tenancy)
        # Its work falls on the sync that happens to run then.
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute("ALTER SYSTEM SET autovacuum = off")
            connection.execute("SELECT pg_reload_conf()")
        for has_tenancy in _abba((False, True), SYNCS):
            taken[has_tenancy].append(_synced(engine, account_id, has_tenancy=has_tenancy))
    return taken[True], taken[False]


def _synced(engine: SyncEngine, account_id: str, *, has_tenancy: bool) -> float:
    _set(engine.warehouse, invoker=has_tenancy, policies=False)
    with engine.warehouse.connection() as connection:
        word = "ENABLE" if has_tenancy else "DISABLE"
        connection.execute(f"ALTER TABLE {_TRIGGER.format(word)}")
    began = time.process_time() + postgres_cpu_seconds()
    record = engine.sync(SyncRequest(account_id, force=True))
    assert record.status == "success", record
    return time.process_time() + postgres_cpu_seconds() - began


def _ask(connection: psycopg.Connection[Any], taken: dict[str, list[float]]) -> None:
    connection.execute("SELECT set_config('meta_ads.now', %s, true)", (NOW.isoformat(),))
    # Only the leader's time is told, and its share of a parallel scan is another each time.
    connection.execute("SET LOCAL max_parallel_workers_per_gather = 0")
    for name, text in {**VIEWS, "spend by account, all rows": _SUM}.items():
        start = _milliseconds(connection)
        connection.execute(text).fetchall()
        taken[name].append(_milliseconds(connection) - start)


def _set(warehouse: Warehouse, *, invoker: bool, policies: bool) -> None:
    with warehouse.connection() as connection:
        for (view,) in connection.execute(_VIEWS).fetchall():
            connection.execute(f"ALTER VIEW {view} SET (security_invoker = {str(invoker).lower()})")
        for (table,) in connection.execute(_TABLES).fetchall():
            word = "ENABLE" if policies else "DISABLE"
            connection.execute(f"ALTER TABLE {table} {word} ROW LEVEL SECURITY")


def _writes(warehouse: Warehouse) -> dict[str, list[float]]:
    """Writes of the same rows, 5 % of them changed, in either state, ms."""
    with warehouse.connection() as connection:
        cursor = connection.execute(
            "SELECT entity_type, entity_id, date_start, date_stop, account_id, campaign_id, "
            "adset_id, ad_id, currency, spend, impressions, reach, clicks, data_as_of "
            "FROM meta_ads.meta_insights LIMIT %s",
            (WRITTEN,),
        )
        columns = [one.name for one in cursor.description or ()]
        rows = cursor.fetchall()
    taken: dict[str, list[float]] = {ONE: [], OWNER: []}
    for turn, state in enumerate(_abba((ONE, OWNER))):
        _set(warehouse, invoker=True, policies=state == OWNER)
        taken[state].append(_write(warehouse, columns, rows, turn))
    return taken


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


def _show(found: Taken, writes: dict[str, list[float]]) -> None:
    load = os.getloadavg()[0]
    table = Table(title=f"least of {ROUNDS} rounds, ms; load {load:.1f} on {os.cpu_count()}")
    table.add_column("query")
    for state in STATES:
        table.add_column(state, justify="right")
    for name in found[WITHOUT]:
        table.add_row(name, *(f"{min(found[state][name]):.1f}" for state in STATES))
    sums = {
        state: [sum(one) for one in zip(*found[state].values(), strict=True)] for state in STATES
    }
    table.add_row("all of them", *(f"{min(totals):.1f}" for totals in sums.values()))
    console.print(table)
    _verdict("dashboards of a single tenant", sums[ONE], sums[WITHOUT])
    _verdict("the same by its pages", sums[PAGES], sums[WITHOUT])
    _verdict("the owner's, beside other tenants", sums[OWNER], sums[ONE])
    _verdict(f"{WRITTEN:,} rows written again", writes[OWNER], writes[ONE])


def _verdict(what: str, took: Sequence[float], before: Sequence[float]) -> None:
    """The median of the ratios of each round, and the range of their middle half."""
    ratios = [one / other for one, other in zip(took, before, strict=True)]
    low, ratio, high = statistics.quantiles(ratios, n=4)
    told = "ok" if ratio <= LIMIT else "OVER"
    console.print(f"{what:<36}{ratio:6.3f}x  {low:.3f} to {high:.3f}   limit {LIMIT}  {told}")


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
