"""Custom reports synced like everything else: tables equal to what Meta says, and restated."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from typing import Any

import psycopg
import pytest
from psycopg.types.json import Jsonb

from meta_pipeline.custom_reports import PRESETS, CustomReport, parse
from meta_pipeline.simulator import Fault
from meta_pipeline.sync import Part, PlanPolicy, Status, SyncRequest
from meta_pipeline.warehouse import CannotTell, forget_account
from meta_pipeline.warehouse.stores.report_tables import ReportChanged, ReportTables
from meta_pipeline_tests.postgres import TestPostgres
from meta_pipeline_tests.sync.lab import Lab, lab
from meta_pipeline_tests.sync.read.test_odd_answers import LIMITS
from meta_pipeline_tests.sync.reports.truth import assert_equal, stored

REPORTS = frozenset({Part.REPORTS})
ALL = parse("""
reports:
  - preset: age_gender
  - {preset: reactions, level: adset, fields: [spend, impressions, actions]}
  - preset: video
    fields: [ad_name, spend, impressions, video_play_actions]
  - {preset: account_monthly, backfill_days: 60}
  - {preset: campaign_weekly_reach, backfill_days: 20}
  - {preset: campaign_reach_28d, span_days: 7}
  - name: brand
    level: campaign
    fields: [campaign_name, spend, impressions, actions]
    filters: [{field: campaign.name, operator: CONTAIN, value: e}]
    attribution_windows: [28d_click]
