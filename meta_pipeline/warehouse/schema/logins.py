"""Connecting by OAuth: the questions asked of Meta's dialog, and what waits for the choice."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import BYTEA

from meta_pipeline.warehouse.names import SCHEMA

from .columns import account_id, flag, json, moment, table, text


def _session_hash() -> sa.Column[str]:
    return text("session_hash", "SHA-256 of the session that began it", nullable=False)


login_states = table(
    "login_states",
    "One row per login that was begun; readers of the schema may not see it",
    text(
        "state_hash",
        "SHA-256 of the state that went to Meta and has to come back",
        primary_key=True,
    ),
    _session_hash(),
    text("tenant", "Whom the connection will belong to", nullable=False),
    text("app_id", "App that asks", nullable=False),
    text("redirect_uri", "Where Meta leads back to, byte by byte", nullable=False),
    text("config_id", "Configuration of Login for Business; null for classic scopes"),
    json("scopes", "Scopes that were asked for, a list", nullable=False),
    moment("begun_at", "When it was begun", nullable=False),
    moment("ends_at", "When it can no longer be answered", nullable=False),
    moment("answered_at", "When Meta's answer came; it is taken once"),
    sa.Index(None, "ends_at"),
)

pending_connections = table(
    "pending_connections",
    "One row per token that was granted and whose accounts are not chosen yet; readers of the "
    "schema may not see it",
    text("pending_id", "Id of what is pending", primary_key=True),
    _session_hash(),
    text("tenant", "Whom the connection will belong to", nullable=False),
    text("app_id", "App the token belongs to", nullable=False),
    text("kind", "business_integration, system_user or user; null until Meta was asked"),
    text("name", "Whose token it is, for people; null until Meta was asked"),
    text("user_id", "Meta's app-scoped id of the user; null until Meta was asked"),
    text("client_business_id", "Business portfolio that granted it; null where a person did"),
    json("scopes", "What the token may do, a list", nullable=False),
    json("declined", "What was asked for and not granted, a list", nullable=False),
    moment("expires_at", "End of the token; null when Meta names none"),
    moment("data_access_expires_at", "End of its access to data; null likewise"),
    text("key_id", "Which key of META_TOKEN_KEYS sealed it", nullable=False),
    sa.Column(
        "sealed",
        BYTEA,
        nullable=False,
        comment="AES-256-GCM: nonce, then ciphertext, bound to tenant and pending_id",
    ),
    text("token_key", "First 16 hex digits of the token's SHA-256", nullable=False),
    moment("came_at", "When the token came", nullable=False),
    moment("ends_at", "When it is swept, unless accounts were chosen", nullable=False),
    text(
        "connection_id",
        "Connection whose choice is changed, without a token here; null where one is connected",
    ),
    sa.CheckConstraint("kind IN ('system_user','business_integration','user')", name="kind"),
    sa.ForeignKeyConstraint(
        ["connection_id"], [f"{SCHEMA}.connections.connection_id"], ondelete="CASCADE"
    ),
    sa.Index(None, "ends_at"),
)

pending_accounts = table(
    "pending_accounts",
    "One row per ad account that may be chosen; the list is kept here, not in the browser",
    text("pending_id", "What it belongs to", primary_key=True),
    account_id(primary_key=True),
    text("name", "Name of the account"),
    flag("is_chosen", "True while it is ticked", nullable=False, server_default=sa.false()),
    sa.ForeignKeyConstraint(
        ["pending_id"], [f"{SCHEMA}.pending_connections.pending_id"], ondelete="CASCADE"
    ),
)

__all__ = ["login_states", "pending_accounts", "pending_connections"]
