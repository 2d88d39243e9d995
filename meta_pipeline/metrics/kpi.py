"""KPIs: the metrics an account is steered by, their targets, and how near it is to them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from enum import StrEnum
from functools import partial
from typing import Any

from psycopg import Connection
from psycopg.rows import dict_row

from meta_pipeline.warehouse import Warehouse

from .answers.bound import Bound
from .answers.query import answer
from .answers.question import DateRange, known_accounts
from .definitions import store
from .definitions.definition import Better, Metric, Unit
from .errors import ChangedCurrency, ImpossibleQuestion, UnknownName


@dataclass(frozen=True, slots=True)
class Kpi:
    """One metric an account is steered by; `target` in the metric's unit, None to watch it."""

    account_id: str
    metric_key: str
    target: Decimal | None
    is_primary: bool
    note: str | None


class Verdict(StrEnum):
    """Where a value stands against its target."""

    MET = "met"
    MISSED = "missed"
    NO_TARGET = "no target"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Performance:
    """A KPI over some days; `distance_pct` is above zero when it is better than the target."""

    account_id: str
    metric_key: str
    is_primary: bool
    value: float | None
    target: float | None
    distance_pct: float | None
    verdict: Verdict
    notes: tuple[str, ...]


class PacingState(StrEnum):
    """Why a budget has a pace, or has none."""

    ON_PACE = "on pace"
    UNDER = "under"
    OVER = "over"
    FIRST_DAY = "first day"
    NOT_STARTED = "not started"
    PAUSED = "paused"
    ENDED = "ended"
    NO_SCHEDULE = "no end"
    OTHER_CURRENCY = "other currency"


@dataclass(frozen=True, slots=True)
class Pacing:
    """One budget. `pacing_pct` is spend in percent of what was due by now; None without a pace.

    A daily budget is judged by its last (up to seven) whole days, because Meta may spend 75 % more
    on a day and evens it out over a week; a lifetime budget by the part of its schedule that is
    over. Paused budgets have no pace, and on its first day no budget has one yet.
    """

    account_id: str
    entity_type: str
    entity_id: str
    entity_name: str | None
    budget_kind: str
    budget: Decimal
    currency: str | None
    state: PacingState
    days_counted: int
    """Whole days that `spent` and `due` are of."""
    spent: Decimal | None
    """None where some of it is stored in another currency than the budget's."""
    due: Decimal | None
    """What an even pace would have spent by now."""
    pacing_pct: Decimal | None


class KPIs:
    """The table `account_kpis` and what it says about an account."""

    def __init__(self, warehouse: Warehouse) -> None:
        self._warehouse = warehouse

    def set(
        self,
        account: str,
        metric_key: str,
        target: Decimal | float | None = None,
        *,
        is_primary: bool = False,
        note: str | None = None,
    ) -> Kpi:
        """Steer `account` by a metric; a new primary one takes the place of the old.

        Raises UnknownName for the account or metric, ImpossibleQuestion for a target no value can
        be judged by.
        """
        with self._warehouse.connection() as connection:
            account_id = known_accounts(connection, account)[0].account_id
            metric = store.current(connection).metric(metric_key)
            number = None if target is None else Decimal(str(target))
            # Distances are in percent of the target.
            if number is not None and (not number.is_finite() or number <= 0):
                raise ImpossibleQuestion(
                    f"A target of {target} for {metric_key}: give one above 0."
                )
            if number is not None and metric.better is Better.NEITHER:
                raise ImpossibleQuestion(
                    f"{metric_key} has no better direction, so no value meets a target. Steer by "
                    "one that has: meta-pipeline metrics list."
                )
            # One primary KPI an account; both statements are one transaction.
            if is_primary:
                connection.execute(
                    "UPDATE meta_ads.account_kpis SET is_primary = false WHERE account_id = %s",
                    (account_id,),
                )
            connection.execute(_SET, (account_id, metric_key, number, is_primary, note))
        return Kpi(account_id, metric_key, number, is_primary, note)

    def remove(self, account: str, metric_key: str) -> None:
        """Stop steering by a metric; UnknownName when the account was not."""
        with self._warehouse.connection() as connection:
            account_id = known_accounts(connection, account)[0].account_id
            gone = connection.execute(
                "DELETE FROM meta_ads.account_kpis WHERE account_id = %s AND metric_key = %s",
                (account_id, metric_key),
            ).rowcount
        if not gone:
            names = [kpi.metric_key for kpi in self.list(account_id)]
            raise UnknownName(f"KPI of {account_id}", metric_key, names)

    def list(self, account: str | Sequence[str] | None = None) -> Sequence[Kpi]:
        """The KPIs of the accounts named, or of all; the primary one of each first."""
        with self._warehouse.connection() as connection:
            accounts = known_accounts(connection, account) if account else ()
            cursor = connection.cursor(row_factory=dict_row)
            cursor.execute(_LIST, {"accounts": [a.account_id for a in accounts] or None})
            return [Kpi(**row) for row in cursor]

    def performance(
        self,
        account: str | Sequence[str] | None = None,
        date_range: DateRange = "last_7d",
        *,
        now: datetime | None = None,
        bound: Bound | None = None,
    ) -> Sequence[Performance]:
        """Every KPI of the accounts named (or of all) over `date_range`, against its target.

        One question a metric, however many accounts are steered by it: its notes are of them all.
        Unknown, with a note, where an account has amounts of several currencies. TooMuch where one
        question goes beyond `bound`.
        """
        kpis = self.list(account)
        if not kpis:
            return []
        dictionary = store.dictionary_of(self._warehouse)
        with self._warehouse.connection() as connection:
            known_now = known_accounts(connection, [kpi.account_id for kpi in kpis])
        currency_of = {one.account_id: one.currency for one in known_now}
        rows: dict[Kpi, Performance] = {}
        for key in dict.fromkeys(kpi.metric_key for kpi in kpis):
            steered = {kpi.account_id: kpi for kpi in kpis if kpi.metric_key == key}
            metric = dictionary.metric(key)
            ask = partial(
                answer,
                self._warehouse,
                metrics=[key],
                by=["account"],
                date_range=date_range,
                now=now,
                bound=bound,
            )
            try:
                found = ask(account=list(steered))
            except ChangedCurrency as error:
                for account_id, why in error.whys.items():
                    kpi = steered.pop(account_id)
                    rows[kpi] = judged(kpi, None, metric.better, (), why)
                if not steered:
                    continue
                found = ask(account=list(steered))
            notes = tuple(found.about["notes"])
            for row in found.rows:
                kpi, value = steered[row["account_id"]], row[key]
                known = None if value is None else float(value)
                held, today = found.currencies.get(kpi.account_id), currency_of[kpi.account_id]
                other = of_another_currency(kpi, known, metric, held, today)
                rows[kpi] = judged(kpi, known, metric.better, notes, other)
        return [rows[kpi] for kpi in kpis]

    def pacing(
        self, account: str | None = None, *, now: datetime | None = None
    ) -> Sequence[Pacing]:
        """Every budget of `account` (or of all accounts), campaigns before ad sets."""
        with self._warehouse.connection() as connection:
            accounts = known_accounts(connection, account) if account else ()
            return read_pacing(connection, [a.account_id for a in accounts] or None, now)


