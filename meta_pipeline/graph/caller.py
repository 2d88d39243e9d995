"""Makes one call: asks the gate, sends, judges the answer, reports the attempt, tries again."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any, TypeVar

from meta_pipeline.graph.answer import Expectation, Malformed, expect_object, read_answer
from meta_pipeline.graph.call import Attempt, Call, Operation
from meta_pipeline.graph.error_answer import Refusal, error_of
from meta_pipeline.graph.errors import (
    AnswerTooLarge,
    ConnectionLost,
    DeadlineExceeded,
    GraphError,
    MalformedAnswer,
    Misconfigured,
    Throttled,
)
from meta_pipeline.graph.failover import Failover, is_of_token
from meta_pipeline.graph.query_shape import Params, encode_params, params_hash, query_shape
from meta_pipeline.graph.retry import RetryPolicy
from meta_pipeline.graph.transport import Cause, HttpAnswer, NoAnswer, Transport
from meta_pipeline.graph.usage import parse_usage, parse_usage_of_each, usage_headers_of
from meta_pipeline.graph.versions import version_notice
from meta_pipeline.model.usage import APP, UsageReading, of_app, worst_of_each
from meta_pipeline.printable import one_line
from meta_pipeline.redaction import redact

# Meta's own are short; a proxy's error page is not, and is logged with each attempt.
LONGEST_MESSAGE = 500
_Answer = TypeVar("_Answer")
_WITHOUT_ANSWER: Mapping[Cause, type[GraphError]] = {
    Cause.LOST: ConnectionLost,
    Cause.LATE: DeadlineExceeded,
    Cause.LARGE: AnswerTooLarge,
    Cause.SETTING: Misconfigured,
}


@dataclass(frozen=True, slots=True)
class GraphResponse:
    """A checked 200: `body` as decoded, `headers` with lower-cased names."""

    body: dict[str, Any]
    headers: Mapping[str, str]
    attempt: Attempt

    @property
    def usage(self) -> tuple[UsageReading, ...]:
        """What the answer says of Meta's meters."""
        return self.attempt.usage


@dataclass(frozen=True, slots=True)
class BatchOutcome:
    """How one operation inside a batch ended: well, or with a refusal or another problem."""

    status_code: int | None
    refusal: Refusal | None
    problem: str | None
    size_bytes: int
    usage_headers: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Inside:
    """What the operations inside a batch said: the most telling refusal, and each outcome.

    `refusal_status` is the HTTP status of the operation that was refused.
    """

    refusal: Refusal | None = None
    refusal_status: int | None = None
    outcomes: tuple[BatchOutcome, ...] = ()


@dataclass(frozen=True, slots=True)
class Request:
    """A call with what only this room may see: parameters, token, what the answer must be."""

    method: str
    path: str
    params: Params = field(repr=False)
    account_id: str | None
    endpoint_key: str
    # What `query_shape` and `params_hash` come from, where that is not all of `params`.
    shaping: Params | None = field(default=None, repr=False)
    # Looks at a decoded 200: what is wrong with it, or how many rows it has.
    expect: Expectation = expect_object
    # For the log only: what is asked for stands in `params`.
    page_size: int | None = None
    # What Meta counts the call as.
    counted_calls: int = 1
    # A smaller page may be asked.
    can_shrink: bool = False
    # A larger one was just refused.
    has_shrunk: bool = False
    # The object may not be everywhere yet: 100/33 then means "not yet".
    just_created: bool = False
    # Another token than the client's own.
    token: str | None = field(default=None, repr=False)
    # Asks for a token: its answer has one, perhaps the very one it is asked with.
    is_for_token: bool = False
    # Looks inside a batch's answer.
    inspect: Callable[[Any], Inside] | None = None

    def call(self, retry_count: int) -> Call:
        """What the gate is asked about and the log keeps."""
        shaping = self.params if self.shaping is None else self.shaping
        return Call(
            account_id=self.account_id,
            endpoint_key=self.endpoint_key,
            method=self.method,
            path=self.path,
            query_shape=query_shape(shaping),
            params_hash=params_hash(self.endpoint_key, shaping),
            page_size=self.page_size,
            counted_calls=self.counted_calls,
            retry_count=retry_count,
        )


