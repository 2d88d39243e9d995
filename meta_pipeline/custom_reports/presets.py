"""Presets: the reports most people build by hand, ready to be named in META_REPORTS_FILE."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from typing import Any, Final

import yaml

_DELIVERY = ("spend", "impressions", "clicks")
_PEOPLE = ("reach", "frequency")
_RESULTS = ("actions", "action_values")
_VIDEO = (
    "video_play_actions",
    "video_p25_watched_actions",
    "video_p50_watched_actions",
    "video_p75_watched_actions",
    "video_p95_watched_actions",
    "video_p100_watched_actions",
    "video_thruplay_watched_actions",
    "video_avg_time_watched_actions",
    "cost_per_thruplay",
)
_HOUR = "hourly_stats_aggregated_by_advertiser_time_zone"


def _preset(description: str, *fields: str, **others: Any) -> dict[str, Any]:
    return {"description": description, "fields": fields, **others}


PRESETS: Final[Mapping[str, Mapping[str, Any]]] = {
    "ad_performance": _preset(
        "Delivery, clicks and results of each ad by day, with its names",
        "campaign_name", "adset_name", "ad_name", *_DELIVERY, *_PEOPLE, "inline_link_clicks",
        "outbound_clicks", *_RESULTS, "purchase_roas",
    ),
    "campaign_performance": _preset(
        "The same of each campaign, whose reach counts a person once",
        "campaign_name", "objective", *_DELIVERY, *_PEOPLE, *_RESULTS, "purchase_roas",
        level="campaign",
    ),
    "adset_performance": _preset(
        "The same of each ad set, with the attribution its results are counted by",
        "campaign_name", "adset_name", "optimization_goal", "attribution_setting", *_DELIVERY,
        *_PEOPLE, *_RESULTS, "purchase_roas", level="adset",
    ),
    "account_monthly": _preset(
        "The account by month, whose reach counts a person once a month",
        *_DELIVERY, *_PEOPLE, *_RESULTS, level="account", time_increment="monthly",
    ),
    "campaign_weekly_reach": _preset(
        "Reach and frequency of each campaign by week, Monday to Sunday",
        "campaign_name", *_DELIVERY, *_PEOPLE, level="campaign", time_increment=7,
    ),
    "campaign_reach_28d": _preset(
        "Reach and frequency of each campaign over the last 28 days, as of every day",
        "campaign_name", *_DELIVERY, *_PEOPLE, level="campaign", time_increment="all_days",
        span_days=28,
    ),
    "quality": _preset(
        "How each ad is ranked against those that compete for the same people",
        "ad_name", "quality_ranking", "engagement_rate_ranking", "conversion_rate_ranking",
        *_DELIVERY,
    ),
    "results": _preset(
        "What each ad set is optimized for, as Ads Manager's column Results counts it",
        "campaign_name", "adset_name", "optimization_goal", "attribution_setting", "results",
        "cost_per_result", "spend", "impressions", level="adset",
    ),
    "video": _preset(
        "Plays of each ad's video, and how far people watch it",
        "ad_name", *_DELIVERY, *_VIDEO,
    ),
    "video_sound": _preset(
        "Video plays with sound on and off",
        "spend", "impressions", "actions", action_breakdowns=("action_type", "action_video_sound"),
    ),
    "reactions": _preset(
        "Reactions to each ad by kind: like, love, haha, ...",
        "ad_name", "spend", "impressions", "actions",
        action_breakdowns=("action_type", "action_reaction"),
    ),
    "carousel": _preset(
        "Clicks and results by card of a carousel",
        "ad_name", "spend", "impressions", "actions", "action_values", "outbound_clicks",
        action_breakdowns=("action_type", "action_carousel_card_id", "action_carousel_card_name"),
    ),
    "conversion_device": _preset(
        "On which device people convert",
        "spend", "impressions", *_RESULTS, action_breakdowns=("action_type", "action_device"),
    ),
    "destination": _preset(
        "Where people go from an ad: website, app, page",
        "spend", "impressions", *_RESULTS,
        action_breakdowns=("action_type", "action_destination"),
    ),
    "age_gender": _preset(
        "Delivery and results by age and gender",
        *_DELIVERY, *_PEOPLE, *_RESULTS, breakdowns=("age", "gender"),
    ),
    "country": _preset(
        "Delivery and results by country",
        *_DELIVERY, *_PEOPLE, *_RESULTS, breakdowns=("country",),
    ),
    "region": _preset(
        "Delivery by region; what people do off Meta is not told apart by it",
        *_DELIVERY, *_PEOPLE, "inline_link_clicks", breakdowns=("region",),
    ),
    "placement": _preset(
        "Delivery and results by platform and position",
        *_DELIVERY, *_PEOPLE, *_RESULTS, breakdowns=("publisher_platform", "platform_position"),
    ),
    "platform": _preset(
        "Delivery and results by platform: Facebook, Instagram, Messenger, ...",
        *_DELIVERY, *_PEOPLE, *_RESULTS, breakdowns=("publisher_platform",),
    ),
    "device": _preset(
        "Delivery and results by the kind of device an ad was seen on",
        *_DELIVERY, *_PEOPLE, *_RESULTS, breakdowns=("device_platform",),
    ),
    "hourly": _preset(
        "Delivery of each campaign by hour of the account's day",
        *_DELIVERY, "actions", level="campaign", breakdowns=(_HOUR,),
    ),
    "product": _preset(
        "Delivery and results by product of a catalog",
        *_DELIVERY, *_RESULTS, breakdowns=("product_id",),
    ),
    "image_asset": _preset(
        "Images of dynamic creative, told apart",
        *_DELIVERY, "actions", breakdowns=("image_asset",),
    ),
    "body_asset": _preset(
        "Texts of dynamic creative, told apart",
        *_DELIVERY, "actions", breakdowns=("body_asset",),
    ),
}  # fmt: skip
"""Name to the values of a report; each may be replaced where the preset is named."""


def unknown_preset(name: str) -> str:
    """That there is no such preset, and which ones are near."""
    near = difflib.get_close_matches(name, PRESETS, n=3)
    offer = f"did you mean {' or '.join(near)}?" if near else f"there are {', '.join(PRESETS)}"
    return f"{name!r} is no preset: {offer}"


def as_yaml(name: str) -> str:
    """A preset written out as a report of META_REPORTS_FILE, to be changed at will."""
    values = {
        key: list(value) if isinstance(value, tuple) else value
        for key, value in PRESETS[name].items()
    }
    report = {"name": name, **values}
    return str(yaml.safe_dump({"reports": [report]}, sort_keys=False, width=100))
