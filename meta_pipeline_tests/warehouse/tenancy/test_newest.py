"""The newest syncs and requests of some accounts are found without the history of all others."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any, TypeAlias

import psycopg
import pytest

from meta_pipeline.reports.runs import read_runs
from meta_pipeline.warehouse import DEFAULT_TENANT, Warehouse
from meta_pipeline.warehouse.newest import _EACH_UP_TO
from meta_pipeline.warehouse.tenancy.groups import group_names
from meta_pipeline_tests.postgres import TestPostgres, rows_read
from meta_pipeline_tests.warehouse.tenancy import two

NOW = datetime(2026, 11, 30, 8, 0, tzinfo=UTC)
FLEET, EACH, LIMIT = 300, 100, 10
TABLES = ("sync_runs", "sync_requests")
# Whose which accounts are: `none` and `unsynced` never were, `few` twice and long ago, `many`
# asks for them one by one no longer.
TENANTS = {
    "none": [f"act_{FLEET + n}" for n in range(1, 6)],
    "unsynced": [f"act_{5_000 + n}" for n in range(201)],
    "few": ["act_few", *(f"act_{FLEET + n}" for n in range(6, 9))],
    "some": [f"act_{n}" for n in range(1, 21)],
    "many": [f"act_{n}" for n in range(1, _EACH_UP_TO + 2)],
    DEFAULT_TENANT: [f"act_{n}" for n in range(1, FLEET + 1)],
}
_HISTORY = """
    SELECT account, run, 'id ' || account || ' ' || run AS id,
        %(now)s - run * interval '1 hour' - hashtext(account) %% 1000 * interval '1 second' AS at
    FROM unnest(%(accounts)s::text[]) AS account,
        generate_series(%(first)s::int, %(first)s + %(each)s - 1) AS run
"""
_RUNS = f"""
    INSERT INTO meta_ads.sync_runs (sync_run_id, account_id, scope, started_at, status)
    SELECT id, account, 'insights', at, CASE WHEN run %% 5 = 0 THEN 'fail' ELSE 'success' END
    FROM ({_HISTORY}) AS history
"""
_REQUESTS = f"""
    INSERT INTO meta_ads.sync_requests (request_id, account_id, source, requested_by, reason, force,
        requested_at, state, attempts)
    SELECT id, account, 'webhook', '', '', false, at,
        CASE WHEN run %% 5 = 0 THEN 'failed' ELSE 'done' END, 1
    FROM ({_HISTORY}) AS history
