"""When a day is final: by how much days still moved, by their age, and from which age none did."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, tzinfo
from decimal import Decimal
from typing import Any

from psycopg import Connection

from meta_pipeline.model.level import LEVELS
from meta_pipeline.model.time_zone import begin_of, zone
from meta_pipeline.warehouse import Warehouse

from .answers.period import today_in
from .answers.question import OPTIONAL_LEVELS, known_accounts
from .errors import ImpossibleQuestion, UnknownName

META_RESTATES_DAYS = 28
"""Meta's own limit: numbers do not change after 28 days (FACTS section 5.5)."""
LOOKED_BACK_DAYS = 365
"""Older days say little about how Meta counts now, and their movements may be removed."""


@dataclass(frozen=True, slots=True)
class AgeMovement:
    """What happened to days at one age: whole days since they ended; 0 is the first day after.

    `days_read` were read before and again at this age or later, so a movement would have been
    seen; `days_moved` of them moved. The percentages are those of view `restatement_by_age`: the
    sum of the differences without their signs, in percent of the days that moved.
    """

    age_days: int
    days_read: int
    days_moved: int
    spend_moved_pct: Decimal | None
    impressions_moved_pct: Decimal | None
    clicks_moved_pct: Decimal | None
    actions_moved_pct: Decimal | None

    def has_moved(self, tolerance_pct: Decimal) -> bool:
        """Whether anything moved by more than the tolerance; what came from nothing did."""
        if not self.days_moved:
            return False
        shares = (
            self.spend_moved_pct,
            self.impressions_moved_pct,
            self.clicks_moved_pct,
            self.actions_moved_pct,
        )
        # Without a tolerance every movement counts, also one whose share is not known.
        return tolerance_pct == 0 or any(one is not None and one > tolerance_pct for one in shares)


@dataclass(frozen=True, slots=True)
class Settling:
    """The curve of one account and level, and what follows from it."""

    account_id: str
    account_name: str | None
    level: str
    tolerance_pct: Decimal
    newest_day: date | None
    """The newest one read of the level."""
    ages: tuple[AgeMovement, ...]
    final_age_days: int | None
    """From it on no day moved by more than `tolerance_pct`; None while none was read again then."""
    proof_days: int
    """Days that were read again at that age or later, and did not move."""
    final_until: date | None
    """The newest day of that age at the moment of asking."""
    is_simulated: bool

    def notes(self) -> list[str]:
        """What an analyst should take from it, as sentences."""
        early = self.final_age_days is not None and self.final_age_days <= META_RESTATES_DAYS
        said = [self._verdict()]
        said += [f"Meta promises it only after {META_RESTATES_DAYS} days."] if early else []
        return [*said, "Simulated data."] if self.is_simulated else said

    def _verdict(self) -> str:
        if not any(age.days_read or age.days_moved for age in self.ages):
            return self._unread() or (
                "No day was read a second time after it had ended: how it settles is not known "
                f"yet. Until then go by Meta's own limit of {META_RESTATES_DAYS} days."
            )
        if self.final_age_days is None:
            return (
                f"Days moved at the oldest age they were read at ({self.ages[-1].age_days} days): "
                "from when they are final is not known yet. Until then go by Meta's own limit of "
                f"{META_RESTATES_DAYS} days."
            )
        by = f" by more than {self.tolerance_pct:f} %" if self.tolerance_pct else ""
        return (
            f"Final from age {self.final_age_days} on, that is up to {self.final_until}: of "
            f"{self.proof_days} days read again at that age or later, none moved{by}."
        )

    def _unread(self) -> str:
        if self.newest_day is not None:
            return ""
        sync = f"meta-pipeline sync {self.account_id}"
        if self.level in OPTIONAL_LEVELS:
            return (
                f"Level {self.level} was never read. Add it to META_INSIGHTS_LEVELS "
                f"(ad,{self.level}), then: {sync}"
            )
        return f"No day of this account was ever read. Read some: {sync}"


