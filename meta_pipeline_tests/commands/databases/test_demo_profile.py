"""`--demo` everywhere: the demo's accounts and database, whatever the settings say."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from typer.testing import CliRunner, Result

from meta_pipeline.cli import app
from meta_pipeline.commands.processes.demo import called
from meta_pipeline.embedded import EmbeddedPostgres, told_to_nobody
from meta_pipeline.local.database import DEMO_DATABASE
from meta_pipeline.local.home import Home
from meta_pipeline.settings import current
from meta_pipeline.simulator import WallClock, demo_world
from meta_pipeline_tests.embedded.fixtures import empty_root, root, seed

__all__ = ["empty_root", "root", "seed"]


@pytest.fixture
def demo_url(
    root: Path, database_url: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Iterator[str]:
    """The settings name a database of their own and a token of Meta's."""
    monkeypatch.chdir(tmp_path)
    for name, value in {
        "DATABASE_URL": database_url,
        "META_ACCESS_TOKEN": "EAAOFMETA",
        "META_PIPELINE_DATA": str(root),
        "META_BACKFILL_DAYS": "3",
    }.items():
        monkeypatch.setenv(name, value)
    current.cache_clear()
    with EmbeddedPostgres(root, database=DEMO_DATABASE).running() as url:
        yield url
    current.cache_clear()


def run(*given: str) -> Result:
    current.cache_clear()
    result = CliRunner().invoke(app, given)
    assert result.exit_code == 0, (given, result.output, result.exception)
    return result


def test_every_command_reaches_the_demo_and_nothing_else(demo_url: str, database_url: str) -> None:
    account = demo_world(WallClock()).accounts()[-1]
    name = str(account.values["name"])
    run("sync", account.id, "--demo")

    assert name in run("status", "--demo").output
    assert demo_url in run("db", "url", "--demo").output
    assert "the demo's" in run("db", "status", "--demo").output
    assert "spend" in run("metrics", "get", "spend", "--demo").output
    assert "spend" in run("metrics", "--demo", "get", "spend").output
    assert account.id in run("rotation", "next", "--demo", "--all").output
    assert name in run("accounts", "list", name, "--demo").output
    assert account.id in run("runs", "list", "--demo", "-a", name).output
    assert "success" in run("runs", "show", "--demo").output
    assert "insights_ad" in run("reset", "insights_ad", "-a", name, "--dry-run", "--demo").output
    run("init", "--demo", "--non-interactive", "-a", name)
    written = Path(".env").read_text(encoding="utf-8")
    assert f"META_INCLUDE_ACCOUNTS={account.id}\n" in written
    assert f"DATABASE_URL={told_to_nobody(demo_url)}\n" in written
    Path(".env").unlink()
    run("report", "--demo")
    with psycopg.connect(database_url) as connection:
        row = connection.execute("SELECT count(*) FROM meta_ads.meta_ad_accounts").fetchone()
    assert row == (0,)
    assert "No ad account is known" in run("status").output


def test_what_brings_the_demo_up_to_date_is_named_and_works(
    demo_url: str, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DAGSTER_PG_URL", database_url)
    current.cache_clear()
    refused = CliRunner().invoke(app, ["status", "--demo"])
    assert refused.exit_code == 1
    assert "meta-pipeline migrate --demo" in refused.output
    run("migrate", "--demo")
    assert "No ad account is known" in run("status", "--demo").output
    with psycopg.connect(database_url) as connection:
        row = connection.execute("SELECT to_regnamespace('dagster') IS NULL").fetchone()
    assert row == (True,)


@pytest.mark.slow
def test_the_simulator_of_a_demo_that_runs_is_used(demo_url: str, root: Path) -> None:
    home = Home(root / "demo")
    with home.taken():
        home.note(url="http://ui", graph_url="http://127.0.0.1:1", graph_token="EAASIM")
        assert home.simulator() == ("http://127.0.0.1:1", "EAASIM")
        result = CliRunner().invoke(app, ["check", "--demo", "--json"])
    assert result.exit_code == 1
    assert "http://127.0.0.1:1/" in json.loads(result.stdout)[0]["subject"]
    assert home.simulator() is None


def test_a_command_without_the_option_refuses_it(demo_url: str) -> None:
    for given in (["dev"], ["simulate"], ["db", "reset"]):
        result = CliRunner().invoke(app, [*given, "--demo"])
        assert result.exit_code == 2, given
        assert "--demo" in result.output


def test_what_to_type_is_something_that_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    assert Path(called()).exists()
