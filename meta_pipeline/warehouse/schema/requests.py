"""What people, programs and Meta asked to be synced, and what came of it."""

from __future__ import annotations

import sqlalchemy as sa

from .columns import account_id, day, flag, json, moment, table, text, whole

sync_requests = table(
    "sync_requests",
    "One row per wish to sync an ad account, whoever had it; many may be served by one sync",
    text("request_id", "Id of the request", primary_key=True),
    account_id(nullable=False),
    text("source", "Where it was made: cli, web, api or webhook", nullable=False),
    text("requested_by", "Who asked: a user, an API key, Meta", nullable=False),
    text("reason", "Why, in the asker's words", nullable=False),
    json("parts", "Parts to sync, a list; null for what the settings bring"),
    json("objects", "Ids to read and nothing else, lists by part; null for whole parts"),
    day("since", "First day of insights, in the account's zone; null where the plan decides"),
    day("until", "Last day, inclusive; null for today"),
    whole("max_age_seconds", "Read again what is older than this; null as the settings say"),
    flag("force", "Whether what is fresh is read again too", nullable=False),
    moment("requested_at", "When it was asked for", nullable=False),
    moment("not_before", "Until when it waits; null when it may start"),
    text("state", "pending, running, done, failed or cancelled", nullable=False),
    whole("attempts", "How often a sync was started for it", nullable=False),
    text("claim_id", "What it was started with; requests of one claim share a sync"),
    moment("claimed_at", "When that was"),
    text("dagster_run_id", "The Dagster run that serves it"),
    json("progress", "How far its sync is: step, rows, calls, seconds, seconds_left, sentence"),
    text("outcome", "Status of its sync: success, partial, throttled, refused or fail"),
    text("message", "Why it waits, or what came of it, in a sentence"),
    json("sync_run_ids", "Rows of sync_runs that served it, a list"),
    moment("finished_at", "When it was settled"),
    text(
        "tenant",
        "For which tenant it was asked: others with the same account are not told of it",
        nullable=False,
        server_default=sa.text(
            "coalesce(nullif(current_setting('meta_ads.tenant', true), ''), 'default')"
        ),
    ),
    sa.CheckConstraint("source IN ('cli','web','api','webhook')", name="source"),
    sa.CheckConstraint("state IN ('pending','running','done','failed','cancelled')", name="state"),
    sa.Index(None, "requested_at", "request_id"),
    sa.Index(None, "account_id", "requested_at"),
    sa.Index(None, "claim_id", postgresql_where=sa.text("claim_id IS NOT NULL")),
    # Every tick looks for those that are open: a handful of all there ever were.
    sa.Index(
        "sync_requests_open_idx",
        "account_id",
        postgresql_where=sa.text("state IN ('pending','running')"),
    ),
    # Rare, and looked for among all: a list of them is not a walk through what was done.
    sa.Index(
        "sync_requests_undone_idx",
        "state",
        "requested_at",
        "request_id",
        postgresql_where=sa.text("state IN ('failed','cancelled')"),
    ),
    # What retention removes, in its order; one that is open has no entry.
    sa.Index(
        "sync_requests_finished_at_idx",
        "finished_at",
        postgresql_where=sa.text("finished_at IS NOT NULL"),
    ),
)

__all__ = ["sync_requests"]
