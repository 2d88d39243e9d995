"""Several ad accounts on one command line, by name or id; and the list of those there are."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from itertools import product
from pathlib import Path

import pytest

from meta_pipeline.simulator import Fault
from meta_pipeline.warehouse import account_lock
from meta_pipeline_tests.commands.shell import ZONE, Shell, shell_of, spec
from meta_pipeline_tests.waiting import PATIENCE_SECONDS

NAMES = ("Nordwind Shop", "Nordwind US", "Twin", "Twin")
SYNCED = "SELECT DISTINCT account_id FROM meta_ads.sync_runs WHERE status = 'success'"


@pytest.fixture
def shell(database_url: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Shell]:
    with shell_of(database_url, monkeypatch, tmp_path, *map(spec, NAMES)) as found:
        yield found


def synced(shell: Shell) -> set[str]:
    return {row[0] for row in shell.rows(SYNCED)}


def test_accounts_are_synced_by_name_before_any_is_known(shell: Shell) -> None:
    first, second, *_ = shell.ids
    result = shell.run("sync", "nordwind us", "Nordwind Shop")
    assert result.exit_code == 0, result.output
    assert synced(shell) == {first, second}
    assert f"1 of 2: {second} Nordwind US" in result.stdout
    assert "2 ad accounts: 2 success; " in result.stdout


def test_an_account_named_twice_is_synced_once(shell: Shell) -> None:
    first = shell.ids[0]
    records = shell.json("sync", first, first.removeprefix("act_"), "Nordwind Shop")
    assert [one["account_id"] for one in records] == [first]


NOBODY = [
    (["Nordwnd Shop"], "Did you mean"),
    (["Twin"], "2 ad accounts are called 'Twin'"),
    (["--all", "Nordwind US"], "not both"),
]


def test_what_is_no_account_is_told_with_those_meant(shell: Shell) -> None:
    for command, (given, told) in product(("sync", "plan", "backfill"), NOBODY):
        more = ["--since", "2026-01-01"] if command == "backfill" else []
        result = shell.run(command, *given, *more)
        assert result.exit_code == 2, (command, given, result.output)
        assert told in " ".join(result.output.split()), (command, given)
    assert not shell.rows("SELECT FROM meta_ads.sync_runs")


def test_a_sync_of_nobody_says_how_to_name_somebody(shell: Shell) -> None:
    for command in ("sync", "plan"):
        result = shell.run(command)
        assert result.exit_code == 2
        assert "--all" in result.output
    assert len(shell.sim.journal) == 0


def test_all_are_those_that_the_settings_do_not_leave_out(shell: Shell) -> None:
    first, second, third, fourth = shell.ids
    shell.patch.setenv("META_EXCLUDE_ACCOUNTS", third)
    assert shell.run("sync", "--all").exit_code == 0
    assert synced(shell) == {first, second, fourth}
    shell.patch.setenv("META_INCLUDE_ACCOUNTS", first)
    assert [one["account_id"] for one in shell.json("sync", "--all", "--force")] == [first]


def test_one_that_fails_stops_no_other_and_decides_the_exit_code(shell: Shell) -> None:
    first, second, third, fourth = shell.ids
    shell.sim.fail("GET", f"{second}/campaigns", times=9, with_=Fault.graph_error(100))
    with account_lock(shell.url, third, holder="somebody else"):
        result = shell.run("sync", "--all")
    assert synced(shell) == {first, fourth}
    assert result.exit_code in (1, 4), result.output
    assert "1 refused" in result.stdout
    assert "2 success" in result.stdout
    assert "4 ad accounts: " in result.stdout
    with account_lock(shell.url, third, holder="somebody else"):
        assert shell.run("sync", first, third).exit_code == 5


def test_the_list_of_meta_that_cannot_be_read_leaves_the_stored_one(shell: Shell) -> None:
    first = shell.ids[0]
    shell.run("sync", first)
    shell.sim.fail("GET", "/me/adaccounts", times=9, with_=Fault.graph_error(10, status=403))
    result = shell.run("sync", "--all", "--force")
    assert result.exit_code == 0, result.output
    assert "the stored one is used" in result.stderr
    assert "1 success" in result.stdout


def test_plans_of_several_have_a_price_each_and_one_together(shell: Shell) -> None:
    result = shell.run("plan", "--all")
    assert result.exit_code == 0, result.output
    *each, together = result.stdout.splitlines()
    assert "Together: 4 of 4 ad accounts, " in together
    assert len(each) == 4, "a line for each"
    assert all(re.search(r": \d+( to \d+)? calls, [\d,]+( to [\d,]+)? rows$", one) for one in each)
    plans = shell.json("plan", "--all")
    assert [one["account_id"] for one in plans] == sorted(
        shell.ids, key=lambda one: (NAMES[shell.ids.index(one)], one)
    )
    one = shell.json("plan", shell.ids[0])
    assert one["calls"]["least"] <= one["calls"]["most"]
    assert {window["dataset"] for window in one["windows"]} >= {"insights_ad"}
    shell.run("sync", "--all")
    assert "all fresh, nothing is due." in shell.run("plan", "--all").stdout.splitlines()[-1]


def test_ctrl_c_begins_no_other_account(shell: Shell, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "meta_pipeline.cli", "sync", "--all"]
    child = subprocess.Popen(
        command,
        env={**os.environ},
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert child.stdout is not None
    assert "1 of 4" in child.stdout.readline()
    child.send_signal(signal.SIGINT)
    out, errors = child.communicate(timeout=PATIENCE_SECONDS)
    assert child.returncode in (4, 130), (out, errors)
    assert "ad accounts were not begun" in errors, (out, errors)
    assert "Traceback" not in errors
    assert len(shell.rows("SELECT FROM meta_ads.sync_runs")) < len(NAMES)


def test_the_list_has_what_there_is_of_each_account(shell: Shell) -> None:
    first, second, third, fourth = shell.ids
    assert "--refresh" in shell.run("accounts", "list").stdout
    assert {one["state"] for one in shell.json("accounts", "list", "--refresh")} == {
        "found, not synced"
    }
    shell.run("sync", "Nordwind Shop")
    shell.patch.setenv("META_EXCLUDE_ACCOUNTS", second)
    shell.sim.limits.exhaust(fourth, regain_minutes=30)
    shell.run("sync", fourth)
    found = {one["account_id"]: one for one in shell.json("accounts", "list")}
    assert set(found) == set(shell.ids)
    assert found[first] | {"last_synced_at": ""} == {
        "account_id": first,
        "name": "Nordwind Shop",
        "account_status": 1,
        "status": "active",
        "currency": "EUR",
        "timezone_name": ZONE,
        "last_synced_at": "",
        "state": "success",
        "waiting_for": None,
        "is_left_out": False,
        "is_accessible": True,
        "is_simulated": True,
        "connection": "META_ACCESS_TOKEN",
        "connection_days_left": None,
    }
    assert [found[one]["state"] for one in (second, third, fourth)] == [
        "left out",
        "found, not synced",
        "waiting",
    ]
    shown = shell.run("accounts", "list").stdout
    assert "4 ad accounts: 1 found, not synced, 1 left out, 1 success, 1 waiting" in shown
    assert ZONE in shell.run("accounts", "list", "nordwind us").stdout
    assert shell.run("accounts", "list", "nobody").exit_code == 2
    capped = shell.run("accounts", "list", "--limit", "1").stdout
    assert "... and 3 more: --limit 4 shows them" in capped
    assert "4 ad accounts: " in capped
    assert len(shell.json("accounts", "list", "--limit", "1")) == 4


EACH = """
import sys
from meta_pipeline.cli import app
for line in sys.argv[1:]:
    try:
        app(line.split())
    except SystemExit as ended:
        assert not ended.code, line
    print("\\0", flush=True)
