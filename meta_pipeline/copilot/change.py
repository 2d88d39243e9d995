"""Why a metric changed between two periods: exact parts of the entities it is made of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any

from psycopg import Connection

from meta_pipeline import metrics
from meta_pipeline.metrics import DEFAULT_WINDOW, ImpossibleQuestion
from meta_pipeline.metrics.answers.query import ask as checked
from meta_pipeline.model.time_zone import begin_of, zone
from meta_pipeline.warehouse import Warehouse

from .answer import Answer, Outcome, Provenance, as_json
from .days import before as days_before
from .days import function_of
from .numbers import reconciliation

PLACES = 6
"""Decimal places of every part; the parts add up to the whole in exactly these."""
_UNIT = Decimal(1).scaleb(-PLACES)
# An answer goes to a program with a limited context; the count says how many there were.
MAX_EDITS = 50
# The newest of each account and table, by index: what is older than as many as are shown is in no
# list. The view joins names to all it reads, before it knows which of them are the newest.
_EDITS = """
    WITH asked AS MATERIALIZED (
        SELECT * FROM unnest(%(accounts)s::text[], %(since)s::timestamptz[],
            %(until)s::timestamptz[]) AS asked (account_id, since, until)
    ), oldest AS MATERIALIZED (
        SELECT newest.at FROM asked CROSS JOIN LATERAL (
            (SELECT seen_at FROM meta_ads.entity_changes AS change
             WHERE change.account_id = asked.account_id
               AND seen_at >= asked.since AND seen_at < asked.until
             ORDER BY seen_at DESC LIMIT %(most)s)
            UNION ALL
            (SELECT event_time FROM meta_ads.meta_activities AS activity
             WHERE activity.account_id = asked.account_id
               AND event_time >= asked.since AND event_time < asked.until
             ORDER BY event_time DESC LIMIT %(most)s)
        ) AS newest (at)
        ORDER BY newest.at DESC OFFSET %(most)s - 1 LIMIT 1
    )
    SELECT happened.* FROM asked CROSS JOIN LATERAL (
        SELECT happened_at, source, entity_type, entity_id, entity_name, what, old_value,
               new_value, who
        FROM meta_ads.entity_timeline
        WHERE account_id = asked.account_id AND happened_at < asked.until
          AND happened_at >= greatest(asked.since, (SELECT at FROM oldest))
        ORDER BY happened_at DESC, entity_id, what LIMIT %(most)s
    ) AS happened
    ORDER BY happened_at DESC, entity_id, what LIMIT %(most)s
