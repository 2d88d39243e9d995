"""Meta's objects to table rows: typed, in major units, with nothing lost and nothing crashing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from .convert import Unfit
from .fields import ACCOUNT_FIELDS, EntitySpec, Field
from .keys import id_text
from .unrecognized import Findings, Reason

Row = tuple[Any, ...]
_ANSWERED_UNASKED = frozenset(("account_id", "account"))
"""Keys Meta may add by itself and that we know already."""


@dataclass(frozen=True)
class Source:
    """Where the rows being mapped come from: the account, its currency, the time Meta answered."""

    account_id: str
    currency: str | None
    timezone_name: str | None
    data_as_of: datetime
    sync_run_id: str


class EntityMapper:
    """Maps objects of one edge to rows of its table.

    `names` restricts the mapping to some of the fields, as the periodic scan does; then the rows
    have only those columns and existing rows keep the rest.
    """

    def __init__(
        self, spec: EntitySpec, findings: Findings, names: Sequence[str] | None = None
    ) -> None:
        self._spec = spec
        self._findings = findings
        self._fields = spec.fields if names is None else spec.by_name(tuple(names))
        self._derived = spec.derived if names is None else {}
        self._asked = {known.name for known in self._fields} | _ANSWERED_UNASKED
        self._is_partial = names is not None
        self._has_currency = "currency" in spec.table.c

    @property
    def columns(self) -> list[str]:
        names = [known.column for known in self._fields]
        names += list(self._derived)
        names += ["account_id", "is_deleted", "deleted_seen_at", "data_as_of"]
        names += ["currency"] if self._has_currency else []
        return names if self._is_partial else [*names, "extra"]

    def row(self, given: Mapping[str, Any], source: Source) -> Row:
        """One table row, in the order of `columns`."""
        deleted = given.get("effective_status", given.get("status")) == "DELETED"
        row = [self._value(known, given, source.currency) for known in self._fields]
        row += [derive(given) for derive in self._derived.values()]
        row += [
            source.account_id,
            deleted,
            source.data_as_of if deleted else None,
            source.data_as_of,
        ]
        row += [source.currency] if self._has_currency else []
        return tuple(row if self._is_partial else [*row, self._extra(given)])

    def _value(self, known: Field, given: Mapping[str, Any], currency: str | None) -> Any:
        value = given.get(known.name)
        if value is None:
            return None
        try:
            converted = known.convert(value, currency)
        except Unfit:
            self._note(known.name, value, Reason.WRONG_TYPE, given)
            return None
        if known.known is not None and converted not in known.known:
            self._note(known.name, value, Reason.UNKNOWN_ENUM, given)
        return converted

    def _extra(self, given: Mapping[str, Any]) -> dict[str, Any] | None:
        extra = {key: value for key, value in given.items() if key not in self._asked}
        for key in extra:
            self._note(key, "", Reason.UNKNOWN_FIELD, given)
        return extra or None

    def _note(self, field: str, value: Any, reason: Reason, given: Mapping[str, Any]) -> None:
        self._findings.note(self._spec.edge, field, value, reason, str(given.get("id")))


ACCOUNT_COLUMNS = [
    *(known.column for known in ACCOUNT_FIELDS),
    "business_id",
    "business_name",
    "extra",
]


def account_row(given: Mapping[str, Any], findings: Findings) -> dict[str, Any]:
    """One ad account as a `meta_ad_accounts` row without its bookkeeping columns."""
    currency = given.get("currency")
    row: dict[str, Any] = {}
    for known in ACCOUNT_FIELDS:
        value = given.get(known.name)
        try:
            row[known.column] = None if value is None else known.convert(value, currency)
        except Unfit:
            row[known.column] = None
            findings.note("ad_accounts", known.name, value, Reason.WRONG_TYPE, str(given.get("id")))
    business = given.get("business")
    business = business if isinstance(business, dict) else {}
    row["business_id"] = id_text(business.get("id"))
    name = business.get("name")
    row["business_name"] = name if isinstance(name, str) else None
    for key, value in business.items():
        if row.get(f"business_{key}") is None and value is not None:
            findings.note("ad_accounts", f"business.{key}", value, Reason.WRONG_TYPE)
    asked = {known.name for known in ACCOUNT_FIELDS} | {"business", "account_id"}
    row["extra"] = {key: value for key, value in given.items() if key not in asked} or None
    return row
