"""Endpoints that need no user token: exchange, codes, revocation, debug_token, the dialog."""

from __future__ import annotations

from typing import Any

from meta_pipeline.simulator.api import errors
from meta_pipeline.simulator.api.login.dialog import dialog
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
    app = tokens.check_client(request.text("client_id"), request.text("client_secret"))
    if request.text("grant_type") == "fb_exchange_token":
        return tokens.exchange(
            request.text("fb_exchange_token") or "",
            app=app,
            for_60_days=(request.text("set_token_expires_in_60_days") or "").lower() == "true",
        )
    if request.text("grant_type") == "client_credentials":
        return {"access_token": app.token, "token_type": "bearer"}
    code = request.text("code")
    if code is None:
        raise errors.GraphError("Missing authorization code", code=1)
    return tokens.redeem(code, request.text("redirect_uri") or "", app)


def revoke(tokens: Tokens, request: GraphRequest) -> dict[str, Any]:
    """End one token, for the app it belongs to, asked with any token that is valid."""
    app = tokens.check_client(request.text("client_id"), request.text("client_secret"))
    tokens.check(request.token, request.text("appsecret_proof"))
    revoked = request.text("revoke_token")
    if not revoked:
        raise errors.GraphError("(#100) The parameter revoke_token is required", code=100)
    tokens.end(revoked, app)
    return {"success": True}


def debug_token(tokens: Tokens, request: GraphRequest) -> dict[str, Any]:
    """What is known of `input_token`, for whoever holds a valid token of the same app."""
    asker = tokens.check(request.token, request.text("appsecret_proof"))
    inspected = request.text("input_token")
    if not inspected:
        raise errors.GraphError("(#100) You must provide an access token in input_token", code=100)
    return tokens.debug(inspected, asker.app_id)


_ENDPOINTS = {
    ("GET", "oauth/access_token"): access_token,
    ("POST", "oauth/access_token"): access_token,
    ("GET", "oauth/revoke"): revoke,
    ("GET", "debug_token"): debug_token,
    ("GET", "dialog/oauth"): dialog,
    ("POST", "dialog/oauth"): dialog,
}
