"""The few writes a sync or a test needs: report runs, status, name, budget, deletion."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from meta_pipeline.simulator.api import errors
from meta_pipeline.simulator.api.calls import Call
from meta_pipeline.simulator.world.edits import EditRefusedError

if TYPE_CHECKING:
    from meta_pipeline.simulator.server.simulator import Simulator

_WRITABLE = frozenset({"name", "status", "daily_budget", "lifetime_budget"})
_ENVELOPE = frozenset({"access_token", "appsecret_proof", "fields", "method"})


def create_report(sim: Simulator, call: Call) -> dict[str, Any]:
    """Start an async run; wrong parameters are refused here, as at Meta."""
    query = sim.reader.insights.query(call)
    account_id = call.target.account_id or ""
    run = sim.reports.create(
        call.request,
        account_id=account_id,
        rows=sim.reader.insights.reserve(query, account_id),
        ranges=tuple((since.isoformat(), until.isoformat()) for since, until in query.ranges),
        plan=sim.reader.insights.plan(query),
    )
    return {"report_run_id": run.id}


def write(sim: Simulator, call: Call) -> dict[str, Any]:
    """POST or DELETE on a campaign, ad set or ad."""
    if "ads_management" not in call.token.scopes:
        raise errors.GraphError(
            "(#294) Managing advertisements requires an access token with the "
            "extended permission for ads_management",
            code=294,
        )
    try:
        if call.request.method == "DELETE":
            sim.world.delete(call.target.node_id)
        else:
            _update(sim, call)
    except EditRefusedError as refused:
        raise errors.GraphError(
            "Invalid parameter",
            code=refused.code,
            subcode=refused.subcode,
            transient=False,
            user_title="Can't edit",
            user_message=str(refused),
        ) from refused
    return _read_back(sim, call) if call.request.fields() else {"success": True}


def _read_back(sim: Simulator, call: Call) -> dict[str, Any]:
    """POST with `fields` shows the object as it is now, in the same call (FACTS section 0)."""
    target = replace(call.target, subject=sim.world.get(call.target.node_id))
    shown = call.request.at((target.node_id,), {"fields": call.request.params["fields"]})
    return sim.reader.read(Call(shown, call.token, target, call.now))


def revoke(sim: Simulator, call: Call) -> dict[str, Any]:
    """DELETE on a user's permissions: one of them, or all, which removes the app."""
    permission = call.target.subject
    if permission is None:
        sim.tokens.revoke(call.token.value)
    else:
        sim.tokens.drop_scope(call.token.value, str(permission))
    return {"success": True}


def _update(sim: Simulator, call: Call) -> None:
    params, object_id = call.request.params, call.target.node_id
    for name in params:
        if name not in _WRITABLE | _ENVELOPE:
            raise errors.no_capability()
    if "name" in params:
        sim.world.rename(object_id, str(params["name"]))
    if "status" in params:
        _set_status(sim, object_id, str(params["status"]))
    daily, lifetime = call.request.integer("daily_budget"), call.request.integer("lifetime_budget")
    if daily is not None or lifetime is not None:
        sim.world.set_budget(object_id, daily_minor=daily, lifetime_minor=lifetime)


def _set_status(sim: Simulator, object_id: str, status: str) -> None:
    edits = {
        "ACTIVE": sim.world.activate,
        "PAUSED": sim.world.pause,
        "ARCHIVED": sim.world.archive,
        "DELETED": sim.world.delete,
    }
    if status not in edits:
        raise errors.unknown_value("status", status, sorted(edits))
    edits[status](object_id)