""")
NAMED = {one.name: one for one in ALL}


@pytest.fixture
def reporting(database_url: str) -> Iterator[Lab]:
    with lab(database_url, policy=PlanPolicy(backfill_days=8, reports=ALL)) as found:
        found.warehouse.migrate()
        yield found
        found.sim.check()


def test_every_report_equals_what_meta_says(reporting: Lab) -> None:
    record = reporting.sync(parts=REPORTS)
    assert record.status is Status.SUCCESS, record.missing
    assert record.insights_rows_read == sum(assert_equal(reporting, one) for one in ALL)
    ledger = reporting.query(
        "SELECT dataset, count(*) AS days FROM meta_ads.sync_windows GROUP BY dataset"
    )
    assert {one["dataset"] for one in ledger} >= {f"report:{name}" for name in NAMED}
    days = {one["dataset"]: one["days"] for one in ledger}
    assert days["report:campaign_reach_28d"] == 1
    assert days["report:age_gender"] == 8
    assert days["report:account_monthly"] in (2, 3)
    assert reporting.sync(parts=REPORTS).meta_call_count_total == 0, "nothing is due"


def test_lists_of_actions_are_taken_apart_in_a_view(reporting: Lab) -> None:
    assert reporting.sync(parts=REPORTS, reports=("reactions",)).status is Status.SUCCESS
    report = NAMED["reactions"]
    counted = reporting.query(
        "SELECT adset_id, date_start, action_type, action_reaction, actions, actions_1d_click "
        "FROM meta_ads.report_reactions_actions"
    )
    wanted = {
        (row["adset_id"], str(row["date_start"]), one["action_type"], one["action_reaction"]): one
        for row in stored(reporting, report).values()
        for one in row["actions"] or ()
    }
    assert len(counted) == len(wanted) > 0, "the view has a natural key"
    for row in counted:
        one = wanted[
            row["adset_id"], str(row["date_start"]), row["action_type"], row["action_reaction"]
        ]
        assert row["actions"] == Decimal(one["value"])
        assert row["actions_1d_click"] == (Decimal(one["1d_click"]) if "1d_click" in one else None)


def test_an_odd_number_takes_the_view_of_actions_not_down(reporting: Lab) -> None:
    assert reporting.sync(parts=REPORTS, reports=("reactions",)).status is Status.SUCCESS
    view = "meta_ads.report_reactions_actions"
    for odd in ("1e999999", "1e400", "9" * 200_000):
        entry = {"action_type": "like", "action_reaction": "wow", "value": odd}
        with reporting.warehouse.connection() as connection:
            connection.execute(
                "UPDATE meta_ads.report_reactions SET actions = %s", (Jsonb([entry]),)
            )
        assert reporting.query(f"SELECT DISTINCT actions FROM {view}") == [{"actions": None}]


def test_a_view_of_actions_of_a_server_before_postgres_15_reads_as_its_reader(
    reporting: Lab,
) -> None:
    assert reporting.sync(parts=REPORTS, reports=("reactions",)).status is Status.SUCCESS
    name = "report_reactions_actions"
    with reporting.warehouse.connection() as connection:
        for view in (name, "sync_health"):
            connection.execute(f"ALTER VIEW meta_ads.{view} RESET (security_invoker)")
    assert reporting.warehouse.migrate().views == ("sync_health", name)
    assert reporting.scalar("SELECT reloptions FROM pg_class WHERE relname = %s", name) == [
        "security_invoker=true"
    ]


def test_a_table_that_is_read_for_hours_is_not_dropped(reporting: Lab) -> None:
    assert reporting.sync(parts=REPORTS, reports=("reactions",)).status is Status.SUCCESS
    tables = ReportTables(reporting.warehouse.connection, patience_seconds=0.05)
    with psycopg.connect(reporting.warehouse.url) as reader:
        reader.execute("SELECT FROM meta_ads.report_reactions LIMIT 1")
        with pytest.raises(CannotTell, match="lock"):
            tables.drop("reactions")
    assert tables.drop("reactions") > 0, "what was given up had changed nothing"


def test_rows_are_restated_and_those_that_are_gone_go(reporting: Lab) -> None:
    names = ("age_gender", "campaign_weekly_reach", "account_monthly")
    assert reporting.sync(parts=REPORTS, reports=names).status is Status.SUCCESS
    table = "meta_ads.report_age_gender"
    with reporting.warehouse.connection() as connection:
        connection.execute(f"UPDATE {table} SET spend = spend + 1 WHERE gender = 'male'")
        connection.execute(
            f"INSERT INTO {table} (account_id, ad_id, date_start, age, gender, date_stop, "
            "spend, impressions, data_as_of) SELECT account_id, ad_id, date_start, age, 'gone', "
            f"date_stop, 1, 1, data_as_of FROM {table} WHERE gender = 'male'"
        )
    reporting.advance(days=2)
    record = reporting.sync(parts=REPORTS, reports=names, force=True)
    assert record.status is Status.SUCCESS, record.missing
    for name in names:
        assert_equal(reporting, NAMED[name])
    assert reporting.scalar(
        "SELECT sum(rows_removed) > 0 FROM meta_ads.insights_changes "
        "WHERE dataset = 'report:age_gender'"
    )


def test_a_period_is_read_again_with_its_last_day_and_then_for_the_last_time(
    reporting: Lab,
) -> None:
    names = ("campaign_weekly_reach", "campaign_reach_28d")
    reporting.sync(parts=REPORTS, reports=names)
    week = "SELECT date_start, date_stop FROM meta_ads.report_campaign_weekly_reach "
    newest = reporting.query(f"{week} ORDER BY 1 DESC LIMIT 1")[0]
    assert newest["date_stop"] == reporting.today()
    reporting.advance(days=1)
    reporting.sync(parts=REPORTS, reports=names)
    again = reporting.query(f"{week} ORDER BY 1 DESC LIMIT 1")[0]
    assert again["date_stop"] == reporting.today()
    assert_equal(reporting, NAMED["campaign_weekly_reach"])
    spans = reporting.query(
        "SELECT DISTINCT date_start, date_stop FROM meta_ads.report_campaign_reach_28d ORDER BY 1"
    )
    yesterday = reporting.today() - timedelta(days=1)
    assert [one["date_stop"] for one in spans] == [yesterday - timedelta(days=1), yesterday]
    assert all((one["date_stop"] - one["date_start"]).days == 6 for one in spans)
    finals = "SELECT count(*) FROM meta_ads.sync_windows WHERE dataset = %s AND is_final"
    assert reporting.scalar(finals, "report:campaign_weekly_reach") == 0
    for _ in range(6):
        reporting.advance(days=10)
        assert reporting.sync(parts=REPORTS, reports=names).status is Status.SUCCESS
    assert reporting.scalar(finals, "report:campaign_weekly_reach") > 3
    assert_equal(reporting, NAMED["campaign_weekly_reach"])


def test_a_file_that_changes_widens_its_table_and_never_narrows_it(reporting: Lab) -> None:
    (first,) = parse("reports: [{name: own, level: campaign, fields: [spend, actions]}]")
    (wider,) = parse(
        "reports: [{name: own, level: campaign, fields: [actions, action_values, clicks],"
        " attribution_windows: [28d_click]}]"
    )
    (other,) = parse("reports: [{name: own, level: adset, fields: [spend]}]")
    _with(reporting, first).sync(parts=REPORTS)
    before = reporting.query("SELECT * FROM meta_ads.report_own")
    assert before
    assert "clicks" not in before[0]
    reporting.advance(days=1)
    _with(reporting, wider)
    assert reporting.sync(parts=REPORTS, since=reporting.today()).status is Status.SUCCESS
    rows = reporting.query("SELECT * FROM meta_ads.report_own ORDER BY date_start")
    assert rows[0]["spend"] is not None
    assert rows[0]["clicks"] is None, "read before"
    assert rows[-1]["date_start"] == reporting.today()
    assert rows[-1]["clicks"] is not None
    assert rows[-1]["spend"] is None, "asked for no more"
    view = reporting.query("SELECT * FROM meta_ads.report_own_actions LIMIT 1")[0]
    assert {"actions", "actions_7d_click", "actions_28d_click", "action_values"} <= view.keys()
    comment = reporting.scalar(
        "SELECT col_description(attrelid, attnum) FROM pg_attribute "
        "WHERE attrelid = 'meta_ads.report_own'::regclass AND attname = 'clicks'"
    )
    assert comment == "All clicks"
    since = reporting.warehouse.report_tables.known()["own"].fields_since
    assert since["spend"] < since["clicks"]

    _with(reporting, other)
    with pytest.raises(ReportChanged, match=r"level campaign.*reports drop own"):
        reporting.sync(parts=REPORTS)
    assert reporting.query("SELECT * FROM meta_ads.report_own ORDER BY date_start") == rows
    assert reporting.warehouse.report_tables.drop("own") == len(rows)
    assert reporting.sync(parts=REPORTS).status is Status.SUCCESS
    assert_equal(reporting, other)


def _with(found: Lab, *reports: CustomReport) -> Lab:
    policy = PlanPolicy(backfill_days=4, reports=reports)
    found.engine = found.engine.changed(policy=policy)
    return found


def test_what_meta_refuses_together_is_told_and_asked_ever_more_seldom(reporting: Lab) -> None:
    (odd,) = parse(
        "reports: [{name: odd, fields: spend, breakdowns: [age, country],"
        " unlisted_combination: true}]"
    )
    _with(reporting, odd)
    record = reporting.sync(parts=REPORTS)
    assert record.status in (Status.PARTIAL, Status.FAIL)
    assert any("META_REPORTS_FILE" in str(one) for one in record.missing), record.missing
    days = reporting.query("SELECT * FROM meta_ads.sync_windows WHERE dataset = 'report:odd'")
    assert days
    assert all("report:odd in META_REPORTS_FILE" in day["incomplete"] for day in days)
    assert reporting.sync(parts=REPORTS).meta_call_count_total <= 1
    assert not reporting.query("SELECT * FROM meta_ads.report_odd")


WIDE = "".join(random.Random(7).choices([chr(one) for one in range(0x20000, 0x2A000)], k=900))
"""Text whose characters have four bytes each, which nothing compresses."""
CELLS = (WIDE, WIDE[:449], WIDE[::-1], '"' * 1_000, "\x1f" * 400, "x\x00y", "\ufffd", "a\nb", "")


def test_any_value_in_any_field_of_a_report_costs_itself(reporting: Lab) -> None:
    (odd,) = parse("""
    reports:
      - name: odd
        fields: [spend, impressions, reach, frequency, cpc, actions, action_values, website_ctr,
          ad_name, purchase_roas, quality_ranking, video_play_curve_actions, created_time, results]
        breakdowns: [age, gender, country, region, comscore_market, product_id]
        unlisted_combination: true
    """)
    _with(reporting, odd)
    day, ad = str(reporting.today()), reporting.world.objects("ads", reporting.account_id)[0].id
    given: list[dict[str, Any]] = []
    for name in odd.fields:
        for value in [*LIMITS, *CELLS, [{"action_type": WIDE, "value": "9e99"}], [{"value": "1"}]]:
            given.append({name: value, "age": str(len(given))})
    for cell in CELLS:
        for names in (odd.breakdowns[1:], odd.breakdowns[1:2]):
            given.append(dict.fromkeys(names, cell) | {"age": str(len(given))})
        given.append(dict.fromkeys(odd.breakdowns, cell))
    listed = [{"ad_id": ad, "date_start": day, "date_stop": day, **one} for one in given]
    reporting.sim.fail(
        "GET", f"{reporting.account_id}/insights", times=None,
        until=lambda request: "product_id" not in str(request.params.get("breakdowns")),
        with_=Fault.wrong_shape(json.dumps({"data": listed})),
    )  # fmt: skip
    record = reporting.sync(parts=REPORTS, force=True)
    assert "Error" not in (record.error_summary or ""), record.error_summary
    refused = "SELECT value FROM meta_ads.unrecognized_values WHERE reason = 'refused_row'"
    assert reporting.query(refused) == []
    kept = reporting.query("SELECT * FROM meta_ads.report_odd")
    assert len(kept) == len(given)
    assert reporting.query("SELECT * FROM meta_ads.report_odd_actions")
    reporting.sim.faults.clear()


def test_tenants_see_their_rows_and_a_deletion_takes_all(reporting: Lab) -> None:
    reporting.warehouse.keep_tenants_apart()
    assert reporting.sync(parts=REPORTS).status is Status.SUCCESS
    for table in (one.table_name for one in ALL):
        with reporting.warehouse.tenant_session("default", read_only=True) as session:
            seen = session.connection.execute(f"SELECT count(*) FROM meta_ads.{table}").fetchone()
        everything = reporting.scalar(f"SELECT count(*) FROM meta_ads.{table}")
        assert everything > 0
        assert seen == (everything,)
        assert reporting.scalar(
            "SELECT relrowsecurity FROM pg_class WHERE oid = to_regclass(%s)", f"meta_ads.{table}"
        )
    removed = forget_account(reporting.warehouse.url, reporting.account_id)
    assert {one.table_name for one in ALL} <= removed.keys()
    assert not any(
        reporting.scalar(f"SELECT count(*) FROM meta_ads.{one.table_name}") for one in ALL
    )


def test_an_empty_answer_takes_nothing_away(reporting: Lab) -> None:
    _with(reporting, NAMED["age_gender"])
    assert reporting.sync(parts=REPORTS).status is Status.SUCCESS
    before = reporting.scalar("SELECT count(*) FROM meta_ads.report_age_gender")
    reporting.sim.fail(
        "GET",
        f"{reporting.account_id}/insights",
        until=lambda request: "age" not in str(request.params.get("breakdowns")),
        with_=Fault.wrong_shape(b'{"data":[]}'),
    )
    reporting.advance(days=1)
    record = reporting.sync(parts=REPORTS, force=True)
    assert record.status is not Status.SUCCESS
    assert reporting.scalar("SELECT count(*) FROM meta_ads.report_age_gender") == before
    reporting.sim.faults.clear()
    reporting.advance(days=1)
    assert reporting.sync(parts=REPORTS, force=True).status is Status.SUCCESS
    assert_equal(reporting, NAMED["age_gender"])


def test_a_field_that_came_later_is_read_alone_for_the_days_without_it(reporting: Lab) -> None:
    (first,) = parse("reports: [{name: own, level: ad, fields: [spend, impressions]}]")
    (wider,) = parse("reports: [{name: own, level: ad, fields: [spend, impressions, clicks]}]")
    _with(reporting, first).sync(parts=REPORTS)
    reporting.advance(days=1)
    _with(reporting, wider)
    with reporting.warehouse.connection() as connection:
        connection.execute("UPDATE meta_ads.report_own SET spend = 77")
    dry = reporting.engine.late_field(wider, "clicks", makes_column=False)
    assert dry is not None
    assert "clicks" not in reporting.warehouse.report_tables.known()["own"].fields_since
    assert reporting.engine.late_field(wider, "reach") is None
    late = reporting.engine.late_field(wider, "clicks")
    assert late is not None
    asked: dict[str, Any] = {"parts": REPORTS, "reports": ("own",), "late_field": late}
    plan = reporting.engine.plan(SyncRequest(reporting.account_id, **asked))
    assert plan.days == 4
    assert plan.calls == 1 + plan.reads_account, "said before anything is read"

    before = reporting.calls()
    assert reporting.sync(**asked).status is Status.SUCCESS
    asked_for = {
        str(entry.params["fields"])
        for entry in list(reporting.sim.journal)[before:]
        if entry.path.endswith("/insights")
    }
    assert asked_for == {"account_id,account_currency,campaign_id,adset_id,ad_id,clicks"}
    rows = reporting.query("SELECT * FROM meta_ads.report_own")
    assert {row["spend"] for row in rows} == {77}, "nothing else was touched"
    assert all(row["clicks"] is not None for row in rows)

    again = reporting.engine.plan(SyncRequest(reporting.account_id, **asked))
    assert again.is_empty
    assert reporting.sync(parts=REPORTS, force=True).status is Status.SUCCESS
    assert_equal(reporting, wider)


@pytest.mark.parametrize("name", PRESETS)
def test_each_preset_is_taken_and_equals_what_meta_says(presets: Lab, name: str) -> None:
    """Meta's parameters, columns and types of every preset, not of the few above alone."""
    days = "span_days: 3" if name == "campaign_reach_28d" else "backfill_days: 2"
    (report,) = parse(f"reports: [{{preset: {name}, {days}}}]")
    _with(presets, report)
    record = presets.sync(parts=REPORTS)
    assert record.status is Status.SUCCESS, record.missing
    assert_equal(presets, report)
    assert not presets.query(
        "SELECT * FROM meta_ads.unrecognized_values WHERE source LIKE '%%_custom'"
    )


