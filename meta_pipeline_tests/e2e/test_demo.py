"""`meta-pipeline demo`, whole: its own Postgres, simulator and Dagster, as a newcomer runs it."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from psycopg import sql

from meta_pipeline.embedded import EmbeddedPostgres
from meta_pipeline.local.database import DEMO_DATABASE

RUN = "import typer; from meta_pipeline.commands.processes.demo import demo; typer.run(demo)"
EVERY_TABLE = """
    SELECT schemaname, tablename FROM pg_tables WHERE schemaname IN ('meta_ads', 'dagster')
"""


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    """A data folder of this test's own; as root the server's account must reach it."""
    path = Path(tempfile.mkdtemp(prefix="meta-pipeline-demo-"))
    path.chmod(0o755)
    yield path
    EmbeddedPostgres(path, database=DEMO_DATABASE).reset(force=True)
    shutil.rmtree(path)


def demo(folder: Path) -> subprocess.CompletedProcess[str]:
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    return subprocess.run(
        [sys.executable, "-c", RUN, "--no-ui", "--latency-ms", "0"],
        env={**kept, "META_PIPELINE_DATA": str(folder), "COLUMNS": "120"},
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=700,
        check=False,
    )


@pytest.mark.timeout(1800)
def test_a_newcomer_sees_twelve_accounts(folder: Path) -> None:
    first = demo(folder)
    assert first.returncode == 0, first.stdout + first.stderr
    assert "Simulated data" in first.stdout
    assert "12 ad accounts found" in first.stdout
    assert "1,833" in first.stdout
    shown = re.search(r"See a table: (.*?)\n", first.stdout)
    assert shown is not None
    table = subprocess.run(
        ["bash", "-c", shown[1]],
        env={**os.environ, "META_PIPELINE_DATA": str(folder), "PAGER": "cat"},
        cwd=folder,
        capture_output=True,
        text=True,
        check=True,
    )
    assert "(12 rows)" in table.stdout
    with (
        EmbeddedPostgres(folder, database=DEMO_DATABASE).running() as url,
        psycopg.connect(url) as connection,
    ):
        assert_the_world_is_in(connection)
        assert_dagster_knows(connection)
        assert_no_secret(connection, folder, first.stdout + first.stderr)
    second = demo(folder)
    assert second.returncode == 0, second.stdout + second.stderr
    assert "nothing to do" in second.stdout
    assert "1,833" in second.stdout


def assert_the_world_is_in(connection: psycopg.Connection[tuple[object, ...]]) -> None:
    def scalar(query: str) -> object:
        row = connection.execute(query).fetchone()
        return row and row[0]

    expected = {"ad_accounts": 12, "campaigns": 183, "adsets": 576, "ads": 1074}
    found = {name: scalar(f"SELECT count(*) FROM meta_ads.meta_{name}") for name in expected}
    assert found == expected
    assert scalar("SELECT sum(active) FROM meta_ads.sync_health") == 243
    assert scalar("SELECT count(*) FROM meta_ads.meta_insights WHERE entity_type = 'ad'") != 0
    assert scalar("SELECT bool_and(is_simulated) FROM meta_ads.meta_ad_accounts") is True
    assert scalar("SELECT array_agg(DISTINCT status) FROM meta_ads.sync_runs") == ["success"]
    assert scalar("SELECT count(*) FROM meta_ads.sync_runs WHERE dagster_run_id IS NULL") == 0


def assert_dagster_knows(connection: psycopg.Connection[tuple[object, ...]]) -> None:
    materialized = connection.execute(
        "SELECT asset_key, count(DISTINCT partition) FROM dagster.event_logs "
        "WHERE dagster_event_type = 'ASSET_MATERIALIZATION' GROUP BY 1 ORDER BY 1"
    ).fetchall()
    partitions = {str(key): count for key, count in materialized}
    assert {key: count for key, count in partitions.items() if count} == {
        '["meta", "ads"]': 12,
        '["meta", "advice"]': 12,
        '["meta", "adsets"]': 12,
        '["meta", "campaigns"]': 12,
        '["meta", "insights"]': 12,
        '["meta", "daily_ad_metrics"]': 12,
        '["meta", "daily_adset_metrics"]': 12,
        '["meta", "daily_campaign_metrics"]': 12,
        '["meta", "reconciliation"]': 12,
    }
    # What has no partition has a schedule: whether the demo is up at its minute is the clock's say.
    assert {'["meta", "ad_accounts"]', '["meta", "overview"]'} <= partitions.keys()


def assert_no_secret(
    connection: psycopg.Connection[tuple[object, ...]], folder: Path, output: str
) -> None:
    """Neither the token nor the database's password is in an output, a log, a file or a table."""
    password = (folder / "postgres" / "password").read_text().strip()
    secrets = ["EAASIM", password]
    found = [path for path in (folder / "demo").rglob("*") if path.is_file()]
    private = [path for path in found if path.parent.name == "private"]
    assert all(path.stat().st_mode & 0o077 == 0 for path in private)
    files = [path for path in found if path not in private]
    assert any(path.suffix == ".log" for path in files)
    texts = {str(path): path.read_text(errors="replace") for path in files} | {"output": output}
    leaks = [(name, secret) for name, text in texts.items() for secret in secrets if secret in text]
    for schema, table in connection.execute(EVERY_TABLE).fetchall():
        for secret in secrets:
            row = connection.execute(
                sql.SQL("SELECT count(*) FROM {} AS t WHERE t::text LIKE %s").format(
                    sql.Identifier(str(schema), str(table))
                ),
                [f"%{secret}%"],
            ).fetchone()
            if row and row[0]:
                leaks.append((f"{schema}.{table}", secret))
    assert not leaks