"""
Keys: TypeAlias = list[tuple[datetime, str]]
Read: TypeAlias = Callable[[Warehouse, Sequence[str] | None], Keys]


@pytest.fixture(scope="module")
def fleet(postgres: TestPostgres) -> Iterator[Warehouse]:
    """Accounts of several tenants, most of them with a long history of syncs and requests."""
    with postgres.fresh_database() as url, Warehouse(url) as warehouse:
        with warehouse.connection() as connection:
            groups = group_names(connection)
            for accounts, first, each in ((TENANTS[DEFAULT_TENANT], 1, EACH), (["act_few"], 99, 2)):
                values = {"now": NOW, "accounts": accounts, "first": first, "each": each}
                connection.execute(_RUNS, values)
                connection.execute(_REQUESTS, values)
        try:
            for tenant, accounts in TENANTS.items():
                if tenant != DEFAULT_TENANT:
                    warehouse.tenants.add(tenant, tenant, NOW)
                warehouse.tenants.grant(tenant, accounts, NOW)
            warehouse.keep_tenants_apart()
            with psycopg.connect(url, autocommit=True) as connection:
                connection.execute("VACUUM ANALYZE")
            yield warehouse
        finally:
            warehouse.close()
            two._drop(postgres, url, groups)


def listed(warehouse: Warehouse, accounts: Sequence[str] | None) -> Keys:
    runs = warehouse.runs.listed(LIMIT, accounts=accounts)
    return [(one.started_at, one.sync_run_id) for one in runs]


def shown(warehouse: Warehouse, accounts: Sequence[str] | None) -> Keys:
    runs = read_runs(warehouse, accounts=accounts, limit=LIMIT)
    return [(one["started_at"], one["sync_run_id"]) for one in runs]


def asked(warehouse: Warehouse, accounts: Sequence[str] | None) -> Keys:
    requests = warehouse.sync_requests.recent(LIMIT, accounts=accounts)
    return [(one.requested_at, one.request_id) for one in requests]


def newest_of(fleet: Warehouse, accounts: Sequence[str], where: str = "true") -> Keys:
    """What there is of these accounts, as the owner finds it by looking at everything."""
    query = (
        "SELECT started_at, sync_run_id FROM meta_ads.sync_runs WHERE account_id = ANY (%s)"
        f" AND {where} ORDER BY started_at DESC, sync_run_id DESC LIMIT {LIMIT}"
    )
    with fleet.connection() as connection:
        return connection.execute(query, (list(accounts),)).fetchall()


@pytest.mark.parametrize("read", [listed, shown, asked])
@pytest.mark.parametrize("tenant", TENANTS)
def test_a_tenant_reads_its_own_history_and_not_the_fleets(
    fleet: Warehouse, tenant: str, read: Read
) -> None:
    accounts = TENANTS[tenant]
    with fleet.of_tenant(tenant).snapshot() as seen, seen.connection() as connection:
        before = rows_read(connection, *TABLES)
        found = read(seen, None)
        cost = rows_read(connection, *TABLES) - before
    assert found == newest_of(fleet, accounts)
    # Two to see which is the newer one of each account, then what is shown; or a walk past others.
    looks = 2 * len(accounts) if len(accounts) <= _EACH_UP_TO else LIMIT
    assert cost <= looks + 4 * LIMIT, cost


@pytest.mark.parametrize("read", [listed, shown, asked])
def test_who_sees_all_walks_through_the_newest_and_reads_no_more(
    fleet: Warehouse, read: Read
) -> None:
    with fleet.of_tenant(DEFAULT_TENANT).snapshot() as seen, seen.connection() as connection:
        connection.execute("RESET ROLE")  # the owner, in a transaction whose reads are counted
        before = rows_read(connection, *TABLES)
        assert read(seen, None) == newest_of(fleet, [*TENANTS[DEFAULT_TENANT], "act_few"])
        assert rows_read(connection, *TABLES) - before <= LIMIT + 2


@pytest.mark.parametrize("read", [listed, shown, asked])
def test_accounts_that_are_named_are_read_and_no_others(fleet: Warehouse, read: Read) -> None:
    named = ["act_few", "act_few", "act_unknown", *TENANTS["none"]]
    assert read(fleet, named) == newest_of(fleet, named)
    assert read(fleet, []) == []
    for tenant, own in TENANTS.items():
        visible = {*own} & {*named}
        with fleet.of_tenant(tenant).snapshot() as seen, seen.connection() as connection:
            before = rows_read(connection, *TABLES)
            assert read(seen, named) == newest_of(fleet, [*visible])
            assert rows_read(connection, *TABLES) - before <= 4 * LIMIT


def test_pages_of_a_tenants_history_follow_each_other(fleet: Warehouse) -> None:
    tenant = fleet.of_tenant("some")
    keys: Keys = []
    while True:
        before = keys[-1] if keys else None
        page = tenant.runs.listed(97, before=before)
        keys += [(one.started_at, one.sync_run_id) for one in page]
        asked = tenant.sync_requests.recent(97, before=before)
        assert [one.request_id for one in asked] == [one.sync_run_id for one in page]
        if not page:
            break
    assert len(keys) == len(set(keys)) == 20 * EACH
    assert all(one > other for one, other in pairwise(keys))


def test_what_else_they_have_to_be_is_looked_for_within_them(fleet: Warehouse) -> None:
    for tenant, accounts in TENANTS.items():
        found: Any = read_runs(fleet.of_tenant(tenant), statuses=["fail"], limit=LIMIT)
        failed = newest_of(fleet, accounts, "status = 'fail'")
        assert [(one["started_at"], one["sync_run_id"]) for one in found] == failed
        requests = fleet.of_tenant(tenant).sync_requests.recent(LIMIT, states=["failed"])
        assert [(one.requested_at, one.request_id) for one in requests] == failed


@pytest.mark.parametrize("tenant", ["some", "many", None])
def test_requests_in_a_state_that_none_has_read_none(fleet: Warehouse, tenant: str | None) -> None:
    with fleet.of_tenant(tenant or "some").snapshot() as seen, seen.connection() as connection:
        if tenant is None:
            connection.execute("RESET ROLE")
        before = rows_read(connection, "sync_requests")
        assert seen.sync_requests.recent(LIMIT, states=["cancelled"]) == []
        assert rows_read(connection, "sync_requests") == before


def test_what_a_tenant_did_is_found_however_much_others_did_since(fleet: Warehouse) -> None:
    with fleet.connection() as connection:
        for tenant, count, days in ((DEFAULT_TENANT, 5_000, 0), ("few", 3, 90)):
            connection.execute(
                "INSERT INTO meta_ads.web_events (at, actor, action, detail, tenant)"
                " SELECT %s::timestamptz - %s * interval '1 day' - n * interval '1 minute',"
                " 'ann', 'signed in', 'number ' || n, %s FROM generate_series(1, %s::int) AS n",
                (NOW, days, tenant, count),
            )
        connection.execute("ANALYZE meta_ads.web_events")
    with fleet.of_tenant("few").snapshot() as seen, seen.connection() as connection:
        before = rows_read(connection, "web_events")
        found = [one.detail for one in seen.web.events(50)]
        assert rows_read(connection, "web_events") - before <= 3
    assert found == ["number 1", "number 2", "number 3"]
