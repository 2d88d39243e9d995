"""Answers changed by a fault: pages, batch entries and headers that are not quite right.

Each function makes an alteration: the answer and the request it belongs to in, the answer out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import count
from typing import Any

import orjson

from meta_pipeline.simulator.api.calls import GraphAnswer, document
from meta_pipeline.simulator.api.paging import START, encode_cursor, same_place
from meta_pipeline.simulator.api.requests import GraphRequest

Alteration = Callable[[GraphAnswer, GraphRequest], GraphAnswer]


def headers(named: Mapping[str, str]) -> Alteration:
    """These headers on top."""
    return lambda answer, _: replace(answer, headers={**answer.headers, **named})


def strange_rows(rows: str) -> Alteration:
    """These rows first, as text: what they hold may be nothing that this process could write."""
    empty, begin = b'"data":[]', b'"data":['
    text = rows.encode("utf-8", "surrogatepass")

    def alter(answer: GraphAnswer, _: GraphRequest) -> GraphAnswer:
        if empty in answer.body:
            return _with_body(answer, answer.body.replace(empty, begin + text + b"]", 1))
        return _with_body(answer, answer.body.replace(begin, begin + text + b",", 1))

    return alter


def null_entries(entries: Sequence[int]) -> Alteration:
    """Null instead of these operations of a batch."""
    return _document(
        lambda body: [None if index in entries else entry for index, entry in enumerate(body)]
    )


def same_cursor(answer: GraphAnswer, request: GraphRequest) -> GraphAnswer:
    """`next` leads to the page just read."""
    body = orjson.loads(answer.body)
    asked = request.text("after") or encode_cursor(START)
    paging = body.setdefault("paging", {"cursors": {"before": asked}})
    paging["cursors"]["after"] = asked
    paging["next"] = request.next_url(after=asked)
    return _with_body(answer, document(body))


def empty_page(answer: GraphAnswer, request: GraphRequest) -> GraphAnswer:
    """Nothing now; `next` starts where this page would have, behind a cursor of its own."""
    body = orjson.loads(answer.body)
    if body["data"]:
        before = request.text("after") or encode_cursor(START)
        after = same_place(before)
        cursors, following = {"before": before, "after": after}, request.next_url(after=after)
        body = {"data": [], "paging": {"cursors": cursors, "next": following}}
    return _with_body(answer, document(body))


def without_data() -> Alteration:
    """No `data` key."""
    return _document(lambda body: {key: value for key, value in body.items() if key != "data"})


def null_rows() -> Alteration:
    """Null instead of every second row."""
    return _rows(lambda rows: [None if at % 2 else row for at, row in enumerate(rows)])


def no_rows() -> Alteration:
    """No row and no paging."""
    return _document(lambda body: {"data": []} if "data" in body else body)


def lost_rows(every: int) -> Alteration:
    """Every n-th row is not there."""
    return _rows(lambda rows: [row for at, row in enumerate(rows) if at % every != every - 1])


def lost_days(days: frozenset[str], every: int) -> Alteration:
    """Of the rows of each of these days every n-th is not there."""

    def keep(rows: list[Any]) -> list[Any]:
        numbers: dict[str, Iterator[int]] = {day: count(1) for day in days}
        return [
            row
            for row in rows
            if (day := row.get("date_start")) not in days or next(numbers[day]) % every
        ]

    return _rows(keep)


def odd_actions(entry: str) -> Alteration:
    """The entry at the end of every list that has an `action_type`."""
    odd = orjson.loads(entry)

    def is_actions(value: Any) -> bool:
        return isinstance(value, list) and any(
            isinstance(one, dict) and "action_type" in one for one in value
        )

    return _rows(
        lambda rows: [
            {key: [*value, odd] if is_actions(value) else value for key, value in row.items()}
            for row in rows
        ]
    )


def extra_keys(values: Mapping[str, Any]) -> Alteration:
    """These keys in every row, or in the object."""

    def add(body: Any) -> Any:
        if isinstance(body, list):
            return [add(row) for row in body]
        # A page's rows, or the one object that `debug_token` answers with.
        return {**body, "data": add(body["data"])} if "data" in body else {**body, **values}

    return _document(add)


def _rows(change: Callable[[list[Any]], list[Any]]) -> Alteration:
    return _document(lambda body: {**body, "data": change(body["data"])})


def _document(change: Callable[[Any], Any]) -> Alteration:
    return lambda answer, _: _with_body(answer, document(change(orjson.loads(answer.body))))


def _with_body(answer: GraphAnswer, body: bytes) -> GraphAnswer:
    # The tag was that of the right body; a wrong one would let a client keep what it never saw.
    kept = {name: value for name, value in answer.headers.items() if name != "etag"}
    return replace(answer, body=body, headers=kept)
