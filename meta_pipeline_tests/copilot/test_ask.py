"""Questions in words: each is read as the one it stands for, or has no answer and says why."""

from __future__ import annotations

import operator
import subprocess
import sys
from datetime import date, datetime
from pathlib import Path
from typing import Any

import psycopg
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from meta_pipeline import metrics
from meta_pipeline.copilot import Outcome
from meta_pipeline.copilot.ask import _read
from meta_pipeline.copilot.errors import BadCursor, CannotRead
from meta_pipeline.copilot.text import MAX_CHARACTERS, Text
from meta_pipeline.copilot.vocabulary import Vocabulary, chosen
from meta_pipeline_tests.waiting import PATIENCE_SECONDS

from .conftest import HOSTILE, POSING, Place
from .goldens import CASES, Golden, N
from .unanswered import ASKED_BACK, REFUSED

SIGNS = {">": operator.gt, ">=": operator.ge, "<": operator.lt, "<=": operator.le, "=": operator.eq}


def read(place: Place, question: str) -> dict[str, Any]:
    """What a question was read as, with its days at the world's moment."""
    reading = _read(place.warehouse, question, None, place.now)
    with place.warehouse.connection() as connection:
        account = (reading.accounts or [N])[0]
        _, *days = metrics.days_of(connection, account, reading.days.date_range, place.now)
    rank = reading.ranking
    return {
        "metrics": " ".join(reading.metrics),
        "by": " ".join(reading.by),
        "account": reading.accounts,
        "days": tuple(map(str, days)),
        "filters": reading.filters,
        "where": [str(one).removesuffix(" EUR") for one in reading.conditions],
        "top": rank and (rank.metric, rank.is_descending, rank.count or 1000),
        "attribution": reading.attribution,
        "kind": str(reading.kind),
    }


def wanted(golden: Golden) -> dict[str, Any]:
    return {
        "metrics": golden.metrics,
        "by": golden.by,
        "account": [golden.account],
        "days": golden.days,
        "filters": golden.filters,
        "where": list(golden.where),
        "top": golden.top,
        "attribution": golden.attribution,
        "kind": "numbers",
    }


def answer(place: Place, golden: Golden) -> list[dict[str, Any]]:
    """The rows that the metric layer has for it; conditions and order are worked out here."""
    since, until = map(date.fromisoformat, golden.days)
    frame = metrics.query(
        place.warehouse,
        account=golden.account,
        metrics=golden.metrics.split(),
        by=golden.by.split() or None,
        date_range=(since, until),
        filters=golden.filters,
        attribution=golden.attribution,
        now=place.now,
    )
    known = frame.astype(object).where(frame.notna(), None)
    rows: list[dict[str, Any]] = known.to_dict("records")  # type: ignore[assignment]
    for condition in golden.where:
        name, sign, value = condition.split()
        rows = [r for r in rows if r[name] is not None and SIGNS[sign](r[name], float(value))]
    if golden.top:
        name, is_descending, count = golden.top
        rows = [row for row in rows if row[name] is not None]
        rows = sorted(rows, key=lambda row: row[name], reverse=is_descending)[:count]
    return [
        {k: v.isoformat() if isinstance(v, date) else v for k, v in row.items()} for row in rows
    ]


def test_an_answer_waits_for_nothing_that_it_does_not_need(place: Place) -> None:
    """pandas and numpy alone take half a second before the first word."""
    asked = (
        "import sys\n"
        "from meta_pipeline.warehouse import Warehouse\n"
        "from meta_pipeline.copilot import ask\n"
        f"with Warehouse({place.url!r}) as warehouse:\n"
        "    found = ask(warehouse, 'spend by campaign for nordwind against the week before')\n"
        "assert found.outcome == 'answered', found\n"
        "needless = {'pandas', 'numpy', 'scipy', 'dagster', 'facebook_business', 'matplotlib'}\n"
        "sys.exit(', '.join(needless & set(sys.modules)) or 0)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", asked],
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE_SECONDS,
    )
    assert done.returncode == 0, done.stderr


