"""The advisor on real tables: what is read, what is kept, and how advice lives and ends."""

from __future__ import annotations

import tracemalloc
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import psycopg
import pytest
from psycopg.types.json import Jsonb

from meta_pipeline.advice.advice import cost_per_result
from meta_pipeline.advisor import (
    AdviceSettled,
    dismiss,
    given_advice,
    judge_account,
    known_account,
    open_advice,
    rows_to_read,
    track_record,
)
from meta_pipeline.warehouse import Warehouse, schema
from meta_pipeline_tests.metrics.rows import ACCOUNT, NOW, READ_AT, TODAY, Rows, ago
from meta_pipeline_tests.postgres import rows_read

ISSUE = {"error_code": "1815869", "error_message": "The pixel is missing."}
LEARNING = {"status": "FAIL", "dynamic_lp_conversions_threshold": 100}


@pytest.fixture
def warehouse(database_url: str) -> Iterator[Warehouse]:
    with Warehouse(database_url) as opened, opened.connection() as connection:
        rows = Rows(connection)
        rows.account()
        rows.campaign("c", daily_budget=100)
        rows.adset("s", "c", learning_stage="FAIL", learning_stage_info=LEARNING)
        rows.ad("dear", "s", "c")
        rows.ad("cheap", "s", "c", issues_info=[ISSUE])
        for back in range(1, 41):
            for ad, results in (("dear", 2), ("cheap", 6)):
                _day(rows, "ad", ad, ago(back), results=results, spend=100)
            _day(rows, "adset", "s", ago(back), results=8, spend=200)
        yield opened


def _day(rows: Rows, level: str, entity: str, day: Any, **numbers: Any) -> None:
    parents = {"campaign_id": "c"} | ({"adset_id": "s"} if level == "ad" else {})
    table = schema.metadata.tables[f"meta_ads.{level}_rollups"]
    zeros: dict[str, Any] = {
        column.name: Jsonb({}) if column.name == "other_metrics" else 0
        for column in table.columns
        if not column.nullable and column.default is None and column.server_default is None
    }
    own = {f"{level}_id": entity} | ({"delivering_ads": 2} if level == "adset" else {})
    given: dict[str, Any] = {
        "account_id": ACCOUNT,
        "date_start": day,
        "result_metric": "purchases",
        "currency": "EUR",
        "impressions": 5000,
        "clicks": 75,
        "reach": 4000,
        "data_as_of": READ_AT,
        "definition_version": "1",
        "rolled_up_at": READ_AT,
    }
    rows.insert(f"{level}_rollups", **(zeros | given | own | parents | numbers))


def test_what_is_stored_is_what_the_rules_are_told(warehouse: Warehouse) -> None:
    known = known_account(warehouse, ACCOUNT, NOW)
    by_id = {one.entity_id: one for one in known.entities}
    assert (known.today, known.currency) == (TODAY, "EUR")
    assert len(by_id["dear"].days) == 40
    assert by_id["dear"].days[-1].day == ago(1)
    assert by_id["cheap"].issues[0].code == "1815869"
    learning = by_id["s"].learning
    assert learning is not None
    assert (learning.stage, learning.events_needed) == ("FAIL", 100)
    assert by_id[ACCOUNT].result_metric == "purchases"
    assert by_id[ACCOUNT].result_name is None


