"""By how much a row differs from that of other days, and which amounts have no difference."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from meta_pipeline import metrics

Row = dict[str, Any]
_ALONE = "{} Ask by account."


def add_differences(
    rows: Iterable[Row], names: Sequence[str], present: metrics.Result, earlier: metrics.Result
) -> list[str]:
    """Add to each row by how much its metrics changed; why amounts of two currencies did not.

    Raises ChangedCurrency where such a row does not say whose it is.
    """
    # Who was not there at all had a sum of nothing; a ratio of it is unknown.
    blank = {name: None if _is_ratio(present, name) else 0 for name in names}
    amounts = {name for name in names if present.about["units"][name] == metrics.Unit.CURRENCY}
    apart = metrics.changed_between(present.currencies, earlier.currencies)
    notes: dict[str, str] = {}
    for row in rows:
        whose = [row["account_id"]] if "account_id" in row else present.about["accounts"]
        whys = {one: apart[one] for one in whose if one in apart}
        if _add_difference(row, blank, amounts if whys else ()):
            if len(whose) > 1:
                held = {str(one.currencies[key]) for one in (present, earlier) for key in whys}
                raise metrics.ChangedCurrency(held, {one: _ALONE.format(whys[one]) for one in whys})
            notes |= whys
    return [*notes.values()]


def _is_ratio(result: metrics.Result, name: str) -> bool:
    """Whether nothing delivered means unknown for this metric, not zero."""
    formula = str(result.about["formulas"][name])
    return not formula.startswith("sum(") or "/" in formula


def _add_difference(row: Row, blank: Mapping[str, Any], of_two: Collection[str]) -> bool:
    """Whether some metric has none because its amounts, those `of_two`, are of two currencies."""
    is_of_two = False
    for name, nothing in blank.items():
        now, was = row.setdefault(name, nothing), row.setdefault(f"{name}_before", nothing)
        # Nothing is as much in each currency.
        is_apart = bool(name in of_two and now and was)
        change = None if now is None or was is None or is_apart else now - was
        row[f"{name}_change"] = change
        row[f"{name}_change_pct"] = None if change is None or not was else 100 * change / was
        is_of_two |= is_apart
    return is_of_two
