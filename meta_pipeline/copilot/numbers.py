"""Numbers from the metric layer: filtered by value, ranked, or beside those of other days."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from meta_pipeline import metrics
from meta_pipeline.metrics import DEFAULT_WINDOW, MetricsError
from meta_pipeline.warehouse import Warehouse

from .answer import Answer, Outcome, Provenance, Reconciliation, as_json
from .differences import add_differences
from .reading import Ranking, ValueFilter

Rows = list[dict[str, Any]]
WINDOW = "attribution_window"
_COMPARES: dict[str, Callable[[Any, Any], bool]] = {
    ">": operator.gt,
    ">=": operator.ge,
    "<": operator.lt,
    "<=": operator.le,
    "=": operator.eq,
}


@dataclass(frozen=True, slots=True)
class Wanted:
    """One question about numbers, as the metric layer takes it, and what is done with its rows."""

    metrics: Sequence[str]
    date_range: Any
    """As `metrics.query` takes it: a preset, two days, or a function of the account's day."""
    accounts: Sequence[str] | None = None
    level: str | None = None
    by: Sequence[str] | None = None
    """Dimensions; WINDOW beside those of the metric layer."""
    filters: Mapping[str, Sequence[str]] = field(default_factory=dict)
    currency: str | None = None
    """What amounts are converted to; None: they stay in the account's."""
    attribution: str = DEFAULT_WINDOW
    conditions: Sequence[ValueFilter] = ()
    """Which of the rows are kept, by their values."""
    ranking: Ranking | None = None
    """The order of the rows, and how many of them."""

    @property
    def is_by_window(self) -> bool:
        return WINDOW in (self.by or ())


def numbers(warehouse: Warehouse, wanted: Wanted, now: datetime) -> Answer:
    """The metric layer's rows, those that meet the conditions, in the order asked for."""
    if wanted.is_by_window:
        return _by_window(warehouse, wanted, now)
    wanted, result = _labelled(warehouse, wanted, now)
    rows = _ranked(_kept(result.rows, wanted, result.about), wanted.ranking)
    about = provenance(warehouse, [result.about])
    return _answer(rows, result.columns, about, result.about["notes"])


def compared(
    warehouse: Warehouse, wanted: Wanted, before: Any, now: datetime, notes: Sequence[str] = ()
) -> Answer:
    """Each row beside the same row of the days `before`: both, difference, and in percent.

    Amounts that were in another currency before have no difference, and a note says why;
    ChangedCurrency where no row says whose they are.
    """
    wanted, present = _labelled(warehouse, wanted, now)
    earlier = _query(warehouse, wanted, before, now)
    results = [present, earlier]
    keys = [name for name in present.columns if name not in wanted.metrics]
    # By id: what was renamed between the periods, or is in another currency, is still the same row.
    is_key = [name for name in keys if not name.endswith("_name") and name != "currency"]
    # Rows of both periods: what delivered in one of them only is a row, too.
    row_of: dict[tuple[Any, ...], dict[str, Any]] = {}
    for position, result in enumerate(results):
        for row in result.rows:
            key = tuple(row[name] for name in is_key)
            # Rows have a currency only where those of their days have several.
            held = {"currency": result.currencies.get(row.get("account_id", ""))}
            kept = row_of.setdefault(key, {name: (held | row)[name] for name in keys})
            for name in wanted.metrics:
                kept[f"{name}{'_before' if position else ''}"] = row[name]
    metrics.Bound().check_rows(len(row_of))
    of_two = add_differences(row_of.values(), wanted.metrics, present, earlier)
    rows = _ranked(_kept([*row_of.values()], wanted, present.about), wanted.ranking)
    columns = keys + [
        f"{name}{part}"
        for name in wanted.metrics
        for part in ("", "_before", "_change", "_change_pct")
    ]
    about = provenance(warehouse, [one.about for one in results])
    if of_two:
        currencies = {*present.currencies.values(), *earlier.currencies.values()}
        about.currency = sorted(one or "unknown" for one in currencies)
    for name in wanted.metrics:
        # A difference has the unit of what it is a difference of; its share is in percent, whatever
        # that was.
        unit = about.units[name]
        about.units |= {
            f"{name}_before": unit,
            f"{name}_change": unit,
            f"{name}_change_pct": "percent",
        }
    said = [*notes, *of_two, *(note for one in results for note in one.about["notes"])]
    return _answer(rows, columns, about, list(dict.fromkeys(said)))


