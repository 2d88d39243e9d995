"""Which fields each edge is asked for, and the column each of them lands in.

One table per entity: what is asked, what it becomes and which values are known all follow from it.
Field types: FACTS section 12 and the field tables of Marketing API v26.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa

from meta_pipeline.model.part import Part
from meta_pipeline.warehouse import schema

from . import convert
from .convert import Converter
from .describe import goal_of, learning_stage, summarise_targeting

# Values beyond these are stored and listed in unrecognized_values: Meta adds some without
# notice.
# The values that Meta's SDK lists (FACTS §4.5): one that is not here is kept, and reported as new.
_STATUS = frozenset(("ACTIVE", "PAUSED", "DELETED", "ARCHIVED"))
_CAMPAIGN_STATUS = _STATUS | {"IN_PROCESS", "WITH_ISSUES"}
_ADSET_STATUS = _CAMPAIGN_STATUS | {"CAMPAIGN_PAUSED"}
_AD_STATUS = _ADSET_STATUS | {
    "PENDING_REVIEW",
    "DISAPPROVED",
    "PREAPPROVED",
    "PENDING_BILLING_INFO",
    "ADSET_PAUSED",
}
_CREATIVE_STATUS = frozenset(("ACTIVE", "IN_PROCESS", "WITH_ISSUES", "DELETED"))
_IMAGE_STATUS = frozenset(("ACTIVE", "INTERNAL", "DELETED"))
# Six outcomes of today, and what older campaigns were made for: those keep it.
_OBJECTIVES = frozenset(
    (
        "OUTCOME_AWARENESS OUTCOME_TRAFFIC OUTCOME_ENGAGEMENT OUTCOME_LEADS OUTCOME_SALES "
        "OUTCOME_APP_PROMOTION APP_INSTALLS BRAND_AWARENESS CONVERSIONS EVENT_RESPONSES "
        "LEAD_GENERATION LINK_CLICKS LOCAL_AWARENESS MESSAGES OFFER_CLAIMS PAGE_LIKES "
        "POST_ENGAGEMENT PRODUCT_CATALOG_SALES REACH STORE_VISITS VIDEO_VIEWS"
    ).split()
)
_BUYING = frozenset(("AUCTION", "RESERVED"))
_BID_STRATEGIES = frozenset(
    ("LOWEST_COST_WITHOUT_CAP LOWEST_COST_WITH_BID_CAP COST_CAP LOWEST_COST_WITH_MIN_ROAS").split()
)


@dataclass(frozen=True, slots=True)
class Field:
    """One field of Meta's and the column it fills."""

    name: str
    column: str
    convert: Converter = convert.text
    known: frozenset[str] | None = None


@dataclass(frozen=True)
class EntitySpec:
    """How one edge is read: its fields, its table, its statuses."""

    part: Part
    edge: str
    """As the path has it: `act_1/<edge>`; also its key in `sync_cursor`."""
    prefix: str
    """Name of the entity in `filtering`, for example `campaign.updated_time`."""
    entity_type: str
    table: sa.Table
    fields: tuple[Field, ...]
    statuses: tuple[str, ...] = ()
    """All that the edge is asked with; none where it takes no filter (FACTS section 4.5)."""
    cheap: tuple[str, ...] = ()
    """Fields of the periodic scan: what `updated_time` does not tell (FACTS section 8)."""
    untracked: frozenset[str] = frozenset()
    """Columns whose movement is not history: they move by themselves."""
    derived: Mapping[str, Callable[[Mapping[str, Any]], Any]] = field(default_factory=dict)
    """Further columns, each a function of Meta's row."""
    parents: frozenset[str] = frozenset()
    """Columns with the ids of what it is a part of."""
    is_checked: bool = True
    """Whether what a whole listing does not show any more is looked up, and marked when gone."""
    is_by_hash: bool = False
    """Whether an object is looked up by the hash in its id: Meta knows no such id (code 803)."""

    @property
    def id_column(self) -> str:
        return self.fields[0].column

    @property
    def endpoint_key(self) -> str:
        return f"{self.part}_list"

    def by_name(self, names: tuple[str, ...]) -> tuple[Field, ...]:
        return tuple(known for known in self.fields if known.name in names)


def _statuses(known: frozenset[str]) -> tuple[Field, ...]:
    return (
        Field("status", "status", known=_STATUS),
        Field("configured_status", "configured_status", known=_STATUS),
        Field("effective_status", "effective_status", known=known),
    )


