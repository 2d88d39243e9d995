"""What was one tenant's does not become that of the next one of its short name."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing

import psycopg
import pytest

from meta_pipeline.warehouse import TenantRefused
from meta_pipeline_tests.postgres import TestPostgres

from .two import ALPHA, BETA, NOW, Two, insert, two_tenants

# What refers to `tenants` goes with its row, or keeps it from being removed.
_NAMED = """
    SELECT relname::text FROM pg_class JOIN pg_attribute ON attrelid = pg_class.oid
    WHERE relnamespace = 'meta_ads'::regnamespace AND relkind IN ('r', 'p') AND attname = 'tenant'
        AND relname <> 'tenants' AND NOT EXISTS (
            SELECT FROM pg_constraint
            WHERE conrelid = pg_class.oid AND confrelid = 'meta_ads.tenants'::regclass
        )
"""
_RECORDS = {"connection_events", "sync_requests", "web_events"}


@pytest.fixture
def two(postgres: TestPostgres) -> Iterator[Two]:
    with two_tenants(postgres) as made:
        yield made


def test_a_short_name_is_free_once_nothing_names_its_tenant(two: Two) -> None:
    tenants = two.warehouse.tenants
    with closing(psycopg.connect(two.warehouse.url, autocommit=True)) as connection:
        named = [table for (table,) in connection.execute(_NAMED)]

        def naming(tenant: str) -> set[str]:
            return {
                table
                for table in named
                if connection.execute(
                    f"SELECT FROM meta_ads.{table} WHERE tenant = %s", (tenant,)
                ).fetchall()
            }

        connection.execute("DELETE FROM meta_ads.connections WHERE tenant = %s", (ALPHA,))
        tenants.remove(ALPHA)
        assert naming(ALPHA) == _RECORDS
        assert naming(BETA) == {*named}
        with pytest.raises(TenantRefused, match="connection_events, sync_requests, web_events"):
            tenants.add(ALPHA, "Another Alpha", NOW)
        connection.execute("SET session_replication_role = replica")  # no trigger, no reference
        for table in _RECORDS:
            connection.execute(f"DELETE FROM meta_ads.{table} WHERE tenant = %s", (ALPHA,))
        # What an earlier release left behind holds the name as well, whichever table it is in.
        for table in named:
            row = two.rows(table, ALPHA)[0]
            connection.execute(insert(table, row), row)
            with pytest.raises(TenantRefused, match=table):
                tenants.add(ALPHA, "Another Alpha", NOW)
            assert ALPHA not in {one.tenant for one in tenants.all()}
            connection.execute(f"DELETE FROM meta_ads.{table} WHERE tenant = %s", (ALPHA,))
        tenants.add(ALPHA, "Another Alpha", NOW)
    assert tenants.get(ALPHA).account_ids == []
