"""Job operations_report: every question in a sentence, numbers that plot, the page on request."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from meta_pipeline.orchestration.build import build_defs
from meta_pipeline.orchestration.configuration import run_config
from meta_pipeline.orchestration.defs.report import summary_table
from meta_pipeline.reports import make_report, questions
from meta_pipeline.warehouse import Warehouse
from meta_pipeline_tests.orchestration.assets.test_metric_assets import metadata
from meta_pipeline_tests.orchestration.assets.test_metric_assets import run as sync
from meta_pipeline_tests.orchestration.conftest import TOKEN, Stand


def operations_report() -> dg.JobDefinition:
    return build_defs().resolve_job_def("operations_report")


@contextmanager
def report(stand: Stand, **period: Any) -> Iterator[tuple[bool, dict[str, Any]]]:
    with dg.execute_job(
        dg.reconstructable(operations_report),
        instance=stand.instance,
        run_config=run_config(period=period),
        raise_on_error=False,
    ) as result:
        yield result.success, metadata(stand, "operations_report")


def table(summary: str) -> dict[str, tuple[str, int]]:
    """Question to answer and observations."""
    found = {}
    for line in summary.splitlines()[2:]:
        question, answer, observations = re.split(r"(?<!\\)\|", line.strip("| "))
        found[question.strip()] = (answer.strip(), int(observations.replace(",", "")))
    return found


def test_the_summary_answers_every_question(stand: Stand) -> None:
    stand.read(stand.good)
    calls = len(stand.sim.journal)
    with report(stand) as (ran, shown):
        assert ran
    assert len(stand.sim.journal) == calls, "Meta is asked nothing"
    answers = table(shown["summary"])
    assert answers.keys() == {one.words for one in questions()}
    with Warehouse(stand.database_url) as warehouse:
        told = make_report(warehouse)
    for one in told.summary:
        words, observations = answers[one.question]
        assert observations == one.observations
        assert words.startswith("Not enough data") == one.words.startswith("Not enough data")
    enough = sum(one.is_enough for one in told.summary)
    assert 0 < enough < len(answers), "one sync answers some and says so of the others"
    assert shown["questions_answered"] == enough
    assert shown["questions_without_data"] == len(answers) - enough
    assert shown["simulated"] is True
    assert TOKEN not in str(shown)


def test_numbers_plot(stand: Stand) -> None:
    with sync(stand, stand.good):
        pass
    with Warehouse(stand.database_url) as warehouse, warehouse.connection() as connection:
        row = connection.execute(
            "SELECT count(*), sum(weighted_cost) FROM meta_ads.meta_api_logs"
        ).fetchone()
    assert row is not None
    with report(stand, days=30) as (_, shown):
        pass
    assert shown["calls_24h"] == float(row[0]) > 0
    assert shown["weighted_cost_24h"] == pytest.approx(float(row[1]), abs=0.1)
    assert (shown["syncs_24h"], shown["failed_syncs_24h"]) == (2.0, 0.0), "structure, numbers"
    assert shown["throttled_calls_24h"] == shown["throttled_syncs_24h"] == 0.0
    assert shown["until"] - shown["since"] == pytest.approx(30 * 86_400)
    with report(stand) as (_, again):
        pass
    assert again.keys() == shown.keys(), "a name that changes ends its plot"


def test_before_the_first_sync_it_says_that_there_is_no_data(stand: Stand) -> None:
    with report(stand) as (ran, shown):
        assert ran
    answers = table(shown["summary"])
    assert {observations for _, observations in answers.values()} == {0}
    assert answers["How many calls fail, at which endpoints, and with which of Meta's codes?"][
        0
    ].startswith("Not enough data")
    assert shown["calls_24h"] == shown["usage_max_24h_pct"] == 0.0


def test_the_page_is_written_where_the_setting_says(
    stand: Stand, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = tmp_path / "report.html"
    with report(stand) as (_, shown):
        assert "page" not in shown, "off by default"
    monkeypatch.setenv("META_REPORT_FILE", str(page))
    page.write_text("the page of yesterday", encoding="utf-8")
    with report(stand) as (ran, shown):
        assert ran
    assert shown["page"] == str(page)
    assert page.read_text(encoding="utf-8").startswith("<!doctype html>")
    assert [one.name for one in tmp_path.iterdir()] == ["report.html"], "nothing half-written"


def test_a_file_that_cannot_be_written_takes_no_answer_away(
    stand: Stand, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("META_REPORT_FILE", str(tmp_path / "nowhere" / "report.html"))
    with report(stand) as (ran, shown):
        assert not ran
        assert shown["summary"]
    failed = stand.instance.get_runs(limit=1)[0]
    events = stand.instance.all_logs(failed.run_id, of_type=dg.DagsterEventType.STEP_FAILURE)
    assert "META_REPORT_FILE" in str(events[0].dagster_event)


def test_names_of_accounts_do_not_break_the_table(stand: Stand) -> None:
    stand.read(stand.good)
    with Warehouse(stand.database_url) as warehouse:
        with warehouse.connection() as connection:
            connection.execute("UPDATE meta_ads.meta_ad_accounts SET name = E'A|B <b>\\nC'")
        shown = summary_table(make_report(warehouse))
    assert all(len(row) == 2 for row in table(shown).values())
    assert "<b>" not in shown
    assert r"A\|B \<b\> C" in shown