def test_a_day_of_an_ad_takes_little_memory(warehouse: Warehouse) -> None:
    """A row was 629 bytes while all were read, and 231 once they were kept."""
    with warehouse.connection() as connection:
        connection.execute(
            "INSERT INTO meta_ads.meta_ads (ad_id, account_id, adset_id, campaign_id, data_as_of)"
            " SELECT 'more-' || n, %s, 's', 'c', %s FROM generate_series(1, 60) AS n",
            (ACCOUNT, READ_AT),
        )
        connection.execute(
            "INSERT INTO meta_ads.ad_rollups SELECT (jsonb_populate_record(r, jsonb_build_object("
            " 'ad_id', 'more-' || n, 'date_start', %s::date - back, 'spend', n + back / 7.0))).*"
            " FROM (SELECT r FROM meta_ads.ad_rollups AS r WHERE ad_id = 'dear' LIMIT 1) AS one,"
            " generate_series(1, 60) AS n, generate_series(1, 98) AS back",
            (TODAY,),
        )
        assert rows_to_read(connection, ACCOUNT, NOW, 50) == 50
        # 120 days of the three that were there, campaign, ad set, ads.
        assert rows_to_read(connection, ACCOUNT, NOW, 10_000) == 60 * 98 + 120 + 64
    known_account(warehouse, ACCOUNT, NOW)  # imports and prepared statements are no rows
    tracemalloc.start()
    try:
        account = known_account(warehouse, ACCOUNT, NOW)
        kept, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    rows = sum(len(one.days) for one in account.entities)
    assert rows == 60 * 98 + 120 + 40, "with those of the account itself"
    assert kept / rows < 80
    assert peak - kept < 1_000_000, "some hundred rows are read at once, of any account"


def test_results_are_called_by_the_name_of_their_custom_conversion(warehouse: Warehouse) -> None:
    with warehouse.connection() as connection:
        connection.execute(
            "UPDATE meta_ads.ad_rollups SET result_metric = 'offsite_conversion.custom.777'"
            " WHERE ad_id = 'dear'"
        )
        Rows(connection).insert(
            "meta_custom_conversions",
            account_id=ACCOUNT,
            custom_conversion_id="777",
            name="Checkout finished",
            data_as_of=READ_AT,
        )
    by_id = {one.entity_id: one for one in known_account(warehouse, ACCOUNT, NOW).entities}
    assert cost_per_result(by_id["dear"]) == "cost per result (“Checkout finished”)"
    assert cost_per_result(by_id["cheap"]) == "cost per result (purchases)"


def test_an_advice_is_given_once_dismissed_with_a_reason_and_then_quiet(
    warehouse: Warehouse,
) -> None:
    first = judge_account(warehouse, ACCOUNT, now=NOW)
    again = judge_account(warehouse, ACCOUNT, now=NOW)
    next_day = judge_account(warehouse, ACCOUNT, now=NOW + timedelta(days=1))
    assert first.given >= 2
    assert again.given == next_day.given == 0
    with warehouse.connection() as connection:
        rows = open_advice(connection, [ACCOUNT])
        assert {"delivery", "learning_limited"} <= {row.kind for row in rows}
        assert open_advice(connection, ["act_2"]) == []
        assert [row.kind for row in open_advice(connection, kinds=["delivery"])] == ["delivery"]
        dismiss(connection, rows[0], by="ana", reason="known", at=NOW)
        with pytest.raises(AdviceSettled, match="dismissed"):
            dismiss(connection, rows[0], by="ana", reason="again", at=NOW)
        assert len(open_advice(connection)) == len(rows) - 1
    assert judge_account(warehouse, ACCOUNT, now=NOW + timedelta(days=2)).given == 0
    assert judge_account(warehouse, ACCOUNT, now=NOW + timedelta(days=31)).given >= 1


def test_what_somebody_did_is_followed_and_what_is_over_expires(warehouse: Warehouse) -> None:
    with warehouse.connection() as connection:
        connection.execute("UPDATE meta_ads.meta_ads SET issues_info = NULL")
        connection.execute("UPDATE meta_ads.meta_adsets SET learning_stage = 'SUCCESS'")
    judge_account(warehouse, ACCOUNT, now=NOW)
    with warehouse.connection() as connection:
        (pause,) = open_advice(connection, kinds=["pause"])
        assert pause.entity_id == "dear"
        assert pause.numbers["e_value"] >= 20
        Rows(connection).insert(
            "entity_changes", account_id=ACCOUNT, entity_type="ad", entity_id="dear",
            field="status", old_value="ACTIVE", new_value="PAUSED",
            seen_at=NOW + timedelta(hours=3),
        )  # fmt: skip
        connection.execute("UPDATE meta_ads.meta_ads SET effective_status = 'PAUSED'")
    judge_account(warehouse, ACCOUNT, now=NOW + timedelta(days=1))
    with warehouse.connection() as connection:
        ended = {row.kind: row for row in given_advice(connection, [ACCOUNT])}
    assert ended["pause"].outcome == "followed"
    assert "PAUSED" in (ended["pause"].outcome_reason or "")


