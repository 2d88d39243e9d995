from __future__ import annotations

import sys
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from psycopg import Connection, errors

from meta_pipeline import metrics
from meta_pipeline.metrics import load_dictionary, rollup, stale_days
from meta_pipeline.metrics.definitions import store
from meta_pipeline.metrics.rollup import gone
from meta_pipeline.metrics.source import ROLLUP_COLUMNS
from meta_pipeline.warehouse import Warehouse
from meta_pipeline_tests.postgres import rows_read

from .rows import ACCOUNT, NOW, READ_AT, TODAY, Rows, actions, ago

TABLES = ("ad_rollups", "adset_rollups", "campaign_rollups")
TYPES = (
    "omni_purchase",
    "purchase",
    "offsite_conversion.fb_pixel_purchase",
    "lead",
    "onsite_conversion.lead_grouped",
    "offsite_conversion.fb_pixel_lead",
    "complete_registration",
    "omni_complete_registration",
    "link_click",
    "video_view",
)


def contents(connection: Connection[Any]) -> dict[str, list[Any]]:
    """Every rollup row but for when it was computed."""
    return {
        table: connection.execute(
            f"SELECT to_jsonb(t) - 'rolled_up_at' FROM meta_ads.{table} AS t ORDER BY t::text"
        ).fetchall()
        for table in TABLES
    }


def sorted_contents(connection: Connection[Any]) -> dict[str, list[str]]:
    return {table: sorted(map(str, rows)) for table, rows in contents(connection).items()}


ROW = st.fixed_dictionaries(
    {
        "spend": st.decimals(0, 1000, places=2),
        "impressions": st.integers(0, 10_000),
        "clicks": st.integers(0, 500),
        "reach": st.none() | st.integers(0, 9_000),
        "actions": st.none()
        | st.dictionaries(st.sampled_from(TYPES), st.integers(0, 50)).map(
            lambda counts: [{"action_type": t, "value": str(n)} for t, n in counts.items()]
        ),
        "action_values": st.none()
        | st.dictionaries(st.sampled_from(TYPES[:3]), st.decimals(0, 99, places=2)).map(
            lambda counts: [{"action_type": t, "value": str(n)} for t, n in counts.items()]
        ),
    }
)
PLACE = st.tuples(st.sampled_from(["a1", "a2", "a3", "a4", "a99"]), st.integers(0, 3))
EDITS = st.lists(st.dictionaries(PLACE, st.none() | ROW, max_size=6), min_size=1, max_size=4)


@settings(max_examples=25)
@given(EDITS)
def test_rollup_of_touched_days_equals_a_full_recomputation(
    rows: Rows, edits: list[dict[tuple[str, int], Any]]
) -> None:
    rows.tree()
    rows.connection.execute("TRUNCATE meta_ads.meta_insights, meta_ads.metric_rollups")
    rows.connection.execute(f"TRUNCATE {', '.join(f'meta_ads.{table}' for table in TABLES)}")
    for edit in edits:
        for (ad, back), values in edit.items():
            rows.connection.execute(
                "DELETE FROM meta_ads.meta_insights WHERE entity_id = %s AND date_start = %s",
                (ad, ago(back)),
            )
            if values is not None:
                rows.insight(ad, ago(back), **values)
        rollup(rows.connection, ACCOUNT, {ago(back) for _, back in edit})
    kept = sorted_contents(rows.connection)

    rows.connection.execute(f"TRUNCATE {', '.join(f'meta_ads.{table}' for table in TABLES)}")
    rollup(rows.connection, ACCOUNT, {ago(back) for back in range(4)})

    assert kept == sorted_contents(rows.connection)
    check_parts_add_up(rows.connection)
    rows.connection.commit()


def check_parts_add_up(connection: Connection[Any]) -> None:
    """Sum of parts = whole, for every additive metric, at every level, day by day."""
    sums = ", ".join(f"sum({name})" for name in ROLLUP_COLUMNS)
    levels = [
        connection.execute(
            f"SELECT date_start, {sums} FROM meta_ads.{table} GROUP BY 1 ORDER BY 1"
        ).fetchall()
        for table in TABLES
    ]
    assert levels[0] == levels[1] == levels[2]


