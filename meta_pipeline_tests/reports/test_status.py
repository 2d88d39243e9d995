"""Status and waiting: freshness in words, one sentence everywhere, an alarm for silence."""

from __future__ import annotations

import json
import logging
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
import typer
from typer.testing import CliRunner, Result

from meta_pipeline.commands.report import report
from meta_pipeline.commands.status import status
from meta_pipeline.moments import span
from meta_pipeline.orchestration.record_metadata import Account, record_metadata
from meta_pipeline.reports.status import (
    AccountStatus,
    read_status,
    staleness_alarm,
    token_warnings,
)
from meta_pipeline.simulator import Limits
from meta_pipeline.sync import Status
from meta_pipeline.warehouse import TokenRow, Warehouse
from meta_pipeline.words import as_typed
from meta_pipeline_tests.sync.lab import lab

from .conftest import BUSY, Morning

NOW = datetime(2026, 11, 22, 14, 20, tzinfo=UTC)


def facts(**given: Any) -> AccountStatus:
    known = {
        "account_id": "act_1",
        "name": "Shop",
        "staleness": "never",
        "staleness_seconds": None,
        "is_accessible": True,
        "is_running": False,
        "last_status": None,
        "waiting_for": None,
    }
    return AccountStatus(known | given)


# -- the same sentence everywhere --------------------------------------------------------------


def test_metas_refusal_is_one_sentence_everywhere(
    database_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    with lab(database_url, BUSY) as made, caplog.at_level(logging.WARNING, "meta_pipeline.sync"):
        made.sim.limits.exhaust(made.account_id, use_case="ads_insights", regain_minutes=12)
        record = made.sync()
        sentence = str(record.error_summary)
        (account,) = read_status(made.warehouse, now=made.clock.now())
        stored = made.scalar("SELECT error_summary FROM meta_ads.sync_runs")
    assert record.status is Status.THROTTLED
    assert sentence.startswith(f"{record.account_id} stopped until ")
    assert "because ads_insights is at 100 % (read 02:30" in sentence
    assert "Next:" not in sentence
    assert "act_" not in sentence.removeprefix(record.account_id)
    assert caplog.messages == [f"throttled: {sentence}"]
    assert account.waiting == stored == sentence
    assert account.not_before == record.not_before
    assert account.state == "waiting"
    told = record_metadata(record, Account(record.account_id))["summary"]
    assert sentence in str(told.value)


def test_a_stop_before_any_call_is_the_same_sentence(database_url: str) -> None:
    with lab(database_url, BUSY) as made:
        made.engine.discover()
        made.sim.limits.exhaust(made.account_id, regain_minutes=30)
        first = made.sync()
        calls = made.calls()
        made.advance(minutes=2)
        second = made.sync()
        (account,) = read_status(made.warehouse, now=made.clock.now())
        assert made.calls() == calls, "a blocked account gets no call"
    assert second.status is Status.THROTTLED
    assert account.waiting == second.error_summary
    assert second.not_before == first.not_before


def test_a_wait_ends(database_url: str) -> None:
    with lab(database_url, BUSY, limits=Limits()) as made:
        made.engine.discover()
        made.sim.limits.exhaust(made.account_id, regain_minutes=10)
        record = made.sync()
        assert record.not_before is not None
        (before,) = read_status(made.warehouse, now=record.not_before - timedelta(seconds=1))
        (after,) = read_status(made.warehouse, now=record.not_before)
    assert before.waiting is not None
    assert (after.waiting, after.state) == (None, "throttled")


def block(warehouse: Warehouse, **given: Any) -> str | None:
    reading = {
        "scope": "account",
        "key": "act_1",
        "use_case": "ads_insights",
        "usage_pct": 97,
        "read_at": NOW,
        "regain_at": NOW + timedelta(minutes=12),
        "source": "some",
    }
    reading |= given
    with warehouse.connection() as connection:
        connection.execute(
            "INSERT INTO meta_ads.meta_ad_accounts (account_id, is_accessible, last_listed_at, "
            "is_simulated, first_seen_at, data_as_of) "
            "VALUES ('act_1', true, now(), false, now(), now())"
        )
        names = ", ".join(reading)
        marks = ", ".join(f"%({name})s" for name in reading)
        connection.execute(
            f"INSERT INTO meta_ads.usage_readings ({names}) VALUES ({marks})",
            reading,
        )
    (account,) = read_status(warehouse, now=NOW + timedelta(minutes=1))
    return account.waiting


def test_a_block_another_process_met_is_told_in_the_governors_words(warehouse: Warehouse) -> None:
    assert block(warehouse) == (
        "act_1 stopped until 14:32 UTC because ads_insights is at 97 % (read 14:20)"
    )


def test_a_block_until_tomorrow_has_its_date(warehouse: Warehouse) -> None:
    until = NOW + timedelta(hours=10)
    assert str(block(warehouse, regain_at=until)).startswith(
        "act_1 stopped until 2026-11-23 00:20 UTC"
    )


def test_a_block_of_the_app_stops_every_account(warehouse: Warehouse) -> None:
    told = block(warehouse, scope="app", key="app", use_case="")
    assert told == "act_1 stopped until 14:32 UTC because the app is at 97 % (read 14:20)"


@pytest.mark.parametrize(("pct", "waits"), [(30, False), (100, True)])
def test_the_score_blocks_only_when_full(warehouse: Warehouse, pct: int, waits: bool) -> None:
    """Its header always says when the score will be 0 again (FACTS 1.2)."""
    told = block(warehouse, use_case="", usage_pct=pct, source="x-ad-account-usage")
    assert (told is not None) == waits


# -- the token -----------------------------------------------------------------------------------


def token(**given: Any) -> TokenRow:
    known: dict[str, Any] = {
        "token_key": "0123456789abcdef",
        "is_valid": True,
        "scopes": ["ads_read"],
        "missing_scopes": [],
        "checked_at": NOW,
    }
    return TokenRow(**(known | given))


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({}, None),
        ({"expires_at": NOW + timedelta(days=15)}, None),
        ({"expires_at": NOW + timedelta(days=13)}, "The token ends on 2026-12-05 14:20 UTC"),
        ({"data_access_expires_at": NOW - timedelta(days=1)}, "Access to data ended on 2026-11-21"),
        ({"is_valid": False, "problem": "it was revoked"}, "invalid: it was revoked. Make a new"),
        ({"scopes": []}, "The token lacks the scope ads_read."),
    ],
)
def test_a_token_that_needs_a_person_is_told(
    warehouse: Warehouse, given: dict[str, Any], says: str | None
) -> None:
    assert token_warnings(warehouse, now=NOW) == [], "never looked at"
    warehouse.tokens.save(token(**given))
    told = token_warnings(warehouse, now=NOW)
    assert len(told) == (0 if says is None else 1)
    assert says is None or says in told[0]