def _by_window(warehouse: Warehouse, wanted: Wanted, now: datetime) -> Answer:
    """One row per attribution window (and group); a window nobody asked Meta for is left out."""
    results, refused = _of_windows(warehouse, wanted, now)
    if not results:
        raise MetricsError(refused[0])
    rows = [{WINDOW: window, **row} for window, one in results.items() for row in one.rows]
    abouts = [one.about for one in results.values()]
    columns = [WINDOW, *next(iter(results.values())).columns]
    # All windows are of the same days and accounts: one stands for all.
    about = provenance(warehouse, abouts[:1])
    about.sql = [one["sql"] for one in abouts]
    about.attribution = "each of the windows by itself"
    # Windows that were never asked for are no gap in the data.
    said = [*abouts[0]["notes"], *(one for one in refused if "is unknown, not zero" not in one)]
    return _answer(_kept(rows, wanted, abouts[0]), columns, about, said)


def _of_windows(
    warehouse: Warehouse, wanted: Wanted, now: datetime
) -> tuple[dict[str, metrics.Result], list[str]]:
    """The rows of each window, all of them within the bound of one answer; why others have none."""
    results, refused, count = {}, [], 0
    by = [name for name in wanted.by or () if name != WINDOW]
    for window in metrics.WINDOWS:
        try:
            result = _query(warehouse, wanted, wanted.date_range, now, by=by, attribution=window)
        except metrics.TooMuch:
            raise
        except metrics.ImpossibleQuestion as error:
            refused.append(str(error))
            continue
        count += len(result.rows)
        metrics.Bound().check_rows(count)
        results[window] = result
    return results, refused


def _labelled(warehouse: Warehouse, wanted: Wanted, now: datetime) -> tuple[Wanted, metrics.Result]:
    """The rows; where amounts are of several currencies, by account too, whose currency shows.

    Amounts of several currencies are neither ranked nor compared with a number: MixedCurrencies.
    """
    result = _query(warehouse, wanted, wanted.date_range, now)
    held = result.about["currency"]
    money = {name for name, unit in result.about["units"].items() if unit == "currency"}
    if not money or not isinstance(held, list):
        return wanted, result
    # Zero is zero in every currency.
    judged = {one.metric for one in wanted.conditions if one.value}
    judged |= {wanted.ranking.metric} if wanted.ranking else set()
    if judged & money:
        raise metrics.MixedCurrencies(held)
    # One row over everything has no account to show; the metric layer says so in its notes.
    if "account_id" in result.columns or not wanted.by:
        return wanted, result
    wanted = replace(wanted, by=["account", *wanted.by])
    return wanted, _query(warehouse, wanted, wanted.date_range, now)


def _query(
    warehouse: Warehouse,
    wanted: Wanted,
    date_range: Any,
    now: datetime,
    *,
    by: Sequence[str] | None = None,
    attribution: str | None = None,
) -> metrics.Result:
    return metrics.answer(
        warehouse,
        account=None if wanted.accounts is None else list(wanted.accounts),
        metrics=list(wanted.metrics),
        level=wanted.level,
        date_range=date_range,
        by=by if by is not None else wanted.by,
        filters=wanted.filters,
        currency=wanted.currency,
        attribution=attribution or wanted.attribution,
        now=now,
        bound=metrics.Bound(),
    )


