"""What a question costs to be read: little, whatever it says and however many names there are."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from meta_pipeline import copilot
from meta_pipeline.copilot import Outcome
from meta_pipeline.copilot.text import MAX_CHARACTERS
from meta_pipeline.warehouse import Warehouse
from meta_pipeline_tests.metrics.rows import ACCOUNT, Rows
from meta_pipeline_tests.postgres import TestPostgres

NOW = datetime(2026, 11, 29, 12, tzinfo=UTC)
NAMES = 5_000
# Of one processor: each of these once took from fifteen seconds to a minute.
MOST_SECONDS = 4.0
# Parts of many names, and no word of any.
PARTS = "al er in an ke "
WORDS = " ".join(f"{a}{b}{c}{d}" for a in "bcdf" for b in "klmn" for c in "pqrs" for d in "tv")
QUESTIONS = {
    "parts of names": PARTS * 50,
    "words of names": "prospecting germany lookalike " * 20,
    "words of no name": WORDS,
    "as many of them as are looked up": " ".join(WORDS.split()[:30]),
    "letters that are sentences": "\ufdfa" * MAX_CHARACTERS,
    "signs": ">" * MAX_CHARACTERS,
    "names in quotation marks": '"al" ' * 100,
    "a name in quotation marks, again and again": '"sale 17" ' * 50,
    "ids": "120012 " * 80,
}


@pytest.fixture(scope="module")
def many(postgres: TestPostgres) -> Iterator[Warehouse]:
    with postgres.fresh_database() as url, Warehouse(url) as warehouse:
        warehouse.migrate()
        with warehouse.connection() as connection:
            rows = Rows(connection)
            rows.account()
            rows.campaign("1")
            columns = connection.execute(
                "SELECT string_agg(column_name, ', ') FROM information_schema.columns "
                "WHERE table_schema = 'meta_ads' AND table_name = 'meta_campaigns' "
                "AND column_name NOT IN ('campaign_id', 'name')"
            ).fetchone()
            assert columns is not None
            connection.execute(
                f"INSERT INTO meta_ads.meta_campaigns (campaign_id, name, {columns[0]}) "
                "SELECT (100 + n)::text, 'Spring Sale ' || n || ' Prospecting Germany Lookalike', "
                f"{columns[0]} FROM meta_ads.meta_campaigns, generate_series(1, %s) AS n",
                (NAMES,),
            )
        yield warehouse


@pytest.mark.parametrize("about", QUESTIONS)
def test_a_question_is_read_in_no_time(many: Warehouse, about: str) -> None:
    began = time.process_time()
    answer = copilot.ask(many, QUESTIONS[about][:MAX_CHARACTERS], now=NOW)
    assert time.process_time() - began < MOST_SECONDS
    assert answer.outcome is not Outcome.ANSWERED


def test_a_misspelt_name_is_found_among_many(many: Warehouse) -> None:
    with many.connection() as connection:
        connection.execute(
            "UPDATE meta_ads.meta_campaigns SET name = 'Nordwind Autumn' WHERE campaign_id = '101'"
        )
    answer = copilot.ask(many, "spend of nordwnid last week", now=NOW)
    assert answer.outcome is Outcome.ANSWERED
    assert answer.asked["filters"] == {"campaign": ["101"]}
    assert copilot.ask(many, "which campaigns like lokalike", now=NOW).choices
    assert ACCOUNT in (answer.reading or "")


def test_names_in_quotation_marks_are_looked_up_for_a_handful_only(many: Warehouse) -> None:
    """Each is a look through all names there are."""
    few = "spend of " + ", ".join(f'"sale {number}"' for number in range(11, 16))
    assert copilot.ask(many, f"{few} last week", now=NOW).outcome is Outcome.ANSWERED
    answer = copilot.ask(many, f'{few}, "sale 16" last week', now=NOW)
    assert "5 at most" in str(answer)


def test_names_that_repeat_one_word_are_looked_through_in_no_time(many: Warehouse) -> None:
    """Whoever names their own ads may name them so."""
    with many.connection() as connection:
        connection.execute(
            "UPDATE meta_ads.meta_campaigns SET name = repeat('zu ', 130) || campaign_id"
            " WHERE campaign_id IN"
            " (SELECT campaign_id FROM meta_ads.meta_campaigns ORDER BY 1 LIMIT 2000)"
        )
    began = time.process_time()
    answer = copilot.ask(many, "spend of " + "zu " * 30, now=NOW)
    assert time.process_time() - began < MOST_SECONDS
    assert answer.outcome is Outcome.ASKED_BACK
    assert "campaigns" in (answer.message or "")
