"""A database of another version: commands say what to run and change nothing of it.

As they meet it who may only read (`db grant-reader`), and as its owner, who could migrate.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from itertools import product
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psycopg
import pytest
from alembic import command as alembic
from psycopg import sql

from meta_pipeline.warehouse import Warehouse, migrator
from meta_pipeline.warehouse.readers import grant_reader
from meta_pipeline_tests.commands.tree import arguments, commands
from meta_pipeline_tests.postgres import TestPostgres
from meta_pipeline_tests.warehouse.places import PASSWORD

from .database_shell import Shell, shell, sim

__all__ = ["shell", "sim"]

MIGRATING = ("backfill", "demo", "dev", "exec", "migrate", "plan", "reports backfill", "sync")
"""What makes tables, or prepares a sync, which does; `plan` only where there are none."""
NOTHING_TO_WRITE = (
    "plan",
    "metrics rollup",
    "db maintain",
    "connections check",
    "connections renew",
    "connections rotate-keys",
)
"""What needs no right to write where all is fresh, or no connection is stored."""
NEEDLESS = (
    "init",
    "doctor api-version",
    "simulate",
    "simulate coverage",
    "rotation replay",
    "metrics check",
    "connections generate-key",
    "views dbt-sources",
    "reports validate",
    "reports list",
    "reports presets",
    "reports show",
    "webhooks subscribe",  # before the tables it wants settings that nothing here has
)
SCHEMALESS = ("check", "db url", "db psql", "db start", "db stop", "db reset", "db status")
"""What works on a database of any version, and `check`, which says of which it is."""
WRITING = (
    "metrics load",
    "metrics rollup",
    "metrics rates",
    "metrics kpi set",
    "metrics kpi remove",
    "db maintain",
    "db grant-reader",
    "webhooks subscribe",
    "api-keys create",
    "api-keys revoke",
    "advice judge",
    "advice dismiss",
    "requests add",
    "requests cancel",
    "reset",
    "connections add",
    "connections check",
    "connections choose",
    "connections connect",
    "connections remove",
    "connections renew",
    "connections rotate-keys",
    "tenants add",
    "tenants remove",
    "tenants grant",
    "tenants revoke",
    "tenants sql-role",
    "tenants enforce",
    "views fivetran",
    "reports drop",
)
"""What writes rows, or rights: not for a reader, and not into tables of another version."""
OTHERS = sorted(set(commands()) - {*MIGRATING, *NEEDLESS, *SCHEMALESS})
READING = sorted({*OTHERS} - {*WRITING, "exporter", "web"})

_SCHEMA = """
    SELECT relname::text, attname::text, attnum::int, atttypid::int FROM pg_class
    JOIN pg_attribute ON attrelid = pg_class.oid
    WHERE relnamespace = to_regnamespace('meta_ads') ORDER BY 1, 3
