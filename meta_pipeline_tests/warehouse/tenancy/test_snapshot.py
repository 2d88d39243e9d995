"""A snapshot shows a tenant's tables at one moment, and leaves nothing on the connection."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from psycopg import errors

from meta_pipeline.warehouse import Warehouse
from meta_pipeline_tests.postgres import TestPostgres

from .two import ACCOUNTS, ALPHA, Two, two_tenants

_NAME = "SELECT name FROM meta_ads.meta_ad_accounts WHERE account_id = %s"


@pytest.fixture(scope="module")
def two(postgres: TestPostgres) -> Iterator[Two]:
    with two_tenants(postgres) as made:
        yield made


def test_a_snapshot_does_not_see_what_is_committed_after_it(two: Two) -> None:
    account = [ACCOUNTS[ALPHA]]
    tenant = two.warehouse.of_tenant(ALPHA)
    with tenant.snapshot() as seen:
        with seen.connection() as connection:
            before = connection.execute(_NAME, account).fetchall()
            assert len(before) == 1
        with two.warehouse.connection() as other:
            other.execute(
                "UPDATE meta_ads.meta_ad_accounts SET name = 'renamed' WHERE account_id = %s",
                account,
            )
        with seen.connection() as connection, seen.snapshot() as again:
            assert connection.execute(_NAME, account).fetchall() == before
            with again.connection() as same:
                assert same is connection
    with tenant.connection() as connection:
        assert connection.execute(_NAME, account).fetchall() == [("renamed",)]


def test_a_snapshot_is_its_tenants_alone_and_writes_nothing(two: Two) -> None:
    with two.warehouse.of_tenant(ALPHA).snapshot() as seen, seen.connection() as connection:
        found = connection.execute("SELECT DISTINCT account_id FROM meta_ads.meta_insights")
        assert found.fetchall() == [(ACCOUNTS[ALPHA],)]
        with pytest.raises(errors.ReadOnlySqlTransaction), connection.transaction():
            connection.execute("DELETE FROM meta_ads.meta_insights")


def test_the_connection_goes_back_as_it_was(two: Two) -> None:
    level = "SELECT current_setting('transaction_isolation'), current_setting('role')"
    with Warehouse(two.warehouse.url, max_connections=1) as warehouse:
        tenant = warehouse.of_tenant(ALPHA)
        with tenant.snapshot() as seen, seen.connection() as connection:
            row = connection.execute(level).fetchone()
            assert row is not None
            assert row[0] == "repeatable read"
        with (
            pytest.raises(errors.DivisionByZero),
            tenant.snapshot() as seen,
            seen.connection() as connection,
        ):
            connection.execute("SELECT 1 / 0")
        with warehouse.connection() as connection:
            assert connection.execute(level).fetchone() == ("read committed", "none")
