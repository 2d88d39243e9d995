"""Access tokens: scopes, expiry, revocation, debug_token, exchange and the OAuth dialog."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

from meta_pipeline.simulator.api import errors
from meta_pipeline.simulator.world.clock import Clock

DEFAULT_SCOPES = ("ads_read", "ads_management", "business_management")
_LONG_LIVED_SECONDS = 5_183_944  # just under sixty days
_SHORT_LIVED_SECONDS = 5_400  # one to two hours at Meta
_DATA_ACCESS = timedelta(days=90)

USER_NAME = "Simulated User"

Invalid = Literal["revoked", "password"]


@dataclass(frozen=True)
class App:
    """The app that tokens belong to.

    `is_new`: made since 2026-11-04, so that `?ids=` and the other legacy request forms are refused.
    """

    id: str = "900000000000001"
    secret: str = "simulated-app-secret"  # noqa: S105 - guards nothing
    name: str = "Simulated App"
    require_proof: bool = False
    is_new: bool = False

    @property
    def token(self) -> str:
        return f"{self.id}|{self.secret}"


@dataclass(frozen=True)
class Token:
    """One token and what it may do; `accounts` None means every account of the world."""

    value: str
    user_id: str
    scopes: frozenset[str]
    issued_at: datetime
    expires_at: datetime | None = None
    data_access_expires_at: datetime | None = None
    accounts: frozenset[str] | None = None
    kind: str = "USER"
    invalid: Invalid | None = None
    long_lived: bool = False
    user_name: str = USER_NAME

    def __repr__(self) -> str:
        return f"Token(user_id={self.user_id!r}, kind={self.kind!r}, invalid={self.invalid!r})"


@dataclass(frozen=True)
class _Code:
    redirect_uri: str
    scopes: frozenset[str]
    user_id: str


class Tokens:
    """Every token the simulator knows. Unknown text is no token (error 190)."""

    def __init__(
        self, clock: Clock, *, app: App | None = None, user_id: str = "9000000001"
    ) -> None:
        self.clock = clock
        self.app = app or App()
        self.user_id = user_id
        self.dialog: Literal["ask", "grant", "deny"] = "ask"
        self._tokens: dict[str, Token] = {}
        self._codes: dict[str, _Code] = {}
        self._serial = 0

    # -- making and breaking ------------------------------------------------------------------

    def issue(
        self,
        value: str | None = None,
        *,
        scopes: Iterable[str] = DEFAULT_SCOPES,
        expires_in_seconds: float | None = None,
        accounts: Iterable[str] | None = None,
        kind: str = "USER",
        long_lived: bool = False,
        user_id: str | None = None,
        user_name: str = USER_NAME,
    ) -> Token:
        """Make a token known; without `value` a new text is made up.

        `user_id` and `user_name` are whose it is: another system user, another person.
        """
        now = self.clock.now()
        token = Token(
            value=value or f"EAASIM{self._digest(self.app.id)}",
            user_id=user_id or self.user_id,
            scopes=frozenset(scopes),
            issued_at=now,
            expires_at=None
            if expires_in_seconds is None
            else now + timedelta(seconds=expires_in_seconds),
            data_access_expires_at=now + _DATA_ACCESS if kind == "USER" else None,
            accounts=None if accounts is None else frozenset(accounts),
            kind=kind,
            long_lived=long_lived,
            user_name=user_name,
        )
        self._tokens[token.value] = token
        return token

    def expire(self, value: str) -> None:
        """The token is from now on answered with 190/463."""
        self._change(value, expires_at=self.clock.now())

    def revoke(self, value: str) -> None:
        """The user removed the app: 190/458."""
        self._change(value, invalid="revoked")

    def password_changed(self, value: str) -> None:
        """The session was invalidated: 190/460."""
        self._change(value, invalid="password")

    def restrict(self, value: str, *, accounts: Iterable[str]) -> None:
        """The token sees these accounts only ("act_<n>")."""
        self._change(value, accounts=frozenset(accounts))

    def drop_scope(self, value: str, scope: str) -> None:
        """What needs `scope` is from now on answered with 200 (HTTP 403)."""
        self._change(value, scopes=self._tokens[value].scopes - {scope})

    def expire_data_access(self, value: str) -> None:
        """The 90 days of data access are over while the token itself stays valid."""
        self._change(value, data_access_expires_at=self.clock.now())

    def make_app_new(self, *, is_new: bool = True) -> None:
        """Whether the app was made since 2026-11-04: legacy request forms are then refused."""
        self.app = replace(self.app, is_new=is_new)

    def require_proof(self, *, required: bool = True) -> None:
        """From now on calls need `appsecret_proof` (an app's "require app secret" switch)."""
        self.app = replace(self.app, require_proof=required)

    def _change(self, value: str, **changes: Any) -> None:
        if value not in self._tokens:
            raise KeyError("this token was never issued here")
        self._tokens[value] = replace(self._tokens[value], **changes)

    def _digest(self, what: str) -> str:
        """Another text each time, and the same ones for each simulator."""
        self._serial += 1
        return hashlib.sha256(f"{what}:{self._serial}".encode()).hexdigest()

    # -- judging --------------------------------------------------------------------------------

    def check(self, value: str | None, proof: str | None) -> Token:
        """The valid token behind `value`, or the error Meta would answer."""
        if not value:
            raise errors.missing_token()
        token = self._tokens.get(value)
        if token is None:
            if value == self.app.token:
                return Token(value, "", frozenset(), self.clock.now(), kind="APP")
            raise errors.malformed_token()
        self._check_life(token)
        if proof is not None:
            secret = self.app.secret.encode()
            expected = hmac.new(secret, value.encode(), hashlib.sha256).hexdigest()
            if not hmac.compare_digest(expected, proof):
                raise errors.invalid_proof()
        elif self.app.require_proof:
            raise errors.missing_proof()
        return token

    def _check_life(self, token: Token) -> None:
        now = self.clock.now()
        if token.invalid == "revoked":
            raise errors.revoked_token(self.app.id)
        if token.invalid == "password":
            raise errors.invalidated_token()
        if token.expires_at and token.expires_at <= now:
            raise errors.expired_token(token.expires_at, now)
        if token.data_access_expires_at and token.data_access_expires_at <= now:
            raise errors.data_access_expired()

    # -- debug_token ----------------------------------------------------------------------------

    def debug(self, value: str) -> dict[str, Any]:
        """The answer of `GET /debug_token`: HTTP 200 even for an invalid token."""
        base = {"app_id": self.app.id, "type": "USER", "application": self.app.name}
        token = self._tokens.get(value)
        if token is None:
            error = {"code": 190, "message": "Malformed access token"}
            return {"data": {**base, "error": error, "is_valid": False, "scopes": []}}
        # A token for some accounts names them under each of its scopes.
        ids = sorted(account.removeprefix("act_") for account in token.accounts or ())
        targets = {} if token.accounts is None else {"target_ids": ids}
        granular = [{"scope": scope, **targets} for scope in sorted(token.scopes)]
        data: dict[str, Any] = {
            **base,
            "type": token.kind,
            "data_access_expires_at": _epoch(token.data_access_expires_at),
            "expires_at": _epoch(token.expires_at),
            "is_valid": True,
            "issued_at": _epoch(token.issued_at),
            "scopes": sorted(token.scopes),
            "granular_scopes": granular,
            "user_id": token.user_id,
        }
        try:
            self._check_life(token)
        except errors.GraphError as invalid:
            detail = {"code": invalid.code, "message": invalid.message, "subcode": invalid.subcode}
            shown = {key: value for key, value in detail.items() if value is not None}
            data |= {"error": shown, "is_valid": False, "scopes": []}
        return {"data": data}

    # -- OAuth ----------------------------------------------------------------------------------

    def grant_code(self, redirect_uri: str, scopes: Iterable[str]) -> str:
        """A one-time code, as the dialog hands it to `redirect_uri`."""
        code = f"AQSIM{self._digest('code')}"
        self._codes[code] = _Code(redirect_uri, frozenset(scopes), self.user_id)
        return code

    def redeem(self, code: str, redirect_uri: str) -> dict[str, Any]:
        """Change a code for a short-lived token; `redirect_uri` must match byte by byte."""
        known = self._codes.get(code)
        if known is None:
            raise errors.GraphError(
                "This authorization code has been used.", code=100, subcode=36009
            )
        if known.redirect_uri != redirect_uri:
            raise errors.GraphError(
                "Error validating verification code. Please make sure your redirect_uri is "
                "identical to the one you used in the OAuth dialog request",
                code=100,
                subcode=36008,
            )
        # A code works once.
        del self._codes[code]
        token = self.issue(scopes=known.scopes, expires_in_seconds=_SHORT_LIVED_SECONDS)
        return _issued(token, _SHORT_LIVED_SECONDS)

    def exchange(self, value: str, *, for_60_days: bool = False) -> dict[str, Any]:
        """A long-lived token for a valid one; expired ones can't be exchanged.

        `for_60_days` is the form that renews a system user's token; the old one lives on.
        """
        old = self._tokens.get(value)
        if old is None:
            raise errors.malformed_token()
        self._check_life(old)
        # Without the form a system user's token stays the one it is, with the end it has.
        if old.kind == "SYSTEM_USER" and not for_60_days:
            left = old.expires_at - self.clock.now() if old.expires_at else None
            return _issued(old, None if left is None else int(left.total_seconds()))
        new = self.issue(
            scopes=old.scopes,
            accounts=old.accounts,
            kind=old.kind,
            expires_in_seconds=_LONG_LIVED_SECONDS,
            long_lived=True,
            user_id=old.user_id,
            user_name=old.user_name,
        )
        return _issued(new, _LONG_LIVED_SECONDS)

    def end(self, value: str) -> None:
        """The app revokes a token that lives: 190/458 from now on."""
        token = self._tokens.get(value)
        if token is None:
            raise errors.malformed_token()
        self._check_life(token)
        self.revoke(value)

    def check_client(self, client_id: str | None, secret: str | None) -> None:
        """The app's own credentials, as token endpoints want them."""
        if client_id != self.app.id:
            raise errors.GraphError(
                "Error validating application. Cannot get application info due to a system error.",
                code=101,
            )
        if secret is None or not hmac.compare_digest(secret, self.app.secret):
            raise errors.GraphError("Error validating client secret.", code=1)


def _issued(token: Token, seconds: int | None) -> dict[str, Any]:
    body: dict[str, Any] = {"access_token": token.value, "token_type": "bearer"}
    return body if seconds is None else {**body, "expires_in": seconds}


def _epoch(moment: datetime | None) -> int:
    return 0 if moment is None else int(moment.astimezone(UTC).timestamp())
