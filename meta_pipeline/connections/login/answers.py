"""Answers: what became of a login, one type for each end, each with what to do about it.

No message holds a code, a state or a token; Meta's own words are cleaned and quoted as such.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar

from meta_pipeline.connections.state import ConnectionKind
from meta_pipeline.warehouse import PendingRow
from meta_pipeline.words import times

_AGAIN = "Connect again."


@dataclass(frozen=True, slots=True, kw_only=True)
class Pending:
    """A token that was granted and whose accounts wait to be chosen, until `ends_at` (UTC)."""

    pending_id: str
    name: str
    kind: ConnectionKind
    accounts: int
    """How many there are to choose from."""
    scopes: tuple[str, ...]
    ends_at: datetime
    connection_id: str | None = None
    """The connection whose choice is changed; None: a new one is connected."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LoginAnswer:
    """What became of a login: `title`, `message` and `what_to_do` are for the person.

    `can_retry`: whether beginning anew may lead to another end.
    """

    title: ClassVar[str]
    can_retry: ClassVar[bool] = True
    message: str
    what_to_do: str = _AGAIN


@dataclass(frozen=True, slots=True, kw_only=True)
class Granted(LoginAnswer):
    """Access was given: the accounts of `pending` can be chosen; `declined` was kept back."""

    title = "Choose ad accounts"
    can_retry = False
    pending: Pending
    declined: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Denied(LoginAnswer):
    """The person cancelled Meta's dialog."""

    title = "Nothing was connected"


@dataclass(frozen=True, slots=True, kw_only=True)
class Partial(LoginAnswer):
    """The person kept back what reading needs: `missing` scopes."""

    title = "A permission is missing"
    missing: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class AppMisconfigured(LoginAnswer):
    """The app or its configuration cannot give what is needed: not the person's to mend."""

    title = "The app is not set up for this"
    can_retry = False


@dataclass(frozen=True, slots=True, kw_only=True)
class NoAccounts(LoginAnswer):
    """Access was given, and not one ad account is behind it."""

    title = "There is no ad account to connect"


@dataclass(frozen=True, slots=True, kw_only=True)
class Expired(LoginAnswer):
    """The answer, or the code in it, came too late."""

    title = "This login took too long"


@dataclass(frozen=True, slots=True, kw_only=True)
class Replayed(LoginAnswer):
    """The answer was given before: a page that was loaded twice, or a copied address."""

    title = "This answer was used already"


@dataclass(frozen=True, slots=True, kw_only=True)
class Forged(LoginAnswer):
    """No login that was begun here has this state."""

    title = "This answer was not asked for"


@dataclass(frozen=True, slots=True, kw_only=True)
class OtherSession(LoginAnswer):
    """The login was begun by another session; its own can still go on."""

    title = "This login belongs to another browser"


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused(LoginAnswer):
    """Meta answered with an error, or with a token that cannot be a connection."""

    title = "Meta did not let us in"


@dataclass(frozen=True, slots=True, kw_only=True)
class Unavailable(LoginAnswer):
    """Meta could not be asked just now."""

    title = "Meta does not answer"


def pending(row: PendingRow, accounts: int) -> Pending:
    """What is pending, as people see it; `row` is complete."""
    return Pending(
        pending_id=row.pending_id,
        name=str(row.name),
        kind=ConnectionKind(str(row.kind)),
        accounts=accounts,
        scopes=tuple(row.scopes),
        ends_at=row.ends_at,
        connection_id=row.connection_id,
    )


def granted(row: PendingRow, accounts: int) -> Granted:
    """The answer for what is pending; `row` is complete."""
    without = f" {', '.join(row.declined)} was not given; it works without." if row.declined else ""
    return Granted(
        pending=pending(row, accounts),
        declined=tuple(row.declined),
        message=f"{row.name} gave access to {times(accounts, 'ad account')}." + without,
        what_to_do=f"Choose those to connect, until {row.ends_at:%H:%M} UTC.",
    )


def denied() -> Denied:
    return Denied(
        message="Access was not given: Meta's dialog was cancelled. Nothing was connected.",
        what_to_do="Connect again and choose Continue, or ask whoever may give access to do it.",
    )


def partial(missing: Sequence[str]) -> Partial:
    names = ", ".join(missing)
    return Partial(
        missing=tuple(missing),
        message=f"Without {names} no ad account can be read. Nothing was connected.",
        what_to_do=f"Connect again and leave {names} switched on: Meta asks for it anew.",
    )


def misconfigured(config_id: str, missing: Sequence[str]) -> AppMisconfigured:
    names = ", ".join(missing)
    return AppMisconfigured(
        message=f"Configuration {config_id} of Facebook Login for Business does not ask for "
        f"{names}. It grants all it asks for or nothing: this was nobody's choice in the dialog. "
        "Nothing was connected.",
        what_to_do=f"In the App Dashboard, under Facebook Login for Business → Configurations, add "
        f"{names} to it; then connect again.",
    )


def setup(why: str) -> AppMisconfigured:
    return AppMisconfigured(
        message=f"{why}. Nothing was connected.",
        what_to_do="Compare with the App Dashboard: App settings → Basic, and Facebook Login → "
        "Settings → Valid OAuth Redirect URIs (docs/tokens.md). Then connect again.",
    )


def no_accounts(whose: str) -> NoAccounts:
    return NoAccounts(
        message=f"{whose} gave access, and Meta lists no ad account behind it. Nothing was "
        "connected.",
        what_to_do="Choose the business and its ad accounts in Meta's dialog, or let an admin give "
        "you the ad accounts first (Business settings → Ad accounts → Assign people). "
        "Then connect again.",
    )


def expired() -> Expired:
    return Expired(
        message="More than ten minutes passed between the question and Meta's answer. Nothing was "
        "connected.",
    )


def replayed() -> Replayed:
    return Replayed(
        message="Each answer of Meta is taken once, and this one was. Nothing was changed.",
        what_to_do="Look at your connections: it may have gone well. If not, connect again.",
    )


def forged() -> Forged:
    return Forged(
        message="No login that was begun here has this state, or it was begun too long ago. It may "
        "come from an old link, or from somebody who wants you to connect an account of theirs. "
        "Nothing was connected.",
        what_to_do="If you did want to connect, begin here.",
    )


def other_session() -> OtherSession:
    return OtherSession(
        message="The login was begun in another browser, or you have signed in anew since. Nothing "
        "was stored.",
        what_to_do="Go on in the browser in which it was begun, or begin here.",
    )


def refused(why: str, what_to_do: str = _AGAIN) -> Refused:
    return Refused(message=f"{why.rstrip('. ')}. Nothing was connected.", what_to_do=what_to_do)


def unavailable(why: str) -> Unavailable:
    return Unavailable(
        message=f"{why.rstrip('. ')}. Nothing was connected.",
        what_to_do="Wait a minute, then connect again.",
    )
