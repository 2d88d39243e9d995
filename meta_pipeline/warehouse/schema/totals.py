"""Totals of the API log by hour: what reports read, so that ten million rows answer at once.

A trigger on `meta_api_logs` keeps those by hour and by day, in the transaction that writes the log
rows: they are never late and never off. They outlive the log rows (warehouse/retention.py).
"""

from __future__ import annotations

import sqlalchemy as sa

from .columns import count, day, moment, number, table, text, whole

meta_api_hours = table(
    "meta_api_hours",
    "One row per hour, ad account, endpoint, query shape, outcome and app: meta_api_logs added up",
    moment("hour", "Start of the hour", primary_key=True),
    text("account_id", "Ad account, as act_<number>; empty for calls of none", primary_key=True),
    text("endpoint_key", "Endpoint", primary_key=True),
    text("params_hash", "Hash of the query shape, empty when not known", primary_key=True),
    text(
        "outcome",
        "ok, Meta's code or code/subcode, HTTP <status>, or no answer",
        primary_key=True,
    ),
    text("query_shape", "The query in words"),
    count("calls", "Attempts", nullable=False),
    count("throttled_calls", "Attempts Meta refused for a limit", nullable=False),
    count("retried_calls", "Attempts that repeated a failed one", nullable=False),
    count("rows", "Rows in the answers", nullable=False),
    count("response_bytes", "Size of the answers", nullable=False),
    number("latency_ms", "Latency added up", nullable=False),
    number("weighted_cost", "Cost by the configured weights, added up", nullable=False),
    number("app_pct", "Highest usage of the app that was read"),
    number("account_pct", "Highest score of the ad account"),
    number("use_case_pct", "Highest usage of the calls' own use case"),
    number("insights_app_pct", "Highest insights throttle of the app"),
    number("insights_account_pct", "Highest insights throttle of the ad account"),
    count("observations", "Attempts whose movement of a meter could be seen", nullable=False),
    number("moved_pct", "Movement of the meter that moved most, added up", nullable=False),
    number("moved_pct_squared", "Squares of that movement, added up", nullable=False),
    number("account_moved_pct", "Movement of the account's score, added up", nullable=False),
    number("use_case_moved_pct", "Movement of the use case, added up", nullable=False),
    number("insights_moved_pct", "Movement of the insights throttle, added up", nullable=False),
    text(
        "app_key",
        "App whose meters they moved: app, or app_<id> of another app",
        primary_key=True,
        server_default="app",
    ),
    # By which all of an account is deleted.
    sa.Index(None, "account_id"),
)

meta_api_days = table(
    "meta_api_days",
    "One row per day, app and ad account: what its calls cost; what the day's budgets go by",
    day("day", "Day, UTC", primary_key=True),
    text("app_key", "App whose meters they moved: app, or app_<id>", primary_key=True),
    text("account_id", "Ad account, as act_<number>; empty for calls of none", primary_key=True),
    number("weighted_cost", "Cost by the configured weights, added up", nullable=False),
    sa.Index(None, "account_id"),
)

call_weights = table(
    "call_weights",
    "One row per query that call_cost saw within 7 days: what plans are priced by, an hour at most",
    text("endpoint_key", "Endpoint", primary_key=True),
    text("params_hash", "Hash of the query shape, empty when not known", primary_key=True),
    text("query_shape", "The query in words"),
    count("accounts", "Ad accounts that were asked", nullable=False),
    count("observations", "Attempts whose movements were compared", nullable=False),
    number("observed_weight", "What they turned out to cost; null: too few to say"),
    moment("learned_at", "When call_cost said so; asked again an hour later", nullable=False),
)

meta_api_latency_hours = table(
    "meta_api_latency_hours",
    "One row per hour, endpoint and latency step: a histogram of meta_api_logs.latency_ms",
    moment("hour", "Start of the hour", primary_key=True),
    text("endpoint_key", "Endpoint", primary_key=True),
    whole("step", "Step s holds latencies from 1.05^s to 1.05^(s+1) ms", primary_key=True),
    count("calls", "Answered attempts", nullable=False),
)

retired_totals = table(
    "retired_totals",
    "One row per counter and label: what is added up for good, so that counters never fall",
    text("counter", "Name of the counter", primary_key=True),
    text("label", "Value of its label, or empty", primary_key=True),
    number(
        "total", "Sum over all rows that are added up, also those that were removed", nullable=False
    ),
)

counted_until = table(
    "counted_until",
    "One row per table that counters are sums of: up to when its rows are in retired_totals",
    text("source", "Name of the table", primary_key=True),
    moment(
        "until",
        "Rows of an earlier moment are added up: by hour, or by finished_at",
        nullable=False,
    ),
)


__all__ = [
    "call_weights",
    "counted_until",
    "meta_api_days",
    "meta_api_hours",
    "meta_api_latency_hours",
    "retired_totals",
]
