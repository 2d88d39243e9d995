"""Migrations: one transaction, one winner, nothing half done, and equal to what `schema/` says."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psycopg
import pytest
import sqlalchemy as sa
from alembic import command
from alembic.script import ScriptDirectory
from sqlalchemy import inspect

from meta_pipeline.warehouse import DatabaseNewer, ViewInUse, Warehouse, migrator, views
from meta_pipeline.warehouse.errors import MigrationBusy, WarehouseError
from meta_pipeline.warehouse.migrations import draft as drafting
from meta_pipeline.warehouse.migrations.draft import draft
from meta_pipeline.warehouse.schema import metadata
from meta_pipeline_tests.processes import CHILDREN
from meta_pipeline_tests.waiting import wait_until

REVISIONS = migrator.revisions()


def go_to(url: str, revision: str) -> None:
    """Make the tables as they were at an older revision."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("CREATE SCHEMA meta_ads")
    with migrator.engine(url).begin() as connection:
        config = migrator._config()
        config.attributes["connection"] = connection
        command.upgrade(config, revision)


def test_an_empty_database_gets_everything(empty_url: str) -> None:
    warehouse = Warehouse(empty_url)
    everything = (*migrator.revisions(), *(f"view:{view.name}" for view in views.declared()))
    assert warehouse.pending() == everything

    done = warehouse.migrate()

    assert done.before is None
    assert done.after == migrator.head() == migrator.revisions()[-1]
    assert done.applied == migrator.revisions()
    assert warehouse.pending() == ()


def test_a_second_time_changes_nothing(empty_url: str) -> None:
    Warehouse(empty_url).migrate()
    assert not Warehouse(empty_url).migrate().changed


def test_the_database_is_what_the_schema_declares(postgres_url: str) -> None:
    assert migrator.differences(postgres_url) == []


def test_a_difference_would_be_seen(postgres_url: str) -> None:
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        connection.execute("ALTER TABLE meta_ads.sync_runs DROP COLUMN host")
        connection.execute("COMMENT ON COLUMN meta_ads.sync_runs.reason IS 'something else'")
    kinds = {kind for kind, *_ in _flat(migrator.differences(postgres_url))}
    assert kinds == {"add_column", "modify_comment"}


def test_everything_is_commented(postgres_url: str) -> None:
    with psycopg.connect(postgres_url) as connection:
        bare = connection.execute("""
            SELECT class.relname, attribute.attname
            FROM pg_class AS class
            JOIN pg_attribute AS attribute
              ON attribute.attrelid = class.oid AND attribute.attnum >= 0
             AND NOT attribute.attisdropped
            WHERE class.relnamespace = 'meta_ads'::regnamespace AND class.relkind IN ('r', 'v')
              AND class.relname <> 'schema_version'
              AND (obj_description(class.oid, 'pg_class') IS NULL
                   OR col_description(class.oid, attribute.attnum) IS NULL)
        """).fetchall()
    assert bare == []


@pytest.mark.parametrize(
    "revision",
    [  # the quick suite tries the two newest, the oldest, and every twelfth between
        pytest.param(
            revision,
            marks=() if age % 12 == 0 or age in (1, len(REVISIONS) - 1) else pytest.mark.slow,
        )
        for age, revision in enumerate(reversed(REVISIONS))
    ],
)
def test_every_released_revision_can_be_upgraded(empty_url: str, revision: str) -> None:
    go_to(empty_url, revision)

    done = Warehouse(empty_url).migrate()

    assert done.before == revision
    assert migrator.differences(empty_url) == []


def test_what_was_spent_today_before_the_days_were_kept_counts(empty_url: str) -> None:
    go_to(empty_url, "0050")
    called = (
        "INSERT INTO meta_ads.meta_api_logs (account_id, endpoint_key, throttled, weighted_cost, "
        "\"timestamp\") SELECT account, 'ads_list', false, 2, now() "
        "FROM unnest(ARRAY['act_1', 'act_1', NULL]) AS account"
    )
    with psycopg.connect(empty_url, autocommit=True) as connection:
        connection.execute(called)
        Warehouse(empty_url).migrate()
        connection.execute(called)
        days = connection.execute(
            "SELECT account_id, app_key, sum(weighted_cost)::int FROM meta_ads.meta_api_days "
            "GROUP BY 1, 2 ORDER BY 1"
        ).fetchall()
    assert days == [("", "app", 4), ("act_1", "app", 8)]