def test_golden_questions_are_read_as_what_they_stand_for(place: Place) -> None:
    assert len(CASES) >= 150
    wrong = {}
    for golden in CASES:
        found = read(place, golden.question)
        differences = {k: (found[k], v) for k, v in wanted(golden).items() if found[k] != v}
        if differences:
            wrong[golden.question] = differences
    assert wrong == {}


@pytest.mark.parametrize(
    "part", [0, *(pytest.param(n, marks=pytest.mark.slow) for n in range(1, 10))]
)
def test_golden_questions_have_the_numbers_of_the_metric_layer(place: Place, part: int) -> None:
    for golden in CASES[part::10]:
        found = place.ask(golden.question)
        assert found.outcome is Outcome.ANSWERED, (golden.question, found.message)
        assert found.rows == answer(place, golden), golden.question
        about = found.provenance
        assert about is not None
        assert (about.since, about.until) == golden.days
        assert about.data_as_of
        assert about.sql
        assert about.formulas.keys() == set(golden.metrics.split())
        assert about.is_simulated
        assert about.reconciliation is not None


def test_what_has_several_readings_is_asked_back(place: Place) -> None:
    for question in ASKED_BACK:
        found = place.ask(question)
        assert (found.outcome, found.rows) == (Outcome.ASKED_BACK, []), question
        assert len(found.choices) >= 2, question
        assert found.message, question


def test_what_is_not_understood_is_refused(place: Place) -> None:
    assert len(ASKED_BACK) + len(REFUSED) >= 60
    for question in REFUSED:
        found = place.ask(question)
        assert (found.outcome, found.rows) == (Outcome.REFUSED, []), question
        assert found.message, question


def test_a_choice_taken_answers_the_question(place: Place) -> None:
    question = "conversions in nordwind"

    said = [choice.say for choice in place.ask(question).choices]

    assert len(said) == 4
    for one in said:
        found = place.ask(question.replace("conversions", one))
        assert found.outcome is Outcome.ANSWERED, one


KINDS = {
    "which campaigns are live in nordwind?": "active campaigns",
    "how many ads are paused in 2ezi": "paused ads",
    "list the ad sets of nordwind": "all adsets",
    "how old is the data?": "how fresh",
    "when was nordwind last synced": "how fresh",
    "is the data of 2ezi up to date": "how fresh",
    "which days may still change in nordwind?": "days that may still change",
    "do the ads of nordwind add up to the account, to the cent?": "whether the ads add up",
    "does nordwind reconcile in the last 14 days": "whether the ads add up",
    "do we meet our targets in nordwind?": "against their targets",
    "what does roas mean": "what roas means",
    "how is cpl calculated?": "what cpl means",
    "what changed in nordwind last week": "what changed",
    "why did cost per lead rise last week in nordwind?": "what moved cpl",
    "what drove the increase in spend in nordwind?": "what moved spend",
    "spend this week vs last week nordwind": "spend, compared",
    "how did roas change in nordwind": "roas, compared",
    "nordwind spend by campaign week over week": "spend, compared",
    "how do purchases split by attribution window in nordwind?": "by attribution_window",
}


def test_other_questions_than_for_numbers_are_answered_too(place: Place) -> None:
    for question, said in KINDS.items():
        found = place.ask(question)
        assert found.outcome is Outcome.ANSWERED, (question, found.message)
        assert said in (found.reading or ""), question


def test_status_questions_list_what_has_the_status(place: Place) -> None:
    found = place.ask("which campaigns are live in nordwind?")

    with place.warehouse.connection() as connection:
        expected = connection.execute(
            "SELECT count(*) FROM meta_ads.meta_campaigns WHERE account_id = %s"
            " AND effective_status IN ('ACTIVE', 'WITH_ISSUES')",
            (N,),
        ).fetchone()
    assert expected is not None
    assert len(found.rows) == expected[0] > 0
    assert {row["effective_status"] for row in found.rows} <= {"ACTIVE", "WITH_ISSUES"}


