"""Numbers that others sent, and the keys by which programs come in."""

from __future__ import annotations

import sqlalchemy as sa

from .columns import HOT_UPDATES, day, json, moment, number, table, text

facts = table(
    "facts",
    "One row per tenant, provider, account, level, entity, metric, day, hour and breakdown",
    text("tenant", "Whose fact it is", primary_key=True),
    text("provider", "Where it comes from, in the sender's words: crm, shop", primary_key=True),
    text("account_id", "Account it is about; an ad account as act_<number>", primary_key=True),
    text("level", "account, campaign, adset or ad", primary_key=True),
    text("entity_id", "Id at that level; the account's own at level account", primary_key=True),
    text("metric", "What is counted, in the sender's words", primary_key=True),
    day("date_start", "Day it is about, in the account's time zone", primary_key=True),
    sa.Column(
        "hour",
        sa.SmallInteger,
        primary_key=True,
        autoincrement=False,
        comment="Hour of that day, 0 to 23; -1 for all of it",
    ),
    text("breakdown", "Cell it is of, as age=25-34; empty for all", primary_key=True),
    number("value", "The number", nullable=False),
    moment("observed_at", "When the sender saw it; an older one never replaces it", nullable=False),
    moment("received_at", "When this very value came", nullable=False),
    sa.CheckConstraint("level IN ('account','campaign','adset','ad')", name="level"),
    sa.CheckConstraint("hour BETWEEN -1 AND 23", name="hour"),
    # By account first, as they are forgotten; of one account any tenant may have sent any number.
    sa.Index(None, "account_id", "tenant", "date_start"),
    # Whether anybody sent what is asked for, and what else.
    sa.Index(None, "tenant", "provider", "metric"),
    **HOT_UPDATES,
)

api_keys = table(
    "api_keys",
    "One row per key that a program comes in with; the key itself is not kept",
    text("key_id", "The part of the key that names it", primary_key=True),
    text("tenant", "Whose key it is: it sees this tenant's rows alone", nullable=False),
    text("name", "What it is for; two keys of a name may live, for rotation", nullable=False),
    text("secret_sha256", "SHA-256 of the secret part, in hex", nullable=False),
    json("scopes", "What it may do, a list: read, sync, facts", nullable=False),
    moment("created_at", "When it was made", nullable=False),
    text("created_by", "Who made it", nullable=False),
    moment("expires_at", "When it ends; null for never"),
    moment("last_used_at", "When it was last used, to the minute"),
    moment("revoked_at", "When it was taken back; null while it was not"),
    sa.Index(None, "tenant", "name"),
)

__all__ = ["api_keys", "facts"]
