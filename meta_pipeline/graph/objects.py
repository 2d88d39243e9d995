"""Objects by id, 50 to a call; a bad id never costs the others (FACTS §4.6)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from meta_pipeline.graph.answer import Malformed
from meta_pipeline.graph.batch import BatchAnswer, BatchOperation, run_batch
from meta_pipeline.graph.caller import Caller, Request
from meta_pipeline.graph.errors import (
    CreativeUnreadable,
    FieldRejected,
    GraphError,
    InvalidRequest,
    ObjectMissing,
    Reauthorize,
    Skippable,
    Throttled,
    TooMuchData,
)
from meta_pipeline.graph.shape import Params

MOST_IDS = 50


@dataclass(frozen=True, slots=True)
class ObjectsById:
    """What was found by id, and for every other id the error that says why not."""

    found: dict[str, dict[str, Any]] = field(default_factory=dict)
    missing: dict[str, GraphError] = field(default_factory=dict)


def objects_by_id(
    caller: Caller, ids: Iterable[str], params: Params, *, account_id: str | None
) -> ObjectsById:
    """Every object of `ids` (any number, repeated ones once).

    One bad id fails a whole `ids=` call: its chunk is then asked as a batch of single reads.
    Raises what concerns all of them: token, throttle, network, a field that does not exist.
    """
    result = ObjectsById()
    wanted = list(dict.fromkeys(ids))
    for start in range(0, len(wanted), MOST_IDS):
        _read_chunk(caller, wanted[start : start + MOST_IDS], params, account_id, result)
    return result


def _read_chunk(
    caller: Caller, ids: list[str], params: Params, account_id: str | None, result: ObjectsById
) -> None:
    try:
        found = _ask_together(caller, ids, params, account_id)
    except GraphError as error:
        if error.shrinks and len(ids) > 1:
            middle = len(ids) // 2
            _read_chunk(caller, ids[:middle], params, account_id, result)
            _read_chunk(caller, ids[middle:], params, account_id, result)
            return
        if not _may_be_one_ids_fault(error):
            raise
        found = {}
    result.found.update(found)
    left = [id_ for id_ in ids if id_ not in found]
    if left:
        _read_singly(caller, left, params, account_id, result)


def _ask_together(
    caller: Caller, ids: Sequence[str], params: Params, account_id: str | None
) -> Mapping[str, dict[str, Any]]:
    request = Request(
        "GET",
        "",
        {**params, "ids": ",".join(ids)},
        account_id,
        "objects_by_id",
        expect=_expect_objects,
        page_size=len(ids),
        counted_calls=len(ids),
        can_shrink=len(ids) > 1,
    )
    return caller.send(request).body


def _expect_objects(body: Any) -> int | Malformed | None:
    if not isinstance(body, dict) or not all(isinstance(value, dict) for value in body.values()):
        return Malformed("HTTP 200 that is not an object of objects by id")
    return len(body)


def _may_be_one_ids_fault(error: GraphError) -> bool:
    if isinstance(error, FieldRejected):
        return isinstance(error, CreativeUnreadable)
    return isinstance(error, Skippable | InvalidRequest | TooMuchData)


def _read_singly(
    caller: Caller, ids: Sequence[str], params: Params, account_id: str | None, result: ObjectsById
) -> None:
    operations = [BatchOperation(id_, params, account_id=account_id) for id_ in ids]
    answers = run_batch(caller, operations, account_id=account_id, endpoint_key="objects_by_id")
    for id_, answer in zip(ids, answers, strict=True):
        _sort_in(id_, answer, result)


def _sort_in(id_: str, answer: BatchAnswer, result: ObjectsById) -> None:
    error = answer.error
    if error is None and answer.body and "id" in answer.body:
        result.found[id_] = answer.body
    elif error is None:
        result.missing[id_] = ObjectMissing(f"Meta answered nothing about {id_}")
    elif isinstance(error, Throttled | Reauthorize):
        raise error
    else:
        result.missing[id_] = error
