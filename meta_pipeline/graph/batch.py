"""Up to 50 operations in one HTTP call; each counts, is refused and repeated alone (FACTS §7)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import urlencode

from meta_pipeline.chunks import chunks
from meta_pipeline.graph.answer import Malformed, expect_object, read_answer
from meta_pipeline.graph.call import Attempt
from meta_pipeline.graph.caller import BatchOutcome, Caller, GraphResponse, Inside, Request
from meta_pipeline.graph.error_answer import Refusal, error_of, is_limit
from meta_pipeline.graph.errors import (
    GraphError,
    MalformedAnswer,
    MustSplit,
    ServerTrouble,
)
from meta_pipeline.graph.failover import is_of_token
from meta_pipeline.graph.query_shape import Params, encode_params
from meta_pipeline.graph.transport import HttpAnswer
from meta_pipeline.graph.usage import usage_headers_of
from meta_pipeline.model.usage import UsageReading

# Meta takes no more requests in one.
LARGEST_BATCH = 50


@dataclass(frozen=True, slots=True)
class BatchOperation:
    """One call inside a batch. Only a GET is repeated when Meta does not answer it."""

    path: str
    params: Params = field(default_factory=dict, repr=False)
    method: str = "GET"
    account_id: str | None = None

    def wire(self) -> dict[str, str]:
        """The operation as Meta reads it."""
        query = urlencode(encode_params(self.params))
        if self.method == "POST":
            return {"method": "POST", "relative_url": self.path, "body": query}
        url = f"{self.path}?{query}" if query else self.path
        return {"method": self.method, "relative_url": url}


@dataclass(frozen=True, slots=True)
class BatchAnswer:
    """What one operation got: a `body`, or an `error` of errors.py; `status` is its own HTTP."""

    operation: BatchOperation
    status: int | None
    body: dict[str, Any] | None
    error: GraphError | None
    usage: tuple[UsageReading, ...] = ()

    def value(self) -> dict[str, Any]:
        """The body; raises the error instead when there is one."""
        if self.error is not None:
            raise self.error
        return self.body or {}


def run_batch(
    caller: Caller,
    operations: Sequence[BatchOperation],
    *,
    account_id: str | None = None,
    endpoint_key: str = "batch",
) -> list[BatchAnswer]:
    """Every operation's answer in the order given, 50 to an HTTP call.

    Raises only what concerns the whole (token, throttle, network). Operations that Meta did not
    get to (null) or that failed in passing are sent again, as often as the retry policy says.
    """
    answers: dict[int, BatchAnswer] = {}
    waiting = list(range(len(operations)))
    for turn in range(caller.retry.retries + 1):
        if turn:
            caller.sleep(caller.retry.first_seconds * 2 ** (turn - 1))
        for chunk in chunks(waiting, LARGEST_BATCH):
            asked = [operations[index] for index in chunk]
            got = _send_splitting(caller, asked, account_id, endpoint_key)
            answers.update(zip(chunk, got, strict=True))
        # A write that was not answered may have happened: it is never repeated here.
        waiting = [
            index
            for index in waiting
            if operations[index].method == "GET"
            and (error := answers[index].error) is not None
            and error.retried
        ]
        if not waiting:
            break
    return [answers[index] for index in range(len(operations))]


def _send_splitting(
    caller: Caller,
    asked: Sequence[BatchOperation],
    account_id: str | None,
    endpoint_key: str,
    *,
    is_half: bool = False,
) -> list[BatchAnswer]:
    """One HTTP call; a batch that times out as a whole (960) or is too large is halved."""

    def send(used: Caller) -> GraphResponse:
        # Its form has the token of who sends it, and none of who was refused before.
        request = _request(asked, used, account_id, endpoint_key)
        return used.send_itself(replace(request, has_shrunk=is_half))

    try:
        response = caller.with_failover(send, lambda error: is_of_token(error, "", account_id))
    except GraphError as error:
        if len(asked) == 1 or not (error.shrinks or isinstance(error, MustSplit)):
            raise
    else:
        entries: list[Any] = response.body  # type: ignore[assignment]  # `expect` made sure
        usages = [logged.usage for logged in response.attempt.operations]
        return [
            _answer(caller, operation, entry, usage, response.attempt)
            for operation, entry, usage in zip(asked, entries, usages, strict=True)
        ]
    middle = len(asked) // 2
    halves = (asked[:middle], asked[middle:])
    return [
        answer
        for half in halves
        for answer in _send_splitting(caller, half, account_id, endpoint_key, is_half=True)
    ]


def _request(
    asked: Sequence[BatchOperation], caller: Caller, account_id: str | None, endpoint_key: str
) -> Request:
    def expect(body: Any) -> int | Malformed | None:
        if isinstance(body, list) and len(body) == len(asked):
            return None
        kind = f"list of {len(body)}" if isinstance(body, list) else type(body).__name__
        return Malformed(f"a batch of {len(asked)} was answered by a {kind}")

    return Request(
        "POST",
        "",
        {
            "batch": [operation.wire() for operation in asked],
            "include_headers": True,
            # Meta documents the parameter as required for a batch; in a form it is in no URL.
            "access_token": caller.transport.access_token,
        },
        account_id,
        endpoint_key,
        shaping={**asked[0].params, "batch": True},
        expect=expect,
        page_size=len(asked),
        counted_calls=len(asked),
        can_shrink=len(asked) > 1,
        inspect=_inside,
    )


def _inside(body: list[Any]) -> Inside:
    """The most telling refusal and every operation's own outcome."""
    outcomes = [_outcome(entry) for entry in body]
    refused = [(one.refusal, one.status_code) for one in outcomes if one.refusal]
    limits = [(refusal, status) for refusal, status in refused if is_limit(refusal, status)]
    telling, status = next(iter(limits or refused), (None, None))
    return Inside(telling, status, tuple(outcomes))


