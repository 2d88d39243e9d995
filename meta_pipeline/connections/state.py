"""Kinds and states of connections, and what time makes of a state."""

from __future__ import annotations

from datetime import datetime, timedelta
from enum import StrEnum

RENEW_WITHIN = timedelta(days=20)
"""So long before its end a token is renewed: a failed renewal has weeks to be noticed."""


class Kind(StrEnum):
    """Where a token comes from; `environment` is META_ACCESS_TOKEN, which is never stored."""

    ENVIRONMENT = "environment"
    SYSTEM_USER = "system_user"
    BUSINESS_INTEGRATION = "business_integration"
    USER = "user"


class State(StrEnum):
    """How a connection stands; `replaced`: a newer one of the same owner took its place."""

    ACTIVE = "active"
    EXPIRING = "expiring"
    EXPIRED = "expired"
    REVOKED = "revoked"
    REPLACED = "replaced"

    @property
    def is_usable(self) -> bool:
        return self in (State.ACTIVE, State.EXPIRING)


def state_at(
    now: datetime,
    stored: str,
    expires_at: datetime | None,
    data_access_expires_at: datetime | None = None,
) -> State:
    """The state at `now` of what had state `stored` when Meta was last asked.

    What Meta ended stays ended; everything else follows the nearer end of token and data access.
    """
    if not State(stored).is_usable:
        return State(stored)
    ends = [end for end in (expires_at, data_access_expires_at) if end is not None]
    left = min(ends) - now if ends else None
    if left is None or left > RENEW_WITHIN:
        return State.ACTIVE
    return State.EXPIRING if left > timedelta(0) else State.EXPIRED


def is_due(now: datetime, stored: str, expires_at: datetime | None) -> bool:
    """Whether the token is to be renewed now: it lives, and ends within 20 days."""
    return (
        State(stored).is_usable
        and expires_at is not None
        and timedelta(0) < expires_at - now <= RENEW_WITHIN
    )
