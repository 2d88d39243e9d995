"""Delivery and results: daily, hourly and by breakdown, and how they moved afterwards."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import sqlalchemy as sa

from meta_pipeline.model.insights_column import INSIGHTS_COLUMNS, Shape

from .columns import (
    HOT_UPDATES,
    account_id,
    count,
    data_as_of,
    day,
    json,
    moment,
    money,
    number,
    table,
    text,
)

_OF_SHAPE: Mapping[Shape, Callable[[str, str], sa.Column[Any]]] = {
    Shape.TEXT: text,
    Shape.COUNT: count,
    Shape.ACTIONS: json,
    Shape.OBJECTS: json,
}


def _metrics() -> list[sa.Column[Any]]:
    return [
        text("currency", "Currency of the amounts"),
        money("spend", "Amount spent in major units"),
        count("impressions", "Times shown"),
        count("reach", "People reached; never add it up"),
        number("frequency", "impressions / reach of this very row; never add it up"),
        count("clicks", "All clicks"),
        count("unique_clicks", "People who clicked; never add it up"),
        count("inline_link_clicks", "Clicks on links in the ad"),
        json("actions", "Actions by type as Meta sends them, with the windows asked for"),
        json("action_values", "Value of actions by type in major units"),
        json("video_thruplay_watched_actions", "Videos played to the end or for 15 s"),
    ]


def _parents() -> list[sa.Column[Any]]:
    return [
        text("campaign_id", "Campaign; null above its level"),
        text("adset_id", "Ad set; null above its level"),
        text("ad_id", "Ad; null above its level"),
    ]


def _of_entity(**options: Any) -> list[sa.Column[Any]]:
    return [
        text("entity_type", "Level of the row: account, campaign, adset, ad", **options),
        text("entity_id", "Id of the account, campaign, ad set or ad", **options),
    ]


meta_insights = table(
    "meta_insights",
    "One row per level, entity and day: levels repeat each other, so sum(spend) over all rows "
    "counts every amount more than once. Read ad_insights, adset_insights, campaign_insights or "
    "account_insights. Daily rows have date_stop = date_start",
    *_of_entity(primary_key=True),
    day("date_start", "First day, in the account's time zone", primary_key=True),
    day("date_stop", "Last day, inclusive", primary_key=True),
    account_id(nullable=False),
    *_parents(),
    *_metrics(),
    data_as_of("sync_windows"),
    # Columns of Ads Manager that somebody may ask for.
    *(
        _OF_SHAPE[one.shape](one.name, f"{one.meaning}. Kept with META_INSIGHTS_COLUMNS")
        for one in INSIGHTS_COLUMNS
    ),
    # The key finds an entity's days; this finds an account's, whatever the level.
    sa.Index(None, "account_id", "date_start"),
    **HOT_UPDATES,
)

meta_insights_hourly = table(
    "meta_insights_hourly",
    "One row per ad, day and hour that had delivery; reach is not available by hour",
    text("ad_id", "Ad", primary_key=True),
    day("date_start", "Day in the account's time zone", primary_key=True),
    sa.Column(
        "hour",
        sa.SmallInteger,
        primary_key=True,
        comment="Hour of the day, 0 to 23, in the account's time zone",
    ),
    account_id(nullable=False),
    text("campaign_id", "Campaign"),
    text("adset_id", "Ad set"),
    *[column for column in _metrics() if column.name not in ("reach", "frequency")],
    data_as_of("sync_windows"),
    sa.Index(None, "account_id", "date_start"),
    **HOT_UPDATES,
)

meta_insights_breakdown = table(
    "meta_insights_breakdown",
    "One row per entity, day and breakdown cell that had delivery",
    *_of_entity(primary_key=True),
    day("date_start", "Day in the account's time zone", primary_key=True),
    text("breakdown", "Breakdowns asked for, sorted, with commas: age,gender", primary_key=True),
    text("cell", "Values of the breakdowns in that order, as JSON list", primary_key=True),
    json("cell_values", 'The same by name: {"age": "25-34", "gender": "female"}'),
    account_id(nullable=False),
    *_parents(),
    *_metrics(),
    data_as_of("sync_windows"),
    sa.Index(None, "account_id", "date_start"),
    **HOT_UPDATES,
)

insights_changes = table(
    "insights_changes",
    "One row per account, level and day for each read that moved its numbers",
    sa.Column(
        "change_id",
        sa.BigInteger,
        sa.Identity(always=True),
        primary_key=True,
        comment="Running number",
    ),
    account_id(nullable=False),
    text("entity_type", "Level that was read", nullable=False),
    day("date_start", "Day whose numbers moved", nullable=False),
    moment("read_at", "When the new numbers were read", nullable=False),
    number("age_days", "Age of the day at that moment, from its end in the account's zone"),
    count("rows_new", "Rows that were not there before"),
    count("rows_changed", "Rows whose numbers moved"),
    money("spend_before", "Spend of the day before the read"),
    money("spend_after", "Spend of the day after the read"),
    count("impressions_before", "Impressions before"),
    count("impressions_after", "Impressions after"),
    count("clicks_before", "Clicks before"),
    count("clicks_after", "Clicks after"),
    number("actions_before", "Sum of all action values before: a measure of movement only"),
    number("actions_after", "Sum of all action values after"),
    text("sync_run_id", "The sync that read it"),
    text(
        "dataset",
        "Kind of rows, as in sync_windows: insights_ad, insights_hourly, breakdown:age,gender, ...",
    ),
    count("rows_removed", "Rows that Meta took back"),
    sa.Index(None, "account_id", "date_start"),
    # What retention removes, in its order.
    sa.Index(None, "read_at"),
)

__all__ = ["insights_changes", "meta_insights", "meta_insights_breakdown", "meta_insights_hourly"]
