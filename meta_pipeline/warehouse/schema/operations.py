"""What was done: every API call, every sync, the ledger of windows, and the meters."""

from __future__ import annotations

import sqlalchemy as sa

from .columns import (
    account_id,
    count,
    day,
    flag,
    json,
    moment,
    number,
    table,
    text,
    whole,
)

meta_api_logs = table(
    "meta_api_logs",
    "One row per Graph API attempt, also refused and broken ones",
    sa.Column(
        "id", sa.BigInteger, sa.Identity(always=True), primary_key=True, comment="Running number"
    ),
    account_id(),
    text("endpoint_key", "campaigns_list, adsets_list, ads_list, insights_ad, ...", nullable=False),
    text("query_shape", "The query in words: level, fields, breakdowns, days"),
    text("params_hash", "Hash of the query shape; the same for every account and date"),
    text("method", "GET or POST"),
    whole("status_code", "HTTP status; null when no answer came"),
    whole("error_code", "Meta's error code"),
    whole("error_subcode", "Meta's error subcode"),
    text("error_message", "Meta's message, redacted"),
    text("fbtrace_id", "Trace id for Meta's support"),
    flag("throttled", "True when Meta refused for a rate limit", nullable=False),
    number("latency_ms", "From sending to the whole answer"),
    whole("retry_count", "0 for the first attempt"),
    count("response_size_bytes", "Size of the answer"),
    whole("rows", "Rows in the answer"),
    whole("page_size", "Limit that was asked for"),
    number("weighted_cost", "Cost by the configured weights"),
    json("usage_headers", "Usage headers as sent: lower-case name to JSON text"),
    moment("timestamp", "When the attempt was made", nullable=False),
    text("sync_run_id", "The sync it belonged to"),
    number("waited_ms", "How long it was held back for quota before it was sent; null: not at all"),
    text("wait_reason", "Why it was held back, in a sentence"),
    text(
        "app_key",
        "App whose meters it moved: app, or app_<id> of another app; null before it was kept",
    ),
    sa.Index(None, "timestamp"),
    sa.Index(None, "account_id", "timestamp"),
    sa.Index(None, "sync_run_id"),
    # Refusals are few among millions of calls, and asked for by themselves.
    sa.Index(
        "meta_api_logs_throttled_idx",
        "account_id",
        "timestamp",
        postgresql_where=sa.text("throttled"),
    ),
)

sync_runs = table(
    "sync_runs",
    "One row per attempt to sync an ad account, also refused and throttled ones",
    text("sync_run_id", "Id of the attempt", primary_key=True),
    account_id(nullable=False),
    text("scope", "What was asked for: campaigns,adsets,ads,insights,...", nullable=False),
    text("reason", "Why it ran: manual, rotation, priority, fallback, backfill, demo, ..."),
    moment("started_at", "Start", nullable=False),
    moment("finished_at", "End; null while running"),
    text("status", "running, success, partial, fail, throttled or refused", nullable=False),
    day("since", "First day of insights asked for"),
    day("until", "Last day of insights asked for"),
    whole("campaigns_fetched", "Campaigns Meta returned"),
    whole("ad_sets_fetched", "Ad sets Meta returned"),
    whole("ads_fetched", "Ads Meta returned"),
    whole("insights_calls", "Calls made for insights"),
    count("insights_rows_written", "Insight rows that were new or changed"),
    count("insights_rows_read", "Insight rows Meta returned"),
    count("entity_rows_written", "Entity rows that were new or changed"),
    whole("meta_call_count_total", "Graph API attempts"),
    number("weighted_cost_total", "Their cost by the configured weights"),
    json("meta_usage_end_snapshot", "What was known of every meter at the end"),
    number("entity_fetch_ms", "Wall time fetching entities"),
    number("insights_fetch_ms", "Wall time fetching insights"),
    number("db_write_ms", "Time spent writing, summed over the writers"),
    text("error_summary", "What went wrong or is missing, in a sentence"),
    json("missing", "What a partial sync did not get, a list"),
    moment("not_before", "When throttled: no call before this time"),
    text("dagster_run_id", "The Dagster run, where there was one"),
    text("host", "Host and process that ran it"),
    text("connection_id", "Connection its calls ended with; null for META_ACCESS_TOKEN"),
    text("app_key", "Whose meters of usage_readings counted: app, or app_<id> of another app"),
    whole("creatives_fetched", "Creatives Meta returned"),
    whole("activities_fetched", "Entries of the change log Meta returned"),
    whole("recommendations_fetched", "Recommendations of Meta's for the account"),
    whole("custom_conversions_fetched", "Custom conversions Meta returned"),
    whole("custom_audiences_fetched", "Custom audiences Meta returned"),
    whole("images_fetched", "Images Meta returned"),
    sa.CheckConstraint(
        "status IN ('running','success','partial','fail','throttled','refused')", name="status"
    ),
    sa.Index(None, "account_id", "started_at"),
    sa.Index(None, "started_at"),
    sa.Index(None, "finished_at"),
    # Retention keeps the newest of each kind.
    sa.Index(None, "account_id", "scope", "status", "started_at"),
    # Each run of a claim that has ended is looked up, and each that Dagster says has failed.
    sa.Index(None, "dagster_run_id", postgresql_where=sa.text("dagster_run_id IS NOT NULL")),
    # A handful among all runs, and looked for at the beginning of each.
    sa.Index("sync_runs_running_idx", "account_id", postgresql_where=sa.text("status = 'running'")),
)

