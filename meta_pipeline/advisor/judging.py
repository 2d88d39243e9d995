"""Judging: ask the rules of an account, and bring its open advice up to date."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from psycopg import Connection
from psycopg.types.json import Jsonb

from meta_pipeline.advice import (
    Account,
    Advice,
    Given,
    Judgement,
    Kind,
    NoAdvice,
    Severity,
    Thresholds,
    is_due,
    judge,
    review,
)
from meta_pipeline.moments import past
from meta_pipeline.warehouse import Warehouse

from .reading import known_account
from .store import AdviceRow, give, newest_by_key, reviewed, settle, unreviewed

_RULES = "the rules"
_RANK = {Severity.LOW: 0, Severity.MEDIUM: 1, Severity.HIGH: 2}
_PAUSED = ("PAUSED", "ARCHIVED", "DELETED")
_FIELDS = {
    "pause": ("status",),
    "scale": ("daily_budget", "lifetime_budget"),
    "budget_shift": ("daily_budget", "lifetime_budget"),
    "pacing": ("daily_budget", "lifetime_budget", "end_time", "stop_time", "bid_amount"),
    "fatigue": ("status", "creative_id"),
    "duplicates": ("status",),
    "learning_limited": ("targeting", "optimization_goal", "promoted_object", "daily_budget"),
}
"""Columns whose change shows that somebody followed a piece of advice of the kind."""


@dataclass(frozen=True, slots=True)
class Judged:
    """What a look at an account changed: ids are not needed, the tables have them."""

    account_id: str
    given: int
    kept: int
    settled: int
    reviewed: int
    closed: tuple[NoAdvice, ...]


def judge_account(
    warehouse: Warehouse,
    account_id: str,
    thresholds: Thresholds | None = None,
    now: datetime | None = None,
) -> Judged:
    """Judge an account and write what is new; one transaction, and the same twice changes nothing.

    An open advice is kept while it is repeated. It is followed when its entity was changed so,
    expired when the rules say it no more, superseded when it became more urgent. A dismissed or
    settled one stays quiet for `quiet_days`, unless it becomes more urgent. What became of older
    ones is measured once their review date is over and their days have settled.
    """
    numbers, moment = thresholds or Thresholds(), now or datetime.now(UTC)
    account = known_account(warehouse, account_id, moment)
    judgement = judge(account, numbers)
    with warehouse.connection() as connection, connection.transaction():
        # Two runs at once would both give the same advice under two days' ids.
        connection.execute(
            "SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", (f"advice:{account_id}",)
        )
        done = _brought_up_to_date(connection, account_id, judgement, numbers, moment)
        done = replace(done, reviewed=_reviewed(connection, account, numbers, moment))
        closed = Jsonb([asdict(one) for one in done.closed])
        connection.execute(
            _NOTE,
            (account_id, moment, account.today, done.given, done.kept, done.settled, done.reviewed,
             closed),
        )  # fmt: skip
        return done


def _brought_up_to_date(
    connection: Connection[Any],
    account_id: str,
    judgement: Judgement,
    thresholds: Thresholds,
    now: datetime,
) -> Judged:
    said = {one.key: one for one in judgement.advices}
    settled = 0
    # Not said because it could not be weighed is no change of mind: such advice stays open.
    gated = {(one.kind.value, one.entity_id) for one in judgement.closed}
    grouped = {
        (one.kind.value, each)
        for one in judgement.advices
        if one.entity_type == "account"
        for each in one.entity_ids
    }
    known = newest_by_key(connection, account_id, now)
    still_open = {key: row for key, row in known.items() if row.outcome is None}
    followed = _followed(connection, still_open.values())
    for key, row in still_open.items():
        # First: what was followed is often not said any more for that very reason.
        if (how := followed.get(row.advice_id)) is not None:
            settled += settle(connection, row.advice_id, "followed", at=now, by=_RULES, reason=how)
        elif key not in said and (row.kind, row.entity_id) in grouped:
            reason = "It is part of one advice on several by now."
            settled += settle(
                connection, row.advice_id, "superseded", at=now, by=_RULES, reason=reason
            )
        elif key not in said and (row.kind, row.entity_id) not in gated:
            reason = "The rules do not say it any more."
            settled += settle(
                connection, row.advice_id, "expired", at=now, by=_RULES, reason=reason
            )
    # Anew: what was settled above does not keep its advice from being given again.
    known = newest_by_key(connection, account_id, now, said)
    fresh: list[tuple[Advice, str | None]] = []
    for one in judgement.advices:
        last = known.get(one.key)
        if last is not None and not _is_news(one, last, thresholds, now):
            continue
        replaces = None if last is None or last.outcome is not None else last.advice_id
        if replaces is not None:
            reason = f"It became more: {one.severity}, about {len(one.entity_ids)}."
            settled += settle(connection, replaces, "superseded", at=now, by=_RULES, reason=reason)
        fresh.append((one, replaces))
    give(connection, fresh, now)
    return Judged(account_id, len(fresh), len(said) - len(fresh), settled, 0, judgement.closed)


def _reviewed(
    connection: Connection[Any], account: Account, thresholds: Thresholds, now: datetime
) -> int:
    done = 0
    changed = connection.execute(_CURRENCIES, (account.account_id,)).fetchall()
    for row in unreviewed(connection, account.account_id):
        given = Given(
            kind=Kind(row.kind), entity_type=row.entity_type, entity_id=row.entity_id,
            entity_ids=tuple(row.entity_ids), as_of=row.as_of, review_on=row.review_on,
            numbers=row.numbers,
            # The next change says what it was in until then.
            currency=next((was for seen_at, was in changed if seen_at > row.made_at), None),
            acted_on=row.outcome_at.date() if row.outcome == "followed" and row.outcome_at
            else None,
        )  # fmt: skip
        if is_due(account, given, thresholds):
            reviewed(connection, row, review(account, given), now)
            done += 1
    return done


_CURRENCIES = """
    SELECT seen_at, old_value FROM meta_ads.entity_changes
    WHERE entity_id = %s AND entity_type = 'account' AND field = 'currency' ORDER BY seen_at
