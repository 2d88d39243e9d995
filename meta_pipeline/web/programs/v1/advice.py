"""`/v1/advice`: what to pause, scale or mend, with its evidence and what became of it."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query
from pydantic import ConfigDict

from meta_pipeline.advice import Kind, Severity
from meta_pipeline.advisor import (
    given_advice,
    recommendations_page,
    score_days,
    track_record,
)
from meta_pipeline.discreet import DiscreetModel

from .accounts import account_of
from .caller import Caller, Reader
from .paging import Cursor, Limit, Page, cursor_of, key_behind

advice = APIRouter(tags=["advice"])
OfAccount = Annotated[
    str | None, Query(pattern=r"^act_[0-9]{1,20}$", description="Of this ad account; all without")
]


class GivenAdvice(DiscreetModel):
    """One advice: what to do, why, on which numbers, by which method, with how much doubt.

    `outcome` is null while it is open; `verdict` until its review date is over.
    """

    # Written out, though `AdviceRow` has the same fields: what /v1 promises must not change with
    # a column of ours.
    model_config = ConfigDict(from_attributes=True)

    advice_id: str
    account_id: str
    kind: Kind
    severity: Severity
    entity_type: str
    entity_id: str
    entity_name: str | None
    entity_ids: list[str]
    """All that it is about where it is about several."""
    what: str
    why: str
    numbers: dict[str, Any]
    """What it rests on, by name; amounts in major units of the account's currency."""
    method: str
    doubt: str
    confidence: float | None
    """Probability, 0 to 1; null where it is a fact or was not weighed."""
    expected_effect: str
    as_of: date
    """The day it was given, in the account's zone."""
    review_on: date
    """The day from which it can be said whether it was right."""
    ads_manager_url: str
    supersedes: str | None
    """Id of an earlier advice on the same that this one takes the place of."""
    made_at: datetime
    outcome: str | None
    outcome_at: datetime | None
    outcome_by: str | None
    """Who said so: a person, or the rules."""
    outcome_reason: str | None
    verdict: Literal["better", "worse", "same", "unknown"] | None
    review: str | None
    """The verdict in a sentence."""
    reviewed_at: datetime | None


class Record(DiscreetModel):
    """What became of the newest advice, in numbers and in a sentence."""

    model_config = ConfigDict(from_attributes=True)

    advices: int
    followed: int
    better: int
    worse: int
    waiting: int
    sentence: str


class Recommendation(DiscreetModel):
    """What Meta itself recommends, in its words; `gone_at` is null while it still does."""

    model_config = ConfigDict(from_attributes=True)

    recommendation_id: str
    account_id: str
    recommendation_type: str
    """Meta's name of the kind, which may be one that this version does not know."""
    recommendation_stage: str | None
    level: str | None
    object_ids: list[str]
    body: str | None
    lift_estimate: str | None
    """In Meta's words."""
    opportunity_score_lift: float | None
    """Points of the opportunity score that following it would bring."""
    url: str | None
    recommended_at: datetime | None
    """When Meta made it, where Meta says so."""
    first_seen_at: datetime
    """When a sync first read it."""
    last_seen_at: datetime
    gone_at: datetime | None


class Score(DiscreetModel):
    """Meta's opportunity score of an account and a day, 0 to 100; of its history, and live."""

    model_config = ConfigDict(from_attributes=True)

    account_id: str
    day: date
    score: float | None
    live_score: float | None
    changelog: list[dict[str, Any]] | None


@advice.get("/advice")
def list_advice(
    caller: Reader,
    *,
    account_id: OfAccount = None,
    kind: Annotated[
        list[Kind] | None, Query(max_length=len(Kind), description="Only of these kinds")
    ] = None,
    include_settled: Annotated[
        bool, Query(description="Also what was dismissed, followed, expired or superseded")
    ] = False,
    limit: Limit = 100,
    cursor: Cursor = None,
) -> Page[GivenAdvice]:
    """List the advice that is open, from the newest day back."""
    accounts = _accounts(caller, account_id)
    key = key_behind(cursor, date, str)
    with caller.warehouse.connection() as connection:
        rows = given_advice(
            connection,
            accounts,
            kinds=kind,
            is_settled=None if include_settled else False,
            after=(key[0], key[1]) if key else None,
            limit=limit + 1,
        )
    last = rows[limit - 1] if len(rows) > limit else None
    return Page(
        data=[GivenAdvice.model_validate(row) for row in rows[:limit]],
        next_cursor=cursor_of(last.as_of, last.advice_id) if last else None,
    )


@advice.get("/advice/record")
def show_record(
    caller: Reader,
    account_id: OfAccount = None,
    limit: Annotated[int, Query(ge=1, le=1_000, description="How many of the newest")] = 20,
) -> Record:
    """Say what became of the newest advice: how much was followed, and how much was better."""
    accounts = _accounts(caller, account_id)
    with caller.warehouse.connection() as connection:
        return Record.model_validate(track_record(connection, accounts, limit=limit))


@advice.get("/advice/recommendations")
def list_recommendations(
    caller: Reader,
    *,
    account_id: OfAccount = None,
    include_gone: Annotated[
        bool, Query(description="Also what Meta does not recommend any more")
    ] = False,
    limit: Limit = 100,
    cursor: Cursor = None,
) -> Page[Recommendation]:
    """List what Meta itself recommends: its view, kept beside our advice and never mixed with it.

    Kept for the accounts of META_RECOMMENDATIONS.
    """
    accounts = _accounts(caller, account_id)
    key = key_behind(cursor, str)
    with caller.warehouse.connection() as connection:
        rows = recommendations_page(
            connection,
            accounts,
            includes_gone=include_gone,
            after=key[0] if key else None,
            limit=limit + 1,
        )
    last = rows[limit - 1] if len(rows) > limit else None
    return Page(
        data=[Recommendation.model_validate(row) for row in rows[:limit]],
        next_cursor=cursor_of(last.recommendation_id) if last else None,
    )


@advice.get("/advice/scores")
def list_scores(
    caller: Reader,
    account_id: Annotated[
        str, Query(pattern=r"^act_[0-9]{1,20}$", description="Of this ad account")
    ],
    limit: Limit = 100,
    cursor: Cursor = None,
) -> Page[Score]:
    """List Meta's opportunity score of an account by day, from the newest day back."""
    known = account_of(caller, account_id).account_id
    key = key_behind(cursor, date)
    with caller.warehouse.connection() as connection:
        rows = score_days(connection, known, before=key[0] if key else None, limit=limit + 1)
    last = rows[limit - 1] if len(rows) > limit else None
    return Page(
        data=[Score.model_validate(row) for row in rows[:limit]],
        next_cursor=cursor_of(last.day) if last else None,
    )


def _accounts(caller: Caller, account_id: str | None) -> list[str] | None:
    return None if account_id is None else [account_of(caller, account_id).account_id]
