"""Questions about a fleet: as many statements as about two accounts, and none without an end."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date

import pytest

from meta_pipeline import copilot, metrics
from meta_pipeline.copilot import Outcome
from meta_pipeline.copilot.tools import GivenDays, Tools
from meta_pipeline.metrics import Bound
from meta_pipeline.warehouse import CannotTell
from meta_pipeline.warehouse.silence import over_in
from meta_pipeline_tests.metrics.counted import Counted
from meta_pipeline_tests.metrics.rows import ACCOUNT, NOW, Rows, ago
from meta_pipeline_tests.postgres import TestPostgres

ACCOUNTS = 2_000
TARGETS = ["spend", "cpm"]
WEEK = (ago(7), ago(1))
READ, UNREAD = "act_2", "act_1002"
"""Two accounts without delivery: of one every day was read, of the other none."""


@pytest.fixture(scope="module")
def fleet(postgres: TestPostgres) -> Iterator[Counted]:
    """Accounts in two zones, all with the same targets; one delivered, half of them were read."""
    with postgres.fresh_database() as url, Counted(url) as warehouse:
        warehouse.migrate()
        with warehouse.connection() as connection:
            rows = Rows(connection)
            rows.tree()
            rows.insight("a1", ago(2), spend=70, impressions=1_000)
            rows.insight(ACCOUNT, ago(2), level="account", spend=70, impressions=1_000)
            connection.execute(
                "INSERT INTO meta_ads.meta_ad_accounts"
                " (account_id, name, currency, timezone_name, last_listed_at, data_as_of)"
                " SELECT 'act_' || n, 'Shop ' || n, 'EUR',"
                " CASE n %% 2 WHEN 0 THEN 'Europe/Berlin' ELSE 'Pacific/Auckland' END, %s, %s"
                " FROM generate_series(2, %s::int) AS n",
                (NOW, NOW, ACCOUNTS),
            )
            connection.execute(
                "INSERT INTO meta_ads.sync_windows"
                " SELECT 'act_' || n, dataset, day, %s::timestamptz, 0, false, 'r' || n"
                " FROM generate_series(1, 1000) AS n,"
                " unnest(ARRAY['insights_ad', 'insights_account']) AS dataset,"
                " generate_series(%s::date, %s, interval '1 day') AS day",
                (NOW, *WEEK),
            )
            connection.execute(
                "INSERT INTO meta_ads.account_kpis (account_id, metric_key, target, updated_at)"
                " SELECT account_id, unnest(%s::text[]), 50, now() FROM meta_ads.meta_ad_accounts",
                (TARGETS,),
            )
            connection.execute("ANALYZE")
            metrics.rollup(connection, ACCOUNT)
        yield warehouse


def test_as_many_days_as_nobody_reads_are_refused_before_they_are_compared(fleet: Counted) -> None:
    before = fleet.statements
    answer = copilot.ask(fleet, "reconciliation since 1 january 2017", now=NOW)
    assert answer.outcome is Outcome.REFUSED
    assert "of 2,000 ad accounts together, are too many at once" in str(answer.message)
    assert "50,000 days at most" in str(answer.message)
    assert fleet.statements - before < 20


def test_as_many_days_as_nobody_reads_are_not_listed(fleet: Counted) -> None:
    asked = "which days are settling in the last {} days?"
    answer = copilot.ask(fleet, asked.format(10), now=NOW)
    assert (answer.outcome, answer.row_count) == (Outcome.ANSWERED, 10 * ACCOUNTS)
    answer = copilot.ask(fleet, asked.format(60), now=NOW)
    assert answer.outcome is Outcome.REFUSED
    assert "more than 50,000 rows" in str(answer.message)


def test_windows_and_periods_are_one_answer_of_so_many_rows_together(
    fleet: Counted, monkeypatch: pytest.MonkeyPatch
) -> None:
    tools = Tools(fleet, lambda: NOW)
    days = GivenDays(None, *WEEK)
    windows = {"metrics": ["spend"], "by": ["account", "attribution_window"]}
    of_three = windows | {"accounts": [ACCOUNT, READ, "act_4"]}
    found = tools.query_metrics(of_three, days, None, descending=True, cursor=None, limit=200)
    assert len({row["attribution_window"] for row in found.rows}) == found.row_count / 3 > 1
    compared = of_three | {"by": ["account"]}
    assert tools.compare_periods(compared, days, None, 200).row_count == 3
    # As many as one window or period has, and fewer than all have together.
    monkeypatch.setattr(metrics, "Bound", lambda: Bound(rows=4))
    refused = tools.query_metrics(of_three, days, None, descending=True, cursor=None, limit=200)
    assert "more than 4 rows" in str(refused.message)
    assert tools.compare_periods(compared, days, None, 200).row_count == 3


@pytest.mark.parametrize(
    ("question", "rows"),
    [
        ("reconciliation last week", 7),
        ("do we meet our targets in the last 7 days?", len(TARGETS)),
    ],
)
def test_a_question_takes_as_many_statements_however_many_accounts(
    fleet: Counted, question: str, rows: int
) -> None:
    spent = {}
    for count in (2, ACCOUNTS):
        accounts = [f"act_{number}" for number in range(1, count + 1)]
        before = fleet.statements
        answer = copilot.ask(fleet, question, account=accounts, now=NOW)
        spent[count] = fleet.statements - before
        assert (answer.outcome, answer.row_count) == (Outcome.ANSWERED, rows * count)
    assert spent[ACCOUNTS] <= spent[2] < 40


def test_what_is_compared_for_a_question_is_what_reconcile_says(fleet: Counted) -> None:
    with fleet.connection() as connection:
        asked = metrics.days_of_each(connection, [ACCOUNT, READ, UNREAD], WEEK, NOW)
        together = list(metrics.compare(connection, asked))
        stored = connection.execute("SELECT count(*) FROM meta_ads.reconciliations").fetchone()
        one_by_one = [day for one in asked for day in metrics.reconcile(connection, *one)]
        connection.rollback()
    assert together == one_by_one
    assert {str(day.status) for day in together} == {"match", "empty", "unchecked"}
    assert stored == (0,)


def test_a_target_is_judged_by_what_its_account_alone_came_to(fleet: Counted) -> None:
    found = {
        (one.account_id, one.metric_key): (one.value, str(one.verdict))
        for one in metrics.KPIs(fleet).performance([ACCOUNT, READ, UNREAD], WEEK, now=NOW)
    }
    alone = {
        (account, key): metrics.answer(
            fleet, account=account, metrics=[key], date_range=WEEK, now=NOW
        ).rows[0][key]
        for account in (ACCOUNT, READ, UNREAD)
        for key in TARGETS
    }
    assert {key: value for key, (value, _) in found.items()} == alone
    assert found[ACCOUNT, "spend"][0] == 70
    # Nothing was delivered, and nothing is known: that is not the same.
    assert found[READ, "spend"] == (0, found[READ, "spend"][1])
    assert found[UNREAD, "spend"] == (None, "unknown")


def test_all_statements_of_a_question_have_one_end(fleet: Counted) -> None:
    statements: list[int] = []

    def ask() -> None:
        with fleet.connection() as connection:
            for number in range(100_000):
                connection.execute("SELECT 1")
                statements.append(number)

    with pytest.raises(CannotTell, match="no time is left"), over_in(0.2):
        ask()
    # And what is asked after that has all its time.
    assert Tools(fleet, lambda: NOW).list_accounts(None, 1).row_count == ACCOUNTS
    assert 0 < len(statements) < 100_000


def test_a_question_that_begins_when_its_time_is_over_is_not_asked(fleet: Counted) -> None:
    with over_in(0), pytest.raises(CannotTell, match="no time is left"), fleet.connection():
        pass


def test_days_of_many_accounts_are_those_of_each(fleet: Counted) -> None:
    with fleet.connection() as connection:
        for preset in ("last_3d", "maximum"):
            asked = metrics.days_of_each(connection, [ACCOUNT, "act_3"], preset, NOW)
            assert asked == [
                metrics.days_of(connection, one, preset, NOW) for one in (ACCOUNT, "act_3")
            ]
    assert asked[0][1] == ago(2) < date(2026, 3, 18)
