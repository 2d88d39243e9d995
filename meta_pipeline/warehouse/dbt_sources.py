"""`sources.yml` for dbt: our tables and views with what they mean, made from the one schema."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from typing import Any

import sqlalchemy as sa
import yaml
from sqlalchemy.dialects import postgresql

from . import views
from .datadocs import GROUPS
from .schema import SCHEMA, metadata

_HEAD = """\
# Made by meta-pipeline views dbt-sources; make it anew after an upgrade.
# dbt source freshness warns where no sync wrote for a day; dbt test --select source:{name}.
"""
_DIALECT = postgresql.dialect()  # type: ignore[no-untyped-call]
_OLD_HOURS = {"warn_after": 24, "error_after": 72}
_FRESH_TABLES = ("meta_insights", "ad_rollups", "adset_rollups", "campaign_rollups")
"""What every sync of numbers writes: when their newest row is old, syncs stand still."""
_EXPOSED = {
    "meta_pipeline_web": (
        "application",
        "The web application of meta-pipeline: overview, campaigns.",
    ),
    "meta_pipeline_grafana": ("dashboard", "The Grafana dashboards Marketing and Sync health."),
}
_ASSETS = {
    "meta_ad_accounts": "ad_accounts",
    "meta_creatives": "creatives",
    "meta_activities": "activities",
    "meta_campaigns": "campaigns",
    "meta_adsets": "adsets",
    "meta_ads": "ads",
    "entity_changes": "ads",
    "meta_recommendations": "recommendations",
    "opportunity_scores": "recommendations",
    "meta_custom_conversions": "custom_conversions",
    "meta_custom_audiences": "custom_audiences",
    "meta_images": "images",
    "meta_insights": "insights",
    "insights_changes": "insights",
    "meta_insights_hourly": "insights_hourly",
    "meta_insights_breakdown": "insights_breakdown",
    "campaign_rollups": "daily_campaign_metrics",
    "adset_rollups": "daily_adset_metrics",
    "adset_goal_days": "daily_adset_metrics",
    "ad_rollups": "daily_ad_metrics",
    "metric_rollups": "daily_ad_metrics",
    "reconciliations": "reconciliation",
}
"""What fills a table, by the name of its asset in Dagster, in the order in which a sync does."""
_REPORTS = "report_"
"""How the tables of custom reports begin; each is filled by an asset of its name."""
_RELATION = re.compile(rf"\b{SCHEMA}\.(\w+)")
_BEHIND = ("meta_ad_accounts", "meta_campaigns", "meta_adsets", "meta_ads", "campaign_rollups")


def sources(
    name: str = "meta_ads", *, key_prefix: str = "meta", reports: Iterable[sa.Table] = ()
) -> str:
    """The file's text; `name` is what models call the source: `source('meta_ads', 'ad_insights')`.

    `key_prefix` is what stands before our assets in Dagster, levels with slashes: dagster-dbt then
    makes the asset that fills a table the one a model depends on. `reports` are the tables of
    custom reports, which come after ours. Tables of operations (syncs, API calls, secrets' rows)
    are not among them: models are about accounts, what is in them, and numbers.
    """
    levels = key_prefix.split("/")
    tables = [
        _table(metadata.tables[f"{SCHEMA}.{table}"], levels)
        for names in GROUPS.values()
        for table in names
    ]
    tables += (_table(table, levels) for table in reports)
    document = {
        "version": 2,
        "sources": [
            {
                "name": name,
                "schema": SCHEMA,
                "description": "Meta Ads accounts, kept by meta_pipeline. Days are days of the ad "
                "account's time zone, amounts are in major units of `currency`.",
                "tables": [*tables, *(_view(view, levels) for view in views.declared())],
            }
        ],
        "exposures": [
            {
                "name": exposure,
                "type": kind,
                "description": about,
                "owner": {"name": "marketing-data", "email": "marketing-data@example.com"},
                "depends_on": [f"source('{name}', '{table}')" for table in _BEHIND],
            }
            for exposure, (kind, about) in _EXPOSED.items()
        ],
    }
    made = yaml.safe_dump(document, sort_keys=False, allow_unicode=True, width=100)
    return _HEAD.format(name=name) + made


def _table(table: sa.Table, levels: list[str]) -> dict[str, Any]:
    name, keys = str(table.name), [column.name for column in table.primary_key.columns]
    source: dict[str, Any] = {
        "name": name,
        "description": f"{table.comment}.",
        **(_asset(name, levels) if name.startswith(_REPORTS) else _filled_by([name], levels)),
    }
    if table.name in _FRESH_TABLES:
        freshness = {grade: {"count": n, "period": "hour"} for grade, n in _OLD_HOURS.items()}
        source |= {"loaded_at_field": "data_as_of", "freshness": freshness}
    source["columns"] = []
    for column in table.columns:
        told: dict[str, Any] = {
            "name": str(column.name),
            "description": column.comment or "",
            "data_type": column.type.compile(dialect=_DIALECT).lower(),
        }
        tests = ["not_null"] if column.name in keys or not column.nullable else []
        tests += ["unique"] if keys == [column.name] else []
        source["columns"].append(told | ({"data_tests": tests} if tests else {}))
    return source


def _view(view: views.View, levels: list[str]) -> dict[str, Any]:
    names = set(re.findall(r"[a-z0-9_]+", view.query))
    about, meanings = views.meanings(view.header, names)
    columns = [{"name": name, "description": meaning} for name, meaning in meanings.items()]
    return {
        "name": view.name,
        "description": f"{about}.",
        **_filled_by(_RELATION.findall(view.query), levels),
        "columns": columns,
    }


def _filled_by(tables: Collection[str], levels: list[str]) -> dict[str, Any]:
    """The asset that fills the last of some tables; nothing where no sync fills them."""
    # Of a view on several tables the asset that a sync fills last: then all are there.
    filled = [asset for table, asset in _ASSETS.items() if table in tables]
    return _asset(filled[-1], levels) if filled else {}


def _asset(name: str, levels: list[str]) -> dict[str, Any]:
    return {"config": {"meta": {"dagster": {"asset_key": [*levels, name]}}}}
