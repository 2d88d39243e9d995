"""What a JSON document can tell a running simulator to do: break, edit, drift.

Each function takes the simulator and the document's values; a KeyError, TypeError or ValueError
says what is wrong with them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import fields
from typing import Any, get_args

from meta_pipeline.simulator.api.login.apps import App, Configuration
from meta_pipeline.simulator.api.login.signed_requests import FORGERIES
from meta_pipeline.simulator.api.reports import Plan
from meta_pipeline.simulator.api.uneven import Uneven
from meta_pipeline.simulator.server.callbacks import CallbackAnswer, CallbackKind, call_back
from meta_pipeline.simulator.server.faults import Fault, FaultRule
from meta_pipeline.simulator.server.simulation import Simulation
from meta_pipeline.simulator.server.webhooks import Change, WebhookPost
from meta_pipeline.simulator.world.entities import Entity

Body = Mapping[str, Any]

EDITS = frozenset(
    {"rename", "pause", "activate", "archive", "delete", "set_budget", "patch", "vanish",
     "spoil_creative", "spoil_day", "mend_days", "take_back", "withhold", "give_back",
     "lose_conversions", "find_conversions", "tire", "break_pixel",
     "add_campaign", "add_adset", "add_ad"}
)  # fmt: skip
DRIFTS = frozenset(
    {"retire_version", "upgrade_version", "warn_of_version", "remove_field", "add_field",
     "add_value", "remove_value"}
)  # fmt: skip
TOKEN_CHANGES = frozenset(
    {
        "expire",
        "revoke",
        "password_changed",
        "restrict",
        "withhold",
        "drop_scope",
        "expire_data_access",
    }
)


def world_edit(edit: str, id: str, **values: Any) -> Fault:  # noqa: A002 - the document's word
    """An edit of `EDITS` just before the answer: what `Fault.world_edit` does with a function."""
    _known("edit", edit, EDITS)
    return Fault.world_edit(lambda sim: getattr(sim.world, edit)(id, **values))


FAULTS: Mapping[str, Callable[..., Fault]] = {
    **{
        name: getattr(Fault, name)
        for name in (
            "drop_connection", "reset_connection", "truncate", "stall", "slow", "gzipped", "huge",
            "gzip_bomb", "drip", "graph_error",
            "http", "html_200", "empty_200", "not_json", "wrong_shape", "batch_timeout",
            "null_batch_entries", "same_cursor_twice", "empty_page_with_next", "missing_data",
            "null_rows", "unknown_content", "strange_rows", "headers", "cursor_expired",
            "too_much_data",
            "no_rows", "lost_rows", "lost_days", "odd_actions", "endless_token",
        )
    },
    "world_edit": world_edit,
}  # fmt: skip


def add_fault(sim: Simulation, body: Body) -> FaultRule:
    """`{"path": "/ads", "fault": "truncate", "with": {"after": 40}, "on_call": 2}`."""
    _only(body, "path", "fault", "with", "method", "on_call", "times", "account_id", "params")
    name = _known("fault", given(body, "fault"), FAULTS)
    return sim.fail(
        body.get("method", "GET"),
        given(body, "path"),
        with_=FAULTS[name](**body.get("with", {})),
        on_call=body.get("on_call"),
        times=body.get("times", 1),
        account_id=body.get("account_id"),
        params={name: str(value) for name, value in body.get("params", {}).items()},
    )


def edit(sim: Simulation, object_id: str, body: Body) -> dict[str, Any]:
    """`{"edit": "rename", "with": {"name": "x"}}`; the object as it is then."""
    if sim.world.get(object_id) is None:
        raise LookupError(f"no object {object_id} in this world")
    _only(body, "edit", "with")
    name = _known("edit", body.get("edit", "patch"), EDITS)
    made = getattr(sim.world, name)(object_id, **body.get("with", {}))
    entity = made if isinstance(made, Entity) else sim.world.get(object_id)
    return dict(entity.values) if entity else {}


def change_contract(sim: Simulation, body: Body) -> None:
    """`{"change": "remove_field", "with": {"node": "AdSet", "name": "targeting"}}`."""
    _only(body, "change", "with")
    name = _known("change", given(body, "change"), DRIFTS)
    getattr(sim.contract, name)(**body.get("with", {}))


def change_token(sim: Simulation, value: str, body: Body) -> None:
    """`{"change": "drop_scope", "with": {"scope": "ads_read"}}`, or a new token's values."""
    change = body.get("change")
    if change is None:
        sim.tokens.issue(value, **body)
    else:
        _only(body, "change", "with")
        getattr(sim.tokens, _known("change", change, TOKEN_CHANGES))(value, **body.get("with", {}))


