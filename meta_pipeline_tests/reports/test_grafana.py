"""The dashboards: every metric is exported, every query runs and shows something."""

from __future__ import annotations

import re
from typing import Any

import psycopg
import pytest
import yaml

from meta_pipeline.reports.exporter import WarehouseCollector
from meta_pipeline.warehouse import Warehouse
from meta_pipeline_tests.reports.grafana import DASHBOARDS, GRAFANA, filled

from .conftest import Morning


def targets(dashboard: str, kind: str) -> list[Any]:
    return [
        pytest.param(target[kind], id=panel["title"])
        for panel in DASHBOARDS[dashboard]["panels"]
        for target in panel["targets"]
        if kind in target
    ]


@pytest.fixture(scope="module")
def exported(morning: Morning) -> dict[str, set[str]]:
    """Every exported metric with its labels, also those that have no sample just now."""
    with Warehouse(morning.url) as warehouse:
        families = list(WarehouseCollector(warehouse).collect())
    labels = {sample.name: set(sample.labels) for family in families for sample in family.samples}
    return {
        "metaads_quota_usage_ratio": {"account", "kind"},
        "metaads_token_expires_timestamp_seconds": {"app", "token", "kind"},
    } | labels


@pytest.mark.parametrize("expression", targets("sync_health", "expr"))
def test_every_metric_exists(exported: dict[str, set[str]], expression: str) -> None:
    used = re.findall(r"metaads_\w+", expression)
    assert used
    for name in used:
        assert name in exported, f"{name} is not exported"
        by = re.findall(r"by \((\w+)\)", expression) + re.findall(r"\{(\w+)=", expression)
        assert set(by) <= exported[name]


@pytest.mark.parametrize("query", targets("sync_health", "rawSql"))
def test_every_query_of_sync_health_shows_something(morning: Morning, query: str) -> None:
    with psycopg.connect(morning.url) as connection:
        connection.execute("SELECT set_config('meta_ads.now', %s, true)", [str(morning.now)])
        assert connection.execute(filled(query, "2017-01-01", "2100-01-01")).fetchall()


def test_data_sources_are_those_the_dashboards_ask_for() -> None:
    path = GRAFANA / "provisioning" / "datasources" / "meta_pipeline.yaml"
    declared = yaml.safe_load(path.read_text(encoding="utf-8"))["datasources"]
    kinds = {one["type"] for one in declared}
    for board in DASHBOARDS.values():
        wanted = {v["query"] for v in board["templating"]["list"] if v["type"] == "datasource"}
        assert wanted <= kinds
    assert not any("password" in one and "secureJsonData" not in one for one in declared)


def test_ids_are_unique() -> None:
    assert len({board["uid"] for board in DASHBOARDS.values()}) == len(DASHBOARDS)
    for board in DASHBOARDS.values():
        ids = [panel["id"] for panel in board["panels"]]
        assert len(set(ids)) == len(ids)
