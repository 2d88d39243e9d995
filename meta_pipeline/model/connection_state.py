"""Kinds and states of connections, what time makes of a state, and when a token is renewed."""

from __future__ import annotations

from datetime import datetime, timedelta
from enum import StrEnum

RENEW_WITHIN = timedelta(days=20)
"""So long before its end a token is renewed: a failed renewal has weeks to be noticed."""
LAST_MOMENT = timedelta(minutes=5)
"""So long before its end a token that lives for hours is renewed, and any is tried once more."""
TRIED_AGAIN = timedelta(days=1)
_SHORT = timedelta(days=1)
# In its last minutes a token is worth trying for.
_LAST_TRIES = timedelta(minutes=1)


class ConnectionKind(StrEnum):
    """Where a token comes from; `environment` is META_ACCESS_TOKEN, which is never stored."""

    ENVIRONMENT = "environment"
    SYSTEM_USER = "system_user"
    BUSINESS_INTEGRATION = "business_integration"
    USER = "user"


class ConnectionState(StrEnum):
    """How a connection stands; `replaced`: a newer one of the same owner took its place."""

    ACTIVE = "active"
    EXPIRING = "expiring"
    EXPIRED = "expired"
    REVOKED = "revoked"
    REPLACED = "replaced"

    @property
    def is_usable(self) -> bool:
        return self in (ConnectionState.ACTIVE, ConnectionState.EXPIRING)


def state_at(
    now: datetime,
    stored: str,
    expires_at: datetime | None,
    data_access_expires_at: datetime | None = None,
) -> ConnectionState:
    """The state at `now` of what had state `stored` when Meta was last asked.

    What Meta ended stays ended; everything else follows the nearer end of token and data access.
    """
    if not ConnectionState(stored).is_usable:
        return ConnectionState(stored)
    ends = [end for end in (expires_at, data_access_expires_at) if end is not None]
    left = min(ends) - now if ends else None
    if left is None or left > RENEW_WITHIN:
        return ConnectionState.ACTIVE
    return ConnectionState.EXPIRING if left > timedelta(0) else ConnectionState.EXPIRED


def is_due(now: datetime, stored: str, expires_at: datetime | None) -> bool:
    """Whether the token is to be renewed now: it lives, and ends within 20 days."""
    return (
        ConnectionState(stored).is_usable
        and expires_at is not None
        and timedelta(0) < expires_at - now <= RENEW_WITHIN
    )


def renews_at(
    expires_at: datetime | None, renewed_at: datetime | None, failed_at: datetime | None
) -> datetime | None:
    """When the schedule renews a token next; None where it has no end.

    20 days before its end, so at once where fewer are left. One that a renewal gave hours only is
    renewed five minutes before its end. What failed at `failed_at` is tried again a day later, in
    any case five minutes before the end, and from then on every minute.
    """
    if expires_at is None:
        return None
    last = expires_at - LAST_MOMENT
    is_short = renewed_at is not None and expires_at - renewed_at <= _SHORT
    first = last if is_short else expires_at - RENEW_WITHIN
    if failed_at is None:
        return first
    return failed_at + (_LAST_TRIES if failed_at >= last else min(TRIED_AGAIN, last - failed_at))