def change_oauth(sim: Simulation, body: Body) -> None:
    """`{"dialog": "ask" | "grant" | "deny"}`, `{"choose": {"scopes": ["ads_read"]}}`.

    Of the first app, or of `app_id`: `require_proof`, `new_app`, `in_development`,
    `blocked`, `redirect_uris`, `deauthorize_url`, `deletion_url`, `configurations` (documents with
    the fields of `Configuration`).
    """
    _only(body, "dialog", "choose", "app_id", *_APP_CHANGES)
    changes = {
        field: read(body[name]) for name, (field, read) in _APP_CHANGES.items() if name in body
    }
    if "choose" in body:
        sim.tokens.choose(**body["choose"])
    if "dialog" in body:
        sim.tokens.dialog = _known("dialog", body["dialog"], ("ask", "grant", "deny"))
    sim.tokens.change_app(body.get("app_id"), **changes)


def _texts(values: Any) -> tuple[str, ...]:
    # A text is a sequence of texts, too: each letter would be a value.
    if not isinstance(values, list):
        raise TypeError(f"a list is needed, not {values!r}")
    return tuple(map(str, values))


def _configuration(values: Mapping[str, Any]) -> Configuration:
    scopes = {"scopes": _texts(values["scopes"])} if "scopes" in values else {}
    return Configuration(**{**values, **scopes})


_APP_CHANGES: Mapping[str, tuple[str, Callable[[Any], Any]]] = {
    "require_proof": ("require_proof", bool),
    "new_app": ("is_new", bool),
    "in_development": ("in_development", bool),
    "blocked": ("is_blocked", bool),
    "redirect_uris": ("redirect_uris", _texts),
    "deauthorize_url": ("deauthorize_url", str),
    "deletion_url": ("deletion_url", str),
    "configurations": ("configurations", lambda values: tuple(map(_configuration, values))),
}


def add_app(sim: Simulation, body: Body) -> dict[str, Any]:
    """`{"id": "5", "secret": "…", "name": "Other"}`; the rest of it by `change_oauth`."""
    _only(body, "id", "secret", "name")
    app = App(str(given(body, "id")), str(given(body, "secret")), str(given(body, "name")))
    sim.tokens.add_app(app)
    return {"id": app.id, "name": app.name}


def add_business(sim: Simulation, body: Body) -> dict[str, Any]:
    """`{"name": "North", "owned": ["act_…"], "clients": ["act_…"]}`, with `id` to add to one."""
    _only(body, "name", "id", "owned", "clients")
    accounts = {name: _texts(body[name]) for name in ("owned", "clients") if name in body}
    made = sim.directory.add_business(str(given(body, "name")), id=body.get("id"), **accounts)
    return {"id": made.id, "name": made.name, "accounts": sorted(made.accounts)}


def add_person(sim: Simulation, body: Body) -> dict[str, Any]:
    """`{"name": "Ada", "businesses": ["…"], "accounts": ["act_…"]}`."""
    _only(body, "name", "id", "businesses", "accounts")
    parts = {name: _texts(body[name]) for name in ("businesses", "accounts") if name in body}
    made = sim.directory.add_person(str(given(body, "name")), id=body.get("id"), **parts)
    return {"id": made.id, "name": made.name}


def call_app_back(sim: Simulation, body: Body) -> CallbackAnswer:
    """`{"kind": "deauthorize" | "data_deletion", "user_id": "…", "forged": "signature"}`."""
    _only(body, "kind", "user_id", "url", "app_id", "forged", "age_seconds")
    kind = _known("kind", given(body, "kind"), get_args(CallbackKind))
    if body.get("forged") is not None:
        _known("forgery", body["forged"], FORGERIES)
    how = {name: value for name, value in body.items() if name not in {"kind", "user_id"}}
    return call_back(sim.tokens, kind, str(given(body, "user_id")), **how)


