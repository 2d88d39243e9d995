"""Insight rows to table rows.

Meta writes every metric as text (FACTS section 5.2). Numeric text goes to Postgres as it is, which
keeps every digit and saves a conversion for each of the millions of values.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from itertools import chain, repeat
from types import NoneType
from typing import Any

from meta_pipeline.custom_reports.contract import GIVEN, FieldKind, kind_of
from meta_pipeline.model.money import CURRENCIES

from .actions import are_regular, is_countable
from .convert import LARGEST_OF_A_DAY, Unfit, json_text, number
from .datasets import CURRENCY, Dataset
from .entity_mapping import Row, Source
from .keys import HOUR_TEXT, are_ids, hour_of, id_text
from .unrecognized import Findings, Reason

_DECIMAL = re.compile(r"-?[0-9]{1,20}(\.[0-9]{1,20})?\Z")
_WHOLE = re.compile(r"[0-9]{1,12}\Z")  # LARGEST_OF_A_DAY has as many digits
# Possessive: a page that does not match fails at once, instead of being tried in every way.
_DECIMAL_LINES = re.compile(r"(-?[0-9]{1,20}(\.[0-9]{1,20})?(\n|\Z))*+\Z")
_WHOLES = re.compile(r"([0-9]{1,12}(\n|\Z))*+\Z")
# Bytes of all cells of a row: an index takes 2,704 of a row, and ids and names have theirs.
_CELLS_AT_MOST = 1_800
_PARENTS = ("campaign_id", "adset_id", "ad_id")


class InsightsMapper:
    """Maps rows of one dataset of one account; a row that has no key is reported, not stored.

    `asked` restricts it to the fields that were asked for: rows keep what they have of the others.

    That a row is of a day that was asked for is seen to before: `read.row_counts`.
    """

    def __init__(
        self,
        dataset: Dataset,
        source: Source,
        findings: Findings,
        asked: Sequence[str] | None = None,
    ) -> None:
        self._dataset = dataset
        self._fields = tuple(asked) if asked is not None else dataset.fields
        self._source = source
        self._findings = findings
        self._odd_entries: dict[tuple[str, Any], str] = {}
        self._known = {
            *dataset.fields,
            *dataset.breakdowns,
            "date_start",
            "date_stop",
            "account_id",
        }
        # Where a table is of one level, the id of its own is in the key already.
        is_own = dataset.is_hourly or dataset.report is not None
        own = {dataset.id_field} if is_own else set()
        self._parents = tuple(one for one in self._fields if one in _PARENTS and one not in own)
        if dataset.report is not None:
            self._key = self._key_of_report
        else:
            self._key = self._key_of_cell if dataset.breakdowns else self._key_of_day
        self._of = {
            kind: [one for one in self._fields if one not in GIVEN and kind_of(one) is kind]
            for kind in FieldKind
        }
        checks: Mapping[FieldKind, Callable[[str, Any, Mapping[str, Any]], Any]] = {
            FieldKind.COUNT: self._count,
            FieldKind.DECIMAL: self._decimal,
            FieldKind.ACTIONS: self._list,
            FieldKind.JSON: partial(self._fitting, _are_objects),
            FieldKind.TEXT: partial(self._fitting, partial(_are, {str})),
        }
        self._metrics = [(name, check) for kind, check in checks.items() for name in self._of[kind]]

    @property
    def columns(self) -> list[str]:
        key: tuple[str, ...] = ("entity_type", "entity_id", "date_start", "date_stop")
        if self._dataset.is_hourly:
            key = ("ad_id", "date_start", "hour")
        elif self._dataset.report is not None:
            own = () if self._dataset.level == "account" else (self._dataset.id_field,)
            key = (*own, "date_start", "date_stop", *self._dataset.breakdowns)
        elif self._dataset.breakdowns:
            key = ("entity_type", "entity_id", "date_start", "breakdown", "cell", "cell_values")
        return [
            *key,
            "account_id",
            *self._parents,
            "currency",
            *(name for name, _ in self._metrics),
            "data_as_of",
        ]

    def rows(self, given: Sequence[Mapping[str, Any]]) -> list[Row]:
        """The table rows of a page, in the order of `columns`; those without a key are left out.

        A page is as a rule as Meta documents it, and then looked at a column at a time, which is
        several times faster; where anything is odd, row by row.
        """
        regular = self._regular(given)
        if regular is not None:
            return regular
        return [row for one in given if (row := self.row(one)) is not None]

    def _regular(self, given: Sequence[Mapping[str, Any]]) -> list[Row] | None:
        """The rows, if every value of every one of them is what it should be."""
        if not (given and all(map(self._known.issuperset, given)) and self._have_keys(given)):
            return None
        if not _are({str, NoneType}, (one.get(CURRENCY) for one in given)):
            return None
        columns: list[Iterable[Any]] = []
        for names, fits in (
            (self._parents, _are_text),
            (self._of[FieldKind.COUNT], partial(_all_match, _WHOLES)),
            (self._of[FieldKind.DECIMAL], partial(_all_match, _DECIMAL_LINES)),
            (self._of[FieldKind.ACTIONS], partial(_are_lists, are_regular)),
            (self._of[FieldKind.JSON], _are_objects),
            (self._of[FieldKind.TEXT], partial(_are, {str, NoneType})),
        ):
            values = [[one.get(name) for one in given] for name in names]
            if not all(map(fits, values)):
                return None
            columns += values
        keys = [key for one in given if (key := self._key(one)) is not None]
        rows = len(given)
        parents, metrics = columns[: len(self._parents)], columns[len(self._parents) :]
        # Strict: one column shorter than the others would move its values to other rows.
        return list(
            zip(
                *zip(*keys, strict=True),
                repeat(self._source.account_id, rows),
                *parents,
                self._currencies(given),
                *metrics,
                repeat(self._source.data_as_of, rows),
                strict=True,
            )
        )

    def _currencies(self, given: Sequence[Mapping[str, Any]]) -> Iterable[str | None]:
        """The currency of each row; as a rule one for all."""
        said = {one.get(CURRENCY) for one in given}
        if len(said) == 1 and (said <= CURRENCIES or said == {None}):
            return repeat(self._currency(given[0]), len(given))
        return [self._currency(one) for one in given]

    def _currency(self, given: Mapping[str, Any]) -> str | None:
        """What the row's amounts are in; the account's own currency where the row names none."""
        named = given.get(CURRENCY)
        if named is None:
            return self._source.currency
        if not isinstance(named, str) or named not in CURRENCIES:
            self._wrong(CURRENCY, named, given)
            return self._source.currency
        self._source.weigh_currency(named)
        return named

    def _have_keys(self, given: Sequence[Mapping[str, Any]]) -> bool:
        of_account = self._dataset.level == "account"
        names = ("date_start",) if of_account else ("date_start", self._dataset.id_field)
        if self._dataset.is_hourly:
            hours = [str(one.get(self._dataset.breakdowns[0])) for one in given]
            if not all(map(HOUR_TEXT.match, hours)):
                return False
        if not all(_are_text([one.get(name) for one in given]) for name in names):
            return False
        return of_account or are_ids([one[self._dataset.id_field] for one in given])

    def row(self, given: Mapping[str, Any]) -> Row | None:
        """One table row in the order of `columns`; None when the row has no key."""
        if (key := self._key(given)) is None:
            return None
        # Kept nowhere, so noted: it may be a field to come. Its value is another in each row.
        source, sample = self._dataset.endpoint_key, str(self._entity_id(given))
        for name in given.keys() - self._known:
            self._findings.note(source, name, "", Reason.UNKNOWN_FIELD, sample)
        return (
            *key,
            self._source.account_id,
            *[
                value if type(value := given.get(name)) is str else self._parent(name, given)
                for name in self._parents
            ],
            self._currency(given),
            *[
                None if (value := given.get(name)) is None else check(name, value, given)
                for name, check in self._metrics
            ],
            self._source.data_as_of,
        )

    def _key_of_day(self, given: Mapping[str, Any]) -> tuple[Any, ...] | None:
        entity_id, start = self._entity_id(given), given.get("date_start")
        if entity_id is None or not isinstance(start, str):
            self._without_key(given, "date_start" if entity_id else self._dataset.id_field)
            return None
        return (self._dataset.level, entity_id, start, given.get("date_stop") or start)

    def _key_of_cell(self, given: Mapping[str, Any]) -> tuple[Any, ...] | None:
        key = self._key_of_day(given)
        if key is None:
            return None
        level, entity_id, start, _ = key
        if self._dataset.is_hourly:
            # Rows without impressions can lack the hour (FACTS section 5.2).
            hour = hour_of(given.get(self._dataset.breakdowns[0]))
            if hour is None:
                self._without_key(given, self._dataset.breakdowns[0])
            return None if hour is None else (entity_id, start, hour)
        cell = {name: _cell_text(given.get(name)) for name in self._dataset.breakdowns}
        listed = json_text([self._as_key(value) for value in cell.values()])
        return (level, entity_id, start, ",".join(self._dataset.breakdowns), listed, cell)

    def _key_of_report(self, given: Mapping[str, Any]) -> tuple[Any, ...] | None:
        key = self._key_of_day(given)
        if key is None:
            return None
        level, entity_id, start, stop = key
        own = () if level == "account" else (entity_id,)
        cells = map(_cell_text, map(given.get, self._dataset.breakdowns))
        return (*own, start, stop, *(self._as_key(cell) or "" for cell in cells))

    def _as_key(self, cell: str | None) -> str | None:
        """The value as a part of a key: a long one by its beginning and a hash of all of it."""
        most = _CELLS_AT_MOST // len(self._dataset.breakdowns)
        # As JSON a character has up to six bytes, and is written so in a list of cells.
        if cell is None or len(cell) * 6 <= most or len(json_text(cell).encode()) <= most:
            return cell
        whole = hashlib.blake2b(cell.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()
        begins = cell[: max(0, most // 6 - len(whole))]
        return f"{begins}\N{HORIZONTAL ELLIPSIS}{whole}"

    def _entity_id(self, given: Mapping[str, Any]) -> str | None:
        if self._dataset.level == "account":
            return self._source.account_id
        return id_text(given.get(self._dataset.id_field))

    def _parent(self, name: str, given: Mapping[str, Any]) -> str | None:
        value = given.get(name)
        parent_id = id_text(value)
        if parent_id is None and value is not None:
            self._wrong(name, value, given)
        return parent_id

    def _without_key(self, given: Mapping[str, Any], field: str) -> None:
        self._findings.note(
            self._dataset.endpoint_key, field, json_text(dict(given)), Reason.MISSING_KEY
        )

    def _count(self, name: str, value: Any, given: Mapping[str, Any]) -> Any:
        if isinstance(value, str) and _WHOLE.match(value):
            return value
        try:
            count = round(number(value))
        except Unfit:
            return self._wrong(name, value, given)
        return count if abs(count) <= LARGEST_OF_A_DAY else self._wrong(name, value, given)

    def _decimal(self, name: str, value: Any, given: Mapping[str, Any]) -> Any:
        if isinstance(value, str) and _DECIMAL.match(value):
            return value
        try:
            decimal = f"{number(value):f}"
        except Unfit:
            return self._wrong(name, value, given)
        return decimal if _DECIMAL.match(decimal) else self._wrong(name, value, given)

    def _list(self, name: str, value: Any, given: Mapping[str, Any]) -> Any:
        """The list as Meta sent it; what cannot be counted in it is recorded, the rest counts."""
        if not isinstance(value, list):
            return self._wrong(name, value, given)
        for entry in value:
            if not is_countable(entry):
                # The first of a day stands for all of that day: a broken field is in every row.
                shown = self._odd_entries.setdefault(
                    (name, given.get("date_start")), json_text(entry)
                )
                self._wrong(name, shown, given)
        return value

    def _fitting(
        self, fits: Callable[[Sequence[Any]], bool], name: str, value: Any, given: Mapping[str, Any]
    ) -> Any:
        return value if fits([value]) else self._wrong(name, value, given)

    def _wrong(self, name: str, value: Any, given: Mapping[str, Any]) -> None:
        sample = self._entity_id(given)
        self._findings.note(self._dataset.endpoint_key, name, value, Reason.WRONG_TYPE, str(sample))


def _are(types: set[type], values: Iterable[Any]) -> bool:
    """Whether the values are of these very types: `type`, as a bool is an int to isinstance."""
    return set(map(type, values)) <= types


def _are_text(column: Sequence[Any]) -> bool:
    return _are({str}, column) and "" not in column


def _are_lists(fit: Callable[[list[Any]], bool], column: Sequence[Any]) -> bool:
    """Whether each is a list, or is not there, and all of their entries fit."""
    is_listed = _are({list, NoneType}, column)
    return is_listed and fit(list(chain.from_iterable(filter(None, column))))


_are_objects = partial(_are_lists, partial(_are, {dict}))


def _all_match(lines: re.Pattern[str], column: Sequence[Any]) -> bool:
    """Whether all values that are there are text of this form: one look at all of them."""
    present = [value for value in column if value is not None]
    # What is empty would be no line of its own at the end.
    if not _are_text(present):
        return False
    text = "\n".join(present)
    return not present or (text.count("\n") < len(present) and lines.match(text) is not None)


def _cell_text(value: Any) -> str | None:
    """The value of a breakdown as text; assets come as objects and count by their id."""
    if isinstance(value, dict):
        return str(value.get("id") or json_text(value))
    return None if value is None else str(value)
