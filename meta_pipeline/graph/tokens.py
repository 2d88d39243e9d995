"""What a token may do and until when, and a longer-lived one in its place (FACTS §9)."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from meta_pipeline.credentials import cleaned_token
from meta_pipeline.graph.answer import Malformed, expect_success
from meta_pipeline.graph.caller import Caller, Request
from meta_pipeline.graph.error_answer import Refusal, error_of
from meta_pipeline.graph.errors import GraphError, Reauthorize
from meta_pipeline.printable import one_line


@dataclass(frozen=True, slots=True)
class TokenInfo:
    """What Meta knows about a token; times are UTC, None where there is no end or no answer."""

    is_valid: bool
    scopes: tuple[str, ...] = ()
    # A scope to the ids it is restricted to (empty: to none in particular).
    granular_scopes: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    app_id: str | None = None
    # Name of the app that the token was made for.
    application: str | None = None
    type: str | None = None
    user_id: str | None = None
    issued_at: datetime | None = None
    # None of a system user, whose token may never end.
    expires_at: datetime | None = None
    # A person's consent ends after 90 days, whatever the token says.
    data_access_expires_at: datetime | None = None
    # Why an invalid token is invalid.
    error: GraphError | None = None

    @classmethod
    def of(
        cls, data: Mapping[str, Any], now: datetime, cleaned: Callable[[Refusal], Refusal]
    ) -> TokenInfo:
        """Read the `data` of Meta's answer; `cleaned` takes secrets out of a refusal's words."""
        error = None
        if data.get("error"):
            refusal = cleaned(Refusal.of(data["error"]))
            error = error_of(refusal, now=now, http_status=None, endpoint_key="debug_token")
        granular = _items(data.get("granular_scopes"))
        return cls(
            is_valid=data.get("is_valid") is True,
            scopes=tuple(one_line(str(scope)) for scope in _items(data.get("scopes"))),
            granular_scopes={
                str(entry.get("scope")): tuple(map(str, _items(entry.get("target_ids"))))
                for entry in granular
                if isinstance(entry, Mapping)
            },
            app_id=_text(data.get("app_id")),
            application=_text(data.get("application")),
            type=_text(data.get("type")),
            user_id=_text(data.get("user_id")),
            issued_at=_moment(data.get("issued_at")),
            expires_at=_moment(data.get("expires_at")),
            data_access_expires_at=_moment(data.get("data_access_expires_at")),
            error=error,
        )

    def remaining(self, now: datetime) -> timedelta | None:
        """Time until the token or its data access ends, whichever is first; None: no end."""
        ends = [end for end in (self.expires_at, self.data_access_expires_at) if end]
        return min(ends) - now if ends else None


@dataclass(frozen=True, slots=True)
class AccessToken:
    """A token from Meta; `expires_at` (UTC) is None when Meta names no end."""

    value: str = field(repr=False)
    expires_at: datetime | None = None
    type: str = "bearer"


def debug_token(
    caller: Caller, token: str | None = None, *, app_id: str | None = None
) -> TokenInfo:
    """What Meta says about `token` (default: the client's own); an invalid one is no error.

    Asked with the app's token where `app_id` and the app secret are known, else with the client's
    own: a refusal of that one is the answer when it is the token in question.
    """
    if token is not None:
        caller = caller.hiding(token)
    transport = caller.transport
    app_token = f"{app_id}|{transport.app_secret}" if app_id and transport.app_secret else None
    request = Request(
        "GET",
        "debug_token",
        {"input_token": token or transport.access_token},
        None,
        "debug_token",
        expect=_expect_token_data,
        token=app_token,
    )
    try:
        response = caller.send(request)
    except Reauthorize as error:
        if app_token is None and token in {None, transport.access_token}:
            return TokenInfo(is_valid=False, error=error)
        raise
    return TokenInfo.of(response.body["data"], response.attempt.timestamp, caller.cleaned)


def token_key(token: str) -> str:
    """The first 16 hex digits of the token's SHA-256: the same for the same token, one way."""
    return hashlib.sha256(token.encode()).hexdigest()[:16]


def exchange_token(
    caller: Caller, *, app_id: str, token: str | None = None, of_system_user: bool = False
) -> AccessToken:
    """A long-lived token (about 60 days) for a living one; an expired one raises Reauthorize.

    `of_system_user` asks in the form that renews a system user's token for another 60 days. The
    old token lives on until its own end.
    """
    if token is not None:
        caller = caller.hiding(token)
    app = _app_of(caller, app_id, "exchanging a token")
    response = caller.send(
        Request(
            "GET",
            "oauth/access_token",
            {
                **app,
                "grant_type": "fb_exchange_token",
                "fb_exchange_token": token or caller.transport.access_token,
                **({"set_token_expires_in_60_days": "true"} if of_system_user else {}),
            },
            None,
            "token_exchange",
            expect=_expect_access_token,
            is_for_token=True,
        )
    )
    return _access_token(response.body, response.attempt.timestamp)


def exchange_code(caller: Caller, *, app_id: str, code: str, redirect_uri: str) -> AccessToken:
    """The token that a login dialog's `code` stands for; a code works once, for a short while.

    `redirect_uri` is the one the dialog was given, byte by byte.
    """
    caller = caller.hiding(code)
    app = _app_of(caller, app_id, "exchanging a code")
    response = caller.send(
        Request(
            "GET",
            "oauth/access_token",
            {**app, "redirect_uri": redirect_uri, "code": code},
            None,
            "code_exchange",
            expect=_expect_access_token,
            is_for_token=True,
        )
    )
    return _access_token(response.body, response.attempt.timestamp)


def revoke_token(caller: Caller, *, app_id: str, token: str) -> None:
    """End `token` at Meta, for good and for everybody; asked with the client's own token.

    An already dead one raises as Meta words it.
    """
    caller = caller.hiding(token)
    app = _app_of(caller, app_id, "revoking a token")
    params = {**app, "revoke_token": token}
    caller.send(Request("GET", "oauth/revoke", params, None, "token_revoke", expect=expect_success))


def _app_of(caller: Caller, app_id: str, doing: str) -> dict[str, str]:
    """The app as its own calls name it; ValueError where its secret is not known."""
    secret = caller.transport.app_secret
    if secret is None:
        raise ValueError(f"{doing} takes the app's secret: set META_APP_SECRET")
    return {"client_id": app_id, "client_secret": secret}


def _expect_access_token(body: Any) -> int | Malformed | None:
    """A token that can be sent: nothing else may be kept in the place of a living one."""
    given = body.get("access_token") if isinstance(body, dict) else None
    try:
        cleaned_token(given if isinstance(given, str) else "")
    except ValueError:
        return Malformed("HTTP 200 without an `access_token` that is one")
    return None


def _access_token(body: Mapping[str, Any], now: datetime) -> AccessToken:
    lasts = _number(body.get("expires_in"))
    return AccessToken(
        value=cleaned_token(body["access_token"]),
        expires_at=_moment(now.timestamp() + lasts) if lasts else None,
        type=str(body.get("token_type") or "bearer"),
    )


def _expect_token_data(body: Any) -> int | Malformed | None:
    data = body.get("data") if isinstance(body, dict) else None
    if isinstance(data, dict) and "is_valid" in data:
        return None
    return Malformed("HTTP 200 without `data.is_valid`")


def _text(value: object) -> str | None:
    """As it may be kept and shown: Postgres takes no NUL."""
    return None if value is None else one_line(str(value))


def _items(value: object) -> list[Any]:
    return value if isinstance(value, list) else []


def _number(value: object) -> float | None:
    """A finite number above 0, also as text; everything else is None."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if math.isfinite(number) and number > 0 else None


def _moment(epoch_seconds: object) -> datetime | None:
    """A moment in UTC; 0 means never (FACTS §9), and what no calendar holds is as good as that."""
    number = _number(epoch_seconds)
    if number is None:
        return None
    try:
        return datetime.fromtimestamp(number, UTC)
    except (ValueError, OverflowError, OSError):
        return None
