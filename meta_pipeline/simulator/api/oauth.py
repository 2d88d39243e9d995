"""Endpoints that need no user token: exchange, codes, debug_token and the login dialog."""

from __future__ import annotations

from html import escape
from typing import Any
from urllib.parse import urlencode

from meta_pipeline.simulator.api import errors
from meta_pipeline.simulator.api.calls import Answer
from meta_pipeline.simulator.api.requests import GraphRequest
from meta_pipeline.simulator.api.tokens import Tokens


def serves(request: GraphRequest) -> bool:
    """Whether this path is one of the endpoints here."""
    return (request.method, "/".join(request.path)) in _ENDPOINTS


def answer(tokens: Tokens, request: GraphRequest) -> Any:
    """The document (or answer) of an OAuth path."""
    return _ENDPOINTS[(request.method, "/".join(request.path))](tokens, request)


def access_token(tokens: Tokens, request: GraphRequest) -> dict[str, Any]:
    """A token for a code, for another token, or for the app's own credentials."""
    tokens.check_client(request.text("client_id"), request.text("client_secret"))
    if request.text("grant_type") == "fb_exchange_token":
        return tokens.exchange(
            request.text("fb_exchange_token") or "",
            for_60_days=(request.text("set_token_expires_in_60_days") or "").lower() == "true",
        )
    if request.text("grant_type") == "client_credentials":
        return {"access_token": tokens.app.token, "token_type": "bearer"}
    code = request.text("code")
    if code is None:
        raise errors.GraphError("Missing authorization code", code=1)
    return tokens.redeem(code, request.text("redirect_uri") or "")


def revoke(tokens: Tokens, request: GraphRequest) -> dict[str, Any]:
    """End one token, for the app it belongs to, asked with any token that is valid."""
    tokens.check_client(request.text("client_id"), request.text("client_secret"))
    tokens.check(request.token, request.text("appsecret_proof"))
    revoked = request.text("revoke_token")
    if not revoked:
        raise errors.GraphError("(#100) The parameter revoke_token is required", code=100)
    tokens.end(revoked)
    return {"success": True}


def debug_token(tokens: Tokens, request: GraphRequest) -> dict[str, Any]:
    """What is known of `input_token`, for whoever holds a valid token."""
    tokens.check(request.token, request.text("appsecret_proof"))
    inspected = request.text("input_token")
    if not inspected:
        raise errors.GraphError("(#100) You must provide an access token in input_token", code=100)
    return tokens.debug(inspected)


def dialog(tokens: Tokens, request: GraphRequest) -> Answer:
    """The login page, or at once what a click there would lead to (`Tokens.dialog`)."""
    redirect = request.text("redirect_uri")
    if request.text("client_id") != tokens.app.id or not redirect:
        return _html(400, "<p>Invalid app ID or missing redirect_uri.</p>")
    scopes = request.words("scope") or ("public_profile",)
    # `state` comes back whatever is chosen: it is how a client knows its own question again.
    state = {"state": request.text("state") or ""}
    refusal = {
        "error_reason": "user_denied",
        "error": "access_denied",
        "error_description": "Permissions error",
    }
    denied = _with_query(redirect, {**refusal, **state})
    if tokens.dialog == "deny":
        return Answer(302, b"", {"location": denied})
    granted = _with_query(redirect, {"code": tokens.grant_code(redirect, scopes), **state})
    if tokens.dialog == "grant":
        return Answer(302, b"", {"location": granted})
    return _html(
        200,
        f"<h1>{escape(tokens.app.name)} asks for access</h1>"
        f"<p>Simulated: nothing leaves this machine. Scopes: {escape(', '.join(scopes))}</p>"
        f'<p><a id="continue" href="{escape(granted)}">Continue as Simulated User</a> '
        f'<a id="cancel" href="{escape(denied)}">Cancel</a></p>',
    )


def _with_query(url: str, params: dict[str, str]) -> str:
    return f"{url}{'&' if '?' in url else '?'}{urlencode(params)}"


def _html(status: int, body: str) -> Answer:
    page = f"<!doctype html><meta charset=utf-8><title>Simulated login</title>{body}"
    return Answer(status, page.encode(), {"content-type": "text/html; charset=utf-8"})


_ENDPOINTS = {
    ("GET", "oauth/access_token"): access_token,
    ("POST", "oauth/access_token"): access_token,
    ("GET", "oauth/revoke"): revoke,
    ("GET", "debug_token"): debug_token,
    ("GET", "dialog/oauth"): dialog,
}
