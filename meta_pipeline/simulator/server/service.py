"""The way of every request: version, token, route, limits, faults, handler, usage headers.

Pure of sockets: `handle` turns a request into an answer and the wire fault to apply to it. Usage
headers go on every answer after the token step, refusals included.
"""

from __future__ import annotations

import hashlib
import logging
from dataclasses import dataclass, replace
from typing import Any

import orjson

from meta_pipeline.simulator.api import batch, errors, oauth, retired_forms
from meta_pipeline.simulator.api.calls import Call, GraphAnswer, Target, document, etag_of
from meta_pipeline.simulator.api.limits import AUDIENCE, INSIGHTS, MANAGEMENT
from meta_pipeline.simulator.api.reader import GraphReader
from meta_pipeline.simulator.api.requests import GraphRequest, redacted
from meta_pipeline.simulator.api.routes import Routes
from meta_pipeline.simulator.api.state import State
from meta_pipeline.simulator.api.writer import Writer
from meta_pipeline.simulator.server.faults import Fault, Faults
from meta_pipeline.simulator.server.journal import Journal
from meta_pipeline.simulator.server.latency import Latency
from meta_pipeline.simulator.server.page_cache import CachedPage, PageCache

JSON = "application/json; charset=UTF-8"
_log = logging.getLogger(__name__)


@dataclass
class Served:
    """An answer, and how the socket is to spoil it."""

    answer: GraphAnswer
    fault: Fault | None = None
    latency_seconds: float = 0.0


