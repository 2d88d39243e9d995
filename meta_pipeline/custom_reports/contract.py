"""What Meta's insights take: fields with their types, breakdowns, attribution windows.

The tables are those of the official SDK (`insights.json`, which a test compares with the installed
one), so that no SDK is needed to run. What it lists and Meta refuses is left out (FACTS 5.2, 5.4).
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from importlib.resources import files
from typing import Any, Final

import orjson


class FieldKind(StrEnum):
    """What the values of a field are, and so the type of its column."""

    COUNT = "count"
    """A whole number as text: bigint."""
    DECIMAL = "decimal"
    """Any other number as text, amounts in major units: numeric."""
    ACTIONS = "actions"
    """A list of entries with action_type, value and attribution windows: jsonb."""
    JSON = "json"
    """A list of objects of a shape of its own: jsonb."""
    TEXT = "text"

    @property
    def is_number(self) -> bool:
        return self in (FieldKind.COUNT, FieldKind.DECIMAL)


_SDK: Final[dict[str, Any]] = orjson.loads(
    files(__package__).joinpath("insights.json").read_bytes()
)
VERSION: Final = tuple(int(part) for part in _SDK["version"].removeprefix("v").split("."))
"""The API version whose tables these are."""
REFUSED: Final[Mapping[str, str]] = {
    **dict.fromkeys(
        (
            "wish_bid age_targeting gender_targeting labels location "
            "estimated_ad_recall_rate_lower_bound estimated_ad_recall_rate_upper_bound "
            "estimated_ad_recallers_lower_bound estimated_ad_recallers_upper_bound"
        ).split(),
        "Meta refuses it although its SDK lists it: take it out",
    ),
    "objective_results": "Meta answers it under the name results: write results",
    "cost_per_objective_result": "it is cost_per_result under another name: write cost_per_result",
    "dma": "Meta takes it no more since 2026-06-22: write comscore_market",
    "7d_view": "Meta gives nothing of it since 2026-01-12: take it out",
    "28d_view": "Meta gives nothing of it since 2026-01-12: take it out",
}
"""Names that the SDK lists and Meta does not answer, and what to do."""
GIVEN: Final = frozenset(
    ("account_id", "account_currency", "campaign_id", "adset_id", "ad_id", "date_start",
     "date_stop")
)  # fmt: skip
"""What every row brings anyway, as far as its level knows it."""
FIELDS: Final[Mapping[str, str]] = {
    name: kind
    for name, kind in _SDK["fields"].items()
    if name not in REFUSED and len(name) <= 63  # longer ones can be no column of Postgres
}
SDK_BREAKDOWNS: Final = frozenset(_SDK["breakdowns"])
BREAKDOWNS: Final = SDK_BREAKDOWNS - REFUSED.keys()
ACTION_BREAKDOWNS: Final = frozenset(_SDK["action_breakdowns"])
ATTRIBUTION_WINDOWS: Final = frozenset(_SDK["attribution_windows"]) - REFUSED.keys()

_COUNTS: Final = frozenset(
    """
    impressions reach clicks unique_clicks inline_link_clicks unique_inline_link_clicks
    inline_post_engagement full_view_impressions full_view_reach instagram_profile_visits
    instagram_profile_follow estimated_ad_recallers product_views shop_clicks
    shops_assisted_purchases total_card_view total_postbacks messages_delivered
    marketing_messages_delivered marketing_messages_read marketing_messages_sent
    marketing_messages_link_btn_click marketing_messages_quick_reply_btn_click
    instagram_upcoming_event_reminders_set instant_experience_clicks_to_open
    instant_experience_clicks_to_start
    """.split()
)
_TEXTS: Final = frozenset(
    """
    account_currency account_id account_name ad_id ad_name adset_end adset_id adset_name
    adset_start anchor_event_attribution_setting anchor_events_performance_indicator
    attribution_setting buying_type campaign_id campaign_name conversion_rate_ranking created_time
    creative_diversity_label creative_media_type date_start date_stop engagement_rate_ranking
    marketing_messages_spend_currency multi_event_conversion_attribution_setting objective
    opportunity_score_l4 optimization_goal place_page_name product_group_retailer_id
    product_retailer_id quality_ranking result_values_performance_indicator updated_time
    """.split()
)
# Rows that overlap in people, rates and costs: their sum means nothing.
_NEVER_ADDED: Final = ("reach", "frequency", "unique", "ctr", "cost_per", "rate", "cpc", "cpm",
                       "cpp", "roas", "avg", "average", "_per_", "score", "estimated")  # fmt: skip


def kind_of(field: str) -> FieldKind:
    """What the values of a field are; of one that no table has, text.

    The SDK calls nearly all of them strings: which of these are numbers is said here.
    """
    kind = FIELDS.get(field, "string")
    if kind == "list<AdsActionStats>":
        return FieldKind.ACTIONS
    if kind.startswith("list<"):
        return FieldKind.JSON
    if field in _COUNTS:
        return FieldKind.COUNT
    return FieldKind.TEXT if field in _TEXTS or field not in FIELDS else FieldKind.DECIMAL


def adds_up(field: str) -> bool:
    """Whether sums of the field over rows mean something."""
    return kind_of(field).is_number and not any(word in field for word in _NEVER_ADDED)
