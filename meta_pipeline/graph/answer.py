"""From bytes to a checked answer: whatever is not the Graph API's is told apart here (FACTS §0)."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import orjson

from meta_pipeline.graph.error_answer import Refusal
from meta_pipeline.graph.transport import HttpAnswer
from meta_pipeline.nesting import cut, cut_text

# Looks at a decoded 200 body; returns its number of rows (None: no page), or why it is wrong.
Expectation = Callable[[Any], "int | Malformed | None"]

# Python makes no number of more than 4,300 digits, and no figure of Meta's has 40.
_LONGEST_WHOLE = 40
# Rows deeper than that are cut where they pass what can be written.
_DEEPEST_ROW = 150
_LONE_SURROGATE = re.compile("[\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class Malformed:
    """Why a body is not an answer of the Graph API."""

    reason: str


_DEEPEST = 254  # what orjson writes; no document of Meta's is a tenth as deep
_TOO_DEEP = Malformed("JSON that is nested too deep")


def read_answer(
    answer: HttpAnswer, expect: Expectation
) -> tuple[Any, int | None] | Refusal | Malformed:
    """The body of `answer` and its rows; or Meta's refusal; or why it is neither.

    A 200 that carries an `error` is a refusal, an error status without one is malformed; but for
    429, which says all there is to know of a limit.
    """
    body = decode(answer.body)
    if isinstance(body, Malformed):
        return _without_error(answer.status, body.reason)
    if isinstance(body, dict) and body.get("error"):
        return Refusal.of(body["error"])
    if answer.status != 200:
        return _without_error(answer.status, "JSON that holds no `error`")
    rows = expect(body)
    return rows if isinstance(rows, Malformed) else (body, rows)


def decode(body: bytes) -> Any:
    """The JSON value in `body`, or Malformed.

    orjson refuses lone surrogates (an emoji cut in half in a name) and bytes that are no UTF-8;
    those become U+FFFD here rather than cost the page, and NaN becomes a text, which no number is.
    What is nested deeper than can be written again is no answer.
    """
    try:
        parsed = orjson.loads(body)
    except orjson.JSONDecodeError:
        return _decode_leniently(body)
    # Only a body with so many closing brackets can be so deep, and few have.
    if body.count(b"]") + body.count(b"}") > _DEEPEST:
        try:
            orjson.dumps(parsed)
        except orjson.JSONEncodeError:
            return _cut_rows(parsed)
    return parsed


def _without_error(status: int, kind: str) -> Refusal | Malformed:
    if status == 429:
        return Refusal(message=f"HTTP 429 (too many requests) with {kind}")
    return Malformed(f"HTTP {status} with {kind}")


def _cut_rows(parsed: Any) -> Any:
    """A page whose rows are cut to what can be written; nothing else so deep is an answer."""
    rows = parsed.get("data") if isinstance(parsed, dict) else None
    if not isinstance(rows, list):
        return _TOO_DEEP
    return {**parsed, "data": [cut(row, _DEEPEST_ROW) for row in rows]}


def _decode_leniently(body: bytes) -> Any:
    if not body.strip():
        return Malformed("an empty body")
    try:
        text = body.decode("utf-8-sig", "replace")
        try:
            parsed = _parsed(text)
        except RecursionError:
            parsed = _cut_rows(_parsed(cut_text(text)))
    except (ValueError, RecursionError):
        start = body[:80].decode("utf-8", "replace").strip()
        return Malformed(f"a body that is not JSON ({len(body)} bytes, starts {start!r})")
    if isinstance(parsed, Malformed):
        return parsed
    try:
        return _mended(parsed, _DEEPEST)
    except RecursionError:
        shallow = _cut_rows(parsed)
        return shallow if isinstance(shallow, Malformed) else _mended(shallow, _DEEPEST)


def _parsed(text: str) -> Any:
    # More digits than any of Meta's numbers has: that is text, and Python refuses to count it.
    return json.loads(
        text,
        parse_constant=str,  # NaN, Infinity: recorded where they stand in place of a number
        parse_int=lambda digits: int(digits) if len(digits) <= _LONGEST_WHOLE else digits,
    )


def _mended(value: Any, deeper: int) -> Any:
    if deeper < 0:
        raise RecursionError
    if isinstance(value, str):
        return _LONE_SURROGATE.sub("\ufffd", value)
    if isinstance(value, list):
        return [_mended(item, deeper - 1) for item in value]
    if isinstance(value, dict):
        return {_mended(key, deeper - 1): _mended(item, deeper - 1) for key, item in value.items()}
    return value


def expect_object(body: Any) -> int | Malformed | None:
    """Any JSON object."""
    return None if isinstance(body, dict) else _not_an_object(body)


def expect_success(body: Any) -> int | Malformed | None:
    """`{"success": true}`, as what changes something answers (FACTS section 0)."""
    if not isinstance(body, dict):
        return _not_an_object(body)
    return None if body.get("success") is True else Malformed("HTTP 200 without `success`: true")


def expect_page(body: Any) -> int | Malformed | None:
    """`{"data": [objects], "paging": {...}?}`: one page of an edge; returns its rows."""
    if not isinstance(body, dict):
        return _not_an_object(body)
    rows, paging = body.get("data"), body.get("paging")
    if not isinstance(rows, list):
        return Malformed("HTTP 200 without a `data` list")
    if not all(type(row) is dict for row in rows):
        return Malformed("HTTP 200 with rows that are not objects")
    if paging is not None and not isinstance(paging, dict):
        return Malformed("HTTP 200 with `paging` that is not an object")
    return len(rows)


def expect_keys(*names: str) -> Expectation:
    """A JSON object that has all of `names`, none of them null."""

    def check(body: Any) -> int | Malformed | None:
        if not isinstance(body, dict):
            return _not_an_object(body)
        missing = [name for name in names if body.get(name) is None]
        return Malformed(f"HTTP 200 without `{'`, `'.join(missing)}`") if missing else None

    return check


def _not_an_object(body: Any) -> Malformed:
    return Malformed(f"HTTP 200 with a JSON {type(body).__name__} instead of an object")