def _outcome(entry: Any) -> BatchOutcome:
    # Half a pair of surrogates is no UTF-8, and stands in Meta's JSON where a name is cut.
    read = _read_entry(entry)
    body = entry.get("body") if isinstance(entry, Mapping) else None
    return BatchOutcome(
        status_code=_status(entry),
        refusal=read if isinstance(read, Refusal) else None,
        problem=read.reason if isinstance(read, Malformed) else None,
        size_bytes=len(body.encode("utf-8", "surrogatepass")) if isinstance(body, str) else 0,
        usage_headers=usage_headers_of(_headers(entry).items()),
    )


def _status(entry: Any) -> int | None:
    """The HTTP status of an operation; None where there is none, or a number that is none."""
    status = entry.get("code") if isinstance(entry, Mapping) else None
    return status if isinstance(status, int) and 100 <= status <= 599 else None


def _headers(entry: Any) -> dict[str, str]:
    listed = entry.get("headers") if isinstance(entry, Mapping) else None
    pairs = [h for h in listed if isinstance(h, Mapping)] if isinstance(listed, list) else []
    return {str(pair.get("name")).lower(): str(pair.get("value")) for pair in pairs}


def _read_entry(entry: Any) -> tuple[Any, int | None] | Refusal | Malformed:
    if not isinstance(entry, Mapping):
        return Malformed("Meta did not get to this operation of the batch")
    body = entry.get("body")
    answer = HttpAnswer(
        status=_status(entry) or 0,
        headers=_headers(entry),
        body=body.encode("utf-8", "surrogatepass") if isinstance(body, str) else b"",
        latency_ms=0,
        size_bytes=0,
    )
    return read_answer(answer, expect_object)


def _answer(
    caller: Caller,
    operation: BatchOperation,
    entry: Any,
    usage: tuple[UsageReading, ...],
    attempt: Attempt,
) -> BatchAnswer:
    read, status = _read_entry(entry), _status(entry)
    facts: dict[str, Any] = {
        "account_id": operation.account_id,
        "endpoint_key": attempt.endpoint_key,
        "http_status": status,
        "usage": usage,
    }
    if isinstance(read, Refusal):
        error: GraphError | None = error_of(caller.cleaned(read), now=attempt.timestamp, **facts)
    elif isinstance(read, Malformed):
        kind = ServerTrouble if entry is None else MalformedAnswer
        error = kind(caller.clean(read.reason), **facts)
    else:
        return BatchAnswer(operation, status, read[0], None, usage)
    return BatchAnswer(operation, status, None, error, usage)