def test_advice_that_was_settled_before_it_said_so_itself_is_settled(empty_url: str) -> None:
    go_to(empty_url, "0054")
    with psycopg.connect(empty_url, autocommit=True) as connection:
        connection.execute(
            "INSERT INTO meta_ads.advice SELECT (jsonb_populate_record(NULL::meta_ads.advice,"
            " (SELECT jsonb_object_agg(attname, CASE format_type(atttypid, NULL)"
            " WHEN 'date' THEN '2026-11-01' WHEN 'timestamp with time zone' THEN '2026-11-01'"
            " WHEN 'numeric' THEN '1' ELSE 'x' END) FROM pg_attribute"
            " WHERE attrelid = 'meta_ads.advice'::regclass AND attnum > 0)"
            " || jsonb_build_object('advice_id', id))).* FROM unnest(ARRAY['a', 'b', 'c']) AS id"
        )
        connection.execute(
            "INSERT INTO meta_ads.advice_outcomes (advice_id, outcome, account_id, at)"
            " VALUES ('a', 'expired', 'x', '2026-11-02'), ('b', 'followed', 'x', '2026-11-02'),"
            " ('b', 'dismissed', 'x', '2026-11-03')"
        )
        Warehouse(empty_url).migrate()
        rows = connection.execute("SELECT advice_id, outcome FROM meta_ads.advice ORDER BY 1")
        assert rows.fetchall() == [("a", "expired"), ("b", "dismissed"), ("c", None)]


def test_what_a_tenants_connection_gave_before_is_told_from_grants_by_hand(empty_url: str) -> None:
    go_to(empty_url, "0056")
    with psycopg.connect(empty_url, autocommit=True) as connection:
        connection.execute(
            "INSERT INTO meta_ads.tenants VALUES ('acme', 'Acme', now());"
            "INSERT INTO meta_ads.tenant_accounts SELECT tenant, 'act_' || n, now()"
            " FROM unnest(ARRAY['default', 'acme']) AS tenant, generate_series(1, 4) AS n;"
            "INSERT INTO meta_ads.connections (connection_id, tenant, kind, name, app_id, user_id,"
            " scopes, state, added_at, checked_at)"
            " SELECT tenant, tenant, 'user', 'x', '1', '2', '[]', 'active', now(), now()"
            " FROM unnest(ARRAY['default', 'acme']) AS tenant;"
            "INSERT INTO meta_ads.connection_accounts (connection_id, account_id, seen_at)"
            " VALUES ('acme', 'act_1', now()), ('acme', 'act_2', now()), ('acme', 'act_3', now()),"
            " ('default', 'act_4', now());"
            "INSERT INTO meta_ads.web_events (at, actor, action, detail, tenant)"
            " VALUES (now(), 'x', 'tenant added', 'act_2', 'acme'),"
            " (now(), 'x', 'accounts granted', 'act_9, act_3', 'acme')"
        )
        Warehouse(empty_url).migrate()
        rows = connection.execute(
            "SELECT tenant, account_id FROM meta_ads.tenant_accounts WHERE is_by_connection"
        )
        assert rows.fetchall() == [("acme", "act_1")]


def test_eight_at_once(empty_url: str) -> None:
    with CHILDREN.Pool(8) as pool:
        results = pool.map(migrator.migrate, [empty_url] * 8)
    assert sum(result.changed for result in results) == 1
    assert {result.after for result in results} == {migrator.head()}


