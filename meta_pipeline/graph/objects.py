"""Objects by id, 50 to a call; a bad id never costs the others (FACTS §4.6, §7)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

from meta_pipeline.chunks import chunks
from meta_pipeline.graph.batch import LARGEST_BATCH, BatchAnswer, BatchOperation, run_batch
from meta_pipeline.graph.caller import Caller, Request
from meta_pipeline.graph.errors import (
    AppRefused,
    CreativeUnreadable,
    FieldRejected,
    GraphError,
    MalformedAnswer,
    ObjectMissing,
    PermissionDenied,
    Reauthorize,
    Throttled,
)
from meta_pipeline.graph.query_shape import Params

_MAY_BE_OF_TOKEN = (PermissionDenied, ObjectMissing, AppRefused)
_OF_TOKEN = (Reauthorize, *_MAY_BE_OF_TOKEN)


@dataclass(frozen=True, slots=True)
class ObjectsById:
    """What was found by id, and for every other id the error that says why not."""

    found: dict[str, dict[str, Any]] = field(default_factory=dict)
    missing: dict[str, GraphError] = field(default_factory=dict)

    def add(self, id_: str, answer: BatchAnswer) -> None:
        """Take in what Meta answered about an id; what is not about it is found missing."""
        body = answer.body or {}
        if answer.error is not None:
            self.missing[id_] = answer.error
        elif not body.get("id"):
            self.missing[id_] = ObjectMissing(f"Meta answered nothing about {id_}")
        elif str(body["id"]) != id_:
            self.missing[id_] = MalformedAnswer(f"Meta answered about another object than {id_}")
        else:
            self.found[id_] = body


def objects_by_id(
    caller: Caller, ids: Iterable[str], params: Params, *, account_id: str | None
) -> ObjectsById:
    """Every object of `ids` (any number, repeated ones once), as batches of single reads.

    Not by `?ids=`: Meta closed it to new apps on 2026-11-04 and ends it for all with v28. Each
    id counts as a call either way. Where one is refused, the account itself is asked as well: what
    a token may not see, or sees no more, is not gone because of that. Raises what concerns all of
    them: token, throttle, network, a field that does not exist, an account that cannot be read.
    """
    result = ObjectsById()
    for chunk in chunks(list(dict.fromkeys(ids)), LARGEST_BATCH):
        operations = [
            BatchOperation(quote(id_, safe=""), params, "GET", account_id) for id_ in chunk
        ]
        answers = _answers(caller, operations, account_id)
        for id_, answer in zip(chunk, answers, strict=True):
            result.add(id_, answer)
    return result


def ask_account(caller: Caller, account_id: str) -> None:
    """Raise what Meta refuses the account itself with, over this token and no other. One call.

    A campaign is asked for: the account's own row is given where what it holds is not.
    """
    path, params = f"{account_id}/campaigns", {"fields": "id", "limit": 1}
    caller.send_itself(Request("GET", path, params, account_id, "account_probe"))


def _answers(
    caller: Caller, operations: Sequence[BatchOperation], account_id: str | None
) -> list[BatchAnswer]:
    """What each got; all are asked over another token where this one does not reach the account."""

    def ask(caller: Caller) -> list[BatchAnswer]:
        answers = run_batch(caller, operations, account_id=account_id, endpoint_key="objects_by_id")
        # A throttle or the token concerns all; a field only where nobody was answered with it.
        nothing_found = all(answer.error for answer in answers)
        for error in filter(None, (answer.error for answer in answers)):
            is_of_one = isinstance(error, CreativeUnreadable)  # a field, and only this creative's
            is_field = isinstance(error, FieldRejected) and not is_of_one
            if isinstance(error, Throttled | Reauthorize) or (is_field and nothing_found):
                raise error
        missing = [
            one
            for one in answers
            if isinstance(one.error, _MAY_BE_OF_TOKEN)
            or (one.error is None and not (one.body or {}).get("id"))
        ]
        # Asked after the objects: an account that answers now was readable when they were refused.
        if account_id and missing:
            ask_account(caller, account_id)
        return answers

    return caller.with_failover(ask, lambda error: isinstance(error, _OF_TOKEN))