def _kept(rows: Rows, wanted: Wanted, about: Mapping[str, Any]) -> Rows:
    for condition in wanted.conditions:
        if condition.currency and condition.currency != about["currency"]:
            raise MetricsError(
                f"The amounts are in {about['currency']}, not in {condition.currency}: give the "
                f"number in that currency, or ask for an answer in {condition.currency}."
            )
        compare = _COMPARES[condition.sign]
        rows = [
            row
            for row in rows
            # What is unknown meets no condition, not even "less than".
            if row[condition.metric] is not None and compare(row[condition.metric], condition.value)
        ]
    return rows


def _ranked(rows: Rows, ranking: Ranking | None) -> Rows:
    """What is unknown has no rank; equal values keep the metric layer's order."""
    if ranking is None:
        return rows
    known = [row for row in rows if row[ranking.metric] is not None]
    known.sort(key=lambda row: row[ranking.metric], reverse=ranking.is_descending)
    return known[: ranking.count]


def _answer(rows: Rows, columns: list[str], about: Provenance, notes: Sequence[str]) -> Answer:
    return Answer(
        outcome=Outcome.ANSWERED,
        columns=columns,
        rows=[{name: as_json(row.get(name)) for name in columns} for row in rows],
        row_count=len(rows),
        provenance=about,
        notes=list(notes),
    )


def provenance(warehouse: Warehouse, abouts: Sequence[Mapping[str, Any]]) -> Provenance:
    """What is known of the numbers, over all periods that were read."""
    about = abouts[0]
    complete = [one["completeness"] for one in abouts]
    return Provenance(
        accounts=about["accounts"],
        since=about["range"][0],
        until=about["range"][1],
        timezone=about["timezone"],
        currency=about["currency"],
        is_converted=about["is_converted"],
        attribution=about["attribution"],
        units=dict(about["units"]),
        formulas=about["formulas"],
        overrides=about["overrides"],
        data_as_of=about["data_as_of"],
        settling_days=_joined(complete, "settling_days"),
        missing_days=_joined(complete, "missing_days"),
        contradicted_days=_joined(complete, "contradicted_days"),
        is_final=all(one["is_final"] for one in complete),
        reconciliation=reconciliation(warehouse, about["accounts"], tuple(about["range"])),
        is_simulated=about["is_simulated"],
        sql=[one["sql"] for one in abouts],
    )


def _joined(complete: Sequence[Mapping[str, Any]], name: str) -> dict[str, list[str]]:
    lists: dict[str, list[str]] = {}
    for one in complete:
        for account, days in one[name].items():
            lists[account] = sorted({*lists.get(account, ()), *days})
    return lists


def reconciliation(
    warehouse: Warehouse, accounts: Sequence[str], *periods: tuple[str, str]
) -> Reconciliation:
    """What the last comparison of each day of the periods came to; a day of two counts once."""
    since, until = zip(*periods, strict=True)
    with warehouse.connection() as connection:
        rows = connection.execute(
            """SELECT coalesce(known.status, 'unchecked'), count(*)
               FROM unnest(%s::text[]) AS asked (account_id)
               CROSS JOIN (
                   SELECT DISTINCT generate_series(since, until, interval '1 day')::date
                   FROM unnest(%s::date[], %s::date[]) AS period (since, until)
               ) AS days (day)
               LEFT JOIN meta_ads.reconciliations AS known
                 ON known.account_id = asked.account_id AND known.date_start = day
               GROUP BY 1 ORDER BY 1""",
            (list(accounts), list(since), list(until)),
        ).fetchall()
    counts = {str(status): int(count) for status, count in rows}
    if counts.get("differs"):
        return Reconciliation(is_reconciled=False, days_by_status=counts)
    # No day differs, but that proves nothing while some were not compared.
    is_all = not counts.get("unchecked")
    return Reconciliation(is_reconciled=True if is_all else None, days_by_status=counts)