# "0" is how Meta writes the budget that an ad set has not (FACTS section 0); what remains may be 0.
_BUDGETS = (
    Field("daily_budget", "daily_budget", convert.cap),
    Field("lifetime_budget", "lifetime_budget", convert.cap),
    Field("budget_remaining", "budget_remaining", convert.amount),
)
_TIMES = (
    Field("created_time", "created_time", convert.moment),
    Field("updated_time", "updated_time", convert.moment),
)
_ISSUES = Field("issues_info", "issues_info", convert.structure)
# They move with every hour of delivery and would drown what people changed.
_VOLATILE = frozenset(("budget_remaining", "updated_time", "issues_info", "learning_stage_info"))

CAMPAIGNS = EntitySpec(
    part=Part.CAMPAIGNS,
    edge="campaigns",
    prefix="campaign",
    entity_type="campaign",
    table=schema.meta_campaigns,
    fields=(
        Field("id", "campaign_id"),
        Field("name", "name"),
        Field("objective", "objective", known=_OBJECTIVES),
        *_statuses(_CAMPAIGN_STATUS),
        Field("buying_type", "buying_type", known=_BUYING),
        Field("bid_strategy", "bid_strategy", known=_BID_STRATEGIES),
        *_BUDGETS,
        Field("spend_cap", "spend_cap", convert.cap),
        Field("special_ad_categories", "special_ad_categories", convert.structure),
        Field("start_time", "start_time", convert.moment),
        Field("stop_time", "stop_time", convert.moment),
        *_TIMES,
        _ISSUES,
    ),
    statuses=tuple(sorted(_CAMPAIGN_STATUS)),
    cheap=(
        "id",
        "status",
        "effective_status",
        "daily_budget",
        "lifetime_budget",
        "spend_cap",
        "updated_time",
    ),
    untracked=_VOLATILE,
    derived={"goal": goal_of},
)

ADSETS = EntitySpec(
    part=Part.ADSETS,
    edge="adsets",
    prefix="adset",
    entity_type="adset",
    table=schema.meta_adsets,
    fields=(
        Field("id", "adset_id"),
        Field("campaign_id", "campaign_id", convert.identifier),
        Field("name", "name"),
        *_statuses(_ADSET_STATUS),
        Field("optimization_goal", "optimization_goal"),
        Field("billing_event", "billing_event"),
        Field("bid_strategy", "bid_strategy", known=_BID_STRATEGIES),
        Field("bid_amount", "bid_amount", convert.amount),
        *_BUDGETS,
        Field("destination_type", "destination_type"),
        Field("targeting", "targeting", convert.structure),
        Field("promoted_object", "promoted_object", convert.structure),
        Field("attribution_spec", "attribution_spec", convert.structure),
        Field("learning_stage_info", "learning_stage_info", convert.structure),
        Field("start_time", "start_time", convert.moment),
        Field("end_time", "end_time", convert.moment),
        *_TIMES,
        _ISSUES,
    ),
    statuses=tuple(sorted(_ADSET_STATUS)),
    cheap=(
        "id",
        "status",
        "effective_status",
        "daily_budget",
        "lifetime_budget",
        "bid_amount",
        "updated_time",
    ),
    untracked=_VOLATILE,
    derived={"targeting_summary": summarise_targeting, "learning_stage": learning_stage},
    parents=frozenset(("campaign_id",)),
)

ADS = EntitySpec(
    part=Part.ADS,
    edge="ads",
    prefix="ad",
    entity_type="ad",
    table=schema.meta_ads,
    fields=(
        Field("id", "ad_id"),
        Field("campaign_id", "campaign_id", convert.identifier),
        Field("adset_id", "adset_id", convert.identifier),
        Field("name", "name"),
        *_statuses(_AD_STATUS),
        Field("creative", "creative_id", convert.linked_id),
        Field("source_ad_id", "source_ad_id", convert.identifier),
        Field("conversion_domain", "conversion_domain"),
        Field("tracking_specs", "tracking_specs", convert.structure),
        Field("conversion_specs", "conversion_specs", convert.structure),
        Field("ad_review_feedback", "ad_review_feedback", convert.structure),
        *_TIMES,
        _ISSUES,
    ),
    statuses=tuple(sorted(_AD_STATUS)),
    cheap=("id", "status", "effective_status", "updated_time"),
    untracked=_VOLATILE,
    parents=frozenset(("campaign_id", "adset_id")),
)

CREATIVES = EntitySpec(
    part=Part.CREATIVES,
    edge="adcreatives",
    prefix="",  # it can be filtered by nothing, neither time nor id
    entity_type="creative",
    table=schema.meta_creatives,
    fields=(
        Field("id", "creative_id"),
        Field("name", "name"),
        Field("status", "status", known=_CREATIVE_STATUS),
        Field("title", "title"),
        Field("body", "body"),
        Field("object_type", "object_type"),
        Field("call_to_action_type", "call_to_action_type"),
        Field("link_url", "link_url"),
        Field("url_tags", "url_tags"),
        Field("image_hash", "image_hash"),
        Field("image_url", "image_url"),
        Field("video_id", "video_id", convert.identifier),
        Field("thumbnail_url", "thumbnail_url"),
        Field("effective_object_story_id", "effective_object_story_id"),
        Field("instagram_permalink_url", "instagram_permalink_url"),
        Field("object_story_spec", "object_story_spec", convert.structure),
        Field("asset_feed_spec", "asset_feed_spec", convert.structure),
    ),
    is_checked=False,
)

