"""Calls and seconds of the usual work, beside the official SDK doing the same and the limits."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

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


def _hourly(sim: Simulator, clock: VirtualClock, ours: SyncEngine, account: str) -> int:
    clock.advance(3600)
    return _count(sim, lambda: ours.sync(SyncRequest(account)))


def _seconds(url: str) -> Iterator[tuple[str, ...]]:
    """On real time, 500 ms a call: the largest account of the demo, its last 7 days."""
    since = (datetime.now(UTC) - timedelta(days=6)).date()
    at_once = {"META_FRESH_SECONDS": 0, "META_RESTATEMENT": "0:0m,3:6h,7:1d,28:7d"}
    with simulator(latency_ms=500) as sim, engine(url, sim.url, **at_once) as ours:
        account = next(row for row in ours.discover().accounts if row.name == "2EZi").account_id
        began = time.perf_counter()
        first = ours.sync(SyncRequest(account, since=since))
        seconds = time.perf_counter() - began
        yield _row("2EZi, first sync of 7 days: calls", first.meta_call_count_total, 10, None)
        yield _row("  seconds at 500 ms a call", seconds, 2.5, None)
        began = time.perf_counter()
        again = ours.sync(SyncRequest(account, since=since))
        seconds = time.perf_counter() - began
        yield _row("2EZi, refresh: calls", again.meta_call_count_total, 5, None)
        yield _row("  seconds at 500 ms a call", seconds, 1.5, None)


def _row(work: str, ours: float, limit: float, sdk: int | None) -> tuple[str, ...]:
    mark = "[green]" if ours <= limit else "[red]"
    ratio = f"{ours / sdk:.2f}" if sdk else ""
    return (
        work,
        f"{mark}{ours:g}" if ours == int(ours) else f"{mark}{ours:.2f}",
        f"{limit:g}",
        (str(sdk) if sdk else ""),
        ratio,
    )


def _count(sim: Simulator, work: object) -> int:
    before = sim.journal.total
    assert callable(work)
    work()
    return sim.journal.total - before


def _sdk_calls(sim: Simulator, account_id: str, days: int) -> int:
    """The plain SDK: three edges and an async report of the same days, pages of 100."""
    session = FacebookSession(access_token=TOKEN)
    session.GRAPH = sim.url
    account = AdAccount(account_id, api=FacebookAdsApi(session))
    until = sim.clock.now().date()
    since = until - timedelta(days=days - 1)

    def work() -> None:
        for read in (account.get_campaigns, account.get_ad_sets, account.get_ads):
            list(read(fields=["id", "name", "effective_status"], params={"limit": 100}))
        params = {
            "level": "ad",
            "time_increment": 1,
            "time_range": {"since": str(since), "until": str(until)},
            "action_attribution_windows": WINDOWS,
        }
        run = account.get_insights(fields=FIELDS, params=params, is_async=True)
        sim.sleep(60)
        run.api_get()
        list(run.get_insights(params={"limit": 100}))

    return _count(sim, work)


@contextmanager
def _virtual(url: str) -> Iterator[tuple[Simulator, VirtualClock, SyncEngine]]:
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
            policy=PlanPolicy(backfill_days=30),
            clock=clock.now,
            sleep=sim.sleep,
        )
        yield sim, clock, SyncEngine(context)


if __name__ == "__main__":
    main()
