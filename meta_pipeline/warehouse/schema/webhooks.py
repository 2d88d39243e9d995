"""What Meta's webhooks told: deliveries as they came, then one row a change."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import BYTEA

from .columns import json, moment, table, text

webhook_deliveries = table(
    "webhook_deliveries",
    "One row per delivery of Meta's that was answered and not yet taken apart into webhook_changes",
    text(
        "body_hash",
        "SHA-256 of the body: a delivery that comes again is the same",
        primary_key=True,
    ),
    sa.Column("body", BYTEA, comment="The signed bytes as Meta sent them", nullable=False),
    moment("received_at", "When it was answered", nullable=False),
    sa.Index(None, "received_at"),
)

webhook_changes = table(
    "webhook_changes",
    "One row per change that a webhook of Meta's told, however often it was delivered",
    text(
        "change_hash",
        "SHA-256 of entry, field, time and value: a change delivered again is the same",
        primary_key=True,
    ),
    text("object", "What Meta calls the kind of thing: ad_account", nullable=False),
    text("entry_id", "Id of the thing, as Meta wrote it", nullable=False),
    text("account_id", "Ad account, as act_<number>; null where the change is of another object"),
    text("field", "What changed, in Meta's words; unknown ones are kept", nullable=False),
    moment("occurred_at", "When Meta says it happened; null where it does not say"),
    json("value", "What Meta tells of it", nullable=False),
    moment("received_at", "When it was first delivered", nullable=False),
    text(
        "state",
        "pending: to be read; requested: in the sync request named; kept: names nothing to read",
        nullable=False,
    ),
    text("request_id", "The row of sync_requests that reads what it names"),
    sa.CheckConstraint("state IN ('pending','requested','kept')", name="state"),
    sa.Index(None, "received_at"),
    # By which all of an account is deleted.
    sa.Index(None, "account_id"),
    # Of changes nearly all are done: what is looked for again and again is a handful.
    sa.Index(
        "webhook_changes_pending_idx",
        "account_id",
        "received_at",
        postgresql_where=sa.text("state = 'pending'"),
    ),
    # What the advisor reads of an account, among all that is told of all of them.
    sa.Index(
        "webhook_changes_fatigue_idx",
        "account_id",
        "received_at",
        postgresql_where=sa.text("field = 'creative_fatigue'"),
    ),
)

__all__ = ["webhook_changes", "webhook_deliveries"]
