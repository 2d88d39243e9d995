"""Connections: what lets us in, for whom, until when; the room that joins graph and warehouse."""

from __future__ import annotations

from .access import Access
from .book import Connections
from .errors import (
    ConnectionsError,
    ConnectionUnknown,
    KeyMissing,
    KeysUnusable,
    NotRenewed,
    TokenRefused,
    TokenUnreadable,
)
from .listing import Listed, days_left, listed
from .renewal import Renewal, renew
from .sealing import Keyring, Sealed, generate_key
from .state import RENEW_WITHIN, Kind, State, is_due, state_at

__all__ = [
    "RENEW_WITHIN",
    "Access",
    "ConnectionUnknown",
    "Connections",
    "ConnectionsError",
    "KeyMissing",
    "Keyring",
    "KeysUnusable",
    "Kind",
    "Listed",
    "NotRenewed",
    "Renewal",
    "Sealed",
    "State",
    "TokenRefused",
    "TokenUnreadable",
    "days_left",
    "generate_key",
    "is_due",
    "listed",
    "renew",
    "state_at",
]
