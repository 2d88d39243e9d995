"""What a dbt user does, from an empty environment: views, sources.yml, a project, dbt build."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import yaml

from meta_pipeline.sync import Status
from meta_pipeline.warehouse import fivetran
from meta_pipeline.warehouse.dbt_sources import sources
from meta_pipeline_tests.sync.lab import lab

DBT = ("dbt-core==1.10.*", "dbt-postgres==1.9.*")
PROJECT = {
    "name": "shop",
    "version": "1.0",
    "profile": "shop",
    "models": {"shop": {"+materialized": "table"}},
    "vars": {"facebook_ads_schema": "facebook_ads"},
}
MODELS = {
    # In the shape of a campaign report on the connector: newest state of each campaign, days added.
    "campaign_report.sql": """
with newest as (
    select *, row_number() over (partition by id order by updated_time desc) = 1 as is_newest
    from {{ var('facebook_ads_schema') }}.campaign_history
),
ads as (
    select *, row_number() over (partition by id order by updated_time desc) = 1 as is_newest
    from {{ var('facebook_ads_schema') }}.ad_history
)
select
    newest.account_id, newest.id as campaign_id, newest.name as campaign_name,
    sum(basic.impressions) as impressions,
    sum(cast(basic.spend as {{ dbt.type_numeric() }})) as spend
from {{ var('facebook_ads_schema') }}.basic_ad as basic
join ads on ads.is_newest and cast(ads.id as {{ dbt.type_string() }}) = basic.ad_id
join newest on newest.is_newest and newest.id = ads.campaign_id
group by 1, 2, 3
""",
    "own_campaigns.sql": """
select campaign_id, sum(spend) as spend from {{ source('meta_ads', 'ad_insights') }} group by 1
""",
    "models.yml": """
version: 2
models:
  - name: campaign_report
    columns:
      - {name: campaign_id, data_tests: [not_null, unique]}
      - {name: campaign_name, data_tests: [not_null]}
""",
}


@pytest.mark.slow
def test_models_in_fivetrans_shape_and_on_our_sources_are_built(
    database_url: str, tmp_path: Path
) -> None:
    with lab(database_url) as synced:
        assert synced.sync().status is Status.SUCCESS
        with synced.warehouse.connection() as connection:
            fivetran.make(connection, "facebook_ads")
        _project(tmp_path, database_url)
        _dbt(tmp_path, "build")
        made = synced.query(
            "SELECT sum(spend) AS spend, sum(impressions) AS n FROM dbt.campaign_report"
        )
        own = synced.query("SELECT sum(spend) AS spend FROM dbt.own_campaigns")
        truth = synced.query(
            "SELECT sum(spend) AS spend, sum(impressions) AS n FROM meta_ads.ad_insights"
        )
    assert made == truth
    assert own[0]["spend"] == truth[0]["spend"]
    results = json.loads((tmp_path / "target/run_results.json").read_text(encoding="utf-8"))
    assert len(results["results"]) > 50, "the tests of sources.yml ran too"
    assert {one["status"] for one in results["results"]} <= {"success", "pass", "no-op"}
    _dbt(tmp_path, "source", "freshness", "--select", "source:meta_ads.ad_rollups", ends_in=(0, 1))


def _project(folder: Path, url: str) -> None:
    rest = urlsplit(url)
    profile = {
        "shop": {
            "target": "test",
            "outputs": {
                "test": {
                    "type": "postgres",
                    "host": rest.hostname,
                    "port": rest.port,
                    "user": rest.username,
                    "password": rest.password or "none",
                    "dbname": rest.path.lstrip("/"),
                    "schema": "dbt",
                    "threads": 2,
                }
            },
        }
    }
    (folder / "models").mkdir()
    (folder / "dbt_project.yml").write_text(yaml.safe_dump(PROJECT), encoding="utf-8")
    (folder / "profiles.yml").write_text(yaml.safe_dump(profile), encoding="utf-8")
    for name, text in {**MODELS, "sources.yml": sources()}.items():
        (folder / "models" / name).write_text(text, encoding="utf-8")


def _dbt(folder: Path, *words: str, ends_in: tuple[int, ...] = (0,)) -> None:
    uv = Path(sys.executable).with_name("uv")
    packages = [part for one in DBT for part in ("--with", one)]
    done = subprocess.run(
        [str(uv), "run", "--no-project", *packages, "dbt", *words, "--profiles-dir", str(folder)],
        check=False,
        cwd=folder,
        env={
            **{name: value for name, value in os.environ.items() if name != "VIRTUAL_ENV"},
            "DBT_SEND_ANONYMOUS_USAGE_STATS": "false",
        },
        capture_output=True,
        text=True,
        timeout=900,
    )
    assert done.returncode in ends_in, done.stdout[-4000:] + done.stderr[-2000:]