"""


def _to(revision: str) -> Callable[[str], None]:
    def upgrade(url: str) -> None:
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute("CREATE SCHEMA meta_ads")
        with migrator.engine(url).begin() as connection:
            config = migrator._config()
            config.attributes["connection"] = connection
            alembic.upgrade(config, revision)

    return upgrade


def _migrated_then(statement: str) -> Callable[[str], None]:
    def change(url: str) -> None:
        Warehouse(url).migrate()
        with psycopg.connect(url) as connection:
            connection.execute(statement)

    return change


OLDER = "meta-pipeline migrate"
VERSIONS: dict[str, tuple[Callable[[str], None], str]] = {
    "nothing": (lambda _: None, OLDER),
    "first": (_to(migrator.revisions()[0]), OLDER),
    "before": (_to(migrator.revisions()[-2]), OLDER),
    "old view": (
        _migrated_then(
            "UPDATE meta_ads.schema_views SET digest = 'old' WHERE view_name = 'sync_health'"
        ),
        OLDER,
    ),
    "lost view": (_migrated_then("DROP VIEW meta_ads.sync_health"), OLDER),
    "newer": (
        _migrated_then("UPDATE meta_ads.schema_version SET version_num = '9999'"),
        "upgrade this installation",
    ),
}

QUICK = (("nothing", "owner"), ("before", "reader"), ("lost view", "owner"), ("newer", "reader"))
"""Every reason once, each with a fourth of the commands; `slow` is the whole table."""


EVERY_FOURTH = [
    pytest.param(slice(3, None, 4), id="a share"),
    pytest.param(slice(None), id="all", marks=pytest.mark.slow),
]


@pytest.fixture
def reader(postgres: TestPostgres) -> Iterator[str]:
    name = f"reader_{secrets.token_hex(4)}"
    postgres.execute(
        sql.SQL("CREATE ROLE {} LOGIN PASSWORD {}").format(
            sql.Identifier(name), sql.Literal(PASSWORD)
        )
    )
    yield name
    postgres.execute(sql.SQL("DROP ROLE {}").format(sql.Identifier(name)))


def _granted(url: str, role: str) -> str:
    with psycopg.connect(url) as connection:
        if connection.execute("SELECT to_regnamespace('meta_ads')").fetchone() != (None,):
            grant_reader(connection, role)
    return f"postgresql://{role}:{PASSWORD}@{urlsplit(url).netloc.rpartition('@')[2]}" + (
        urlsplit(url).path
    )


def _revoked(url: str, role: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(sql.SQL("DROP OWNED BY {}").format(sql.Identifier(role)))


def _schema(url: str) -> list[Any]:
    with psycopg.connect(url) as connection:
        found: list[Any] = connection.execute(_SCHEMA).fetchall()
        if found:
            for table in ("schema_version", "schema_views"):
                name = sql.Identifier("meta_ads", table)
                found += connection.execute(sql.SQL("SELECT * FROM {}").format(name)).fetchall()
    return found


def _words(name: str, shell: Shell, folder: Path) -> list[str]:
    rates = folder / "rates.csv"
    rates.write_text("date,base,quote,rate\n2026-01-01,USD,EUR,0.9\n", encoding="utf-8")
    dictionary = folder / "metrics.yaml"
    dictionary.write_text("metrics: {}\n", encoding="utf-8")
    given = {
        **dict.fromkeys(("account_id", "account", "entity"), shell.account_id),
        **dict.fromkeys(("name", "names", "metric"), "spend"),
        "role": "nobody",
        "connection": "con_none",
        "request": "none",
        "tenant": "default"
        if name.endswith(("grant", "revoke", "members", "invitations"))
        else "acme",
        "key": "none",
    }
    if name == "connections add":
        return [*name.split(), "--paste"]
    file = rates if name == "metrics rates" else dictionary
    return [*name.split(), *arguments(commands()[name], file=file, values=given)]


@pytest.mark.parametrize(
    ("version", "who", "part"),
    [
        *((*case, slice(place, None, len(QUICK))) for place, case in enumerate(QUICK)),
        *(
            pytest.param(version, who, slice(None), marks=pytest.mark.slow)
            for version, who in product(VERSIONS, ("reader", "owner"))
        ),
    ],
)
def test_a_schema_of_another_version_is_told_and_left_alone(
    shell: Shell, empty_url: str, reader: str, tmp_path: Path, version: str, who: str, part: slice
) -> None:
    make, sentence = VERSIONS[version]
    make(empty_url)
    url = _granted(empty_url, reader) if who == "reader" else empty_url
    before = _schema(empty_url)
    try:
        for name in OTHERS[part]:
            if name == "db grant-reader" and version != "nothing":
                continue  # rights are given on whatever tables there are
            told = shell.refused(url, *_words(name, shell, tmp_path))
            assert sentence in told or name == "db grant-reader", (name, told)
        assert sentence in shell.refused(url, "check", "--data")
        shell.run(url, "check")
        shell.run(url, "db", "status")
        assert _schema(empty_url) == before
        if version != "nothing":
            assert sentence in shell.refused(url, "plan", "ACT")
        if version == "newer" or who == "reader":
            shell.refused(url, "sync", "ACT")
            shell.refused(url, "migrate")
        assert _schema(empty_url) == before
    finally:
        _revoked(empty_url, reader)


@pytest.mark.parametrize(
    "only_reads",
    [True, pytest.param(False, marks=pytest.mark.slow)],
    ids=["as documented", "may write others"],
)
def test_a_reader_of_the_current_version_reads_everything(
    shell: Shell,
    postgres: TestPostgres,
    database_url: str,
    reader: str,
    tmp_path: Path,
    only_reads: bool,
) -> None:
    if only_reads:  # docs/connect-a-tool.md
        postgres.execute(
            sql.SQL("ALTER ROLE {} SET default_transaction_read_only = on").format(
                sql.Identifier(reader)
            )
        )
    assert shell.run(database_url, "sync", "ACT").exit_code == 0
    assert shell.run(database_url, "metrics", "rollup").exit_code == 0
    url = _granted(database_url, reader)
    before = _schema(database_url)
    try:
        for name in READING:
            result = shell.run(url, *_words(name, shell, tmp_path))
            assert result.exit_code == 0, (name, result.output)
        assert shell.run(url, "check", "--data").exit_code in (0, 1)
        for name in (*WRITING, "sync", "plan", "migrate"):
            result = shell.run(url, *_words(name, shell, tmp_path))
            assert "report it" not in result.output, (name, result.output)
            if result.exit_code == 0:
                assert name in NOTHING_TO_WRITE, (name, result.output)
        assert _schema(database_url) == before
    finally:
        _revoked(database_url, reader)


@pytest.mark.parametrize("part", EVERY_FOURTH)
def test_who_may_not_even_look_is_told_who_gives_the_right(
    shell: Shell, database_url: str, reader: str, tmp_path: Path, part: slice
) -> None:
    rest = urlsplit(database_url)
    url = f"postgresql://{reader}:{PASSWORD}@{rest.netloc.rpartition('@')[2]}{rest.path}"
    for name in OTHERS[part]:
        if name != "db grant-reader":
            told = shell.refused(url, *_words(name, shell, tmp_path))
            assert f"meta-pipeline db grant-reader {reader}" in told, (name, told)
