"""Ad accounts and what is in them: campaigns, ad sets, ads, creatives, and their history."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from .columns import (
    HOT_UPDATES,
    account_id,
    bookkeeping,
    count,
    data_as_of,
    flag,
    json,
    moment,
    money,
    table,
    text,
    whole,
)


def _statuses() -> list[sa.Column[Any]]:
    return [
        text("status", "What the advertiser chose: ACTIVE, PAUSED, DELETED, ARCHIVED"),
        text("configured_status", "Mirror of status in current API versions"),
        text("effective_status", "What is true after parents, review and billing; see docs"),
    ]


def _budgets() -> list[sa.Column[Any]]:
    return [
        money("daily_budget", "Daily budget in major units"),
        money("lifetime_budget", "Lifetime budget in major units"),
        money("budget_remaining", "What is left of the budget, in major units"),
    ]


meta_ad_accounts = table(
    "meta_ad_accounts",
    "One row per ad account the token can see, or could once see",
    account_id(primary_key=True),
    text("name", "Account name"),
    whole(
        "account_status", "1 active, 2 disabled, 3 unsettled, 7 risk review, 9 grace, 101 closed"
    ),
    whole("disable_reason", "Meta's number for why it is disabled; 0 for none"),
    text("currency", "ISO code of the currency every amount of this account is in"),
    text("timezone_name", "IANA zone in which the account's days are counted"),
    money("amount_spent", "Spent so far towards the spend cap, in major units"),
    money("balance", "Amount due, in major units"),
    money("spend_cap", "Spend cap in major units; null for none"),
    money("min_daily_budget", "Smallest daily budget Meta accepts, in major units"),
    text("business_id", "Owning business"),
    text("business_name", "Name of the owning business"),
    text("owner_id", "Owner as Meta names it"),
    moment("created_time", "When the account was opened"),
    flag(
        "is_accessible",
        "False when the token lost the account; it is kept and marked",
        nullable=False,
        server_default=sa.true(),
    ),
    moment("last_listed_at", "When the account was last in Meta's list", nullable=False),
    moment(
        "environment_listed_at",
        "When META_ACCESS_TOKEN last listed it; null: it does not reach the account",
    ),
    flag(
        "is_simulated",
        "True when the rows came from a host that is not Meta's",
        nullable=False,
        server_default=sa.false(),
    ),
    moment("first_seen_at", "When this row was first written", server_default=sa.func.now()),
    data_as_of("last_listed_at"),
    json("extra", "Fields Meta sent that have no column of their own"),
)

meta_campaigns = table(
    "meta_campaigns",
    "One row per campaign, also paused, archived and deleted ones",
    text("campaign_id", "Campaign id", primary_key=True),
    account_id(nullable=False),
    text("name", "Campaign name"),
    text("objective", "Meta's objective, for example OUTCOME_SALES"),
    text("goal", "What the objective is after, in plain words: purchases, leads, ..."),
    *_statuses(),
    text("buying_type", "AUCTION or RESERVED"),
    text("bid_strategy", "Bid strategy of the campaign budget"),
    *_budgets(),
    money("spend_cap", "Spend cap in major units"),
    text("currency", "Currency of the amounts"),
    json("special_ad_categories", "Special ad categories, a list"),
    moment("start_time", "Start; null where Meta has none"),
    moment("stop_time", "End; null for open-ended"),
    moment("created_time", "When it was created"),
    moment("updated_time", "Last change as Meta tells it; budget edits do not move it"),
    json("issues_info", "Delivery problems as Meta reports them"),
    *bookkeeping(),
    sa.Index(None, "account_id"),
    **HOT_UPDATES,
)

meta_adsets = table(
    "meta_adsets",
    "One row per ad set, also paused, archived and deleted ones",
    text("adset_id", "Ad set id", primary_key=True),
    account_id(nullable=False),
    text("campaign_id", "Campaign it belongs to"),
    text("name", "Ad set name"),
    *_statuses(),
    text("optimization_goal", "What delivery optimises for"),
    text("billing_event", "What is paid for"),
    text("bid_strategy", "Bid strategy"),
    money("bid_amount", "Bid or cost cap in major units"),
    *_budgets(),
    text("currency", "Currency of the amounts"),
    text("destination_type", "Where the ad leads: WEBSITE, MESSENGER, ..."),
    text("targeting_summary", "Targeting in one line for people"),
    json("targeting", "Targeting as Meta normalised it"),
    json("promoted_object", "Pixel, page, app or event that is promoted"),
    json("attribution_spec", "Attribution windows of the ad set"),
    text("learning_stage", "Learning stage: LEARNING, SUCCESS, FAIL"),
    json("learning_stage_info", "Learning stage as Meta reports it"),
    moment("start_time", "Start"),
    moment("end_time", "End; null for open-ended"),
    moment("created_time", "When it was created"),
    moment("updated_time", "Last change as Meta tells it; budget edits do not move it"),
    json("issues_info", "Delivery problems as Meta reports them"),
    *bookkeeping(),
    sa.Index(None, "account_id"),
    sa.Index(None, "campaign_id"),
    **HOT_UPDATES,
)

meta_ads = table(
    "meta_ads",
    "One row per ad, also paused, archived and deleted ones",
    text("ad_id", "Ad id", primary_key=True),
    account_id(nullable=False),
    text("campaign_id", "Campaign it belongs to"),
    text("adset_id", "Ad set it belongs to"),
    text("name", "Ad name"),
    *_statuses(),
    text("creative_id", "Creative the ad shows"),
    text("source_ad_id", "Ad it was copied from; null for none"),
    text("conversion_domain", "Domain where conversions happen"),
    json("tracking_specs", "What is tracked"),
    json("conversion_specs", "What counts as a conversion"),
    json("ad_review_feedback", "Why review refused it"),
    moment("created_time", "When it was created"),
    moment("updated_time", "Last change as Meta tells it"),
    json("issues_info", "Delivery problems as Meta reports them"),
    *bookkeeping(),
    sa.Index(None, "account_id"),
    sa.Index(None, "campaign_id"),
    sa.Index(None, "adset_id"),
    **HOT_UPDATES,
)

meta_creatives = table(
    "meta_creatives",
    "One row per ad creative",
    text("creative_id", "Creative id", primary_key=True),
    account_id(nullable=False),
    text("name", "Creative name"),
    text("status", "ACTIVE, IN_PROCESS, WITH_ISSUES, DELETED"),
    text("title", "Headline"),
    text("body", "Main text"),
    text("object_type", "Kind of creative: SHARE, VIDEO, PHOTO, ..."),
    text("call_to_action_type", "Button: SHOP_NOW, LEARN_MORE, ..."),
    text("link_url", "Where the ad leads"),
    text("url_tags", "Tags added to the link"),
    text("image_hash", "Image"),
    text("image_url", "Image address; may expire"),
    text("video_id", "Video"),
    text("thumbnail_url", "Signed preview address; expires within days"),
    text("effective_object_story_id", "Post that is shown"),
    text("instagram_permalink_url", "Instagram post"),
    json("object_story_spec", "Post the creative makes; null where Meta would not give it"),
    json("asset_feed_spec", "Assets of a dynamic creative"),
    *bookkeeping(),
    sa.Index(None, "account_id"),
)

meta_activities = table(
    "meta_activities",
    "One row per change somebody made in the account, as Meta's change log tells it",
    text("activity_id", "Hash of the event: Meta gives no id", primary_key=True),
    account_id(nullable=False),
    moment("event_time", "When it happened", nullable=False),
    text("event_type", "For example update_campaign_budget"),
    text("translated_event_type", "The same in words"),
    text("object_id", "What was changed"),
    text("object_type", "CAMPAIGN, AD_SET, AD, ACCOUNT, ..."),
    text("object_name", "Its name at the time"),
    text("actor_id", "Who changed it"),
    text("actor_name", "Name of who changed it"),
    text("application_name", "App it was changed with"),
    json("extra_data", "Old and new values as Meta tells them"),
    moment("data_as_of", "When Meta gave this row", nullable=False),
    # By account for the log, by object for a timeline.
    sa.Index(None, "account_id", "event_time"),
    sa.Index(None, "object_id", "event_time"),
)

entity_changes = table(
    "entity_changes",
    "One row per changed field of an entity, as seen between two syncs",
    sa.Column(
        "change_id",
        sa.BigInteger,
        sa.Identity(always=True),
        primary_key=True,
        comment="Running number",
    ),
    account_id(nullable=False),
    text("entity_type", "account, campaign, adset or ad", nullable=False),
    text("entity_id", "Id of the entity", nullable=False),
    text("field", "Column that changed", nullable=False),
    text("old_value", "Value before; null when it was absent"),
    text("new_value", "Value after; null when it is absent now"),
    moment("seen_at", "When the sync saw the new value", nullable=False),
    text("sync_run_id", "The sync that saw it"),
    # By account for what changed lately, by entity for its timeline.
    sa.Index(None, "account_id", "seen_at"),
    sa.Index(None, "entity_id", "seen_at"),
)

unrecognized_values = table(
    "unrecognized_values",
    "One row per value, field or object that was not understood or that Meta would not give",
    account_id(primary_key=True),
    text("source", "Endpoint or entity type it came from", primary_key=True),
    text("field", "Field it was in", primary_key=True),
    text("value", "The value, shortened to 200 characters", primary_key=True),
    text("reason", "unknown_enum, wrong_type, unknown_field, refused_field, refused_object, ..."),
    text("sample_id", "One object that had it"),
    moment("first_seen_at", "First time", nullable=False),
    moment("last_seen_at", "Last time", nullable=False),
    count("seen_count", "How many times", nullable=False),
    # What retention removes, in its order.
    sa.Index(None, "last_seen_at"),
    # A handful among all, which belong to no account and are asked for by each look at the status.
    sa.Index(
        "unrecognized_values_api_version_idx",
        "value",
        postgresql_where=sa.text("source = 'api_version'"),
    ),
)

__all__ = [
    "entity_changes",
    "meta_activities",
    "meta_ad_accounts",
    "meta_ads",
    "meta_adsets",
    "meta_campaigns",
    "meta_creatives",
    "unrecognized_values",
]
