"""A delivery as rows: one for each change, whatever Meta put into it (FACTS section 10)."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import orjson

from meta_pipeline.warehouse.stores.webhooks import ChangeRow

AD_ACCOUNT = "ad_account"
UNREADABLE = "unreadable"
"""Field of what has not the shape of a change; its value is all of it."""
_LATEST_SECONDS = 32_503_680_000  # year 3000; a larger number is in milliseconds
# Of names and ids, which are kept beside the change; the change itself is kept whole.
_LONGEST = 200


class Unreadable(ValueError):
    """The body is no delivery at all; the message says why."""


def changes_of(body: bytes) -> list[ChangeRow]:
    """Every change of a delivery, each once. What has another shape is kept as it is.

    Raises Unreadable when the body is not the JSON of an object with a list `entry`.
    """
    given = delivery_of(body)
    kind = _text(given.get("object"))
    rows: list[ChangeRow] = []
    for told in given["entry"]:
        entry = _Entry.of(kind, told)
        changes = told.get("changes") if isinstance(told, Mapping) else None
        if not isinstance(changes, list):
            rows.append(entry.row(UNREADABLE, told))
            continue
        for change in changes:
            if isinstance(change, Mapping) and isinstance(change.get("field"), str):
                rows.append(entry.row(change["field"], change.get("value")))
            else:
                rows.append(entry.row(UNREADABLE, change))
    return list({row.change_hash: row for row in rows}.values())


def delivery_of(body: bytes) -> dict[str, Any]:
    """The body as JSON; Unreadable when it is no object with a list `entry`."""
    try:
        given = orjson.loads(body)
    except orjson.JSONDecodeError:
        # Half of a surrogate pair, a number that no double holds: Meta's JSON, not strict JSON.
        try:
            given = json.loads(body, parse_constant=str)
        except (ValueError, RecursionError) as error:
            raise Unreadable(f"the body is not JSON: {error}") from None
    if not isinstance(given, dict) or not isinstance(given.get("entry"), list):
        raise Unreadable("the body is not a JSON object with a list `entry`")
    return given


def unreadable_change(body: bytes) -> ChangeRow:
    """A body that could not be taken apart, as one change that has all of it as text."""
    text = body.decode("utf-8", "replace").replace("\x00", "")
    return _Entry.of("", None).row(UNREADABLE, text)


@dataclass(frozen=True, slots=True)
class _Entry:
    """What all changes of an entry have in common."""

    object: str
    entry_id: str
    account_id: str | None
    occurred_at: datetime | None
    identity: str

    @classmethod
    def of(cls, kind: str, given: Any) -> _Entry:
        # Meta gives a change no id and delivers again what was not answered: the same text of the
        # same entry is the same change.
        entry = given if isinstance(given, Mapping) else {}
        entry_id, time = _text(entry.get("id")), entry.get("time")
        number = entry_id.removeprefix("act_")
        is_account = kind == AD_ACCOUNT and number.isascii() and number.isdigit()
        return cls(
            kind,
            entry_id,
            f"act_{number}" if is_account else None,
            _moment(time),
            _canonical([kind, entry_id, time]),
        )

    def row(self, field: str, value: Any) -> ChangeRow:
        canonical = _canonical(value)
        identity = f"{self.identity}{_canonical(field)}{canonical}"
        return ChangeRow(
            hashlib.sha256(identity.encode()).hexdigest(),
            self.object,
            self.entry_id,
            self.account_id,
            _text(field),
            self.occurred_at,
            canonical,
        )


def _canonical(value: Any) -> str:
    """JSON with sorted keys, as Postgres takes it: no NUL, no half pair of surrogates."""
    try:
        text = _dumped(value)
        if "\\u0000" in text:
            text = _dumped(_without_nul(value))
    except (RecursionError, ValueError) as error:
        raise Unreadable(f"the body is not what Postgres calls JSON: {error}") from None
    return text.encode("utf-8", "replace").decode()


def _dumped(value: Any) -> str:
    try:
        return orjson.dumps(value, option=orjson.OPT_SORT_KEYS).decode()
    except TypeError:  # what is beyond strict JSON: half a pair, an integer of more than 64 bits
        pass
    return json.dumps(
        value, sort_keys=True, ensure_ascii=False, separators=(",", ":"), allow_nan=False
    )


def _without_nul(value: Any) -> Any:
    if isinstance(value, str):
        return value.replace("\x00", "")
    if isinstance(value, list):
        return [_without_nul(one) for one in value]
    if isinstance(value, dict):
        return {_without_nul(key): _without_nul(one) for key, one in value.items()}
    return value


def _text(value: Any) -> str:
    text = "" if value is None else str(value)
    return text.encode("utf-8", "replace").decode().replace("\x00", "")[:_LONGEST]


def _moment(value: Any) -> datetime | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    # Before it is divided: a whole number of JSON may be too large for that.
    if not 0 < value <= 1000 * _LATEST_SECONDS:
        return None
    return datetime.fromtimestamp(value / 1000 if value > _LATEST_SECONDS else value, UTC)