"""
_LEVELS = {"campaign": "meta_campaigns", "adset": "meta_adsets", "ad": "meta_ads"}


@dataclass(frozen=True, slots=True)
class Sides:
    """What one entity has above and below the line in a period; below is 1 for a sum."""

    above: Fraction = Fraction(0)
    below: Fraction = Fraction(0)

    def __add__(self, other: Sides) -> Sides:
        return Sides(self.above + other.above, self.below + other.below)

    @classmethod
    def by_entity(
        cls, rows: Sequence[Mapping[str, Any]], metric: str, level: str, *, is_ratio: bool
    ) -> dict[str, Sides]:
        """Those of each entity of `level`, from the sums of a question."""
        above, below = (f"{metric}/above", f"{metric}/below") if is_ratio else (metric, None)
        return {
            str(row[f"{level}_id"]): cls(
                Fraction(row[above] or 0), Fraction(row[below] or 0) if below else Fraction(1)
            )
            for row in rows
        }


@dataclass(frozen=True, slots=True)
class Contribution:
    """What one entity did to the whole: by its share (`mix`) and by its own value (`rate`)."""

    entity_id: str
    before: Decimal | None
    after: Decimal | None
    mix: Decimal
    rate: Decimal

    @property
    def contribution(self) -> Decimal:
        return self.mix + self.rate


def decompose(
    before: Mapping[str, Sides], after: Mapping[str, Sides], *, is_ratio: bool
) -> tuple[Decimal, Decimal, list[Contribution]]:
    """The whole before and after, and parts whose mix and rate add up to the difference exactly.

    A ratio of sums is the mean of the entities' ratios weighted with their share of the
    denominator. `rate` is the change of an entity's own ratio at its mean share, `mix` that of its
    share at the distance of its mean ratio from the whole's. Where an entity has no ratio in one of
    the periods, all it did is mix. Of a sum everything is rate. The largest part first.
    """
    wholes = [sum(period.values(), Sides()) for period in (before, after)]
    below = [one.below for one in wholes]
    if is_ratio and not all(below):
        raise ImpossibleQuestion("A ratio without anything below the line is unknown.")
    totals = [one.above / one.below if is_ratio else one.above for one in wholes]
    exact: dict[str, tuple[Fraction, Fraction]] = {}
    # The mean of both periods, not one of them: else the order of the periods would change the
    # parts.
    middle = (totals[0] + totals[1]) / 2
    for key in {**before, **after}:
        was, now = before.get(key, Sides()), after.get(key, Sides())
        if not is_ratio:
            exact[key] = (Fraction(0), now.above - was.above)
            continue
        shares = was.below / below[0], now.below / below[1]
        whole = now.above / below[1] - was.above / below[0] - (shares[1] - shares[0]) * middle
        rate = Fraction(0)
        if was.below and now.below:
            rate = (shares[0] + shares[1]) / 2 * (now.above / now.below - was.above / was.below)
        exact[key] = (whole - rate, rate)
    start, end = _rounded(totals[0]), _rounded(totals[1])
    rounded = _adding_up(exact, end - start)
    parts = [
        Contribution(
            key,
            _value(before.get(key), is_ratio=is_ratio),
            _value(after.get(key), is_ratio=is_ratio),
            *rounded[key],
        )
        for key in exact
    ]
    parts.sort(key=lambda one: (-abs(one.contribution), one.entity_id))
    return start, end, parts


def _value(sides: Sides | None, *, is_ratio: bool) -> Decimal | None:
    if not is_ratio:
        return _rounded(sides.above if sides else Fraction(0))
    return _rounded(sides.above / sides.below) if sides and sides.below else None


def _rounded(value: Fraction) -> Decimal:
    return Decimal(round(value * 10**PLACES)).scaleb(-PLACES)


# Fractions, because floats leave a remainder that no entity caused; the parts have to add up to the
# last digit that is shown.
def _adding_up(
    exact: Mapping[str, tuple[Fraction, Fraction]], whole: Decimal
) -> dict[str, tuple[Decimal, Decimal]]:
    """The parts rounded; what rounding leaves over goes to the largest of them."""
    rounded = {key: (_rounded(mix), _rounded(rate)) for key, (mix, rate) in exact.items()}
    left = whole - sum((mix + rate for mix, rate in rounded.values()), Decimal(0))
    if left and rounded:
        key = max(rounded, key=lambda one: (max(map(abs, rounded[one])), one))
        mix, rate = rounded[key]
        rounded[key] = (mix + left, rate) if abs(mix) > abs(rate) else (mix, rate + left)
    return rounded


def explain_change(
    warehouse: Warehouse,
    metric: str,
    *,
    account: str | Sequence[str] | None = None,
    level: str = "campaign",
    date_range: metrics.DateRange = "last_7d",
    before: metrics.DateRange | None = None,
    filters: Mapping[str, Sequence[str]] | None = None,
    currency: str | None = None,
    attribution: str = DEFAULT_WINDOW,
    now: datetime | None = None,
) -> Answer:
    """What each entity of `level` did to the change of `metric`, and what was edited meanwhile.

    `before` are as many days right before without a range. Rows: entity, value before and after,
    `mix`, `rate` and `contribution` as decimal text, which add up exactly to `change` in
    `asked`. Edits are rows of `asked["edits"]`: beside the numbers, not said to be their cause.

    Raises MetricsError as `metrics.query` does, also for what counts people.
    """
    moment = now or datetime.now(UTC)
    if level not in _LEVELS:
        raise ImpossibleQuestion(f"A change is explained by {', '.join(_LEVELS)}, not by {level}.")
    with warehouse.connection() as connection:
        own = function_of(date_range)
        # A function, as the zone of the account decides which day it is.
        periods = [own, before or (lambda today: days_before(own(today)))]
        frames = []
        for position in (0, 1):
            question = checked(
                connection,
                account=account,
                metrics=[metric],
                level=level,
                date_range=periods[position],
                by=[level],
                filters=filters,
                currency=currency,
                attribution=attribution,
                now=moment,
                bound=metrics.Bound(),
            )
            # Parts of a sum of euros and dollars mean nothing, even where each entity has one
            # currency.
            if question.mixed_currencies:
                raise metrics.MixedCurrencies(question.mixed_currencies)
            frames.append((question, metrics.components(connection, question)))
        is_ratio = question.metrics[0].kind is metrics.MetricKind.RATIO
        sides = [Sides.by_entity(rows, metric, level, is_ratio=is_ratio) for _, rows in frames]
        _check(frames, sides, is_ratio=is_ratio)
        # The frames are in the order of asking: the period itself first, the one before it second.
        start, end, parts = decompose(sides[1], sides[0], is_ratio=is_ratio)
        names = _names(connection, level, [one.entity_id for one in parts])
        edits = _edits(connection, frames)
    return _answer(warehouse, frames, (start, end, parts), names, edits)


def _check(frames: Sequence[Any], sides: Sequence[Mapping[str, Sides]], *, is_ratio: bool) -> None:
    """Refuse what is not compared: a ratio of nothing, and amounts of two currencies."""
    metric = frames[0][0].metrics[0]
    for (question, _), period in zip(frames, sides, strict=True):
        if is_ratio and not sum(one.below for one in period.values()):
            raise ImpossibleQuestion(
                f"{metric.key} of {question.period} is unknown: there are no {metric.denominator} "
                "in these days, so there is no change to explain. Ask for other days."
            )
    now, was = (question.currencies for question, _ in frames)
    apart = metrics.changed_between(now, was)
    # Nothing is as much in each currency, and a ratio of amounts is in none.
    are_amounts = all(any(one.above for one in period.values()) for period in sides)
    if apart and are_amounts and metric.unit is metrics.Unit.CURRENCY:
        held = {one or "unknown" for one in (*now.values(), *was.values())}
        raise metrics.ChangedCurrency(held, apart)


def _names(connection: Connection[Any], level: str, ids: Sequence[str]) -> dict[str, str | None]:
    rows = connection.execute(
        f"SELECT {level}_id, name FROM meta_ads.{_LEVELS[level]} WHERE {level}_id = ANY (%s)",
        (list(ids),),
    )
    return {str(entity): name for entity, name in rows}


def _edits(connection: Connection[Any], frames: Sequence[Any]) -> list[dict[str, Any]]:
    """What was changed from the first day of both periods to the last, newest first."""
    # Also what was edited in the earlier period: its effect may begin with the later one.
    questions = [question for question, _ in frames]
    since = min(one.period.since for one in questions)
    ended = max(one.period.until for one in questions) + timedelta(days=1)
    zones = {one.account_id: zone(one.timezone_name) for one in questions[0].accounts}
    rows = connection.execute(
        _EDITS,
        {
            "accounts": list(zones),
            "since": [begin_of(since, where) for where in zones.values()],
            "until": [begin_of(ended, where) for where in zones.values()],
            "most": MAX_EDITS,
        },
    )
    names = (
        "happened_at source entity_type entity_id entity_name what old_value new_value who".split()
    )
    return [{name: as_json(value) for name, value in zip(names, row, strict=True)} for row in rows]


def _answer(
    warehouse: Warehouse,
    frames: Sequence[Any],
    change: tuple[Decimal, Decimal, list[Contribution]],
    names: Mapping[str, str | None],
    edits: list[dict[str, Any]],
) -> Answer:
    start, end, parts = change
    question = frames[0][0]
    metric, level = question.metrics[0].key, question.level
    now, was = (one.period for one, _ in frames)
    unit = str(question.metrics[0].unit)
    zones = sorted({account.timezone_name or "UTC" for account in question.accounts})
    # Where nothing is stored, nothing says what it would be in.
    stored = frames[0 if end else 1][0]
    currencies = sorted({account.currency or "unknown" for account in stored.accounts})
    columns = [f"{level}_id", f"{level}_name", "before", "after", "mix", "rate", "contribution"]
    rows = [
        {
            f"{level}_id": one.entity_id,
            f"{level}_name": names.get(one.entity_id),
            "before": _digits(one.before),
            "after": _digits(one.after),
            "mix": _digits(one.mix),
            "rate": _digits(one.rate),
            "contribution": _digits(one.contribution),
        }
        for one in parts
    ]
    money = question.currency or (currencies[0] if len(currencies) == 1 else currencies)
    return Answer(
        outcome=Outcome.ANSWERED,
        message=f"{metric} was {start} in {was} and {end} in {now}: {end - start:+f}.",
        asked={
            "metric": metric,
            "level": level,
            "since": str(now.since),
            "until": str(now.until),
            "before_since": str(was.since),
            "before_until": str(was.until),
            "before": str(start),
            "after": str(end),
            "change": str(end - start),
            "edits": edits,
        },
        columns=columns,
        rows=rows,
        row_count=len(rows),
        provenance=Provenance(
            accounts=list(question.account_ids),
            since=str(now.since),
            until=str(now.until),
            timezone=zones[0] if len(zones) == 1 else zones,
            currency=money,
            is_converted=question.currency is not None,
            attribution=question.attribution,
            # The first two columns are an id and a name.
            units=dict.fromkeys(columns[2:], unit),
            formulas={metric: question.metrics[0].formula},
            overrides=question.variant_notes(),
            reconciliation=reconciliation(
                warehouse,
                question.account_ids,
                *((str(period.since), str(period.until)) for period in (was, now)),
            ),
            is_simulated=any(account.is_simulated for account in question.accounts),
        ),
        notes=[_METHOD if question.metrics[0].kind is metrics.MetricKind.RATIO else _OF_A_SUM],
    )


def _digits(value: Decimal | None) -> str | None:
    return None if value is None else format(value.quantize(_UNIT), "f")


_METHOD = (
    "mix is what a changed share of the denominator did, rate what a changed own value did; they "
    "add up exactly to the change. Edits stand beside the numbers: that one caused the other is "
    "not said."
)
_OF_A_SUM = "Of a sum each part is its own difference; they add up exactly to the change."
