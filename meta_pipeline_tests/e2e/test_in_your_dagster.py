"""docs/in-your-dagster.md, followed word by word in a project that `create-dagster` made.

With the oldest and the newest Dagster of our range, in environments where nothing else is.
"""

from __future__ import annotations

import csv
import re
import shlex
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import pytest

from meta_pipeline.orchestration.dagster_internals import VERSIONS
from meta_pipeline.simulator import DEFAULT_TOKEN, Simulator, WallClock, demo_world

from .environments import ROOT, Environment, python, wheel

pytestmark = [pytest.mark.slow, pytest.mark.timeout(2400)]

PAGE = (ROOT / "docs/in-your-dagster.md").read_text(encoding="utf-8")
ACCOUNT = "act_990000000000007"
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```", re.MULTILINE | re.DOTALL)
PLACE = re.compile(r"(?:#|--) (\S+\.(?:ya?ml|py|sql))\n")
DBT = ("dbt-core==1.10.*", "dbt-postgres==1.9.*")


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
    environment = project(built, tmp_path, dagster)
    with graph() as graph_url:
        follow(environment, empty_url, graph_url)
    assert_the_account_is_in(empty_url)
    assert_theirs_followed(environment.folder, empty_url)
    assert_dagster_knows(environment.folder)


def project(built: Path, folder: Path, dagster: str) -> Environment:
    """What `create-dagster` makes, with our wheel beside the Dagster it wants."""
    interpreter = python("3.12") or python("3.11") or "3.11"
    maker = Environment.made(folder / "maker", folder, interpreter)
    maker.install(f"create-dagster=={dagster}")
    maker.run("create-dagster", "project", "theirs", "--no-uv-sync")
    environment = Environment.made(folder / "venv", folder / "theirs", interpreter)
    environment.install(built, "dagster-dg-cli", "dagster-dbt", *DBT, "-e", folder / "theirs")
    assert environment.version("dagster") == dagster
    (environment.folder / "home").mkdir()
    return environment


def follow(environment: Environment, database_url: str, graph_url: str) -> None:
    """Do what the page says, in its order; `pip install` is done."""
    said = {
        "DATABASE_URL": database_url,
        "META_GRAPH_URL": graph_url,
        "META_ACCESS_TOKEN": DEFAULT_TOKEN,
    }
    rest = urlsplit(database_url)
    env = {
        "DAGSTER_HOME": str(environment.folder / "home"),
        "PGHOST": str(rest.hostname),
        "PGPORT": str(rest.port),
        "PGUSER": str(rest.username),
        "PGPASSWORD": rest.password or "none",
        "PGDATABASE": rest.path.lstrip("/"),
        "DBT_SEND_ANONYMOUS_USAGE_STATS": "false",
    }
    for language, text in BLOCK.findall(PAGE):
        if (place := PLACE.match(text)) is not None:
            path = environment.folder / place[1]
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        elif language == "sh":
            for line in filter(None, text.splitlines()):
                command = shlex.split(line)
                if command[0] == "export":
                    name = command[1].partition("=")[0]
                    env[name] = said[name]
                elif command[0] != "pip":
                    environment.run(*command, env=env, timeout_seconds=600)
    listed = environment.run("dg", "list", "components", env={**env, "COLUMNS": "200"})
    assert "meta_pipeline.MetaAds" in listed.stdout


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
        by_campaign, truth = (
            connection.execute(f"SELECT sum(spend) FROM {relation}").fetchone()
            for relation in ("ads_models.campaign_spend", "meta_ads.campaign_insights")
        )
    assert by_campaign == truth


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
    theirs = {(f'["{name}"]', ACCOUNT) for name in ("weekly_spend", "campaign_spend")}
    assert ours | theirs <= found
