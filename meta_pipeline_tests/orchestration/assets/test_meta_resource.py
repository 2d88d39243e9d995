"""Resource `meta`: the client for assets of one's own, recorded and gated like a sync."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import psycopg

from meta_pipeline.model.usage import UsageReading
from meta_pipeline.warehouse import Warehouse
from meta_pipeline_tests.orchestration.conftest import Stand

DOC = Path(__file__).parents[3] / "docs" / "dagster.md"


def documented(stand: Stand) -> dg.Definitions:
    """The definitions of the page's example, for an account of the simulator."""
    text = DOC.read_text(encoding="utf-8")
    (code,) = [
        one
        for one in re.findall(r"```python\n(.*?)```", text, re.DOTALL)
        if "campaign_names" in one
    ]
    found: dict[str, Any] = {"__name__": "documented"}
    exec(compile(code.replace("act_1", stand.good), "docs/dagster.md", "exec"), found)
    defs = found["defs"]
    assert isinstance(defs, dg.Definitions)
    return defs


def run(stand: Stand) -> dg.ExecuteInProcessResult:
    job = documented(stand).resolve_implicit_global_asset_job_def()
    return job.execute_in_process(
        instance=stand.instance,
        asset_selection=[dg.AssetKey(["meta", "campaign_names"])],
        raise_on_error=False,
    )


def test_each_call_of_it_is_on_record(stand: Stand) -> None:
    done = run(stand)
    assert done.success
    (event,) = done.get_asset_materialization_events()
    assert event.materialization.metadata["dagster/row_count"].value == 3, (
        "all but the archived one"
    )
    with psycopg.connect(stand.database_url) as connection:
        rows = connection.execute(
            "SELECT endpoint_key, account_id, status_code, rows, sync_run_id"
            " FROM meta_ads.meta_api_logs"
        ).fetchall()
    assert rows == [("campaigns_list", stand.good, 200, 3, None)]


def test_no_call_is_made_while_the_app_is_blocked(stand: Stand) -> None:
    assert run(stand).success
    calls = len(stand.sim.journal)
    now = datetime.now(UTC)
    with Warehouse(stand.database_url) as warehouse:
        warehouse.usage.remember(
            [
                UsageReading(
                    scope="app",
                    key="app",
                    use_case="",
                    usage_pct=100,
                    read_at=now,
                    regain_at=now + timedelta(hours=1),
                    source="x-app-usage",
                )
            ]
        )
    done = run(stand)
    assert not done.success
    assert len(stand.sim.journal) == calls
    assert "Throttled" in str(done.failure_data_for_node("meta__campaign_names"))
