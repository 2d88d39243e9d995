"""`meta-pipeline rotation next`: who is next and why, for a person at a terminal."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from typer.testing import CliRunner

from meta_pipeline.commands.rotation import app

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
    assert words == "1 act_1 entities, insights first sync: the last 90 days, newest first"
    assert output[2] == "1 picked; 30 no access, 1 throttled"


def test_it_says_of_the_others_why_not(output: list[str]) -> None:
    assert output[3].startswith("  act_100  no access: the token cannot see the account any more")
    assert output[-1] == "  and 11 more; --all shows them"


def test_no_secret_is_printed(output: list[str], database_url: str) -> None:
    password = database_url.split(":")[2].split("@", maxsplit=1)[0]
    assert not any(password in line for line in output)


def test_all_shows_every_account(output: list[str]) -> None:
    found = CliRunner().invoke(app, ["next", "--all"])
    assert "act_2  throttled: Meta's limits allow no call before 20" in found.output
    assert "more; --all" not in found.output
