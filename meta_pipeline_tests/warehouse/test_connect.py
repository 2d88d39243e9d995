"""Connections: the same text, numbers and times, whatever role, database and shell are set to."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import count

import pytest
import sqlalchemy as sa

from meta_pipeline.warehouse import (
    TelemetryWriter,
    Warehouse,
    WarehouseError,
    account_lock,
    connect,
    create_dagster_schema,
    dagster_url,
    migrator,
    upsert,
)
from meta_pipeline.warehouse.connect import Connection
from meta_pipeline.warehouse.rights import read_rights
from meta_pipeline.warehouse.schema import meta_campaigns
from meta_pipeline_tests.postgres import TestPostgres

from .places import Place, new_place, place

__all__ = ["place"]

NAME = "Été à Zürich — 50 € 🎉 \\x41 'q' \\\\"
AT = datetime(2026, 3, 4, 5, 6, 7, 891000, tzinfo=UTC)
SETTINGS = (
    (
        "client_encoding = 'LATIN1'",
        "datestyle = 'SQL, DMY'",
        "intervalstyle = 'sql_standard'",
        "timezone = 'Asia/Kathmandu'",
        "standard_conforming_strings = off",
        "bytea_output = 'escape'",
        "extra_float_digits = -15",
        "array_nulls = off",
        "transform_null_equals = on",
        "search_path = ''",
        "default_transaction_isolation = 'serializable'",
        "statement_timeout = '200ms'",
        "lock_timeout = '1ms'",
        "idle_in_transaction_session_timeout = '20ms'",
    ),
    ("client_encoding = 'SQL_ASCII'", "datestyle = 'German'", "intervalstyle = 'iso_8601'"),
    ("client_encoding = 'EUC_JP'", "datestyle = 'Postgres, MDY'", "search_path = 'elsewhere'"),
)


def test_a_function_that_somebody_made_in_public_is_never_run(place: Place) -> None:
    """Where everybody may make things there, as in databases of before Postgres 15."""
    place.run(
        "CREATE FUNCTION public.quote_ident(name) RETURNS text LANGUAGE plpgsql"
        " AS $$ BEGIN RAISE EXCEPTION 'as %', current_user; END $$"
    )
    with Warehouse(place.url) as warehouse:
        warehouse.migrate()
        assert migrator.differences(place.url) == []
        with warehouse.connection() as connection:
            assert read_rights(connection).for_syncs() == []


@pytest.mark.each_value
@pytest.mark.parametrize("whose", ["ROLE {role}", "DATABASE {database}"])
@pytest.mark.parametrize(
    "settings",
    [
        pytest.param(SETTINGS[0], id="west"),
        pytest.param(SETTINGS[1], id="bytes", marks=pytest.mark.slow),
        pytest.param(SETTINGS[2], id="east", marks=pytest.mark.slow),
    ],
)
def test_settings_of_role_and_database_change_nothing(
    place: Place, settings: tuple[str, ...], whose: str
) -> None:
    place.run(*(f"ALTER {whose} SET {setting}" for setting in settings))
    _everything_works(place)


def test_the_shell_changes_nothing(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as shell:
        shell.setenv("PGCLIENTENCODING", "LATIN1")
        shell.setenv("PGDATESTYLE", "German")
        shell.setenv("PGOPTIONS", "-cstatement_timeout=200 -cbytea_output=escape")
        _everything_works(place)


def _everything_works(place: Place) -> None:
    """Each way in which the product connects stores and reads the same."""
    numbers = count(1)
    with Warehouse(place.url) as warehouse, TelemetryWriter(place.url) as telemetry:
        warehouse.migrate()
        telemetry.log({"timestamp": AT, "endpoint": NAME, "account_id": "act_1"})
        with warehouse.connection() as connection:
            _round_trip(connection, next(numbers))
        with account_lock(place.url, "act_1", holder="test") as connection:
            _round_trip(connection, next(numbers))
        with connect(place.url, application_name="test") as connection:
            _round_trip(connection, next(numbers))
        assert telemetry.flush()
        assert migrator.differences(place.url) == []
    create_dagster_schema(place.url)
    engine = sa.create_engine(dagster_url(place.url), poolclass=sa.NullPool)
    with engine.connect() as opened:
        assert opened.execute(sa.text("SELECT pg_sleep(0.3) IS NULL")).scalar() is not None
        moment = opened.execute(sa.text("SELECT current_timestamp::timestamp")).scalar_one()
        assert abs(moment - datetime.now(UTC).replace(tzinfo=None)) < timedelta(minutes=5)
        assert opened.execute(sa.text("SELECT :name"), {"name": NAME}).scalar() == NAME
    stored = place.ask("SELECT DISTINCT convert_to(name, 'UTF8') FROM meta_ads.meta_campaigns")
    assert stored == [(NAME.encode(),)]


def _round_trip(connection: Connection, number: int) -> None:
    columns = ("campaign_id", "account_id", "name", "start_time", "data_as_of")
    row = (str(number), "act_1", NAME, AT, AT)
    with connection.transaction():
        connection.execute("SELECT pg_sleep(0.25)")  # longer than any limit that was set
        upsert(connection, meta_campaigns, columns, [row])
    query = "SELECT name, start_time FROM meta_ads.meta_campaigns WHERE campaign_id = %s"
    assert connection.execute(query, (str(number),)).fetchone() == (NAME, AT)
    odd = "SELECT 0.1::float8 + 0.2, interval '26 hours', '\\x00ff'::bytea, 'a\\nb', NULL = NULL"
    found = connection.execute(odd).fetchone()
    assert found == (0.1 + 0.2, timedelta(hours=26), b"\x00\xff", "a\\nb", None)
    assert connection.execute("SELECT %s::text[]", (["NULL", None],)).fetchone() == (
        ["NULL", None],
    )
    assert connection.execute("SHOW transaction_isolation").fetchone() == ("read committed",)
    connection.rollback()


@pytest.mark.parametrize("encoding", ["LATIN1", "SQL_ASCII", "WIN1252", "EUC_JP"])
def test_a_database_that_is_not_in_utf8_is_refused(postgres: TestPostgres, encoding: str) -> None:
    with new_place(postgres, encoding=encoding) as found:
        for use in (
            lambda: Warehouse(found.url).migrate(),
            lambda: Warehouse(found.url).pending(),
            lambda: connect(found.url, application_name="test"),
            lambda: create_dagster_schema(found.url),
        ):
            with pytest.raises(WarehouseError, match=rf"keeps text as {encoding}.*ENCODING 'UTF8'"):
                use()
        assert found.ask("SELECT count(*) FROM pg_namespace WHERE nspname = 'meta_ads'") == [(0,)]


@pytest.mark.parametrize("of", ["ROLE {role}", "DATABASE {database}"])
def test_a_place_that_is_soon_free_is_waited_for_and_no_longer(place: Place, of: str) -> None:
    place.run(f"ALTER {of} CONNECTION LIMIT 1")
    paused: list[float] = []
    first = connect(place.url, application_name="first")
    with pytest.raises(WarehouseError, match="is taken: close some") as raised:
        connect(place.url, application_name="second", sleep=paused.append)
    assert "Secr3t" not in str(raised.value)
    assert 0.5 < sum(paused) < 2

    def end_first(_seconds: float) -> None:
        first.close()
        place.run(
            "SELECT pg_terminate_backend(pid, 60000) FROM pg_stat_activity WHERE usename = '{role}'"
        )

    connect(place.url, application_name="second", sleep=end_first).close()
    connect(place.url, application_name="the place of one that was just closed").close()
