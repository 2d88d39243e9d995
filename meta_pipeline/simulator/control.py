"""The control plane under `/_sim`: what the Python object can do, over HTTP."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Any

import orjson
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route, Router

from meta_pipeline.simulator import status_page
from meta_pipeline.simulator.clock import VirtualClock
from meta_pipeline.simulator.faults import Fault, Rule
from meta_pipeline.simulator.reports import Plan

if TYPE_CHECKING:
    from meta_pipeline.simulator.simulator import Simulator

Handler = Callable[["Simulator", Request, Mapping[str, Any]], Any]

# Faults that JSON can describe; `world_edit` needs a function and stays in Python.
FAULTS: Mapping[str, Callable[..., Fault]] = {
    name: getattr(Fault, name)
    for name in (
        "drop_connection", "reset_connection", "truncate", "stall", "slow", "graph_error", "http",
        "html_200", "empty_200", "not_json", "batch_timeout", "null_batch_entries",
        "same_cursor_twice", "empty_page_with_next", "missing_data", "null_rows",
        "unknown_content", "headers", "cursor_expired", "too_much_data",
    )
}  # fmt: skip
_EDITS = frozenset({"rename", "pause", "activate", "archive", "delete", "set_budget", "patch"})
_TOKEN_CHANGES = frozenset(
    {"expire", "revoke", "password_changed", "restrict", "drop_scope", "expire_data_access"}
)


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
            route("/limits/{account_id}", _limits, "PUT"),
            route("/reports/plans", _plans, "POST"),
            route("/objects/{object_id}", _edit, "PATCH"),
            route("/tokens/{token}", _token, "PUT"),
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
    name = body["fault"]
    if name not in FAULTS:
        raise ValueError(f"no fault {name!r}; there are {', '.join(sorted(FAULTS))}")
    fault = FAULTS[name](**body.get("with", {}))
    rule = sim.fail(
        body.get("method", "GET"),
        body["path"],
        with_=fault,
        on_call=body.get("on_call"),
        times=body.get("times", 1),
        account_id=body.get("account_id"),
    )
    return _rule(rule)


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
    if not isinstance(sim.clock, VirtualClock):
        raise HTTPException(409, "this simulator runs on real time")
    return {"now": sim.clock.advance(float(body["seconds"])).isoformat()}


def _limits(sim: Simulator, request: Request, body: Mapping[str, Any]) -> Any:
    account_id = request.path_params["account_id"]
    sim.world.spec(account_id)
    if "tier" in body:
        sim.limits.set_tier(account_id, body["tier"])
    if "regain_minutes" in body:
        sim.limits.exhaust(
            account_id, use_case=body.get("use_case"), regain_minutes=float(body["regain_minutes"])
        )
    if "pct" in body:
        sim.limits.use(account_id, body.get("use_case", "ads_management"), float(body["pct"]))
    if "insights_pct" in body:
        sim.limits.use_insights(account_id, float(body["insights_pct"]))
    if body.get("relieve"):
        sim.limits.relieve(account_id)
    return sim.limits.meters(account_id)


def _plans(sim: Simulator, _request: Request, body: Mapping[str, Any]) -> Any:
    plans = [Plan(**plan) for plan in body["plans"]]
    sim.reports.plan_next(*plans)
    return {"plans": len(plans)}


def _edit(sim: Simulator, request: Request, body: Mapping[str, Any]) -> Any:
    object_id = request.path_params["object_id"]
    if sim.world.get(object_id) is None:
        raise HTTPException(404, f"no object {object_id} in this world")
    edit = body.get("edit", "patch")
    if edit not in _EDITS:
        raise ValueError(f"no edit {edit!r}; there are {', '.join(sorted(_EDITS))}")
    getattr(sim.world, edit)(object_id, **body.get("with", {}))
    found = sim.world.get(object_id)
    return dict(found.values) if found else {}


def _token(sim: Simulator, request: Request, body: Mapping[str, Any]) -> Any:
    value = request.path_params["token"]
    change = body.get("change")
    if change is None:
        sim.tokens.issue(value, **body)
    elif change in _TOKEN_CHANGES:
        getattr(sim.tokens, change)(value, **body.get("with", {}))
    else:
        raise ValueError(f"no change {change!r}; there are {', '.join(sorted(_TOKEN_CHANGES))}")
    return {"done": change or "issue"}
