"""What apps subscribed to: `/{app}/subscriptions`, `/act_X/subscribed_apps` (FACTS section 10)."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from typing import Any

import requests

from meta_pipeline.simulator.api import errors
from meta_pipeline.simulator.api.login.apps import App
from meta_pipeline.simulator.api.login.token import Token
from meta_pipeline.simulator.api.requests import GraphRequest
from meta_pipeline.simulator.api.tokens import Tokens

OBJECT = "ad_account"
FIELDS = (
    "with_issues_ad_objects",
    "in_process_ad_objects",
    "effective_status",
    "subscriptions",
    "creative_fatigue",
    "ad_recommendations",
    "product_set_issue",
    "ads_async_creation_request",
)
# Meta names no time for the answer to its challenge: this one is ours.
_TIMEOUT_SECONDS = 5.0


@dataclass(frozen=True)
class Subscription:
    """Where an app wants to be told about ad accounts, and of what."""

    callback_url: str
    fields: tuple[str, ...]


@dataclass
class Subscriptions:
    """By app: its subscription, and the ad accounts that are connected to it."""

    of_app: dict[str, Subscription] = field(default_factory=dict)
    accounts: dict[str, set[str]] = field(default_factory=dict)

    def is_told(self, app_id: str, account_id: str, field_name: str) -> bool:
        """Whether a change of that field of the account is delivered to the app."""
        subscription = self.of_app.get(app_id)
        connected = account_id in self.accounts.get(app_id, ())
        return subscription is not None and connected and field_name in subscription.fields

    def serves(self, tokens: Tokens, request: GraphRequest) -> bool:
        """Whether the path is one of the two edges here."""
        match request.path:
            case (app_id, "subscriptions"):
                return app_id in tokens.apps
            case (node, "subscribed_apps"):
                return node.startswith("act_")
        return False

    def answer(self, tokens: Tokens, request: GraphRequest, known: set[str]) -> dict[str, Any]:
        """The document of a call on one of them; `known` are the accounts of the world."""
        token = tokens.check(request.token, request.text("appsecret_proof"))
        node, edge = request.path
        if edge == "subscriptions":
            return self._of_app(tokens.apps[node], token, request)
        if node not in known:
            raise errors.unsupported_object(node, request.method)
        app = tokens.apps[token.app_id]
        if token.accounts is not None and node not in token.accounts:
            raise errors.no_account_permission(node)
        if "ads_management" not in token.scopes:
            raise errors.missing_scope("ads_management")
        connected = self.accounts.setdefault(app.id, set())
        if request.method == "GET":
            shown = [{"name": app.name, "id": app.id}] if node in connected else []
            return {"data": shown}
        if request.method == "DELETE":
            connected.discard(node)
        else:
            connected.add(node)
        return {"success": True}

    def _of_app(self, app: App, token: Token, request: GraphRequest) -> dict[str, Any]:
        if token.kind != "APP" or token.app_id != app.id:
            raise errors.GraphError(
                "(#15) This method must be called with an app access_token.", code=15
            )
        if request.method == "GET":
            known = self.of_app.get(app.id)
            return {"data": [] if known is None else [_shown(known)]}
        if request.method == "DELETE":
            self.of_app.pop(app.id, None)
            return {"success": True}
        if request.text("object") != OBJECT:
            raise errors.invalid_parameter("(#100) Param object must be ad_account", blame="object")
        fields = request.words("fields")
        unknown = [name for name in fields if name not in FIELDS]
        if unknown or not fields:
            raise errors.invalid_parameter(
                f"(#100) Invalid field {', '.join(unknown) or '(none)'}", blame="fields"
            )
        url = request.text("callback_url") or ""
        _verify(url, request.text("verify_token") or "")
        self.of_app[app.id] = Subscription(url, tuple(dict.fromkeys(fields)))
        return {"success": True}


def _shown(known: Subscription) -> dict[str, Any]:
    return {
        "object": OBJECT,
        "callback_url": known.callback_url,
        "active": True,
        "fields": [{"name": name, "version": "v26.0"} for name in known.fields],
    }


def _verify(url: str, verify_token: str) -> None:
    """Ask the address for its challenge, as Meta does before it takes a subscription."""
    challenge = str(secrets.randbelow(10**10))
    query = {
        "hub.mode": "subscribe",
        "hub.challenge": challenge,
        "hub.verify_token": verify_token,
    }
    try:
        answer = requests.get(url, params=query, timeout=_TIMEOUT_SECONDS, allow_redirects=False)
        is_ours = answer.status_code == 200 and answer.text == challenge
        why = f"HTTP Status Code = {answer.status_code}"
    except requests.RequestException as error:
        is_ours, why = False, type(error).__name__
    if not is_ours:
        raise errors.GraphError(
            "(#2200) Callback verification failed with the following errors: "
            f"The URL couldn't be validated. Callback verification failed: {why}",
            code=2200,
        )
