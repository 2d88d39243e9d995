"""The catalogue of checks: what is asked of the warehouse, and what to do when it fails."""

from __future__ import annotations

from .check import Check

CHECKS = (
    Check(
        name="freshness",
        table="meta_insights",
        title="accounts without a recent sync of their numbers",
        description="Every account is synced in time: looked at one by one, so that a healthy "
        "account hides no dead one.",
        what_to_do="`last_error` says why. No error: is the daemon up and the sensor on? "
        "Materialize the account's partition to try at once. An account nobody needs: "
        "META_EXCLUDE_ACCOUNTS.",
    ),
    Check(
        name="orphans",
        table="meta_insights",
        title="entities that numbers or children mention and no table has",
        description="Every campaign, ad set and ad that is mentioned is in its table.",
        what_to_do="Run `restate` for the account: what its insights mention and no table has is "
        "read by id. If it stays, Meta gives it no more: `unrecognized_values` says so.",
    ),
    Check(
        name="reconciliation",
        table="reconciliations",
        title="days whose ad rows differ from the account's own total",
        description="The ad rows of a day add up to what Meta says of the account as a whole.",
        what_to_do="`explanation` says why. Read the days again with job `restate`; what still "
        "differs is Meta's own: docs/reconcile-with-ads-manager.md tells when it may.",
    ),
    Check(
        name="schema_drift",
        table="meta_ad_accounts",
        title="fields or values of Meta's that are new to us",
        description="Meta sent nothing lately that was not understood.",
        what_to_do="Nothing is lost: unknown fields are in `extra`, the rest is as Meta sent it. "
        "Look at `reason`; upgrade meta_pipeline, or report the field.",
    ),
    Check(
        name="delivery_without_spend",
        table="meta_insights",
        title="ad days that delivered without costing anything",
        description="What was shown was paid for.",
        what_to_do="Compare the ad and day in Ads Manager. Free delivery (credits, Meta's tests) "
        "is real; else read the day again with job `restate`.",
    ),
    Check(
        name="future_days",
        table="meta_insights",
        title="days that lie ahead in the account's time zone",
        description="No day of insights is after the account's own today.",
        what_to_do="The account's time zone changed, or a clock is wrong: run `discover_accounts`, "
        "then read the days again with job `restate`.",
    ),
    Check(
        name="missing_days",
        table="meta_insights",
        title="gaps of days that were never fetched",
        description="Between the first and the last fetched day of an account no day is missing.",
        what_to_do="Run `backfill_insights` for the account, `since` and `until` as in the gap. "
        "Days of zero delivery are no gap: they are in the ledger as fetched.",
    ),
    Check(
        name="rollups_behind",
        table="daily_ad_metrics",
        title="days whose daily metrics are older than their insights",
        description="The daily metrics are made of the newest read of every day.",
        what_to_do="Materialize the account's partition of `meta/daily_ad_metrics`, or run "
        "`meta-pipeline metrics rollup`.",
    ),
)
"""All checks that need nothing but the warehouse."""


def find(name: str) -> Check:
    """The check of that name; KeyError names those there are."""
    for check in CHECKS:
        if check.name == name:
            return check
    raise KeyError(f"no check {name!r}; there are {', '.join(one.name for one in CHECKS)}")
