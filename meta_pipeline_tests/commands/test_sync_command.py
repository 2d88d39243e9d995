"""`check`, `plan` and `sync` as a person runs them, against a simulated Graph API."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, HTTPServer
from itertools import product
from typing import Any

import psycopg
import pytest
from facebook_business.adobjects.adsinsights import AdsInsights
from typer.testing import CliRunner, Result

from meta_pipeline import quality
from meta_pipeline.cli import app
from meta_pipeline.settings import current
from meta_pipeline.simulator import Fault, Simulator, WallClock, World
from meta_pipeline.sync.rows.breakdown_names import NAMES
from meta_pipeline.warehouse import account_lock
from meta_pipeline_tests.midday import MIDDAY_SHOP

TOKEN = "EAAVERYSECRETTOKEN"


@dataclass
class Shell:
    """A shell with the two settings; every output is kept for the secrets test."""

    sim: Simulator
    url: str
    outputs: list[str]
    patch: pytest.MonkeyPatch

    @property
    def account_id(self) -> str:
        return self.sim.world.accounts()[0].id

    def run(self, *arguments: str) -> Result:
        result = CliRunner().invoke(app, arguments)
        self.outputs.append(result.output)
        return result


@pytest.fixture
def shell(database_url: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> Iterator[Shell]:
    monkeypatch.chdir(tmp_path)
    with Simulator(World(seed=5, clock=WallClock(), accounts=(MIDDAY_SHOP,)), token=TOKEN) as sim:
        monkeypatch.setenv("META_ACCESS_TOKEN", TOKEN)
        monkeypatch.setenv("META_GRAPH_URL", sim.url)
        monkeypatch.setenv("DATABASE_URL", database_url)
        monkeypatch.setenv("META_BACKFILL_DAYS", "5")
        monkeypatch.setenv("COLUMNS", "200")
        current.cache_clear()
        found = Shell(sim, database_url, [], monkeypatch)
        yield found
        assert not [output for output in found.outputs if TOKEN in output]
    current.cache_clear()


def test_a_sync_says_what_it_did_and_exits_with_0(shell: Shell) -> None:
    result = shell.run("sync", shell.account_id)
    assert result.exit_code == 0, result.output
    assert "60 entities" in result.output
    assert "insights_ad" in result.output


def test_a_sync_as_json_is_the_record(shell: Shell) -> None:
    result = shell.run("sync", shell.account_id, "--json")
    record = json.loads(result.output)
    assert record["status"] == "success"
    assert record["ads_fetched"] == 40


def test_a_partial_sync_exits_with_4_and_names_what_is_missing(shell: Shell) -> None:
    shell.sim.fail("GET", "/adsets", times=1, with_=Fault.graph_error(10, None, status=403))
    result = shell.run("sync", shell.account_id)
    assert result.exit_code == 4, result.output
    assert "adsets" in result.output


def test_a_throttled_sync_exits_with_3_and_says_until_when(shell: Shell) -> None:
    shell.sim.limits.exhaust(shell.account_id, regain_minutes=30)
    result = shell.run("sync", shell.account_id)
    assert result.exit_code == 3, result.output
    assert "until" in result.output
    calls = len(shell.sim.journal)

    again = shell.run("sync", shell.account_id)

    assert again.exit_code == 3
    assert len(shell.sim.journal) == calls


def test_a_failed_sync_exits_with_1(shell: Shell) -> None:
    result = shell.run("sync", "act_404")
    assert result.exit_code == 1
    assert "act_404" in result.output


def test_a_second_sync_of_an_account_is_refused_with_5(shell: Shell) -> None:
    with account_lock(shell.url, shell.account_id, holder="somebody else"):
        result = shell.run("sync", shell.account_id)
    assert result.exit_code == 5
    assert "somebody else" in result.output


WRONG = (
    ("sync", "my-account"),
    ("sync", "act_1", "--since", "yesterday"),
    ("sync", "act_1", "--since", "2026-02-01", "--until", "2026-01-01"),
    ("plan", "act_1", "--preset", "today", "--since", "2026-01-01"),
)


def test_bad_input_is_told_before_anything_happens(shell: Shell) -> None:
    for arguments in WRONG:
        result = shell.run(*arguments)
        assert result.exit_code == 2, (arguments, result.output)
        assert "syncs" not in result.output, arguments


def test_a_plan_names_windows_and_price_and_runs_nothing(shell: Shell) -> None:
    shell.run("sync", shell.account_id)
    result = shell.run("plan", shell.account_id, "--preset", "last_28d", "--force")
    assert result.exit_code == 0, result.output
    assert "insights_ad" in result.output
    assert "calls" in result.output


def test_a_sync_brings_the_extras_that_are_on_for_its_account(
    shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("META_HOURLY", f"act_1,{shell.account_id}")
    monkeypatch.setenv("META_CREATIVES", "act_1")
    follows = shell.run("plan", shell.account_id).output
    assert "insights_hourly" in follows
    assert "adcreatives" not in follows
    assert "insights_hourly" not in shell.run("plan", shell.account_id, "--only", "ads").output
    besides = shell.run("plan", shell.account_id, "--with", "creatives").output
    assert "adcreatives" in besides
    assert "insights_hourly" in besides


def test_check_is_content_and_says_it_is_a_simulator(shell: Shell) -> None:
    result = shell.run("check")
    assert result.exit_code == 0, result.output
    assert "simulator" in result.output
    assert "All is well" in result.output


def test_check_puts_the_fix_beside_the_problem(
    shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("META_ACCESS_TOKEN", "not-a-token")
    monkeypatch.setenv("DATABASE_URL", "postgresql://nobody@127.0.0.1:9/none")
    result = shell.run("check", "--json")
    assert result.exit_code == 1
    found = {one["what"]: one for one in json.loads(result.output)}
    assert not found["Token"]["ok"]
    assert "META_ACCESS_TOKEN" in found["Token"]["fix"]
    assert not found["Postgres"]["ok"]
    assert "DATABASE_URL" in found["Postgres"]["fix"]


def test_simulated_rows_do_not_mix_with_metas(
    shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert shell.run("sync", shell.account_id).exit_code == 0
    monkeypatch.delenv("META_GRAPH_URL")
    result = shell.run("sync", shell.account_id)
    assert result.exit_code == 1
    assert "simulated ad accounts" in result.output


def test_without_a_token_there_is_one_sentence(
    shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("META_ACCESS_TOKEN")
    result = shell.run("sync", "act_1")
    assert result.exit_code == 1
    assert "META_ACCESS_TOKEN is not set" in result.output
    assert "Traceback" not in result.output


def test_a_plan_of_a_first_sync_says_the_spread_of_what_it_cannot_know(shell: Shell) -> None:
    shell.patch.setenv("META_BACKFILL_DAYS", "60")
    planned = shell.run("plan", shell.account_id).output
    done = json.loads(shell.run("sync", shell.account_id, "--json").output)
    calls = re.search(r"([\d,]+) to ([\d,]+) calls", planned)
    rows = re.search(r"([\d,]+) to ([\d,]+) rows, about", planned)
    assert calls is not None, planned
    assert rows is not None, planned
    for found, true in (
        (calls, done["meta_call_count_total"]),
        (rows, done["insights_rows_read"]),
    ):
        low, high = (int(text.replace(",", "")) for text in found.groups())
        assert low <= true <= high, planned


def test_a_plan_while_throttled_says_that_it_would_not_start(shell: Shell) -> None:
    assert shell.run("sync", shell.account_id).exit_code == 0
    shell.sim.limits.exhaust(shell.account_id, regain_minutes=30)
    assert shell.run("sync", shell.account_id, "--force").exit_code == 3
    told = shell.run("plan", shell.account_id, "--force").output
    assert "It would not start now:" in told
    assert "until" in told
    assert "campaigns" in told


def test_a_first_sync_that_was_throttled_is_in_status(shell: Shell) -> None:
    shell.sim.limits.exhaust(shell.account_id, regain_minutes=30)
    assert shell.run("sync", shell.account_id).exit_code == 3
    told = shell.run("status").output
    assert shell.account_id in told
    assert "waiting" in told
    assert "until" in told
    assert shell.run("plan", shell.account_id).output.strip()


def test_a_sync_with_nothing_due_says_that_all_is_fresh(shell: Shell) -> None:
    shell.run("sync", shell.account_id)
    again = shell.run("sync", shell.account_id)
    planned = shell.run("plan", shell.account_id)
    assert "success: all fresh" in again.output
    assert "0 insight rows" not in again.output
    assert "all fresh, nothing is due" in planned.output


def test_the_rows_of_the_account_itself_are_no_rows_of_ads(shell: Shell) -> None:
    told = shell.run("sync", shell.account_id).output
    with psycopg.connect(shell.url) as connection:
        counted = connection.execute(
            "SELECT count(*) FILTER (WHERE entity_type = 'ad'), "
            "count(*) FILTER (WHERE entity_type = 'account') FROM meta_ads.meta_insights"
        ).fetchone()
    assert counted is not None
    ads, own = counted
    assert f"{ads:,} insight rows and {own} of the account itself" in told
    steps = [line for line in told.splitlines() if "insights_account" in line]
    assert steps


def test_a_breakdown_that_is_none_is_refused_before_a_call(shell: Shell) -> None:
    wrong = ("age,foo", "foo", "age,,gender", "age;gender", "Age", "age,age", "contry", "")
    for command, names in product(("plan", "sync"), wrong):
        result = shell.run(command, shell.account_id, "--breakdown", names)
        assert result.exit_code == 2, (command, names, result.output)
    assert len(shell.sim.journal) == 0


def test_the_names_of_breakdowns_are_those_of_metas_sdk() -> None:
    enum = AdsInsights.Breakdowns
    assert {v for k, v in vars(enum).items() if not k.startswith("_")} == NAMES


def test_data_checks_of_an_empty_database_say_that_there_is_nothing(shell: Shell) -> None:
    result = shell.run("check", "--data")
    assert result.exit_code == 1
    assert "nothing to check" in " ".join(result.output.split())
    assert "All is well" not in result.output


class Elsewhere(BaseHTTPRequestHandler):
    """A web server that refuses, in words that say it is of no use to ask again."""

    def do_GET(self) -> None:
        self.send_response(404)
        self.end_headers()
        self.wfile.write(b'{"error": {"message": "no such page", "code": 404}}')


def test_a_host_that_is_neither_metas_nor_a_simulator_is_named(shell: Shell) -> None:
    with HTTPServer(("127.0.0.1", 0), Elsewhere) as other:
        threading.Thread(target=other.serve_forever, args=(0.01,), daemon=True).start()
        shell.patch.setenv("META_GRAPH_URL", f"http://127.0.0.1:{other.server_port}")
        result = shell.run("check")
        other.shutdown()
    assert result.exit_code == 1
    assert "a simulator" not in result.output


def test_a_token_that_may_manage_ads_may_read_them() -> None:
    assert quality.missing_scopes(["ads_management"]) == []
    assert quality.missing_scopes(["ads_read"]) == []
    assert quality.missing_scopes(["business_management"]) == ["ads_read"]