def test_unchanged_rows_are_not_written_again(rows: Rows) -> None:
    rows.tree()
    rows.insight("a1", spend=5, actions=actions(lead=1))
    rows.insight("a4", spend=2)

    first = rollup(rows.connection, ACCOUNT, [TODAY])
    again = rollup(rows.connection, ACCOUNT, [TODAY])

    assert first.written == {"ad": 2, "adset": 2, "campaign": 2}
    assert again.written == {"ad": 0, "adset": 0, "campaign": 0}
    assert again.days == (TODAY,)


def test_rows_meta_took_back_go(rows: Rows) -> None:
    rows.tree()
    rows.insight("a1", spend=5)
    rows.insight("a4", spend=2)
    rollup(rows.connection, ACCOUNT, [TODAY])

    rows.connection.execute("DELETE FROM meta_ads.meta_insights WHERE entity_id = 'a4'")
    done = rollup(rows.connection, ACCOUNT, [TODAY])

    assert done.removed == {"ad": 1, "adset": 1, "campaign": 1}


@pytest.mark.parametrize("level", ["ad", "adset", "campaign"])
def test_rows_that_are_gone_are_found_at_once_however_many_there_are(
    rows: Rows, level: str
) -> None:
    """Looked up row by row, a year of a large account took hours once there were statistics."""
    for number in range(300):
        rows.insight(f"ad{number}", day=ago(1), spend=1)
    rollup(rows.connection, ACCOUNT, [ago(1)])
    rows.connection.execute("ANALYZE meta_ads.meta_insights, meta_ads.ad_rollups")
    rows.connection.execute("SET LOCAL work_mem = '64kB'")
    rows.connection.execute("SET LOCAL hash_mem_multiplier = 1")
    asked = {"account_id": ACCOUNT, "days": [ago(1)]}
    plan = rows.connection.execute(f"EXPLAIN {gone(level)}", asked).fetchall()
    assert "SubPlan" not in "\n".join(line for (line,) in plan)


def test_a_year_is_rolled_up_in_parts_of_which_each_is_kept(
    rows: Rows, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.modules[gone.__module__], "CHUNK_DAYS", 2)
    days = [ago(back) for back in range(5)]
    for day in days:
        rows.insight("ad1", day=day, spend=1)
    rows.connection.commit()
    rows.connection.execute(
        """
        CREATE FUNCTION pg_temp.stop() RETURNS trigger LANGUAGE plpgsql AS
        $$ BEGIN RAISE EXCEPTION 'stopped' USING ERRCODE = 'query_canceled'; END $$
        """
    )
    rows.connection.execute(
        f"""
        CREATE TRIGGER stop BEFORE INSERT ON meta_ads.ad_rollups FOR EACH ROW
        WHEN (NEW.date_start = '{ago(4)}') EXECUTE FUNCTION pg_temp.stop()
        """
    )
    rows.connection.commit()
    with pytest.raises(errors.QueryCanceled):
        rollup(rows.connection, ACCOUNT)
    rows.connection.rollback()
    version = store.current(rows.connection).version(ACCOUNT)
    assert stale_days(rows.connection, ACCOUNT, version) == [ago(4)]
    rows.connection.execute("DROP TRIGGER stop ON meta_ads.ad_rollups")
    assert rollup(rows.connection, ACCOUNT).days == (ago(4),)


def test_other_accounts_are_not_touched(rows: Rows) -> None:
    rows.tree()
    rows.tree("act_2", "x")
    rows.insight("a1", spend=5)
    rows.insight("xa1", account_id="act_2", spend=7)

    rollup(rows.connection, ACCOUNT)

    found = rows.connection.execute("SELECT DISTINCT account_id FROM meta_ads.daily_ad_metrics")
    assert found.fetchall() == [(ACCOUNT,)]


def test_day_read_again_is_stale_until_it_is_rolled_up(warehouse: Warehouse, rows: Rows) -> None:
    rows.tree()
    rows.insight("a1", spend=5)
    rows.fetched([TODAY])
    rollup(rows.connection, ACCOUNT)
    version = store.current(rows.connection).version(ACCOUNT)
    assert stale_days(rows.connection, ACCOUNT, version) == []

    rows.connection.execute("UPDATE meta_ads.meta_insights SET spend = 8")
    rows.fetched([TODAY], at=READ_AT + timedelta(hours=1))

    assert stale_days(rows.connection, ACCOUNT, version) == [TODAY]
    answer = metrics.query(
        warehouse, account=ACCOUNT, metrics=["spend"], date_range="today", now=NOW
    )
    assert answer["spend"].tolist() == [8.0]
    assert "1 day behind" in answer.attrs["notes"][0]
    rollup(rows.connection, ACCOUNT)
    assert stale_days(rows.connection, ACCOUNT, version) == []


