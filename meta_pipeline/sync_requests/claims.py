"""Claims: which open requests one run serves. Pure: rows in, claims out."""

from __future__ import annotations

import uuid
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from meta_pipeline.chunks import chunks
from meta_pipeline.model.part import DEFAULT_PARTS, Part
from meta_pipeline.moments import awaited, past
from meta_pipeline.warehouse import SyncRequestRow

from .asking import ANEW_SECONDS, MOST_OBJECTS


@dataclass(frozen=True, slots=True)
class ClaimScope:
    """What is the same of all accounts of a claim: parts and days; `is_named`: objects by id."""

    is_named: bool
    parts: frozenset[Part] | None
    since: date | None = None
    until: date | None = None
    force: bool = False
    max_age_seconds: int | None = None


@dataclass(frozen=True, slots=True)
class Claim:
    """The requests that one run serves, by account; one sync of each account is made."""

    claim_id: str
    scope: ClaimScope
    rows: Mapping[str, Sequence[SyncRequestRow]]

    @property
    def request_ids(self) -> list[str]:
        return [row.request_id for rows in self.rows.values() for row in rows]

    @property
    def why(self) -> str:
        """Who asked, in a line."""
        askers = dict.fromkeys(
            f"{row.requested_by} ({row.source})" for rows in self.rows.values() for row in rows
        )
        named = ", ".join(list(askers)[:3])
        more = len(askers) - 3
        return f"asked for by {named}" + (f" and {more} more" if more > 0 else "")


def objects_of(rows: Iterable[SyncRequestRow]) -> dict[Part, tuple[str, ...]]:
    """All ids that the rows name, each once, by part."""
    by_part: dict[Part, dict[str, None]] = {}
    for row in rows:
        for part, ids in (row.objects or {}).items():
            by_part.setdefault(Part(part), {}).update(dict.fromkeys(ids))
    return {part: tuple(ids) for part, ids in sorted(by_part.items())}


def mean_the_account(rows: Iterable[SyncRequestRow]) -> bool:
    """Whether the rows name so many ids together that their parts are read instead."""
    return sum(sum(row.object_counts.values()) for row in rows) > MOST_OBJECTS


def parts_named(rows: Iterable[SyncRequestRow]) -> frozenset[Part]:
    """The parts that the ids of the rows are of."""
    return frozenset(Part(part) for row in rows for part in row.object_counts)


def is_due(row: SyncRequestRow, now: datetime) -> bool:
    """Whether what the request waits for is over."""
    # One of the future was written by a clock ahead, and so was what it waits for.
    until = awaited(row.not_before, now) if past(row.requested_at, now) else None
    return until is None or until <= now


def claims(
    pending: Iterable[SyncRequestRow],
    now: datetime,
    *,
    busy: Collection[str] = (),
    accounts_per_run: int = 25,
) -> list[Claim]:
    """What may be started now, oldest first: one claim an account, equal scopes share a run.

    `busy` are accounts that are being synced or are about to be: their requests wait.
    """
    by_account: dict[str, list[SyncRequestRow]] = {}
    for row in pending:
        if is_due(row, now) and row.account_id not in busy:
            by_account.setdefault(row.account_id, []).append(row)
    by_scope: dict[ClaimScope, dict[str, list[SyncRequestRow]]] = {}
    for account_id, rows in by_account.items():
        # One claim an account: two syncs of it at once would wait for one lock.
        scope, served = _together(rows)
        by_scope.setdefault(scope, {})[account_id] = served
    return [
        Claim(uuid.uuid4().hex, scope, dict(some))
        for scope, accounts in by_scope.items()
        for some in chunks(list(accounts.items()), accounts_per_run)
    ]


def joinable(
    pending: Iterable[SyncRequestRow], running: Sequence[SyncRequestRow]
) -> dict[str, list[str]]:
    """Pending requests that a sync under way serves as well: claim id to request ids.

    It brings all they ask for, and began no longer before they were made than what they call
    fresh enough.
    """
    # Many of a claim ask for the same: each pending one is held against it once.
    syncs: dict[str, dict[object, SyncRequestRow]] = {}
    for row in running:
        parts = None if row.parts is None else tuple(row.parts)
        asked = (row.claim_id, row.claimed_at, parts, row.since, row.until, row.is_named)
        syncs.setdefault(row.account_id, {}).setdefault(asked, row)
    joined: dict[str, list[str]] = {}
    for row in pending:
        for other in syncs.get(row.account_id, {}).values():
            if other.claim_id and _covers(other, row):
                joined.setdefault(other.claim_id, []).append(row.request_id)
                break
    return joined


def _covers(running: SyncRequestRow, row: SyncRequestRow) -> bool:
    # Forced means read anew: what was begun before was not begun for it.
    if row.is_named or running.is_named or row.force:
        return False
    if (row.since, row.until) != (running.since, running.until) or running.claimed_at is None:
        return False
    # What the sync has read already is as old as its claim.
    enough = timedelta(seconds=row.max_age_seconds or 0)
    if row.requested_at - running.claimed_at > enough:
        return False
    if running.parts is None:
        return _is_usual(row)
    return row.parts is not None and set(row.parts) <= set(running.parts)


def _is_usual(row: SyncRequestRow) -> bool:
    """Whether what the settings bring is all that it asks for."""
    return row.parts is None or set(map(str, row.parts)) <= set(map(str, DEFAULT_PARTS))


def _together(rows: Sequence[SyncRequestRow]) -> tuple[ClaimScope, list[SyncRequestRow]]:
    """The oldest request, and all that one sync with it serves."""
    first = rows[0]
    if first.is_named:
        served = [row for row in rows if row.is_named]
        if not mean_the_account(served):
            return ClaimScope(is_named=True, parts=None), served
        parts = parts_named(served)
        return ClaimScope(is_named=False, parts=parts, max_age_seconds=ANEW_SECONDS), served
    alike = [
        row
        for row in rows
        if not row.is_named
        and (row.since, row.until, row.force) == (first.since, first.until, first.force)
    ]
    # What the settings bring is not known here: it holds the usual parts, and perhaps more.
    is_usual = _is_usual(first) and any(row.parts is None for row in alike)
    served = [row for row in alike if (_is_usual(row) if is_usual else row.parts is not None)]
    parts = frozenset(Part(part) for row in served for part in row.parts or ())
    ages = [row.max_age_seconds for row in served if row.max_age_seconds is not None]
    scope = ClaimScope(
        is_named=False,
        parts=None if is_usual else parts,
        since=first.since,
        until=first.until,
        force=first.force,
        max_age_seconds=min(ages, default=None),
    )
    return scope, served
