"""`runs`: every attempt to sync, explained from our own tables."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from meta_pipeline.simulator import Fault
from meta_pipeline.warehouse import account_lock
from meta_pipeline_tests.commands.shell import Shell, shell_of, spec


@pytest.fixture
def shell(database_url: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Shell]:
    with shell_of(database_url, monkeypatch, tmp_path, spec("Shop"), spec("Shop US")) as found:
        yield found


def test_a_run_is_explained_with_its_calls_and_rows(shell: Shell) -> None:
    record = shell.json("sync", "Shop")
    (shown,) = shell.json("runs", "show", record["sync_run_id"])
    assert sum(one["attempts"] for one in shown["calls"]) == record["meta_call_count_total"]
    insights = [one for one in shown["calls"] if one["endpoint_key"].startswith("insights")]
    assert sum(one["rows"] for one in insights) == record["insights_rows_read"]
    assert shown["errors"] == []
    told = shell.run("runs", "show", record["sync_run_id"][:10]).stdout
    assert "success" in told
    assert "insights_ad" in told
    assert record["sync_run_id"] in told
    assert "reason: manual" in told


def test_what_meta_refused_is_shown_with_its_code(shell: Shell) -> None:
    message = "(#100) Tried [bold]accessing\x1b[2J nonexisting field"
    shell.sim.fail("GET", "/adsets", times=9, with_=Fault.graph_error(100, message=message))
    shell.run("sync", "Shop")
    (shown,) = shell.json("runs", "show")
    assert {one["error_code"] for one in shown["errors"]} == {100}
    told = shell.run("runs", "show").stdout
    assert "[bold]accessing" in told
    assert "\x1b" not in told
    assert "code 100" in told
    assert "fbtrace_id" in told


def test_every_outcome_is_a_run(shell: Shell) -> None:
    first, second = shell.ids
    with account_lock(shell.url, first, holder="somebody else"):
        shell.run("sync", first)
    shell.sim.limits.exhaust(second, regain_minutes=30)
    shell.run("sync", second)
    shell.run("sync", first)
    every = shell.json("runs", "list")
    assert [one["status"] for one in every] == ["success", "throttled", "refused"]
    assert [one["account_id"] for one in every] == [first, second, first]
    of_first = shell.json("runs", "list", "-a", "shop")
    assert {one["account_id"] for one in of_first} == {first}
    assert len(shell.json("runs", "list", "--limit", "1")) == 1
    assert [one["status"] for one in shell.json("runs", "list", "--status", "refused")] == [
        "refused"
    ]
    told = shell.run("runs", "list").stdout
    assert "somebody else" in told
    (throttled,) = shell.json("runs", "list", "--status", "throttled")
    shown = shell.run("runs", "show", throttled["sync_run_id"]).stdout
    assert "no call before" in shown
    assert "until" in shown


def test_all_syncs_of_a_dagster_run_are_shown(shell: Shell) -> None:
    for name in ("Shop", "Shop US"):
        shell.run("sync", name)
    with psycopg.connect(shell.url) as connection:
        connection.execute("UPDATE meta_ads.sync_runs SET dagster_run_id = 'd0d0-1'")
    assert {one["account_id"] for one in shell.json("runs", "show", "d0d0")} == set(shell.ids)


def test_pauses_for_quota_are_shown_with_their_reason(shell: Shell) -> None:
    record = shell.json("sync", "Shop")
    with psycopg.connect(shell.url) as connection:
        connection.execute(
            "UPDATE meta_ads.meta_api_logs SET waited_ms = 2500, wait_reason = 'ads_insights 80 %' "
            "WHERE endpoint_key = 'insights_ad'"
        )
    (shown,) = shell.json("runs", "show", record["sync_run_id"])
    assert [one["reason"] for one in shown["waits"]] == ["ads_insights 80 %"]
    assert "before" in shell.run("runs", "show").stdout
    assert "ads_insights 80 %" in shell.run("runs", "show").stdout
    assert shell.json("runs", "list")[0]["waited_seconds"] >= 2.5


def test_calls_that_retention_removed_are_said_to_be_gone(shell: Shell) -> None:
    shell.run("sync", "Shop")
    with psycopg.connect(shell.url) as connection:
        connection.execute("DELETE FROM meta_ads.meta_api_logs")
    assert "META_LOG_RETENTION_DAYS" in shell.run("runs", "show").stdout


def test_a_run_that_is_none_is_told(shell: Shell) -> None:
    shell.run("sync", "Shop")
    for given in ("nothing", "%", "_", "\udcff", "x" * 500, "", "é", "a\x00b"):
        result = shell.run("runs", "show", given)
        assert result.exit_code == 1, (given, result.output)
        assert "There is no run" in result.output, given


def test_a_beginning_of_several_is_told_with_them(shell: Shell) -> None:
    for name in ("Shop", "Shop US"):
        shell.run("sync", name)
    with psycopg.connect(shell.url) as connection:
        connection.execute("UPDATE meta_ads.sync_runs SET sync_run_id = 'abc' || sync_run_id")
    result = shell.run("runs", "show", "abc")
    assert result.exit_code == 1
    assert "2 runs begin with 'abc'" in result.output


def test_a_status_that_is_none_is_told(shell: Shell) -> None:
    assert shell.run("runs", "list", "--status", "failed").exit_code == 2
    assert "No sync has run yet" in shell.run("runs", "list").stdout
    assert shell.run("runs", "list", "-a", "nobody").exit_code == 2
    assert "No sync has run yet" in shell.run("runs", "show").stdout
