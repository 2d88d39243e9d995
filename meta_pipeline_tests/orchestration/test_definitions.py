"""The graph as a person sees it: loaded in a fresh interpreter, and pinned by a snapshot."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import dagster as dg
import psycopg
import pytest
import yaml

from meta_pipeline.definitions import defs
from meta_pipeline.orchestration.defs.lake import EXPORT_KEY
from meta_pipeline.orchestration.defs.overview import OVERVIEW_KEY
from meta_pipeline.orchestration.defs.quality import DATA_QUALITY_KEY
from meta_pipeline.orchestration.defs.report import REPORT_KEY
from meta_pipeline.warehouse.dbt_sources import sources

ROOT = Path(__file__).parents[2]
SNAPSHOT = Path(__file__).with_name("graph.json")


def graph() -> dict[str, object]:
    repository = defs.get_repository_def()
    assets = {
        key.to_user_string(): {
            "deps": sorted(parent.to_user_string() for parent in node.parent_keys),
            "group": node.group_name,
            "kinds": sorted(node.kinds),
            "owners": sorted(node.owners),
            "partitions": node.partitions_def.name if node.partitions_def else None,  # type: ignore[attr-defined]
            "table": node.metadata.get("dagster/table_name"),
        }
        for key in sorted(repository.asset_graph.get_all_asset_keys())
        for node in [repository.asset_graph.get(key)]
    }
    jobs = {
        job.name: sorted(key.to_user_string() for key in job.asset_layer.executable_asset_keys)
        for job in repository.get_all_jobs()
        if not job.name.startswith("__")
    }
    schedules = {
        one.name: [one.cron_schedule, one.job_name, one.default_status.value]
        for one in repository.schedule_defs
    }
    return {"assets": assets, "jobs": jobs, "schedules": schedules}


def test_the_graph_changes_on_purpose_only() -> None:
    """Run with UPDATE_SNAPSHOTS=1 after a change that is meant."""
    found = json.dumps(graph(), indent=2, sort_keys=True) + "\n"
    if os.environ.get("UPDATE_SNAPSHOTS"):
        SNAPSHOT.write_text(found, encoding="utf-8")
    assert found == SNAPSHOT.read_text(encoding="utf-8")


def bare_environment(home: Path) -> dict[str, str]:
    """No setting of ours, no instance: what CI has."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    return {**kept, "DAGSTER_HOME": str(home)}


@pytest.mark.parametrize(
    "command",
    [
        pytest.param(
            [sys.executable, "-c", "from meta_pipeline.definitions import defs"],
            marks=pytest.mark.slow,  # validate does the same first
        ),
        [str(Path(sys.executable).with_name("dagster")), "definitions", "validate"],
    ],
    ids=["import", "validate"],
)
def test_definitions_load_without_any_setting(command: list[str], tmp_path: Path) -> None:
    done = subprocess.run(
        command,
        env=bare_environment(tmp_path),
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def test_every_column_is_explained(database_url: str) -> None:
    columns_of: dict[str, set[str]] = {}
    with psycopg.connect(database_url) as connection:
        for name, column in connection.execute(
            "SELECT 'meta_ads.' || relname, attname FROM pg_attribute JOIN pg_class"
            " ON pg_class.oid = attrelid WHERE relnamespace = 'meta_ads'::regnamespace"
            " AND attnum > 0 AND NOT attisdropped"
        ):
            columns_of.setdefault(name, set()).add(column)
    nodes = list(defs.get_repository_def().asset_graph.asset_nodes)
    tables = [node for node in nodes if "dagster/table_name" in node.metadata]
    others = {node.key for node in nodes if node not in tables}
    assert others == {DATA_QUALITY_KEY, EXPORT_KEY, OVERVIEW_KEY, REPORT_KEY}, (
        "all but what is said of the tables"
    )
    for spec in tables:
        columns: dg.TableSchema = spec.metadata["dagster/column_schema"]
        relation = columns_of[str(spec.metadata["dagster/table_name"])]
        assert {column.name for column in columns.columns} == relation
        assert all(column.description for column in columns.columns)


def test_the_instance_file_is_valid_and_keeps_to_itself() -> None:
    settings = yaml.safe_load((ROOT / "dagster.yaml").read_text(encoding="utf-8"))
    assert settings["telemetry"] == {"enabled": False}
    assert settings["storage"] == {"postgres": {"postgres_url": {"env": "DAGSTER_PG_URL"}}}
    assert settings["run_retries"]["retry_on_asset_or_op_failure"] is False


def test_the_location_has_one_name_everywhere() -> None:
    workspace = yaml.safe_load((ROOT / "workspace.yaml").read_text(encoding="utf-8"))
    module = workspace["load_from"][0]["python_module"]
    assert module == {"module_name": "meta_pipeline.definitions", "location_name": "meta_pipeline"}


def test_sources_of_dbt_name_the_asset_that_fills_each_table() -> None:
    """dagster-dbt reads `meta.dagster.asset_key`: a key that is no asset would hang in the air."""
    (source,) = yaml.safe_load(sources())["sources"]
    keys = {
        table["name"]: dg.AssetKey(table["config"]["meta"]["dagster"]["asset_key"])
        for table in source["tables"]
        if "config" in table
    }
    nodes = defs.get_repository_def().asset_graph
    for name, key in keys.items():
        assert nodes.has(key), name
    for key in nodes.get_all_asset_keys():
        schema, _, table = str(nodes.get(key).metadata.get("dagster/table_name")).partition(".")
        if schema == "meta_ads" and table in keys:
            assert keys[table] == key, table
    unfilled = {table["name"] for table in source["tables"]} - set(keys)
    assert unfilled == {
        *("account_kpis", "exchange_rates", "metric_definitions", "metric_families"),
        *("metric_goals", "metric_overrides", "call_cost", "currency_worth", "throttle_incidents"),
    }, "what people set, and our own operations"
    (theirs,) = yaml.safe_load(sources(key_prefix="paid/meta"))["sources"]
    assert theirs["tables"][0]["config"]["meta"]["dagster"]["asset_key"][:2] == ["paid", "meta"]