"""
"""Each command line in one process: how wide the terminal is is asked when it begins."""


@pytest.mark.parametrize(
    "width", [30, *(pytest.param(w, marks=pytest.mark.slow) for w in (60, 80, 200))]
)
def test_nothing_is_cut_however_narrow_the_terminal(shell: Shell, width: int) -> None:
    result = shell.run("sync", "Nordwind Shop", "Nordwind US")
    assert result.exit_code == 0, result.output
    first, second, *_ = shell.ids
    runs = shell.json("runs", "list")
    wanted_of = {
        "accounts list": [*shell.ids, ZONE, "success"],
        "runs list": [first, second, "success", *(one["sync_run_id"][:8] for one in runs)],
        "runs show": ["insights_ad", "campaigns_list", second],
        "reset insights_ad --dry-run": [first, second, "insights_ad"],
    }
    done = subprocess.run(
        [sys.executable, "-c", EACH, *wanted_of],
        env={**os.environ, "COLUMNS": str(width)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, (done.stdout, done.stderr)
    for (given, wanted), shown in zip(wanted_of.items(), done.stdout.split("\0"), strict=False):
        missing = [one for one in wanted if one not in shown]
        assert not missing, (given, missing, shown)
        assert "…" not in shown.replace(" … ", ""), shown
