"""Meta's values to ours: text to numbers, times and money; what does not fit is reported."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal, InvalidOperation
from typing import Any

import orjson

from meta_pipeline.model.money import major
from meta_pipeline.nesting import cut

from .keys import ID_TEXT

Converter = Callable[[Any, str | None], Any]
"""Takes Meta's value and the account's currency; raises Unfit for a value of the wrong kind."""

# Meta writes -0700 (FACTS section 0), other sources -07:00.
_OFFSET = re.compile(r"([+-]\d{2})(\d{2})$")
# Every zone has a time for it, whoever shows it.
_LATEST = datetime.max.replace(tzinfo=UTC) - timedelta(days=2)
LARGEST_COUNT = 2**63 - 1
"""What a bigint column holds."""
# What an integer column holds.
_LARGEST_WHOLE = 2**31 - 1
LARGEST_OF_A_DAY = 10**12 - 1
"""Of anything counted on one day, so that sums over millions of rows still fit a bigint column."""
# More than any account has ever spent: a value beyond it is no amount.
_LARGEST_AMOUNT = Decimal(10) ** 18
_LONGEST_NUMBER = 64
"""Characters; longer text is no number of Meta's, and costs time to be read as one."""
# `1e999999999` is a short text, and as a whole number a gigabyte of digits.
_LARGEST_EXPONENT = 64


class Unfit(ValueError):
    """A value is not of the kind its field has; the sync keeps the row and records the value."""


class UnknownCurrency(Unfit):
    """An amount in minor units of a currency that is not known: it could be 5.00 as well as 500."""


def json_text(value: Any) -> str:
    """JSON of anything Meta may have written, also of whole numbers beyond 64 bits."""
    try:
        return orjson.dumps(value, option=orjson.OPT_SORT_KEYS).decode()
    except TypeError:
        return json.dumps(cut(value), sort_keys=True, default=str)


def text(value: Any, _: str | None) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, bool | dict | list):
        raise Unfit("text")
    return str(value)


def identifier(value: Any, _: str | None) -> str | None:
    """An id or a hash; Meta writes "0" for none (FACTS section 12, `source_ad_id`)."""
    identified = text(value, None)
    if identified == "0":
        return None
    # Most of them are in an index, which takes no text of any length.
    if ID_TEXT.match(identified) is None:
        raise Unfit("id")
    return identified


def linked_id(value: Any, _: str | None) -> str | None:
    """The id of a linked object such as `creative: {"id": "1"}`."""
    if isinstance(value, dict) and isinstance(value.get("id"), str | int):
        return identifier(value["id"], None)
    raise Unfit("object with id")


def number(value: Any) -> Decimal:
    """A finite number, given as number or as text."""
    if isinstance(value, bool) or len(shown := str(value)) > _LONGEST_NUMBER:
        raise Unfit("number")
    try:
        decimal = Decimal(shown)
    except InvalidOperation:
        raise Unfit("number") from None
    if not decimal.is_finite():
        raise Unfit("number")
    # 1e999999999 is short, and has as many digits where it is rounded or written out.
    _, _, exponent = decimal.as_tuple()
    if abs(int(exponent)) > _LARGEST_EXPONENT:
        raise Unfit("number")
    return decimal


def whole(value: Any, _: str | None, largest: int = _LARGEST_WHOLE) -> int:
    """A whole number that an integer column holds; `largest` for a column of another width."""
    decimal = number(value)
    if abs(decimal) > largest or decimal != decimal.to_integral_value():
        raise Unfit("whole number")
    return int(decimal)


def decimal(value: Any, _: str | None) -> Decimal:
    """A number as Meta writes it, in whatever unit that is."""
    return number(value)


def estimate(value: Any, _: str | None) -> int | None:
    """A whole number of which -1 says that there is none."""
    counted = whole(value, None, LARGEST_COUNT)
    return None if counted < 0 else counted


def flag(value: Any, _: str | None) -> bool:
    if isinstance(value, bool):
        return value
    raise Unfit("true or false")


def amount(value: Any, currency: str | None) -> Decimal:
    """Minor units, given as numeric text or number, in major units; raises UnknownCurrency."""
    minor = number(value)
    if abs(minor) >= _LARGEST_AMOUNT:
        raise Unfit("amount")
    # Nothing is nothing in every currency, also in one that is not known.
    if not minor:
        return minor
    in_major = major(minor, currency)
    if in_major is None:
        raise UnknownCurrency("amount of a known currency")
    return in_major


def cap(value: Any, currency: str | None) -> Decimal | None:
    """An amount where 0 means that there is none, such as a budget of the other kind."""
    in_major = amount(value, currency)
    return in_major if in_major else None


def moment(value: Any, _: str | None) -> datetime | None:
    """A time such as 2023-03-21T22:41:46-0700; the epoch and before mean none (FACTS section 0).

    Repairs the variants seen in the wild: a lower-case t, and a space where a plus was.
    """
    try:
        if isinstance(value, int | float) and not isinstance(value, bool):
            parsed = datetime.fromtimestamp(max(value, 0), UTC)
        elif isinstance(value, str):
            repaired = _OFFSET.sub(r"\1:\2", value.replace("t", "T").replace(" ", "+"))
            parsed = datetime.fromisoformat(repaired)
            parsed = parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)
        else:
            raise Unfit("time")
        if parsed > _LATEST:
            raise Unfit("time")
        return parsed.astimezone(UTC) if parsed.timestamp() > 0 else None
    except (ValueError, OverflowError, OSError):  # also a year that no calendar here has
        raise Unfit("time") from None


def moment_or_none(value: Any) -> datetime | None:
    """The same where a time that cannot be read is as good as none."""
    try:
        return moment(value, None)
    except Unfit:
        return None


def structure(value: Any, _: str | None) -> Any:
    """A list or an object, kept as it is."""
    if isinstance(value, dict | list):
        return value
    raise Unfit("list or object")
