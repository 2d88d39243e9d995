"""The web application's own: which links were used, which sessions were ended, who
changed what.
"""

from __future__ import annotations

import sqlalchemy as sa

from .columns import moment, table, text

web_links = table(
    "web_links",
    "One row per one-time link that somebody came in by lately",
    text("link_hash", "SHA-256 of what makes the link unique", primary_key=True),
    moment("used_at", "When", nullable=False),
)

web_sign_outs = table(
    "web_sign_outs",
    "One row per session that somebody ended lately: a copy of its cookie opens nothing",
    text("session_hash", "SHA-256 of the session's id", primary_key=True),
    moment("signed_out_at", "When", nullable=False),
)

web_events = table(
    "web_events",
    "One row per sign-in and per change somebody made in the web application, or of tenants, "
    "members and SQL logins by command; rows are only ever added",
    sa.Column(
        "id", sa.BigInteger, sa.Identity(always=True), primary_key=True, comment="Running number"
    ),
    moment("at", "When", nullable=False),
    text(
        "actor",
        "Who: the member's subject, owner for a one-time link, or whose command",
        nullable=False,
    ),
    text("action", "What was done, such as signed in or member added", nullable=False),
    text("detail", "To what, in words; never a secret", nullable=False),
    text(
        "tenant",
        "For which tenant it was done",
        nullable=False,
        server_default=sa.text(
            "coalesce(nullif(current_setting('meta_ads.tenant', true), ''), 'default')"
        ),
    ),
    sa.Index(None, "at"),
    sa.Index(None, "tenant", "at"),
)

__all__ = ["web_events", "web_links", "web_sign_outs"]
