"""`backfill`: says its price, reads through the one engine, and what it leaves open."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from meta_pipeline.warehouse import account_lock
from meta_pipeline_tests.commands.shell import ZONE, Shell, shell_of, spec

DAYS = "SELECT DISTINCT date_start FROM meta_ads.sync_windows WHERE dataset = 'insights_ad'"
TODAY = datetime.now(ZoneInfo(ZONE)).date()
"""Of the accounts, whose day does not end while the tests run."""


@pytest.fixture
def shell(database_url: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Shell]:
    with shell_of(database_url, monkeypatch, tmp_path, spec("Shop"), spec("Shop US")) as found:
        yield found


def ago(days: int) -> str:
    return (TODAY - timedelta(days=days)).isoformat()


def read(shell: Shell) -> set[date]:
    return {row[0] for row in shell.rows(DAYS)}


def test_it_says_its_price_and_then_reads_the_days(shell: Shell) -> None:
    result = shell.run("backfill", "shop", "--since", ago(20), "--until", ago(12))
    assert result.exit_code == 0, result.output
    price, done = result.stdout.index(" calls ("), result.stdout.index("success: ")
    assert price < done
    assert {one.isoformat() for one in read(shell)} == {ago(back) for back in range(12, 21)}
    assert shell.rows("SELECT DISTINCT reason, account_id FROM meta_ads.sync_runs") == [
        ("backfill", shell.ids[0])
    ]
    again = shell.run("backfill", "shop", "--since", ago(20), "--until", ago(12))
    assert "all fresh, nothing is due" in again.stdout
    assert len(shell.rows("SELECT FROM meta_ads.sync_runs")) == 1


def test_a_dry_run_says_the_price_alone(shell: Shell) -> None:
    plans = shell.json("backfill", "--since", ago(9), "--dry-run")
    assert [one["account_id"] for one in plans] == shell.ids
    assert all(one["calls"]["most"] > 0 for one in plans)
    assert "Together: 2 of 2" in shell.run("backfill", "--since", ago(9), "--dry-run").stdout
    assert not read(shell)


def test_all_accounts_without_one_that_is_named(shell: Shell) -> None:
    records = shell.json("backfill", "--since", ago(3), "--until", ago(2))
    assert {one["account_id"] for one in records} == set(shell.ids)
    assert {one["status"] for one in records} == {"success"}


def test_the_gap_that_it_leaves_is_said_and_the_next_sync_fills_it(shell: Shell) -> None:
    result = shell.run("backfill", "Shop", "--since", ago(30), "--until", ago(28))
    assert "days after" in result.stderr
    assert "28 days" in result.stderr
    shell.run("sync", "Shop")
    assert {one.isoformat() for one in read(shell)} >= {ago(back) for back in range(2, 31)}
    full = shell.run("backfill", "Shop", "--since", ago(32), "--until", ago(31))
    assert "days after" not in full.stderr


@pytest.mark.parametrize(
    "given",
    [
        [],
        ["--until", "2026-01-01"],
        ["--since", "soon"],
        ["--since", "2026-02-01", "--until", "2026-01-01"],
        ["--since", "2026-01-01", "--breakdown", "age,foo"],
    ],
)
def test_what_cannot_be_read_is_told_before_a_call(shell: Shell, given: list[str]) -> None:
    result = shell.run("backfill", *given)
    assert result.exit_code == 2, result.output
    assert len(shell.sim.journal) == 0


def test_days_that_meta_no_longer_keeps_are_said(shell: Shell) -> None:
    result = shell.run("backfill", "Shop", "--since", "2015-01-01", "--dry-run")
    assert result.exit_code == 0, result.output
    assert "37 months" in result.stdout


def test_it_minds_lock_and_governor_as_every_sync_does(shell: Shell) -> None:
    first = shell.ids[0]
    shell.run("sync", first)
    with account_lock(shell.url, first, holder="somebody else"):
        assert shell.run("backfill", "Shop", "--since", ago(9)).exit_code == 5
    shell.sim.limits.exhaust(first, regain_minutes=30)
    assert shell.run("sync", first, "--force").exit_code == 3
    calls = len(shell.sim.journal)
    result = shell.run("backfill", "Shop", "--since", ago(9))
    assert result.exit_code == 3, result.output
    assert "It would not start now" in result.stdout
    assert len(shell.sim.journal) == calls
