"""Breakdown names: those that Meta's API knows, so that a slip is told before a call is made."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

VERSION = (26, 0)
"""The API version whose enum this is, as the official SDK has it (FACTS section 5.3)."""

NAMES = frozenset(
    """
    ad_extension_domain ad_extension_url ad_format_asset affiliate_click_region
    affiliate_link_url age app_id body_asset breakdown_ad_objective
    breakdown_reporting_ad_id call_to_action_asset coarse_conversion_value comscore_market
    conversion_destination country creative_automation_asset_id creative_fingerprint_details
    creative_format_classification creative_media_type_breakdown
    creative_relaxation_asset_type crm_advertiser_l12_territory_ids
    crm_advertiser_subvertical_id crm_advertiser_vertical_id crm_ult_advertiser_id
    description_asset device_platform dma existing_post_id fidelity_type
    flexible_format_asset_type frequency_value gen_ai_asset_type gender
    hourly_stats_aggregated_by_advertiser_time_zone
    hourly_stats_aggregated_by_audience_time_zone hsid image_asset impression_device
    impression_view_time_advertiser_hour_v2 instagram_ads_follow_type
    instagram_ads_instagram_media_product_type instagram_ads_time_since_creation_bucket
    internal_campaign_id is_auto_advance is_conversion_id_modeled
    is_rendered_as_delayed_skip_ad landing_destination link_url_asset
    marketing_messages_btn_name mdsa_landing_destination media_asset_url media_creator
    media_destination_url media_format media_id media_origin_url media_text_content
    media_type mmm msa_seller_name overlap_segment pa_creator_ig_handle place_page_id
    placement_path platform_position postback_sequence_index product_brand_breakdown
    product_category_breakdown product_custom_label_0_breakdown
    product_custom_label_1_breakdown product_custom_label_2_breakdown
    product_custom_label_3_breakdown product_custom_label_4_breakdown
    product_group_content_id_breakdown product_id publisher_platform redownload
    reels_trending_topic region rta_ugc_topic rule_set_id rule_set_name signal_source
    signal_source_bucket skan_campaign_id skan_conversion_id skan_version
    sot_attribution_model_type sot_attribution_window sot_channel sot_event_type sot_source
    standard_event_content_type title_asset user_persona_id user_persona_name video_asset
    zip
    """.split()
)


def refuse_unknown(names: Iterable[str], api_version: str) -> None:
    """Raise ValueError for a name that is no breakdown; a newer API version may know more."""
    if tuple(int(part) for part in api_version.removeprefix("v").split(".")) > VERSION:
        return
    unknown = [name for name in names if name not in NAMES]
    if not unknown:
        return
    near = difflib.get_close_matches(unknown[0], NAMES, n=3)
    offer = f"did you mean {' or '.join(near)}?" if near else "Meta has age, gender, country, ..."
    raise ValueError(f"{unknown[0]!r} is not a breakdown of {api_version}: {offer}")