# -- silence -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("90m", 5400), ("6h", 21_600), (" 2D ", 172_800), ("1.5h", 5400), ("30s", 30)],
)
def test_durations(text: str, seconds: int) -> None:
    assert span(text).total_seconds() == seconds


@pytest.mark.parametrize("text", ["6", "h", "-1h", "0h", "6 weeks", ""])
def test_durations_that_are_none(text: str) -> None:
    with pytest.raises(ValueError, match="such as 30s, 90m, 6h or 2d"):
        span(text)


def test_durations_typed() -> None:
    assert [as_typed(span(one)) for one in ("90m", "6h", "48h")] == ["90m", "6h", "2d"]


def test_fresh_is_no_alarm() -> None:
    assert staleness_alarm([facts(staleness_seconds=3599.0)], span("1h")) is None


def test_stale_and_never_are_named() -> None:
    watched = [
        facts(),
        facts(name="Old", staleness="9h ago", staleness_seconds=9 * 3600.0),
        facts(name="Fresh", staleness="5m ago", staleness_seconds=300.0),
    ]
    alarm = staleness_alarm(watched, span("6h"))
    assert alarm is not None
    assert alarm.startswith(
        "2 of 3 accounts not synced within 6h: Shop (act_1), never; Old (act_1), 9h ago."
    )


def test_a_lost_account_is_not_a_stale_one() -> None:
    lost = facts(is_accessible=False)
    assert lost.state == "lost"
    assert staleness_alarm([lost, facts(staleness_seconds=1.0)], span("1h")) is None


def test_watching_nothing_is_an_alarm() -> None:
    assert "nothing was ever synced" in str(staleness_alarm([], span("6h")))


# -- the commands, as typed -----------------------------------------------------------------------

app = typer.Typer()
app.command()(status)
app.command()(report)


