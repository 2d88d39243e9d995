"""Reasons as people read them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from .candidate import Candidate
from .policy import Tier
from .state import DuePart, SyncState

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


def length(span: timedelta) -> str:
    """A time as people say it: `40 s`, `34 min`, `2 h`, `1 h 20 min`, `3 days`."""
    seconds = max(0, int(span.total_seconds()))
    if seconds < 60:
        return f"{seconds} s"
    minutes = seconds // 60
    if minutes < 60:
        return f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    if hours < 48:
        return f"{hours} h {minutes} min" if minutes and hours < 10 else f"{hours} h"
    return f"{hours // 24} days"


def clock(moment: datetime, now: datetime) -> str:
    """A time as people read it: `14:32 UTC`, with its date when that is not today's."""
    utc = moment.astimezone(UTC)
    form = "%H:%M UTC" if utc.date() == now.astimezone(UTC).date() else "%Y-%m-%d %H:%M UTC"
    return format(utc, form)


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
    age = f"{part} {length(now - synced_at)} old"
    if is_insights and state.has_backfill_gap:
        return age
    every = candidate.cadence.insights if is_insights else candidate.cadence.entities
    return f"{age}, due every {length(every)}"


def _after(state: SyncState) -> str:
    if not state.failures:
        return ""
    times = "the last attempt" if state.failures == 1 else f"{state.failures} attempts in a row"
    return f"; {times} did not succeed"
