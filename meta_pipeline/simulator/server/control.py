"""The control plane under `/_sim`: what the Python object can do, over HTTP."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import asdict
from datetime import datetime
from typing import Any

import orjson
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route, Router

from meta_pipeline.simulator.api.errors import GraphError
from meta_pipeline.simulator.server import instructions, status_page, wire
from meta_pipeline.simulator.server.faults import FaultRule
from meta_pipeline.simulator.server.simulation import Simulation
from meta_pipeline.simulator.world import EditRefusedError
from meta_pipeline.simulator.world.clock import VirtualClock, WallClock

Handler = Callable[[Simulation, Request, Mapping[str, Any]], Any]
_HANDLERS: list[tuple[str, str, Handler]] = []


def _on(method: str, path: str) -> Callable[[Handler], Handler]:
    """Serve `/_sim<path>` with the JSON of what the handler returns."""

    def register(handler: Handler) -> Handler:
        _HANDLERS.append((method, path, handler))
        return handler

    return register


def router(sim: Simulation) -> Router:
    """The `/_sim` routes of one simulation."""

    async def page(_request: Request) -> Response:
        return HTMLResponse(status_page.html(sim))

    def endpoint(handler: Handler) -> Callable[[Request], Awaitable[Response]]:
        async def answer(request: Request) -> Response:
            try:
                raw = await wire.body_of(request.receive)
                body = orjson.loads(raw) if raw else {}
                if not isinstance(body, dict):
                    raise ValueError("the body must be a JSON object")
                shown = handler(sim, request, body)
                if inspect.isawaitable(shown):
                    shown = await shown
            # First, as KeyError is a LookupError too: what the body lacks is the caller's slip.
            except (KeyError, TypeError, ValueError) as error:
                return _json({"error": f"{type(error).__name__}: {error}"}, 400)
            except LookupError as error:
                return _json({"error": str(error)}, 404)
            except HTTPException as error:
                return _json({"error": error.detail}, error.status_code)
            except GraphError as error:
                return _json({"error": error.message}, error.status)
            return _json(shown, 200)

        return answer

    pages = [Route("/_sim", page), Route("/_sim/", page)]
    return Router(
        pages
        + [
            Route(f"/_sim{path}", endpoint(handler), methods=[method])
            for method, path, handler in _HANDLERS
        ]
    )


def _json(value: Any, status: int) -> Response:
    return Response(orjson.dumps(value, default=str), status, media_type="application/json")


@_on("GET", "/ready")
def ready(sim: Simulation, _request: Request, _body: Mapping[str, Any]) -> Any:
    return {
        "ready": True,
        "accounts": len(sim.world.accounts()),
        "seed": sim.world.seed,
        "versions": sim.contract.versions(),
    }


@_on("GET", "/status")
def status(sim: Simulation, _request: Request, _body: Mapping[str, Any]) -> Any:
    return status_page.status(sim)


@_on("POST", "/reset")
def reset(sim: Simulation, _request: Request, _body: Mapping[str, Any]) -> Any:
    sim.reset()
    return {"reset": True}


@_on("GET", "/faults")
def list_faults(sim: Simulation, _request: Request, _body: Mapping[str, Any]) -> Any:
    return {"faults": [_rule(rule) for rule in sim.faults]}


@_on("POST", "/faults")
def add_fault(sim: Simulation, _request: Request, body: Mapping[str, Any]) -> Any:
    return _rule(instructions.add_fault(sim, body))


@_on("DELETE", "/faults")
def clear_faults(sim: Simulation, _request: Request, _body: Mapping[str, Any]) -> Any:
    sim.faults.clear()
    return {"faults": []}


def _rule(rule: FaultRule) -> dict[str, Any]:
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


@_on("GET", "/journal")
def read_journal(sim: Simulation, request: Request, _body: Mapping[str, Any]) -> Any:
    query = request.query_params
    wanted: dict[str, Any] = {
        name: query[name] for name in ("method", "account_id", "fault", "flag") if name in query
    }
    wanted |= {name: int(query[name]) for name in ("status", "code") if name in query}
    entries = sim.journal.find(path=query.get("path"), **wanted)
    last = int(query.get("last", "100"))
    return {
        "total": sim.journal.total,
        "count": len(entries),
        "requests": [entry.as_json() for entry in entries[-last:]],
    }


@_on("DELETE", "/journal")
def clear_journal(sim: Simulation, _request: Request, _body: Mapping[str, Any]) -> Any:
    sim.journal.clear()
    return {"total": 0}


@_on("POST", "/clock/advance")
def advance(sim: Simulation, _request: Request, body: Mapping[str, Any]) -> Any:
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


@_on("PUT", "/limits")
def limits(sim: Simulation, _request: Request, body: Mapping[str, Any]) -> Any:
    instructions.change_limits(sim, body)
    return {"accounts": {a.id: sim.limits.meters(a.id) for a in sim.world.accounts()}}


@_on("PUT", "/limits/{account_id}")
def account_limits(sim: Simulation, request: Request, body: Mapping[str, Any]) -> Any:
    account_id = request.path_params["account_id"]
    instructions.change_account_limits(sim, account_id, body)
    return sim.limits.meters(account_id)


@_on("PUT", "/pages")
def pages(sim: Simulation, _request: Request, body: Mapping[str, Any]) -> Any:
    instructions.change_pages(sim, body)
    return asdict(sim.uneven)


@_on("POST", "/reports/plans")
def plans(sim: Simulation, _request: Request, body: Mapping[str, Any]) -> Any:
    return {"plans": instructions.plan_reports(sim, body)}


@_on("PATCH", "/objects/{object_id}")
def edit(sim: Simulation, request: Request, body: Mapping[str, Any]) -> Any:
    try:
        return instructions.edit(sim, request.path_params["object_id"], body)
    except EditRefusedError as refused:
        raise HTTPException(409, str(refused)) from refused


@_on("PUT", "/tokens/{token}")
def token(sim: Simulation, request: Request, body: Mapping[str, Any]) -> Any:
    instructions.change_token(sim, request.path_params["token"], body)
    return {"done": body.get("change", "issue")}


@_on("PUT", "/oauth")
def oauth(sim: Simulation, _request: Request, body: Mapping[str, Any]) -> Any:
    instructions.change_oauth(sim, body)
    return {"dialog": sim.tokens.dialog, "require_proof": sim.tokens.app.require_proof}


@_on("POST", "/apps")
def add_app(sim: Simulation, _request: Request, body: Mapping[str, Any]) -> Any:
    return instructions.add_app(sim, body)


@_on("POST", "/businesses")
def add_business(sim: Simulation, _request: Request, body: Mapping[str, Any]) -> Any:
    return instructions.add_business(sim, body)


@_on("POST", "/people")
def add_person(sim: Simulation, _request: Request, body: Mapping[str, Any]) -> Any:
    return instructions.add_person(sim, body)


@_on("POST", "/callbacks")
async def callbacks(sim: Simulation, _request: Request, body: Mapping[str, Any]) -> Any:
    # In a thread: whoever is called may call the simulator before it answers.
    return asdict(await asyncio.to_thread(instructions.call_app_back, sim, body))


@_on("POST", "/webhooks")
async def webhooks(sim: Simulation, _request: Request, body: Mapping[str, Any]) -> Any:
    made = await asyncio.to_thread(instructions.deliver_webhooks, sim, body)
    return {"deliveries": [one.statuses for one in made]}


@_on("POST", "/contract")
def contract(sim: Simulation, _request: Request, body: Mapping[str, Any]) -> Any:
    instructions.change_contract(sim, body)
    return {"versions": sim.contract.versions()}