@pytest.fixture
def typed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    monkeypatch.chdir(tmp_path)

    def run(url: str, *arguments: str) -> Result:
        env = {"DATABASE_URL": url, "COLUMNS": "200"}
        return CliRunner().invoke(app, arguments, env=env)

    return run


def test_status_shows_every_account(typed: Any, morning: Morning) -> None:
    shown = typed(morning.url, "status")
    assert shown.exit_code == 0
    for text in ("Nordwind Shop", "Quiet & Sons <Ltd>", "Busy", "Simulated data"):
        assert text in shown.stdout


def test_status_says_it_all_in_a_line_and_ids_beside_names(typed: Any, morning: Morning) -> None:
    shown = typed(morning.url, "status").stdout
    assert re.search(r"^3 accounts: ", shown, re.MULTILINE)
    for row in morning.query("SELECT account_id, name FROM meta_ads.meta_ad_accounts"):
        assert re.search(rf"{re.escape(row['name'])} +{row['account_id']} ", shown)


def test_problems_come_first_and_alone_when_asked(typed: Any, database_url: str) -> None:
    """A thousand accounts, nine of them in need: the nine are what is seen."""
    kinds = {1: "fail", 2: "partial", 3: "throttled"}
    with psycopg.connect(database_url) as connection:
        connection.execute(
            "INSERT INTO meta_ads.meta_ad_accounts (account_id, name, is_accessible,"
            " last_listed_at, first_seen_at, data_as_of) SELECT 'act_' || n, 'Account ' || n,"
            " n <> 4, now(), now(), now() FROM generate_series(1, 1000) AS n"
        )
        connection.execute(
            "INSERT INTO meta_ads.sync_runs (sync_run_id, account_id, scope, status, started_at,"
            " finished_at) SELECT 'run-' || n, 'act_' || n, 'ads,adsets,campaigns,insights',"
            " 'success', now() - interval '9 min', now() - interval '8 min'"
            " FROM generate_series(1, 1000) AS n"
        )
        for number, status_ in kinds.items():
            connection.execute(
                "INSERT INTO meta_ads.sync_runs (sync_run_id, account_id, scope, status,"
                " started_at, finished_at, error_summary) VALUES (%s, %s,"
                " 'ads,adsets,campaigns,insights', %s, now() - interval '2 min', now(), 'why')",
                (f"late-{number}", f"act_{number}", status_),
            )
    whole = typed(database_url, "status").stdout
    assert "1,000 accounts: 996 fresh, 1 failing, 1 partial, 1 throttled, 1 lost" in whole
    assert "... and 970 more: --limit 1000 shows them" in whole
    order = [int(one) for one in re.findall(r"^Account \d+ +act_(\d+) ", whole, re.MULTILINE)]
    assert order[:4] == [1, 2, 3, 4]
    assert len(order) == 30
    failing = typed(database_url, "status", "--failing").stdout
    assert re.findall(r"^Account \d+ +act_(\d+) ", failing, re.MULTILINE) == ["1", "2", "3", "4"]
    few = typed(database_url, "status", "--limit", "2").stdout
    assert "... and 998 more: --limit 1000 shows them" in few
    named = typed(database_url, "status", "-a", "account 7", "-a", "8", "-a", "act_9").stdout
    assert re.findall(r"^Account \d+ +act_(\d+) ", named, re.MULTILINE) == ["7", "8", "9"]
    rows = json.loads(typed(database_url, "status", "--json", "--failing").stdout)
    assert [row["standing"] for row in rows] == ["failing", "partial", "throttled", "lost"]
    unknown = typed(database_url, "status", "-a", "nobody")
    assert (unknown.exit_code, "nobody" in unknown.stderr) == (2, True)


def test_watch_shows_it_again_until_ctrl_c(
    typed: Any, morning: Morning, monkeypatch: pytest.MonkeyPatch
) -> None:
    pauses: list[float] = []

    def sleep(seconds: float) -> None:
        pauses.append(seconds)
        if len(pauses) == 3:
            raise KeyboardInterrupt

    monkeypatch.setattr("meta_pipeline.commands.status.time.sleep", sleep)
    shown = typed(morning.url, "status", "--watch", "10s")
    assert shown.exit_code == 0
    assert pauses == [10, 10, 10]
    assert shown.stdout.count("3 accounts: ") == 3


