"""`meta-pipeline metrics`, as a person types it."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from meta_pipeline import settings
from meta_pipeline.cli import app
from meta_pipeline.metrics import rollup

from .rows import ACCOUNT, READ_AT, Rows, actions, ago

DAYS = ("--since", "2026-03-11", "--until", "2026-03-17")


@pytest.fixture(autouse=True)
def _own_settings(
    database_url: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Iterator[None]:
    monkeypatch.setenv("DATABASE_URL", database_url)
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.chdir(tmp_path)  # no .env of the developer's
    settings.current.cache_clear()
    yield
    settings.current.cache_clear()


@pytest.fixture
def delivered(rows: Rows) -> Rows:
    rows.campaign("c1", name="[bold]Spring")  # brackets are no markup
    rows.tree()
    for back in range(1, 8):
        rows.insight(
            "a1",
            ago(back),
            spend=10,
            impressions=1000,
            clicks=10,
            actions=actions(lead=2, omni_purchase=1),
            action_values=actions(omni_purchase=30),
        )
    rows.fetched(ago(back) for back in range(1, 8))
    rollup(rows.connection, ACCOUNT)
    rows.connection.commit()
    return rows


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["metrics", *arguments])


@pytest.mark.usefixtures("delivered")
def test_get_as_table_says_units_formulas_and_freshness() -> None:
    told = run("get", "spend", "cpl", "-a", "Shop 1", "-l", "campaign", *DAYS)

    assert told.exit_code == 0, told.output
    assert "spend EUR" in told.stdout
    assert "70.00" in told.stdout
    assert "cpl = sum(spend) / sum(leads)" in told.stdout
    assert "data as of 2026-03-18 08:30 UTC" in told.stdout
    assert "Campaign c3" in told.stdout
    assert "[bold]Spring" in told.stdout
    assert "Meta may still restate the days from 2026-03-11" in told.stderr


@pytest.mark.usefixtures("delivered")
def test_get_as_csv_and_json_for_programs() -> None:
    as_csv = run("get", "spend", "roas", "--by", "day", "-o", "csv", *DAYS)
    as_json = run("get", "spend", "cpl", "-f", "campaign_name=*c3", "-o", "json", *DAYS)

    lines = list(csv.DictReader(io.StringIO(as_csv.stdout)))
    assert lines[0] == {"day": "2026-03-11", "spend": "10.0", "roas": "3.0"}
    assert len(lines) == 7
    answer = json.loads(as_json.stdout)
    assert answer["rows"] == [{"spend": 0.0, "cpl": None}]
    assert answer["about"]["units"]["cpl"] == "currency"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("get", "lead"), "Did you mean leads"),
        (("get", "reach", *DAYS), "cannot be added up from days"),
        (("get", "spend", "-r", "last_7_days"), "last_7d"),
        (("show", "cpll"), "Did you mean cpl"),
        (("plot", "-a", "act_1", "-o", "trend.bmp"), "png, svg, html"),
        (("reconcile", "-a", "act_11"), r"act_1 (Shop 1)"),
        (("settle", "act_11"), r"act_1 (Shop 1)"),
        (("history", "Campaign c33"), r"c3 (Campaign c3)"),
    ],
)
@pytest.mark.usefixtures("delivered")
def test_refusals_are_one_sentence_and_exit_code_1(
    arguments: tuple[str, ...], message: str
) -> None:
    told = run(*arguments)

    assert told.exit_code == 1
    assert message in told.stderr
    assert "Traceback" not in told.output


def test_half_a_range_or_filter_is_wrong_usage(rows: Rows) -> None:
    rows.account()
    assert run("get", "spend", "--until", "2026-03-11").exit_code == 2
    assert run("get", "spend", "-f", "ad").exit_code == 2
    assert run("history", "c1", "--until", "2026-03-11").exit_code == 2


@pytest.mark.usefixtures("delivered")
def test_kpis_are_set_listed_and_judged() -> None:
    assert run("kpi", "set", "act_1", "cpl", "4", "--primary").exit_code == 0
    assert "target 4 (primary)" in run("kpi", "set", "act_1", "cpl", "4", "--primary").stdout
    assert "cpl" in run("kpi", "list").stdout
    told = run("kpi", "performance", "-a", "act_1", "-r", "yesterday")
    assert "unknown" in told.stdout
    assert told.stderr.count("were never fetched") == 1
    assert run("kpi", "remove", "act_1", "cpl").exit_code == 0
    assert "No KPI is set" in run("kpi", "list").stdout
    assert "No campaign or ad set has a budget" in run("kpi", "pacing").stdout


def test_dictionary_is_checked_before_it_is_loaded(tmp_path: Path) -> None:
    path = tmp_path / "ours.yaml"
    path.write_text("metrics:\n  a:\n    kind: sum\n")
    wrong = run("check", str(path))
    path.write_text("overrides: []\n")

    assert wrong.exit_code == 1
    assert "ours.yaml:2" in wrong.stderr
    assert run("check", str(path)).exit_code == 0
    assert "metrics and 0 overrides are loaded" in run("load", str(path)).stdout
    assert "first of" in run("show", "purchases").stdout
    shown = json.loads(run("show", "purchases", "--json").stdout)
    assert (shown["key"], shown["overrides"], shown["custom_conversions"]) == ("purchases", [], {})
    listed = json.loads(run("list", "--json").stdout)
    assert shown["actions"] in [one["actions"] for one in listed]


@pytest.mark.usefixtures("delivered")
def test_a_custom_conversion_is_shown_by_its_name(rows: Rows, tmp_path: Path) -> None:
    conversion = "offsite_conversion.custom.777"
    own = tmp_path / "own.yaml"
    own.write_text(
        f"metrics:\n  members:\n    display_name: Members\n    description: Who joined.\n"
        f"    unit: count\n    kind: sum\n    better: higher\n    actions: [{conversion}]\n"
    )
    rows.insert(
        "meta_custom_conversions",
        account_id=ACCOUNT,
        custom_conversion_id="777",
        name="Joined\x1b[2J",
        data_as_of=ago(0),
    )
    assert run("load", str(own)).exit_code == 0
    told = run("show", "members").stdout
    assert f"actions[“Joined[2J” ({conversion})]" in told.replace("\n", "")
    assert f"{conversion} is the custom conversion “Joined" in told
    assert "cost_per_result" in run("list").stdout


def test_reconcile_fails_the_command_when_days_differ(delivered: Rows) -> None:
    for back in range(1, 8):
        delivered.insight(
            ACCOUNT, ago(back), level="account", spend=10, impressions=1000, clicks=10
        )
    assert run("reconcile", "-a", "act_1", *DAYS).exit_code == 0

    delivered.connection.execute(
        "UPDATE meta_ads.meta_insights SET spend = 11"
        " WHERE entity_type = 'account' AND date_start = %s",
        (ago(3),),
    )
    delivered.connection.commit()
    told = run("reconcile", "-a", "act_1", *DAYS)
    assert told.exit_code == 1
    assert told.stdout.count("differs") == 1
    assert run("reconcile", "-a", "act_1", "--tolerance-pct", "10", *DAYS).exit_code == 0


@pytest.mark.usefixtures("delivered")
def test_rates_and_rollup(tmp_path: Path) -> None:
    path = tmp_path / "rates.csv"
    path.write_text("date,base,quote,rate\n2026-03-10,EUR,USD,2\n")

    assert "1 rates are new" in run("rates", str(path)).stdout
    told = run("get", "spend", "--currency", "usd", "-o", "csv", *DAYS)
    assert told.stdout.splitlines() == ["spend", "140.0"]
    assert "act_1: 0 days, 0 rows written" in run("rollup").stdout


@pytest.mark.usefixtures("delivered")
def test_plots_are_files_of_their_format(tmp_path: Path) -> None:
    run("kpi", "set", "act_1", "cpl", "4", "--primary")
    for name, begins in (("t.png", b"\x89PNG"), ("t.svg", b"<?xml"), ("t.html", b"<!doctype")):
        told = run("plot", "-a", "act_1", "-o", str(tmp_path / name), *DAYS)
        assert told.exit_code == 0, told.output
        assert (tmp_path / name).read_bytes().startswith(begins)
    # The account's KPI chose the panels, its target is drawn.
    drawn = (tmp_path / "t.svg").read_text()
    for text in ("Cost per lead", "Leads", "target 4", "Amount spent"):
        assert f"<!-- {text}" in drawn


def test_settle_shows_the_curve_and_the_verdict(delivered: Rows) -> None:
    delivered.connection.execute(
        "UPDATE meta_ads.sync_windows SET first_fetched_at = fetched_at - interval '20 days'"
    )
    delivered.insert(
        "insights_changes",
        account_id=ACCOUNT,
        entity_type="ad",
        date_start=ago(5),
        read_at=READ_AT,
        age_days=2.4,
        spend_before=9,
        spend_after=10,
    )

    told = run("settle", "Shop 1")
    as_csv = list(csv.DictReader(io.StringIO(run("settle", "act_1", "-o", "csv").stdout)))
    as_json = json.loads(run("settle", "act_1", "-o", "json").stdout)

    assert told.exit_code == 0, told.output
    assert "Days of act_1 (Shop 1) by age" in told.stdout
    assert "spend moved %" in told.stdout
    assert "Final from age 3 on" in told.stderr
    assert (as_csv[2]["days_moved"], as_csv[2]["spend_moved_pct"]) == ("1", "10.0000")
    assert as_json["about"]["final_age_days"] == 3
    assert as_json["rows"][2]["days_moved"] == 1


def test_history_shows_one_timeline(delivered: Rows) -> None:
    delivered.insert(
        "entity_changes",
        account_id=ACCOUNT,
        entity_type="campaign",
        entity_id="c1",
        field="daily_budget",
        old_value="10",
        new_value="[bold]20",
        seen_at=READ_AT,
    )

    told = run("history", "c1")
    as_csv = list(csv.DictReader(io.StringIO(run("history", "c1", "-o", "csv").stdout)))
    as_json = json.loads(run("history", "c1", "-o", "json").stdout)

    assert told.exit_code == 0, told.output
    assert "campaign c1 ([bold]Spring) of act_1 ACTIVE" in told.stdout
    assert "times in Europe/Berlin" in told.stdout
    assert "2026-03-18 09:30:00 " in told.stdout
    assert "[bold]20" in told.stdout
    assert "--with activities" in told.stderr
    assert (as_csv[0]["what"], as_csv[0]["who"]) == ("daily_budget", "")
    assert as_csv[0]["happened_at"] == "2026-03-18 09:30:00+01:00"
    assert as_json["rows"][0]["old_value"] == "10"
    assert as_json["about"]["entity_id"] == "c1"


def test_a_plot_is_titled_by_name_and_says_when_it_is_empty(
    delivered: Rows, tmp_path: Path
) -> None:
    delivered.connection.execute("UPDATE meta_ads.meta_ad_accounts SET name = 'Shop $a_b$ [x]'")
    delivered.connection.commit()
    file = str(tmp_path / "trend.svg")
    full = run("plot", "-a", "act_1", "-o", file, *DAYS)
    empty = run("plot", "-a", "act_1", "-o", file, "--since", "2024-01-01", "--until", "2024-01-02")
    assert "Shop $a_b$ [x] (act_1), 2026" in full.stdout
    assert "no numbers" not in full.stdout
    assert "2024-01-02: no numbers" in empty.stdout


def test_what_is_known_is_listed_once(delivered: Rows) -> None:
    told = run("get", "spend", "-a", "zzzzzzzzzz").stderr
    assert told.count("act_1 (") == 1, told