class Service:
    """Answers requests from one state.

    `edited` is what the edit of a `Fault.world_edit` is called with: the simulator.
    """

    def __init__(
        self,
        state: State,
        *,
        faults: Faults,
        journal: Journal,
        latency: Latency,
        pages: PageCache,
        edited: object = None,
    ) -> None:
        self.state, self.faults, self.journal = state, faults, journal
        self.latency, self.pages, self.edited = latency, pages, edited
        self.routes = Routes(state)
        self.reader = GraphReader(state)
        self.writer = Writer(state, self.reader)
        self._serial = 0

    def handle(self, request: GraphRequest, *, in_batch: bool = False) -> Served:
        """Answer one request and write it into the journal."""
        call: Call | None = None
        fault = self.faults.strike(request)
        flag: str | None = None
        try:
            if fault and fault.before:
                fault.before(self.edited)
            call, answer = self._answer(request, fault)
        except errors.GraphError as error:
            flag, call = error.flag, error.call
            answer = self._refusal(error)
            if error.is_cut:
                fault = fault or Fault.truncate()
        except Exception as bug:  # a defect here must not look like one of Meta's errors
            _log.exception("the simulator failed on %s %s", request.method, request.display_path)
            flag = f"simulator_failure {type(bug).__name__}"
            text = f"The simulator itself failed: {type(bug).__name__}: {bug}"
            answer = GraphAnswer(500, document({"simulator_failure": text}), {"content-type": JSON})
        if call is not None:
            flag = flag or call.flag
            target = call.target
            usage = self.state.limits.headers(
                target.account_id, insights=target.is_insights, app_id=call.token.app_id
            )
            answer = replace(answer, headers={**usage, **answer.headers})
        if fault and fault.alter and answer.status == 200:
            answer = fault.alter(answer, request)
        # A batch takes the time of its own answer, not that of each operation.
        seconds = 0.0 if in_batch else self.latency.seconds(answer.rows)
        if fault and fault.wire == "slow" and not in_batch:
            seconds += fault.seconds
        self.journal.add(
            time=self.state.now(),
            method=request.method,
            path=request.display_path,
            params=redacted(request.params),
            account_id=call.target.account_id if call else None,
            status=answer.status,
            code=answer.code,
            subcode=answer.subcode,
            rows=answer.rows,
            size_bytes=len(answer.body),
            latency_ms=round(seconds * 1000, 3),
            fault=fault.name if fault else None,
            flag=flag,
            in_batch=in_batch,
        )
        return Served(answer, fault, seconds)

    # -- the steps ------------------------------------------------------------------------------

    def _answer(
        self, request: GraphRequest, fault: Fault | None
    ) -> tuple[Call | None, GraphAnswer]:
        state = self.state
        self.routes.check_version(request.version)
        if fault and fault.reply:
            status, kind, reply = fault.reply
            return None, GraphAnswer(status, reply, {"content-type": kind})
        error = fault.error if fault else None
        if oauth.serves(request) or state.subscriptions.serves(state.tokens, request):
            if error:
                raise error
            answered = self._uncharged(request)
            if isinstance(answered, GraphAnswer):
                return None, answered
            return None, self._finish(request, document(answered), None)
        token = state.tokens.check(request.token, request.text("appsecret_proof"))
        if state.tokens.apps[token.app_id].is_new:
            retired_forms.refuse(request)
        is_batch = batch.is_batch(request)
        if is_batch or (not request.path and "ids" in request.params):
            if error:
                raise error

            def one(inner: GraphRequest) -> GraphAnswer:
                return self.handle(inner, in_batch=True).answer

            if is_batch:
                entries = document(batch.run(request, one))
                return None, GraphAnswer(200, entries, {"content-type": JSON})
            return None, batch.by_ids(request, one)
        call = Call(request, token, self.routes.account_of(request), state.now())
        return call, self._finish(request, self._call(call, error), call)

    def _uncharged(self, request: GraphRequest) -> Any:
        """The document (or answer) of what belongs to an app: tokens, and who is told of what."""
        state = self.state
        if oauth.serves(request):
            return oauth.answer(state.tokens, request)
        known = {one.id for one in state.world.accounts()}
        return state.subscriptions.answer(state.tokens, request, known)

    def _call(self, call: Call, fault: errors.GraphError | None) -> bytes:
        """The body of a call on a node or edge; whatever comes of it, the call is charged for."""
        state, request = self.state, call.request
        try:
            self._resolve(call, fault)
            state.uneven.before_page(state.world, request, call.target.account_id)
            if fault:
                raise fault
            if request.method == "GET":
                body = self._page(call)
            else:
                body = document(self.writer.write(call))
        except errors.GraphError as error:
            error.call = call
            if error.is_user_error and call.target.account_id:
                state.limits.user_error(call.target.account_id)
            raise
        state.limits.spend(
            call.target.account_id,
            _use_case(call.target),
            rows=call.rows,
            weight=call.weight,
            app_id=call.token.app_id,
        )
        return body

    def _resolve(self, call: Call, fault: errors.GraphError | None) -> None:
        """Find what the call is about; what is refused is charged for as well."""
        try:
            call.target = self.routes.resolve(call.request, call.token)
        except errors.GraphError:
            if fault:
                raise fault from None  # a limit is met before anything is looked up
            raise
        finally:
            self.state.limits.charge(
                call.target.account_id,
                _use_case(call.target),
                write=call.request.method != "GET",
                insights=call.target.is_insights,
                app_id=call.token.app_id,
            )

    def _page(self, call: Call) -> bytes:
        """The body of a GET, from the cache if it was made in this state of the world."""
        if call.target.node_type == "AdReportRun":
            # A run's state moves with every second, which the state's key does not.
            body = document(self.reader.read(call))
            call.etag = etag_of(body)
            return body
        request = call.request
        key = (
            request.display_path,
            orjson.dumps(dict(request.params), option=orjson.OPT_SORT_KEYS),
            call.token,
            request.base_url,
            self.state.key(),
        )
        cached = self.pages.get(key)
        if cached is None:
            body = document(self.reader.read(call))
            cached = CachedPage(body, etag_of(body), call.rows, call.weight, call.flag)
            self.pages.put(key, cached)
        call.etag, call.rows, call.weight, call.flag = cached[1:]
        return cached.body

    # -- the envelope ---------------------------------------------------------------------------

    def _finish(self, request: GraphRequest, body: bytes, call: Call | None) -> GraphAnswer:
        version = request.version or self.state.contract.version
        version, warning = self.state.contract.answering(version)
        headers = {"content-type": JSON, "facebook-api-version": version, **self._trace()}
        if warning:
            headers["x-ad-api-version-warning"] = warning
        rows = call.rows if call else 0
        if request.method != "GET":
            return GraphAnswer(200, body, headers, rows)
        tag = (call.etag if call else None) or etag_of(body)
        headers["etag"] = tag
        if request.headers.get("if-none-match") == tag:
            return GraphAnswer(304, b"", headers, rows)
        return GraphAnswer(200, body, headers, rows)

    def _refusal(self, error: errors.GraphError) -> GraphAnswer:
        trace = self._trace()
        headers = {"content-type": JSON, **trace}
        if error.code == 190:
            quoted = error.message.replace('"', "'")
            headers["www-authenticate"] = f'OAuth "Facebook Platform" "invalid_token" "{quoted}"'
        return GraphAnswer(
            error.status,
            document(error.body(trace["x-fb-trace-id"])),
            headers,
            code=error.code,
            subcode=error.subcode,
        )

    def _trace(self) -> dict[str, str]:
        self._serial += 1
        digest = hashlib.blake2b(f"{self.state.world.seed}:{self._serial}".encode(), digest_size=8)
        return {"x-fb-trace-id": f"A{digest.hexdigest()[:10]}", "x-fb-rev": "1000000000"}


def _use_case(target: Target) -> str:
    # Polls of a report run count as insights calls too (FIDELITY.md).
    if target.is_insights or target.node_type == "AdReportRun":
        return INSIGHTS
    is_audience = target.edge == "customaudiences" or target.node_type == "CustomAudience"
    return AUDIENCE if is_audience else MANAGEMENT