class Counting(psycopg.Cursor[Any]):
    """Counts the statements of the test."""

    count = 0

    def execute(self, *args: Any, **options: Any) -> Counting:
        Counting.count += 1
        return super().execute(*args, **options)


class Counted(Warehouse):
    """A warehouse whose statements are counted."""

    @contextmanager
    def connection(self) -> Iterator[Any]:
        with super().connection() as connection:
            connection.cursor_factory = Counting
            yield connection


def test_of_advice_that_ended_judging_asks_nothing_one_by_one(
    warehouse: Warehouse, database_url: str
) -> None:
    judge_account(warehouse, ACCOUNT, now=NOW)
    taken = []
    with Counted(database_url) as counted:
        for ended in (1, 2, 40):  # the first opens the connection
            with warehouse.connection() as connection:
                connection.execute(
                    "INSERT INTO meta_ads.advice SELECT (jsonb_populate_record(one,"
                    " jsonb_build_object('advice_id', 100 * %(ended)s + n, 'advice_key', n,"
                    " 'entity_id', n, 'kind', 'pause'))).*"
                    " FROM (SELECT one FROM meta_ads.advice AS one LIMIT 1) AS sample,"
                    " generate_series(1, %(ended)s) AS n",
                    {"ended": ended},
                )
            before = Counting.count
            assert judge_account(counted, ACCOUNT, now=NOW).settled == ended
            taken.append(Counting.count - before)
    assert taken[2] - taken[1] == 40 - 2, "what became of it is written"


def test_an_advice_that_the_rules_no_longer_give_has_expired(warehouse: Warehouse) -> None:
    judge_account(warehouse, ACCOUNT, now=NOW)
    with warehouse.connection() as connection:
        connection.execute("UPDATE meta_ads.meta_ads SET issues_info = NULL")
    judge_account(warehouse, ACCOUNT, now=NOW + timedelta(days=1))
    with warehouse.connection() as connection:
        ended = {row.kind: row.outcome for row in given_advice(connection, [ACCOUNT])}
    assert ended["delivery"] == "expired"


def _meta_calls_it_tired(warehouse: Warehouse, level: str, received_at: Any) -> None:
    with warehouse.connection() as connection:
        Rows(connection).insert(
            "webhook_changes",
            change_hash=f"tired-{level}",
            object="ad_account",
            entry_id=ACCOUNT.removeprefix("act_"),
            account_id=ACCOUNT,
            field="creative_fatigue",
            value={"adgroup_id": "cheap", "creative_fatigue_level": level},
            received_at=received_at,
            state="kept",
        )


def test_what_became_more_urgent_takes_the_place_of_what_was_said(warehouse: Warehouse) -> None:
    _meta_calls_it_tired(warehouse, "MEDIUM", NOW)
    judge_account(warehouse, ACCOUNT, now=NOW)
    with warehouse.connection() as connection:
        (low,) = open_advice(connection, kinds=["fatigue"])
    next_day = NOW + timedelta(days=1)
    _meta_calls_it_tired(warehouse, "HIGH", next_day)
    judge_account(warehouse, ACCOUNT, now=next_day)
    judge_account(warehouse, ACCOUNT, now=next_day + timedelta(days=1))
    with warehouse.connection() as connection:
        (now_open,) = open_advice(connection, kinds=["fatigue"])
        before = next(row for row in given_advice(connection) if row.advice_id == low.advice_id)
    assert (low.severity, now_open.severity) == ("low", "medium")
    assert now_open.supersedes == low.advice_id
    assert before.outcome == "superseded"
    assert before.verdict is None