@dataclass(frozen=True, slots=True)
class _Verdict:
    """What an answer turned out to be: a body, or an error to raise."""

    error: GraphError | None
    body: Any = None
    rows: int | None = None
    usage_headers: Mapping[str, str] = field(default_factory=dict)
    usage: tuple[UsageReading, ...] = ()
    inside: Inside | None = None


def utc_now() -> datetime:
    return datetime.now(UTC)


def ignore(_: object) -> None:
    """Let every call through, keep no record of an attempt, care about no page size."""


@dataclass(frozen=True)
class Caller:
    """The way out of this room: every HTTP attempt goes through `send` and is reported."""

    transport: Transport
    sleep: Callable[[float], None]
    clock: Callable[[], datetime] = utc_now
    on_attempt: Callable[[Attempt], None] = ignore
    gate: Callable[[Call], None] = ignore
    retry: RetryPolicy = field(default_factory=RetryPolicy)
    # The key of the app whose token it is: its meters are named by it.
    app: str = APP
    # What goes on where the token is refused; None: nothing does.
    failover: Failover | None = None

    def send(self, request: Request) -> GraphResponse:
        """The checked answer to `request`, tried again as policy and RetryPolicy say.

        Raises one of errors.py. `gate` is asked before every attempt and may raise. Where the
        token is refused and another client goes on, it is asked the very same.
        """
        if request.token is not None:
            return self.send_itself(request)
        return self.with_failover(
            lambda caller: caller.send_itself(request),
            lambda error: is_of_token(error, request.path, request.account_id),
        )

    def with_failover(
        self, ask: Callable[[Caller], _Answer], is_of_token: Callable[[GraphError], bool]
    ) -> _Answer:
        """What `ask` gives over the token in use, asked over the next where that is refused.

        `is_of_token` says of an error whether another token might do better. Raises what `ask`
        does.
        """
        if self.failover is None:
            return ask(self)
        while True:
            current = self.failover.current
            try:
                # How often to ask is this caller's own affair, whatever token it goes over.
                return ask(replace(current, retry=self.retry))
            except GraphError as error:
                if not is_of_token(error):
                    raise
                self.failover.leave(current, error)

    def send_itself(self, request: Request) -> GraphResponse:
        """As `send`, and nothing goes on where the token is refused."""
        counter = itertools.count()

        def repeats(error: GraphError) -> int:
            # A pause would be in vain: what comes after it is not sent.
            if self.transport.is_over:
                return 0
            return self.retry.repeats(
                error,
                can_shrink=request.can_shrink,
                has_shrunk=request.has_shrunk,
                just_created=request.just_created,
            )

        retrying = self.retry.retrying(repeats, self.sleep)
        return retrying(lambda: self._attempt(request, next(counter)))

    def _attempt(self, request: Request, retry_count: int) -> GraphResponse:
        call = request.call(retry_count)
        self.gate(call)
        answer = self.transport.send(
            request.method,
            request.path,
            encode_params(request.params),
            token=request.token,
            is_for_token=request.is_for_token,
        )
        now = self.clock()
        verdict = self._judge(request, answer, now, retry_count)
        attempt = self._record(call, answer, verdict, now)
        self.on_attempt(attempt)
        if verdict.error is not None:
            raise verdict.error
        headers = answer.headers if isinstance(answer, HttpAnswer) else {}
        return GraphResponse(verdict.body, headers, attempt)

    def _judge(
        self, request: Request, answer: HttpAnswer | NoAnswer, now: datetime, retry_count: int
    ) -> _Verdict:
        facts: dict[str, Any] = {
            "account_id": request.account_id,
            "endpoint_key": request.endpoint_key,
            "retry_count": retry_count,
        }
        if isinstance(answer, NoAnswer):
            return _Verdict(_WITHOUT_ANSWER[answer.kind](answer.reason, **facts))
        headers = usage_headers_of(answer.headers.items())
        usage = of_app(parse_usage(headers, request.account_id, now), self.app)
        facts |= {"usage": usage, "http_status": answer.status}
        read = read_answer(answer, request.expect)
        if isinstance(read, Malformed):
            reason = self.clean(read.reason)
            return _Verdict(MalformedAnswer(reason, **facts), usage_headers=headers, usage=usage)
        if isinstance(read, Refusal):
            error = error_of(self.cleaned(read), now=now, **facts)
            return _Verdict(error, usage_headers=headers, usage=usage)
        body, rows = read
        inside = request.inspect(body) if request.inspect else None
        return _Verdict(None, body, rows, headers, usage, inside)

    def _record(
        self, call: Call, answer: HttpAnswer | NoAnswer, verdict: _Verdict, now: datetime
    ) -> Attempt:
        error, inside = verdict.error, verdict.inside
        if error is None and inside is not None and inside.refusal is not None:
            refusal = self.cleaned(inside.refusal)
            error = error_of(refusal, now=now, http_status=inside.refusal_status)
        got = answer if isinstance(answer, HttpAnswer) else None
        outcomes = inside.outcomes if inside else ()
        heads = [outcome.usage_headers for outcome in outcomes]
        told = parse_usage_of_each(heads, call.account_id, now)
        usages = [of_app(one, self.app) for one in told]
        usage = verdict.usage
        if usages:  # operations of one batch tell of the same meters
            usage = tuple(worst_of_each([*usage, *(one for each in usages for one in each)]))
        notice = version_notice(self.transport.version, got.headers) if got else None
        return Attempt(
            account_id=call.account_id,
            endpoint_key=call.endpoint_key,
            query_shape=call.query_shape,
            params_hash=call.params_hash,
            method=call.method,
            status_code=got.status if got else None,
            error_code=error.code if error else None,
            error_subcode=error.subcode if error else None,
            error_message=self.clean(error.message)[:LONGEST_MESSAGE] if error else None,
            fbtrace_id=error.fbtrace_id if error else None,
            throttled=isinstance(error, Throttled),
            latency_ms=answer.latency_ms,
            retry_count=call.retry_count,
            response_size_bytes=got.size_bytes if got else 0,
            usage_headers=verdict.usage_headers,
            rows=verdict.rows,
            page_size=call.page_size,
            timestamp=now,
            counted_calls=call.counted_calls,
            operations=tuple(
                self._operation(outcome, usage, now)
                for outcome, usage in zip(outcomes, usages, strict=True)
            ),
            version_notice=self.clean(notice)[:LONGEST_MESSAGE] if notice else None,
            usage=usage,
            limit=error.limit if isinstance(error, Throttled) else None,
            app=self.app,
        )

    def _operation(
        self, outcome: BatchOutcome, usage: tuple[UsageReading, ...], now: datetime
    ) -> Operation:
        error: GraphError | None = None
        if outcome.refusal:
            refusal = self.cleaned(outcome.refusal)
            error = error_of(refusal, now=now, http_status=outcome.status_code)
        message = error.message if error else outcome.problem
        return Operation(
            status_code=outcome.status_code,
            error_code=error.code if error else None,
            error_subcode=error.subcode if error else None,
            error_message=self.clean(message)[:LONGEST_MESSAGE] if message else None,
            fbtrace_id=error.fbtrace_id if error else None,
            throttled=isinstance(error, Throttled),
            response_size_bytes=outcome.size_bytes,
            usage_headers=outcome.usage_headers,
            usage=usage,
        )

    def hiding(self, *secrets: str) -> Caller:
        """The same way out for calls about other tokens: those are in no text that leaves."""
        return replace(self, transport=self.transport.hiding(*secrets), failover=None)

    def clean(self, text: str) -> str:
        """`text` without this client's secrets or what looks like one, as one printable line."""
        return one_line(redact(text, self.transport.secrets))

    def cleaned(self, refusal: Refusal) -> Refusal:
        """Meta's messages may quote what was sent, and what was sent may be a token."""
        return refusal.cleaned(self.clean)
