"""Meta's objects to table rows: typed, in major units, with nothing lost and nothing crashing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from meta_pipeline.model.money import CURRENCIES
from meta_pipeline.model.part import ENTITIES
from meta_pipeline.model.time_zone import zone
from meta_pipeline.sync.days import is_known_zone

from .convert import Unfit, UnknownCurrency, moment_or_none
from .fields import ACCOUNT_FIELDS, EntitySpec, Field
from .keys import id_text
from .unrecognized import Findings, Reason

Row = tuple[Any, ...]
_WEIGHED = 20
"""Rows of an edge whose times are compared with the account's zone: they all say the same."""
_ANSWERED_UNASKED = frozenset(("account_id", "account"))
"""Keys Meta may add by itself and that we know already."""


@dataclass(frozen=True)
class Source:
    """Where the rows of a sync come from: the account as it was stored then, and the sync."""

    account_id: str
    currency: str | None
    """Divides its budgets and bids; None where it is not known."""
    timezone_name: str | None
    """Cuts its days, and offsets of its times are compared with it."""
    data_as_of: datetime
    """When the sync began, or the report was asked for: no row is newer than what it says."""
    sync_run_id: str
    doubts: set[str] = field(default_factory=set, compare=False)
    """What rows of Meta's said against the currency or the zone; see `AccountNode.doubt`."""

    def weigh_currency(self, currency: str) -> None:
        """Compare the currency that came with a row."""
        if currency != self.currency:
            self.doubts.add(f"currency {currency}")

    def weigh_time(self, written: Any) -> None:
        """Compare the offset of a time with the zone: Meta writes times in the account's own.

        FACTS section 0. UTC says nothing: some times are always written so.
        """
        at = moment_or_none(written)
        if at is None or not isinstance(written, str) or not is_known_zone(self.timezone_name):
            return
        try:
            offset = datetime.fromisoformat(written).utcoffset()
        except ValueError:
            return
        if offset and offset != at.astimezone(zone(self.timezone_name)).utcoffset():
            self.doubts.add(f"offset {offset}")


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
        self._weighed = 0

    @property
    def columns(self) -> list[str]:
        names = [known.column for known in self._fields]
        names += list(self._derived)
        names += ["account_id", "is_deleted", "deleted_seen_at", "data_as_of"]
        names += ["currency"] if self._has_currency else []
        return names if self._is_partial else [*names, "extra"]

    def row(self, given: Mapping[str, Any], source: Source) -> Row:
        """One table row, in the order of `columns`."""
        # Of other objects nobody promises the account's zone.
        if self._spec.part in ENTITIES and self._weighed < _WEIGHED:
            self._weighed += 1
            source.weigh_time(given.get("updated_time") or given.get("created_time"))
        # Creatives and images have a `status` alone (FACTS section 4.5).
        deleted = given.get("effective_status", given.get("status")) == "DELETED"
        row = [self._value(known, given, source.currency) for known in self._fields]
        row += [derive(given) for derive in self._derived.values()]
        seen_at = source.data_as_of if deleted else None
        row += [source.account_id, deleted, seen_at, source.data_as_of]
        row += [source.currency] if self._has_currency else []
        if self._is_partial:
            return tuple(row)
        # What Meta gives beside what was asked is kept: it may be a field to come.
        extra = {key: value for key, value in given.items() if key not in self._asked}
        for key in extra:
            self._note(key, "", Reason.UNKNOWN_FIELD, given)
        return (*row, extra or None)

    def _value(self, known: Field, given: Mapping[str, Any], currency: str | None) -> Any:
        value = given.get(known.name)
        if value is None:
            return None
        try:
            converted = known.convert(value, currency)
        except UnknownCurrency:
            self._note(known.name, str(currency), Reason.UNKNOWN_CURRENCY, given)
            return None
        except Unfit:
            self._note(known.name, value, Reason.WRONG_TYPE, given)
            return None
        # Noted, and kept all the same: Meta adds values without a new version.
        if known.known is not None and converted not in known.known:
            self._note(known.name, value, Reason.UNKNOWN_ENUM, given)
        return converted

    def _note(self, field: str, value: Any, reason: Reason, given: Mapping[str, Any]) -> None:
        self._findings.note(self._spec.edge, field, value, reason, str(given.get("id")))


# As the reference of AdAccount lists them (v26).
_ACCOUNT_ENUMS: Mapping[str, frozenset[Any]] = {
    "account_status": frozenset((1, 2, 3, 7, 8, 9, 100, 101, 201, 202)),
    "disable_reason": frozenset(range(16)),
    "currency": CURRENCIES,
}
_ACCOUNTS = "ad_accounts"


def account_row(
    given: Mapping[str, Any], findings: Findings, held: str | None = None
) -> dict[str, Any]:
    """One ad account as a `meta_ad_accounts` row without its bookkeeping columns.

    What does not fit is noted, and so is what is missing where everything hangs on it: currency and
    time zone. Amounts are in the answer's currency, or in `held` where it names none that is known.
    """
    sample = str(given.get("id"))
    currency = given.get("currency")
    currency = currency if isinstance(currency, str) and currency in CURRENCIES else held
    row: dict[str, Any] = {}
    for known in ACCOUNT_FIELDS:
        value = given.get(known.name)
        row[known.column] = None
        try:
            converted = None if value is None else known.convert(value, currency)
        except UnknownCurrency:
            findings.note(
                _ACCOUNTS, known.name, str(given.get("currency")), Reason.UNKNOWN_CURRENCY, sample
            )
            continue
        except Unfit:
            findings.note(_ACCOUNTS, known.name, value, Reason.WRONG_TYPE, sample)
            continue
        row[known.column] = converted
        values = _ACCOUNT_ENUMS.get(known.name)
        if converted is not None and values is not None and converted not in values:
            findings.note(_ACCOUNTS, known.name, value, Reason.UNKNOWN_ENUM, sample)
    for name in ("currency", "timezone_name"):
        if given.get(name) in (None, ""):
            findings.note(_ACCOUNTS, name, "", Reason.MISSING_KEY, sample)
            row[name] = None
    if row["timezone_name"] is not None and not is_known_zone(row["timezone_name"]):
        findings.note(_ACCOUNTS, "timezone_name", row["timezone_name"], Reason.UNKNOWN_ENUM, sample)
    row |= _business(given, findings, sample)
    asked = {known.name for known in ACCOUNT_FIELDS} | {"business", "account_id"}
    row["extra"] = {key: value for key, value in given.items() if key not in asked} or None
    for name in row["extra"] or ():
        findings.note(_ACCOUNTS, name, "", Reason.UNKNOWN_FIELD, sample)
    return row


def _business(given: Mapping[str, Any], findings: Findings, sample: str) -> dict[str, Any]:
    business = given.get("business")
    if business is not None and not isinstance(business, dict):
        findings.note(_ACCOUNTS, "business", business, Reason.WRONG_TYPE, sample)
    fields = business if isinstance(business, dict) else {}
    name = fields.get("name")
    row = {
        "business_id": id_text(fields.get("id")),
        "business_name": name if isinstance(name, str) else None,
    }
    for key in ("id", "name"):
        if row[f"business_{key}"] is None and fields.get(key) is not None:
            findings.note(_ACCOUNTS, f"business.{key}", fields[key], Reason.WRONG_TYPE, sample)
    return row
