"""docs/in-your-dagster.md, followed word by word in a project that `create-dagster` made.

With the oldest and the newest Dagster of our range, in environments where nothing else is.
"""

from __future__ import annotations

import csv
import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest

from meta_pipeline.orchestration.dagster_internals import VERSIONS
from meta_pipeline.simulator import Simulator, WallClock, demo_world

from .environments import ROOT, wheel
from .foreign import project
from .pages import Reader

pytestmark = [pytest.mark.slow, pytest.mark.timeout(2400)]

PAGE = (ROOT / "docs/in-your-dagster.md").read_text(encoding="utf-8")
ACCOUNT = "act_990000000000007"


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return wheel(tmp_path_factory.mktemp("wheel"))


@contextmanager
def graph() -> Iterator[str]:
    with Simulator(demo_world(WallClock())) as simulator:
        yield simulator.url


@pytest.mark.parametrize("dagster", VERSIONS)
def test_a_dagster_user_reaches_an_account_and_what_follows_it(
    built: Path, tmp_path: Path, empty_url: str, dagster: str
) -> None:
    with graph() as graph_url:
        follow(project(built, tmp_path, dagster, empty_url, graph_url))
    assert_the_account_is_in(empty_url)
    assert_theirs_followed(tmp_path / "theirs", empty_url)
    assert_dagster_knows(tmp_path / "theirs")


def follow(reader: Reader) -> None:
    """Do what the page says, in its order."""
    reader.follow(PAGE)
    environment, env = reader.environment, {**reader.env, "COLUMNS": "200"}
    listed = environment.run("dg", "list", "components", env=env)
    assert "meta_pipeline.MetaAds" in listed.stdout
    told = environment.run("dg", "list", "defs", "--json", env=env)
    assert_models_depend_on_our_assets(json.loads(told.stdout))


def assert_models_depend_on_our_assets(defs: dict[str, Any]) -> None:
    """By the keys in the generated sources.yml alone."""
    # Dagster 1.12 calls them key and deps.
    deps = {
        one.get("asset_key") or one["key"]: set(one.get("dependency_keys") or one.get("deps") or ())
        for one in defs["assets"]
    }
    assert deps["campaign_spend"] == {"meta/insights", "meta/campaigns"}
    assert deps["account_spend"] == {"meta/insights"}


def assert_the_account_is_in(url: str) -> None:
    with psycopg.connect(url) as connection:
        counted = connection.execute(
            "SELECT (SELECT count(*) FROM meta_ads.meta_ads), "
            "(SELECT count(*) FROM meta_ads.ad_insights), "
            "(SELECT array_agg(DISTINCT account_id) FROM meta_ads.sync_runs), "
            "(SELECT count(*) FROM meta_ads.meta_creatives)"
        ).fetchone()
    assert counted is not None
    ads, rows, accounts, creatives = counted
    assert ads == 23
    assert rows > 0
    assert accounts == [ACCOUNT], "the others are left alone"
    assert creatives > 0, "the extra was on"


def assert_theirs_followed(folder: Path, url: str) -> None:
    weeks = list(csv.DictReader((folder / f"weekly_spend_{ACCOUNT}.csv").open(encoding="utf-8")))
    assert sum(float(week["spend"]) for week in weeks) > 0
    with psycopg.connect(url) as connection:
        by_campaign, by_account, truth = (
            connection.execute(f"SELECT sum(spend) FROM {relation}").fetchone()
            for relation in (
                *("ads_models.campaign_spend", "ads_models.account_spend"),
                "meta_ads.ad_insights",
            )
        )
    assert truth is not None
    assert truth[0] > 0, "nothing equals nothing"
    assert by_campaign == by_account == truth


def assert_dagster_knows(folder: Path) -> None:
    """Their own instance: each asset, ours and theirs, is there for the account."""
    found: set[tuple[str, str]] = set()
    with closing(sqlite3.connect(folder / "home/history/runs/index.db")) as connection:
        found.update(
            connection.execute(
                "SELECT asset_key, partition FROM event_logs "
                "WHERE dagster_event_type = 'ASSET_MATERIALIZATION' AND partition IS NOT NULL"
            )
        )
    names = ("campaigns", "adsets", "ads", "insights", "creatives", "reconciliation")
    ours = {(f'["meta", "{name}"]', ACCOUNT) for name in names}
    theirs = {
        (f'["{name}"]', ACCOUNT) for name in ("weekly_spend", "campaign_spend", "account_spend")
    }
    assert ours | theirs <= found