sync_windows = table(
    "sync_windows",
    "One row per account, dataset and day that was fetched: the ledger of what is done",
    account_id(primary_key=True),
    text(
        "dataset",
        "insights_ad, insights_account, insights_hourly, breakdown name, ...",
        primary_key=True,
    ),
    day("date_start", "Day in the account's time zone", primary_key=True),
    moment("fetched_at", "When it was last fetched and committed", nullable=False),
    count("rows", "Rows Meta returned for the day", nullable=False),
    flag("is_final", "True when it was read after Meta's 28 days: no more restatement"),
    text("sync_run_id", "The sync that fetched it"),
    moment("first_fetched_at", "When it was first fetched; movements are seen from then on"),
    text("incomplete", "What is missing of the day or contradicts it; null: nothing that is known"),
    whole(
        "unproven_reads",
        "Readings in a row that left it incomplete or unproven; each makes the pause longer",
        nullable=False,
        server_default="0",
    ),
    count(
        "kept_rows",
        "Rows that did not come again and stay: the account's own row counts them",
        nullable=False,
        server_default="0",
    ),
)

insights_gaps = table(
    "insights_gaps",
    "One row per object and day that Meta could not answer, or not wholly",
    account_id(primary_key=True),
    text("dataset", "Which reading it is missing from, as in sync_windows", primary_key=True),
    day("date_start", "Day in the account's time zone", primary_key=True),
    text("entity_type", "account, campaign, adset or ad", primary_key=True),
    text(
        "entity_id",
        "Which one; whole: the day, of which no object could be told apart",
        primary_key=True,
    ),
    text("fields", "Fields that are missing, with commas; empty: all of it is", nullable=False),
    text("reason", "What Meta answered when all of it was asked for", nullable=False),
    moment("tried_at", "When all of it was last asked for", nullable=False),
    whole("tries", "How often; each time makes the pause until the next longer", nullable=False),
)

pending_reports = table(
    "pending_reports",
    "One row per async report that did not move while a sync waited: the next one looks at it "
    "again",
    account_id(primary_key=True),
    text("report_run_id", "Meta's id of the report; it lives 30 days", primary_key=True),
    text("dataset", "Which reading it is of, as in sync_windows", nullable=False),
    day("since", "First day asked for", nullable=False),
    day("until", "Last day asked for", nullable=False),
    text(
        "query_hash",
        "Hash of all that was asked: the same question takes this report",
        nullable=False,
    ),
    moment("created_at", "When it was created: its numbers may be as old", nullable=False),
    whole("progress_pct", "Where it stood when it was left", nullable=False),
)

sync_cursor = table(
    "sync_cursor",
    "One row per account and edge: where the next delta starts and how big a page may be",
    account_id(primary_key=True),
    text(
        "edge",
        "campaigns, adsets, ads, creatives, activities, recommendations, insights, ...",
        primary_key=True,
    ),
    moment("updated_since", "Largest updated_time Meta returned"),
    moment("last_full_at", "Last complete listing"),
    moment("last_fetched_at", "Last successful fetch of any kind"),
    text("statuses_hash", "Hash of the status filter the cursor was made with"),
    whole("page_size", "Page size that last worked"),
    day("first_day", "Where the first backfill of a kind of insights began; kept up from there on"),
)

usage_readings = table(
    "usage_readings",
    "One row per meter: the newest reading of each, shared by all processes",
    text("scope", "app, account or insights_app, insights_account", primary_key=True),
    text("key", "Account as act_<number>, or the app", primary_key=True),
    text("use_case", "ads_management, ads_insights, ... or empty", primary_key=True),
    number("usage_pct", "Worst percentage read", nullable=False),
    moment("read_at", "When it was read", nullable=False),
    moment("regain_at", "When Meta says access returns; null when not blocked"),
    text("access_tier", "Tier Meta named"),
    text("source", "Header or error it was read from"),
)

token_health = table(
    "token_health",
    "One row per access token that Meta was asked about lately; the token itself is nowhere",
    text("token_key", "First 16 hex digits of the token's SHA-256", primary_key=True),
    text("app_id", "App the token belongs to; null when Meta did not say"),
    text("token_type", "USER, SYSTEM_USER, PAGE, ..."),
    flag("is_valid", "False when Meta refuses the token", nullable=False),
    moment("expires_at", "End of the token; null when it has none, or Meta did not say"),
    moment("data_access_expires_at", "End of its access to data; null likewise"),
    json("scopes", "What it may do, a list", nullable=False),
    json("missing_scopes", "What it would have to be allowed besides, a list", nullable=False),
    text("problem", "Why Meta refuses it, redacted"),
    moment("checked_at", "When Meta was asked", nullable=False),
)

schema_views = table(
    "schema_views",
    "One row per view of this schema: which text of it is in place",
    text("view_name", "Name of the view", primary_key=True),
    text("digest", "SHA-256 of what it was made from", nullable=False),
)

__all__ = [
    "meta_api_logs",
    "schema_views",
    "sync_cursor",
    "sync_runs",
    "sync_windows",
    "token_health",
    "usage_readings",
]
