"""The shipped questions: every file runs, says what it means, and says the truth."""

from __future__ import annotations

from pathlib import Path

import psycopg
import pytest

from meta_pipeline.reports import (
    Question,
    QuestionRows,
    Report,
    ask,
    make_report,
    period,
    questions,
)
from meta_pipeline.reports.question import FOLDER, read
from meta_pipeline.warehouse import Warehouse

from .conftest import Morning

ROOT = Path(__file__).parents[2]
KEYS = [one.key for one in questions()]


@pytest.fixture(scope="session")
def report(morning: Morning) -> Report:
    with Warehouse(morning.url) as warehouse:
        return make_report(warehouse, days=1, now=morning.now)


def rows_by(answer: QuestionRows, key: str) -> dict[str, dict[str, object]]:
    return {str(row[key]): row for row in answer.records()}


def test_every_file_is_a_question() -> None:
    assert sorted(KEYS) == sorted(path.stem for path in FOLDER.iterdir())


@pytest.mark.parametrize("question", questions(), ids=KEYS)
def test_the_header_explains_every_column(question: Question, warehouse: Warehouse) -> None:
    with warehouse.connection() as connection:
        period(connection)
        answer = ask(connection, question)
    assert answer.columns == tuple(question.columns), "columns and their meanings, in one order"
    assert question.words.endswith("?")


@pytest.mark.parametrize("question", questions(), ids=KEYS)
def test_with_nothing_there_it_says_so(question: Question, warehouse: Warehouse) -> None:
    with warehouse.connection() as connection:
        period(connection)
        answer = ask(connection, question)
    assert answer.observations == 0
    assert answer.note == question.none or answer.note.startswith("Not enough data: 0 of")


@pytest.mark.parametrize("question", questions(), ids=KEYS)
def test_the_docs_have_question_query_and_sample(question: Question) -> None:
    page = (ROOT / "docs/reports.md").read_text(encoding="utf-8")
    _, found, rest = page.partition(f"\n## {question.title}\n")
    assert found, f"docs/reports.md lacks {question.title}"
    section = rest.partition("\n## ")[0]
    assert question.words in section
    assert f"meta_pipeline/reports/sql/{question.key}.sql" in section
    assert f"```sql\n{question.sql}\n```" in section, "the query changed: write the page anew"
    assert "| " in section or (question.none or "") in section


def test_a_header_without_its_words_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "some.sql"
    file.write_text("-- title: Some\nSELECT 1 AS observations\n", encoding="utf-8")
    with pytest.raises(ValueError, match="question"):
        read(file)


@pytest.mark.parametrize("key", KEYS)
def test_the_morning_answers_it(report: Report, key: str) -> None:
    answer = report.answers[key]
    assert answer.is_enough, answer.note
    assert answer.rows


def test_every_question_has_its_sentence(report: Report, morning: Morning) -> None:
    told = {one.key: one.words for one in report.summary}
    assert told.keys() == set(KEYS)
    assert not [key for key, words in told.items() if words.endswith("row.") and len(words) < 9]
    runs = morning.scalar("SELECT count(*) FROM meta_ads.sync_runs")
    assert told["sync_outcomes"].startswith(f"{runs} syncs: ")
    assert told["insight_ranges"].startswith("Every row covers one day")
    assert "2 refused calls" in told["throttle_incidents"]
    assert "% of a limit was used: " in told["usage_over_time"]
    calls = morning.scalar("SELECT count(*) FROM meta_ads.meta_api_logs")
    assert told["calls_by_endpoint"].startswith(f"{calls} calls to ")


def test_too_few_observations_are_not_an_answer(report: Report) -> None:
    latency = report.answers["latency"]
    few = QuestionRows(latency.question, latency.columns, [("all endpoints", *[3] * 6)])
    assert not few.is_enough
    assert few.note == "Not enough data: 3 of at least 20 observations."


def test_calls_are_those_of_the_log(report: Report, morning: Morning) -> None:
    logged = morning.query(
        "SELECT endpoint_key, count(*) AS calls, count(*) FILTER (WHERE throttled) AS refused, "
        "sum(weighted_cost) AS cost, sum(rows) AS rows FROM meta_ads.meta_api_logs GROUP BY 1"
    )
    expected = {row["endpoint_key"]: row for row in logged}
    endpoints = rows_by(report.answers["calls_by_endpoint"], "endpoint_key")
    envelope = rows_by(report.answers["throttle_envelope"], "endpoint_key")
    assert endpoints.keys() == envelope.keys() == expected.keys()
    for key, row in expected.items():
        assert endpoints[key]["calls"] == envelope[key]["calls"] == row["calls"]
        assert envelope[key]["throttled_calls"] == row["refused"]
        assert endpoints[key]["weighted_cost"] == round(row["cost"], 1)


def test_percentiles_are_those_of_the_log_within_two_and_a_half_percent(
    report: Report, morning: Morning
) -> None:
    (exact,) = morning.query(
        "SELECT percentile_disc(0.5) WITHIN GROUP (ORDER BY latency_ms) AS p50_ms, "
        "percentile_disc(0.95) WITHIN GROUP (ORDER BY latency_ms) AS p95_ms "
        "FROM meta_ads.meta_api_logs"
    )
    total = report.answers["latency"].total()
    assert total is not None
    for name, value in exact.items():
        # half a millisecond more: what is shown is rounded
        assert abs(total[name] - value) <= 0.5 + 0.026 * float(value), name


