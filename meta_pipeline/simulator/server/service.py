"""The way of every request: version, token, route, limits, faults, handler, usage headers.

Pure of sockets: `answer` turns a request into an answer and the wire fault to apply to it. Usage
headers go on every answer after the token step, refusals included.
"""

from __future__ import annotations

import hashlib
import logging
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import orjson

from meta_pipeline.simulator.api import batch, errors, oauth, retired_forms, writer
from meta_pipeline.simulator.api.calls import Answer, Call, Target, document, etag_of
from meta_pipeline.simulator.api.limits import INSIGHTS, MANAGEMENT
from meta_pipeline.simulator.api.requests import GraphRequest, redacted
from meta_pipeline.simulator.server.alterations import alter
from meta_pipeline.simulator.server.faults import Fault
from meta_pipeline.simulator.server.page_cache import MOST_BYTES, Page, PreparedPages

if TYPE_CHECKING:
    from meta_pipeline.simulator.server.simulator import Simulator

_JSON = "application/json; charset=UTF-8"
_log = logging.getLogger(__name__)
_FRESH_SECONDS = 900  # numbers move every fifteen minutes, not with every second (FACTS 5.5)


@dataclass
class Outcome:
    """An answer, and how the socket is to spoil it."""

    answer: Answer
    fault: Fault | None = None
    latency_seconds: float = 0.0


