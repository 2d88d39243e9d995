"""Connections as problems: what ends, what could not be renewed, what Meta refuses."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

from meta_pipeline.model.connection_state import ConnectionState
from meta_pipeline.moments import past
from meta_pipeline.warehouse import Connection, ConnectionRow
from meta_pipeline.warehouse.stores.callbacks import open_callbacks
from meta_pipeline.warehouse.stores.connections import all_connections
from meta_pipeline.words import minute, times

from .condition import Condition, ConditionKind, Grade

STAGES = {
    timedelta(0): Grade.HAPPENED,
    timedelta(days=1): Grade.URGENT,
    timedelta(days=7): Grade.ERROR,
    timedelta(days=14): Grade.WARNING,
}
"""Days before an end that are worth a word, and how loud it is: the first that fits counts."""
GRACE = timedelta(minutes=15)
"""A renewal that is due now is first left to the schedule."""
DONE_WITHIN = timedelta(days=1)
"""What people asked for at Meta; a request that takes longer is told, also if nothing is wrong."""
_AGAIN = (
    "Connect again: the page Connections, `meta-pipeline connections connect`, or a new token with "
    "`meta-pipeline connections add --paste` (docs/tokens.md)."
)
_LOGIN = "Whoever gave access has to log in to the app again and agree: connect again."


def connection_conditions(connection: Connection, now: datetime) -> list[Condition]:
    """What is wrong with each stored connection, at most one problem each: the worst.

    And what people asked of Meta that could not be done for them yet.
    """
    conditions = _undone(connection, now)
    for row in all_connections(connection):
        if row.state != ConnectionState.REPLACED and (problems := list(_problems(row, now))):
            conditions.append(max(problems, key=lambda one: one.grade))
    return conditions


def _undone(connection: Connection, now: datetime) -> list[Condition]:
    undone = [
        row.problem or f"since {minute(row.received_at)}, tried {times(row.attempts, 'time')}."
        for row in open_callbacks(connection)
        if row.problem or row.received_at <= now - DONE_WITHIN
    ]
    if not undone:
        return []
    return [
        Condition(
            key="meta_callbacks",
            kind=ConditionKind.TOKEN,
            grade=Grade.ERROR,
            subject="requests to delete data",
            cause=f"What people asked for at Meta could not be carried out: {undone[0]}",
            what_to_do="Mend what it says: it is tried again every hour. People who ask have a "
            "right to it within a month in many countries.",
            since=now,
        )
    ]


def _problems(row: ConnectionRow, now: datetime) -> Iterator[Condition]:
    if not ConnectionState(row.state).is_usable:
        why = row.problem or "Meta refuses its token"
        yield _condition(row, Grade.HAPPENED, f"It is {row.state}: {why}", _AGAIN, now)
        return
    yield from _token_end(row, now)
    if (stage := _stage(row.data_access_expires_at, now)) is not None:
        cause = f"Access to data {_ends(row.data_access_expires_at, now)}"
        yield _condition(row, stage, cause, _LOGIN, now)
    if row.problem is not None:
        mend = f"Mend what it says, then meta-pipeline connections check {row.connection_id}."
        yield _condition(row, Grade.WARNING, row.problem, mend, row.checked_at)


def _token_end(row: ConnectionRow, now: datetime) -> Iterator[Condition]:
    if row.expires_at is None:
        return
    stage, ends = _stage(row.expires_at, now), f"Its token {_ends(row.expires_at, now)}"
    if row.renewal_problem is not None:
        cause = f"{ends}, and could not be renewed: {row.renewal_problem}"
        mend = (
            "Mend what it says; it is tried again daily, or at once with meta-pipeline "
            f"connections renew {row.connection_id}."
        )
        yield _condition(row, stage or Grade.WARNING, cause, mend, row.renewal_failed_at or now)
        return
    due_at, added_at = row.renews_at(now), past(row.added_at, now) or now
    if stage is None or due_at is None or now < max(due_at, added_at) + GRACE:
        return
    mend = (
        "It should have been renewed: is the Dagster daemon up, and schedule connection_care on? "
        f"At once: meta-pipeline connections renew {row.connection_id}."
        if stage is not Grade.HAPPENED
        else _AGAIN
    )
    yield _condition(row, stage, ends, mend, now)


def _stage(end: datetime | None, now: datetime) -> Grade | None:
    if end is None:
        return None
    return next((grade for before, grade in STAGES.items() if end - now <= before), None)


def _ends(end: datetime | None, now: datetime) -> str:
    assert end is not None
    left = end - now
    if left <= timedelta(0):
        return f"ended on {minute(end)}"
    if left < timedelta(days=1):
        return f"ends on {minute(end)}, in {times(int(left.total_seconds() // 3600), 'hour')}"
    return f"ends on {minute(end)}, in {times(left.days, 'day')}"


def _condition(
    row: ConnectionRow, grade: Grade, cause: str, what_to_do: str, since: datetime
) -> Condition:
    return Condition(
        key=f"connection:{row.connection_id}",
        kind=ConditionKind.TOKEN,
        grade=grade,
        subject=f"connection {row.name} ({row.connection_id})",
        cause=f"{cause.rstrip('. ')}.",
        what_to_do=what_to_do,
        since=since,
    )
