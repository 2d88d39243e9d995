"""The flow: from the link to Meta's dialog to a token whose accounts can be chosen."""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from meta_pipeline.connections.connections import Connections
from meta_pipeline.connections.errors import LoginRefused
from meta_pipeline.connections.state import ConnectionKind
from meta_pipeline.graph import AccessToken, GraphError, Retriable, Throttled, TokenInfo
from meta_pipeline.printable import one_line
from meta_pipeline.quality import missing_scopes
from meta_pipeline.redaction import redact
from meta_pipeline.warehouse import DEFAULT_TENANT, LoginState, PendingRow, Warehouse

from . import answers
from .answers import Granted, LoginAnswer
from .dialog import checked_redirect, dialog_url
from .pending import PENDING_LIVES, discard, hashed, with_token

# Long enough for a password and a second factor.
STATE_LIVES = timedelta(minutes=10)
# Whoever builds the link writes these words: they are quoted, not printed by the page.
_LONGEST = 300
# Subcodes with which Meta refuses to exchange a code.
_CODE_USED, _CODE_EXPIRED = 36009, 36007
# The exchange named another redirect_uri than the dialog: both must match byte by byte (FACTS §9).
_REDIRECT_DIFFERS = 36008
# Where the dialog says why, the plainest first.
_WORDS = ("error_description", "error_message", "error", "error_code")


@dataclass(frozen=True, slots=True)
class Begun:
    """A login that was begun: send the person to `url` before `ends_at` (UTC)."""

    url: str = field(repr=False)
    ends_at: datetime


@dataclass(frozen=True, slots=True)
class LoginFlow:
    """Connect by OAuth, for one session of one person.

        flow = LoginFlow(connections, redirect_uri="https://ads.example.com/connect", session=s)
        begun = flow.begin()                    # send the person to begun.url
        answer = flow.answer(query)             # the query that Meta sent to redirect_uri
        if isinstance(answer, Granted):         # else show its title, message, what_to_do
            choice = AccountChoice(connections, session=s, pending_id=answer.pending.pending_id)

    `session` is a secret that only this person's browser (or terminal) has: a login is answered in
    the session that began it and in no other. It is stored as a hash, as the state is. Who
    connects, for the audit, is the `actor` of `connections`.
    """

    connections: Connections
    redirect_uri: str
    session: str = field(repr=False)
    tenant: str = DEFAULT_TENANT

    def begin(self, *, asks_again: bool = False) -> Begun:
        """Begin a login: a state that works once, for ten minutes, in this session.

        With META_LOGIN_CONFIG_ID it is Facebook Login for Business, else the scopes of
        META_LOGIN_SCOPES are asked for; `asks_again` after a permission was declined. Raises
        KeyMissing before anybody is asked for a token that could not be kept, and LoginRefused for
        settings or an address that cannot work.
        """
        settings, now = self.connections.access.settings, self.connections.access.clock()
        _ = self.connections.keyring.first
        if settings.app_id is None or settings.app_secret is None:
            raise LoginRefused(
                "Connecting takes the app: set META_APP_ID and META_APP_SECRET (App Dashboard → "
                "App settings → Basic), or add a token: `meta-pipeline connections add --paste`."
            )
        # Kept with the login: Meta compares it byte by byte when the code is exchanged.
        redirect = checked_redirect(self.redirect_uri)
        state, config_id = secrets.token_urlsafe(32), settings.login_config_id
        scopes = [] if config_id else list(settings.login_scope_names)
        if not config_id and (missing := missing_scopes(scopes)):
            raise LoginRefused(
                f"META_LOGIN_SCOPES asks for {', '.join(scopes) or 'nothing'}: without "
                f"{', '.join(missing)} no ad account can be read."
            )
        ends_at = now + STATE_LIVES
        self.connections.warehouse.logins.begin(
            LoginState(
                state_hash=hashed("state", state),
                session_hash=hashed("session", self.session),
                tenant=self.tenant,
                app_id=settings.app_id,
                redirect_uri=redirect,
                config_id=config_id,
                scopes=scopes,
                begun_at=now,
                ends_at=ends_at,
            )
        )
        url = dialog_url(
            graph_url=settings.graph_url,
            version=settings.api_version,
            app_id=settings.app_id,
            redirect_uri=redirect,
            state=state,
            scopes=scopes,
            config_id=config_id,
            asks_again=asks_again,
        )
        return Begun(url, ends_at)

    def answer(self, given: Mapping[str, str]) -> LoginAnswer:
        """What became of a login, from the query parameters that came to the redirect address.

        Nothing is raised for what the person, Meta or somebody else sent; KeyMissing and
        WarehouseError are. Meta is asked only about a login that this session began, once.
        """
        state = given.get("state", "")
        login = self._claimed(state)
        if isinstance(login, LoginAnswer):
            return login
        hidden = (state, given.get("code", ""), self.session)
        if "error" in given or "error_code" in given or not given.get("code"):
            return _unwilling(given, hidden)
        try:
            return self._granted(login, given["code"])
        except GraphError as error:
            return _refusal(error, hidden)

    def _claimed(self, state: str) -> LoginState | LoginAnswer:
        """The login that this answers, taken; or why it is not answered by this."""
        logins, now = self.connections.warehouse.logins, self.connections.access.clock()
        state_hash, session_hash = hashed("state", state), hashed("session", self.session)
        # In one statement: of two answers with one state only the first is taken.
        claimed = logins.claim(state_hash, session_hash, now)
        if claimed is not None:
            return claimed
        # Only for what is told: whatever it says, the answer is not taken.
        known = logins.state(state_hash)
        if known is None:
            return answers.forged()
        if known.session_hash != session_hash:
            return answers.other_session()
        return answers.replayed() if known.answered_at else answers.expired()

    def _granted(self, login: LoginState, code: str) -> LoginAnswer:
        """The code's token, judged; whatever is not fit for a connection is given up again."""
        access = self.connections.access
        # The code can be exchanged with the secret of its own app only.
        if login.app_id != access.settings.app_id:
            return answers.refused("META_APP_ID was changed while you were in the dialog")
        with access.as_app() as client:
            given = client.exchange_code(code, app_id=login.app_id, redirect_uri=login.redirect_uri)
        row = self._stored(login, given)
        try:
            answer = self._judged(login, row, given.value)
        except GraphError:
            discard(self.connections, row)
            raise
        if not isinstance(answer, Granted):
            discard(self.connections, row)
        return answer

    def _stored(self, login: LoginState, token: AccessToken) -> PendingRow:
        """The token sealed and stored, before anything else is done with it."""
        now = self.connections.access.clock()
        row = PendingRow(
            pending_id=f"pend_{secrets.token_urlsafe(18)}",
            session_hash=login.session_hash,
            tenant=login.tenant,
            app_id=login.app_id,
            scopes=[],
            declined=[],
            expires_at=token.expires_at,
            key_id="",
            sealed=b"",
            token_key="",
            came_at=now,
            ends_at=now + PENDING_LIVES,
        )
        row = with_token(self.connections, row, token.value)
        self.connections.warehouse.logins.save(row)
        return row

    def _judged(self, login: LoginState, row: PendingRow, token: str) -> LoginAnswer:
        """What Meta says of the token, and of what it reaches."""
        access, logins = self.connections.access, self.connections.warehouse.logins
        info = access.inspect(token)
        if problem := _unusable(login, info):
            return problem
        kind = ConnectionKind.USER if info.type == "USER" else ConnectionKind.BUSINESS_INTEGRATION
        expires_at = info.expires_at
        if kind is ConnectionKind.USER:  # hours only, until it is exchanged
            with access.client(token, app_id=login.app_id) as client:
                longer = client.exchange_token(app_id=login.app_id)
            token, expires_at = longer.value, longer.expires_at
            row = with_token(self.connections, row, token)
        owner = access.owner(token, app_id=login.app_id)
        if not owner.accounts:
            return answers.no_accounts(owner.name)
        business = None
        if kind is ConnectionKind.BUSINESS_INTEGRATION:
            business = access.client_business(token, app_id=login.app_id)
        row = replace(
            row,
            expires_at=expires_at,
            data_access_expires_at=info.data_access_expires_at,
            kind=kind,
            name=business.name if business else owner.name,
            user_id=info.user_id or owner.user_id,
            client_business_id=business.id if business else None,
            scopes=sorted(info.scopes),
            declined=sorted(set(login.scopes) - set(info.scopes)),
        )
        with self.connections.warehouse.connection() as connection:
            logins.save(row, connection)
            logins.set_accounts(row.pending_id, owner.accounts, connection)
        return answers.granted(row, len(owner.accounts))