def test_changed_definition_recomputes_every_day_of_the_account(
    warehouse: Warehouse, rows: Rows, tmp_path: Path
) -> None:
    rows.tree()
    rows.tree("act_2", "x")
    for back in (0, 30):
        rows.insight("a1", ago(back), actions=actions(lead=5, onsite_conversion__lead_grouped=2))
        rows.insight("xa1", ago(back), "act_2", actions=actions(lead=5))
    rollup(rows.connection, ACCOUNT)
    rollup(rows.connection, "act_2")
    rows.connection.commit()

    path = tmp_path / "ours.yaml"
    path.write_text(
        "overrides:\n  - account: act_1\n    metric: leads\n    note: forms only\n"
        "    actions: [onsite_conversion.lead_grouped]\n"
    )
    load_dictionary(warehouse, path)

    assert rollup(rows.connection, ACCOUNT, []).days == (ago(30), TODAY)
    assert rollup(rows.connection, "act_2", []).days == ()
    leads = rows.connection.execute(
        "SELECT account_id, sum(leads) FROM meta_ads.daily_campaign_metrics GROUP BY 1 ORDER BY 1"
    )
    assert leads.fetchall() == [(ACCOUNT, 4), ("act_2", 10)]


def test_results_follow_the_goal_of_the_ad_set(rows: Rows) -> None:
    rows.tree()
    happened = actions(omni_purchase=3, lead=2, link_click=9)
    for ad in ("a1", "a3", "a4"):
        rows.insight(ad, actions=happened)
    rows.connection.execute(
        "UPDATE meta_ads.meta_adsets SET promoted_object = %s WHERE adset_id = 's1'",
        ('{"custom_event_type": "LEAD"}',),
    )
    rows.connection.execute(
        "UPDATE meta_ads.meta_adsets SET optimization_goal = 'LINK_CLICKS' WHERE adset_id = 's2'"
    )
    rollup(rows.connection, ACCOUNT)

    def results() -> list[Any]:
        return rows.connection.execute(
            "SELECT adset_id, result_metric, results FROM meta_ads.daily_adset_metrics ORDER BY 1"
        ).fetchall()

    assert results() == [("s1", "leads", 2), ("s2", "link_clicks", 9), ("s3", "purchases", 3)]

    # A goal that changed later makes the days of its ad sets stale by itself.
    rows.connection.execute(
        "UPDATE meta_ads.meta_campaigns SET objective = 'OUTCOME_LEADS' WHERE campaign_id = 'c2'"
    )
    assert rollup(rows.connection, ACCOUNT, []).days == (TODAY,)
    assert results()[2] == ("s3", "leads", 2)


def test_people_come_from_the_levels_own_row(rows: Rows) -> None:
    rows.tree()
    rows.insight("a1", impressions=100, reach=60)
    rows.insight("a2", impressions=100, reach=70)
    rows.insight("c1", level="campaign", impressions=200, reach=90)
    rollup(rows.connection, ACCOUNT)

    found = rows.connection.execute(
        "SELECT (SELECT reach FROM meta_ads.daily_campaign_metrics),"
        " (SELECT reach FROM meta_ads.daily_adset_metrics)"
    ).fetchone()
    assert found == (90, None)


@pytest.mark.parametrize("days", [[], [date(2020, 1, 1)]])
def test_account_without_rows_is_no_error(rows: Rows, days: list[date]) -> None:
    rows.account()

    assert sum(rollup(rows.connection, ACCOUNT, days).written.values()) == 0


def goal_days(connection: Connection[Any]) -> list[tuple[Any, ...]]:
    """The table that says it, and what the rollups of ad sets say, both by day."""
    kept = connection.execute(
        """
        SELECT account_id, adset_id, campaign_id, nullif(result_metric, ''),
               generate_series(lower(one), upper(one) - 1, interval '1 day')::date
        FROM meta_ads.adset_goal_days, unnest(days) AS one ORDER BY 1, 2, 3, 4, 5
        """
    ).fetchall()
    made = connection.execute(
        "SELECT account_id, adset_id, campaign_id, result_metric, date_start"
        " FROM meta_ads.adset_rollups ORDER BY 1, 2, 3, 4, 5"
    ).fetchall()
    assert kept == made
    return kept


