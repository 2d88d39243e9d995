"""A full disk is called what it is, nothing is half-written, and the next sync goes on."""

from __future__ import annotations

import pytest

from meta_pipeline.warehouse import DatabaseUnfit, Warehouse, connect
from meta_pipeline.warehouse.rights import Rights, read_rights, refuse
from meta_pipeline_tests.warehouse.places import Place, place

from .database_shell import Shell, shell, sim

__all__ = ["place", "shell", "sim"]

# What Postgres raises when the file of a table cannot grow, at a moment of the test's choosing.
FULL = """
    CREATE FUNCTION meta_ads.no_space() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        RAISE EXCEPTION 'could not extend file "base/5/16385": No space left on device'
            USING ERRCODE = 'disk_full', HINT = 'Check free disk space.';
    END $$
"""
TRIGGER = """
    CREATE TRIGGER no_space AFTER INSERT OR UPDATE ON meta_ads.{table}
    FOR EACH STATEMENT EXECUTE FUNCTION meta_ads.no_space()
"""


@pytest.mark.parametrize("table", ["meta_ads", "meta_insights", "sync_windows", "ad_rollups"])
def test_a_full_disk(shell: Shell, place: Place, table: str) -> None:
    with Warehouse(place.url) as warehouse:
        warehouse.migrate()
    place.run(FULL.replace("{", "{{"), TRIGGER.replace("{table}", table))
    told = shell.refused(place.url, "sync", "ACT")
    assert "The disk of the Postgres server is full" in told
    assert "nothing is half-written" in told
    ledger = "SELECT count(*) FROM meta_ads.sync_windows WHERE dataset = 'insights_ad' AND rows > 0"
    rows = "SELECT count(DISTINCT date_start) FROM meta_ads.meta_insights WHERE entity_type = 'ad'"
    assert place.ask(ledger) == place.ask(rows)
    place.run(f"DROP TRIGGER no_space ON meta_ads.{table}")
    assert shell.run(place.url, "sync", "ACT").exit_code == 0
    assert place.ask("SELECT count(*) > 0 FROM meta_ads.ad_rollups") == [(True,)]


def test_who_may_only_read_is_still_told_the_status(shell: Shell, place: Place) -> None:
    with Warehouse(place.url) as warehouse:
        warehouse.migrate()
    place.run("ALTER ROLE {role} SET default_transaction_read_only = on")
    for command in ("status", "report"):
        assert shell.run(place.url, command).exit_code == 0
    assert "ALTER ROLE" in shell.refused(place.url, "sync", "ACT")


def test_a_standby_is_refused_with_where_to_go(place: Place) -> None:
    with connect(place.url, application_name="test") as connection:
        here = read_rights(connection)
    assert here.for_syncs() == here.for_tables("meta_ads") == []
    facts = {name: getattr(here, name) for name in Rights.__slots__}
    for problems in (
        Rights(**facts | {"is_standby": True}).for_syncs(),
        Rights(**facts | {"is_standby": True}).for_tables("meta_ads"),
    ):
        with pytest.raises(DatabaseUnfit, match=r"read-only standby.*at the primary"):
            refuse(problems)