CUSTOM_CONVERSIONS = EntitySpec(
    part=Part.CUSTOM_CONVERSIONS,
    edge="customconversions",
    prefix="",
    entity_type="custom_conversion",
    table=schema.meta_custom_conversions,
    fields=(
        Field("id", "custom_conversion_id"),
        Field("name", "name"),
        Field("description", "description"),
        Field("custom_event_type", "custom_event_type"),
        Field("event_source_type", "event_source_type"),
        Field("pixel", "pixel_id", convert.linked_id),
        Field("data_sources", "data_sources", convert.structure),
        Field("rule", "rule"),
        Field("aggregation_rule", "aggregation_rule"),
        Field("default_conversion_value", "default_conversion_value", convert.decimal),
        Field("retention_days", "retention_days", convert.whole),
        Field("is_archived", "is_archived", convert.flag),
        Field("is_unavailable", "is_unavailable", convert.flag),
        Field("creation_time", "created_time", convert.moment),
        Field("first_fired_time", "first_fired_time", convert.moment),
        Field("last_fired_time", "last_fired_time", convert.moment),
    ),
)

CUSTOM_AUDIENCES = EntitySpec(
    part=Part.CUSTOM_AUDIENCES,
    edge="customaudiences",
    prefix="",
    entity_type="custom_audience",
    table=schema.meta_custom_audiences,
    fields=(
        Field("id", "audience_id"),
        Field("name", "name"),
        Field("description", "description"),
        Field("subtype", "subtype"),
        Field("approximate_count_lower_bound", "size_lower_bound", convert.estimate),
        Field("approximate_count_upper_bound", "size_upper_bound", convert.estimate),
        Field("operation_status", "operation_status", convert.structure),
        Field("delivery_status", "delivery_status", convert.structure),
        Field("data_source", "data_source", convert.structure),
        Field("customer_file_source", "customer_file_source"),
        Field("lookalike_spec", "lookalike_spec", convert.structure),
        Field("pixel_id", "pixel_id", convert.identifier),
        Field("rule", "rule"),
        Field("retention_days", "retention_days", convert.whole),
        Field("is_value_based", "is_value_based", convert.flag),
        Field("time_created", "created_time", convert.moment),
        Field("time_updated", "updated_time", convert.moment),
        Field("time_content_updated", "content_updated_time", convert.moment),
    ),
)

IMAGES = EntitySpec(
    part=Part.IMAGES,
    edge="adimages",
    prefix="",
    entity_type="image",
    table=schema.meta_images,
    fields=(
        Field("id", "image_id"),
        Field("hash", "image_hash", convert.identifier),
        Field("name", "name"),
        Field("status", "status", known=_IMAGE_STATUS),
        Field("width", "width", convert.whole),
        Field("height", "height", convert.whole),
        Field("original_width", "original_width", convert.whole),
        Field("original_height", "original_height", convert.whole),
        Field("permalink_url", "permalink_url"),
        Field("url", "url"),
        Field("url_128", "url_128"),
        Field("is_associated_creatives_in_adgroups", "is_in_ads", convert.flag),
        Field("created_time", "created_time", convert.moment),
        Field("updated_time", "updated_time", convert.moment),
    ),
    is_by_hash=True,
)

ENTITY_SPECS: Mapping[Part, EntitySpec] = {
    spec.part: spec
    for spec in (
        *(CAMPAIGNS, ADSETS, ADS),
        *(CREATIVES, CUSTOM_CONVERSIONS, CUSTOM_AUDIENCES, IMAGES),
    )
}

ACCOUNT_FIELDS = (
    Field("id", "account_id"),
    Field("name", "name"),
    Field("account_status", "account_status", convert.whole),
    Field("disable_reason", "disable_reason", convert.whole),
    Field("currency", "currency"),
    Field("timezone_name", "timezone_name"),
    Field("amount_spent", "amount_spent", convert.amount),
    Field("balance", "balance", convert.amount),
    Field("spend_cap", "spend_cap", convert.cap),
    Field("min_daily_budget", "min_daily_budget", convert.amount),
    Field("owner", "owner_id", convert.identifier),
    Field("created_time", "created_time", convert.moment),
)
