"""The metric layer: one question, one table of numbers that say what they are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from psycopg import Connection

from meta_pipeline.metrics.custom_conversions import names_in, with_names
from meta_pipeline.metrics.definitions import store
from meta_pipeline.metrics.definitions.definition import DEFAULT_WINDOW
from meta_pipeline.metrics.errors import ImpossibleQuestion, MetricsError
from meta_pipeline.metrics.source import finest
from meta_pipeline.warehouse import Warehouse
from meta_pipeline.warehouse.tenancy import DEFAULT_TENANT

from . import statement
from .assembly import Parts, Result, assemble, read, read_entities, read_exactly
from .attribution import attribution_notes
from .bound import Bound
from .completeness import completeness
from .dimension import FilterValue, grouping
from .exchange import rates
from .goals import goal_notes
from .held import in_held_currencies
from .question import (
    Account,
    Asked,
    DateRange,
    PeriodOfEach,
    Question,
    check,
    check_window,
    known_accounts,
    periods,
)
from .sent import is_sent, with_facts
from .sources import Sources, check_window_kept, choose_sources

if TYPE_CHECKING:
    import pandas as pd


def query(
    warehouse: Warehouse,
    *,
    account: str | Sequence[str] | None = None,
    metrics: Sequence[str] = ("spend",),
    level: str | None = None,
    date_range: DateRange = "last_7d",
    by: Sequence[str] | None = None,
    filters: Mapping[str, FilterValue] | None = None,
    currency: str | None = None,
    attribution: str = DEFAULT_WINDOW,
    zeros: bool = True,
    now: datetime | None = None,
) -> pd.DataFrame:
    """Answer one question about metrics; a DataFrame with what the numbers are in `.attrs`.

    `account` is an id (`act_1`), a name, a list of them, or None for all. `date_range` is a preset
    of Ads Manager (`last_7d` ends yesterday) or (first day, last day), both inclusive, in each
    account's time zone. `by` groups: hour, day, week (from Monday), month, account, campaign,
    adset, ad, objective, goal, ... or a breakdown such as age; without it there is one row per
    entity of `level`. `filters` keep rows: `{"campaign_name": "*spring*", "ad": ["1", "2"]}`.
    Amounts stay in the account's currency, or are converted day by day to `currency`.

    A metric `<provider>.<metric>` is a fact that was sent (POST /v1/facts), beside Meta's numbers.

    Ratios are ratios of sums. Entities without delivery are rows of zeros unless `zeros` is False
    (not when days are grouped by too, nor where something below them is grouped or filtered by);
    days that were never fetched are NaN. `.attrs` has units, formulas, attribution, currency,
    timezone, range, data_as_of, completeness, overrides, notes, sql (of the sums).

    Raises UnknownName with near names, ImpossibleQuestion (also MixedCurrencies, MissingRate) with
    the reason.
    """
    result = answer(
        warehouse,
        account=account,
        metrics=metrics,
        level=level,
        date_range=date_range,
        by=by,
        filters=filters,
        currency=currency,
        attribution=attribution,
        zeros=zeros,
        now=now,
    )
    from .frame import frame_of  # noqa: PLC0415  # pandas takes half a second; see `answer`

    return frame_of(result)


def answer(
    warehouse: Warehouse,
    *,
    account: str | Sequence[str] | None = None,
    metrics: Sequence[str] = ("spend",),
    level: str | None = None,
    date_range: DateRange | PeriodOfEach = "last_7d",
    by: Sequence[str] | None = None,
    filters: Mapping[str, FilterValue] | None = None,
    currency: str | None = None,
    attribution: str = DEFAULT_WINDOW,
    zeros: bool = True,
    now: datetime | None = None,
    bound: Bound | None = None,
    leading: int | None = None,
) -> Result:
    """The answer of `query` as plain rows, without pandas: for pages, programs and the terminal.

    `date_range` may have days of its own for each account, too, by id. Raises TooMuch, too, for
    what goes beyond `bound`.

    `leading` keeps so many rows of each value of what `by` names first, those that the first metric
    puts first, which adds up; how many there are of each is in `about["rows_of"]`.
    """
    moment = now or datetime.now(UTC)
    sent = [name for name in dict.fromkeys(metrics) if is_sent(name)]
    own = [name for name in metrics if not is_sent(name)]
    with warehouse.connection() as connection:
        question = ask(
            connection,
            account=account,
            # Facts alone need rows to stand beside: those of spend, which is taken out again.
            metrics=own or (("spend",) if sent else ()),
            level=level,
            date_range=date_range,
            by=by,
            filters=filters,
            currency=currency,
            attribution=attribution,
            now=moment,
            bound=bound,
        )
        result = _answer(connection, question, zeros=zeros, now=moment, leading=leading)
        if sent:
            if not own:
                result.columns.remove("spend")
            tenant = getattr(warehouse, "tenant", DEFAULT_TENANT)
            result = with_facts(connection, question, result, sent, tenant)
    if bound:
        # Each part was within it; what is put together of them may not be.
        bound.check_rows(len(result.rows))
    return result


def ask(
    connection: Connection[Any],
    *,
    account: str | Sequence[str] | None,
    metrics: Sequence[str],
    level: str | None,
    date_range: DateRange | PeriodOfEach,
    by: Sequence[str] | None,
    filters: Mapping[str, FilterValue] | None,
    currency: str | None,
    attribution: str,
    now: datetime,
    bound: Bound | None = None,
) -> Question:
    """The question, checked, in the currencies that its amounts are stored in.

    Raises what `query` raises before amounts are read.
    """
    if not metrics:
        raise MetricsError("Name at least one metric; meta-pipeline metrics list shows them.")
    dictionary = store.current(connection)
    chosen = tuple(dictionary.metric(key) for key in dict.fromkeys(metrics))
    grouped = grouping(by, level, filters)
    accounts = known_accounts(connection, account)
    question = Question(
        dictionary=dictionary,
        metrics=chosen,
        accounts=accounts,
        periods=periods(connection, accounts, date_range, now),
        level=level or finest(list(grouped.entities)),
        grouping=grouped,
        attribution=check_window(attribution),
        currency=currency.upper() if currency else None,
        bound=bound,
    )
    check(question)
    return in_held_currencies(connection, question)


def components(connection: Connection[Any], question: Question) -> list[dict[str, Any]]:
    """The exact sums an answer is made of: one row per group, its keys and Decimals.

    A sum is under its own key, a ratio as `key/above` (scale included) and `key/below`. Raises
    ImpossibleQuestion where something counts people, whom nothing adds up.
    """
    if question.people:
        raise ImpossibleQuestion(
            f"{question.people[0].key} counts people, who cannot be added up: it has no parts."
        )
    sources, _ = choose_sources(connection, question)
    asked = _sums(connection, sources)
    return read_exactly(connection, asked, question.bound)


def days_of(
    connection: Connection[Any], account: str, date_range: DateRange, now: datetime | None = None
) -> Asked:
    """The account's id, and the first and last day of `date_range` in its time zone."""
    return days_of_each(connection, account, date_range, now)[0]


