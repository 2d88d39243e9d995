"""Kinds and states of connections, as all rooms know them."""

from __future__ import annotations

from datetime import datetime

from meta_pipeline.model.connection_state import (
    LAST_MOMENT,
    RENEW_WITHIN,
    ConnectionKind,
    ConnectionState,
    is_due,
    renews_at,
    state_at,
)

_EXPIRED_SUBCODE = 463
"""Of code 190: the token has expired (FACTS §3.3); every other one is somebody's doing."""


def ended_as(
    subcode: int | None, now: datetime, expires_at: datetime | None, access_until: datetime | None
) -> ConnectionState:
    """Expired or revoked: by the subcode Meta refuses a token with, and by the ends it had."""
    by_time = state_at(now, ConnectionState.ACTIVE, expires_at, access_until)
    is_over = subcode == _EXPIRED_SUBCODE or by_time is ConnectionState.EXPIRED
    return ConnectionState.EXPIRED if is_over else ConnectionState.REVOKED


__all__ = [
    "LAST_MOMENT",
    "RENEW_WITHIN",
    "ConnectionKind",
    "ConnectionState",
    "ended_as",
    "is_due",
    "renews_at",
    "state_at",
]
