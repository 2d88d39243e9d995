"""Several syncs at once, and a database that goes away: nothing lost, and the record says so."""

from __future__ import annotations

import re
import secrets
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any

import psycopg
import pytest

from meta_pipeline.embedded import EmbeddedPostgres
from meta_pipeline.simulator import AccountSpec
from meta_pipeline.sync import (
    ENTITIES,
    PageSizes,
    PlanPolicy,
    Progress,
    Status,
    SyncRequest,
    SyncRun,
)
from meta_pipeline.warehouse import Warehouse, WarehouseError
from meta_pipeline.warehouse.stores.runs import ABANDONED
from meta_pipeline_tests.embedded.fixtures import temporary_root
from meta_pipeline_tests.sync.child import Job
from meta_pipeline_tests.sync.lab import SMALL, Lab, lab

POLICY = PlanPolicy(backfill_days=4, page_sizes=PageSizes(entities=10, insights=30))


@pytest.fixture
def house(database_url: str) -> Iterator[Lab]:
    with lab(database_url, SMALL, policy=POLICY) as found:
        yield found


def on_step(number: int, act: Callable[[], object]) -> Callable[[Progress], None]:
    """Tells a sync's progress to nobody and acts at one of its steps."""
    seen: list[Progress] = []

    def report(step: Progress) -> None:
        seen.append(step)
        if len(seen) == number:
            act()

    return report


def assert_world(house: Lab, account_id: str | None = None) -> None:
    today = house.today(account_id)
    house.assert_entities(account_id)
    house.assert_insights(today - timedelta(days=3), today, account_id=account_id)


def runs(house: Lab) -> list[dict[str, Any]]:
    return house.query("SELECT * FROM meta_ads.sync_runs ORDER BY started_at, status")


# -- one account ----------------------------------------------------------------------------------


def test_a_second_sync_is_refused_with_a_record_and_the_first_goes_on(house: Lab) -> None:
    second: list[SyncRun] = []
    request = SyncRequest(house.account_id)

    first = house.engine.sync(
        request, on_step(2, lambda: second.append(house.engine.sync(request)))
    )

    assert first.status is Status.SUCCESS, first.error_summary
    assert (second[0].status, second[0].exit_code) == (Status.REFUSED, 5)
    assert second[0].meta_call_count_total == 0
    assert first.sync_run_id[:8] in (second[0].error_summary or "")
    assert {row["status"] for row in runs(house)} == {"success", "refused"}
    assert_world(house)


def test_a_sync_begins_when_the_account_is_its_own(house: Lab) -> None:
    """Until then the one before it may be at work: by their records they must not overlap."""
    held: dict[datetime, bool] = {}
    locks = (
        "SELECT count(*) FROM pg_locks JOIN pg_database d ON d.oid = database "
        "WHERE locktype = 'advisory' AND d.datname = current_database()"
    )

    def clock() -> datetime:
        house.advance(seconds=1)
        held[house.clock.now()] = house.scalar(locks) > 0
        return house.clock.now()

    engine = house.engine.changed(clock=clock)
    record = engine.sync(SyncRequest(house.account_id, parts=ENTITIES))

    assert record.status is Status.SUCCESS, record.error_summary
    assert record.finished_at is not None
    assert held[record.started_at]
    assert held[record.finished_at]


def test_two_processes_started_together_do_the_work_once(house: Lab) -> None:
    job = Job(
        house.warehouse.url, house.sim.url, house.sim.token, house.account_id,
        house.clock.now(), POLICY,
    )  # fmt: skip
    processes = [job.start() for _ in range(2)]
    for process in processes:
        process.join(60)

    assert sorted(process.exitcode or 0 for process in processes) in ([0, 5], [0, 0])
    assert house.calls() == sum(row["meta_call_count_total"] for row in runs(house))
    assert all(row["finished_at"] for row in runs(house))
    assert_world(house)


# -- many accounts --------------------------------------------------------------------------------


def test_ten_accounts_together_in_one_engine(database_url: str) -> None:
    specs = [
        AccountSpec(f"Shop {n}", 2, 4, 8, (1, 2, 5), zone="Europe/Berlin", currency="EUR")
        for n in range(10)
    ]
    with lab(database_url, *specs, policy=POLICY) as house:
        accounts = [account.id for account in house.world.accounts()]
        with ThreadPoolExecutor(len(accounts)) as pool:
            records = list(pool.map(house.sync, accounts))

        assert {record.status for record in records} == {Status.SUCCESS}, records
        for account_id in accounts:
            assert_world(house, account_id)
        assert house.orphans() == 0
        logged = house.scalar("SELECT count(*) FROM meta_ads.meta_api_logs")
        assert logged == house.calls() == sum(one.meta_call_count_total for one in records)


