"""Alerts: which problems are open, since when, and what each channel was told."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any

from psycopg.rows import class_row
from psycopg.types.json import Jsonb

from meta_pipeline.warehouse import Connection

from .condition import Condition


@dataclass(frozen=True, slots=True, kw_only=True)
class Alert:
    """One row of `alerts`."""

    alert_key: str
    """Names the problem for good: `account:act_123`, `check:gaps`, ..."""
    source: str
    """Who looks after it: what this source no longer names is over."""
    kind: str
    account_id: str | None
    subject: str
    grade: int
    """A number of `condition.Grade`; told again when it rises."""
    cause: str
    what_to_do: str
    link: str | None
    """A path in Dagster's UI."""
    opened_at: datetime
    resolved_at: datetime | None
    """None while it is open."""


@dataclass(frozen=True, slots=True)
class ChannelState:
    """What was last told through one channel: `alert_key` to grade."""

    told: Mapping[str, int] = field(default_factory=dict)
    last_sent_at: datetime | None = None
    failing_since: datetime | None = None

    def once_told(self, alerts: Iterable[Alert]) -> dict[str, int]:
        """`told` after a message about these: a grade that fell was told when it was higher."""
        return {one.alert_key: max(one.grade, self.told.get(one.alert_key, 0)) for one in alerts}


class AlertStore:
    """`alerts` and `alert_channels`, written in the caller's transaction."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def replace(self, source: str, conditions: Iterable[Condition], now: datetime) -> None:
        """Record the whole truth of one source: what it no longer names is over."""
        current = {condition.key: condition for condition in conditions}
        self._note(source, current.values(), now)
        self._connection.execute(_RESOLVE_OTHERS, (now, now, source, list(current)))

    def note(self, source: str, condition: Condition, now: datetime) -> None:
        """Add one problem, or renew it; its start stays that of the first time."""
        self._note(source, [condition], now)

    def _note(self, source: str, conditions: Collection[Condition], now: datetime) -> None:
        """One statement however many problems there are: a fleet may have one for each account."""
        rows = [
            asdict(condition)
            | {
                "kind": str(condition.kind),
                "grade": int(condition.grade),
                "since": condition.since.isoformat(),
            }
            for condition in conditions
        ]
        if rows:
            self._connection.execute(_NOTE, {"rows": Jsonb(rows), "source": source, "now": now})

    def resolve(self, keys: Collection[str], now: datetime) -> None:
        """Close these problems, wherever they came from."""
        self._connection.execute(_RESOLVE, (now, now, list(keys)))

    def open(self, source: str | None = None) -> list[Alert]:
        """The open problems (of one source), worst and oldest first."""
        return self._alerts(
            "resolved_at IS NULL AND (%s::text IS NULL OR source = %s)", source, source
        )

    def named(self, keys: Collection[str]) -> list[Alert]:
        """These problems, open or over, as far as they are still on record."""
        return self._alerts("alert_key = ANY (%s)", list(keys))

    def forget(self, before: datetime) -> int:
        """Remove problems that were over before that moment; how many."""
        return self._connection.execute(
            "DELETE FROM meta_ads.alerts WHERE resolved_at < %s", (before,)
        ).rowcount

    def channel(self, name: str) -> ChannelState:
        cursor = self._connection.cursor(row_factory=class_row(ChannelState))
        row = cursor.execute(
            "SELECT told, last_sent_at, failing_since FROM meta_ads.alert_channels"
            " WHERE channel = %s",
            (name,),
        ).fetchone()
        return row or ChannelState()

    def delivered(self, name: str, told: Mapping[str, int], now: datetime) -> None:
        """The channel's people now know `told`."""
        self._connection.execute(_DELIVERED, (name, Jsonb(dict(told)), now))

    def failed(self, name: str, why: str, now: datetime) -> None:
        """Nothing got through; what was to be told stays to be told."""
        self._connection.execute(_FAILED, (name, now, why))

    def try_lock(self, name: str) -> bool:
        """Whether this transaction is the only one telling through the channel."""
        row = self._connection.execute(
            "SELECT pg_try_advisory_xact_lock(hashtextextended('meta_ads:alerts:' || %s, 0))",
            (name,),
        ).fetchone()
        return bool(row and row[0])

    def _alerts(self, where: str, *values: Any) -> list[Alert]:
        cursor = self._connection.cursor(row_factory=class_row(Alert))
        names = ", ".join(Alert.__dataclass_fields__)
        return cursor.execute(
            f"SELECT {names} FROM meta_ads.alerts WHERE {where}"
            " ORDER BY grade DESC, opened_at, alert_key",
            values,
        ).fetchall()


# What stands there already is not written again: a look a minute would make a version a row.
_NOTE = """
    INSERT INTO meta_ads.alerts AS known
        (alert_key, source, kind, account_id, subject, grade, cause, what_to_do, link,
         opened_at, changed_at)
    SELECT key, %(source)s, kind, account_id, subject, grade, cause, what_to_do, link, since,
           %(now)s::timestamptz
    FROM jsonb_to_recordset(%(rows)s) AS found
        (key text, kind text, account_id text, subject text, grade smallint, cause text,
         what_to_do text, link text, since timestamptz)
    ON CONFLICT (alert_key) DO UPDATE SET
        source = excluded.source, kind = excluded.kind, account_id = excluded.account_id,
        subject = excluded.subject, grade = excluded.grade, cause = excluded.cause,
        what_to_do = excluded.what_to_do, link = excluded.link,
        opened_at = CASE WHEN known.resolved_at IS NULL THEN known.opened_at
                         ELSE excluded.opened_at END,
        changed_at = excluded.changed_at, resolved_at = NULL
    WHERE known.resolved_at IS NOT NULL
       OR (known.source, known.kind, known.subject, known.grade, known.cause, known.what_to_do,
           known.link)
          IS DISTINCT FROM
          (excluded.source, excluded.kind, excluded.subject, excluded.grade, excluded.cause,
           excluded.what_to_do, excluded.link)
"""
_RESOLVE_OTHERS = """
    UPDATE meta_ads.alerts SET resolved_at = %s, changed_at = %s
    WHERE source = %s AND resolved_at IS NULL AND alert_key <> ALL (%s)
"""
_RESOLVE = """
    UPDATE meta_ads.alerts SET resolved_at = %s, changed_at = %s
    WHERE alert_key = ANY (%s) AND resolved_at IS NULL
"""
_DELIVERED = """
    INSERT INTO meta_ads.alert_channels (channel, told, last_sent_at) VALUES (%s, %s, %s)
    ON CONFLICT (channel) DO UPDATE SET told = excluded.told,
        last_sent_at = excluded.last_sent_at, failing_since = NULL, last_error = NULL
"""
_FAILED = """
    INSERT INTO meta_ads.alert_channels AS known (channel, told, failing_since, last_error)
    VALUES (%s, '{}', %s, %s)
    ON CONFLICT (channel) DO UPDATE SET last_error = excluded.last_error,
        failing_since = coalesce(known.failing_since, excluded.failing_since)
"""