def read_pacing(
    connection: Connection[Any], accounts: Sequence[str] | None, now: datetime | None
) -> Sequence[Pacing]:
    """The rows of the view `budget_pacing` as of `now`."""
    # The view asks `meta_ads.present()`: its clock is set for this transaction alone.
    with connection.transaction():
        moment = (now or datetime.now(UTC)).isoformat()
        connection.execute("SELECT set_config('meta_ads.now', %s, true)", (moment,))
        cursor = connection.cursor(row_factory=dict_row)
        cursor.execute(_PACING, {"accounts": accounts})
        return [Pacing(**(row | {"state": PacingState(row["state"])})) for row in cursor]


def judged(
    kpi: Kpi, value: float | None, better: Better, notes: Sequence[str], why_not: str | None
) -> Performance:
    """A KPI's value, whoever asked the metric layer for it, against its target.

    `why_not` is why it cannot be, which is added to the notes: the verdict is unknown.
    """
    target = None if kpi.target is None else float(kpi.target)
    distance: float | None = None
    told = (*notes, why_not) if why_not else tuple(notes)
    if target is None:
        verdict = Verdict.NO_TARGET
    elif value is None or why_not:
        verdict = Verdict.UNKNOWN
    else:
        # Above zero is better, whichever direction the metric has.
        ahead = (target - value) if better is Better.LOWER else (value - target)
        distance = round(100 * ahead / target, 2)
        verdict = Verdict.MET if ahead >= 0 else Verdict.MISSED
    return Performance(
        kpi.account_id, kpi.metric_key, kpi.is_primary, value, target, distance, verdict, told
    )


def of_another_currency(
    kpi: Kpi, value: float | None, metric: Metric, held: str | None, today: str | None
) -> str | None:
    """Why an amount in `held` cannot be judged by a target in `today`; None where it can."""
    # Nothing is as much in each currency.
    if kpi.target is None or not value or metric.unit is not Unit.CURRENCY or held == today:
        return None
    return (
        f"{kpi.account_id} changed its currency: its {kpi.metric_key} of these days is in {held}, "
        f"its target in {today}. It cannot be judged."
    )


_SET = """
    INSERT INTO meta_ads.account_kpis
        (account_id, metric_key, target, is_primary, note, updated_at)
    VALUES (%s, %s, %s, %s, %s, clock_timestamp())
    ON CONFLICT (account_id, metric_key) DO UPDATE SET
        target = excluded.target, is_primary = excluded.is_primary, note = excluded.note,
        updated_at = excluded.updated_at
"""
_LIST = """
    SELECT account_id, metric_key, target, is_primary, note
    FROM meta_ads.account_kpis
    WHERE %(accounts)s::text[] IS NULL OR account_id = ANY (%(accounts)s::text[])
    ORDER BY account_id, is_primary DESC, metric_key
"""
# Account by account: so each one's own rows alone are read of every table of the view.
_PACING = f"""
    SELECT {", ".join(f"paced.{name}" for name in Pacing.__dataclass_fields__)}
    FROM meta_ads.meta_ad_accounts AS account
    CROSS JOIN LATERAL (
        SELECT * FROM meta_ads.budget_pacing AS one
        WHERE one.account_id = account.account_id
        OFFSET 0
    ) AS paced
    WHERE %(accounts)s::text[] IS NULL OR account.account_id = ANY (%(accounts)s::text[])
    ORDER BY paced.account_id, paced.entity_type <> 'campaign', paced.entity_id
"""
