"""The parts of an ad account: what can be synced on its own."""

from __future__ import annotations

from enum import StrEnum


class Part(StrEnum):
    """A part of an account that can be synced on its own; `sync_runs.scope` lists them."""

    CAMPAIGNS = "campaigns"
    ADSETS = "adsets"
    ADS = "ads"
    INSIGHTS = "insights"
    HOURLY = "insights_hourly"
    BREAKDOWNS = "insights_breakdown"
    REPORTS = "custom_reports"
    CREATIVES = "creatives"
    ACTIVITIES = "activities"
    RECOMMENDATIONS = "recommendations"
    CUSTOM_CONVERSIONS = "custom_conversions"
    CUSTOM_AUDIENCES = "custom_audiences"
    IMAGES = "images"


ENTITIES = frozenset({Part.CAMPAIGNS, Part.ADSETS, Part.ADS})
"""The structure of an account."""

DEFAULT_PARTS = ENTITIES | {Part.INSIGHTS}
"""What a sync brings when nothing else is said: entities, then insights."""

INSIGHTS = frozenset({Part.INSIGHTS, Part.HOURLY, Part.BREAKDOWNS, Part.REPORTS})
"""Everything that is insights; the other parts are entities and what happened to them."""

BY_ID = "by_id"
"""`sync_runs.scope` of a sync that read named objects only: it says nothing of any part."""

EXTRAS = (
    *(Part.CREATIVES, Part.ACTIVITIES, Part.RECOMMENDATIONS),
    *(Part.CUSTOM_CONVERSIONS, Part.CUSTOM_AUDIENCES, Part.IMAGES),
    *(Part.HOURLY, Part.BREAKDOWNS, Part.REPORTS),
)
"""What is read where the settings ask for it, after the rest, and left out first."""
