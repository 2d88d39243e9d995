"""The control plane under `/_sim`: what the Python object can do, over HTTP."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import asdict
from datetime import datetime
from typing import TYPE_CHECKING, Any

import orjson
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route, Router

from meta_pipeline.simulator.server import instructions, status_page
from meta_pipeline.simulator.server.faults import Rule
from meta_pipeline.simulator.world.clock import VirtualClock, WallClock
from meta_pipeline.simulator.world.edits import EditRefusedError

if TYPE_CHECKING:
    from meta_pipeline.simulator.server.simulator import Simulator

Handler = Callable[["Simulator", Request, Mapping[str, Any]], Any]


def routes(sim: Simulator) -> Router:
    """The `/_sim` routes of one simulator."""

    def route(path: str, handler: Handler, *methods: str) -> Route:
        return Route(f"/_sim{path}", _endpoint(sim, handler), methods=list(methods))

    return Router(
        [
            Route("/_sim", _page(sim)),
            Route("/_sim/", _page(sim)),
            route("/ready", _ready, "GET"),
            route("/status", lambda s, _r, _b: status_page.status(s), "GET"),
            route("/reset", _reset, "POST"),
            route("/faults", _list_faults, "GET"),
            route("/faults", _add_fault, "POST"),
            route("/faults", _clear_faults, "DELETE"),
            route("/journal", _journal, "GET"),
            route("/journal", _clear_journal, "DELETE"),
            route("/clock/advance", _advance, "POST"),
            route("/limits", _limits, "PUT"),
            route("/limits/{account_id}", _account_limits, "PUT"),
            route("/pages", _pages, "PUT"),
            route("/reports/plans", _plans, "POST"),
            route("/objects/{object_id}", _edit, "PATCH"),
            route("/tokens/{token}", _token, "PUT"),
            route("/oauth", _oauth, "PUT"),
            route("/contract", _contract, "POST"),
        ]
    )


def _endpoint(sim: Simulator, handler: Handler) -> Callable[[Request], Awaitable[Response]]:
    async def endpoint(request: Request) -> Response:
        raw = await request.body()
        try:
            body = orjson.loads(raw) if raw else {}
            if not isinstance(body, dict):
                raise ValueError("the body must be a JSON object")
            found = handler(sim, request, body)
        except (KeyError, TypeError, ValueError) as error:
            return _json({"error": f"{type(error).__name__}: {error}"}, 400)
        except LookupError as error:
            return _json({"error": str(error)}, 404)
        except HTTPException as error:
            return _json({"error": error.detail}, error.status_code)
        return _json(found, 200)

    return endpoint


def _json(value: Any, status: int) -> Response:
    return Response(orjson.dumps(value, default=str), status, media_type="application/json")


def _page(sim: Simulator) -> Callable[[Request], Awaitable[Response]]:
    async def page(_request: Request) -> Response:
        return HTMLResponse(status_page.html(sim))

    return page


def _ready(sim: Simulator, _request: Request, _body: Mapping[str, Any]) -> Any:
    return {
        "ready": True,
        "accounts": len(sim.world.accounts()),
        "seed": sim.world.seed,
        "versions": sim.contract.versions(),
    }


def _reset(sim: Simulator, _request: Request, _body: Mapping[str, Any]) -> Any:
    sim.reset()
    return {"reset": True}


def _list_faults(sim: Simulator, _request: Request, _body: Mapping[str, Any]) -> Any:
    return {"faults": [_rule(rule) for rule in sim.faults]}


def _rule(rule: Rule) -> dict[str, Any]:
    return {
        "fault": rule.fault.name,
        "method": rule.method,
        "path": rule.path,
        "on_call": rule.on_call,
        "times": rule.times,
        "account_id": rule.account_id,
        "seen": rule.seen,
        "fired": rule.fired,
    }


def _add_fault(sim: Simulator, _request: Request, body: Mapping[str, Any]) -> Any:
    return _rule(instructions.add_fault(sim, body))


def _clear_faults(sim: Simulator, _request: Request, _body: Mapping[str, Any]) -> Any:
    sim.faults.clear()
    return {"faults": []}


def _journal(sim: Simulator, request: Request, _body: Mapping[str, Any]) -> Any:
    query = request.query_params
    wanted: dict[str, Any] = {}
    for name in ("method", "account_id", "fault", "flag"):
        if name in query:
            wanted[name] = query[name]
    for name in ("status", "code"):
        if name in query:
            wanted[name] = int(query[name])
    entries = sim.journal.find(path=query.get("path"), **wanted)
    last = int(query.get("last", "100"))
    return {
        "total": sim.journal.total,
        "count": len(entries),
        "requests": [entry.as_json() for entry in entries[-last:]],
    }


def _clear_journal(sim: Simulator, _request: Request, _body: Mapping[str, Any]) -> Any:
    sim.journal.clear()
    return {"total": 0}


def _advance(sim: Simulator, _request: Request, body: Mapping[str, Any]) -> Any:
    if not isinstance(sim.clock, VirtualClock | WallClock):
        raise HTTPException(409, "this simulator's clock cannot be moved")
    if "to" in body:
        moment = datetime.fromisoformat(body["to"])
        if moment.tzinfo is None:
            raise ValueError("`to` needs an offset: 2026-10-04T03:00:00+11:00")
        seconds = (moment - sim.now()).total_seconds()
    else:
        seconds = float(instructions.given(body, "seconds"))
    return {"now": sim.clock.advance(seconds).isoformat()}


def _limits(sim: Simulator, _request: Request, body: Mapping[str, Any]) -> Any:
    instructions.change_limits(sim, body)
    return {"accounts": {a.id: sim.limits.meters(a.id) for a in sim.world.accounts()}}


def _account_limits(sim: Simulator, request: Request, body: Mapping[str, Any]) -> Any:
    account_id = request.path_params["account_id"]
    instructions.change_account_limits(sim, account_id, body)
    return sim.limits.meters(account_id)


def _pages(sim: Simulator, _request: Request, body: Mapping[str, Any]) -> Any:
    instructions.change_pages(sim, body)
    return asdict(sim.uneven)


def _plans(sim: Simulator, _request: Request, body: Mapping[str, Any]) -> Any:
    return {"plans": instructions.plan_reports(sim, body)}


def _edit(sim: Simulator, request: Request, body: Mapping[str, Any]) -> Any:
    try:
        return instructions.edit(sim, request.path_params["object_id"], body)
    except EditRefusedError as refused:
        raise HTTPException(409, str(refused)) from refused


def _token(sim: Simulator, request: Request, body: Mapping[str, Any]) -> Any:
    instructions.change_token(sim, request.path_params["token"], body)
    return {"done": body.get("change", "issue")}


def _oauth(sim: Simulator, _request: Request, body: Mapping[str, Any]) -> Any:
    instructions.change_oauth(sim, body)
    return {"dialog": sim.tokens.dialog, "require_proof": sim.tokens.app.require_proof}


def _contract(sim: Simulator, _request: Request, body: Mapping[str, Any]) -> Any:
    instructions.change_contract(sim, body)
    return {"versions": sim.contract.versions()}
