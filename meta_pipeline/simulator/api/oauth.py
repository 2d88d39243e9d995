"""Endpoints that need no user token: exchange, codes, debug_token and the login dialog."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from meta_pipeline.simulator.api import errors
from meta_pipeline.simulator.api.calls import Answer
from meta_pipeline.simulator.api.requests import GraphRequest

if TYPE_CHECKING:
    from meta_pipeline.simulator.server.simulator import Simulator


def serves(request: GraphRequest) -> bool:
    """Whether this path is one of the endpoints here."""
    return (request.method, "/".join(request.path)) in _HANDLERS


def answer(sim: Simulator, request: GraphRequest) -> Any:
    """The document (or answer) of an OAuth path."""
    return _HANDLERS[(request.method, "/".join(request.path))](sim, request)


def _access_token(sim: Simulator, request: GraphRequest) -> dict[str, Any]:
    sim.tokens.check_client(request.text("client_id"), request.text("client_secret"))
    if request.text("grant_type") == "fb_exchange_token":
        return sim.tokens.exchange(request.text("fb_exchange_token") or "")
    if request.text("grant_type") == "client_credentials":
        return {"access_token": sim.tokens.app.token, "token_type": "bearer"}
    code = request.text("code")
    if code is None:
        raise errors.GraphError("Missing authorization code", code=1)
    return sim.tokens.redeem(code, request.text("redirect_uri") or "")


def _debug_token(sim: Simulator, request: GraphRequest) -> dict[str, Any]:
    sim.tokens.check(request.token, request.text("appsecret_proof"))
    inspected = request.text("input_token")
    if not inspected:
        raise errors.GraphError("(#100) You must provide an access token in input_token", code=100)
    return sim.tokens.debug(inspected)


def _dialog(sim: Simulator, request: GraphRequest) -> Answer:
    redirect = request.text("redirect_uri")
    if request.text("client_id") != sim.tokens.app.id or not redirect:
        return _html(400, "<p>Invalid app ID or missing redirect_uri.</p>")
    scopes = request.words("scope") or ("public_profile",)
    state = {"state": request.text("state") or ""}
    denied = _with_query(
        redirect,
        {
            "error_reason": "user_denied",
            "error": "access_denied",
            "error_description": "Permissions error",
            **state,
        },
    )
    if sim.tokens.dialog == "deny":
        return Answer(302, b"", {"location": denied})
    code = sim.tokens.grant_code(redirect, scopes)
    granted = _with_query(redirect, {"code": code, **state})
    if sim.tokens.dialog == "grant":
        return Answer(302, b"", {"location": granted})
    return _html(
        200,
        f"<h1>{escape(sim.tokens.app.name)} asks for access</h1>"
        f"<p>Simulated: nothing leaves this machine. Scopes: {escape(', '.join(scopes))}</p>"
        f'<p><a id="continue" href="{escape(granted)}">Continue as Simulated User</a> '
        f'<a id="cancel" href="{escape(denied)}">Cancel</a></p>',
    )


def _with_query(url: str, params: dict[str, str]) -> str:
    return f"{url}{'&' if '?' in url else '?'}{urlencode(params)}"


def _html(status: int, body: str) -> Answer:
    page = f"<!doctype html><meta charset=utf-8><title>Simulated login</title>{body}"
    return Answer(status, page.encode(), {"content-type": "text/html; charset=utf-8"})


_HANDLERS = {
    ("GET", "oauth/access_token"): _access_token,
    ("POST", "oauth/access_token"): _access_token,
    ("GET", "debug_token"): _debug_token,
    ("GET", "dialog/oauth"): _dialog,
}
