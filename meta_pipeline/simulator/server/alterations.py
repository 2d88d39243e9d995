"""Answers changed by a fault: pages, batch entries and headers that are not quite right."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import orjson

from meta_pipeline.simulator.api.calls import Answer, document
from meta_pipeline.simulator.api.paging import START, encode_cursor, same_place
from meta_pipeline.simulator.api.requests import GraphRequest
from meta_pipeline.simulator.server.faults import Fault


def alter(answer: Answer, fault: Fault | None, request: GraphRequest) -> Answer:
    """`answer` as the fault leaves it; answers the fault does not apply to are untouched."""
    if fault is None or fault.alter is None or answer.status != 200:
        return answer
    if fault.alter == "headers":
        return replace(answer, headers={**answer.headers, **fault.detail})
    if fault.alter == "strange_rows":
        body = _with_rows(answer.body, fault.detail)
        return replace(answer, body=body, headers=_without_etag(answer.headers))
    body = _ALTERATIONS[fault.alter](orjson.loads(answer.body), fault.detail, request)
    return replace(answer, body=document(body), headers=_without_etag(answer.headers))


def _with_rows(body: bytes, rows: str) -> bytes:
    """The rows as text: what they hold may be nothing that this process could write."""
    empty, begin = b'"data":[]', b'"data":['
    text = rows.encode("utf-8", "surrogatepass")
    if empty in body:
        return body.replace(empty, begin + text + b"]", 1)
    return body.replace(begin, begin + text + b",", 1)


def _without_etag(headers: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in headers.items() if name != "etag"}


def _null_entries(body: Any, entries: tuple[int, ...], _request: GraphRequest) -> Any:
    return [None if index in entries else entry for index, entry in enumerate(body)]


def _same_cursor(body: Any, _detail: Any, request: GraphRequest) -> Any:
    asked = request.text("after") or encode_cursor(START)
    paging = body.setdefault("paging", {"cursors": {"before": asked}})
    paging["cursors"]["after"] = asked
    paging["next"] = request.next_url(after=asked)
    return body


def _empty_page(body: Any, _detail: Any, request: GraphRequest) -> Any:
    """Nothing now; `next` starts where this page would have, behind a cursor of its own."""
    before = request.text("after") or encode_cursor(START)
    after = same_place(before)
    paging = {"cursors": {"before": before, "after": after}, "next": request.next_url(after=after)}
    return {"data": [], "paging": paging} if body["data"] else body


def _missing_data(body: Any, _detail: Any, _request: GraphRequest) -> Any:
    return {key: value for key, value in body.items() if key != "data"}


def _null_rows(body: Any, _detail: Any, _request: GraphRequest) -> Any:
    rows = [None if index % 2 else row for index, row in enumerate(body["data"])]
    return {**body, "data": rows}


def _no_rows(body: Any, _detail: Any, _request: GraphRequest) -> Any:
    return {"data": []} if "data" in body else body


def _lost_rows(body: Any, every: int, _request: GraphRequest) -> Any:
    rows = [row for index, row in enumerate(body["data"]) if index % every != every - 1]
    return {**body, "data": rows}


def _lost_days(body: Any, days: frozenset[str], _request: GraphRequest) -> Any:
    return {**body, "data": [row for row in body["data"] if row.get("date_start") not in days]}


def _extra(body: Any, values: Mapping[str, Any], _request: GraphRequest) -> Any:
    if "data" in body:
        return {**body, "data": [{**row, **values} for row in body["data"]]}
    return {**body, **values}


_ALTERATIONS: Mapping[str, Callable[[Any, Any, GraphRequest], Any]] = {
    "null_entries": _null_entries,
    "same_cursor": _same_cursor,
    "empty_page": _empty_page,
    "missing_data": _missing_data,
    "null_rows": _null_rows,
    "no_rows": _no_rows,
    "lost_rows": _lost_rows,
    "lost_days": _lost_days,
    "extra": _extra,
}
