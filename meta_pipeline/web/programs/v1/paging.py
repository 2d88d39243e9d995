"""Paging: a page of so many, and a cursor that says where the next one begins."""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, date, datetime
from typing import Annotated, Any, Generic, TypeVar

import orjson
from fastapi import Query
from pydantic import Field

from meta_pipeline.discreet import DiscreetModel

from .problems import Problem

T = TypeVar("T")
MOST = 1_000
Limit = Annotated[int, Query(ge=1, le=MOST, description="Rows of a page")]
Cursor = Annotated[
    str | None,
    Query(max_length=2_000, description="`next_cursor` of the page before; the first without it"),
]


class Page(DiscreetModel, Generic[T]):
    """A page; `next_cursor` is null on the last one."""

    data: Sequence[T]
    next_cursor: Annotated[str | None, Field(description="Where the next page begins")] = None


def cursor_of(*key: Any) -> str:
    """The cursor that stands for the key of a page's last row; days and moments as ISO 8601."""
    return base64.urlsafe_b64encode(orjson.dumps(key)).decode().rstrip("=")


def key_behind(cursor: str | None, *kinds: type) -> tuple[Any, ...] | None:
    """The key in a cursor, of these types (str, int, date, datetime in UTC).

    A Problem for one that is none of ours: anybody can make one, of values that no row has.
    """
    if cursor is None:
        return None
    try:
        padded = cursor + "=" * (-len(cursor) % 4)
        given = orjson.loads(base64.urlsafe_b64decode(padded.encode()))
        if not isinstance(given, list):
            raise TypeError("a key is a list")
        return tuple(_READ[kind](one) for one, kind in zip(given, kinds, strict=True))
    except (ValueError, TypeError, OverflowError):
        raise Problem("bad_cursor", "the cursor is none of ours: begin again without one") from None


def _text(given: Any) -> str:
    # Postgres takes no NUL.
    if not isinstance(given, str) or "\x00" in given:
        raise ValueError("no text of a row")
    return given


def _number(given: Any) -> int:
    # By exact type: true is an int to isinstance.
    if type(given) is not int:
        raise TypeError("no number")
    return given


def _moment(given: Any) -> datetime:
    at = datetime.fromisoformat(given)
    # Ours have a zone; Postgres would read one without it in the session's.
    if at.tzinfo is None:
        raise ValueError("a moment without a zone")
    # Python reads zones that Postgres does not, to the microsecond.
    return at.astimezone(UTC)


_READ: Mapping[type, Callable[[Any], Any]] = {
    str: _text,
    int: _number,
    # As a date, not as its text: Python reads 2026-W01-1 too, and Postgres does not.
    date: date.fromisoformat,
    datetime: _moment,
}