def test_the_days_of_each_goal_are_those_of_the_rollups(rows: Rows) -> None:
    rows.tree()
    for back in (0, 1, 3, 9):
        rows.insight("a1", ago(back), spend=1)
        rows.insight("a4", ago(back), spend=1)
    rollup(rows.connection, ACCOUNT)
    assert len(goal_days(rows.connection)) == 8
    before = rows.connection.execute("SELECT xmin, * FROM meta_ads.adset_goal_days").fetchall()
    rollup(rows.connection, ACCOUNT, [ago(1), ago(9)])
    after = rows.connection.execute("SELECT xmin, * FROM meta_ads.adset_goal_days").fetchall()
    assert after == before, "what is the same is not written"

    rows.connection.execute(
        "UPDATE meta_ads.meta_adsets SET optimization_goal = 'LINK_CLICKS' WHERE adset_id = 's1'"
    )
    rollup(rows.connection, ACCOUNT, [ago(1)], only=True)
    assert {(row[1], row[3]) for row in goal_days(rows.connection)} == {
        ("s1", "link_clicks"),
        ("s1", "purchases"),
        ("s3", "purchases"),
    }
    rollup(rows.connection, ACCOUNT)
    rows.connection.execute("DELETE FROM meta_ads.meta_insights WHERE entity_id = 'a4'")
    rollup(rows.connection, ACCOUNT, [ago(back) for back in (0, 1, 3, 9)], only=True)
    assert {row[1:4] for row in goal_days(rows.connection)} == {("s1", "c1", "link_clicks")}


_YEARS = """
    INSERT INTO meta_ads.meta_insights (entity_type, entity_id, date_start, date_stop, account_id,
        campaign_id, adset_id, ad_id, currency, spend, impressions, clicks, data_as_of)
    SELECT 'ad', ad_id, day, day, account_id, campaign_id, adset_id, ad_id, 'EUR', 1, 10, 1, now()
    FROM meta_ads.meta_ads,
         generate_series(%(since)s::date, %(until)s::date, interval '1 day') AS moment,
         CAST(moment AS date) AS day
    WHERE account_id = %(account)s
"""
_OTHERWISE = """
    SELECT DISTINCT made.date_start
    FROM meta_ads.adset_rollups AS made
    JOIN meta_ads.adset_goals AS goal ON goal.adset_id = made.adset_id
    WHERE made.account_id = %s AND goal.result_metric IS DISTINCT FROM made.result_metric
      AND made.date_start BETWEEN %s AND %s
    ORDER BY 1
"""


def test_a_new_day_reads_no_row_of_the_years_before(rows: Rows) -> None:
    rows.tree()
    years = {"account": ACCOUNT, "since": ago(730), "until": ago(1)}
    rows.connection.execute(_YEARS, years)
    rollup(rows.connection, ACCOUNT)
    version = store.current(rows.connection).version(ACCOUNT)
    rows.connection.commit()
    rows.connection.execute("ANALYZE meta_ads.adset_rollups, meta_ads.adset_goal_days")
    rows.insight("a1", TODAY, spend=1)
    before = rows_read(rows.connection, "adset_rollups")
    assert rollup(rows.connection, ACCOUNT).days == (TODAY,)
    assert rows_read(rows.connection, "adset_rollups") - before < 10

    change = "UPDATE meta_ads.meta_adsets SET optimization_goal = %s WHERE adset_id = %s"
    for adset, goal in (("s1", "LINK_CLICKS"), ("s3", "NEVER_HEARD_OF"), ("s3", "LINK_CLICKS")):
        rows.connection.execute(change, (goal, adset))
        for since, until in ((ago(730), TODAY), (ago(9), ago(3)), (date.min, ago(700))):
            days = rows.connection.execute(_OTHERWISE, (ACCOUNT, since, until)).fetchall()
            stale = stale_days(rows.connection, ACCOUNT, version, since, until)
            assert stale == [day for (day,) in days]
            assert stale
        rollup(rows.connection, ACCOUNT, [ago(5)], only=True)
    rollup(rows.connection, ACCOUNT)
    assert stale_days(rows.connection, ACCOUNT, version) == []
