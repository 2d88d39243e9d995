"""What people are told: the problems there are, and who was told what."""

from __future__ import annotations

import sqlalchemy as sa

from .columns import json, moment, table, text, whole

alerts = table(
    "alerts",
    "One row per problem that is open, or was within the last days",
    text(
        "alert_key", "What it is about: account:act_<number>, check:<name>, ...", primary_key=True
    ),
    text("source", "Who looks after it: what this source no longer names is over", nullable=False),
    text(
        "kind",
        "stale, failing, throttled, lost, check, run, tick, token, error_rate",
        nullable=False,
    ),
    text("account_id", "Ad account, where it is about one"),
    text("subject", "Name of it for people", nullable=False),
    whole("grade", "1 warning, 2 error, 3 urgent; told again when it rises", nullable=False),
    text("cause", "What is wrong, in words that fit every account it happens to", nullable=False),
    text("what_to_do", "The next step", nullable=False),
    text("link", "Path in Dagster's UI, such as /runs/<id>"),
    moment("opened_at", "Since when", nullable=False),
    moment("changed_at", "When any of this last changed", nullable=False),
    moment("resolved_at", "When it was over; null while it is open"),
    # What a source no longer names is found among its open ones.
    sa.Index("alerts_open_idx", "source", postgresql_where=sa.text("resolved_at IS NULL")),
)

alert_channels = table(
    "alert_channels",
    "One row per way of telling people: what was last told there",
    text("channel", "webhook, email or log", primary_key=True),
    json("told", "alert_key to the grade that was told", nullable=False),
    moment("last_sent_at", "Last message that was delivered"),
    moment("failing_since", "First failed delivery since; null when the last one went through"),
    text("last_error", "Why it failed"),
)

__all__ = ["alert_channels", "alerts"]