def test_the_status_is_that_of_the_campaign_whichever_is_named_first(place: Place) -> None:
    campaign = "991000100000000001"

    for question in (f"is {campaign} active in {N}?", f"in {N} is {campaign} active?"):
        found = place.ask(question)
        assert [row.get("campaign_id") for row in found.rows] == [campaign], question


def test_a_week_that_is_not_over_is_compared_with_as_many_days(place: Place) -> None:
    found = place.ask("nordwind spend this week against last week")

    week, before = (
        metrics.query(place.warehouse, account=N, metrics=["spend"], date_range=days)["spend"][0]
        for days in (
            (date(2026, 11, 16), date(2026, 11, 20)),
            (date(2026, 11, 9), date(2026, 11, 13)),
        )
    )
    (row,) = found.rows
    assert (row["spend"], row["spend_before"]) == (week, before)
    assert row["spend_change"] == week - before
    assert row["spend_change_pct"] == pytest.approx(100 * (week - before) / before)
    assert any("not over" in note for note in found.notes)


def test_amounts_of_two_currencies_are_never_ranked_or_added(place: Place) -> None:
    by_campaign = place.ask("spend by campaign")

    assert {row["currency"] for row in by_campaign.rows} == {"EUR", "USD"}
    assert place.ask("top 3 campaigns by spend").outcome is Outcome.ASKED_BACK
    assert place.ask("campaigns that spent over 100").outcome is Outcome.ASKED_BACK
    assert place.ask("spend").outcome is Outcome.ASKED_BACK
    assert place.ask("spend by account").outcome is Outcome.ANSWERED


def test_names_are_found_and_never_obeyed(place: Place) -> None:
    plain = place.ask("nordwind spend last week")
    named = place.ask(f'spend of campaign "{POSING}" last week')
    hostile = place.ask(f'spend of campaign "{HOSTILE}" last week')
    listed = place.ask("spend by campaign last week nordwind")

    assert plain.asked["metrics"] == ["spend"]
    assert "filters" not in plain.asked
    assert named.asked["filters"] == {"campaign": ["991000100000000002"]}
    assert hostile.asked["filters"] == {"campaign": ["991000100000000001"]}
    assert HOSTILE in {row["campaign_name"] for row in listed.rows}
    assert place.ask(HOSTILE).asked.get("filters") in (None, {"campaign": ["991000100000000001"]})
    for found in (plain, named, hostile, listed, place.ask("spend of tradies in nordwind")):
        spoken = " ".join([found.reading or "", found.message or "", *found.notes])
        assert HOSTILE not in spoken
        assert POSING + ";" not in spoken
        assert "Tradies" not in spoken


def test_rows_come_in_pages_of_one_question(place: Place) -> None:
    question = "spend by ad nordwind"
    whole = place.ask(question)

    first = place.ask(question, limit=10)
    second = place.ask(question, limit=10, cursor=first.next_cursor)

    assert first.rows + second.rows == whole.rows[:20]
    assert first.row_count == len(whole.rows) > 20
    with pytest.raises(BadCursor):
        place.ask("spend by ad set nordwind", cursor=first.next_cursor)
    with pytest.raises(BadCursor):
        place.ask(question, cursor="bm9uc2Vuc2U=")


def test_only_what_may_be_asked_about_is(place: Place) -> None:
    assert place.ask("spend", account=N).rows == place.ask("spend nordwind").rows
    for question in ("spend of 2ezi", "spend of act_990000000000002"):
        assert place.ask(question, account=N).outcome is Outcome.REFUSED


def test_about_no_account_there_is_nothing_to_say(place: Place) -> None:
    found = place.ask("spend last week", account=[])
    assert found.outcome is Outcome.REFUSED
    assert "leave it out to ask about all" in (found.message or "")


def test_nothing_can_be_changed_through_the_connection(place: Place) -> None:
    with (
        pytest.raises(psycopg.errors.ReadOnlySqlTransaction),
        place.warehouse.connection() as connection,
    ):
        connection.execute("DELETE FROM meta_ads.meta_campaigns")


