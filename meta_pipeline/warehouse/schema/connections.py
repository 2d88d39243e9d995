"""What lets us in, for whom, until when: connections, their sealed tokens, the accounts reached."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import BYTEA

from meta_pipeline.warehouse.names import SCHEMA

from .columns import account_id, json, moment, table, text


def _connection_id() -> sa.Column[str]:
    return text(
        "connection_id",
        "Connection it belongs to",
        primary_key=True,
    )


def _of_connection() -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(
        ["connection_id"], [f"{SCHEMA}.connections.connection_id"], ondelete="CASCADE"
    )


connections = table(
    "connections",
    "One row per way into Meta that is stored here: whose token, for which app, until when",
    text("connection_id", "Id of the connection", primary_key=True),
    text("tenant", "Whom it belongs to here; default where there is one", nullable=False),
    text("kind", "system_user, business_integration or user", nullable=False),
    text("name", "Whose token it is, for people", nullable=False),
    text("app_id", "App the token belongs to", nullable=False),
    text("user_id", "Meta's app-scoped id of the user or system user", nullable=False),
    text("client_business_id", "Business portfolio that granted it; null where a person did"),
    json("scopes", "What the token may do, a list", nullable=False),
    moment("expires_at", "End of the token; null when Meta names none"),
    moment("data_access_expires_at", "End of its access to data; null likewise"),
    text(
        "state", "active, expiring, expired, revoked or replaced, when last checked", nullable=False
    ),
    text("problem", "Why Meta refuses the token, redacted; null while it does not"),
    moment("added_at", "When it was added", nullable=False),
    moment("checked_at", "When Meta was last asked about it", nullable=False),
    moment("renewed_at", "When its token was last renewed"),
    moment("renewal_failed_at", "When renewing last failed; null once it went well"),
    text("renewal_problem", "Why renewing failed, redacted"),
    json(
        "chosen_accounts",
        "Ad accounts that were chosen of those it reaches, a list; null: all, also later ones",
    ),
    sa.CheckConstraint("kind IN ('system_user','business_integration','user')", name="kind"),
    sa.CheckConstraint(
        "state IN ('active','expiring','expired','revoked','replaced')", name="state"
    ),
    sa.ForeignKeyConstraint(["tenant"], [f"{SCHEMA}.tenants.tenant"]),
    # One living connection for each user and app of a tenant; what was replaced stays beside it.
    sa.Index(
        "connections_whose_idx",
        "tenant",
        "app_id",
        "user_id",
        unique=True,
        postgresql_where=sa.text("state <> 'replaced'"),
    ),
)

connection_tokens = table(
    "connection_tokens",
    "One row per sealed token of a connection; readers of the schema may not see it",
    _connection_id(),
    text(
        "role",
        "current: in use; next: renewed, not checked yet; previous: replaced, to be revoked",
        primary_key=True,
    ),
    text("key_id", "Which key of META_TOKEN_KEYS sealed it", nullable=False),
    sa.Column(
        "sealed",
        BYTEA,
        nullable=False,
        comment="AES-256-GCM: nonce, then ciphertext, bound to tenant and connection",
    ),
    text("token_key", "First 16 hex digits of the token's SHA-256", nullable=False),
    moment("stored_at", "When it came", nullable=False),
    sa.CheckConstraint("role IN ('current','next','previous')", name="role"),
    _of_connection(),
)

connection_accounts = table(
    "connection_accounts",
    "One row per connection and ad account that its token reaches and that was chosen",
    _connection_id(),
    account_id(primary_key=True),
    text("name", "Name of the account, as this connection saw it"),
    moment("seen_at", "When the token last reached it", nullable=False),
    _of_connection(),
    sa.Index(None, "account_id"),
)

connection_events = table(
    "connection_events",
    "One row per change of a connection; rows are only ever added",
    sa.Column(
        "id", sa.BigInteger, sa.Identity(always=True), primary_key=True, comment="Running number"
    ),
    moment("at", "When", nullable=False),
    text("connection_id", "Connection; its own row may be gone", nullable=False),
    text("tenant", "Whom it belonged to", nullable=False),
    text(
        "event",
        "added, replaced, checked, expired, revoked, renewed, renewal_failed, token_revoked, "
        "resealed, accounts_chosen, removed, deauthorized, data_deleted",
        nullable=False,
    ),
    text("actor", "User of the machine, or the process, that did it", nullable=False),
    json("detail", "What changed; never a token", nullable=False),
    sa.Index(None, "connection_id", "at"),
)

__all__ = ["connection_accounts", "connection_events", "connection_tokens", "connections"]