def test_percentiles_need_calls_enough(report: Report) -> None:
    for row in report.answers["latency"].records():
        assert (row["p95_ms"] is None) == (row["calls"] < 20)
        assert (row["p99_ms"] is None) == (row["calls"] < 100)


def test_throttled_syncs_name_who_stopped_them(report: Report, morning: Morning) -> None:
    rows = rows_by(report.answers["throttled_syncs"], "account")
    busy = rows["Busy"]
    refused = morning.query(
        "SELECT DISTINCT sync_run_id FROM meta_ads.meta_api_logs WHERE throttled"
    )
    assert busy["throttled_syncs"] == len(morning.throttled)
    assert busy["by_meta"] == len(refused) == 2
    assert busy["by_governor"] == len(morning.throttled) - 2 > 0
    assert busy["last_reason"] == morning.throttled[-1].error_summary
    assert rows["Nordwind Shop"]["throttled_syncs"] == 0


def test_incidents_waste_no_call(report: Report) -> None:
    rows = report.answers["throttle_incidents"].records()
    assert len(rows) == 2
    assert {row["account"] for row in rows} == {"Busy"}
    assert all("/2446079" in str(row["error_codes"]) for row in rows)
    newest, oldest = rows
    assert newest["blocked_minutes"] is None
    assert oldest["blocked_minutes"] >= 45


def test_outcomes_add_up(report: Report, morning: Morning) -> None:
    rows = rows_by(report.answers["sync_outcomes"], "status")
    assert sum(int(str(row["syncs"])) for row in rows.values()) == len(morning.records)
    assert rows["throttled"]["syncs"] == len(morning.throttled)


def test_rows_per_call_is_a_ratio_of_sums(report: Report, morning: Morning) -> None:
    total = report.answers["rows_per_call"].total()
    assert total is not None
    written = sum(one.entity_rows_written + one.insights_rows_written for one in morning.records)
    calls = sum(one.meta_call_count_total for one in morning.records)
    assert total["rows_written"] == written
    assert float(total["rows_written_per_call"]) == pytest.approx(written / calls, abs=0.051)


def test_no_range_could_be_counted_twice(report: Report) -> None:
    rows = rows_by(report.answers["insight_ranges"], "entity_type")
    assert rows.keys() == {"account", "ad"}
    assert all(row["ranges_over_a_day"] == 0 for row in rows.values())


def test_the_period_is_kept(morning: Morning) -> None:
    with Warehouse(morning.url) as warehouse:
        short = make_report(warehouse, days=1 / 24, now=morning.now)
        long = make_report(warehouse, days=7, now=morning.now)
    assert short.answers["sync_outcomes"].observations < len(morning.records)
    assert long.answers["sync_outcomes"].observations == len(morning.records)
    assert (long.until, long.days) == (morning.now, 7)


def test_only_what_is_asked_for(morning: Morning) -> None:
    chosen = [one for one in questions() if one.key == "latency"]
    with Warehouse(morning.url) as warehouse:
        made = make_report(warehouse, now=morning.now, only=chosen)
    assert list(made.answers) == ["latency"]
    assert [one.key for one in made.findings] == ["latency"]


def test_a_report_changes_nothing(morning: Morning) -> None:
    with Warehouse(morning.url) as warehouse, warehouse.connection() as connection:
        period(connection)
        with pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
            connection.execute("DELETE FROM meta_ads.sync_runs")
        connection.rollback()


def test_findings_answer_in_words(report: Report, morning: Morning) -> None:
    said = {one.key: one.words for one in report.findings}
    throttled = len(morning.throttled)
    assert f"{throttled} of {len(morning.records)} syncs" in said["throttled_syncs"]
    assert f"{throttled - 2} held back by the governor, 2 refused" in said["throttled_syncs"]
    assert said["throttle_envelope"].startswith("2 of ")
    assert "3 of 3 accounts synced" in said["freshness"]
    assert said["error_rate"].startswith("2 of ")
    assert all(one.is_enough for one in report.findings)


ORIGINAL = """
SELECT endpoint_key, COUNT(*) AS total_calls,
    COUNT(*) FILTER (WHERE status_code = 429) AS throttled_count, AVG(latency_ms),
    MAX((usage_headers->>'x-ad-account-usage')::jsonb->>'acc_id_util_pct')
FROM meta_api_logs WHERE timestamp > NOW() - INTERVAL '7 days' GROUP BY endpoint_key;

SELECT AVG(entity_fetch_ms), AVG(insights_fetch_ms), AVG(db_write_ms)
FROM sync_runs WHERE status = 'success' AND started_at > NOW() - INTERVAL '7 days';

SELECT entity_id, COUNT(*), COUNT(DISTINCT date_start)
FROM meta_insights WHERE entity_type = 'campaign'
    AND entity_id IN (SELECT campaign_id FROM meta_campaigns WHERE account_id = 'act_1')
GROUP BY entity_id HAVING COUNT(*) > 1;
"""


def test_the_original_queries_run_as_written_on_what_syncs_wrote(morning: Morning) -> None:
    with psycopg.connect(morning.url) as connection:
        connection.execute("SET search_path = meta_ads")
        for query in ORIGINAL.strip().split("\n\n"):
            connection.execute(query).fetchall()
