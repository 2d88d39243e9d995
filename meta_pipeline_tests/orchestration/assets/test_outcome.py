from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from meta_pipeline.model.missing import Missing
from meta_pipeline.model.part import ENTITIES, INSIGHTS, Part
from meta_pipeline.model.sync_run import Status, SyncRun
from meta_pipeline.orchestration.outcome import StepOutcome, sentence

START = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)


def record(account_id: str, status: Status, **changes: Any) -> SyncRun:
    return SyncRun("run", account_id, "ads", START, status=status, **changes)


def outcome(*records: SyncRun, parts: frozenset[Part] = ENTITIES) -> StepOutcome:
    return StepOutcome(parts, {one.account_id: one for one in records})


@pytest.mark.parametrize(
    ("status", "red"),
    [
        (Status.SUCCESS, False),
        (Status.PARTIAL, False),
        (Status.REFUSED, False),
        (Status.THROTTLED, True),
        (Status.FAIL, True),
    ],
)
def test_red_means_that_the_data_is_not_in(status: Status, red: bool) -> None:
    failure = outcome(record("act_1", status)).failure()
    assert (failure is not None) is red


@pytest.mark.parametrize("part", [*sorted(ENTITIES), Part.CREATIVES, Part.ACTIVITIES, Part.HOURLY])
def test_a_table_that_was_not_read_whole_is_not_in(part: Part) -> None:
    """Whatever the sentence about it begins with."""
    missing = [Missing("Meta says no", part, "some edge", is_whole=True)]
    partial = record("act_1", Status.PARTIAL, missing=missing)
    assert [each for each in Part if not partial.is_in(each)] == [part]
    assert outcome(partial, parts=frozenset({part})).failure() is not None


@pytest.mark.parametrize("part", sorted(INSIGHTS))
@pytest.mark.parametrize("named", ["2026-11-01", ""])
def test_insights_of_which_days_are_missing_are_in(part: Part, named: str) -> None:
    missing = [Missing("not proven by the account's own row", part, f"{part}{named}")]
    partial = record("act_1", Status.PARTIAL, missing=missing)
    assert outcome(partial, parts=frozenset({part})).failure() is None


def test_the_failure_names_the_accounts_and_spares_the_others() -> None:
    found = outcome(
        record("act_1", Status.SUCCESS),
        record("act_2", Status.FAIL, error_summary="No permission (Meta 200)."),
        record("act_3", Status.THROTTLED, not_before=START.replace(hour=14, minute=32)),
    )
    failure = found.failure()
    assert failure is not None
    text = str(failure.description)
    assert text.startswith("2 of 3 accounts were not synced; the others were.")
    assert "act_1" not in text
    assert "act_2 was not synced. No permission (Meta 200)." in text
    assert "act_3 is throttled until 14:32 UTC" in text
    assert "nothing needs doing" in text
    assert failure.allow_retries is False


def test_an_unexpected_error_may_be_retried_and_shows_no_secret() -> None:
    found = StepOutcome(ENTITIES)
    found.errors["act_1"] = OSError("no route to https://x/?access_token=EAAsecretsecretsecret")
    failure = found.failure()
    assert failure is not None
    assert failure.allow_retries is True
    assert "EAAsecret" not in str(failure.description)


def test_run_tags_say_who_was_not_a_plain_success() -> None:
    throttled = [record(f"act_{n}", Status.THROTTLED) for n in range(7)]
    tags = outcome(record("act_9", Status.SUCCESS), *throttled).tags()
    assert tags == {"meta_pipeline/throttled": "act_0,act_1,act_2,act_3,act_4 and 2 more"}


def test_a_refused_sync_is_told_politely() -> None:
    refused = record("act_1", Status.REFUSED, error_summary="Held by host:12.")
    assert sentence(refused) == (
        "act_1 was left to the sync that is already running. Held by host:12."
    )
