"""Back-test on stored data: the account as its tables had it on each past day."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

from psycopg import Connection

from meta_pipeline.advice import Account, BudgetPace, Entity, Kind, Learning, Thresholds
from meta_pipeline.advice.backtest import BacktestStats, Restated, as_read, backtest, to_come
from meta_pipeline.warehouse import Warehouse

from .reading import LOOKED_BACK_DAYS, issues_in, known_account

_WEEK = 7
_UNDONE = ("effective_status", "daily_budget", "creative_id", "learning_stage", "issues_info")
"""Fields whose earlier values are put back."""
_CURRENCY = "currency"


@dataclass(frozen=True, slots=True)
class Backtested:
    """One account's replay: from which day to which, and how each kind that was given did."""

    account_id: str
    since: date
    until: date
    stats_by_kind: Mapping[Kind, BacktestStats]


def backtest_account(
    warehouse: Warehouse,
    account_id: str,
    days: int,
    thresholds: Thresholds | None = None,
    now: datetime | None = None,
) -> Backtested:
    """Ask the rules on each of the last `days` days, on what was known on its morning.

    Days are as they had been read by then, restatements put back in the account's proportion;
    status, budget, creative, learning stage and issues as they were. Lifetime budgets have no
    pace, and what Meta lists no more is not there. Raises as `known_account` does.
    """
    moment = now or datetime.now(UTC)
    final = known_account(warehouse, account_id, moment, look_back_days=LOOKED_BACK_DAYS + days)
    with warehouse.connection() as connection:
        past = _Past(
            final,
            _restated(connection, account_id),
            _earlier(connection, account_id, final.today - timedelta(days=days)),
        )
    asked = [final.today - timedelta(days=back) for back in range(days, 0, -1)]
    return Backtested(account_id, asked[0], asked[-1], backtest(past.on, final, asked, thresholds))


class _Past:
    """The account on each morning: nothing of that day or later, and what changed since undone."""

    def __init__(
        self,
        final: Account,
        restated: Iterable[Restated],
        earlier: Mapping[str, list[tuple[date, str, str | None]]],
    ) -> None:
        self._final, self._restated, self._earlier = final, list(restated), earlier
        self._lag = None if final.settled_until is None else final.today - final.settled_until

    def on(self, today: date) -> Account:
        final = self._final
        # As far back as the rules look on an ordinary day, or they would know more in the past.
        since = today - timedelta(days=LOOKED_BACK_DAYS)
        # Before the account changed its currency days were in another one than its target.
        if any(on >= today and field == _CURRENCY for on, field, _ in self._of(final.account_id)):
            since = today
        then = to_come(self._restated, today)
        entities = tuple(self._entity(one, since, today, then) for one in final.entities)
        return replace(
            final,
            today=today,
            # As of an account that may deliver: the rules are replayed, not this gate.
            account_status=1,
            entities=entities,
            changes=tuple(one for one in final.changes if one.day < today),
            budgets=tuple(_paces(entities, today)),
            settled_until=None if self._lag is None else today - self._lag,
        )

    def _of(self, entity_id: str) -> list[tuple[date, str, str | None]]:
        return self._earlier.get(entity_id, [])

    def _entity(
        self, entity: Entity, since: date, today: date, then: Mapping[date, Restated]
    ) -> Entity:
        days = as_read(entity.between(since, today), then, today)
        values: dict[str, Any] = {"days": days}
        # The newest first: the last one put back is the value of that morning.
        for changed_on, field, old in self._of(entity.entity_id):
            if changed_on >= today and field in _UNDONE:
                values |= _as_it_was(field, old)
        return replace(entity, **values)


def _as_it_was(field: str, old: str | None) -> dict[str, Any]:
    if field == "effective_status":
        return {"effective_status": old or ""}
    if field == "daily_budget":
        return {"daily_budget": float(old) if old else None}
    if field == "creative_id":
        return {"creative_id": old}
    if field == "learning_stage":
        is_known = old in {"LEARNING", "SUCCESS", "FAIL"}
        return {"learning": Learning(old) if is_known else None}  # type: ignore[arg-type]
    try:
        return {"issues": tuple(issues_in(json.loads(old or "[]")))}
    except ValueError:
        return {}


def _paces(entities: Iterable[Entity], today: date) -> Iterable[BudgetPace]:
    first = today - timedelta(days=_WEEK)
    for one in entities:
        if not one.daily_budget or not one.days or one.days[0].day > first or not one.is_active:
            continue
        spent = sum(day.spend for day in one.between(first, today))
        yield BudgetPace(
            one.entity_type, one.entity_id, one.name, "daily", one.daily_budget, _WEEK, spent,
            one.daily_budget * _WEEK,
        )  # fmt: skip


def _restated(connection: Connection[Any], account_id: str) -> Iterable[Restated]:
    """What was known of a day before each restatement, as shares of what is known now."""
    by_day: dict[date, list[tuple[date, list[tuple[float, float]]]]] = defaultdict(list)
    for day, read_on, *pairs in connection.execute(_RESTATED, (account_id,)):
        sides = [(float(pairs[at] or 0), float(pairs[at + 1] or 0)) for at in range(0, 8, 2)]
        by_day[day].append((read_on, sides))
    for day, moved in by_day.items():
        # The last value is what the tables have today: shares of it undo every step before.
        last = [after for _, after in moved[-1][1]]
        for read_on, sides in moved:
            shares = [
                before / now if now else 1.0 for (before, _), now in zip(sides, last, strict=True)
            ]
            yield Restated(day, read_on, *shares)


def _earlier(
    connection: Connection[Any], account_id: str, since: date
) -> Mapping[str, list[tuple[date, str, str | None]]]:
    earlier: dict[str, list[tuple[date, str, str | None]]] = defaultdict(list)
    for entity_id, day, field, old in connection.execute(
        _CHANGED, (account_id, [*_UNDONE, _CURRENCY], since)
    ):
        earlier[entity_id].append((day, field, old))
    return earlier


_RESTATED = """
    SELECT c.date_start, meta_ads.day_in_zone(c.read_at, a.timezone_name),
           c.spend_before, c.spend_after, c.impressions_before, c.impressions_after,
           c.clicks_before, c.clicks_after, c.actions_before, c.actions_after
    FROM meta_ads.insights_changes AS c
    JOIN meta_ads.meta_ad_accounts AS a USING (account_id)
    WHERE c.account_id = %s AND c.entity_type = 'ad'
      AND coalesce(c.dataset, 'insights_ad') = 'insights_ad'
    ORDER BY c.date_start, c.read_at
"""
_CHANGED = """
    SELECT c.entity_id, meta_ads.day_in_zone(c.seen_at, a.timezone_name), c.field, c.old_value
    FROM meta_ads.entity_changes AS c
    JOIN meta_ads.meta_ad_accounts AS a USING (account_id)
    WHERE c.account_id = %s AND c.field = ANY (%s) AND c.seen_at >= %s::date
    ORDER BY c.seen_at DESC
"""
