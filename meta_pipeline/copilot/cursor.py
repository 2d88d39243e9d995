"""Cursors: where the next rows of an answer begin, and of which question."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping
from typing import Any

from .answer import MAX_ROWS, Answer
from .errors import BadCursor


def cut(answer: Answer, asked: Mapping[str, Any], cursor: str | None, limit: int) -> Answer:
    """The answer with `limit` of its rows, from where `cursor` says, and the next cursor.

    `asked` is all that decides the rows: a cursor of another question is BadCursor.
    """
    size = max(1, min(limit, MAX_ROWS))
    text = json.dumps(asked, sort_keys=True, default=str)
    # Rows are counted from the start of the answer, so a cursor fits the very question that made it
    # and no other; nothing is kept here between two calls.
    mark = hashlib.sha256(text.encode()).hexdigest()[:16]
    start = 0 if cursor is None else _start(cursor, mark)
    rows = answer.rows[start : start + size]
    stop = start + len(rows)
    following = base64.urlsafe_b64encode(f"{stop}:{mark}".encode()).decode()
    more = following if stop < len(answer.rows) else None
    update: dict[str, Any] = {"rows": rows, "row_count": len(answer.rows), "next_cursor": more}
    if answer.provenance:
        update["provenance"] = answer.provenance.bounded()
    return answer.model_copy(update=update)


def _start(cursor: str, mark: str) -> int:
    try:
        start, _, its_mark = base64.urlsafe_b64decode(cursor.encode()).decode().partition(":")
        position = int(start)
    except ValueError:
        raise BadCursor("This is no cursor of ours: ask without one.") from None
    if its_mark != mark or position < 1:
        raise BadCursor("This cursor belongs to another question: ask this one without a cursor.")
    return position