def test_status_tells_of_the_token(typed: Any, database_url: str) -> None:
    with Warehouse(database_url) as warehouse:
        warehouse.migrate()
        warehouse.tokens.save(token(expires_at=datetime.now(UTC) + timedelta(days=3, hours=1)))
    shown = typed(database_url, "status")
    assert shown.exit_code == 0
    assert "UTC, in 3 days. Make a new token" in shown.stdout


def test_status_as_json_has_every_fact(typed: Any, morning: Morning) -> None:
    rows = json.loads(typed(morning.url, "status", "--json").stdout)
    assert {row["name"] for row in rows} == {"Nordwind Shop", "Quiet & Sons <Ltd>", "Busy"}
    assert {"staleness", "waiting_for", "insight_days_missing", "usage_pct"} <= rows[0].keys()


def test_fail_if_stale(typed: Any, morning: Morning, database_url: str) -> None:
    assert typed(morning.url, "status", "--fail-if-stale", "90000d").exit_code == 0
    stale = typed(morning.url, "status", "--fail-if-stale", "1m")
    if datetime.now(UTC) - morning.now > timedelta(minutes=5):
        assert stale.exit_code == 1
        assert "3 of 3 accounts not synced within 1m" in stale.stderr
    empty = typed(database_url, "status", "--fail-if-stale", "6h")
    assert empty.exit_code == 1
    assert "nothing was ever synced" in empty.stderr
    assert typed(morning.url, "status", "--fail-if-stale", "soon").exit_code == 2


def test_an_account_that_is_left_out_is_no_alarm(
    typed: Any, warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody syncs it, so it is never synced: an alarm of that would never end."""
    with warehouse.connection() as connection:
        connection.execute(
            "INSERT INTO meta_ads.meta_ad_accounts (account_id, name, is_accessible, is_simulated,"
            " last_listed_at, first_seen_at, data_as_of)"
            " SELECT 'act_' || n, 'Shop ' || n, n <> 4, false, now(), now(), now()"
            " FROM generate_series(1, 4) AS n"
        )
    alarm = ("status", "--fail-if-stale", "6h")
    assert "3 of 4 accounts not synced" in typed(warehouse.url, *alarm).stderr
    monkeypatch.setenv("META_INCLUDE_ACCOUNTS", "act_1,act_2,act_4")
    monkeypatch.setenv("META_EXCLUDE_ACCOUNTS", "act_2")
    told = typed(warehouse.url, *alarm)
    assert "1 of 2 accounts not synced within 6h: Shop 1 (act_1)" in told.stderr
    assert "4 accounts: 1 lost, 1 never synced, 2 left out" in told.stdout
    monkeypatch.setenv("META_EXCLUDE_ACCOUNTS", "act_1,act_2,act_4")
    assert "leave every ad account out" in typed(warehouse.url, *alarm).stderr


def test_report_in_the_terminal(typed: Any, morning: Morning) -> None:
    shown = typed(morning.url, "report", "--days", "3650")
    assert shown.exit_code == 0
    assert "Throttle envelope" in shown.stdout
    assert "held back by the governor" in shown.stdout
    one = typed(morning.url, "report", "--days", "3650", "-q", "latency", "--sql")
    assert "meta_ads.meta_api_latency_hours" in one.stdout
    assert "Throttle envelope" not in one.stdout


def test_report_as_json(typed: Any, morning: Morning) -> None:
    document = json.loads(typed(morning.url, "report", "--days", "3650", "--json").stdout)
    assert document["is_simulated"] is True
    latency = document["answers"]["latency"]
    assert latency["is_enough"]
    assert isinstance(latency["rows"][0]["p50_ms"], float)


def test_report_as_a_page(typed: Any, morning: Morning, tmp_path: Path) -> None:
    file = tmp_path / "report.html"
    shown = typed(morning.url, "report", "--html", str(file))
    assert shown.exit_code == 0
    assert file.read_text(encoding="utf-8").startswith("<!doctype html>")
    nowhere = typed(morning.url, "report", "--html", str(tmp_path / "no" / "folder.html"))
    assert nowhere.exit_code == 1
    assert "Choose another file" in nowhere.stderr


def test_an_unknown_question_names_those_there_are(typed: Any, morning: Morning) -> None:
    wrong = typed(morning.url, "report", "-q", "nonsense")
    assert wrong.exit_code == 2
    assert "throttle_envelope" in wrong.stderr
    assert "latency " in typed(morning.url, "report", "--list").stdout