def settling(
    warehouse: Warehouse,
    account: str,
    *,
    level: str = "ad",
    tolerance_pct: Decimal | float = 0,
    now: datetime | None = None,
) -> Settling:
    """How the days of an account settled, from the days of a year before the newest one read.

    `account` is an id or a name; `level` one that is read (META_INSIGHTS_LEVELS; account and ad
    always are). Raises UnknownName with near names, ImpossibleQuestion for a negative tolerance.
    """
    tolerance = Decimal(str(tolerance_pct))
    # Decimal takes "nan", which is above nothing and below nothing.
    if not tolerance.is_finite() or tolerance < 0:
        raise ImpossibleQuestion(f"A tolerance of {tolerance_pct} %: give 0 or more.")
    if level not in LEVELS:
        raise UnknownName("level", level, LEVELS)
    with warehouse.connection() as connection:
        (known,) = known_accounts(connection, account)
        today = today_in(known.timezone_name, now or datetime.now(UTC))
        asked: dict[str, Any] = {
            "account": known.account_id,
            "level": level,
            "dataset": f"insights_{level}",
        }
        row = connection.execute(_NEWEST, asked).fetchone()
        newest: date | None = row[0] if row else None
        asked["since"] = (newest or today) - timedelta(days=LOOKED_BACK_DAYS)
        reads = _reads(connection, asked, zone(known.timezone_name))
        moved = {age: (days, rest) for age, days, *rest in connection.execute(_MOVEMENTS, asked)}
        ages = _ages(moved, reads)
    final_age, proof = _final_age(ages, reads, tolerance)
    return Settling(
        account_id=known.account_id,
        account_name=known.name,
        level=level,
        tolerance_pct=tolerance,
        newest_day=newest,
        ages=ages,
        final_age_days=final_age,
        proof_days=proof,
        # Ages count from the end of a day: yesterday has age 0.
        final_until=None if final_age is None else today - timedelta(days=1 + final_age),
        is_simulated=known.is_simulated,
    )


Ages = tuple[int, int]
"""Whole days of age of a day at its first and at its last reading."""

_NEWEST = """
    SELECT max(date_start) FROM meta_ads.sync_windows
    WHERE account_id = %(account)s AND dataset = %(dataset)s
"""
_READS = """
    SELECT date_start, first_fetched_at, fetched_at
    FROM meta_ads.sync_windows
    WHERE account_id = %(account)s AND dataset = %(dataset)s AND date_start >= %(since)s
      AND fetched_at > first_fetched_at
"""
# What came from nothing has no share of it (nullif): unknown, and it moved all the same.
_MOVEMENTS = """
    SELECT floor(age_days)::integer, count(DISTINCT date_start),
           round(100 * sum(abs(spend_after - spend_before)) / nullif(sum(spend_after), 0), 4),
           round(100 * sum(abs(impressions_after - impressions_before))
               / nullif(sum(impressions_after), 0), 4),
           round(100 * sum(abs(clicks_after - clicks_before)) / nullif(sum(clicks_after), 0), 4),
           round(100 * sum(abs(actions_after - actions_before)) / nullif(sum(actions_after), 0), 4)
    FROM meta_ads.insights_changes
    WHERE account_id = %(account)s AND entity_type = %(level)s AND date_start >= %(since)s
      AND age_days >= 0 AND coalesce(dataset, %(dataset)s) = %(dataset)s
    GROUP BY 1
"""


def _reads(connection: Connection[Any], asked: Mapping[str, Any], where: tzinfo) -> list[Ages]:
    """Of every day that was read more than once, and at last after it had ended."""
    ages = [
        (max(_age(day, first, where), 0), _age(day, last, where))
        for day, first, last in connection.execute(_READS, asked)
    ]
    return [(first, last) for first, last in ages if last >= 0]


def _age(day: date, read_at: datetime, where: tzinfo) -> int:
    # By the account's own clock, on which its day ends.
    end = begin_of(day + timedelta(days=1), where)
    return (read_at - end.astimezone(UTC)).days


def _ages(
    moved: Mapping[int, tuple[int, Sequence[Decimal | None]]], reads: Sequence[Ages]
) -> tuple[AgeMovement, ...]:
    """Every age from 0 to the oldest that was seen, but not endlessly past Meta's limit."""
    # A day that is read again after a year would else make 365 rows that all say nothing.
    seen = min(max((last for _, last in reads), default=-1), META_RESTATES_DAYS)
    oldest = max([seen, *moved])
    nothing: tuple[int, Sequence[Decimal | None]] = (0, [None] * 4)
    return tuple(
        AgeMovement(
            age,
            # A day that moved was read, also where the ledger has forgotten its first reading.
            max(sum(first <= age <= last for first, last in reads), moved.get(age, nothing)[0]),
            moved.get(age, nothing)[0],
            *moved.get(age, nothing)[1],
        )
        for age in range(oldest + 1)
    )


def _final_age(
    ages: Sequence[AgeMovement], reads: Sequence[Ages], tolerance_pct: Decimal
) -> tuple[int | None, int]:
    """The age from which nothing moved, and how many days were read again at it or later."""
    age = max((one.age_days + 1 for one in ages if one.has_moved(tolerance_pct)), default=0)
    proof = sum(last >= age for _, last in reads)
    return (age, proof) if proof else (None, 0)
