"""Calls and seconds of the usual work, beside the official SDK doing the same and the limits."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from functools import partial
from typing import TypeVar

import psycopg
from facebook_business.adobjects.adaccount import AdAccount
from facebook_business.api import FacebookAdsApi
from facebook_business.session import FacebookSession
from rich.console import Console
from rich.table import Table

from benchmarks._lab import TOKEN, database, engine, simulator
from meta_pipeline.graph import GraphClient
from meta_pipeline.simulator import AccountSpec, Simulator, VirtualClock, World
from meta_pipeline.sync import PlanPolicy, SyncContext, SyncEngine, SyncRequest
from meta_pipeline.warehouse import TelemetryWriter, Warehouse

START = datetime(2026, 11, 20, 13, 5, tzinfo=UTC)
SHOP = AccountSpec("300 ads, 120 delivering", 20, 60, 300, (10, 30, 120))
T = TypeVar("T")
WINDOWS = ["1d_click", "7d_click", "1d_view"]
FIELDS = ["ad_id", "adset_id", "campaign_id", "spend", "impressions", "reach", "clicks", "actions"]


def main() -> None:
    table = Table(title="Calls and seconds, each beside its limit")
    for name in ("work", "ours", "limit", "official SDK", "ours / SDK"):
        table.add_column(name, justify="left" if name == "work" else "right")
    with database() as url:
        for row in (*_calls(url), *_seconds(url)):
            table.add_row(*row)
    Console().print(table)


def _calls(url: str) -> Iterator[tuple[str, ...]]:
    """Counted by the simulator, on a virtual clock: the same on every machine."""
    with _virtual(url) as (sim, clock, ours):
        account = sim.world.accounts()[0].id
        theirs = _sdk_calls(sim, account, days=30)
        first = _count(sim, lambda: ours.sync(SyncRequest(account)))
        yield _row("30-day backfill, 300 ads, 120 delivering", first, 12, theirs)
        clock.advance(3600)
        theirs = _sdk_calls(sim, account, days=30)
        refresh = _count(sim, lambda: ours.sync(SyncRequest(account)))
        yield _row("hourly refresh of it", refresh, 4, theirs)
        clock.advance(timedelta(days=8).total_seconds())
        ours.sync(SyncRequest(account))
        day = sum(_hourly(sim, clock, ours, account) for _ in range(23))
        clock.advance(3600)
        month = (clock.now() - timedelta(days=28)).date()
        day += _count(sim, lambda: ours.sync(SyncRequest(account, since=month, force=True)))
        yield _row("24 refreshes, all 28 days restated once", day, 100, theirs * 24)

    with _virtual(url, columns=("all",)) as (sim, _, ours):
        account = sim.world.accounts()[0].id
        theirs = _sdk_calls(sim, account, days=30)
        first = _count(sim, lambda: ours.sync(SyncRequest(account)))
        yield _row("the backfill with META_INSIGHTS_COLUMNS=all", first, 12, theirs)


def _hourly(sim: Simulator, clock: VirtualClock, ours: SyncEngine, account: str) -> int:
    clock.advance(3600)
    return _count(sim, lambda: ours.sync(SyncRequest(account)))


def _seconds(url: str) -> Iterator[tuple[str, ...]]:
    """On real time, with 0 and 500 ms a call: the largest account of the demo, its last 7 days."""
    since = (datetime.now(UTC) - timedelta(days=6)).date()
    at_once = {"META_FRESH_SECONDS": 0, "META_RESTATEMENT": "0:0m,3:6h,7:1d,28:7d"}
    for latency_ms, limits in ((0, (None, None)), (500, (2.5, 1.5))):
        with simulator(latency_ms=latency_ms) as sim, engine(url, sim.url, **at_once) as ours:
            found = ours.discover().accounts
            account = next(row for row in found if row.name == "2EZi").account_id
            theirs = _timed(partial(_sdk_reads, sim.url, account, since))
            for work, limit, calls_limit in zip(
                ("first sync of 7 days", "refresh"), limits, (10, 5), strict=True
            ):
                seconds, record = _timed(partial(ours.sync, SyncRequest(account, since=since)))
                name, calls = f"2EZi, {work}, {latency_ms} ms a call", record.meta_call_count_total
                yield _row(f"{name}: calls", calls, calls_limit, theirs[1])
                yield _row("  seconds", seconds, limit, theirs[0])


def _timed(work: Callable[[], T]) -> tuple[float, T]:
    began = time.perf_counter()
    done = work()
    return time.perf_counter() - began, done


def _sdk_reads(graph_url: str, account_id: str, since: date) -> int:
    """The plain SDK, in pages of 100: three edges, and the insights as ordinary pages."""
    account = _sdk_account(graph_url, account_id)
    _sdk_edges(account)
    days = {"since": str(since), "until": str(datetime.now(UTC).date())}
    list(account.get_insights(fields=FIELDS, params=_insights_params(days) | {"limit": 100}))
    calls: int = account.get_api_assured().get_num_requests_attempted()
    return calls


def _row(work: str, ours: float, limit: float | None, sdk: float) -> tuple[str, ...]:
    mark = "" if limit is None else "[green]" if ours <= limit else "[red]"
    return (
        work,
        f"{mark}{_shown(ours)}",
        "" if limit is None else f"{limit:g}",
        _shown(sdk),
        f"{ours / sdk:.2f}",
    )


def _shown(amount: float) -> str:
    return f"{amount:,g}" if amount == int(amount) else f"{amount:.2f}"


def _count(sim: Simulator, work: object) -> int:
    before = sim.journal.total
    assert callable(work)
    work()
    return sim.journal.total - before


def _sdk_calls(sim: Simulator, account_id: str, days: int) -> int:
    """The plain SDK: three edges and an async report of the same days, pages of 100."""
    account = _sdk_account(sim.url, account_id)
    until = sim.clock.now().date()
    since = until - timedelta(days=days - 1)

    def work() -> None:
        _sdk_edges(account)
        params = _insights_params({"since": str(since), "until": str(until)})
        run = account.get_insights(fields=FIELDS, params=params, is_async=True)
        sim.sleep(60)
        run.api_get()
        list(run.get_insights(params={"limit": 100}))

    return _count(sim, work)


def _sdk_account(graph_url: str, account_id: str) -> AdAccount:
    session = FacebookSession(access_token=TOKEN)
    session.GRAPH = graph_url
    return AdAccount(account_id, api=FacebookAdsApi(session))


def _sdk_edges(account: AdAccount) -> None:
    for read in (account.get_campaigns, account.get_ad_sets, account.get_ads):
        list(read(fields=["id", "name", "effective_status"], params={"limit": 100}))


def _insights_params(days: dict[str, str]) -> dict[str, object]:
    return {
        "level": "ad",
        "time_increment": 1,
        "time_range": days,
        "action_attribution_windows": WINDOWS,
    }


@contextmanager
def _virtual(
    url: str, columns: tuple[str, ...] = ()
) -> Iterator[tuple[Simulator, VirtualClock, SyncEngine]]:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("DROP SCHEMA IF EXISTS meta_ads CASCADE")
    clock = VirtualClock(START)
    world = World(seed=7, clock=clock, accounts=(SHOP,))
    with (
        Simulator(world, token=TOKEN) as sim,
        Warehouse(url) as warehouse,
        TelemetryWriter(url) as telemetry,
        GraphClient(
            access_token=TOKEN, base_url=sim.url, clock=clock.now, sleep=sim.sleep
        ) as client,
    ):
        warehouse.migrate()
        context = SyncContext(
            client=client,
            warehouse=warehouse,
            telemetry=telemetry,
            policy=PlanPolicy(backfill_days=30, columns=columns),
            clock=clock.now,
            sleep=sim.sleep,
        )
        yield sim, clock, SyncEngine(context)


if __name__ == "__main__":
    main()
