"""The book of advice: what was given, what is open, what became of it. Rows are only added."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, fields
from datetime import date, datetime
from hashlib import sha256
from typing import Any

from psycopg import Connection
from psycopg.rows import class_row
from psycopg.types.json import Jsonb

from meta_pipeline.advice import Advice


class AdviceSettled(Exception):
    """The advice is not open any more; the message says what became of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AdviceRow:
    """One row of `advice` with what became of it: `outcome` is None while it is open."""

    advice_id: str
    account_id: str
    advice_key: str
    kind: str
    severity: str
    entity_type: str
    entity_id: str
    entity_name: str | None
    entity_ids: list[str]
    what: str
    why: str
    numbers: dict[str, Any]
    method: str
    doubt: str
    confidence: float | None
    expected_effect: str
    as_of: date
    review_on: date
    ads_manager_url: str
    supersedes: str | None
    made_at: datetime
    outcome: str | None = None
    outcome_at: datetime | None = None
    outcome_by: str | None = None
    outcome_reason: str | None = None


_OUTCOMES = ("outcome", "outcome_at", "outcome_by", "outcome_reason")
_COLUMNS = tuple(one.name for one in fields(AdviceRow) if one.name not in _OUTCOMES)
_SELECT = f"""
    SELECT {", ".join(f"a.{name}" for name in _COLUMNS if name != "confidence")},
           a.confidence::float8 AS confidence,
           o.outcome, o.at AS outcome_at, o.by AS outcome_by, o.reason AS outcome_reason
    FROM meta_ads.advice AS a
    LEFT JOIN LATERAL (
        SELECT outcome, at, by, reason FROM meta_ads.advice_outcomes
        WHERE advice_id = a.advice_id ORDER BY at DESC, outcome LIMIT 1
    ) AS o ON true
"""
_URGENT_FIRST = """
    ORDER BY array_position(ARRAY['high', 'medium', 'low'], a.severity), a.as_of DESC, a.advice_id
"""
_GIVE = f"""
    INSERT INTO meta_ads.advice ({", ".join(_COLUMNS)})
    VALUES ({", ".join(f"%({name})s" for name in _COLUMNS)})
    ON CONFLICT (advice_id) DO NOTHING
"""
_SETTLE = """
    INSERT INTO meta_ads.advice_outcomes (advice_id, outcome, account_id, at, by, reason)
    SELECT advice_id, %(outcome)s, account_id, %(at)s, %(by)s, %(reason)s
    FROM meta_ads.advice AS a
    WHERE advice_id = %(advice_id)s AND NOT EXISTS (
        SELECT FROM meta_ads.advice_outcomes WHERE advice_id = a.advice_id)
    ON CONFLICT DO NOTHING
"""


def open_advice(
    connection: Connection[Any],
    accounts: Sequence[str] | None = None,
    *,
    kinds: Sequence[str] | None = None,
    limit: int | None = None,
) -> list[AdviceRow]:
    """Advice nobody has settled yet, of these accounts or of all, the most urgent first."""
    cursor = connection.cursor(row_factory=class_row(AdviceRow))
    return cursor.execute(
        f"{_SELECT} WHERE o.outcome IS NULL"
        " AND (%(accounts)s::text[] IS NULL OR a.account_id = ANY (%(accounts)s))"
        " AND (%(kinds)s::text[] IS NULL OR a.kind = ANY (%(kinds)s))"
        f" {_URGENT_FIRST} LIMIT %(limit)s",
        {
            "accounts": None if accounts is None else list(accounts),
            "kinds": None if kinds is None else list(kinds),
            "limit": limit,
        },
    ).fetchall()


def given_advice(
    connection: Connection[Any], accounts: Sequence[str] | None = None, *, limit: int = 20
) -> list[AdviceRow]:
    """The newest advice, also what is settled, newest first."""
    cursor = connection.cursor(row_factory=class_row(AdviceRow))
    return cursor.execute(
        f"{_SELECT} WHERE %(accounts)s::text[] IS NULL OR a.account_id = ANY (%(accounts)s)"
        " ORDER BY a.made_at DESC, a.advice_id LIMIT %(limit)s",
        {"accounts": None if accounts is None else list(accounts), "limit": limit},
    ).fetchall()


def advice_beginning(connection: Connection[Any], given: str) -> list[AdviceRow]:
    """The advice whose id begins so, two at most: one is what was meant."""
    cursor = connection.cursor(row_factory=class_row(AdviceRow))
    return cursor.execute(
        f"{_SELECT} WHERE starts_with(a.advice_id, %s) ORDER BY a.advice_id LIMIT 2", (given,)
    ).fetchall()


def newest_by_key(connection: Connection[Any], account_id: str) -> dict[str, AdviceRow]:
    """Of every key of an account, the advice that was given last."""
    cursor = connection.cursor(row_factory=class_row(AdviceRow))
    rows = cursor.execute(
        f"{_SELECT} WHERE a.account_id = %s ORDER BY a.made_at, a.advice_id", (account_id,)
    )
    return {row.advice_key: row for row in rows}


def give(
    connection: Connection[Any], advices: Iterable[tuple[Advice, str | None]], at: datetime
) -> None:
    """Write advice, each with the id of the one it takes the place of; twice a day is once."""
    for one, supersedes in advices:
        values = asdict(one) | {
            "advice_id": _id(one),
            "advice_key": one.key,
            "entity_name": one.entity_name or None,
            "entity_ids": Jsonb(list(one.entity_ids)),
            "numbers": Jsonb(dict(one.numbers)),
            "supersedes": supersedes,
            "made_at": at,
        }
        connection.execute(_GIVE, {name: values[name] for name in _COLUMNS})


def settle(
    connection: Connection[Any], advice_id: str, outcome: str, *, at: datetime, by: str, reason: str
) -> bool:
    """Write what became of an advice; False when something already had."""
    values = {"advice_id": advice_id, "outcome": outcome, "at": at, "by": by, "reason": reason}
    return connection.execute(_SETTLE, values).rowcount == 1


def dismiss(
    connection: Connection[Any], row: AdviceRow, *, by: str, reason: str, at: datetime
) -> None:
    """A person says no, and why. Raises AdviceSettled for one that is not open."""
    if not settle(connection, row.advice_id, "dismissed", at=at, by=by, reason=reason):
        (now,) = advice_beginning(connection, row.advice_id)[:1] or (row,)
        raise AdviceSettled(
            f"Advice {row.advice_id[:8]} is {now.outcome or 'gone'}: only one that is open can be "
            "dismissed."
        )


def _id(one: Advice) -> str:
    return sha256(f"{one.account_id}\n{one.key}\n{one.as_of}".encode()).hexdigest()[:32]