def tenant_of_login(warehouse: Warehouse, state: str, session: str) -> str | None:
    """The tenant that this session began the login for; None where it began none of that state."""
    login = warehouse.logins.state(hashed("state", state))
    is_own = login is not None and login.session_hash == hashed("session", session)
    return login.tenant if login and is_own else None


def _unusable(login: LoginState, info: TokenInfo) -> LoginAnswer | None:
    """Why the token cannot be a connection, if it cannot."""
    if not info.is_valid or info.type not in {"USER", "SYSTEM_USER"}:
        why = str(info.error) if info.error else f"It is a token of type {info.type}"
        return answers.refused(f"Meta gave a token that cannot be used. {why}")
    if info.app_id not in (None, login.app_id):
        return answers.refused("Meta gave a token of another app")
    if missing := missing_scopes(info.scopes):
        if login.config_id:
            return answers.misconfigured(login.config_id, missing)
        return answers.partial(missing)
    return None


def _unwilling(given: Mapping[str, str], hidden: Iterable[str]) -> LoginAnswer:
    """What Meta's dialog led back with in place of a code."""
    if "access_denied" in (given.get("error"), given.get("error_reason")) or (
        given.get("error_reason") == "user_denied"
    ):
        return answers.denied()
    said = next(filter(None, map(given.get, _WORDS)), "no code and no reason")
    return answers.refused(f"Meta's dialog said: {one_line(redact(said, hidden))[:_LONGEST]}")


def _refusal(error: GraphError, hidden: Iterable[str]) -> LoginAnswer:
    """What it means for the person that Meta did not answer well."""
    # Told by its words: Meta gives it no code of its own.
    if "client secret" in error.message.lower():
        return answers.setup("META_APP_SECRET is not the secret of app META_APP_ID")
    if isinstance(error, Retriable | Throttled):
        return answers.unavailable(redact(str(error), hidden))
    if error.subcode == _CODE_USED:
        return answers.replayed()
    if error.subcode == _CODE_EXPIRED:
        return answers.expired()
    if error.subcode == _REDIRECT_DIFFERS:
        return answers.setup("Meta compares the redirect address byte by byte, and it differed")
    return answers.refused(redact(str(error), hidden))
