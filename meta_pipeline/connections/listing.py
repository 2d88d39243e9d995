"""Listing: every connection, that of the environment included, and what to do about each."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from meta_pipeline.graph.tokens import token_key
from meta_pipeline.quality import missing_scopes
from meta_pipeline.settings import Settings
from meta_pipeline.warehouse import ConnectionRow, Warehouse

from .state import ConnectionKind, ConnectionState, state_at

_PASTE = "Make a new token and add it: meta-pipeline connections add --paste"
_ENVIRONMENT = "Renew it or make a new one, and put that in META_ACCESS_TOKEN (docs/tokens.md)"


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    """One connection as people and programs see it."""

    connection_id: str | None
    """None for META_ACCESS_TOKEN."""
    kind: ConnectionKind
    name: str
    app_id: str | None
    accounts: int
    """How many ad accounts it reaches."""
    scopes: tuple[str, ...]
    state: ConnectionState | None
    """None: Meta was not asked about it yet."""
    expires_at: datetime | None
    data_access_expires_at: datetime | None
    days_left: int | None
    """Whole days until the nearer of the two ends; None: there is none."""
    checked_at: datetime | None
    """When Meta was last asked about it."""
    problem: str | None
    renewal_problem: str | None
    """Why the last renewal failed; the token in use lives all the same."""
    what_to_do: str
    """A sentence, empty while nothing is to be done."""


def listed(warehouse: Warehouse, settings: Settings, now: datetime) -> list[Listed]:
    """The connection of the environment, if there is one, and the stored ones. Asks nobody.

    META_ACCESS_TOKEN is listed also where it is set for others alone, who read with it.
    """
    of_environment = _of_environment(warehouse, settings, now)
    stored = [
        _stored(row, len(warehouse.connections.accounts(row.connection_id)), settings, now)
        for row in warehouse.connections.all()
    ]
    return ([of_environment] if of_environment else []) + stored


def days_left(
    now: datetime, expires_at: datetime | None, data_access_expires_at: datetime | None
) -> int | None:
    """Whole days until the nearer end, 0 when it is over; None: there is no end."""
    ends = [end for end in (expires_at, data_access_expires_at) if end is not None]
    return max(min(ends) - now, timedelta(0)).days if ends else None


def _of_environment(warehouse: Warehouse, settings: Settings, now: datetime) -> Listed | None:
    token = settings.access_token
    if token is not None:
        known = warehouse.tokens.get(token_key(token.get_secret_value()))
    elif warehouse.connections.listed_by_environment():
        looked_at = warehouse.tokens.in_use()
        known = max(looked_at, key=lambda row: row.checked_at, default=None)
    else:
        return None
    shared = {
        "connection_id": None,
        "kind": ConnectionKind.ENVIRONMENT,
        "name": "META_ACCESS_TOKEN",
        "accounts": _listed_by_it(warehouse),
        "renewal_problem": None,
    }
    if known is None:
        return Listed(
            **shared,  # type: ignore[arg-type]
            app_id=settings.app_id,
            scopes=(),
            state=None,
            expires_at=None,
            data_access_expires_at=None,
            days_left=None,
            checked_at=None,
            problem=None,
            what_to_do="Not looked at yet: Dagster does hourly; meta-pipeline check asks now",
        )
    said = ConnectionState.ACTIVE if known.is_valid else ConnectionState.REVOKED
    ends = (known.expires_at, known.data_access_expires_at)
    # What Meta said once ages: an end that has passed since ends it without another question.
    state = state_at(now, said, *ends)
    return Listed(
        **shared,  # type: ignore[arg-type]
        app_id=known.app_id,
        scopes=tuple(known.scopes),
        state=state,
        expires_at=known.expires_at,
        data_access_expires_at=known.data_access_expires_at,
        days_left=days_left(now, *ends),
        checked_at=known.checked_at,
        problem=known.problem,
        what_to_do="" if state is ConnectionState.ACTIVE else _ENVIRONMENT,
    )


def _listed_by_it(warehouse: Warehouse) -> int:
    """Accounts META_ACCESS_TOKEN reaches: all there are, where there is nothing else."""
    # Alone it reaches whatever there is; lists are kept only where there is a choice.
    if not warehouse.connections.all():
        return len(warehouse.accounts.all(accessible_only=True))
    return len(warehouse.connections.listed_by_environment())


def _stored(row: ConnectionRow, accounts: int, settings: Settings, now: datetime) -> Listed:
    ends = (row.expires_at, row.data_access_expires_at)
    state = state_at(now, row.state, *ends)
    return Listed(
        connection_id=row.connection_id,
        kind=ConnectionKind(row.kind),
        name=row.name,
        app_id=row.app_id,
        accounts=accounts,
        scopes=tuple(row.scopes),
        state=state,
        expires_at=row.expires_at,
        data_access_expires_at=row.data_access_expires_at,
        days_left=days_left(now, *ends),
        checked_at=row.checked_at,
        problem=row.problem,
        renewal_problem=row.renewal_problem,
        what_to_do=_what_to_do(row, state, settings, now),
    )


def _what_to_do(
    row: ConnectionRow, state: ConnectionState, settings: Settings, now: datetime
) -> str:
    if state is ConnectionState.REPLACED:
        return f"A newer one took its place: meta-pipeline connections remove {row.connection_id}"
    if not state.is_usable:
        return _PASTE
    return _while_it_lives(row, state, settings, now)


def _while_it_lives(
    row: ConnectionRow, state: ConnectionState, settings: Settings, now: datetime
) -> str:
    if row.problem:
        return "Mend what Meta refuses, then meta-pipeline connections check"
    if missing := missing_scopes(row.scopes):
        return f"It lacks {', '.join(missing)}. {_PASTE}"
    if state is ConnectionState.ACTIVE:
        return ""
    if row.expires_at is None or state_at(now, row.state, row.expires_at) is ConnectionState.ACTIVE:
        return "Access to data ends: whoever gave the token has to log in to the app again"
    if settings.app_secret is None or settings.app_id != row.app_id:
        return f"Set META_APP_ID and META_APP_SECRET of app {row.app_id}, then connections renew"
    return f"meta-pipeline connections renew {row.connection_id}"
