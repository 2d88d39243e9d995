"""Paging: a page of so many, and a cursor that says where the next one begins."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence
from typing import Annotated, Any, Generic, TypeVar

import orjson
from fastapi import Query
from pydantic import BaseModel, Field

from .problems import Problem

T = TypeVar("T")
MOST = 1_000
Limit = Annotated[int, Query(ge=1, le=MOST, description="Rows of a page")]
Cursor = Annotated[
    str | None,
    Query(max_length=2_000, description="`next_cursor` of the page before; the first without it"),
]


class Page(BaseModel, Generic[T]):
    """A page; `next_cursor` is null on the last one."""

    data: Sequence[T]
    next_cursor: Annotated[str | None, Field(description="Where the next page begins")] = None


def cursor_of(*key: Any) -> str:
    """The cursor that stands for the key of a page's last row."""
    return base64.urlsafe_b64encode(orjson.dumps(key)).decode().rstrip("=")


def key_behind(cursor: str | None, *kinds: type) -> tuple[Any, ...] | None:
    """The key in a cursor, of these types; a Problem for one that is none of ours."""
    if cursor is None:
        return None
    try:
        padded = cursor + "=" * (-len(cursor) % 4)
        key = orjson.loads(base64.urlsafe_b64decode(padded.encode()))
    except (ValueError, binascii.Error):
        key = None
    if (
        not isinstance(key, list)
        or len(key) != len(kinds)
        # By exact type: true is an int to isinstance.
        or not all(type(one) is kind for one, kind in zip(key, kinds, strict=True))
        or any(isinstance(one, str) and "\x00" in one for one in key)
    ):
        raise Problem("bad_cursor", "the cursor is none of ours: begin again without one")
    return tuple(key)