def deliver_webhooks(sim: Simulation, body: Body) -> list[WebhookPost]:
    """`{"objects": ["…"], "copies": 2}`, `{"account_id": "act_…", "changes": […]}`.

    `objects` are told as changes of their effective status, `changes` as they are: field and value.
    `{"retry": true}`: what is due again.
    """
    how = {"url", "per_post", "copies", "disorder", "late_seconds", "is_forged"}
    _only(body, "objects", "account_id", "changes", "retry", *how)
    if body.get("retry"):
        return sim.webhooks.retry(url=body.get("url"))
    changes = [sim.webhooks.status_of(str(one)) for one in body.get("objects", ())]
    for one in body.get("changes", ()):
        told = given(one, "field"), given(one, "value")
        changes.append(Change(str(given(body, "account_id")), *told))
    return sim.webhooks.deliver(changes, **{name: body[name] for name in how & body.keys()})


def change_limits(sim: Simulation, body: Body) -> None:
    """`{"calls": 50}` or `{"calls": {"ads_insights": 9}}`, `{"app_pct": 90}`, `{"relieve": true}`.

    `"calls": null` is Meta's formula again.
    """
    _only(body, "calls", "app_pct", "app_id", "relieve")
    if body.get("relieve"):
        sim.limits.relieve()
    if "calls" in body:
        sim.limits.set_calls(body["calls"])
    if "app_pct" in body:
        sim.limits.use_app(float(body["app_pct"]), body.get("app_id", ""))


def change_account_limits(sim: Simulation, account_id: str, body: Body) -> None:
    """`{"tier": …}`, `{"regain_minutes": 12}`, `{"pct": 80}`, `{"insights_pct": 95}`, relieve."""
    sim.world.spec(account_id)
    _only(body, "tier", "regain_minutes", "pct", "insights_pct", "use_case", "relieve")
    use_case = body.get("use_case")
    if body.get("relieve"):
        sim.limits.relieve(account_id)
    if "tier" in body:
        sim.limits.set_tier(account_id, body["tier"])
    if "regain_minutes" in body:
        minutes = float(body["regain_minutes"])
        sim.limits.exhaust(account_id, use_case=use_case, regain_minutes=minutes)
    if "pct" in body:
        sim.limits.use(account_id, use_case or "ads_management", float(body["pct"]))
    if "insights_pct" in body:
        sim.limits.use_insights(account_id, float(body["insights_pct"]))


def change_pages(sim: Simulation, body: Body) -> None:
    """`{"seed": 7, "short_pct": 30, "empty_pct": 10, "shuffled": true, "edits_pct": 5}`.

    What is not given is as at the start: full pages, newest first, nothing edited.
    """
    _only(body, *(one.name for one in fields(Uneven)))
    # Exactly these types: JSON true would pass for the number 1.
    kinds = {"shuffled": bool}
    for name, value in body.items():
        if type(value) is not kinds.get(name, int):
            raise ValueError(f"{name!r} must be {kinds.get(name, int).__name__}, not {value!r}")
    for one in fields(Uneven):
        setattr(sim.uneven, one.name, body.get(one.name, one.default))


def plan_reports(sim: Simulation, body: Body) -> int:
    """`{"plans": [{"outcome": "fail", "at_pct": 100}]}`; how many were planned."""
    plans = [Plan(**plan) for plan in given(body, "plans")]
    sim.reports.plan_next(*plans)
    return len(plans)


def given(body: Body, name: str) -> Any:
    """The document's value of that name; a ValueError says that it is missing."""
    if name not in body:
        raise ValueError(f"{name!r} is missing in the body; docs/simulator.md has an example")
    return body[name]


def _only(body: Body, *names: str) -> None:
    """A misspelt name must not look as if it had worked."""
    for name in body:
        _known("value", name, names)


def _known(what: str, name: Any, names: Any) -> Any:
    if name not in names:
        raise ValueError(f"no {what} {name!r}; there are {', '.join(sorted(names))}")
    return name
