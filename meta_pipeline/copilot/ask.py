"""One question in words, one answer: read, echoed, and asked of the metric layer."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any

from meta_pipeline import metrics
from meta_pipeline.metrics import MetricsError, UnknownName
from meta_pipeline.warehouse import Warehouse
from meta_pipeline.warehouse.silence import QUESTION_SECONDS, over_in

from . import entities, health
from .answer import MAX_ROWS, Answer, Choice, Outcome
from .change import explain_change
from .cursor import cut
from .days import Days, a_month_before, a_week_before, a_year_before, before, clipped, function_of
from .errors import CannotRead
from .numbers import Wanted, compared, numbers
from .reader import QuestionReader
from .reading import Before, QuestionKind, Reading

_BEFORE = {
    Before.PERIOD: before,
    Before.WEEK: a_week_before,
    Before.MONTH: a_month_before,
    Before.YEAR: a_year_before,
}


@over_in(QUESTION_SECONDS)
def ask(
    warehouse: Warehouse,
    question: str,
    *,
    account: str | Sequence[str] | None = None,
    now: datetime | None = None,
    cursor: str | None = None,
    limit: int = MAX_ROWS,
) -> Answer:
    """Answer a question in plain words, say how it was read, or say why not.

    `account` (id, name, or several) is what may be asked about; all without it. No exception for a
    question that has no answer: `outcome` is `answered`, `asked_back` (several readings, as
    `choices`) or `refused` (`message` says why, `near` what looks like the words). Rows are those
    of `metrics.query`; amounts in major units. Raises BadCursor, and what the warehouse raises.
    """
    moment = now or datetime.now(UTC)
    try:
        reading = _read(warehouse, question, account, moment)
    except CannotRead as error:
        return _unanswered(question, error)
    except MetricsError as error:
        return _impossible(question, None, error)
    try:
        answer = _ANSWERS[reading.kind](warehouse, reading, moment)
    except CannotRead as error:
        return _unanswered(question, error, reading)
    except metrics.MixedCurrencies as error:
        return _unanswered(question, _of_currencies(warehouse, error), reading)
    except MetricsError as error:
        return _impossible(question, reading, error)
    asked = {"question": question, "account": account}
    # What was understood goes back with every answer: a wrong reading is seen before its number is
    # used.
    answer = answer.model_copy(
        update={
            "question": question,
            "reading": reading.sentence(),
            "asked": arguments(reading) | answer.asked,
        }
    )
    return cut(answer, asked, cursor, limit)


def _read(
    warehouse: Warehouse, question: str, account: str | Sequence[str] | None, now: datetime
) -> Reading:
    with warehouse.connection() as connection:
        dictionary = metrics.current(connection)
        known = metrics.known_accounts(connection, account)
        # Accounts may be on two sides of midnight: a year is told from the day that has begun for
        # all.
        zones = [one.timezone_name for one in known]
        today = min(metrics.today_in(zone, now) for zone in zones)
        # Without a limit names are looked for in all accounts, also in those that come to be
        # meanwhile.
        allowed = [one.account_id for one in known] if account is not None else None
        return QuestionReader(dictionary, connection, today, allowed).read(question)


def _wanted(reading: Reading) -> Wanted:
    return Wanted(
        metrics=reading.metrics,
        date_range=reading.days.date_range,
        accounts=reading.accounts or None,
        level=reading.level,
        by=reading.by or None,
        filters=reading.filters,
        currency=reading.currency,
        attribution=reading.attribution,
        conditions=reading.conditions,
        ranking=reading.ranking,
    )


def _compared(warehouse: Warehouse, reading: Reading, now: datetime) -> Answer:
    # A day of one period has no partner in the other.
    times = {"hour", "day", "week", "month"} & set(reading.by)
    if times:
        raise CannotRead(
            f"Days are compared as a whole: ask without {' and '.join(sorted(times))}.",
            words=sorted(times),
        )
    days, notes = _days_before(reading)
    return compared(warehouse, _wanted(reading), days, now, notes)


def _days_before(reading: Reading) -> tuple[Any, list[str]]:
    """The days to compare with; a period that is not over meets as many days of the other."""
    if isinstance(reading.before, Days):
        other = function_of(reading.before.date_range)
        own = function_of(reading.days.date_range)
        # Three days of this week against seven of the last would always be a fall.
        if (reading.days.preset or "").startswith("this_"):
            note = (
                f"{reading.days.words} is not over: it is compared with as many days of "
                f"{reading.before.words}."
            )
            return clipped(other, own), [note]
        return other, []
    shift = _BEFORE[reading.before or Before.PERIOD]
    own = function_of(reading.days.date_range)
    return (lambda today: shift(own(today))), []


def _why(warehouse: Warehouse, reading: Reading, now: datetime) -> Answer:
    # The account cannot explain itself, and campaigns are what people first look at.
    reading.level = reading.level if reading.level in ("campaign", "adset", "ad") else "campaign"
    days, notes = _days_before(reading)
    answer = explain_change(
        warehouse,
        reading.metrics[0],
        account=reading.accounts or None,
        level=reading.level,
        date_range=reading.days.date_range,
        before=days,
        filters=reading.filters,
        attribution=reading.attribution,
        now=now,
    )
    return answer.model_copy(update={"notes": [*notes, *answer.notes]})


def _targets(warehouse: Warehouse, reading: Reading, now: datetime) -> Answer:
    columns = "account_id metric is_primary value target distance_pct verdict".split()
    performances = metrics.KPIs(warehouse).performance(
        reading.accounts or None, reading.days.date_range, now=now, bound=metrics.Bound()
    )
    rows = [
        {
            "account_id": one.account_id,
            "metric": one.metric_key,
            "is_primary": one.is_primary,
            "value": one.value,
            "target": one.target,
            "distance_pct": one.distance_pct,
            "verdict": str(one.verdict),
        }
        for one in performances
        if not reading.metrics or one.metric_key in reading.metrics
    ]
    notes = list(dict.fromkeys(note for one in performances for note in one.notes))
    if not rows:
        notes.append(
            "No target is set: meta-pipeline metrics kpi set ACCOUNT METRIC TARGET sets one."
        )
    return Answer(
        outcome=Outcome.ANSWERED, columns=columns, rows=rows, row_count=len(rows), notes=notes
    )


def describe(warehouse: Warehouse, metric: str) -> Answer:
    """What a metric is: name, meaning, unit, formula, synonyms, who counts it otherwise, and what
    the custom conversions in it are called.
    """
    dictionary = metrics.dictionary_of(warehouse)
    definition = dictionary.metric(metric)
    overrides = [
        one.model_dump(mode="json", exclude_none=True)
        for one in dictionary.overrides
        if one.metric == definition.key
    ]
    with warehouse.connection() as connection:
        names = metrics.names_in(connection, (definition.formula, *map(str, overrides)))
    row = {
        "metric": definition.key,
        "name": definition.display_name,
        "meaning": definition.description,
        "unit": str(definition.unit),
        "kind": str(definition.kind),
        "better": str(definition.better),
        "formula": definition.formula,
        "attribution_window": definition.window,
        "synonyms": list(definition.synonyms),
        "overrides": overrides,
        "custom_conversions": names,
    }
    return Answer(outcome=Outcome.ANSWERED, columns=list(row), rows=[row], row_count=1)


_ANSWERS: dict[QuestionKind, Callable[[Warehouse, Reading, datetime], Answer]] = {
    QuestionKind.NUMBERS: lambda warehouse, reading, now: numbers(warehouse, _wanted(reading), now),
    QuestionKind.COMPARISON: _compared,
    QuestionKind.WHY: _why,
    QuestionKind.ENTITIES: entities.by_status,
    QuestionKind.HISTORY: entities.history,
    QuestionKind.FRESHNESS: health.freshness,
    QuestionKind.SETTLING: health.settling,
    QuestionKind.RECONCILIATION: health.reconciled,
    QuestionKind.TARGETS: _targets,
    QuestionKind.MEANING: lambda warehouse, reading, _: describe(warehouse, reading.metrics[0]),
}


def arguments(reading: Reading) -> dict[str, Any]:
    """The reading as arguments of `query_metrics`, to ask the same without words."""
    ranking = reading.ranking
    named = {
        "kind": str(reading.kind),
        "metrics": reading.metrics,
        "accounts": reading.accounts,
        "level": reading.level,
        "by": reading.by,
        "date_range": reading.days.preset or reading.days.words,
        "filters": reading.filters,
        "attribution": reading.attribution,
        "currency": reading.currency,
        "conditions": [str(one) for one in reading.conditions],
        "order_by": ranking.metric if ranking else None,
        "descending": ranking.is_descending if ranking else None,
        "top": ranking.count if ranking else None,
    }
    return {name: value for name, value in named.items() if value not in (None, [], {})}


def _unanswered(question: str, error: CannotRead, reading: Reading | None = None) -> Answer:
    return Answer(
        outcome=Outcome.ASKED_BACK if error.choices else Outcome.REFUSED,
        question=question,
        reading=reading.sentence() if reading else None,
        message=str(error),
        choices=[Choice(label=label, say=say) for label, say in error.choices],
        near=error.near,
    )


# As many as can be taken in at a glance.
_OFFERED = 8


def _of_currencies(warehouse: Warehouse, error: metrics.MixedCurrencies) -> CannotRead:
    """Amounts of several currencies: each account by itself, or one of them.

    Where it is an account that has several, the days of each.
    """
    if isinstance(error, metrics.ChangedCurrency):
        days = [
            (f"{account_id} in {currency}", f"from {since} to {until}")
            for account_id, currency, since, until in error.apart
        ]
        return CannotRead(str(error), choices=days[:_OFFERED])
    known = metrics.accounts_of(warehouse)
    return CannotRead(
        f"The amounts are in {', '.join(error.currencies)} and cannot be added: ask by account, "
        "for one account, or for one currency.",
        choices=[
            ("each account by itself", "by account"),
            *((one.name or one.account_id, f"for {one.account_id}") for one in known[:_OFFERED]),
        ],
    )


def _impossible(question: str, reading: Reading | None, error: Exception) -> Answer:
    """What the metric layer refuses: its sentence; names of accounts stay out of it."""
    # Its own sentence quotes what is near, and that may be a name which somebody else wrote.
    if isinstance(error, UnknownName):
        message, near = f"There is no {error.kind} {error.name!r}.", error.near
    else:
        message, near = str(error), []
    return Answer(
        outcome=Outcome.REFUSED,
        question=question,
        reading=reading.sentence() if reading else None,
        asked=arguments(reading) if reading else {},
        message=message,
        near=near,
    )