def test_killed_inside_leaves_nothing(empty_url: str) -> None:
    with psycopg.connect(empty_url, autocommit=True) as connection:
        connection.execute("CREATE SCHEMA meta_ads")
        with connection.transaction(force_rollback=True):
            # An uncommitted table of the same name holds the migration up in its middle.
            connection.execute("CREATE TABLE meta_ads.usage_readings ()")
            child = CHILDREN.Process(target=migrator.migrate, args=(empty_url,))
            child.start()
            _wait_until_blocked(empty_url, "meta_pipeline migrate")
            assert child.pid
            os.kill(child.pid, signal.SIGKILL)
            child.join()
    engine = migrator.engine(empty_url)
    _wait_until_gone(empty_url, "meta_pipeline migrate")
    assert inspect(engine).get_table_names(schema="meta_ads") == []
    assert Warehouse(empty_url).migrate().before is None


def test_a_newer_database_is_refused(postgres_url: str) -> None:
    with psycopg.connect(postgres_url) as connection:
        connection.execute("UPDATE meta_ads.schema_version SET version_num = '9999'")
    with pytest.raises(DatabaseNewer, match=r"'9999'.*upgrade this installation"):
        Warehouse(postgres_url).migrate()
    with pytest.raises(DatabaseNewer):
        Warehouse(postgres_url).pending()


