"""Why an account is synced now, as people read it."""

from __future__ import annotations

from datetime import datetime

from meta_pipeline.model.account_state import AccountState
from meta_pipeline.words import duration

from .candidate import Candidate, DuePart
from .policy import Tier

_SPEND = {
    Tier.HIGH: "high spend",
    Tier.MEDIUM: "medium spend",
    Tier.LOW: "low spend",
    Tier.EMPTY: "nothing that could spend",
}


def why_now(
    candidate: Candidate, now: datetime, backfill_days: int, newest_days: int | None = None
) -> str:
    """Why the account is picked: `high spend (812 EUR in 7 days), insights 34 min old, ...`."""
    state = candidate.state
    if state.is_first_sync:
        days = f"the last {backfill_days} days, newest first"
        if newest_days is not None:
            days = f"the last {newest_days} days, those before them once every account has these"
        return f"first sync: {days}{_after(state)}"
    words = [_spend(candidate)] if candidate.cadence.tier else []
    words += [_due(candidate, part, now) for part in DuePart if part in candidate.parts]
    if state.has_backfill_gap:
        words.append(f"some of the last {backfill_days} days are missing")
    return ", ".join(words) + _after(state)


def _spend(candidate: Candidate) -> str:
    tier, state = candidate.cadence.tier, candidate.state
    assert tier is not None
    if tier is Tier.EMPTY:
        return _SPEND[tier]
    if not state.spend_7d:
        return f"{_SPEND[tier]} (none in 7 days)"
    amount = f"{state.spend_7d:,.0f}" if state.spend_7d >= 1 else f"{state.spend_7d:.2f}"
    currency = f" {state.currency}" if state.currency else ""
    if not state.is_comparable:
        return f"spend that cannot be compared ({amount}{currency} in 7 days, no rate is known)"
    return f"{_SPEND[tier]} ({amount}{currency} in 7 days)"


def _due(candidate: Candidate, part: DuePart, now: datetime) -> str:
    state, is_insights = candidate.state, part is DuePart.INSIGHTS
    synced_at = state.insights_synced_at if is_insights else state.entities_synced_at
    if synced_at is None:
        return f"{part} never read"
    age = f"{part} {duration(now - synced_at)} old"
    if is_insights and state.has_backfill_gap:
        return age
    every = candidate.cadence.insights if is_insights else candidate.cadence.entities
    return f"{age}, due every {duration(every)}"


def _after(state: AccountState) -> str:
    if not state.failures:
        return ""
    times = "the last attempt" if state.failures == 1 else f"{state.failures} attempts in a row"
    return f"; {times} did not succeed"
