"""Custom reports as Dagster has them: an asset each, for the accounts that the file names."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import psycopg
import pytest

from meta_pipeline_tests.orchestration.conftest import Stand
from meta_pipeline_tests.waiting import PATIENCE_SECONDS

# The definitions read the file when they are loaded, so a process of its own loads them.
RUN = """
import json, sys
import dagster as dg
from meta_pipeline.orchestration.build import build_defs
from meta_pipeline.orchestration.configuration import run_config

accounts = json.loads(sys.argv[1])
job = build_defs().resolve_job_def("sync_account")
with dg.DagsterInstance.ephemeral() as instance:
    instance.add_dynamic_partitions("ad_account", accounts)
    result = job.execute_in_process(
        instance=instance,
        run_config=run_config(accounts={"ids": accounts}),
        tags={"dagster/asset_partition_range_start": accounts[0],
              "dagster/asset_partition_range_end": accounts[0]},
        raise_on_error=False,
    )
    told = [
        (event.asset_key.path[-1], event.partition)
        for event in result.all_events
        if event.is_step_materialization and event.asset_key.path[-1].startswith("report_")
    ]
    print(json.dumps({"success": result.success, "told": told}))
"""
LOAD = """
from meta_pipeline.orchestration.build import build_defs
keys = {key.path[-1] for key in build_defs().resolve_asset_graph().get_all_asset_keys()}
print(sorted(key for key in keys if key.startswith("report_")), "insights" in keys)
"""


def python(program: str, *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", program, *arguments],
        check=False,
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout + done.stderr


def test_each_report_is_materialized_for_its_accounts(
    stand: Stand, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    first, _, last = stand.accounts
    file = tmp_path / "reports.yaml"
    file.write_text(
        f"reports: [{{preset: country}}, {{preset: account_monthly, accounts: [{last}]}}]"
    )
    monkeypatch.setenv("META_REPORTS_FILE", str(file))

    found = json.loads(python(RUN, json.dumps([first, last])).splitlines()[0])

    assert found["success"]
    assert sorted(map(tuple, found["told"])) == [
        ("report_account_monthly", last),
        ("report_country", first),
        ("report_country", last),
    ]
    with psycopg.connect(stand.database_url) as connection:
        for report, accounts in (("country", {first, last}), ("account_monthly", {last})):
            rows = connection.execute(
                f"SELECT DISTINCT account_id FROM meta_ads.report_{report}"
            ).fetchall()
            assert {account for (account,) in rows} == accounts
        scopes = connection.execute(
            "SELECT count(*) FROM meta_ads.sync_runs WHERE scope = 'custom_reports'"
        ).fetchone()
    assert scopes == (3,)


def test_a_file_that_is_wrong_takes_no_other_asset_away(
    stand: Stand, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    file = tmp_path / "reports.yaml"
    file.write_text("reports: [{name: a, fields: spent}]")
    monkeypatch.setenv("META_REPORTS_FILE", str(file))
    told = python(LOAD)
    assert "[] True" in told
    assert "'spent' is no field" in told