def test_a_lock_that_is_not_given_up(empty_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(migrator, "LOCK_TIMEOUT_SECONDS", 0.05)
    with psycopg.connect(empty_url) as connection:
        connection.execute(migrator._LOCK)
        with pytest.raises(
            MigrationBusy, match=r"used by a program as role \w+\. Wait.*pg_stat_activity"
        ):
            Warehouse(empty_url).migrate()


def test_without_the_right_to_create(empty_url: str) -> None:
    name = f"reader_{os.getpid()}"
    with psycopg.connect(empty_url, autocommit=True) as owner:
        owner.execute(f"CREATE ROLE {name} LOGIN PASSWORD 'x'")
        try:
            host = urlsplit(empty_url).netloc.rpartition("@")[2]
            reader = f"postgresql://{name}:x@{host}{urlsplit(empty_url).path}"
            with pytest.raises(WarehouseError, match="GRANT CREATE ON DATABASE"):
                Warehouse(reader).migrate()
        finally:
            owner.execute(f"DROP ROLE {name}")


def test_a_view_is_made_again_when_its_text_changed(postgres_url: str) -> None:
    with psycopg.connect(postgres_url) as connection:
        connection.execute("DROP VIEW meta_ads.call_cost")
        connection.execute("CREATE VIEW meta_ads.call_cost AS SELECT 1 AS another")
        connection.execute(
            "UPDATE meta_ads.schema_views SET digest = 'old' WHERE view_name = %s", ["call_cost"]
        )
        connection.execute("DROP VIEW meta_ads.sync_health")

    assert Warehouse(postgres_url).migrate().views == ("call_cost", "sync_health")

    with psycopg.connect(postgres_url) as connection:
        assert connection.execute("SELECT verdict FROM meta_ads.call_cost").fetchall() == []


def test_a_view_of_a_server_without_the_option_is_made_again(postgres_url: str) -> None:
    """Made under Postgres 14, it reads as its owner after the server was upgraded, too."""
    with psycopg.connect(postgres_url) as connection:
        connection.execute("ALTER VIEW meta_ads.sync_health RESET (security_invoker)")
    assert Warehouse(postgres_url).migrate().views == ("sync_health",)
    with psycopg.connect(postgres_url) as connection:
        query = "SELECT reloptions FROM pg_class WHERE oid = 'meta_ads.sync_health'::regclass"
        assert connection.execute(query).fetchone() == (["security_invoker=true"],)
    assert Warehouse(postgres_url).migrate().views == ()


def test_rights_on_a_view_survive_its_change(postgres_url: str) -> None:
    with psycopg.connect(postgres_url) as connection:
        connection.execute("GRANT SELECT ON meta_ads.call_cost TO pg_monitor")
        connection.execute("UPDATE meta_ads.schema_views SET digest = 'old'")
    Warehouse(postgres_url).migrate()
    with psycopg.connect(postgres_url) as connection:
        query = "SELECT has_table_privilege('pg_monitor', 'meta_ads.call_cost', 'SELECT')"
        assert connection.execute(query).fetchone() == (True,)


def test_a_view_somebody_built_on_is_not_dropped(postgres_url: str) -> None:
    with psycopg.connect(postgres_url) as connection:
        connection.execute("DROP VIEW meta_ads.call_cost")
        connection.execute("CREATE VIEW meta_ads.call_cost AS SELECT 1 AS another")
        connection.execute("CREATE VIEW theirs AS SELECT another FROM meta_ads.call_cost")
        connection.execute("UPDATE meta_ads.schema_views SET digest = 'old'")
    with pytest.raises(ViewInUse, match="theirs"):
        Warehouse(postgres_url).migrate()
    with psycopg.connect(postgres_url) as connection:
        digests = connection.execute("SELECT DISTINCT digest FROM meta_ads.schema_views")
        assert digests.fetchall() == [("old",)]


def test_other_schemas_are_left_alone(empty_url: str) -> None:
    with psycopg.connect(empty_url) as connection:
        connection.execute("CREATE TABLE public.theirs (a int)")
        connection.execute("CREATE TABLE public.alembic_version (version_num text)")
    Warehouse(empty_url).migrate()
    assert migrator.differences(empty_url) == []
    assert sorted(inspect(migrator.engine(empty_url)).get_table_names(schema="public")) == [
        "alembic_version",
        "theirs",
    ]


def test_nothing_to_draft_when_the_revisions_are_complete(
    postgres_url: str, tmp_path: Path
) -> None:
    assert draft(postgres_url, "nothing", tmp_path) == []


def test_a_draft_holds_what_the_schema_has_more(
    postgres_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    more = sa.MetaData(schema="meta_ads")
    for declared in metadata.sorted_tables:
        declared.to_metadata(more)
    sa.Table("news", more, sa.Column("a", sa.Text, comment="It's"), comment="One row per novelty")
    monkeypatch.setattr(drafting, "metadata", more)

    script, revision = draft(postgres_url, "Add the news", tmp_path)

    number = f"{len(migrator.revisions()) + 1:04}"
    assert script.name == f"{number}_add_the_news.sql"
    assert "CREATE TABLE meta_ads.news" in script.read_text()
    assert "COMMENT ON COLUMN meta_ads.news.a IS 'It''s';" in script.read_text()
    assert script.read_text().count("CREATE TABLE") == 1
    assert f"down_revision = {migrator.head()!r}" in revision.read_text()


def test_the_files_are_the_chain_that_alembic_walks() -> None:
    scripts = ScriptDirectory.from_config(migrator._config())
    walked = [script.revision for script in scripts.walk_revisions()]
    assert migrator.revisions() == tuple(reversed(walked))


def test_every_table_lives_in_our_schema() -> None:
    assert {table.schema for table in metadata.tables.values()} == {"meta_ads"}


def _flat(differences: Any) -> list[Any]:
    found: list[Any] = []
    for difference in differences:
        found.extend(difference if isinstance(difference, list) else [difference])
    return found


def _wait_until_blocked(url: str, application_name: str) -> None:
    _poll(
        url,
        "SELECT count(*) > 0 FROM pg_stat_activity "
        "WHERE application_name = %s AND wait_event_type = 'Lock'",
        application_name,
    )


def _wait_until_gone(url: str, application_name: str) -> None:
    _poll(
        url,
        "SELECT count(*) = 0 FROM pg_stat_activity "
        "WHERE application_name = %s AND datname = current_database()",
        application_name,
    )


def _poll(url: str, query: str, value: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:

        def is_true() -> bool:
            row = connection.execute(query, (value,)).fetchone()
            return bool(row and row[0])

        wait_until(is_true, query)


def test_tables_leave_the_room_on_their_pages_that_is_declared(database_url: str) -> None:
    declared = {
        table.name: [f"fillfactor={table.info['fillfactor']}"]
        for table in metadata.sorted_tables
        if "fillfactor" in table.info
    }
    with psycopg.connect(database_url) as connection:
        found = connection.execute(
            "SELECT relname, reloptions FROM pg_class "
            "WHERE relnamespace = 'meta_ads'::regnamespace AND relname = ANY (%s)",
            (list(declared),),
        ).fetchall()
    assert declared
    assert dict(found) == declared