def test_what_webhooks_told_of_an_account_is_read_once_for_all_its_ads(
    warehouse: Warehouse,
) -> None:
    with warehouse.connection() as connection:
        connection.execute(
            "INSERT INTO meta_ads.meta_ads (ad_id, account_id, adset_id, campaign_id, data_as_of)"
            " SELECT 'more-' || n, %s, 's', 'c', %s FROM generate_series(1, 100) AS n",
            (ACCOUNT, READ_AT),
        )
        # Each ad told of twice, here and in 20 other accounts, the newest first.
        connection.execute(
            "INSERT INTO meta_ads.webhook_changes (change_hash, object, entry_id, account_id,"
            " field, value, received_at, state)"
            " SELECT concat_ws('-', a, n, twice), 'ad_account', a, 'act_' || a, 'creative_fatigue',"
            " jsonb_build_object('adgroup_id', 'more-' || n, 'creative_fatigue_level',"
            " CASE twice WHEN 0 THEN 'HIGH' ELSE 'LOW' END),"
            " %s - make_interval(hours => twice), 'kept'"
            " FROM generate_series(1, 21) AS a, generate_series(1, 100) AS n,"
            " generate_series(0, 1) AS twice",
            (NOW,),
        )
        connection.execute("ANALYZE meta_ads.webhook_changes, meta_ads.meta_ads")
    with warehouse.of_tenant("default").snapshot() as seen, seen.connection() as connection:
        before = rows_read(connection, "webhook_changes")
        known = known_account(seen, ACCOUNT, NOW)
        assert rows_read(connection, "webhook_changes") - before <= 200
    told = {one.entity_id: one.fatigue for one in known.entities if one.entity_type == "ad"}
    assert (told["more-7"], told["cheap"], len(told)) == ("HIGH", None, 102)


def test_what_became_of_an_advice_is_measured_after_its_review_date(warehouse: Warehouse) -> None:
    judge_account(warehouse, ACCOUNT, now=NOW)
    with warehouse.connection() as connection:
        (pause,) = open_advice(connection, kinds=["pause"])
        rows = Rows(connection)
        rows.insert(
            "entity_changes", account_id=ACCOUNT, entity_type="ad", entity_id="dear",
            field="status", old_value="ACTIVE", new_value="PAUSED",
            seen_at=NOW + timedelta(hours=3),
        )  # fmt: skip
        for ahead in range(1, 25):
            _day(rows, "ad", "cheap", TODAY + timedelta(days=ahead), results=12, spend=200)
        connection.execute(
            "UPDATE meta_ads.meta_ads SET effective_status = 'PAUSED' WHERE ad_id = 'dear'"
        )
    early = judge_account(warehouse, ACCOUNT, now=NOW + timedelta(days=1))
    late = judge_account(warehouse, ACCOUNT, now=NOW + timedelta(days=25))
    again = judge_account(warehouse, ACCOUNT, now=NOW + timedelta(days=25))
    assert (early.reviewed, again.reviewed) == (0, 0)
    assert late.reviewed >= 1
    with warehouse.connection() as connection:
        found = next(row for row in given_advice(connection) if row.advice_id == pause.advice_id)
        record = track_record(connection, [ACCOUNT])
        assert track_record(connection, ["act_2"]).sentence == "No advice was given yet."
    assert (found.outcome, found.verdict) == ("followed", "better")
    assert "A result cost" in (found.review or "")
    assert (record.followed, record.better, record.worse) == (1, 1, 0)
    assert ": 1 followed, 1 of them better, 0 worse" in record.sentence
