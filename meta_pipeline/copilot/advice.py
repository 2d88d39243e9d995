"""Advice as rows: what to do, why, the numbers, the method, the doubt, and what became of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict

from meta_pipeline import metrics
from meta_pipeline.advice import Kind
from meta_pipeline.advisor import (
    given_advice,
    open_advice,
    recommended,
    scores_now,
    track_record,
)
from meta_pipeline.metrics import UnknownName
from meta_pipeline.warehouse import Warehouse

from .answer import Answer, Outcome, Provenance

# More than anybody reads; the cursor pages through them, so they are all taken at once.
_MOST = 2_000
_COLUMNS = (
    "account_id kind severity what why numbers method doubt confidence expected_effect as_of "
    "review_on entity_type entity_id entity_name ads_manager_url outcome outcome_reason verdict "
    "review advice_id"
).split()
_OF_META = (
    "account_id recommendation_type level object_ids body lift_estimate opportunity_score_lift "
    "recommendation_stage first_seen_at last_seen_at url"
).split()


def advice_given(
    warehouse: Warehouse,
    accounts: list[str] | None,
    kinds: Sequence[str] | None,
    *,
    include_settled: bool,
) -> Answer:
    """The advice that is open, the most urgent first; with `include_settled` the newest first."""
    for kind in kinds or ():
        if kind not in set(Kind):
            raise UnknownName("kind of advice", kind, [str(one) for one in Kind])
    known = metrics.accounts_of(warehouse, accounts)
    ids = [one.account_id for one in known]
    # All there are are not named: each that is named is looked at.
    named = None if accounts is None else ids
    with warehouse.connection() as connection:
        given = (
            given_advice(connection, named, kinds=kinds, limit=_MOST)
            if include_settled
            else open_advice(connection, named, kinds=kinds, limit=_MOST)
        )
        record = track_record(connection, named)
    rows = [
        {
            name: value.isoformat() if hasattr(value, "isoformat") else value
            for name, value in asdict(one).items()
            # Keys, supersession and moments of ours say nothing to who asks.
            if name in _COLUMNS
        }
        for one in given
    ]
    return Answer(
        outcome=Outcome.ANSWERED,
        message=record.sentence if rows else "No advice is open.",
        columns=_COLUMNS,
        rows=[{name: row[name] for name in _COLUMNS} for row in rows],
        row_count=len(rows),
        provenance=Provenance(accounts=ids, is_simulated=any(one.is_simulated for one in known)),
        notes=[
            # A program that acts on what it is told must not take advice for something that was
            # done.
            "Nothing is changed at Meta: each advice is for a person to follow or to dismiss.",
        ],
    )


def recommended_by_meta(warehouse: Warehouse, accounts: list[str] | None) -> Answer:
    """What Meta itself recommends, what brings most points first; its scores in the message."""
    known = metrics.accounts_of(warehouse, accounts)
    ids = [one.account_id for one in known]
    with warehouse.connection() as connection:
        found, scores = recommended(connection, ids, _MOST), scores_now(connection, ids)
    rows = [
        {
            name: value.isoformat() if hasattr(value, "isoformat") else value
            for name in _OF_META
            for value in [getattr(one, name)]
        }
        for one in found
    ]
    told = " ".join(f"{one.account_id}: {one.sentence}" for one in scores)
    return Answer(
        outcome=Outcome.ANSWERED,
        message=told or "Nothing of Meta's is stored: META_RECOMMENDATIONS turns it on.",
        columns=_OF_META,
        rows=rows,
        row_count=len(rows),
        provenance=Provenance(accounts=ids, is_simulated=any(one.is_simulated for one in known)),
        notes=["Meta's own view, in its words: nothing of it was weighed here."],
    )