METRICS = ("spend", "cost per lead", "click-through rate", "purchases", "cpm", "roas")
KEYS = ("spend", "cpl", "ctr", "purchases", "cpm", "roas")
TEMPLATES = (
    "{metric} {by} {days} {account}",
    "what was the {metric} {by} {days} for {account}?",
    "{account}: show me {metric} {days}, {by}",
    "{days} {account} {metric} {by}",
    "please tell us {account}'s {metric} {days} {by}",
)
BY = {"by campaign": "campaign", "per ad set": "adset", "for each ad": "ad", "daily": "day", "": ""}
DAYS = {
    "last week": ("2026-11-09", "2026-11-15"),
    "in the last 14 days": ("2026-11-06", "2026-11-19"),
    "since 1 November": ("2026-11-01", "2026-11-20"),
    "yesterday": ("2026-11-19", "2026-11-19"),
}


@settings(max_examples=15)
@given(
    template=st.sampled_from(TEMPLATES),
    position=st.integers(0, len(METRICS) - 1),
    by=st.sampled_from(sorted(BY)),
    days=st.sampled_from(sorted(DAYS)),
    account=st.sampled_from(["Nordwind Shop", "nordwind", N]),
    shout=st.booleans(),
)
def test_paraphrases_are_read_alike(
    place: Place, template: str, position: int, by: str, days: str, account: str, shout: bool
) -> None:
    question = template.format(metric=METRICS[position], by=by, days=days, account=account)

    found = read(place, question.upper() if shout and account != N else question)

    assert found == wanted(Golden(question, KEYS[position], BY[by], DAYS[days]))


@settings(max_examples=25)
@given(st.text(max_size=80) | st.lists(st.sampled_from(
    "spend cpl by campaign top 5 over 100 eur without results last week vs why nordwind and or "
    "2ezi ad each active the 0 between < > \" ' best most is what".split()
), max_size=9).map(" ".join))  # fmt: skip
def test_any_text_has_a_reading_or_a_reason(place: Place, question: str) -> None:
    found = _reading_or_reason(place, question)

    assert found


def _reading_or_reason(place: Place, question: str) -> str:
    try:
        return _read(place.warehouse, question, None, place.now).sentence()
    except CannotRead as error:
        return str(error)


def test_a_long_text_is_no_question(place: Place) -> None:
    assert place.ask("spend " * MAX_CHARACTERS).outcome is Outcome.REFUSED


def test_an_account_means_its_own_metric_by_a_word(tmp_path: Path) -> None:
    file = tmp_path / "own.yaml"
    file.write_text(
        f"overrides:\n  - account: {N}\n    metric: free_base_members\n"
        "    synonyms: [members, sign ups]\n    note: In this account.\n"
    )
    dictionary = metrics.read_dictionary(file)
    vocabulary = Vocabulary.of(dictionary)

    def meant(words: str, *accounts: str) -> str:
        text = Text.of(words)
        vocabulary.mark(text)
        return chosen(text.meaning(text.line), accounts, dictionary)

    assert meant("members", N) == "free_base_members"
    assert meant("sign ups", N) == "free_base_members"
    with pytest.raises(CannotRead, match="only in some accounts"):
        meant("members", "act_2")
    with pytest.raises(CannotRead, match="leads or registrations"):
        meant("sign ups", "act_2")
    with pytest.raises(CannotRead, match="free_base_members"):
        meant("sign ups", N, "act_2")
    # Rollups are counted alike, whatever they are called.
    assert dictionary.version("act_2") == metrics.read_dictionary().version("act_2")


@pytest.mark.parametrize("moment", ["2026-11-20T02:30:00+00:00"])
def test_last_week_is_that_of_each_account(place: Place, moment: str) -> None:
    now = datetime.fromisoformat(moment)

    ranges = [place.ask(f"spend yesterday {name}").provenance for name in ("nordwind", "2ezi")]

    assert now == place.now
    assert [about.since for about in ranges if about] == ["2026-11-19", "2026-11-18"]
