"""Connections: what lets us in, for whom, until when; the room that joins graph and warehouse."""

from __future__ import annotations

from .access import Access
from .callbacks.deletion import CarriedOut, carry_out
from .callbacks.receipts import Callbacks, DeletionStatus, Receipt
from .care import Cared, Due, due, take_care
from .connections import Connections
from .errors import (
    CallbackRefused,
    ChoiceRefused,
    ConnectionsError,
    ConnectionUnknown,
    KeyMissing,
    KeysUnusable,
    LoginRefused,
    NotRenewed,
    NotRevoked,
    PendingUnknown,
    TokenRefused,
    TokenUnreadable,
)
from .listing import Listed, days_left, listed
from .login.answers import (
    AppMisconfigured,
    Denied,
    Expired,
    Forged,
    Granted,
    LoginAnswer,
    NoAccounts,
    OtherSession,
    Partial,
    Pending,
    Refused,
    Replayed,
    Unavailable,
)
from .login.choice import AccountChoice, AccountPage, PickedAccount, change_choice
from .login.flow import Begun, LoginFlow, tenant_of_login
from .login.pending import sweep
from .reach import ENVIRONMENT, MetaConnection, Reach, in_order
from .renewal import Renewal, renew
from .sealing import Keyring, Sealed, generate_key
from .state import RENEW_WITHIN, ConnectionKind, ConnectionState, is_due, renews_at, state_at
from .usable import Avoided, UsableConnection, UsableConnections, first_token, read_token

__all__ = [
    "ENVIRONMENT",
    "RENEW_WITHIN",
    "Access",
    "AccountChoice",
    "AccountPage",
    "AppMisconfigured",
    "Avoided",
    "Begun",
    "CallbackRefused",
    "Callbacks",
    "Cared",
    "CarriedOut",
    "ChoiceRefused",
    "ConnectionKind",
    "ConnectionState",
    "ConnectionUnknown",
    "Connections",
    "ConnectionsError",
    "DeletionStatus",
    "Denied",
    "Due",
    "Expired",
    "Forged",
    "Granted",
    "KeyMissing",
    "Keyring",
    "KeysUnusable",
    "Listed",
    "LoginAnswer",
    "LoginFlow",
    "LoginRefused",
    "MetaConnection",
    "NoAccounts",
    "NotRenewed",
    "NotRevoked",
    "OtherSession",
    "Partial",
    "Pending",
    "PendingUnknown",
    "PickedAccount",
    "Reach",
    "Receipt",
    "Refused",
    "Renewal",
    "Replayed",
    "Sealed",
    "TokenRefused",
    "TokenUnreadable",
    "Unavailable",
    "UsableConnection",
    "UsableConnections",
    "carry_out",
    "change_choice",
    "days_left",
    "due",
    "first_token",
    "generate_key",
    "in_order",
    "is_due",
    "listed",
    "read_token",
    "renew",
    "renews_at",
    "state_at",
    "sweep",
    "take_care",
    "tenant_of_login",
]