# -- a database that goes away --------------------------------------------------------------------


def test_a_lost_lock_ends_the_sync_and_loses_nothing(house: Lab) -> None:
    def cut() -> None:
        house.scalar(
            "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity "
            "WHERE application_name LIKE 'meta_pipeline sync%%' AND datname = current_database()"
        )

    with pytest.raises(WarehouseError, match="What was committed is kept"):
        house.engine.sync(SyncRequest(house.account_id), on_step(2, cut))

    (run,) = runs(house)
    assert run["status"] == "fail"
    assert "connection" in run["error_summary"]
    assert run["meta_call_count_total"] > 0
    assert house.sync().status is Status.SUCCESS
    assert_world(house)


def test_a_database_that_restarts_in_the_middle_costs_one_sync() -> None:
    with temporary_root() as root:
        server = EmbeddedPostgres(root)
        url = server.start()
        try:
            with Warehouse(url) as warehouse:
                warehouse.migrate()
            with lab(url, SMALL, policy=POLICY) as house:

                def restart() -> None:
                    server.stop(force=True)
                    server.start()

                with pytest.raises(WarehouseError):
                    house.engine.sync(SyncRequest(house.account_id), on_step(3, restart))
                done = house.query("SELECT dataset, date_start FROM meta_ads.sync_windows")
                calls = house.calls()
                house.clock.advance(5)

                assert house.sync().status is Status.SUCCESS
                assert_world(house)
                assert house.orphans() == 0
                for run in runs(house)[:1]:
                    assert run["status"] == "fail"
                    assert run["error_summary"]
                assert len(done) <= house.scalar("SELECT count(*) FROM meta_ads.sync_windows")
                logged = house.scalar("SELECT count(*) FROM meta_ads.meta_api_logs")
                assert logged == house.calls() > calls
        finally:
            server.stop(force=True)


def test_a_process_that_never_closed_its_record_is_closed_by_the_next(house: Lab) -> None:
    class Dead(BaseException):
        pass

    def die() -> None:
        house.engine.context.telemetry.flush()
        raise Dead

    with pytest.raises(Dead):
        house.engine.sync(SyncRequest(house.account_id), on_step(2, die))
    with house.warehouse.connection() as connection:
        connection.execute("UPDATE meta_ads.sync_runs SET status = 'running', finished_at = NULL")
    house.clock.advance(1)

    assert house.sync().status is Status.SUCCESS
    assert [(row["status"], row["error_summary"]) for row in runs(house)] == [
        ("fail", ABANDONED),
        ("success", None),
    ]
    assert_world(house)


@contextmanager
def few_connections(database_url: str, most: int) -> Iterator[str]:
    """The same database for a role that may have `most` connections."""
    name, password = f"few_{secrets.token_hex(4)}", secrets.token_hex(8)
    with psycopg.connect(database_url, autocommit=True) as owner:
        owner.execute(f"CREATE ROLE {name} LOGIN PASSWORD '{password}' CONNECTION LIMIT {most}")
        owner.execute(f"GRANT ALL ON SCHEMA meta_ads TO {name}")
        owner.execute(f"GRANT ALL ON ALL TABLES IN SCHEMA meta_ads TO {name}")
        owner.execute(f"GRANT ALL ON ALL SEQUENCES IN SCHEMA meta_ads TO {name}")
        _, _, address = database_url.rpartition("@")
        yield f"postgresql://{name}:{password}@{address}"
        owner.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = %s", (name,)
        )
        owner.execute(f"DROP OWNED BY {name}")
        owner.execute(f"DROP ROLE {name}")


def test_too_few_connections_are_told_and_nothing_is_half_done(database_url: str) -> None:
    specs = [AccountSpec(f"Shop {n}", 1, 2, 4, (1, 1, 2)) for n in range(6)]
    with few_connections(database_url, 5) as url, lab(url, *specs, policy=POLICY) as house:
        accounts = [account.id for account in house.world.accounts()]
        together = threading.Barrier(len(accounts))

        def sync(account_id: str) -> SyncRun | WarehouseError:
            together.wait()
            try:
                return house.sync(account_id)
            except WarehouseError as error:
                return error

        with ThreadPoolExecutor(len(accounts)) as pool:
            ended = list(pool.map(sync, accounts))

        for one in ended:
            if isinstance(one, SyncRun):
                assert one.status is Status.SUCCESS, one.error_summary
            else:
                # The second where one became free just when the pool gave up.
                assert re.search("too many connections|couldn't get a connection", str(one)), one
        house.clock.advance(1)
        for account_id in accounts:
            assert house.sync(account_id).status is Status.SUCCESS
            assert_world(house, account_id)
        assert {row["status"] for row in runs(house)} <= {"success", "fail"}
