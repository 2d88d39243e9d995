"""`meta-pipeline rotation next`: who is next and why, for a person at a terminal."""

from __future__ import annotations

import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import pytest
from typer.testing import CliRunner

from meta_pipeline.commands.rotation import app
from meta_pipeline.model.usage import UsageReading
from meta_pipeline.orchestration.configuration import run_config
from meta_pipeline.warehouse import Warehouse

from .dagsters import dagster_in
from .stored import Stored


@pytest.fixture
def output(stored: Stored, database_url: str, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What the command prints of one new, one throttled and thirty lost accounts."""
    now = datetime.now(UTC)
    stored.account("act_1", first_seen_at=now - timedelta(minutes=5))
    stored.account("act_2", first_seen_at=now - timedelta(minutes=5))
    stored.insert(
        "sync_runs",
        sync_run_id="r1",
        account_id="act_2",
        scope="insights",
        started_at=now,
        status="throttled",
        not_before=now + timedelta(hours=30),
    )
    for number in range(100, 130):
        stored.account(f"act_{number}", is_accessible=False)
    monkeypatch.setenv("DATABASE_URL", database_url)
    monkeypatch.setenv("COLUMNS", "120")
    found = CliRunner().invoke(app, ["next"])
    assert found.exit_code == 0, found.output
    return found.output.splitlines()


def test_it_says_who_is_next_and_why(output: list[str]) -> None:
    words = " ".join(output[1].split())
    assert words == "1 - act_1 entities, insights first sync: the last 90 days, newest first"
    assert output[2] == "1 picked; 30 no access, 1 throttled"


def test_it_says_of_the_others_why_not(output: list[str]) -> None:
    assert output[3].startswith("  act_100  no access: no connection reaches the account any")
    assert output[-1] == "  ... and 11 more: --all shows them"


def test_no_secret_is_printed(output: list[str], database_url: str) -> None:
    password = database_url.split(":")[2].split("@", maxsplit=1)[0]
    assert not any(password in line for line in output)


def test_all_shows_every_account(output: list[str]) -> None:
    found = CliRunner().invoke(app, ["next", "--all"])
    assert "act_2  throttled: Meta's limits allow no call before 20" in found.output
    assert "more; --all" not in found.output


def test_who_is_asked_for_or_stopped_is_not_next(
    stored: Stored,
    warehouse: Warehouse,
    database_url: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The command says what the sensor would do: runs under way, the governor, free slots."""
    now = datetime.now(UTC)
    for number in range(1, 6):
        stored.account(f"act_{number}", first_seen_at=now - timedelta(minutes=5))
    warehouse.usage.remember(
        [UsageReading("app", "app", "", 10, now), full("act_3", now), full("act_4", now)]
    )
    monkeypatch.setenv("DATABASE_URL", database_url)
    monkeypatch.setenv("COLUMNS", "160")
    with dagster_in(database_url, tmp_path) as instance:
        run = dg.DagsterRun(
            "sync_account",
            run_config=run_config(accounts={"ids": ["act_1", "act_9"]}),
            status=dg.DagsterRunStatus.STARTED,
        )
        instance.add_run(run)
        found = CliRunner().invoke(app, ["next"])
        assert found.exit_code == 0, found.output
        lines = [" ".join(line.split()) for line in found.output.splitlines()]
        assert [line.split()[2] for line in lines[1:3]] == ["act_2", "act_5"]
        assert "2 picked; 2 throttled, 1 requested" in lines
        assert any(
            line.startswith("act_3 throttled: act_3 stopped until") and "ads_insights" in line
            for line in lines
        )
        for number in (7, 8):
            instance.add_run(
                dg.DagsterRun(
                    "sync_account",
                    tags={"dagster/partition": f"act_{number}"},
                    status=dg.DagsterRunStatus.STARTED,
                )
            )
        full_house = CliRunner().invoke(app, ["next"])
        assert "3 runs of syncs under way, as many as META_MAX_SYNCS allows" in " ".join(
            full_house.output.split()
        )


def test_runs_that_nobody_may_read_are_said_to_be_unknown(
    stored: Stored, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    stored.account("act_1", first_seen_at=datetime.now(UTC))
    monkeypatch.setenv("DATABASE_URL", database_url)
    monkeypatch.setenv("DAGSTER_PG_URL", "postgresql://u:hunter2@127.0.0.1:1/db")
    found = CliRunner().invoke(app, ["next"])
    assert found.exit_code == 0, found.output
    assert "Dagster's runs cannot be read" in " ".join(found.output.split())
    assert "hunter2" not in found.output
    assert "act_1" in found.output


def test_it_starts_without_dagster(database_url: str) -> None:
    """Dagster takes three seconds to import, and an answer is waited for."""
    script = (
        "import sys; from typer.testing import CliRunner;"
        "from meta_pipeline.commands.rotation import app;"
        "found = CliRunner().invoke(app, ['next']);"
        "print(found.exit_code, 'dagster' in sys.modules)"
    )
    with Warehouse(database_url) as warehouse:
        warehouse.migrate()
    said = subprocess.run(
        [sys.executable, "-c", script],
        env=os.environ | {"DATABASE_URL": database_url},
        capture_output=True,
        text=True,
        check=True,
    )
    assert said.stdout.split() == ["0", "False"]


def full(account_id: str, now: datetime) -> UsageReading:
    return UsageReading("account", account_id, "ads_insights", 100, now, now + timedelta(hours=1))