def days_of_each(
    connection: Connection[Any],
    account: str | Sequence[str] | None,
    date_range: DateRange,
    now: datetime | None = None,
    bound: Bound | None = None,
) -> list[Asked]:
    """As `days_of`, of each account named (of all without a name).

    TooMuch where `bound` has not as many rows as that are days.
    """
    known = known_accounts(connection, account)
    of_each = periods(connection, known, date_range, now or datetime.now(UTC))
    if bound:
        bound.check(of_each, has_rows_by_day=True)
    return [
        (one.account_id, period.since, period.until)
        for one, period in zip(known, of_each, strict=True)
    ]


def accounts_of(
    warehouse: Warehouse, account: str | Sequence[str] | None = None
) -> tuple[Account, ...]:
    """The accounts named (all without a name); UnknownName offers near ones."""
    with warehouse.connection() as connection:
        return known_accounts(connection, account)


def _answer(
    connection: Connection[Any],
    question: Question,
    *,
    zeros: bool,
    now: datetime,
    leading: int | None,
) -> Result:
    sources, notes = choose_sources(connection, question)
    notes += goal_notes(connection, question) if question.by_goal else []
    notes += attribution_notes(connection, question)
    asked = _sums(connection, sources)
    if leading is not None:
        asked = statement.leading(question, asked, leading)
    # Rollups are of the ads' rows: where the sources are two, the dataset is one.
    complete = completeness(connection, question, sources[0][1].dataset, now)
    people = statement.people(question) if question.people else None
    sums = read(connection, asked, question.bound)
    entities, named = read_entities(connection, question, sums, zeros=zeros)
    parts = Parts(
        columns=[*asked.keys, *asked.values],
        sums=sums,
        people=read(connection, people, question.bound) if people else None,
        people_columns=[*people.keys, *people.values] if people else (),
        entities=entities,
        names=named,
    )
    result = assemble(question, parts, complete, zeros=zeros, notes=notes)
    if leading is not None:
        rows_of = {row[asked.keys[0]]: int(row[statement.OF_KEY]) for row in parts.sums}
        result.about["rows_of"] = rows_of
    result.about["sql"] = asked.text(connection)
    formulas = result.about["formulas"]
    names = names_in(connection, formulas.values(), question.account_ids)
    result.about["formulas"] = {key: with_names(text, names) for key, text in formulas.items()}
    return result


def _sums(connection: Connection[Any], sources: Sources) -> statement.Statement:
    """What adds up the rows of a question, converted where a currency is asked for."""
    parts = []
    for question, source in sources:
        factors = None
        if question.currency is not None:
            held = {account.account_id: account.currency for account in question.accounts}
            factors = rates(connection, held, question.periods, question.currency)
        check_window_kept(connection, question, source)
        parts.append(statement.sums(question, source, factors))
    return statement.together(parts)