"""
_NOTE = """
    INSERT INTO meta_ads.advice_judgements
        (account_id, judged_at, as_of, given, kept, settled, reviewed, closed)
    VALUES (%s, %s, %s, %s, %s, %s, %s, %s)
    ON CONFLICT (account_id) DO UPDATE SET
        judged_at = excluded.judged_at, as_of = excluded.as_of, given = excluded.given,
        kept = excluded.kept, settled = excluded.settled, reviewed = excluded.reviewed,
        closed = excluded.closed
"""


def _is_news(one: Advice, last: AdviceRow, thresholds: Thresholds, now: datetime) -> bool:
    if one.as_of <= last.as_of:
        return False  # given today already
    if _RANK[one.severity] > _RANK[Severity(last.severity)]:
        return True
    if one.severity is Severity.HIGH and not {*one.entity_ids} <= {*last.entity_ids}:
        return True  # about more of them, and urgent
    if last.outcome is None or last.outcome_at is None:
        return False
    ended_at = past(last.outcome_at, now)
    return ended_at is None or now - ended_at > timedelta(days=thresholds.quiet_days)


# By entity, which has few changes. Switched on again is not what was advised.
_FOLLOWED = """
    SELECT DISTINCT ON (given.advice_id) given.advice_id, change.field, new_value, seen_at
    FROM meta_ads.advice AS given
    CROSS JOIN LATERAL jsonb_array_elements_text(given.entity_ids) AS entity (id)
    JOIN meta_ads.entity_changes AS change
        ON change.account_id = given.account_id AND change.entity_id = entity.id
        AND seen_at > given.made_at
    WHERE given.advice_id = ANY (%(open)s)
        AND (%(fields)s::jsonb -> given.kind) ? change.field
        AND (change.field <> 'status' OR new_value = ANY (%(paused)s))
    ORDER BY given.advice_id, seen_at, change.field
"""


def _followed(connection: Connection[Any], rows: Iterable[AdviceRow]) -> dict[str, str]:
    """How those of these that somebody followed were, in a sentence, by id."""
    asked = {
        "open": [row.advice_id for row in rows],
        "fields": Jsonb(_FIELDS),
        "paused": list(_PAUSED),
    }
    return {
        advice_id: f"{field} became {value}, seen on {seen_at:%Y-%m-%d}."
        for advice_id, field, value, seen_at in connection.execute(_FOLLOWED, asked)
    }