class Service:
    """Answers requests for one simulator."""

    def __init__(self, sim: Simulator, pages: int = 128, page_bytes: int = MOST_BYTES) -> None:
        self._sim = sim
        self._pages = PreparedPages(pages, page_bytes)
        self._serial = 0

    def handle(self, request: GraphRequest, *, in_batch: bool = False) -> Outcome:
        """Answer one request and write it into the journal."""
        sim = self._sim
        call: Call | None = None
        fault = sim.faults.strike(request)
        flag: str | None = None
        try:
            if fault and fault.before:
                fault.before(sim)
            call, answer = self._answer(request, fault)
        except errors.GraphError as error:
            flag, call = error.flag, error.call
            answer = self._refusal(error)
        except Exception as bug:  # a defect here must not look like one of Meta's errors
            _log.exception("the simulator failed on %s %s", request.method, request.display_path)
            flag = f"simulator_failure {type(bug).__name__}"
            answer = _failure(bug)
        if call is not None:
            flag = flag or call.flag
            usage = sim.limits.headers(call.target.account_id, insights=call.target.is_insights)
            answer = replace(answer, headers={**usage, **answer.headers})
        answer = alter(answer, fault, request)
        seconds = 0.0 if in_batch else self._seconds(answer, fault)
        self._sim.journal.add(
            time=self._sim.now(),
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
        return Outcome(answer, fault, seconds)

    def _seconds(self, answer: Answer, fault: Fault | None) -> float:
        extra = fault.seconds if fault and fault.wire == "slow" else 0.0
        return self._sim.latency.seconds(answer.rows) + extra

    # -- the steps ------------------------------------------------------------------------------

    def _answer(self, request: GraphRequest, fault: Fault | None) -> tuple[Call | None, Answer]:
        sim = self._sim
        sim.routes.check_version(request.version)
        if fault and fault.reply:
            status, kind, reply = fault.reply
            return None, Answer(status, reply, {"content-type": kind})
        if oauth.serves(request):
            if fault and fault.error:
                raise fault.error
            return None, self._finish(request, oauth.answer(sim, request), None)
        token = sim.tokens.check(request.token, request.text("appsecret_proof"))
        if sim.tokens.app.is_new:
            retired_forms.refuse(request)
        if batch.is_batch(request) or (not request.path and "ids" in request.params):
            if fault and fault.error:
                raise fault.error
            return None, self._many(request)
        call = Call(request, token, sim.routes.account_of(request), sim.now())
        try:
            self._resolve(call, fault)
            sim.uneven.before_page(sim.world, request, call.target.account_id)
            if fault and fault.error:
                raise fault.error
            body = self._body(call)
        except errors.GraphError as error:
            error.call = call
            if error.is_user_error and call.target.account_id:
                sim.limits.user_error(call.target.account_id)
            raise
        sim.limits.spend(
            call.target.account_id, _use_case(call.target), rows=call.rows, weight=call.weight
        )
        return call, self._finish(request, body, call)

    def _resolve(self, call: Call, fault: Fault | None) -> None:
        """Find what the call is about; what is refused is charged for as well."""
        try:
            call.target = self._sim.routes.resolve(call.request, call.token)
        except errors.GraphError:
            if fault and fault.error:
                raise fault.error from None  # a limit is met before anything is looked up
            raise
        finally:
            self._charge(call)

    def _charge(self, call: Call) -> None:
        self._sim.limits.charge(
            call.target.account_id,
            _use_case(call.target),
            write=call.request.method != "GET",
            insights=call.target.is_insights,
        )

    def _many(self, request: GraphRequest) -> Answer:
        if batch.is_batch(request):
            return Answer(200, document(batch.run(request, self.handle)), {"content-type": _JSON})
        return batch.by_ids(request, self.handle)

    def _body(self, call: Call) -> bytes:
        sim, request = self._sim, call.request
        if request.method == "GET":
            return self._page(call)
        if request.method == "POST" and call.target.is_insights:
            return document(writer.create_report(sim, call))
        if call.target.edge == "permissions":
            return document(writer.revoke(sim, call))
        return document(writer.write(sim, call))

    def _page(self, call: Call) -> bytes:
        """A prepared page if the same question was answered in this state of the world.

        A report run is never prepared: its state moves with every second.
        """
        lasting = call.target.node_type != "AdReportRun"
        key = self._page_key(call) if lasting else None
        kept = self._pages.get(key)
        if kept is not None:
            call.etag, call.rows, call.weight, call.flag = kept[1:]
            return kept.body
        body = document(self._sim.reader.read(call))
        call.etag = etag_of(body)
        if lasting:
            self._pages.put(key, Page(body, call.etag, call.rows, call.weight, call.flag))
        return body

    def _page_key(self, call: Call) -> Any:
        request = call.request
        return (
            request.display_path,
            orjson.dumps(dict(request.params), option=orjson.OPT_SORT_KEYS),
            call.token,
            request.base_url,
            self._sim.state_key(_FRESH_SECONDS),
        )

    def _finish(self, request: GraphRequest, body: Any, call: Call | None) -> Answer:
        if isinstance(body, Answer):
            return body
        raw = body if isinstance(body, bytes) else document(body)
        version = request.version or self._sim.contract.version
        version, warning = self._sim.contract.answering(version)
        headers = {"content-type": _JSON, "facebook-api-version": version, **self._trace()}
        if warning:
            headers["x-ad-api-version-warning"] = warning
        rows = call.rows if call else 0
        if request.method != "GET":
            return Answer(200, raw, headers, rows)
        tag = (call.etag if call else None) or etag_of(raw)
        headers["etag"] = tag
        if request.headers.get("if-none-match") == tag:
            return Answer(304, b"", headers, rows)
        return Answer(200, raw, headers, rows)

    def _refusal(self, error: errors.GraphError) -> Answer:
        trace = self._trace()
        headers = {"content-type": _JSON, **trace}
        if error.code == 190:
            quoted = error.message.replace('"', "'")
            headers["www-authenticate"] = f'OAuth "Facebook Platform" "invalid_token" "{quoted}"'
        return Answer(
            error.status,
            document(error.body(trace["x-fb-trace-id"])),
            headers,
            code=error.code,
            subcode=error.subcode,
        )

    def _trace(self) -> dict[str, str]:
        self._serial += 1
        digest = hashlib.blake2b(f"{self._sim.world.seed}:{self._serial}".encode(), digest_size=8)
        return {"x-fb-trace-id": f"A{digest.hexdigest()[:10]}", "x-fb-rev": "1000000000"}


def _failure(bug: Exception) -> Answer:
    text = f"The simulator itself failed: {type(bug).__name__}: {bug}"
    return Answer(500, document({"simulator_failure": text}), {"content-type": _JSON})


def _use_case(target: Target) -> str:
    insights = target.is_insights or target.node_type == "AdReportRun"
    return INSIGHTS if insights else MANAGEMENT
