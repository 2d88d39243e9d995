"""Columns of Ads Manager that daily insights keep where META_INSIGHTS_COLUMNS names them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from .level import LEVELS, Level

ALL = "all"
"""The word of META_INSIGHTS_COLUMNS for every one of them."""


class Shape(StrEnum):
    """How Meta writes the value of a column (field table of AdsInsights, v26)."""

    TEXT = "text"
    COUNT = "count"
    ACTIONS = "actions"
    """A list of action types with their values, as `actions`."""
    OBJECTS = "objects"
    """A list of objects of a shape of its own."""


@dataclass(frozen=True, slots=True)
class InsightsColumn:
    """One column; its name is Meta's field and ours. `levels` are those whose rows have it."""

    name: str
    shape: Shape
    meaning: str
    levels: tuple[str, ...] = LEVELS


_OF_ADSETS = (Level.ADSET, Level.AD)
INSIGHTS_COLUMNS = (
    InsightsColumn(
        "attribution_setting",
        Shape.TEXT,
        "Attribution setting of the ad set that the default values count by: 7d_click_1d_view; "
        "above ad sets there is none",
        _OF_ADSETS,
    ),
    InsightsColumn(
        "results",
        Shape.OBJECTS,
        "Results as Ads Manager shows them: [{indicator, values: [{value, attribution_windows}]}]",
    ),
    InsightsColumn(
        "cost_per_result", Shape.OBJECTS, "Cost per result in major units, in the shape of results"
    ),
    InsightsColumn("purchase_roas", Shape.ACTIONS, "Purchase value / spend; never add it up"),
    InsightsColumn(
        "website_purchase_roas",
        Shape.ACTIONS,
        "Value of purchases on the website / spend; never add it up",
    ),
    InsightsColumn("outbound_clicks", Shape.ACTIONS, "Clicks that lead away from Meta"),
    InsightsColumn("conversions", Shape.ACTIONS, "Conversions by type as Meta sends them"),
    InsightsColumn(
        "conversion_values", Shape.ACTIONS, "Value of conversions by type in major units"
    ),
    InsightsColumn("video_play_actions", Shape.ACTIONS, "Videos that began to play"),
    *(
        InsightsColumn(
            f"video_p{share}_watched_actions",
            Shape.ACTIONS,
            f"Videos played to {share} percent of their length",
        )
        for share in (25, 50, 75, 95, 100)
    ),
    InsightsColumn(
        "instagram_profile_visits", Shape.COUNT, "Visits of the Instagram profile from the ad"
    ),
    InsightsColumn(
        "quality_ranking",
        Shape.TEXT,
        "Quality of the ad against ads for the same people; UNKNOWN below 500 impressions",
        (Level.AD,),
    ),
    InsightsColumn(
        "engagement_rate_ranking",
        Shape.TEXT,
        "Expected engagement against ads for the same people",
        (Level.AD,),
    ),
    InsightsColumn(
        "conversion_rate_ranking",
        Shape.TEXT,
        "Expected conversion rate against ads with the same goal and people",
        (Level.AD,),
    ),
)
"""Every one of them, in the order of the table. `objective_results` is none: asked for, Meta
answers with the key `results` (FACTS section 5.2)."""

NAMES = tuple(one.name for one in INSIGHTS_COLUMNS)


def columns_named(names: Sequence[str], level: str) -> tuple[str, ...]:
    """Those of `names` that rows of the level have, in the order of the table."""
    return tuple(
        one.name
        for one in INSIGHTS_COLUMNS
        if level in one.levels and (one.name in names or ALL in names)
    )
