"""Subscribing an app to changes of ad accounts (FACTS section 10)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from meta_pipeline.graph.answer import Expectation, expect_page, expect_success
from meta_pipeline.graph.caller import Caller, Request

OBJECT = "ad_account"


@dataclass(frozen=True, slots=True)
class AppSubscription:
    """Where Meta tells the app of changes, and of which fields."""

    callback_url: str
    fields: tuple[str, ...]
    is_active: bool


def subscribe_app(
    caller: Caller, app_id: str, *, callback_url: str, fields: Sequence[str], verify_token: str
) -> None:
    """Let Meta deliver these fields to `callback_url`, which it asks for its challenge first."""
    params = {
        "object": OBJECT,
        "callback_url": callback_url,
        "fields": ",".join(fields),
        "verify_token": verify_token,
    }
    caller.send(_of_app(caller, "POST", app_id, params))


def app_subscription(caller: Caller, app_id: str) -> AppSubscription | None:
    """What the app subscribed to of ad accounts; None for nothing."""
    answer = caller.send(_of_app(caller, "GET", app_id, {}, expect_page)).body
    for one in answer["data"]:
        if one.get("object") == OBJECT:
            fields = one["fields"] if isinstance(one.get("fields"), list) else []
            names = [each.get("name") for each in fields if isinstance(each, dict)]
            return AppSubscription(
                str(one.get("callback_url") or ""),
                tuple(str(name) for name in names if name),
                one.get("active") is not False,
            )
    return None


def subscribe_account(caller: Caller, account_id: str) -> None:
    """Let Meta tell the token's app of this account; takes ads_management and an admin's token."""
    path = f"{account_id}/subscribed_apps"
    caller.send(Request("POST", path, {}, account_id, "subscribed_apps", expect=expect_success))


def subscribed_apps(caller: Caller, account_id: str) -> list[str]:
    """Ids of the apps that are told of this account."""
    path = f"{account_id}/subscribed_apps"
    request = Request("GET", path, {}, account_id, "subscribed_apps", expect=expect_page)
    return [str(one["id"]) for one in caller.send(request).body["data"] if "id" in one]


def _of_app(
    caller: Caller,
    method: str,
    app_id: str,
    params: dict[str, Any],
    expect: Expectation = expect_success,
) -> Request:
    secret = caller.transport.app_secret
    if secret is None:
        raise ValueError("subscribing an app takes its secret: set META_APP_SECRET")
    return Request(
        method,
        f"{app_id}/subscriptions",
        params,
        None,
        "app_subscriptions",
        expect=expect,
        token=f"{app_id}|{secret}",
    )