@pytest.fixture(scope="module")
def presets(postgres: TestPostgres) -> Iterator[Lab]:
    """One account for all presets: each has a table of its own."""
    with postgres.fresh_database() as url, lab(url) as found:
        yield found
        found.sim.check()


NOT_SUMS = parse("""
reports:
  - {name: people, level: campaign, fields: [reach, frequency]}
  - {name: people_by_age, level: adset, breakdowns: [age, gender], fields: [reach]}
  - {name: months, level: campaign, fields: [spend, impressions], time_increment: monthly,
     backfill_days: 35}
  - {name: weeks, level: adset, fields: [reach, spend], time_increment: 7, backfill_days: 35}
  - {name: actions, level: campaign, fields: [actions], attribution_windows: [28d_click]}
""")
HIDDEN = parse("""
reports:
  - {name: some, level: campaign, fields: [reach],
     filters: [{field: campaign.name, operator: CONTAIN, value: nobody}]}
  - {name: products, level: campaign, breakdowns: [product_id], fields: [spend, impressions]}
""")


def test_an_empty_report_is_not_believed_where_the_account_delivered(database_url: str) -> None:
    """Rows that no sum can prove: that there is none is contradicted by the account's own row."""
    policy = PlanPolicy(backfill_days=35, reports=(*NOT_SUMS, *HIDDEN))
    with lab(database_url, policy=policy, parallel=1) as found:
        found.warehouse.migrate()
        found.sim.fail(
            "GET", "/insights", with_=Fault.no_rows(),
            until=lambda request: request.text("level") in ("account", "ad"),
        )  # fmt: skip
        parts = REPORTS | {Part.INSIGHTS}
        assert found.sync(parts=parts).status is not Status.SUCCESS
        of_account = found.expected_insights(
            found.today() - timedelta(days=34), found.today() - timedelta(days=1), "account"
        )
        delivered = {day for (_, day), row in of_account.items() if int(row["impressions"])}
        ledger = found.query(
            "SELECT dataset, date_start, incomplete, is_final FROM meta_ads.sync_windows "
            "WHERE starts_with(dataset, 'report:')"
        )
        doubted = {one.name: 0 for one in NOT_SUMS}
        for day in ledger:
            name = day["dataset"].removeprefix("report:")
            if name in doubted and day["incomplete"]:
                doubted[name] += 1
                assert not day["is_final"]
            elif name in doubted:
                assert str(day["date_start"]) not in delivered, day
            else:
                assert day["incomplete"] is None, "what is filtered, or not there, may be empty"
        assert all(doubted.values()), doubted
        found.sim.faults.clear()
        found.advance(days=1, hours=1)
        healed = found.sync(parts=parts)
        assert healed.status is Status.SUCCESS, healed.missing
        for report in NOT_SUMS:
            assert assert_equal(found, report)
        assert not found.query("SELECT FROM meta_ads.sync_windows WHERE incomplete IS NOT NULL")


def test_a_report_that_falls_silent_keeps_its_rows_for_ever_where_the_account_delivered(
    database_url: str,
) -> None:
    policy = PlanPolicy(backfill_days=4, reports=NOT_SUMS[:2])
    with lab(database_url, policy=policy, parallel=1) as found:
        found.warehouse.migrate()
        parts = REPORTS | {Part.INSIGHTS}
        assert found.sync(parts=parts).status is Status.SUCCESS
        before = [stored(found, one) for one in NOT_SUMS[:2]]
        assert all(before)
        found.sim.fail(
            "GET", "/insights", with_=Fault.no_rows(),
            until=lambda request: request.text("level") in ("account", "ad"),
        )  # fmt: skip
        for _ in range(6):
            found.advance(hours=3)
            found.sync(parts=parts, force=True)
        assert [stored(found, one) for one in NOT_SUMS[:2]] == before
