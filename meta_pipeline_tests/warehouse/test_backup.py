"""The commands of docs/deploy.md, Backup and restore: into an empty database, and syncs go on."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
from datetime import UTC, datetime
from pathlib import Path

import dagster as dg
import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict
from typer.testing import CliRunner

from meta_pipeline.cli import app
from meta_pipeline.embedded.binaries import find_binaries
from meta_pipeline.settings import current
from meta_pipeline.simulator import Simulator, WallClock, World
from meta_pipeline.warehouse import Warehouse, create_dagster_schema, dagster_url
from meta_pipeline.warehouse.errors import TenantsNotApart
from meta_pipeline.warehouse.tenancy.groups import group_names
from meta_pipeline_tests.midday import MIDDAY_SHOP

PAGE = (Path(__file__).parents[2] / "docs/deploy.md").read_text(encoding="utf-8")
TOKEN = "EAABACKUP0TESTS0TOKEN"
TABLES = """
    SELECT schemaname || '.' || tablename FROM pg_tables
    WHERE schemaname IN ('meta_ads', 'dagster') ORDER BY 1
"""


def run_of_the_page(program: str, folder: Path, url: str) -> None:
    """The page's own command, with the embedded server's programs, for this database."""
    line = re.search(rf"(?m)^{program} .*$", PAGE)
    assert line is not None, program
    given = conninfo_to_dict(url)
    defaults = psycopg.pq.Conninfo.get_defaults()
    names = {one.keyword.decode(): one.envvar.decode() for one in defaults if one.envvar}
    variables = {names[key]: str(value) for key, value in given.items() if key in names}
    words = [word.replace("meta_restored", str(given["dbname"])) for word in shlex.split(line[0])]
    done = subprocess.run(
        [str(find_binaries().tool(program)), *words[1:]],
        cwd=folder,
        env={**os.environ, **variables},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def contents(url: str) -> dict[str, int]:
    """Rows of every table of both schemas."""
    with psycopg.connect(url) as connection:
        names = [str(row[0]) for row in connection.execute(TABLES)]
        counts = {}
        for name in names:
            row = connection.execute(f"SELECT count(*) FROM {name}").fetchone()
            counts[name] = int(row[0]) if row else 0
    return counts


def use_dagster(url: str, tmp_path: Path) -> list[str]:
    """Dagster's keys in this database; the account of the world is one of them afterwards."""
    create_dagster_schema(url)
    storage = {"postgres": {"postgres_url": dagster_url(url)}}
    with dg.instance_for_test(overrides={"storage": storage}, temp_dir=str(tmp_path)) as instance:
        instance.add_dynamic_partitions("ad_account", ["act_1"])
        return list(instance.get_dynamic_partitions("ad_account"))


def test_a_dump_is_restored_and_a_sync_goes_on(
    database_url: str, empty_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with Simulator(World(seed=5, clock=WallClock(), accounts=(MIDDAY_SHOP,)), token=TOKEN) as sim:
        account_id = sim.world.accounts()[0].id
        monkeypatch.setenv("META_ACCESS_TOKEN", TOKEN)
        monkeypatch.setenv("META_GRAPH_URL", sim.url)
        monkeypatch.setenv("META_BACKFILL_DAYS", "5")
        sync(monkeypatch, database_url, account_id)
        use_dagster(database_url, tmp_path)
        before = contents(database_url)
        run_of_the_page("pg_dump", tmp_path, database_url)
        run_of_the_page("pg_restore", tmp_path, empty_url)
        assert contents(empty_url) == before
        assert before["meta_ads.meta_ads"] > 0
        assert use_dagster(empty_url, tmp_path) == ["act_1"]

        said = sync(monkeypatch, empty_url, account_id)
        assert "success" in said
        sync(monkeypatch, empty_url, account_id, "--force")
        after = contents(empty_url)
        for table in ("meta_ads.meta_campaigns", "meta_ads.meta_ads", "meta_ads.meta_insights"):
            assert after[table] == before[table], table
        assert after["meta_ads.sync_runs"] > before["meta_ads.sync_runs"]
    current.cache_clear()


def test_no_client_is_served_by_a_restored_database_before_tenants_are_kept_apart(
    database_url: str, empty_url: str, tmp_path: Path
) -> None:
    groups: list[str] = []
    try:
        with Warehouse(database_url) as dumped:
            dumped.migrate()
            dumped.tenants.add("acme", "Acme", datetime.now(UTC))
            dumped.keep_tenants_apart()
            with dumped.connection() as connection:
                groups += group_names(connection)
        run_of_the_page("pg_dump", tmp_path, database_url)
        run_of_the_page("pg_restore", tmp_path, empty_url)
        with Warehouse(empty_url) as restored:
            with restored.connection() as connection:
                groups += group_names(connection)
            acme = restored.of_tenant("acme")
            with pytest.raises(TenantsNotApart, match="tenants enforce"), acme.connection():
                pass
            restored.keep_tenants_apart()
            with acme.connection() as connection:
                assert connection.execute("SELECT tenant FROM meta_ads.tenants").fetchall() == [
                    ("acme",)
                ]
    finally:
        for url in (empty_url, database_url):
            with psycopg.connect(url, autocommit=True) as connection:
                for group in groups:
                    connection.execute(sql.SQL("DROP OWNED BY {}").format(sql.Identifier(group)))
        with psycopg.connect(empty_url, autocommit=True) as connection:
            for group in groups:
                connection.execute(sql.SQL("DROP ROLE {}").format(sql.Identifier(group)))


def sync(monkeypatch: pytest.MonkeyPatch, url: str, account_id: str, *options: str) -> str:
    monkeypatch.setenv("DATABASE_URL", url)
    current.cache_clear()
    done = CliRunner().invoke(app, ["sync", account_id, *options])
    assert done.exit_code == 0, done.output
    return done.output
