"""Access tokens: scopes, expiry, revocation, debug_token, exchange and the OAuth dialog."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

from meta_pipeline.simulator.api import errors
from meta_pipeline.simulator.api.login import refusals
from meta_pipeline.simulator.api.login.apps import DEFAULT_SCOPES, App
from meta_pipeline.simulator.api.login.directory import USER_ID, USER_NAME, DialogChoice, Directory
from meta_pipeline.simulator.api.login.token import Token
from meta_pipeline.simulator.world.clock import Clock

LONG_LIVED_SECONDS = 5_183_944
"""Just under sixty days."""
SHORT_LIVED_SECONDS = 5_400
"""One to two hours at Meta."""
CODE_SECONDS = 600
# Ends apart from the token: a person has to log in again by then (FACTS section 9).
_DATA_ACCESS = timedelta(days=90)


@dataclass(frozen=True)
class _Code:
    redirect_uri: str
    app_id: str
    expires_at: datetime
    given: Mapping[str, Any]


class Tokens:
    """Every token the simulator knows. Unknown text is no token (error 190).

    `dialog` is what happens at the login dialog: "ask" shows a page, "grant" gives what `choice`
    says, "deny" cancels. The first app is the one that tokens belong to unless another is named.
    """

    def __init__(self, clock: Clock, directory: Directory, *, app: App | None = None) -> None:
        self.clock, self.directory = clock, directory
        self.dialog: Literal["ask", "grant", "deny"] = "ask"
        self.choice = DialogChoice()
        app = app or App()
        self.apps: dict[str, App] = {app.id: app}
        self._first = app.id
        self._tokens: dict[str, Token] = {}
        self._codes: dict[str, _Code] = {}
        self._serial = 0

    # -- apps and the dialog --------------------------------------------------------------------

    @property
    def app(self) -> App:
        """The first app."""
        return self.apps[self._first]

    def add_app(self, app: App) -> App:
        """A further app: its tokens, codes, limits and secrets are its own."""
        self.apps[app.id] = app
        return app

    def change_app(self, app_id: str | None = None, **changes: Any) -> App:
        """Change fields of an app: `in_development`, `redirect_uris`, `configurations`, ..."""
        changed = replace(self._app(app_id), **changes)
        self.apps[changed.id] = changed
        return changed

    def require_proof(self, *, required: bool = True) -> None:
        """From now on calls need `appsecret_proof` (an app's "require app secret" switch)."""
        self.change_app(require_proof=required)

    def choose(
        self,
        *,
        person: str = USER_ID,
        scopes: Iterable[str] | None = None,
        businesses: Iterable[str] | None = None,
        accounts: Iterable[str] | None = None,
    ) -> None:
        """The dialog grants from now on, and the person picks this; None is all that is offered.

        Fewer `scopes` than were asked are a partial grant; with a configuration, which is all or
        nothing, they are a refusal. KeyError or ValueError for what the person can't give.
        """
        choice = DialogChoice(
            person,
            None if scopes is None else frozenset(scopes),
            None if businesses is None else frozenset(businesses),
            None if accounts is None else frozenset(accounts),
        )
        self.directory.reach(choice)
        self.choice, self.dialog = choice, "grant"

    def scoped_id(self, person_id: str, app_id: str) -> str:
        """A person's id for one app: each app knows the same person by another."""
        if app_id == self._first:
            return person_id
        digest = hashlib.sha256(f"{app_id}:{person_id}".encode()).hexdigest()
        return f"9{int(digest[:12], 16) % 10**14:014d}"

    def _app(self, app_id: str | None) -> App:
        if app_id is not None and app_id not in self.apps:
            raise KeyError(f"no app {app_id} here; see Tokens.add_app")
        return self.apps[app_id or self._first]

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
        app_id: str | None = None,
        businesses: Iterable[str] | None = None,
        declined: Iterable[str] = (),
        client_business_id: str | None = None,
    ) -> Token:
        """Make a token known; without `value` a new text is made up.

        `user_id` and `user_name` are whose it is: another system user, another person. With
        `businesses` and no `accounts` it sees the accounts that these have now.
        """
        now, app = self.clock.now(), self._app(app_id)
        businesses = None if businesses is None else frozenset(businesses)
        if accounts is None and businesses is not None:
            accounts = self.directory.accounts_of(businesses)
        token = Token(
            value=value or f"EAASIM{self._digest(app.id)}",
            user_id=user_id or USER_ID,
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
            app_id=app.id,
            businesses=businesses,
            declined=frozenset(declined),
            client_business_id=client_business_id,
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

    def withhold(self, value: str, *, accounts: Iterable[str]) -> None:
        """The owners of these accounts no longer let the token read what they hold: 200."""
        self._change(value, withheld=frozenset(accounts))

    def drop_scope(self, value: str, scope: str) -> None:
        """What needs `scope` is from now on answered with 200 (HTTP 403)."""
        self._change(value, scopes=self._tokens[value].scopes - {scope})

    def expire_data_access(self, value: str) -> None:
        """The 90 days of data access are over while the token itself stays valid."""
        self._change(value, data_access_expires_at=self.clock.now())

    def revoke_all(self, user_id: str, app_id: str | None = None) -> int:
        """Somebody removed the app: 190/458 for each of the user's tokens; how many those were."""
        theirs = self._of(user_id, app_id)
        for token in theirs:
            self.revoke(token.value)
        return len(theirs)

    def withdraw(self, user_id: str, scope: str, app_id: str | None = None) -> None:
        """Somebody took one permission back: it goes from each of the user's tokens."""
        for token in self._of(user_id, app_id):
            self.drop_scope(token.value, scope)

    def is_user(self, user_id: str, app_id: str) -> bool:
        """Whether the app has, or had, a token of this user."""
        return bool(self._of(user_id, app_id))

    def _of(self, user_id: str, app_id: str | None) -> list[Token]:
        app = self._app(app_id)
        tokens = self._tokens.values()
        return [one for one in tokens if (one.user_id, one.app_id) == (user_id, app.id)]

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
            app = next((app for app in self.apps.values() if app.token == value), None)
            if app is None:
                raise errors.malformed_token()
            self._check_app(app)
            return Token(value, "", frozenset(), self.clock.now(), kind="APP", app_id=app.id)
        self._check_life(token)
        app = self.apps[token.app_id]
        self._check_app(app)
        if proof is not None:
            secret = app.secret.encode()
            expected = hmac.new(secret, value.encode(), hashlib.sha256).hexdigest()
            if not hmac.compare_digest(expected, proof):
                raise errors.invalid_proof()
        elif app.require_proof:
            raise errors.missing_proof()
        return token

    def _check_app(self, app: App) -> None:
        if app.is_blocked:
            raise errors.access_blocked()

    def _check_life(self, token: Token) -> None:
        now = self.clock.now()
        if token.invalid == "revoked":
            raise errors.revoked_token(token.app_id)
        if token.invalid == "password":
            raise errors.invalidated_token()
        if token.expires_at and token.expires_at <= now:
            raise errors.expired_token(token.expires_at, now)
        if token.data_access_expires_at and token.data_access_expires_at <= now:
            raise errors.data_access_expired()

    # -- debug_token ----------------------------------------------------------------------------

    def debug(self, value: str, app_id: str | None = None) -> dict[str, Any]:
        """The answer of `GET /debug_token`, asked for one app: HTTP 200 even for an invalid token.

        Code 100 for a token of another app.
        """
        app = self._app(app_id)
        base = {"app_id": app.id, "type": "USER", "application": app.name}
        if value == app.token:
            return {"data": {**base, "type": "APP", "is_valid": True, "scopes": []}}
        token = self._tokens.get(value)
        if token is None:
            error = {"code": 190, "message": "Malformed access token"}
            return {"data": {**base, "error": error, "is_valid": False, "scopes": []}}
        if token.app_id != app.id:
            raise refusals.foreign_token()
        data: dict[str, Any] = {
            **base,
            "type": token.kind,
            "data_access_expires_at": _epoch(token.data_access_expires_at),
            "expires_at": _epoch(token.expires_at),
            "is_valid": True,
            "issued_at": _epoch(token.issued_at),
            "scopes": sorted(token.scopes),
            "granular_scopes": token.granular_scopes(),
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

    def grant_code(self, redirect_uri: str, *, app_id: str | None = None, **given: Any) -> str:
        """A one-time code, as the dialog hands it to `redirect_uri`; `given` is as in `issue`."""
        code = f"AQSIM{self._digest('code')}"
        ends_at = self.clock.now() + timedelta(seconds=CODE_SECONDS)
        self._codes[code] = _Code(redirect_uri, self._app(app_id).id, ends_at, given)
        return code

    def redeem(self, code: str, redirect_uri: str, app: App) -> dict[str, Any]:
        """Change a code for the token it stands for.

        Once, within `CODE_SECONDS`, by the app that asked, with the same `redirect_uri` byte by
        byte.
        """
        known = self._codes.get(code)
        if known is None or known.app_id != app.id:
            raise refusals.used_code()
        if known.expires_at <= self.clock.now():
            raise refusals.expired_code()
        if known.redirect_uri != redirect_uri:
            raise refusals.other_redirect()
        # A code works once.
        del self._codes[code]
        token = self.issue(app_id=app.id, **known.given)
        return _issued(token, known.given.get("expires_in_seconds"))

    def exchange(
        self, value: str, *, app: App | None = None, for_60_days: bool = False
    ) -> dict[str, Any]:
        """A long-lived token for a valid one of this app; expired ones can't be exchanged.

        `for_60_days` is the form that renews a system user's token; the old one lives on. Neither
        makes data access last longer: only logging in again does.
        """
        old = self._own(value, app)
        self._check_life(old)
        # Without the form a system user's token stays the one it is, with the end it has.
        if old.kind == "SYSTEM_USER" and not for_60_days:
            left = old.expires_at - self.clock.now() if old.expires_at else None
            return _issued(old, None if left is None else int(left.total_seconds()))
        now = self.clock.now()
        new = replace(
            old,
            value=f"EAASIM{self._digest(old.app_id)}",
            issued_at=now,
            expires_at=now + timedelta(seconds=LONG_LIVED_SECONDS),
            long_lived=True,
        )
        self._tokens[new.value] = new
        return _issued(new, LONG_LIVED_SECONDS)

    def _own(self, value: str, app: App | None) -> Token:
        """The token if it is the app's own."""
        token = self._tokens.get(value)
        if token is None:
            raise errors.malformed_token()
        if token.app_id != (app or self.app).id:
            raise refusals.foreign_token()
        return token

    def end(self, value: str, app: App | None = None) -> None:
        """The app revokes a token of its own that lives: 190/458 from now on."""
        self._check_life(self._own(value, app))
        self.revoke(value)

    def check_client(self, client_id: str | None, secret: str | None) -> App:
        """The app with these credentials, as token endpoints want them."""
        app = self.apps.get(client_id or "")
        if app is None:
            raise errors.GraphError(
                "Error validating application. Cannot get application info due to a system error.",
                code=101,
            )
        if secret is None or not hmac.compare_digest(secret.encode(), app.secret.encode()):
            raise errors.GraphError("Error validating client secret.", code=1)
        return app


def _issued(token: Token, seconds: int | None) -> dict[str, Any]:
    body: dict[str, Any] = {"access_token": token.value, "token_type": "bearer"}
    return body if seconds is None else {**body, "expires_in": seconds}


def _epoch(moment: datetime | None) -> int:
    return 0 if moment is None else int(moment.astimezone(UTC).timestamp())
