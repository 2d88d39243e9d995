"""What can be wrong with connections; every message is for people and holds no secret."""

from __future__ import annotations


class ConnectionsError(Exception):
    """Base of what this room raises."""


class KeysUnusable(ConnectionsError):
    """META_TOKEN_KEYS is not what it should be."""


class KeyMissing(ConnectionsError):
    """There is no key to seal a token with: nothing is stored."""


class TokenUnreadable(ConnectionsError):
    """A stored token does not open: its key is missing, or it is not this row's."""


class TokenRefused(ConnectionsError):
    """A token cannot be a connection: invalid, of the wrong kind, or short of a scope."""


class NotRevoked(ConnectionsError):
    """Meta did not end a token that was to be revoked; its connection stays."""


class ConnectionUnknown(ConnectionsError):
    """No connection, or more than one, is meant by what was given."""


class NotRenewed(ConnectionsError):
    """A token could not be renewed; the old one stays in use."""


class LoginRefused(ConnectionsError):
    """A login cannot be begun: the app, its secret or the redirect address is not what it takes."""


class PendingUnknown(ConnectionsError):
    """Nothing waits for a choice: it is over, chosen already, or another session's."""


class ChoiceRefused(ConnectionsError):
    """What was chosen is not among the accounts that may be."""


class CallbackRefused(ConnectionsError):
    """A callback does not come from Meta, or not for this app: nothing is done."""
