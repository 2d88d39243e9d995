"""What the numbers mean, and what is made of it: dictionary, KPIs, rollups, reconciliation."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY, DATEMULTIRANGE

from .columns import (
    HOT_UPDATES,
    account_id,
    count,
    day,
    flag,
    json,
    moment,
    money,
    number,
    table,
    text,
    whole,
)


def _texts(name: str, comment: str, **options: Any) -> sa.Column[Any]:
    return sa.Column(name, ARRAY(sa.Text), comment=comment, **options)


metric_definitions = table(
    "metric_definitions",
    "One row per metric of the dictionary: what it counts and how it may be combined",
    text("metric_key", "Name to ask for it by", primary_key=True),
    text("display_name", "Name for people", nullable=False),
    text("description", "What it means", nullable=False),
    text("unit", "currency, count, people, percent or ratio", nullable=False),
    text("kind", "sum, ratio or non_additive", nullable=False),
    text("better", "higher, lower or neither: which way a target is met", nullable=False),
    text("formula", "How it is computed, in one line", nullable=False),
    text("source_column", "Column it adds up or shows; null when made otherwise"),
    _texts("action_types", "Action types in fallback order: the first one present counts"),
    text("action_list", "Column the action types are in: actions, action_values, ..."),
    text("attribution_window", "default, or the one window it always uses"),
    text("numerator", "Metric above the line of a ratio"),
    text("denominator", "Metric below the line of a ratio"),
    number("scale", "What a ratio is multiplied by: 100 for percent, 1000 for cpm"),
    json("definition", "The whole definition as loaded", nullable=False),
    text("dictionary_version", "Hash of the dictionary it was loaded with", nullable=False),
    text("loaded_from", "standard, or the file laid over it", nullable=False),
    moment("loaded_at", "When it was loaded", nullable=False),
)

metric_overrides = table(
    "metric_overrides",
    "One row per account, metric and first day of another definition",
    account_id(primary_key=True),
    text("metric_key", "Metric that is counted otherwise", primary_key=True),
    day("valid_from", "First day it holds; 0001-01-01 for always", primary_key=True),
    day("valid_until", "Last day it holds, inclusive; null for open-ended"),
    text("note", "Why this account counts otherwise", nullable=False),
    json("definition", "What differs, as loaded", nullable=False),
    moment("loaded_at", "When it was loaded", nullable=False),
)

metric_families = table(
    "metric_families",
    "One row per action type: the family of names that count the same people",
    text("action_type", "Meta's action type", primary_key=True),
    text("family", "Family; its types are never added to each other", nullable=False),
    whole("fallback_order", "1 is taken first, the next only where it is absent", nullable=False),
    _texts("includes", "Families whose actions are part of this one"),
    flag("off_meta", "True when it happens outside Meta: absent by hour and by region"),
)

metric_goals = table(
    "metric_goals",
    "One row per goal Meta can be given: the metric that counts its results",
    text("source", "event, optimization_goal or objective; asked in this order", primary_key=True),
    text("value", "Meta's value, for example LEAD_GENERATION", primary_key=True),
    text("metric_key", "Metric that counts the results", nullable=False),
)

account_kpis = table(
    "account_kpis",
    "One row per account and metric it is steered by",
    account_id(primary_key=True),
    text("metric_key", "Metric of the dictionary", primary_key=True),
    number("target", "Value to reach, in the metric's unit; null to watch it without a target"),
    flag(
        "is_primary",
        "True for the one metric the account is judged by",
        nullable=False,
        server_default=sa.false(),
    ),
    text("note", "Who set it and why"),
    moment("updated_at", "When it was last set", nullable=False),
    # One primary KPI an account, also where two people set theirs at once.
    sa.Index(
        "account_kpis_primary_idx",
        "account_id",
        unique=True,
        postgresql_where=sa.text("is_primary"),
    ),
)

exchange_rates = table(
    "exchange_rates",
    "One row per day and pair of currencies: what one unit of base is worth in quote",
    day("rate_date", "Day of the rate", primary_key=True),
    text("base_currency", "ISO code of what is converted", primary_key=True),
    text("quote_currency", "ISO code of what it becomes", primary_key=True),
    number("rate", "quote units for one base unit", nullable=False),
    text("source", "Where the rate is from"),
    sa.CheckConstraint("rate > 0", name="rate"),  # rates are turned around, too
)


_RESULT_METRIC = (
    "Metric that results counts, or action type of a custom conversion or event; null where "
    "nothing here counts the goal"
)


def _measures() -> list[sa.Column[Any]]:
    """What a rollup row adds up; every name is the key of a metric."""
    return [
        text("currency", "Currency of the amounts"),
        money("spend", "Amount spent in major units", nullable=False),
        money("revenue", "Value of purchases in major units", nullable=False),
        *[
            count(name, comment, nullable=False)
            for name, comment in (
                ("impressions", "Times shown"),
                ("clicks", "All clicks"),
                ("inline_link_clicks", "Clicks on links, Meta's fixed window of a day"),
            )
        ],
        *[
            number(name, comment, nullable=False)
            for name, comment in (
                ("link_clicks", "Clicks on links"),
                ("landing_page_views", "Landing page views"),
                ("video_views", "Videos played for 3 s"),
                ("thruplays", "Videos played to the end or for 15 s"),
                ("post_engagements", "Post engagements; contains link clicks and video plays"),
                ("leads", "Leads by the dictionary's fallback order"),
                ("registrations", "Completed registrations by the fallback order"),
                ("purchases", "Purchases by the fallback order"),
                ("add_to_carts", "Adds to cart by the fallback order"),
                ("checkouts_initiated", "Checkouts begun by the fallback order"),
            )
        ],
        number("results", "What the ad sets are optimised for; null where nothing here counts it"),
        money(
            "spend_without_results",
            "Of spend, that of ad sets whose results nothing here counts",
            nullable=False,
            server_default="0",
        ),
        json(
            "other_metrics",
            "The dictionary's other sums, metric key to value; zeros are left out",
            nullable=False,
        ),
    ]


def _people() -> list[sa.Column[Any]]:
    return [
        count("reach", "People reached that day, from this level's own row; never add it up"),
        count("unique_clicks", "People who clicked, from this level's own row; never add it up"),
    ]


def _provenance() -> list[sa.Column[Any]]:
    return [
        moment("data_as_of", "When Meta gave the newest of the rows it is made of"),
        text("definition_version", "Version of the definitions it is made with", nullable=False),
        moment("rolled_up_at", "When it was computed", nullable=False),
    ]


ad_rollups = table(
    "ad_rollups",
    "One row per ad and day with delivery, conversions counted by the metric dictionary; "
    "read it as daily_ad_metrics, which has the names too",
    account_id(primary_key=True),
    day("date_start", "Day in the account's time zone", primary_key=True),
    text("ad_id", "Ad", primary_key=True),
    text("adset_id", "Ad set; 'unknown' where Meta's row had none", nullable=False),
    text("campaign_id", "Campaign; 'unknown' where Meta's row had none", nullable=False),
    text("result_metric", _RESULT_METRIC),
    *_measures(),
    *_people(),
    *_provenance(),
    sa.Index(None, "ad_id", "date_start"),  # what views ask ad by ad
    **HOT_UPDATES,
)

adset_rollups = table(
    "adset_rollups",
    "One row per ad set and day with delivery: the sum of its ads; "
    "read it as daily_adset_metrics, which has the names too",
    account_id(primary_key=True),
    day("date_start", "Day in the account's time zone", primary_key=True),
    text("adset_id", "Ad set", primary_key=True),
    text("campaign_id", "Campaign", nullable=False),
    text("result_metric", _RESULT_METRIC),
    whole("delivering_ads", "Ads with a row that day", nullable=False),
    *_measures(),
    *_people(),
    *_provenance(),
    sa.Index(None, "adset_id", "date_start"),  # what pages and downloads ask of some
    **HOT_UPDATES,
)

campaign_rollups = table(
    "campaign_rollups",
    "One row per campaign and day with delivery: the sum of its ads; "
    "read it as daily_campaign_metrics, which has the names too",
    account_id(primary_key=True),
    day("date_start", "Day in the account's time zone", primary_key=True),
    text("campaign_id", "Campaign", primary_key=True),
    whole("delivering_ads", "Ads with a row that day", nullable=False),
    *_measures(),
    *_people(),
    *_provenance(),
    sa.Index(None, "campaign_id", "date_start"),  # what pages and downloads ask of some
    **HOT_UPDATES,
)

adset_goal_days = table(
    "adset_goal_days",
    "One row per ad set and what its results were counted as: the days of adset_rollups that it "
    "holds for, to find out about goals without reading them",
    account_id(primary_key=True),
    text("adset_id", "Ad set", primary_key=True),
    text("campaign_id", "Campaign; 'unknown' where Meta's row had none", primary_key=True),
    text(
        "result_metric",
        "As in adset_rollups; empty where nothing here counts the goal",
        primary_key=True,
    ),
    # Ranges, not a row a day: of most ad sets it is one of them, however long they run.
    sa.Column("days", DATEMULTIRANGE, comment="Days with delivery", nullable=False),
    **HOT_UPDATES,
)

metric_rollups = table(
    "metric_rollups",
    "One row per account and day that was rolled up: with which definitions, from which read",
    account_id(primary_key=True),
    day("date_start", "Day in the account's time zone", primary_key=True),
    text("definition_version", "Version of the definitions", nullable=False),
    moment("source_fetched_at", "sync_windows.fetched_at of the day at that moment"),
    count("ad_rows", "Ad rows of the day", nullable=False),
    moment("rolled_up_at", "When it was computed", nullable=False),
)

reconciliations = table(
    "reconciliations",
    "One row per account and day: the ad rows against the account's own row, last check",
    account_id(primary_key=True),
    day("date_start", "Day in the account's time zone", primary_key=True),
    text("status", "match, rounding, differs, unchecked or empty", nullable=False),
    text("explanation", "Why they differ, or why nothing could be said", nullable=False),
    count("ad_rows", "Ad rows of the day", nullable=False),
    money("spend_ads", "Spend of all ad rows"),
    money("spend_account", "Spend of the account row"),
    money("spend_difference", "Ads minus account"),
    number("spend_difference_pct", "Difference in percent of the account row"),
    count("impressions_ads", "Impressions of all ad rows"),
    count("impressions_account", "Impressions of the account row"),
    count("clicks_ads", "Clicks of all ad rows"),
    count("clicks_account", "Clicks of the account row"),
    json("conversions", "Per metric key: [ads, account]", nullable=False),
    number("tolerance_pct", "Difference that was tolerated", nullable=False),
    moment("ads_as_of", "When the ad rows were read"),
    moment("account_as_of", "When the account row was read"),
    moment("checked_at", "When they were compared", nullable=False),
    sa.CheckConstraint(
        "status IN ('match','rounding','differs','unchecked','empty')", name="status"
    ),
)

__all__ = [
    "account_kpis",
    "ad_rollups",
    "adset_goal_days",
    "adset_rollups",
    "campaign_rollups",
    "exchange_rates",
    "metric_definitions",
    "metric_families",
    "metric_goals",
    "metric_overrides",
    "metric_rollups",
    "reconciliations",
]
